"""Servers that answer too slowly, or not at all, hold nobody for the whole time."""

from __future__ import annotations

import time

import pytest

from pipeline.collect.manners.quarantine import is_offence
from pipeline.errors import FetchError, Refused
from pipeline.net import wire
from pipeline.net.wire import Deadline


def test_an_answer_that_drips_is_broken_off_and_is_an_offence() -> None:
    deadline = Deadline("http://a.example/", 60, patience_s=0.05, least_rate=1_000)
    deadline.arrived(1)
    time.sleep(0.06)
    with pytest.raises(Refused, match="slower than 1000 bytes a second") as caught:
        deadline.arrived(1)
    assert is_offence(caught.value)


def test_an_answer_that_is_quick_enough_goes_on() -> None:
    deadline = Deadline("http://a.example/", 60, patience_s=0.05, least_rate=1_000)
    deadline.arrived(10_000)
    time.sleep(0.06)
    deadline.arrived(1)


def test_the_wait_for_a_first_byte_does_not_count_as_slowness() -> None:
    deadline = Deadline("http://a.example/", 60, patience_s=0.05, least_rate=1_000)
    time.sleep(0.06)
    deadline.arrived(1)


def test_a_server_that_says_nothing_is_waited_for_less_than_one_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "FIRST_BYTE_S", 0.5)
    deadline = Deadline("http://a.example/", 60)
    assert deadline.until_the_next_byte() == 0.5
    assert "said nothing for 0.5 s" in str(deadline.silent())
    deadline.arrived(1)
    assert deadline.until_the_next_byte() > 50
    assert isinstance(deadline.silent(), FetchError)
    assert "took longer than 60 s" in str(deadline.silent())
