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
    CHOSE = "given other topics or another language"
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
    topics: tuple[str, ...] | None = None   # as `Choices.chosen_topics` gives them; None: nothing was said
    language: str | None = None             # as `Choices.language` gives it; None: nothing was said


@dataclass(frozen=True, slots=True)
class Wish:
    """How somebody would like to have a newsletter from now on; None where they said nothing."""

    schedule: str | None = None
    topics: tuple[str, ...] | None = None
    language: str | None = None

    def changes(self, known: Subscription) -> bool:
        return (self.schedule not in (None, known.schedule) or self.language not in (None, known.language)
                or (self.topics is not None and set(self.topics) != set(known.topics)))


def add(
    connection: Connection, request: Request, now: datetime, *, revive: bool, switch: bool = True
) -> Joined:
    """Subscribe one person, confirmed: the operator vouches for their consent.

    `revive` says whether somebody who once left may be taken back; an import never does. `switch` says whether the
    schedule was asked for, and somebody subscribed already moves to it. Topics and language stay what they are where
    nothing is said of them, for those who come back too. Raises UsageError where the address is none.
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
        switched = switch and known.schedule != request.schedule
        if switched:
            subscribers.switch_schedule(connection, known.id, request.schedule, now)
        chose = _choose(connection, known.id, request.topics, request.language, now)
        return Joined.SWITCHED if switched else Joined.CHOSE if chose else Joined.ALREADY
    subscriber_id = subscribers.ensure_subscriber(connection, address, key, now)
    subscription_id = subscribers.confirm(
        connection, subscriber_id, newsletter_id, schedule=request.schedule, consent=request.consent, now=now,
        start_seq=request.start_seq)
    _choose(connection, subscription_id, request.topics, request.language, now)
    return Joined.ADDED


def choose(store: Store, subscription_id: int, wish: Wish, now: datetime) -> Subscription | None:
    """Fulfil a wish, in one transaction; the subscription as it is then, None where there is no such one.

    No window moves: what lies in it goes out with the next digest of the schedule that they are on now. Who has left
    stays away, and asking twice changes nothing.
    """
    with store.read() as connection:
        found = subscribers.subscription(connection, subscription_id)
    if found is None or found.status is SubscriptionStatus.UNSUBSCRIBED or not wish.changes(found):
        return found  # repeats need no writer's lock
    with store.write() as connection:
        found = subscribers.subscription(connection, subscription_id)
        if found is None or found.status is SubscriptionStatus.UNSUBSCRIBED:  # gone in the meantime
            return found
        if wish.schedule not in (None, found.schedule):
            subscribers.switch_schedule(connection, subscription_id, wish.schedule or found.schedule, now)
        _choose(connection, subscription_id, wish.topics, wish.language, now)
        return subscribers.subscription(connection, subscription_id)


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


def _choose(
    connection: Connection, subscription_id: int, topics: tuple[str, ...] | None, language: str | None, now: datetime
) -> bool:
    """Whether anything changed."""
    other_topics = topics is not None and subscribers.choose_topics(connection, subscription_id, topics, now)
    other_language = language is not None and subscribers.choose_language(connection, subscription_id, language, now)
    return other_topics or other_language
