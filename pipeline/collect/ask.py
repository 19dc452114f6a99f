"""One source asked: from its row to an answer that only has to be written down.

    which address? | fetch, as manners want it | what is it? | read by a child | what does it say about asking again?

It writes nothing, and never raises for anything that the source did: a failure is an answer too.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pipeline.collect.accept import Poll, Seen
from pipeline.collect.children.pool import Stopped
from pipeline.collect.manners.intervals import (
    HOURLY,
    Interval,
    Rhythm,
    Validators,
    decide_gone,
    decide_interval,
    decide_retry,
    decide_validators,
    next_poll,
)
from pipeline.collect.manners.linkheader import with_link_header
from pipeline.collect.manners.moves import (
    PATIENCE,
    Move,
    MoveVerdict,
    Whereabouts,
    decide_move,
    decide_move_back,
    same_address,
)
from pipeline.collect.manners.pace import site_of
from pipeline.collect.manners.quarantine import count_offences, decide_quarantine
from pipeline.collect.readings import Reading, Tools, read_document
from pipeline.config import Source
from pipeline.errors import BroadsheetError, FetchError, Refused
from pipeline.model.sources import SourceStanding
from pipeline.net.fetch import HttpStatusError, Request
from pipeline.store.sources import SourceState

MAX_ERROR = 1_000  # characters of an error that are kept


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking: `seen` is None where there is nothing newer; `fields` are the source's columns to write."""

    source: Source
    state: SourceState
    poll: Poll
    at: datetime
    fields: dict[str, Any]
    seen: Seen | None = None
    reached: bool | None = None    # whether a server answered; None where that says nothing of our own network
    site: str = ""                 # whose server that is
    if_ours: dict[str, Any] = field(default_factory=dict)   # the columns instead, if our own network is down


def ask(
    source: Source, state: SourceState, tools: Tools, poll: Poll, now: datetime, *, pushed: bool = False
) -> Answer:
    """Ask a source that has an address. `pushed`: a hub has shown that it tells us of its news."""
    chance = _chance(source, now)
    try:
        reading = _read(source, state, tools, now, poll)
    except Stopped:
        raise
    except BroadsheetError as error:
        poll.error = str(error)
        ours = decide_retry(source.every or state.interval or HOURLY, state.failures, ours=True)
        return Answer(
            source, state, poll, now, _after_failure(source, state, error, now, chance, poll),
            reached=_reached(error), site=site_of(source.url), if_ours={
                "last_polled_at": now, "next_poll_at": next_poll(now, ours, chance), "interval_reason": ours.reason,
                "last_error": poll.error[:MAX_ERROR]})
    fields = _after_answer(source, state, reading, now, chance, poll, pushed=pushed)
    return Answer(source, state, poll, now, fields, reading.seen, reached=True, site=site_of(source.url))


def whereabouts(source: Source, state: SourceState) -> Whereabouts:
    return Whereabouts(state.feed_url or source.url, state.followed_url, state.moved_to, state.moved_since)


def _read(source: Source, state: SourceState, tools: Tools, now: datetime, poll: Poll) -> Reading:
    response = tools.fetcher.fetch(_request(source, whereabouts(source, state).asked, state))
    if response.status == 304:
        poll.not_modified = True
        return Reading(response)
    body_hash = hashlib.sha256(response.body).hexdigest()
    if body_hash == state.body_hash and not response.delta:
        poll.not_modified = True
        return Reading(response, body_hash=body_hash)
    reading = read_document(source, state, response, tools, now, poll)
    if reading.whole and not response.delta:  # of what was read in the end, which may be the feed that a page names
        reading.body_hash = hashlib.sha256(reading.response.body).hexdigest()
    return reading


def _request(source: Source, url: str, state: SourceState) -> Request:
    return Request(url, etag=state.etag, last_modified=state.last_modified,
                   allow_networks=source.allow_networks)


