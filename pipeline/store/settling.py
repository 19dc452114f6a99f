"""What the operator settles: those of a digest whose outcome is not known, or who may be tried once more."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, exists, func, insert, select, update

from pipeline.model.deliveries import LIVE, MOVES, DeliveryState
from pipeline.model.newsletters import DigestStatus
from pipeline.model.subscribers import SubscriptionStatus
from pipeline.store.chunks import chunks
from pipeline.store.digests import covered_until
from pipeline.store.ledger import Place, following
from pipeline.store.schema import batches, deliveries, digests, subscribers, subscriptions, suppressions

LEFT = "maybe delivered; left so by the operator"
AGAIN = "sent again by the operator"


@dataclass(frozen=True, slots=True)
class Unsettled:
    """One delivery that may be sent again, with what decides whether it is."""

    id: int
    due_at: datetime
    address: str
    state: DeliveryState
    reason: str
    open: bool            # uncertain, and nobody said yet what is to become of it
    confirmed: bool
    suppressed: str       # the reason, or ""
    covered: bool         # its window counts as read: no later digest tells these articles
    read_later: bool      # what was delivered to them since reaches into this window
    live: bool            # another digest is on its way to them


def unsettled(
    connection: Connection, digest_id: int, state: DeliveryState, *, after: Place | None = None, limit: int = 500,
    address_keys: Collection[str] = (), lock: bool = False,
) -> list[Unsettled]:
    """Those of a digest in a state, the next `limit` after a place; with `address_keys` only theirs. `lock`: so that
    nobody leaves, and no other digest is filled for them, before this transaction ends."""
    here = [deliveries.c.digest_id == digest_id, deliveries.c.state == state]
    if address_keys:
        here.append(subscribers.c.address_key.in_(sorted(address_keys)))
    who = (
        select(deliveries.c.id, deliveries.c.subscription_id, deliveries.c.due_at)
        .join(subscriptions, subscriptions.c.id == deliveries.c.subscription_id)
        .join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .where(*here))
    found = following(connection, who, after, limit)
    if lock:
        for part in chunks(sorted(row.subscription_id for row in found)):
            connection.execute(select(subscriptions.c.id).where(subscriptions.c.id.in_(part))
                               .order_by(subscriptions.c.id).with_for_update())
    other = deliveries.alias("other")
    live = exists().where(other.c.subscription_id == deliveries.c.subscription_id, other.c.id != deliveries.c.id,
                          other.c.state.in_(sorted(LIVE)), ~other.c.covered)
    told = []
    for part in chunks(row.id for row in found):
        rows = connection.execute(
            select(deliveries.c.id, subscribers.c.address, deliveries.c.state, deliveries.c.reason, deliveries.c.lease,
                   deliveries.c.covered, deliveries.c.from_seq, deliveries.c.due_at, subscriptions.c.status,
                   covered_until().label("until"),
                   suppressions.c.reason.label("suppressed"), live.label("live"))
            .join(subscriptions, subscriptions.c.id == deliveries.c.subscription_id)
            .join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
            .outerjoin(suppressions, suppressions.c.address_key == subscribers.c.address_key)
            .where(deliveries.c.id.in_(part), deliveries.c.state == state)
            .order_by(deliveries.c.due_at, deliveries.c.id))
        told += [Unsettled(
            row.id, row.due_at, row.address, DeliveryState(row.state), row.reason, row.lease != "",
            row.status == SubscriptionStatus.CONFIRMED, row.suppressed or ("" if row.suppressed is None else "yes"),
            row.covered, row.until > row.from_seq, bool(row.live)) for row in rows]
    return told


def leave(connection: Connection, ids: Collection[int], now: datetime) -> int:
    """Say of uncertain deliveries that they stay so, and are no open question any more: nobody holds them, and a late
    answer is not waited for."""
    return sum(int(connection.execute(
        update(deliveries).where(deliveries.c.id.in_(part), deliveries.c.state == DeliveryState.UNCERTAIN,
                                 deliveries.c.lease != "")
        .values(lease="", reason=LEFT, changed_at=now)).rowcount) for part in chunks(sorted(ids)))


def again(connection: Connection, digest_id: int, ids: Sequence[int], now: datetime, expires_at: datetime) -> int:
    """Queue deliveries once more; who they are was decided in this very transaction. They get batches of their own,
    which expire on their own: their first ones may have done so long ago. Everything else stays what it was: window,
    selection, Message-ID and date."""
    number = 0
    for part in chunks(ids):
        rows = connection.execute(
            select(deliveries.c.id, deliveries.c.batch_id, deliveries.c.state, deliveries.c.subscription_id,
                   batches.c.due_at, batches.c.zone)
            .join(batches, batches.c.id == deliveries.c.batch_id)
            .where(deliveries.c.id.in_(part), deliveries.c.digest_id == digest_id)).all()
        for due_at, zone in {(row.due_at, row.zone) for row in rows}:
            theirs = [row for row in rows if (row.due_at, row.zone) == (due_at, zone)]
            people = [row.subscription_id for row in theirs]
            batch = connection.execute(insert(batches).values(
                digest_id=digest_id, due_at=due_at, zone=zone, first_id=min(people), last_id=max(people),
                selected=len(theirs), queued=len(theirs), filled_at=now, expires_at=expires_at,
            ).returning(batches.c.id)).scalar_one()
            for state, old in {(row.state, row.batch_id) for row in theirs}:
                if DeliveryState.QUEUED not in MOVES[DeliveryState(state)]:
                    raise ValueError(f"the ledger has no move from {state} to queued")
                moved = [row.id for row in theirs if (row.state, row.batch_id) == (state, old)]
                gone = connection.execute(
                    update(deliveries).where(deliveries.c.id.in_(moved), deliveries.c.state == state)
                    .values(state=DeliveryState.QUEUED, batch_id=batch, lease="", due_at=now, attempts=0, code=0,
                            first_tried_at=None, reason=AGAIN, changed_at=now)).rowcount
                if gone != len(moved):
                    raise AssertionError("they were locked")
                connection.execute(update(batches).where(batches.c.id == old).values(
                    **{state: batches.c[state] - gone, "selected": batches.c.selected - gone}))
                number += gone
    if number:
        connection.execute(update(digests).where(digests.c.id == digest_id, digests.c.status == DigestStatus.DONE)
                           .values(status=DigestStatus.SENDING, version=digests.c.version + 1))
    return number


def still_open(connection: Connection, digest_id: int | None = None) -> int:
    """How many uncertain deliveries nobody has settled yet, of one digest or of all."""
    here = and_(deliveries.c.state == DeliveryState.UNCERTAIN, deliveries.c.lease != "")
    if digest_id is not None:
        here = and_(here, deliveries.c.digest_id == digest_id)
    return int(connection.execute(select(func.count()).where(here)).scalar_one())
