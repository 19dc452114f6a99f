"""Which articles have entered which feed, on each database: each once, in an order that stays."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from pipeline.errors import StoreError
from pipeline.model.articles import ArticleStatus, Show
from pipeline.model.selection import Rules
from pipeline.model.sources import SourceKind
from pipeline.store import articles, changes, feed_entries, feeds
from pipeline.store.articles import Acceptance
from pipeline.store.chunks import CHUNK
from pipeline.store.feed_entries import EntryRow, Grave
from pipeline.store.schema import article_topics
from pipeline.store.schema import articles as table
from pipeline.store.schema import feed_entries as rows
from pipeline.store.sources import Declared

ANY = Rules()
HOUR, SECOND = timedelta(hours=1), timedelta(microseconds=1)


@dataclass
class Shelf:
    """Two feeds, two sources and their articles."""

    book: Any
    sources: dict[str, int]
    feeds: dict[str, int]

    @property
    def store(self) -> Any:
        return self.book.store

    def add(self, *titles: str, at: datetime | None = None, held: str = "", source: str = "desk",
            topics: Sequence[str] = ("city",), **values: Any) -> list[int]:
        new = [(self.book.draft(title, topics=tuple(topics), published_at=at or self.book.now, **values),
                Acceptance(Show.FULL, mailable=True, held=held)) for title in titles]
        with self.store.write() as connection:
            return articles.add(connection, self.sources[source], new, self.book.now)

    def set(self, *ids: int, **values: Any) -> None:
        with self.store.write() as connection:
            connection.execute(update(table).where(table.c.id.in_(ids)).values(**values))
            changes.touch(connection, ids)

    def row(self, article: int) -> EntryRow:
        """As it is before it enters."""
        with self.store.read() as connection:
            found = {r.id: r for _, r in feed_entries.changed(connection, (0, 0), 1 << 62, 10_000)}
        return found[article]

    def enter(self, *ids: int, feed: str = "all") -> bool:
        entering = [self.row(i) for i in ids]
        with self.store.write() as connection:
            return bool(feed_entries.enter(connection, {self.feeds[feed]: entering}))

    def enter_all(self, rules: Rules = ANY, topic: str = "", feed: str = "all") -> int:
        with self.store.write() as connection:
            return feed_entries.enter_all(connection, self.feeds[feed], rules, topic)

    def entered(self, feed: str = "all") -> list[int]:
        """The articles by their positions, which have no gap and which the feed knows the number of."""
        with self.store.read() as connection:
            found = connection.execute(select(rows).where(rows.c.feed_id == self.feeds[feed]).order_by(
                rows.c.position)).all()
            dates = dict(connection.execute(select(table.c.id, table.c.published_at)).all())
            assert [r.position for r in found] == list(range(1, len(found) + 1))
            assert feeds.state(connection, feed).entries == len(found)
            assert all(dates[r.article_id] == r.published_at for r in found)
        return [r.article_id for r in found]

    def ask(self, question: Callable[..., Any], *values: Any) -> Any:
        with self.store.read() as connection:
            return question(connection, *values)


@pytest.fixture
def shelf(book: Any, declare_one: Callable[..., int]) -> Shelf:
    with book.store.write() as connection:
        north = declare_one(connection, Declared("north", SourceKind.FEED, "https://north.example/"), book.now)
        feeds.declare(connection, [("all", ()), ("few", ())], book.now)
        ids = {state.slug: state.id for state in feeds.states(connection)}
    return Shelf(book, {"desk": book.source, "north": north}, ids)


# --- everything may enter ---


@pytest.mark.parametrize("at_once", [1, 2, 3, 5_000])
def test_all_enter_the_oldest_first_a_few_at_a_time(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(feed_entries, "AT_ONCE", at_once)
    now = shelf.book.now
    late = shelf.add("late")
    early = shelf.add("early", "same time", at=now - HOUR)
    middle = shelf.add("by a hair", at=now - SECOND)
    numbers = []
    while not numbers or numbers[-1] == at_once:
        numbers.append(shelf.enter_all())
    assert sum(numbers) == 4
    assert shelf.entered() == [*early, *middle, *late]
    assert shelf.entered("few") == []
    assert shelf.enter_all() == 0
    older = shelf.add("older than all", at=now - 9 * HOUR)
    assert shelf.enter_all() == 1
    assert shelf.entered() == [*early, *middle, *late, *older], "an older one comes last: positions stay"


def test_who_enters_is_accepted_and_matches(shelf: Shelf) -> None:
    [city] = shelf.add("city")
    [sea] = shelf.add("sea", topics=("sea", "city"))
    [north] = shelf.add("north", source="north", topics=("sea",))
    shelf.add("held", held="why", topics=("sea",))
    [gone] = shelf.add("gone", topics=("sea",))
    shelf.set(gone, status=ArticleStatus.WITHDRAWN)
    for rules, topic, expected in (
        (Rules(topics=("sea",)), "", {sea, north}), (Rules(sources=("north",)), "", {north}),
        (Rules(topics=("sea",), sources=("desk",)), "", {sea}), (ANY, "sea", {sea, north}),
        (Rules(topics=("city",)), "sea", {sea}), (ANY, "none", set()), (ANY, "", {city, sea, north}),
        (Rules(topics=(), limit=1), "", {city, sea, north}),
    ):
        with shelf.store.write() as connection:
            [fresh] = _fresh_feed(connection, shelf.book.now)
            assert feed_entries.enter_all(connection, fresh.id, rules, topic) == len(expected)
            found = connection.execute(select(rows.c.article_id).where(rows.c.feed_id == fresh.id)).scalars()
            assert set(found) == expected


def _fresh_feed(connection: Any, now: datetime) -> list[feeds.FeedState]:
    known = [state.slug for state in feeds.states(connection)]
    slug = f"feed-{len(known)}"
    feeds.declare(connection, [(name, ()) for name in [*known, slug]], now)
    return [feeds.state(connection, slug)]


# --- some enter ---


def test_they_enter_in_the_given_order_and_once(shelf: Shelf) -> None:
    a, b, c, d = shelf.add("a", "b", "c", "d")
    assert shelf.enter(c, a)
    assert shelf.entered() == [c, a]
    assert not shelf.enter(a, c)
    assert shelf.enter(a, d, c, b)
    assert shelf.entered() == [c, a, d, b]
    assert shelf.enter(b, feed="few")
    assert shelf.entered("few") == [b]


def test_several_feeds_at_once(shelf: Shelf) -> None:
    a, b, c = (shelf.row(i) for i in shelf.add("a", "b", "c"))
    one, two = shelf.feeds.values()
    with shelf.store.write() as connection:
        assert feed_entries.enter(connection, {two: [b], one: [a, b]}) == {one, two}
        assert feed_entries.enter(connection, {two: [b], one: [b, c]}) == {one}
        assert feed_entries.enter(connection, {two: [], one: [a]}) == set()
        assert feed_entries.enter(connection, {}) == set()
    assert shelf.entered() == [a.id, b.id, c.id]
    assert shelf.entered("few") == [b.id]


def test_more_than_one_statement_asks_for(shelf: Shelf) -> None:
    ids = shelf.add(*(f"a {n}" for n in range(CHUNK + 1)))
    first = shelf.row(ids[0])
    entering = [replace(first, id=i) for i in ids]
    with shelf.store.write() as connection:
        assert feed_entries.enter(connection, {1: entering})
        assert feed_entries.enter(connection, {1: entering}) == set()
    assert shelf.entered() == ids
    assert shelf.ask(feed_entries.tellers, 1, ids).keys() == set(ids)


@pytest.mark.parametrize("same", [True, False])
def test_two_at_once_leave_no_gap(shelf: Shelf, same: bool) -> None:
    """Where both let the same articles in, one of them may be turned away, and does it again."""
    ids = shelf.add(*(f"a {n}" for n in range(12)))
    first = shelf.row(ids[0])
    entering = [replace(first, id=i) for i in ids]
    halves = [entering, entering] if same else [entering[:6], entering[6:]]
    start = threading.Barrier(2)

    def work(mine: list[EntryRow]) -> None:
        start.wait(10)
        for row in mine:
            for _ in range(3):
                with suppress(StoreError):
                    with shelf.store.write() as connection:
                        feed_entries.enter(connection, {1: [row], 2: [row]})
                    break

    threads = [threading.Thread(target=work, args=(half,)) for half in halves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for feed in ("all", "few"):
        assert sorted(shelf.entered(feed)) == ids


# --- what changed ---


def test_changes_are_read_in_pages_none_twice_and_none_left_out(shelf: Shelf) -> None:
    """Many have the same number: all that one poll brought."""
    many = shelf.add(*(f"a {n}" for n in range(7)))
    shelf.add("held", held="why")
    [single] = shelf.add("single")
    shelf.set(many[1], many[5], title="other")
    upto = shelf.ask(changes.latest)
    [after] = shelf.add("after")
    expected = [*(i for i in many if i not in (many[1], many[5])), single, many[1], many[5]]
    for limit in (1, 2, 3, 100):
        found: list[int] = []
        at = (0, 0)
        while page := shelf.ask(feed_entries.changed, at, upto, limit):
            assert len(page) <= limit
            found += [row.id for _, row in page]
            assert len(found) <= len(expected)
            at = (page[-1][0], page[-1][1].id)
        assert found == expected, limit
    assert [r.id for _, r in shelf.ask(feed_entries.changed, (upto, 1 << 62), 1 << 62, 9)] == [after]
    [(number, row)] = shelf.ask(feed_entries.changed, (upto, 1 << 62), 1 << 62, 9)
    assert number == shelf.ask(changes.latest) == upto + 1
    assert (row.position, row.source, row.topics, row.status, row.story, row.published_at) == (
        0, "desk", ("city",), ArticleStatus.ACCEPTED, after, shelf.book.now)
    assert row.accepted_seq == 9


def test_feeds_that_hold_what_changed(shelf: Shelf) -> None:
    a, b, c = shelf.add("a", "b", "c")
    shelf.enter(a, b)
    shelf.enter(b, feed="few")
    one, two = shelf.feeds.values()
    start = shelf.ask(changes.latest)
    with shelf.store.write() as connection:
        feeds.advance(connection, [one, two], start)
    assert shelf.ask(feed_entries.affected, start) == set()
    shelf.set(c, title="in no feed")
    assert shelf.ask(feed_entries.affected, start) == set()
    shelf.set(a, title="other")
    assert shelf.ask(feed_entries.affected, start) == {one}
    shelf.set(b, status=ArticleStatus.WITHDRAWN)
    assert shelf.ask(feed_entries.affected, start) == {one, two}
    with shelf.store.write() as connection:
        feeds.advance(connection, [two], shelf_latest := changes.latest(connection))
    assert shelf_latest == start + 3
    assert shelf.ask(feed_entries.affected, start) == {one}, "built since, each for itself"


def test_positions_that_changed(shelf: Shelf) -> None:
    ids = shelf.add(*"abcdef")
    shelf.enter(*reversed(ids))
    start = shelf.ask(changes.latest)
    assert shelf.ask(feed_entries.changed_positions, 1, start, 6) == []
    assert shelf.ask(feed_entries.changed_positions, 1, 0, 4) == [1, 2, 3, 4]
    shelf.set(ids[0], ids[1], title="other")
    shelf.set(ids[5], status=ArticleStatus.WITHDRAWN)
    assert shelf.ask(feed_entries.changed_positions, 1, start, 6) == [1, 5, 6]
    assert shelf.ask(feed_entries.changed_positions, 1, start, 5) == [1, 5]
    assert shelf.ask(feed_entries.changed_positions, 1, start + 1, 6) == [1]
    assert shelf.ask(feed_entries.changed_positions, 2, 0, 6) == []


# --- what a feed shows ---


def test_the_newest_first_page_by_page(shelf: Shelf) -> None:
    now = shelf.book.now
    ids = [*shelf.add("a", at=now), *shelf.add("b", "c", "d", at=now - HOUR), *shelf.add("e", at=now - HOUR + SECOND),
           *shelf.add("f", at=now - 2 * HOUR)]
    a, b, c, d, e, f = ids
    shelf.enter(*ids)
    shelf.set(d, status=ArticleStatus.WITHDRAWN)
    expected = [a, e, d, c, b, f]
    for limit in range(1, 8):
        found: list[int] = []
        before = None
        while page := shelf.ask(feed_entries.newest, 1, limit, before):
            found += [row.id for row in page]
            assert len(found) <= len(expected)
            before = (page[-1].published_at, page[-1].position)
        assert found == expected, limit
    assert {r.id: r.status for r in page_of(shelf)}[d] is ArticleStatus.WITHDRAWN
    assert [r.position for r in page_of(shelf)] == [1, 5, 4, 3, 2, 6]
    assert [r.id for r in shelf.ask(feed_entries.between, 1, 2, 4)] == [d, c, b]
    assert [r.id for r in shelf.ask(feed_entries.between, 1, 6, 9)] == [f]
    assert shelf.ask(feed_entries.between, 1, 5, 4) == []
    shelf.set(c, status=ArticleStatus.HELD)
    assert c not in [r.id for r in page_of(shelf)]
    assert c not in [r.id for r in shelf.ask(feed_entries.between, 1, 1, 6)]
    assert shelf.ask(feed_entries.newest, 2, 9) == []


def page_of(shelf: Shelf) -> list[EntryRow]:
    return shelf.ask(feed_entries.newest, 1, 9)


def test_who_tells_a_story_in_a_feed(shelf: Shelf) -> None:
    a, b, c, d, e = shelf.add("a", "b", "c", "d", "e")
    shelf.enter(c, a, b, e)
    shelf.enter(b, feed="few")
    shelf.set(b, c, d, story_id=a)
    assert {s: [r.id for r in told] for s, told in shelf.ask(feed_entries.tellers, 1, [a, e, 99]).items()} == {
        a: [a, b, c], e: [e]}, "d is in no feed"
    assert [r.id for r in shelf.ask(feed_entries.tellers, 2, [a])[a]] == [b], "this feed has never held the first one"
    shelf.set(a, status=ArticleStatus.WITHDRAWN)
    assert [r.id for r in shelf.ask(feed_entries.tellers, 1, [a])[a]] == [b, c]
    assert shelf.ask(feed_entries.tellers, 1, []) == {}


def test_graves_the_last_one_first(shelf: Shelf) -> None:
    """One that was withdrawn before that was written down has the time of its last change."""
    a, b, c, d, e = shelf.add("a", "b", "c", "d", "e")
    now = shelf.book.now
    shelf.enter(a, b, c, d)
    shelf.set(a, c, status=ArticleStatus.WITHDRAWN, withdrawn_at=now + HOUR)
    shelf.set(b, status=ArticleStatus.WITHDRAWN, withdrawn_at=now + 3 * HOUR)
    shelf.set(e, status=ArticleStatus.WITHDRAWN, withdrawn_at=now)
    assert shelf.ask(feed_entries.graves, 1, 9) == [
        Grave(b, now, now + 3 * HOUR), Grave(c, now, now + HOUR), Grave(a, now, now + HOUR)]
    assert [g.id for g in shelf.ask(feed_entries.graves, 1, 2)] == [b, c]
    shelf.set(d, status=ArticleStatus.WITHDRAWN, withdrawn_at=None, updated_at=now + 2 * HOUR)
    assert [g.id for g in shelf.ask(feed_entries.graves, 1, 9)] == [b, d, c, a]
    assert shelf.ask(feed_entries.graves, 2, 9) == []


def test_how_many_articles_topics_have(shelf: Shelf) -> None:
    shelf.add("a", "b", topics=("city", "sea"))
    shelf.add("c", topics=("sea",), source="north")
    shelf.add("held", topics=("sea",), held="why")
    [gone] = shelf.add("gone", topics=("rare",))
    shelf.set(gone, status=ArticleStatus.WITHDRAWN)
    assert shelf.ask(feed_entries.topics_of, ANY, 1) == {"city": 2, "sea": 3}
    assert shelf.ask(feed_entries.topics_of, ANY, 3) == {"sea": 3}
    assert shelf.ask(feed_entries.topics_of, Rules(sources=("north",)), 1) == {"sea": 1}
    assert shelf.ask(feed_entries.topics_of, Rules(topics=("city",)), 1) == {"city": 2, "sea": 2}
    assert shelf.ask(feed_entries.topics_of, ANY, 1, {"city", "rare", "none"}) == {"city": 2}
    assert shelf.ask(feed_entries.topics_of, ANY, 1, set()) == {}
    with shelf.store.read() as connection:
        assert len(connection.execute(select(article_topics)).all()) == 7
