"""The one who writes the ledger while many connections send.

Whatever waits when the clerk comes round is one durable transaction: outcomes first, then the marks of those that are
to be handed over next, then, where little is left, the next claim. While the disk is waited for, the next group
gathers: the more connections, the larger the groups.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from pipeline.deliver.letters import Letter, Letters
from pipeline.deliver.retry import next_try
from pipeline.deliver.supply import Supply, domain_of
from pipeline.errors import StoreError
from pipeline.model.deliveries import DeliveryState, Outcome
from pipeline.store import Connection as Database
from pipeline.store import deliveries, destinations, handing, suppressions
from pipeline.store.deliveries import Claimed
from pipeline.store.engine import Store
from pipeline.store.handing import Answered, NotAsThought

MOMENT_S = 0.05
"""How long an outcome waits for company when nobody waits for the transaction."""

COMPANY_S = 0.01
"""How long those who wait for a transaction wait for half of the connections."""

TRIES = 3
"""Times a transaction is tried again when the database is busy."""


Written_co = TypeVar("Written_co", covariant=True)


class Write(Protocol[Written_co]):
    def __call__(self, database: Database, *, one_by_one: bool) -> Written_co: ...


@dataclass(slots=True)
class Ask:
    """A delivery whose message is complete but for the dot: may it go? The answer is waited for once."""

    claimed: Claimed
    _gate: threading.Lock         # taken: it is open once there is an answer
    _granted: bool = False

    def wait(self) -> bool:
        self._gate.acquire()
        return self._granted

    def answer(self, *, granted: bool) -> None:
        self._granted = granted
        self._gate.release()


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a delivery. `resend`: it is uncertain, and goes out once more."""

    claimed: Claimed
    way: str
    outcome: Outcome
    resend: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """A destination that said no to us, and until when nothing goes there."""

    name: str
    outcome: Outcome
    until: datetime


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the clerk writes with. `claim` takes up to so many rows, in a transaction that it is given."""

    store: Store
    now: Callable[[], datetime]
    claim: Callable[[Database, int], list[Claimed]]
    retry_for: timedelta
    jitter: Callable[[], float]                                # between 0 and 1
    heard: Callable[[Told], None] = lambda _told: None         # of each outcome that was written down
    stopped: Callable[[Stop], None] = lambda _stop: None


class Clerk:
    """Connections call `ask` and `tell`; the thread that called `deliver` is in `serve`."""

    def __init__(self, ledger: Ledger, letters: Letters, supply: Supply) -> None:
        self._ledger, self._letters, self._supply = ledger, letters, supply
        self._work = threading.Condition()
        self._reading = threading.Lock()
        self._asks: list[Ask] = []
        self._told: list[Told] = []
        self._connections = 0
        self._closed = False
        self._broken: BaseException | None = None
        supply.wake_writer = self._wake

    def letter(self, one: Claimed) -> Letter:
        with self._reading:
            return self._letters.get(one.digest_id, one.selection_id)

    def ask(self, one: Claimed) -> Ask:
        gate = threading.Lock()
        gate.acquire()
        ask = Ask(one, gate)
        with self._work:
            if self._closed:
                ask.answer(granted=False)
            else:
                self._asks.append(ask)
                if len(self._asks) == 1 or self._enough:
                    self._work.notify()
        return ask

    def tell(self, told: Told) -> None:
        with self._work:
            self._told.append(told)

    def joined(self) -> None:
        with self._work:
            self._connections += 1

    def left(self, error: BaseException | None = None) -> None:
        with self._work:
            self._connections -= 1
            self._work.notify()
        if error is not None:
            self._end(error)

    def serve(self) -> None:
        """Write until every connection has left. What broke on the way ends them all, and comes out at the end."""
        while self._round():
            pass
        if self._broken is not None:
            raise self._broken

    def drain(self, seconds: float) -> None:
        """After an interruption: begin nothing new, and write down the answers that still come."""
        self._end(None)
        until = time.monotonic() + seconds
        while time.monotonic() < until and self._round():
            pass

    def _round(self) -> bool:
        """One transaction with everything that waits; False once nobody can come any more."""
        with self._work:
            if not (self._asks or self._supply.wanted or not self._connections):
                self._work.wait(MOMENT_S)
            until = time.monotonic() + COMPANY_S
            while self._asks and not self._enough and (left := until - time.monotonic()) > 0:
                self._work.wait(left)
            asks, self._asks = self._asks, []
            told, self._told = self._told, []
            over = not self._connections
        going: set[int] = set()
        try:
            going = self._write(asks, told)
        except BaseException as error:
            with self._work:
                self._told = told + self._told  # what is known is tried again for as long as somebody is here
            self._end(error)
            if not isinstance(error, Exception):
                raise
        finally:
            for ask in asks:
                ask.answer(granted=ask.claimed.id in going)
        if len(going) < len(asks):
            self._sort_out()
        return not over

    @property
    def _enough(self) -> bool:
        """Whether so many wait that their transaction is worth its price; the others keep the relay busy meanwhile."""
        return len(self._asks) * 2 >= self._connections or self._closed

    def _write(self, asks: list[Ask], told: list[Told]) -> set[int]:
        later, wanted = self._supply.postponed(), self._supply.wanted
        if not (asks or told or later or wanted):
            return set()
        ledger, now = self._ledger, self._ledger.now()

        def write(database: Database, *, one_by_one: bool) -> tuple[set[int], list[Stop], list[Claimed]]:
            going, stops = self._write_group(database, asks, told, now, one_by_one=one_by_one)
            for one, pause in later:
                deliveries.postpone(database, one.id, one.lease, now + timedelta(seconds=pause), now,
                                    destination=domain_of(one.address))
            return going, stops, ledger.claim(database, wanted) if wanted else []

        going, stops, claimed = self._durably(write)
        if claimed:
            with self._reading:
                self._letters.refresh()
        if wanted:
            self._supply.add(claimed)
        for stop in stops:
            self._supply.stop(stop.name, stop.until)
            ledger.stopped(stop)
        for said in told:
            ledger.heard(said)
        return going

    def _durably(self, write: Write[Written_co]) -> Written_co:
        """One transaction, tried again where the database is busy, and one by one where the quick way is none."""
        one_by_one, tries = False, 0
        while True:
            try:
                with self._ledger.store.write() as database:
                    return write(database, one_by_one=one_by_one)
            except NotAsThought:
                one_by_one = True
            except StoreError as error:
                tries += 1
                if error.permanent or tries == TRIES:
                    raise

    def _write_group(
        self, database: Database, asks: list[Ask], told: list[Told], now: datetime, *, one_by_one: bool
    ) -> tuple[set[int], list[Stop]]:
        of = {one.claimed.id: one for one in told}
        answered = [self._judged(one, now) for one in told]
        going, counted = handing.commit_group(
            database, answered, [ask.claimed for ask in asks], now, one_by_one=one_by_one)
        stops = [self._follow_up(database, one, of[one.claimed.id], now) for one in counted
                 if one.outcome.state is not DeliveryState.SENT]
        return going, [stop for stop in stops if stop is not None]

    def _judged(self, told: Told, now: datetime) -> Answered:
        one, outcome = told.claimed, told.outcome
        if outcome.state is not DeliveryState.DEFERRED:
            return Answered(one, outcome)
        retry_at = next_try(one.attempts + 1, one.first_tried_at or now, now, retry_for=self._ledger.retry_for,
                            expires_at=one.expires_at, jitter=self._ledger.jitter())
        if retry_at is None:
            reason = f"given up after {span(self._ledger.retry_for)}: {outcome.reason}"
            return Answered(one, replace(outcome, state=DeliveryState.FAILED, reason=reason))
        return Answered(one, outcome, retry_at)

    def _follow_up(self, database: Database, one: Answered, told: Told, now: datetime) -> Stop | None:
        """What else follows from an outcome, in its own transaction."""
        outcome, address = one.outcome, one.claimed.address
        if told.resend:
            deliveries.resend(database, one.claimed.id, now)
        if outcome.no_such_address:
            suppressions.suppress(database, address.lower(), f"no such address: {outcome.reason}", now)
        if not outcome.stop:
            return None
        name = domain_of(address) if outcome.about == "domain" else destinations.relay(told.way)
        return Stop(name, outcome, destinations.stop(database, name, outcome.reason, outcome.code, now))

    def _sort_out(self) -> None:
        """Somebody was not to be handed over: see who else of those that wait is not."""
        waiting = self._supply.waiting
        mine: set[int] = set()
        with self._ledger.store.read() as database:
            for lease in {one.lease for one in waiting}:
                mine |= deliveries.still_claimed(database, [one.id for one in waiting if one.lease == lease], lease)
        self._supply.drop({one.id for one in waiting} - mine)

    def _end(self, error: BaseException | None) -> None:
        with self._work:
            self._broken = self._broken or error
            self._closed = True
            asks, self._asks = self._asks, []
        for ask in asks:
            ask.answer(granted=False)
        self._supply.close()

    def _wake(self) -> None:
        with self._work:
            self._work.notify()


def span(length: timedelta) -> str:
    """How long was tried, as a reason says it: "48 h"; below an hour "20 min"."""
    minutes = round(length.total_seconds() / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes / 60:g} h"
