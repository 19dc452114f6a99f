"""Addresses that must never be mailed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.exc import IntegrityError

from pipeline.store import deliveries
from pipeline.store.schema import subscribers, subscriptions, suppressions
from pipeline.store.subscribers import suppressed


def suppress(connection: Connection, address_key: str, reason: str, now: datetime) -> bool:
    """Never mail this address again, and take it out of everything that has not gone, in this transaction; False where
    it was suppressed before, for whatever reason, which stays."""
    if suppressed(connection, address_key):
        return False
    try:
        with connection.begin_nested():
            connection.execute(insert(suppressions).values(address_key=address_key, reason=reason, at=now))
    except IntegrityError:  # another process was faster by a moment
        return False
    theirs = connection.execute(
        select(subscriptions.c.id).join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .where(subscribers.c.address_key == address_key)).scalars().all()
    for subscription_id in theirs:
        deliveries.exclude_unsent(connection, subscription_id, f"suppressed: {reason}", now)
    return True


def release(connection: Connection, address_key: str) -> bool:
    """Let an address be mailed again, from the next digest on; False where it was not suppressed."""
    return bool(connection.execute(
        delete(suppressions).where(suppressions.c.address_key == address_key)).rowcount)
