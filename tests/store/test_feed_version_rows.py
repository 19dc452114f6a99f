"""What feeds were is kept for a while, newest first."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select

from pipeline.model.feeds import ATOM_FILE, JSON_FILE, RSS_FILE
from pipeline.store import feed_versions
from pipeline.store.engine import Store
from pipeline.store.feed_versions import (
    Version,
    add_version,
    ended,
    find,
    forget_versions,
    newest_etags,
)
from pipeline.store.feeds import sizes
from pipeline.store.schema import feed_versions as rows
from pipeline.store.schema import feeds

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def feed(store: Store, folder: str, **values: object) -> int:
    with store.write() as connection:
        return connection.execute(insert(feeds).values(
            slug=folder, uid=folder, created_at=NOW, **values).returning(feeds.c.id)).scalar_one()


def etags(name: str) -> dict[str, str]:
    return {RSS_FILE: f'"rss-{name}"', ATOM_FILE: f'"atom-{name}"', JSON_FILE: f'"json-{name}"'}


def numbers(store: Store, feed_id: int) -> list[int]:
    with store.read() as connection:
        return list(connection.execute(select(rows.c.number).where(rows.c.feed_id == feed_id)
                                       .order_by(rows.c.number)).scalars())


def test_a_version_is_found_by_any_of_its_etags(store: Store) -> None:
    one, other = feed(store, "all"), feed(store, "all/topic/tide")
    with store.write() as connection:
        add_version(connection, one, 5, etags("a"), [1, 2])
        add_version(connection, one, 9, etags("b"), [1, 2, 3])
        add_version(connection, other, 7, {RSS_FILE: '"rss-a"'}, [2])
    with store.read() as connection:
        assert find(connection, "all", RSS_FILE, ['"x"', '"rss-a"']) == Version(5, frozenset({1, 2}), '"rss-a"')
        assert find(connection, "all", JSON_FILE, ['"json-a"', '"json-b"']).seq == 9, "the newest"
        assert find(connection, "all/topic/tide", RSS_FILE, ['"rss-a"']).seq == 7
        for folder, name, asked in (("all", RSS_FILE, ['"atom-a"']), ("none", RSS_FILE, ['"rss-a"']),
                                    ("all", RSS_FILE, []), ("all/topic/tide", ATOM_FILE, [""])):
            assert find(connection, folder, name, asked) is None


def test_the_oldest_are_forgotten(store: Store) -> None:
    one, other = feed(store, "all"), feed(store, "tide")
    with store.write() as connection:
        add_version(connection, other, 1, etags("x"), [1])
        for seq in range(1, 31):
            add_version(connection, one, seq, etags(str(seq)), [1], keep=3)
    assert numbers(store, one) == [28, 29, 30]
    assert numbers(store, other) == [1]
    with store.write() as connection:
        forget_versions(connection, one)
    assert numbers(store, one) == []
    assert numbers(store, other) == [1]


def test_documents_that_are_the_same_are_the_same_version(store: Store) -> None:
    one = feed(store, "all")
    with store.write() as connection:
        add_version(connection, one, 1, etags("a"), [1])
        add_version(connection, one, 4, etags("a"), [1])
        add_version(connection, one, 5, {**etags("a"), JSON_FILE: '"new"'}, [1])
    assert numbers(store, one) == [1, 2]
    with store.read() as connection:
        assert newest_etags(connection, one) == {**etags("a"), JSON_FILE: '"new"'}
        assert newest_etags(connection, one + 1) == {}
        assert find(connection, "all", JSON_FILE, ['"json-a"']).seq == 4
        assert find(connection, "all", RSS_FILE, ['"rss-a"']).seq == 5


def test_of_a_feed_that_holds_everything_fewer_are_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_versions, "MAX_IDS", 100)
    one = feed(store, "all")
    with store.write() as connection:
        for seq in range(1, 10):
            add_version(connection, one, seq, etags(str(seq)), range(40))
    assert numbers(store, one) == [8, 9]
    with store.write() as connection:
        add_version(connection, one, 10, etags("10"), range(1000))
    assert numbers(store, one) == [10]


def test_which_folders_are_a_feeds(store: Store) -> None:
    feed(store, "all", files='{"all/rss.xml": 10, "all/index.html": 5}')
    feed(store, "tide", files='{"tide/rss.xml": 10}')
    feed(store, "old", ended_at=NOW, files='{"old/rss.xml": 10}')
    with store.read() as connection:
        assert ended(connection, ["all", "old", "none"]) == {"all": False, "old": True}
        assert set(sizes(connection)) == {"all/rss.xml", "all/index.html", "tide/rss.xml"}
