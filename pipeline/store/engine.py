"""Engines and transactions.

SQLite: WAL, `synchronous=FULL` (a commit that returned survives a power cut), foreign keys on, and two engines:
writers start with `BEGIN IMMEDIATE`, readers are query-only. A reader that upgrades in the middle of its
transaction fails at once with SQLITE_BUSY_SNAPSHOT however long the busy timeout (sqlite.org/isolation.html);
two engines make that mistake impossible.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError

from pipeline.errors import StoreError

BUSY_TIMEOUT_MS = 15_000
"""How long a writer waits for another one before it gives up."""

POLL_MS = 10
"""A writer that waits asks SQLite this long at a time, every few milliseconds. Left to itself SQLite asks ten times a
second after a while, and then meets the short pauses of a busy process (PAUSE_S) only by chance."""

PAUSE_S = 0.008
"""Between two of many transactions of one process; longer than it takes the others to ask."""

LONGEST_WAIT_S = 900
"""How long one waits for another process that does what only one may do."""

CHECKPOINT_PAGES = 4_000
"""Of 4 KiB: a checkpoint waits for the disk, and a round that brings much would have one after each few sources."""


class Store:
    """A database. `read()` and `write()` each give a connection inside one transaction."""

    def __init__(self, url: str) -> None:
        """`url` is an SQLAlchemy address such as "sqlite:////var/lib/broadsheet/site.db". Opens nothing yet."""
        parsed = make_url(url)
        self.url = url
        self.name = parsed.render_as_string(hide_password=True)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite:
            if not parsed.database or parsed.database == ":memory:":
                raise StoreError("store.url", "an in-memory database forgets who was mailed", hint="name a file")
            self.path: Path | None = Path(parsed.database)
            self._writer = _sqlite_engine(url, begin="BEGIN IMMEDIATE", query_only=False)
            self._reader = _sqlite_engine(url, begin="BEGIN", query_only=True)
        else:
            self.path = None
            try:
                self._writer = create_engine(url, pool_pre_ping=True)
            except ImportError as error:
                raise StoreError(self.name, f"its driver is not installed: {error.name}",
                                 hint='use "sqlite:///broadsheet.db"') from error
            # several statements of one reading must see one moment; READ COMMITTED gives each its own
            self._reader = self._writer.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One writing transaction: committed at the end of the block, rolled back by any exception."""
        with _translated(self.name), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One reading transaction: a consistent view that can't write (on SQLite)."""
        with _translated(self.name), self._reader.begin() as connection:
            yield connection

    def let_others(self) -> None:
        """Between two of many writing transactions: wait until whoever else wants to write had a chance to begin.
        SQLite has no queue, so that a busy process could shut all others out for as long as it goes on."""
        if self.is_sqlite:
            sleep(PAUSE_S)

    @contextmanager
    def alone(self, what: str) -> Iterator[None]:
        """Wait until no other process does `what` ("publish"), and keep others waiting until the block ends. Beside
        SQLite's file that is a locked file, which the system frees however a process ends; in PostgreSQL an advisory
        lock of one connection. Raises StoreError after LONGEST_WAIT_S."""
        if self.path is not None:
            with _lock_file(self.path.with_name(f"{self.path.name}.{what}.lock"), what):
                yield
            return
        key = int.from_bytes(hashlib.sha256(f"broadsheet {what}".encode()).digest()[:8], "big", signed=True)
        with _translated(self.name), self._writer.connect() as connection:
            connection.execute(text("SELECT set_config('lock_timeout', :wait, false)"), {"wait": f"{LONGEST_WAIT_S}s"})
            try:
                connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": key})
            except OperationalError as error:
                connection.invalidate()
                raise _still_busy(self.name, what) from error
            connection.commit()
            try:
                yield
            finally:
                connection.invalidate()  # the server frees the lock with the connection, also one that was cut

    @property
    def engine(self) -> Engine:
        """The writing engine, for migrations."""
        return self._writer

    def close(self) -> None:
        self._reader.dispose()
        self._writer.dispose()


@contextmanager
def _lock_file(path: Path, what: str) -> Iterator[None]:
    try:
        with FileLock(path, timeout=LONGEST_WAIT_S):
            yield
    except Timeout as error:
        raise _still_busy(str(path), what) from error


def _still_busy(subject: str, what: str) -> StoreError:
    return StoreError(subject, f"another process has been at it ({what}) for {LONGEST_WAIT_S // 60} minutes",
                      hint="see what it does; nothing was lost", permanent=False)


def _sqlite_engine(url: str, *, begin: str, query_only: bool) -> Engine:
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000},
                           json_serializer=_to_json)

    def on_connect(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not open transactions of its own: we say BEGIN ourselves
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_TIMEOUT_MS}",
            f"query_only={'ON' if query_only else 'OFF'}", f"wal_autocheckpoint={CHECKPOINT_PAGES}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        if not query_only:
            cursor.execute(f"PRAGMA busy_timeout={POLL_MS}")
        cursor.close()

    def on_begin(connection: Connection) -> None:
        until = monotonic() + BUSY_TIMEOUT_MS / 1000
        while True:
            try:
                connection.exec_driver_sql(begin)
                return
            except OperationalError as error:
                if monotonic() > until or getattr(error.orig, "sqlite_errorcode", 0) != sqlite3.SQLITE_BUSY:
                    raise

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)
    return engine


def _to_json(value: Any) -> str:
    """Most of what is stored as JSON is an empty list."""
    return "[]" if value == [] else json.dumps(value)


@contextmanager
def _translated(name: str) -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        cause = str(error.orig)
        hint = ""
        if "locked" in cause or "busy" in cause:
            hint = "another process is writing; the next run goes on"
        elif "full" in cause:
            hint = "free some disk space; nothing was lost"
        elif "unable to open" in cause or "readonly" in cause:
            hint = "check that the folder exists and can be written"
        raise StoreError(name, cause, hint=hint, permanent=False) from error
    except DBAPIError as error:
        raise StoreError(name, str(error.orig)) from error
