"""What one source gave, compared with what is known, and written: the part of a poll that is a transaction.

    match | new, same, updated, moved | rules | flood | backlog -> articles, or `passed_over` with a reason

It asks nothing of the network and knows nothing of HTTP; when the source is asked again is `manners`' business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pipeline.collect.changes import describe_change
from pipeline.collect.decide import Known, KnownIndex, Verdict, decide_article, decide_backlog, decide_flood, match_all
from pipeline.collect.findings import Pointer
from pipeline.collect.rules import Take, decide_rules
from pipeline.collect.waiting import Waiting, as_json
from pipeline.collect.wanted import Want, wanted
from pipeline.config import FOREVER, Source
from pipeline.model.articles import Draft
from pipeline.model.sources import PassedState, SourceKind
from pipeline.store import Connection, articles, passed
from pipeline.store.articles import Acceptance
from pipeline.store.passed import PassedOver
from pipeline.store.sources import SourceState

DAY = timedelta(days=1)

PAGES_AT_FIRST = 20
"""Pages of a listing or sitemap that the first poll reads, beside those within the backlog."""

New = tuple[int, Draft, Acceptance]
"""A source's id, an article that is new, and how it enters."""


@dataclass(slots=True)
class Poll:
    """What one poll of one source did."""

    source: str
    new: int = 0
    updated: int = 0
    moved: int = 0
    same: int = 0
    held: int = 0
    unmailable: int = 0                 # new, but for feeds only (the backlog)
    waiting: int = 0                    # for their page to be read
    passed: int = 0                     # seen and not taken, each with its reason
    not_modified: bool = False
    pages_only: bool = False            # pages that waited were read, its document was not asked for
    skipped: list[str] = field(default_factory=list)   # documents left out on purpose, with the reason
    problems: list[str] = field(default_factory=list)  # what went wrong with parts of it
    notes: list[str] = field(default_factory=list)
    error: str = ""                     # why nothing came of it

    @property
    def failed(self) -> bool:
        return bool(self.error or self.problems)

    def add(self, other: Poll) -> None:
        """Count in what another part of the same poll did."""
        for name in ("new", "updated", "moved", "same", "held", "unmailable", "waiting", "passed"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.skipped += other.skipped
        self.problems += other.problems
        self.notes += other.notes
        self.error = self.error or other.error


@dataclass(frozen=True, slots=True)
class Seen:
    """What a document gave: articles with their words, or pointers to pages that hold them."""

    drafts: Sequence[Draft] = ()
    pointers: Sequence[Pointer] = ()
    kind: SourceKind = SourceKind.FEED
    delta: bool = False      # it holds only what is newer than what we had (RFC 3229)
    suspect: str = ""        # why everything new in it waits for the operator, whatever its number


def accept(
    connection: Connection, source: Source, state: SourceState, seen: Seen, now: datetime, poll: Poll
) -> list[New]:
    """Write what follows from a document for what is known, and return what is new: it is stored by `add_new`, with
    that of other sources."""
    first_poll = state.first_polled_at is None
    new = list(seen.drafts)
    if not first_poll:
        new = _revise_known(connection, source, state.id, seen.drafts, now, poll)
    new.sort(key=lambda d: d.published_at)
    before = passed.known(connection, state.id, [key_of(draft) for draft in new]) if new and not first_poll else {}
    settled = {key for key, was in before.items() if was is not PassedState.RECONSIDER}
    new = [draft for draft in new if key_of(draft) not in settled]
    out: list[PassedOver] = []
    new += _wanted(connection, source, state, seen, now, poll, out)
    taken = _by_the_rules(source, new, out)
    poll.passed += len(out)
    in_document = len(seen.drafts) + len(seen.pointers) - len(settled) - len(out)
    flood = seen.suspect or _flood(connection, source, state, len(taken), in_document, now,
                                   delta=seen.delta, first_poll=first_poll)
    accepted: list[New] = []
    for draft, held in taken:
        again = key_of(draft) in before  # it was there all the time: as old as what a first look finds
        backlog = _backlog(source, draft, first_poll=first_poll or again, now=now)
        if draft.pointer or (source.full_text and draft.url and source.kind is not SourceKind.ARTICLE):
            waiting = Waiting(draft, flood or held, backlog, first_poll=first_poll or again)
            out.append(PassedOver(key_of(draft), PassedState.WAITING, "its page has not been read yet", draft.url,
                                  draft.title, retry_at=now, draft=as_json(waiting)))
            poll.waiting += 1
        else:
            accepted.append((state.id, draft, Acceptance(source.show, mailable=not backlog, reason=backlog,
                                                         held=flood or held)))
    if out:
        passed.record(connection, state.id, out, now)
    if before:
        passed.forget(connection, state.id, [key_of(draft) for _, draft, _ in accepted if key_of(draft) in before])
    if flood and taken:
        poll.notes.append(flood)
    count_new(poll, accepted)
    return accepted


def count_new(poll: Poll, accepted: Sequence[New]) -> None:
    held = sum(1 for _, _, how in accepted if how.held)
    poll.held += held
    poll.new += len(accepted) - held
    poll.unmailable += sum(1 for _, _, how in accepted if not how.held and not how.mailable)


def key_of(draft: Draft) -> str:
    """What an article that was not taken is remembered by."""
    return draft.url_key or draft.guid or draft.content_hash


def _revise_known(
    connection: Connection, source: Source, source_id: int, drafts: Sequence[Draft], now: datetime, poll: Poll
) -> list[Draft]:
    """Write what changed in known articles, and return the drafts that are new."""
    index = KnownIndex.of(Known(row.id, row.guid, row.url_key, row.content_hash, row.title, row.revision, row.status)
                          for row in articles.known(connection, source_id, drafts))
    verdicts: Counter[Verdict] = Counter()
    new: list[Draft] = []
    anew: list[PassedOver] = []
    for draft, match in match_all(drafts, index):
        verdict = decide_article(draft, match)
        verdicts[verdict] += 1
        if match is None:
            new.append(draft)
            continue
        kept = replace(draft, guid=draft.guid or match.guid, url_key=draft.url_key or match.url_key)
        if verdict is Verdict.UPDATED:
            before = articles.by_id(connection, match.id)
            if source.full_text and draft.url:  # its page has to be read again before anything is told of it
                anew.append(PassedOver(key_of(draft), PassedState.WAITING, "it was changed, and its page has not been "
                                       "read again yet", draft.url, draft.title, retry_at=now, article_id=match.id,
                                       draft=as_json(Waiting(kept))))
                continue
            articles.revise(connection, match.id, kept, now, changed=describe_change(before, kept))
        elif verdict is Verdict.MOVED:
            articles.move(connection, match.id, kept)
    if anew:
        before_ = passed.known(connection, source_id, [p.key for p in anew])
        passed.record(connection, source_id, [p for p in anew if before_.get(p.key) is not PassedState.WAITING], now)
    poll.updated, poll.moved, poll.same = verdicts[Verdict.UPDATED], verdicts[Verdict.MOVED], verdicts[Verdict.SAME]
    return new


def _wanted(
    connection: Connection, source: Source, state: SourceState, seen: Seen, now: datetime, poll: Poll,
    out: list[PassedOver],
) -> list[Draft]:
    """The pointers whose pages are to be read, the newest first; those that never will be go to `out`."""
    if not seen.pointers:
        return []
    keys = [p.draft.url_key for p in seen.pointers if p.draft.url_key]
    met = {row.url_key for row in articles.known(connection, state.id, [p.draft for p in seen.pointers])}
    met |= passed.known(connection, state.id, keys).keys()
    judged = wanted(seen.pointers, met, kind=seen.kind, first_poll=state.first_polled_at is None,
                    backlog=None if source.backlog == FOREVER else source.backlog, now=now, limit=PAGES_AT_FIRST,
                    since=state.first_polled_at)
    poll.same += sum(1 for j in judged if j.want is Want.KNOWN)
    out += [PassedOver(key_of(j.pointer.draft), PassedState.BACKLOG, j.reason, j.pointer.draft.url,
                       j.pointer.draft.title) for j in judged if j.want is Want.PASS]
    return [replace(j.pointer.draft, pointer=True) for j in judged if j.want in (Want.READ, Want.WAIT)]


def _by_the_rules(source: Source, new: Sequence[Draft], out: list[PassedOver]) -> list[tuple[Draft, str]]:
    """(draft, why it is held or "") of those that the source's rules let in; the others go to `out`. Of a pointer only
    its title is known yet, so it is only left out here, and judged again with its text."""
    if not (source.include or source.exclude or source.hold):
        return [(draft, "") for draft in new]
    taken: list[tuple[Draft, str]] = []
    for draft in new:
        ruling = decide_rules(draft, () if draft.pointer else source.include, source.exclude, source.hold)
        if ruling.verdict is Take.EXCLUDE:
            out.append(PassedOver(key_of(draft), PassedState.EXCLUDED, ruling.reason, draft.url, draft.title))
        else:
            taken.append((draft, ruling.reason if ruling.verdict is Take.HOLD else ""))
    return taken


def _flood(
    connection: Connection, source: Source, state: SourceState, new: int, in_document: int, now: datetime, *,
    delta: bool, first_poll: bool,
) -> str:
    """Why what is new is held, or "". The operator's own folder may fill up as they like."""
    if source.folder is not None or first_poll or not new:
        return ""
    today = articles.count_since(connection, state.id, max(now - DAY, state.first_polled_at or now))
    known = today or articles.has_any(connection, state.id)
    return decide_flood(new, in_document, int(known), first_poll=False, limit=source.flood, delta=delta, today=today)


def _backlog(source: Source, draft: Draft, *, first_poll: bool, now: datetime) -> str:
    backlog: timedelta | None = None if source.backlog == FOREVER else source.backlog
    if draft.pointer and not draft.dated:
        return ""  # its page may say when it was published
    return decide_backlog(draft, first_poll=first_poll, backlog=backlog, now=now)
