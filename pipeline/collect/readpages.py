"""An article's own page: asked for where its site allows that, read by a child, and joined to what its source said.

    may it be fetched? (robots.txt) | fetch | may it be kept? what stands there? (a child) -> PageAnswer
    PageAnswer | rules, backlog, known already? -> an article, or `passed_over` with a reason, or a later try
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipeline.collect.accept import New, Poll, count_new, known_of
from pipeline.collect.changes import describe_change
from pipeline.collect.children.answers import PageDraft
from pipeline.collect.children.pool import Stopped
from pipeline.collect.decide import Known, KnownIndex, decide_backlog, match
from pipeline.collect.readings import Tools
from pipeline.collect.rules import Take, decide_rules
from pipeline.collect.waiting import Waiting, from_json, retry_after
from pipeline.config import FOREVER, Source
from pipeline.errors import BroadsheetError, StoreError
from pipeline.model.articles import ArticleStatus, Draft
from pipeline.model.sources import PassedState
from pipeline.net.fetch import HttpStatusError, Request
from pipeline.store import Connection, articles, passed
from pipeline.store.articles import Acceptance
from pipeline.store.passed import PassedOver
from pipeline.store.sources import SourceState

FROM_PAGE = "the page's own text"
"""What is noted of an article that has it."""

UNREADABLE = "what was noted of it when it was seen can't be read any more"

ACCEPT = "text/html, application/xhtml+xml;q=0.9, */*;q=0.1"


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """What came of asking for one article's page. `draft` is the article with its page's text; None where there is
    none, with the `reason`, and `final` where asking again would not help."""

    source: Source
    state: SourceState
    row: PassedOver
    poll: Poll
    at: datetime
    draft: Draft | None = None
    reason: str = ""
    final: bool = False
    crawl_delay: timedelta = timedelta()   # that its site's robots.txt asks for
    wait: timedelta = timedelta()          # that its server asks for (Retry-After)


def ask_for_page(
    source: Source, state: SourceState, row: PassedOver, tools: Tools, poll: Poll, now: datetime
) -> PageAnswer:
    """Ask for one page. Never raises for anything that its site did."""
    waiting = from_json(row.draft, row)
    networks = source.allow_networks
    delay = timedelta()

    def no(reason: str, *, final: bool, wait: float | None = None) -> PageAnswer:
        return PageAnswer(source, state, row, poll, now, None, reason, final, delay, timedelta(seconds=wait or 0))

    if waiting is None:
        return no(UNREADABLE, final=True)
    try:
        verdict = tools.robots.may_fetch(waiting.draft.url, now, networks)
        delay = verdict.crawl_delay
        if not verdict.allowed:
            return no(verdict.reason, final=not verdict.later)
        response = tools.fetcher.fetch(Request(waiting.draft.url, allow_networks=networks, accept=ACCEPT, deltas=False))
        elsewhere = tools.robots.may_fetch(response.url, now, networks)
        if not elsewhere.allowed:  # a redirect led to a page that may not be read
            return no(elsewhere.reason, final=not elsewhere.later)
        read: PageDraft = tools.children.work(
            "page", response.url, response.body, url=response.url, now=now, content_type=response.content_type,
            headers={"x-robots-tag": response.headers.get("x-robots-tag", "")}, draft=waiting.draft, show=source.show)
    except Stopped:
        raise
    except HttpStatusError as error:
        return no(f"its page answers {error.status}", final=error.permanent, wait=error.retry_after_s)
    except StoreError as error:
        return no(f"what its robots.txt says could not be noted: {error.cause}", final=False)
    except BroadsheetError as error:
        return no(f"its page can't be read: {error.cause}", final=error.permanent)
    if read.refused:
        return no(read.refused, final=True)
    return PageAnswer(source, state, row, poll, now, read.draft, crawl_delay=delay)


def accept_page(
    connection: Connection, answer: PageAnswer, state: SourceState, poll: Poll, beside: Sequence[New] = ()
) -> list[New]:
    """Write what follows from one page, and return the article where it is new. `beside` is what else becomes an
    article in the same transaction, and can't be found in the store yet."""
    source, now = answer.source, answer.at
    poll.pages += 1
    row = passed.find(connection, state.id, answer.row.key)
    if row is None or row.retry_at is None:  # somebody else has read it meanwhile
        return []
    waiting = from_json(row.draft, row)
    if waiting is None:
        _pass_over(connection, state, row, PassedState.FAILED, UNREADABLE, now, poll)
        return []
    draft = _as_it_is_now(answer, waiting)
    if draft is None:
        attempts = row.attempts + 1
        wait = None if answer.final else retry_after(waiting, attempts, answer.wait)
        if wait is not None:
            passed.record(connection, state.id, [replace(row, attempts=attempts, retry_at=now + wait,
                                                         reason=answer.reason)], now)
            return []
        if waiting.draft.pointer:
            kind = PassedState.REFUSED if answer.final else PassedState.FAILED
            _pass_over(connection, state, row, kind, answer.reason, now, poll)
            return []
        draft = replace(waiting.draft, text_note=f"without its page: {answer.reason}")
    if row.article_id is not None:
        _revise(connection, row, draft, now, poll, has_page=answer.draft is not None)
        passed.forget(connection, state.id, [row.key])
        return []
    ruling = decide_rules(draft, source.include, source.exclude, source.hold)
    if ruling.verdict is Take.EXCLUDE:
        _pass_over(connection, state, row, PassedState.EXCLUDED, ruling.reason, now, poll)
        return []
    if known := _known_as(connection, state, waiting, draft, beside):
        _pass_over(connection, state, row, PassedState.REFUSED, f"it is {known}, under another address", now, poll)
        return []
    held = waiting.held or (ruling.reason if ruling.verdict is Take.HOLD else "")
    feeds_only = waiting.feeds_only or _too_old(source, state, waiting, draft, now)
    new: list[New] = [(state.id, draft, Acceptance(source.show, mailable=not feeds_only, reason=feeds_only, held=held,
                                                   seen_at=row.at))]
    passed.forget(connection, state.id, [row.key])
    count_new(poll, new)
    return new


