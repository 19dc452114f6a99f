"""The delivery ledger. Every move is a conditional update from a named state, and each keeps its batch's counters
in the same transaction. What may move where stands in `model.deliveries.MOVES`; nothing here moves anything else.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, exists, func, or_, select, update

from pipeline.model.deliveries import (
    COVERED,
    MOVES,
    UNSENT,
    DeliveryState,
    Outcome,
)
from pipeline.model.newsletters import DigestStatus
from pipeline.model.subscribers import SubscriptionStatus
from pipeline.store import meta
from pipeline.store.chunks import among, chunks
from pipeline.store.moving import LASTS, barred, exclude, late, leave_out, shift
from pipeline.store.schema import (
    batches,
    deliveries,
    digests,
    subscribers,
    subscriptions,
    suppressions,
)
from pipeline.store.schema_deliver import IS_DUE, IS_HELD


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


WAITS_FOR = "waits for "
"""How the reason of whoever was postponed begins."""

SENT_FROM = (DigestStatus.FROZEN, DigestStatus.SENDING)


def claim(connection: Connection, worker: str, now: datetime, limit: int) -> list[Claimed]:
    """Take up to `limit` due deliveries under `worker`'s lease; none while outgoing mail is stopped.

    Here everybody is looked at once more: who left, or was suppressed, while their message was under way and came back
    is left out, with the reason, and so is nobody taken whose batch has expired.
    """
    if meta.get(connection, meta.OUTGOING_STOPPED):
        return []
    active = select(digests.c.id, digests.c.kind).where(digests.c.status.in_(SENT_FROM)).order_by(
        digests.c.kind.desc(), digests.c.due_at, digests.c.id)  # announcements before what waits
    kinds = {row.id: row.kind for row in connection.execute(active)}
    order = {digest_id: place for place, digest_id in enumerate(kinds)}
    share = max(1, limit // max(1, len(order)))  # a digest for a million does not hold up one for a hundred
    ids: set[int] = set()
    for most in (share, limit):
        for digest_id, kind in kinds.items():
            ids |= _claim_of(connection, digest_id, worker, now, min(limit if kind else most, limit - len(ids)))
    rows = connection.execute(
        select(deliveries.c.id, deliveries.c.digest_id, deliveries.c.batch_id, deliveries.c.subscription_id,
               deliveries.c.selection_id, deliveries.c.attempts, deliveries.c.first_tried_at, deliveries.c.covered,
               subscribers.c.address, subscriptions.c.confirmed_at, batches.c.due_at, batches.c.expires_at,
               subscriptions.c.status, suppressions.c.reason)
        .join(subscriptions, subscriptions.c.id == deliveries.c.subscription_id)
        .join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .outerjoin(suppressions, suppressions.c.address_key == subscribers.c.address_key)
        .join(batches, batches.c.id == deliveries.c.batch_id)
        .where(among(connection, deliveries.c.id, ids)).order_by(deliveries.c.id)
    ).all()
    gone = [r.id for r in rows if r.status != SubscriptionStatus.CONFIRMED or r.reason is not None]
    out = leave_out(connection, DeliveryState.CLAIMED, gone, now)
    found = [Claimed(r.id, r.digest_id, r.batch_id, r.subscription_id, r.selection_id, r.address, r.confirmed_at,
                     r.attempts, r.first_tried_at, r.due_at, r.expires_at or r.due_at + LASTS, r.covered, worker)
             for r in rows if r.id not in out]
    return sorted(found, key=lambda one: order[one.digest_id])


def _claim_of(connection: Connection, digest_id: int, worker: str, now: datetime, limit: int) -> set[int]:
    """Up to `limit` of one digest, those first that were never tried."""
    ids: set[int] = set()
    expired = exists().where(batches.c.id == deliveries.c.batch_id, late(now))
    for state in (DeliveryState.QUEUED, DeliveryState.DEFERRED):
        if len(ids) == limit:
            break
        due = connection.execute(
            select(deliveries.c.id)
            .where(deliveries.c.digest_id == digest_id, IS_DUE, deliveries.c.state == state,
                   deliveries.c.due_at <= now, ~expired)
            .order_by(deliveries.c.due_at, deliveries.c.id).limit(limit - len(ids))
            .with_for_update(skip_locked=True)
        ).scalars().all()
        ids |= shift(connection, state, DeliveryState.CLAIMED, among(connection, deliveries.c.id, due), now=now,
                     lease=worker)
    return ids


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
    return len(shift(connection, DeliveryState.CLAIMED, DeliveryState.QUEUED,
                     and_(IS_HELD, deliveries.c.lease == worker), now=now, lease=""))


def still_claimed(connection: Connection, ids: Collection[int], worker: str) -> set[int]:
    """Those of a lease's claimed deliveries that may still be handed over."""
    if meta.get(connection, meta.OUTGOING_STOPPED):
        return set()
    sendable = select(digests.c.id).where(digests.c.status.in_(SENT_FROM))
    return set(connection.execute(select(deliveries.c.id).where(
        deliveries.c.id.in_(list(ids)), deliveries.c.state == DeliveryState.CLAIMED, deliveries.c.lease == worker,
        deliveries.c.digest_id.in_(sendable))).scalars())


