"""Bring a database to this program's schema; runs at every start and does nothing when there is nothing to do."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy.exc import DatabaseError

from pipeline.errors import StoreError
from pipeline.store.engine import Store


def migrate(store: Store) -> str:
    """Apply what is missing, in one transaction, and return the schema's revision.

    Raises StoreError where the file is no database, or one of a newer program than this.
    """
    if store.path is not None:
        try:
            store.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(store.name, f"its folder can't be made: {error.strerror}") from error
    script = alembic_config()
    scripts = ScriptDirectory.from_config(script)
    head = scripts.get_current_head() or ""
    try:
        with store.write() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
            if current != head:
                script.attributes["connection"] = connection
                command.upgrade(script, "head")
    except CommandError as error:
        raise StoreError(store.name, f"its schema is not one this program knows: {error}",
                         hint="it was made by a newer Broadsheet; update the program") from error
    except DatabaseError as error:
        raise StoreError(store.name, f"is not a database that can be used: {error.orig}") from error
    return head


def alembic_config() -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
