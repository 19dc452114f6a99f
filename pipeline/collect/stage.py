"""collect: due sources | by turns, a site at a time | asked, read by children | compared and accepted, many at once.

Each source is polled by itself, several at a time; what is wrong with one is recorded with it and stops no other.
What is ready at the same time is written in one transaction, since a disk that has to be waited for is better waited
for once; where that fails, each poll is written by itself.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import Any

from pipeline.collect.accept import New, Poll, accept
from pipeline.collect.ask import MAX_ERROR, Answer, ask, whereabouts
from pipeline.collect.children.pool import Children, Stopped
from pipeline.collect.folders.documents import look_into
from pipeline.collect.manners.intervals import HOURLY, decide_retry, next_poll, ours_is_down
from pipeline.collect.manners.pace import Pace, Turn, is_own, site_of
from pipeline.collect.pages.robots_cache import RobotsCache
from pipeline.collect.readings import Tools
from pipeline.collect.readpages import PageAnswer, accept_page, ask_for_page
from pipeline.collect.waiting import from_json, retry_after
from pipeline.config import Config, Source
from pipeline.errors import StoreError
from pipeline.model.sources import PassedState, SourceStanding
from pipeline.net.fetch import Fetcher
from pipeline.store import articles, meta, passed, sources, websub
from pipeline.store.engine import Store
from pipeline.store.passed import PassedOver
from pipeline.store.sources import SourceState

MOST_AT_ONCE = 20_000
"""Sources of one round; more are taken up in the next."""

PAGES_EACH = 20
"""Pages of articles that one round reads for one source; more are read in the next."""

OF_ONE_SITE = 30
"""Sources of one site that one round asks; the others have their turn in the next."""

GROUP = 100
"""Answers in one transaction: it must not keep other writers waiting."""

LINGER_S = 0.1
"""Seconds that an answer waits for others to be written with: each transaction has its price."""

Progress = Callable[[Poll], None]


@dataclass(frozen=True, slots=True)
class Job:
    """A source to ask, or one of its articles' pages."""

    source: Source
    state: SourceState
    page: PassedOver | None = None
    pushed: bool = False      # a hub tells us of its news

    @property
    def site(self) -> str:
        """Whom it asks; "" for a folder, and for the operator's own machines, which need no sparing."""
        if self.source.folder is not None:
            return ""
        url = self.page.url if self.page else whereabouts(self.source, self.state).asked
        return "" if is_own(url, self.source.allow_networks) else site_of(url)


def collect(
    store: Store, config: Config, fetcher: Fetcher, now: Callable[[], datetime], *, slugs: Collection[str] = (),
    force: bool = False, progress: Progress = lambda _poll: None,
) -> list[Poll]:
    """Poll the sources that are due (all that are named, with `force`), and say of each what came of it. Pages that
    wait are read as well, for sources that are not due too."""
    jobs = _due(store, config, now(), slugs, force=force)
    if not jobs:
        return []
    children = Children()
    tools = Tools(fetcher, children, RobotsCache(store, fetcher), config.site.language)
    round_ = _Round(store, tools, Pace(config.collect.spacing), now, progress)
    try:
        return round_.run(jobs, config.collect.at_once)
    finally:
        children.close()


def _due(store: Store, config: Config, now: datetime, slugs: Collection[str], *, force: bool) -> list[Job]:
    by_slug = {source.slug: source for source in config.sources if not slugs or source.slug in slugs}
    with store.read() as connection:
        if force:
            states = sources.states(connection, by_slug)
            found = [states[slug] for slug in by_slug if slug in states]
            found = [state for state in found if state.standing is not SourceStanding.BLOCKED]
        else:
            found = [state for state in sources.due(connection, now, MOST_AT_ONCE) if state.slug in by_slug]
        pushed = websub.pushed_sources(connection, now)
        waiting = [slug for slug in passed.sources_waiting(connection, now) if slug in by_slug]
        states = sources.states(connection, waiting) if waiting else {}
        pages = [Job(by_slug[slug], states[slug], row) for slug in waiting
                 for row in passed.waiting(connection, states[slug].id, now, PAGES_EACH)]
    found.sort(key=lambda state: (state.offences > 0, state.failures > 0))  # who failed may cost time, and comes last
    jobs = [Job(by_slug[state.slug], state, pushed=state.id in pushed) for state in found]
    return (jobs if force else _not_too_many_of_one_site(jobs)) + pages


