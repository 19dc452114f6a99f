"""One long send, killed a thousand times on its way and started again each time.

    make faults                      1,000 kills
    FAULT_KILLS=5 make faults        100, twenty times as many as it says
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from pipeline.app import open_app
from pipeline.desk.audit import audit

pytestmark = pytest.mark.faults

KILLS = 20 * int(os.environ.get("FAULT_KILLS", "50"))
SEED = int(os.environ.get("FAULT_SEED", "20261122"))
CONNECTIONS = 4
MOST_PER_TURN = 12
PEOPLE = [f"reader{n}@example.org" for n in range(100 + KILLS * MOST_PER_TURN)]


@pytest.fixture(scope="module")
def stand(make_stand: Callable[..., Any]) -> Any:
    make_stand(PEOPLE[:20])    # by which it is learnt what is to be loaded
    return make_stand(PEOPLE)


def test_a_thousand_kills(stand: Any, tell: Callable[[str, Any], None]) -> None:
    draw = random.Random(SEED)
    folder: Path = stand.fresh()
    landed, killed = Counter[str](), 0
    first_s = 1.0     # until the first mail of a turn, as it was seen last
    app = open_app(folder / "config.toml")
    try:
        for turn in range(KILLS * 2):
            brought = stand.sink.number
            stand.victim.start(folder)
            began = time.monotonic()
            until = began + (draw.uniform(0.0, 1.5 * first_s) if turn % 2 else 30.0)
            wanted = brought + draw.randint(1, MOST_PER_TURN)
            while time.monotonic() < until and stand.sink.number < wanted and alive(stand.victim.pid):
                time.sleep(0.001)
            if not turn % 2:
                first_s = time.monotonic() - began
            with suppress(ProcessLookupError):
                os.kill(stand.victim.pid, signal.SIGKILL)
            ended = stand.victim.end()
            assert in_the_air(folder) <= CONNECTIONS
            found = audit(app, recount=True)
            assert found.holds, found
            if not ended.killed:
                assert ended.status == 0, ended.out
                break
            killed += 1
            landed["while mail went out" if stand.sink.number > brought else "before"] += 1
            if killed == KILLS:
                break
    finally:
        app.close()
    stand.finish(folder)
    verdict = stand.verdict(folder)
    tell("kill -9 at random moments of one long send",
         {"points": killed, "found": landed, "people": len(PEOPLE), "sent": verdict.count("sent"),
          "twice": len(verdict.twice), "lost": len(verdict.lost), "uncertain": verdict.count("uncertain")})
    assert verdict.faultless, (verdict.twice, verdict.lost, verdict.wrong)
    assert verdict.count("uncertain") <= CONNECTIONS * killed
    assert killed >= KILLS * 0.9
    assert landed["while mail went out"] >= killed // 3


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def in_the_air(folder: Path) -> int:
    """Messages that one process had handed over when it died."""
    with closing(sqlite3.connect(folder / "broadsheet.db")) as rows:
        return max((number for number, in rows.execute(
            "SELECT count(*) FROM deliveries WHERE state = 'handed' GROUP BY lease")), default=0)
