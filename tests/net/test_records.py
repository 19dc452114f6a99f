"""Questions to a name server of a test's own, and to none."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from pipeline.errors import FetchError
from pipeline.net.records import Resolver

ZONE = {
    ("lantern.example.", "TXT"): ['"v=spf1 " "-all"', '"a b"'],
    ("lantern.example.", "MX"): ["20 b.example.", "10 A.example."],
    ("null.example.", "MX"): ["0 ."],
    ("lantern.example.", "A"): ["192.0.2.7"],
    ("7.2.0.192.in-addr.arpa.", "PTR"): ["Lantern.example."],
    ("broken.example.", "TXT"): "SERVFAIL",
    ("silent.example.", "TXT"): "",
}


@pytest.fixture
def resolver(name_server: Callable[..., int]) -> Resolver:
    return Resolver(3, "127.0.0.1", name_server(ZONE))


def test_what_is_there(resolver: Resolver) -> None:
    assert sorted(resolver.txt("lantern.example")) == ["a b", "v=spf1 -all"]
    assert resolver.mx("lantern.example") == ("a.example", "b.example")
    assert resolver.mx("null.example") == ("",)
    assert resolver.addresses("lantern.example.") == ("192.0.2.7",)
    assert resolver.names("192.0.2.7") == ("lantern.example",)


def test_what_is_not_there_is_nothing_and_no_error(resolver: Resolver) -> None:
    assert resolver.txt("nobody.example") == resolver.mx("nobody.example") == resolver.names("192.0.2.8") == ()


def test_a_server_that_fails_is_told_from_an_empty_answer(resolver: Resolver) -> None:
    with pytest.raises(FetchError, match="answer with an error"):
        resolver.txt("broken.example")
    with pytest.raises(FetchError):
        resolver.txt("a..example")
    with pytest.raises(FetchError, match="is no IP address"):
        resolver.names("nonsense")


def test_a_server_that_says_nothing_costs_no_more_than_the_time_for_all(name_server: Callable[..., int]) -> None:
    silent = Resolver(0.3, "127.0.0.1", name_server(ZONE))
    began = time.monotonic()
    with pytest.raises(FetchError, match="do not answer"):
        silent.txt("silent.example")
    for _ in range(20):
        with pytest.raises(FetchError, match="the time for all questions is over"):
            silent.txt("lantern.example")
    assert time.monotonic() - began < 3
