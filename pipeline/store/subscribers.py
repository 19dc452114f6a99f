"""People and their subscriptions; every change leaves an event, and the events say who was in an audience when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, Select, and_, func, insert, select, update

from pipeline.errors import UsageError
from pipeline.model.subscribers import EventKind, Subscription, SubscriptionStatus
from pipeline.store import meta
from pipeline.store.schema import (
    newsletters,
    recipients,
    subscribers,
    subscription_events,
    subscriptions,
    suppressions,
)

RECEIVED = "received:"
"""In the place of a schedule's slug, with a digest's number behind it: those whom that one reached."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Who a digest is for: the confirmed people of a newsletter as of an event.

    `schedule` is a slug, or "" for the people of every schedule (a digest made by hand). `listed_for`: the digest whose
    people were written down one by one (the table `recipients`), and are no schedule's; else 0.
    """

    newsletter_id: int
    schedule: str
    audience_seq: int
    listed_for: int = 0


def ensure_subscriber(connection: Connection, address: str, address_key: str, now: datetime) -> int:
    """The id of the person with this address. `address_key` is its form for comparison (domain in lower case)."""
    here = select(subscribers.c.id).where(subscribers.c.address_key == address_key)
    found = connection.execute(here).scalar_one_or_none()
    if found is None:
        found = connection.execute(
            insert(subscribers).values(address=address, address_key=address_key, created_at=now)
            .returning(subscribers.c.id)
        ).scalar_one()
    return int(found)


def suppressed(connection: Connection, address_key: str) -> str:
    """Why this address must never be mailed, or ""."""
    return connection.execute(
        select(suppressions.c.reason).where(suppressions.c.address_key == address_key)
    ).scalar_one_or_none() or ""


def find(connection: Connection, newsletter_id: int, address_key: str) -> Subscription | None:
    row = connection.execute(
        _select().where(subscriptions.c.newsletter_id == newsletter_id, subscribers.c.address_key == address_key)
    ).one_or_none()
    return _subscription(row) if row else None


def subscription(connection: Connection, subscription_id: int) -> Subscription | None:
    row = connection.execute(_select().where(subscriptions.c.id == subscription_id)).one_or_none()
    return _subscription(row) if row else None


def confirm(
    connection: Connection, subscriber_id: int, newsletter_id: int, *, schedule: str, consent: str, now: datetime,
    start_seq: int | None = None,
) -> int:
    """Confirm a subscription, new or once left; their first window starts now, or after `start_seq` where given.

    Whoever is confirmed already keeps what they have: asking twice must not move their window. Topics and language
    stay too, for those who come back as well.
    """
    start = meta.counter(connection, meta.ACCEPTED) if start_seq is None else start_seq
    values = {
        "status": SubscriptionStatus.CONFIRMED, "schedule": schedule, "consent": consent, "start_seq": start,
        "confirmed_at": now, "unsubscribed_at": None,
    }
    here = and_(subscriptions.c.subscriber_id == subscriber_id, subscriptions.c.newsletter_id == newsletter_id)
    known = connection.execute(select(subscriptions.c.id, subscriptions.c.status).where(here)).one_or_none()
    if known is not None and known.status == SubscriptionStatus.CONFIRMED:
        return int(known.id)
    found = known.id if known is not None else None
    if found is None:
        found = connection.execute(insert(subscriptions).values(
            subscriber_id=subscriber_id, newsletter_id=newsletter_id, created_at=now, **values
        ).returning(subscriptions.c.id)).scalar_one()
    else:
        connection.execute(update(subscriptions).where(here).values(**values))
    _record(connection, found, EventKind.CONFIRMED, now, consent)
    return int(found)


def switch_schedule(connection: Connection, subscription_id: int, schedule: str, now: datetime) -> None:
    connection.execute(
        update(subscriptions).where(subscriptions.c.id == subscription_id).values(schedule=schedule))
    _record(connection, subscription_id, EventKind.SCHEDULE, now, schedule)


def rename_schedule(connection: Connection, newsletter_id: int, old: str, new: str, now: datetime) -> None:
    """Take everyone on a schedule along when the config gives it another slug; the history keeps the old name."""
    on_it = select(subscriptions.c.id).where(
        subscriptions.c.newsletter_id == newsletter_id, subscriptions.c.schedule == old)
    for subscription_id in connection.execute(on_it).scalars().all():
        switch_schedule(connection, subscription_id, new, now)


def choose_topics(connection: Connection, subscription_id: int, topics: Sequence[str], now: datetime) -> bool:
    """Tell somebody only about these from now on, or about everything where there is none; False: nothing changed.

    `topics` are in small letters, as articles have them. What order they are given in does not matter.
    """
    wanted = sorted(set(topics))
    # locked: of two choices at once the second must see the first, else its event would be missing or too much
    here = select(subscriptions.c.topics).where(subscriptions.c.id == subscription_id).with_for_update()
    if sorted(connection.execute(here).scalar_one()) == wanted:
        return False
    connection.execute(update(subscriptions).where(subscriptions.c.id == subscription_id).values(topics=wanted))
    _record(connection, subscription_id, EventKind.TOPICS, now, ", ".join(wanted))
    return True


def choose_language(connection: Connection, subscription_id: int, language: str, now: datetime) -> bool:
    """Write to somebody in this language from now on, "" for the newsletter's; False: nothing changed."""
    changed = connection.execute(
        update(subscriptions).where(subscriptions.c.id == subscription_id, subscriptions.c.language != language)
        .values(language=language)
    ).rowcount
    if changed:
        _record(connection, subscription_id, EventKind.LANGUAGE, now, language)
    return bool(changed)


