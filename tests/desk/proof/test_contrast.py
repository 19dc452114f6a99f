"""Words that are hard to read are found in light and in dark, and words that can be read are not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.desk.proof.contrast import check, ratio
from pipeline.desk.proof.finding import Finding
from pipeline.desk.proof.opened import Opened
from pipeline.desk.proof.sheets import color

Open = Callable[..., Opened]
DARK = '@media (prefers-color-scheme: dark) { %s }'
KNOWS_DARK = '<meta name="color-scheme" content="light dark">'


def found(opened: Opened) -> list[str]:
    return [one.text for one in check(opened)]


@pytest.mark.parametrize(("one", "other", "expected"), [
    ("#000", "#fff", 21.0), ("#777777", "#ffffff", 4.48), ("#767676", "#ffffff", 4.54), ("#ff0000", "#ffffff", 4.0),
])
def test_ratios_are_those_of_wcag(one: str, other: str, expected: float) -> None:
    assert ratio(color(one)[:3], color(other)[:3]) == pytest.approx(expected, abs=0.01)


@given(*[st.tuples(*[st.floats(0, 1)] * 3)] * 2)
def test_a_ratio_is_the_same_both_ways_and_from_1_to_21(one: tuple[float, ...], other: tuple[float, ...]) -> None:
    assert ratio(one, other) == ratio(other, one)
    assert 1 <= ratio(one, other) <= 21.01


@pytest.mark.parametrize("body", [
    '<p style="color:#999">Pale words</p>',
    '<div style="color:#999"><p>Pale words</p></div>',
    '<div style="background-color:#333"><p>Pale words</p></div>',
    '<table bgcolor="#333333"><tr><td>Pale words</td></tr></table>',
    '<p><font color="#999999">Pale words</font></p>',
    '<p style="background:#333 none">Pale words</p>',
    '<p style="color:hsl(0 0% 60%)">Pale words</p>',
    '<p style="color:rgba(0,0,0,.4)">Pale words</p>',
    '<p style="color:#999;color:nonsense">Pale words</p>',
    '<p style="color:#777;font-size:23px">Pale words</p>',
    '<p style="color:#777;font-weight:bold;font-size:18px">Pale words</p>',
    '<p style="color:#999;font-size:24px">Pale words</p>',
    '<!-- one --><p style="color:#999">Pale<!-- two --> words</p>',
    '<div style="background-image:url(x.png)"><p style="background-color:#333">Pale words</p></div>',
])
def test_pale_words_are_found(opened: Open, body: str) -> None:
    (text,) = found(opened(body))
    assert '"Pale words" is #' in text
    assert "in light" in text


@pytest.mark.parametrize("body", [
    "<p>Words</p>",
    '<p style="color:#767676">Words</p>',
    '<p style="color:#888;font-size:18pt">Words</p>',
    '<p style="color:#888;font-size:14pt;font-weight:700">Words</p>',
    '<h2 style="color:#888;font-size:19px">Words</h2>',
    '<h1 style="color:#888">Words</h1>',
    '<p style="color:#999;display:none">Words</p>',
    '<div style="display:none"><p style="color:#999">Words</p></div>',
    '<p style="color:#999;visibility:hidden">Words</p>',
    '<p style="color:#999;font-size:0">Words</p>',
    '<p hidden style="color:#999">Words</p>',
    '<p style="color:#999">·</p>',
    '<p style="color:#999;background:#000">Words</p>',
    '<p style="color:var(--x)">Words</p>',
    '<p style="color:lab(50% 20 30)">Words</p>',
    '<p style="color:#999;background-image:linear-gradient(#000,#111)">Words</p>',
    '<div style="color:#999"><p style="color:#000">Words</p></div>',
    '<p style="color:#000 !important;color:#999">Words</p>',
])
def test_words_that_can_be_read_or_are_not_seen_are_not(opened: Open, body: str) -> None:
    assert found(opened(body)) == []


def test_a_style_sheet_counts_by_its_specificity_and_a_style_attribute_above_it(opened: Open) -> None:
    body = '<div class="box"><p class="pale">Words</p></div>'
    assert len(found(opened(body, ".pale { color: #999 }"))) == 1
    assert found(opened(body, ".box .pale { color: #000 } .pale { color: #999 }")) == []
    assert found(opened(body, "#x, .pale { color: #999 } p { color: #000 !important }")) == []
    styled = '<p class="pale" style="color:#000">Words</p>'
    assert found(opened(styled, ".pale { color: #999 }")) == []
    assert len(found(opened(styled, ".pale { color: #999 !important }"))) == 1


def test_a_link_has_a_colour_of_its_own(opened: Open) -> None:
    body = '<div style="background-color:#000;color:#fff">Words <a href="https://x.example/">A link</a></div>'
    (text,) = found(opened(body))
    assert '"A link" is #0000ed on #000000' in text


def test_dark_rules_are_looked_at_in_dark_only(opened: Open) -> None:
    body = '<div class="sheet" style="background-color:#ffffff"><p class="words" style="color:#222222">Words</p></div>'
    out = '<p style="background-color:#fff"><a style="color:#000" href="https://lantern.example/u/abc123">Out</a></p>'
    dark = ".sheet { background-color: #111 !important }"
    (text,) = found(opened(body, DARK % dark, way_out=out))
    assert text.startswith('"Words" is #222222 on #111111 in dark: a contrast of 1.18, and it takes 4.5')
    light_words = f"{dark} .sheet .words {{ color: #eee !important }}"
    assert found(opened(body, DARK % light_words, way_out=out)) == []
    assert len(found(opened(body, f"@media screen and (prefers-color-scheme:dark) {{ {dark} }}", way_out=out))) == 1
    assert found(opened(body, f"@media (max-width: 620px) {{ {dark} }}", way_out=out)) == []
    assert len(found(opened(body, dark, way_out=out))) == 1, "in light: it stands in no @media"


def test_a_letter_that_knows_dark_stands_on_dark_paper(opened: Open) -> None:
    body, css = '<p style="color:#222">Words</p>', DARK % ".other { color: #fff }"
    assert found(opened(body, css)) == []
    assert len(found(opened(body, css, meta=KNOWS_DARK))) == 1
    assert len(found(opened(body, css + ":root { color-scheme: light dark }"))) == 1


def test_a_pair_of_colours_is_told_once_and_many_pairs_end(opened: Open) -> None:
    (one,) = check(opened('<p style="color:#999">First words</p>' * 5))
    assert one.place == "First words"
    assert "4 more pieces" in one.text
    many = found(opened("".join(f'<p style="color:#99999{n:x}">Words</p>' for n in range(16))))
    assert len(many) == 11
    assert many[-1] == "6 more pairs of colours are too much alike in light"


@given(st.text(alphabet="abc:;{}()#\"'\\/*!@%.-0123 \n", max_size=60))
def test_no_style_breaks_it(style: str) -> None:
    from html import escape

    from pipeline.desk.proof.finding import Letter
    from pipeline.desk.proof.opened import open_letter

    html = f'<style>{style.replace("</", "")}</style><p style="{escape(style)}">Words</p>'
    assert all(isinstance(one, Finding) for one in check(open_letter(Letter(html, "", b"", "", "en", "https://x.example"))))
