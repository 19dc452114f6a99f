"""Untrusted bytes are read in child processes: reused, limited, and killed where they go too far.

    work() from any thread | a free child, or a new one | job out, answer in, by the clock | keep it, or replace it

What a document does to the process that reads it costs that one call. A child may use so much CPU time and memory
(it is held to these by the kernel), and so much time by the clock (it is killed by us); what it answers is bytes that
can only become a value of the expected type (see `frames`). It could still lie about what it read, until it is
replaced. This module loads no parser, so a poll in which nothing changed starts no child and stays small.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import pipeline
from pipeline import errors
from pipeline.children.footprint import give_large_blocks_back
from pipeline.children.frames import Forged, decode
from pipeline.children.messages import (
    ANSWER,
    FAILED,
    JOB,
    NO_MEMORY,
    OUT_OF_MEMORY,
    RESULT,
    UNEXPECTED,
    Failure,
)
from pipeline.errors import BroadsheetError, ParseError

MB = 1_000_000
READ_BYTES = 256 * 1024
PIPE_BYTES = 256 * 1024
"""A pipe's buffer: most documents go into it in one piece. The usual one is a quarter of that."""

PROGRAM = "import sys; sys.path[:] = sys.argv[2:]; from {module} import main; main()"
"""What a child runs: `main` of a module, which ends up in `child.serve`."""

_FAILURES: Mapping[str, type[BroadsheetError]] = MappingProxyType({
    kind.__name__: kind
    for kind in (BroadsheetError, errors.FetchError, errors.Refused, ParseError, errors.UsageError)
})


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """What reading one document may cost, and how long a child is kept.

    A large document may have more memory, but only one such is read at a time: so all children together stay within
    `large_memory_bytes`, and for each of the others `memory_bytes`, beside their modules (some 30 MB each).
    """

    cpu_s: float = 3.0             # of CPU time, and for each MB of the document more:
    cpu_s_per_mb: float = 1.0      # what is read at all is read in time that grows with its size
    most_cpu_s: float = 10.0
    wall_s: float = 30.0           # by the clock, on a machine that is busy with other things
    memory_bytes: int = 64 * MB
    large_memory_bytes: int = 112 * MB
    large_from_bytes: int = 2 * MB
    body_bytes: int = 24 * MB
    answer_bytes: int = 32 * MB
    jobs: int = 1_000              # then another child: none is trusted for ever
    start_s: float = 30.0

    def cpu_for(self, body_bytes: int) -> float:
        return min(self.cpu_s + self.cpu_s_per_mb * body_bytes / MB, self.most_cpu_s)

    def is_large(self, body_bytes: int) -> bool:
        return body_bytes >= self.large_from_bytes

    def memory_for(self, body_bytes: int) -> int:
        return self.large_memory_bytes if self.is_large(body_bytes) else self.memory_bytes


class TooCostly(ParseError):
    """Reading the document took too much time or memory, or ended the process that read it."""


class Stopped(BroadsheetError):
    """The children were closed before the document was read. It says nothing about the document."""

    permanent = False


