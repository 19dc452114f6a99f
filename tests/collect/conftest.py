from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pipeline.collect.accept import Poll
from pipeline.collect.identify import make_draft
from pipeline.collect.stage import collect
from pipeline.model.articles import Article, Draft, Found
from pipeline.net.fetch import Fetcher, Limits
from pipeline.store import articles, passed, sources
from pipeline.store.passed import PassedOver


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def draft(now: datetime) -> Callable[..., Draft]:
    """draft(title="…", html="…", guid="…", url="…") as it comes through the door."""

    def make(title: str = "A title", **found: object) -> Draft:
        return make_draft(Found(title, **found), source_url="https://example.org/feed", now=now)  # type: ignore[arg-type]

    return make


# --- sites on loopback, under names of their own, and an instance that collects from them ---


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    host: str
    path: str
    headers: dict[str, str]
    at: float    # monotonic seconds


@dataclass
class Town:
    """path, or host and path, -> what is answered there: bytes, a status, (status, headers, bytes), None, where the
    server hangs up, or a function that gives one of these.

    What has a body has an ETag, and a 304 for whoever shows it. What begins like HTML is HTML.
    """

    places: dict[str, Any] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    sleeps: dict[str, float] = field(default_factory=dict)   # seconds before an answer begins, by path
    port: int = 0

    def url(self, path: str, host: str = "paper.example") -> str:
        return f"http://{host}:{self.port}{path}"

    def paths(self, start: str = "/") -> list[str]:
        """What was asked for, robots.txt aside, since the last `forget`."""
        return [a.path for a in self.asked if a.path.startswith(start) and a.path != "/robots.txt"]

    def forget(self) -> None:
        self.asked.clear()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        host = request.headers.get("Host", "").partition(":")[0]
        self.asked.append(Asked(host, request.path, {k.lower(): v for k, v in request.headers.items()},
                                time.monotonic()))
        time.sleep(self.sleeps.get(request.path, 0.0))
        place = self.places.get(f"{host}{request.path}", self.places.get(request.path, 404))
        if callable(place):
            place = place()
        if place is None:
            request.close_connection = True
            return
        if isinstance(place, int):
            place = (place, {}, b"")
        status, headers, body = place if isinstance(place, tuple) else (200, {}, place)
        etag = f'"{hashlib.sha256(body).hexdigest()[:12]}"'
        given = {"Content-Length": str(len(body))}
        if status == 200:
            if request.headers.get("If-None-Match") == etag:
                status, body, given = 304, b"", {"Content-Length": "0"}
            given |= {"ETag": etag, "Content-Type": "text/html; charset=utf-8" if body.lstrip()[:5].lower() in (
                b"<html", b"<!doc") else "application/xml"}
        request.send_response_only(status)
        for name, value in (given | headers).items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)


