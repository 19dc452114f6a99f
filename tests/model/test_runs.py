"""Which of the slots that have come due still run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.runs import LIVE, CatchUp, Slot, decide_due

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def slots(*late: timedelta) -> list[Slot]:
    return [Slot("daily", f"slot -{age}", NOW - age) for age in sorted(late, reverse=True)]


def decide(catch_up: str, *late: timedelta, most: timedelta = 3 * DAY) -> list[str]:
    """For each slot, oldest first: "" where it runs, else the beginning of the reason."""
    verdicts = decide_due(slots(*late), NOW, catch_up=CatchUp(catch_up), max_lateness=most)
    assert [v.slot for v in verdicts] == slots(*late)
    assert all(v.runs is (not v.reason) for v in verdicts)
    return [v.reason.partition(":")[0].partition(" by")[0] for v in verdicts]


@pytest.mark.parametrize(("catch_up", "expected"), [
    ("latest", ["missed", "superseded", "superseded", ""]),
    ("all", ["missed", "", "", ""]),
    ("none", ["missed", "missed", "missed", "missed"]),
])
def test_after_four_days_away(catch_up: str, expected: list[str]) -> None:
    assert decide(catch_up, 4 * DAY, 3 * DAY, 2 * DAY, DAY) == expected


@pytest.mark.parametrize("catch_up", list(CatchUp))
def test_one_that_is_due_now_runs_under_each_policy(catch_up: CatchUp) -> None:
    assert decide(catch_up, timedelta(0)) == [""]
    assert decide(catch_up, LIVE) == [""]


def test_none_lets_only_the_live_one_run() -> None:
    assert decide("none", LIVE + timedelta(seconds=1), timedelta(0)) == ["missed", ""]


def test_the_newest_in_time_runs_where_newer_ones_are_none() -> None:
    assert decide("latest", 2 * DAY, DAY, most=DAY) == ["missed", ""]
    assert decide("latest", 2 * DAY, DAY, most=DAY - timedelta(seconds=1)) == ["missed", "missed"]


def test_nothing_due() -> None:
    assert decide("latest") == []


def test_reasons_say_how_late_and_what_is_allowed() -> None:
    (late,) = decide_due(slots(3 * DAY), NOW, catch_up=CatchUp.LATEST, max_lateness=timedelta(minutes=90))
    assert late.reason == "missed: 72 h late, more than the 90 min that max_lateness allows"
    older, _ = decide_due(slots(DAY, timedelta(0)), NOW, catch_up=CatchUp.LATEST, max_lateness=2 * DAY)
    assert older.reason == "superseded by the later slot slot -0:00:00"


@given(st.lists(st.integers(0, 10_000), unique=True), st.sampled_from(CatchUp), st.integers(0, 10_000))
def test_how_many_run(minutes: list[int], catch_up: CatchUp, most: int) -> None:
    late = [timedelta(minutes=m) for m in minutes]
    verdicts = decide_due(slots(*late), NOW, catch_up=catch_up, max_lateness=timedelta(minutes=most))
    running = [v.slot for v in verdicts if v.runs]
    in_time = [m for m in minutes if m <= most]
    assert len(verdicts) == len(minutes)
    if catch_up is CatchUp.ALL:
        assert len(running) == len(in_time)
    elif catch_up is CatchUp.LATEST:
        assert [s.due_at for s in running] == ([NOW - timedelta(minutes=min(in_time))] if in_time else [])
    else:
        assert len(running) == sum(1 for m in in_time if m <= 5)
