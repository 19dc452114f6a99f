"""collect: due sources | by turns, a site at a time | asked, read by children | compared and accepted, many at once.

Each source is polled by itself, several at a time; what is wrong with one is recorded with it and stops no other.
What is ready at the same time is written in one transaction, since a disk that has to be waited for is better waited
for once; where that fails, each poll is written by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import Any

from pipeline.collect.accept import New, Poll, accept
from pipeline.collect.ask import Answer, Tools, ask
from pipeline.collect.children import Children, Stopped
from pipeline.collect.documents import look_into
from pipeline.collect.manners import ours_is_down
from pipeline.collect.pace import Pace, is_own, site_of
from pipeline.config import Config, Source
from pipeline.errors import StoreError
from pipeline.model.sources import SourceStanding
from pipeline.net.fetch import Fetcher
from pipeline.store import articles, meta, sources
from pipeline.store.engine import Store
from pipeline.store.sources import SourceState

MOST_AT_ONCE = 20_000
"""Sources of one round; more are taken up in the next."""

GROUP = 100
"""Answers in one transaction: it must not keep other writers waiting."""

Progress = Callable[[Poll], None]


@dataclass(frozen=True, slots=True)
class Job:
    source: Source
    state: SourceState


def collect(
    store: Store, config: Config, fetcher: Fetcher, now: Callable[[], datetime], *, slugs: Collection[str] = (),
    force: bool = False, progress: Progress = lambda _poll: None,
) -> list[Poll]:
    """Poll the sources that are due (all that are named, with `force`), and say of each what came of it."""
    jobs = _due(store, config, now(), slugs, force=force)
    if not jobs:
        return []
    children = Children()
    tools = Tools(fetcher, children, config.site.language)
    round_ = _Round(store, tools, Pace(config.collect.spacing), now)
    try:
        return round_.run(jobs, config.collect.at_once, progress)
    finally:
        children.close()


def _due(store: Store, config: Config, now: datetime, slugs: Collection[str], *, force: bool) -> list[Job]:
    by_slug = {source.slug: source for source in config.sources}
    with store.read() as connection:
        if force:
            states = sources.states(connection, slugs or None)
            found = [states[slug] for slug in (slugs or by_slug) if slug in states]
            found = [state for state in found if state.standing is not SourceStanding.BLOCKED]
        else:
            found = sources.due(connection, now, MOST_AT_ONCE)
    return [Job(by_slug[state.slug], state) for state in found
            if state.slug in by_slug and (not slugs or state.slug in slugs)]


class _Round:
    """One call of `collect`: threads ask, and the calling thread writes down what they bring."""

    def __init__(self, store: Store, tools: Tools, pace: Pace[Job], now: Callable[[], datetime]) -> None:
        self._store = store
        self._tools = tools
        self._pace = pace
        self._now = now
        self._answers: SimpleQueue[Answer | BaseException] = SimpleQueue()
        self._unreached: list[Answer] = []   # while nobody at all has answered, it may be our own network
        self._reached = False

    def run(self, jobs: Sequence[Job], at_once: int, progress: Progress) -> list[Poll]:
        for job in jobs:
            spared = job.source.url and not is_own(job.source.url, tuple(str(n) for n in job.source.allow_networks))
            self._pace.put(job, site_of(job.source.url) if spared else "")
        threads = [threading.Thread(target=self._work, name=f"collect-{n}", daemon=True)
                   for n in range(min(at_once, len(jobs)))]
        for thread in threads:
            thread.start()
        polls: list[Poll] = []
        try:
            while len(polls) < len(jobs):
                group = self._judged(self._group(), last=len(polls) + len(self._unreached), of=len(jobs))
                self._write(group)
                for answer in group:
                    progress(answer.poll)
                    polls.append(answer.poll)
        except BaseException:  # Ctrl-C, above all: what is under way is broken off, or a slow source would hold us
            self._pace.close()
            self._tools.fetcher.close()
            self._tools.children.close()
            raise
        for thread in threads:
            thread.join()
        return polls

    def _work(self) -> None:
        try:
            while turn := self._pace.take():
                try:
                    self._answers.put(self._ask(turn.job))
                finally:
                    self._pace.done(turn)
        except Stopped:
            pass  # the round was broken off; nobody waits for an answer any more
        except BaseException as error:  # noqa: BLE001 - a bug must end the round, not a thread of it
            self._answers.put(error)

    def _ask(self, job: Job) -> Answer:
        source, state, now = job.source, job.state, self._now()
        if source.folder is None:
            return ask(source, state, self._tools, now)
        return look_into(source, source.folder, state, self._tools.language, now)

    def _group(self) -> list[Answer]:
        """Wait for an answer, and take what else is ready."""
        group: list[Answer] = []
        waiting: Answer | BaseException = self._answers.get()
        with suppress(Empty):
            while True:
                if isinstance(waiting, BaseException):
                    raise waiting
                group.append(waiting)
                if len(group) == GROUP:
                    break
                waiting = self._answers.get_nowait()
        return group

    def _judged(self, group: list[Answer], *, last: int, of: int) -> list[Answer]:
        """Keep back what could not be reached until somebody answers, or nobody did: then it is our own fault."""
        arrived = last + len(group)
        self._reached = self._reached or any(answer.reached for answer in group)
        self._unreached += [answer for answer in group if answer.reached is False]
        out = [answer for answer in group if answer.reached is not False]
        if not (self._reached or arrived == of):
            return out
        sites = len({answer.site for answer in self._unreached})
        ours = ours_is_down(sites, int(self._reached))
        out += [replace(answer, fields=answer.if_ours) if ours else answer for answer in self._unreached]
        self._unreached = []
        return out

    def _write(self, group: list[Answer]) -> None:
        """Write the group; if that fails as a whole, each by itself, so that one of them takes no other along."""
        if not group:
            return
        try:
            write_answers(self._store, group)
        except StoreError:
            for answer in group:
                try:
                    write_answers(self._store, [answer])
                except StoreError as error:  # nothing of it is stored, and it is read again when it is due again
                    answer.poll.error = str(error)


def write_answers(store: Store, answers: Sequence[Answer]) -> None:
    """One transaction. A poll whose source was changed, blocked or taken out meanwhile is dropped."""
    done: list[tuple[Poll, Poll]] = []
    with store.write() as connection:
        meta.take(connection, meta.ACCEPTED, 0)  # the first lock of all who accept, so that nobody waits in a ring
        now_there = sources.states(connection, [a.source.slug for a in answers])
        records: list[tuple[int, Mapping[str, Any]]] = []
        new: list[New] = []
        for answer in answers:
            state, counted = now_there.get(answer.source.slug), Poll(answer.source.slug)
            done.append((answer.poll, counted))
            if state is None or not _still_meant(answer.state, state):
                counted.notes.append("it was changed or blocked while it was asked: what came is left out")
                continue
            if answer.seen is not None:
                new += accept(connection, answer.source, state, answer.seen, answer.at, counted)
            records.append((state.id, answer.fields))
        articles.add_all(connection, new, answers[-1].at)
        sources.record_polls(connection, records)
    for poll, counted in done:  # only now: what is not committed did not happen
        poll.add(counted)


def _still_meant(asked: SourceState, now: SourceState) -> bool:
    return (now.declared and now.location == asked.location and now.fingerprint == asked.fingerprint
            and now.standing is asked.standing)
