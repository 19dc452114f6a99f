"""Feed files are served as they lie there, and nothing else is."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from http.client import HTTPConnection
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from pipeline.web.feeds import FeedFiles, media_type_of

RSS = "application/rss+xml; charset=utf-8"


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("all/rss.xml", RSS),
        ("all/atom.xml", "application/atom+xml; charset=utf-8"),
        ("all/atom-2.xml", "application/atom+xml; charset=utf-8"),
        ("all/feed.json", "application/feed+json"),
        ("all/index.html", "text/html; charset=utf-8"),
        ("all.opml", "text/xml; charset=utf-8"),
        ("opml.xml", "text/xml; charset=utf-8"),
        ("README.md", ""),
        ("all/rss.xml.tmp", ""),
        ("all/rss", ""),
    ],
)
def test_media_types(name: str, media_type: str) -> None:
    assert media_type_of(name) == media_type


def test_a_file_is_served_byte_for_byte_and_may_be_kept(house: Any) -> None:
    lying = (house.folder / "feeds" / "all" / "rss.xml").read_bytes()
    first = house.get("/feeds/all/rss.xml")
    assert (first.status, first.body) == (200, lying)
    assert first.headers["content-type"] == RSS
    assert first.headers["access-control-allow-origin"] == "*"
    assert "max-age" in first.headers["cache-control"]
    assert not first.headers["etag"].startswith("W/")
    again = house.get("/feeds/all/rss.xml", if_none_match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert "content-type" not in again.headers
    assert house.get("/feeds/all/rss.xml", if_modified_since=first.headers["last-modified"]).status == 304
    assert house.get("/feeds/all/rss.xml", if_modified_since="Sat, 01 Jan 2000 00:00:00 GMT").status == 200


def test_a_rewritten_file_is_noticed(house: Any) -> None:
    path = house.folder / "feeds" / "all" / "rss.xml"
    old = house.get("/feeds/all/rss.xml")
    new = path.with_name("new")
    new.write_bytes(old.body.replace(b"ferry", b"FERRY"))
    os.utime(new, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))  # neither time nor size tells them apart
    new.replace(path)
    answer = house.get("/feeds/all/rss.xml", if_none_match=old.headers["etag"])
    assert answer.status == 200
    assert b"FERRY" in answer.body


def test_readers_in_browsers_may_ask_first(house: Any) -> None:
    answer = house.ask("OPTIONS", "/feeds/all/rss.xml")
    assert answer.status == 204
    assert "If-None-Match" in answer.headers["access-control-allow-headers"]


def test_the_page_of_a_feed(house: Any) -> None:
    page = house.get("/feeds/tide/")
    assert page.status == 200
    assert "A tide table made by hand" in page.text
    assert "The last ferry" not in page.text
    assert 'href="/feeds/tide/rss.xml"' in page.text
    public = 'title="The tide (Atom)" href="http://127.0.0.1:8000/feeds/tide/atom.xml"'
    assert f'<link rel="alternate" type="application/atom+xml" {public}>' in page.text
    assert house.get("/feeds/tide").headers["location"] == "/feeds/tide/"
    assert house.get("/feeds/").headers["location"] == "/#feeds"
    assert house.get("/feeds").headers["location"] == "/#feeds"


def test_a_built_page_takes_the_place_of_ours(house: Any) -> None:
    (house.folder / "feeds" / "tide" / "index.html").write_text("<style>p{}</style><p>built</p>")
    answer = house.get("/feeds/tide/")
    assert answer.text == "<style>p{}</style><p>built</p>"
    assert "style-src 'unsafe-inline'" in answer.headers["content-security-policy"]
    assert "sandbox" in answer.headers["content-security-policy"]


def test_a_former_slug_leads_to_the_new_one(house: Any) -> None:
    assert house.get("/feeds/everything/rss.xml").headers["location"] == "/feeds/all/rss.xml"
    assert house.get("/feeds/everything/").status == 308


def test_a_feed_that_is_not_built_yet_is_not_gone(house: Any) -> None:
    (house.folder / "feeds" / "tide" / "atom.xml").unlink()
    answer = house.get("/feeds/tide/atom.xml")
    assert answer.status == 503
    assert answer.headers["retry-after"] == "60"
    assert house.get("/feeds/nobody/atom.xml").status == 404


def test_what_is_kept_in_memory_is_bounded(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"rss-{number}.xml").write_bytes(b"x" * 400)
    files = FeedFiles(tmp_path, cache_bytes=1000)
    for number in (0, 1, 2, 3, 4, 4, 0):
        found = asyncio.run(files.content(f"rss-{number}.xml"))
        assert found is not None
        assert len(found.body) == 400
    assert list(files._kept) == ["rss-4.xml", "rss-0.xml"]


def hostile_paths() -> list[str]:
    """Ways to say "the folder above", in front of a file that is there."""
    dots = ["..", "%2e%2e", ".%2e", "%2E.", "%252e%252e", "..%00", "..;", "%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae",
            "%uff0e%uff0e", "．．", "....", ". .", "..%09", "~"]
    slashes = ["/", "%2f", "%5c", "%255c", "//", "/./", "%c0%af", "／"]
    climbs = [f"all{slash}{(dot + slash) * depth}config.toml"
              for dot, slash, depth in product(dots, slashes, (1, 2))]
    climbs += [f"{dot}{slash}config.toml" for dot, slash in product(dots, slashes)]
    return [quote(path, safe="/%;~") for path in climbs]


OTHERS = [
    ".hidden.xml", "all/.rss.xml.a1b2.tmp", "all/.git/rss.xml", "README.md", "all/link.xml", "linked/rss.xml", "all/",
    "all//rss.xml", "all/./rss.xml", "/all/rss.xml", "all/rss.xml/", "all/rss.xml%00", "all/rss.xml%00.xml",
    "all/pipe.xml", "C:/rss.xml", "file:///etc/passwd", "all/folder.xml", "all/rss.xml%0d%0aX-A:%20b",
    "all/rss.xml?x=1&y", "a/b/c/d/rss.xml", "all/" + "a" * 5000 + ".xml", "%ff%fe.xml", "all/RSS.XML%20",
]


def test_no_path_leaves_the_feeds_folder(house: Any, served: Callable[[], HTTPConnection]) -> None:
    feeds = house.folder / "feeds"
    secret = b"SECRET-OF-THE-HOUSE"
    for path in (house.folder / "secret.xml", house.folder / "config.toml", feeds / ".hidden.xml", feeds / "README.md",
                 feeds / "all" / ".rss.xml.a1b2.tmp"):
        path.write_bytes(secret)
    (feeds / "all" / ".git").mkdir()
    (feeds / "all" / ".git" / "rss.xml").write_bytes(secret)
    (feeds / "all" / "link.xml").symlink_to(house.folder / "secret.xml")
    (house.folder / "other").mkdir()
    (house.folder / "other" / "rss.xml").write_bytes(secret)
    (feeds / "linked").symlink_to(house.folder / "other")
    (feeds / "all" / "folder.xml").mkdir()
    os.mkfifo(feeds / "all" / "pipe.xml")
    climbs = hostile_paths()
    assert len(climbs) > 300
    connection = served()
    good = ("all/rss.xml?x=1&y", "all/")
    for path in climbs + [quote(p, safe="/%?&=:") for p in OTHERS]:
        connection.request("GET", f"/feeds/{path}")
        answer = connection.getresponse()
        body = answer.read()
        assert secret not in body, path
        if path not in good:
            assert answer.status in (308, 400, 404), (path, answer.status)
        location = answer.headers.get("location", "")
        assert location in ("", "/feeds/all/", "/#feeds"), (path, location)
