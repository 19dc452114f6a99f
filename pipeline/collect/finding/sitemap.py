"""A sitemap to pointers: the addresses it names, newest first where there are too many, and the sitemaps below it.

    gunzip | XML in a stream, or one address a line | same host | newest 1,000

https://www.sitemaps.org/protocol.html, with Google's extensions for news and images. A sitemap may hold 50,000
addresses in 50 MB, so it is read element by element and each is dropped once it has been read; what is kept is
bounded by MAX_POINTERS. Pure: nothing is fetched, no entity is resolved.
"""

from __future__ import annotations

import heapq
import re
import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from lxml import etree

from pipeline.collect.finding.findings import SitemapKind, SitemapRead
from pipeline.collect.finding.sites import host_of
from pipeline.collect.reading import repair
from pipeline.collect.reading.dates import parse_date
from pipeline.errors import ParseError
from pipeline.model.articles import Found
from pipeline.text.legal import one_line
from pipeline.text.urls import MAX_URL, absolute

MAX_POINTERS = 1_000
MAX_BYTES = 52_428_800        # "no larger than 50MB (52,428,800 bytes)", unpacked
MAX_MENDED = 10_000_000       # bytes; mending what is broken needs the whole of it several times over
MAX_MEMBERS = 1_000           # gzip files one behind the other
MAX_TAGS_BETWEEN = 20_000     # "<" from one <url> to the next: 1,000 pictures of 6 tags each are allowed
MAX_FIELD = 2_000             # characters of a title or a list of keywords
MAX_TOPICS = 20
CHUNK = 65_536                # bytes

_OLDEST = datetime.min.replace(tzinfo=UTC)
_GZIP = b"\x1f\x8b"
_BLANK = b"\xef\xbb\xbf \t\r\n"
_TOO_BIG = ("huge", "HUGE", "xcessive depth", "too long", "too large", "loop")  # what libxml2 says of its limits
_ENTITY = re.compile(rb"<!ENTITY", re.IGNORECASE)
_ROOT = re.compile(rb"<(?:[\w.-]{1,40}:)?(urlset|sitemapindex)\b", re.IGNORECASE)


def read_sitemap(body: bytes, *, url: str, content_type: str = "", site: str = "") -> SitemapRead:  # noqa: ARG001
    """Read a sitemap, an index of sitemaps, or a plain list of one address a line; gzip is undone first.

    Addresses on another host than `url`'s are left out with a note, as the protocol has it; `site` is an address
    on the host that counts where that is another one (its robots.txt names a sitemap elsewhere). A pointer's
    `updated_at` is its lastmod; its `published_at` is only what the news extension says, because a lastmod tells
    nothing about when a page was first there. Each address is there once, in document order; of more than
    MAX_POINTERS the newest are kept, and of undated ones the last.

    Raises ParseError, and nothing else, where `body` is no sitemap, declares entities or is beyond the limits.
    """
    start = next(_unpacked(body, url), b"").lstrip(_BLANK)
    taken = _Taken(url, host_of(site or url))
    if start.lstrip(b"\0")[:8].lower().startswith((b"http://", b"https://")):
        for line in _lines(_unpacked(body, url)):
            taken.line(line)
        return taken.read(SitemapKind.URLSET, url)
    try:
        root = _stream(_unpacked(body, url), url, taken)
    except etree.XMLSyntaxError as error:
        root = _once_more(body, url, taken, error)
    if root not in ("urlset", "sitemapindex"):
        raise ParseError(url, f"is XML but not a sitemap: its root element is <{one_line(root, 40)}>")
    return taken.read(SitemapKind.URLSET if root == "urlset" else SitemapKind.INDEX, url)


def begins(body: bytes, url: str) -> bytes:
    """Return the first bytes (at most CHUNK) of `body`, unpacked where it is gzip."""
    return next(_unpacked(body, url), b"")


