"""Feed readers as people use them, over HTTP from the built-in server: whatever happens to an article, each has it once
and up to date, and asks for nothing that it has.

The articles come from a feed that is really polled. feedparser is what most readers written in Python stand on;
newsboat is a reader with a database, which is what is looked at here (`apt-get install newsboat`).
"""

from __future__ import annotations

import gzip
import os
import sqlite3
import subprocess
import threading
import xml.etree.ElementTree as ET
from calendar import timegm
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from html import escape
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import feedparser
import pytest

from pipeline.desk.takedown import named_articles, withdraw
from pipeline.jobs.collecting import collect_due
from pipeline.jobs.steps import publish_all
from pipeline.store import articles
from pipeline.web.app import bind, build, server

CONFIG = """
config_version = 1
[site]
title = "The Lantern"
public_url = "https://lantern.example"
[[sources]]
slug = "gazette"
url = "http://127.0.0.1:{port}/feed.xml"
allow_networks = ["127.0.0.0/8"]
show = "full"
[[feeds]]
slug = "all"
title = "Everything"
select = {{ limit = 10 }}
[web]
listen = "127.0.0.1:0"
"""
A = "{http://www.w3.org/2005/Atom}"
CONTENT = "{http://purl.org/rss/1.0/modules/content/}encoded"
TITLE = "Day {} of “bread” & <\u2060butter>"   # the word joiner keeps readers from taking it for an element
SECRET = "nobody was to know"


class Told(NamedTuple):
    """An article as a reader has it, or as a feed file gives it."""

    guid: str
    title: str
    url: str
    published: int    # seconds since 1970
    html: str


@dataclass
class Piece:
    """What the source says of an article of its own."""

    number: int
    title: str
    at: datetime
    words: str
    query: str = ""
    guid: bool = True


@dataclass
class Gazette:
    """A source: its feed is what `pieces` are now."""

    now: datetime
    pieces: list[Piece] = field(default_factory=list)

    def write(self, count: int) -> None:
        first = len(self.pieces) + 1
        for number in range(first, first + count):
            words = f"What happened on day {number} & after it, <b>told</b> at some length, as nothing else happened."
            self.pieces.insert(0, Piece(number, f"Day {number} of “bread” & <butter>", self.now, words,
                                        guid=number % 2 == 0))

    def feed(self) -> bytes:
        items = "".join(
            f"<item><title>{escape(escape(p.title))}</title><link>https://gazette.example/{p.number}{p.query}</link>"
            f"<pubDate>{format_datetime(p.at)}</pubDate><description>{escape(f'<p>{p.words}</p>')}</description>"
            + (f"<guid isPermaLink='false'>g{p.number}</guid>" if p.guid else "") + "</item>" for p in self.pieces)
        return (f"<rss version='2.0'><channel><title>The Gazette</title><link>https://gazette.example</link>"
                f"<description>Daily</description>{items}</channel></rss>").encode()


class Reader(Protocol):
    """Somebody who comes again, with a memory."""

    def read(self) -> list[Told]:
        """Come again; all that is known now."""


class Feedparser:
    def __init__(self, url: str) -> None:
        self._url, self._known = url, dict[str, Told]()
        self._etag = self._modified = None

    def read(self) -> list[Told]:
        found = feedparser.parse(self._url, etag=self._etag, modified=self._modified, sanitize_html=False,
                                 resolve_relative_uris=False)
        if found.status != 304:
            assert not found.bozo
            self._etag, self._modified = found.etag, found.modified
            assert len({entry.id for entry in found.entries}) == len(found.entries)
            for entry in found.entries:
                html = entry.content[0].value if "content" in entry else entry.summary
                self._known[entry.id] = Told(entry.id, entry.title, entry.link, timegm(entry.published_parsed), html)
        return list(self._known.values())