def postpone(
    connection: Connection, delivery_id: int, worker: str, until: datetime, now: datetime, *, destination: str
) -> bool:
    """Queue a claimed delivery again, for later: its destination takes nothing at the moment. No try is counted."""
    mine = and_(deliveries.c.id == delivery_id, deliveries.c.lease == worker)
    return bool(shift(connection, DeliveryState.CLAIMED, DeliveryState.QUEUED, mine, now=now, lease="", due_at=until,
                      reason=f"{WAITS_FOR}{destination}: it takes nothing from us until {until:%d %b %H:%M} UTC"))


def wait_no_more(connection: Connection, destination: str, now: datetime) -> int:
    """Make due what was postponed because of a destination ("": of any); the number of them."""
    theirs = deliveries.c.reason.startswith(f"{WAITS_FOR}{destination}:" if destination else WAITS_FOR, autoescape=True)
    return connection.execute(update(deliveries).where(IS_DUE, deliveries.c.state == DeliveryState.QUEUED, theirs)
                              .values(due_at=now, reason="", changed_at=now)).rowcount


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
        .where(IS_HELD, deliveries.c.lease == worker, deliveries.c.state == DeliveryState.HANDED)
        .order_by(deliveries.c.id))
    return [Handed(r.id, r.digest_id, r.subscription_id, r.address, r.covered) for r in rows]


def leases(connection: Connection, prefix: str) -> list[str]:
    """The leases that begin with `prefix` ("": all) and still hold something claimed or handed over."""
    return list(connection.execute(
        select(deliveries.c.lease).distinct()
        .where(deliveries.c.lease.startswith(prefix, autoescape=True), IS_HELD,
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
    here = deliveries.c.digest_id == digest_id
    held = deliveries.c.digest_id + 0 == digest_id   # + 0: SQLite would rather read the whole digest than what is held
    ids: list[int] = []
    for state in sorted(UNSENT):
        where = and_(IS_HELD, held) if state is DeliveryState.CLAIMED else and_(IS_DUE, here)
        ids += connection.execute(
            select(deliveries.c.id).where(where, deliveries.c.state == state).limit(limit - len(ids))).scalars()
    return sum(exclude(connection, deliveries.c.id.in_(part), reason, now) for part in chunks(sorted(ids)))


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
                                             lease="", reason=reason, code=0, covered=True):
            return True
    return False


def waiting(connection: Connection, digest_id: int) -> bool:
    """Whether anyone of this digest still waits, be it in a batch without rows."""
    open_batch = exists().where(batches.c.digest_id == digest_id, or_(
        batches.c.filled_at.is_(None),
        batches.c.queued + batches.c.claimed + batches.c.handed + batches.c.deferred > 0))
    return bool(connection.execute(select(open_batch)).scalar_one())
