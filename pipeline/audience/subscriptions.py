"""Joining, choosing and leaving. Each is one transaction, and leaving reaches into the ledger in the same one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pipeline.audience.addresses import read_address
from pipeline.errors import UsageError
from pipeline.model.subscribers import Subscription, SubscriptionStatus
from pipeline.store import Connection, declared, deliveries, subscribers
from pipeline.store.engine import Store


class Joined(StrEnum):
    """What became of a request to subscribe somebody."""

    ADDED = "added"
    ALREADY = "already subscribed"
    SWITCHED = "switched to another schedule"
    KEPT_OUT = "unsubscribed before, and stays so"
    SUPPRESSED = "suppressed, and stays so"


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody's wish to get a newsletter, with how they said so."""

    address: str
    newsletter: str
    schedule: str
    consent: str
    start_seq: int | None = None   # None: their first window starts now


def add(
    connection: Connection, request: Request, now: datetime, *, revive: bool, switch: bool = True
) -> Joined:
    """Subscribe one person, confirmed: the operator vouches for their consent.

    `revive` says whether somebody who once left may be taken back; an import never does. `switch` says whether the
    schedule was asked for, and somebody subscribed already moves to it. Raises UsageError where the address is none.
    """
    address, key = read_address(request.address)
    if not request.consent.strip():
        raise UsageError(address, "has no consent", hint='say how they asked: --consent "signed up at the fair"')
    newsletter_id = declared.newsletter_id(connection, request.newsletter)
    if subscribers.suppressed(connection, key):
        return Joined.SUPPRESSED
    known = subscribers.find(connection, newsletter_id, key)
    if known is not None and known.status is SubscriptionStatus.UNSUBSCRIBED and not revive:
        return Joined.KEPT_OUT
    if known is not None and known.status is SubscriptionStatus.CONFIRMED:
        if known.schedule == request.schedule or not switch:
            return Joined.ALREADY
        subscribers.switch_schedule(connection, known.id, request.schedule, now)
        return Joined.SWITCHED
    subscriber_id = subscribers.ensure_subscriber(connection, address, key, now)
    subscribers.confirm(connection, subscriber_id, newsletter_id, schedule=request.schedule, consent=request.consent,
                        now=now, start_seq=request.start_seq)
    return Joined.ADDED


def unsubscribe(store: Store, subscription_id: int, now: datetime, how: str) -> Subscription | None:
    """Take somebody off a newsletter, and out of everything of it that has not gone yet, in one transaction.

    Once this returns, no delivery of theirs is handed over any more. None where there is no such subscription;
    asking twice changes nothing.
    """
    with store.write() as connection:
        found = subscribers.subscription(connection, subscription_id)
        if found is None:
            return None
        if subscribers.unsubscribe(connection, subscription_id, now, how):
            deliveries.exclude_unsent(connection, subscription_id, "unsubscribed", now)
    return found
