"""Newsletters and digests: the states a digest goes through and the window each delivery covers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pipeline.model.edits import Edits


class DigestStatus(StrEnum):
    DRAFT = "draft"          # the slot is taken; content may still change
    APPROVED = "approved"    # waits only for its slot
    FROZEN = "frozen"        # content, audience snapshot and batches are fixed
    SENDING = "sending"      # at least one batch is filled
    PAUSED = "paused"        # nothing more goes out until the operator says so
    DONE = "done"            # nobody waits any more
    SKIPPED = "skipped"      # nothing to send; the reason is stored and the articles roll forward
    HELD = "held"            # waits for the operator
    CANCELLED = "cancelled"  # the operator said no; the articles roll forward


MANUAL = "manual"
"""The schedule of a digest made by hand; no schedule of an operator's may be called so."""

ANNOUNCEMENT = "announcement"
"""The kind of a digest that holds the operator's own words and no article: a notice, or an apology. It is mail only: no
page and no feed tells it. It covers no window, moves none, and neither supersedes a delivery nor is superseded by one.
"""

D = DigestStatus

PUBLIC = (D.FROZEN, D.SENDING, D.DONE)
"""Digests that are advertised to readers on the web."""

DIGEST_MOVES: Mapping[DigestStatus, frozenset[DigestStatus]] = {
    D.DRAFT: frozenset({D.APPROVED, D.FROZEN, D.SKIPPED, D.HELD, D.CANCELLED}),
    D.APPROVED: frozenset({D.FROZEN, D.SKIPPED, D.HELD, D.CANCELLED}),
    D.HELD: frozenset({D.APPROVED, D.FROZEN, D.HELD, D.SKIPPED, D.CANCELLED}),
    D.FROZEN: frozenset({D.SENDING, D.PAUSED, D.DONE, D.CANCELLED}),
    D.SENDING: frozenset({D.PAUSED, D.DONE, D.CANCELLED}),
    D.PAUSED: frozenset({D.SENDING, D.CANCELLED}),
    D.DONE: frozenset({D.SENDING}),  # the operator resends what failed or stayed uncertain
    D.SKIPPED: frozenset(),
    D.CANCELLED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Window:
    """The half-open run of accepted_seq a delivery covers: (from_seq, cut_seq]."""

    from_seq: int
    cut_seq: int

    def __contains__(self, seq: int) -> bool:
        return self.from_seq < seq <= self.cut_seq


@dataclass(frozen=True, slots=True)
class Digest:
    """One dated compilation of a newsletter."""

    id: int
    newsletter: str       # slug
    schedule: str         # slug, or "manual"
    nominal: str          # "2026-11-22T08:00", or the minute it was asked for where made by hand
    status: DigestStatus
    due_at: datetime
    cut_seq: int
    created_at: datetime
    frozen_at: datetime | None = None
    reason: str = ""
    selected: int = 0     # people, counted at the freeze
    held_by: str = ""     # HeldBy, "" where it is not held
    version: int = 0      # goes up with each move and edit
    edits: Edits = field(default_factory=Edits)
    drafted_at: datetime | None = None    # composed before its slot: `cut_seq` is what it was then
    approved_at: datetime | None = None
    proofed_at: datetime | None = None    # when the preflight last looked at it
    findings: tuple[Mapping[str, str], ...] = ()   # what it found
    audience: str = ""    # the schedule whose people it is for; "": everyone of the newsletter; or RECEIVED
    kind: str = ""        # ANNOUNCEMENT, or "" where it tells articles

    @property
    def announces(self) -> bool:
        return self.kind == ANNOUNCEMENT

    @property
    def slot(self) -> str:
        return f"{self.schedule}:{self.nominal}"

    @property
    def name(self) -> str:
        """What people type and see in an address: "2026-11-22-0800-daily"."""
        stamp = self.nominal.replace("T", "-").replace(":", "")
        return stamp if self.schedule == MANUAL else f"{stamp}-{self.schedule}"
