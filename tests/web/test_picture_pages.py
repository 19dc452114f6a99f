"""`/i/{name}`: pictures of ours, by their exact names, to be kept for ever."""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any

import pytest

NAME = "0123456789abcdef" * 2
BODY = b"\x89PNG\r\n\x1a\nnot all of one"


@pytest.fixture
def folder(house: Any) -> Any:
    made = house.app.picture_folder
    made.mkdir()
    for ending in ("png", "jpg", "gif"):
        (made / f"{NAME}.{ending}").write_bytes(BODY)
    (made / "secret.txt").write_text("secret")
    (house.folder / "data" / f"{'1' * 32}.png").write_text("outside")
    (made / f"{'2' * 32}.png").symlink_to(house.folder / "config.toml")
    (made / f"{'3' * 32}.png").mkdir()
    (made / f"{'4' * 32}.png").write_bytes(b"")
    return made


@pytest.mark.parametrize(("ending", "kind"), [("png", "image/png"), ("jpg", "image/jpeg"), ("gif", "image/gif")])
def test_a_picture_may_be_kept_for_ever(house: Any, folder: Any, ending: str, kind: str) -> None:
    answer = house.get(f"/i/{NAME}.{ending}")
    assert (answer.status, answer.body) == (200, BODY)
    assert answer.headers["content-type"] == kind
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["content-length"] == str(len(BODY))
    assert "set-cookie" not in answer.headers
    again = house.get(f"/i/{NAME}.{ending}", if_none_match=answer.headers["etag"])
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize("name", [
    "secret.txt", f"{NAME}.svg", NAME, f"{NAME}.png.new", f"{NAME.upper()}.png", f"{'1' * 32}.png", f"{'9' * 32}.png",
    f"..%2f{'1' * 32}.png", f"../{'1' * 32}.png", "..%2f..%2fconfig.toml", "..", "%00", f"{NAME}.png%00",
    f"{'2' * 32}.png", f"{'3' * 32}.png", f"{'4' * 32}.png", f"{NAME}.png/", f"./{NAME}.png",
])
def test_nothing_else_is_there(house: Any, folder: Any, name: str) -> None:
    answer = house.get(f"/i/{name}")
    assert answer.status == 404
    assert answer.headers["cache-control"] == "no-store"
    assert b"outside" not in answer.body
    assert b"secret" not in answer.body


def test_without_a_folder_there_is_nothing(house: Any) -> None:
    assert house.get(f"/i/{NAME}.png").status == 404
    assert not house.app.picture_folder.exists()


def test_asking_changes_nothing(house: Any, folder: Any, served: Callable[[], HTTPConnection]) -> None:
    before = house.data_digest(), sorted((p.name, p.lstat().st_mtime_ns) for p in folder.iterdir())
    for method in ("GET", "HEAD"):
        connection = served()
        connection.request(method, f"/i/{NAME}.png")
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.headers["content-length"] == str(len(BODY))
        assert answer.read() == (BODY if method == "GET" else b"")
    assert house.ask("POST", f"/i/{NAME}.png").status == 405
    assert (house.data_digest(), sorted((p.name, p.lstat().st_mtime_ns) for p in folder.iterdir())) == before


def test_the_public_address_may_have_a_path(house: Any, folder: Any) -> None:
    """Behind a proxy that leaves it: mails name `{public_url}/i/…`."""
    from dataclasses import replace

    site = house.app.config.site.model_copy(update={"public_url": "http://127.0.0.1:8000/paper"})
    app = type(house.app)(replace(house.app.config, site=site), house.app.store, house.app.keyring, house.app.now)
    below = type(house)(app, house.folder)
    assert below.get(f"/paper/i/{NAME}.png").status == 200
    assert below.get(f"/i/{NAME}.png").status == 200
