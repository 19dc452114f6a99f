"""A web page's bytes to its tree, decoded and within bounds: what discovering and listing read.

The tree is for reading addresses, titles and dates from, never for showing: nothing of it is sanitised.
"""

from __future__ import annotations

import re

from lxml import etree
from lxml import html as lxml_html

from pipeline.collect.pages.charset import decode_page
from pipeline.errors import ParseError
from pipeline.text.clean import shallow
from pipeline.text.legal import legal_text, one_line
from pipeline.text.urls import absolute

MAX_PAGE = 8_000_000   # bytes that are looked at; most of a page this large is scripts
MAX_SHOWN = 2_000_000  # characters that are left when scripts are gone
MAX_TAGS = 100_000     # of a page; the rest is not read

_XML_START = re.compile(r"\s*<\?xml[^>]{0,200}\?>")
_UNSEEN = ("script", "style", "template", "noscript")


def page_text(body: bytes, content_type: str = "") -> str:
    """Return `body` as text, as browsers read it. Never fails."""
    return decode_page(body[:MAX_PAGE], content_type)


def page_tree(text: str, url: str) -> lxml_html.HtmlElement:
    """Return the tree of a page, without scripts, styles and comments. Raises ParseError where there is none.

    libxml2 drops what nests deeper than 255, so depth is capped before it sees the text.
    """
    declared = _XML_START.match(text)
    shown = shallow(legal_text(text[declared.end() :] if declared else text))[:MAX_SHOWN]
    if shown.count("<") > MAX_TAGS:
        shown = "<".join(shown.split("<", MAX_TAGS + 1)[: MAX_TAGS + 1])
    parser = lxml_html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True)
    try:
        root = lxml_html.document_fromstring(shown.encode(), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        raise ParseError(url, "is a page that holds nothing") from error
    etree.strip_elements(root, *_UNSEEN, with_tail=False)
    return root


def base_of(root: lxml_html.HtmlElement, url: str) -> str:
    """Return what the page's relative addresses are joined to: its first <base href>, else `url`."""
    return next((base for e in root.iter("base") if (base := absolute(e.get("href") or "", url))), url)


def page_title(root: lxml_html.HtmlElement) -> str:
    """Return og:site_name, else <title>: the name of what the page belongs to."""
    named = next((e.get("content") or "" for e in root.iter("meta") if e.get("property") == "og:site_name"), "")
    title = root.find(".//head/title")
    return one_line(named) or (one_line(words(title)) if title is not None else "")


def page_language(root: lxml_html.HtmlElement) -> str:
    return str(root.get("lang") or root.get("{http://www.w3.org/XML/1998/namespace}lang") or "").strip()[:50]


def words(element: lxml_html.HtmlElement) -> str:
    return " ".join(element.text_content().split())
