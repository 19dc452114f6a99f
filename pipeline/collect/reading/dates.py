"""Dates as sources write them: RFC 822 and RFC 3339, and the many ways in which these are missed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

MAX_CHARS = 80
CENTURY = 1969  # the first year that two digits can mean: 69 is 1969, 68 is 2068 (as in the standard library)

_ISO = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)(?:[T_ ]+(\d\d):?(\d\d)(?::?(\d\d)(?:[.,]\d+)?)?)?\s*(Z|UTC|GMT|[+-]\d\d:?\d\d|[+-]\d\d)?",
    re.IGNORECASE | re.ASCII,
)
_RFC822 = re.compile(
    r"(?:[A-Za-z]{3,9},? )?(\d{1,2})[ -]([A-Za-z]{3})[a-z]*[ -](\d{4}) (\d{1,2}):(\d\d)(?::(\d\d))?"
    r" ?(Z|UTC|GMT|UT|[+-]\d\d:?\d\d)?", re.ASCII,
)
_YEAR_ZERO = re.compile(r"\b00\d\d\b(?!:)", re.ASCII)
_SECONDS = re.compile(r"(\d{9,10})(?:\d{3})?", re.ASCII)  # since 1970, some with thousandths; from 1973 on

_FOREIGN_DIGIT = re.compile(r"[^\D0-9]")
_NAME = r"(?P<month>[^\W\d_]{3,12})"
_YEAR_FIRST = re.compile(
    r"(?P<year>\d{4})(?:[-/.]|[年년] ?)(?P<month>\d{1,2})(?:[-/.]|[月월] ?)(?P<day>\d{1,2})[日일]?(?!\d)(?P<rest>.*)")
_DOTS = re.compile(r"(?P<day>\d{1,2})\. ?(?P<month>\d{1,2})\. ?(?P<year>\d{4})(?P<rest>.*)")  # the day comes first
_DAY_FIRST = re.compile(
    rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th|er|\.)?[ -](?:de )?{_NAME}\.?,?[ -](?:de )?"
    r"(?P<year>\d{4}|\d\d(?= ))(?P<rest>.*)")
_MONTH_FIRST = re.compile(rf"{_NAME}\.? (?P<day>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<year>\d{{4}})(?P<rest>.*)")
_WEEKDAY = re.compile(r"^(?:[^\W\d_]{2,14}\.?(?:-feira)?,? ?(?=\d)|(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,? )")
_CLOCK = re.compile(r"[^\d+]{0,12}?(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,]\d+)?)? ?(?:([ap])\.?m\b\.?)?")
_ZONE = re.compile(r"\W{0,2}(?:(?:gmt|utc?)? ?([+-]\d\d?(?::?\d\d)?)|([a-z]{1,5}))(?![\d:])")

_MONTHS = {
    name: number
    for number, names in enumerate((
        "jan gen ene янв sty", "feb fév fev фев lut", "mar mär mrz mrt мар", "apr avr abr апр kwi",
        "may mai mag mei maj май мая", "jun juin giu июн cze", "jul juil lug июл lip", "aug aoû aou ago авг sie",
        "sep set сен wrz", "oct okt ott out окт paź", "nov ноя lis", "dec déc dez dic des дек gru",
    ), start=1)
    for name in names.split()
}
"""The beginnings of months' names, English first: some programs write dates in the language of their site."""

_HOURS = {
    "z": 0, "ut": 0, "utc": 0, "gmt": 0, "wet": 0, "west": 1, "bst": 1, "cet": 1, "mez": 1, "cest": 2, "mesz": 2,
    "eet": 2, "eest": 3, "msk": 3, "ist": 5.5, "wib": 7, "hkt": 8, "sgt": 8, "awst": 8, "jst": 9, "kst": 9,
    "aest": 10, "aedt": 11, "nzst": 12, "nzdt": 13, "brt": -3, "art": -3, "ast": -4, "adt": -3, "edt": -4, "est": -5,
    "et": -5, "cdt": -5, "cst": -6, "ct": -6, "mdt": -6, "mst": -7, "mt": -7, "pdt": -7, "pst": -8, "pt": -8,
    "akdt": -8, "akst": -9, "hst": -10,
}
"""Zones by name, hours east of Greenwich. RFC 822 knows the American ones only; where several countries use a name,
it means the one with the most feeds."""


