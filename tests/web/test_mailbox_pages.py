"""The demo's mailbox: each mail as a reader sees it, in a frame that can do nothing."""

from __future__ import annotations

import os
import re
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from pipeline.web.mailbox import framed, newest

PLAIN = b"From: a@example.org\r\nTo: b@example.org\r\nSubject: =?utf-8?q?R=C3=A4v?=\r\n\r\nonly text <b>\r\n"


def put(house: Any, name: str, data: bytes, folder: str = "new") -> None:
    path = house.folder / "mailbox" / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_the_front_page_lists_what_arrived(house: Any) -> None:
    put(house, "later:2,S", PLAIN, "cur")
    os.utime(house.folder / "mailbox" / "cur" / "later:2,S", (4e9, 4e9))
    page = house.get("/").text
    assert page.index('href="/mail/later"') < page.index(f'href="{house.mail_path}"')
    assert "Räv" in page
    assert "jonna@example.org" in page
    assert "broadsheet init" in page


def test_a_mail_is_shown_in_a_frame_that_can_do_nothing(house: Any) -> None:
    page = house.get(house.mail_path)
    assert page.status == 200
    frame = re.search(r"<iframe ([^>]*)>", page.text)
    assert frame
    sandbox = re.search(r'sandbox="([^"]*)"', frame[1])
    assert sandbox
    assert set(sandbox[1].split()) == {"allow-popups", "allow-popups-to-escape-sandbox"}
    srcdoc = re.search(r'srcdoc="([^"]*)"', frame[1])
    assert srcdoc
    letter = unescape(srcdoc[1])
    assert '<base target="_blank">' in letter
    assert "The last ferry &amp; the first" in letter
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert "http" not in policy  # no picture from anywhere else
    assert page.headers["cache-control"] == "no-store"


def test_its_plain_text_and_its_source(house: Any) -> None:
    text = house.get(f"{house.mail_path}/text")
    assert "The last ferry &amp; the first" in text.text
    assert "<iframe" not in text.text
    raw = house.get(f"{house.mail_path}/raw")
    assert raw.headers["content-type"] == "text/plain; charset=utf-8"
    assert raw.body == (house.folder / "mailbox" / "new" / house.mail_path.removeprefix("/mail/")).read_bytes()


def test_a_mail_that_a_reader_has_seen_keeps_its_address(house: Any) -> None:
    address = house.mail_path
    path = house.folder / "mailbox" / "new" / address.removeprefix("/mail/")
    path.rename(house.folder / "mailbox" / "cur" / f"{path.name}:2,RS")
    assert house.get(address).status == 200


def test_only_a_demo_shows_its_mailbox(house: Any) -> None:
    path = house.folder / "config.toml"
    address = house.mail_path
    path.write_text(path.read_text().replace("demo = true", "demo = false"))
    house = type(house)(type(house.app)(*_with_config(house, path)), house.folder)
    assert house.get(address).status == 404
    assert house.get(f"{address}/raw").status == 404
    assert "mailbox" not in house.get("/").text.lower()


def _with_config(house: Any, path: Path) -> tuple[Any, ...]:
    from pipeline import config

    return config.load(path), house.app.store, house.app.keyring, house.app.now


@pytest.mark.parametrize(
    "name", ["..", "../new", "new/../../config.toml", ".hidden", "nothing", "", "link", "folder", "x" * 300, "a\0b"])
def test_no_name_leaves_the_mailbox(house: Any, name: str) -> None:
    put(house, ".hidden", b"SECRET")
    (house.folder / "mailbox" / "new" / "link").symlink_to(house.folder / "config.toml")
    (house.folder / "mailbox" / "new" / "folder").mkdir()
    for written in (name, quote(name, safe="")):
        for rest in ("", "/raw", "/text"):
            assert house.get(f"/mail/{written}{rest}").status in (404, 405)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\0\0\0", b"no header at all", PLAIN.replace(b"utf-8", b"no-such-charset"),
        b"Subject: x\nContent-Type: text/html; charset=nonsense\n\n<p>\xff",
        b"Subject: x\nContent-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/html\n\n",
        b"Date: never\nSubject: \xff\xfe<script>alert(1)</script>\nFrom: <<<>>>,,,\nTo: [::]\n\n",
        b"Subject: x\nContent-Type: text/html\n\n\"></iframe><script>alert(1)</script>",
    ],
)
def test_a_broken_mail_is_shown_as_far_as_it_can_be(house: Any, data: bytes) -> None:
    put(house, "broken", data)
    for path in ("/", "/mail/broken", "/mail/broken/text", "/mail/broken/raw"):
        answer = house.get(path)
        assert answer.status == 200
        if not path.endswith("raw"):
            assert "<script" not in answer.text


def test_a_folder_that_is_not_there_is_an_empty_mailbox(tmp_path: Path) -> None:
    assert newest(tmp_path / "nowhere", 10) == []


@pytest.mark.parametrize(
    ("html", "starts"),
    [
        ("<!DOCTYPE html><html><head><title>x", '<!DOCTYPE html><html><head><base target="_blank"><title>'),
        ('<HEAD lang="a">x', '<HEAD lang="a"><base target="_blank">x'),
        ("<p>x", '<base target="_blank"><p>x'),
    ],
)
def test_links_of_a_framed_mail_open_a_tab_of_their_own(html: str, starts: str) -> None:
    assert framed(html).startswith(starts)
