"""What was claimed and waits to be sent: which connection gets what, and when, as far as pace and shares allow."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.deliver.pace import Limits, Pace
from pipeline.deliver.transport import Way
from pipeline.model.deliveries import DeliveryState, Outcome
from pipeline.store.deliveries import Claimed

PATIENCE_S = 30.0
"""Whoever's destination takes nothing for longer than this goes back into the queue until then."""

AHEAD = 50
"""Messages by which one relay may be ahead of its share."""

A_WHILE = timedelta(hours=1)
"""How long a domain that said no gets nothing, until that is written down."""

LOOK_S = 1.0
"""Seconds after which a connection that waits looks again by itself."""


@dataclass(slots=True)
class WayState:
    """A way out while this send goes on."""

    way: Way
    opening: int = 0        # connections that are being opened
    opened: int = 0         # and that are open
    given: int = 0          # messages
    down: str = ""          # why nothing goes there any more


class Supply:
    """The queue of one send. All methods may be called by any thread."""

    def __init__(
        self, ways: Sequence[Way], pace: Pace, claimed: Sequence[Claimed], now: Callable[[], datetime]
    ) -> None:
        self.ways = {way.name: WayState(way) for way in ways}
        self.claim = max(len(claimed), 2 * sum(way.connections for way in ways))   # rows, to have enough
        self.wake_writer: Callable[[], None] = lambda: None
        self._pace, self._now = pace, now
        for way in ways:
            pace.allow(way.name, Limits(rate=way.rate))
        self._changed = threading.Condition()
        self._queue = deque(claimed)
        self._later: list[tuple[Claimed, float]] = []
        self._stopped: dict[str, datetime] = {}      # domains, until when
        self._dry = self._closed = False

    def take(self, way: Way, *, wait: bool) -> Claimed | None:
        """The next delivery for a way; None where there is none (`wait`: and none will come)."""
        state = self.ways[way.name]
        with self._changed:
            while not (self._closed or state.down or (self._dry and not self._queue)):
                pause = self._pace.wait_s(way.name, time.monotonic()) if self._has_share(state) else None
                if pause is not None and pause > PATIENCE_S:
                    state.down = f"{way.name} asked us to slow down, and gets nothing for {pause:.0f} s"
                    break
                if pause == 0 and self._queue:
                    found, pause = self._pick()
                    if found is not None:
                        state.given += 1
                        self._pace.began(way.name, time.monotonic())
                        return found
                if not wait:
                    break
                self.wake_writer()
                self._changed.wait(pause or LOOK_S)
            return None

    def bars(self, way: Way, one: Claimed) -> bool:
        """Whether a delivery that was taken must not go after all: its way or its domain has just said no."""
        return self._closed or bool(self.ways[way.name].down) or domain_of(one.address) in self._stopped

    def ended(self, way: Way, one: Claimed, outcome: Outcome | None = None) -> None:
        """A delivery that was taken is under way no more. No outcome: nothing became of it."""
        slow = outcome.about or "relay" if outcome is not None and outcome.slow_down else ""
        taken = outcome is not None and outcome.state is DeliveryState.SENT
        now = time.monotonic()
        with self._changed:
            self._pace.ended(way.name, now, slow_down=slow == "relay", taken=taken)
            self._pace.ended(domain_of(one.address), now, slow_down=slow == "domain", taken=taken)
            if outcome is not None and outcome.stop and outcome.about != "domain":
                self.ways[way.name].down = self.ways[way.name].down or outcome.reason
            if outcome is not None and outcome.stop and outcome.about == "domain":
                self._stopped.setdefault(domain_of(one.address), self._now() + A_WHILE)  # the clerk says how long
            if not self._pace.is_free or len(self.ways) > 1:
                self._changed.notify_all()

    def put_back(self, way: Way, one: Claimed) -> None:
        """Another connection shall take it."""
        self.ended(way, one)
        with self._changed:
            self._queue.appendleft(one)
            self._changed.notify_all()

    def opening(self, way: Way) -> None:
        with self._changed:
            self.ways[way.name].opening += 1

    def opened(self, way: Way, problem: str = "") -> None:
        """A connection is open, or could not be opened. The way is down where nobody has one."""
        with self._changed:
            state = self.ways[way.name]
            state.opening -= 1
            state.opened += not problem
            if problem and not state.opened and not state.opening:
                state.down = problem
                self._changed.notify_all()

    def closed(self, way: Way) -> None:
        with self._changed:
            self.ways[way.name].opened -= 1

    # --- what the writing thread does with it -----------------------------------------------------------

    @property
    def wanted(self) -> int:
        """How many rows are to be claimed now."""
        low = len(self._queue) < self.claim // 2 and not self._dry and not self._closed
        return self.claim if low and any(not s.down for s in self.ways.values()) else 0

    def add(self, claimed: Sequence[Claimed]) -> None:
        """What was claimed; nothing means that there is nothing more."""
        with self._changed:
            self._queue.extend(claimed)
            self._dry = not claimed
            self._changed.notify_all()

    def postponed(self) -> list[tuple[Claimed, float]]:
        """Those whose destination takes nothing for so many seconds; they are here no more."""
        with self._changed:
            later, self._later = self._later, []
        return later

    def stop(self, domain: str, until: datetime) -> None:
        with self._changed:
            self._stopped[domain] = until

    @property
    def waiting(self) -> list[Claimed]:
        with self._changed:
            return list(self._queue)

    def drop(self, ids: Collection[int]) -> None:
        with self._changed:
            self._queue = deque(one for one in self._queue if one.id not in ids)

    def close(self) -> None:
        """Nobody gets anything any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    # --- with the lock held -----------------------------------------------------------------------------

    def _pick(self) -> tuple[Claimed | None, float | None]:
        """The first whose domain takes something now; else how long until one does, as far as that is known."""
        if self._pace.is_free and not self._stopped:
            found = self._queue.popleft()
            self._pace.began(domain_of(found.address), 0.0)
            return found, 0.0
        now = time.monotonic()
        shortest: float | None = None
        for _ in range(len(self._queue)):
            one = self._queue.popleft()
            domain = domain_of(one.address)
            until = self._stopped.get(domain)
            pause = (until - self._now()).total_seconds() if until else self._pace.wait_s(domain, now)
            if pause is not None and pause <= 0:
                self._pace.began(domain, now)
                return one, 0.0
            if pause is not None and pause > PATIENCE_S:
                self._later.append((one, pause))
                continue
            self._queue.append(one)
            if pause is not None:
                shortest = pause if shortest is None else min(shortest, pause)
        return None, shortest

    def _has_share(self, state: WayState) -> bool:
        """Whether a way is not ahead of what its weight gives it."""
        if len(self.ways) == 1:
            return True
        others = [s.given / s.way.weight for s in self.ways.values() if s.opened and not s.down and s is not state]
        return not others or state.given / state.way.weight <= min(others) + AHEAD


def domain_of(address: str) -> str:
    return address.rpartition("@")[2].lower()
