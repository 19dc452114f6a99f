"""How long a server, or a document, asks us to wait before the next poll; and where in the week it wants no poll.

    server     Cache-Control max-age, Age, Expires, Date (RFC 9111 sections 4.2, 5.1 and 5.3)
    document   <ttl>, sy:updatePeriod; skipHours, skipDays
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipeline.collect.reading.dates import parse_date
from pipeline.model.sources import Hints

MAX_WISH = timedelta(hours=24)    # heeded of what a server or a document asks for; its next articles are worth a look
MAX_SKIP = timedelta(hours=48)    # heeded of skipHours and skipDays: a weekend
MAX_HEADER = 4_000                # characters read of a header

_DIRECTIVE = re.compile(r"""([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,;"]*)))?""")
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Wish:
    """How long to wait, and who says so: "its server", by "Cache-Control"."""

    span: timedelta
    who: str
    where: str


def wishes(headers: Mapping[str, str], hints: Hints, now: datetime) -> list[Wish]:
    """What was asked for, uncapped, in whatever order; empty where nothing was.

    `headers` are an answer's (200 or 304), names in lower case. `s-maxage` is meant for caches shared by many and is
    ignored; `max-age`, `no-cache` and `no-store` make `Expires` meaningless (RFC 9111 section 5.3).
    """
    found = []
    age = _age(headers.get("age", ""))
    lifetime = _lifetime(headers.get("cache-control", ""))
    where = "Cache-Control"
    if lifetime is None and headers.get("expires"):
        lifetime, where = _until_expiry(headers, now), "Expires"
    if lifetime is not None and lifetime > age:
        found.append(Wish(lifetime - age, "its server", where))
    if hints.ttl > timedelta():
        found.append(Wish(hints.ttl, "its document", "<ttl> or sy:updatePeriod"))
    return found


def skipping(hints: Hints) -> str:
    """Which of skipHours and skipDays is heeded, in words; "" for none. All hours, or all days, is nonsense."""
    hours, days = _skipped(hints)
    return " and ".join(name for name, given in (("skipHours", hours), ("skipDays", days)) if given)


def after_skipped(when: datetime, hints: Hints) -> datetime:
    """Return `when`, or the end of the skipped hours and days (UTC) that it falls into, MAX_SKIP later at most."""
    hours, days = _skipped(hints)
    moved, latest = when, when + MAX_SKIP
    while moved < latest:
        utc = moved.astimezone(UTC)
        if utc.hour not in hours and utc.weekday() not in days:
            return moved
        moved = utc.replace(minute=0, second=0, microsecond=0) + _HOUR
    return latest


def _age(text: str) -> timedelta:
    """`Age`: how long the answer already lay in a cache. Of a list the first counts, nonsense does not."""
    first = text[:MAX_HEADER].partition(",")[0].strip()
    return _seconds(first) or timedelta()


def _lifetime(cache_control: str) -> timedelta | None:
    """The freshness that Cache-Control gives; zero for "don't keep it", None where it says nothing of it."""
    lifetime = None
    for match in _DIRECTIVE.finditer(cache_control[:MAX_HEADER]):
        name = match[1].lower()
        if name in ("no-store", "no-cache"):
            return timedelta()
        if name == "max-age" and lifetime is None:  # of two, the first; one that is no number is stale (section 4.2.1)
            lifetime = _seconds(match[2] or match[3] or "") or timedelta()
    return lifetime


def _until_expiry(headers: Mapping[str, str], now: datetime) -> timedelta:
    """`Expires` - `Date`, both of the server's clock. A time that is none ("0", "-1") has passed."""
    expires = parse_date(headers["expires"])
    sent = parse_date(headers.get("date", "")) or now
    return max(expires - sent, timedelta()) if expires else timedelta()


def _seconds(digits: str) -> timedelta | None:
    return timedelta(seconds=int(digits[:10])) if re.fullmatch(r"[0-9]{1,40}", digits) else None


def _skipped(hints: Hints) -> tuple[frozenset[int], frozenset[int]]:
    hours = frozenset(hints.skip_hours) & frozenset(range(24))
    days = frozenset(hints.skip_days) & frozenset(range(7))
    return (hours if len(hours) < 24 else frozenset()), (days if len(days) < 7 else frozenset())
