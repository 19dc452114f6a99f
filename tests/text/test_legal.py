from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.text.legal import TITLE_LIMIT, legal_text, one_line

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=80)  # surrogates, controls, everything
XML_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@given(ANY_TEXT)
@example("a\x00b\x0bc\ufffe\ud800")
@example("e\u0301" + "\u0338\u0323" * 40)
def test_only_legal_characters_stay_and_twice_is_once(s: str) -> None:
    out = legal_text(s)
    assert not XML_ILLEGAL.search(out)
    assert not re.search("[\r\x0b\x0c\x85\u2028\u2029\u202a-\u202e\u2066-\u2069]", out)
    assert unicodedata.is_normalized("NFC", out)
    assert legal_text(out) == out


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("a\r\nb\rc\u2028d\u2029e\x85f\x0bg\x0ch", "a\nb\nc\nd\ne\nf\ng\nh"),
        ("user\u202egnp.exe", "usergnp.exe"),
        ("caf\u0065\u0301", "café"),
        ("tab\tstays", "tab\tstays"),
        ("\x1b[31mred", "[31mred"),
        ("👩\u200d👩\u200d👧 stays", "👩\u200d👩\u200d👧 stays"),
    ],
)
def test_each_kind_of_character(source: str, wanted: str) -> None:
    assert legal_text(source) == wanted


@given(ANY_TEXT)
def test_one_line_is_one_line(s: str) -> None:
    out = one_line(s)
    assert len(out.splitlines()) <= 1
    assert len(out) <= TITLE_LIMIT
    assert out == out.strip()


def test_one_line_is_cut_at_a_word() -> None:
    assert one_line("The quick brown fox, jumping over", limit=22) == "The quick brown fox…"
    assert one_line("x" * 50, limit=10) == "x" * 9 + "…"
    assert one_line(" two\n lines\u00a0here ") == "two lines here"


def test_a_pile_of_combining_marks_is_cut_not_sorted_for_minutes() -> None:
    out = legal_text("a" + "\u0323\u0301" * 200_000)
    assert len(out) < 40
