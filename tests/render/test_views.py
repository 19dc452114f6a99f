"""What templates see of an article."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.articles import Also, Article, ArticleStatus, Show
from pipeline.render.views import (
    article_view,
    fit_html,
    one_line,
    plain_view,
    preheader,
    underline,
    wrap,
)

PUBLIC = "https://n.example"
AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
ARTICLE = Article(
    id=5, source="desk", source_title="The Desk", guid="", url="", title="Title", author="Ada", summary="In short.",
    html="<p>All of it</p>", published_at=AT, first_seen_at=AT, updated_at=AT, accepted_seq=1, accepted_at=AT,
    status=ArticleStatus.ACCEPTED, story=5, revision=1, show=Show.FULL,
)


def text_of(html: str) -> tuple[str, list[str]]:
    return f"text of {html}", ["https://a.example/"]


def test_show_decides_how_much_is_shown() -> None:
    full = article_view(ARTICLE, public_url=PUBLIC, text_of=text_of)
    assert (full.full, str(full.html), full.text) == (True, "<p>All of it</p>", "text of <p>All of it</p>")
    assert full.links == ("https://a.example/",)
    summary = article_view(replace(ARTICLE, show=Show.SUMMARY), public_url=PUBLIC, text_of=text_of)
    assert (summary.full, str(summary.html), summary.text, summary.links) == (False, "", "In short.", ())
    assert plain_view(ARTICLE, public_url=PUBLIC).html == ""


def test_an_article_without_a_page_of_its_own_points_at_ours() -> None:
    assert plain_view(ARTICLE, public_url=PUBLIC).url == "https://n.example/a/5"
    elsewhere = plain_view(replace(ARTICLE, url="https://b.example/x"), public_url=PUBLIC)
    assert (elsewhere.url, elsewhere.web_url) == ("https://b.example/x", "https://n.example/a/5")


def test_the_other_tellers_of_a_story_are_named() -> None:
    also = (Also(6, "The\nBlog", "https://blog.example/1"), Also(7, "Folder", ""), Also(8, "Planet", "https://b.example/x"))
    view = plain_view(replace(ARTICLE, url="https://b.example/x", also=also), public_url=PUBLIC)
    assert [(a.source, a.url) for a in view.also] == [
        ("The Blog", "https://blog.example/1"), ("Folder", "https://n.example/a/7"),
        ("Planet", "")], "the very page that the article links to is not linked twice"


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<h1>A</h1><h2>B</h2><h6>C</h6>", "<h3>A</h3><h4>B</h4><h6>C</h6>"),
        ("<h2>A</h2><h3>B</h3>", "<h3>A</h3><h4>B</h4>"),
        ("<h4>A</h4>", "<h4>A</h4>"),
        ('<p style="head" class="x" id=\'y\' lang="sv">A</p>', '<p lang="sv">A</p>'),
        ('<a href="https://x.example/?style=1&amp;id=2" style="x">A</a>', '<a href="https://x.example/?style=1&amp;id=2">A</a>'),
        ('<img src="https://n.example/media/1.png" alt="A">', '<img src="https://n.example/media/1.png" alt="A">'),
        ('<img src="https://other.example/1.png" alt="A &lt;cat&gt;">', "<em>[A &lt;cat&gt;]</em>"),
        ('<img src="https://n.example.evil.example/1.png">', ""),
        ('<img alt=">" src="https://other.example/1.png">x', "<em>[>]</em>x"),
        ('<p title="<h1>">1 &lt; 2</p>', '<p title="<h1>">1 &lt; 2</p>'),
        ("<br>a<hr>", "<br>a<hr>"),
        ('<p title="<!-- a">b</p>', '<p title="<!-- a">b</p>'),
        ("a<!-- b --><style>c</style><textarea>d", "a"),
    ],
)
def test_html_is_fitted_into_a_letter(html: str, expected: str) -> None:
    assert fit_html(html, public_url=PUBLIC) == expected


@given(st.lists(st.text("ab-\u65e5", min_size=1, max_size=12), min_size=1, max_size=12), st.integers(0, 20),
       st.sampled_from(["", "> ", "- ", "  12. "]), st.sampled_from(["", "   "]))
def test_wrapped_lines_are_as_full_as_they_can_be(words: list[str], width: int, mark: str, indent: str) -> None:
    line = mark + "x " + " ".join(words)
    lines = wrap(line, width, indent).split("\n")
    lead = len(indent) + len(mark)
    assert all(each[:len(indent)] == indent for each in lines)
    if len(lines) == 1 and len(indent) + len(line) <= width:
        return
    taken = [each[lead:].split(" ") for each in lines]
    assert list(chain(*taken)) == ["x", *words]
    for row, following in zip(taken, [*taken[1:], None], strict=True):
        assert len(row) == 1 or lead + len(" ".join(row)) <= width
        if following:
            assert lead + len(" ".join([*row, following[0]])) > width, "one more word would have fitted"


def test_wrapping_keeps_marks_and_addresses() -> None:
    assert wrap("- one two three\n> four five six", 10) == "- one two\n  three\n> four\n> five six"
    assert wrap("  1. one two", 8) == "  1. one\n     two"
    assert wrap("see https://a.example/very/long/address-with-hyphens", 10).split("\n")[1].startswith("https://a.example/v")
    assert wrap("a\n\nb") == "a\n\nb"


def test_underlines_are_as_wide_as_what_is_seen() -> None:
    assert underline("Åäö") == "Åäö\n==="
    assert underline("日本") == "日本\n===="
    assert underline("one two", "-", 4) == "one\ntwo\n---"


def test_one_line_and_preheader() -> None:
    assert one_line("a\nb\u2028c\x00d\t e") == "a b c d e"
    views = [plain_view(replace(ARTICLE, id=i, title=f"Title {i}"), public_url=PUBLIC) for i in (1, 2, 3)]
    assert preheader(views) == "Title 2 · Title 3"
    assert preheader(views[:1]) == "In short."
    assert preheader([]) == ""
    assert len(preheader(views * 50)) <= 140
