"""The process that sends, as `broadsheet deliver` is one, and what it needs: started by `crowd`, told by its arguments.

    sender.py CONFIG NOW MOST     MOST: how many are sent before it stops, 0: everything that is due

It prints one JSON object: messages a second after the first tenth, the peak of its memory, how many modules it loaded.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from threading import Event, Thread

from pipeline.app import open_app
from pipeline.deliver.stage import deliver
from pipeline.jobs.outgoing import outbox
from pipeline.jobs.worker import Worker
from pipeline.model.deliveries import DeliveryState
from pipeline.store import meta


def main(config: str, now: str, most: int) -> None:
    first = most // 10
    marks: dict[int, float] = {}
    enough = Event()
    sent = 0

    def heard(_state: DeliveryState) -> None:
        nonlocal sent
        sent += 1
        if sent in (first + 1, most):
            marks[sent] = time.perf_counter()
        if sent == most:
            enough.set()

    moment = datetime.fromisoformat(now)
    app = open_app(Path(config), now=lambda: moment)

    def stop() -> None:
        enough.wait()
        with app.store.write() as connection:
            meta.put(connection, meta.OUTGOING_STOPPED, "the benchmark has enough")

    if most:
        Thread(target=stop, daemon=True).start()
    started = time.perf_counter()
    deliver(replace(outbox(app, Worker("benchmark")), progress=heard))
    took = time.perf_counter() - started
    with app.store.write() as connection:
        meta.remove(connection, meta.OUTGOING_STOPPED)
    app.close()
    if most not in marks and most:
        raise SystemExit(f"only {sent} of {most} were sent")
    rate = (most - first - 1) / (marks[most] - marks[first + 1]) if most else sent / took
    print(json.dumps({"per_s": rate, "peak_mb": peak_mb(), "modules": len(sys.modules)}))


def peak_mb() -> float:
    """What getrusage says of a new process begins with what its parent had (Linux, execve); the kernel's own line does
    not."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text(encoding="ascii").partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
