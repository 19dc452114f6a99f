"""A score that can be worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.score import in_words, score

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(("hours", "points"), [
    (0, 100), (12, 71), (24, 50), (48, 25), (72, 12), (24 * 30, 0), (-5, 100)])
def test_freshness_halves_each_day_and_what_is_dated_ahead_is_no_fresher_than_now(hours: int, points: int) -> None:
    assert score(NOW - timedelta(hours=hours), NOW) == {"freshness": points, "sources": 0}


@pytest.mark.parametrize(("others", "points"), [(0, 0), (1, 20), (4, 80), (5, 100), (50, 100)])
def test_other_sources(others: int, points: int) -> None:
    assert score(NOW, NOW, others=others)["sources"] == points


def test_a_pin_is_worth_more_than_all_else() -> None:
    assert score(NOW, NOW, pinned=True) == {"freshness": 100, "sources": 0, "pin": 1000}
    most = sum(score(NOW, NOW, others=99).values())
    assert sum(score(NOW - timedelta(days=99), NOW, pinned=True).values()) > most


@pytest.mark.parametrize(("points", "said"), [
    ({"freshness": 43, "sources": 100}, "143 points: 43 for freshness, 100 for other sources of its story"),
    ({"freshness": 43, "sources": 0}, "43 points: 43 for freshness"),
    ({"freshness": 0, "sources": 0}, "0 points"),
    ({"freshness": 0, "sources": 20, "pin": 1000},
     "1,020 points: 20 for other sources of its story, 1,000 for your pin"),
    ({"luck": 7}, "7 points: 7 for luck"),
])
def test_in_words(points: dict[str, int], said: str) -> None:
    assert in_words(points) == said


@given(st.integers(0, 5000), st.integers(0, 5000), st.integers(0, 9))
def test_the_older_never_has_more(a: int, b: int, others: int) -> None:
    older, newer = (sum(score(NOW - timedelta(hours=h), NOW, others=others).values()) for h in (max(a, b), min(a, b)))
    assert older <= newer
