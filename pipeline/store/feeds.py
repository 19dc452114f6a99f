"""Feeds as rows: what config.toml declared, and how far each one's files tell what happened."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, func, insert, not_, or_, select, update

from pipeline.store import feed_versions, meta
from pipeline.store.chunks import chunks
from pipeline.store.schema import feeds

TOPIC = "/topic/"
"""Between a feed's slug and the one of a topic in it."""


@dataclass(frozen=True, slots=True)
class FeedState:
    """A feed's row. Its files tell everything up to the change `built_seq`, as far as `fingerprint` is the present."""

    id: int
    slug: str
    uid: str                       # in its id for good
    parent_id: int | None          # None: one of [[feeds]]
    topic: str
    created_at: datetime
    ended_at: datetime | None
    selected: str
    entries: int
    archive_size: int
    archived: int
    fingerprint: str
    built_seq: int
    updated_at: datetime | None
    files_json: str
    folders_json: str
    ping_due_at: datetime | None
    ping_failures: int
    ping_error: str

    @property
    def files(self) -> dict[str, int]:
        """Its main files, name -> bytes. As JSON until somebody asks: mostly a thousand rows are read for one."""
        files: dict[str, int] = json.loads(self.files_json)
        return files

    @property
    def folders(self) -> list[str]:
        folders: list[str] = json.loads(self.folders_json)
        return folders


def declare(connection: Connection, declared: Sequence[tuple[str, Sequence[str]]], now: datetime) -> None:
    """Bring the rows in line with config.toml: (slug, former slugs) of each feed. A feed under one of its former slugs
    is renamed, topics too, and keeps its ids; one that is not declared any more has ended; one that comes back goes on
    where it was."""
    slugs = {slug for slug, _ in declared}
    if slugs == {slug for slug, row in _top(connection).items() if row.ended_at is None}:
        return
    meta.take(connection, meta.ACCEPTED, 0)  # of two that start at once the second sees what the first has declared
    known = _top(connection)
    for slug, former in declared:
        row = known.get(slug)
        old = next((known[f] for f in former if f in known and f not in slugs and known[f].ended_at is None), None)
        if row is not None and row.ended_at is None:
            continue
        if old is not None:
            if row is not None:  # it has ended, and gives its name up
                _rename(connection, slug, f"~{row.id}~{slug}")
            _rename(connection, old.slug, slug)
            del known[old.slug]
        elif row is not None:
            connection.execute(update(feeds).where(feeds.c.id == row.id).values(ended_at=None))
        else:
            _add(connection, slug, created_at=now)
    gone = [row.id for row in known.values() if row.slug not in slugs and row.ended_at is None]
    end(connection, gone, now)
    if gone or any(slug not in known or known[slug].ended_at is not None for slug in slugs):
        meta.remove(connection, meta.PUBLISHED)


def states(connection: Connection, only: Collection[int] | None = None) -> list[FeedState]:
    """Every feed's, those that have ended too, in the order of their ids; or that of these few."""
    query = select(*_COLUMNS).order_by(feeds.c.id)
    if only is None:
        return [_state(row) for row in connection.execute(query)]
    return [_state(row) for chunk in chunks(sorted(only))
            for row in connection.execute(query.where(feeds.c.id.in_(chunk)))]


def sizes(connection: Connection) -> dict[str, int]:
    """The main files of all feeds, name -> bytes."""
    found: dict[str, int] = {}
    texts = connection.execute(select(feeds.c.files).where(feeds.c.ended_at.is_(None))).scalars().all()
    for files in json.loads(f"[{','.join(texts)}]"):
        found |= files
    return found


def to_clear(connection: Connection) -> list[FeedState]:
    """Feeds that have ended, and whose files may still be there."""
    query = select(*_COLUMNS).where(feeds.c.ended_at.is_not(None), feeds.c.folders != "[]").order_by(feeds.c.id)
    return [_state(row) for row in connection.execute(query)]


def state(connection: Connection, slug: str) -> FeedState | None:
    row = connection.execute(select(*_COLUMNS).where(feeds.c.slug == slug)).one_or_none()
    return _state(row) if row is not None else None


def add_topics(connection: Connection, parent: FeedState, topics: Iterable[tuple[str, str]], now: datetime) -> None:
    """Give topics of a feed feeds of their own: (topic, its slug) each."""
    for topic, slug in topics:
        _add(connection, f"{parent.slug}{TOPIC}{slug}", parent_id=parent.id, topic=topic, created_at=now)


def revive(connection: Connection, feed_ids: Collection[int]) -> None:
    connection.execute(update(feeds).where(feeds.c.id.in_(list(feed_ids))).values(ended_at=None))


