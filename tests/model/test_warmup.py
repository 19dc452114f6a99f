"""The plan of a warm-up: which day it is, how many may go, and how a mail for everybody is spread."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.warmup import WarmUp, day_of, left_of, same_time_on, spread

PLAN = WarmUp(date(2026, 12, 1), (2, 3))


@pytest.mark.parametrize(("day", "number", "allowance"), [
    (date(2026, 11, 30), 0, None), (date(2026, 12, 1), 1, 2), (date(2026, 12, 2), 2, 3), (date(2026, 12, 3), 0, None)])
def test_a_day_of_the_plan(day: date, number: int, allowance: int | None) -> None:
    assert (PLAN.number(day), PLAN.allowance(day)) == (number, allowance)


def test_days_are_those_of_the_site() -> None:
    late = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)
    assert day_of(late, "Europe/Stockholm") == date(2026, 12, 1)
    assert day_of(late, "America/New_York") == date(2026, 11, 30)
    assert PLAN.last_moment("Europe/Stockholm") == datetime(2026, 12, 2, 23, 0, tzinfo=UTC)


def test_the_same_time_across_a_change_of_clocks() -> None:
    before = datetime(2026, 10, 24, 6, 0, tzinfo=UTC)  # 08:00 in Stockholm; the night after has 25 hours
    assert same_time_on(date(2026, 10, 25), before, "Europe/Stockholm") == datetime(2026, 10, 25, 7, 0, tzinfo=UTC)


def test_a_plan_that_was_made_shorter_has_no_places_left() -> None:
    assert (left_of(50, 20), left_of(50, 80)) == (30, 0)
    assert spread(PLAN, date(2026, 12, 1), {date(2026, 12, 1): 9}, 4) == {date(2026, 12, 2): 3, date(2026, 12, 3): 1}


PLANS = st.builds(WarmUp, st.just(date(2026, 12, 1)), st.lists(st.integers(1, 30), min_size=1, max_size=6).map(tuple))


@given(PLANS, st.integers(-3, 10), st.dictionaries(st.integers(0, 6), st.integers(0, 40)), st.integers(0, 200))
def test_everybody_is_given_a_day_and_no_day_too_many(
    plan: WarmUp, start: int, before: dict[int, int], people: int
) -> None:
    today = plan.since + timedelta(days=start)
    taken = {plan.since + timedelta(days=number): places for number, places in before.items()}
    days = spread(plan, today, taken, people)
    assert sum(days.values()) == people, "nobody is forgotten"
    assert list(days) == sorted(days)
    for day, places in days.items():
        assert day >= today
        allowance = plan.allowance(day)
        assert allowance is None or places + taken.get(day, 0) <= allowance
    for day in days:  # nobody waits while an earlier day has a place
        for earlier in plan.following(today):
            if earlier < day and (most := plan.allowance(earlier)) is not None:
                assert days.get(earlier, 0) + taken.get(earlier, 0) >= most
