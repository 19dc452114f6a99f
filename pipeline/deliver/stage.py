"""deliver: outbox | claim | personalise | offer | hand over (durably) | commit | record.

Several connections send at once (`lane`), each with a message of its own; one thread writes the ledger for all of them
(`clerk`), in transactions that record what became of the messages before and mark the next ones as handed over. Only
then does a connection take the step that can't be taken back. Whatever dies, at most the one message of each connection
between that mark and its answer is in doubt, and it is listed as such.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from secrets import token_hex

from pipeline.deliver.clerk import Clerk, Ledger, Stop, Told
from pipeline.deliver.lane import Lane, decide_resend
from pipeline.deliver.letters import Letters
from pipeline.deliver.pace import Pace
from pipeline.deliver.retry import HORIZON
from pipeline.deliver.supply import Supply
from pipeline.deliver.transport import Transport, Way
from pipeline.errors import StoreError
from pipeline.mail.dkim import Signer
from pipeline.mail.tokens import Keyring
from pipeline.model.deliveries import DeliveryState
from pipeline.model.newsletters import DigestStatus
from pipeline.store import Connection as Database
from pipeline.store import deliveries, destinations, digests
from pipeline.store.deliveries import Claimed
from pipeline.store.engine import Store
from pipeline.store.expiring import expire_all
from pipeline.store.moving import begin_sending

CLAIM = 200
"""Deliveries claimed at a time, at least; twice as many as there are connections, where that is more."""

EACH = 4
"""Deliveries for which one more connection is worth opening."""

FIRST_WATCHED, WATCHED = 10, 100
"""Outcomes of a digest after which its numbers are looked at, whether it may go on: in the beginning, and later."""

GOODBYE_S = 10.0
"""How long answers that are under way are waited for when somebody interrupts."""


@dataclass(slots=True)
class Delivered:
    """What one call did: numbers by state, and why a destination was stopped."""

    numbers: dict[DeliveryState, int] = field(default_factory=dict)
    stopped: str = ""        # the transport's reason for taking no more, "" where it took everything
    troubles: list[str] = field(default_factory=list)    # ways that went down
    finished: list[int] = field(default_factory=list)

    def count(self, state: DeliveryState) -> None:
        self.numbers[state] = self.numbers.get(state, 0) + 1

    @property
    def total(self) -> int:
        return sum(self.numbers.values())


@dataclass(frozen=True, slots=True)
class Outbox:
    """What delivering needs. `lease` is this call's own name on the rows it takes."""

    store: Store
    keyring: Keyring
    transport: Transport
    lease: str
    now: Callable[[], datetime]
    progress: Callable[[DeliveryState], None] = lambda _state: None
    pace: Pace = field(default_factory=Pace)
    retry_for: timedelta = HORIZON
    jitter: Callable[[], float] = random.random
    signers: tuple[Signer, ...] = ()                       # each signs every message (DKIM)
    stopped: Callable[[Stop], None] = lambda _stop: None   # hears of destinations to which nothing goes any more
    watch: Callable[[int], object] = lambda _digest_id: None     # looks at a digest's numbers now and then
    return_path: str = ""                                  # of notices, "": the sender; digests have theirs frozen


def deliver(outbox: Outbox) -> Delivered:
    """Send everything that is due now. Returns when nothing is due any more, mail is stopped, or no way out is open.

    A message's own failure is an outcome, not an exception. That there is no way out comes back as `stopped`.
    """
    done = Delivered()
    if expired := expire_all(outbox.store, outbox.now()):
        done.troubles.append(
            f"{expired:,} could not be sent in time, and go no more; the next digest has their articles")
    letters = Letters(outbox.store, outbox.signers)
    leases = count(1)

    def claim(database: Database, most: int) -> list[Claimed]:
        claimed = deliveries.claim(database, f"{outbox.lease}.{next(leases)}", outbox.now(), most)
        begin_sending(database, {one.digest_id for one in claimed})
        return claimed

    try:
        while not done.stopped:
            ways, closed = _open_ways(outbox)
            done.troubles += [closed] if ways and closed and closed not in done.troubles else []
            with outbox.store.write() as database:
                claimed = claim(database, max(CLAIM, EACH * sum(way.connections for way in ways)))
            if not claimed:
                break
            if not ways:
                done.stopped = closed
                break
            letters.refresh()
            _send(outbox, letters, ways, claimed, claim, done)
    finally:
        _settle_all(outbox, f"{outbox.lease}.")  # nothing is left, unless something broke on the way
    done.finished = finish(outbox.store, outbox.now())
    return done


def _open_ways(outbox: Outbox) -> tuple[list[Way], str]:
    """The transport's ways but those that said no to us; why not, where some are missing."""
    with outbox.store.read() as database:
        stopped = destinations.stopped(database, outbox.now())
    shut = {way.name: stopped[key] for way in outbox.transport.ways
            if (key := destinations.relay(way.name)) in stopped}
    reasons = [f"{name} said no, and gets nothing until {row.until:%d %b %H:%M} UTC: {row.reason}"
               for name, row in shut.items()]
    return [way for way in outbox.transport.ways if way.name not in shut], "; ".join(reasons)


