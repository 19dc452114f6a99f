"""Feed files are served as they lie there, in the coding a reader likes, and nothing else is."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from email.utils import formatdate
from http.client import HTTPConnection
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote

import brotli
import pytest
from sqlalchemy import insert

from pipeline.errors import BroadsheetError
from pipeline.store.schema import feeds
from pipeline.web import feedfiles
from pipeline.web.feedfiles import STALE_S, FeedFiles, FeedObjects, media_type_of
from pipeline.web.memory import OVERHEAD, Memory

RSS = "application/rss+xml; charset=utf-8"
LONG = b"<rss>" + b"ferry and tide, " * 200 + b"</rss>"
HUB = '\n[publish]\nhub = "https://hub.example/?a=b,c"\nurl = "https://cdn.example/feeds"\n'
TYPES = [
    ("all/rss.xml", RSS),
    ("all/atom.xml", "application/atom+xml; charset=utf-8"),
    ("all/feed.json", "application/feed+json"),
    ("all/index.html", "text/html; charset=utf-8"),
    ("all/topic/python/rss.xml", RSS),
    ("all/topic/python/archive/101-150/atom.xml", "application/atom+xml; charset=utf-8"),
    ("all/archive/1-50/feed.json", "application/feed+json"),
    ("index.html", "text/html; charset=utf-8"),
    ("feeds.opml", "text/xml; charset=utf-8"),
    ("sources.opml", "text/xml; charset=utf-8"),
    ("robots.txt", "text/plain; charset=utf-8"),
    ("sitemap.xml", "text/xml; charset=utf-8"),
    ("sitemaps/articles-1.xml", "text/xml; charset=utf-8"),
]
House = Callable[..., Any]
Serve = Callable[[Any], AbstractContextManager[Callable[[], HTTPConnection]]]


@pytest.mark.parametrize(
    ("name", "media_type"),
    [*TYPES, ("README.md", ""), ("all/rss.xml.tmp", ""), ("all/rss", ""), ("all/notes.txt", ""), ("all/rss.xml.gz", ""),
     ("all/rss.xml.br", "")],
)
def test_media_types(name: str, media_type: str) -> None:
    assert media_type_of(name) == media_type


@pytest.mark.parametrize(("name", "media_type"), TYPES)
def test_each_file_is_served_byte_for_byte(house_with: House, name: str, media_type: str) -> None:
    body = b"\xef\xbb\xbf\r\n" + name.encode() + bytes(range(256))
    answer = house_with({name: body}).get(f"/feeds/{name}")
    assert (answer.status, answer.body) == (200, body)
    assert answer.headers["content-type"] == media_type
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_file_may_be_kept(house_with: House) -> None:
    house = house_with({"all/rss.xml": LONG})
    os.utime(house.folder / "feeds" / "all" / "rss.xml", (1_750_000_000.9, 1_750_000_000.9))
    first = house.get("/feeds/all/rss.xml")
    assert first.headers["access-control-allow-origin"] == "*"
    assert first.headers["cache-control"] == "public, max-age=300"
    assert first.headers["last-modified"] == formatdate(1_750_000_000, usegmt=True)
    etag = first.headers["etag"]
    assert not etag.startswith("W/")
    for known in (etag, f'"other", {etag}', f"W/{etag}", "*", f'W/"a,b" ,W/{etag}'):
        again = house.get("/feeds/all/rss.xml", if_none_match=known)
        assert (again.status, again.body) == (304, b""), known
        assert again.headers["etag"] == etag
        assert again.headers["cache-control"] == first.headers["cache-control"]
        assert again.headers["content-security-policy"] == first.headers["content-security-policy"]
        assert "content-type" not in again.headers
    for other in ('"other"', etag.strip('"'), "", '"other", W/"more"'):
        assert house.get("/feeds/all/rss.xml", if_none_match=other, if_modified_since=first.headers["last-modified"]
                         ).status == 200, other
    assert house.get("/feeds/all/rss.xml", if_modified_since=first.headers["last-modified"]).status == 304
    assert house.get("/feeds/all/rss.xml", if_modified_since="Sat, 01 Jan 2000 00:00:00 GMT").status == 200


def test_etags_in_several_lines_are_one_list(house_with: House, serve: Serve) -> None:
    with serve(house_with({"all/rss.xml": LONG})) as connect:
        connection = connect()
        connection.request("GET", "/feeds/all/rss.xml")
        answer = connection.getresponse()
        answer.read()
        connection.putrequest("GET", "/feeds/all/rss.xml")
        for etag in ('"one"', answer.headers["etag"], '"two"'):
            connection.putheader("If-None-Match", etag)
        connection.endheaders()
        assert connection.getresponse().status == 304


def test_head_is_get_without_the_body(house_with: House, serve: Serve) -> None:
    with serve(house_with({"all/rss.xml": LONG}, HUB)) as connect:
        connection = connect()
        for headers in ({}, {"Accept-Encoding": "gzip"}, {"Accept-Encoding": "br", "If-None-Match": "*"}):
            said = []
            for method in ("GET", "HEAD"):
                connection.request(method, "/feeds/all/rss.xml", headers=headers)
                answer = connection.getresponse()
                body = answer.read()
                said.append((answer.status, sorted(answer.headers.items())))
            assert body == b""
            assert [pair for pair in said[0][1] if pair[0] != "date"] == [p for p in said[1][1] if p[0] != "date"]
            assert said[0][0] == said[1][0]


def test_archive_documents_may_be_kept_longer(house_with: House) -> None:
    day, minutes = "public, max-age=86400", "public, max-age=300"
    kept = {"all/archive/1-50/rss.xml": day, "all/topic/python/archive/551-600/feed.json": day,
            "all/archive/new/atom.xml": minutes, "all/atom.xml": minutes, "archive/rss.xml": minutes,
            "all/topic/archive/rss.xml": minutes, "archive/1-50/rss.xml": minutes}
    house = house_with(dict.fromkeys(kept, LONG), HUB)
    for name, cache in kept.items():
        answer = house.get(f"/feeds/{name}")
        assert answer.headers["cache-control"] == cache, name
        assert house.get(f"/feeds/{name}", if_none_match="*").headers["cache-control"] == cache
        assert ("link" in answer.headers) == (cache == minutes), name


def test_a_reader_is_told_of_the_hub(house_with: House) -> None:
    files = {"all/rss.xml": LONG, "all/topic/tide/feed.json": b"{}", "all/index.html": LONG, "feeds.opml": LONG}
    house = house_with(files, HUB)
    link = house.get("/feeds/all/rss.xml", host="evil.example").headers["link"]
    assert link == '<https://cdn.example/feeds/all/rss.xml>; rel="self", <https://hub.example/?a=b,c>; rel="hub"'
    topics = house.get("/feeds/all/topic/tide/feed.json").headers["link"]
    assert topics.startswith('<https://cdn.example/feeds/all/topic/tide/feed.json>; rel="self"')
    assert "Link" in house.get("/feeds/all/rss.xml").headers["access-control-expose-headers"]
    for path in ("/feeds/all/", "/feeds/feeds.opml"):
        assert "link" not in house.get(path).headers
    assert "link" not in house_with(files).get("/feeds/all/rss.xml").headers


# --- codings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("accept", "coding", "unpack"), [
    ("gzip", "gzip", gzip.decompress), ("br, gzip;q=0.5", "br", brotli.decompress), ("zstd", "", bytes),
    (None, "", bytes)])
def test_a_file_is_packed_for_who_takes_it(
    house_with: House, accept: str | None, coding: str, unpack: Callable[[bytes], bytes]
) -> None:
    house = house_with({"all/rss.xml": LONG})
    headers = {} if accept is None else {"accept_encoding": accept}
    for _ in range(2):
        answer = house.get("/feeds/all/rss.xml", **headers)
        assert answer.headers.get("content-encoding", "") == coding
        assert unpack(answer.body) == LONG
        assert int(answer.headers["content-length"]) == len(answer.body)
        assert answer.headers["vary"] == "Accept-Encoding"
        assert answer.headers["content-type"] == RSS
    plain = house.get("/feeds/all/rss.xml").headers["etag"]
    assert answer.headers["etag"] == (f'{plain[:-1]}-{coding}"' if coding else plain)


def test_any_representations_etag_is_known_again(house_with: House) -> None:
    house = house_with({"all/rss.xml": LONG})
    plain, packed, small = (house.get("/feeds/all/rss.xml", accept_encoding=accept).headers["etag"]
                            for accept in ("", "gzip", "br"))
    assert len({plain, packed, small}) == 3
    for accept, best in (("", plain), ("gzip", packed), ("br", small)):
        for etag in (plain, packed, small):
            answer = house.get("/feeds/all/rss.xml", accept_encoding=accept, if_none_match=f'"x", W/{etag}')
            assert answer.status == 304
            assert answer.headers["etag"] == etag, "the copy that is still good"
            assert answer.headers["vary"] == "Accept-Encoding"
        both = house.get("/feeds/all/rss.xml", accept_encoding=accept, if_none_match=f"{plain}, {packed}, {small}")
        assert both.headers["etag"] == best
        assert house.get("/feeds/all/rss.xml", accept_encoding=accept, if_none_match="*").headers["etag"] == best
    for wrong in (f'{plain[:-1]}-zstd"', f'{plain[:-1]}-gzip-gzip"'):
        assert house.get("/feeds/all/rss.xml", if_none_match=wrong).status == 200


def test_a_small_file_is_sent_as_it_is(house_with: House) -> None:
    house = house_with({"all/rss.xml": b"x" * 500, "all/atom.xml": b"x" * 501})
    small = house.get("/feeds/all/rss.xml", accept_encoding="gzip")
    assert "content-encoding" not in small.headers
    assert small.headers["vary"] == "Accept-Encoding"
    assert house.get("/feeds/all/atom.xml", accept_encoding="gzip").headers["content-encoding"] == "gzip"


@pytest.mark.parametrize(("coding", "end", "pack", "unpack"), [
    ("gzip", ".gz", lambda body: gzip.compress(body, 1), gzip.decompress),
    ("br", ".br", lambda body: brotli.compress(body, quality=0), brotli.decompress)])
def test_a_twin_is_sent_where_it_is_this_files(
    house_with: House, coding: str, end: str, pack: Callable[[bytes], bytes], unpack: Callable[[bytes], bytes]
) -> None:
    files = {"all/rss.xml": LONG, f"all/rss.xml{end}": pack(LONG),
             "all/atom.xml": LONG + b"new", f"all/atom.xml{end}": pack(LONG),
             "all/feed.json": LONG + b"cut", f"all/feed.json{end}": pack(LONG + b"cut")[:-2]}
    house = house_with(files)
    assert house.get("/feeds/all/rss.xml", accept_encoding=coding).body == files[f"all/rss.xml{end}"]
    for name in ("all/atom.xml", "all/feed.json"):  # a twin of what was there before; one that broke off
        assert unpack(house.get(f"/feeds/{name}", accept_encoding=coding).body) == files[name]
    # a new file never comes with the old one's twin
    new = house.folder / "feeds" / "all" / "new"
    new.write_bytes(LONG.replace(b"tide", b"TIDE"))
    new.replace(house.folder / "feeds" / "all" / "rss.xml")
    assert b"TIDE" in unpack(house.get("/feeds/all/rss.xml", accept_encoding=coding).body)


def test_twins_are_no_files_of_their_own(house_with: House) -> None:
    house = house_with({"all/rss.xml": LONG, "all/rss.xml.gz": gzip.compress(LONG), "all/rss.xml.br": b"x"})
    for end in (".gz", ".br"):
        assert house.get(f"/feeds/all/rss.xml{end}").status == 404


def test_a_twin_is_not_followed_out_of_the_folder(house_with: House) -> None:
    house = house_with({"all/rss.xml": LONG})
    outside = house.folder / "twin.gz"
    outside.write_bytes(gzip.compress(LONG, 1))
    (house.folder / "feeds" / "all" / "rss.xml.gz").symlink_to(outside)
    answer = house.get("/feeds/all/rss.xml", accept_encoding="gzip")
    assert gzip.decompress(answer.body) == LONG
    assert answer.body != outside.read_bytes()


# --- what changes -----------------------------------------------------------------------------------------


def test_a_rewritten_file_is_noticed(house_with: House) -> None:
    house = house_with({"all/rss.xml": LONG})
    path = house.folder / "feeds" / "all" / "rss.xml"
    old = house.get("/feeds/all/rss.xml")
    new = path.with_name("new")
    new.write_bytes(old.body.replace(b"ferry", b"FERRY"))
    os.utime(new, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))  # neither time nor size tells them apart
    new.replace(path)
    answer = house.get("/feeds/all/rss.xml", if_none_match=old.headers["etag"])
    assert answer.status == 200
    assert b"FERRY" in answer.body
    path.unlink()
    assert house.get("/feeds/all/rss.xml").status == 503


def test_a_link_put_in_place_of_a_known_file_is_not_followed(house_with: House) -> None:
    house = house_with({"all/rss.xml": LONG})
    assert house.get("/feeds/all/rss.xml").status == 200
    folder, secret = house.folder / "feeds" / "all", house.folder / "secret"
    secret.mkdir()
    (secret / "rss.xml").write_bytes(b"SECRET")
    (folder / "rss.xml").unlink()
    (folder / "rss.xml").symlink_to(secret / "rss.xml")
    assert house.get("/feeds/all/rss.xml").status == 503
    (folder / "rss.xml").unlink()
    folder.rmdir()
    folder.symlink_to(secret)
    answer = house.get("/feeds/all/rss.xml")
    assert answer.status == 503
    assert b"SECRET" not in answer.body


def test_readers_in_browsers_may_ask_first(house_with: House) -> None:
    answer = house_with({}).ask("OPTIONS", "/feeds/all/rss.xml")
    assert answer.status == 204
    assert "If-None-Match" in answer.headers["access-control-allow-headers"]
    assert "A-IM" in answer.headers["access-control-allow-headers"]


# --- pages, and what leads nowhere ------------------------------------------------------------------------


def test_the_page_of_a_feed_that_is_not_built(house: Any) -> None:
    for path in ("index.html", "tide/index.html"):
        (house.folder / "feeds" / path).unlink(missing_ok=True)
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


def test_built_pages_take_the_place_of_ours(house_with: House) -> None:
    house = house_with({
        "index.html": b"<p>each", "tide/index.html": b"<p>built", "tide/topic/sea/index.html": b"<p>sea"})
    for path, text in (("/feeds/", "<p>each"), ("/feeds/tide/", "<p>built"), ("/feeds/tide/topic/sea/", "<p>sea")):
        answer = house.get(path)
        assert (answer.status, answer.text) == (200, text)
        assert "style-src 'unsafe-inline'" in answer.headers["content-security-policy"]
        assert "sandbox" in answer.headers["content-security-policy"]
        moved = house.get(path.removesuffix("/"))
        assert (moved.status, moved.headers["location"]) == (308, path)
    assert house.get("/feeds/index.html").text == "<p>each"


def test_files_for_robots_are_at_the_root(house_with: House) -> None:
    files = {"robots.txt": b"User-agent: x\n", "sitemap.xml": b"<sitemapindex/>", "sitemaps/a-1.xml": b"<urlset/>"}
    house = house_with(files)
    for name, body in files.items():
        answer = house.get(f"/{name}")
        assert (answer.status, answer.body) == (200, body)
        assert house.get(f"/{name}", if_none_match=answer.headers["etag"]).status == 304
    assert house.get("/sitemaps/b.xml").status == 404
    bare = house_with({})
    assert "Disallow: /u/" in bare.get("/robots.txt").text
    for path in ("/sitemap.xml", "/sitemaps/", "/sitemaps", "/sitemaps/a-1.xml"):
        assert bare.get(path).status == 404


def test_a_former_slug_leads_to_the_new_one(house_with: House) -> None:
    house = house_with({"everything/rss.xml": b"left behind"})
    for rest in ("rss.xml", "", "topic/tide/atom.xml", "topic/tide/", "topic/tide/archive/3/feed.json"):
        answer = house.get(f"/feeds/everything/{rest}")
        assert (answer.status, answer.headers["location"]) == (308, f"/feeds/all/{rest}")
    assert house.get("/feeds/everything").headers["location"] == "/feeds/all/"
    for rest in ("../x.xml", ".git/config", "%2e%2e/rss.xml", "a//b.xml"):
        assert house.get(f"/feeds/everything/{rest}").status == 404


def test_a_feed_that_is_not_built_yet_is_not_gone(house_with: House) -> None:
    house = house_with({})
    topic(house, "all", "all/topic/sea")
    for path in ("all/atom.xml", "tide/feed.json", "all/topic/sea/rss.xml"):
        answer = house.get(f"/feeds/{path}")
        assert answer.status == 503, path
        assert answer.headers["retry-after"] == "60"
    for path in ("nobody/atom.xml", "all/archive/7/rss.xml", "all/topic/dry/rss.xml", "all/topic/rss.xml", "all/x.xml",
                 "all/topic/sea/archive/1/rss.xml", "nobody", "all/rss.xml/", "no_such.xml"):
        assert house.get(f"/feeds/{path}").status == 404, path


def test_a_feed_that_ended_says_so(house_with: House) -> None:
    house = house_with({"gone/archive/1/rss.xml": LONG})
    topic(house, "gone", "gone/topic/sea", "all/topic/dry", ended=True)
    for path in ("gone/rss.xml", "gone/", "gone", "gone/archive/2/atom.xml", "gone/topic/sea/rss.xml", "all/topic/dry/",
                 "gone/topic/other/rss.xml", "all/topic/dry/archive/1/rss.xml"):
        answer = house.get(f"/feeds/{path}")
        assert answer.status == 410, path
        assert "This feed has ended" in answer.text
        assert "Everything &lt;new&gt;" in answer.text
    assert house.get("/feeds/gone/archive/1/rss.xml").status == 200, "what lies there is served"
    assert house.get("/feeds/all/topic/wet/rss.xml").status == 404


def test_a_feed_that_came_back_has_not_ended(house_with: House) -> None:
    house = house_with({})
    topic(house, "tide", ended=True)  # the config has it, and nothing was published since
    assert house.get("/feeds/tide/rss.xml").status == 503


def topic(house: Any, *folders: str, ended: bool = False) -> None:
    with house.app.store.write() as connection:
        for folder in folders:
            connection.execute(insert(feeds).values(slug=folder, uid=folder, created_at=house.app.now(),
                                                    ended_at=house.app.now() if ended else None))


# --- memory -----------------------------------------------------------------------------------------------


def test_the_feed_of_a_newsletter_is_served_like_the_others(house_with: House) -> None:
    folder = "/feeds/newsletters/beacon"
    house = house_with({"newsletters/beacon/rss.xml": LONG, "newsletters/beacon/index.html": b"<p>Letters</p>"}, HUB)
    first = house.get(f"{folder}/rss.xml")
    assert (first.status, first.body, first.headers["content-type"]) == (200, LONG, RSS)
    assert '<https://cdn.example/feeds/newsletters/beacon/rss.xml>; rel="self"' in first.headers["link"]
    again = house.get(f"{folder}/rss.xml", if_none_match=first.headers["etag"], a_im="feed")
    assert (again.status, again.body) == (304, b"")
    assert house.get(f"{folder}/rss.xml", if_none_match='"older"', a_im="feed").status == 200
    assert house.get(f"{folder}/").body == b"<p>Letters</p>"
    assert house.get(folder).headers["location"] == f"{folder}/"


@pytest.mark.parametrize("rest", ["", "/", "/rss.xml", "/index.html"])
def test_the_feed_of_a_renamed_newsletter_leads_to_the_new_one(house_with: House, rest: str) -> None:
    house = house_with({"newsletters/lamp/rss.xml": b"a copy", "newsletters/lamp/index.html": b"a copy"})
    answer = house.get(f"/feeds/newsletters/lamp{rest}")
    assert (answer.status, answer.headers["location"]) == (
        308, f"/feeds/newsletters/beacon/{rest.removeprefix('/')}")


def test_what_is_no_feed_of_a_newsletter_is_told_like_the_others(house_with: House) -> None:
    house = house_with({})
    for path, status in (("beacon/rss.xml", 503), ("beacon/", 503), ("beacon/more.xml", 404), ("nobody/rss.xml", 404),
                         ("", 404), ("rss.xml", 404), ("topic/rss.xml", 404), ("beacon/topic/rss.xml", 404)):
        assert house.get(f"/feeds/newsletters/{path}").status == status, path
    with house.app.store.write() as connection:
        connection.execute(insert(feeds).values(slug="newsletters/nobody", uid="newsletters/nobody",
                                                created_at=house.app.now(), ended_at=house.app.now()))
    assert house.get("/feeds/newsletters/nobody/rss.xml").status == 410


def test_what_is_kept_in_memory_is_bounded() -> None:
    memory: Memory[str] = Memory(2 * (400 + OVERHEAD))
    for number in (0, 1, 2, 3, 4, 4, 0):
        memory.put(number, str(number), 400)
    assert [memory.get(n) for n in range(5)] == ["0", None, None, None, "4"]
    assert memory.get(4)
    memory.put(5, "5", 400)
    assert (memory.get(0), memory.get(4)) == (None, "4"), "the one used longest ago goes first"
    memory.put(6, "6", 10_000)
    memory.put(5, "too large", 10_000)
    assert [memory.get(n) for n in (4, 5, 6)] == ["4", None, None], "what is larger than all of it is not kept"
    memory.put(7, "7", 2 * 400 + OVERHEAD)
    assert memory.get(7) == "7", "the room is as large as it was"
    assert len(memory) == 1


def test_large_files_are_served_and_not_kept(tmp_path: Path) -> None:
    (tmp_path / "rss.xml").write_bytes(LONG)
    files = FeedFiles(tmp_path, cache_bytes=1000)
    for _ in range(2):
        found = asyncio.run(files.content("rss.xml"))
        assert found is not None
        assert found.body == LONG
        assert gzip.decompress(asyncio.run(files.coded("rss.xml", found, "gzip"))) == LONG
    assert files._memory.get("rss.xml") is None


def test_many_who_ask_at_once_wait_for_one_run() -> None:
    memory: Memory[int] = Memory(1000)
    runs, go = [], threading.Event()

    def make() -> int:
        runs.append(1)
        assert go.wait(10)
        return 7

    async def ask() -> list[int]:
        asked = [asyncio.ensure_future(memory.aside("key", make)) for _ in range(20)]
        await asyncio.sleep(0)
        asked[0].cancel()  # a reader who went away
        go.set()
        return await asyncio.gather(*asked[1:])

    assert asyncio.run(ask()) == [7] * 19
    assert len(runs) == 1
    assert not memory._running


# --- an object store --------------------------------------------------------------------------------------


class Bucket:
    """Objects in memory, and how often they were asked for."""

    def __init__(self, **objects: bytes) -> None:
        self.objects = {name.replace("__", "/").replace("_", "."): body for name, body in objects.items()}
        self.asked: list[str] = []
        self.down = False
        self.time = 0.0
        self.files = FeedObjects(self.read, lambda: {"all/rss.xml"}, clock=lambda: self.time)

    def read(self, name: str) -> bytes | None:
        self.asked.append(name)
        if self.down:
            raise BroadsheetError(name, "can't be read")
        return self.objects.get(name)

    def content(self, name: str) -> Any:
        return asyncio.run(self.files.content(name))


def test_objects_are_asked_for_now_and_then() -> None:
    bucket = Bucket(all__rss_xml=LONG)
    first = bucket.content("all/rss.xml")
    assert (first.body, first.media_type, first.modified_at) == (LONG, RSS, None)
    bucket.objects["all/rss.xml"] = LONG + b"new"
    assert bucket.content("all/rss.xml") is first
    assert bucket.content("all/atom.xml") is None
    bucket.objects["all/atom.xml"] = LONG
    assert bucket.content("all/atom.xml") is None, "that there is nothing is known for a while, too"
    assert bucket.asked == ["all/rss.xml", "all/atom.xml"]
    bucket.time += STALE_S
    assert bucket.content("all/rss.xml").body == LONG + b"new"
    assert bucket.content("all/atom.xml").body == LONG


def test_an_object_that_did_not_change_is_the_same_content() -> None:
    bucket = Bucket(all__rss_xml=LONG)
    first = bucket.content("all/rss.xml")
    bucket.time += STALE_S
    assert bucket.content("all/rss.xml") is first


def test_what_was_read_is_good_while_the_object_store_is_away() -> None:
    bucket = Bucket(all__rss_xml=LONG)
    first = bucket.content("all/rss.xml")
    bucket.time, bucket.down = STALE_S, True
    assert bucket.content("all/rss.xml") is first
    with pytest.raises(BroadsheetError):
        bucket.content("all/atom.xml")


def test_objects_have_twins_and_are_listed_without_being_asked_for() -> None:
    bucket = Bucket(all__rss_xml=LONG, all__rss_xml_gz=gzip.compress(LONG, 1))
    found = bucket.content("all/rss.xml")
    assert asyncio.run(bucket.files.coded("all/rss.xml", found, "gzip")) == bucket.objects["all/rss.xml.gz"]
    assert brotli.decompress(asyncio.run(bucket.files.coded("all/rss.xml", found, "br"))) == LONG
    bucket.asked.clear()
    assert bucket.files.has("all/rss.xml")
    assert not bucket.files.has("all/atom.xml")
    assert not bucket.files.has("tide/rss.xml")
    assert bucket.asked == []


def test_a_site_whose_feeds_are_in_an_object_store(house_with: House, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Bucket(all__rss_xml=LONG, index_html=b"<p>each", robots_txt=b"User-agent: x\n")
    monkeypatch.setattr(feedfiles, "open_place", lambda _config: bucket)
    house = house_with({"all/atom.xml": LONG}, '\n[paths]\nfeeds = "s3://bucket/news"\n')
    with house.app.store.write() as connection:
        connection.execute(insert(feeds).values(slug="all", uid="all", created_at=house.app.now(),
                                                files=json.dumps({"all/rss.xml": len(LONG)})))
    answer = house.get("/feeds/all/rss.xml", accept_encoding="gzip")
    assert gzip.decompress(answer.body) == LONG
    assert house.get("/feeds/all/rss.xml", if_none_match=answer.headers["etag"]).status == 304
    assert house.get("/feeds/all/atom.xml").status == 503, "what lies in a folder of that name is not looked at"
    assert house.get("/feeds/").text == "<p>each"
    assert house.get("/robots.txt").text == "User-agent: x\n"
    page = house.get("/").text
    assert 'href="/feeds/all/rss.xml"' in page
    assert "/feeds/all/atom.xml" not in page


def test_no_strange_name_reaches_the_object_store() -> None:
    bucket = Bucket()
    for path in [*hostile_paths(), *OTHERS]:
        bucket.content(path)
    assert set(bucket.asked) <= {"all/link.xml", "linked/rss.xml", "all/pipe.xml", "all/folder.xml"}


# --- no way out -------------------------------------------------------------------------------------------


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
    "all/rss.xml?x=1&y", "a/b/c/d/e/f/rss.xml", "all/topic/../../../config.toml",
    "all/rss.xml.gz", "all/" + "a" * 5000 + ".xml", "%ff%fe.xml", "all/RSS.XML%20",
]


def test_no_path_leaves_the_feeds_folder(house_with: House, serve: Serve) -> None:
    secret = b"SECRET-OF-THE-HOUSE"
    house = house_with({"all/rss.xml": LONG, "all/index.html": b"<p>all", ".hidden.xml": secret, "README.md": secret,
                        "all/.rss.xml.a1b2.tmp": secret, "all/.git/rss.xml": secret, "all/rss.xml.gz": secret})
    feeds = house.folder / "feeds"
    for path in (house.folder / "secret.xml", house.folder / "config.toml"):
        path.write_bytes(secret)
    (feeds / "all" / "link.xml").symlink_to(house.folder / "secret.xml")
    (house.folder / "other").mkdir()
    (house.folder / "other" / "rss.xml").write_bytes(secret)
    (feeds / "linked").symlink_to(house.folder / "other")
    (feeds / "sitemaps").symlink_to(house.folder / "other")
    (feeds / "robots.txt").symlink_to(house.folder / "config.toml")
    (feeds / "sitemap.xml").symlink_to(house.folder / "secret.xml")
    (feeds / "all" / "folder.xml").mkdir()
    os.mkfifo(feeds / "all" / "pipe.xml")
    climbs = hostile_paths()
    assert len(climbs) > 300
    good = ("all/rss.xml?x=1&y", "all/")
    with serve(house) as connect:
        connection = connect()
        for root in ("feeds/", "feeds/all/topic/a/archive/", "sitemaps/", "feeds/sitemaps/", "sitemap.xml/",
                     "robots.txt/"):
            for path in climbs + [quote(p, safe="/%?&=:") for p in OTHERS]:
                connection.request("GET", f"/{root}{path}")
                answer = connection.getresponse()
                assert secret not in answer.read(), (root, path)
                if root != "feeds/" or path not in good:
                    assert answer.status in (308, 400, 404), (root, path, answer.status)
                assert answer.headers.get("location", "") in ("", "/feeds/all/", "/#feeds"), (root, path)
        for path in ("/robots.txt", "/sitemap.xml", "/sitemaps/rss.xml", "/feeds/robots.txt", "/feeds/sitemap.xml"):
            connection.request("GET", path)
            answer = connection.getresponse()
            assert secret not in answer.read(), path
            assert answer.status == (200 if path == "/robots.txt" else 404), path
