"""What a feed's document says about asking again, and about who would tell us instead (`Hints`).

RSS 2.0's <ttl>, <skipHours> and <skipDays>, RSS 1.0's syndication module, and WebSub's rel="hub" and rel="self". The
addresses are absolute http(s) or not taken. What is said is only read here; whether it is followed is decided where the
next poll is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta

from pipeline.collect.reading.elements import Fields, first_text, href_of, name_of, text_of
from pipeline.model.sources import Hints
from pipeline.text.urls import absolute

LONGEST = timedelta(days=366)  # more is a slip, or a wish never to be asked again

_PERIODS = {
    "hourly": timedelta(hours=1), "daily": timedelta(days=1), "weekly": timedelta(weeks=1),
    "monthly": timedelta(days=30), "yearly": timedelta(days=365),
}
_DAYS = {name: n for n, name in enumerate("mon tue wed thu fri sat sun".split())}
_COUNT = re.compile(r"(\d{1,7})(?:\.\d{1,6})?", re.ASCII)


def hints_of(channel: Fields) -> Hints:
    """Read the hints of an XML feed, given the fields of its channel."""
    links = [(rel, href_of(e)) for name in ("atom:link", "link") for e in channel.get(name, ())
             for rel in (e.get("rel") or "").lower().split()]
    return Hints(
        ttl=max(_minutes(first_text(channel, "ttl")), _update_period(channel)),
        skip_hours=_hours(_inner(channel, "skipHours", "hour")),
        skip_days=_days(_inner(channel, "skipDays", "day")),
        hub=_first_address(href for rel, href in links if rel == "hub"),
        self_url=_first_address(href for rel, href in links if rel == "self"),
    )


def hints_of_links(links: Iterable[tuple[str, str]], ttl: str = "") -> Hints:
    """Make hints of (rel, address) pairs and a ttl, where there are no elements to read them from."""
    pairs = [(rel.lower(), address) for rel, address in links]
    return Hints(
        ttl=_minutes(ttl),
        hub=_first_address(address for rel, address in pairs if rel == "hub"),
        self_url=_first_address(address for rel, address in pairs if rel == "self"),
    )


def _minutes(text: str) -> timedelta:
    count = _COUNT.fullmatch(text)
    return min(timedelta(minutes=int(count[1])), LONGEST) if count else timedelta()


def _update_period(channel: Fields) -> timedelta:
    """"weekly" and "2" is every half week; each alone has the other's default, "daily" and "1" (RSS 1.0)."""
    period, frequency = first_text(channel, "sy:updatePeriod"), first_text(channel, "sy:updateFrequency")
    if not period and not frequency:
        return timedelta()
    count = _COUNT.fullmatch(frequency)
    return _PERIODS.get(period.lower() or "daily", timedelta()) / max(1, int(count[1]) if count else 1)


def _inner(channel: Fields, outer: str, inner: str) -> list[str]:
    """Some write <skipHours><hour>1</hour></skipHours>, some <skipHours>1, 2</skipHours>."""
    texts = []
    for element in channel.get(outer, ())[:1]:
        texts += [text_of(child) for child in element if name_of(child).lower() == inner] or text_of(element).split(",")
    return [text.strip() for text in texts[:100]]


def _hours(texts: Iterable[str]) -> tuple[int, ...]:
    """0 to 23; RSS 0.91 counted from 1 to 24. All of them would mean never, and is not believed."""
    hours = {int(text) % 24 for text in texts if re.fullmatch(r"0?\d|1\d|2[0-4]", text, re.ASCII)}
    return tuple(sorted(hours)) if len(hours) < 24 else ()


def _days(texts: Iterable[str]) -> tuple[int, ...]:
    days = {_DAYS[name] for text in texts if (name := text[:3].lower()) in _DAYS}
    return tuple(sorted(days)) if len(days) < 7 else ()


def _first_address(addresses: Iterable[str]) -> str:
    return next((url for address in addresses if (url := absolute(address))), "")
