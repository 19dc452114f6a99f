"""A web page's bytes to the article on it. Pure: no network, and safe on hostile bytes.

    decode | may it be kept? | JSON-LD, then a tree without scripts | what it says of itself | pictures
    furniture out by name | the element that holds the article | furniture out by place | shape

What comes out is for `text.clean`, as everything from a source is: here it is only made to read well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from html import escape

from lxml import etree
from lxml import html as lxml_html
from lxml.html import HtmlElement

from pipeline.collect.pages import boilerplate, mainpart, pagemeta
from pipeline.collect.pages.charset import decode_page
from pipeline.collect.pages.opening import add_opening
from pipeline.collect.pages.pageread import PageRead
from pipeline.collect.pages.pagetree import MAX_PAGE, MAX_SHOWN, base_of
from pipeline.collect.pages.permission import refusal
from pipeline.collect.pages.pictures import show_pictures
from pipeline.collect.pages.pruning import prune
from pipeline.collect.pages.shaping import shape
from pipeline.errors import ParseError
from pipeline.text.clean import shallow
from pipeline.text.legal import legal_text, one_line

MAX_TAGS = 50_000  # of a page; the rest is not read. Long articles have 5,000
LEAST_PROSE = 250  # characters of it, for something to be the article and something else its comments
ONLY_LINKS = 0.1   # of the text is in no link: a menu, no article
TOLD = 500         # characters of schema.org's articleBody, for it to stand in for what the page shows

_HTML_TYPES = ("text/html", "application/xhtml+xml")
_MAYBE = ("", "application/octet-stream", "application/xml", "text/xml", "unknown/unknown")
_LOOKS_LIKE_HTML = re.compile(r"<(?:!doctype\s+html|html|head|body|article|main|div|p|title|meta)\b", re.IGNORECASE)
_FEED = re.compile(
    r"\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--[^-]{0,2000}-->\s*){0,3}<(?:rss|feed|rdf:RDF|urlset|sitemapindex|opml)\b")


def read_page(
    body: bytes, *, url: str, now: datetime, content_type: str = "", headers: Mapping[str, str] | None = None
) -> PageRead:
    """Read the article out of a page that came from `url`. `now` (aware UTC) is for what the page limits in time.

    `headers` have lower-case names. Raises ParseError, and nothing else, where no tree can be made of the bytes.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in _HTML_TYPES and kind not in _MAYBE:
        return PageRead(url, refused=f"the page is no HTML but {one_line(kind, 60)}")
    source = decode_page(body[:MAX_PAGE], content_type)
    if wrong := _no_html(source, body, kind):
        return PageRead(url, refused=wrong)
    try:
        return extract(source, url=url, now=now, headers=headers or {})
    except etree.ParserError:  # comments only, or nothing that a browser would show
        return PageRead(url, refused="the page is empty")
    except (etree.LxmlError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise ParseError(url, f"holds HTML that can't be read: {type(error).__name__}") from error


def _no_html(source: str, body: bytes, kind: str) -> str:
    start = source[:20_000]
    if body.startswith((b"%PDF", b"\x89PNG", b"PK\x03\x04", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"\x1f\x8b")):
        return "the page is no HTML but a file of another kind"
    if _FEED.match(start):
        return "the address gives a feed or a sitemap, not a page"
    if not source.strip("\0 \t\r\n\ufeff"):
        return "the page is empty"
    if kind not in _HTML_TYPES and not _LOOKS_LIKE_HTML.search(start):
        return "the page is no HTML"
    return ""


def extract(source: str, *, url: str, now: datetime, headers: Mapping[str, str] | None) -> PageRead:
    """Read the article out of a page's text. Without `headers` the page is not asked whether it may be kept."""
    root = _tree(source)
    base_url = base_of(root, url)
    said = pagemeta.read_said(root, source)
    read = PageRead(
        url, title=pagemeta.title(said, root), author=pagemeta.author(said, root),
        description=pagemeta.description(said), published_at=pagemeta.published(said, root, url),
        updated_at=pagemeta.updated(said, root), image=pagemeta.image(said, base_url),
        language=pagemeta.language(said, root), licence=pagemeta.licence(said, root, base_url),
        rights=pagemeta.rights(said), canonical_url=pagemeta.canonical(said, root, base_url),
        site_name=pagemeta.site_name(said), topics=pagemeta.topics(said, root),
    )
    if headers is not None:
        metas = ((e.get("name") or "", e.get("content") or "") for e in root.iter("meta"))
        if refused := refusal(headers, metas, now):
            return replace(read, refused=refused)
    body = next(root.iter("body"), root)
    show_pictures(body, base_url)
    drop_furniture(body)
    article = mainpart.find(body, mainpart.measure(body))
    add_opening(article, body, title=read.title, description=read.description)
    prune(article, title=read.title, author=read.author, site=read.site_name, url=url)
    shape(article, base_url, url)
    html, shown = _inner(article), len(article.text_content().strip())
    told = pagemeta.article_body(said)
    if len(told) > max(TOLD, 2 * shown):  # a page whose text a script would fetch
        html = "".join(f"<p>{escape(line, quote=False)}</p>" for line in told.split("\n") if line.strip())
    elif "<img" not in html and _only_links(article):
        return replace(read, refused="the page holds no article")
    return replace(read, html=html)


def _tree(source: str) -> HtmlElement:
    """libxml2 silently drops what follows 255 levels or 10 MB of text, so both are capped before it sees them."""
    shown = shallow(legal_text(source))[:MAX_SHOWN]
    if shown.count("<") > MAX_TAGS:
        shown = "<".join(shown.split("<", MAX_TAGS + 1)[: MAX_TAGS + 1])
    parser = lxml_html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True)
    root: HtmlElement = lxml_html.document_fromstring(shown.encode() or b" ", parser=parser)
    return root


def drop_furniture(body: HtmlElement) -> None:
    """Remove what is hidden, what never is text, and what is called furniture, unless it holds most of the page."""
    for element in list(body.iter(*boilerplate.NEVER_TEXT)):
        element.drop_tree()
    masses = mainpart.measure(body)
    whole = masses[body]
    for element in list(body.iter()):
        if element is body or element.getparent() is None:
            continue
        doubt = boilerplate.suspicion(element)
        if not doubt or element.tag in ("article", "main") or boilerplate.is_named_article(element):
            continue
        mass = masses[element]
        is_most = mass.chars * 2 > whole.chars
        if doubt == "comments":
            stays = whole.prose - mass.prose < LEAST_PROSE  # all there is: a page of answers
        elif doubt == "links":
            stays = is_most or (mass.paragraphs > 2 and mass.prose * 6 > whole.prose and mass.link_share < 0.3)
        else:
            stays = is_most  # hidden until a script shows it
        if not stays:
            element.drop_tree()


def _only_links(article: HtmlElement) -> bool:
    mass = mainpart.measure(article)[article]
    return mass.chars - mass.linked <= mass.chars * ONLY_LINKS


def _inner(article: HtmlElement) -> str:
    parts = [escape(article.text or "", quote=False)]
    parts += [etree.tostring(child, encoding="unicode", method="html") for child in article]
    return "".join(parts).strip()