class _Taken:
    """What was taken of a sitemap so far: the newest, and counts of the rest."""

    def __init__(self, url: str, host: str) -> None:
        self.url = url
        self.host = host
        self.start_over()

    def start_over(self) -> None:
        self.seen = 0
        self.foreign = 0
        self.unusable = 0
        self.notes: list[str] = []
        self._newest: list[tuple[datetime, int, Found]] = []

    def line(self, text: str) -> None:
        self._take(Found("", url=text.strip(), pointer=True))

    def element(self, element: etree._Element) -> None:
        self._take(_found(element))

    def read(self, kind: SitemapKind, url: str) -> SitemapRead:
        notes = list(self.notes)
        kept = [found for _, _, found in sorted(self._newest, key=lambda entry: entry[1])]
        if self.foreign:
            notes.append(f"{self.foreign} addresses were left out: they are not on {host_of(url)}, "
                         "and a sitemap speaks only for its own host")
        if self.unusable:
            notes.append(f"{self.unusable} entries were left out: they name no http(s) address")
        if self.seen > len(kept):
            notes.append(f"{self.seen - len(kept)} of {self.seen} addresses were left out: "
                         f"only the newest {MAX_POINTERS} are read")
        unique = list({found.url: found for found in kept}.values())
        if kind is SitemapKind.INDEX:
            return SitemapRead(kind, (), tuple((f.url, f.updated_at) for f in unique), tuple(notes))
        return SitemapRead(kind, tuple(unique), (), tuple(notes))

    def _take(self, found: Found) -> None:
        address = absolute(found.url, self.url) if found.url else ""
        if not address:
            self.unusable += 1
        elif _host_of(address[: address.find("/", 8)]) != self.host:
            self.foreign += 1
        else:
            self.seen += 1
            entry = (found.published_at or found.updated_at or _OLDEST, self.seen, _at(found, address))
            if len(self._newest) < MAX_POINTERS:
                heapq.heappush(self._newest, entry)
            else:
                heapq.heappushpop(self._newest, entry)


def _at(found: Found, address: str) -> Found:
    return Found(found.title, url=address, published_at=found.published_at, updated_at=found.updated_at,
                 topics=found.topics, language=found.language, image=found.image, pointer=True)


def _unpacked(body: bytes, url: str) -> Iterator[bytes]:
    """Yield `body` in pieces of at most CHUNK bytes, unpacked where it is gzip."""
    if not body.startswith(_GZIP):
        _refuse_size(len(body), url)
        for position in range(0, len(body), CHUNK):
            yield body[position : position + CHUNK]
        return
    given = 0
    decoder, members = zlib.decompressobj(zlib.MAX_WBITS | 16), 1
    for position in range(0, len(body), CHUNK):
        piece = body[position : position + CHUNK]
        while True:
            try:
                data = decoder.decompress(piece, CHUNK)
            except zlib.error as error:
                raise ParseError(url, "is gzip-compressed data that is damaged") from error
            given += len(data)
            _refuse_size(given, url)
            if data:
                yield data
            piece = decoder.unconsumed_tail
            if decoder.eof:
                piece = decoder.unused_data
                if not piece.startswith(_GZIP[:1]) or members >= MAX_MEMBERS:
                    break
                decoder, members = zlib.decompressobj(zlib.MAX_WBITS | 16), members + 1
            elif not piece and len(data) < CHUNK:
                break
        if decoder.eof:
            return  # what follows the last member is padding
    raise ParseError(url, "is gzip-compressed data that broke off", permanent=False)


def _refuse_size(size: int, url: str) -> None:
    if size > MAX_BYTES:
        raise ParseError(url, f"is larger than the {MAX_BYTES >> 20} MB a sitemap may have")


def _lines(pieces: Iterable[bytes]) -> Iterator[str]:
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).replace(b"\r", b"\n").split(b"\n")
        yield from (line.decode("utf-8-sig", errors="replace") for line in lines if line.strip())
        rest = rest[: MAX_URL * 4]  # a line without an end is no address, whatever follows
    if rest.strip():
        yield rest.decode("utf-8-sig", errors="replace")