class Children:
    """At most `at_once` child processes (None: one for each CPU), started when they are first needed.

    `answers` has the type of each kind's answer: a dataclass, or a union of some. `program` is what they run: Python
    that ends up in `child.serve`, or for a test in something worse.
    """

    def __init__(
        self, at_once: int | None = None, limits: ChildLimits | None = None, *, answers: Mapping[str, object],
        program: str,
    ) -> None:
        give_large_blocks_back()  # the documents that come by here are the largest blocks this process ever has
        self._at_once = at_once or _cpus()
        self._limits = limits or ChildLimits()
        self._answers = answers
        self._program = program
        self._changed = threading.Condition()
        self._idle: list[_Child] = []
        self._busy: set[_Child] = set()
        self._starting = 0
        self._large = False     # a large document is being read
        self._closed = False

    def work(self, kind: str, subject: str, body: bytes = b"", **arguments: object) -> Any:
        """Have a child do `WORK[kind](body, **arguments)`, and return its answer. Blocks; call it from any thread.

        `subject` names the document in errors. Raises what the work raises (always a BroadsheetError); TooCostly
        where a limit was met or the child died of it; ParseError where the work broke in a way that nobody
        foresaw; Stopped after `close`.
        """
        limits = self._limits
        if len(body) > limits.body_bytes:
            raise TooCostly(subject, f"is larger than the {limits.body_bytes / MB:g} MB that are read")
        header = pickle.dumps((kind, arguments), protocol=5)
        large = limits.is_large(len(body))
        child = self._take(subject, large=large)
        keep = False
        try:
            what, keep, data = child.ask(header, body, limits)
            return _answer(what, data, self._answers[kind], subject, limits.memory_for(len(body)))
        except _Broken as error:
            keep = False
            if self._closed:
                raise Stopped(subject, "reading was stopped") from error
            raise TooCostly(subject, str(error), hint="it was read in a process of its own, which was ended") from None
        except Forged as error:
            keep = False
            raise ParseError(subject, "broke the process that read it: what that answered makes no sense") from error
        finally:
            self._give_back(child, keep=keep and not large and child.jobs < limits.jobs, large=large)

    def close(self) -> None:
        """End all children, also while calls are under way: these raise Stopped. Twice is once."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
            busy = list(self._busy)
            self._changed.notify_all()
        for child in (*busy, *idle):
            child.kill()
        for child in idle:
            child.end()
        with self._changed:  # those who wait for an answer see its end, and tidy up themselves
            self._changed.wait_for(lambda: not self._busy and not self._starting, timeout=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take(self, subject: str, *, large: bool) -> _Child:
        """A child that is ready, the caller's alone until it is given back."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._may_have(large=large))
                if self._closed:
                    raise Stopped(subject, "reading was stopped")
                self._large = self._large or large
                child = self._idle.pop() if self._idle else None
                if child is None:
                    self._starting += 1
                    break
                self._busy.add(child)
            if child.is_ready():
                return child
            self._give_back(child, keep=False, large=large)  # it died while nobody looked
        return self._start(subject, large=large)

    def _may_have(self, *, large: bool) -> bool:
        free = self._idle or len(self._busy) + self._starting < self._at_once
        return bool(free) and not (large and self._large)

    def _start(self, subject: str, *, large: bool) -> _Child:
        child = None
        try:
            child = _Child(self._program, self._limits.large_memory_bytes)
            with self._changed:
                self._busy.add(child)
                if self._closed:  # after `close` looked for what to kill
                    child.kill()
            child.await_ready(self._limits.start_s)
        except BaseException as error:
            self._give_back(child, keep=False, large=large)
            if self._closed:
                raise Stopped(subject, "reading was stopped") from error
            raise
        finally:
            with self._changed:
                self._starting -= 1
                self._changed.notify_all()
        return child

    def _give_back(self, child: _Child | None, *, keep: bool, large: bool) -> None:
        with self._changed:
            keep = keep and not self._closed
            if keep and child is not None:
                self._idle.append(child)
                self._busy.discard(child)
        try:
            if child is not None and not keep:
                child.end()
        finally:
            with self._changed:
                if child is not None:
                    self._busy.discard(child)
                self._large = self._large and not large
                self._changed.notify_all()


class _Broken(Exception):
    """The child died, or had to be killed; the message says of what, as the cause of a document's error."""


