"""Mails to one person that are no digest: a queue and a ledger in one. Moves are those of `model.deliveries.MOVES`,
each a conditional update; what ends loses its bytes, since nothing of it has to go again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from pipeline.model.deliveries import MOVES, DeliveryState, Outcome
from pipeline.store import meta
from pipeline.store.schema import notices, suppressions

ALERT = "alert"                # to the operator
TEST = "test"                  # to whom the operator names
CONFIRMATION = "confirmation"  # to whoever signed up

LASTS = timedelta(hours=48)
"""How long a notice is tried, where nothing else was said."""

WAITING = frozenset({DeliveryState.QUEUED, DeliveryState.DEFERRED})
IN_HAND = frozenset({DeliveryState.CLAIMED, DeliveryState.HANDED})


@dataclass(frozen=True, slots=True)
class Draft:
    """A notice to be queued. `message` is all of its bytes; the same `dedupe` (not "") is mailed once, whatever became
    of it. `expires_at`: None for LASTS from now."""

    kind: str
    address: str
    sender: str            # the return path
    message_id: str
    subject: str
    message: bytes
    dedupe: str = ""
    expires_at: datetime | None = None
    subscription_id: int | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """One in a worker's hands."""

    id: int
    kind: str
    address: str
    sender: str
    message_id: str
    subject: str
    message: bytes
    attempts: int
    first_tried_at: datetime | None
    expires_at: datetime


def queue(connection: Connection, draft: Draft, now: datetime) -> int | None:
    """Let a notice go as soon as it can; its id, None where one with the same `dedupe` was queued before."""
    try:
        with connection.begin_nested():
            return int(connection.execute(insert(notices).values(
                kind=draft.kind, address=draft.address, sender=draft.sender, message_id=draft.message_id,
                subject=draft.subject, message=draft.message, dedupe=draft.dedupe, state=DeliveryState.QUEUED,
                subscription_id=draft.subscription_id, due_at=now, expires_at=draft.expires_at or now + LASTS,
                created_at=now, changed_at=now).returning(notices.c.id)).scalar_one())
    except IntegrityError:
        return None


def expire(connection: Connection, now: datetime) -> int:
    """Give up what could not go in time."""
    return _move(connection, WAITING, DeliveryState.FAILED, notices.c.expires_at <= now, now,
                 reason="expired: it could not be sent in time")


def claim(connection: Connection, lease: str, now: datetime, limit: int, only: int | None = None) -> list[Notice]:
    """Take up to `limit` that are due, or the one called `only`; none while outgoing mail is stopped. What goes to a
    suppressed address is left out, unless the operator writes to themselves or to somebody whom they named."""
    if meta.get(connection, meta.OUTGOING_STOPPED):
        return []
    suppressed = select(suppressions.c.address_key)
    _move(connection, WAITING, DeliveryState.EXCLUDED, func.lower(notices.c.address).in_(suppressed)
          & notices.c.kind.not_in([ALERT, TEST]), now, reason="suppressed")
    due = select(notices.c.id).where(notices.c.state.in_(sorted(WAITING)), notices.c.due_at <= now,
                                     notices.c.expires_at > now)
    if only is not None:
        due = due.where(notices.c.id == only)
    ids = connection.execute(due.order_by(notices.c.due_at, notices.c.id).limit(limit)
                             .with_for_update(skip_locked=True)).scalars().all()
    _move(connection, WAITING, DeliveryState.CLAIMED, notices.c.id.in_(ids), now, lease=lease)
    rows = connection.execute(select(notices).order_by(notices.c.id).where(
        notices.c.id.in_(ids), notices.c.lease == lease, notices.c.state == DeliveryState.CLAIMED))
    return [_notice(row) for row in rows]


def hand_over(connection: Connection, notice_id: int, lease: str, now: datetime) -> bool:
    """Mark a claimed notice as handed, before its last step; False where it must not go."""
    if meta.get(connection, meta.OUTGOING_STOPPED):
        return False
    return bool(_move(connection, {DeliveryState.CLAIMED}, DeliveryState.HANDED, _of(notice_id, lease), now,
                      attempts=notices.c.attempts + 1,
                      first_tried_at=func.coalesce(notices.c.first_tried_at, now)))