def _stream(pieces: Iterable[bytes], url: str, taken: _Taken) -> str:
    """Read XML piece by piece into `taken` and return the root's name. No document type is loaded, no entity
    resolved, nothing fetched, and libxml2's limits hold."""
    parser = etree.XMLPullParser(
        events=("end",), tag=("{*}url", "{*}sitemap"), resolve_entities=False, load_dtd=False, no_network=True,
        huge_tree=False, recover=False, collect_ids=False, remove_comments=True, remove_pis=True,
    )
    tail = b""
    tags_since = 0
    started = False
    for data in pieces:
        piece = data
        if not started:
            piece = piece.lstrip(_BLANK)
            if not piece:
                continue
            started = True
        if _ENTITY.search((tail + piece).replace(b"\0", b"")):
            raise ParseError(url, "declares entities in a document type, which a sitemap has no need of",
                             hint="entities can blow a small file up to gigabytes or name other files: refused")
        tail = piece[-32:]
        parser.feed(piece)
        tags_since += piece.count(b"<")
        for _, event in parser.read_events():
            tags_since = 0
            element: Any = event  # the stubs don't know what an "end" event carries
            parent = element.getparent()
            if parent is None or parent.getparent() is not None:
                continue  # not the protocol's <url>: something of an extension that has the same name
            taken.element(element)
            while element.getprevious() is not None:
                del parent[0]
        if tags_since > MAX_TAGS_BETWEEN:
            raise ParseError(url, "is beyond what is read of a sitemap: very many elements, and no address among them")
    if not started:
        raise ParseError(url, "is empty")
    return str(etree.QName(parser.close()).localname).lower()


def _once_more(body: bytes, url: str, taken: _Taken, error: etree.XMLSyntaxError) -> str:
    """Mend what is not well-formed and read it again; what is too large for that is kept as far as it could be read."""
    said = one_line(str(error))
    if any(sign in said for sign in _TOO_BIG):
        raise ParseError(url, f"is beyond what is read of a sitemap: {said}") from error
    whole = b"".join(_unpacked(body, url)) if len(body) <= MAX_MENDED else b""
    root = _ROOT.search((whole or body)[:CHUNK].replace(b"\0", b""))
    if root is None:
        raise ParseError(url, f"is no sitemap that can be read: {said}") from error
    if 0 < len(whole) <= MAX_MENDED:
        read_so_far = taken.seen
        taken.start_over()
        try:
            _stream([repair.mended(whole)], url, taken)
        except etree.XMLSyntaxError as second:
            if not (taken.seen or read_so_far):
                raise ParseError(url, f"is no sitemap that can be read: {said}") from second
            taken.notes.append(f"is broken after {taken.seen} addresses; what follows was not read: {said}")
        else:
            taken.notes.append(f"not well-formed XML: {said}")
    elif taken.seen:
        taken.notes.append(f"is broken after {taken.seen} addresses; what follows was not read: {said}")
    else:
        raise ParseError(url, f"is no sitemap that can be read: {said}") from error
    return root[1].decode().lower()


def _found(element: etree._Element) -> Found:
    """A <url> or <sitemap> with its extensions' elements. Namespaces' prefixes and versions differ, names don't."""
    loc = title = language = keywords = image = ""
    modified = published = None
    for child in element:
        name = _local(child)
        if name == "loc":
            loc = loc or (child.text or "").strip()
        elif name == "lastmod":
            modified = modified or parse_date((child.text or "")[:200])
        elif name == "image":
            image = image or next(((c.text or "").strip() for c in child if _local(c) == "loc"), "")
        elif name == "news":
            fields = {_local(c): (c.text or "").strip() for c in child.iter() if c is not child}
            title, language = fields.get("title", ""), fields.get("language", "")
            keywords = fields.get("keywords", "")[:MAX_FIELD]
            published = parse_date(fields.get("publication_date", "")[:200])
    topics = tuple(t for word in keywords.split(",") if (t := one_line(word)))[:MAX_TOPICS] if keywords else ()
    return Found(
        one_line(title[:MAX_FIELD]), url=loc, published_at=published, updated_at=modified,
        topics=topics, language=language[:50],
        image=image if len(image) <= MAX_URL else "", pointer=True,
    )


def _local(element: etree._Element) -> str:
    tag: object = element.tag  # a function for a reference to an entity
    return _name_of(tag) if isinstance(tag, str) else ""


@lru_cache(maxsize=512)
def _name_of(tag: str) -> str:
    return tag.rpartition("}")[2].lower()


_host_of = lru_cache(maxsize=512)(host_of)  # of "https://paper.example": 50,000 addresses have it in common
