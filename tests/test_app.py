"""Opening a site: migrations, its own key, and what is refused before anything runs."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.errors import StoreError


def key(site: Any):
    return site.folder / "broadsheet.key"


def opened(site: Any) -> None:
    assert site.app


@pytest.fixture
def site(copy_site: Callable) -> Any:
    return copy_site(opened)


def test_a_first_start_makes_database_and_key(make_site: Callable) -> None:
    site = make_site()
    assert site.app.keyring
    assert (site.folder / "broadsheet.db").exists()
    assert stat.S_IMODE(key(site).stat().st_mode) == 0o600
    assert site.app.data_folder == site.folder


def test_a_second_start_has_the_same_key(site) -> None:
    first = site.app.keyring
    site.close()
    assert site.app.keyring == first


def test_another_key_is_refused(site) -> None:
    key(site).write_text("x" * 43 + "\n")
    with pytest.raises(StoreError, match=r"another signing key .*restore broadsheet\.key"):
        assert site.app


def test_a_missing_key_is_refused_and_none_is_made(site) -> None:
    key(site).unlink()
    with pytest.raises(StoreError, match=r"broadsheet\.key: the signing key of .* is missing"):
        assert site.app
    assert not key(site).exists(), "a new one in its place would only hide the loss"


def test_a_rotated_key_is_taken(site) -> None:
    token = site.app.keyring.sign("unsubscribe", "7")
    site.close()
    key(site).write_text("n" * 43 + "\n" + key(site).read_text())
    assert site.app.keyring.read("unsubscribe", token) == "7"


def test_a_start_that_died_before_the_database_knew_the_key(make_site: Callable) -> None:
    site = make_site()
    key(site).write_text("k" * 43 + "\n")
    assert site.app.keyring.secrets == ("k" * 43,)


def test_a_newer_schema_is_refused(site) -> None:
    connection = sqlite3.connect(site.folder / "broadsheet.db")
    connection.execute("UPDATE alembic_version SET version_num = 'ffff'")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="newer Broadsheet"):
        assert site.app


def test_what_is_no_database_is_refused(make_site: Callable) -> None:
    site = make_site()
    (site.folder / "broadsheet.db").write_bytes(b"this is no database at all" * 99)
    with pytest.raises(StoreError, match=r"broadsheet\.db: .*not a database"):
        assert site.app
    assert not key(site).exists()


def test_parts_are_made_when_they_are_asked_for(site) -> None:
    assert site.app.transport().name == "maildir"
    assert site.app.templates()
    fetcher = site.app.fetcher()
    fetcher.close()
