"""Manners over real HTTP, a whole poll at a time: what servers say is kept, and what they ask for is done.

The server is on loopback under names of its own, so that sites are told apart; the clock is the test's.
"""

from __future__ import annotations

import gzip
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import MSG_PEEK, socket
from typing import Any

import brotli
import pytest

from pipeline.collect.stage import collect
from pipeline.errors import FetchError
from pipeline.jobs.collecting import collect_due
from pipeline.model.sources import SourceStanding
from pipeline.net.fetch import Fetcher, Limits
from pipeline.store import articles, sources

PEM = Path(__file__).parents[1] / "net" / "loopback.pem"  # for lantern.example; a key that guards nothing
HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
LATEST = 1.1  # of an interval: with all its jitter

CONFIG = """
config_version = 1
[site]
title = "The Lantern"
public_url = "https://lantern.example"
"""
SOURCE = """
[[sources]]
slug = "{slug}"
url = "{url}"
allow_networks = ["127.0.0.1/32"]
{more}
"""

# --- a server that does what a test says ---


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    host: str
    path: str
    headers: dict[str, str]
    at: float


@dataclass
class Web:
    """path -> (status, body, headers), or "http:/path" and "https:/path". Speaks TLS and plain HTTP on one port."""

    answers: dict[str, tuple[int, bytes, dict[str, str]]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    takes: float = 0.0                       # seconds for each answer
    at_once: Counter[str] = field(default_factory=Counter)
    most_at_once: Counter[str] = field(default_factory=Counter)
    port: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def url(self, path: str, host: str = "feeds.example", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def says(self, path: str, body: bytes = b"", status: int = 200, **headers: str) -> None:
        """Header names take `_` for `-`."""
        self.answers[path] = (status, body, {name.replace("_", "-"): value for name, value in headers.items()})

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        host = request.headers.get("Host", "").partition(":")[0]
        site = ".".join(host.split(".")[-2:])
        with_scheme = f"{'https' if isinstance(request.connection, ssl.SSLSocket) else 'http'}:{request.path}"
        path = with_scheme if with_scheme in self.answers else request.path
        with self.lock:
            self.asked.append(Asked(host, path, {k.lower(): v for k, v in request.headers.items()},
                                    time.monotonic()))
            self.at_once[site] += 1
            self.most_at_once[site] = max(self.most_at_once[site], self.at_once[site])
        time.sleep(self.takes)
        with self.lock:
            self.at_once[site] -= 1
        status, body, headers = self.answers.get(path, (404, b"", {}))
        request.send_response_only(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)


class Both(ThreadingHTTPServer):
    """Whoever begins with a TLS handshake gets one."""

    daemon_threads = True
    tls: ssl.SSLContext

    def finish_request(self, request: Any, client_address: Any) -> None:
        assert isinstance(request, socket)
        if request.recv(1, MSG_PEEK) == b"\x16":
            with self.tls.wrap_socket(request, server_side=True) as wrapped:
                super().finish_request(wrapped, client_address)
        else:
            super().finish_request(request, client_address)


@pytest.fixture
def web() -> Iterator[Web]:
    made = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    server = Both(("127.0.0.1", 0), Handler)
    server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.tls.load_cert_chain(PEM)
    made.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Desk:
    """A site whose sources live on the test's server."""

    site: Any
    dead: set[str] = field(default_factory=set)   # names that DNS no longer knows

    def poll(self, *, force: bool = False, spacing: timedelta = timedelta()) -> dict[str, Any]:
        app = self.site.app
        config = replace(app.config, collect=app.config.collect.model_copy(update={"spacing": spacing}))
        fetcher = Fetcher("Broadsheet/test", Limits(connect_s=2, total_s=5), resolve=self._resolve,
                          tls=ssl.create_default_context(cafile=str(PEM)))
        try:
            return {p.source: p for p in collect(app.store, config, fetcher, app.now, force=force)}
        finally:
            fetcher.close()

    def after(self, span: timedelta, **values: Any) -> dict[str, Any]:
        self.site.now += span
        return self.poll(**values)

    def state(self, slug: str = "a") -> sources.SourceState:
        with self.site.app.store.read() as connection:
            return sources.state(connection, slug)

    def wait(self, slug: str = "a") -> timedelta:
        due = self.state(slug).next_poll_at
        assert due is not None
        return due - self.site.now

    def restart(self, old: str = "", new: str = "") -> None:
        path = self.site.folder / "config.toml"
        path.write_text(path.read_text().replace(old, new) if old else path.read_text())
        self.site.close()

    def titles(self) -> list[str]:
        with self.site.app.store.read() as connection:
            return sorted(a.title for a in articles.search(connection, limit=500))

    def _resolve(self, host: str, _port: int) -> list[str]:
        if host in self.dead:
            raise FetchError(host, f"DNS knows no host {host}")
        return ["127.0.0.1"]


def opened(site: Any) -> None:
    assert site.app


@pytest.fixture
def desk(copy_site: Callable[..., Any], web: Web) -> Callable[..., Desk]:
    """`desk(a="…")`: a site with one source for each name, polled at /name; values are further lines of config."""

    def make(text: str = CONFIG, **more: str) -> Desk:
        site = copy_site(opened, CONFIG)
        (site.folder / "config.toml").write_text(text + "".join(
            SOURCE.format(slug=slug, url=web.url(f"/{slug}"), more=lines) for slug, lines in more.items()))
        return Desk(site)

    return make


def rss(*titles: str, date: datetime | None = None, more: str = "") -> bytes:
    """One article for each title, each a day older than the one before where there is a date."""
    dates = [f"<pubDate>{format_datetime(date - n * DAY)}</pubDate>" if date else "" for n in range(len(titles))]
    items = "".join(
        f"<item><guid isPermaLink='false'>{title}</guid><title>{title}</title><link>https://s.example/{title}</link>"
        f"<description>{title}, told at such a length that no other article could be meant by it.</description>"
        f"{dated}</item>" for title, dated in zip(titles, dates, strict=True))
    return (f"<?xml version='1.0'?><rss version='2.0' xmlns:sy='http://purl.org/rss/1.0/modules/syndication/'>"
            f"<channel><title>S</title>{more}{items}</channel></rss>").encode()


def asked_with(web: Web) -> tuple[str | None, str | None]:
    """If-None-Match and If-Modified-Since of the last request."""
    headers = web.asked[-1].headers
    return headers.get("if-none-match"), headers.get("if-modified-since")


def due_exactly_then(desk: Desk, web: Web, span: timedelta) -> None:
    """Nobody asks before `span` is over, and somebody does once all jitter is."""
    number = len(web.asked)
    assert span <= desk.wait() <= span * LATEST
    assert desk.after(span - MINUTE) == {}
    assert len(web.asked) == number
    assert desk.after(span * (LATEST - 1) + MINUTE)
    assert len(web.asked) == number + 1


# --- validators ---


def test_validators_are_opaque_and_renewed_from_200_and_304_alike(desk, web) -> None:
    it = desk(a="")
    web.says("/a", rss("One"), ETag="not quoted, W/really", Last_Modified="the day before")
    it.poll()
    assert asked_with(web) == (None, None)
    web.says("/a", status=304, ETag='W/"2"')
    assert it.after(2 * HOUR)["a"].not_modified
    assert asked_with(web) == ("not quoted, W/really", "the day before")
    web.says("/a", status=304)
    it.after(2 * HOUR)
    assert asked_with(web) == ('W/"2"', "the day before"), "renewed by the 304, and what it did not name was kept"
    it.restart()
    web.says("/a", rss("One", "Two"), ETag='"3"')
    it.after(2 * HOUR)
    assert asked_with(web) == ('W/"2"', "the day before"), "a 304 without any leaves both; so does a restart"
    web.says("/a", rss("One", "Two", "Three"))
    it.after(2 * HOUR)
    assert asked_with(web) == ('"3"', None), "a 200 replaces both"
    it.after(DAY * LATEST)
    assert asked_with(web) == (None, None)
    assert it.titles() == ["One", "Three", "Two"]


# --- how often ---


WISHES: list[tuple[dict[str, str], str, float, str]] = [   # headers, elements of the channel, hours, in whose words
    ({}, "", 1, "hourly"),
    ({"Cache_Control": "public, max-age=7200"}, "", 2, "Cache-Control"),
    ({"Cache_Control": "max-age=7200", "Age": "1800"}, "", 1.5, "Cache-Control"),
    ({"Cache_Control": "max-age=31536000"}, "", 24, "of which 24 hours are heeded"),
    ({"Cache_Control": "no-cache, max-age=7200"}, "", 1, "hourly"),
    ({"Cache_Control": "s-maxage=7200"}, "", 1, "hourly"),
    ({"Date": "Mon, 01 Jun 2026 05:00:00 GMT", "Expires": "Mon, 01 Jun 2026 08:00:00 GMT"}, "", 3, "Expires"),
    ({"Expires": "0"}, "", 1, "hourly"),
    ({}, "<ttl>180</ttl>", 3, "<ttl>"),
    ({}, "<sy:updatePeriod>daily</sy:updatePeriod><sy:updateFrequency>4</sy:updateFrequency>", 6, "sy:update"),
    ({"Cache_Control": "max-age=7200"}, "<ttl>180</ttl>", 3, "<ttl>"),
    ({"Cache_Control": "max-age=14400"}, "<ttl>180</ttl>", 4, "Cache-Control"),
]


def test_the_largest_of_all_wishes_is_waited_for(desk, web) -> None:
    it = desk(**{f"s{n}": "" for n in range(len(WISHES))})
    for n, (headers, more, _, _) in enumerate(WISHES):
        web.says(f"/s{n}", rss(f"One {n}", more=more), ETag='"1"', **headers)
    it.poll()
    for status in (200, 304):
        for n, (headers, more, hours, why) in enumerate(WISHES):
            assert hours * HOUR <= it.wait(f"s{n}") <= hours * HOUR * LATEST, (status, headers, more)
            assert why in it.state(f"s{n}").interval_reason, (status, headers, more)
            web.says(f"/s{n}", status=304, **headers)
        it.poll(force=True)
    assert asked_with(web) == ('"1"', None)


def test_nobody_is_asked_before_it_is_due_and_everybody_then(desk, web) -> None:
    it = desk(a="")
    web.says("/a", rss("One"), ETag='"1"', Cache_Control="max-age=7200")
    it.poll()
    due_exactly_then(it, web, 2 * HOUR)


def test_the_operator_s_interval_is_kept_unless_the_server_asks_for_more(desk, web) -> None:
    it = desk(a='every = "10m"')
    web.says("/a", rss("One"))
    it.poll()
    assert "`every` says 10 minutes" in it.state().interval_reason
    due_exactly_then(it, web, 10 * MINUTE)
    web.says("/a", rss("One", "Two"), Cache_Control="max-age=3600")
    it.after(HOUR)
    due_exactly_then(it, web, HOUR)


def test_hours_and_days_that_a_document_rules_out_are_kept_free(desk, web) -> None:
    it = desk(a="")  # the clock begins on a Monday at 06:00
    hours = "".join(f"<hour>{hour}</hour>" for hour in (7, 8, 9))
    web.says("/a", rss("One", more=f"<skipHours>{hours}</skipHours><skipDays><day>Tuesday</day></skipDays>"), ETag="x")
    it.poll()
    assert it.state().next_poll_at == it.site.now + 4 * HOUR
    assert "skipHours and skipDays" in it.state().interval_reason
    it.after(17.5 * HOUR)
    assert it.state().next_poll_at == it.site.now.replace(hour=0, minute=0) + 2 * DAY, "all of Tuesday is over"
    everything = "".join(f"<hour>{hour}</hour>" for hour in range(24))
    web.says("/a", rss("One", "Two", more=f"<skipHours>{everything}</skipHours>"), ETag="y")
    it.after(3 * DAY)
    assert HOUR <= it.wait() <= HOUR * LATEST, "that would be never, and is not meant"


def test_a_source_is_asked_as_often_as_it_publishes(desk, web) -> None:
    it = desk(a="")
    daily = [f"Day {n}" for n in range(5)]
    web.says("/a", rss(*daily, date=it.site.now), ETag='"1"')
    it.poll()
    assert it.state().interval_reason == "it publishes every 24 hours or so"
    web.says("/a", status=304)
    due_exactly_then(it, web, 6 * HOUR)
    for _ in range(10):
        it.after(DAY * LATEST)
    assert it.state().interval == DAY
    assert "it published nothing for" in it.state().interval_reason
    web.says("/a", rss("News", *daily, date=it.site.now), ETag='"2"')
    it.after(DAY * LATEST)
    assert 6 * HOUR <= it.wait() <= 8 * HOUR, "it is back"


def test_without_validators_a_day_goes_by(desk, web) -> None:
    it = desk(a="", b='every = "2h"')
    for slug in "ab":
        web.says(f"/{slug}", rss("One"))
    it.poll()
    assert "neither ETag nor Last-Modified" in it.state().interval_reason
    assert 2 * HOUR <= it.wait("b") <= 2 * HOUR * LATEST, "the operator said so"
    assert DAY <= it.wait("a") <= DAY * LATEST
    it.after(2 * HOUR * LATEST)
    assert web.paths() == ["/a", "/b", "/b"] or web.paths() == ["/b", "/a", "/b"]


def test_a_restart_asks_nobody_early(desk, web) -> None:
    it = desk(a="", b='every = "30m"', c="", d="")
    web.says("/a", rss("One"), ETag='"1"')
    web.says("/b", rss("Two"), ETag='"1"', Cache_Control="max-age=90000")
    web.says("/c", status=503, Retry_After="9000")
    web.says("/d", status=410)
    it.poll()
    waits = {slug: it.state(slug).next_poll_at for slug in "abcd"}
    for _ in range(3):
        it.restart()
        assert it.after(5 * MINUTE) == {}
    assert len(web.asked) == 4
    assert {slug: it.state(slug).next_poll_at for slug in "abcd"} == waits


# --- refusals ---


def test_retry_after_is_waited_for(desk, web) -> None:
    it = desk(s429='every = "5m"', s503='every = "5m"')

    def say(**headers: str) -> None:
        for status in (429, 503):
            web.says(f"/s{status}", status=status, **headers)

    def waits() -> list[timedelta]:
        return [it.wait("s429"), it.wait("s503")]

    say(Retry_After="18000")
    polls = it.poll()
    for status in (429, 503):
        assert str(status) in polls[f"s{status}"].error
        assert "Retry-After" in it.state(f"s{status}").interval_reason
    assert all(5 * HOUR <= wait <= 5 * HOUR * LATEST for wait in waits())
    assert it.after(5 * HOUR - MINUTE) == {}
    say(Retry_After=format_datetime(it.site.now + 8 * HOUR), Date=format_datetime(it.site.now))
    assert len(it.after(31 * MINUTE)) == 2
    assert all(8 * HOUR <= wait <= 8 * HOUR * LATEST for wait in waits()), "a date, by the server's own clock"
    say(Retry_After="99999999")
    it.after(9 * HOUR)
    assert all(7 * DAY <= wait <= 7 * DAY * LATEST for wait in waits()), "a week at most"
    for status in (429, 503):
        web.says(f"/s{status}", rss("One"), ETag="x", Retry_After="18000")
    it.after(8 * DAY)
    assert all(wait <= HOUR for wait in waits()), "an answer needs no second try"


def test_other_failures_double_the_wait_and_one_answer_forgets_them(desk, web) -> None:
    it = desk(a="")
    web.says("/a", status=500, Retry_After="999999")
    waits = []
    for _ in range(7):
        it.poll(force=True)
        waits.append(it.wait() / HOUR)
    for wait, hours in zip(waits, [2, 4, 8, 16, 24, 24, 24], strict=True):
        assert hours <= wait <= hours * LATEST
    web.says("/a", rss("One"), ETag="x")
    it.poll(force=True)
    assert HOUR <= it.wait() <= HOUR * LATEST
    assert (it.state().failures, it.state().last_error) == (0, "")


def test_gone_for_good_is_never_asked_again_and_its_articles_stay(desk, web) -> None:
    it = desk(a="")
    web.says("/a", rss("One", "Two"), ETag="x")
    it.poll()
    web.says("/a", status=410)
    poll = it.after(2 * HOUR)["a"]
    assert "410" in poll.error
    assert any("gone for good" in note for note in poll.notes), "the operator is told"
    state = it.state()
    assert (state.standing, state.next_poll_at) == (SourceStanding.GONE, None)
    assert "gone for good" in state.standing_reason
    with it.site.app.store.read() as connection:
        assert [s.slug for s in sources.failing(connection)] == ["a"], "and sees it among what fails"
    web.says("/a", rss("One", "Two", "Three"), ETag="y")
    assert it.after(400 * DAY) == {}
    it.restart()
    assert it.poll() == {}
    assert it.titles() == ["One", "Two"]
    it.restart(web.url("/a"), web.url("/new"))
    web.says("/new", rss("One", "Two", "Three"), ETag="y")
    assert it.poll()["a"].new == 1
    assert it.state().standing is SourceStanding.ACTIVE


# --- moves ---


def test_a_permanent_redirect_is_believed_after_a_week(desk, web) -> None:
    it = desk(s301='every = "1d"', s308='every = "1d"')
    web.says("/new", rss("One"), ETag='"1"')
    for status in (301, 308):
        web.says(f"/s{status}", status=status, Location="/new")
    assert sum(poll.new for poll in it.poll().values()) == 2, "and followed each time meanwhile"
    for _ in range(6):
        it.after(DAY * LATEST)
    assert sorted(web.paths()[-4:]) == ["/new", "/new", "/s301", "/s308"]
    polls = it.after(DAY * LATEST)
    for slug in ("s301", "s308"):
        assert it.state(slug).followed_url == web.url("/new")
        assert any("config.toml should say so" in note for note in polls[slug].notes)
    it.restart()
    it.after(DAY * LATEST)
    it.after(DAY * LATEST)
    assert web.paths()[-4:] == ["/new"] * 4
    assert it.state("s301").location == web.url("/s301"), "what the operator wrote stays"


def test_a_passing_redirect_never_is(desk, web) -> None:
    it = desk(**{f"s{status}": 'every = "1d"' for status in (302, 303, 307)})
    web.says("/new", rss("One"), ETag='"1"')
    for status in (302, 303, 307):
        web.says(f"/s{status}", status=status, Location="/new")
    for _ in range(5):
        it.after(4 * DAY)
    assert Counter(web.paths()) == {"/new": 15, "/s302": 5, "/s303": 5, "/s307": 5}
    assert {(it.state(slug).followed_url, it.state(slug).moved_to) for slug in ("s302", "s303", "s307")} == {("", "")}


def test_another_target_begins_the_week_anew(desk, web) -> None:
    it = desk(a='every = "1d"')
    for path in ("/new", "/other"):
        web.says(path, rss("One"), ETag='"1"')
    for target in ("/new", "/other", "/new"):
        web.says("/a", status=301, Location=target)
        for _ in range(3):
            it.after(2 * DAY)
    assert it.state().followed_url == ""
    it.after(3 * DAY)
    assert it.state().followed_url == web.url("/new")


def test_https_of_the_same_address_is_believed_at_once(desk, web) -> None:
    it = desk(a="", b="")
    for path in ("/a", "/b"):
        it.restart(web.url(path), web.url(path, "lantern.example"))
        web.says(f"https:{path}", rss("One"), ETag='"1"')
    web.says("http:/a", status=301, Location=web.url("/a", "lantern.example", "https"))
    web.says("http:/b", status=301, Location=web.url("/a", "lantern.example", "https"))
    it.poll()
    assert it.state("a").followed_url == web.url("/a", "lantern.example", "https")
    assert it.state("b").followed_url == "", "another path"
    it.poll(force=True)
    assert Counter(web.paths()) == {"http:/a": 1, "https:/a": 4, "http:/b": 2}


def test_a_front_page_is_never_a_source_s_new_address(desk, web) -> None:
    it = desk(a='every = "1d"')
    web.says("/a", status=301, Location="/")
    web.says("/", rss("One"), ETag='"1"')
    for _ in range(5):
        poll = it.after(5 * DAY)["a"]
    assert it.state().followed_url == ""
    assert any("front page" in note for note in poll.notes)


def test_an_address_that_was_followed_and_vanished_is_given_up(desk, web) -> None:
    it = desk(**dict.fromkeys(("s404", "s410", "dns"), 'every = "1d"'))
    for slug in ("s404", "s410", "dns"):
        web.says(f"/{slug}", status=301, Location=web.url(f"/new-{slug}", f"{slug}.example"))
        web.says(f"/new-{slug}", rss(slug), ETag='"1"')
    for _ in range(2):
        it.after(8 * DAY)
    assert [it.state(slug).followed_url for slug in ("s404", "dns")] == [
        web.url("/new-s404", "s404.example"), web.url("/new-dns", "dns.example")]
    it.dead.add("dns.example")
    web.says("/new-s404", status=404)
    web.says("/new-s410", status=410)
    it.after(8 * DAY)
    assert [bool(it.state(slug).followed_url) for slug in ("s404", "s410", "dns")] == [False, False, True]
    assert {it.wait(slug) <= HOUR * LATEST for slug in ("s404", "s410")} == {True}, "its own address is asked soon"
    for _ in range(2):
        it.poll(force=True)
    assert it.state("dns").followed_url == "", "a name may come back; for three polls it is asked"
    for slug in ("s404", "s410", "dns"):
        assert it.state(slug).standing is (SourceStanding.ACTIVE if slug != "s410" else SourceStanding.GONE), (
            "its own address still redirects to what is gone")
        web.says(f"/{slug}", rss(slug, f"{slug} is back"), ETag='"1"')
    number = len(web.asked)
    assert {slug: poll.new for slug, poll in it.after(8 * DAY).items()} == {"s404": 1, "dns": 1}
    assert [asked.headers.get("if-none-match") for asked in web.asked[number:]] == [None, None], (
        "the other address's validators went with it")


# --- what goes over the wire ---


def zstd(data: bytes) -> bytes:
    try:
        from compression import zstd as codec  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        from backports import zstd as codec
    return codec.compress(data)


def test_packed_answers_are_asked_for_and_read(desk, web) -> None:
    packed = {"gzip": gzip.compress, "br": brotli.compress, "zstd": zstd}
    it = desk(**dict.fromkeys(packed, ""))
    for coding, pack in packed.items():
        web.says(f"/{coding}", pack(rss(f"One by {coding}", "Two")), Content_Encoding=coding, ETag=f'"1-{coding}"')
    assert {slug: poll.new for slug, poll in it.poll().items()} == dict.fromkeys(packed, 2)
    assert set(packed) <= set(web.asked[0].headers["accept-encoding"].replace(" ", "").split(","))
    for coding in packed:
        web.says(f"/{coding}", status=304)
    assert all(poll.not_modified for poll in it.after(2 * HOUR).values())
    assert {asked.path: asked.headers.get("if-none-match") for asked in web.asked[3:]} == {
        f"/{coding}": f'"1-{coding}"' for coding in packed}


def test_a_delta_brings_what_is_new_and_loses_nothing(desk, web) -> None:
    """RFC 3229 with the instance manipulation "feed"."""
    it = desk(a="")
    web.says("/a", rss(*(f"Old {n}" for n in range(12))), ETag='"1"')
    it.poll()
    assert "a-im" not in web.asked[-1].headers, "there is nothing yet that a difference could be to"
    new = [f"New {n}" for n in range(11)]
    web.says("/a", rss(*new), status=226, ETag='"2"', IM="feed", Cache_Control="no-store, im")
    poll = it.after(2 * HOUR)["a"]
    assert web.asked[-1].headers["a-im"] == "feed"
    assert (poll.new, poll.held, poll.error) == (11, 0, ""), "most of a delta is new; that is no flood"
    assert len(it.titles()) == 23
    web.says("/a", status=304)
    it.after(2 * HOUR)
    assert asked_with(web) == ('"2"', None)


def test_we_say_who_we_are(desk, web) -> None:
    text = CONFIG + '[collect]\nwrite_to = "desk@lantern.example"\n'
    it = desk(text, a="")
    it.restart(web.url("/a"), f"http://127.0.0.1:{web.port}/a")
    web.says("/a", rss("One"), ETag="x")
    collect_due(it.site.app)
    said = web.asked[0].headers["user-agent"]
    assert said.startswith("Broadsheet/")
    assert "+https://lantern.example" in said
    assert "desk@lantern.example" in said


# --- many at once ---


def test_one_site_is_asked_by_one_at_a_time_and_spaced_while_others_have_their_turn(desk, web) -> None:
    it = desk(**{f"s{n}": "" for n in range(6)})
    hosts = ["a.one.example", "b.one.example", "one.example", "two.example", "three.example", "four.example"]
    for n, host in enumerate(hosts):
        it.restart(web.url(f"/s{n}"), web.url(f"/s{n}", host))
        web.says(f"/s{n}", rss(f"Article {n}"), ETag="x")
    web.takes = 0.03
    spacing = 0.25
    started = time.monotonic()
    polls = it.poll(spacing=timedelta(seconds=spacing))
    assert all(poll.new == 1 for poll in polls.values())
    of_one = [asked.at for asked in web.asked if asked.host.endswith("one.example")]
    others = [asked.at for asked in web.asked if not asked.host.endswith("one.example")]
    assert len(of_one) == len(others) == 3
    for n, at in enumerate(of_one):
        assert at - started >= n * spacing, "three names of one domain are one site"
    assert web.most_at_once["one.example"] == 1
    assert max(others) < of_one[-1], "nobody waited for somebody else's spacing"


def test_own_machines_are_not_spaced(desk, web) -> None:
    it = desk(**{f"s{n}": "" for n in range(4)})
    it.restart("feeds.example", "127.0.0.1")
    for n in range(4):
        web.says(f"/s{n}", rss(f"Article {n}"), ETag="x")
    started = time.monotonic()
    assert len(it.poll(spacing=timedelta(seconds=5))) == 4
    assert time.monotonic() - started < 5


def test_sources_that_were_added_together_drift_apart(desk, web) -> None:
    it = desk(**{f"s{n}": "" for n in range(6)})
    for n in range(6):
        web.says(f"/s{n}", rss(f"Article {n}"), ETag="x")
    it.poll()
    waits = {it.wait(f"s{n}") for n in range(6)}
    assert len(waits) > 1
    assert all(HOUR <= wait <= HOUR * LATEST for wait in waits)


def test_our_own_network_s_fault_is_nobody_s_failure(desk, web) -> None:
    it = desk(**{f"s{n}": "" for n in range(4)})
    for n in range(4):
        it.restart(web.url(f"/s{n}"), web.url(f"/s{n}", f"host{n}.example"))
        web.says(f"/s{n}", rss(f"Article {n}"), ETag="x")
        it.dead.add(f"host{n}.example")
    for _ in range(8):
        assert all(poll.error for poll in it.poll(force=True).values())
    assert all(it.wait(f"s{n}") <= 17 * MINUTE for n in range(4))
    assert "our own network" in it.state("s0").interval_reason
    it.dead.clear()
    assert all(poll.new == 1 for poll in it.after(17 * MINUTE).values())
