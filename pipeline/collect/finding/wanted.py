"""Which pages of a listing or a sitemap to read: a pure decision with a verdict and a reason for every address.

Reading a page costs its server a request, so a poll reads few, the newest first, and never an archive by accident.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from pipeline.collect.finding.findings import Pointer
from pipeline.model.sources import SourceKind

FEW = 10             # older ones that a first poll reads all the same, so that a feed does not begin empty
WAITING_POLLS = 25   # what would not be read within so many polls is not waited for

_OLDEST = datetime.min.replace(tzinfo=UTC)


class Want(StrEnum):
    READ = "read"     # its page, now
    WAIT = "wait"     # for a later poll; nothing is remembered, it is met again
    PASS = "pass"     # never; to be remembered with the reason  # noqa: S105
    KNOWN = "known"   # an article, waited for or passed over already


@dataclass(frozen=True, slots=True)
class Judged:
    pointer: Pointer
    want: Want
    reason: str


def wanted(
    pointers: Sequence[Pointer], known_keys: Collection[str], *, kind: SourceKind, first_poll: bool,
    backlog: timedelta | None, now: datetime, limit: int, since: datetime | None = None,
) -> tuple[Judged, ...]:
    """Judge each of `pointers`, the newest first; those READ stand in the order in which to read them.

    `known_keys` are the address keys of articles, of what was passed over and of what waits for its page. `kind` is
    PAGE (a listing, whose order is newest first) or SITEMAP (whose last is newest, where dates say nothing).
    `backlog` is as in the config, None meaning all, and zero none; `since` is when the source was first read.

    The first poll, where everything is new:

    - with a backlog of all, everything is wanted, `limit` at a time;
    - what is dated within the backlog is wanted as well, `limit` at a time;
    - of what is older, or on a listing has no date, the newest are read at once, to fill up to FEW (a listing: up to
      `limit`, they are on its first page for a reason). The rest is passed over at once and does not wait: a later
      poll could not tell it from news, and would let it into a digest;
    - of a sitemap's undated addresses none is read. A sitemap holds the imprint beside the articles, and nothing says
      which is new; all of them are the baseline against which the next poll finds what is.

    Later polls want what they have not met, except what a sitemap dates before `since` by more than the backlog: it
    was there all the time, in a part of it that had not been read. On a listing what appears later is new, whatever
    its date says.
    """
    judged: list[Judged] = []
    news: list[Pointer] = []
    met = set(known_keys)
    for pointer in _newest_first(pointers, kind):
        key = pointer.draft.url_key
        if not key:
            judged.append(Judged(pointer, Want.PASS, "has no address by which it could be known again"))
        elif key in met:
            judged.append(Judged(pointer, Want.KNOWN, "is known already"))
        else:
            met.add(key)
            news.append(pointer)
    if first_poll and backlog is not None:
        return (*_first(news, kind, backlog, now, limit), *judged)
    return (*_later(news, kind, backlog, since, limit), *judged)


def _first(
    news: list[Pointer], kind: SourceKind, backlog: timedelta, now: datetime, limit: int
) -> list[Judged]:
    recent = [p for p in news if p.when is not None and backlog > timedelta() and now - p.when <= backlog]
    judged = _in_turn(recent, limit, "is within the backlog")
    room = max(0, (limit if kind is SourceKind.PAGE else min(limit, FEW)) - len(recent))
    inside = set(map(id, recent))
    for pointer in (p for p in news if id(p) not in inside):
        if pointer.when is None and kind is not SourceKind.PAGE:
            judged.append(Judged(pointer, Want.PASS, "was there when the sitemap was first read, and has no date"))
        elif room > 0:
            room -= 1
            judged.append(Judged(pointer, Want.READ, "is among the newest of the first poll; for feeds only"))
        elif pointer.when is None:
            judged.append(Judged(pointer, Want.PASS, "was there when the page was first read, below the newest"))
        else:
            judged.append(Judged(pointer, Want.PASS, "older than the backlog when the source was first read"))
    return judged


def _later(
    news: list[Pointer], kind: SourceKind, backlog: timedelta | None, since: datetime | None, limit: int
) -> list[Judged]:
    wanted_ones: list[Pointer] = []
    old: list[Pointer] = []
    for pointer in news:
        before = kind is SourceKind.SITEMAP and backlog is not None and since is not None and (
            pointer.when is not None and since - pointer.when > backlog)
        (old if before else wanted_ones).append(pointer)
    most = len(wanted_ones) if backlog is None else limit * WAITING_POLLS
    return [
        *_in_turn(wanted_ones[:most], limit, "is new"),
        *(Judged(p, Want.PASS, f"one of more than {most} new addresses at once, and not among the newest")
          for p in wanted_ones[most:]),
        *(Judged(p, Want.PASS, "dated before the source was first read, by more than the backlog") for p in old),
    ]


def _in_turn(pointers: list[Pointer], limit: int, reason: str) -> list[Judged]:
    return [
        Judged(p, Want.READ, reason) if n < limit else
        Judged(p, Want.WAIT, f"waits for its turn: {limit} pages are read at a time, the newest first")
        for n, p in enumerate(pointers)
    ]


def _newest_first(pointers: Sequence[Pointer], kind: SourceKind) -> list[Pointer]:
    """By date; equal or no dates by place."""
    in_order = list(pointers) if kind is SourceKind.PAGE else list(reversed(pointers))
    return sorted(in_order, key=lambda p: p.when or _OLDEST, reverse=True)
