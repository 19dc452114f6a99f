"""What sites' robots.txt said, kept for a day, so that a restart asks nobody again."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.model.robots import Robots
from pipeline.store.schema_collect import robots


def find(connection: Connection, origin: str) -> Robots | None:
    """Return what is known of an origin, expired or not."""
    row = connection.execute(select(robots).where(robots.c.origin == origin)).one_or_none()
    return None if row is None else Robots(row.origin, row.status, row.body, row.fetched_at, row.expires_at)


def save(connection: Connection, found: Robots) -> None:
    """Keep what was found in place of what was known."""
    values = {"status": found.status, "body": found.body, "fetched_at": found.fetched_at,
              "expires_at": found.expires_at}
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(insert(robots).values(origin=found.origin, **values)
                       .on_conflict_do_update(index_elements=[robots.c.origin], set_=values))


def forget_expired(connection: Connection, before: datetime) -> int:
    """Forget what expired before a moment; return how many."""
    return connection.execute(delete(robots).where(robots.c.expires_at < before)).rowcount
