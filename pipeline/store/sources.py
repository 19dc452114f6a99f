"""What we know of each source between polls."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from pipeline.store.declared import ensure
from pipeline.store.schema import sources


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source's row. Times are aware UTC; validators are opaque text as the server sent them."""

    id: int
    slug: str
    location: str
    title: str
    etag: str
    last_modified: str
    body_hash: str
    first_polled_at: datetime | None
    last_polled_at: datetime | None
    next_poll_at: datetime | None
    failures: int
    last_error: str


def ensure_source(
    connection: Connection, slug: str, *, kind: str, location: str, former: tuple[str, ...], now: datetime,
    declared: Collection[str] = (),
) -> int:
    """Record a source. One that moved elsewhere keeps its articles but forgets validators and poll times.

    A new slug for the very place that a source no longer in `declared` was read from is the same source renamed, even
    without `former`: else its whole archive would come in, and be mailed, a second time.
    """
    if declared and not former:
        same = connection.execute(
            select(sources.c.slug).where(sources.c.location == location, sources.c.slug.not_in([*declared, slug]))
            .order_by(sources.c.id).limit(1)).scalar_one_or_none()
        former = (same,) if same else ()
    source_id = ensure(connection, sources, slug, former, kind=kind, location=location, created_at=now)
    connection.execute(
        update(sources)
        .where(sources.c.id == source_id, sources.c.location != location)
        .values(kind=kind, location=location, etag="", last_modified="", body_hash="", next_poll_at=None,
                failures=0, last_error="")
    )
    return source_id


def state(connection: Connection, slug: str) -> SourceState:
    return _state(connection.execute(select(sources).where(sources.c.slug == slug)).one())


def states(connection: Connection) -> dict[str, SourceState]:
    return {row.slug: _state(row) for row in connection.execute(select(sources).order_by(sources.c.id))}


def record_poll(connection: Connection, source_id: int, **values: Any) -> None:
    """Store what a poll left: any of title, etag, last_modified, body_hash, first_polled_at, last_polled_at,
    next_poll_at, failures, last_error."""
    connection.execute(update(sources).where(sources.c.id == source_id).values(**values))



def _state(row: Row[Any]) -> SourceState:
    return SourceState(
        id=row.id, slug=row.slug, location=row.location, title=row.title, etag=row.etag,
        last_modified=row.last_modified, body_hash=row.body_hash, first_polled_at=row.first_polled_at,
        last_polled_at=row.last_polled_at, next_poll_at=row.next_poll_at, failures=row.failures,
        last_error=row.last_error,
    )