def record(
    connection: Connection, notice_id: int, lease: str, outcome: Outcome, now: datetime, *,
    retry_at: datetime | None = None,
) -> bool:
    """Store what became of a notice that this lease holds; False when it is no longer its own. A refusal for now
    without `retry_at` ends it."""
    target, reason = outcome.state, outcome.reason
    if target is DeliveryState.DEFERRED and retry_at is None:
        target, reason = DeliveryState.FAILED, f"given up: {reason}"
    values: dict[str, Any] = {"reason": reason, "code": outcome.code}
    if target is DeliveryState.DEFERRED:
        values["due_at"] = retry_at
    for source in (DeliveryState.HANDED, DeliveryState.CLAIMED, DeliveryState.UNCERTAIN):
        if target not in MOVES[source]:
            continue
        tried = {"attempts": notices.c.attempts + 1, "first_tried_at": func.coalesce(notices.c.first_tried_at, now)
                 } if source is DeliveryState.CLAIMED else {}
        lease_kept = lease if target is DeliveryState.UNCERTAIN else ""
        if _move(connection, {source}, target, _of(notice_id, lease), now, **values, **tried, lease=lease_kept):
            return True
    return False


def drop(connection: Connection, notice_id: int, reason: str, now: datetime) -> bool:
    """Let one that still waits go no more."""
    return bool(_move(connection, WAITING, DeliveryState.FAILED, notices.c.id == notice_id, now, reason=reason))


def give_back(connection: Connection, lease: str, now: datetime) -> int:
    """Queue again what was claimed and never handed over."""
    return _move(connection, {DeliveryState.CLAIMED}, DeliveryState.QUEUED, notices.c.lease == lease, now, lease="")


def settle(
    connection: Connection, notice_id: int, lease: str, target: DeliveryState, reason: str, now: datetime
) -> bool:
    """Decide one that was handed over and never recorded."""
    return bool(_move(connection, {DeliveryState.HANDED}, target, _of(notice_id, lease), now, reason=reason,
                      lease=lease if target is DeliveryState.UNCERTAIN else ""))


def leases(connection: Connection, untouched_since: datetime) -> list[str]:
    """The leases that hold something, none of which has changed since then."""
    return list(connection.execute(
        select(notices.c.lease).where(notices.c.lease != "", notices.c.state.in_(sorted(IN_HAND)))
        .group_by(notices.c.lease).having(func.max(notices.c.changed_at) <= untouched_since)
        .order_by(notices.c.lease)).scalars())


def handed_by(connection: Connection, lease: str) -> list[Notice]:
    rows = connection.execute(select(notices).where(
        notices.c.state == DeliveryState.HANDED, notices.c.lease == lease).order_by(notices.c.id))
    return [_notice(row) for row in rows]


def listed(
    connection: Connection, *, kind: str = "", states: Collection[DeliveryState] = (), limit: int | None = None
) -> list[Row[Any]]:
    """Notices, the newest first: rows with id, kind, address, subject, state, reason, code, attempts, due_at,
    created_at, changed_at."""
    table = notices.c
    found = select(table.id, table.kind, table.address, table.subject, table.state, table.reason, table.code,
                   table.attempts, table.due_at, table.created_at, table.changed_at)
    if kind:
        found = found.where(table.kind == kind)
    if states:
        found = found.where(table.state.in_(sorted(states)))
    return list(connection.execute(found.order_by(table.id.desc()).limit(limit)))


def _of(notice_id: int, lease: str) -> Any:
    return (notices.c.id == notice_id) & (notices.c.lease == lease)


def _move(
    connection: Connection, sources: Collection[DeliveryState], target: DeliveryState, where: Any, now: datetime,
    **values: Any,
) -> int:
    """How many went from one of these states to another."""
    for source in sources:
        if target not in MOVES[source]:
            raise ValueError(f"the ledger has no move from {source} to {target}")
    if target not in WAITING | IN_HAND:
        values["message"] = b""
    return int(connection.execute(
        update(notices).where(notices.c.state.in_(sorted(sources)), where)
        .values(state=target, changed_at=now, **values)).rowcount)


def _notice(row: Row[Any]) -> Notice:
    return Notice(row.id, row.kind, row.address, row.sender, row.message_id, row.subject, row.message, row.attempts,
                  row.first_tried_at, row.expires_at or row.created_at + LASTS)
