"""RSA signatures made beside the sender, in processes of their own, for sends that are large enough.

An RSA signature takes half a millisecond or more, several times what the rest of a message does, and `cryptography`
holds Python's lock meanwhile: all connections of a sender together would sign on one core. Processes (`penman`) sign on
the others, for 40 µs of this one. What they can't do is done here: a signature never fails because of them.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from weakref import finalize

from pipeline.mail.penman import READY

AFTER = 100     # signatures that are made here before a process is started: a few letters need none
MOST = 4        # processes; each takes some 25 MB
START_MS = 60_000    # for a process to be ready, on a machine that is busy with other things
PATIENCE_MS = 5000   # for a signature; who takes longer was stopped, and is let go
PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from pipeline.mail.penman import main; main()"

Process = subprocess.Popen[bytes]


class Penmen:
    """Signs with one key. `here` does it in this process; `key` is the same in PKCS #8 (DER), `length` a signature's in
    bytes. Used by any number of threads; the processes end with this object, or with this process."""

    def __init__(
        self, here: Callable[[bytes], bytes], key: bytes, length: int, *, at_once: int | None = None, after: int = AFTER
    ) -> None:
        self._here, self._key, self._length, self._after = here, key, length, after
        self._at_once = min(MOST, (os.cpu_count() or 1) - 1) if at_once is None else at_once
        self._made = 0
        self._free: SimpleQueue[Process] = SimpleQueue()
        self._all: list[Process] = []
        self._starting = threading.Lock()
        self._started = False
        finalize(self, _end, self._all)

    def __call__(self, digest: bytes) -> bytes:
        if self._at_once < 1:
            return self._here(digest)
        if not self._started:
            self._made += 1  # not exact among threads, and need not be
            if self._made > self._after:
                self._start()
            return self._here(digest)
        try:
            process = self._free.get_nowait()
        except Empty:  # all are busy: then this core has something to do, too
            return self._here(digest)
        try:
            signature = _ask(process, digest, self._length)
        except (OSError, ValueError):
            process.kill()  # it is not asked again; the others go on
            return self._here(digest)
        self._free.put(process)
        return signature

    def _start(self) -> None:
        """In a thread: nobody waits for it."""
        with self._starting:
            if self._started:
                return
            self._started = True
        for _ in range(self._at_once):
            with suppress(OSError):  # no more processes for this account: it goes on without
                self._all.append(subprocess.Popen(  # noqa: S603 - this very Python, and our own program
                    [sys.executable, "-c", PROGRAM, *sys.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL, bufsize=0))
        for process in self._all:
            threading.Thread(target=_introduce, args=(process, self._key, self._free), daemon=True).start()


def _introduce(process: Process, key: bytes, free: SimpleQueue[Process]) -> None:
    """Give a process its key; from when it is ready it may be asked."""
    with suppress(OSError, ValueError):
        _write(process, len(key).to_bytes(4, "big") + key)
        if _read(process, 1, START_MS) == READY:
            free.put(process)


def _ask(process: Process, digest: bytes, length: int) -> bytes:
    _write(process, digest)
    return _read(process, length, PATIENCE_MS)


def _write(process: Process, data: bytes) -> None:
    if process.stdin is None or process.stdin.write(data) != len(data):  # small: a pipe takes it in one piece
        raise ValueError("it is gone")


def _read(process: Process, length: int, wait_ms: int) -> bytes:
    data = b""
    if process.stdout is not None:
        waiting = select.poll()
        waiting.register(process.stdout, select.POLLIN)
        if waiting.poll(wait_ms):
            data = process.stdout.read(length) or b""
    if len(data) != length:
        raise ValueError("it is gone")
    return data


def _end(processes: list[Process]) -> None:
    """Close their input, upon which they go by themselves."""
    for process in processes:
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
    for process in processes:
        try:
            process.wait(1)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
