"""People leave while their digest goes out: at each call of the send it is stopped for as long as they do.

Nobody whose leaving is committed before their message is handed over gets it: the mail server says who did. The control
has no fence at the hand-over.
"""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.app import open_app
from pipeline.audience.subscriptions import unsubscribe
from pipeline.store import subscribers

pytestmark = pytest.mark.faults

STEP = int(os.environ.get("FAULT_STEP", "1"))
PEOPLE = [f"reader{n}@example.org" for n in range(20)]
CALLS = ("write", "sendto", "sendmsg", "recvfrom", "fdatasync")

NO_FENCE = """
import pipeline.store.handing as h
real = h.commit_group
def commit_group(connection, answered, following, now, **more):
    _, counted = real(connection, answered, following, now, **more)
    return {one.id for one in following}, counted
h.commit_group = commit_group
"""


@pytest.fixture(scope="module")
def stand(make_stand: Callable[..., Any]) -> Any:
    return make_stand(PEOPLE)


def test_whoever_has_left_gets_nothing(stand: Any, tell: Callable[[str, Any], None]) -> None:
    race = Race(stand, "")
    race.run(0, 1)
    tell("leaving while it goes out", race.told())
    assert race.mailed == []
    met = ("queued", "claimed", "handed", "sent") if STEP == 1 else ("claimed", "sent")
    assert all(race.were[state] for state in met), race.were


def test_control_without_the_fence(stand: Any, tell: Callable[[str, Any], None]) -> None:
    race = Race(stand, NO_FENCE)
    race.run(0, 2)
    tell("control, leaving without the fence", race.told())
    assert race.mailed


class Race:
    def __init__(self, stand: Any, prelude: str) -> None:
        self.stand, self.prelude = stand, prelude
        self.were: Counter[str] = Counter()       # what those who left were while the sender stood still
        self.points, self.later = 0, 0
        self.mailed: list[str] = []               # although they had left

    def told(self) -> dict[str, Any]:
        return {"points": self.points, "left": self.were.total(), "mailed all the same": len(self.mailed),
                "what they were": self.were, "had to wait for a transaction": self.later}

    def run(self, first: int, stride: int) -> None:
        draw = random.Random(first)
        for number in list(self.stand.calls(CALLS, STEP))[first::stride]:
            folder: Path = self.stand.fresh()
            victim = self.stand.victim
            victim.start(folder, watch=CALLS, at=number, fault="STOP", prelude=self.prelude)
            if victim.stopped() is None:
                victim.end()
                self.stand.done(folder)
                continue
            leaving = draw.sample(PEOPLE, 10)
            before = {} if self.stand.locked(folder) else self.stand.states(folder)
            others = Leavers(folder, leaving)
            if before:
                assert others.done(20)
            victim.wake()
            assert others.done(20)
            assert victim.end().status == 0
            self.stand.finish(folder)
            self._count(folder, leaving, before)
            self.stand.done(folder)

    def _count(self, folder: Path, leaving: list[str], before: dict[str, str]) -> None:
        self.points += 1
        self.later += not before
        self.were.update(before[one] for one in leaving if before)
        found = self.stand.verdict(folder)
        taken = {one["to"] for one in self.stand.sink.so_far() if one["taken"]}
        self.mailed += [one for one in leaving if one in taken and (
            before.get(one) in ("queued", "claimed") or found.states[one] == "excluded")]
        if not self.prelude:
            assert found.faultless, found


class Leavers(threading.Thread):
    """People who leave, each in a transaction of their own, from a process that is not the sender."""

    def __init__(self, folder: Path, leaving: list[str]) -> None:
        super().__init__()
        self.folder, self.leaving = folder, leaving
        self.left = 0
        self.start()

    def run(self) -> None:
        app = open_app(self.folder / "config.toml")
        try:
            for one in self.leaving:
                with app.store.read() as connection:
                    (found,) = subscribers.by_address(connection, one)
                unsubscribe(app.store, found.id, app.now(), "a test")
                self.left += 1
        finally:
            app.close()

    def done(self, seconds: float) -> bool:
        self.join(seconds)
        return self.left == len(self.leaving)