class _Child:
    """One process, with the pipes to and from it. All but `kill` belongs to the thread that has it."""

    def __init__(self, program: str, memory_bytes: int) -> None:
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this very Python, our own program
                [sys.executable, "-I", "-S", "-c", program, str(memory_bytes), *_import_paths()],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, cwd="/",
                env={"LC_ALL": "C.UTF-8", "TZ": "UTC", **_library_paths()},
                process_group=0,  # Ctrl-C in a terminal goes to the parent alone
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise _cannot_start(str(error)) from error
        streams = self._process.stdin, self._process.stdout, self._process.stderr
        self._to, self._from, self._errors = (stream.fileno() for stream in streams if stream)
        for end in (self._to, self._from):
            os.set_blocking(end, False)
            if sys.platform == "linux":
                with suppress(OSError):  # more than this user may have
                    fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._poll = select.poll()
        self._poll.register(self._from, select.POLLIN)
        self.jobs = 0
        self.ended = False

    def await_ready(self, seconds: float) -> None:
        """Wait until it has loaded what it needs. That it can't is the machine's fault and no document's."""
        if not self._poll.poll(seconds * 1000):
            raise _cannot_start(f"it was not ready after {seconds:g} s")
        if not os.read(self._from, 1):
            said = os.read(self._errors, 8192).decode(errors="replace").strip().rpartition("\n")[2]
            raise _cannot_start(said[:500] or f"it ended with {self._how_it_ended()}")
        if self._process.stderr:
            self._process.stderr.close()

    def is_ready(self) -> bool:
        """Whether it lives and has not said a word since its last answer."""
        return not self._poll.poll(0) and self._process.poll() is None

    def ask(self, header: bytes, body: bytes, limits: ChildLimits) -> tuple[int, bool, bytearray]:
        """Return (what it is, whether the child goes on, the answer's bytes). Raises _Broken."""
        self.jobs += 1
        cpu_s = limits.cpu_for(len(body))
        deadline = time.monotonic() + max(limits.wall_s, cpu_s)
        memory = limits.memory_for(len(body))
        pending = [memoryview(JOB.pack(len(header), len(body), cpu_s, memory) + header), memoryview(body)]
        answer = bytearray()
        size = ANSWER.size
        if self._write(pending):
            self._poll.register(self._to, select.POLLOUT)
        try:
            while len(answer) < size:
                left = deadline - time.monotonic()
                events = self._poll.poll(left * 1000) if left > 0 else []
                if not events:
                    raise _Broken(f"took longer than {max(limits.wall_s, cpu_s):.3g} s to read")
                for end, _ in events:
                    if end == self._to:
                        if not self._write(pending):
                            self._poll.unregister(self._to)
                        continue
                    data = os.read(self._from, READ_BYTES)
                    if not data:
                        raise _Broken(self._why_it_died(cpu_s, memory))
                    answer += data
                    if size == ANSWER.size <= len(answer):
                        size += ANSWER.unpack_from(answer)[2]
                        if size > limits.answer_bytes:
                            raise _Broken(f"holds more than the {limits.answer_bytes / MB:g} MB that are kept of it")
        finally:
            if pending:
                with suppress(KeyError):
                    self._poll.unregister(self._to)
        what, last, _ = ANSWER.unpack_from(answer)
        if len(answer) > size:
            raise Forged("more than an answer")
        del answer[: ANSWER.size]
        return what, not last and not pending, answer

    def kill(self) -> None:
        """End the process at once, from any thread."""
        self._process.kill()

    def end(self) -> None:
        """Kill, reap, and close the pipes."""
        self.ended = True
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream:
                stream.close()

    def _write(self, pending: list[memoryview]) -> bool:
        """Write what the pipe takes; say whether there is more to come."""
        try:
            while pending:
                written = os.write(self._to, pending[0]) if pending[0] else 0
                pending[0] = pending[0][written:]
                if not pending[0]:
                    del pending[0]
        except BlockingIOError:
            return True
        except BrokenPipeError:  # what it died of is learnt at the other pipe
            return False
        return False

    def _why_it_died(self, cpu_s: float, memory: int) -> str:
        how = self._how_it_ended()
        if how in ("SIGPROF", "SIGXCPU"):
            return f"took longer than {cpu_s:.3g} s to read"
        if how in ("SIGABRT", f"status {OUT_OF_MEMORY}"):  # nh3 knows no other answer to a refused allocation
            return _too_much_memory(memory)
        return f"broke the process that read it, which ended with {how}"

    def _how_it_ended(self) -> str:
        try:
            status = self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            return "its pipe closed"
        try:
            return signal.Signals(-status).name if status < 0 else f"status {status}"
        except ValueError:
            return f"signal {-status}"


def _answer(what: int, data: bytearray, kind: object, subject: str, memory: int) -> Any:
    if what == RESULT:
        return decode(kind, data)
    if what == NO_MEMORY:
        raise TooCostly(subject, _too_much_memory(memory), hint="it was read in a process of its own, which was ended")
    if what not in (FAILED, UNEXPECTED):
        raise Forged("an answer of no known kind")
    failure = decode(Failure, data)
    if what == UNEXPECTED:
        raise ParseError(subject, f"could not be read: {failure.name[:60]}",
                         hint="that is a fault of this program; the document is tried again with its next version")
    error = _FAILURES.get(failure.name, ParseError)
    raise error(failure.subject, failure.cause, hint=failure.hint, permanent=failure.permanent)


def _too_much_memory(memory: int) -> str:
    return f"needed more than {memory / MB:g} MB of memory to read"


def _cannot_start(why: str) -> BroadsheetError:
    return BroadsheetError("children", f"no process to read documents in could be started: {why}", permanent=False)


def _import_paths() -> list[str]:
    """Where this process finds its modules, whatever brought it there: a venv, a .pth file, the working directory."""
    paths = [str(Path(path).absolute()) for path in sys.path]
    home = str(Path(pipeline.__file__).absolute().parent.parent)
    return list(dict.fromkeys([*paths, home]))


def _library_paths() -> dict[str, str]:
    """What the dynamic loader of some installations needs; of the environment nothing else is passed on."""
    return {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if name in os.environ}


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
