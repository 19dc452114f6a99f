"""robots.txt (RFC 9309): may this page be fetched, and how fast. Pure; fetching it is `robots_cache`'s.

    fetched    2xx  its rules hold          4xx  there are none: allowed (section 2.3.1.3)
               5xx, 429, not reached        not allowed, and asked again later (section 2.3.1.4)

It is asked about pages only. A feed's own address is not subject to it: robots.txt is for programs that find their
own way, and the operator asked for that very address, as a reader with a feed reader does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from urllib.parse import urlsplit

from protego import Protego

from pipeline.collect.manners.freshness import wishes
from pipeline.model.robots import Robots
from pipeline.model.sources import Hints
from pipeline.text.legal import legal_text

PRODUCT = "Broadsheet"                   # the product token (section 2.2.1) that rules may be written for
MAX_BODY = 500 * 1024                    # bytes that are read (section 2.5); rules further down do not exist
MAX_RULE = 2_000                         # characters of one line; longer ones are no rules
MAX_AGE = timedelta(hours=24)            # a copy is not used longer (section 2.4), unless there is no newer to be had
LEAST_AGE = timedelta(minutes=10)        # even where the server wants none kept: not one request more for each page
UNREACHABLE_AGE = timedelta(hours=1)     # until a site that could not be asked is asked again
MAX_STALE = timedelta(days=30)           # how long an older copy stands in for a site that can't be reached
MAX_CRAWL_DELAY = timedelta(seconds=30)  # of "Crawl-delay", which is in no standard

_LATER = frozenset({408, 421, 423, 425, 429})
_FIELD = re.compile(r"\s*(?:user[ -]?agent)\s*(?::|\s)\s*(.*)", re.IGNORECASE)
_RULE = re.compile(r"\s*(?:d[a-z]{5,8}|allow|crawl[ -]?delay|request[ -]rate|visit[ -]time)\b", re.IGNORECASE)
_TOKEN = re.compile(r"[A-Za-z_-]+|\*")


@dataclass(frozen=True, slots=True)
class PageVerdict:
    """Whether a page may be fetched, and why. `later`: not now, but it is worth asking again."""

    allowed: bool
    reason: str
    later: bool = False
    crawl_delay: timedelta = timedelta()   # between two pages of this site; zero: the site says nothing


def decide_page(robots: Robots | None, url: str, agent: str = PRODUCT) -> PageVerdict:
    """Decide whether `agent`, a product token, may fetch the page `url`. None: robots.txt was not asked for yet."""
    host = urlsplit(url).hostname or "the site"
    if robots is None:
        return PageVerdict(allowed=False, later=True, reason=f"robots.txt of {host} has not been read yet")
    if is_unreachable(robots.status):
        how = f"answers {robots.status}" if robots.status else "could not be reached"
        return PageVerdict(allowed=False, later=True, reason=f"robots.txt of {host} {how}, which means no for now")
    if not 200 <= robots.status < 300:
        return PageVerdict(allowed=True, reason=f"{host} has no robots.txt ({robots.status})")
    rules = _rules(robots.body, agent)
    delay = min(timedelta(seconds=min(rules.crawl_delay(agent) or 0.0, 86_400.0)), MAX_CRAWL_DELAY)
    if rules.can_fetch(url, agent):
        return PageVerdict(allowed=True, reason=f"robots.txt of {host} allows it", crawl_delay=delay)
    return PageVerdict(allowed=False, reason=f"robots.txt of {host} forbids this page", crawl_delay=delay)


def is_unreachable(status: int) -> bool:
    """Is this an answer that says nothing about the rules, now?"""
    return status in _LATER or not (200 <= status < 300 or 400 <= status < 500)


def decide_robots(
    origin: str, status: int, body: bytes, headers: Mapping[str, str], now: datetime, *,
    known: Robots | None = None, retry_after: timedelta | None = None,
) -> Robots:
    """Return what to keep of an answer (`status` 0: none came). `headers` have lower-case names.

    Where the site can't be asked, what is `known` of it holds on, up to MAX_STALE (section 2.4).
    """
    if not is_unreachable(status):
        text = _text(body) if 200 <= status < 300 else ""
        return Robots(origin, status, text, now, now + _age(headers, now))
    again = now + min(max(retry_after or UNREACHABLE_AGE, LEAST_AGE), MAX_AGE)
    if known is not None and not is_unreachable(known.status) and now - known.fetched_at <= MAX_STALE:
        return Robots(origin, known.status, known.body, known.fetched_at, again)
    return Robots(origin, status, "", now, again)


def _age(headers: Mapping[str, str], now: datetime) -> timedelta:
    wish = wishes(headers, Hints(), now)
    if wish:
        return min(max(wish[0].span, LEAST_AGE), MAX_AGE)
    return LEAST_AGE if headers.get("cache-control") or headers.get("expires") else MAX_AGE


def _text(body: bytes) -> str:
    """Its text, up to the last whole line within MAX_BODY."""
    if len(body) > MAX_BODY:
        body = body[:MAX_BODY].rpartition(b"\n")[0]
    return legal_text(body.decode("utf-8", errors="replace").removeprefix("\ufeff"))


@lru_cache(maxsize=8)  # a large one takes 20 MB
def _rules(body: str, agent: str) -> Protego:
    return Protego.parse("\n".join(_ours(body, agent.lower())))


def _ours(body: str, agent: str) -> Iterator[str]:
    """The lines of the groups for us and for "*".

    The parser gives each rule to every name of its group: 250 KB of names over 250 KB of rules would be 300 million.
    It also takes "b" for the beginning of "broadsheet"; a product token matches whole (section 2.2.1).
    """
    ours = naming = False
    for line in body.split("\n"):
        bare = line[:MAX_RULE].partition("#")[0].strip()
        if field := _FIELD.fullmatch(bare):
            name = _TOKEN.match(field[1])
            wanted = name[0].lower() if name else ""
            ours = (ours and naming) or wanted in (agent, "*")
            if wanted in (agent, "*"):
                yield f"User-agent: {wanted}"
            naming = True
        elif bare and len(line) <= MAX_RULE:
            naming = naming and not _RULE.match(bare)
            if ours:
                yield bare
