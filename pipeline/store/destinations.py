"""Where nothing goes for a while: relays and domains that said no to us, and not to one person (5.7.x)."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, delete, insert, select, update

from pipeline.store.schema import destinations

FIRST, LONGEST = timedelta(hours=1), timedelta(hours=24)
"""How long nothing goes there; doubled each time it says no again at once."""

FORGOTTEN = timedelta(days=7)
"""After so long without a no the next one counts as the first."""


def relay(name: str) -> str:
    """The key of a relay; a domain is its own."""
    return f"relay:{name}"


def stop(connection: Connection, name: str, reason: str, code: int, now: datetime) -> datetime:
    """Send nothing there until the moment that is returned."""
    known = connection.execute(select(destinations).where(destinations.c.name == name)).one_or_none()
    times = known.times + 1 if known is not None and now - known.until < FORGOTTEN else 1
    until: datetime = now + min(LONGEST, FIRST * 2 ** (times - 1))
    values = {"reason": reason, "code": code, "times": times, "stopped_at": now, "until": until}
    if known is None:
        connection.execute(insert(destinations).values(name=name, **values))
    elif known.until > now:  # several connections heard it at once
        until = known.until
    else:
        connection.execute(update(destinations).where(destinations.c.name == name).values(**values))
    return until


def stopped(connection: Connection, now: datetime) -> dict[str, Row[tuple[object, ...]]]:
    """Name -> row with reason, code, times, stopped_at, until."""
    rows = connection.execute(select(destinations).where(destinations.c.until > now).order_by(destinations.c.name))
    return {row.name: row for row in rows}


def release(connection: Connection, name: str = "") -> int:
    """Let mail go there again, or everywhere; how many that were."""
    which = destinations.c.name == name if name else destinations.c.name != ""
    return connection.execute(delete(destinations).where(which)).rowcount
