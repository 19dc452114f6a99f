"""A warm-up's days: how many of each day's places are given away, and whom they go to first."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from sqlalchemy import Connection, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from pipeline.model.subscribers import SubscriptionStatus
from pipeline.store.digests import covered_until
from pipeline.store.schema import batches, subscribers, subscriptions, suppressions
from pipeline.store.schema_deliver import allowances
from pipeline.store.subscribers import Audience, audience_query


def given(connection: Connection, days: Iterable[date]) -> dict[date, int]:
    """Day -> places that are given away, of those days that gave any."""
    wanted = {day.isoformat(): day for day in days}
    rows = connection.execute(select(allowances).where(allowances.c.day.in_(wanted)))
    return {wanted[row.day]: row.given for row in rows}


def take(connection: Connection, day: date, wanted: int, most: int) -> int:
    """Take up to `wanted` of a day's places, of which there are `most`; how many were still there.

    The row stays locked until this transaction ends: two processes never give away more than there are. Several days
    are taken in their order, so that two of them don't wait for each other.
    """
    here = allowances.c.day == day.isoformat()
    lock = update(allowances).where(here).values(given=allowances.c.given).returning(allowances.c.given)
    known = connection.execute(lock).scalar_one_or_none()
    if known is None:
        try:
            with connection.begin_nested():
                connection.execute(insert(allowances).values(day=day.isoformat(), given=0))
        except IntegrityError:  # another process was first
            pass
        known = connection.execute(lock).scalar_one()
    taken = max(0, min(wanted, most - int(known)))
    if taken:
        connection.execute(update(allowances).where(here).values(given=allowances.c.given + taken))
    return taken


def last_in_turn(connection: Connection, audience: Audience, digest_id: int, places: int) -> tuple[int, int] | None:
    """Where the last of `places` people stands, of those whom a digest has no row for yet and who can be mailed:
    (start of their window, subscription). None where there are places for all.

    Whoever has waited longest is first: their window starts furthest back.
    """
    if places <= 0:
        return -1, 0
    first, last = connection.execute(  # batches are filled in their order
        select(func.min(batches.c.first_id), func.max(batches.c.last_id))
        .where(batches.c.digest_id == digest_id, batches.c.filled_at.is_(None))).one()
    members = audience_query(audience, first or 0, last).subquery()
    start = covered_until().label("start")
    row = connection.execute(
        select(start, subscriptions.c.id)
        .join(members, members.c.subscription_id == subscriptions.c.id)
        .join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .where(subscriptions.c.status == SubscriptionStatus.CONFIRMED,
               ~exists().where(suppressions.c.address_key == subscribers.c.address_key))
        .order_by(start, subscriptions.c.id).limit(1).offset(places - 1)
    ).one_or_none()
    return (int(row.start), int(row.id)) if row is not None else None