def _after_answer(
    source: Source, state: SourceState, reading: Reading, now: datetime, chance: float, poll: Poll, *, pushed: bool
) -> dict[str, Any]:
    response = reading.response
    validators = decide_validators(Validators(state.etag, state.last_modified), response.status, response.etag,
                                   response.last_modified) if reading.whole else Validators()
    hints = with_link_header(reading.hints if reading.hints is not None else state.hints,
                             response.headers.get("link", ""), response.url)
    rhythm = reading.rhythm or Rhythm(state.rhythm, state.last_new_at)
    interval = decide_interval(every=source.every, headers=response.headers, hints=hints, rhythm=rhythm,
                               validators=validators, now=now, pushed=pushed)
    moved_to = "" if "feed_url" in reading.fields else response.moved_to  # it has just been named
    move = decide_move(whereabouts(source, state), moved_to, now)
    fields: dict[str, Any] = {
        "last_polled_at": now, "next_poll_at": next_poll(now, interval, chance, hints), "failures": 0,
        "last_error": "; ".join(poll.problems)[:MAX_ERROR], "failing_since": None, "offences": 0,
        "standing": SourceStanding.ACTIVE, "standing_reason": "", "standing_until": None,
        "etag": validators.etag, "last_modified": validators.last_modified, "interval": interval.span,
        "interval_reason": interval.reason, **_moved(state, move, now, poll),
    }
    if reading.seen is not None:
        fields |= {"hints": hints, "rhythm": rhythm.gap, "last_new_at": rhythm.newest, **reading.fields}
        if reading.body_hash or not reading.whole:
            fields["body_hash"] = reading.body_hash
        if reading.title and not source.title:
            fields["title"] = reading.title
        # an empty document is no beginning
        if state.first_polled_at is None and (reading.seen.drafts or reading.seen.pointers):
            fields["first_polled_at"] = now
    return fields


def _after_failure(
    source: Source, state: SourceState, error: BroadsheetError, now: datetime, chance: float, poll: Poll
) -> dict[str, Any]:
    status = error.status if isinstance(error, HttpStatusError) else 0
    wish = error.retry_after_s if isinstance(error, HttpStatusError) else None
    failures = state.failures + 1
    since = state.failing_since or now
    usual = source.every or state.interval or HOURLY
    asked = None if wish is None else timedelta(seconds=wish)
    waiting = decide_retry(usual, failures, status=status, retry_after=asked)
    where = whereabouts(source, state)
    passing = isinstance(error, HttpStatusError) and bool(error.url) and not error.moved_to and not same_address(
        error.url, where.asked)
    gone = decide_gone(status, followed=bool(state.followed_url or state.feed_url), passing=passing,
                       failing=now - since)
    move = decide_move_back(where, status, failures)
    fields: dict[str, Any] = {
        "last_polled_at": now, "next_poll_at": next_poll(now, waiting, chance), "failures": failures,
        "failing_since": since, "last_error": str(error)[:MAX_ERROR], "interval_reason": waiting.reason,
        **_moved(state, move, now, poll),
    }
    if gone.reason:
        poll.notes.append(gone.reason)
    if state.feed_url and not state.followed_url and (status in (404, 410) or failures >= PATIENCE):
        fields |= {"feed_url": "", "etag": "", "last_modified": "", "body_hash": "",
                   "next_poll_at": next_poll(now, Interval(min(usual, HOURLY), waiting.reason), chance)}
        poll.notes.append(f"{state.feed_url}, which its page named, is given up: the page is asked again")
    fields["offences"] = count_offences(state.offences, error)
    if quarantine := decide_quarantine(state.offences, error, now):
        poll.notes.append(quarantine.reason)
        return fields | {"standing": quarantine.standing, "standing_reason": quarantine.reason,
                         "standing_until": quarantine.until, "next_poll_at": quarantine.until}
    if state.standing is SourceStanding.QUARANTINED:  # it is over; what failed now is a failure like any other
        fields |= {"standing": SourceStanding.ACTIVE, "standing_reason": "", "standing_until": None}
    if gone.standing is not SourceStanding.ACTIVE:
        fields |= {"standing": gone.standing, "standing_reason": gone.reason, "next_poll_at": None}
    elif move.verdict is MoveVerdict.BACK:
        fields["next_poll_at"] = next_poll(now, Interval(min(usual, HOURLY), waiting.reason), chance)
    return fields


def _moved(state: SourceState, move: Move, now: datetime, poll: Poll) -> dict[str, Any]:
    """The columns that a redirect changes; none where nothing changed."""
    after = move.after
    if move.reason:
        poll.notes.append(move.reason)
    fields: dict[str, Any] = {}
    if (after.moved_to, after.moved_since) != (state.moved_to, state.moved_since):
        fields |= {"moved_to": after.moved_to, "moved_since": after.moved_since}
    if after.followed_url != state.followed_url:
        fields |= {"followed_url": after.followed_url, "followed_at": now if after.followed_url else None}
    if move.verdict is MoveVerdict.BACK:
        fields |= {"etag": "", "last_modified": "", "body_hash": ""}
    return fields


def _chance(source: Source, now: datetime) -> float:
    """A number in [0, 1) that parts sources which were added together, and is the same for the same poll."""
    return zlib.crc32(f"{source.slug} {now.isoformat()}".encode()) / (1 << 32)


def _reached(error: BroadsheetError) -> bool | None:
    """Whether a server was reached at all: what it said, however wrong, shows that our own network works."""
    if isinstance(error, HttpStatusError):
        return True
    if isinstance(error, Refused):
        return None
    return not isinstance(error, FetchError)
