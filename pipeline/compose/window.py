"""How far a digest reaches back, and what it shows to those who read it on the web. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.model.subscribers import Vantage

BY_HAND = timedelta(days=7)
"""How long a digest that was made by hand may be on its way."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Candidates have from_seq < accepted_seq <= cut_seq; the web page tells those after `public_from_seq`."""

    from_seq: int
    public_from_seq: int
    cut_seq: int


def decide_reach(people: Mapping[Vantage, int], cut_seq: int) -> Reach:
    """The reach of a digest for these people: where they stand -> how many. Whoever came after the cut counts for
    nothing: it is not for them.

    It goes back to the oldest window, so that nobody misses anything. The web page starts where most people's
    windows do (on a tie the older one): one person who has been unreachable for weeks must not fill it with old news.
    """
    starts: dict[int, int] = {}
    for who, number in people.items():
        if who.start < cut_seq:
            starts[who.start] = starts.get(who.start, 0) + number
    if not starts:
        return Reach(cut_seq, cut_seq, cut_seq)
    most = max(starts.values())
    return Reach(min(starts), min(s for s, number in starts.items() if number == most), cut_seq)


def decide_expiry(
    due_at: datetime, now: datetime, *, lasts: timedelta | None, next_after: Callable[[datetime], datetime] | None
) -> datetime:
    """When what has not been sent of a digest is not sent any more: what the newsletter says (`lasts`), else when the
    next one of its schedule is due, whose windows take these articles in; `next_after` is None for one made by hand.

    Counted from the slot, or from now where that is later: what was approved late is not too late for that.
    """
    start = max(due_at, now)
    if lasts is not None:
        return start + lasts
    return next_after(start) if next_after is not None else start + BY_HAND
