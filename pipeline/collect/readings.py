"""What came from a source's address, read: a feed, else a page that names one, a listing, a sitemap, or an article.

Bytes are read by children; this decides which of their kinds of work it is, and asks for what a document points to: the
feed of a page, the sitemaps of an index. What an address of kind "auto" turned out to be is remembered and does not
turn lightly: a feed that answers with a page one day is broken, not a page that lists articles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any

from pipeline.collect.accept import Poll, Seen
from pipeline.collect.children.answers import FeedRead, PageDraft
from pipeline.collect.children.pool import Children, TooCostly
from pipeline.collect.finding.findings import Glance, Pointer, PointersRead
from pipeline.collect.finding.places import choose_children
from pipeline.collect.manners.intervals import Rhythm, decide_rhythm
from pipeline.collect.pages.robots_cache import RobotsCache
from pipeline.config import Source
from pipeline.errors import BroadsheetError, ParseError
from pipeline.model.articles import Draft
from pipeline.model.sources import Hints, SourceKind
from pipeline.net.fetch import Fetcher, Request, Response
from pipeline.store.sources import SourceState

TURNS_AFTER = timedelta(days=7)
"""For so long an address that was one thing has to fail before it may be another."""

DATES_SAY_DAYS = timedelta(days=2)
"""A sitemap is read again where its index dates it no longer than this before the last poll: a date is often only a
day, in a zone of its own, and what could not be had then is asked for once more."""

MIDNIGHT = time()

MOST_FEEDS = 3
"""Of those that a page names, that are tried."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What asking needs of the world."""

    fetcher: Fetcher
    children: Children
    robots: RobotsCache
    language: str      # the site's, for documents that name none


@dataclass(slots=True)
class Reading:
    """What one document said. `seen` is None where there is nothing newer, and the rest then says nothing either."""

    response: Response
    seen: Seen | None = None
    title: str = ""
    hints: Hints | None = None
    rhythm: Rhythm | None = None
    body_hash: str = ""
    whole: bool = True     # False: what it points to may change while it stays the same
    fields: dict[str, Any] = field(default_factory=dict)   # further columns of the source


def read_document(
    source: Source, state: SourceState, response: Response, tools: Tools, now: datetime, poll: Poll
) -> Reading:
    """Read what came. Raises ParseError where it is not what the source is, FetchError where what it points to can't
    be had."""
    kind = source.kind
    if kind is SourceKind.AUTO and state.found_kind:
        kind = SourceKind(state.found_kind)
    try:
        return _read_as(kind, source, state, response, tools, now, poll)
    except TooCostly:
        raise
    except ParseError:
        if source.kind is not SourceKind.AUTO or not state.found_kind:
            raise
        if named := _named_feed(source, state, response, tools, now, poll):
            return named
        if not _has_failed_long(state, now):
            raise
    poll.notes.append(f"it is no {state.found_kind} any more")
    reading = _read_as(SourceKind.AUTO, source, state, response, tools, now, poll)
    if reading.seen is not None:
        reading.seen = Seen(reading.seen.drafts, reading.seen.pointers, reading.seen.kind, reading.seen.delta,
                            suspect=f"held because the source turned from a {state.found_kind} into something else")
    return reading


def _has_failed_long(state: SourceState, now: datetime) -> bool:
    return state.failing_since is not None and now - state.failing_since >= TURNS_AFTER


def _read_as(
    kind: SourceKind, source: Source, state: SourceState, response: Response, tools: Tools, now: datetime, poll: Poll
) -> Reading:
    if kind is SourceKind.AUTO:
        return _discover(source, state, response, tools, now, poll)
    if kind is SourceKind.PAGE:
        return _listing(source, state, response, tools, now, poll)
    if kind is SourceKind.SITEMAP:
        return _sitemap(source, state, response, tools, now, poll)
    if kind is SourceKind.ARTICLE:
        return _article(source, response, tools, now, poll)
    return _feed(source, state, response, tools, now, poll)


def _discover(
    source: Source, state: SourceState, response: Response, tools: Tools, now: datetime, poll: Poll
) -> Reading:
    """Find out what it is: a feed first, as nearly all are; then a feed that the page names; then the page itself."""
    try:
        reading = _feed(source, state, response, tools, now, poll)
    except TooCostly:
        raise
    except ParseError as error:
        not_a_feed = error
    else:
        return _found(reading, SourceKind.FEED)
    if source.selector:  # whoever wrote it knows that it is a page which lists articles, however it looks
        return _found(_listing(source, state, response, tools, now, poll), SourceKind.PAGE)
    if named := _named_feed(source, state, response, tools, now, poll):
        return named
    glance = _look(source, response, tools, now)
    if glance.problem or glance.kind in (SourceKind.AUTO, SourceKind.FEED):
        raise ParseError(not_a_feed.subject, not_a_feed.cause, hint=glance.problem or not_a_feed.hint)
    poll.notes.append(_WHAT[glance.kind])
    return _found(_read_as(glance.kind, source, state, response, tools, now, poll), glance.kind)


def _look(source: Source, response: Response, tools: Tools, now: datetime) -> Glance:
    seen: Glance = tools.children.work("look", response.url, response.body, url=response.url, now=now,
                                       content_type=response.content_type, selector=source.selector)
    return seen


