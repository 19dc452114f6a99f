"""What came back: each report once, with the delivery or the notice that it is about."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, case, exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from pipeline.model.deliveries import MOVES, DeliveryState
from pipeline.model.returns import SOFT, Record, ReturnKind, Sent
from pipeline.store.schema import deliveries, digests, notices, returned, subscribers, subscriptions

CHUNK = 400
@dataclass(frozen=True, slots=True)
class Notice:
    id: int
    kind: str
    address: str
    subscription_id: int | None


def known(connection: Connection, key: str) -> Record | None:
    """What was written down of this report, None where it was never read."""
    row = connection.execute(_records().where(returned.c.key == key)).one_or_none()
    return _record(row) if row else None


def begin(connection: Connection, key: str, kind: ReturnKind, via: str, now: datetime) -> int | None:
    """Write down that a report is being read; None where it was read before, or another process is at it."""
    try:
        with connection.begin_nested():
            return int(connection.execute(
                insert(returned).values(key=key, at=now, kind=kind, via=via).returning(returned.c.id)).scalar_one())
    except IntegrityError:
        return None


def finish(connection: Connection, record_id: int, **values: Any) -> None:
    """Write down what it was about and what was done: columns of `returned`."""
    connection.execute(update(returned).where(returned.c.id == record_id).values(**values))


def sent(connection: Connection, delivery_id: int) -> Sent | None:
    """A delivery with whose it is; its row is locked, so that nothing moves it before this transaction does."""
    row = connection.execute(_sent().where(deliveries.c.id == delivery_id)
                             .with_for_update(of=[subscriptions, deliveries])).one_or_none()
    return _as_sent(row) if row else None


def sent_to(connection: Connection, subscription_ids: Collection[int], limit: int) -> list[tuple[int, int, str]]:
    """(delivery, subscription, uid of its digest) of what went, or may have gone, to people, the newest first."""
    gone = sorted({DeliveryState.SENT, DeliveryState.UNCERTAIN, DeliveryState.HANDED, DeliveryState.BOUNCED,
                   DeliveryState.FAILED})
    rows = connection.execute(
        select(deliveries.c.id, deliveries.c.subscription_id, digests.c.uid)
        .join(digests, digests.c.id == deliveries.c.digest_id)
        .where(deliveries.c.subscription_id.in_(list(subscription_ids)), deliveries.c.state.in_(gone))
        .order_by(deliveries.c.id.desc()).limit(limit))
    return [(row.id, row.subscription_id, row.uid) for row in rows]


def subscription_ids(connection: Connection, address_key: str) -> list[int]:
    return list(connection.execute(
        select(subscriptions.c.id).join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .where(subscribers.c.address_key == address_key).order_by(subscriptions.c.id)).scalars())


def subscriber_of(connection: Connection, subscription_id: int) -> str:
    """The address of a subscription, in the form for comparison; "" where there is none."""
    return connection.execute(
        select(subscribers.c.address_key).join(subscriptions, subscriptions.c.subscriber_id == subscribers.c.id)
        .where(subscriptions.c.id == subscription_id)).scalar_one_or_none() or ""


def notice(connection: Connection, *, notice_id: int = 0, message_id: str = "") -> Notice | None:
    """A notice by its number, or else by its Message-ID."""
    by = notices.c.id == notice_id if notice_id else and_(notices.c.message_id == message_id,
                                                          notices.c.message_id != "")
    row = connection.execute(
        select(notices.c.id, notices.c.kind, notices.c.address, notices.c.subscription_id).where(by)
        .order_by(notices.c.id.desc()).limit(1)).one_or_none()
    return Notice(row.id, row.kind, row.address, row.subscription_id) if row else None


def notice_came_back(connection: Connection, notice_id: int, reason: str, now: datetime) -> bool:
    """A notice that had left did not arrive."""
    gone = sorted(state for state, moves in MOVES.items() if DeliveryState.BOUNCED in moves
                  and state is not DeliveryState.CLAIMED)
    return bool(connection.execute(
        update(notices).where(notices.c.id == notice_id, notices.c.state.in_(gone))
        .values(state=DeliveryState.BOUNCED, reason=reason, lease="", changed_at=now)).rowcount)


def soft_in_a_row(connection: Connection, address_key: str, since: datetime, delivery_id: int | None) -> int:
    """How many mails to this address bounced for now since then, one after the other, this one left out.

    One that was sent and of which nothing came back ends the row. Of the deliveries that count only those are older
    than the one at hand: of a later one nobody knows yet whether it stays.
    """
    soft = and_(returned.c.address_key == address_key, returned.c.kind == ReturnKind.BOUNCE, returned.c.at >= since,
                returned.c.outcome.startswith(SOFT))
    arrived = (
        select(func.coalesce(func.max(deliveries.c.id), 0))
        .join(subscriptions, subscriptions.c.id == deliveries.c.subscription_id)
        .join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .where(subscribers.c.address_key == address_key, deliveries.c.state == DeliveryState.SENT,
               ~exists().where(returned.c.delivery_id == deliveries.c.id, returned.c.kind == ReturnKind.BOUNCE))
    )
    if delivery_id is not None:
        arrived = arrived.where(deliveries.c.id < delivery_id)
    last = connection.execute(arrived).scalar_one()
    numbers = connection.execute(
        select(func.count(returned.c.delivery_id.distinct()),
               func.coalesce(func.sum(case((returned.c.delivery_id.is_(None), 1), else_=0)), 0))
        .where(soft, or_(returned.c.delivery_id.is_(None),
                         and_(returned.c.delivery_id > last, returned.c.delivery_id != (delivery_id or 0))))).one()
    return int(numbers[0]) + int(numbers[1])


def of_deliveries(connection: Connection, delivery_ids: Collection[int]) -> dict[int, list[Record]]:
    """What came back for each of these deliveries, oldest first; those without are not in it."""
    found: dict[int, list[Record]] = {}
    ids = list(delivery_ids)
    for start in range(0, len(ids), CHUNK):
        query = _records().where(returned.c.delivery_id.in_(ids[start:start + CHUNK])).order_by(returned.c.id)
        for row in connection.execute(query):
            found.setdefault(row.delivery_id, []).append(_record(row))
    return found


def of_digest(connection: Connection, digest_id: int) -> dict[int, list[Record]]:
    """The same for all deliveries of a digest."""
    theirs = select(deliveries.c.id).where(deliveries.c.digest_id == digest_id)
    found: dict[int, list[Record]] = {}
    for row in connection.execute(_records().where(returned.c.delivery_id.in_(theirs)).order_by(returned.c.id)):
        found.setdefault(row.delivery_id, []).append(_record(row))
    return found


def listed(
    connection: Connection, *, kind: str = "", address_key: str = "", limit: int = 100
) -> list[Record]:
    """What came back, the newest first."""
    query = _records().order_by(returned.c.id.desc()).limit(limit)
    if kind:
        query = query.where(returned.c.kind == kind)
    if address_key:
        query = query.where(returned.c.address_key == address_key)
    return [_record(row) for row in connection.execute(query)]


def _sent() -> Select[Any]:
    return (
        select(deliveries.c.id, deliveries.c.digest_id, deliveries.c.subscription_id, deliveries.c.state,
               subscribers.c.address, subscribers.c.address_key)
        .join(subscriptions, subscriptions.c.id == deliveries.c.subscription_id)
        .join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
    )


def _as_sent(row: Any) -> Sent:
    return Sent(row.id, row.digest_id, row.subscription_id, DeliveryState(row.state), row.address, row.address_key)


def _records() -> Select[Any]:
    return (select(returned, deliveries.c.digest_id)
            .outerjoin(deliveries, deliveries.c.id == returned.c.delivery_id))


def _record(row: Any) -> Record:
    return Record(row.id, row.at, ReturnKind(row.kind), row.via, row.delivery_id, row.notice_id, row.subscription_id,
                  row.address_key, row.status, row.detail, row.outcome, row.digest_id)