def _not_too_many_of_one_site(jobs: Sequence[Job]) -> list[Job]:
    """A round takes as long as its largest site, and nobody is asked anew before it is over."""
    of_site: Counter[str] = Counter()
    kept = []
    for job in jobs:  # the longest overdue come first
        site = job.site
        of_site[site] += 1
        if not site or of_site[site] <= OF_ONE_SITE:
            kept.append(job)
    return kept


class _Round:
    """One call of `collect`: threads ask, and the calling thread writes down what they bring."""

    def __init__(
        self, store: Store, tools: Tools, pace: Pace[Job], now: Callable[[], datetime], progress: Progress
    ) -> None:
        self._store = store
        self._tools = tools
        self._pace = pace
        self._now = now
        self._progress = progress
        self._answers: SimpleQueue[tuple[Turn[Job], Answer | PageAnswer] | BaseException] = SimpleQueue()
        self._polls: dict[str, Poll] = {}          # by slug
        self._open: Counter[str] = Counter()       # answers that each source still waits for
        self._pages: set[tuple[int, str]] = set()  # that were asked for
        self._unreached: list[Answer] = []         # while nobody at all has answered, it may be our own network
        self._reached = False

    def run(self, jobs: Sequence[Job], at_once: int) -> list[Poll]:
        for job in jobs:
            self._put(job)
        threads = [threading.Thread(target=self._work, name=f"collect-{n}", daemon=True) for n in range(at_once)]
        for thread in threads:
            thread.start()
        try:
            while self._open:
                self._settle(*self._group())
        except BaseException:  # Ctrl-C, above all: what is under way is broken off, or a slow source would hold us
            self._pace.close()
            self._tools.fetcher.close()
            self._tools.children.close()
            raise
        for thread in threads:
            thread.join()
        return list(self._polls.values())

    def _put(self, job: Job) -> None:
        slug = job.source.slug
        self._polls.setdefault(slug, Poll(slug, pages_only=job.page is not None))
        self._open[slug] += 1
        if job.page is not None:
            self._pages.add((job.state.id, job.page.key))
        self._pace.put(job, job.site)

    def _work(self) -> None:
        try:
            while turn := self._pace.take():
                self._answers.put((turn, self._ask(turn.job)))
        except Stopped:
            pass  # the round was broken off; nobody waits for an answer any more
        except BaseException as error:  # noqa: BLE001 - a bug must end the round, not a thread of it
            self._answers.put(error)

    def _ask(self, job: Job) -> Answer | PageAnswer:
        source, state, now = job.source, job.state, self._now()
        poll = self._polls[source.slug]
        if job.page is not None:
            return ask_for_page(source, state, job.page, self._tools, poll, now)
        if source.folder is None:
            return ask(source, state, self._tools, poll, now, pushed=job.pushed)
        return look_into(source, source.folder, state, self._tools.language, poll, now)

    def _group(self) -> tuple[list[Turn[Job]], list[Answer | PageAnswer]]:
        """Wait for an answer, and a moment for others that are under way."""
        turns, group = [], []
        waiting = self._answers.get()
        until = time.monotonic() + LINGER_S
        with suppress(Empty):
            while True:
                if isinstance(waiting, BaseException):
                    raise waiting
                turns.append(waiting[0])
                group.append(waiting[1])
                left = until - time.monotonic()
                if len(group) == GROUP or len(group) >= self._pace.ahead(left):  # what waits for us gives no answer
                    break
                waiting = self._answers.get(timeout=left) if left > 0 else self._answers.get_nowait()
        return turns, group

    def _settle(self, turns: list[Turn[Job]], group: list[Answer | PageAnswer]) -> None:
        """Write a group down, queue the pages that it made wait, and say which sources are done."""
        for answer in group:
            if isinstance(answer, PageAnswer) and answer.crawl_delay:
                self._pace.slow(site_of(answer.row.url), answer.crawl_delay)
        judged = self._judged(group)
        self._write(judged)
        for job in self._pages_of(judged):
            self._put(job)
        for turn in turns:  # only now, or the threads would find nothing left to do and end
            self._pace.done(turn)
        for answer in judged:
            slug = answer.source.slug
            self._open[slug] -= 1
            if not self._open[slug]:
                del self._open[slug]
                self._progress(self._polls[slug])

    def _judged(self, group: list[Answer | PageAnswer]) -> list[Answer | PageAnswer]:
        """Keep back what could not be reached until somebody answers, or nobody did: then it is our own fault."""
        lost = [answer for answer in group if isinstance(answer, Answer) and answer.reached is False]
        out = [answer for answer in group if not (isinstance(answer, Answer) and answer.reached is False)]
        self._reached = self._reached or any(
            a.reached if isinstance(a, Answer) else a.draft is not None for a in out)
        self._unreached += lost
        if not (self._reached or self._open.total() == len(self._unreached) + len(out)):
            return out
        ours = ours_is_down(len({answer.site for answer in self._unreached}), int(self._reached))
        out += [replace(answer, fields=answer.if_ours) if ours else answer for answer in self._unreached]
        self._unreached = []
        return out

    def _write(self, group: list[Answer | PageAnswer]) -> None:
        """Write the group; if that fails as a whole, each by itself, so that one of them takes no other along."""
        if not group:
            return
        try:
            write_answers(self._store, group)
        except StoreError:
            for answer in group:
                try:
                    write_answers(self._store, [answer])
                except StoreError as error:
                    answer.poll.error = str(error)
                    with suppress(StoreError):  # where nothing can be written, this can't either
                        write_failure(self._store, answer, error)

    def _pages_of(self, group: list[Answer | PageAnswer]) -> list[Job]:
        asked = [answer for answer in group if isinstance(answer, Answer) and answer.poll.waiting]
        if not asked:
            return []
        with self._store.read() as connection:
            states = sources.states(connection, [answer.source.slug for answer in asked])
            return [Job(answer.source, states[answer.source.slug], row) for answer in asked
                    if answer.source.slug in states
                    for row in passed.waiting(connection, answer.state.id, answer.at, PAGES_EACH)
                    if (answer.state.id, row.key) not in self._pages]


