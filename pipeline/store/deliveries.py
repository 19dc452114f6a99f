"""The delivery ledger. Every move is a conditional update from a named state, and each keeps its batch's counters
in the same transaction. What may move where stands in `model.deliveries.MOVES`; nothing here moves anything else.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, exists, func, insert, or_, select, update

from pipeline.model.deliveries import (
    COVERED,
    LIVE,
    MOVES,
    UNSENT,
    DeliveryState,
    Fill,
    LiveDelivery,
    Outcome,
    PersonFacts,
)
from pipeline.model.newsletters import DigestStatus
from pipeline.model.subscribers import SubscriptionStatus
from pipeline.store import meta
from pipeline.store.chunks import chunks
from pipeline.store.digests import covered_until
from pipeline.store.moving import LASTS, barred, exclude, late, leave_out, shift
from pipeline.store.schema import (
    batches,
    deliveries,
    digests,
    subscribers,
    subscriptions,
    suppressions,
)
from pipeline.store.subscribers import Audience, audience_ids


@dataclass(frozen=True, slots=True)
class Batch:
    id: int
    digest_id: int
    due_at: datetime
    first_id: int
    last_id: int
    selected: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """One delivery in a worker's hands, with what its message is made of."""

    id: int
    digest_id: int
    batch_id: int
    subscription_id: int
    selection_id: int
    address: str
    confirmed_at: datetime
    attempts: int
    first_tried_at: datetime | None
    batch_due_at: datetime
    expires_at: datetime      # not sent by then it goes no more
    covered: bool             # it was uncertain once already
    lease: str                # of this very claim: what was given back and claimed again is another's


@dataclass(frozen=True, slots=True)
class Handed:
    """A delivery that was handed over by a worker which then died."""

    id: int
    digest_id: int
    subscription_id: int
    address: str
    covered: bool             # it was uncertain once already


SENT_FROM = (DigestStatus.FROZEN, DigestStatus.SENDING)
FILLED = (*SENT_FROM, DigestStatus.PAUSED, DigestStatus.CANCELLED)
"""A cancelled digest's batches are filled too, with the reason: nobody may wait in them for ever."""


def add_batches(
    connection: Connection, digest_id: int, due_at: datetime, subscription_ids: Sequence[int], size: int,
    expires_at: datetime | None = None,
) -> None:
    """Cut an audience (ascending subscription ids) into batches; nobody has a row of their own yet. Whoever has not got
    theirs by `expires_at` (None: LASTS after it was due) gets it no more."""
    rows = []
    for start in range(0, len(subscription_ids), size):
        part = subscription_ids[start:start + size]
        rows.append({"digest_id": digest_id, "due_at": due_at, "first_id": part[0], "last_id": part[-1],
                     "selected": len(part), "expires_at": expires_at})
    if rows:
        connection.execute(insert(batches), rows)


def unfilled(connection: Connection, now: datetime, limit: int = 100) -> list[Batch]:
    """Batches that are due and have no rows yet, those of the oldest digest first."""
    query = (
        select(batches).join(digests, digests.c.id == batches.c.digest_id)
        .where(batches.c.filled_at.is_(None), batches.c.due_at <= now, digests.c.status.in_(FILLED))
        .order_by(batches.c.due_at, batches.c.id).limit(limit)
    )
    return [Batch(r.id, r.digest_id, r.due_at, r.first_id, r.last_id, r.selected) for r in connection.execute(query)]


def lock_batch(connection: Connection, batch_id: int) -> bool:
    """Take the batch for filling in this transaction; False when it is filled already."""
    row = connection.execute(
        select(batches.c.filled_at).where(batches.c.id == batch_id).with_for_update()).one()
    return row.filled_at is None


def people(connection: Connection, batch: Batch, audience: Audience) -> list[PersonFacts]:
    """What the fill must know of everyone whom the batch selected.

    Their rows are locked first and their windows read last, so that on PostgreSQL too nobody can unsubscribe, and no
    delivery can be recorded, between what is read here and what the same transaction writes.
    """
    chosen = list(audience_ids(connection, audience, batch.first_id, batch.last_id))
    in_range = subscriptions.c.id.between(batch.first_id, batch.last_id)
    connection.execute(select(subscriptions.c.id).where(in_range).order_by(subscriptions.c.id).with_for_update())
    others = connection.execute(
        select(deliveries)
        .where(deliveries.c.subscription_id.between(batch.first_id, batch.last_id),
               deliveries.c.state.in_(sorted(LIVE)), ~deliveries.c.covered, deliveries.c.digest_id != batch.digest_id)
        .order_by(deliveries.c.id).with_for_update()
    )
    live = {
        row.subscription_id: LiveDelivery(row.id, DeliveryState(row.state), row.cut_seq, row.attempts, row.due_at,
                                          row.first_tried_at)
        for row in others
    }
    rows = connection.execute(
        select(subscriptions.c.id, subscriptions.c.status, subscriptions.c.start_seq, subscriptions.c.topics,
               subscriptions.c.language,
               suppressions.c.reason.label("suppressed"), covered_until().label("covered_until"))
        .join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .outerjoin(suppressions, suppressions.c.address_key == subscribers.c.address_key).where(in_range)
    )
    facts = {
        row.id: PersonFacts(
            subscription_id=row.id, confirmed=row.status == SubscriptionStatus.CONFIRMED,
            suppressed=row.suppressed or "", start_seq=row.start_seq, covered_until=row.covered_until,
            live=live.get(row.id), topics=tuple(row.topics), language=row.language,
        )
        for row in rows
    }
    return [facts[subscription_id] for subscription_id in chosen]


