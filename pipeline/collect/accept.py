"""What one source gave, compared with what is known, and written: the part of a poll that is a transaction.

    match | new, same, updated, moved | rules | flood | backlog -> articles, or `passed_over` with a reason

It asks nothing of the network and knows nothing of HTTP; when the source is asked again is `manners`' business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pipeline.collect.changes import describe_change
from pipeline.collect.decide import Known, KnownIndex, Verdict, decide_article, decide_backlog, decide_flood, match_all
from pipeline.collect.finding.findings import Pointer
from pipeline.collect.finding.wanted import Want, wanted
from pipeline.collect.rules import Take, decide_rules
from pipeline.collect.waiting import Waiting, as_json, from_json, has_page
from pipeline.config import FOREVER, Source
from pipeline.model.articles import ArticleStatus, Draft
from pipeline.model.sources import PassedState, SourceKind
from pipeline.store import Connection, articles, passed, withdrawals
from pipeline.store.articles import Acceptance
from pipeline.store.passed import PassedOver
from pipeline.store.sources import SourceState

DAY = timedelta(days=1)

PAGES_AT_FIRST = 20
"""Pages of a listing or sitemap that the first poll reads, beside those within the backlog."""

APART = timedelta(milliseconds=1)
"""Between two articles of one document that wait for their pages: it is their order."""

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
    waiting: int = 0                    # put to wait for their page, which this round may have read as well
    pages: int = 0                      # of articles that were asked for
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
        for name in ("new", "updated", "moved", "same", "held", "unmailable", "waiting", "pages", "passed"):
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
    """Write what follows from a document for what is known, and return what is new: it is stored by `add_all`, with
    that of other sources."""
    first_poll = state.first_polled_at is None
    new = list(seen.drafts)
    if not first_poll:
        new = _revise_known(connection, source, state.id, seen, now, poll)
    new.sort(key=lambda d: d.published_at)
    before = {} if first_poll else _met_before(connection, state.id, seen, new, now)
    new = [draft for draft in new if _is_open(before.get(key_of(draft)))]
    out: list[PassedOver] = []
    new += _wanted(connection, source, state, seen, before, now, poll, out)
    taken = _by_the_rules(source, new, out)
    poll.passed += len(out)
    # what the rules leave out is no part of a flood, and what they let in after all was there all the time
    again = sum(1 for draft, _ in taken if key_of(draft) in before)
    excluded = sum(1 for row in before.values() if row.state is PassedState.EXCLUDED)
    in_document = len(seen.drafts) + len(seen.pointers) - excluded - len(out) - again
    flood = _flood(connection, source, state, len(taken) - again, in_document, now,
                   delta=seen.delta, first_poll=first_poll)
    accepted: list[New] = []
    pages: list[PassedOver] = []
    for draft, by_rule in taken:
        was = before.get(key_of(draft))
        held = seen.suspect or ("" if was else flood) or by_rule
        backlog = _backlog(source, draft, first_poll=first_poll or was is not None, now=now)
        if draft.pointer or _reads_pages(source, seen, draft):
            waiting = Waiting(draft, held, backlog, first_poll=first_poll or was is not None, seen_at=now)
            pages.append(PassedOver(key_of(draft), PassedState.WAITING, "its page has not been read yet", draft.url,
                                    draft.title, draft=as_json(waiting)))
        else:
            accepted.append((state.id, draft, Acceptance(source.show, mailable=not backlog, reason=backlog, held=held,
                                                         seen_at=was.at if was else None)))
    if out or pages:
        passed.record(connection, state.id, [*out, *_in_order(pages, now)], now)
    passed.forget(connection, state.id, [key_of(draft) for _, draft, _ in accepted if key_of(draft) in before])
    if (seen.suspect or flood) and len(taken) > again:
        poll.notes.append(seen.suspect or flood)
    poll.waiting += len(pages)
    count_new(poll, accepted)
    return accepted


def count_new(poll: Poll, accepted: Sequence[New]) -> None:
    held = sum(1 for _, _, how in accepted if how.held)
    poll.held += held
    poll.new += len(accepted) - held
    poll.unmailable += sum(1 for _, _, how in accepted if not how.held and not how.mailable)


def known_of(row: articles.KnownRow) -> Known:
    """A stored article as decisions see it."""
    return Known(row.id, row.guid, row.url_key, row.content_hash, row.title, row.revision, row.status)


def key_of(draft: Draft) -> str:
    """What an article that was not taken is remembered by."""
    return draft.url_key or draft.guid or draft.content_hash


def _revise_known(
    connection: Connection, source: Source, source_id: int, seen: Seen, now: datetime, poll: Poll
) -> list[Draft]:
    """Write what changed in known articles, and return the drafts that are new."""
    rows = {row.id: row for row in articles.known(connection, source_id, seen.drafts)}
    index = KnownIndex.of(known_of(row) for row in rows.values())
    verdicts: Counter[Verdict] = Counter()
    new: list[Draft] = []
    anew: list[PassedOver] = []
    for draft, match in match_all(seen.drafts, index):
        verdict = decide_article(draft, match)
        verdicts[verdict] += 1
        if match is None:
            new.append(draft)
            continue
        kept = replace(draft, guid=draft.guid or match.guid, url_key=draft.url_key or match.url_key)
        if match.status is ArticleStatus.WITHDRAWN:  # it stays so, and takes no words or topics on again
            if (kept.guid, kept.url_key, kept.content_hash) != (match.guid, match.url_key, match.content_hash):
                withdrawals.recognise(connection, match.id, guid=kept.guid, url_key=kept.url_key,
                                      content_hash=kept.content_hash)
            continue
        if verdict is Verdict.UPDATED:
            if _reads_pages(source, seen, draft):  # it has to be read again before anything is told of it
                anew.append(PassedOver(key_of(draft), PassedState.WAITING, "it was changed, and its page has not been "
                                       "read again yet", draft.url, draft.title, retry_at=now, article_id=match.id,
                                       draft=as_json(Waiting(kept, seen_at=now))))
                continue
            before = articles.by_id(connection, match.id)
            articles.revise(connection, match.id, kept, now, changed=describe_change(before, kept))
            continue
        if verdict is Verdict.MOVED:
            articles.move(connection, match.id, kept)
        if draft.topics != rows[match.id].topics:
            articles.file_under(connection, match.id, draft.topics)
    poll.waiting += _read_anew(connection, source_id, anew, now)
    poll.updated, poll.moved = verdicts[Verdict.UPDATED] - len(anew), verdicts[Verdict.MOVED]
    poll.same += verdicts[Verdict.SAME]
    return new


def _read_anew(connection: Connection, source_id: int, changed: Sequence[PassedOver], now: datetime) -> int:
    """Let changed articles wait for their pages, and return how many do so from now on. One that waited already keeps
    its turn, and the tries it has had."""
    if not changed:
        return 0
    waiting = {key: row for key, row in passed.rows(connection, source_id, [c.key for c in changed]).items()
               if row.state is PassedState.WAITING and row.article_id is not None}
    passed.record(connection, source_id, [
        replace(c, retry_at=waiting[c.key].retry_at, attempts=waiting[c.key].attempts) if c.key in waiting else c
        for c in changed], now)
    return len(changed) - len(waiting)


def _met_before(
    connection: Connection, source_id: int, seen: Seen, new: Sequence[Draft], now: datetime
) -> dict[str, PassedOver]:
    """What of a document was seen before and is no article. One that still waits for its page takes on new words."""
    drafts = {key_of(draft): draft for draft in new}
    rows = passed.rows(connection, source_id, [*drafts, *(key_of(p.draft) for p in seen.pointers)])
    changed: list[PassedOver] = []
    for key, row in rows.items():
        if row.state is PassedState.WAITING and key in drafts and (waiting := from_json(row.draft, row)):
            words = drafts[key]
            if words.content_hash != waiting.draft.content_hash and not waiting.draft.pointer:
                changed.append(replace(row, title=words.title, draft=as_json(replace(waiting, draft=words))))
    if changed:
        passed.record(connection, source_id, changed, now)
    return rows


def _is_open(row: PassedOver | None) -> bool:
    """Whether nothing was decided about it yet, or the rules that decided have changed since."""
    return row is None or row.state is PassedState.RECONSIDER


def _wanted(
    connection: Connection, source: Source, state: SourceState, seen: Seen, before: Mapping[str, PassedOver],
    now: datetime, poll: Poll, out: list[PassedOver],
) -> list[Draft]:
    """The pointers whose pages are to be read, the newest last; those that never will be go to `out`."""
    if not seen.pointers:
        return []
    rows = {row.url_key: row for row in articles.known(connection, state.id, [p.draft for p in seen.pointers])}
    for draft in (p.draft for p in seen.pointers):
        row = rows.get(draft.url_key)
        if row and row.status is not ArticleStatus.WITHDRAWN and (
                more := [topic for topic in draft.topics if topic not in row.topics]):
            # which of its topics came from its page and which from the operator is not known: none is taken away
            articles.file_under(connection, row.id, [*row.topics, *more])
    met = rows.keys() | {key for key, row in before.items() if not _is_open(row)}
    judged = wanted(seen.pointers, met, kind=seen.kind, first_poll=state.first_polled_at is None,
                    backlog=None if source.backlog == FOREVER else source.backlog, now=now, limit=PAGES_AT_FIRST,
                    since=state.first_polled_at)
    poll.same += sum(1 for j in judged if j.want is Want.KNOWN)
    out += [PassedOver(key_of(j.pointer.draft), PassedState.BACKLOG, j.reason, j.pointer.draft.url,
                       j.pointer.draft.title) for j in judged if j.want is Want.PASS]
    return [replace(j.pointer.draft, pointer=True) for j in judged if j.want in (Want.READ, Want.WAIT)][::-1]


def _reads_pages(source: Source, seen: Seen, draft: Draft) -> bool:
    """Whether a draft that has words of its own gets those of its page."""
    return source.full_text and seen.kind is not SourceKind.ARTICLE and has_page(draft)


def _in_order(pages: Sequence[PassedOver], now: datetime) -> list[PassedOver]:
    """Give each its turn: as they stand, and those that stand last before all others if not all can be read now."""
    return [replace(page, retry_at=now - (len(pages) - 1 - n) * APART) for n, page in enumerate(pages)]


def _by_the_rules(source: Source, new: Sequence[Draft], out: list[PassedOver]) -> list[tuple[Draft, str]]:
    """(draft, why it is held or "") of those that the source's rules let in; the others go to `out`. Of a pointer only
    its address and maybe its title are known yet, so it is judged again with its text."""
    if not (source.include or source.exclude or source.hold):
        return [(draft, "") for draft in new]
    taken: list[tuple[Draft, str]] = []
    for draft in new:
        ruling = decide_rules(draft, source.include, source.exclude, source.hold)
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
    since = max(now - DAY, state.first_polled_at or now)
    today = articles.count_since(connection, state.id, since) + passed.count_waiting_since(connection, state.id, since)
    known = today or articles.has_any(connection, state.id)
    return decide_flood(new, in_document, int(known), first_poll=False, limit=source.flood, delta=delta, today=today)


def _backlog(source: Source, draft: Draft, *, first_poll: bool, now: datetime) -> str:
    backlog: timedelta | None = None if source.backlog == FOREVER else source.backlog
    if draft.pointer and not draft.dated:
        return ""  # its page may say when it was published
    return decide_backlog(draft, first_poll=first_poll, backlog=backlog, now=now)