def end(connection: Connection, feed_ids: Collection[int], now: datetime) -> None:
    """No longer published, and their topics' feeds neither. Their folders are remembered until they were cleared."""
    for chunk in chunks(sorted(feed_ids)):
        ended = connection.execute(
            update(feeds).where(or_(feeds.c.id.in_(chunk), feeds.c.parent_id.in_(chunk)), feeds.c.ended_at.is_(None))
            .values(ended_at=now, selected="", fingerprint="", files="{}", archived=0, ping_due_at=None,
                    ping_failures=0, ping_error="").returning(feeds.c.id)).scalars().all()
        for feed_id in ended:
            feed_versions.forget_versions(connection, feed_id)


def record(connection: Connection, feed_id: int, **values: Any) -> None:
    connection.execute(update(feeds).where(feeds.c.id == feed_id).values(**values))


def advance(connection: Connection, feed_ids: Collection[int], seq: int) -> None:
    """Of these nothing had to be built: their files tell everything up to `seq`."""
    for chunk in chunks(sorted(feed_ids)):
        connection.execute(update(feeds).where(feeds.c.id.in_(chunk), feeds.c.built_seq < seq).values(built_seq=seq))


def to_ping(connection: Connection, now: datetime, wrong: datetime, limit: int) -> list[FeedState]:
    """Feeds of whose news their hub has to be told. One that waits until after `wrong` was put off by a clock that ran
    ahead."""
    due = or_(feeds.c.ping_due_at <= now, feeds.c.ping_due_at > wrong)
    query = select(*_COLUMNS).where(feeds.c.ended_at.is_(None), due).order_by(feeds.c.id).limit(limit)
    return [_state(row) for row in connection.execute(query)]


def waiting_for_hub(connection: Connection) -> list[FeedState]:
    """Feeds of whose news their hub could not be told."""
    query = select(*_COLUMNS).where(feeds.c.ended_at.is_(None), feeds.c.ping_due_at.is_not(None),
                                    feeds.c.ping_failures > 0).order_by(feeds.c.id)
    return [_state(row) for row in connection.execute(query)]


def has_news(connection: Connection, feed_id: int, now: datetime) -> None:
    """Its hub is to be told now; one that did not answer is left alone for as long as it was going to be."""
    waits = and_(feeds.c.ping_failures > 0, feeds.c.ping_due_at.is_not(None))
    connection.execute(update(feeds).where(feeds.c.id == feed_id, not_(waits)).values(ping_due_at=now, ping_failures=0))


def pinged(connection: Connection, state: FeedState) -> None:
    """The hub was told, unless there has been more news since."""
    connection.execute(
        update(feeds).where(feeds.c.id == state.id, feeds.c.ping_due_at == state.ping_due_at,
                            feeds.c.built_seq == state.built_seq)
        .values(ping_due_at=None, ping_failures=0, ping_error=""))


def _top(connection: Connection) -> dict[str, Any]:
    return {row.slug: row for row in connection.execute(select(feeds).where(feeds.c.parent_id.is_(None)))}


def _add(connection: Connection, slug: str, **values: Any) -> None:
    taken = set(connection.execute(select(feeds.c.uid).where(feeds.c.uid.startswith(slug, autoescape=True))).scalars())
    uid = next(name for name in (slug, *(f"{slug}-{n}" for n in range(2, len(taken) + 3))) if name not in taken)
    connection.execute(insert(feeds).values(slug=slug, uid=uid, **values))


def _rename(connection: Connection, old: str, new: str) -> None:
    connection.execute(update(feeds).where(feeds.c.slug == old).values(slug=new))
    below = feeds.c.slug.startswith(f"{old}{TOPIC}", autoescape=True)
    connection.execute(update(feeds).where(below).values(
        slug=func.replace(feeds.c.slug, f"{old}{TOPIC}", f"{new}{TOPIC}")))


_COLUMNS = (
    feeds.c.id, feeds.c.slug, feeds.c.uid, feeds.c.parent_id, feeds.c.topic, feeds.c.created_at, feeds.c.ended_at,
    feeds.c.selected, feeds.c.entries, feeds.c.archive_size, feeds.c.archived, feeds.c.fingerprint, feeds.c.built_seq,
    feeds.c.updated_at, feeds.c.files, feeds.c.folders, feeds.c.ping_due_at, feeds.c.ping_failures, feeds.c.ping_error,
)
"""In the order of FeedState's fields."""


def _state(row: Any) -> FeedState:
    return FeedState(*row)