def fill(connection: Connection, batch: Batch, fills: Sequence[Fill], now: datetime) -> None:
    """Write a batch's rows, all of them, and take back the older windows that they supersede."""
    older = [f.supersedes for f in fills if f.supersedes]
    for state in (DeliveryState.QUEUED, DeliveryState.CLAIMED):
        ids = [one.id for one in older if one.state is state]
        shift(connection, state, DeliveryState.EXCLUDED, deliveries.c.id.in_(ids), now=now, lease="",
              reason="superseded by a later digest, which covers its articles too")
    # one that was refused for now and never got through has failed; its successor goes on counting from its first try
    ids = [one.id for one in older if one.state is DeliveryState.DEFERRED]
    shift(connection, DeliveryState.DEFERRED, DeliveryState.FAILED, deliveries.c.id.in_(ids), now=now, lease="",
          reason="expired: the next digest covers its articles; the last answer was " + deliveries.c.reason)
    if fills:
        connection.execute(insert(deliveries), [_row(batch, one, now) for one in fills])
    counted: dict[DeliveryState, int] = {}
    for one in fills:
        counted[one.state] = counted.get(one.state, 0) + 1
    connection.execute(update(batches).where(batches.c.id == batch.id).values(
        filled_at=now, **{str(state): batches.c[state] + number for state, number in counted.items()}))


def claim(connection: Connection, worker: str, now: datetime, limit: int) -> list[Claimed]:
    """Take up to `limit` due deliveries under `worker`'s lease; none while outgoing mail is stopped.

    Here everybody is looked at once more: who left, or was suppressed, while their message was under way and came back
    is left out, with the reason, and so is nobody taken whose batch has expired.
    """
    if meta.get(connection, meta.OUTGOING_STOPPED):
        return []
    ids: set[int] = set()
    expired = exists().where(batches.c.id == deliveries.c.batch_id, late(now))
    active = select(digests.c.id).where(digests.c.status.in_(SENT_FROM)).order_by(digests.c.due_at, digests.c.id)
    for digest_id in connection.execute(active).scalars().all():
        for state in (DeliveryState.QUEUED, DeliveryState.DEFERRED):
            due = connection.execute(
                select(deliveries.c.id)
                .where(deliveries.c.digest_id == digest_id, deliveries.c.state == state, deliveries.c.due_at <= now,
                       ~expired)
                .order_by(deliveries.c.due_at, deliveries.c.id).limit(limit - len(ids))
                .with_for_update(skip_locked=True)
            ).scalars().all()
            ids |= shift(connection, state, DeliveryState.CLAIMED, deliveries.c.id.in_(due), now=now, lease=worker)
        if len(ids) >= limit:
            break
    rows = connection.execute(
        select(deliveries.c.id, deliveries.c.digest_id, deliveries.c.batch_id, deliveries.c.subscription_id,
               deliveries.c.selection_id, deliveries.c.attempts, deliveries.c.first_tried_at, deliveries.c.covered,
               subscribers.c.address, subscriptions.c.confirmed_at, batches.c.due_at, batches.c.expires_at,
               subscriptions.c.status, suppressions.c.reason)
        .join(subscriptions, subscriptions.c.id == deliveries.c.subscription_id)
        .join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .outerjoin(suppressions, suppressions.c.address_key == subscribers.c.address_key)
        .join(batches, batches.c.id == deliveries.c.batch_id)
        .where(deliveries.c.id.in_(ids)).order_by(deliveries.c.id)
    ).all()
    gone = [r.id for r in rows if r.status != SubscriptionStatus.CONFIRMED or r.reason is not None]
    out = leave_out(connection, DeliveryState.CLAIMED, gone, now)
    return [Claimed(r.id, r.digest_id, r.batch_id, r.subscription_id, r.selection_id, r.address, r.confirmed_at,
                    r.attempts, r.first_tried_at, r.due_at, r.expires_at or r.due_at + LASTS, r.covered,
                    worker)
            for r in rows if r.id not in out]


