"""How fast mail goes where: limits, halving, and coming back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.deliver.pace import FIRST_PAUSE_S, LONGEST_PAUSE_S, Limits, Pace, Throttle

GMAIL = "mail.example.org"


def test_without_limits_nothing_is_kept() -> None:
    pace = Pace()
    for _ in range(1000):
        pace.began(GMAIL, 0.0)
        assert pace.wait_s(GMAIL, 0.0) == 0
        pace.ended(GMAIL, 0.0, taken=True)
    assert pace.is_free


def test_connections_of_a_domain() -> None:
    pace = Pace({GMAIL: Limits(connections=2)})
    for _ in range(2):
        assert pace.wait_s(GMAIL, 0.0) == 0
        pace.began(GMAIL, 0.0)
    assert pace.wait_s(GMAIL, 0.0) is None, "when one of them has ended"
    pace.ended(GMAIL, 1.0, taken=True)
    assert pace.wait_s(GMAIL, 1.0) == 0
    assert pace.wait_s("other.example", 0.0) == 0


def test_a_rate_spaces_messages() -> None:
    pace = Pace({GMAIL: Limits(rate=4.0)})
    now, began = 100.0, []
    for _ in range(9):
        now += pace.wait_s(GMAIL, now) or 0
        began.append(now)
        pace.began(GMAIL, now)
        pace.ended(GMAIL, now, taken=True)
    assert began == pytest.approx([100 + n / 4 for n in range(9)])


def test_whoever_asks_for_less_gets_half_and_a_pause_that_grows() -> None:
    pace = Pace()
    for _ in range(8):
        pace.began(GMAIL, 0.0)
    pace.ended(GMAIL, 0.0, slow_down=True)
    assert pace.wait_s(GMAIL, 0.0) is None, "seven are under way, four may be"
    for _ in range(4):
        pace.ended(GMAIL, 0.0)
    assert pace.wait_s(GMAIL, 0.0) == FIRST_PAUSE_S
    assert pace.wait_s(GMAIL, FIRST_PAUSE_S) == 0
    pace.ended(GMAIL, FIRST_PAUSE_S, slow_down=True)
    assert pace.wait_s(GMAIL, FIRST_PAUSE_S) is None or pace.wait_s(GMAIL, FIRST_PAUSE_S) == 2 * FIRST_PAUSE_S


def test_mail_that_is_taken_makes_it_faster_again_until_nothing_is_left_to_remember() -> None:
    throttle = Throttle(Limits(rate=10.0))
    for _ in range(12):
        throttle.slow_down(16, 0.0)
    assert (throttle.at_once, throttle.pause_s) == (1.0, LONGEST_PAUSE_S)
    slow = throttle.share
    for _ in range(200):
        throttle.taken()
    assert throttle.share == 1.0 > slow
    assert throttle.pause_s == 0
    assert 15 < throttle.at_once < 25, "one more for each round of all connections"


@given(st.lists(st.sampled_from(["begin", "taken", "slow", "later"]), max_size=80), st.integers(1, 5))
def test_never_more_than_allowed_and_never_stuck(steps: list[str], allowed: int) -> None:
    pace = Pace({GMAIL: Limits(connections=allowed)})
    now, under_way = 0.0, 0
    for step in steps:
        if step == "begin" and pace.wait_s(GMAIL, now) == 0:
            pace.began(GMAIL, now)
            under_way += 1
        elif step in ("taken", "slow") and under_way:
            pace.ended(GMAIL, now, slow_down=step == "slow", taken=step == "taken")
            under_way -= 1
        now += 1
        assert under_way <= allowed
    for _ in range(under_way):
        pace.ended(GMAIL, now, taken=True)
    assert pace.wait_s(GMAIL, now + LONGEST_PAUSE_S) == 0, "with nothing under way and time gone by somebody may go"