def _send(
    outbox: Outbox, letters: Letters, ways: Sequence[Way], claimed: list[Claimed],
    claim: Callable[[Database, int], list[Claimed]], done: Delivered,
) -> None:
    """Send what was claimed and what can be claimed after it, by as many connections as are worth it."""
    heard_of: Counter[int] = Counter()

    def heard(told: Told) -> None:
        done.count(told.outcome.state)
        outbox.progress(told.outcome.state)
        number = heard_of[told.claimed.digest_id] = heard_of[told.claimed.digest_id] + 1
        if number % (WATCHED if number > WATCHED else FIRST_WATCHED) == 0:
            outbox.watch(told.claimed.digest_id)

    def stopped(stop: Stop) -> None:
        name = stop.name.removeprefix("relay:")
        done.troubles.append(f"{name} takes nothing from us until {stop.until:%d %b %H:%M} UTC: {stop.outcome.reason}")
        outbox.stopped(stop)

    supply = Supply(ways, outbox.pace, claimed, outbox.now)
    ledger = Ledger(outbox.store, outbox.now, claim, outbox.retry_for, outbox.jitter, heard, stopped)
    clerk = Clerk(ledger, letters, supply)
    lanes = [Lane(way, clerk, supply, outbox.keyring) for way in ways
             for _ in range(min(way.connections, max(1, len(claimed) // EACH)))]
    try:
        for lane in lanes:
            lane.start()
        clerk.serve()
    except StoreError as error:  # nothing goes on without the ledger; what is claimed goes back into the queue
        clerk.drain(GOODBYE_S)
        done.stopped = str(error)
    except BaseException:
        clerk.drain(GOODBYE_S)
        raise
    for digest_id in heard_of:
        outbox.watch(digest_id)
    down = [state.down for state in supply.ways.values() if state.down]
    if len(down) == len(ways):
        done.stopped = done.stopped or "; ".join(down)
    else:
        done.troubles += [f"Nothing goes by {name}: {state.down}" for name, state in supply.ways.items() if state.down]


def recover(outbox: Outbox, worker: str) -> dict[DeliveryState, int]:
    """Settle what the leases of a worker still hold though none of its calls goes on: what was only claimed is queued
    again, what was handed over is looked for where the transport can look, and is else uncertain. Numbers by state."""
    settled = _settle_all(outbox, f"{worker}.")
    if settled:
        finish(outbox.store, outbox.now())
    return settled


def _settle_all(outbox: Outbox, prefix: str) -> dict[DeliveryState, int]:
    settled: dict[DeliveryState, int] = {}
    with outbox.store.read() as database:
        left = deliveries.leases(database, prefix)
    for lease in left:
        for state, number in _settle(outbox, lease).items():
            settled[state] = settled.get(state, 0) + number
    return settled


def _settle(outbox: Outbox, lease: str) -> dict[DeliveryState, int]:
    now = outbox.now()
    with outbox.store.write() as database:
        settled = {DeliveryState.QUEUED: deliveries.give_back(database, lease, now)}
        handed = deliveries.handed_by(database, lease)
    letters = Letters(outbox.store, outbox.signers)
    for one in handed:
        letter = letters.get(one.digest_id)
        envelope = letter.envelope(outbox.keyring, one.subscription_id, one.address)
        target, reason = decide_interrupted(arrived=outbox.transport.arrived(replace(envelope, lease=lease)))
        with outbox.store.write() as database:
            deliveries.settle(database, one.id, lease, target, reason, now)
            if decide_resend(target, letter.head.on_uncertain, covered=one.covered):
                deliveries.resend(database, one.id, now)
        settled[target] = settled.get(target, 0) + 1
    return settled


def decide_interrupted(*, arrived: bool | None) -> tuple[DeliveryState, str]:
    """What a delivery is whose worker died after handing it over, given whether it arrived (None: nobody can know)."""
    if arrived is None:
        return DeliveryState.UNCERTAIN, "the program stopped before the answer; maybe delivered"
    if arrived:
        return DeliveryState.SENT, "found delivered after an interruption"
    return DeliveryState.QUEUED, "nothing had arrived when the program stopped; sent again"


def finish(store: Store, now: datetime) -> list[int]:
    """Mark digests as done for which nobody waits any more; their ids. In a transaction of its own, after the
    outcomes are committed: two workers that record the last two rows at once must not both miss it."""
    with store.read() as database:
        open_digests = digests.listed(database, statuses=[DigestStatus.FROZEN, DigestStatus.SENDING])
        over = [d.id for d in open_digests if not deliveries.waiting(database, d.id)]
    if over:
        with store.write() as database:
            over = [i for i in over if not deliveries.waiting(database, i)
                    and digests.change(database, i, DigestStatus.DONE, done_at=now)]
    return over


def new_lease(worker: str) -> str:
    """A name for one call's rows. It starts with the worker's, which is how a dead worker's leases are found."""
    return f"{worker}.{token_hex(4)}"
