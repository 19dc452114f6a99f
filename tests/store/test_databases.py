"""What a database is: which ones are under test, transactions, migrations, and what is refused."""

from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import select, update
from sqlalchemy.exc import StatementError

from pipeline.errors import StoreError
from pipeline.store import articles, meta, runs, subscribers
from pipeline.store.engine import Store
from pipeline.store.migrate import migrate
from pipeline.store.schema import counters, metadata
from pipeline.store.schema import meta as meta_table

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


def test_postgresql_is_tested_too() -> None:
    if not os.environ.get("BROADSHEET_TEST_POSTGRESQL"):
        pytest.skip("no PostgreSQL: BROADSHEET_TEST_POSTGRESQL names no server; tests/store ran on SQLite only")


def test_the_migrations_make_the_schema_that_the_program_uses(store: Store) -> None:
    with store.write() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": False})
        assert compare_metadata(context, metadata) == []


def test_a_second_start_migrates_nothing(store: Store) -> None:
    with store.read() as connection:
        before = MigrationContext.configure(connection).get_current_revision()
    assert migrate(store) == before


def test_a_newer_schema_is_refused(store: Store) -> None:
    from sqlalchemy import text

    with store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="newer Broadsheet"):
        migrate(store)


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    def write() -> None:
        with store.write() as connection:
            meta.put(connection, "a", "1")
            meta.take(connection, meta.ACCEPTED, 5)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write()
    with store.read() as connection:
        assert meta.get(connection, "a") == ""
        assert meta.counter(connection, meta.ACCEPTED) == 0


def test_a_reader_sees_one_moment_and_can_not_write(store: Store) -> None:
    with store.read() as reading:
        assert meta.get(reading, "a") == ""
        with store.write() as writing:
            meta.put(writing, "a", "1")
        assert meta.get(reading, "a") == ""
    with store.read() as reading:
        assert meta.get(reading, "a") == "1"
    with pytest.raises(StoreError), store.read() as reading:
        reading.execute(update(meta_table).values(value="2"))


def test_counters_give_each_number_once(store: Store) -> None:
    with store.write() as connection:
        assert meta.take(connection, meta.ACCEPTED, 3) == 1
        assert meta.take(connection, meta.ACCEPTED) == 4
        assert meta.take(connection, meta.EVENTS) == 1
        assert meta.counter(connection, meta.ACCEPTED) == 4
        assert len(connection.execute(select(counters)).all()) == 2


def test_times_are_aware_utc_or_refused(store: Store) -> None:
    east = timezone(timedelta(hours=5, minutes=30))
    with store.write() as connection:
        assert runs.enqueue(connection, "j", NOW.astimezone(east), now=NOW)
        (run,) = runs.listed(connection)
        assert (run.due_at, run.due_at.tzinfo) == (NOW, UTC)
        assert not runs.enqueue(connection, "j", NOW, now=NOW), "the same moment, said in another zone"
    with pytest.raises((StoreError, StatementError), match="naive"), store.write() as connection:
        runs.enqueue(connection, "j", datetime(2026, 6, 1), now=NOW)  # noqa: DTZ001


def test_ids_that_links_carry_are_never_given_to_somebody_else(book) -> None:
    """A deleted subscriber's token must not become a stranger's."""
    from sqlalchemy import delete

    first = book.join("ada")
    with book.store.write() as connection:
        for table in (subscribers.subscription_events, subscribers.subscriptions, subscribers.subscribers):
            connection.execute(delete(table))
    assert book.join("bo") > first


def test_an_unknown_article_is_named(store: Store) -> None:
    from pipeline.errors import UsageError

    with store.read() as connection, pytest.raises(UsageError, match="article 7"):
        articles.by_id(connection, 7)


# --- SQLite's own files ---


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_in_memory_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="forgets who was mailed"):
        Store(url)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path, content = tmp_path / "site.db", b"not a database, but long enough to be read as one" * 30
    path.write_bytes(content)
    store = Store(f"sqlite:///{path}")
    with pytest.raises(StoreError, match=r"site\.db: .*not a database"):
        migrate(store)
    store.close()
    assert path.read_bytes() == content


def test_somebody_elses_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE articles (id INTEGER PRIMARY KEY, words TEXT)")
    other.commit()
    store = Store(f"sqlite:///{path}")
    with pytest.raises(StoreError):
        migrate(store)
    store.close()
    assert [row[0] for row in other.execute("SELECT name FROM sqlite_master")] == ["articles"]
    other.close()


def test_a_folder_where_the_database_should_be(tmp_path: Path) -> None:
    (tmp_path / "site.db").mkdir()
    store = Store(f"sqlite:///{tmp_path / 'site.db'}")
    with pytest.raises(StoreError, match="unable to open"):
        migrate(store)
    store.close()


def test_a_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    store = Store(f"sqlite:///{tmp_path / 'file' / 'site.db'}")
    with pytest.raises(StoreError, match="its folder can't be made"):
        migrate(store)
    store.close()


def test_a_commit_survives_a_power_cut(quick_folder: Path) -> None:
    store = Store(f"sqlite:///{quick_folder / 'site.db'}")
    with store.write() as connection:
        values = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                  for name in ("journal_mode", "synchronous", "foreign_keys")}
    store.close()
    assert values == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_a_writer_that_waits_in_vain_is_told_that_another_one_writes(
    quick_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.store.engine.BUSY_TIMEOUT_MS", 20)
    store = Store(f"sqlite:///{quick_folder / 'site.db'}")
    migrate(store)
    other = sqlite3.connect(quick_folder / "site.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="another process is writing") as caught, store.write():
        pass
    assert not caught.value.permanent
    with store.read() as connection:
        assert meta.get(connection, "a") == "", "readers go on"
    other.close()
    store.close()
