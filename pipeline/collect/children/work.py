"""What a child process does: bytes of a source to values, one function for each kind of work.

    WORK[kind](body, **arguments) -> ANSWERS[kind]

Only `child` imports this: the parsers load in the child, and the parent stays small and quick to start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from pipeline.collect.children.answers import FeedRead, PageDraft
from pipeline.collect.finding.findings import Glance, PointersRead
from pipeline.collect.identify import make_draft, make_drafts
from pipeline.collect.reading.parse import parse_feed
from pipeline.model.articles import Draft, Found, Show


def feed(
    body: bytes, *, url: str, now: datetime, content_type: str = "", language: str = "",
    topics: tuple[str, ...] = (), show: Show = Show.SUMMARY, rights: str = "", licence: str = "",
) -> FeedRead:
    """Read a feed's document, which came from `url`. `language` is the operator's word and comes before the feed's
    own; `rights` and `licence` stand in where it says nothing."""
    parsed = parse_feed(body, url=url, content_type=content_type)
    drafts = make_drafts(
        parsed.articles, source_url=url, now=now, language=language or parsed.language, topics=topics, show=show,
        rights=rights, licence=licence,
    )
    return FeedRead(parsed.title, parsed.language, tuple(drafts), parsed.hints, parsed.notes)


def page(
    body: bytes, *, url: str, now: datetime, draft: Draft, content_type: str = "",
    headers: Mapping[str, str] | None = None, show: Show = Show.SUMMARY,
) -> PageDraft:
    """Read the article's own page, which came from `url`, into its draft. `headers` have lower-case names."""
    from pipeline.collect.pages.fulltext import read_page  # noqa: PLC0415
    from pipeline.collect.pages.joining import FROM_PAGE, with_page  # noqa: PLC0415

    read = read_page(body, url=url, now=now, content_type=content_type, headers=headers)
    made = with_page(draft, read, now=now, show=show)
    if made.text_note == FROM_PAGE:
        return PageDraft(made)
    return PageDraft(made, read.refused or made.text_note.partition(": ")[2] or "the page gives no text")


def article(
    body: bytes, *, url: str, now: datetime, content_type: str = "", headers: Mapping[str, str] | None = None,
    language: str = "", topics: tuple[str, ...] = (), show: Show = Show.SUMMARY, rights: str = "", licence: str = "",
) -> PageDraft:
    """Read a page that is an article by itself, and a source of this one article."""
    pointer = make_draft(Found("", url=url, pointer=True), source_url=url, now=now, language=language, topics=topics,
                         show=show, rights=rights, licence=licence)
    return page(body, url=url, now=now, draft=replace(pointer, pointer=True), content_type=content_type,
                headers=headers, show=show)


def listing(body: bytes, **arguments: Any) -> PointersRead:
    """Read a page that lists articles: see `listing_pointers`."""
    from pipeline.collect.finding.pointing import listing_pointers  # noqa: PLC0415

    return listing_pointers(body, **arguments)


def sitemap(body: bytes, **arguments: Any) -> PointersRead:
    """Read a sitemap, or an index of some: see `sitemap_pointers`."""
    from pipeline.collect.finding.pointing import sitemap_pointers  # noqa: PLC0415

    return sitemap_pointers(body, **arguments)


def look(body: bytes, **arguments: Any) -> Glance:
    """Say what a document is: see `glance`."""
    from pipeline.collect.finding.pointing import glance  # noqa: PLC0415

    return glance(body, **arguments)


WORK: dict[str, Callable[..., Any]] = {
    "feed": feed, "page": page, "article": article, "listing": listing, "sitemap": sitemap, "look": look,
}
"""Kind of work -> its function. What only some sources need is imported in the function."""
