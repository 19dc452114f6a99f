"""How each source is doing: when it is asked and why then, what it gave lately, what is wrong with it, what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from zoneinfo import ZoneInfo

from pipeline.app import App
from pipeline.collect.ask import whereabouts
from pipeline.collect.manners.intervals import say, say_times
from pipeline.collect.manners.moves import MoveVerdict, decide_move
from pipeline.config import Source
from pipeline.model.sources import SourceKind, SourceStanding
from pipeline.net.guard import printable
from pipeline.store import source_counts, sources
from pipeline.store.source_counts import SourceCounts
from pipeline.store.sources import SourceState

LATELY = timedelta(days=7)
LONG = timedelta(days=3)
"""For so long a failure may still be a passing one."""


class Mood(StrEnum):
    WELL = "well"
    NEW = "new"              # not asked yet
    FAILING = "failing"
    PARTLY = "partly"        # some of it could not be read, or our own network was down
    QUARANTINED = "quarantined"
    GONE = "gone"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Standing:
    """One source of config.toml. `trouble` and `advice` are "" where all is well; `trouble` may be several lines."""

    slug: str
    title: str
    kind: str                     # what it turned out to be; "auto" before it was asked
    location: str                 # as configured
    asks: str                     # another address that is asked instead, and ""
    mood: Mood
    trouble: str
    advice: str
    asked_at: datetime | None
    next_at: datetime | None      # None: never
    moving: str                   # where a redirect for good leads that is not believed yet, in words, and ""
    why: str                      # "every 6 hours: it publishes every 24 hours or so"
    failures: int
    error: str
    counts: SourceCounts


def standings(app: App, slugs: Sequence[str] = ()) -> list[Standing]:
    """Every source in the order of config.toml, or these."""
    now = app.now()
    with app.store.read() as connection:
        states = sources.states(connection)
        numbers = source_counts.counts(connection, now - LATELY)
    zone = ZoneInfo(app.config.site.timezone)
    return [stand(source, state, numbers.get(state.id, SourceCounts()), now, zone)
            for source in app.config.sources if (not slugs or source.slug in slugs)
            and (state := states.get(source.slug)) is not None]


def stand(source: Source, state: SourceState, counts: SourceCounts, now: datetime, zone: tzinfo = UTC) -> Standing:
    """`zone` is the clock on which times in words are told."""
    mood = _mood(state)
    trouble, advice = _trouble(source, state, mood, now, zone)
    if mood is Mood.BLOCKED and counts.articles:
        advice += f"; `broadsheet sources block {source.slug} --purge` takes down what it gave"
    kind = state.found_kind if state.kind is SourceKind.AUTO and state.found_kind else str(state.kind)
    asked = state.followed_url or state.feed_url
    usual = state.interval and not state.last_error  # else the reason is that of one longer wait
    why = f"every {say(state.interval)}: {state.interval_reason}" if usual else state.interval_reason
    if state.next_poll_at is None or why.startswith("failed"):  # that is said already
        why = ""
    return Standing(
        slug=source.slug, title=state.title, kind=kind, location=printable(source.url) or str(source.folder),
        asks=printable(asked) if asked != source.url else "", mood=mood, trouble=trouble, advice=advice,
        asked_at=state.last_polled_at, next_at=state.next_poll_at, moving=_moving(source, state, now), why=why,
        failures=state.failures, error=state.last_error, counts=counts)


def _moving(source: Source, state: SourceState, now: datetime) -> str:
    if not state.moved_to or state.standing is not SourceStanding.ACTIVE:
        return ""
    move = decide_move(whereabouts(source, state), state.moved_to, now)
    return move.reason if move.verdict in (MoveVerdict.WAIT, MoveVerdict.REFUSE) else ""


def _mood(state: SourceState) -> Mood:
    if state.standing is not SourceStanding.ACTIVE:
        return Mood(state.standing.value)
    if state.failures:
        return Mood.FAILING
    if state.last_polled_at is None:
        return Mood.NEW
    return Mood.PARTLY if state.last_error else Mood.WELL


def _trouble(source: Source, state: SourceState, mood: Mood, now: datetime, zone: tzinfo) -> tuple[str, str]:
    slug = source.slug
    now_by_hand = f"`broadsheet collect {slug}` tries it now"
    if mood is Mood.BLOCKED:
        return "blocked by you, and not asked", (
            "nothing; to ask it again take `blocked = true` out of its table in config.toml")
    if mood is Mood.GONE:
        stay = "" if "articles stay" in state.standing_reason else ". Its articles stay"
        return f"gone, and not asked any more: {state.standing_reason}{stay}", (
            f"put its new address into config.toml, or `broadsheet sources remove {slug}`")
    if mood is Mood.QUARANTINED:
        until = f" until {_moment(state.standing_until, zone)}" if state.standing_until else ""
        return f"in quarantine{until}: {state.standing_reason}", (
            f"nothing, it is tried again then; {now_by_hand}, "
            f"`broadsheet sources block {slug}` leaves it alone for good")
    if mood is Mood.PARTLY:
        lines = "\n" if "\n" in state.last_error else " "
        return f"when it was last asked:{lines}{state.last_error}", ""
    if mood is not Mood.FAILING:
        return "", ""
    since = state.failing_since or now
    told = f"failed {say_times(state.failures)} since {_moment(since, zone)}: {state.last_error}"
    if source.folder is not None:
        return told, f"put right what is said; {now_by_hand}"
    if now - since < LONG:
        return told, f"nothing yet, it is tried again by itself; {now_by_hand}"
    return told, (f"look whether it has moved: `broadsheet sources add {_front(source.url)} --dry-run` says what is "
                  "there now; then change `url` in config.toml")


def _moment(moment: datetime, zone: tzinfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"


def _front(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}/"
