"""Rows of pictures, on each database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert

from pipeline.model.pictures import KeptPicture, Picture
from pipeline.store import pictures
from pipeline.store.engine import Store
from pipeline.store.schema_compose import digests, fragments

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)


def name(number: int, ending: str = "png") -> str:
    return f"{number:032x}.{ending}"


def kept(number: int, **changes: object) -> KeptPicture:
    values = {"picture": Picture(name(number), 300, 200), "size": 12_345} | changes
    return KeptPicture(f"key{number}", f"https://a.example/{number}.png", fetched_at=NOW, **values)  # type: ignore[arg-type]


def failed(number: int, retry_at: datetime | None) -> KeptPicture:
    return kept(number, picture=None, size=0, reason="the address answers 404", retry_at=retry_at)


def test_what_is_saved_is_found_again(store: Store) -> None:
    rows = [kept(1), failed(2, NOW + timedelta(hours=1)), failed(3, None)]
    with store.write() as connection:
        pictures.save(connection, rows)
        pictures.save(connection, [])
    with store.read() as connection:
        assert pictures.by_keys(connection, ["key3", "key1", "key2", "key9"]) == {row.key: row for row in rows}
        assert pictures.by_keys(connection, []) == {}
        assert pictures.names(connection) == {name(1)}


def test_what_comes_later_takes_its_place(store: Store) -> None:
    with store.write() as connection:
        pictures.save(connection, [failed(1, NOW), kept(2)])
        pictures.save(connection, [kept(1), failed(2, NOW)])
        assert pictures.by_keys(connection, ["key1", "key2"]) == {"key1": kept(1), "key2": failed(2, NOW)}


def test_what_is_forgotten_is_gone(store: Store) -> None:
    with store.write() as connection:
        same = KeptPicture("other", "https://b.example/", kept(1).picture, NOW)
        pictures.save(connection, [kept(1), same, kept(2), failed(3, NOW)])
        pictures.forget(connection, [name(1), name(9)])
        assert pictures.names(connection) == {name(2)}
        assert set(pictures.by_keys(connection, ["key1", "other", "key2", "key3"])) == {"key2", "key3"}


def test_what_digests_show_is_read_from_their_pieces(book: Any) -> None:
    with book.store.write() as connection:
        digest = connection.execute(insert(digests).values(
            newsletter_id=book.newsletter, schedule="daily", nominal="x", due_at=NOW, settings={}, notes=[],
            created_at=NOW, frozen_at=NOW)).inserted_primary_key[0]
        bodies = [f'<img src="https://n.example/i/{name(1)}"><img src="https://n.example/sub/i/{name(2, "jpg")}">',
                  f"<p>{name(3)} /i/{name(4)}x /i/short.png</p>", "<p>nothing</p>"]
        for ordinal, body in enumerate(bodies):
            connection.execute(insert(fragments).values(
                digest_id=digest, language="", ordinal=ordinal, body=body, qp=b""))
        assert pictures.in_digests(connection) == {name(1), name(2, "jpg")}
        assert pictures.newest_freeze(connection) == NOW
        assert pictures.in_digests(connection, NOW) == {name(1), name(2, "jpg")}
        assert pictures.in_digests(connection, NOW + timedelta(seconds=1)) == set()
