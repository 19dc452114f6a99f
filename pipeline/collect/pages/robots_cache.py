"""robots.txt of the sites whose pages we read: from memory, from the store, or fetched, each origin once at a time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime, timedelta

from pipeline.collect.pages.robots import PageVerdict, decide_page, decide_robots
from pipeline.errors import FetchError, Refused
from pipeline.model.robots import Robots
from pipeline.net.fetch import Fetcher, HttpStatusError, Request
from pipeline.net.guard import check_url
from pipeline.store import robots as rows
from pipeline.store.engine import Store

IN_MEMORY = 500  # origins
MAX_CHARS = 10_000_000  # of robots.txt in memory
LOCKS = 64       # origins that can be asked at the same time, or a few fewer: their locks are shared

_Key = tuple[str, tuple[str, ...]]


class RobotsCache:
    """Answers from any thread. Two threads that want the same origin make one request; the second waits for it."""

    def __init__(self, store: Store, fetcher: Fetcher) -> None:
        self._store = store
        self._fetcher = fetcher
        self._locks = [threading.Lock() for _ in range(LOCKS)]
        self._memory: OrderedDict[_Key, Robots] = OrderedDict()
        self._memory_lock = threading.Lock()

    def may_fetch(self, url: str, now: datetime, allow_networks: tuple[str, ...] = ()) -> PageVerdict:
        """Say whether the page `url` may be fetched; asks its site's robots.txt where that is not known.

        Raises Refused where `url` is no address that may be asked at all.
        """
        return decide_page(self.robots_for(url, now, allow_networks), url)

    def robots_for(self, url: str, now: datetime, allow_networks: tuple[str, ...] = ()) -> Robots:
        """Return the robots.txt that holds for `url`. Blocks for one fetch at most.

        Never raises for what the site does: that it can't be reached is an answer. Raises Refused where `url` is no
        address that may be asked, and StoreError.
        """
        target = check_url(url, allow_networks)
        host = f"[{target.host}]" if ":" in target.host else target.host
        origin = f"{target.scheme}://{host}:{target.port}"
        key = (origin, allow_networks)
        if found := self._remembered(key, now):
            return found
        with self._locks[hash(key) % LOCKS]:
            if found := self._remembered(key, now):
                return found
            with self._store.read() as connection:
                known = rows.find(connection, origin)
            if known is None or known.expires_at <= now:
                known = self._fetched(origin, known, now, allow_networks)
            self._remember(key, known)
            return known

    def _fetched(self, origin: str, known: Robots | None, now: datetime, allow_networks: tuple[str, ...]) -> Robots:
        request = Request(f"{origin}/robots.txt", allow_networks=allow_networks, accept="text/plain, */*;q=0.1",
                          deltas=False)
        try:
            answer = self._fetcher.fetch(request)
        except Refused:
            # what this source may not ask another may (allow_networks): it is nobody else's answer, so it is not stored
            return decide_robots(origin, 0, b"", {}, now, known=known)
        except HttpStatusError as error:
            wish = None if error.retry_after_s is None else timedelta(seconds=error.retry_after_s)
            found = decide_robots(origin, error.status, b"", {}, now, known=known, retry_after=wish)
        except FetchError:
            found = decide_robots(origin, 0, b"", {}, now, known=known)
        else:
            found = decide_robots(origin, answer.status, answer.body, answer.headers, now, known=known)
        with self._store.write() as connection:
            rows.save(connection, found)
        return found

    def _remembered(self, key: _Key, now: datetime) -> Robots | None:
        with self._memory_lock:
            found = self._memory.get(key)
            if found is None or found.expires_at <= now:
                return None
            self._memory.move_to_end(key)
            return found

    def _remember(self, key: _Key, found: Robots) -> None:
        with self._memory_lock:
            self._memory[key] = found
            self._memory.move_to_end(key)
            while len(self._memory) > IN_MEMORY or sum(len(r.body) for r in self._memory.values()) > MAX_CHARS:
                self._memory.popitem(last=False)
