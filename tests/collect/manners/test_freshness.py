"""Wishes of servers and documents: HTTP's freshness as RFC 9111 counts it, and hours and days that are ruled out."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.collect.manners.freshness import MAX_SKIP, after_skipped, skipping, wishes
from pipeline.model.sources import Hints

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)  # a Sunday
HOUR = timedelta(hours=1)


def asked(**headers: str) -> float:
    """What a server asks for, in seconds."""
    found = wishes({name.replace("_", "-"): value for name, value in headers.items()}, Hints(), NOW)
    return max((w.span.total_seconds() for w in found), default=0.0)


@pytest.mark.parametrize(
    ("cache_control", "seconds"),
    [
        ("max-age=600", 600),
        ("public, max-age=600, must-revalidate", 600),
        ("MAX-AGE=600", 600),
        ('max-age="600"', 600),
        ("max-age = 600", 600),
        ("s-maxage=900, max-age=600", 600),
        ("max-age=600, s-maxage=900", 600),
        ("s-maxage=900", 0),
        ("max-age=600;s-maxage=900", 600),
        ("max-age=600, max-age=900", 600),
        ("max-age=soon", 0),
        ("max-age=-600", 0),
        ("max-age=6e2", 0),
        ("max-age=", 0),
        ("max-age", 0),
        ("no-store, max-age=600", 0),
        ("max-age=600, no-cache", 0),
        ('private="x, max-age=9", max-age=600', 600),
        ('ext="no-store", max-age=600', 600),
        ("x-max-age=600", 0),
        ("max-age=" + "9" * 40, 9_999_999_999),
        ("", 0),
        ('max-age="600', 0),
        (",,,;;= =,", 0),
    ],
)
def test_cache_control(cache_control: str, seconds: float) -> None:
    assert asked(cache_control=cache_control) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"expires": "Sun, 22 Nov 2026 13:00:00 GMT"}, 3600),
        ({"expires": "Sun, 22 Nov 2026 13:00:00 GMT", "date": "Sun, 22 Nov 2026 12:30:00 GMT"}, 1800),
        ({"expires": "Sat, 01 Jan 2000 01:00:00 GMT", "date": "Sat, 01 Jan 2000 00:00:00 GMT"}, 3600),
        ({"expires": "Sunday, 22-Nov-26 13:00:00 GMT"}, 3600),
        ({"expires": "Sun Nov 22 13:00:00 2026"}, 3600),
        ({"expires": "0"}, 0), ({"expires": "-1"}, 0), ({"expires": "never"}, 0), ({"expires": "é" * 90_000}, 0),
        ({"expires": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0),
        ({"expires": "Sun, 22 Nov 2026 13:00:00 GMT", "date": "nonsense"}, 3600),
        ({"expires": "Sun, 22 Nov 2026 13:00:00 GMT", "cache_control": "max-age=60"}, 60),
        ({"expires": "Sun, 22 Nov 2026 13:00:00 GMT", "cache_control": "no-cache"}, 0),
        ({"expires": "Sun, 22 Nov 2026 13:00:00 GMT", "cache_control": "public"}, 3600),
        ({"cache_control": "max-age=600", "age": "100"}, 500),
        ({"cache_control": "max-age=600", "age": "100, 7"}, 500),
        ({"cache_control": "max-age=600", "age": "old"}, 600),
        ({"cache_control": "max-age=600", "age": "9999"}, 0),
        ({"expires": "Sun, 22 Nov 2026 13:00:00 GMT", "age": "600"}, 3000),
    ],
)
def test_expires_and_age(headers: dict[str, str], seconds: float) -> None:
    assert asked(**headers) == seconds


@given(st.text(max_size=200) | st.text('max-age=0123456789,;" \\no-store', max_size=200), st.text(max_size=30))
def test_no_header_breaks_it(text: str, other: str) -> None:
    assert asked(cache_control=text, age=other, expires=other, date=text) >= 0
    assert asked(expires=text, date=other) >= 0


def test_a_document_s_own_wish_says_so() -> None:
    [wish] = wishes({}, Hints(ttl=HOUR), NOW)
    assert (wish.span, wish.who) == (HOUR, "its document")


# --- skipHours and skipDays ---

AT = re.compile(r"(\d\d)-(\d\d) (\d\d):(\d\d)")


def at(text: str) -> datetime:
    month, day, hour, minute = (int(n) for n in AT.fullmatch(text).groups())  # type: ignore[union-attr]
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("when", "hours", "days", "then"),
    [
        ("11-22 12:34", (), (), "11-22 12:34"),
        ("11-22 12:34", (13,), (), "11-22 12:34"),
        ("11-22 12:34", (12,), (), "11-22 13:00"),
        ("11-22 23:34", (23, 0, 1), (), "11-23 02:00"),
        ("11-22 12:34", (), (6,), "11-23 00:00"),
        ("11-22 12:34", (0, 1), (6,), "11-23 02:00"),
        ("11-21 00:00", (), (5, 6), "11-23 00:00"),                       # a whole weekend
        ("11-21 00:30", (), (5, 6, 0, 1, 2, 3), "11-23 00:30"),           # but no week
        ("11-22 12:34", tuple(range(1, 24)), (), "11-23 00:00"),
        ("11-22 12:34", tuple(range(24)), (), "11-22 12:34"),
        ("11-22 12:34", tuple(range(25)), tuple(range(8)), "11-22 12:34"),
        ("11-22 12:34", tuple(range(24)), (6,), "11-23 00:00"),
        ("11-22 12:34", (24, -1, 99), (9,), "11-22 12:34"),
    ],
)
def test_ruled_out_hours_and_days(when: str, hours: tuple[int, ...], days: tuple[int, ...], then: str) -> None:
    assert after_skipped(at(when), Hints(skip_hours=hours, skip_days=days)) == at(then)


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
       st.sets(st.integers(-1, 25)), st.sets(st.integers(-1, 8)))
def test_a_poll_is_moved_to_the_first_hour_that_is_free(when: datetime, hours: set[int], days: set[int]) -> None:
    hints = Hints(skip_hours=tuple(hours), skip_days=tuple(days))
    moved = after_skipped(when, hints)
    assert when <= moved <= when + MAX_SKIP
    heeded = skipping(hints)
    free = (not (moved.hour in hours and "skipHours" in heeded)
            and not (moved.weekday() in days and "skipDays" in heeded))
    assert free or moved == when + MAX_SKIP
    assert after_skipped(moved, hints) == moved or not free
