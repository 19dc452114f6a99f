"""What stands in a frozen digest instead of an article that was taken down."""

from __future__ import annotations

import pytest
from lxml import html as lxml_html

from pipeline.model.fragments import FragmentRow, fragments, thaw, with_body
from pipeline.model.frozen import CONTENTS, Frozen, Piece, PieceKind, fragment, literal, web_html
from pipeline.model.withdrawn import OF_AN_ARTICLE as ELSEWHERE
from pipeline.model.withdrawn import WORDS, withdrawn, without_link

TR = ('\n<tr><td class="article pad" id="secret" title="secret" style="padding:0 1px; background:url(secret.png)" '
      "align='left'><p>secret</p><table><tr><td>secret</td></tr></table></td></tr>\n")


def row(body: str, part: str = "html", name: str = "articles") -> FragmentRow:
    return with_body(FragmentRow(part, 7, "fragment", name, "", 5, "", b"", ""), body)


@pytest.mark.parametrize(("body", "left"), [
    (TR, '<tr><td class="article pad" align="left"><p>{}</p></td></tr>\n'),
    ('<li class="contents"><a href="#a5">secret</a></li>', '<li class="contents">{}</li>\n'),
    ('<!-- secret --><div style="margin:1px">\n<div>secret</div></div>',
     '<div style="margin:1px"><div><p>{}</p></div></div>\n'),
    ("<h2>secret</h2><p>secret</p>", "<p>{}</p>\n"),
    ("secret", "<p>{}</p>\n"),
    ("", "<p>{}</p>\n"),
    ('<td title=">secret">x', "<td><p>{}</p></td>\n"),
    ("<div " * 5, "<p>{}</p>\n"),
    ("<div>" * 300 + "secret", "<div>" * 8 + "<p>{}</p>" + "</div>" * 8 + "\n"),
])
def test_its_frame_stays_and_all_that_was_in_it_goes(body: str, left: str) -> None:
    made = withdrawn(row(body))
    assert made.body == left.replace("{}", WORDS)
    assert (made.ordinal, made.name, made.article_id, made.part) == (7, "articles", 5, "html")
    lxml_html.fragment_fromstring(made.body, create_parent="div")


def test_plain_text_says_it_too() -> None:
    assert withdrawn(row("secret\n------\n\nsecret", "text")).body == f"{WORDS}\n\n\n"
    assert withdrawn(row("* secret\n", "text", CONTENTS)).body == f"* {WORDS}\n"


def test_a_digest_still_joins() -> None:
    slot = (Piece(PieceKind.SLOT, "articles"),)
    frozen = Frozen("nonce123", (literal("<table>"), *slot, literal("</table>\n")), (literal("x"), *slot), {
        ("articles", 5): fragment("articles", 5, TR, "secret\n"), ("articles", 6): fragment("articles", 6, "B", "b\n")})
    rows = [withdrawn(r) if r.article_id == 5 else r for r in fragments(frozen)]
    again = thaw(rows, "nonce123")
    assert "secret" not in web_html(again, [5, 6]) + str(rows)
    assert web_html(again, [5, 6]).count(WORDS) == 1


def less(body: str, url: str, title: str, part: str = "html", *, bare: bool = True) -> str:
    return without_link(row(body, part), url, title, ELSEWHERE, bare=bare).body


def test_others_say_no_more_where_it_could_be_read() -> None:
    url, title = "https://x.example/a?b=1&c=2", "The <North>"
    html = ('<h2>The &lt;North&gt; wind</h2><p class="also">Also in <a style="x" href="https://x.example/a?b=1&amp;c=2">'
            'The &lt;North&gt;</a>, <a href="https://y.example/">Y</a></p>')
    assert less(html, url, title) == (f'<h2>The &lt;North&gt; wind</h2><p class="also">Also in {ELSEWHERE}, '
                                      '<a href="https://y.example/">Y</a></p>')
    assert less("<p>Also in The &lt;North&gt;</p>\n", url, title) == f"<p>Also in {ELSEWHERE}</p>\n"
    assert less("<p>Also in The &lt;North&gt;, Y</p>", "", title) == f"<p>Also in {ELSEWHERE}, Y</p>"
    text = f"The <North> wind\n----\n\nAlso in The <North>: {url}\n\n"
    assert less(text, url, title, "text") == f"The <North> wind\n----\n\nAlso in {ELSEWHERE}\n\n"
    assert less("Also in The <North>\n", "", title, "text") == f"Also in {ELSEWHERE}\n"
    other = row("<p>Nothing of it</p>")
    assert without_link(other, url, title, ELSEWHERE) is other


def test_an_address_that_only_begins_alike_is_another_one() -> None:
    """Of our own pages: /a/1 is not the beginning of /a/12."""
    url = "https://here.example/a/1"
    html = f'<h2><a href="{url}2">On</a></h2><p>Also in <a href="{url}">X</a>, <a href="{url}/x">Y</a></p>'
    assert less(html, url, "X") == html.replace(f'<a href="{url}">X</a>', ELSEWHERE)
    text = f"Read on: {url}2\nAlso in X: {url}\nSee ({url}), {url}."
    assert less(text, url, "X", "text") == (
        f"Read on: {url}2\nAlso in {ELSEWHERE}\nSee ({ELSEWHERE}), {ELSEWHERE}.")


def test_a_source_that_tells_it_elsewhere_too_is_still_named() -> None:
    html = '<p>Also in <a href="https://x.example/2">The North</a></p>'
    assert less(html, "https://x.example/1", "The North", bare=False) == html
    assert less(html, "https://x.example/2", "The North", bare=False) == f"<p>Also in {ELSEWHERE}</p>"
    assert less("Also in The North\n", "https://x.example/1", "The North", "text", bare=False) == "Also in The North\n"
    gone = less("Also in The North: https://x.example/2\n", "https://x.example/2", "The North", "text", bare=False)
    assert gone == f"Also in {ELSEWHERE}\n"