def unsubscribe(connection: Connection, subscription_id: int, now: datetime, detail: str) -> bool:
    """Mark as unsubscribed; False when the person already was (nothing changes then)."""
    changed = connection.execute(
        update(subscriptions)
        .where(subscriptions.c.id == subscription_id,
               subscriptions.c.status != SubscriptionStatus.UNSUBSCRIBED)
        .values(status=SubscriptionStatus.UNSUBSCRIBED, unsubscribed_at=now)
    ).rowcount
    if changed:
        _record(connection, subscription_id, EventKind.UNSUBSCRIBED, now, detail)
    return bool(changed)


def audience_ids(
    connection: Connection, audience: Audience, first_id: int = 0, last_id: int | None = None
) -> Iterator[int]:
    """Subscription ids of an audience in ascending order, counted from the history, not from today's state.

    Whoever unsubscribed since is still in it: they were selected, and the ledger says why they got nothing.
    """
    query = audience_query(audience, first_id, last_id).order_by("subscription_id")
    yield from connection.execute(query).scalars()


def audience_query(
    audience: Audience, first_id: int | BindParameter[int] = 0, last_id: int | BindParameter[int] | None = None,
) -> Select[Any]:
    """SQL: the column subscription_id of everyone in an audience."""
    if audience.listed_for:
        written = select(recipients.c.subscription_id).where(
            recipients.c.digest_id == audience.listed_for, recipients.c.subscription_id >= first_id)
        return written if last_id is None else written.where(recipients.c.subscription_id <= last_id)
    events = subscription_events
    last = select(events.c.subscription_id, func.max(events.c.seq).label("seq")).where(
        events.c.newsletter_id == audience.newsletter_id, events.c.seq <= audience.audience_seq,
        events.c.subscription_id >= first_id,
    )
    if last_id is not None:
        last = last.where(events.c.subscription_id <= last_id)
    newest = last.group_by(events.c.subscription_id).subquery()
    query = (
        select(events.c.subscription_id).join(newest, events.c.seq == newest.c.seq)
        .where(events.c.status == SubscriptionStatus.CONFIRMED)
    )
    return query.where(events.c.schedule == audience.schedule) if audience.schedule else query


def count_audience(connection: Connection, audience: Audience) -> int:
    return int(connection.execute(select(func.count()).select_from(audience_query(audience).subquery())).scalar_one())


def listed(connection: Connection, newsletter_id: int | None = None, limit: int | None = None) -> list[Subscription]:
    query = _select().order_by(subscriptions.c.id)
    if newsletter_id is not None:
        query = query.where(subscriptions.c.newsletter_id == newsletter_id)
    return [_subscription(row) for row in connection.execute(query.limit(limit))]


def history(connection: Connection, subscription_id: int) -> list[Row[Any]]:
    """The events of one subscription, oldest first: rows with seq, at, kind, status, schedule, detail."""
    return list(connection.execute(
        select(subscription_events).where(subscription_events.c.subscription_id == subscription_id)
        .order_by(subscription_events.c.seq)
    ))


def by_address(connection: Connection, address_key: str) -> list[Subscription]:
    found = connection.execute(
        _select().where(subscribers.c.address_key == address_key).order_by(subscriptions.c.id)).all()
    if not found:
        raise UsageError(address_key, "nobody with this address is subscribed",
                         hint="`broadsheet subscribers list` shows who is")
    return [_subscription(row) for row in found]


def _record(connection: Connection, subscription_id: int, kind: EventKind, now: datetime, detail: str) -> None:
    row = connection.execute(
        select(subscriptions.c.newsletter_id, subscriptions.c.status, subscriptions.c.schedule, subscriptions.c.zone,
               subscriptions.c.language)
        .where(subscriptions.c.id == subscription_id)
    ).one()
    connection.execute(insert(subscription_events).values(
        seq=meta.take(connection, meta.EVENTS), subscription_id=subscription_id, newsletter_id=row.newsletter_id,
        at=now, kind=kind, status=row.status, schedule=row.schedule,
        zone=row.zone, language=row.language, detail=detail,
    ))


def _select() -> Select[Any]:
    return (
        select(subscriptions, subscribers.c.address, newsletters.c.slug.label("newsletter"))
        .join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .join(newsletters, newsletters.c.id == subscriptions.c.newsletter_id)
    )


def _subscription(row: Row[Any]) -> Subscription:
    return Subscription(
        id=row.id, subscriber_id=row.subscriber_id, address=row.address, newsletter=row.newsletter,
        schedule=row.schedule, status=SubscriptionStatus(row.status), start_seq=row.start_seq,
        created_at=row.created_at, confirmed_at=row.confirmed_at, consent=row.consent, topics=tuple(row.topics),
        language=row.language,
    )
