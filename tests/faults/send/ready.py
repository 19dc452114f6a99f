"""Runs Broadsheet's commands in forks of a process that has loaded the program, each under a tracer that counts its
system calls and makes a chosen one the last, or fail.

    python ready.py          jobs come as JSON, a line each, on standard input; answers go to standard output

strace counts each thread's calls apart, so that "the 7th pwrite64" is whichever thread comes to its seventh first, and
the first calls of a thread that writes late are never reached. Here all threads are counted together: a seccomp filter
stops those calls alone (ptrace(2), PTRACE_O_TRACESECCOMP), everything else runs at full speed.

A job: `folder` to run in, `words` of the command, `ahead_s` by which its clock is ahead, `prelude` (Python that is run
before), `watch` (names of calls), `at` (which of them, counted from 1; 0: none), `fault`: "KILL", "STOP" (a real
SIGSTOP, until SIGCONT and a line "wake"), "ENOSPC" or "EIO", with a "+" also for every later one. Answers:
{"started": pid}, perhaps {"stopped": name of the call}, and at last {"status", "calls": names of the calls in their
order, "out"}.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import importlib
import json
import os
import select
import signal
import struct
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

CALLS = {  # their numbers on x86_64
    "write": 1, "pwrite64": 18, "writev": 20, "sendto": 44, "recvfrom": 45, "sendmsg": 46, "fsync": 74, "fdatasync": 75,
    "ftruncate": 77, "pwritev": 296, "sendmmsg": 307, "pwritev2": 328,
}
WALL = 0x40000000
CONT, GETREGS, SETREGS, GETEVENTMSG, SEIZE, LISTEN = 7, 12, 13, 0x4201, 0x4206, 0x4208
OPTIONS = 0x02 | 0x04 | 0x08 | 0x80 | 0x100000   # fork, vfork, clone, seccomp; and nothing outlives the tracer
EVENT_SECCOMP, EVENT_STOP = 7, 128
RAX, ORIG_RAX, REGISTERS = 10, 15, 27            # of struct user_regs_struct, 8 bytes each
STOPPING = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def main() -> None:
    import typer.main

    from pipeline.cli.main import app

    built = typer.main.get_command(app)              # the same in each fork, and slow to build
    typer.main.get_command = lambda _app: built
    say({"ready": os.getpid()})
    while line := sys.stdin.readline():
        job = json.loads(line)
        if job.get("learn"):
            learn(job["learn"])
            say({"learnt": len(sys.modules)})
        else:
            run(job)


def say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


def learn(names: list[str]) -> None:
    """Load what the commands load, so that no fork has to."""
    for name in names:
        with suppress(Exception):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()


def run(job: dict[str, Any]) -> None:
    go, gate = os.pipe()
    watch = job.get("watch", [])
    child = os.fork()
    if not child:
        os.close(gate)
        os.read(go, 1)
        os._exit(command(job, watch))
    os.close(go)
    if watch:
        ptrace(SEIZE, child, OPTIONS)
    os.write(gate, b"!")
    os.close(gate)
    say({"started": child})
    if watch:
        status, calls = trace(child, watch, job.get("at", 0), job.get("fault", ""))
    else:
        status, calls = os.waitpid(child, 0)[1], []
    out = Path(job["folder"]) / "out"
    said = out.read_text(errors="replace")[-400_000:] if out.exists() else ""
    say({"status": status, "calls": calls, "out": said})


def command(job: dict[str, Any], watch: list[str]) -> int:
    os.chdir(job["folder"])
    out = os.open("out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for stream in (1, 2):
        os.dup2(out, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        set_clock(job.get("ahead_s", 0))
        exec(job.get("prelude", ""), {"__name__": "prelude"})
        if watch:
            stop_at_calls(watch)
        return play(job["words"])
    except BaseException:  # noqa: BLE001  # a fork must end here, whatever happens
        traceback.print_exc()
        return 99
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        if job.get("modules"):
            Path("modules").write_text("\n".join(sys.modules))


def play(words: list[str]) -> int:
    from pipeline.cli.main import main as broadsheet

    sys.argv = ["broadsheet", *words]
    try:
        broadsheet()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def set_clock(ahead_s: float) -> None:
    from datetime import UTC, datetime, timedelta

    import pipeline.app

    ahead = timedelta(seconds=ahead_s)
    pipeline.app.utc_now = lambda: datetime.now(UTC) + ahead


def stop_at_calls(names: list[str]) -> None:
    """From here on these calls of this process stop for its tracer (seccomp(2)). Each brings its place in `names`."""
    numbers = [CALLS[name] for name in names]
    code = [struct.pack("HBBI", 0x20, 0, 0, 0)]                                    # load the call's number
    for place, number in enumerate(numbers):
        code.append(struct.pack("HBBI", 0x15, 0, 1, number))                       # if it is this one …
        code.append(struct.pack("HBBI", 0x06, 0, 0, 0x7FF00000 | place))           # … stop for the tracer
    code.append(struct.pack("HBBI", 0x06, 0, 0, 0x7FFF0000))                       # else go on
    kept = ctypes.create_string_buffer(b"".join(code))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code), ctypes.addressof(kept)))
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "no seccomp filter on this system")


def trace(child: int, names: list[str], at: int, fault: str) -> tuple[int, list[str]]:
    """See the process to its end, whatever its threads do. (its status, the names of the calls)"""
    calls: list[str] = []
    held = 0     # the task that stands in front of the call, while its process is stopped
    kind, on = fault.rstrip("+"), fault.endswith("+")
    while True:
        task, status = os.waitpid(-1, WALL | os.WNOHANG * bool(held))
        if not task:
            if select.select([sys.stdin], [], [], 0.002)[0]:
                sys.stdin.readline()    # "wake"
                ptrace(CONT, held, 0)
                held = 0
            continue
        if not os.WIFSTOPPED(status):
            if task == child:
                return status, calls
            continue
        event, number, passed_on = status >> 16, os.WSTOPSIG(status), 0
        if event == EVENT_SECCOMP:
            message = ctypes.c_ulong()
            ptrace(GETEVENTMSG, task, ctypes.addressof(message))
            calls.append(names[message.value & 0xFF])
            if at and (len(calls) == at or (on and len(calls) > at)):
                inflict(kind, child, task)
                if kind == "STOP":
                    say({"stopped": calls[-1]})
                    held = task
                    continue
        elif event == EVENT_STOP and number in STOPPING:
            ptrace(LISTEN, task, 0)
            continue
        elif not event:
            passed_on = number
        ptrace(CONT, task, passed_on)


def inflict(kind: str, process: int, task: int) -> None:
    if kind == "KILL":
        os.kill(process, signal.SIGKILL)
    elif kind == "STOP":
        os.kill(process, signal.SIGSTOP)
    else:
        registers = (ctypes.c_ulonglong * REGISTERS)()
        ptrace(GETREGS, task, ctypes.addressof(registers))
        registers[ORIG_RAX] = 2 ** 64 - 1                       # no call at all, and this is what it returned
        registers[RAX] = 2 ** 64 - getattr(errno, kind)
        ptrace(SETREGS, task, ctypes.addressof(registers))


def ptrace(request: int, task: int, data: int) -> None:
    """A task that was killed meanwhile is no error."""
    if libc.ptrace(request, task, None, data) == -1 and ctypes.get_errno() != errno.ESRCH:
        raise OSError(ctypes.get_errno(), f"ptrace({request:#x}, {task})")


if __name__ == "__main__":
    main()
