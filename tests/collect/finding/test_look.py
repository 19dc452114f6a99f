"""What `sources add` finds out, from a server on loopback."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from pipeline.children.frames import decode, encode
from pipeline.collect.finding.findings import Glance
from pipeline.collect.finding.look import MAX_GUESSES, Looked, look_at, with_scheme
from pipeline.collect.finding.pointing import SAMPLES, glance
from pipeline.errors import FetchError, ParseError, Refused, UsageError
from pipeline.model.sources import SourceKind
from pipeline.net.fetch import Fetcher, HttpStatusError, Limits, Request, Response

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LOOPBACK = ("127.0.0.0/8",)
FEED = ("<?xml version='1.0'?><rss version='2.0'><channel><title>Notes</title><language>sv</language>" + "".join(
    f"<item><title>Note {n}</title><link>https://notes.example/{n}</link>"
    f"<pubDate>{n + 1:02} Nov 2026 08:00:00 GMT</pubDate></item>" for n in range(8)) + "</channel></rss>").encode()
LIST = "".join(
    f"<article><h2><a href='/a-long-slug-{n}'>The article of number {n}</a></h2></article>" for n in range(8))
PROSE = "".join(f"<p>{'A sentence of the article, one of many that follow here. ' * 6}</p>" for _ in range(5))


def page(head: str = "", body: str = LIST) -> bytes:
    return f"<!doctype html><html lang=en><head><title>The Paper</title>{head}</head><body>{body}</body>".encode()


def link(href: str) -> str:
    return f"<link rel=alternate type=application/rss+xml title=Notes href='{href}'>"


@dataclass
class Web:
    """path -> a body, a status, or a place to go: (status, location)."""

    pages: dict[str, bytes | int | tuple[int, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    port: int = 0

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(request.path)
        found = self.pages.get(request.path, 404)
        status, body, to = (found, b"", "") if isinstance(found, int) else (
            (found[0], b"", found[1]) if isinstance(found, tuple) else (200, found, ""))
        request.send_response(status)
        if to:
            request.send_header("Location", to)
        for name, value in self.headers.items():
            request.send_header(name, value)
        request.send_header("Content-Type", "text/plain" if request.path.endswith(".txt") else "text/html")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)


@pytest.fixture
def web() -> Iterator[Web]:
    made = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def look(web: Web) -> Iterator[Callable[..., Looked]]:
    fetcher = Fetcher("test", Limits(connect_s=2, total_s=4))

    def work(kind: str, _subject: str, body: bytes = b"", **arguments: Any) -> Glance:
        assert kind == "look"
        return decode(Glance, encode(Glance, glance(body, **arguments)))

    yield lambda path="/", **values: look_at(
        fetcher, work, path if "://" in path or ":" in path else web.url(path), LOOPBACK, now=NOW, **values)
    fetcher.close()


def test_a_feed_is_shown_as_it_is(web, look) -> None:
    web.pages["/feed"] = FEED
    found = look("/feed")
    assert (found.kind, found.url, found.title, found.language) == (SourceKind.FEED, web.url("/feed"), "Notes", "sv")
    assert found.count == 8
    assert [a.title for a in found.articles] == [f"Note {n}" for n in (7, 6, 5, 4, 3)]
    assert len(found.articles) == SAMPLES
    assert found.articles[0].published_at == datetime(2026, 11, 8, 8, tzinfo=UTC)
    assert web.asked == ["/feed"], "and nothing else is asked for"


def test_a_page_s_feed_is_read_before_it_is_believed(web, look) -> None:
    web.pages |= {"/": page(link("/gone") + link("/html") + link("/good") + link("/comments/feed")), "/html": page(),
                  "/good": FEED}
    found = look()
    assert (found.kind, found.url, found.title) == (SourceKind.FEED, web.url("/good"), "Notes")
    assert [a.url for a in found.alternatives] == [web.url(p) for p in ("/gone", "/html", "/comments/feed", "/")]
    assert found.alternatives[-1].title == "the page itself, as a list"
    assert found.notes[0] == "the page names this feed"
    assert "404" in found.notes[1]
    assert found.notes[2] == f"the page names a feed that is none: {web.url('/html')}"
    assert web.asked == ["/", "/gone", "/html", "/good"]


def test_usual_places_are_tried_and_a_front_page_in_their_stead_is_no_feed(web, look) -> None:
    web.pages |= {"/": page(), "/feed": page(), "/rss.xml": (302, "/"), "/index.xml": FEED}
    found = look()
    assert (found.kind, found.url) == (SourceKind.FEED, web.url("/index.xml"))
    assert "no page names this feed" in found.notes[0]


def test_an_empty_feed_that_nobody_named_is_left(web, look) -> None:
    web.pages |= {"/": page(), "/feed": b"<rss><channel/></rss>"}
    assert look().kind is SourceKind.PAGE
    web.pages["/"] = page(link("/feed"))
    assert (look().kind, look().count) == (SourceKind.FEED, 0)


def test_a_listing_page_without_a_feed(web, look) -> None:
    web.pages |= {"/": page(), "/robots.txt": b"User-agent: *\nDisallow:\nSitemap: https://maps.example/news.xml\n"}
    found = look()
    assert (found.kind, found.url, found.title, found.language) == (SourceKind.PAGE, web.url("/"), "The Paper", "en")
    assert found.count == 8
    assert found.articles[0].title == "The article of number 0"
    assert [(a.url, a.title) for a in found.alternatives] == [("https://maps.example/news.xml", "sitemap")]
    assert len(web.asked) == 2 + MAX_GUESSES


def test_a_single_article(web, look) -> None:
    web.pages["/one"] = page(
        "<meta property=og:type content=article><meta property=article:published_time content=2026-11-01T08:00:00Z>"
        "<meta property=og:title content='One thing'>", f"<article><h1>One thing</h1>{PROSE}</article>")
    found = look("/one")
    assert (found.kind, found.title, found.count) == (SourceKind.ARTICLE, "One thing", 1)
    assert found.articles[0].published_at == datetime(2026, 11, 1, 8, tzinfo=UTC)
    web.headers["X-Robots-Tag"] = "noindex"
    assert "noindex" in look("/one").notes[0]


def test_sitemaps_and_indexes_are_looked_into(web, look) -> None:
    inner = "".join(f"<url><loc>{web.url(f'/{n}')}</loc><lastmod>2026-11-0{n}</lastmod></url>" for n in range(1, 9))
    web.pages |= {"/news.xml": f"<urlset>{inner}</urlset>".encode(), "/index.xml": (
        f"<sitemapindex><sitemap><loc>{web.url('/gone.xml')}</loc><lastmod>2026-11-02</lastmod></sitemap><sitemap><loc>"
        f"{web.url('/news.xml')}</loc><lastmod>2026-11-01</lastmod></sitemap></sitemapindex>").encode()}
    found = look("/news.xml")
    assert (found.kind, found.count) == (SourceKind.SITEMAP, 8)
    assert [a.url for a in found.articles] == [web.url(f"/{n}") for n in (8, 7, 6, 5, 4)]
    index = look("/index.xml")
    assert (index.kind, index.url, index.count) == (SourceKind.SITEMAP, web.url("/index.xml"), 2)
    assert index.articles == found.articles
    assert "can't be read" in " ".join(index.notes)
    assert index.notes[-1] == f"the articles shown are from {web.url('/news.xml')}"


def test_a_page_that_is_made_by_a_script_may_still_have_a_sitemap(web, look) -> None:
    web.pages |= {"/": page(body="<div id=root></div>"), "/robots.txt": f"Sitemap: {web.url('/map.xml')}".encode(),
                  "/map.xml": f"<urlset><url><loc>{web.url('/a')}</loc></url></urlset>".encode()}
    found = look()
    assert (found.kind, found.url, found.count) == (SourceKind.SITEMAP, web.url("/map.xml"), 1)
    assert "shows nothing without JavaScript" in found.notes[0]
    del web.pages["/map.xml"]
    with pytest.raises(ParseError, match="shows nothing without JavaScript"):
        look()


def test_a_selector_asks_for_the_page_and_for_nothing_else(web, look) -> None:
    web.pages["/"] = page(link("/feed"))
    found = look("/", selector="article:first-child")
    assert (found.kind, found.count) == (SourceKind.PAGE, 1)
    assert web.asked == ["/"]
    with pytest.raises(ParseError, match="means nothing on this page"):
        look("/", selector=".nowhere")


def test_where_an_address_leads_for_good_is_what_is_configured(web, look) -> None:
    web.pages |= {"/old": (301, "/new"), "/new": FEED, "/maybe": (302, "/new"), "/": page(link("/old"))}
    assert (look("/old").url, look("/old").moved_to) == (web.url("/new"), web.url("/new"))
    assert (look("/maybe").url, look("/maybe").moved_to) == (web.url("/maybe"), "")
    assert look("/").url == web.url("/new")


@pytest.mark.parametrize(("page_", "error", "words"), [
    (404, HttpStatusError, "404"), (500, HttpStatusError, "500"), (b"%PDF-1.7", ParseError, "is a PDF"),
    (b"", ParseError, "is empty"), (b"Hello", ParseError, "is not a feed"),
    ((301, "/x"), Refused, "redirects more than"),
    (page(body="<form><input type=password></form>"), ParseError, "asks for a login"),
])
def test_a_refusal_is_in_words(web, look, page_, error, words) -> None:
    web.pages["/x"] = page_
    with pytest.raises(error, match=words) as caught:
        look("/x")
    assert caught.value.subject == web.url("/x")
    assert isinstance(page_, tuple) or web.asked == ["/x"] or b"<form" in page_, "a file has no usual places"


def test_the_guard_stays_at_the_door(web) -> None:
    fetcher = Fetcher("test", Limits(connect_s=2, total_s=4))
    with pytest.raises(Refused):
        look_at(fetcher, glance, web.url("/"), now=NOW)
    assert web.asked == []


def test_a_server_in_trouble_is_not_asked_again_and_again(web, look) -> None:
    web.pages |= {"/": page(), "/feed": (301, "ftp://x/")}
    assert look().kind is SourceKind.PAGE
    assert web.asked == ["/", "/feed", "/robots.txt"]


def test_https_comes_before_http_where_nothing_is_said(web, look) -> None:
    web.pages["/feed"] = FEED
    found = look(f"127.0.0.1:{web.port}/feed")
    assert found.url == web.url("/feed")
    assert found.notes == ("it answers over http only, which anyone on the way could change",)
    with pytest.raises(HttpStatusError):
        look(f"127.0.0.1:{web.port}/none")
    with pytest.raises(FetchError) as caught:
        look("127.0.0.1:1/feed")
    assert caught.value.subject.startswith("https://")


def test_a_bad_certificate_is_no_reason_to_go_without() -> None:
    class Impostor:
        asked: ClassVar[list[str]] = []

        def fetch(self, request: Request) -> Response:
            self.asked.append(request.url)
            raise FetchError(request.url, "the certificate of a.example is not valid: expired")

    with pytest.raises(FetchError, match="certificate"):
        look_at(Impostor(), glance, "a.example", now=NOW)
    assert Impostor.asked == ["https://a.example"]


@pytest.mark.parametrize(("written", "tried"), [
    ("https://a.example/x", ("https://a.example/x",)), (" HTTP://a.example ", ("HTTP://a.example",)),
    ("a.example", ("https://a.example", "http://a.example")),
    ("a.example:8080/x", ("https://a.example:8080/x", "http://a.example:8080/x")),
    ("localhost:8000", ("https://localhost:8000", "http://localhost:8000")),
    ("feed://a.example/x", ("https://a.example/x",)), ("feed:https://a.example/x", ("https://a.example/x",)),
    ("[::1]/x", ("https://[::1]/x", "http://[::1]/x")),
])
def test_what_an_operator_writes(written: str, tried: tuple[str, ...]) -> None:
    assert with_scheme(written) == tried


@pytest.mark.parametrize("written", [
    "", " ", "news", "my blog", "ftp://a.example", "file:///etc/passwd", "javascript:alert(1)", "mailto:a@b.example",
    "/etc/passwd", "gopher://x", "data:text/html,x",
])
def test_what_is_no_address_is_said_to_be_none(written: str) -> None:
    with pytest.raises(UsageError, match="is no web address"):
        with_scheme(written)


@pytest.mark.parametrize("body", [b"<html><body></body></html>", page(body="<p>Soon.</p>")])
def test_an_empty_page_is_not_blamed_on_a_script(web, look, body) -> None:
    web.pages |= {"/": body}
    with pytest.raises(ParseError, match="names no feed and lists no articles"):
        look()
