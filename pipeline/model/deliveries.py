"""The delivery ledger's words: states, the moves between them, and the identity that must always hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum


class DeliveryState(StrEnum):
    QUEUED = "queued"        # due, nobody has it
    CLAIMED = "claimed"      # a worker holds it under a lease; nothing that counts has left yet
    HANDED = "handed"        # durable *before* the final dot: from here on it may have arrived
    SENT = "sent"            # the transport took responsibility
    DEFERRED = "deferred"    # refused for now; tried again at next_try_at
    BOUNCED = "bounced"      # refused for good, the address is at fault
    FAILED = "failed"        # refused for good or given up, the address is not at fault
    UNCERTAIN = "uncertain"  # handed, and the answer was lost
    EXCLUDED = "excluded"    # selected, and then left out, for the stored reason


S = DeliveryState

MOVES: Mapping[DeliveryState, frozenset[DeliveryState]] = {
    S.QUEUED: frozenset({S.CLAIMED, S.EXCLUDED, S.FAILED}),
    S.CLAIMED: frozenset({S.QUEUED, S.HANDED, S.DEFERRED, S.BOUNCED, S.FAILED, S.EXCLUDED}),
    # back to queued only where the transport can prove that nothing arrived (a Maildir can look)
    S.HANDED: frozenset({S.SENT, S.DEFERRED, S.BOUNCED, S.FAILED, S.UNCERTAIN, S.QUEUED}),
    S.DEFERRED: frozenset({S.CLAIMED, S.FAILED, S.EXCLUDED}),
    S.SENT: frozenset({S.BOUNCED}),  # a bounce that comes back later
    S.UNCERTAIN: frozenset({S.SENT, S.QUEUED, S.BOUNCED, S.FAILED}),
    # only while no later window has covered it, and nothing of this person is live: else articles come twice
    S.BOUNCED: frozenset({S.QUEUED}),
    S.FAILED: frozenset({S.QUEUED}),
    S.EXCLUDED: frozenset(),
}
"""Every move the ledger knows; the store refuses any other (a test tries all 81 pairs)."""

UNSENT = frozenset({S.QUEUED, S.CLAIMED, S.DEFERRED})
"""States from which a person can still be left out: nothing has gone."""

LIVE = UNSENT | {S.HANDED}
"""States with a window that is neither covered nor given back. A subscription has at most one such delivery
(the database enforces it), so windows can neither overlap nor leave a gap."""

COVERED = frozenset({S.SENT, S.UNCERTAIN})
"""States whose window counts as read: the person's next window starts at its cut. The row remembers it as `covered`,
also when an uncertain one is sent again."""


@dataclass(frozen=True, slots=True)
class Counts:
    """A digest's ledger in numbers. `selected` comes from the subscriptions' event history, not from the ledger."""

    selected: int
    sent: int = 0
    bounced: int = 0
    failed: int = 0
    uncertain: int = 0
    excluded: int = 0
    waiting: int = 0  # queued, claimed, handed, deferred, and rows of batches that are not filled yet

    @property
    def accounted(self) -> int:
        return self.sent + self.bounced + self.failed + self.uncertain + self.excluded + self.waiting

    @property
    def holds(self) -> bool:
        """The identity: everyone selected is somewhere, and nobody is anywhere twice."""
        return self.selected == self.accounted


@dataclass(frozen=True, slots=True)
class Tally:
    """How a digest is taken while it is being sent."""

    tried: int        # messages that were answered, or may have arrived
    refused: int      # of those: for good
    sent: int         # that a mail server took
    complaints: int   # of those: reported as spam


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a transport says of one message after it was handed over, or of why it never was.

    `state` is one of SENT, DEFERRED, BOUNCED, FAILED, UNCERTAIN.
    """

    state: DeliveryState
    reason: str = ""
    code: int = 0            # SMTP reply code, 0 where there is none
    slow_down: bool = False  # 421 or 4.7.x: the destination asks for less
    stop: bool = False       # 5.7.x: policy; stop this destination and tell the operator
    about: str = ""          # of those two: whose answer it is, "relay" or the recipient's "domain"
    no_such_address: bool = False   # 5.1.x: never mail it again


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """What decides whether somebody whom a digest selected gets a delivery to send."""

    subscription_id: int
    confirmed: bool                   # now, not as of the freeze
    suppressed: str                   # the reason, or ""
    start_seq: int
    covered_until: int                # their next window starts here
    live: LiveDelivery | None = None  # another delivery of theirs whose window is still open
    topics: tuple[str, ...] = ()      # the ones they picked; none: all
    language: str = ""                # "": the newsletter's
    told: Mapping[int, int] = field(default_factory=dict)   # of what the digest asks about: article -> its revision


@dataclass(frozen=True, slots=True)
class Crowd:
    """People whom nothing tells apart: what is decided for one of them is decided for all."""

    facts: PersonFacts        # of the first
    ids: tuple[int, ...]      # their subscriptions, ascending

    def each(self) -> list[PersonFacts]:
        return [replace(self.facts, subscription_id=number) for number in self.ids]

    def by_told(self, told: Mapping[int, Mapping[int, int]]) -> list[Crowd]:
        """Parted by what they were told before: subscription -> article -> its revision."""
        parted: dict[tuple[tuple[int, int], ...], list[int]] = {}
        for number in self.ids:
            parted.setdefault(tuple(sorted(told.get(number, {}).items())), []).append(number)
        return [Crowd(replace(self.facts, subscription_id=ids[0], told=dict(known)), tuple(ids))
                for known, ids in parted.items()]


@dataclass(frozen=True, slots=True)
class LiveDelivery:
    id: int
    state: DeliveryState
    cut_seq: int
    attempts: int
    due_at: datetime
    first_tried_at: datetime | None


@dataclass(frozen=True, slots=True)
class Fill:
    """One row to write: queued with its window and selection, or excluded with its reason."""

    subscription_id: int
    state: DeliveryState
    reason: str = ""
    from_seq: int = 0
    cut_seq: int = 0
    selection_id: int = 0
    covered: bool = False             # nothing in its window is for this person, so the window counts as read
    supersedes: LiveDelivery | None = None  # the older delivery whose window this one takes over
    due_at: datetime | None = None    # None: when its batch is
    others: tuple[int, ...] = ()      # more people who get the very same row; it supersedes nothing then