class Newsboat:
    def __init__(self, program: str, url: str, folder: Path) -> None:
        self._program, self._url, self._folder = program, url, folder
        folder.mkdir()
        (folder / "urls").write_text(f"{url}\n")
        (folder / "config").touch()
        self.read()  # it keeps no ETag of a feed that it has never seen before, so its third visit has the first one
        self.read()

    def read(self) -> list[Told]:
        command = [self._program, "-u", "urls", "-c", "cache.db", "-C", "config", "-x", "reload"]
        # without a UTF-8 locale it stores "?" for whatever is not ASCII
        environment = {**os.environ, "HOME": str(self._folder), "LC_ALL": "C.UTF-8", "no_proxy": "*"}
        done = subprocess.run(command, cwd=self._folder, env=environment, capture_output=True, text=True, timeout=60,
                              check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        with closing(sqlite3.connect(self._folder / "cache.db")) as cache:
            assert cache.execute("SELECT DISTINCT feedurl FROM rss_item").fetchall() == [(self._url,)]
            return [Told(*row) for row in cache.execute("SELECT guid, title, url, pubDate, content FROM rss_item")]


@dataclass
class Recorder:
    """An application that writes down what was asked and how it was answered. `app` may be another one later."""

    app: Any
    seen: list[tuple[str, dict[str, str], int]] = field(default_factory=list)   # path, headers, status

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def sent(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
                self.seen.append((scope["path"], headers, message["status"]))
            await send(message)

        await self.app(scope, receive, sent)

    def taken(self) -> list[tuple[str, dict[str, str], int]]:
        """What came since this was asked last."""
        seen, self.seen = self.seen, []
        return seen


@dataclass
class Newsstand:
    """A source, our site that reads it, and our server."""

    site: Any
    gazette: Gazette
    recorder: Recorder
    port: int = 0

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/feeds/{name}"

    def publish(self, *, everything: bool = False) -> None:
        self.site.advance(hours=3)
        self.gazette.now = self.site.now
        (poll,) = collect_due(self.site.app, force=True)
        assert (poll.failed, poll.held) == (False, 0)
        assert publish_all(self.site.app, everything=everything).failed == {}

    def rename(self, old: str, new: str) -> None:
        """The operator gives the feed another name, and starts again."""
        config = self.site.folder / "config.toml"
        text = config.read_text()
        self.site.close()
        config.write_text(text.replace(f'slug = "{old}"', f'slug = "{new}"\nformer = ["{old}"]'))
        self.recorder.app = build(self.site.app)

    def withdraw(self, title: str) -> None:
        with self.site.app.store.read() as connection:
            (found,) = articles.search(connection, text=title)
        self.site.advance(minutes=5)
        assert withdraw(self.site.app, named_articles(self.site.app, [found.id]), "").published.failed == {}


@pytest.fixture
def newsstand(make_site: Callable[..., Any]) -> Iterator[Newsstand]:
    gazette = Gazette(datetime.now(UTC))

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = gazette.feed() if self.path == "/feed.xml" else b""
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "application/rss+xml; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    source = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    site = make_site(CONFIG.format(port=source.server_address[1]))
    gazette.now = site.now
    gazette.write(6)
    ready = threading.Event()
    running = server(site.app, on_ready=ready.set)
    running.config.app = recorder = Recorder(running.config.app)
    with bind(site.app.config.web) as listener:
        threads = [threading.Thread(target=source.serve_forever),
                   threading.Thread(target=running.run, kwargs={"sockets": [listener]})]
        for thread in threads:
            thread.start()
        try:
            assert ready.wait(10)
            yield Newsstand(site, gazette, recorder, listener.getsockname()[1])
        finally:
            source.shutdown()
            source.server_close()
            running.should_exit = True
            for thread in threads:
                thread.join(10)


@pytest.fixture(params=["feedparser", "newsboat"])
def open_reader(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Reader]:
    if request.param == "feedparser":
        return Feedparser
    installed = request.getfixturevalue("program")("newsboat")
    return lambda url: Newsboat(installed, url, tmp_path / "newsboat")


@pytest.mark.parametrize("kind", ["rss.xml", "atom.xml"])
def test_each_article_once_whatever_happens_to_it(
    newsstand: Newsstand, open_reader: Callable[[str], Reader], kind: str
) -> None:
    def known(slug: str = "all") -> dict[str, Told]:
        """What the reader has after another visit, which is what we published; by title."""
        told = sorted(reader.read())
        assert told == sorted(published(newsstand.site.folder / "feeds" / slug / kind))
        return {one.title: one for one in told}

    newsstand.publish()
    reader = open_reader(newsstand.url(f"all/{kind}"))
    first = known()
    assert sorted(first) == [TITLE.format(number) for number in range(1, 7)]
    newsstand.recorder.taken()

    for everything in (False, True):  # nothing is new, and a rebuild of every file makes nothing new
        newsstand.publish(everything=everything)
        assert known() == first
        ((path, asked, status),) = newsstand.recorder.taken()
        assert (path, status) == (f"/feeds/all/{kind}", 304)
        assert asked["if-none-match"]
        assert asked["if-modified-since"]

    pieces = {piece.number: piece for piece in newsstand.gazette.pieces}
    pieces[1].title = "Day one, after all"
    newsstand.publish()
    second = known()
    assert second.keys() - first.keys() == {"Day one, after all"}
    assert {one.guid for one in second.values()} == {one.guid for one in first.values()}
    assert newsstand.recorder.taken()[-1][2] == 226, "both take only what is new in a feed"

    pieces[2].query = pieces[1].query = "?utm_source=mail"     # says who told, not where it is
    pieces[3].query = pieces[4].query = "?view=full"           # one has a guid, one is known by its words
    for piece in pieces.values():
        piece.at += timedelta(hours=1)                         # a date alone makes no article another one
    newsstand.publish()
    third = known()
    assert sorted(one.url.removeprefix("https://gazette.example/") for one in third.values()) == [
        "1", "2", "3?view=full", "4?view=full", "5", "6"]
    assert {one.guid: one.published for one in third.values()} == {one.guid: one.published for one in first.values()}

    pieces[5].words = f"It was {SECRET}, and so it was told once more, with other words and as if it were another day."
    newsstand.publish()
    assert SECRET in known()[TITLE.format(5)].html
    newsstand.withdraw("Day 5")
    fourth = known()
    assert fourth["Withdrawn"].guid == first[TITLE.format(5)].guid
    assert SECRET not in str(fourth), "a reader that knows no tombstones has forgotten it, too"
    newsstand.publish(everything=True)
    assert known() == fourth, "its source tells it still"

    newsstand.rename("all", "whole")
    newsstand.recorder.taken()
    newsstand.publish()
    fifth = known("whole")
    assert fifth == fourth
    assert {status for path, _, status in newsstand.recorder.taken() if path == f"/feeds/all/{kind}"} == {308}

    newsstand.gazette.write(3)
    newsstand.publish()
    assert len(known("whole")) == 9
    newsstand.gazette.write(3)
    newsstand.publish()
    told = reader.read()
    assert len({one.guid for one in told}) == len(told) == 12, "also those that the feed shows no more"


def test_control_a_reader_tells_articles_by_their_ids(
    newsstand: Newsstand, open_reader: Callable[[str], Reader]
) -> None:
    """The same eyes see it where an id changes: with every article twice."""
    newsstand.publish()
    reader = open_reader(newsstand.url("all/rss.xml"))
    assert len(reader.read()) == 6
    rss = newsstand.site.folder / "feeds/all/rss.xml"
    later = rss.stat().st_mtime + 5
    rss.write_text(rss.read_text().replace(":article-", ":story-"))
    os.utime(rss, (later, later))  # curl drops what comes with a date that it knows
    twice = len(reader.read())
    print(f"control: {twice} where there are 6")
    assert twice == 12


def test_packed_and_in_part_over_the_wire(newsstand: Newsstand) -> None:
    newsstand.publish()
    with closing(HTTPConnection("127.0.0.1", newsstand.port, timeout=10)) as connection:

        def get(**headers: str) -> tuple[int, Any, bytes]:
            connection.request("GET", "/feeds/all/atom.xml",
                               headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

        file = newsstand.site.folder / "feeds/all/atom.xml"
        status, said, packed = get(Accept_Encoding="gzip")
        assert (status, said["Content-Encoding"]) == (200, "gzip")
        assert len(packed) < len(gzip.decompress(packed))
        assert gzip.decompress(packed) == file.read_bytes()
        etag = said["ETag"]
        assert get(Accept_Encoding="gzip", If_None_Match=etag)[0] == 304
        newsstand.gazette.write(1)
        newsstand.publish()
        status, said, packed = get(Accept_Encoding="gzip", If_None_Match=etag, A_IM="feed, gzip")
        assert (status, said["IM"]) == (226, "feed")
        part = ET.fromstring(gzip.decompress(packed))
        assert [entry.findtext(f"{A}title") for entry in part.iter(f"{A}entry")] == [TITLE.format(7)]
        assert get(If_None_Match=said["ETag"], A_IM="feed")[0] == 304, "put together, it is the whole"
        assert get(If_None_Match=etag)[2] == file.read_bytes(), "who takes no part has it whole"


def published(path: Path) -> list[Told]:
    """What a feed file says, read by nothing but the standard library."""
    root = ET.fromstring(path.read_bytes())
    if path.name == "rss.xml":
        return [Told(item.findtext("guid", ""), item.findtext("title", ""), item.findtext("link", ""),
                     int(parsedate_to_datetime(item.findtext("pubDate", "")).timestamp()),
                     item.findtext(CONTENT) or item.findtext("description", "")) for item in root.iter("item")]
    return [Told(entry.findtext(f"{A}id", ""), entry.findtext(f"{A}title", ""),
                 next(link.get("href", "") for link in entry.iter(f"{A}link") if not link.get("rel")),
                 int(datetime.fromisoformat(entry.findtext(f"{A}published", "")).timestamp()),
                 entry.findtext(f"{A}content") or entry.findtext(f"{A}summary", ""))
            for entry in root.iter(f"{A}entry")]
