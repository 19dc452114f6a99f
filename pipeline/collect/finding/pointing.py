"""A child's work on what is no feed: listings and sitemaps to pointers, and one look at whatever an address gave.

    read_listing, read_sitemap | the door (identify) | PointersRead          glance: what is it, and what is in it?
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from pipeline.collect.finding.discover import feeds_in, is_page, kind_of
from pipeline.collect.finding.findings import Glance, Pointer, PointersRead, Sample, SitemapKind
from pipeline.collect.finding.listing import read_listing
from pipeline.collect.finding.places import choose_children
from pipeline.collect.finding.sitemap import read_sitemap
from pipeline.collect.identify import make_draft
from pipeline.collect.pages.fulltext import read_page
from pipeline.collect.reading.parse import parse_feed
from pipeline.errors import ParseError
from pipeline.model.articles import Found, Show
from pipeline.model.sources import SourceKind
from pipeline.text.legal import one_line

SAMPLES = 5

_OLDEST = datetime.min.replace(tzinfo=UTC)


def listing_pointers(
    body: bytes, *, url: str, now: datetime, content_type: str = "", selector: str = "", language: str = "",
    topics: tuple[str, ...] = (), show: Show = Show.SUMMARY, rights: str = "", licence: str = "",
) -> PointersRead:
    """Read a page that lists articles; see `read_listing`. Raises ParseError."""
    listed = read_listing(body, url=url, content_type=content_type, selector=selector)
    pointers = [
        Pointer(make_draft(found, source_url=url, now=now, language=language or listed.language, topics=topics,
                           show=show, rights=rights, licence=licence), found.published_at)
        for found in listed.articles
    ]
    return PointersRead(listed.title, listed.language, tuple(pointers), (), listed.notes)


def sitemap_pointers(
    body: bytes, *, url: str, now: datetime, content_type: str = "", site: str = "", language: str = "",
    topics: tuple[str, ...] = (), show: Show = Show.SUMMARY, rights: str = "", licence: str = "",
) -> PointersRead:
    """Read a sitemap or an index of some; see `read_sitemap`. Raises ParseError."""
    read = read_sitemap(body, url=url, content_type=content_type, site=site)
    pointers = [
        Pointer(make_draft(found, source_url=url, now=now, language=language, topics=topics, show=show, rights=rights,
                           licence=licence), found.published_at or found.updated_at)
        for found in read.pointers
    ]
    return PointersRead("", "", tuple(pointers), read.children, read.notes)


def glance(
    body: bytes, *, url: str, now: datetime, content_type: str = "", selector: str = "",
    headers: Mapping[str, str] | None = None,
) -> Glance:
    """Say what `body`, which came from `url`, is and what is in it, the newest SAMPLES of it shown.

    `headers` (lower-case names) are asked whether an article's page may be kept. A page that is no source by itself
    is told as AUTO with its `problem`, as its feed may be found elsewhere; anything else that can be no source
    raises ParseError.
    """
    try:
        kind = kind_of(body, content_type, url)
    except ParseError as error:
        if not is_page(body, content_type, url):
            raise
        return Glance(SourceKind.AUTO, problem=error.cause, hint=error.hint)
    if kind is SourceKind.FEED:
        parsed = parse_feed(body, url=url, content_type=content_type)
        return Glance(kind, parsed.title, parsed.language, _newest(parsed.articles), len(parsed.articles),
                      notes=parsed.notes)
    if kind is SourceKind.SITEMAP:
        return _of_sitemap(body, url, content_type)
    feeds = feeds_in(body, url=url, content_type=content_type)
    if selector or kind is SourceKind.PAGE:
        try:
            listed = read_listing(body, url=url, content_type=content_type, selector=selector)
        except ParseError as error:
            return Glance(SourceKind.AUTO, feeds=feeds, problem=error.cause, hint=error.hint)
        return Glance(SourceKind.PAGE, listed.title, listed.language, _newest(listed.articles), len(listed.articles),
                      feeds, notes=listed.notes)
    read = read_page(body, url=url, now=now, content_type=content_type, headers=headers)
    sample = Sample(one_line(read.title), url, read.published_at)
    notes = (f"nothing can be collected from it: {read.refused}",) if read.refused else ()
    return Glance(kind, one_line(read.title), read.language, (sample,), 1, feeds, notes=notes)


def _of_sitemap(body: bytes, url: str, content_type: str) -> Glance:
    read = read_sitemap(body, url=url, content_type=content_type)
    if read.kind is SitemapKind.INDEX:
        chosen = choose_children(read.children, None)
        return Glance(SourceKind.SITEMAP, count=len(read.children), children=chosen.urls,
                      notes=(f"is an index of {len(read.children)} sitemaps", *read.notes))
    return Glance(SourceKind.SITEMAP, samples=_newest(read.pointers), count=len(read.pointers), notes=read.notes)


def _newest(found: Iterable[Found]) -> tuple[Sample, ...]:
    """The newest by date; what has none stays in the order of the document, after those that have one."""
    ranked = sorted(found, key=lambda f: f.published_at or f.updated_at or _OLDEST, reverse=True)
    return tuple(Sample(one_line(f.title), f.url, f.published_at or f.updated_at) for f in ranked[:SAMPLES])
