"""Frozen pieces of an article that was withdrawn: words in its place, in the form that the piece had. Pure.

A piece stands between others, in a table or a list; so its outermost elements stay, with the attributes that lay it
out, and everything within them goes.
"""

from __future__ import annotations

import re
from html import escape

from pipeline.model.fragments import FragmentRow, with_body
from pipeline.model.frozen import CONTENTS, CORRECTIONS

WORDS = "This article was withdrawn."
OF_A_SOURCE = "a source that was taken down"       # "Also in …"
OF_AN_ARTICLE = "an article that was withdrawn"

MAX_DEPTH = 8  # elements around the words
BESIDE = 16    # characters before a source's name: "Also in ", in any language and indented

_END = r"""(?=[).,;:\]]*(?:[\s<>"']|$))"""   # of an address: what it only begins is another one
_FRAME = re.compile(r"""(?:\s|<!--.{0,2000}?-->)*<(table|tbody|tr|td|th|ul|ol|li|div|section|article)\b"""
                    r"""((?:[^<>"']|"[^"]*"|'[^']*')*)>""", re.IGNORECASE | re.DOTALL)
_ATTRIBUTE = re.compile(r"""([a-z-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
_LAYOUT = frozenset("class style align valign width bgcolor border cellpadding cellspacing role dir".split())


def withdrawn(row: FragmentRow) -> FragmentRow:
    """An article's piece with nothing of the article in it."""
    if row.part == "html":
        return with_body(row, _framed(row.body))
    return with_body(row, f"* {WORDS}\n" if row.name in (CONTENTS, CORRECTIONS) else f"{WORDS}\n\n\n")


def without_link(row: FragmentRow, url: str, title: str, instead: str, *, bare: bool = True) -> FragmentRow:
    """Another article's piece that said "also in" of one which is withdrawn: the same without the link, and without its
    source's name beside it. With `bare` a name that has no link goes too. How it was said is the template's business; a
    name is one that stands nearly alone."""
    body = row.body
    ends = rf"{re.escape(escape(url) if row.part == 'html' else url)}{_END}"
    if row.part == "html":
        if url:
            href = re.escape(escape(url))
            body = re.sub(rf"""<a\b[^<>]*\bhref=(["']){href}\1[^<>]*>[^<]*</a>""", instead, body)
            body = re.sub(ends, "", body)
        name = re.escape(escape(title, quote=False))
        pattern = rf"(>\s*[^<>]{{0,{BESIDE}}}?){name}(?=[\s.;]*<|,)"
    else:
        if url:
            body = re.sub(rf"(?:{re.escape(title)}: )?{ends}", instead, body)
        pattern = rf"(?m)^(.{{0,{BESIDE}}}?){re.escape(title)}(?=[\s.;]*$|,)"
    if bare and title and (found := [*re.finditer(pattern, body)][-1:]):  # said at the end; a headline at the beginning
        body = body[: found[0].end(1)] + instead + body[found[0].end() :]
    return row if body == row.body else with_body(row, body)


def _framed(body: str) -> str:
    opened: list[str] = []
    out: list[str] = []
    at = 0
    while len(opened) < MAX_DEPTH and (found := _FRAME.match(body, at)):
        kept = [f' {name.lower()}="{escape(double or single, quote=True)}"'
                for name, double, single in _ATTRIBUTE.findall(found[2])
                if name.lower() in _LAYOUT and "url(" not in (double or single).lower()]
        opened.append(found[1].lower())
        out.append(f"<{opened[-1]}{''.join(kept)}>")
        at = found.end()
    said = WORDS if opened[-1:] == ["li"] else f"<p>{WORDS}</p>"
    return "".join([*out, said, *(f"</{name}>" for name in reversed(opened))]) + "\n"