def _named_feed(
    source: Source, state: SourceState, response: Response, tools: Tools, now: datetime, poll: Poll
) -> Reading | None:
    """The feed that a page names, read; None where it is no page, or names none that can be read."""
    if source.selector:  # the page itself is wanted
        return None
    try:
        glance = _look(source, response, tools, now)
    except TooCostly:
        raise
    except ParseError:
        return None
    for link in glance.feeds[:MOST_FEEDS]:
        try:
            there = tools.fetcher.fetch(Request(link.url, allow_networks=source.allow_networks))
            reading = _found(_feed(source, state, there, tools, now, poll), SourceKind.FEED)
        except TooCostly:
            raise
        except BroadsheetError as error:
            if not error.permanent:  # it may answer the next time, and what it is should not hang on a bad hour
                raise
            poll.notes.append(f"its page names the feed {link.url}, but that can't be read: {error.cause}")
            continue
        reading.fields["feed_url"] = link.url
        reading.response = there
        poll.notes.append(f"its page names the feed {link.url}, which is read from now on")
        return reading
    return None


_WHAT = {
    SourceKind.PAGE: "it is a page that names no feed: the articles that it lists are read from now on",
    SourceKind.ARTICLE: "it is the page of one article",
    SourceKind.SITEMAP: "it is a sitemap: the pages that it names are read from now on",
}


def _found(reading: Reading, kind: SourceKind) -> Reading:
    reading.fields["found_kind"] = str(kind)
    return reading


def _feed(source: Source, state: SourceState, response: Response, tools: Tools, now: datetime, poll: Poll) -> Reading:
    read: FeedRead = tools.children.work("feed", response.url, response.body, **_arguments(source, response, now))
    poll.notes += read.notes
    return Reading(response, Seen(read.drafts, delta=response.delta), read.title, read.hints,
                   _rhythm(read.drafts, state))


def _listing(
    source: Source, state: SourceState, response: Response, tools: Tools, now: datetime, poll: Poll
) -> Reading:
    read: PointersRead = tools.children.work("listing", response.url, response.body, selector=source.selector,
                                             **_arguments(source, response, now))
    poll.notes += read.notes
    return Reading(response, Seen(pointers=read.pointers, kind=SourceKind.PAGE), read.title,
                   rhythm=_rhythm([p.draft for p in read.pointers], state))


def _sitemap(
    source: Source, state: SourceState, response: Response, tools: Tools, now: datetime, poll: Poll
) -> Reading:
    """A sitemap, or the newest few of an index. One that can't be had is told, and the others are read.

    An index that gives no dates, or only days, stays the same while what it names changes.
    """
    read: PointersRead = tools.children.work("sitemap", response.url, response.body,
                                             **_arguments(source, response, now))
    poll.notes += read.notes
    pointers: list[Pointer] = list(read.pointers)
    since = state.last_polled_at - DATES_SAY_DAYS if state.first_polled_at and state.last_polled_at else None
    chosen = choose_children(read.children, since)
    poll.notes += chosen.notes
    failed: list[BroadsheetError] = []
    for url in chosen.urls:
        try:
            there = tools.fetcher.fetch(Request(url, allow_networks=source.allow_networks))
            below: PointersRead = tools.children.work("sitemap", url, there.body, site=source.url,
                                                      **_arguments(source, there, now))
        except TooCostly:
            raise
        except BroadsheetError as error:
            failed.append(error)
            continue
        pointers += below.pointers
    if failed and len(failed) == len(chosen.urls):
        raise failed[0]
    poll.problems += [str(error) for error in failed]
    exact = all(when is not None and when.time() != MIDNIGHT for _, when in read.children)
    return Reading(response, Seen(pointers=pointers, kind=SourceKind.SITEMAP), whole=exact,
                   rhythm=_rhythm([p.draft for p in pointers], state))


def _article(source: Source, response: Response, tools: Tools, now: datetime, poll: Poll) -> Reading:
    """One page that is one article: its identity is its address, and its words make its revisions."""
    read: PageDraft = tools.children.work(
        "article", response.url, response.body, headers={"x-robots-tag": response.headers.get("x-robots-tag", "")},
        **_arguments(source, response, now))
    if read.refused:
        poll.notes.append(f"nothing is taken of it: {read.refused}")
    return Reading(response, Seen(() if read.refused else (read.draft,), kind=SourceKind.ARTICLE),
                   "" if read.refused else read.draft.title)


def _arguments(source: Source, response: Response, now: datetime) -> dict[str, object]:
    return {"url": response.url, "content_type": response.content_type, "now": now, "language": source.language or "",
            "topics": source.topics, "show": source.show, "rights": source.rights, "licence": source.licence}


def _rhythm(drafts: Sequence[Draft], state: SourceState) -> Rhythm:
    """How it publishes; a document that dates nothing, or holds only the latest, leaves what was known."""
    found = decide_rhythm(d.published_at for d in drafts if d.dated)
    newest = max((t for t in (found.newest, state.last_new_at) if t), default=None)
    return Rhythm(found.gap or state.rhythm, newest)
