"""What config.toml declares, as rows: newsletters, their schedules, feeds. Config declares, rows keep ids and dates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Table, delete, func, insert, select, update

from pipeline.errors import StoreError
from pipeline.model.subscribers import SubscriptionStatus
from pipeline.store.schema import newsletters, schedules, subscriptions


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    slug: str
    spec: str
    since: datetime


def ensure(connection: Connection, table: Table, slug: str, former: Sequence[str], **values: object) -> int:
    """The id of the row called `slug`; a row under one of its `former` slugs is renamed and keeps its id."""
    row_id = connection.execute(select(table.c.id).where(table.c.slug == slug)).scalar_one_or_none()
    if row_id is not None:
        return int(row_id)
    for old in former:
        renamed = connection.execute(
            update(table).where(table.c.slug == old).values(slug=slug).returning(table.c.id)
        ).scalar_one_or_none()
        if renamed is not None:
            return int(renamed)
    return int(connection.execute(insert(table).values(slug=slug, **values).returning(table.c.id)).scalar_one())


def ensure_newsletter(
    connection: Connection, slug: str, title: str, former: Sequence[str], now: datetime
) -> int:
    newsletter_id = ensure(connection, newsletters, slug, former, title=title, created_at=now)
    connection.execute(update(newsletters).where(newsletters.c.id == newsletter_id).values(title=title))
    return newsletter_id


def ensure_schedule(
    connection: Connection, newsletter_id: int, slug: str, spec: str, former: Sequence[str], now: datetime
) -> ScheduleRow | None:
    """Record a schedule under its slug, or rename the one that had a `former` slug.

    Returns the row as it was where its spec changed: a changed schedule starts anew, so that its past slots never
    fire, and the caller still has to say what the old one missed.
    """
    of_newsletter = schedules.c.newsletter_id == newsletter_id
    known = {row.slug: row for row in connection.execute(select(schedules).where(of_newsletter))}
    row = known.get(slug)
    if row is None:
        old = next((known[name] for name in former if name in known), None)
        if old is None:
            connection.execute(insert(schedules).values(newsletter_id=newsletter_id, slug=slug, spec=spec, since=now))
            return None
        connection.execute(update(schedules).where(schedules.c.id == old.id).values(slug=slug))
        row = old
    if row.spec == spec:
        return None
    connection.execute(update(schedules).where(schedules.c.id == row.id).values(spec=spec, since=now))
    return ScheduleRow(slug, row.spec, row.since)


def retire_schedules(connection: Connection, newsletter_id: int, declared: Iterable[str]) -> None:
    """Forget schedules that the config no longer has: one that comes back starts anew."""
    connection.execute(delete(schedules).where(
        schedules.c.newsletter_id == newsletter_id, schedules.c.slug.not_in(list(declared))))


def schedule(connection: Connection, newsletter_id: int, slug: str) -> ScheduleRow:
    row = connection.execute(
        select(schedules.c.slug, schedules.c.spec, schedules.c.since)
        .where(schedules.c.newsletter_id == newsletter_id, schedules.c.slug == slug)
    ).one()
    return ScheduleRow(row.slug, row.spec, row.since)


def newsletter_id(connection: Connection, slug: str) -> int:
    found = connection.execute(select(newsletters.c.id).where(newsletters.c.slug == slug)).scalar_one_or_none()
    if found is None:
        raise StoreError(slug, "the database knows no such newsletter", hint="start once with it in config.toml")
    return int(found)


def refuse_vanished(connection: Connection, declared: Iterable[str]) -> None:
    """Refuse to start when a newsletter that people are subscribed to is no longer in the config."""
    counted = connection.execute(
        select(newsletters.c.slug, func.count())
        .join(subscriptions, subscriptions.c.newsletter_id == newsletters.c.id)
        .where(subscriptions.c.status == SubscriptionStatus.CONFIRMED)
        .group_by(newsletters.c.slug)
        .order_by(newsletters.c.slug)
    ).all()
    kept = set(declared)
    for slug, people in counted:
        if slug not in kept:
            raise StoreError(
                f"newsletter {slug!r}",
                f"is no longer in config.toml, but {people} people are subscribed to it",
                hint=f'put it back, or name it in the new one: former = ["{slug}"]',
            )


def orphaned_schedules(connection: Connection, newsletter_id: int, declared: Iterable[str]) -> dict[str, int]:
    """Confirmed people per schedule slug that the config no longer has: nothing would ever be sent to them."""
    counted = connection.execute(
        select(subscriptions.c.schedule, func.count())
        .where(subscriptions.c.newsletter_id == newsletter_id,
               subscriptions.c.status == SubscriptionStatus.CONFIRMED)
        .group_by(subscriptions.c.schedule)
    ).all()
    kept = set(declared)
    return {slug: people for slug, people in counted if slug not in kept}
