"""Dates as sources write them: RFC 822 and RFC 3339, and the ways in which these are missed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

MAX_CHARS = 80

_MONTHS = {name: n + 1 for n, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split())}
_ISO = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)(?:[T_ ]+(\d\d):?(\d\d)(?::?(\d\d)(?:[.,]\d+)?)?)?\s*(Z|UTC|GMT|[+-]\d\d:?\d\d|[+-]\d\d)?",
    re.IGNORECASE,
)
_RFC822 = re.compile(
    r"(?:[A-Za-z]{3,9},? )?(\d{1,2})[ -]([A-Za-z]{3})[a-z]*[ -](\d{4}) (\d{1,2}):(\d\d)(?::(\d\d))?"
    r" ?(Z|UTC|GMT|UT|[+-]\d\d:?\d\d)?"
)
_YEAR_ZERO = re.compile(r"\b00\d\d\b(?!:)")
_MONTH_FIRST = re.compile(r"([A-Za-z]{3,9})\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})(.*)")
_DAY_FIRST = re.compile(r"(\d{1,2})(?:st|nd|rd|th|\.)?\s+([A-Za-z]{3,9})\.?,?\s+(\d{4})(.*)")
_CLOCK = re.compile(r"\D*?(\d{1,2}):(\d\d)(?::\d\d)?\s*([AaPp])?\.?[Mm]?\.?")
_WEEKDAY = re.compile(r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+", re.IGNORECASE)


def parse_date(text: str) -> datetime | None:
    """Return the aware UTC time that `text` means, or None. What names no zone is taken as UTC.

    Read are RFC 3339 and its relatives, RFC 822 with its obsolete zones, "June 3, 2024" and "3 June 2024".
    "03/06/2024" is not: nobody knows which of the two is the month. The year is not judged here.
    """
    text = " ".join(text.split())
    if not text or len(text) > MAX_CHARS or not text.isascii():
        return None
    try:
        return _iso(text) or _rfc822(text) or _in_words(text)
    except (ValueError, TypeError, OverflowError, IndexError):  # 30 February, hour 25, year 0, a zone of +9999
        return None


def _iso(text: str) -> datetime | None:
    match = _ISO.fullmatch(text)
    if not match:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    days = timedelta(hour == 24)  # ISO 8601's midnight at the end of a day
    local = datetime(year, month, day, hour % 24, minute, min(second, 59), tzinfo=UTC) + days
    return local - _offset(match[7] or "Z")


def _offset(zone: str) -> timedelta:
    if zone[0] not in "+-":
        return timedelta()
    digits = zone[1:].replace(":", "").ljust(4, "0")
    span = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    if span > timedelta(hours=15):
        raise ValueError(zone)
    return -span if zone[0] == "-" else span


def _rfc822(text: str) -> datetime | None:
    match = _RFC822.fullmatch(text)
    if match and (month := _MONTHS.get(match[2].lower())):
        day, year, hour, minute, second = (int(match[n] or 0) for n in (1, 3, 4, 5, 6))
        local = datetime(year, month, day, hour % 24, minute, min(second, 59), tzinfo=UTC) + timedelta(hour == 24)
        return local - _offset(match[7] or "Z")
    if ":" not in text or _YEAR_ZERO.search(text):  # the library takes "Jan 0001", a date left empty, for 2001
        return None
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)


def _in_words(text: str) -> datetime | None:
    text = _WEEKDAY.sub("", text, count=1)
    match = _MONTH_FIRST.fullmatch(text)
    name, day, year, rest = match.groups() if match else ("", "", "", "")
    if not match and (match := _DAY_FIRST.fullmatch(text)):
        day, name, year, rest = match.groups()
    month = _MONTHS.get(name[:3].lower())
    if not match or not month:
        return None
    clock = _CLOCK.match(rest)
    hour, minute = (int(clock[1]), int(clock[2])) if clock else (0, 0)
    if clock and clock[3]:
        hour = hour % 12 + (12 if clock[3] in "Pp" else 0)
    return datetime(int(year), month, int(day), hour, minute, tzinfo=UTC)
