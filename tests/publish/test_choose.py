"""What a feed shows: one telling of a story, within its limits, and in its documents together everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.model.articles import ArticleStatus
from pipeline.model.selection import Rules
from pipeline.publish import volumes
from pipeline.publish.choose import Filter, Subscription, shown
from pipeline.store.feed_entries import EntryRow

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ACCEPTED, WITHDRAWN = ArticleStatus.ACCEPTED, ArticleStatus.WITHDRAWN


def row(number: int, **values: Any) -> EntryRow:
    plain = {"id": number, "position": number, "source": "a", "topics": ("x",), "status": ACCEPTED, "story": number,
             "accepted_seq": number, "published_at": NOON + timedelta(minutes=number)}
    return EntryRow(**plain | values)


@st.composite
def rows_at_random(draw: Any) -> list[EntryRow]:
    """Articles of a feed by their positions: accepted in another order, of any date, some telling one story."""
    count = draw(st.integers(0, 45))
    order = draw(st.permutations(range(1, count + 1)))
    status = st.sampled_from((ACCEPTED, ACCEPTED, ACCEPTED, WITHDRAWN))
    found = []
    for position, seq in enumerate(order, 1):
        topics = draw(st.sampled_from((("x",), ("y",), ("x", "y"), ())))
        found.append(row(
            position, id=100 + seq, source=draw(st.sampled_from("abc")), topics=topics, status=draw(status),
            story=draw(st.integers(1, max(1, count))), accepted_seq=seq,
            published_at=NOON + timedelta(minutes=draw(st.integers(0, 9)))))
    return found


FILTERS = st.builds(
    lambda topics, sources, limit, per_source, topic: Filter(Rules(topics, sources, limit, per_source), topic),
    st.sampled_from((("*",), ("x",), ("x", "y"), ())), st.sampled_from(((), ("a",), ("a", "b"))), st.integers(1, 20),
    st.sampled_from((0, 0, 1, 3)), st.sampled_from(("", "", "x")))


def tellers_of(rows: Sequence[EntryRow]) -> dict[int, list[EntryRow]]:
    found: dict[int, list[EntryRow]] = {}
    for one in sorted(rows, key=lambda r: r.accepted_seq):
        if one.status is ACCEPTED:
            found.setdefault(one.story, []).append(one)
    return found


def newest_first(rows: Sequence[EntryRow]) -> list[EntryRow]:
    return sorted(rows, key=lambda r: (r.published_at, r.position), reverse=True)


def choose(rows: Sequence[EntryRow], wanted: Filter, step: int = 7) -> list[EntryRow]:
    """The document that people subscribe to, as publishing makes it: page by page, until it is full."""
    tellers, ordered = tellers_of(rows), newest_first(rows)
    made = Subscription(wanted, wanted.rules.limit)
    for at in range(0, len(ordered), step):
        if made.full:
            break
        made.offer(ordered[at : at + step], tellers)
    return made.rows(newest_first(tail_of(rows, wanted)), tellers)


def tail_of(rows: Sequence[EntryRow], wanted: Filter) -> list[EntryRow]:
    archived = volumes.archived(len(rows), volumes.size_for(wanted.rules.limit))
    return [one for one in rows if one.position > archived]


def live(rows: Sequence[EntryRow], wanted: Filter) -> set[int]:
    """Told plainly: of each story the accepted article that came first, of those that match."""
    matching = [one for one in rows if one.status is ACCEPTED and wanted.match(one)]
    return {min((other for other in matching if other.story == one.story), key=lambda r: r.accepted_seq).id
            for one in matching}


@given(rows_at_random(), FILTERS)
def test_shown_is_the_first_telling_that_matches(rows, wanted) -> None:
    assert {one.id for one in shown(rows, tellers_of(rows), wanted)} == live(rows, wanted)


@given(rows_at_random(), FILTERS)
def test_what_is_shown_of_some_is_what_is_shown_of_all(rows, wanted) -> None:
    """Documents are made of parts of a feed: none may show what another one has to."""
    tellers = tellers_of(rows)
    parts = [[one.id for one in shown(rows[at : at + 5], tellers, wanted)] for at in range(0, len(rows), 5)]
    assert [one for part in parts for one in part] == [one.id for one in shown(rows, tellers, wanted)]


@settings(max_examples=100)
@given(rows_at_random(), FILTERS, st.integers(1, 9))
def test_the_document_that_people_subscribe_to(rows, wanted, step) -> None:
    chosen = choose(rows, wanted, step)
    alive = [one for one in chosen if one.status is ACCEPTED]
    tail = {one.id for one in tail_of(rows, wanted)}
    assert chosen == newest_first(chosen)
    assert len({one.id for one in chosen}) == len(chosen)
    assert {one.id for one in alive} <= live(rows, wanted), "only what matches, and of each story one"
    assert len({one.story for one in alive}) == len(alive)
    assert sum(one.id not in tail for one in alive) <= wanted.rules.limit
    assert sum(one.status is WITHDRAWN for one in chosen) <= wanted.rules.limit
    best: list[int] = []
    of_source: Counter[str] = Counter()
    for one in newest_first([r for r in rows if r.id in live(rows, wanted)]):
        if len(best) < wanted.rules.limit and not 0 < wanted.rules.per_source <= of_source[one.source]:
            best.append(one.id)
            of_source[one.source] += 1
    assert [one.id for one in alive if one.id in best] == best, "the newest are there"
    assert {one.id for one in alive} <= {*best, *tail}
    if not wanted.rules.per_source:
        assert {one.id for one in alive} == {*best, *(tail & live(rows, wanted))}


@settings(max_examples=100)
@given(rows_at_random(), FILTERS)
def test_all_documents_together_show_everything(rows, wanted) -> None:
    size, tellers = volumes.size_for(wanted.rules.limit), tellers_of(rows)
    there: set[int] = {one.id for one in choose(rows, wanted) if one.status is ACCEPTED}
    for number in range(1, volumes.archived(len(rows), size) // size + 1):
        first, last = volumes.run(number, size)
        there |= {one.id for one in shown([r for r in rows if first <= r.position <= last], tellers, wanted)}
    assert there <= live(rows, wanted)
    if not wanted.rules.per_source:
        assert there == live(rows, wanted)


@given(rows_at_random(), FILTERS, st.integers(1, 9), st.integers(1, 9))
def test_the_size_of_a_page_makes_no_difference(rows, wanted, one: int, other: int) -> None:
    assert choose(rows, wanted, one) == choose(rows, wanted, other)


@given(rows_at_random(), FILTERS)
def test_the_withdrawn_take_nobodys_place(rows, wanted) -> None:
    positions = {one.position for one in rows if one.status is WITHDRAWN}
    tellers, ordered = tellers_of(rows), newest_first(rows)
    made = Subscription(wanted, wanted.rules.limit)
    made.offer([one for one in ordered if one.position not in positions], tellers)
    without = made.rows(newest_first(tail_of(rows, wanted)), tellers)
    assert [one for one in choose(rows, wanted) if one.status is ACCEPTED] == without


@pytest.mark.parametrize(("limit", "shows"), [(1, [4, 3]), (2, [4, 3, 2]), (3, [4, 3, 2, 1])])
def test_a_withdrawn_one_is_shown_between_the_others(limit: int, shows: list[int]) -> None:
    rows = [row(1), row(2), row(3), row(4, status=WITHDRAWN)]
    made = Subscription(Filter(Rules(limit=limit)), limit)
    made.offer(newest_first(rows), tellers_of(rows))
    assert [one.id for one in made.rows([], {})] == shows


def test_withdrawn_ones_are_no_more_than_the_limit() -> None:
    rows = [row(n, status=WITHDRAWN) for n in range(2, 30)] + [row(1)]
    made = Subscription(Filter(Rules(limit=3)), 3)
    made.offer(newest_first(rows), tellers_of(rows))
    assert [one.id for one in made.rows([], {})] == [29, 28, 27, 1]


def test_a_story_goes_on_where_its_first_telling_was_withdrawn_or_matches_no_more() -> None:
    first, second = row(1, story=1, topics=("y",)), row(2, story=1)
    assert [one.id for one in shown([first, second], tellers_of([first, second]), Filter(Rules()))] == [1]
    assert [one.id for one in shown([first, second], tellers_of([first, second]), Filter(Rules(("x",))))] == [2]
    gone = row(1, story=1, status=WITHDRAWN)
    assert [one.id for one in shown([gone, second], tellers_of([gone, second]), Filter(Rules()))] == [2]


def test_what_is_archived_nowhere_is_in_the_feed_however_old() -> None:
    """An old article that came late: it is not among the newest, and its archive is not full."""
    rows = [row(n) for n in range(1, 13)] + [row(13, published_at=NOON - timedelta(days=900))]
    assert [one.id for one in choose(rows, Filter(Rules(limit=10)))] == [12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 13]


@pytest.mark.parametrize(("topic", "topics", "sources", "match"), [
    ("", ("*",), (), True), ("", (), (), True), ("", ("x",), (), True), ("", ("z",), (), False),
    ("x", ("*",), (), True), ("z", ("*",), (), False), ("x", ("z",), (), False),
    ("x", ("*",), ("b",), False), ("x", ("*",), ("a",), True),
])
def test_a_filter(topic: str, topics: tuple[str, ...], sources: tuple[str, ...], match: bool) -> None:
    assert Filter(Rules(topics, sources), topic).match(row(1)) is match


def test_a_loud_source_leaves_room() -> None:
    rows = [row(n, source="loud") for n in range(2, 30)] + [row(1, source="quiet")]
    made = Subscription(Filter(Rules(limit=3, per_source=2)), 3)
    made.offer(newest_first(rows), tellers_of(rows))
    assert [one.id for one in made.rows([], {})] == [29, 28, 1]


def test_a_loud_sources_tail_waits_for_its_archive() -> None:
    rows = [row(1, source="loud"), row(2, source="loud"), row(3, source="loud"), row(4)]
    assert [one.id for one in choose(rows, Filter(Rules(limit=10, per_source=1)))] == [4, 3]


def test_what_waits_for_its_archive_keeps_per_source_too() -> None:
    rows = [row(1, source="loud"), row(2, source="loud"), row(3)]
    alive = choose(rows, Filter(Rules(limit=1, per_source=1)))
    assert max(Counter(one.source for one in alive).values()) == 1
