"""What is kept so that it need not be read or made again: up to a number of bytes, the least used dropped first."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from starlette.concurrency import run_in_threadpool

OVERHEAD = 300   # bytes that an entry costs besides its own

T = TypeVar("T")
Made = TypeVar("Made")


class Memory(Generic[T]):
    """May be used from any thread, but for `aside`, which is for the event loop."""

    def __init__(self, room: int) -> None:
        self._all = self._room = room
        self._kept: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._lock = threading.Lock()
        self._running: dict[Hashable, asyncio.Future[Any]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable) -> T | None:
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
            return found[0]

    def put(self, key: Hashable, value: T, size: int) -> None:
        """Keep it in place of what was kept there. Larger than all the room, it is not kept."""
        with self._lock:
            self._room += self._kept.pop(key, (None, 0))[1]
            if size + OVERHEAD > self._all:
                return
            self._kept[key] = (value, size + OVERHEAD)
            self._room -= size + OVERHEAD
            while self._room < 0:
                _, (_, dropped) = self._kept.popitem(last=False)
                self._room += dropped

    async def aside(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What `make` gives, in a thread. Whoever asks for the same meanwhile waits for the same run."""
        running: asyncio.Future[Made] | None = self._running.get(key)
        if running is None:
            running = asyncio.ensure_future(run_in_threadpool(make))
            self._running[key] = running
            running.add_done_callback(lambda _: self._running.pop(key, None))
        return await asyncio.shield(running)  # a reader who goes away ends nobody else's waiting
