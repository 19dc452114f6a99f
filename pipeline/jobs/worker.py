"""A process that works: it says so in the database, gives signs of life, and is known to be dead when it is.

Two signs: a heartbeat in its row, which counts everywhere, and a locked file beside the database, which the system
frees the moment the process ends however it ends. The second makes recovery after a kill immediate on the same
machine; the first is what other machines have.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from secrets import token_hex

from filelock import FileLock, Timeout

from pipeline.errors import StoreError
from pipeline.store import runs
from pipeline.store.engine import Store

BEAT = timedelta(seconds=10)

EXPIRES = timedelta(seconds=90)
"""Silence after which a worker is taken for dead: longer than a writer waits for a busy database, several times."""

AHEAD = timedelta(minutes=1)
"""A heartbeat this far in the future was written by a clock that was wrong; it is no sign of life."""


@dataclass(frozen=True, slots=True)
class Worker:
    id: str


@contextmanager
def working(store: Store, folder: Path, now: Callable[[], datetime]) -> Iterator[Worker]:
    """Register a worker for as long as the block runs."""
    worker = Worker(f"w{token_hex(6)}")
    lock = FileLock(_lock_path(folder, worker.id))
    lock.acquire(blocking=False)
    stop = threading.Event()
    try:
        with store.write() as connection:
            runs.register(connection, worker.id, process=worker.id, host=socket.gethostname(), pid=os.getpid(),
                          now=now())
        pulse = threading.Thread(target=_beat, args=(store, worker.id, now, stop), name="heartbeat", daemon=True)
        pulse.start()
        try:
            yield worker
        finally:
            stop.set()
            pulse.join()
            with store.write() as connection:
                runs.end(connection, worker.id, now())
    finally:
        lock.release()
        _lock_path(folder, worker.id).unlink(missing_ok=True)


def bury_dead(store: Store, folder: Path, now: datetime, *, mine: str = "") -> list[str]:
    """Declare dead workers ended and give their runs back; their ids, whose deliveries are still to be settled.

    `mine` is the worker that asks: after its machine slept its own heartbeat looks old, and it is alive all the same.
    """
    host = socket.gethostname()
    with store.read() as connection:
        dead = [w.id for w in runs.living(connection) if w.id != mine
                if not _alive(w.heartbeat_at, now) or (w.host == host and _is_free(_lock_path(folder, w.process)))]
    for worker in dead:
        with store.write() as connection:
            runs.end(connection, worker, now)
        if _is_free(_lock_path(folder, worker)):  # whoever only sleeps still holds it, and will be known by it
            _lock_path(folder, worker).unlink(missing_ok=True)
    return dead


def _alive(heartbeat_at: datetime, now: datetime) -> bool:
    return now - EXPIRES <= heartbeat_at <= now + AHEAD


def _is_free(path: Path) -> bool:
    """Whether nobody holds the lock; a file that is gone is held by nobody."""
    if not path.exists():
        return True
    probe = FileLock(path)
    try:
        probe.acquire(blocking=False)
    except Timeout:
        return False
    probe.release()
    return True


def _lock_path(folder: Path, worker: str) -> Path:
    locks = folder / "locks"
    locks.mkdir(exist_ok=True)
    return locks / f"{worker}.lock"


def _beat(store: Store, worker: str, now: Callable[[], datetime], stop: threading.Event) -> None:
    while not stop.wait(BEAT.total_seconds()):
        try:
            with store.write() as connection:
                runs.beat(connection, worker, now())
        except StoreError:  # a busy database: the next beat comes soon, and one missed beat is no death
            continue