@pytest.fixture
def town() -> Iterator[Town]:
    made = Town()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Who hangs up has heard enough."""

    server = Server(("127.0.0.1", 0), Handler)
    made.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


INSTANCE = """
config_version = 1
[site]
title = "The Lantern"
public_url = "https://lantern.example"
[[feeds]]
slug = "all"
title = "Everything"
"""


@dataclass
class Newsroom:
    """An instance whose sources live in the town; every name leads there."""

    site: Any
    town: Town
    total_s: float = 5.0

    def poll(self, *, force: bool = False, spacing: timedelta = timedelta(), **values: Any) -> dict[str, Poll]:
        app = self.site.app
        config = replace(app.config, collect=app.config.collect.model_copy(update={"spacing": spacing}))
        fetcher = Fetcher("Broadsheet/test", Limits(connect_s=2, total_s=self.total_s),
                          resolve=lambda _host, _port: ["127.0.0.1"])
        try:
            return {p.source: p for p in collect(app.store, config, fetcher, app.now, force=force, **values)}
        finally:
            fetcher.close()

    def after(self, *, force: bool = False, spacing: timedelta = timedelta(), **span: float) -> dict[str, Poll]:
        """The clock turned, and a round."""
        self.site.advance(**span)
        return self.poll(force=force, spacing=spacing)

    def declare(self, **more: str) -> None:
        """Write config.toml anew: one source for each name, at /name; values are further lines."""
        written = "".join(
            f'[[sources]]\nslug = "{slug}"\nurl = "{self.town.url("/" + slug)}"\n'
            f'allow_networks = ["127.0.0.1/32"]\n{lines}\n' for slug, lines in more.items())
        (self.site.folder / "config.toml").write_text(INSTANCE + written)
        self.site.close()

    def state(self, slug: str = "a") -> sources.SourceState:
        with self.site.app.store.read() as connection:
            return sources.state(connection, slug)

    def stored(self) -> dict[str, Article]:
        """Articles by title."""
        with self.site.app.store.read() as connection:
            found = articles.search(connection, limit=5_000)
        assert len({a.title for a in found}) == len(found), sorted(a.title for a in found)
        return {a.title: a for a in found}

    def passed(self, text: str = "") -> dict[str, PassedOver]:
        """What waits or was not taken, by address."""
        with self.site.app.store.read() as connection:
            return {p.url: p for p in passed.search(connection, text, limit=5_000)}


@pytest.fixture
def newsroom(copy_site: Callable[..., Any], town: Town) -> Callable[..., Newsroom]:
    """`newsroom(a="…")`: an instance with one source for each name, at /name; values are further lines of config."""

    def make(**more: str) -> Newsroom:
        made = Newsroom(copy_site(_opened, INSTANCE), town)
        made.declare(**more)
        return made

    return make


def _opened(site: Any) -> None:
    assert site.app


@dataclass(frozen=True)
class Words:
    """Makers of documents."""

    @staticmethod
    def prose(about: str, paragraphs: int = 4) -> list[str]:
        """Paragraphs that no other article could have."""
        return [f"{about}, told in paragraph {n} at such a length that no other article could be meant by it, and that "
                f"whoever weighs a page finds more words of {about} here than in all that stands around them."
                for n in range(1, paragraphs + 1)]

    @classmethod
    def page(cls, title: str, *more: str, head: str = "", date: datetime | None = None, paragraphs: int = 4) -> bytes:
        """An article's page, with furniture around it. `more` is HTML within the article."""
        when = f'<meta property="article:published_time" content="{date.isoformat()}">' if date else ""
        body = "".join(f"<p>{p}</p>" for p in cls.prose(title, paragraphs)) + "".join(more)
        return (f"<!doctype html><html lang='en'><head><title>{title}</title>{when}{head}</head><body>"
                "<nav><a href='/'>Home</a> <a href='/about'>About</a></nav>"
                f"<article><h1>{title}</h1>{body}</article><footer>Imprint</footer></body></html>").encode()

    @classmethod
    def rss(cls, base: str, *titles: str, date: datetime | None = None, apart: timedelta = timedelta()) -> bytes:
        """One entry for each title, at `base` and the title with "-" for " ", with its page's first paragraph; each
        `apart` from the one before."""
        items = []
        for n, title in enumerate(titles):
            when = f"<pubDate>{format_datetime(date + n * apart)}</pubDate>" if date else ""
            items.append(f"<item><guid isPermaLink='false'>{title}</guid><title>{title}</title>"
                         f"<link>{base}{title.replace(' ', '-')}</link>"
                         f"<description>{cls.prose(title)[0]}</description>{when}</item>")
        return (f"<?xml version='1.0'?><rss version='2.0'><channel><title>S</title>{''.join(items)}</channel></rss>"
                ).encode()

    @staticmethod
    def listing(*titles: str, head: str = "", base: str = "/") -> bytes:
        """A page that lists articles, without dates."""
        rows = "".join(f"<article><h2><a href='{base}{t.replace(' ', '-')}'>{t}</a></h2></article>" for t in titles)
        return (f"<!doctype html><html lang='en'><head><title>The list</title>{head}</head><body><main>{rows}</main>"
                "<footer><a href='/imprint'>Imprint</a></footer></body></html>").encode()

    @staticmethod
    def sitemap(*entries: str | tuple[str, str], index: bool = False) -> bytes:
        """Entries are addresses, or (address, further elements)."""
        rows = "".join(f"<{'sitemap' if index else 'url'}><loc>{e if isinstance(e, str) else e[0]}</loc>"
                       f"{'' if isinstance(e, str) else e[1]}</{'sitemap' if index else 'url'}>" for e in entries)
        name = "sitemapindex" if index else "urlset"
        return (f"<?xml version='1.0'?><{name} xmlns='http://www.sitemaps.org/schemas/sitemap/0.9' "
                f"xmlns:news='http://www.google.com/schemas/sitemap-news/0.9'>{rows}</{name}>").encode()


@pytest.fixture(scope="session")
def words() -> type[Words]:
    return Words
