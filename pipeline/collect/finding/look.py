"""What is at an address, for an operator who is about to add it: the feed behind a page, else what the page itself is.

    fetch | look (in a child) | a feed: done | a page: its feeds, usual places, sitemaps, its list, itself

The edge: it asks the network through the fetcher, and whatever came is read by a child process.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol
from urllib.parse import urljoin

from pipeline.collect.finding.findings import FeedLink, Glance, Sample
from pipeline.collect.finding.places import common_places, sitemaps_in_robots
from pipeline.collect.finding.sites import same_site
from pipeline.config.secrets import MASK, QUERY_SECRET
from pipeline.errors import BroadsheetError, FetchError, ParseError, Refused, UsageError
from pipeline.model.sources import SourceKind
from pipeline.net.fetch import Fetcher, HttpStatusError, Request, Response
from pipeline.net.guard import check_url, printable

MAX_NAMED = 3       # feeds that a page names and that are tried, until one can be read
MAX_GUESSES = 8     # usual places that are tried
MAX_ROBOTS = 500_000  # bytes of a robots.txt that are read (RFC 9309 section 2.5)
ANYWHERE = ("0.0.0.0/0", "::/0")

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?://)?")
_FOR_READERS = re.compile(r"feed:(?://(?!/)|(?=https?:))", re.IGNORECASE)


class Work(Protocol):
    """`Children.work`."""

    def __call__(self, kind: str, subject: str, body: bytes = b"", **arguments: object) -> Glance: ...


@dataclass(frozen=True, slots=True)
class Looked:
    """What `sources add` shows and writes."""

    kind: SourceKind
    url: str                                  # to be configured
    title: str
    language: str
    articles: tuple[Sample, ...]              # the newest few
    count: int                                # of articles in the document; of sitemaps in an index
    alternatives: tuple[FeedLink, ...] = ()   # other feeds, sitemaps, the page itself
    notes: tuple[str, ...] = ()
    moved_to: str = ""                        # where the given address leads for good


def look_at(
    fetcher: Fetcher, work: Work, url: str, allow_networks: tuple[str, ...] = (), *, now: datetime, selector: str = ""
) -> Looked:
    """Find out what `url` is and what should be configured for it. An address without a scheme is tried with https,
    then http. With a `selector` the page is wanted as a list, and no feed is looked for.

    Raises Refused, HttpStatusError or FetchError where the address itself can't be fetched, ParseError where it gives
    nothing that can be collected, UsageError where it is no address; each in words. What else was tried and failed
    is in the notes.
    """
    looking = _Looking(fetcher, work, allow_networks, now, selector)
    asked, response = looking.first(url)
    at = response.moved_to or asked
    seen = looking.glance(response)
    here = Looked(seen.kind, at, seen.title, seen.language, seen.samples, seen.count, moved_to=response.moved_to)
    if seen.kind is SourceKind.FEED or selector:
        _refuse(seen, at)
        return replace(here, notes=(*looking.notes, *seen.notes))
    if seen.kind is SourceKind.SITEMAP:
        return looking.into_index(here, seen)
    page = () if seen.problem else (FeedLink(at, _what(seen), "text/html"),)
    others = _without(seen.feeds, response.url)
    found = looking.feed_of(others, response.url)
    if found is not None:
        rest = _without(others, found.url)
        return replace(found, moved_to=response.moved_to, alternatives=(*rest, *page), notes=found.notes)
    maps = looking.sitemaps_of(response.url)
    if not seen.problem:
        return replace(here, alternatives=(*others, *maps), notes=(*seen.notes, *looking.notes))
    for one in maps:
        if (read := looking.sitemap_at(one.url)) is not None:
            note = f"the page itself {seen.problem}" if not seen.problem.startswith("the ") else seen.problem
            return replace(read, moved_to=response.moved_to, alternatives=_without(maps, one.url),
                           notes=(note, *read.notes))
    _refuse(seen, at)
    return here


def with_scheme(url: str) -> tuple[str, ...]:
    """Return the addresses to try for what an operator wrote: itself, or with https and then http in front.

    Raises UsageError for what is no web address at all.
    """
    url = _FOR_READERS.sub(lambda m: "" if m[0].endswith(":") else "https://", url.strip(), count=1)
    scheme = _SCHEME.match(url)
    if scheme and scheme[1].lower() in ("http", "https"):
        return (_whole(url),)
    if scheme and (scheme[0].endswith("//") or not re.match(r"\d{1,5}(?:[/?#]|$)", url[scheme.end():])):
        raise UsageError(said(url), f"is no web address: {scheme[1]}: is not fetched", hint="give one with https://")
    if not url or re.search(r"\s", url) or not re.match(r"[^/?#]*[.:\[]|localhost\b", url):
        raise UsageError(said(url) or "the address", "is no web address", hint="give one like https://example.org/")
    return _whole(f"https://{url}"), _whole(f"http://{url}")


def said(url: str) -> str:
    """An address that was given by hand as a line may repeat it: without a password, however oddly it was written."""
    front, slashes, rest = url.partition("://") if _SCHEME.match(url) and "://" in url else ("", "", url)
    server = re.split(r"[/?#]", rest, maxsplit=1)[0]
    odd_port = ":" in server and not server.startswith("[") and not server.rpartition(":")[2].isdigit()
    if "@" in server or (odd_port and "@" in rest):  # a password may hold a / too
        rest = f"…@{rest.rpartition('@')[2]}"
    return printable(QUERY_SECRET.sub(rf"\1{MASK}", f"{front}{slashes}{rest}"))


def _whole(url: str) -> str:
    """The address, where it is one that could be asked; which ports and networks may be is seen when it is."""
    try:
        check_url(url, ANYWHERE)
    except Refused as error:
        library = isinstance(error.__cause__, ValueError)
        raise UsageError(said(url), "is no address" if library else error.cause, hint=error.hint) from error
    return url


@dataclass(slots=True)
class _Looking:
    """One look: what it needs of the world, and what it noted on the way."""

    fetcher: Fetcher
    work: Work
    allow_networks: tuple[str, ...]
    now: datetime
    selector: str
    notes: list[str] = field(default_factory=list)

    def first(self, url: str) -> tuple[str, Response]:
        """Return (the address that was asked, what it gave)."""
        secure, *plain = with_scheme(url)
        try:
            return secure, self.fetch(secure)
        except (HttpStatusError, Refused):
            raise  # over http it would say the same
        except FetchError as error:
            if not plain or "certificate" in error.cause:  # somebody answers there in another's name
                raise
            try:
                response = self.fetch(plain[0])
            except HttpStatusError:
                raise
            except FetchError:
                raise error from None
        self.notes.append("it answers over http only, which anyone on the way could change")
        return plain[0], response

    def fetch(self, url: str) -> Response:
        return self.fetcher.fetch(Request(url, allow_networks=self.allow_networks))

    def glance(self, response: Response) -> Glance:
        robots = response.headers.get("x-robots-tag", "")
        return self.work("look", response.url, response.body, url=response.url, content_type=response.content_type,
                         now=self.now, selector=self.selector, headers={"x-robots-tag": robots})

    def feed_of(self, named: Iterable[FeedLink], page_url: str) -> Looked | None:
        """The first feed that can be read: of those the page names, else of the usual places."""
        for link in list(named)[:MAX_NAMED]:
            try:
                found = self.feed_at(link.url)
            except BroadsheetError as error:
                self.notes.append(f"the page names a feed that can't be read: {error}")
                continue
            if found is not None:
                return replace(found, notes=("the page names this feed", *self.notes, *found.notes))
            self.notes.append(f"the page names a feed that is none: {link.url}")
        for guess in self._guesses(page_url, named):
            try:
                found = self.feed_at(guess)
            except (HttpStatusError, ParseError):
                continue
            except FetchError:
                return None  # a server that is in trouble is not asked seven times more
            if found is not None and found.count:
                return replace(found, notes=(f"no page names this feed; it was found at {guess}",
                                             *self.notes, *found.notes))
        return None

    def feed_at(self, url: str) -> Looked | None:
        """What is at `url`, None where it is no feed."""
        response = self.fetch(url)
        seen = self.glance(response)
        if seen.kind is not SourceKind.FEED:
            return None
        return Looked(seen.kind, response.moved_to or url, seen.title, seen.language, seen.samples, seen.count,
                      notes=seen.notes)

    def sitemaps_of(self, page_url: str) -> tuple[FeedLink, ...]:
        """The sitemaps that the page's server names in its robots.txt."""
        robots = urljoin(page_url, "/robots.txt")
        try:
            response = self.fetch(robots)
        except FetchError:
            return ()
        text = response.body[:MAX_ROBOTS].decode("utf-8", errors="replace")
        return tuple(FeedLink(url, "sitemap", "application/xml") for url in sitemaps_in_robots(text, url=response.url))

    def sitemap_at(self, url: str) -> Looked | None:
        try:
            response = self.fetch(url)
            seen = self.glance(response)
        except BroadsheetError as error:
            self.notes.append(f"its sitemap can't be read: {error}")
            return None
        if seen.kind is not SourceKind.SITEMAP:
            return None
        here = Looked(seen.kind, response.moved_to or url, seen.title, seen.language, seen.samples, seen.count)
        return self.into_index(here, seen)

    def into_index(self, here: Looked, seen: Glance) -> Looked:
        """With the newest of the first sitemap that can be read, where `here` is an index of some."""
        notes = [*self.notes, *seen.notes]
        for url in seen.children:
            try:
                inner = self.glance(self.fetch(url))
            except BroadsheetError as error:
                notes.append(f"one of its sitemaps can't be read: {error}")
                continue
            return replace(here, articles=inner.samples, notes=(*notes, f"the articles shown are from {url}"))
        return replace(here, notes=tuple(notes))

    def _guesses(self, page_url: str, named: Iterable[FeedLink]) -> Iterator[str]:
        tried = {link.url for link in named}
        guesses = [url for url in common_places(page_url) if url not in tried and same_site(url, page_url)]
        yield from guesses[:MAX_GUESSES]


def _without(links: Iterable[FeedLink], url: str) -> tuple[FeedLink, ...]:
    return tuple(link for link in links if link.url != url)


def _what(seen: Glance) -> str:
    return "the page itself, as one article" if seen.kind is SourceKind.ARTICLE else "the page itself, as a list"


def _refuse(seen: Glance, url: str) -> None:
    if seen.problem:
        raise ParseError(url, seen.problem, hint=seen.hint)
