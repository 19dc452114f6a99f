"""Joining pieces: bytes decode to the text, values can't break out, rows bring everything back."""

from __future__ import annotations

import dataclasses
import quopri
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.fragments import DamagedFragments, fragments, thaw
from pipeline.model.frozen import (
    OWN,
    TOKENS,
    Frozen,
    Note,
    Piece,
    PieceKind,
    direction,
    fragment,
    html_qp_chunks,
    literal,
    mould,
    own,
    personal_html,
    personal_text,
    text_qp_chunks,
    text_value,
    web_html,
    web_text,
)
from pipeline.model.quoted import joinable_qp

VALUES = dict.fromkeys(TOKENS, "") | {"address": "ada@example.org", "unsubscribe_url": "https://n.example/u/x?a=1&b=2"}


def token(name: str, *conditions: str) -> Piece:
    return Piece(PieceKind.TOKEN, name, conditions=conditions)


def slot(name: str = "articles") -> Piece:
    return Piece(PieceKind.SLOT, name)


def small() -> Frozen:
    html = (
        literal("<p>Top</p>"), slot(), literal("<p>To ", ("mail",)), token("address", "mail"),
        literal(" since ", ("mail", "since")), token("since", "mail", "since"), literal("</p>", ("mail",)),
        literal('<a href="', ("mail",)), token("unsubscribe_url", "mail"), literal('">leave</a>', ("mail",)),
        literal("<p>Join us</p>", ("web",)), literal("\n"),
    )
    text = (literal("Top\n"), slot(), token("address", "mail"), literal("\n"))
    parts = {
        ("articles", 7): fragment("articles", 7, "<h2>Seven</h2>", "Seven\n"),
        ("articles", 3): fragment("articles", 3, "<h2>Three</h2>", "Three\n"),
    }
    return Frozen("nonce123", html, text, parts, (Note(3, "nested too deep"),))


def decoded(chunks: list[bytes]) -> str:
    return quopri.decodestring(b"".join(chunks)).replace(b"\r\n", b"\n").decode()


# characters that mean something somewhere: to QP, to SMTP, to mbox, to HTML, to terminals
awkward = st.text(
    st.one_of(st.sampled_from("=. \tFrom\nåß日😀&<>\"'-"), st.characters(codec="utf-8", exclude_characters="\r")),
    max_size=200,
)
one_value = st.text(st.one_of(st.sampled_from("=. \tFrom\r\nå😀&<>\"'\u2028\u202e\0"), st.characters()), max_size=120)


@given(st.lists(awkward, max_size=6))
def test_encoded_pieces_joined_decode_to_the_joined_text(texts: list[str]) -> None:
    data = b"".join(map(joinable_qp, texts)) + joinable_qp("\n")
    assert quopri.decodestring(data).replace(b"\r\n", b"\n").decode() == "".join(texts) + "\n"
    for line in data.split(b"\r\n"):
        assert len(line) <= 76
        assert not line.startswith((b".", b"From "))
        assert not line.endswith((b" ", b"\t"))
        assert re.fullmatch(rb"(?:[\t !-<>-~]|=[0-9A-F]{2})*=?", line)


def test_long_text_is_folded_without_cutting_an_escape() -> None:
    rng = random.Random(1)
    for _ in range(30):
        text = "".join(rng.choice("abc.å= From ") for _ in range(rng.randrange(400)))
        assert decoded([joinable_qp(text), joinable_qp("\n")]) == text + "\n"


@given(st.lists(awkward, min_size=3, max_size=3), st.lists(one_value, min_size=3, max_size=3), st.permutations([1, 2]))
def test_the_bytes_of_a_copy_decode_to_its_text(bodies: list[str], given_: list[str], ids: list[int]) -> None:
    shell = (literal(bodies[0]), token("address"), slot(), literal(bodies[1], ("since",)), token("since", "since"),
             token("preheader"), literal("\n"))
    parts = {("articles", i): fragment("articles", i, bodies[2] + str(i), str(i) + bodies[2]) for i in (1, 2)}
    frozen = Frozen("nonce123", shell, shell, parts)
    values = VALUES | dict(zip(("address", "since", "preheader"), given_, strict=True))
    assert decoded(html_qp_chunks(frozen, ids, values)) == personal_html(frozen, ids, values)
    assert decoded(text_qp_chunks(frozen, ids, values)) == personal_text(frozen, ids, values)


@given(st.lists(one_value, min_size=4, max_size=4), st.lists(one_value, min_size=4, max_size=4))
def test_a_mould_made_for_one_person_serves_all_who_get_the_same(first: list[str], second: list[str]) -> None:
    one, other = (VALUES | {"preheader": "å", **dict(zip(OWN, values, strict=True))} for values in (first, second))
    if own(one) != own(other):
        other |= {name: text_value(one[name]) and (text_value(other[name]) or "x") for name in OWN}
    assert own(one) == own(other)
    for part, chunks in (("html", html_qp_chunks), ("text", text_qp_chunks)):
        made = mould(small(), part, [3, 7], one)
        assert made.filled(other) == chunks(small(), [3, 7], other)


