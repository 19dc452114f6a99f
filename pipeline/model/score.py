"""A score that anybody can work out again: freshness, how many sources tell the story, the operator's pin. Pure.

    freshness   100 points when it is published, half of them after a day, a quarter after two
    sources     20 for each further source of its story, 100 at the most
    pin         1,000 where the operator put it at the top
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

FRESH = 100
HALF_LIFE = timedelta(days=1)
A_SOURCE = 20
MOST_SOURCES = 5
PIN = 1_000


def score(published_at: datetime, at: datetime, *, others: int = 0, pinned: bool = False) -> dict[str, int]:
    """The points by what they are for. `at` is the digest's slot, so that the same digest gives the same score whenever
    it is composed; `others` is how many further sources tell the story."""
    age = max(at - published_at, timedelta())
    points = {"freshness": round(FRESH * 0.5 ** (age / HALF_LIFE)), "sources": A_SOURCE * min(others, MOST_SOURCES)}
    return points | ({"pin": PIN} if pinned else {})


def in_words(points: Mapping[str, int]) -> str:
    """ "143 points: 43 for freshness, 100 for other sources of its story"."""
    named = {"freshness": "freshness", "sources": "other sources of its story", "pin": "your pin"}
    parts = ", ".join(f"{value:,} for {named.get(key, key)}" for key, value in points.items() if value)
    total = sum(points.values())
    said = f"{total:,} {'point' if total == 1 else 'points'}"
    return f"{said}: {parts}" if parts else said
