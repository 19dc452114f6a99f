"""People: subscribers, their subscriptions, and the events that brought these about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class SubscriptionStatus(StrEnum):
    UNCONFIRMED = "unconfirmed"
    CONFIRMED = "confirmed"
    UNSUBSCRIBED = "unsubscribed"


class EventKind(StrEnum):
    """What happened to a subscription; the history says who was in an audience at any past moment."""

    REQUESTED = "requested"        # -> unconfirmed
    CONFIRMED = "confirmed"        # -> confirmed
    SCHEDULE = "schedule"          # another schedule, status unchanged
    TOPICS = "topics"              # other topics, status and schedule unchanged
    LANGUAGE = "language"          # another language, likewise
    UNSUBSCRIBED = "unsubscribed"  # -> unsubscribed


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscriber × newsletter."""

    id: int
    subscriber_id: int
    address: str
    newsletter: str              # slug
    schedule: str                # slug of the schedule the person picked
    status: SubscriptionStatus
    start_seq: int               # accepted_seq when the person was confirmed: their first window starts here
    created_at: datetime
    confirmed_at: datetime | None
    consent: str                 # how they asked, in words
    topics: tuple[str, ...] = () # the ones they picked; none: all
    language: str = ""           # "": the newsletter's


@dataclass(frozen=True, slots=True, order=True)
class Vantage:
    """Where people stand for whom a digest holds the same."""

    start: int                      # their next window starts here
    start_seq: int                  # and their first one did
    topics: tuple[str, ...] = ()    # the ones they picked; none: all
    language: str = ""
