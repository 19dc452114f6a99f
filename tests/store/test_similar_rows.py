"""Likenesses and stories as rows: what merging and parting leave behind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from pipeline.errors import UsageError
from pipeline.store import articles, similar
from pipeline.store.schema import article_bands, likenesses
from pipeline.store.schema import articles as rows


def stories(book: Any) -> dict[int, int]:
    with book.store.read() as connection:
        return {a.id: a.story for a in articles.search(connection, limit=1000)}


def states(book: Any) -> dict[tuple[int, int], str]:
    with book.store.read() as connection:
        return {(row.article_id, row.other_id): row.state for row in connection.execute(select(likenesses))}


def merge(book: Any, a: int, b: int) -> list[int]:
    with book.store.write() as connection:
        return similar.merge(connection, a, b, book.now)


def split(book: Any, a: int) -> list[int]:
    with book.store.write() as connection:
        return similar.split(connection, a, book.now)


def suggest(book: Any, *pairs: tuple[int, int, int]) -> int:
    with book.store.write() as connection:
        return similar.record(connection, {}, {(a, b): percent for a, b, percent in pairs}, book.now)


def suggested(book: Any) -> list[tuple[int, int, int]]:
    with book.store.read() as connection:
        return [(x.later.id, x.earlier.id, x.percent) for x in similar.suggested(connection)]


def test_two_articles_become_one_story_called_after_the_older(book: Any) -> None:
    a, b, c = book.accept(3)
    assert merge(book, c, b) == [b, c]
    assert stories(book) == {a: a, b: b, c: b}
    assert states(book) == {(c, b): "merged"}


def test_who_was_seen_before_they_became_one_story(book: Any) -> None:
    a, b, c, d = book.accept(4)
    book.now += timedelta(minutes=1)
    merge(book, a, b)
    suggest(book, (d, c, 70))
    with book.store.write() as connection:  # held when it was merged, and let in later
        connection.execute(rows.update().where(rows.c.id == a).values(accepted_at=book.now + timedelta(minutes=1)))
        assert similar.merged_late(connection, [a, b, c, d]) == {b}
        assert similar.merged_late(connection, []) == set()


def test_whole_stories_join(book: Any) -> None:
    a, b, c, d, e = book.accept(5)
    merge(book, b, c)
    merge(book, d, e)
    assert merge(book, e, c) == [b, c, d, e]
    assert stories(book) == {a: a, b: b, c: b, d: b, e: b}


def test_an_article_leaves_its_story(book: Any) -> None:
    a, b, c = book.accept(3)
    merge(book, a, b)
    merge(book, a, c)
    assert split(book, b) == [a, c]
    assert stories(book) == {a: a, b: b, c: a}
    assert states(book) == {(b, a): "split", (c, a): "merged", (c, b): "split"}


def test_the_one_that_a_story_is_called_after_leaves_it(book: Any) -> None:
    a, b, c = book.accept(3)
    merge(book, a, b)
    merge(book, a, c)
    assert split(book, a) == [b, c]
    assert stories(book) == {a: a, b: b, c: b}
    assert split(book, c) == [b]
    assert stories(book) == {a: a, b: b, c: c}


def test_the_operator_may_think_again(book: Any) -> None:
    a, b = book.accept(2)
    merge(book, a, b)
    split(book, a)
    assert states(book) == {(b, a): "split"}
    merge(book, b, a)
    assert states(book) == {(b, a): "merged"}
    assert stories(book) == {a: a, b: a}


def test_what_cannot_be_is_refused(book: Any) -> None:
    a, b = book.accept(2)
    with pytest.raises(UsageError, match="no other article tells its story"):
        split(book, a)
    with pytest.raises(UsageError, match="there is no such article"):
        merge(book, a, 999)
    with pytest.raises(UsageError, match="one story already"):
        merge(book, a, a)
    merge(book, a, b)
    with pytest.raises(UsageError, match="one story already"):
        merge(book, b, a)


def test_a_pair_is_suggested_once(book: Any) -> None:
    a, b = book.accept(2)
    assert suggest(book, (b, a, 80)) == 1
    assert suggest(book, (b, a, 90)) == 0
    assert suggested(book) == [(b, a, 80)]
    merge(book, a, b)
    assert suggested(book) == []
    split(book, b)
    assert suggest(book, (b, a, 90)) == 0
    assert suggested(book) == []


def test_pairs_that_became_one_story_otherwise_are_no_longer_asked_about(book: Any) -> None:
    a, b, c = book.accept(3)
    suggest(book, (b, a, 80), (c, a, 70), (c, b, 75))
    assert suggested(book) == [(c, b, 75), (c, a, 70), (b, a, 80)]
    merge(book, a, b)
    assert suggested(book) == [(c, b, 75), (c, a, 70)]
    merge(book, b, c)
    assert suggested(book) == []
    assert set(states(book).values()) == {"merged"}


def test_parted_stories_are_known_by_what_they_are_now(book: Any) -> None:
    a, b, c, d = book.accept(4)
    merge(book, a, b)
    split(book, b)
    merge(book, b, c)
    with book.store.read() as connection:
        assert similar.parted(connection, [c, b]) == {(a, b)}
        assert similar.parted(connection, [d]) == set()


def test_an_article_knows_its_pairs(book: Any) -> None:
    a, b, c = book.accept(3)
    suggest(book, (b, a, 80))
    merge(book, c, a)
    with book.store.read() as connection:
        assert [(x.later.id, x.state, x.percent) for x in similar.of_article(connection, a)] == [
            (c, "merged", 0), (b, "suggested", 80)]
        assert similar.of_article(connection, b)[0].earlier.title
        assert similar.of_article(connection, 999) == []


def test_bands_find_who_shares_them_and_are_dropped_when_old(book: Any) -> None:
    a, b, c = book.accept(3)
    signatures = {a: {1: 5, 2: 6}, b: {1: 5, 2: 7}, c: {1: 6}}
    with book.store.write() as connection:
        similar.record(connection, signatures, {}, book.now)
        similar.record(connection, {b: {1: 5, 2: 6}}, {}, book.now)
    with book.store.read() as connection:
        found = similar.sharing(connection, {99: {1: 5, 2: 6, 3: 5}})
        assert {key: sorted(ids) for key, ids in found.items()} == {(1, 5): [a, b], (2, 6): [a, b]}
        assert [row.id for row in similar.accepted_after(connection, 0, 2)] == [a, b]
        assert [row.id for row in similar.accepted_after(connection, 2, 9)] == [c]
        assert {row.id for row in similar.neighbours(connection, 1, a)} == {a, b, c}
    with book.store.write() as connection:
        assert similar.forget(connection, book.now - timedelta(days=1)) == 0
        assert similar.forget(connection, book.now + timedelta(days=1), limit=2) == 2
        assert set(connection.execute(select(article_bands.c.article_id)).scalars()) == {c}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 5)), max_size=12))
def test_whatever_is_merged_and_parted_stories_stay_whole(
    make_book: Callable[[], Any], moves: list[tuple[bool, int, int]]
) -> None:
    """Against the plainest model there is: sets of articles."""
    book = make_book()
    ids = book.accept(6)
    model = [{i} for i in ids]
    for joins, x, y in moves:
        a, b = ids[x], ids[y]
        mine, other = (next(s for s in model if i in s) for i in (a, b))
        if joins and mine is not other:
            merge(book, a, b)
            model = [s for s in model if s is not mine and s is not other] + [mine | other]
        elif not joins and len(mine) > 1:
            split(book, a)
            model = [s for s in model if s is not mine] + [mine - {a}, {a}]
    assert stories(book) == {i: min(s) for s in model for i in s}
    told = states(book)
    assert all(told[max(a, b), min(a, b)] != "split" for s in model for a in s for b in s
               if a != b and (max(a, b), min(a, b)) in told)