def hand_over(connection: Connection, ids: Collection[int], worker: str, now: datetime) -> set[int]:
    """Mark deliveries as handed, before their final dot, and return those that may go.

    A row that is missing from the answer must not go: it was excluded, or its lease was taken, or mail is stopped.
    """
    if meta.get(connection, meta.OUTGOING_STOPPED):
        return set()
    sendable = select(digests.c.id).where(digests.c.status.in_(SENT_FROM))
    mine = and_(deliveries.c.id.in_(list(ids)), deliveries.c.lease == worker, deliveries.c.digest_id.in_(sendable))
    return shift(connection, DeliveryState.CLAIMED, DeliveryState.HANDED, mine, now=now,
                 attempts=deliveries.c.attempts + 1,
                 first_tried_at=func.coalesce(deliveries.c.first_tried_at, now))


def record(
    connection: Connection, delivery_id: int, worker: str, outcome: Outcome, now: datetime, *,
    retry_at: datetime | None = None,
) -> bool:
    """Store what became of a delivery that this worker claimed or handed over; False when it is no longer its own.

    A worker that was taken for dead may still bring the answer to a delivery that is uncertain by now.
    """
    values: dict[str, Any] = {"reason": outcome.reason, "code": outcome.code}
    if retry_at is not None:
        values["due_at"] = retry_at
    mine = and_(deliveries.c.id == delivery_id, deliveries.c.lease == worker)
    for source in (DeliveryState.HANDED, DeliveryState.CLAIMED, DeliveryState.UNCERTAIN):
        target = outcome.state
        if source is DeliveryState.UNCERTAIN and target is DeliveryState.DEFERRED:
            target = DeliveryState.FAILED  # its window counts as covered; trying again is the operator's decision
        if target not in MOVES[source]:
            continue
        lease = worker if target is DeliveryState.UNCERTAIN else ""
        covered = True if target in COVERED else deliveries.c.covered
        if source is DeliveryState.CLAIMED and target is DeliveryState.DEFERRED:
            values |= {"attempts": deliveries.c.attempts + 1,
                       "first_tried_at": func.coalesce(deliveries.c.first_tried_at, now)}
        if shift(connection, source, target, mine, now=now, lease=lease, covered=covered, **values):
            leave_out(connection, target, [delivery_id], now)  # they may have left while it was under way
            return True
    return False


def give_back(connection: Connection, worker: str, now: datetime) -> int:
    """Queue again what a worker claimed and never handed over; safe, because nothing of it has left."""
    return len(shift(connection, DeliveryState.CLAIMED, DeliveryState.QUEUED, deliveries.c.lease == worker,
                     now=now, lease=""))


def still_claimed(connection: Connection, ids: Collection[int], worker: str) -> set[int]:
    """Those of a lease's claimed deliveries that may still be handed over."""
    if meta.get(connection, meta.OUTGOING_STOPPED):
        return set()
    sendable = select(digests.c.id).where(digests.c.status.in_(SENT_FROM))
    return set(connection.execute(select(deliveries.c.id).where(
        deliveries.c.id.in_(list(ids)), deliveries.c.state == DeliveryState.CLAIMED, deliveries.c.lease == worker,
        deliveries.c.digest_id.in_(sendable))).scalars())


def postpone(connection: Connection, delivery_id: int, worker: str, until: datetime, now: datetime) -> bool:
    """Queue a claimed delivery again, for later: its destination takes nothing at the moment. No try is counted."""
    mine = and_(deliveries.c.id == delivery_id, deliveries.c.lease == worker)
    return bool(shift(connection, DeliveryState.CLAIMED, DeliveryState.QUEUED, mine, now=now, lease="", due_at=until))


def give_back_all(connection: Connection, digest_ids: Collection[int], now: datetime) -> int:
    """Take claimed deliveries of digests out of every worker's hands: their messages have to be made anew."""
    return len(shift(connection, DeliveryState.CLAIMED, DeliveryState.QUEUED,
                     deliveries.c.digest_id.in_(list(digest_ids)), now=now, lease=""))


def handed_by(connection: Connection, worker: str) -> list[Handed]:
    """What a dead worker had handed over and not recorded."""
    rows = connection.execute(
        select(deliveries.c.id, deliveries.c.digest_id, deliveries.c.subscription_id, deliveries.c.covered,
               subscribers.c.address)
        .join(subscriptions, subscriptions.c.id == deliveries.c.subscription_id)
        .join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .where(deliveries.c.state == DeliveryState.HANDED, deliveries.c.lease == worker).order_by(deliveries.c.id))
    return [Handed(r.id, r.digest_id, r.subscription_id, r.address, r.covered) for r in rows]


