"""Names to addresses, each look-up in a thread that may be left behind: getaddrinfo can't be interrupted.

The threads are kept for the next look-up and end by themselves when there is none; starting one each time would cost
a poll a third of its CPU time.
"""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

from pipeline.errors import FetchError

Resolve = Callable[[str, int], Sequence[str]]
"""(host, port) -> IP addresses, in the order to try; raises socket.gaierror."""

MAX_LOOKUPS = 32
"""Under way at once; one that hangs keeps its thread until the system gives up, the next ones wait for their turn."""


def by_system(host: str, port: int) -> Sequence[str]:
    """The operating system's resolver: /etc/hosts, then DNS."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(info[4][0]) for info in found]


class NoSuchHost(FetchError):
    """A name that has no address."""


class Lookups:
    """Look-ups by `resolve` from any thread, each with a time limit. A thread idle for `idle_s` ends."""

    def __init__(self, resolve: Resolve, *, idle_s: float = 5.0) -> None:
        self._resolve = resolve
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._threads = 0
        self._idle: list[SimpleQueue[_Lookup]] = []  # the inboxes of threads with nothing to do, the last used last
        self._waiting: deque[_Lookup] = deque()

    def find(self, host: str, port: int, *, timeout_s: float, subject: str) -> Sequence[str]:
        """The addresses of a name. Raises TimeoutError, or FetchError in words; it names `subject`."""
        lookup = _Lookup(host, port)
        with self._lock:
            if self._idle:
                self._idle.pop().put(lookup)
            elif self._threads < MAX_LOOKUPS:
                self._threads += 1
                try:
                    threading.Thread(target=self._work, args=(lookup,), name="dns", daemon=True).start()
                except RuntimeError as error:
                    self._threads -= 1
                    raise FetchError(subject, f"no DNS look-up for {host}: {error}") from error
            else:
                self._waiting.append(lookup)
        try:
            answer = lookup.answer.get(timeout=timeout_s)
        except Empty:
            with self._lock:
                if lookup in self._waiting:
                    self._waiting.remove(lookup)
                    raise FetchError(subject, "too many DNS look-ups hang") from None
            raise TimeoutError from None
        if isinstance(answer, socket.gaierror) and answer.errno in (socket.EAI_NONAME, _NO_DATA):
            raise NoSuchHost(subject, f"DNS knows no host {host}", hint="check the spelling") from answer
        if isinstance(answer, Exception):
            raise FetchError(subject, f"DNS gave no answer for {host}: {answer}") from answer
        return answer

    def _work(self, lookup: _Lookup) -> None:
        inbox: SimpleQueue[_Lookup] = SimpleQueue()
        while True:
            answer: Sequence[str] | Exception
            try:
                answer = self._resolve(lookup.host, lookup.port)
            except Exception as error:  # noqa: BLE001 - whatever it is, the one who waits is told
                answer = error
            with self._lock:  # free again before the answer is out, so that whoever asks next finds this thread
                following = self._waiting.popleft() if self._waiting else None
                if following is None:
                    self._idle.append(inbox)
            lookup.answer.put(answer)
            if following is None:
                try:
                    following = inbox.get(timeout=self._idle_s)
                except Empty:
                    with self._lock:
                        if inbox in self._idle:
                            self._idle.remove(inbox)
                            self._threads -= 1
                            return
                    following = inbox.get()  # handed over at the last moment
            lookup = following


class _Lookup:
    __slots__ = ("answer", "host", "port")

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.answer: SimpleQueue[Sequence[str] | Exception] = SimpleQueue()


_NO_DATA = getattr(socket, "EAI_NODATA", socket.EAI_NONAME)