def write_answers(store: Store, answers: Sequence[Answer | PageAnswer]) -> None:
    """One transaction. A poll whose source was changed, blocked or taken out meanwhile is dropped."""
    done: list[tuple[Poll, Poll]] = []
    with store.write() as connection:
        meta.take(connection, meta.ACCEPTED, 0)  # the first lock of all who accept, so that nobody waits in a ring
        now_there = sources.states(connection, {a.source.slug for a in answers})
        records: list[tuple[int, Mapping[str, Any]]] = []
        new: list[New] = []
        for answer in answers:
            state, counted = now_there.get(answer.source.slug), Poll(answer.source.slug)
            done.append((answer.poll, counted))
            if state is None or not _still_meant(answer.state, state):
                counted.notes.append("it was changed or blocked while it was asked: what came is left out")
            elif isinstance(answer, PageAnswer):
                new += accept_page(connection, answer, state, counted, new)
            else:
                if answer.seen is not None:
                    new += accept(connection, answer.source, state, answer.seen, answer.at, counted)
                records.append((state.id, answer.fields))
        articles.add_all(connection, new, answers[-1].at)
        sources.record_polls(connection, records)
    for poll, counted in done:  # only now: what is not committed did not happen
        poll.add(counted)


def write_failure(store: Store, answer: Answer | PageAnswer, error: StoreError) -> None:
    """What came could not be stored: a failure like any other, or it would be asked for again in each round."""
    state, told = answer.state, str(error)[:MAX_ERROR]
    with store.write() as connection:
        if isinstance(answer, PageAnswer):
            attempts = answer.row.attempts + 1
            waits = from_json(answer.row.draft, answer.row)
            wait = retry_after(waits, attempts) if waits else None
            passed.record(connection, state.id, [replace(
                answer.row, attempts=attempts, reason=f"it could not be stored: {told}",
                state=answer.row.state if wait else PassedState.FAILED, retry_at=answer.at + wait if wait else None)],
                answer.at)
            return
        failures = state.failures + 1
        waiting = decide_retry(answer.source.every or state.interval or HOURLY, failures)
        sources.record_poll(connection, state.id, last_polled_at=answer.at, failures=failures, last_error=told,
                            failing_since=state.failing_since or answer.at, interval_reason=waiting.reason,
                            next_poll_at=next_poll(answer.at, waiting, 0.0))


def _still_meant(asked: SourceState, now: SourceState) -> bool:
    return (now.declared and now.location == asked.location and now.fingerprint == asked.fingerprint
            and now.standing is asked.standing)
