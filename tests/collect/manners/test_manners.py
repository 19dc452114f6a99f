"""How often a source is asked: what the operator, its server, its document and its own habits have to say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.collect.manners.intervals import (
    DAILY,
    HOURLY,
    MAX_RETRY_AFTER,
    Interval,
    Rhythm,
    Validators,
    decide_gone,
    decide_interval,
    decide_retry,
    decide_rhythm,
    decide_validators,
    next_poll,
    ours_is_down,
    say,
)
from pipeline.model.sources import Hints, SourceStanding

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)  # a Sunday
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
KNOWN = Validators('"v1"', "")


def interval(**given: Any) -> Interval:
    told = {"every": None, "headers": {}, "hints": Hints(), "rhythm": Rhythm(), "validators": KNOWN, "now": NOW}
    return decide_interval(**{**told, **given})


@pytest.mark.parametrize(
    ("given", "hours", "why"),
    [
        ({}, 1, "hourly"),
        ({"every": 5 * MINUTE}, 1 / 12, "`every` says 5 minutes"),
        ({"every": 168 * HOUR}, 168, "`every` says 7 days"),
        ({"headers": {"cache-control": "max-age=7200"}}, 2, "its server asks for 2 hours (Cache-Control)"),
        ({"headers": {"cache-control": "max-age=60"}}, 1, "hourly"),
        ({"headers": {"cache-control": "max-age=9000000"}}, 24, "for 104.2 days (Cache-Control), of which"),
        ({"headers": {"expires": "Sun, 22 Nov 2026 15:00:00 GMT"}}, 3, "(Expires)"),
        ({"hints": Hints(ttl=4 * HOUR)}, 4, "its document asks for 4 hours (<ttl>"),
        ({"hints": Hints(ttl=4 * HOUR), "headers": {"cache-control": "max-age=7200"}}, 4, "<ttl>"),
        ({"hints": Hints(ttl=2 * HOUR), "headers": {"cache-control": "max-age=14400"}}, 4, "Cache-Control"),
        ({"hints": Hints(ttl=1000 * HOUR)}, 24, "of which 24 hours are heeded"),
        ({"every": 5 * MINUTE, "headers": {"cache-control": "max-age=7200"}}, 2, "its server asks"),
        ({"every": 5 * MINUTE, "hints": Hints(ttl=HOUR)}, 1, "<ttl>"),
        ({"every": 48 * HOUR, "hints": Hints(ttl=1000 * HOUR)}, 48, "`every`"),
        ({"validators": Validators()}, 24, "daily, as its server gives neither ETag nor Last-Modified"),
        ({"validators": Validators(last_modified="yesterday")}, 1, "hourly"),
        ({"validators": Validators(), "every": HOUR}, 1, "`every`"),
        ({"rhythm": Rhythm(HOUR, NOW)}, 1, "hourly"),
        ({"rhythm": Rhythm(24 * HOUR, NOW)}, 6, "it publishes every 24 hours or so"),
        ({"rhythm": Rhythm(24 * 90 * HOUR, NOW)}, 24, "it publishes every 90 days"),
        ({"rhythm": Rhythm(24 * HOUR, NOW - 40 * HOUR)}, 6, "every 24 hours"),
        ({"rhythm": Rhythm(24 * HOUR, NOW - 96 * HOUR)}, 12, "it published nothing for 4 days"),
        ({"rhythm": Rhythm(HOUR, NOW - 9000 * HOUR)}, 24, "nothing for 375 days"),
        ({"rhythm": Rhythm(newest=NOW - 80 * HOUR)}, 10, "nothing for"),
        ({"rhythm": Rhythm(24 * HOUR, NOW + 20 * HOUR)}, 6, "every 24 hours"),
        ({"rhythm": Rhythm(24 * 90 * HOUR, NOW), "every": HOUR}, 1, "`every`"),
        ({"pushed": True}, 6, "its hub tells us"),
        ({"pushed": True, "rhythm": Rhythm(48 * HOUR, NOW)}, 12, "it publishes"),
        ({"pushed": True, "validators": Validators()}, 24, "neither ETag"),
        ({"pushed": True, "every": HOUR}, 1, "`every`"),
        ({"hints": Hints(skip_hours=(3, 4))}, 1, "else was said; not when its skipHours rule it out"),
        ({"hints": Hints(skip_days=(5, 6), skip_hours=(1,))}, 1, "skipHours and skipDays"),
        ({"hints": Hints(skip_hours=tuple(range(24)))}, 1, "hourly, as nothing else was said"),
    ],
)
def test_the_longest_wish_decides_and_says_so(given: dict[str, Any], hours: float, why: str) -> None:
    found = interval(**given)
    assert found.span == hours * HOUR
    assert why in found.reason
    assert "rule it out" in why or "skip" in why or "rule it out" not in found.reason


hours = st.integers(0, 5000).map(lambda n: n * HOUR)


@given(every=st.none() | st.integers(1, 20_000).map(lambda n: n * MINUTE), age=st.integers(0, 10**12), ttl=hours,
       gap=hours, silent=hours, validators=st.sampled_from([KNOWN, Validators()]), pushed=st.booleans())
def test_an_interval_keeps_its_bounds_whatever_is_said(
    every: timedelta | None, age: int, ttl: timedelta, gap: timedelta, silent: timedelta, validators: Validators,
    pushed: bool,
) -> None:
    found = interval(every=every, headers={"cache-control": f"max-age={age}"}, hints=Hints(ttl=ttl),
                     rhythm=Rhythm(gap, NOW - silent), validators=validators, pushed=pushed)
    assert found.reason
    assert (every or HOURLY) <= found.span <= max(every or HOURLY, DAILY)
    assert found.span >= min(timedelta(seconds=age), DAILY)
    assert found.span >= min(ttl, DAILY)
    if every is None and not validators:
        assert found.span == DAILY


# --- rhythm ---


def times(*hours_ago: float) -> list[datetime]:
    return [NOW - ago * HOUR for ago in hours_ago]


@pytest.mark.parametrize(
    ("published", "hours"),
    [
        ([], 0),
        (times(5), 0),
        (times(0, 24, 48, 72), 24),
        (times(72, 0, 48, 24), 24),
        (times(0, 24, 24.1, 24.2, 24.3, 24.4, 48), 24),             # an evening's five are one
        (times(0, 1, 2, 3, 9000), 1),                               # the median: one old page is no rhythm
        (times(*(24 * n for n in range(20)), *(9000 + n for n in range(500))), 24),
        ([NOW] * 50, 0),                                            # every date is the time of building
        (times(*(n / 6 for n in range(60))), 1),
    ],
)
def test_a_rhythm_is_the_median_gap_of_the_newest(published: list[datetime], hours: float) -> None:
    assert decide_rhythm(published) == Rhythm(hours * HOUR, max(published, default=None))


@given(st.lists(st.datetimes(datetime(1990, 1, 1), datetime(2026, 11, 23), timezones=st.just(UTC)), max_size=60))  # noqa: DTZ001
def test_a_rhythm_depends_on_no_order_and_is_hours_apart(published: list[datetime]) -> None:
    rhythm = decide_rhythm(published)
    assert rhythm == decide_rhythm(published[::-1])
    assert rhythm.gap == timedelta() or rhythm.gap >= HOUR
    assert interval(rhythm=rhythm).span >= HOURLY


# --- failures ---


def test_each_failure_doubles_up_to_a_day() -> None:
    waits = [decide_retry(HOUR, n).span / HOUR for n in (0, 1, 2, 3, 4, 5, 900)]
    assert waits == [1, 2, 4, 8, 16, 24, 24]
    assert decide_retry(48 * HOUR, 3).span == 48 * HOUR, "never more often than while it answered"
    assert decide_retry(MINUTE, 2).span == 4 * MINUTE
    assert decide_retry(MINUTE, 2).reason == "failed twice in a row"


@pytest.mark.parametrize(
    ("status", "seconds", "hours"),
    [
        (429, 7200, 2), (503, 36_000, 10), (503, 10, 2), (503, 10**9, MAX_RETRY_AFTER / HOUR), (503, None, 2),
        (500, 36_000, 2), (404, 36_000, 2), (0, 36_000, 2),
    ],
)
def test_retry_after_counts_with_429_and_503_only(status: int, seconds: int | None, hours: float) -> None:
    asked = None if seconds is None else timedelta(seconds=seconds)
    found = decide_retry(HOUR, 1, status=status, retry_after=asked)
    assert found.span == hours * HOUR
    assert ("Retry-After" in found.reason) == (hours != 2)


def test_a_server_that_is_asked_too_often_is_left_alone_for_an_hour_at_least() -> None:
    assert decide_retry(MINUTE, 1, status=429).span == HOUR
    assert "too often" in decide_retry(MINUTE, 1, status=429).reason


def test_our_own_network_punishes_nobody() -> None:
    assert decide_retry(HOUR, 9, ours=True).span == 15 * MINUTE
    assert decide_retry(MINUTE, 9, ours=True).span == MINUTE
    assert ours_is_down(3, 0)
    assert not ours_is_down(3, 1)
    assert not ours_is_down(2, 0), "two may well be down at once"


# --- on the clock ---


@given(st.integers(1, 100_000), st.floats(0, 1, exclude_max=True))
def test_jitter_is_never_early_and_at_most_a_tenth_or_an_hour(minutes: int, jitter: float) -> None:
    span = minutes * MINUTE
    late = next_poll(NOW, Interval(span, ""), jitter) - NOW - span
    assert timedelta() <= late <= min(span / 10, HOUR)
    assert next_poll(NOW, Interval(span, ""), 0) == NOW + span


def test_jitter_spreads() -> None:
    found = [next_poll(NOW, Interval(HOUR, ""), n / 10) for n in range(10)]
    assert all(b - a == timedelta(seconds=36) for a, b in pairwise(found))


def test_skipped_hours_are_kept_out_of_also_by_jitter() -> None:
    hints = Hints(skip_hours=(13,))
    assert next_poll(NOW - MINUTE, Interval(HOUR, ""), 0, hints) == NOW + 59 * MINUTE
    assert next_poll(NOW - MINUTE, Interval(HOUR, ""), 0.5, hints) == NOW + 2 * HOUR


# --- refusals and validators ---


def test_gone_for_good_mutes_what_is_asked_at_its_own_address() -> None:
    gone = decide_gone(410)
    assert gone.standing is SourceStanding.GONE
    assert "410" in gone.reason
    assert "articles stay" in gone.reason
    assert decide_gone(410, followed=True).standing is SourceStanding.ACTIVE
    assert decide_gone(410, passing=True).standing is SourceStanding.ACTIVE


def test_nothing_else_mutes_and_each_has_its_words() -> None:
    told = {status: decide_gone(status) for status in (401, 402, 403, 404, 429, 451, 500, 0)}
    assert {g.standing for g in told.values()} == {SourceStanding.ACTIVE}
    reasons = [g.reason for g in told.values() if g.reason]
    assert len(set(reasons)) == 6
    month = decide_gone(404, failing=timedelta(days=30))
    assert month.standing is SourceStanding.ACTIVE
    assert "for 30 days" in month.reason
    assert decide_gone(404, failing=timedelta(days=29)).reason == told[404].reason


ODD = ['W/"a, b"', "not even quoted", '"\xff"', "Mon, never", '"x-gzip"']


@pytest.mark.parametrize("etag", ODD)
@pytest.mark.parametrize("modified", ODD)
def test_validators_are_kept_as_they_came_and_renewed_by_200_and_304(etag: str, modified: str) -> None:
    old = Validators('"old"', "some day")
    assert decide_validators(old, 200, etag, modified) == Validators(etag, modified)
    assert decide_validators(old, 304, etag, modified) == Validators(etag, modified)
    assert decide_validators(old, 304, etag, "") == Validators(etag, "some day")
    assert decide_validators(old, 304, "", "") == old
    assert decide_validators(old, 226, etag, "") == Validators(etag, "")
    assert not decide_validators(old, 200, "", "")


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(), "0 seconds"), (timedelta(seconds=1), "1 second"), (timedelta(seconds=59.5), "59.5 seconds"),
        (MINUTE, "1 minute"), (90 * MINUTE, "90 minutes"), (2 * HOUR, "2 hours"), (2.5 * HOUR, "2.5 hours"),
        (24 * HOUR, "24 hours"), (72 * HOUR, "3 days"), (100 * HOUR, "4.2 days"),
    ],
)
def test_spans_are_said_in_words(span: timedelta, words: str) -> None:
    assert say(span) == words
