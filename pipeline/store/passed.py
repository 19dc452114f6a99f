"""Articles that were seen and are none of ours (yet), each with its state and reason: nobody asks for them again, they
are no news when their document is read the next time, and `why` can tell of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, or_, select, update

from pipeline.model.sources import PassedState, SourceStanding
from pipeline.store.chunks import chunks
from pipeline.store.schema import passed_over, sources


@dataclass(frozen=True, slots=True)
class PassedOver:
    key: str                                # the address's key, else the guid, else the content's hash
    state: PassedState
    reason: str
    url: str
    title: str
    retry_at: datetime | None = None        # when its page is asked for; None: never
    attempts: int = 0
    article_id: int | None = None           # a known article whose page is read anew
    draft: Mapping[str, Any] | None = None  # what waits (see collect/waiting.py)
    at: datetime | None = None              # when it was first seen; given by `record`
    source: str = ""                        # the source's slug, where it was read by `search`


def record(connection: Connection, source_id: int, seen: Sequence[PassedOver], now: datetime) -> None:
    """Remember them. What was remembered before keeps the day on which it was first seen."""
    rows = {p.key: {"state": p.state, "reason": p.reason, "url": p.url, "title": p.title, "retry_at": p.retry_at,
                    "attempts": p.attempts, "article_id": p.article_id,
                    "draft": dict(p.draft) if p.draft else None} for p in seen}
    old = known(connection, source_id, rows)
    own = {"source_id": source_id, "at": now}
    if fresh := [{**own, "key": key, **row} for key, row in rows.items() if key not in old]:
        connection.execute(insert(passed_over), fresh)
    if again := [{"key_": key, **row} for key, row in rows.items() if key in old]:
        names = [name for name in again[0] if name != "key_"]
        connection.execute(
            update(passed_over).values({name: bindparam(name) for name in names})
            .where(passed_over.c.source_id == source_id, passed_over.c.key == bindparam("key_")), again)


def known(connection: Connection, source_id: int, keys: Iterable[str]) -> dict[str, PassedState]:
    """The states of those of `keys` that were seen before."""
    found: dict[str, PassedState] = {}
    for chunk in chunks(sorted(keys)):
        query = select(passed_over.c.key, passed_over.c.state).where(
            passed_over.c.source_id == source_id, passed_over.c.key.in_(chunk))
        found |= {row.key: PassedState(row.state) for row in connection.execute(query)}
    return found


def find(connection: Connection, source_id: int, key: str) -> PassedOver | None:
    return rows(connection, source_id, [key]).get(key)


def rows(connection: Connection, source_id: int, keys: Iterable[str]) -> dict[str, PassedOver]:
    """Those of `keys` that were seen before, whole."""
    found: dict[str, PassedOver] = {}
    for chunk in chunks(sorted(keys)):
        query = select(passed_over).where(passed_over.c.source_id == source_id, passed_over.c.key.in_(chunk))
        found |= {row.key: _passed(row) for row in connection.execute(query)}
    return found


def count_waiting_since(connection: Connection, source_id: int, moment: datetime) -> int:
    """How many new articles of a source wait for their page that were first seen after a moment."""
    return connection.execute(select(func.count()).select_from(passed_over).where(
        passed_over.c.source_id == source_id, passed_over.c.state == PassedState.WAITING,
        passed_over.c.article_id.is_(None), passed_over.c.at > moment)).scalar_one()


def count_waiting(connection: Connection) -> dict[str, int]:
    """How many articles of each source wait for their page, now or later, by the sources' slugs."""
    query = (select(sources.c.slug, func.count().label("number"))
             .join(passed_over, passed_over.c.source_id == sources.c.id)
             .where(passed_over.c.retry_at.is_not(None)).group_by(sources.c.slug).order_by(sources.c.slug))
    return {row.slug: row.number for row in connection.execute(query)}


def sources_waiting(connection: Connection, now: datetime) -> dict[str, int]:
    """Slugs of the sources some of whose pages are to be asked for now, and how many."""
    query = (select(sources.c.slug, func.count().label("number"))
             .join(passed_over, passed_over.c.source_id == sources.c.id).where(
                 passed_over.c.retry_at <= now, sources.c.declared, sources.c.standing == SourceStanding.ACTIVE)
             .group_by(sources.c.slug).order_by(sources.c.slug))
    return {row.slug: row.number for row in connection.execute(query)}


def waiting(connection: Connection, source_id: int, now: datetime, limit: int) -> list[PassedOver]:
    """One source's articles whose page is to be asked for now: those due the latest, as an archive that came with the
    first poll must not stand before the news; of these the earliest first, so that they are accepted in order."""
    query = (select(passed_over).where(passed_over.c.source_id == source_id, passed_over.c.retry_at <= now)
             .order_by(passed_over.c.retry_at.desc(), passed_over.c.key.desc()).limit(limit))
    return [_passed(row) for row in connection.execute(query)][::-1]


def forget(connection: Connection, source_id: int, keys: Collection[str]) -> None:
    """They were taken after all."""
    for chunk in chunks(sorted(keys)):
        connection.execute(delete(passed_over).where(passed_over.c.source_id == source_id,
                                                     passed_over.c.key.in_(chunk)))


def search(connection: Connection, text: str, limit: int = 20) -> list[PassedOver]:
    """For the operator: the latest whose title or address holds `text`."""
    query = (select(passed_over, sources.c.slug.label("source")).join(sources, sources.c.id == passed_over.c.source_id)
             .where(or_(passed_over.c.title.icontains(text, autoescape=True),
                        passed_over.c.url.icontains(text, autoescape=True)))
             .order_by(passed_over.c.at.desc()).limit(limit))
    return [_passed(row, row.source) for row in connection.execute(query)]


def _passed(row: Row[Any], source: str = "") -> PassedOver:
    return PassedOver(row.key, PassedState(row.state), row.reason, row.url, row.title, row.retry_at, row.attempts,
                      row.article_id, row.draft, row.at, source)
