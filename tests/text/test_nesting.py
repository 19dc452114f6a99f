from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.text.clean import _cleaner, clean_html
from pipeline.text.nesting import SETTLED_DEPTH, deepest, settled, shallow

TAGS = "p b a i code div ul ol li dl dt dd pre h2 h3 blockquote figure figcaption br img hr table tr td ruby rt".split()


def tree(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Well-formed, but put together without any regard for what may stand in what."""
    element = st.tuples(st.sampled_from(TAGS), st.lists(children, max_size=4).map("".join))
    return element.map(lambda e: f"<{e[0]}>" if e[0] in ("br", "img", "hr") else f"<{e[0]}>{e[1]}</{e[0]}>")


TREES = st.recursive(st.sampled_from(["x", " ", "\n", "&amp;", "<br>"]), tree, max_leaves=12)


@settings(max_examples=60)
@given(st.lists(TREES, max_size=4).map("".join))
@example("<b><b><b><b><b>x</b></b></b></b></b><p>y</p>")
@example("<p><a><b>x</b></a></p>")
def test_what_is_settled_a_parser_reads_as_it_is_written(markup: str) -> None:
    if settled(markup):
        assert _cleaner().clean(markup) == markup


@pytest.mark.parametrize(
    "markup",
    ["", "x", "<p>a <b>b</b><br></p>", "<ul><li>a<ul><li>b</li></ul></li></ul>", "<div><div><h2>a</h2><hr></div></div>",
     "<blockquote><p>a</p></blockquote>", "<figure><img><figcaption><p>x</p></figcaption></figure>", "<pre>a\nb</pre>",
     "<dl><dt>a</dt><dd><p>b</p></dd></dl>", "<a><img></a>"],
)
def test_the_plain_structure_of_articles_is_settled(markup: str) -> None:
    assert settled(markup)
    assert _cleaner().clean(markup) == markup


UNSETTLED = [
    "<p><div>a</div></p>", "<p><p>a</p></p>", "<a>a<a>b</a></a>", "<a><b>a<a>b</a></b></a>", "<li>a<li>b</li></li>",
    "<h2>a<h3>b</h3></h2>", "<pre>\na</pre>", "<dt>a<dd>b</dd></dt>", "<b>a", "a</b>", "<b>a</i>", "<table>x</table>",
]


@pytest.mark.parametrize("markup", UNSETTLED)
def test_what_a_parser_might_read_otherwise_is_left_to_it(markup: str) -> None:
    assert not settled(markup)


def test_the_control_most_of_what_is_unsettled_is_indeed_read_otherwise() -> None:
    changed = [markup for markup in UNSETTLED if _cleaner().clean(markup) != markup]
    print(f"read otherwise than written: {len(changed)} of {len(UNSETTLED)}")
    assert len(changed) == len(UNSETTLED)


def test_what_is_deep_is_left_to_a_parser() -> None:
    assert settled("<div>" * SETTLED_DEPTH + "</div>" * SETTLED_DEPTH)
    assert not settled("<div>" * (SETTLED_DEPTH + 1) + "</div>" * (SETTLED_DEPTH + 1))


def test_the_depth_of_what_is_clean() -> None:
    assert deepest("<p>x</p>" * 200) == 1
    assert deepest("<ul><li>" * 60 + "</li></ul>" * 60) == 120


def test_a_comment_can_hide_no_nesting_from_the_count() -> None:
    assert shallow("a<!-- " + "<div>" * 200 + " -->b") == "ab"
    assert shallow("a<script>" + "<div>" * 200 + "</script>b") == "ab"
    assert shallow("a<style>" + "</div>" * 200) == "a"
    assert shallow("<p>" * 3 + "x" + "</p>" * 3, limit=2).count("<p>") == 3
    assert shallow("<b><i><u>x</u></i></b>y", limit=2) == "<b><i>x</i></b>y"


@pytest.mark.parametrize("comment", ["<!-->", "<!--->", "<!-- a -->", "<!-- a --!>", "<!---->"])
def test_a_comment_ends_where_a_browser_ends_it(comment: str) -> None:
    assert shallow(f"<p>a</p>{comment}<p>b</p>") == "<p>a</p><p>b</p>"


DEEP = st.lists(st.sampled_from([f"<{t}>" for t in TAGS] + [f"</{t}>" for t in TAGS] + ["x", "<!-- <b> -->", "</x>"]),
                max_size=40).map("".join)


@given(DEEP, st.integers(1, 6))
def test_no_more_than_the_limit_stay_open(markup: str, limit: int) -> None:
    """By the plainest count there is: every tag opens, and closes one of its name and what is within."""
    stack: list[str] = []
    for slash, name in re.findall(r"<(/?)([a-z0-9]+)", shallow(markup + "<!---->", limit)):
        if name in ("br", "img", "hr"):
            continue
        if not slash:
            if name in ("p", "li", "dt", "dd", "tr", "td") and stack and stack[-1] == name:
                stack.pop()
            stack.append(name)
            assert len(stack) <= limit
        elif name in stack:
            while stack.pop() != name:
                pass


def test_a_thousand_deep_is_flattened_however_it_is_written() -> None:
    for opened in ("<div>", "<b><p>", "<ul><li>", "<div><!-- </div> -->", "<div><script></div></script>"):
        out = clean_html(opened * 1000 + "end")
        assert deepest(out) <= 100, opened
        assert "end" in out, opened
