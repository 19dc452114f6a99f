"""A feed's bytes to what it holds. Pure, and safe on hostile bytes: no network, no entity, capped counts.

    what is it? | JSON Feed, or XML: well-formed -> reader; mended -> reader; entry by entry; else feedparser |
    newest first 1,000

Every failure is a ParseError that says what the bytes are instead of a feed. The counts bound the work; time and memory
of the whole are bounded by the process in which it runs (children/pool.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from lxml import etree

from pipeline.collect.reading import jsonfeed, reader, repair
from pipeline.collect.reading.salvage import is_beyond_limits, salvage
from pipeline.errors import ParseError
from pipeline.model.articles import Found
from pipeline.model.sources import Hints
from pipeline.text.legal import one_line
from pipeline.text.urls import absolute

MAX_ITEMS = 1_000
SNIFF = 4_096  # bytes within which a document says what it is

_Item = TypeVar("_Item")

_NOT_A_FEED = {
    "opml": ("is an OPML file, a list of feeds, not a feed", "import it: broadsheet sources import FILE"),
    "urlset": ("is a sitemap, not a feed", ""),
    "sitemapindex": ("is an index of sitemaps, not a feed", ""),
    "html": ("is an HTML page, not a feed", "give the address of the page's feed"),
    "error": ("is an error message in XML, not a feed", ""),
    "svg": ("is an SVG picture, not a feed", ""),
}
_CONTROLS = bytes(c for c in range(32) if c not in b"\t\n\x0b\x0c\r\x1b")
_MAGIC = {
    b"\x1f\x8b": "is gzip-compressed data that the server did not declare as such",
    b"PK\x03\x04": "is a ZIP archive",
    b"%PDF": "is a PDF",
    b"\x89PNG": "is a picture",
    b"\xff\xd8\xff": "is a picture",
    b"GIF8": "is a picture",
    b"RIFF": "is a picture or sound",
    b"ID3": "is sound",
}
_HTML = re.compile(
    rb"\s*(?:(?:<!--(?:[^-]|-(?!->))*+-->|<\?xml[^>]*>)\s*)*+(?:<!doctype\s+html|<html|<head|<body)", re.IGNORECASE
)
_FEED_LINK = re.compile(
    r"<link\b[^>]{0,500}\btype\s*=\s*[\"']?application/(?:rss\+xml|atom\+xml|feed\+json)[^>]*>", re.IGNORECASE
)
_HREF = re.compile(r"\bhref\s*=\s*[\"']?([^\"'\s>]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a feed's document holds. `notes` say what was left out or mended, for the operator."""

    title: str
    language: str
    articles: tuple[Found, ...]
    notes: tuple[str, ...] = ()
    hints: Hints = field(default_factory=Hints)


