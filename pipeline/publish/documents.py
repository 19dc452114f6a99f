"""Rows -> the documents of a feed. Reads, and decides nothing itself (`choose`, `volumes`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.config import Feed
from pipeline.model.articles import Article, ArticleStatus
from pipeline.model.feeds import Document, Entry, FeedPage
from pipeline.publish import volumes
from pipeline.publish.choose import Filter, Subscription, shown
from pipeline.publish.entries import Imprint, entries_of, tombstone
from pipeline.publish.targets import Target
from pipeline.store import Connection, articles, feed_entries, feeds, similar, stories
from pipeline.store.engine import Store
from pipeline.store.feed_entries import EntryRow

MOST_COMPLETE = 1_000
"""Entries of a feed that holds everything (`complete = true`). Beyond it readers choke, and it gets archives."""

MOST_READ = 40
"""Times a feed's limit that is looked through for enough to show: stories told twice, or one loud source."""

GRAVES = 200
"""Withdrawn articles that an Atom document names."""

MAX_CHARS = 1_000_000
"""Of all texts in one document; validators read no more than 5 MB of it. Those behind it give their summaries."""


@dataclass(frozen=True, slots=True)
class Sheets:
    """What documents of one feed are made of."""

    target: Target
    page: FeedPage
    imprint: Imprint
    entries: int          # positions there are
    size: int             # of them in one archive document

    @property
    def complete(self) -> bool:
        return self.page.complete and self.entries <= MOST_COMPLETE

    @property
    def archived(self) -> int:
        return 0 if self.complete else volumes.archived(self.entries, self.size)


def subscription_document(store: Store, sheets: Sheets, notes: list[str]) -> Document:
    """The document that people subscribe to."""
    feed_id, host = sheets.target.state.id, sheets.imprint.authority
    with store.read() as connection:
        rows = _chosen(connection, sheets.target, sheets.entries, sheets.archived, complete=sheets.complete)
        entries = _entries(connection, sheets, rows, notes)
        graves = tuple(tombstone(host, grave.id, grave.first_seen_at, grave.withdrawn_at)
                       for grave in feed_entries.graves(connection, feed_id, GRAVES))
    volume = volumes.subscription(sheets.size, 0 if sheets.complete else sheets.entries)
    page = sheets.page if sheets.complete == sheets.page.complete else replace(sheets.page, complete=False)
    return Document(page, volume, entries, graves, not_before=sheets.target.state.updated_at)


def archive_document(store: Store, sheets: Sheets, number: int, notes: list[str]) -> Document:
    """One document of the archive."""
    feed_id = sheets.target.state.id
    with store.read() as connection:
        rows = feed_entries.between(connection, feed_id, *volumes.run(number, sheets.size))
        rows = list(shown(rows, _tellers(connection, feed_id, rows), sheets.target.filter))
        entries = _entries(connection, sheets, rows, notes)
    return Document(sheets.page, volumes.archive(number, sheets.size, sheets.entries), entries)


def articles_of(store: Store, feed: Feed) -> list[Article]:
    """What the document that people subscribe to would show of the articles that have entered by now, in its order."""
    with store.read() as connection:
        state = feeds.state(connection, feed.slug)
        if state is None or not state.archive_size:
            return []
        archived = volumes.archived(state.entries, state.archive_size)
        rows = _chosen(connection, Target(state, feed), state.entries, archived, complete=feed.complete)
        known = articles.by_ids(connection, [row.id for row in rows if row.status is ArticleStatus.ACCEPTED])
        return stories.with_also(connection, [known[row.id] for row in rows if row.id in known])


def hidden_by(connection: Connection, feed: Feed, article: Article) -> Article | None:
    """The article that a feed shows of the same story, where that is another one. Nobody hides one that was withdrawn
    and had been seen before."""
    state = feeds.state(connection, feed.slug)
    if state is None:
        return None
    wanted, told = Filter(feed.rules), feed_entries.tellers(connection, state.id, [article.story])
    first = next((row for row in told.get(article.story, ()) if wanted.match(row)), None)
    if first is None or first.id == article.id or first.accepted_seq > article.accepted_seq:
        return None
    if article.status is ArticleStatus.WITHDRAWN and similar.merged_late(connection, [article.id]):
        return None
    return articles.by_id(connection, first.id)


def _chosen(connection: Connection, target: Target, entries: int, archived: int, *, complete: bool) -> list[EntryRow]:
    feed_id = target.state.id
    chosen = Subscription(target.filter, entries if complete else target.limit)
    step = max(2 * target.limit, 50)
    before, looked = None, 0
    while not chosen.full and looked < MOST_READ * step:
        rows = feed_entries.newest(connection, feed_id, step, before)
        chosen.offer(rows, _tellers(connection, feed_id, rows))
        if len(rows) < step:
            break
        before, looked = (rows[-1].published_at, rows[-1].position), looked + step
    tail = feed_entries.between(connection, feed_id, archived + 1, entries)
    lately = feed_entries.lately(connection, feed_id, entries, target.limit)
    merged = similar.merged_late(connection, [row.id for row in lately if row.status is ArticleStatus.WITHDRAWN])
    return chosen.rows(tail, _tellers(connection, feed_id, [*tail, *lately]), lately, merged)


def _tellers(connection: Connection, feed_id: int, rows: Sequence[EntryRow]) -> dict[int, list[EntryRow]]:
    return feed_entries.tellers(connection, feed_id, {row.story for row in rows})


def _entries(
    connection: Connection, sheets: Sheets, rows: Sequence[EntryRow], notes: list[str]
) -> tuple[Entry, ...]:
    known = articles.by_ids(connection, [row.id for row in rows])
    listed = stories.with_also(connection, [known[row.id] for row in rows])
    entries, said = entries_of(listed, sheets.imprint)
    if not sheets.target.topic:  # what the feed above it has said, too
        notes += [f"feed {sheets.target.slug}: {note}" for note in said]
    return tuple(_within(entries, sheets.target, notes))


def within(entries: Sequence[Entry]) -> tuple[list[Entry], int]:
    """The same, those behind MAX_CHARS with their summaries only; and how many these are."""
    room, out, short = MAX_CHARS, [], 0
    for entry in entries:
        room -= len(entry.html)
        short += bool(entry.html) and room < 0
        out.append(replace(entry, html="") if room < 0 else entry)
    return out, short


def _within(entries: Sequence[Entry], target: Target, notes: list[str]) -> list[Entry]:
    out, short = within(entries)
    most = f"only their summaries, as {MAX_CHARS:,} characters are the most that one holds"
    note = f"feed {target.slug}: {short} articles of a document have {most}"
    if target.topic:  # hundreds may share the same long articles
        note = f"feed {target.feed.slug}: some articles in the feeds of its topics have {most}"
    if short and note not in notes:
        notes.append(note)
    return out
