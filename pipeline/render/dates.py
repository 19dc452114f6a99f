"""Days in words, as a language writes them: the only Babel, loaded where another language than English is asked for.

English is written here, in one way for all who read it (CLDR has one for each country, and 3/4 means two days).
"""

from __future__ import annotations

import functools
from datetime import date, datetime

KEPT = 2_000  # days in words that are remembered; a send asks for one of each subscriber


def format_date(value: date, language: str) -> str:
    """ "22 November 2026", "22. November 2026" in German; "2026-11-22" where the language is not known."""
    return _said(_day(value), language, "long")


def format_weekday(value: date, language: str) -> str:
    """ "Sunday, 22 November 2026"; the bare date where the language is not known."""
    return _said(_day(value), language, "full")


def _day(value: date) -> date:
    """Of a moment its calendar day, so that a million moments are a few hundred days."""
    return value.date() if isinstance(value, datetime) else value


@functools.lru_cache(KEPT)
def _said(day: date, language: str, style: str) -> str:
    if language.lower().partition("-")[0] == "en":
        words = f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
        return words if style == "long" else f"{_DAYS[day.weekday()]}, {words}"
    return _by_babel(day, language, style) or f"{day.year:04}-{day.month:02}-{day.day:02}"


def _by_babel(day: date, language: str, style: str) -> str:
    """ "" for a language that CLDR has no dates of."""
    from babel import Locale, UnknownLocaleError
    from babel.dates import format_date as write

    parts = language.replace("_", "-").split("-")
    for length in range(len(parts), 0, -1):  # "pt-BR-x-own": what is known of it
        try:
            return write(day, style, Locale.parse("-".join(parts[:length]), sep="-"))
        except (UnknownLocaleError, ValueError):
            continue
    return ""


_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