def parse_feed(body: bytes, *, url: str, content_type: str = "") -> Parsed:
    """Read RSS 0.9x–2.0, RDF, Atom or JSON Feed. `url` names the source in errors and is not fetched.

    Raises ParseError, and nothing else, where `body` is not a feed or holds a document type with entities.
    """
    _refuse_what_is_no_text(body, url)
    start = body.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith((b"{", b"[")):
        return _json(body, url)
    if _HTML.match(start[:SNIFF]) and b"<rss" not in start[:SNIFF] and b"<feed" not in start[:SNIFF]:
        raise _html_page(body, url)
    if re.search(rb"<!ENTITY", body.replace(b"\0", b""), re.IGNORECASE):
        raise ParseError(url, "declares entities in a document type, which a feed has no need of",
                         hint="entities can blow a small file up to gigabytes or name other files, so they are refused")
    charset = (re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", content_type) or ["", ""])[1]
    return _xml(body, url, charset)


def _refuse_what_is_no_text(body: bytes, url: str) -> None:
    if not body.strip(b"\0 \t\r\n"):
        raise ParseError(url, "is empty")
    for magic, what in _MAGIC.items():
        if body.startswith(magic):
            raise ParseError(url, f"{what}, not a feed")
    wide = body.startswith((b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<"))
    controls = len(body[:SNIFF]) - len(body[:SNIFF].translate(None, _CONTROLS))
    if not wide and controls > 8 and not body.lstrip().startswith(b"<"):
        raise ParseError(url, "is binary data, not a feed")
    if b"<" not in body[:SNIFF] and b"{" not in body[:SNIFF] and not wide:
        preview = one_line(body[:80].decode("utf-8", errors="replace"))
        raise ParseError(url, f"is not a feed; it begins with: {preview}")


def _html_page(body: bytes, url: str) -> ParseError:
    text = body[:200_000].decode("utf-8", errors="replace")
    cause, hint = _NOT_A_FEED["html"]
    link = _FEED_LINK.search(text)
    href = _HREF.search(link[0]) if link else None
    address = absolute(href[1].replace("&amp;", "&"), url) if href else ""
    return ParseError(url, cause, hint=f"the page names its feed: {address}" if address else hint)


def _json(body: bytes, url: str) -> Parsed:
    document = jsonfeed.load_json_feed(body, url)
    read = [found for item in document["items"] if (found := jsonfeed.read_item(item, document))]
    notes = []
    if len(read) < len(document["items"]):
        notes.append(f"{len(document['items']) - len(read)} items are no objects and were left out")
    kept = _newest(read, lambda found: found.published_at, notes)
    return _parsed(jsonfeed.read_channel(document), kept, notes)


def _xml(body: bytes, url: str, charset: str) -> Parsed:
    notes: list[str] = []
    try:
        root = _tree(body)
    except etree.XMLSyntaxError as error:
        notes.append(f"not well-formed XML (line {error.lineno}); it was mended and read all the same")
        mended = repair.mended(body, charset)
        try:
            root = _tree(mended)
        except etree.XMLSyntaxError as second:
            return _in_pieces(mended, body, url, notes, second)
    if not reader.is_feed(root):
        name = reader.root_name(root)
        if name == "html":
            raise _html_page(body, url)
        cause, hint = _NOT_A_FEED.get(name, (f"is XML but not a feed: its root element is <{one_line(name, 40)}>", ""))
        raise ParseError(url, cause, hint=hint)
    items = _newest(reader.items_of(root), reader.item_date, notes)
    channel = reader.read_channel(root)
    return _parsed(channel, [reader.read_item(item, channel) for item in items], notes)


def _in_pieces(mended: bytes, body: bytes, url: str, notes: list[str], error: etree.XMLSyntaxError) -> Parsed:
    """Read what no XML parser takes as a whole: entry by entry, else loosely."""
    salvaged = salvage(mended, url)
    if salvaged is not None and salvaged.articles:
        return _parsed(salvaged.channel, salvaged.articles, notes + salvaged.problems)
    if is_beyond_limits(error):
        raise ParseError(url, f"is beyond what is read of a feed: {one_line(str(error))}") from error
    channel, found = repair.read_loosely(body, url)
    return _parsed(channel, _newest(found, lambda article: article.published_at, notes), notes)


def _parsed(channel: reader.Channel, articles: list[Found], notes: list[str]) -> Parsed:
    return Parsed(one_line(channel.title), one_line(channel.language), tuple(articles), tuple(notes), channel.hints)


def _tree(body: bytes) -> etree._Element:
    """Parse strictly: no document type is loaded, no entity resolved, nothing fetched, libxml2's limits hold."""
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, recover=False, collect_ids=False,
        remove_comments=True, remove_pis=True,
    )
    return etree.fromstring(body.lstrip() if body[:1].isspace() else body, parser)


def _newest(items: list[_Item], when: Callable[[_Item], datetime | None], notes: list[str]) -> list[_Item]:
    """Keep the newest MAX_ITEMS in document order; what has no date counts as old."""
    if len(items) <= MAX_ITEMS:
        return items
    oldest = datetime.min.replace(tzinfo=UTC)
    ranked = sorted(range(len(items)), key=lambda i: when(items[i]) or oldest, reverse=True)
    dropped = len(items) - MAX_ITEMS
    notes.append(f"{dropped} of {len(items)} entries were left out: only the newest {MAX_ITEMS} are read")
    return [items[i] for i in sorted(ranked[:MAX_ITEMS])]