def _as_it_is_now(answer: PageAnswer, waiting: Waiting) -> Draft | None:
    """The article with its page's text. While the page was asked for, its source may have changed what it says: then
    this is what identifies it."""
    if answer.draft is None or waiting.draft.pointer:
        return answer.draft
    now = waiting.draft
    return replace(answer.draft, guid=now.guid, url=now.url, url_key=now.url_key, content_hash=now.content_hash,
                   title=now.title)


def _pass_over(
    connection: Connection, state: SourceState, row: PassedOver, kind: PassedState, reason: str, now: datetime,
    poll: Poll,
) -> None:
    passed.record(connection, state.id, [replace(row, state=kind, reason=reason, retry_at=None, draft=None)], now)
    poll.passed += 1


def _revise(
    connection: Connection, row: PassedOver, draft: Draft, now: datetime, poll: Poll, *, has_page: bool
) -> None:
    """Without its page a changed article keeps the text it had: the source's own words are only part of it."""
    before = articles.by_id(connection, row.article_id or 0)
    if before.status is ArticleStatus.WITHDRAWN:  # taken back while its page was waited for
        return
    if not has_page and before.text_note == FROM_PAGE:
        draft = replace(draft, html=before.html, summary=before.summary, text_note=before.text_note)
    articles.revise(connection, before.id, draft, now, changed=describe_change(before, draft))
    poll.updated += 1


def _known_as(
    connection: Connection, state: SourceState, waiting: Waiting, draft: Draft, beside: Sequence[New]
) -> str:
    """The article that a page turned out to be, in words; "" where it is none that is known. By its words only what
    was a pointer is known: what else a document tells of is as many articles as there are entries."""
    known = [known_of(row) for row in articles.known(connection, state.id, [draft])]
    known += [Known(0, other.guid, other.url_key, other.content_hash, other.title)
              for source_id, other, _ in beside if source_id == state.id]
    found = match(draft if waiting.draft.pointer else replace(draft, telling=False), KnownIndex.of(known))
    return "" if found is None else f"article {found.id}" if found.id else f'"{found.title}"'


def _too_old(source: Source, state: SourceState, waiting: Waiting, draft: Draft, now: datetime) -> str:
    """Judge by the page's date what a listing or sitemap did not date: what was published long before the source was
    first read was there all the time."""
    if not waiting.draft.pointer or source.backlog == FOREVER:
        return ""
    if waiting.first_poll:
        return decide_backlog(draft, first_poll=True, backlog=source.backlog,
                              now=waiting.seen_at or state.first_polled_at or now)
    if draft.dated and state.first_polled_at and state.first_polled_at - draft.published_at > source.backlog:
        return f"published on {draft.published_at:%Y-%m-%d}, as its page says, long before the source was first read"
    return ""
