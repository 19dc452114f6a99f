"""What links answered when a preflight followed them: a cache, which may be emptied at any time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from pipeline.store.chunks import chunks
from pipeline.store.schema import link_checks

MAX_URL = 2_000
"""Characters; a longer address is asked each time. PostgreSQL's index takes no key of more than 2,700 bytes."""


@dataclass(frozen=True, slots=True)
class LinkCheck:
    url: str
    status: int             # of HTTP; 0: no answer
    reason: str             # in words; "" where it is there
    checked_at: datetime


def known(connection: Connection, urls: Iterable[str]) -> dict[str, LinkCheck]:
    """Those of `urls` that were asked before, however long ago."""
    found: dict[str, LinkCheck] = {}
    for chunk in chunks(sorted(set(urls))):
        query = select(link_checks).where(link_checks.c.url.in_(chunk))
        found |= {row.url: LinkCheck(row.url, row.status, row.reason, row.checked_at)
                  for row in connection.execute(query)}
    return found


def record(connection: Connection, checks: Iterable[LinkCheck]) -> None:
    """Remember answers in place of older ones."""
    rows = {one.url: {"url": one.url, "status": one.status, "reason": one.reason, "checked_at": one.checked_at}
            for one in checks if len(one.url.encode()) <= MAX_URL}
    for chunk in chunks(sorted(rows)):
        connection.execute(delete(link_checks).where(link_checks.c.url.in_(chunk)))
    if rows:
        connection.execute(insert(link_checks), list(rows.values()))


def forget(connection: Connection, before: datetime) -> None:
    """Drop what is older than a moment."""
    connection.execute(delete(link_checks).where(link_checks.c.checked_at < before))
