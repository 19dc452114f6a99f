"""audit: who got a digest, who did not, and why; and whether everybody is accounted for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.app import App
from pipeline.model.deliveries import Counts, DeliveryState
from pipeline.model.newsletters import Digest
from pipeline.store import Connection, digests, ledger, meta, returned


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
    came_back: tuple[str, ...] = ()     # what came back for it, oldest first: "delay 4.4.1", "complaint"


@dataclass(frozen=True, slots=True)
class Audit:
    """A digest's ledger. `faults` are counters that disagree with their rows; always empty, or a bug. Of each state the
    commonest reasons are told; those that are not are one more, without words. `left` of the uncertain ones were left
    so by the operator."""

    digest: Digest
    counts: Counts
    reasons: tuple[Reason, ...]
    faults: tuple[str, ...]
    notes: tuple[str, ...]
    left: int = 0
    stopped: str = ""

    @property
    def holds(self) -> bool:
        return self.counts.holds and not self.faults


LATEST = "latest"

RECENT = 100
"""Digests among which the latest that went out is looked for."""

PAGE = 1000
"""People read at a time: nobody waits for whoever reads them all."""


def audit(app: App, name: str = LATEST, *, newsletter: str = "", recount: bool = False) -> Audit:
    """The ledger of the digest called `name`, read in one transaction. "latest" is the latest that was frozen: one
    that was skipped has nobody in it. `recount`: also compare each single batch with its rows, which is done anyway
    where something is wrong. Raises UsageError where there is none."""
    digest = named(app, name, newsletter)
    with app.store.read() as connection:
        faults = ledger.total_faults(connection, digest.id)
        if faults or recount:
            faults += ledger.counter_faults(connection, digest.id)
        return Audit(
            digest=digests.get(connection, digest.id), counts=ledger.counts(connection, digest.id),
            reasons=tuple(told(ledger.states(connection, digest.id),
                               [Reason(DeliveryState(r.state), r.reason, r.number)
                                for r in ledger.reasons(connection, digest.id)])),
            faults=tuple(faults), notes=tuple(digests.facts(connection, digest.id).notes),
            left=ledger.settled_by_hand(connection, digest.id),
            stopped=meta.get(connection, meta.OUTGOING_STOPPED),
        )


def named(app: App, name: str, newsletter: str = "") -> Digest:
    """The digest called so; "latest" is the latest that was frozen. Raises UsageError."""
    with app.store.read() as connection:
        digest = _latest(connection, newsletter) if name == LATEST else None
        return digest or digests.require(connection, name, newsletter)


def told(states: Mapping[DeliveryState, int], reasons: Sequence[Reason]) -> list[Reason]:
    """The reasons, and for each state one more with those of whom they don't speak."""
    known = list(reasons)
    for state, number in states.items():
        rest = number - sum(one.number for one in reasons if one.state is state)
        if rest:
            any_told = any(one.state is state for one in reasons)
            known.append(Reason(state, "for other reasons" if any_told else "", rest))
    return known


def people(app: App, digest: Digest, states: Collection[DeliveryState] = ()) -> Iterator[Person]:
    """Everyone of a digest, or those in these states, however many: they are never all in memory. State after state, in
    the order of the identity."""
    for state in sorted(states or DeliveryState, key=_order):
        after: ledger.Place | None = None
        while True:
            with app.store.read() as connection:
                page = ledger.page(connection, digest.id, state, after, PAGE)
                back = returned.of_deliveries(connection, [row.id for row in page])
            for row in page:
                yield Person(row.address, DeliveryState(row.state), row.reason, row.code, row.attempts, row.changed_at,
                             tuple(f"{one.kind} {one.status}".strip() for one in back.get(row.id, ())))
            if len(page) < PAGE:
                break
            after = (page[-1].due_at, page[-1].id)


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
    return sorted(reasons, key=lambda r: (_order(r.state), -r.number, r.reason))


def _order(state: DeliveryState) -> int:
    return _ORDER.index(state) if state in _ORDER else len(_ORDER) + list(DeliveryState).index(state)


def _latest(connection: Connection, newsletter: str) -> Digest | None:
    recent = digests.listed(connection, newsletter=newsletter, limit=RECENT)
    return next((digest for digest in recent if digest.frozen_at is not None), None)


_ORDER = [DeliveryState.SENT, DeliveryState.BOUNCED, DeliveryState.FAILED, DeliveryState.UNCERTAIN,
          DeliveryState.EXCLUDED]