def test_whose_own_values_are_not_all_there_needs_another_mould() -> None:
    there = VALUES | {"since": "3 May"}
    assert own(VALUES) != own(there)
    assert mould(small(), "html", [3], VALUES) != mould(small(), "html", [3], there)


@given(one_value)
def test_a_value_stays_where_it_is_put(value: str) -> None:
    html = personal_html(small(), [], VALUES | {"address": value, "unsubscribe_url": value})
    before, after = "<p>Top</p><p>To ", '">leave</a>\n'
    assert html.startswith(before)
    assert html.endswith(after)
    inside = html[len(before) : -len(after)].replace('</p><a href="', "")
    assert not re.search(r"[<>\"']", inside)
    text = personal_text(small(), [], VALUES | {"address": value})
    assert text.count("\n") == 2
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", text)


def test_a_person_gets_their_articles_in_their_order() -> None:
    assert personal_text(small(), [3, 7], VALUES) == "Top\nThree\nSeven\nada@example.org\n"
    assert personal_text(small(), [7], VALUES) == "Top\nSeven\nada@example.org\n"
    assert "<h2>Three</h2><h2>Seven</h2>" in personal_html(small(), [3, 7], VALUES)


def test_a_range_appears_where_its_value_is_not_empty() -> None:
    assert " since " not in personal_html(small(), [3], VALUES)
    assert " since 3 May</p>" in personal_html(small(), [3], VALUES | {"since": "3 May"})
    assert " since " not in personal_html(small(), [3], VALUES | {"since": "\n"}), "nothing visible is nothing"


def test_the_web_copy_holds_nothing_personal() -> None:
    assert web_html(small(), [3]) == "<p>Top</p><h2>Three</h2><p>Join us</p>\n"
    assert web_text(small(), [3]) == "Top\nThree\n\n"
    assert "Join us" not in personal_html(small(), [3], VALUES)


@pytest.mark.parametrize("wrong", [{"ids": [99]}, {"values": {}}])
def test_what_is_missing_is_named_and_never_left_out(wrong: dict[str, object]) -> None:
    arguments = {"ids": [3], "values": VALUES} | wrong
    for join in (personal_html, personal_text, html_qp_chunks, text_qp_chunks):
        with pytest.raises(KeyError):
            join(small(), arguments["ids"], arguments["values"])  # type: ignore[operator]


def test_rows_bring_everything_back_in_any_order() -> None:
    rows = fragments(small())
    random.Random(2).shuffle(rows)
    assert thaw(rows, "nonce123") == small()
    assert thaw(rows, "nonce123").article_ids == (7, 3), "the order of the freeze"
    assert len({row.ordinal for row in rows}) == len(rows)
    assert small().tokens == {"address", "since", "unsubscribe_url"}


def test_a_changed_or_missing_row_is_refused() -> None:
    rows = fragments(small())
    article = next(r for r in rows if r.article_id == 7)
    with pytest.raises(DamagedFragments, match="hash"):
        thaw([dataclasses.replace(r, body="x") if r is article else r for r in rows], "nonce123")
    with pytest.raises(DamagedFragments, match="hash"):
        thaw([dataclasses.replace(r, qp=r.qp + b"x") if r is article else r for r in rows], "nonce123")
    with pytest.raises(DamagedFragments, match="missing"):
        thaw([r for r in rows if r is not article], "nonce123")
    with pytest.raises(DamagedFragments, match="missing"):
        thaw([], "nonce123")


def test_values_keep_letters_of_every_script() -> None:
    for value in ("Åsa Öberg", "日本語", "שלום", "हिन्दी", "👩\u200d👧", "a  b"):
        assert text_value(value) == value
    assert text_value("a\r\nBcc: x\u2028\u202eb\ud800") == "aBcc: xb"


@pytest.mark.parametrize(("language", "expected"), [("ar", "rtl"), ("he-IL", "rtl"), ("en", "ltr"), ("", "ltr")])
def test_direction(language: str, expected: str) -> None:
    assert direction(language) == expected


def test_the_web_copy_takes_what_only_it_knows_and_no_person_s_value() -> None:
    html = (token("address"), literal("|"), token("previous_url", "web", "previous_url"), token("next_url", "web"))
    frozen = dataclasses.replace(small(), html=(*html, literal("<p>after</p>", ("web", "next_url"))))
    assert web_html(frozen, []) == "|"
    values = {**VALUES, "previous_url": "/a?b&c", "next_url": ""}
    assert web_html(frozen, [], values) == "|/a?b&amp;c"
    assert web_html(frozen, [], {"next_url": "/d"}) == "|/d<p>after</p>"
