"""A process that reads untrusted bytes, one job after the other, until its parent goes away.

    job in | CPU meter on | work | answer out

Started by `pool`. Its standard input and output carry frames, and nothing else; it has no secrets, can write no
file, start no process, and is killed by the kernel when a job needs more CPU time, and refused memory when it needs
more of that. What it says is not believed: see `frames`.
"""

from __future__ import annotations

import fcntl
import gc
import os
import pickle
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

from pipeline.children.frames import encode
from pipeline.children.messages import (
    ANSWER,
    FAILED,
    JOB,
    NO_MEMORY,
    OUT_OF_MEMORY,
    READY,
    RESULT,
    UNEXPECTED,
    Failure,
)
from pipeline.errors import BroadsheetError

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

OPEN_FILES = 32                # enough to load a module
GROWN_BYTES = 32 * 1024 * 1024  # more than at the start, and the process is not worth keeping
NEARLY = 1024 * 1024           # bytes below a limit at which small allocations begin to be refused
MAX_WORDS = 2_000              # characters of an error's part


Work = Mapping[str, Callable[..., Any]]
"""Kind of work -> its function, called with the body and the job's arguments."""


def serve(answers_of: Mapping[str, object], work: Work) -> None:
    """Do jobs until standard input ends. `sys.argv[1]` is the memory in bytes that a job can have, beside the modules.

    `answers_of` has the type of each kind's answer.
    """
    _ordinary_signals()
    jobs = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)  # a library that prints something does not print it into a frame
    os.write(answers.fileno(), READY)
    os.dup2(null, 2)  # until here the parent listens to what goes wrong
    os.close(null)
    with suppress(OSError):
        fcntl.fcntl(jobs, fcntl.F_SETOWN, os.getpid())
    sys.unraisablehook = _unraisable
    gc.collect()
    gc.freeze()  # the modules stay: no collection need look at them again
    room = Room(int(sys.argv[1]))
    while _one(jobs, answers, room, partial(_work, answers_of, work)):
        pass
    os._exit(0)  # nothing here is worth tidying up


class Room:
    """The memory that a job may have, counted from what the process has before the first."""

    def __init__(self, most: int) -> None:
        sys.dont_write_bytecode = True  # no file can be written any more
        self._at_start = _address_space()
        self._resident_at_start = _resident()
        self._most = self._at_start + most
        self._limit = self._most
        if self._at_start:
            _limit(resource.RLIMIT_AS, self._most)
        _limit(resource.RLIMIT_FSIZE, 0)
        _limit(resource.RLIMIT_CORE, 0)
        _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
        _limit(resource.RLIMIT_NPROC, 0)

    def allow(self, memory: int) -> None:
        """Have the kernel refuse memory beyond `memory` bytes; at most what was said at the start."""
        if self._at_start:
            self._limit = min(self._at_start + memory, self._most)
            with suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_AS, (self._limit, self._most))

    def was_short(self) -> bool:
        """Whether the limit was met, whatever became of it: libraries take a refused allocation for a broken document,
        or for nothing at all, and answer with half of it. True for ever after, so the process has to end."""
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        if used < (self._limit - self._at_start) // 2:
            return False  # the usual case, told without a look into a file
        return self._at_start > 0 and _peak() >= self._limit - NEARLY

    def grew(self) -> bool:
        return _resident() > self._resident_at_start + GROWN_BYTES


def _ordinary_signals() -> None:
    """A signal that the parent ignores or its thread blocks would be so here too, and the CPU meter is a signal."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGPROF, signal.SIGXCPU, signal.SIGIO, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to act on


def _unraisable(unraisable: UnraisableHookArgs) -> None:
    """lxml can't raise out of a callback and goes on: a million times, where a million errors have no memory."""
    if issubclass(unraisable.exc_type, MemoryError):
        os._exit(OUT_OF_MEMORY)


def _limit(what: int, most: int) -> None:
    with suppress(ValueError, OSError):  # stricter already, or not known to this system
        resource.setrlimit(what, (most, most))


def _one(jobs: BinaryIO, answers: BinaryIO, room: Room, do: Callable[..., tuple[int, bytes]]) -> bool:
    """Do one job; say whether there may be another."""
    head = jobs.read(JOB.size)
    if len(head) < JOB.size:
        return False
    header_bytes, body_bytes, cpu_s, memory_bytes = JOB.unpack(head)
    kind, arguments = pickle.loads(jobs.read(header_bytes))  # noqa: S301 - the parent's own words
    room.allow(memory_bytes)
    try:
        body = jobs.read(body_bytes)
    except MemoryError:
        _say(answers, NO_MEMORY, b"", last=True)
        return False
    _signal_when_closed(jobs, os.O_ASYNC)
    signal.setitimer(signal.ITIMER_PROF, cpu_s)  # CPU time of this job alone; RLIMIT_CPU counts a process's life
    what, data = do(kind, body, arguments)
    del body, arguments
    signal.setitimer(signal.ITIMER_PROF, 0)
    _signal_when_closed(jobs, 0)
    if room.was_short():
        what, data = NO_MEMORY, b""
    last = what in (UNEXPECTED, NO_MEMORY) or room.grew()
    _say(answers, what, data, last=last)
    return not last


def _work(
    answers_of: Mapping[str, object], work: Work, kind: str, body: bytes, arguments: dict[str, object]
) -> tuple[int, bytes]:
    try:
        return RESULT, encode(answers_of[kind], work[kind](body, **arguments))
    except MemoryError:
        return NO_MEMORY, b""
    except BroadsheetError as error:
        if _for_want_of_memory(error):
            return NO_MEMORY, b""
        subject, cause, hint = (words[:MAX_WORDS] for words in (error.subject, error.cause, error.hint))
        return FAILED, encode(Failure, Failure(type(error).__name__, subject, cause, hint, error.permanent))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the parent's to tell
        return UNEXPECTED, encode(Failure, Failure(type(error).__name__))


def _for_want_of_memory(error: BaseException | None) -> bool:
    """A parser may take a failed allocation for a fault of the document."""
    for _ in range(10):
        if error is None:
            return False
        if isinstance(error, MemoryError) or "allocation failed" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _say(answers: BinaryIO, what: int, data: bytes, *, last: bool) -> None:
    pending = memoryview(ANSWER.pack(what, last, len(data)) + data)
    while pending:
        pending = pending[answers.write(pending):]


def _signal_when_closed(jobs: BinaryIO, flag: int) -> None:
    """While a job runs nobody reads `jobs`, so let its closing, when the parent was killed, be a signal: SIGIO, which
    ends a process on Linux. PR_SET_PDEATHSIG would not do: it fires when the *thread* that started this one ends."""
    with suppress(OSError):
        flags = fcntl.fcntl(jobs, fcntl.F_GETFL) & ~os.O_ASYNC
        fcntl.fcntl(jobs, fcntl.F_SETFL, flags | flag)


def _resident() -> int:
    """Bytes of memory in use; 0 where the system does not say."""
    return _statm(1)


def _address_space() -> int:
    return _statm(0)


def _statm(field: int) -> int:
    try:
        with open("/proc/self/statm", "rb", buffering=0) as statm:  # noqa: PTH123 - 3 times a Path's speed, each job
            return int(statm.read(200).split()[field]) * resource.getpagesize()
    except OSError:
        return 0


def _peak() -> int:
    """The largest address space that the process has had, in bytes; 0 where the system does not say."""
    try:
        with open("/proc/self/status", "rb") as status:  # noqa: PTH123 - as above
            return next((int(line.split()[1]) * 1024 for line in status if line.startswith(b"VmPeak:")), 0)
    except OSError:
        return 0
