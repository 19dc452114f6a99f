"""Each trick by itself, and what it is called.

The limits are made small, so that this is quick; `test_hostile_control` shows what the same bytes cost whoever has
none, `test_hostile_round` that fifty good sources beside them do not notice.
"""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.collect.children.answers import FeedRead
from pipeline.collect.children.pool import ChildLimits, Children, TooCostly
from pipeline.collect.finding.findings import PointersRead
from pipeline.collect.manners.quarantine import is_offence
from pipeline.errors import BroadsheetError, FetchError, ParseError, Refused
from pipeline.net.fetch import Fetcher, Limits, Request
from pipeline.text.clean import MAX_DEPTH

MB = 1_000_000
LOOPBACK = ("127.0.0.1/32",)
FETCH = Limits(connect_s=1, total_s=1, wire_bytes=8 * MB, decoded_bytes=16 * MB)
CHILD = ChildLimits(cpu_s=0.5, cpu_s_per_mb=0, body_bytes=16 * MB)

# mode -> the error it gets, and in which words; None where what is left of it is read
EXPECTED: dict[str, tuple[type[BroadsheetError] | None, str]] = {
    # on the wire
    "silent": (FetchError, r"took longer than 1 s$"),
    "drip": (FetchError, r"took longer than 1 s$"),
    "drip-headers": (FetchError, r"took longer than 1 s$"),
    "huge": (Refused, r"the answer is larger than 7\.63 MiB"),
    "huge-said": (Refused, r"the answer is larger than 7\.63 MiB"),
    "huge-chunk": (Refused, r"the answer is larger than 7\.63 MiB"),
    "header-flood": (Refused, r"headers are (larger|too many)"),
    "header-endless": (Refused, r"headers are (larger|too many)"),
    "gzip-bomb": (Refused, r"the answer unpacks to more than 15\.3 MiB"),
    "br-bomb": (Refused, r"the answer unpacks to more than 15\.3 MiB"),
    "zstd-bomb": (Refused, r"the answer unpacks to more than 15\.3 MiB"),
    # where it leads
    "redirects": (Refused, r"redirects more than 5 times"),
    "inside": (Refused, r"127\.0\.0\.2 is this machine itself"),
    "metadata": (Refused, r"169\.254\.169\.254 is a link-local address"),
    "file": (Refused, r"only http and https are fetched"),
    # the document
    "laughs": (ParseError, r"declares entities"),
    "blowup": (ParseError, r"declares entities"),
    "external": (ParseError, r"declares entities"),
    "external-dtd": (None, ""),
    "nested-xml": (ParseError, r"beyond what is read of a feed: Excessive depth"),
    "nested-html": (None, ""),
    "million-items": (TooCostly, r"(took longer than 0\.5 s|needed more than 112 MB of memory) to read"),
    "author": (None, ""),
    "text-node": (ParseError, r"beyond what is read of a feed: .*too long"),
    "attributes": (TooCostly, r"took longer than 0\.5 s to read"),
}
OFFENCES = {"huge", "huge-said", "huge-chunk", "header-flood", "header-endless", "gzip-bomb", "br-bomb", "zstd-bomb",
            "redirects", "million-items", "attributes"}
MAY_BE_READ = {"text-node"}  # or refused: what matters is that it is over soon

Outcome = tuple[PointersRead | FeedRead | BroadsheetError, float]


@pytest.fixture(scope="module")
def outcomes(hostile: Any) -> dict[str, Outcome]:
    """mode -> (what came of it, seconds); all at once, as in a poll."""
    now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    fetcher = Fetcher("Broadsheet/test", FETCH)
    with Children(2, CHILD) as children, ThreadPoolExecutor(8) as pool:

        def poll(mode: str) -> Outcome:
            began = time.monotonic()
            try:
                answer = fetcher.fetch(Request(hostile.url(f"/{mode}"), allow_networks=LOOPBACK))
                kind = "listing" if answer.content_type == "text/html" else "feed"
                return children.work(kind, answer.url, answer.body, url=answer.url, now=now), time.monotonic() - began
            except BroadsheetError as error:
                return error, time.monotonic() - began

        return dict(zip(EXPECTED, pool.map(poll, EXPECTED), strict=True))


@pytest.mark.parametrize("mode", EXPECTED)
def test_each_trick_has_its_reason_within_its_limits(
    hostile: Any, outcomes: dict[str, Outcome], mode: str
) -> None:
    kind, words = EXPECTED[mode]
    result, seconds = outcomes[mode]
    if kind is None or (mode in MAY_BE_READ and isinstance(result, FeedRead)):
        assert isinstance(result, FeedRead), result
        assert len(result.drafts) == 1
        assert result.drafts[0].html.count("<div>") <= MAX_DEPTH
    else:
        assert isinstance(result, kind), result
        assert re.search(words, result.cause), result.cause
        assert result.subject == hostile.url(f"/{mode}")
        assert is_offence(result) == (mode in OFFENCES)
    assert seconds < 15  # of which most is waiting for the others, on a busy machine


def test_nothing_was_fetched_on_behalf_of_a_document(hostile: Any, outcomes: dict[str, Outcome]) -> None:
    assert outcomes
    assert "/spy" not in hostile.asked
    assert hostile.asked.count("/redirects") == FETCH.redirects + 1


def test_a_name_that_changes_its_address_leads_nowhere(hostile: Any, canary: Any) -> None:
    """The first look-up gives an address that is allowed, the next one an address on the inside."""
    looked_up: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        looked_up.append(host)
        return ["127.0.0.1" if len(looked_up) == 1 else canary.host]

    hostile.redirects("/rebinding", f"http://rebinding.example:{canary.port}/")
    fetcher = Fetcher("Broadsheet/test", FETCH, resolve=resolve)
    with pytest.raises(Refused, match=r"127\.0\.0\.2 is this machine itself"):
        fetcher.fetch(Request(f"http://rebinding.example:{hostile.port}/rebinding", allow_networks=LOOPBACK))
    assert len(looked_up) == 2
    assert canary.asked == []
