"""deliver: outbox | claim | personalise | offer | hand over (durably) | commit | record.

One transaction a message does two things: it records what became of the message before, and it marks the next one
as handed over. Only then does the transport take the step that can't be taken back. Whatever dies, at most the one
message between that mark and its answer is in doubt, and it is listed as such.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from secrets import token_hex

from pipeline.deliver.letters import Letters
from pipeline.deliver.retry import HORIZON, next_try
from pipeline.deliver.transport import Connection, Transport
from pipeline.errors import BroadsheetError, StoreError, TransportError
from pipeline.mail.tokens import Keyring
from pipeline.model.deliveries import DeliveryState, Outcome
from pipeline.model.newsletters import DigestStatus
from pipeline.store import Connection as Database
from pipeline.store import deliveries, digests
from pipeline.store.deliveries import Claimed
from pipeline.store.engine import Store

CLAIM = 100
"""Deliveries claimed at a time."""

PATIENCE = 3
"""Times a transaction is tried again when the database is busy."""


@dataclass(slots=True)
class Delivered:
    """What one call did: numbers by state, and why a destination was stopped."""

    numbers: dict[DeliveryState, int] = field(default_factory=dict)
    stopped: str = ""        # the transport's reason for taking no more, "" where it took everything
    finished: list[int] = field(default_factory=list)

    def count(self, state: DeliveryState) -> None:
        self.numbers[state] = self.numbers.get(state, 0) + 1

    @property
    def total(self) -> int:
        return sum(self.numbers.values())


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a claimed delivery, not recorded yet. `resend`: it is uncertain, and goes out once more."""

    claimed: Claimed
    outcome: Outcome
    resend: bool = False


@dataclass(frozen=True, slots=True)
class Outbox:
    """What delivering needs. `lease` is this call's own name on the rows it takes."""

    store: Store
    keyring: Keyring
    transport: Transport
    lease: str
    now: Callable[[], datetime]
    progress: Callable[[DeliveryState], None] = lambda _state: None


def deliver(outbox: Outbox) -> Delivered:
    """Send everything that is due now. Returns when nothing is due any more, mail is stopped, or the transport can't.

    A message's own failure is an outcome, not an exception. TransportError comes out as `stopped`.
    """
    done = Delivered()
    with outbox.store.write() as database:
        deliveries.expire(database, outbox.now() - HORIZON, outbox.now())
    letters = Letters(outbox.store)
    connection: Connection | None = None
    try:
        while not done.stopped and (claimed := _claim(outbox)):
            try:
                connection = connection or outbox.transport.open()
            except TransportError as error:
                done.stopped = str(error)
                break
            letters.refresh()
            _send(outbox, connection, letters, claimed, done)
    finally:
        if connection is not None:
            connection.close()
        _settle(outbox, outbox.lease)  # nothing is left, unless something broke on the way
    done.finished = finish(outbox.store, outbox.now())
    return done


def recover(outbox: Outbox, worker: str) -> dict[DeliveryState, int]:
    """Settle what the leases of a worker still hold though none of its calls goes on: what was only claimed is queued
    again, what was handed over is looked for where the transport can look, and is else uncertain. Numbers by state."""
    settled: dict[DeliveryState, int] = {}
    with outbox.store.read() as database:
        left = deliveries.leases(database, f"{worker}.")
    for lease in left:
        for state, number in _settle(outbox, lease).items():
            settled[state] = settled.get(state, 0) + number
    if left:
        finish(outbox.store, outbox.now())
    return settled


def _settle(outbox: Outbox, lease: str) -> dict[DeliveryState, int]:
    now = outbox.now()
    with outbox.store.write() as database:
        settled = {DeliveryState.QUEUED: deliveries.give_back(database, lease, now)}
        handed = deliveries.handed_by(database, lease)
    letters = Letters(outbox.store)
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


def decide_resend(state: DeliveryState, on_uncertain: str, *, covered: bool) -> bool:
    """Whether a delivery that is now in `state` goes out again: once, where the operator asked for it. One that was
    uncertain before (`covered`) stays listed."""
    return state is DeliveryState.UNCERTAIN and on_uncertain == "resend" and not covered


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


def _claim(outbox: Outbox) -> list[Claimed]:
    with outbox.store.write() as database:
        claimed = deliveries.claim(database, outbox.lease, outbox.now(), CLAIM)
        for digest_id in {one.digest_id for one in claimed}:
            digests.change(database, digest_id, DigestStatus.SENDING)
    return claimed


def _send(
    outbox: Outbox, connection: Connection, letters: Letters, claimed: list[Claimed], done: Delivered
) -> None:
    """Send what was claimed, in order, and leave nothing of it without a recorded outcome."""
    before: Answer | None = None
    for one in claimed:
        on_uncertain = ""
        try:
            letter = letters.get(one.digest_id, one.selection_id)
            on_uncertain = letter.head.on_uncertain
            envelope, chunks = letter.message(outbox.keyring, one)
            refused = connection.offer(replace(envelope, lease=outbox.lease), chunks)
        except (TransportError, StoreError) as error:  # nothing goes on; what is claimed goes back into the queue
            done.stopped = str(error)
            break
        except (BroadsheetError, ValueError) as error:  # this one message can't be made: the others go on
            refused = Outcome(DeliveryState.FAILED, f"its message can't be made: {error}")
        mine = _hand_over(outbox, before, one if refused is None else None)
        before = None
        if refused is not None:
            outcome = refused
        elif not mine:  # unsubscribed, cancelled or stopped meanwhile: no dot
            connection.abandon()
            continue
        else:
            outcome = connection.commit()
        before = Answer(one, outcome, decide_resend(outcome.state, on_uncertain, covered=one.covered))
        done.count(outcome.state)
        outbox.progress(outcome.state)
        if outcome.stop:
            done.stopped = outcome.reason
            break
    _hand_over(outbox, before, None)


def _hand_over(outbox: Outbox, before: Answer | None, following: Claimed | None) -> bool:
    """Record the outcome before, and mark the delivery that follows; whether that one may go. One transaction."""
    def write(database: Database) -> bool:
        now = outbox.now()
        if before is not None:
            _record(outbox, database, before, now)
        return following is not None and following.id in deliveries.hand_over(
            database, [following.id], outbox.lease, now)

    if before is None and following is None:
        return False
    for attempt in range(PATIENCE):
        try:
            with outbox.store.write() as database:
                return write(database)
        except StoreError as error:
            if error.permanent or attempt == PATIENCE - 1:
                raise
    raise AssertionError("unreachable")


def _record(outbox: Outbox, database: Database, answer: Answer, now: datetime) -> None:
    one, outcome, retry_at = answer.claimed, answer.outcome, None
    if outcome.state is DeliveryState.DEFERRED:
        retry_at = next_try(one.attempts + 1, one.first_tried_at or now, now)
        if retry_at is None:
            outcome = replace(outcome, state=DeliveryState.FAILED, reason=f"given up after 48 h: {outcome.reason}")
    mine = deliveries.record(database, one.id, outbox.lease, outcome, now, retry_at=retry_at)
    if mine and answer.resend:
        deliveries.resend(database, one.id, now)


def new_lease(worker: str) -> str:
    """A name for one call's rows. It starts with the worker's, which is how a dead worker's leases are found."""
    return f"{worker}.{token_hex(4)}"
