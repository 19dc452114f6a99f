"""An HTML page of a folder to an article: the part that is the article, and what the page says about it."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from lxml import etree
from lxml import html as lxml_html

from pipeline.collect.reading.dates import parse_date
from pipeline.errors import ParseError
from pipeline.model.articles import Found
from pipeline.text.clean import MAX_HTML, shallow
from pipeline.text.legal import legal_text, one_line

_NOT_THE_ARTICLE = frozenset(
    "script style template noscript nav aside footer form button iframe object svg dialog".split()
)
_PUBLISHED = ("article:published_time", "date", "dc.date", "dcterms.created", "pubdate")


def read_page(name: str, text: str) -> Found:
    """Return the article of the page `text`. `name` stands in errors only.

    The content is its <article>, else <main>, else <body>, whichever holds text; the title is its <h1>, else
    og:title, else <title>; author, date, summary and address come from what <head> says.
    """
    root = _tree(name, text)
    meta = _meta(root)
    content = _content(root)
    heading = next(content.iter("h1"), None)
    title = _words(heading) if heading is not None else ""
    if heading is not None:
        heading.drop_tree()
    head_title = root.find(".//head/title")
    for element in list(content.iter(*_NOT_THE_ARTICLE)):
        if element is not content:
            element.drop_tree()
    stamp = next((t.get("datetime") or "" for t in root.iter("time") if t.get("datetime")), "")
    published = (meta.get(key, "") for key in _PUBLISHED)
    author = meta.get("author") or meta.get("article:author") or meta.get("dc.creator") or ""
    return Found(
        title=one_line(title or meta.get("og:title", "") or (_words(head_title) if head_title is not None else "")),
        html=_inner(content),
        summary=legal_text(meta.get("description") or meta.get("og:description") or ""),
        url=_canonical(root),
        author="" if author.startswith(("http://", "https://")) else one_line(author),
        published_at=next((when for value in (*published, stamp) if (when := parse_date(value))), None),
        updated_at=parse_date(meta.get("article:modified_time", "")),
        topics=tuple(part.strip() for part in meta.get("keywords", "").split(",") if part.strip()),
        language=root.get("lang") or "",
    )


def _tree(name: str, text: str) -> lxml_html.HtmlElement:
    """libxml2 drops what follows after 255 levels or 10 MB of text, so both are capped before it sees them."""
    try:
        root = lxml_html.document_fromstring(shallow(legal_text(text[:MAX_HTML])))
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        raise ParseError(name, "holds no text") from error
    return root


def _meta(root: lxml_html.HtmlElement) -> dict[str, str]:
    found: dict[str, str] = {}
    for element in root.iter("meta"):
        key = (element.get("property") or element.get("name") or element.get("itemprop") or "").strip().lower()
        value = (element.get("content") or "").strip()
        if key and value:
            found.setdefault(key, value)
    return found


def _content(root: lxml_html.HtmlElement) -> lxml_html.HtmlElement:
    articles = list(root.iter("article"))
    mains = [e for e in root.iter() if isinstance(e.tag, str) and (e.tag == "main" or e.get("role") == "main")]
    bodies = list(root.iter("body"))
    for group in (articles, mains, bodies):
        longest = max(group, key=lambda e: len(_words(e)), default=None)
        if longest is not None and _words(longest):
            return longest
    return root


def _canonical(root: lxml_html.HtmlElement) -> str:
    return next((e.get("href") or "" for e in root.iter("link") if (e.get("rel") or "").lower() == "canonical"), "")


def _words(element: lxml_html.HtmlElement) -> str:
    return " ".join(element.text_content().split())


def _inner(element: lxml_html.HtmlElement) -> str:
    return "".join(_serialised(element)).strip()


def _serialised(element: lxml_html.HtmlElement) -> Iterator[str]:
    yield escape(element.text or "", quote=False)
    for child in element:
        yield etree.tostring(child, encoding="unicode", method="html")
