"""How many feeds a second are polled over loopback: for the first time, and again when nothing is new.

    cold_feeds_per_s   fetched through the guard, parsed, cleaned, identified, stored, durably
    warm_feeds_per_s   asked again with their ETags, all answered 304
    cold_vs_floor      cold against the least that could be called collecting: as many threads with urllib3, an XML
                       parser, nh3 and SQLite, no guard, no identity, no revisions (lxml as the parser: the floor;
                       feedparser as the parser: what most programs use)
"""

from __future__ import annotations

import hashlib
import multiprocessing
import random
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from email.utils import format_datetime
from functools import partial
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

import feedparser
import nh3
import urllib3
from lxml import etree
from measure import NOW, Options, Result, article_html, folder, main, prose, seconds, site

from pipeline.app import App
from pipeline.collect.stage import AT_ONCE, collect

FEEDS, ARTICLES, WORDS_EACH = 160, 15, 150

Parse = Callable[[bytes], list[tuple[str, ...]]]

HEAD = """
config_version = 1
[site]
title = "The Lantern"
public_url = "https://lantern.example"
"""
SOURCE = """
[[sources]]
slug = "feed-{number}"
url = "http://127.0.0.1:{port}/{number}"
allow_networks = ["127.0.0.1/32"]
"""


def measure(options: Options) -> Result:
    count = options.size(FEEDS, 4)
    runs = options.size(3, 1)
    bodies = [_feed(number, options.size(ARTICLES, 2)) for number in range(count)]
    cold, warm, lxml_floor, loose_floor = [], [], [], []
    with _served(bodies) as port:
        for _ in range(runs):
            with folder() as place:
                text = HEAD + "".join(SOURCE.format(number=n, port=port) for n in range(count))
                with site(text, place) as app:
                    cold.append(seconds(partial(_poll, app, count, new=True)))
                    warm.append(seconds(partial(_poll, app, count, new=False)))
                lxml_floor.append(seconds(partial(_floor, place / "lxml.db", port, count, _with_lxml)))
                loose_floor.append(seconds(partial(_floor, place / "feedparser.db", port, count, _with_feedparser)))
    cold_s, warm_s, floor_s, loose_s = map(median, (cold, warm, lxml_floor, loose_floor))
    return Result(
        figures={
            "cold_feeds_per_s": count / cold_s, "warm_feeds_per_s": count / warm_s, "cold_vs_floor": floor_s / cold_s,
            "cold_vs_feedparser_floor": loose_s / cold_s, "feeds": count,
            "articles_per_feed": options.size(ARTICLES, 2), "feed_kb": sum(map(len, bodies)) / count / 1e3,
        },
        peers={"floor_lxml_feeds_per_s": count / floor_s, "floor_feedparser_feeds_per_s": count / loose_s},
        runs=runs,
        limits="one interpreter: cleaning and identifying an article and storing it (one statement each) hold the "
               "lock while the threads wait; warm: a transaction with fsync for each source's poll",
    )


def _poll(app: App, count: int, *, new: bool) -> None:
    fetcher = app.fetcher()
    try:
        polls = collect(app.store, app.config, fetcher, app.now, force=True)
    finally:
        fetcher.close()
    right = [p for p in polls if not p.failed and bool(p.new) is new and p.not_modified is not new]
    if len(right) != count:
        raise AssertionError(f"only {len(right)} of {count} polls did what they should: {polls[:3]}")


# --- the floor --------------------------------------------------------------------------------------------


def _floor(path: Path, port: int, count: int, parse: Parse) -> None:
    """Fetch, parse, clean, insert; one transaction a feed, as durable as ours."""
    database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                           "CREATE TABLE articles (guid TEXT UNIQUE, title TEXT, url TEXT, html TEXT, at TEXT)")
    pool, writing = urllib3.PoolManager(maxsize=AT_ONCE), threading.Lock()

    def one(number: int) -> None:
        body = pool.request("GET", f"http://127.0.0.1:{port}/{number}").data
        rows = [(guid, title, url, nh3.clean(html), at) for guid, title, url, html, at in parse(body)]
        with writing:
            database.execute("BEGIN IMMEDIATE")
            database.executemany("INSERT OR IGNORE INTO articles VALUES (?, ?, ?, ?, ?)", rows)
            database.execute("COMMIT")

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(one, range(count)))
    database.close()


def _with_lxml(body: bytes) -> list[tuple[str, ...]]:
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    return [tuple(item.findtext(name) or "" for name in ("guid", "title", "link", "description", "pubDate"))
            for item in etree.fromstring(body, parser).iter("item")]


def _with_feedparser(body: bytes) -> list[tuple[str, ...]]:
    parsed = feedparser.parse(body, sanitize_html=False, resolve_relative_uris=False)
    return [(e.get("id", ""), e.get("title", ""), e.get("link", ""), e.get("summary", ""), e.get("published", ""))
            for e in parsed.entries]


# --- the feeds --------------------------------------------------------------------------------------------


def _feed(number: int, count: int) -> bytes:
    """An RSS file of a made-up blog; no two share a guid, an address or their words."""
    rng = random.Random(number)
    items = "".join(
        f"<item><title>{prose(rng, 6)}</title><link>https://blog-{number}.example/{n}</link>"
        f'<guid isPermaLink="false">blog-{number}-{n}</guid>'
        f"<pubDate>{format_datetime(NOW - timedelta(hours=n))}</pubDate><author>ines@blog.example (Ines Holm)</author>"
        f"<category>quay</category><description>{escape(article_html(rng, WORDS_EACH))}</description></item>"
        for n in range(count)
    )
    return (f'<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel><title>Blog {number}</title>'
            f"<link>https://blog-{number}.example/</link><description>Made up</description>{items}</channel></rss>"
            ).encode()


@contextmanager
def _served(bodies: list[bytes]) -> Iterator[int]:
    """A web server in a process of its own, so that it does not share our interpreter's lock; its port."""
    context = multiprocessing.get_context("spawn")
    ready, told = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(bodies, told), daemon=True)
    process.start()
    try:
        if not ready.poll(20):
            raise AssertionError("the server did not start")
        yield ready.recv()
    finally:
        process.terminate()
        process.join(10)


def _serve(bodies: list[bytes], told: Any) -> None:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body = bodies[int(self.path.strip("/"))]
            etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
            if self.headers.get("If-None-Match") == etag:
                self.send_response(304)
                self.send_header("ETag", etag)
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("Content-Type", "application/rss+xml; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", etag)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 64

    with Server(("127.0.0.1", 0), Handler) as server:
        told.send(server.server_address[1])
        server.serve_forever()


if __name__ == "__main__":
    main("collect", (__doc__ or "").splitlines()[0], measure)
