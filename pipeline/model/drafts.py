"""What becomes of a digest that is not frozen yet, at its slot and after. Pure."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pipeline.model.newsletters import DigestStatus

UNAPPROVED = "waits for your word: `broadsheet digests approve`"


class HeldBy(StrEnum):
    """Whose word a held digest waits for."""

    ERROR = "error"          # a template; tried again at each run
    PREFLIGHT = "preflight"  # what was found in it; looked at again at each run
    SILENCE = "silence"      # nobody approved it in time
    OPERATOR = "operator"


class SlotAction(StrEnum):
    FREEZE = "freeze"
    HOLD = "hold"
    SKIP = "skip"
    WAIT = "wait"      # for its slot, or for the operator
    NOTHING = "nothing"  # it is frozen, or over


def decide_slot(
    status: DigestStatus, held_by: str, *, approved: bool, late: str, now: datetime, due_at: datetime,
    needs_word: bool,
) -> tuple[SlotAction, str]:
    """What to do with a slot's digest now, and why. `late`: the reason why it is too late, or ""; `needs_word`: silence
    holds it. An approval overrides both, and outlives a hold by an error."""
    if status not in (DigestStatus.DRAFT, DigestStatus.APPROVED, DigestStatus.HELD):
        return SlotAction.NOTHING, ""
    if now < due_at:
        return SlotAction.WAIT, "its slot is to come"
    if status is DigestStatus.HELD and held_by in (HeldBy.OPERATOR, HeldBy.SILENCE):
        return SlotAction.WAIT, UNAPPROVED
    if approved:
        return SlotAction.FREEZE, ""
    if late:
        return SlotAction.SKIP, late
    if needs_word:
        return SlotAction.HOLD, UNAPPROVED
    return SlotAction.FREEZE, ""
