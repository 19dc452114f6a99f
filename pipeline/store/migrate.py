"""Bring a database to this program's schema; runs at every start and does nothing when there is nothing to do."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DatabaseError

from pipeline.errors import StoreError
from pipeline.store.engine import Store

if TYPE_CHECKING:
    from alembic.config import Config as AlembicConfig

HEAD = "0005"
"""The newest revision under migrations/versions. Known here, so that most starts need not load Alembic."""


def migrate(store: Store) -> str:
    """Apply what is missing, in one transaction, and return the schema's revision.

    Raises StoreError where the file is no database, or one of a newer program than this.
    """
    if store.path is not None:
        try:
            store.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(store.name, f"its folder can't be made: {error.strerror}") from error
    if store.path is not None and not store.path.exists():
        _make_private(store.path)
    try:
        with store.read() as connection:
            if _revision(connection) == HEAD:
                return HEAD
    except (StoreError, DatabaseError):
        pass  # said below, where it is also known whether it can be mended
    return _upgrade(store)


def _make_private(path: Path) -> None:
    """A new database is its owner's alone: it holds people's addresses. SQLite's other files take over its mode."""
    with suppress(OSError):  # what is wrong is said when it is opened
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))


def _upgrade(store: Store) -> str:
    from alembic import command
    from alembic.util.exc import CommandError

    script = alembic_config()
    try:
        with store.write() as connection:
            if _revision(connection) != HEAD:
                script.attributes["connection"] = connection
                command.upgrade(script, "head")
    except CommandError as error:
        raise StoreError(store.name, f"its schema is not one this program knows: {error}",
                         hint="it was made by a newer Broadsheet; update the program") from error
    except DatabaseError as error:
        raise StoreError(store.name, f"is not a database that can be used: {error.orig}") from error
    return HEAD


def _revision(connection: Connection) -> str:
    """The database's own revision, "" for a new one."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none() or ""


def alembic_config() -> AlembicConfig:
    from alembic.config import Config as AlembicConfig

    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
