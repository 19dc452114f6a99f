"""A send of 20 messages over 4 connections ends, or fails, at each of its calls; then it is started again.

    make faults                      every call
    FAULT_STEP=10 make faults        each tenth

Duplicates and losses are counted by the mail server. The positive controls are the same sweep on two broken programs:
one that writes `sent` down before it sends, one that takes a message without an answer for one that was not sent.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.faults

STEP = int(os.environ.get("FAULT_STEP", "1"))
PEOPLE = [f"reader{n}@example.org" for n in range(20)]
CONNECTIONS = 4
PARTS = 2                    # of a sweep, for two processes at once
SENDING = ("sendto", "sendmsg", "sendmmsg")
WRITING = ("write", "writev", "pwrite64", "pwritev", "fdatasync", "fsync")

MARKED_BEFORE = """
import pipeline.store.handing as h
from pipeline.model.deliveries import DeliveryState, Outcome
from pipeline.store import deliveries
real = h.commit_group
def commit_group(connection, answered, following, now, **more):
    going, counted = real(connection, answered, following, now, **more)
    for one in following:
        if one.id in going:
            deliveries.record(connection, one.id, one.lease, Outcome(DeliveryState.SENT, "as good as sent"), now)
    return going, counted
h.commit_group = commit_group
"""

RETRIED_AFTER = """
import pipeline.deliver.stage as s
from pipeline.model.deliveries import DeliveryState
s.decide_interrupted = lambda **_: (DeliveryState.QUEUED, "no answer came, so it was not sent")
"""


@pytest.fixture(scope="module")
def stand(make_stand: Callable[..., Any]) -> Any:
    return make_stand(PEOPLE)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("fault", ["KILL", "ENOSPC", "EIO"])
def test_every_call(stand: Any, tell: Callable[[str, Any], None], fault: str, part: int) -> None:
    sweep = Sweep(stand, SENDING + WRITING, fault, STEP, first=part, stride=PARTS)
    for number, trial in sweep.trials():
        assert trial.verdict.count("uncertain") <= CONNECTIONS, (number, trial)
    sweep.report(tell)
    assert sweep.faultless, sweep.violations
    assert sweep.points >= 3
    if STEP == 1:
        assert sweep.at.keys() >= {"sendto", "sendmsg", "write", "pwrite64", "fdatasync"}
        assert sweep.points > 100


def test_a_disk_that_stays_full(stand: Any, tell: Callable[[str, Any], None]) -> None:
    """From one call on all of them fail, until somebody makes room and starts again."""
    sweep = Sweep(stand, WRITING, "ENOSPC+", 5 * STEP)
    for number, trial in sweep.trials():
        assert trial.verdict.count("uncertain") <= CONNECTIONS, (number, trial)
    sweep.report(tell)
    assert sweep.faultless, sweep.violations


def test_control_marked_before_it_is_sent(stand: Any, tell: Callable[[str, Any], None]) -> None:
    sweep = Sweep(stand, SENDING, "KILL", min(STEP, 10), prelude=MARKED_BEFORE)
    for _ in sweep.trials():
        pass
    sweep.report(tell, "control, marked before it is sent: ")
    assert sweep.lost > 0


def test_control_retried_after_the_dot(stand: Any, tell: Callable[[str, Any], None]) -> None:
    sweep = Sweep(stand, (*SENDING, *WRITING), "KILL", 3 * STEP, prelude=RETRIED_AFTER)
    for _ in sweep.trials():
        pass
    sweep.report(tell, "control, retried after the dot: ")
    assert sweep.twice > 0


@pytest.mark.parametrize("what", [
    ["DELETE FROM deliveries WHERE batch_id = 1", "DELETE FROM batches WHERE id = 1"],
    ["DELETE FROM deliveries WHERE id = 7"],
    ["DELETE FROM deliveries WHERE id = 7", "UPDATE batches SET sent = sent - 1 WHERE id = 1"],
    ["UPDATE deliveries SET state = 'excluded' WHERE id = 7"],
], ids=["a dropped batch", "a deleted row", "a deleted row and its count", "a changed row"])
def test_control_the_audit_finds(stand: Any, what: list[str], tell: Callable[[str, Any], None]) -> None:
    folder = stand.fresh()
    stand.finish(folder)
    assert stand.victim.run(folder, "audit", "--json", "--recount").status == 0
    with closing(sqlite3.connect(folder / "broadsheet.db")) as rows:
        for statement in what:
            rows.execute(statement)
        rows.commit()
    ended = stand.victim.run(folder, "audit", "--json", "--recount")
    assert ended.status != 0
    assert '"holds": false' in ended.out or "missing" in ended.out, ended.out
    tell("audit", "finds a dropped batch, a deleted row, one whose count was mended, a changed row")
    stand.done(folder)


class Trial:
    def __init__(self, ended: Any, verdict: Any, ends: list[Any]) -> None:
        self.ended, self.verdict, self.ends = ended, verdict, ends

    def __repr__(self) -> str:
        return f"{self.ended} then {self.ends}: {self.verdict}"


class Sweep:
    """One trial for each call. What it counts."""

    def __init__(self, stand: Any, watch: tuple[str, ...], fault: str, step: int, *, first: int = 0, stride: int = 1,
                 prelude: str = "") -> None:
        self.stand, self.watch, self.fault, self.prelude = stand, watch, fault, prelude
        self.step, self.first, self.stride = step, first, stride
        self.at: Counter[str] = Counter()          # the calls that failed or were the last
        self.uncertain, self.most, self.points, self.twice, self.lost = 0, 0, 0, 0, 0
        self.violations: list[str] = []

    @property
    def faultless(self) -> bool:
        return not self.violations

    def trials(self) -> Iterator[tuple[int, Trial]]:
        beyond = 0
        for number in list(self.stand.calls(self.watch, self.step))[self.first::self.stride]:
            if beyond > 3:
                return
            folder: Path = self.stand.fresh()
            ended = self.stand.victim.run(folder, watch=self.watch, at=number, fault=self.fault, prelude=self.prelude)
            if len(ended.calls) < number:      # it had fewer this time
                beyond += 1
                self.stand.done(folder)
                continue
            assert ended.killed or self.fault != "KILL"
            ends = self.stand.finish(folder, prelude=self.prelude)
            trial = Trial(ended, self.stand.verdict(folder), ends)
            self._count(number, trial)
            yield number, trial
            self.stand.done(folder)

    def report(self, tell: Callable[[str, Any], None], what: str = "") -> None:
        tell(f"{what}{self.fault} at {'each' if self.step == 1 else 'some'} of the calls",
             {"points": self.points, "at": self.at, "twice": self.twice, "lost": self.lost, "uncertain": self.uncertain,
              "most uncertain at once": self.most})

    def _count(self, number: int, trial: Trial) -> None:
        found = trial.verdict
        self.points += 1
        self.at[trial.ended.calls[number - 1]] += 1
        self.twice += len(found.twice)
        self.lost += len(found.lost)
        self.uncertain += found.count("uncertain")
        self.most = max(self.most, found.count("uncertain"))
        if not found.faultless:
            self.violations.append(f"{self.fault} at {number} ({trial.ended.calls[number - 1]}): twice {found.twice}, "
                                   f"lost {found.lost}, {found.wrong}; {trial.ended.out} {[e.out for e in trial.ends]}")
