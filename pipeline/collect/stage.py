"""collect: source | fetch | parse | clean and identify | decide | accept.

Each source is polled by itself, several at a time; what is wrong with one is recorded with it and stops no other.
Everything a poll changes, articles, validators and poll times, is one transaction.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from pipeline.collect.decide import (
    Known,
    KnownIndex,
    Verdict,
    decide_article,
    decide_backlog,
    decide_flood,
    match_all,
    next_poll,
)
from pipeline.collect.extract import Skipped, extract_document
from pipeline.collect.folder import read_folder
from pipeline.collect.identify import make_drafts
from pipeline.collect.parse import parse_feed
from pipeline.config import FOREVER, Config, Source
from pipeline.errors import BroadsheetError, ParseError
from pipeline.model.articles import Draft, Found
from pipeline.net.fetch import Fetcher, HttpStatusError, Request, Response
from pipeline.store import Connection, articles, sources
from pipeline.store.articles import Acceptance
from pipeline.store.engine import Store
from pipeline.store.sources import SourceState

AT_ONCE = 8
"""Sources polled at the same time."""

HOURLY = timedelta(hours=1)
"""As often as a source is asked whose operator said nothing."""

LONGEST_WAIT = timedelta(days=8)
"""Longer than any back-off, and than any server's Retry-After that is heeded."""


@dataclass(slots=True)
class Poll:
    """What one poll of one source did."""

    source: str
    new: int = 0
    updated: int = 0
    moved: int = 0
    same: int = 0
    held: int = 0
    unmailable: int = 0                 # new, but for feeds only (the backlog)
    not_modified: bool = False
    skipped: list[str] = field(default_factory=list)   # documents left out on purpose, with the reason
    problems: list[str] = field(default_factory=list)  # what went wrong with parts of it
    notes: list[str] = field(default_factory=list)
    error: str = ""                     # why nothing came of it

    @property
    def failed(self) -> bool:
        return bool(self.error or self.problems)


@dataclass(frozen=True, slots=True)
class Batch:
    """What a source gave, cleaned, before it is compared with what is known."""

    drafts: list[Draft]
    title: str = ""
    etag: str = ""
    last_modified: str = ""
    body_hash: str = ""


def collect(
    store: Store, config: Config, fetcher: Fetcher, now: Callable[[], datetime], *, slugs: Collection[str] = (),
    force: bool = False, progress: Callable[[Poll], None] = lambda _poll: None,
) -> list[Poll]:
    """Poll the sources that are due (all that are named, with `force`), and say of each what came of it."""
    with store.read() as connection:
        states = sources.states(connection)
    due = [s for s in config.sources if (not slugs or s.slug in slugs) and (force or is_due(s, states, now()))]
    polls = []
    with ThreadPoolExecutor(min(AT_ONCE, max(1, len(due))), thread_name_prefix="collect") as pool:
        try:
            for poll in pool.map(lambda s: poll_source(store, config, fetcher, s, now()), due):
                progress(poll)
                polls.append(poll)
        except BaseException:  # Ctrl-C, above all: what is under way is broken off, or a slow source would hold us
            pool.shutdown(wait=False, cancel_futures=True)
            fetcher.close()
            raise
    return polls


def is_due(source: Source, states: dict[str, SourceState], now: datetime) -> bool:
    """A folder costs nothing to look at; a server is asked when its time has come."""
    state = states.get(source.slug)
    if source.folder is not None or state is None or state.next_poll_at is None:
        return True
    # the second: a clock that once ran ahead, or an interval that was shortened
    return now >= state.next_poll_at or state.next_poll_at > now + max(source.every or HOURLY, LONGEST_WAIT)


def poll_source(store: Store, config: Config, fetcher: Fetcher, source: Source, now: datetime) -> Poll:
    """Poll one source. Never raises for anything the source did."""
    poll = Poll(source.slug)
    with store.read() as connection:
        state = sources.state(connection, source.slug)
    try:
        if source.folder:
            batch: Batch | None = _from_folder(source, source.folder, config.site.language, now, poll)
        else:
            batch = _from_url(source, fetcher, state, now, poll)
        with store.write() as connection:
            _accept(connection, source, batch, now, poll)
    except BroadsheetError as error:
        poll.error = str(error)
        _record_failure(store, source, state, error, now)
    return poll


def _from_folder(source: Source, folder: Path, language: str, now: datetime, poll: Poll) -> Batch:
    read = read_folder(folder)
    poll.problems += read.problems
    found: list[Found] = []
    for document in read.documents:
        try:
            result = extract_document(document.name, document.data, now=now)
        except ParseError as error:
            poll.problems.append(str(error))
            continue
        if isinstance(result, Skipped):
            poll.skipped.append(f"{document.name}: {result.reason}")
        else:
            found.append(replace(result, guid=result.guid or document.name))
    drafts = make_drafts(found, source_url="", now=now, language=source.language or language,
                         topics=source.topics, show=source.show)
    return Batch(drafts)


