"""When what has not been sent of a digest is not sent any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.compose.window import decide_expiry
from pipeline.schedules import parse_schedule

DUE = datetime(2026, 6, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "lasts", "scheduled", "expires"),
    [
        (DUE, None, True, "2026-06-02T08:00"),                            # the next slot
        (DUE + timedelta(minutes=5), None, True, "2026-06-02T08:00"),
        (DUE + timedelta(days=3), None, True, "2026-06-05T08:00"),        # approved late: the next slot from now on
        (DUE, timedelta(hours=3), True, "2026-06-01T11:00"),              # what the newsletter says
        (DUE + timedelta(hours=2), timedelta(hours=3), True, "2026-06-01T13:00"),
        (DUE, None, False, "2026-06-08T08:00"),                           # made by hand: a week
        (DUE - timedelta(hours=1), None, True, "2026-06-02T08:00"),       # never before it was due
    ],
)
def test_when_a_digest_expires(now: datetime, lasts: timedelta | None, scheduled: bool, expires: str) -> None:
    times = parse_schedule(at="08:00", zone="UTC")
    following = (lambda moment: times.next_after(moment).due_at) if scheduled else None
    found = decide_expiry(DUE, now, lasts=lasts, next_after=following)
    assert found == datetime.fromisoformat(expires).replace(tzinfo=UTC)
