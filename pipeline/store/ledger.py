"""Reading the delivery ledger: counts, reasons, people. Nothing here changes anything."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, case, func, select

from pipeline.model.deliveries import LIVE, Counts, DeliveryState
from pipeline.store.digests import audience, covered_until, facts
from pipeline.store.schema import batches, deliveries, digests, newsletters, subscribers, subscriptions
from pipeline.store.subscribers import count_audience


def counts(connection: Connection, digest_id: int) -> Counts:
    """A digest's ledger: `selected` from the event history, the rest from the rows and the unfilled batches."""
    row = facts(connection, digest_id)
    selected = 0
    if row.frozen_at is not None:
        selected = count_audience(connection, audience(row))
    by_state = states(connection, digest_id)
    unfilled_people = connection.execute(
        select(func.coalesce(func.sum(batches.c.selected), 0))
        .where(batches.c.digest_id == digest_id, batches.c.filled_at.is_(None))
    ).scalar_one()
    in_rows = sum(by_state.get(s, 0) for s in LIVE)
    return Counts(
        selected=selected, sent=by_state.get(DeliveryState.SENT, 0), bounced=by_state.get(DeliveryState.BOUNCED, 0),
        failed=by_state.get(DeliveryState.FAILED, 0), uncertain=by_state.get(DeliveryState.UNCERTAIN, 0),
        excluded=by_state.get(DeliveryState.EXCLUDED, 0), waiting=in_rows + int(unfilled_people),
    )


def states(connection: Connection, digest_id: int) -> dict[DeliveryState, int]:
    rows = connection.execute(
        select(deliveries.c.state, func.count()).where(deliveries.c.digest_id == digest_id)
        .group_by(deliveries.c.state))
    return {DeliveryState(state): number for state, number in rows}


def reasons(connection: Connection, digest_id: int) -> list[Row[Any]]:
    """Rows with state, reason, number: why people got it or did not."""
    return list(connection.execute(
        select(deliveries.c.state, deliveries.c.reason, func.count().label("number"))
        .where(deliveries.c.digest_id == digest_id).group_by(deliveries.c.state, deliveries.c.reason)
        .order_by(deliveries.c.state, deliveries.c.reason)))


def each(connection: Connection, digest_id: int) -> list[Row[Any]]:
    """Everyone of a digest: rows with address, state, reason, code, attempts, from_seq, cut_seq, changed_at."""
    return list(connection.execute(
        select(subscribers.c.address, deliveries.c.state, deliveries.c.reason, deliveries.c.code,
               deliveries.c.attempts, deliveries.c.from_seq, deliveries.c.cut_seq, deliveries.c.changed_at,
               deliveries.c.subscription_id)
        .join(subscriptions, subscriptions.c.id == deliveries.c.subscription_id)
        .join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .where(deliveries.c.digest_id == digest_id).order_by(deliveries.c.id)))


def excluded(connection: Connection, digest_id: int, reason: str) -> set[int]:
    """The subscriptions that were left out of a digest for a reason that begins so."""
    return set(connection.execute(
        select(deliveries.c.subscription_id)
        .where(deliveries.c.digest_id == digest_id, deliveries.c.state == DeliveryState.EXCLUDED,
               deliveries.c.reason.startswith(reason, autoescape=True))).scalars())


def of_subscription(connection: Connection, subscription_id: int) -> list[Row[Any]]:
    """A person's deliveries, oldest first: rows with digest_id, schedule, nominal, state, reason, window, selection."""
    return list(connection.execute(
        select(deliveries, digests.c.schedule, digests.c.nominal, newsletters.c.slug.label("newsletter"))
        .join(digests, digests.c.id == deliveries.c.digest_id)
        .join(newsletters, newsletters.c.id == digests.c.newsletter_id)
        .where(deliveries.c.subscription_id == subscription_id).order_by(deliveries.c.id)))


def commonest_selection(connection: Connection, digest_id: int) -> int | None:
    """The selection that most people got, None where nobody has one."""
    return connection.execute(
        select(deliveries.c.selection_id)
        .where(deliveries.c.digest_id == digest_id, deliveries.c.selection_id.is_not(None))
        .group_by(deliveries.c.selection_id).order_by(func.count().desc(), deliveries.c.selection_id).limit(1)
    ).scalar_one_or_none()


def window_start(connection: Connection, subscription_id: int) -> int:
    """Where a subscription's next window starts."""
    return int(connection.execute(
        select(covered_until()).where(subscriptions.c.id == subscription_id)).scalar_one())


def counter_faults(connection: Connection, digest_id: int) -> list[str]:
    """Batches whose counters disagree with their rows; always empty, or a bug."""
    sums = [func.coalesce(func.sum(case((deliveries.c.state == s, 1), else_=0)), 0).label(s) for s in DeliveryState]
    rows = connection.execute(
        select(batches, *[column.label(f"rows_{column.name}") for column in sums])
        .outerjoin(deliveries, deliveries.c.batch_id == batches.c.id)
        .where(batches.c.digest_id == digest_id, batches.c.filled_at.is_not(None)).group_by(batches.c.id)
    )
    return [
        f"batch {row['id']}: counts {row[state]} {state}, has {row[f'rows_{state}']} rows"
        for row in rows.mappings() for state in DeliveryState if row[state] != row[f"rows_{state}"]
    ]
