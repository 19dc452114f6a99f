"""Collecting over HTTP, from a server on loopback: conditional, patient, and never stopped by one bad source."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pipeline.jobs.collecting import collect_due
from pipeline.jobs.declare import declare
from pipeline.model.articles import ArticleStatus
from pipeline.store import articles, sources

CONFIG = """
config_version = 1
[site]
title = "The Lantern"
public_url = "https://lantern.example"
[[feeds]]
slug = "all"
title = "Everything"
"""
SOURCE = """
[[sources]]
slug = "{slug}"
url = "{url}"
allow_networks = ["127.0.0.1/32"]
{more}
"""


@dataclass
class Web:
    """path -> body or status. Feeds have an ETag and honour it; each request is remembered."""

    pages: dict[str, bytes | int] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)   # (path, If-None-Match)
    etags: bool = True
    port: int = 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("If-None-Match", "")
        self.asked.append((request.path, asked))
        page = self.pages.get(request.path, 404)
        if isinstance(page, int):
            request.send_response(page)
            if page == 503:
                request.send_header("Retry-After", "7200")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        etag = f'"{hashlib.sha256(page).hexdigest()[:8]}"'
        same = self.etags and asked == etag
        request.send_response(304 if same else 200)
        if self.etags:
            request.send_header("ETag", etag)
        request.send_header("Content-Type", "text/html" if page.startswith(b"<html") else "application/rss+xml")
        request.send_header("Content-Length", "0" if same else str(len(page)))
        request.end_headers()
        if not same:
            request.wfile.write(page)


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


def rss(*items: tuple[str, str], date: datetime) -> bytes:
    """items: (guid, title)"""
    entries = "".join(
        f"<item><guid isPermaLink='false'>{guid}</guid><title>{title}</title><link>https://s.example/{guid}</link>"
        f"<description>{title}, told at such a length that no other article could be meant by it.</description>"
        f"<pubDate>{date.strftime('%a, %d %b %Y %H:%M:%S +0000')}</pubDate></item>" for guid, title in items)
    return f"<?xml version='1.0'?><rss version='2.0'><channel><title>S</title>{entries}</channel></rss>".encode()


@pytest.fixture
def make(make_site: Callable, web: Web) -> Callable[..., Any]:
    """`make(a="…")`: a site with one source for each name, polled at /name; values are further lines of config."""
    def site(**more: str) -> Any:
        text = CONFIG + "".join(SOURCE.format(slug=s, url=web.url(f"/{s}"), more=m) for s, m in more.items())
        made = make_site(text)
        assert made.app
        return made

    return site


def collect(site: Any, **values: Any) -> dict[str, Any]:
    return {p.source: p for p in collect_due(site.app, **values)}


def state(site: Any, slug: str = "a"):
    with site.app.store.read() as connection:
        return sources.state(connection, slug)


def stored(site: Any) -> dict[str, Any]:
    with site.app.store.read() as connection:
        return {a.guid: a for a in articles.search(connection, limit=500)}


def items(*numbers: int) -> list[tuple[str, str]]:
    return [(f"g{n}", f"Title number {n}") for n in numbers]


def test_a_second_poll_asks_conditionally_and_finds_nothing_new(make, web) -> None:
    site = make(a="")
    web.pages["/a"] = rss(*items(1, 2), date=site.now)
    assert collect(site)["a"].new == 2
    assert collect(site) == {}, "not due yet"
    site.advance(minutes=67)
    poll = collect(site)["a"]
    assert (poll.not_modified, poll.new, poll.failed) == (True, 0, False)
    assert web.asked[0] == ("/a", "")
    assert web.asked[1][1] == state(site).etag != ""


def test_a_server_without_validators_is_known_by_its_bytes(make, web) -> None:
    web.etags = False
    site = make(a="")
    web.pages["/a"] = rss(*items(1, 2), date=site.now)
    collect(site)
    site.advance(hours=23)
    assert collect(site) == {}, "each poll costs it the whole document, so it is asked daily"
    site.advance(hours=3)
    poll = collect(site)["a"]
    assert (poll.not_modified, poll.same) == (True, 0)


def test_one_bad_source_is_recorded_and_stops_no_other(make, web) -> None:
    site = make(good="", gone="", html="", broken="", nowhere="")
    web.pages |= {"/good": rss(*items(1), date=site.now), "/html": b"<html><head><title>x</title></head><body>hello",
                  "/broken": 500}
    text = (site.folder / "config.toml").read_text().replace(web.url("/nowhere"), "http://127.0.0.1:1/feed")
    (site.folder / "config.toml").write_text(text)
    site.close()
    polls = collect(site)
    assert polls["good"].new == 1
    assert "404" in polls["gone"].error
    assert "500" in polls["broken"].error
    assert "HTML" in polls["html"].error
    assert polls["nowhere"].error
    for slug in ("gone", "html", "broken", "nowhere"):
        assert polls[slug].failed
        assert state(site, slug).last_error == polls[slug].error
        assert state(site, slug).failures == 1
    assert "/gone" in polls["gone"].error, "it names the address"


def test_failures_are_asked_less_and_less_and_forgotten_after_one_success(make, web) -> None:
    site = make(a="")
    waits = []
    for _ in range(7):
        collect(site, force=True)
        waits.append(int((state(site).next_poll_at - site.now) / timedelta(hours=1)))
    assert waits == [2, 4, 8, 16, 24, 24, 24]
    web.pages["/a"] = rss(*items(1), date=site.now)
    collect(site, force=True)
    assert (state(site).failures, state(site).last_error) == (0, "")
    assert timedelta(hours=1) <= state(site).next_poll_at - site.now < timedelta(minutes=66)


def test_retry_after_is_heeded(make, web) -> None:
    site = make(a='every = "5m"')
    web.pages["/a"] = 503
    collect(site)
    assert timedelta(hours=2) <= state(site).next_poll_at - site.now <= timedelta(minutes=132)


def test_a_corrected_article_keeps_its_id_and_a_changed_guid_is_no_new_article(make, web) -> None:
    site = make(a="")
    web.pages["/a"] = rss(*items(1, 2), date=site.now)
    collect(site)
    before = stored(site)
    site.advance(hours=2)
    web.pages["/a"] = rss(("g1", "Title number 1, corrected"), ("g2", "Title number 2"), date=site.now)
    assert collect(site)["a"].updated == 1
    after = stored(site)
    assert (after["g1"].id, after["g1"].revision, after["g1"].title) == (before["g1"].id, 2,
                                                                        "Title number 1, corrected")
    assert after["g1"].published_at == before["g1"].published_at, "a new date makes no new article"
    assert after["g2"] == before["g2"]
    site.advance(hours=2)
    web.pages["/a"] = rss(("g1", "Title number 1, corrected"), ("new-guid", "Title number 2"), date=site.now).replace(
        b"https://s.example/new-guid", b"https://s.example/g2")
    poll = collect(site)["a"]
    assert (poll.new, poll.moved) == (0, 1)
    assert stored(site)["new-guid"].id == before["g2"].id


def test_the_backlog_reaches_feeds_and_no_digest(make, web) -> None:
    site = make(a="", b='backlog = "all"', c='backlog = "none"')
    for slug in "abc":
        web.pages[f"/{slug}"] = rss((f"old-{slug}", f"Old {slug} of long ago"), date=site.now - timedelta(days=30))
    polls = collect(site)
    assert {s: p.unmailable for s, p in polls.items()} == {"a": 1, "b": 0, "c": 1}
    found = stored(site)
    assert "older than the backlog of 7 days" in found["old-a"].reason
    assert all(a.status is ArticleStatus.ACCEPTED for a in found.values())
    site.advance(hours=27)
    web.pages["/a"] = rss(("late", "An old date on a new article"), date=site.now - timedelta(days=30))
    collect(site)
    assert stored(site)["late"].mailable, "what appears later is new, whatever its date says"


def test_a_flood_is_held_and_its_release_is_its_acceptance(make, web) -> None:
    site = make(a="flood = 5")
    web.pages["/a"] = rss(*items(1, 2, 3), date=site.now)
    collect(site)
    site.advance(minutes=67)
    web.pages["/a"] = rss(*items(*range(1, 10)), date=site.now)
    poll = collect(site)["a"]
    assert (poll.new, poll.held) == (0, 6)
    assert "held as a flood" in poll.notes[-1]
    held = [a for a in stored(site).values() if a.status is ArticleStatus.HELD]
    assert {a.accepted_seq for a in held} == {0}
    assert {a.reason for a in held} == {poll.notes[-1]}
    site.advance(minutes=67)
    web.pages["/a"] = rss(*items(*range(1, 11)), date=site.now)
    assert collect(site)["a"].new == 1, "what is held already is no second flood"
    with site.app.store.write() as connection:
        assert articles.release(connection, [a.id for a in held], site.now) == 6
    assert sorted(stored(site)[a.guid].accepted_seq for a in held) == list(range(5, 11))


def test_an_empty_first_document_is_no_beginning(make, web) -> None:
    """What comes next is still the backlog, and no flood."""
    site = make(a="flood = 5")
    web.pages["/a"] = rss(date=site.now)
    collect(site)
    assert state(site).first_polled_at is None
    site.advance(minutes=67)
    web.pages["/a"] = rss(*items(*range(9)), date=site.now - timedelta(days=30))
    poll = collect(site)["a"]
    assert (poll.new, poll.held, poll.unmailable) == (9, 0, 9)
    assert state(site).first_polled_at == site.now


def test_another_address_forgets_validators_and_keeps_articles(make, web) -> None:
    site = make(a="")
    web.pages["/a"] = web.pages["/moved"] = rss(*items(1, 2), date=site.now)
    collect(site)
    text = (site.folder / "config.toml").read_text().replace(web.url("/a"), web.url("/moved"))
    (site.folder / "config.toml").write_text(text)
    site.close()
    poll = collect(site)["a"]
    assert web.asked[-1] == ("/moved", "")
    assert (poll.new, poll.same) == (0, 2)


def test_the_same_article_of_two_sources_is_one_story(make, web) -> None:
    site = make(a="", b="")
    web.pages["/a"] = rss(*items(1), date=site.now)
    web.pages["/b"] = rss(("other-guid", "Title number 1"), date=site.now).replace(
        b"https://s.example/other-guid", b"https://s.example/g1?utm_source=x")
    collect(site)
    found = stored(site)
    assert found["g1"].story == found["other-guid"].story


def test_when_a_source_is_due(make) -> None:
    site = make(a='every = "30d"')

    def due(next_poll_at: datetime | None, last_polled_at: datetime | None = None) -> bool:
        with site.app.store.write() as connection:
            sources.record_poll(connection, state(site).id, next_poll_at=next_poll_at, last_polled_at=last_polled_at)
        declare(site.app.store, site.app.config, site.now)
        with site.app.store.read() as connection:
            return bool(sources.due(connection, site.now, 10))

    assert due(site.now)
    assert not due(None)
    assert not due(site.now + timedelta(seconds=1))
    assert not due(site.now + timedelta(days=30)), "an interval that is longer than any back-off is kept"
    assert due(site.now + timedelta(days=31), site.now + timedelta(days=1)), "a clock that ran ahead"


def test_a_restart_asks_nobody_early(make, web: Web) -> None:
    site = make(a="", b="")
    web.pages |= {"/a": rss(("1", "One"), date=site.now), "/b": rss(("2", "Two"), date=site.now)}
    collect(site)
    asked = len(web.asked)
    for _ in range(3):
        declare(site.app.store, site.app.config, site.now)
        assert collect(site) == {}
    assert len(web.asked) == asked


def test_who_failed_before_is_asked_after_the_others(make, web: Web) -> None:
    """Whoever costs time again costs it at the end."""
    site = make(a="", b="", c="\n[collect]\nat_once = 1\n")
    web.pages |= {"/a": 500, "/b": rss(("1", "One"), date=site.now), "/c": rss(("2", "Two"), date=site.now)}
    collect(site, force=True)
    assert [path for path, _ in web.asked] == ["/a", "/b", "/c"]
    web.asked.clear()
    collect(site, force=True)
    assert [path for path, _ in web.asked] == ["/b", "/c", "/a"]
