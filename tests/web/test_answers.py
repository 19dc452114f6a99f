"""Whether a reader's copy is still good."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.web.answers import content, unchanged

AT = datetime(2026, 11, 23, 7, 30, 12, 999, tzinfo=UTC)
KEPT = content(b"<rss/>", "text/xml", AT)


@pytest.mark.parametrize(
    ("if_none_match", "good"),
    [
        (KEPT.etag, True),
        (f"W/{KEPT.etag}", True),           # RFC 9110 §13.1.2 compares weakly
        (f'"other", {KEPT.etag}', True),
        ("*", True),
        ('"other"', False),
        (KEPT.etag.strip('"'), False),      # without its quotes it is no ETag
        ("", False),
    ],
)
def test_an_etag_decides(if_none_match: str, good: bool) -> None:
    assert unchanged(KEPT, if_none_match, None) is good


def test_a_date_is_not_asked_where_an_etag_was_sent() -> None:
    for etag in ('"other"', ""):
        assert not unchanged(KEPT, etag, format_datetime(AT + timedelta(days=1), usegmt=True))


@pytest.mark.parametrize(
    ("said", "good"),
    [
        (format_datetime(AT, usegmt=True), True),  # headers know whole seconds only
        (format_datetime(AT - timedelta(seconds=1), usegmt=True), False),
        (format_datetime(AT + timedelta(days=1), usegmt=True), True),
        ("Mon, 23 Nov 2026 07:30:12 -0000", True),
        ("yesterday", False),
        ("", False),
    ],
)
def test_a_date_decides_where_there_is_nothing_else(said: str, good: bool) -> None:
    assert unchanged(KEPT, None, said) is good


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_an_etag_says_whether_bytes_are_the_same(one: bytes, other: bytes) -> None:
    assert (content(one, "text/xml").etag == content(other, "text/xml").etag) == (one == other)


@given(st.text(max_size=40), st.text(max_size=40))
def test_nothing_a_reader_sends_raises(etag: str, date: str) -> None:
    unchanged(KEPT, etag, date)
    unchanged(KEPT, None, date)
