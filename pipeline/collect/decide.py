"""What becomes of a draft: pure decisions, each with its reason in words.

    match (is it one we know?) | decide_article (new, same, updated, moved) | decide_flood | decide_backlog

A reason is "" where nothing stands in the way, else a sentence that `broadsheet why` prints.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from pipeline.model.articles import ArticleStatus, Draft

FLOOD_LIMIT = 50       # new articles in one poll
DAILY_LIMIT = 4        # times FLOOD_LIMIT, in a day
FLOOD_FLOOR = 10       # a source may fill up to here at once, whatever its size
TELLING_SUMMARY = 80   # characters: below, two articles may well say the same ("Open thread")


class Verdict(StrEnum):
    NEW = "new"
    SAME = "same"
    UPDATED = "updated"  # other words: revision + 1
    MOVED = "moved"      # other guid or address, same words: remember these, no revision


@dataclass(frozen=True, slots=True)
class Known:
    """What has to be known of a stored article of the same source to compare a draft with it."""

    id: int
    guid: str
    url_key: str
    content_hash: str
    title: str = ""
    revision: int = 1
    status: ArticleStatus = ArticleStatus.ACCEPTED


@dataclass(frozen=True, slots=True)
class KnownIndex:
    """One source's known articles by each of their three identities."""

    by_guid: Mapping[str, Known] = field(default_factory=dict)
    by_url_key: Mapping[str, Known] = field(default_factory=dict)
    by_content_hash: Mapping[str, Known] = field(default_factory=dict)

    @classmethod
    def of(cls, articles: Iterable[Known]) -> KnownIndex:
        """Index `articles`; where two share an identity, the later one has it."""
        listed = list(articles)
        return cls(
            {k.guid: k for k in listed if k.guid},
            {k.url_key: k for k in listed if k.url_key},
            {k.content_hash: k for k in listed},
        )


def match(draft: Draft, index: KnownIndex) -> Known | None:
    """Return the known article that `draft` is: by guid, else by address, else by content.

    So a source that rewrites its guids, or moves house, is recognised by what stayed. Content alone counts
    where there is enough of it, or where the draft has nothing else.
    """
    return _by_guid(draft, index) or _by_url(draft, index) or _by_content(draft, index)


def match_all(drafts: Sequence[Draft], index: KnownIndex) -> list[tuple[Draft, Known | None]]:
    """Match a whole document's drafts, in order. A known article is given to one draft only, and to the one
    with its guid before one with its address before one with its content."""
    given: dict[int, Known] = {}
    taken: set[int] = set()
    for way in (_by_guid, _by_url, _by_content):
        for position, draft in enumerate(drafts):
            known = None if position in given else way(draft, index)
            if known is not None and known.id not in taken:
                given[position] = known
                taken.add(known.id)
    return [(draft, given.get(position)) for position, draft in enumerate(drafts)]


def decide_article(draft: Draft, known: Known | None) -> Verdict:
    """Compare a draft with the known article it matched. A lost guid or address is no move: the old one stays."""
    if known is None:
        return Verdict.NEW
    if known.status is ArticleStatus.WITHDRAWN:
        return Verdict.SAME  # what was taken back stays so, whatever its source makes of it
    if draft.pointer:
        return Verdict.SAME  # an address says nothing of the words that stand there
    if draft.content_hash != known.content_hash:
        return Verdict.UPDATED  # the caller remembers a new guid or address with it
    moved = (draft.guid and draft.guid != known.guid) or (draft.url_key and draft.url_key != known.url_key)
    return Verdict.MOVED if moved else Verdict.SAME


def decide_flood(
    new: int, in_document: int, known: int, *, first_poll: bool, limit: int = FLOOD_LIMIT, delta: bool = False,
    today: int = 0,
) -> str:
    """Say why this poll's new articles are held for the operator, or "".

    `new` of the `in_document` articles are new to a source of which `known` are stored. Held is a poll with
    more than `limit` new ones, or with more than FLOOD_FLOOR that are most of the document: a source that
    had articles and suddenly has all others has been moved, restored or taken over. Of a `delta` (RFC 3229) the
    second is not asked, because there the server left out what is known. A flood can also come in slices, so with
    `today` new ones within the last day, DAILY_LIMIT times `limit` are too many. The first poll is never held: its
    articles are the backlog's business.
    """
    if first_poll:
        return ""
    if new > limit:
        return f"held as a flood: {new} new articles in one poll, more than the limit of {limit}"
    if new + today > DAILY_LIMIT * limit:
        return (f"held as a flood: {new + today} new articles within a day, "
                f"more than {DAILY_LIMIT} times the limit of {limit}")
    if known and not delta and new > FLOOD_FLOOR and new * 2 > in_document:
        return f"held as a flood: {new} of the {in_document} articles in the document are new"
    return ""


def decide_backlog(draft: Draft, *, first_poll: bool, backlog: timedelta | None, now: datetime) -> str:
    """Say why an article enters feeds only and no digest, or "".

    `backlog` is how old an article may be when its source is first read; None means all, zero none.
    """
    if not first_poll or backlog is None:
        return ""
    if backlog <= timedelta():
        return "was there when the source was first read, and its backlog is \"none\""
    if not draft.dated:
        return "has no date, so it can't be told whether it is new, and the source was read for the first time"
    if now - draft.published_at > backlog:
        return f"older than the backlog of {_span(backlog)} when the source was first read"
    return ""


def _by_guid(draft: Draft, index: KnownIndex) -> Known | None:
    return index.by_guid.get(draft.guid) if draft.guid else None


def _by_url(draft: Draft, index: KnownIndex) -> Known | None:
    return index.by_url_key.get(draft.url_key) if draft.url_key else None


def _by_content(draft: Draft, index: KnownIndex) -> Known | None:
    telling = (draft.telling and len(draft.summary) >= TELLING_SUMMARY) or not (draft.guid or draft.url_key)
    return index.by_content_hash.get(draft.content_hash) if telling else None


def _span(span: timedelta) -> str:
    hours = span / timedelta(hours=1)
    if hours % 24 == 0:
        return "1 day" if hours == 24 else f"{hours / 24:.0f} days"
    return f"{hours:g} hours"
