"""articles that changed -> the feeds that they enter, and feeds for topics that have come up.

An article that was accepted and matches a feed enters it once and for all, in short transactions that can be cut off
anywhere: whoever comes next goes on. Nothing is built here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from pipeline.config import Config
from pipeline.publish.targets import MOST_TOPICS, Index, Target, new_topics, targets, topic_slug
from pipeline.store import Connection, changes, feed_entries, feeds, meta
from pipeline.store.engine import Store
from pipeline.store.feed_entries import EntryRow
from pipeline.store.feeds import FeedState

AT_ONCE = 1_000
"""Changed articles that are looked at in one transaction."""


def enrol(store: Store, config: Config, now: datetime, notes: list[str]) -> tuple[int, list[Target]]:
    """Let everything in that changed up to now. Returns the number of the last change that was looked at, and what is
    to be published."""
    with store.read() as connection:
        upto = changes.latest(connection)
        since = int(meta.get(connection, meta.ENROLLED_SEQ) or 0)
        known = feeds.states(connection)
    again = _keep_topics(store, config, known, now)
    found = _targets(store, config) if again else targets(config, known)
    found = _enrol_new(store, config, found, now, notes)
    if upto > since:
        found = _enrol_changed(store, config, found, (since, 1 << 62), upto, now, notes)
        with store.write() as connection:  # after all of it has entered
            meta.put(connection, meta.ENROLLED_SEQ, str(upto))
    return upto, found


def _targets(store: Store, config: Config) -> list[Target]:
    with store.read() as connection:
        return targets(config, feeds.states(connection))


def _keep_topics(store: Store, config: Config, known: Sequence[FeedState], now: datetime) -> bool:
    """Feeds of topics come and go with their parent's `per_topic`. Whether any did."""
    per_topic = {feed.slug for feed in config.feeds if feed.per_topic}
    parents = {state.id for state in known if state.slug in per_topic and state.ended_at is None}
    below = [state for state in known if state.parent_id is not None]
    back = [state.id for state in below if state.ended_at is not None and state.parent_id in parents]
    gone = [state.id for state in below if state.ended_at is None and state.parent_id not in parents]
    if back or gone:
        with store.write() as connection:
            feeds.revive(connection, back)
            feeds.end(connection, gone, now)
    return bool(back or gone)


def _enrol_new(
    store: Store, config: Config, found: list[Target], now: datetime, notes: list[str]
) -> list[Target]:
    """Into feeds that are new, or whose rules are, everything that matches may enter."""
    while new := [target for target in found if target.state.selected != target.selected]:
        for target in new:
            entered = feed_entries.AT_ONCE
            while entered == feed_entries.AT_ONCE:
                with store.write() as connection:
                    entered = feed_entries.enter_all(connection, target.state.id, target.feed.rules, target.topic)
            with store.write() as connection:
                if target.splits:
                    _add_topics(connection, target, None, now, notes)
                feeds.record(connection, target.state.id, selected=target.selected)
        found = _targets(store, config)
    return found


def _enrol_changed(
    store: Store, config: Config, found: list[Target], after: tuple[int, int], upto: int, now: datetime,
    notes: list[str],
) -> list[Target]:
    index = Index(found)
    while True:
        with store.read() as connection:
            rows = feed_entries.changed(connection, after, upto, AT_ONCE)
        if not rows:
            return found
        articles = sorted((row for _, row in rows), key=lambda row: (row.published_at, row.accepted_seq))
        if _open_topics(store, found, articles, now, notes):
            found = _enrol_new(store, config, _targets(store, config), now, notes)
            index = Index(found)
        wanted: defaultdict[int, list[EntryRow]] = defaultdict(list)
        for row in articles:
            for target in index.of(row):
                wanted[target.state.id].append(row)
        if wanted:
            with store.write() as connection:
                grown = feed_entries.enter(connection, wanted)
                now_so = {state.id: state for state in feeds.states(connection, grown)}
            found = [replace(t, state=now_so[t.state.id]) if t.state.id in now_so else t for t in found]
        after = (rows[-1][0], rows[-1][1].id)


def _open_topics(
    store: Store, found: Sequence[Target], articles: Sequence[EntryRow], now: datetime, notes: list[str]
) -> bool:
    """Feeds for topics that have enough articles by now. Whether there are new ones."""
    opened = 0
    for parent in found:
        if parent.splits:
            topics = {topic for row in articles if parent.filter.match(row) for topic in row.topics}
            if topics:
                with store.write() as connection:
                    opened += _add_topics(connection, parent, topics, now, notes)
    return opened > 0


def _add_topics(
    connection: Connection, parent: Target, among: set[str] | None, now: datetime, notes: list[str]
) -> int:
    known = [state.topic for state in feeds.states(connection) if state.parent_id == parent.state.id]
    counts = feed_entries.topics_of(connection, parent.feed.rules, 1, among)
    wanted, left_out = new_topics(counts, parent.named, known)
    feeds.add_topics(connection, parent.state, [(topic, topic_slug(topic)) for topic in wanted], now)
    note = f"feed {parent.slug}: {MOST_TOPICS} of its topics have feeds of their own; more than that get none"
    if left_out and note not in notes:
        notes.append(note)
    return len(wanted)
