"""What an address gives, and which feeds a page names: for `sources add`, and for sources whose kind is "auto".

https://www.rssboard.org/rss-autodiscovery, https://html.spec.whatwg.org/#link-type-alternate. Pure: nothing is
fetched; what a page says about itself is only believed until its feed has been read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from lxml import etree

from pipeline.collect.finding.findings import FeedLink
from pipeline.collect.finding.listing import LEAST_IN_LIST, list_of
from pipeline.collect.finding.sitemap import begins
from pipeline.collect.pages.fulltext import extract
from pipeline.collect.pages.pagetree import base_of, page_text, page_title, page_tree, words
from pipeline.collect.reading.parse import parse_feed
from pipeline.errors import ParseError
from pipeline.model.sources import SourceKind
from pipeline.text.clean import clean_html, visible_text
from pipeline.text.legal import one_line
from pipeline.text.urls import absolute

MAX_FEEDS = 20          # that one page names
MAX_LINKS = 5_000       # <a> that are looked at
MAX_TITLE = 200         # characters
MAX_DATA = 200_000      # characters of one block of JSON-LD, of which MAX_BLOCKS are read
MAX_BLOCKS = 10
ARTICLE_PROSE = 1_200   # characters in paragraphs, for a page that says nothing about itself to be an article
LEAST_PROSE = 250       # characters, for a page that calls itself an article

_FEED_TYPES = {
    "application/rss+xml", "application/atom+xml", "application/feed+json", "application/rdf+xml",
    "application/x-rss+xml", "text/rss+xml", "text/rss", "text/atom+xml",
}
_PERHAPS_FEED_TYPES = {"application/json", "application/xml", "text/xml"}  # of a feed, if the address says so too
_FEED_PATH = re.compile(
    r"/(?:feeds?|rss|atom)/?$|\.(?:rss|atom|rdf)$|/(?:feed|rss2?|atom|index|feeds?/[\w./-]{1,60})\.(?:xml|rss|rdf|json)$"
    r"|/feeds?/(?:posts|all)/default/?$",
    re.IGNORECASE,
)
_FEED_QUERY = re.compile(
    r"(?:^|&)(?:feed=(?:rss2?|atom|rdf)|format=(?:rss|atom|feed)|type=(?:rss|atom))(?:&|$)", re.IGNORECASE
)
_FEED_HOST = re.compile(r"feeds?\d?\.|rss\.", re.IGNORECASE)
_NO_FEED_PATH = re.compile(r"/wp-json/|oembed|manifest\.json$|opensearch", re.IGNORECASE)
_COMMENTS = re.compile(r"comment|kommentar|coment[aá]rio|commentaire|reacties", re.IGNORECASE)
_COMMENTS_PATH = re.compile(r"/comments?(?:/|$)|/comments?[-_/.]\w*|-comments\b", re.IGNORECASE)

_NO_MATTER_WHEN = datetime(2000, 1, 1, tzinfo=UTC)  # only a page's limits in time need a clock, and they are not asked
_JSON_LD = re.compile(r"<script\b[^>]{0,300}\bapplication/ld\+json\b[^>]{0,300}>", re.IGNORECASE)
_ARTICLE_TYPES = {
    "article", "newsarticle", "blogposting", "reportagenewsarticle", "analysisnewsarticle", "opinionnewsarticle",
    "reviewnewsarticle", "techarticle", "scholarlyarticle", "liveblogposting", "socialmediaposting", "report",
}
_LIST_TYPES = {"collectionpage", "blog", "itemlist", "searchresultspage"}

_MAGIC = (
    (b"%PDF", "a PDF"), (b"PK\x03\x04", "a ZIP archive or an office document"), (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"), (b"GIF8", "a picture"), (b"RIFF", "a picture or sound"), (b"ID3", "sound"),
    (b"OggS", "sound or a film"), (b"fLaC", "sound"), (b"\x1aE\xdf\xa3", "a film"), (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"), (b"7z\xbc\xaf", "a 7-Zip archive"), (b"\x7fELF", "a program"),
)
_HTML = re.compile(r"<(?:!doctype\s+html|html)\b", re.IGNORECASE)
_HTML_ROOTS = frozenset("html head body title meta link script style div p h1 article main".split())
_PROLOG = re.compile(
    r"\s*+(?:<\?[^>]{0,2000}\?>|<!--(?:[^-]|-(?!->)){0,20000}+-->|<!doctype[^>\[]{0,1000}>)", re.IGNORECASE
)
_ROOT = re.compile(r"\s*<(?:[\w.-]{1,40}:)?([A-Za-z][\w.-]{0,40})")
_FEED_ROOTS = {"rss", "rdf", "feed", "channel"}
_CHECKPOINT = re.compile(
    r"just a moment|attention required|checking your browser|verify(?:ing)? (?:that )?you are (?:a )?human"
    r"|enable javascript and cookies|access denied|are you a robot|ddos protection|security check",
    re.IGNORECASE,
)


def feeds_in(body: bytes, *, url: str, content_type: str = "") -> tuple[FeedLink, ...]:
    """Return the feeds that the page `body` at `url` names, each once, at most MAX_FEEDS.

    First those of <link rel="alternate"> and rel="feed" in the order of the page, then links to addresses that look
    like a feed's, and feeds of comments last. A <base> is heeded. Raises ParseError where it is no page.
    """
    root = page_tree(page_text(body, content_type), url)
    found = [*_declared(root, base_of(root, url)), *_linked(root, base_of(root, url))]
    own = url.partition("#")[0]
    once = {link.url: link for link in reversed(found) if link.url != own}
    kept = sorted(dict.fromkeys(once[link.url] for link in found if link.url in once), key=_is_comments)
    return tuple(kept[:MAX_FEEDS])


def kind_of(body: bytes, content_type: str, url: str) -> SourceKind:
    """Return what kind of source `body` is: FEED, SITEMAP, PAGE (that lists articles) or ARTICLE.

    Raises ParseError, which says in words what it is, where it is none of these. A page that names a feed is a
    PAGE, whatever else is on it: `feeds_in` tells which.
    """
    _refuse_files(body, url)
    start = _start(body, content_type, url)
    if start.startswith(("{", "[")):
        parse_feed(body, url=url, content_type=content_type)  # says what is wrong with it
        return SourceKind.FEED
    name = _root_name(start)
    if name in ("urlset", "sitemapindex"):
        return SourceKind.SITEMAP
    if name in _FEED_ROOTS:
        return SourceKind.FEED
    if _is_page(start):
        return _kind_of_page(body, content_type, url)
    if start.startswith(("http://", "https://")):
        raise ParseError(url, "is a plain list of addresses", hint='if it is a sitemap, say kind = "sitemap"')
    parse_feed(body, url=url, content_type=content_type)
    return SourceKind.FEED


def is_page(body: bytes, content_type: str, url: str) -> bool:
    """Say whether `body` is HTML. Raises ParseError where it is damaged gzip."""
    return _is_page(_start(body, content_type, url))


def _declared(root: Any, base: str) -> Iterator[FeedLink]:
    for element in root.iter("link"):
        rel = (element.get("rel") or "").lower().split()
        kind = (element.get("type") or "").partition(";")[0].strip().lower()
        address = _address(element.get("href") or "", base)
        if not address or not {"alternate", "feed"} & set(rel):
            continue
        perhaps = kind in _PERHAPS_FEED_TYPES and not _NO_FEED_PATH.search(address) and (
            _is_feed_address(address) or "feed" in rel)
        if kind in _FEED_TYPES or perhaps or ("feed" in rel and kind in ("", "text/html")):
            yield FeedLink(address, one_line(element.get("title") or "", MAX_TITLE), kind)


def _linked(root: Any, base: str) -> Iterator[FeedLink]:
    for count, element in enumerate(root.iter("a")):
        if count > MAX_LINKS:
            return
        href = element.get("href") or ""
        address = _address(href, base)
        if not address or _NO_FEED_PATH.search(address):
            continue
        kind = (element.get("type") or "").strip().lower()
        if kind in _FEED_TYPES or href.lower().startswith("feed:") or _is_feed_address(address):
            title = element.get("title") or words(element)
            yield FeedLink(address, one_line(title, MAX_TITLE), kind if kind in _FEED_TYPES else "")


def _address(href: str, base: str) -> str:
    """Absolute http(s); "feed:https://…" and "feed://…" are ways to say the same to a reader."""
    href = href.strip()
    if href.lower().startswith("feed:"):
        href = href[5:].lstrip("/") if "://" in href[5:] else f"http://{href[5:].lstrip('/')}"
    return absolute(href, base).partition("#")[0]


def _is_feed_address(address: str) -> bool:
    parts = urlsplit(address)
    return bool(_FEED_PATH.search(parts.path) or _FEED_QUERY.search(parts.query)
                or (_FEED_HOST.match(parts.netloc) and len(parts.path) > 1))


def _is_comments(link: FeedLink) -> bool:
    return bool(_COMMENTS.search(link.title) or _COMMENTS_PATH.search(urlsplit(link.url).path))


def _refuse_files(body: bytes, url: str) -> None:
    if not body.strip(b"\0 \t\r\n"):
        raise ParseError(url, "is empty")
    what = next((what for magic, what in _MAGIC if body.startswith(magic)), "")
    if not what and body[4:8] == b"ftyp":
        what = "a film or a picture"
    if what:
        raise ParseError(url, f"is {what}", hint="a source is a feed, a page or a sitemap")


def _start(body: bytes, content_type: str, url: str) -> str:
    return page_text(begins(body, url), content_type).lstrip("\ufeff \t\r\n")


def _is_page(start: str) -> bool:
    said = _HTML.search(start[:4_096]) and "<rss" not in start and "<feed" not in start
    return _root_name(start) in _HTML_ROOTS or bool(said)


def _root_name(start: str) -> str:
    position = 0
    while match := _PROLOG.match(start, position):
        if "doctype" in match[0].lower() and re.search(r"doctype\s+html", match[0], re.IGNORECASE):
            return "html"
        position = match.end()
    root = _ROOT.match(start, position)
    return root[1].lower() if root else ""


def _kind_of_page(body: bytes, content_type: str, url: str) -> SourceKind:
    text = page_text(body, content_type)
    root = page_tree(text, url)
    base = base_of(root, url)
    named = any(True for _ in _declared(root, base))
    prose = sum(len(w) for e in root.iter("p") if len(w := words(e)) > 60)
    listed = len(list_of(root, base=base, url=url))
    said = _types(text) | {(e.get("content") or "").strip().lower() for e in root.iter("meta")
                           if (e.get("property") or "").lower() == "og:type"}
    if listed < LEAST_IN_LIST and prose < LEAST_PROSE and not named:
        if _text_without_paragraphs(text, url) >= LEAST_PROSE:
            return SourceKind.ARTICLE
        _refuse_page(root, url)
    front = urlsplit(url).path in ("", "/")
    if said & _LIST_TYPES and listed >= LEAST_IN_LIST:
        return SourceKind.PAGE
    if said & _ARTICLE_TYPES and prose >= LEAST_PROSE and not (front and listed >= LEAST_IN_LIST):
        return SourceKind.ARTICLE
    headlines = sum(1 for _ in root.iter("h1"))
    alone = sum(1 for _ in root.iter("article")) <= 1 and headlines <= 1
    if alone and prose >= ARTICLE_PROSE and not front and prose > listed * 250:
        return SourceKind.ARTICLE
    if listed >= LEAST_IN_LIST or named:
        return SourceKind.PAGE
    if prose >= LEAST_PROSE:
        return SourceKind.ARTICLE
    raise ParseError(url, "is a page with neither a list of articles nor the text of one",
                     hint='where it lists some, say which elements hold them: selector = "…" in CSS')


def _text_without_paragraphs(text: str, url: str) -> int:
    """Characters of the article on a page that parts its text by line breaks, or in a script that has no blanks."""
    try:
        read = extract(text, url=url, now=_NO_MATTER_WHEN, headers=None)
    except (etree.LxmlError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return 0
    return len(visible_text(clean_html(read.html)))


def _refuse_page(root: Any, url: str) -> None:
    """Say what a page without articles is, where that can be told."""
    shown = f"{page_title(root)} {words(root)[:2_000]}"
    if any((e.get("type") or "").lower() == "password" for e in root.iter("input")):
        raise ParseError(url, "is a page that asks for a login", hint="only what anyone may read is collected")
    if _CHECKPOINT.search(shown):
        raise ParseError(url, "is a page that lets only browsers in", hint="ask the site for a feed")
    if len(words(root)) < 400 and (root.find(".//body") is None or not any(True for _ in root.iter("a"))):
        if any(e.get("id") or e.tag in ("script", "noscript") for e in root.iter("div", "main", "script", "noscript")):
            raise ParseError(url, "is a page that shows nothing without JavaScript, which is not run",
                             hint="ask the site for a feed, or try its sitemap")
        raise ParseError(url, "names no feed and lists no articles; the page holds next to nothing",
                         hint="is it the right address?")


def _types(text: str) -> set[str]:
    """What the page's JSON-LD says it is (https://schema.org): the types of its top and of its @graph, lower case."""
    found: set[str] = set()
    for count, match in enumerate(_JSON_LD.finditer(text)):
        if count >= MAX_BLOCKS:
            break
        end = text.find("</script", match.end(), match.end() + MAX_DATA)
        try:
            data = json.loads(text[match.end() : end]) if end > 0 else None
        except (ValueError, RecursionError):
            continue
        things = data if isinstance(data, list) else [data]
        for thing in things[:50]:
            if isinstance(thing, dict):
                graph = thing.get("@graph")
                for one in [thing, *(graph[:50] if isinstance(graph, list) else [])]:
                    kinds = one.get("@type") if isinstance(one, dict) else None
                    found.update(str(k).lower() for k in (kinds if isinstance(kinds, list) else [kinds]) if k)
    return found
