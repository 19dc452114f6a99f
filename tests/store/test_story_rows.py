"""Who else tells a story."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from pipeline.model.articles import Also, ArticleStatus
from pipeline.model.sources import SourceKind
from pipeline.store import articles, similar, sources, stories
from pipeline.store.schema import articles as table
from pipeline.store.sources import Declared


@pytest.fixture
def tellers(book: Any, declare_one: Callable[..., int]) -> Any:
    """`tellers(3)`: so many articles of as many sources, ids by source."""

    def make(count: int) -> dict[str, int]:
        ids = dict(zip((f"s{n}" for n in range(count)), book.accept(count), strict=True))
        with book.store.write() as connection:
            for slug, article_id in ids.items():
                source = declare_one(connection, Declared(slug, SourceKind.FEED, f"https://{slug}.example/"), book.now)
                connection.execute(update(table).where(table.c.id == article_id).values(
                    source_id=source, url=f"https://{slug}.example/1"))
        return ids

    return make


def also(book: Any, *ids: int) -> list[tuple[int, ...]]:
    with book.store.read() as connection:
        known = articles.by_ids(connection, ids)
        return [tuple(a.id for a in one.also) for one in stories.with_also(connection, [known[i] for i in ids])]


def merge(book: Any, *ids: int) -> None:
    with book.store.write() as connection:
        for one in ids[1:]:
            similar.merge(connection, ids[0], one, book.now)


def test_each_names_the_others(book: Any, tellers: Any) -> None:
    a, b, c, d = tellers(4).values()
    merge(book, a, b, c)
    assert also(book, a, b, c, d) == [(b, c), (a, c), (a, b), ()]
    assert also(book) == []
    with book.store.read() as connection:
        [one] = stories.with_also(connection, [articles.by_id(connection, a)])
    assert one.also[0] == Also(b, "s1", "https://s1.example/1")


def test_a_source_is_named_once_and_never_by_itself(book: Any, tellers: Any) -> None:
    a, b, c = tellers(3).values()
    merge(book, a, b, c)
    with book.store.write() as connection:
        connection.execute(update(table).where(table.c.id == c).values(source_id=table_source(connection, "s1")))
    assert also(book, a, b, c) == [(b,), (a,), (a,)]


def test_only_what_is_out_is_named(book: Any, tellers: Any) -> None:
    a, b, c = tellers(3).values()
    merge(book, a, b, c)
    with book.store.write() as connection:
        connection.execute(update(table).where(table.c.id == b).values(status=ArticleStatus.WITHDRAWN))
    assert also(book, a) == [(c,)]


def test_there_is_an_end_to_it(book: Any, tellers: Any) -> None:
    ids = list(tellers(9).values())
    merge(book, *ids)
    assert also(book, ids[0]) == [tuple(ids[1:6])]


def table_source(connection: Any, slug: str) -> int:
    return sources.state(connection, slug).id