def leases(connection: Connection, prefix: str) -> list[str]:
    """The leases that begin with `prefix` ("": all) and still hold something claimed or handed over."""
    return list(connection.execute(
        select(deliveries.c.lease).distinct()
        .where(deliveries.c.lease.startswith(prefix, autoescape=True), deliveries.c.lease != "",
               deliveries.c.state.in_([DeliveryState.CLAIMED, DeliveryState.HANDED]))
        .order_by(deliveries.c.lease)).scalars())


def settle(
    connection: Connection, delivery_id: int, worker: str, target: DeliveryState, reason: str, now: datetime
) -> bool:
    """Decide a handed delivery of a dead worker: sent, uncertain, or queued where nothing can have arrived."""
    values: dict[str, Any] = {"reason": reason}
    values["lease"] = worker if target is DeliveryState.UNCERTAIN else ""
    values["covered"] = True if target in COVERED else deliveries.c.covered
    if target is DeliveryState.QUEUED:
        values["due_at"] = now
    mine = and_(deliveries.c.id == delivery_id, deliveries.c.lease == worker)
    settled = shift(connection, DeliveryState.HANDED, target, mine, now=now, **values)
    leave_out(connection, target, settled, now)
    return bool(settled)


def resend(connection: Connection, delivery_id: int, now: datetime) -> bool:
    """Queue an uncertain delivery once more, for someone who may still be mailed; its window stays covered."""
    # their row first: on PostgreSQL nobody may leave between this look and the move
    who = select(deliveries.c.subscription_id).where(deliveries.c.id == delivery_id).scalar_subquery()
    connection.execute(select(subscriptions.c.id).where(subscriptions.c.id == who).with_for_update())
    if barred(connection, [delivery_id]):
        return False
    allowed = and_(deliveries.c.id == delivery_id, deliveries.c.covered)
    return bool(shift(connection, DeliveryState.UNCERTAIN, DeliveryState.QUEUED, allowed, now=now, lease="",
                      due_at=now))


def cancel_unsent(connection: Connection, digest_id: int, reason: str, now: datetime, limit: int) -> int:
    """Leave out those of a cancelled digest to whom nothing has gone, at most `limit`; the number of them."""
    here = and_(deliveries.c.digest_id == digest_id, deliveries.c.state.in_(sorted(UNSENT)))
    ids = connection.execute(select(deliveries.c.id).where(here).order_by(deliveries.c.id).limit(limit)).scalars().all()
    return sum(exclude(connection, deliveries.c.id.in_(part), reason, now) for part in chunks(ids))


def exclude_unsent(connection: Connection, subscription_id: int, reason: str, now: datetime) -> int:
    """Leave a person out of everything that has not gone yet; belongs into the unsubscribing transaction."""
    return exclude(connection, deliveries.c.subscription_id == subscription_id, reason, now)


def exclude_digest(connection: Connection, digest_id: int, reason: str, now: datetime) -> int:
    """Leave out everyone of a cancelled digest whom nothing has reached yet."""
    return exclude(connection, deliveries.c.digest_id == digest_id, reason, now)


def came_back(connection: Connection, delivery_id: int, target: DeliveryState, reason: str, now: datetime) -> bool:
    """Record that a message did not arrive after all. Its window stays covered: who forwards to two places may have
    read it in one, and one that went twice may have arrived once; told twice would be worse than told by the web."""
    for source in (DeliveryState.SENT, DeliveryState.UNCERTAIN, DeliveryState.HANDED):
        if target in MOVES[source] and shift(connection, source, target, deliveries.c.id == delivery_id, now=now,
                                             lease="", reason=reason, covered=True):
            return True
    return False


def waiting(connection: Connection, digest_id: int) -> bool:
    """Whether anyone of this digest still waits, be it in a batch without rows."""
    open_batch = exists().where(batches.c.digest_id == digest_id, or_(
        batches.c.filled_at.is_(None),
        batches.c.queued + batches.c.claimed + batches.c.handed + batches.c.deferred > 0))
    return bool(connection.execute(select(open_batch)).scalar_one())


def _row(batch: Batch, one: Fill, now: datetime) -> dict[str, Any]:
    older = one.supersedes
    waited = older is not None and older.state is not DeliveryState.DEFERRED
    return {
        "digest_id": batch.digest_id, "batch_id": batch.id, "subscription_id": one.subscription_id,
        "selection_id": one.selection_id or None, "state": one.state, "reason": one.reason, "from_seq": one.from_seq,
        "cut_seq": one.cut_seq, "covered": one.covered, "changed_at": now,
        # whoever waited in the queue keeps their place in it, else a slow send would pass over the same people always
        "due_at": min(batch.due_at, older.due_at) if older and waited else batch.due_at,
        "attempts": older.attempts if older else 0, "first_tried_at": older.first_tried_at if older else None,
    }
