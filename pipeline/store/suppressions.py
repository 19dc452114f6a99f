"""Addresses that are never to be mailed, with the reason. Suppressing reaches into the ledger in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.exc import IntegrityError

from pipeline.store import deliveries
from pipeline.store.schema import subscribers, subscriptions, suppressions
from pipeline.store.subscribers import suppressed


@dataclass(frozen=True, slots=True)
class Suppression:
    address: str
    reason: str
    at: datetime


def suppress(connection: Connection, address_key: str, reason: str, now: datetime) -> bool:
    """Never mail this address again, and leave it out of everything that has not gone, whatever the newsletter. False
    where it was suppressed already: then the first reason stays.

    Its subscriptions are locked first: on PostgreSQL a batch that is being filled either is done before, and its rows
    are excluded here, or sees the suppression.
    """
    theirs = connection.execute(
        select(subscriptions.c.id).join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .where(subscribers.c.address_key == address_key).order_by(subscriptions.c.id)
        .with_for_update(of=subscriptions)).scalars().all()
    fresh = not suppressed(connection, address_key)
    if fresh:
        try:
            with connection.begin_nested():
                connection.execute(insert(suppressions).values(address_key=address_key, reason=reason, at=now))
        except IntegrityError:  # another process was faster by a moment
            fresh = False
    for subscription_id in theirs:
        deliveries.exclude_unsent(connection, subscription_id, f"suppressed: {reason}", now)
    return fresh


def unsuppress(connection: Connection, address_key: str) -> str:
    """Why it was suppressed until now, "" where it was not."""
    return connection.execute(
        delete(suppressions).where(suppressions.c.address_key == address_key).returning(suppressions.c.reason)
    ).scalar_one_or_none() or ""


def listed(connection: Connection, limit: int) -> list[Suppression]:
    """The newest first."""
    rows = connection.execute(select(suppressions).order_by(suppressions.c.at.desc(), suppressions.c.address_key)
                              .limit(limit))
    return [Suppression(row.address_key, row.reason, row.at) for row in rows]