def _from_url(source: Source, fetcher: Fetcher, state: SourceState, now: datetime, poll: Poll) -> Batch | None:
    """What the server gave; None where it has nothing newer than what we have."""
    response = fetcher.fetch(Request(source.url, etag=state.etag, last_modified=state.last_modified,
                                     allow_networks=tuple(str(n) for n in source.allow_networks)))
    body_hash = hashlib.sha256(response.body).hexdigest()
    if response.status == 304 or body_hash == state.body_hash:
        poll.not_modified = True
        return None
    parsed = parse_feed(response.body, url=response.url, content_type=response.content_type)
    poll.notes += parsed.notes
    drafts = make_drafts(parsed.articles, source_url=response.url, now=now,
                         language=source.language or parsed.language, topics=source.topics, show=source.show)
    return _batch(drafts, parsed.title, response, body_hash)


def _batch(drafts: list[Draft], title: str, response: Response, body_hash: str) -> Batch:
    return Batch(drafts, title, response.etag, response.last_modified, body_hash)


def _accept(connection: Connection, source: Source, batch: Batch | None, now: datetime, poll: Poll) -> None:
    """Compare with what is known and write what follows; the poll's one transaction."""
    state = sources.state(connection, source.slug)
    after = {"last_polled_at": now, "next_poll_at": next_poll(now, source.every or HOURLY, 0), "failures": 0,
             "last_error": ""}
    if poll.problems:
        after["last_error"] = "; ".join(poll.problems)[:1000]
    if batch is None:
        sources.record_poll(connection, state.id, **after)
        return
    first_poll = state.first_polled_at is None
    new = _revise_known(connection, state.id, batch.drafts, now, poll)
    flood = ""
    if source.folder is None:  # the operator's own folder may fill up as they like
        flood = decide_flood(len(new), len(batch.drafts), articles.count_of_source(connection, state.id),
                             first_poll=first_poll, limit=source.flood)
    accepted = [(draft, _acceptance(source, draft, flood, first_poll=first_poll, now=now)) for draft in new]
    articles.add(connection, state.id, accepted, now)
    poll.held = len(new) if flood else 0
    poll.new = len(new) - poll.held
    poll.unmailable = sum(1 for _, how in accepted if not how.held and not how.mailable)
    if flood:
        poll.notes.append(flood)
    since = state.first_polled_at or (now if batch.drafts else None)  # an empty document is no beginning
    sources.record_poll(
        connection, state.id, **after, title=source.title or batch.title or source.slug, first_polled_at=since,
        etag=batch.etag, last_modified=batch.last_modified,
        body_hash=batch.body_hash)


def _revise_known(
    connection: Connection, source_id: int, drafts: list[Draft], now: datetime, poll: Poll
) -> list[Draft]:
    """Write what changed in known articles, and return the drafts that are new, in order of publication."""
    known = [Known(row.id, row.guid, row.url_key, row.content_hash, row.title, row.revision, row.status)
             for row in articles.known(connection, source_id, drafts)]
    verdicts: Counter[Verdict] = Counter()
    new = []
    for draft, match in match_all(drafts, KnownIndex.of(known)):
        verdict = decide_article(draft, match)
        verdicts[verdict] += 1
        if match is None:
            new.append(draft)
            continue
        kept = replace(draft, guid=draft.guid or match.guid, url_key=draft.url_key or match.url_key)
        if verdict is Verdict.UPDATED:
            articles.revise(connection, match.id, kept, now)
        elif verdict is Verdict.MOVED:
            articles.move(connection, match.id, kept)
    poll.updated, poll.moved, poll.same = verdicts[Verdict.UPDATED], verdicts[Verdict.MOVED], verdicts[Verdict.SAME]
    return sorted(new, key=lambda d: d.published_at)


def _acceptance(source: Source, draft: Draft, flood: str, *, first_poll: bool, now: datetime) -> Acceptance:
    backlog = None if source.backlog == FOREVER else source.backlog
    reason = decide_backlog(draft, first_poll=first_poll, backlog=backlog, now=now)
    return Acceptance(source.show, mailable=not reason, reason=reason, held=flood)


def _record_failure(
    store: Store, source: Source, state: SourceState, error: BroadsheetError, now: datetime
) -> None:
    failures = state.failures + 1
    wait = next_poll(now, source.every or HOURLY, failures)
    if isinstance(error, HttpStatusError) and error.retry_after_s:
        wait = max(wait, now + timedelta(seconds=min(error.retry_after_s, 7 * 86_400)))
    with store.write() as connection:
        sources.record_poll(connection, state.id, last_polled_at=now, next_poll_at=wait, failures=failures,
                            last_error=str(error)[:1000])
