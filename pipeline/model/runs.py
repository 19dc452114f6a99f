"""Runs: one recorded execution of a job, and the verdict for a slot that has come due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class RunStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


class CatchUp(StrEnum):
    """What becomes of the slots that passed while nothing ran."""

    LATEST = "latest"  # the newest one in time is sent, the older ones are skipped
    ALL = "all"        # each one in time is sent
    NONE = "none"      # none is sent


LIVE = timedelta(minutes=5)
"""Up to this late a slot counts as fired, not as caught up with."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A digest's identity within its newsletter: the schedule's slug and the nominal local date and time.

    `nominal` is what the operator wrote ("2026-10-25T02:30"), without a zone, so that the hour which an
    autumn clock repeats is one slot and the hour which a spring clock leaves out is still one.
    """

    schedule: str
    nominal: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class SlotVerdict:
    """Whether a due slot runs; `reason` says why not, and is "" when it does."""

    slot: Slot
    reason: str = ""

    @property
    def runs(self) -> bool:
        return not self.reason


def decide_due(
    slots: list[Slot], now: datetime, *, catch_up: CatchUp, max_lateness: timedelta
) -> list[SlotVerdict]:
    """Say of each slot that has come due, oldest first, whether it still runs.

    A slot later than `max_lateness` never runs. Of those in time, "latest" keeps the newest, "all" keeps
    each, and "none" keeps only a slot that is due now to within LIVE (a live firing, however busy the machine).
    """
    in_time = [s for s in slots if now - s.due_at <= max_lateness]
    newest = in_time[-1] if in_time else None
    verdicts = []
    for slot in slots:
        late = now - slot.due_at
        reason = ""
        if slot not in in_time:
            reason = f"missed: {_hours(late)} late, more than the {_hours(max_lateness)} that max_lateness allows"
        elif catch_up is CatchUp.NONE and late > LIVE:
            reason = f"missed: {_hours(late)} late, and catch_up is \"none\""
        elif catch_up is CatchUp.LATEST and slot is not newest:
            reason = f"superseded by the later slot {newest.nominal if newest else ''}"
        verdicts.append(SlotVerdict(slot, reason))
    return verdicts


def _hours(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"


@dataclass(frozen=True, slots=True)
class Run:
    """One row of the runs ledger. (job, due_at) is the permission to run."""

    job: str
    due_at: datetime
    status: RunStatus
    nominal: str = ""
    reason: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    result: str = ""
