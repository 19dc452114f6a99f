"""What was seen and not taken, in the database: once for each address, with its reason, in its turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from pipeline.model.sources import PassedState, SourceKind, SourceStanding
from pipeline.store import passed
from pipeline.store.chunks import CHUNK
from pipeline.store.engine import Store
from pipeline.store.passed import PassedOver
from pipeline.store.schema import sources as source_rows
from pipeline.store.sources import Declared

NOW = datetime(2026, 6, 1, 6, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def row(key: str, state: PassedState = PassedState.WAITING, **values: object) -> PassedOver:
    if state is PassedState.WAITING:
        values = {"retry_at": NOW, "draft": {"draft": {"title": key}}} | values
    return PassedOver(key, state, f"because of {key}", f"https://paper.example/{key}", f"Title {key}", **values)


@pytest.fixture
def two(store: Store, declare_one: Callable[..., int]) -> tuple[Store, int, int]:
    """A store, and the ids of its sources "a" and "b"."""
    with store.write() as connection:
        return store, *(declare_one(connection, Declared(slug, SourceKind.FEED, f"https://{slug}.example/"), NOW)
                        for slug in "ab")


def test_a_row_is_written_once_and_keeps_the_day_of_its_first_sight(two: tuple[Store, int, int]) -> None:
    store, a, b = two
    with store.write() as connection:
        passed.record(connection, a, [row("one"), row("two", PassedState.EXCLUDED)], NOW)
        passed.record(connection, b, [row("one", PassedState.BACKLOG)], NOW)
        passed.record(connection, a, [replace(row("one"), attempts=1, reason="again"), row("three")], LATER)
        found = passed.rows(connection, a, ["one", "two", "three", "four"])
        assert {key: (r.state.value, r.at) for key, r in found.items()} == {
            "one": ("waiting", NOW), "two": ("excluded", NOW), "three": ("waiting", LATER)}
        assert found["one"] == replace(row("one"), attempts=1, reason="again", at=NOW)
        assert passed.find(connection, a, "one") == found["one"]
        assert passed.find(connection, a, "four") is None
        assert passed.known(connection, b, ["one", "two"]) == {"one": PassedState.BACKLOG}
        passed.forget(connection, a, ["one", "four"])
        assert passed.find(connection, a, "one") is None
        assert passed.find(connection, b, "one") is not None, "another source's is its own"


def test_more_keys_than_one_statement_takes(two: tuple[Store, int, int]) -> None:
    store, a, _ = two
    many = [row(f"{n:04}", PassedState.BACKLOG) for n in range(CHUNK * 2 + 5)]
    with store.write() as connection:
        passed.record(connection, a, many, NOW)
        passed.record(connection, a, many, LATER)
        keys = [m.key for m in many]
        assert len(passed.known(connection, a, keys)) == len(passed.rows(connection, a, keys)) == len(many)
        passed.forget(connection, a, keys[1:])
        assert list(passed.known(connection, a, keys)) == ["0000"]


def test_pages_have_their_turn_the_latest_due_first_and_these_in_order(two: tuple[Store, int, int]) -> None:
    store, a, b = two
    with store.write() as connection:
        passed.record(connection, a, [row(f"old {n}", retry_at=NOW + n * MINUTE) for n in range(4)], NOW)
        passed.record(connection, a, [row("later", retry_at=LATER + MINUTE), row("never", PassedState.FAILED)], NOW)
        passed.record(connection, b, [row("b", retry_at=LATER)], NOW)
        assert [r.key for r in passed.waiting(connection, a, LATER, 3)] == ["old 1", "old 2", "old 3"]
        assert [r.key for r in passed.waiting(connection, a, NOW, 3)] == ["old 0"]
        assert passed.sources_waiting(connection, NOW) == {"a": 1}
        assert passed.sources_waiting(connection, LATER) == {"a": 4, "b": 1}
        assert passed.count_waiting(connection) == {"a": 5, "b": 1}
        for values in ({"standing": SourceStanding.BLOCKED}, {"standing": SourceStanding.ACTIVE, "declared": False}):
            connection.execute(update(source_rows).where(source_rows.c.id == a).values(**values))
            assert passed.sources_waiting(connection, LATER) == {"b": 1}


def test_new_ones_that_wait_are_counted_by_when_they_were_seen(book: Any) -> None:
    (known,) = book.accept()
    with book.store.write() as connection:
        passed.record(connection, book.source, [row("one"), row("two", PassedState.EXCLUDED)], NOW)
        passed.record(connection, book.source, [row("one"), row("three"), row("four")], LATER)
        passed.record(connection, book.source, [row("known", article_id=known)], LATER)
        counts = [passed.count_waiting_since(connection, book.source, moment) for moment in (NOW - MINUTE, NOW, LATER)]
        assert counts == [3, 2, 0], "an article that is read anew is none of them"


def test_the_operator_finds_them_by_title_and_address(two: tuple[Store, int, int]) -> None:
    store, a, b = two
    with store.write() as connection:
        passed.record(connection, a, [row("one"), row("100%", PassedState.EXCLUDED)], NOW)
        passed.record(connection, b, [row("One more")], LATER)
        assert [(r.key, r.source) for r in passed.search(connection, "title ONE")] == [("One more", "b"), ("one", "a")]
        assert [r.key for r in passed.search(connection, "paper.example/one")] == ["One more", "one"]
        assert [r.key for r in passed.search(connection, "0%")] == ["100%"]
        assert [r.key for r in passed.search(connection, "", limit=1)] == ["One more"]
