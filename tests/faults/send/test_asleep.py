"""A sender falls asleep (SIGSTOP), another one takes over when its lease has run out, and then the first wakes up.

At each moment of a send: before a message is handed over, between that and the dot, after the dot.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.faults

STEP = int(os.environ.get("FAULT_STEP", "1"))
PEOPLE = [f"reader{n}@example.org" for n in range(20)]
CONNECTIONS = 4
PAST_THE_LEASE_S = 120.0
CALLS = ("write", "sendto", "sendmsg", "recvfrom")


@pytest.fixture(scope="module")
def stand(make_stand: Callable[..., Any]) -> Any:
    return make_stand(PEOPLE)


def test_asleep_past_the_lease(stand: Any, tell: Callable[[str, Any], None]) -> None:
    at: Counter[str] = Counter()
    held: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for number in stand.calls(CALLS, STEP):
        folder: Path = stand.fresh()
        stand.victim.start(folder, watch=CALLS, at=number, fault="STOP")
        call = stand.victim.stopped()
        if call is None:
            stand.victim.end()
            continue
        if stand.locked(folder):    # in the middle of a transaction: then nobody can take over, and nobody needs to
            counts["in a transaction"] += 1
            stand.victim.wake()
            assert stand.victim.end().status == 0
        else:
            at[call] += 1
            held.update(set(stand.states(folder).values()))
            stand.finish(folder, later_s=PAST_THE_LEASE_S, by=stand.second)
            stand.victim.wake()
            woke = stand.victim.end()
            assert "Traceback" not in woke.out, woke.out
            stand.finish(folder, later_s=PAST_THE_LEASE_S)
        found = stand.verdict(folder)
        assert found.faultless, (number, call, found)
        assert found.count("uncertain") <= CONNECTIONS, (number, call, found)
        counts["uncertain"] += found.count("uncertain")
        stand.done(folder)
    tell("asleep past the lease while another takes over",
         {"points": at.total(), "at": at, **counts, "twice": 0, "lost": 0, "what they held": held})
    met = ("queued", "claimed", "handed", "sent") if STEP == 1 else ("claimed", "sent")
    assert all(held[state] for state in met), held
