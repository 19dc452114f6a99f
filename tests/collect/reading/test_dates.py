from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.collect.reading.dates import parse_date

NOON = datetime(2024, 6, 3, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "Mon, 03 Jun 2024 12:00:00 GMT", "Mon, 03 Jun 2024 14:00:00 +0200", "03 Jun 2024 12:00 UT",
        "Mon, 3 Jun 2024 08:00:00 EDT", "Mon, 03 June 2024 12:00:00 +00:00", "Mon,  03-Jun-24 12:00:00 GMT",
        "2024-06-03T12:00:00Z", "2024-06-03T12:00:00.123456789+00:00", "2024-06-03 12:00:00", "20240603T120000Z",
        "2024-06-03T14:00+0200", "2024-06-03T10:00:00-02", "June 3, 2024 12:00", "3 June 2024 at 12:00",
        "Jun 3rd, 2024 12:00 PM", "Monday, June 3, 2024 12:00", "\n 2024-06-03T12:00:00Z ",
        # zones, by number and by name
        "Mon, 03 Jun 2024 14:00:00 GMT+2", "Mon, 03 Jun 2024 14:00:00 UTC+02:00", "Mon, 03 Jun 2024 14:00:00 +02",
        "Mon, 03 Jun 2024 14:00:00 CEST", "Mon, 03 Jun 2024 21:00:00 JST", "Mon, 03 Jun 2024 17:30:00 IST",
        "June 3, 2024 08:00:00 AM EDT", "2024-06-03 07:00:00 EST", "2024-06-03T04:00:00 PST", "3 June 2024, 12:00 XYZ",
        "2024-06-03 12:00:00 +0000 UTC", "2024-06-03T12:00:00Z[UTC]", "Mon Jun 03 2024 14:00:00 GMT+0200 (Berlin)",
        # as programs write them that do not know RFC 822
        "Mon Jun  3 12:00:00 2024", "Mon, 3 Jun 2024 12:00:00.123 GMT", "Monday, 03-Jun-24 12:00:00 GMT",
        "Mon,03 Jun 2024 12:00:00 GMT", "Mon, 3. Jun 2024 12:00:00 GMT", "2024-6-3 12:00:00", "2024/06/03 12:00",
        "3.6.2024 12:00", "03. 06. 2024, 12:00 Uhr", "1717416000", "1717416000123", "2024.06.03 12:00:00",
        "3 Jun 2024 12:00 p.m.", "\"Mon, 03 Jun 2024 12:00:00 GMT\"",
        # in the language of the site
        "lun., 03 juin 2024 14:00:00 +0200", "Mo, 03 Juni 2024 14:00:00 +0200", "lunes, 3 de junio de 2024 12:00",
        "segunda-feira, 3 de junho de 2024 12:00", "пн, 03 июн 2024 15:00:00 +0300", "3 czerwca 2024 12:00",
        "2024年6月3日 12:00", "2024년 06월 03일 12:00:00", "lun, 3 giugno 2024 12:00:00",
    ],
)
def test_one_time_in_many_forms(text: str) -> None:
    assert parse_date(text) == NOON


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2024-06-03", datetime(2024, 6, 3, tzinfo=UTC)),
        ("3 Jun 2024", datetime(2024, 6, 3, tzinfo=UTC)),
        ("3 August 98 10:00", datetime(1998, 8, 3, 10, tzinfo=UTC)),
        ("5 décembre 2024 00:30", datetime(2024, 12, 5, 0, 30, tzinfo=UTC)),
        ("12 Mär 2024 12:15 AM", datetime(2024, 3, 12, 0, 15, tzinfo=UTC)),
        ("2024-06-03T24:00:00Z", datetime(2024, 6, 4, tzinfo=UTC)),
        ("2024-06-03T12:00:60Z", datetime(2024, 6, 3, 12, 0, 59, tzinfo=UTC)),
        ("Mon, 01 Jan 0001 00:00:00 +0000", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_at_the_edges(text: str, wanted: datetime) -> None:
    assert parse_date(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "", "yesterday", "03/06/2024", "2024-02-30", "2024-13-01", "0000-01-01", "Mon, 30 Feb 2024 10:00:00 GMT",
        "2024-06-03T12:00:00+9999", "٢٠٢٤-٠٦-٠٣", "9999-12-31T23:59:59-14:00", "2024", "x" * 100_000, "Mon, 03 Jun",
        "0001-01-01T00:00:00+14:00", "2024-06", "6/3/24", "3 Foo 2024 12:00", "32.1.2024", "12345678", "99999999999999",
        "Mon, 03 Jun 2024 25:00:00 GMT",
    ],
)
def test_no_date(text: str) -> None:
    assert parse_date(text) is None


RFC_822 = st.from_regex(r"[A-Za-z]{3}, \d{1,2} [A-Za-z]{3} \d{2,4} \d\d:\d\d(:\d\d)? [+A-Z0-9-]{1,5}")


@given(st.text(max_size=40) | RFC_822)
def test_nothing_raises_and_what_comes_is_utc(text: str) -> None:
    when = parse_date(text)
    assert when is None or when.utcoffset() is not None


@given(st.datetimes(timezones=st.just(UTC)).map(lambda d: d.replace(microsecond=0)))
def test_rfc_3339_comes_back(when: datetime) -> None:
    assert parse_date(when.isoformat()) == when
