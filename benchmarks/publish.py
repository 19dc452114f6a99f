"""What publishing costs: a feed in four formats, a thousand feeds of which one has news, nothing new, 304s, memory.

    four_formats_vs_feedgen    RSS, Atom, JSON and the page of a 50-article feed, from stored articles to bytes, against
                               plain feedgen's RSS alone of the same articles
    one_of_1000_share          a thousand feeds, one new article: share of the time that building all of them takes
    nothing_new_ms             the same, nothing new
    served_304_vs_bare         304s from the web server against the bare framework with the same ETag
    memory_100k_vs_100         peak memory of a publishing process at 100,000 stored articles against 100
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from importlib import import_module
from random import Random
from zoneinfo import ZoneInfo

import feedgen.entry
import feedgen.feed
import feedgen.util
import uvicorn
from feedgen.feed import FeedGenerator
from lxml import etree
from measure import NOW, Options, Result, accept, folder, found_articles, main, medians_s, seconds, site
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline.app import App, shipped
from pipeline.config import Web
from pipeline.model.articles import Article
from pipeline.model.feeds import Document, FeedPage, Volume
from pipeline.publish.documents import articles_of
from pipeline.publish.entries import Imprint, entries_of
from pipeline.publish.jsonfeed import build_json
from pipeline.publish.moulds import cast
from pipeline.publish.page import feed_page
from pipeline.publish.stage import publish
from pipeline.render.pages import Pages
from pipeline.store import meta
from pipeline.store.schema import articles as articles_table
from pipeline.web.app import bind, server

ARTICLES, WORDS_EACH = 50, 400
FEEDS = 1_000
REQUESTS = 3_000

CONFIG = """
config_version = 1
[site]
title = "The Lantern"
public_url = "https://lantern.example"
[web]
listen = "127.0.0.1:0"
[[sources]]
slug = "desk"
folder = "articles"
[[feeds]]
slug = "all"
title = "Everything"
"""


def measure(options: Options) -> Result:
    with folder() as place, site(CONFIG, place) as app:
        accept(app, "desk", found_articles(options.size(ARTICLES, 3), WORDS_EACH))
        first_s = seconds(lambda: publish(app.publishing(), NOW))
        articles = articles_of(app.store, app.config.feed("all"))
        formats, peers = _formats(options, articles)
        served, served_peers = _served(options, app)
        rss_kb = len((place / "feeds/all/rss.xml").read_bytes()) / 1e3
    thousand = _thousand(options)
    memory = _memory(options)
    return Result(
        figures={**formats, **thousand, **served, **memory, "first_ms": first_s * 1e3, "rss_kb": rss_kb},
        peers={**peers, **served_peers},
        runs=options.size(101, 1),
        limits="four formats: half of it RSS and Atom out of moulds, a third checking what articles hold; one of a "
               "thousand: reading a thousand rows, looking at four thousand files; all of them: durable writes; 304s: "
               "h11 writing ten more headers than the bare framework",
    )


def _formats(options: Options, articles: list[Article]) -> tuple[dict[str, float], dict[str, float]]:
    page = FeedPage("all", "tag:lantern.example,2026:feed-all", "Everything", "Everything", "en", "The Lantern",
                    "https://lantern.example", "https://lantern.example/feeds/all/", NOW)
    imprint = Imprint("lantern.example", page.site_url, "en")
    pages, zone = Pages([shipped("templates")]), ZoneInfo("UTC")

    def ours() -> None:
        entries, _ = entries_of(articles, imprint)
        document = Document(page, Volume(), tuple(entries))
        cast(document)
        build_json(document)
        feed_page(pages, document, zone=zone)

    works: dict[str, Callable[[], object]] = {
        "four": ours, "feedgen_rss_ms": lambda: _plain(articles), "lxml_rss_ms": lambda: _bare(articles)}
    if django := _django():
        works["django_rss_ms"] = lambda: django(articles)
    found = dict(zip(works, medians_s(options.size(101, 1), *works.values()), strict=True))
    four = found.pop("four")
    return ({"four_formats_vs_feedgen": four / found["feedgen_rss_ms"], "four_formats_ms": four * 1e3},
            {name: value * 1e3 for name, value in found.items()})


def _thousand(options: Options) -> dict[str, float]:
    """A thousand feeds of a topic each, over articles that have about three of them."""
    count = options.size(FEEDS, 5)
    config = CONFIG.replace('[[feeds]]\nslug = "all"\ntitle = "Everything"\n', "") + "".join(
        f'[[feeds]]\nslug = "feed-{n}"\ntitle = "Feed {n}"\nselect = {{ topics = ["topic-{n}"] }}\n'
        for n in range(count))
    with folder() as place, site(config, place) as app:
        _accept_topics(app, options.size(3_000, 10), count, seed=1)
        full_s = seconds(lambda: publish(app.publishing(), NOW))
        rows = []
        for turn in range(options.size(9, 1)):
            _accept_topics(app, 1, count, seed=100 + turn)
            rows.append(seconds(lambda: _touched(app, 1)))
        nothing_s = sorted(seconds(lambda: _touched(app, 0)) for _ in range(options.size(21, 1)))
    one_s = sorted(rows)[len(rows) // 2]
    return {"one_of_1000_share": one_s / full_s, "one_of_1000_ms": one_s * 1e3, "full_1000_s": full_s,
            "nothing_new_ms": nothing_s[len(nothing_s) // 2] * 1e3}


def _accept_topics(app: App, number: int, topics: int, *, seed: int) -> None:
    rng = Random(seed)
    few = 1 if number == 1 else 3
    found = [replace(article, topics=tuple(f"topic-{rng.randrange(topics)}" for _ in range(few)))
             for article in found_articles(number, 60, seed=seed)]
    accept(app, "desk", found)


def _touched(app: App, feeds: int) -> None:
    folders = {path.parts[0] for path in publish(app.publishing(), NOW).written if path.parts[0].startswith("feed-")}
    if len(folders) != feeds:
        raise AssertionError(f"{len(folders)} feeds were touched, not {feeds}")


def _memory(options: Options) -> dict[str, float]:
    """Peak memory of a process that publishes everything, and one more article after it."""
    found = {}
    for name, number in (("few", options.size(100, 20)), ("many", options.size(100_000, 40))):
        with folder() as place, site(CONFIG, place) as app:
            accept(app, "desk", found_articles(min(1_000, number), 40))
            if number > 1_000:
                _multiply(app, 1_000, number)
            app.close()
            script = (
                "import sys, resource; from pathlib import Path; from pipeline.app import open_app\n"
                "from pipeline.publish.stage import publish\n"
                "app = open_app(Path(sys.argv[1])); publish(app.publishing(), app.now())\n"
                "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)")
            done = subprocess.run([sys.executable, "-c", script, place / "config.toml"], capture_output=True, text=True,
                                  check=True)
            found[name] = int(done.stdout) / 1024
    return {"memory_mb_100": found["few"], "memory_mb_100k": found["many"],
            "memory_100k_vs_100": found["many"] / found["few"]}


def _multiply(app: App, there: int, wanted: int) -> None:
    """Copies of what is there, as other articles: a hundred thousand would take minutes through the door."""
    names = [column.name for column in articles_table.columns]
    changed = {name: f"{name} + :by" for name in ("id", "accepted_seq")}
    changed |= {name: f"{name} || '-' || :by" for name in ("guid", "url", "url_key", "content_hash")}
    query = text(f"INSERT INTO articles ({', '.join(names)}) "
                 f"SELECT {', '.join(changed.get(name, name) for name in names)} FROM articles WHERE id <= :there")
    with app.store.write() as connection:
        for by in range(there, wanted, there):
            connection.execute(query, {"by": by, "there": there})
        for name in (meta.ACCEPTED, meta.ARTICLES):
            meta.take(connection, name, wanted - there)


def _served(options: Options, app: App) -> tuple[dict[str, float], dict[str, float]]:
    number = options.size(REQUESTS, 20)
    with _ours(app) as port:
        etag = _etag(port, "/feeds/all/rss.xml")
        with _bare_server(etag) as other:
            # in turns, so that a busy moment of the machine hits both
            rates = [(_rate(port, "/feeds/all/rss.xml", etag, number), _rate(other, "/feed", etag, number))
                     for _ in range(options.size(7, 1))]
    ours, bare = (sorted(column)[len(column) // 2] for column in zip(*rates, strict=True))
    return {"served_304_vs_bare": ours / bare, "served_304_per_s": ours}, {"bare_304_per_s": bare}


@contextmanager
def _ours(app: App) -> Iterator[int]:
    with bind(Web(listen="127.0.0.1:0")) as listener:
        ready = threading.Event()
        running = server(app, on_ready=ready.set)
        yield from _running(running, ready, listener)


@contextmanager
def _bare_server(etag: str) -> Iterator[int]:
    async def feed(request: Request) -> Response:
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers={"etag": etag})
        return Response(b"x", headers={"etag": etag})

    with bind(Web(listen="127.0.0.1:0")) as listener:
        ready = threading.Event()
        config = uvicorn.Config(Starlette(routes=[Route("/feed", feed)]), lifespan="off", ws="none", log_config=None,
                                access_log=False)

        class Ready(uvicorn.Server):
            async def startup(self, sockets: object = None) -> None:
                await super().startup(sockets)  # type: ignore[arg-type]
                ready.set()

        yield from _running(Ready(config), ready, listener)


def _running(running: uvicorn.Server, ready: threading.Event, listener: object) -> Iterator[int]:
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    ready.wait(30)
    try:
        yield listener.getsockname()[1]  # type: ignore[attr-defined]
    finally:
        running.should_exit = True
        thread.join(30)


def _etag(port: int, path: str) -> str:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.headers["etag"]


def _rate(port: int, path: str, etag: str, number: int) -> float:
    """Answers a second to one reader who keeps the connection. The reader is a process of its own: in ours it would
    share the interpreter with both servers, and make them look alike."""
    script = (
        "import socket, sys, time\n"
        "port, path, etag, number = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])\n"
        "s = socket.create_connection(('127.0.0.1', port)); s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)\n"
        "q = f'GET {path} HTTP/1.1\\r\\nHost: x\\r\\nIf-None-Match: {etag}\\r\\n\\r\\n'.encode()\n"
        "def ask():\n"
        "    s.sendall(q); got = b''\n"
        "    while b'\\r\\n\\r\\n' not in got: got += s.recv(65536)\n"
        "    assert got.startswith(b'HTTP/1.1 304'), got\n"
        "[ask() for _ in range(50)]\n"
        "t = time.perf_counter(); [ask() for _ in range(number)]; print(number / (time.perf_counter() - t))\n")
    done = subprocess.run([sys.executable, "-c", script, str(port), path, etag, str(number)], capture_output=True,
                          text=True, check=True)
    return float(done.stdout)


def _plain(articles: list[Article]) -> bytes:
    """The same articles through feedgen as its manual shows it, its own way of writing dates included."""
    ours = feedgen.entry.formatRFC2822
    feedgen.entry.formatRFC2822 = feedgen.feed.formatRFC2822 = feedgen.util.formatRFC2822
    try:
        generator = FeedGenerator()
        generator.id("https://lantern.example/feeds/all/")
        generator.title("Everything")
        generator.description("Everything")
        generator.language("en")
        generator.link(href="https://lantern.example/feeds/all/rss.xml", rel="self")
        generator.link(href="https://lantern.example/feeds/all/", rel="alternate")
        for article in articles:
            entry = generator.add_entry(order="append")
            entry.id(f"article-{article.id}")
            entry.title(article.title)
            entry.link(href=article.url)
            entry.published(article.published_at)
            entry.updated(article.updated_at)
            entry.summary(article.summary)
            entry.content(article.html, type="html")
            for topic in article.topics:
                entry.category(term=topic)
            entry.author({"name": article.author})
        document: bytes = generator.rss_str(pretty=True)
        return document
    finally:
        feedgen.entry.formatRFC2822 = feedgen.feed.formatRFC2822 = ours


def _bare(articles: list[Article]) -> bytes:
    """RSS by lxml and nothing else: no checks, no escaping of titles, no source."""
    content = "{http://purl.org/rss/1.0/modules/content/}encoded"
    root = etree.Element("rss", version="2.0", nsmap={"content": "http://purl.org/rss/1.0/modules/content/"})
    channel = etree.SubElement(root, "channel")
    for name in ("title", "link", "description"):
        etree.SubElement(channel, name).text = "Everything"
    for article in articles:
        item = etree.SubElement(channel, "item")
        etree.SubElement(item, "title").text = article.title
        etree.SubElement(item, "link").text = article.url
        etree.SubElement(item, "description").text = article.summary
        etree.SubElement(item, content).text = article.html
        etree.SubElement(item, "guid", isPermaLink="false").text = f"article-{article.id}"
        for topic in article.topics:
            etree.SubElement(item, "category").text = topic
        etree.SubElement(item, "pubDate").text = article.published_at.strftime("%a, %d %b %Y %H:%M:%S +0000")
    return etree.tostring(root, pretty_print=True, encoding="UTF-8", xml_declaration=True)


def _django() -> Callable[[list[Article]], bytes] | None:
    """Django's feedgenerator, where it can be imported."""
    try:
        settings = import_module("django.conf").settings
        feedgenerator = import_module("django.utils.feedgenerator")
    except ImportError:
        return None
    if not settings.configured:
        settings.configure(USE_TZ=True)

    def build(articles: list[Article]) -> bytes:
        feed = feedgenerator.Rss201rev2Feed(
            "Everything", "https://lantern.example/feeds/all/", "Everything", language="en",
            feed_url="https://lantern.example/feeds/all/rss.xml")
        for article in articles:
            feed.add_item(article.title, article.url, article.html, author_name=article.author,
                          pubdate=article.published_at, unique_id=f"article-{article.id}", categories=article.topics)
        document: str = feed.writeString("utf-8")
        return document.encode()

    return build


if __name__ == "__main__":
    main("publish", (__doc__ or "").splitlines()[0], measure)
