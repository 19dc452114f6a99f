"""audit: who got a digest, who did not, and why; and whether everybody is accounted for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.app import App
from pipeline.model.deliveries import Counts, DeliveryState
from pipeline.model.newsletters import Digest
from pipeline.store import Connection, digests, ledger, meta


@dataclass(frozen=True, slots=True)
class Reason:
    state: DeliveryState
    reason: str
    number: int


@dataclass(frozen=True, slots=True)
class Person:
    address: str
    state: DeliveryState
    reason: str
    code: int
    attempts: int
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Audit:
    """A digest's ledger. `faults` are counters that disagree with their rows; always empty, or a bug."""

    digest: Digest
    counts: Counts
    reasons: tuple[Reason, ...]
    faults: tuple[str, ...]
    notes: tuple[str, ...]
    people: tuple[Person, ...] = ()
    stopped: str = ""

    @property
    def holds(self) -> bool:
        return self.counts.holds and not self.faults


LATEST = "latest"

RECENT = 100
"""Digests among which the latest that went out is looked for."""


def audit(app: App, name: str = LATEST, *, newsletter: str = "", people: bool = False) -> Audit:
    """The ledger of the digest called `name`, read in one transaction. "latest" is the latest that was frozen: one
    that was skipped has nobody in it. Raises UsageError where there is none."""
    with app.store.read() as connection:
        digest = _latest(connection, newsletter) if name == LATEST else None
        digest = digest or digests.require(connection, name, newsletter)
        listed = ledger.each(connection, digest.id) if people else []
        return Audit(
            digest=digest, counts=ledger.counts(connection, digest.id),
            reasons=tuple(Reason(DeliveryState(r.state), r.reason, r.number)
                          for r in ledger.reasons(connection, digest.id)),
            faults=tuple(ledger.counter_faults(connection, digest.id)),
            notes=tuple(digests.facts(connection, digest.id).notes),
            people=tuple(Person(r.address, DeliveryState(r.state), r.reason, r.code, r.attempts, r.changed_at)
                         for r in listed),
            stopped=meta.get(connection, meta.OUTGOING_STOPPED),
        )


def identity_line(counts: Counts) -> str:
    """ "selected 25 = sent 24 + bounced 0 + … ✓ holds". """
    parts = (("sent", counts.sent), ("bounced", counts.bounced), ("failed", counts.failed),
             ("uncertain", counts.uncertain), ("excluded", counts.excluded), ("waiting", counts.waiting))
    right = " + ".join(f"{name} {number:,}" for name, number in parts)
    if counts.holds:
        return f"selected {counts.selected:,} = {right}  ✓ holds"
    missing = counts.selected - counts.accounted
    wrong = f"{missing:,} missing" if missing > 0 else f"{-missing:,} too many"
    return f"selected {counts.selected:,} ≠ {right}  ✗ {wrong}"


def in_order(reasons: Sequence[Reason]) -> list[Reason]:
    """Reasons in the order in which the identity names the states, the commonest first."""
    order = list(DeliveryState)
    order.sort(key=lambda s: _ORDER.index(s) if s in _ORDER else len(_ORDER))
    return sorted(reasons, key=lambda r: (order.index(r.state), -r.number, r.reason))


def _latest(connection: Connection, newsletter: str) -> Digest | None:
    recent = digests.listed(connection, newsletter=newsletter, limit=RECENT)
    return next((digest for digest in recent if digest.frozen_at is not None), None)


_ORDER = [DeliveryState.SENT, DeliveryState.BOUNCED, DeliveryState.FAILED, DeliveryState.UNCERTAIN,
          DeliveryState.EXCLUDED]
