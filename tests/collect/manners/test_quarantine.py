"""From offences to quarantine and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.collect.children.pool import Stopped, TooCostly
from pipeline.collect.manners.quarantine import count_offences, decide_quarantine, is_offence
from pipeline.errors import BroadsheetError, FetchError, ParseError, Refused
from pipeline.model.sources import SourceStanding
from pipeline.net.fetch import HttpStatusError

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BOMB = TooCostly("https://a.example/", "took longer than 3 s to read")
HUGE = Refused("https://a.example/", "the answer is larger than 15 MiB")


@pytest.mark.parametrize("error", [
    BOMB,
    HUGE,
    Refused("u", "the answer's headers are larger than 64 KiB"),
    Refused("u", "the answer's headers are too many or too long: got more than 100 headers"),
    Refused("u", "the answer unpacks to more than 50 MiB"),
    Refused("u", "the answer is packed in more than 1,000 pieces"),
    Refused("u", "redirects more than 5 times"),
])
def test_going_beyond_a_limit_is_an_offence(error: BroadsheetError) -> None:
    assert is_offence(error)


@pytest.mark.parametrize("error", [
    ParseError("u", "is an HTML page, not a feed"),
    FetchError("u", "DNS gave no answer for a.example"),
    HttpStatusError("u", 503, "Unavailable"),
    Refused("u", "127.0.0.1 is this machine itself, and only public addresses are fetched"),
    Refused("u", "redirects to http://10.0.0.1/: 10.0.0.1 is a private address, and only public ones are fetched"),
    Refused("u", "the address is longer than 4000 characters"),
    Stopped("u", "reading was stopped"),
])
def test_a_wrong_address_or_a_server_that_is_down_is_none(error: BroadsheetError) -> None:
    assert not is_offence(error)
    assert decide_quarantine(99, error, NOW) is None


@pytest.mark.parametrize(("before", "days"), [
    (0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (5, 8), (6, 16), (7, 30), (8, 30), (10_000, 30),
])
def test_the_third_in_a_row_is_a_day_and_each_more_doubles_it(before: int, days: int) -> None:
    decided = decide_quarantine(before, BOMB, NOW)
    assert (decided.until - NOW if decided else timedelta()) == timedelta(days=days)


def test_the_reason_is_told_in_words() -> None:
    decided = decide_quarantine(2, BOMB, NOW)
    assert decided
    assert decided.standing is SourceStanding.QUARANTINED
    assert decided.reason == ("it went beyond what a source may cost 3 times in a row, the last time because it took "
                              "longer than 3 s to read; it is left alone for 24 hours")
    decided = decide_quarantine(3, HUGE, NOW)
    assert decided
    assert decided.reason.endswith("because it failed with: the answer is larger than 15 MiB; "
                                   "it is left alone for 48 hours")


def test_a_good_poll_clears_and_another_failure_changes_nothing() -> None:
    count = 0
    down = FetchError("u", "can't be reached")
    for error, after in [(BOMB, 1), (down, 1), (HUGE, 2), (down, 2), (None, 0), (down, 0), (BOMB, 1), (BOMB, 2)]:
        assert decide_quarantine(count, error, NOW) is None if error else True
        count = count_offences(count, error)
        assert count == after
    assert decide_quarantine(count, BOMB, NOW)
