"""A web page's bytes to its tree, decoded and within bounds: what discovering and listing read.

The tree is for reading addresses, titles and dates from, never for showing: nothing of it is sanitised.
"""

from __future__ import annotations

import codecs
import re

from lxml import etree
from lxml import html as lxml_html

from pipeline.errors import ParseError
from pipeline.text.clean import shallow
from pipeline.text.legal import legal_text, one_line
from pipeline.text.urls import absolute

MAX_PAGE = 3_000_000   # characters; what is behind is not read
_HEAD = 4_096          # bytes within which a page names its charset

_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_DECLARED = re.compile(rb"(?:charset|encoding)\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
_NO_CHARSET = ("punycode", "idna", "utf-7", "utf7", "escape", "undefined")  # Python's, and slow or no text at all
_XML_START = re.compile(r"\s*<\?xml[^>]{0,200}\?>")
_UNSEEN = ("script", "style", "template", "noscript")


def page_text(body: bytes, content_type: str = "") -> str:
    """Return `body` as text: by its byte order mark, as UTF-8 where it is that, else by what the header or the page
    itself names, else as Windows-1252. Never fails."""
    size = MAX_PAGE * 4
    for mark, charset in _MARKS.items():
        if body.startswith(mark):
            return body[:size].decode(charset, errors="replace")[:MAX_PAGE]
    if body.startswith((b"<\0", b"\0<")):
        return body[:size].decode("utf-16-le" if body[1] == 0 else "utf-16-be", errors="replace")[:MAX_PAGE]
    header, inner = _CHARSET.search(content_type), _DECLARED.search(body[:_HEAD])
    named = [header[1] if header else "", inner[1].decode("ascii") if inner else ""]
    escapes = b"\x1b$" in body[:_HEAD]  # ISO-2022-JP is ASCII to whoever does not know it
    for charset in [*(named if escapes else ()), "utf-8", *named]:
        if charset and not any(sign in charset.lower() for sign in _NO_CHARSET):
            try:
                return str(codecs.getincrementaldecoder(charset)().decode(body[:size]))[:MAX_PAGE]
            except (UnicodeError, LookupError, AttributeError, TypeError):
                continue
    return body[:size].decode("cp1252", errors="replace")[:MAX_PAGE]


def page_tree(text: str, url: str) -> lxml_html.HtmlElement:
    """Return the tree of a page, without scripts, styles and comments. Raises ParseError where there is none.

    libxml2 drops what nests deeper than 255, so depth is capped before it sees the text.
    """
    plain = _XML_START.sub("", legal_text(text), count=1)
    parser = lxml_html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True)
    try:
        root = lxml_html.document_fromstring(shallow(plain).encode(), parser=parser)
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