def parse_date(text: str) -> datetime | None:
    """Return the aware UTC time that `text` means, or None. What names no zone is taken as UTC.

    Read are RFC 3339 and its relatives, RFC 822, "June 3, 2024", "3 juin 2024", "3.6.2024", the same in Chinese and
    Korean, seconds since 1970, and zones by name. "03/06/2024" is not: nobody knows which of the two is the month;
    nor is "2024", which says too little to sort by. The year is not judged here.
    """
    text = " ".join(text.split())
    if not text or len(text) > MAX_CHARS or (not text.isascii() and _FOREIGN_DIGIT.search(text)):
        return None
    try:
        return _iso(text) or _rfc822(text) or _seconds(text) or _in_words(text.lower()) or _by_library(text)
    except (ValueError, TypeError, OverflowError, IndexError):  # 30 February, hour 25, year 0, a zone of +9999
        return None


def _iso(text: str) -> datetime | None:
    match = _ISO.fullmatch(text)
    if not match:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    return _time(year, month, day, hour, minute, second) - _offset(match[7] or "Z")


def _rfc822(text: str) -> datetime | None:
    match = _RFC822.fullmatch(text)
    month = _MONTHS.get(match[2].lower()) if match else None
    if not match or not month:
        return None
    day, year, hour, minute, second = (int(match[n] or 0) for n in (1, 3, 4, 5, 6))
    return _time(year, month, day, hour, minute, second) - _offset(match[7] or "Z")


def _seconds(text: str) -> datetime | None:
    match = _SECONDS.fullmatch(text)
    return datetime.fromtimestamp(int(match[1]), UTC) if match else None


def _in_words(text: str) -> datetime | None:
    parts = _day_in_words(text.strip("\"'() "))
    month = parts["month"] if parts else ""
    number = int(month) if month.isdecimal() else _MONTHS.get(month[:4]) or _MONTHS.get(month[:3])
    if not parts or not number:
        return None
    rest = parts["rest"]
    clock = _CLOCK.match(rest)
    hour, minute, second = (int(part or 0) for part in clock.groups()[:3]) if clock else (0, 0, 0)
    if clock and clock[4]:
        hour = hour % 12 + (12 if clock[4] == "p" else 0)
    zone = _ZONE.match(rest, clock.end()) if clock else None
    local = _time(_full(parts["year"]), number, int(parts["day"]), hour, minute, second)
    return local - _offset((zone[1] or zone[2]) if zone else "Z")


def _day_in_words(text: str) -> dict[str, str] | None:
    for without in dict.fromkeys((text, _WEEKDAY.sub("", text))):
        for form in (_YEAR_FIRST, _DOTS, _DAY_FIRST, _MONTH_FIRST):
            if match := form.fullmatch(without):
                return match.groupdict()
    return None


def _by_library(text: str) -> datetime | None:
    if ":" not in text or _YEAR_ZERO.search(text):  # it takes "Jan 0001", a date left empty, for 2001
        return None
    when = parsedate_to_datetime(text)
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)


def _time(year: int, month: int, day: int, hour: int, minute: int, second: int) -> datetime:
    midnight = timedelta(hour == 24)  # ISO 8601's at the end of a day
    return datetime(year, month, day, hour % 24 if hour == 24 else hour, minute, min(second, 59), tzinfo=UTC) + midnight


def _full(year: str) -> int:
    number = int(year)
    return number if len(year) > 2 else number + (1900 if number + 1900 >= CENTURY else 2000)


def _offset(zone: str) -> timedelta:
    """"+0200", "+02:00", "+2" and "CEST" are two hours; a name nobody knows is none."""
    if zone[0] not in "+-":
        return timedelta(hours=_HOURS.get(zone.lower(), 0))
    hours, _, minutes = zone[1:].partition(":") if ":" in zone else (zone[1:3], "", zone[3:])
    span = timedelta(hours=int(hours), minutes=int(minutes or 0))
    if span > timedelta(hours=15):
        raise ValueError(zone)
    return -span if zone[0] == "-" else span
