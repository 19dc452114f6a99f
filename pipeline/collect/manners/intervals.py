"""How often a source is asked, and what its answers change about that: pure decisions, each with its reason.

    decide_rhythm (how often does it publish?) | decide_interval | next_poll        an answer came
    decide_retry | decide_gone                                                      none, or a no
    decide_validators                                                               what to send next time

A reason is a clause that fits after the span: "every 6 hours: it publishes every 24 hours or so".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from pipeline.collect.manners.freshness import MAX_WISH, Wish, after_skipped, skipping, wishes
from pipeline.model.sources import Hints, SourceStanding

HOURLY = timedelta(hours=1)             # as often as a source is asked whose operator said nothing
DAILY = timedelta(hours=24)             # the slowest that a source gets by itself, and where nothing is conditional
PUSHED = timedelta(hours=6)             # where a hub tells us, polling only makes sure
POLLS_A_GAP = 4                         # polls between two articles, as a rule
NEWEST = 20                             # times of publication that a rhythm is read from
TOGETHER = timedelta(hours=1)           # what is published within it is one of these
MAX_BACK_OFF = timedelta(hours=24)
MAX_RETRY_AFTER = timedelta(days=7)
ASKED_TOO_OFTEN = timedelta(hours=1)    # at least, after a 429 that names no time
OUR_NETWORK = timedelta(minutes=15)     # at most, where it is our own network that is down
SITES_TO_TELL = 3                       # sites, none of which can be reached: the fault is on our side
JITTER = 0.1                            # of the interval, so that sources added together don't stay together
MAX_JITTER = timedelta(hours=1)
MISSING = timedelta(days=30)            # a 404 for so long is told in other words


@dataclass(frozen=True, slots=True)
class Interval:
    """How long to wait, and why that long."""

    span: timedelta
    reason: str


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How a source publishes: `gap` between two times as a rule (zero: not known), and when it last did (None: not
    known). A 304 brings no new one: then it is what was stored."""

    gap: timedelta = timedelta()
    newest: datetime | None = None


@dataclass(frozen=True, slots=True)
class Validators:
    """ETag and Last-Modified as the server wrote them. Opaque: compared and sent back, never read."""

    etag: str = ""
    last_modified: str = ""

    def __bool__(self) -> bool:
        return bool(self.etag or self.last_modified)


@dataclass(frozen=True, slots=True)
class Gone:
    """What a refusal means for whether the source is asked at all."""

    standing: SourceStanding
    reason: str


def decide_rhythm(published: Iterable[datetime]) -> Rhythm:
    """Read a rhythm from the times of publication in one document; leave out what has no date of its own.

    It is the median gap between the NEWEST times; what came within an hour of one counts with it, so that ten
    articles put out together every evening are a daily rhythm.
    """
    times: list[datetime] = []
    for time in sorted(published, reverse=True):
        if not times or times[-1] - time >= TOGETHER:
            times.append(time)
    gaps = [(later - earlier).total_seconds() for later, earlier in pairwise(times[:NEWEST])]
    return Rhythm(timedelta(seconds=median(gaps)) if gaps else timedelta(), times[0] if times else None)


def decide_interval(
    *, every: timedelta | None, headers: Mapping[str, str], hints: Hints, rhythm: Rhythm, validators: Validators,
    now: datetime, pushed: bool = False,
) -> Interval:
    """How long to wait after an answer: the largest of what we, the server and the document want.

    `every` is the operator's own word (None: nothing was said), and stands in for everything that we would choose.
    `headers` (names in lower case) are those of this answer, 200 or 304. `validators` are what a next request can be
    made conditional with. `pushed`: a hub has verified that it tells us.
    """
    ours = Interval(every, f"`every` says {say(every)}") if every else _our_choice(
        rhythm, validators, now, pushed=pushed)
    asked = max((_heeded(wish) for wish in wishes(headers, hints, now)), key=lambda i: i.span, default=ours)
    chosen = asked if asked.span > ours.span else ours
    skipped = skipping(hints)
    return Interval(chosen.span, f"{chosen.reason}; not when its {skipped} rule it out") if skipped else chosen


def decide_retry(
    interval: timedelta, failures: int, *, status: int = 0, retry_after: timedelta | None = None, ours: bool = False
) -> Interval:
    """How long to wait after the last of `failures` in a row: doubled for each, a day at most.

    `interval` is what the source had while it answered, never a former retry's. `status` is 0 where no answer came.
    `retry_after` counts after 429 and 503 only (RFC 6585 section 4, RFC 9110 section 15.6.4). `ours` (`ours_is_down`)
    blames nobody else, and should not be counted among the failures.
    """
    if ours:
        return Interval(min(interval, OUR_NETWORK), "nothing at all can be reached from here: it is our own network")
    doubled = interval * (1 << min(max(failures, 0), 20)) if interval < MAX_BACK_OFF else interval
    waiting = max(interval, min(doubled, MAX_BACK_OFF))
    reason = f"failed {say_times(failures)}"
    if status == 429:
        waiting, reason = max(waiting, ASKED_TOO_OFTEN), "its server says that it is asked too often (429)"
    asked = min(retry_after or timedelta(), MAX_RETRY_AFTER) if status in (429, 503) else timedelta()
    return Interval(asked, f"its server asks for that (Retry-After, {status})") if asked > waiting else Interval(
        waiting, reason)


