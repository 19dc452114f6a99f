"""Reading the delivery ledger: counts, reasons, people. Nothing here changes anything."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, func, literal, select, true

from pipeline.model.deliveries import LIVE, Counts, DeliveryState
from pipeline.store.digests import audience, covered_until, facts
from pipeline.store.schema import batches, deliveries, digests, newsletters, subscribers, subscriptions
from pipeline.store.subscribers import count_audience

Place = tuple[datetime, int]
"""Of a delivery among those of its digest and state: when it is due, and its id."""

MOST = 20
"""Reasons of one state that are told apart."""


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


def reasons(connection: Connection, digest_id: int, most: int = MOST) -> list[Row[Any]]:
    """Rows with state, reason, number: why people got it or did not, of each state the commonest. What a server said of
    a mail that it took is no reason: there are as many of those as mails."""
    number = func.count()
    found = select(
        deliveries.c.state, deliveries.c.reason, number.label("number"),
        func.row_number().over(partition_by=deliveries.c.state, order_by=(number.desc(), deliveries.c.reason))
        .label("place"),
    ).where(deliveries.c.digest_id == digest_id, deliveries.c.state != DeliveryState.SENT)
    ranked = found.group_by(deliveries.c.state, deliveries.c.reason).subquery()
    return list(connection.execute(
        select(ranked.c.state, ranked.c.reason, ranked.c.number).where(ranked.c.place <= most)
        .order_by(ranked.c.state, ranked.c.reason)))


def each(connection: Connection, digest_id: int) -> list[Row[Any]]:
    """Everyone of a digest: rows as `page` gives them."""
    return list(connection.execute(_each(digest_id).order_by(deliveries.c.id)))


def page(
    connection: Connection, digest_id: int, state: DeliveryState, after: Place | None, limit: int
) -> list[Row[Any]]:
    """Those of a digest in a state, the next `limit` after a place: rows with id, address, state, reason, code,
    attempts, from_seq, cut_seq, due_at, changed_at, subscription_id."""
    return following(connection, _each(digest_id).where(deliveries.c.state == state), after, limit)


def following(connection: Connection, found: Select[Any], after: Place | None, limit: int) -> list[Row[Any]]:
    """The next `limit` deliveries of a digest in one state, in the order in which an index has them. Two questions,
    each of which the index answers: of one, SQLite would read everything that was due at that moment."""
    here = [true()] if after is None else [and_(deliveries.c.due_at == after[0], deliveries.c.id > after[1]),
                                           deliveries.c.due_at > after[0]]
    rows: list[Row[Any]] = []
    for condition in here:
        if len(rows) < limit:
            rows += connection.execute(found.where(condition).order_by(deliveries.c.due_at, deliveries.c.id)
                                       .limit(limit - len(rows))).all()
    return rows


def _each(digest_id: int) -> Select[Any]:
    return (
        select(deliveries.c.id, subscribers.c.address, deliveries.c.state, deliveries.c.reason, deliveries.c.code,
               deliveries.c.attempts, deliveries.c.from_seq, deliveries.c.cut_seq, deliveries.c.due_at,
               deliveries.c.changed_at, deliveries.c.subscription_id)
        .join(subscriptions, subscriptions.c.id == deliveries.c.subscription_id)
        .join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .where(deliveries.c.digest_id == digest_id))


def settled_by_hand(connection: Connection, digest_id: int) -> int:
    """How many uncertain ones the operator left as they are: nobody's answer is waited for."""
    return int(connection.execute(select(func.count()).where(
        deliveries.c.digest_id == digest_id, deliveries.c.state == DeliveryState.UNCERTAIN,
        deliveries.c.lease == "")).scalar_one())


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


def total_faults(connection: Connection, digest_id: int) -> list[str]:
    """Where the counters of all batches together disagree with the rows, or a batch does not hold everyone whom it
    selected; always empty, or a bug. Sees each row that is gone, and costs little at any size."""
    rows = states(connection, digest_id)
    sums = [func.coalesce(func.sum(batches.c[state]), 0).label(state) for state in DeliveryState]
    counted = connection.execute(select(*sums).where(batches.c.digest_id == digest_id)).mappings().one()
    found = [f"all batches: count {counted[state]} {state}, there are {rows.get(state, 0)} rows"
             for state in DeliveryState if counted[state] != rows.get(state, 0)]
    held = sum((batches.c[state] for state in DeliveryState), literal(0))
    short = connection.execute(
        select(batches.c.id, batches.c.selected, held.label("held"))
        .where(batches.c.digest_id == digest_id, batches.c.filled_at.is_not(None), held != batches.c.selected)
        .order_by(batches.c.id))
    return found + [f"batch {row.id}: selected {row.selected}, holds {row.held}" for row in short]


def counter_faults(connection: Connection, digest_id: int) -> list[str]:
    """Batches whose counters disagree with their rows; always empty, or a bug. Reads each row."""
    rows = connection.execute(
        select(deliveries.c.batch_id, deliveries.c.state, func.count().label("number"))
        .where(deliveries.c.digest_id == digest_id).group_by(deliveries.c.batch_id, deliveries.c.state))
    there = {(row.batch_id, row.state): row.number for row in rows}
    counted = connection.execute(select(batches).where(batches.c.digest_id == digest_id).order_by(batches.c.id))
    return [
        f"batch {row['id']}: counts {row[state]} {state}, has {there.get((row['id'], state), 0)} rows"
        for row in counted.mappings() for state in DeliveryState if row[state] != there.get((row["id"], state), 0)
    ]
