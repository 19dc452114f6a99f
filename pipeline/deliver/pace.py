"""How fast mail goes: to each relay, and to each domain of recipients. Decisions only; seconds come from the caller.

A destination that asks for less (421, 4.7.x) gets half as much at a time and a pause; each message that it takes
after that adds a little again, as TCP does (additive increase, multiplicative decrease).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 300.0
SLOWEST = 1 / 64        # of a configured rate
RECOVERY = 0.01         # of it, for each message taken


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator allows. None: no limit."""

    connections: int | None = None
    rate: float | None = None       # messages a second


@dataclass(slots=True)
class Throttle:
    """One destination. Times are seconds of any clock that only goes forward."""

    limits: Limits
    at_once: float = float("inf")   # messages under way, as far as it has asked for less
    share: float = 1.0              # of the rate, likewise
    pause_s: float = 0.0
    next_at: float = 0.0            # nothing begins before

    def wait_s(self, under_way: int, now: float) -> float | None:
        """Seconds until the next message may begin, 0: now; None: when one of those under way has ended."""
        most = min(self.at_once, self.limits.connections or float("inf"))
        if under_way >= max(1, int(most) if most != float("inf") else under_way + 1):
            return None
        return max(0.0, self.next_at - now)

    def began(self, now: float) -> None:
        if self.limits.rate is not None:
            self.next_at = max(self.next_at, now) + 1 / (self.limits.rate * self.share)

    def slow_down(self, under_way: int, now: float) -> None:
        self.at_once = max(1.0, min(self.at_once, under_way) / 2)
        self.share = max(SLOWEST, self.share / 2)
        self.pause_s = min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, self.pause_s * 2))
        self.next_at = max(self.next_at, now + self.pause_s)

    def taken(self) -> None:
        """A message arrived: a bit more of everything."""
        self.at_once += 1 / self.at_once
        self.share = min(1.0, self.share + RECOVERY)
        self.pause_s = 0.0

    @property
    def at_ease(self) -> bool:
        """Whether nothing limits it that it could forget about."""
        return self.limits == Limits() and self.at_once > 1000


class Pace:
    """All destinations, by name: relays ("mail.example:587") and domains. Outlives single sends; one thread at a time.
    """

    def __init__(self, allowed: Mapping[str, Limits] | None = None) -> None:
        self.allowed = allowed or {}
        self._throttles = {name: Throttle(limits) for name, limits in self.allowed.items()}
        self._under_way: Counter[str] = Counter()

    @property
    def is_free(self) -> bool:
        """Whether nobody is limited at all: most of the time."""
        return not self._throttles

    def allow(self, name: str, limits: Limits) -> None:
        """Limits of a relay, which its transport knows."""
        if limits != Limits() and name not in self._throttles:
            self._throttles[name] = Throttle(limits)

    def wait_s(self, name: str, now: float) -> float | None:
        throttle = self._throttles.get(name)
        return 0.0 if throttle is None else throttle.wait_s(self._under_way[name], now)

    def began(self, name: str, now: float) -> None:
        self._under_way[name] += 1
        if throttle := self._throttles.get(name):
            throttle.began(now)

    def ended(self, name: str, now: float, *, slow_down: bool = False, taken: bool = False) -> None:
        throttle = self._throttles.get(name)
        if slow_down:
            throttle = throttle or self._throttles.setdefault(name, Throttle(self.allowed.get(name, Limits())))
            throttle.slow_down(self._under_way[name], now)
        elif taken and throttle is not None:
            throttle.taken()
            if throttle.at_ease:
                del self._throttles[name]
        self._under_way[name] -= 1
        if not self._under_way[name]:
            del self._under_way[name]