def ours_is_down(unreachable_sites: int, answering_sites: int) -> bool:
    """Whether it is our own network that is down: several sites were asked, and not one gave any answer."""
    return answering_sites == 0 and unreachable_sites >= SITES_TO_TELL


def next_poll(now: datetime, interval: Interval, jitter: float, hints: Hints | None = None) -> datetime:
    """Put an interval on the clock: never earlier, up to a tenth later by `jitter` in [0, 1), and not in hours or
    days that the source rules out."""
    late = min(interval.span * JITTER, MAX_JITTER) * min(max(jitter, 0.0), 1.0)
    return after_skipped(now + interval.span + late, hints or Hints())


def decide_gone(
    status: int, *, followed: bool = False, passing: bool = False, failing: timedelta = timedelta()
) -> Gone:
    """What an HTTP status that is no answer says about the source itself.

    A 410 mutes it until its address in config.toml is changed; its articles stay. `followed`: not its own address was
    asked but one that it once redirected to, which is given up first (`moves`). `passing`: a redirect for this one time
    (302, 303, 307) led to who says so. `failing` is for how long it already fails.
    """
    if status == 410 and not (followed or passing):
        return Gone(SourceStanding.GONE, "its server says that it is gone for good (410); its articles stay, and it is "
                                         "asked again once its address in config.toml is changed")
    reason = _REFUSALS.get(status, "")
    if status == 404 and failing >= MISSING:
        reason = f"there has been nothing at its address for {say(failing)} (404); it has probably moved"
    return Gone(SourceStanding.ACTIVE, reason)


def decide_validators(old: Validators, status: int, etag: str, last_modified: str) -> Validators:
    """What to ask with next time. A 304 renews what it names and leaves the rest; any other answer replaces both."""
    if status == 304:
        return Validators(etag or old.etag, last_modified or old.last_modified)
    return Validators(etag, last_modified)


def say(span: timedelta) -> str:
    """A span in words: "90 minutes", "2 hours", "3 days"."""
    seconds = span.total_seconds()
    unit, size = next(((unit, size) for unit, size, most in _UNITS if seconds < most), ("day", 86_400))
    count = f"{seconds / size:.1f}".removesuffix(".0")
    return f"{count} {unit}" if count == "1" else f"{count} {unit}s"


def say_times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times") + (" in a row" if count > 1 else "")


_UNITS = (("second", 1, 60), ("minute", 60, 120 * 60), ("hour", 3600, 72 * 3600))  # and how far each goes, in seconds

_REFUSALS = {
    401: "it asks for a log-in (401)",
    402: "it asks for money (402)",
    403: "its server refuses us (403); perhaps it wants no programs",
    404: "there is nothing at its address (404)",
    410: "the address that it redirects to is gone (410)",
    429: "its server says that it is asked too often (429)",
    451: "it may not be shown for legal reasons (451)",
}


def _our_choice(rhythm: Rhythm, validators: Validators, now: datetime, *, pushed: bool) -> Interval:
    """Hourly; more slowly where it publishes rarely, where each poll costs it the whole document, where a hub tells."""
    chosen = Interval(HOURLY, "hourly, as nothing else was said")
    silent = max(now - rhythm.newest, timedelta()) if rhythm.newest else timedelta()
    gap = max(rhythm.gap, silent / 2)  # after two gaps without anything the silence itself is the rhythm
    adaptive = min(gap / POLLS_A_GAP, DAILY)
    if adaptive > chosen.span:
        told = f"it published nothing for {say(silent)}" if gap > rhythm.gap else f"it publishes every {say(gap)} or so"
        chosen = Interval(adaptive, told)
    if pushed and chosen.span < PUSHED:
        chosen = Interval(PUSHED, "its hub tells us what is new")
    if not validators and chosen.span < DAILY:
        chosen = Interval(DAILY, "daily, as its server gives neither ETag nor Last-Modified")
    return chosen


def _heeded(wish: Wish) -> Interval:
    asked = f"{wish.who} asks for {say(wish.span)} ({wish.where})"
    if wish.span > MAX_WISH:
        return Interval(MAX_WISH, f"{asked}, of which {say(MAX_WISH)} are heeded")
    return Interval(wish.span, asked)
