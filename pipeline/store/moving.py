"""Moves in the delivery ledger: each is a conditional update from a named state, and keeps its batch's counters in the
same transaction; and who must be left out of what has not gone. What the moves are for stands in `deliveries`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, or_, select, update

from pipeline.model.deliveries import MOVES, UNSENT, DeliveryState
from pipeline.model.newsletters import DigestStatus
from pipeline.model.subscribers import SubscriptionStatus
from pipeline.store.chunks import chunks
from pipeline.store.schema import batches, deliveries, digests, subscribers, subscriptions, suppressions

LASTS = timedelta(hours=48)
"""After its due time, where a batch says nothing of when it expires."""


def shift(
    connection: Connection, source: DeliveryState, target: DeliveryState, where: Any, *, now: datetime, **values: Any
) -> set[int]:
    """Move the deliveries that match from one state to another, with their batches' counters; the ids that moved."""
    if target not in MOVES[source]:
        raise ValueError(f"the ledger has no move from {source} to {target}")
    moved = connection.execute(
        update(deliveries).where(deliveries.c.state == source, where)
        .values(state=target, changed_at=now, **values).returning(deliveries.c.id, deliveries.c.batch_id)
    ).all()
    per_batch: dict[int, int] = {}
    for row in moved:
        per_batch[row.batch_id] = per_batch.get(row.batch_id, 0) + 1
    for batch_id, number in per_batch.items():
        connection.execute(update(batches).where(batches.c.id == batch_id).values(
            **{str(source): batches.c[source] - number, str(target): batches.c[target] + number}))
    return {row.id for row in moved}


def begin_sending(connection: Connection, digest_ids: Collection[int]) -> None:
    """Say of frozen digests that they are being sent. Only of those: one that was paused meanwhile stays paused."""
    connection.execute(
        update(digests).where(digests.c.id.in_(list(digest_ids)), digests.c.status == DigestStatus.FROZEN)
        .values(status=DigestStatus.SENDING, version=digests.c.version + 1))


def exclude(connection: Connection, which: ColumnElement[bool], reason: str, now: datetime) -> int:
    """Leave out those of them to whom nothing has gone; how many.

    Locked before they are moved, which on PostgreSQL also waits for a worker that is just taking one, and then says in
    which state it is: one statement for each state would let it slip from one to the other.
    """
    rows = connection.execute(
        select(deliveries.c.id, deliveries.c.state).where(which, deliveries.c.state.in_(sorted(UNSENT)))
        .order_by(deliveries.c.id).with_for_update()).all()
    number = 0
    for state in sorted(UNSENT):
        for part in chunks([row.id for row in rows if row.state == state]):
            number += len(shift(connection, state, DeliveryState.EXCLUDED, deliveries.c.id.in_(part), now=now,
                                reason=reason, lease=""))
    return number


def barred(connection: Connection, ids: Collection[int]) -> dict[int, str]:
    """Of these deliveries those whose people may not be mailed any more, or whose digest was cancelled: id -> why."""
    found: dict[int, str] = {}
    for part in chunks(sorted(ids)):
        rows = connection.execute(
            select(deliveries.c.id, subscriptions.c.status, suppressions.c.reason.label("suppressed"),
                   digests.c.status.label("digest"), digests.c.reason.label("cancelled"))
            .join(digests, digests.c.id == deliveries.c.digest_id)
            .join(subscriptions, subscriptions.c.id == deliveries.c.subscription_id)
            .join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
            .outerjoin(suppressions, suppressions.c.address_key == subscribers.c.address_key)
            .where(deliveries.c.id.in_(part),
                   or_(subscriptions.c.status != SubscriptionStatus.CONFIRMED, suppressions.c.reason.is_not(None),
                       digests.c.status == DigestStatus.CANCELLED)))
        for row in rows:
            cancelled = f"cancelled: {row.cancelled or 'by the operator'}"
            suppressed = f"suppressed: {row.suppressed}" if row.suppressed is not None else cancelled
            found[row.id] = suppressed if row.status == SubscriptionStatus.CONFIRMED else "unsubscribed"
    return found


def leave_out(connection: Connection, state: DeliveryState, ids: Collection[int], now: datetime) -> set[int]:
    """Exclude those of these unsent deliveries that must not go; their ids."""
    if state not in UNSENT or not ids:
        return set()
    because: dict[str, list[int]] = {}
    for delivery_id, reason in barred(connection, ids).items():
        because.setdefault(reason, []).append(delivery_id)
    out: set[int] = set()
    for reason, some in because.items():
        out |= shift(connection, state, DeliveryState.EXCLUDED, deliveries.c.id.in_(some), now=now, reason=reason,
                     lease="")
    return out


def late(now: datetime) -> ColumnElement[bool]:
    """SQL: a batch of which nothing goes any more."""
    return or_(batches.c.expires_at <= now, and_(batches.c.expires_at.is_(None), batches.c.due_at < now - LASTS))
