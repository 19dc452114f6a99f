"""Who may be asked now: jobs in the order in which their sites are free.

A site is a registrable domain, as the public suffix list has it: two blogs of one host are one site where the host runs
them, and two where it gives each its own name (a.github.io, b.github.io). One site is asked by few at a time, and not
again before some seconds have passed; meanwhile the other sites have their turn. Sites keep to the clock by themselves,
so that nobody waits in a thread for one of them while another could be asked.
"""

from __future__ import annotations

import heapq
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from ipaddress import ip_address, ip_network
from typing import Generic, TypeVar
from urllib.parse import urlsplit

import idna
from publicsuffixlist import PublicSuffixList

MAX_SPACING = timedelta(seconds=60)  # heeded of a Crawl-delay; what can't be read in this run is left to the next
JITTER = 0.25                        # of the spacing, added to it

_OWN_SUFFIXES = (".local", ".localhost", ".internal", ".lan", ".home.arpa")

Job = TypeVar("Job")


@dataclass(frozen=True, slots=True)
class Turn(Generic[Job]):
    """A job whose site is free: do it, then call `done` with this."""

    job: Job
    site: str


class Pace(Generic[Job]):
    """A queue of jobs for many threads: `put` all, `take` and `done` each, until `take` gives None.

    A job may put others before it is done. `clock` is monotonic seconds; `chance` a number in [0, 1).
    """

    def __init__(
        self, spacing: timedelta, *, per_site: int = 1, clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._spacing = spacing.total_seconds()
        self._per_site = max(1, per_site)
        self._clock = clock
        self._chance = chance
        self._sites: dict[str, _Site[Job]] = {}
        self._free: list[tuple[float, int, str]] = []  # (from when, in which order, site); each site once at most
        self._order = 0
        self._queued = self._running = 0
        self._closed = False
        self._changed = threading.Condition()

    def put(self, job: Job, site: str) -> None:
        """Queue a job. `site` is `site_of` its address; "" for one that needs no sparing. After `close` it is lost."""
        with self._changed:
            self._order += 1
            name = site or f" {self._order}"  # a site by itself, which no address can name
            entry = self._sites.setdefault(name, _Site(self._spacing))
            entry.jobs.append(job)
            self._queued += 1
            self._offer(name, entry)

    def take(self) -> Turn[Job] | None:
        """Return the next job as soon as its site is free; None once all are done, or after `close`. Blocks."""
        with self._changed:
            while True:
                found = self._next()
                if not isinstance(found, float):
                    if isinstance(found, Turn) and self._free:
                        self._changed.notify()  # somebody else is to watch for the next one
                    return found
                self._changed.wait(found if found < threading.TIMEOUT_MAX else None)

    def next(self) -> Turn[Job] | float | None:
        """Like `take`, without blocking: the seconds to wait where no site is free (inf: until one is done)."""
        with self._changed:
            return self._next()

    def done(self, turn: Turn[Job]) -> None:
        """Say that a job that was taken is over, well or not."""
        with self._changed:
            entry = self._sites[turn.site]
            entry.running -= 1
            self._running -= 1
            self._offer(turn.site, entry)
            if not self._queued and not self._running:
                self._changed.notify_all()

    def ahead(self, within_s: float) -> int:
        """How many jobs are not done, of those that were taken or can be within so many seconds; of the latter one
        stands for all."""
        with self._changed:
            return self._running + bool(self._free and self._free[0][0] <= self._clock() + within_s)

    def slow(self, site: str, spacing: timedelta) -> None:
        """Ask a site at most that often from its last request on, as its robots.txt wishes (Crawl-delay). The longest
        of several wishes counts, up to MAX_SPACING."""
        if not site:
            return
        with self._changed:
            entry = self._sites.setdefault(site, _Site(self._spacing))
            seconds = min(spacing, MAX_SPACING).total_seconds()
            if seconds > entry.spacing:
                entry.free_at += seconds - entry.spacing if entry.asked else 0.0
                entry.spacing = seconds

    def close(self) -> list[Job]:
        """End the queue: every `take` returns None, and the jobs that nobody took come back."""
        with self._changed:
            self._closed = True
            left = [job for entry in self._sites.values() for job in entry.jobs]
            for entry in self._sites.values():
                entry.jobs.clear()
            self._queued = 0
            self._changed.notify_all()
            return left

    def _next(self) -> Turn[Job] | float | None:
        if self._closed or not (self._queued or self._running):
            return None
        now = self._clock()
        while self._free:
            free_at, _, name = self._free[0]
            if free_at > now:
                return free_at - now
            heapq.heappop(self._free)
            entry = self._sites[name]
            entry.listed = False
            if entry.free_at > now:  # slowed down since
                self._offer(name, entry)
                continue
            job = entry.jobs.popleft()
            entry.running += 1
            entry.asked = True
            entry.free_at = now + entry.spacing * (1 + JITTER * self._chance())
            self._queued -= 1
            self._running += 1
            self._offer(name, entry)
            return Turn(job, name)
        return float("inf")

    def _offer(self, name: str, entry: _Site[Job]) -> None:
        """List a site among those that will be free, once, if it has a job and nobody too many at it."""
        if not entry.jobs or entry.listed or entry.running >= self._per_site:
            if not entry.jobs and not entry.running and name.startswith(" "):
                del self._sites[name]
            return
        entry.listed = True
        self._order += 1
        heapq.heappush(self._free, (max(entry.free_at, self._clock()), self._order, name))
        self._changed.notify()


@dataclass(slots=True)
class _Site(Generic[Job]):
    spacing: float                 # seconds between two starts
    jobs: deque[Job] = field(default_factory=deque)
    running: int = 0
    free_at: float = float("-inf")
    asked: bool = False
    listed: bool = False           # among the free, or those that will be


def site_of(url: str) -> str:
    """The registrable domain of an address; its host where that is an IP address, a single label, or a public suffix.

    The list is the one that came with the library: nothing is downloaded.
    """
    host = _host(url)
    return host if _address(host) else _suffixes().privatesuffix(host) or host


def is_own(url: str, allow_networks: tuple[str, ...]) -> bool:
    """Whether an address is the operator's own: in `allow_networks` of its source, or, where there are any, a name that
    only a local network knows. Such machines need no sparing."""
    host = _host(url)
    address = _address(host)
    if address is not None:
        return any(address in ip_network(name, strict=False) for name in allow_networks)
    return bool(allow_networks) and ("." not in host or host.endswith(_OWN_SUFFIXES))


def _host(url: str) -> str:
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
        return host if host.isascii() else idna.encode(host, uts46=True).decode("ascii")
    except (ValueError, UnicodeError):
        return ""


def _address(host: str) -> object | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


@cache
def _suffixes() -> PublicSuffixList:
    """Read once, when first asked: 60 ms."""
    return PublicSuffixList()
