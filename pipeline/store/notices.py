"""Mails to one person that are no digest: tests now, confirmations and alerts later."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert, update
from sqlalchemy.exc import IntegrityError

from pipeline.model.deliveries import DeliveryState, Outcome
from pipeline.store.schema import notices


def open_notice(connection: Connection, kind: str, address: str, now: datetime, *, dedupe: str = "") -> int | None:
    """Record a notice before it is handed over; None when one with the same `dedupe` key was mailed already."""
    try:
        with connection.begin_nested():
            return int(connection.execute(
                insert(notices).values(kind=kind, address=address, dedupe=dedupe, state=DeliveryState.HANDED,
                                       due_at=now, created_at=now, changed_at=now)
                .returning(notices.c.id)
            ).scalar_one())
    except IntegrityError:
        return None


def record(connection: Connection, notice_id: int, outcome: Outcome, now: datetime) -> None:
    connection.execute(update(notices).where(notices.c.id == notice_id).values(
        state=outcome.state, reason=outcome.reason, code=outcome.code, changed_at=now))
