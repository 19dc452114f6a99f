"""robots.txt: what each answer means, whose rules hold, and that nobody is asked twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.collect.pages.robots import MAX_AGE, MAX_BODY, PageVerdict, decide_page, decide_robots
from pipeline.collect.pages.robots_cache import RobotsCache
from pipeline.errors import Refused
from pipeline.model.robots import Robots
from pipeline.net.fetch import Fetcher, Limits
from pipeline.store import robots as rows
from pipeline.store.engine import Store
from pipeline.store.migrate import migrate

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SITE = "https://paper.example:443"
LOOPBACK = ("127.0.0.1/32",)


def found(body: str = "", status: int = 200, **headers: str) -> Robots:
    return decide_robots(SITE, status, body.encode(), {k.replace("_", "-"): v for k, v in headers.items()}, NOW)


def may(body: str, path: str = "/a") -> bool:
    return decide_page(found(body), f"https://paper.example{path}").allowed


# --- what an answer means ---


@pytest.mark.parametrize(("status", "allowed", "later"), [
    (200, True, False), (204, True, False), (400, True, False), (401, True, False), (403, True, False),
    (404, True, False), (410, True, False), (451, True, False),
    (0, False, True), (429, False, True), (500, False, True), (502, False, True), (503, False, True),
    (302, False, True), (304, False, True), (100, False, True),
])
def test_what_an_answer_means(status: int, allowed: bool, later: bool) -> None:
    verdict = decide_page(found("", status), "https://paper.example/a")
    assert (verdict.allowed, verdict.later) == (allowed, later)
    assert "paper.example" in verdict.reason


def test_what_nobody_asked_for_is_no_permission() -> None:
    assert decide_page(None, "https://paper.example/a") == PageVerdict(
        allowed=False, later=True, reason="robots.txt of paper.example has not been read yet")


def test_reasons_are_words() -> None:
    assert decide_page(found(status=0), "https://paper.example/a").reason == (
        "robots.txt of paper.example could not be reached, which means no for now")
    assert decide_page(found(status=503), "https://paper.example/a").reason == (
        "robots.txt of paper.example answers 503, which means no for now")
    assert decide_page(found("User-agent: *\nDisallow: /"), "https://paper.example/a").reason == (
        "robots.txt of paper.example forbids this page")


@pytest.mark.parametrize(("body", "path", "allowed"), [
    ("", "/a", True),
    ("User-agent: *\nDisallow:", "/a", True),
    ("User-agent: *\nDisallow: /", "/a", False),
    ("User-agent: *\nDisallow: /", "/robots.txt", True),
    ("User-agent: *\nDisallow: /a", "/about", False),
    ("User-agent: *\nDisallow: /a/", "/about", True),
    ("User-agent: *\nDisallow: /\nAllow: /a", "/about", True),               # the longer rule
    ("User-agent: *\nAllow: /a\nDisallow: /a", "/a", True),                  # the kinder of two as long
    ("User-agent: *\nDisallow: /*.pdf$", "/x.pdf", False),
    ("User-agent: *\nDisallow: /*.pdf$", "/x.pdf?a", True),
    ("User-agent: *\nDisallow: /s?q=", "/s?q=1", False),
    ("User-agent: *\nDisallow: /%C3%A5", "/å", False),
    ("user-agent: *\r\ndisallow: /a\r\n", "/a", False),
    ("\ufeffUser-agent: *\nDisallow: /", "/a", False),
    ("User-agent: broadsheet\nDisallow: /", "/a", False),
    ("User-agent: BroadSheet/2.0\nDisallow: /", "/a", False),
    ("User-agent: *\nDisallow: /\n\nUser-agent: Broadsheet\nAllow: /", "/a", True),   # ours, not everybody's
    ("User-agent: *\nDisallow: /\n\nUser-agent: Broadsheet\nDisallow:", "/a", True),
    ("User-agent: broadsheet\nDisallow: /b\n\nUser-agent: broadsheet\nDisallow: /a", "/a", False),  # both groups
    ("User-agent: other\nUser-agent: broadsheet\nDisallow: /", "/a", False),
    ("User-agent: broadsheet\nUser-agent: other\nDisallow: /", "/a", False),
    ("User-agent: broadsheet\n\nUser-agent: other\nDisallow: /", "/a", False),   # an empty line ends no group
    ("User-agent: broadsheet\nAllow: /\nUser-agent: other\nDisallow: /", "/a", True),
    ("User-agent: other\nDisallow: /", "/a", True),
    ("User-agent: b\nDisallow: /", "/a", True),
    ("User-agent: broad\nDisallow: /", "/a", True),
    ("User-agent: broadsheet-images\nDisallow: /", "/a", True),
    ("User-agent: *\nDisallow: / # all of it", "/a", False),
    ("Disallow: /", "/a", True),                                                 # for nobody
    ("<!doctype html><title>Not found</title>", "/a", True),
    ("User-agent: *\nDisallow: /" + "x" * 3_000, "/x", True),
])
def test_rules(body: str, path: str, allowed: bool) -> None:
    assert may(body, path) is allowed


def test_a_crawl_delay_is_told_and_capped() -> None:
    def delay(text: str) -> timedelta:
        return decide_page(found(text), "https://paper.example/a").crawl_delay

    assert delay("User-agent: *\nCrawl-delay: 2.5") == timedelta(seconds=2.5)
    assert delay("User-agent: broadsheet\nCrawl-delay: 86400\nDisallow: /a") == timedelta(seconds=30)
    for nonsense in ("-1", "nan", "inf", "1e999", "soon", "", "٣"):
        assert delay(f"User-agent: *\nCrawl-delay: {nonsense}") <= timedelta(seconds=3)
    assert delay("User-agent: other\nCrawl-delay: 9") == timedelta()


def test_rules_beyond_the_cap_do_not_exist() -> None:
    filling = "User-agent: *\n" + "# filling\n" * (MAX_BODY // 10)
    assert may(filling + "Disallow: /", "/a")
    assert not may("User-agent: *\nDisallow: /a\n" + filling, "/a")


@pytest.mark.parametrize("body", [
    "User-agent: a{n}\n", "User-agent: *\nUser-agent: a{n}\n", "Disallow: /*a*a*a*a*a*a*a*a*b{n}\n",
    "User-agent: *\nDisallow: /{n}\n",
])
def test_a_large_one_takes_no_time(body: str) -> None:
    """A parser that gives each rule to every name of its group takes minutes and 20 GB for the first of them."""
    text = "User-agent: *\n" + "".join(body.replace("{n}", str(n)) for n in range(MAX_BODY // len(body) // 2))
    text += "Disallow: /x\n" * 10_000
    started = time.process_time()
    may(text, "/" + "a" * 3_000)
    assert time.process_time() - started < 3


@given(st.text() | st.lists(st.sampled_from(["User-agent: *", "Disallow: /", "Allow: *$", "\n", ":", "%", "é", "\x00"])
                            ).map("".join), st.text(max_size=20))
def test_no_text_is_too_strange(body: str, path: str) -> None:
    assert decide_page(found(body), f"https://paper.example/{path}").reason


# --- how long it holds ---


@pytest.mark.parametrize(("headers", "hours"), [
    ({}, 24), ({"cache_control": "max-age=3600"}, 1), ({"cache_control": "max-age=864000"}, 24),
    ({"cache_control": "no-cache"}, 1 / 6), ({"cache_control": "max-age=0"}, 1 / 6),
    ({"cache_control": "max-age=5"}, 1 / 6),
    ({"expires": "Sun, 22 Nov 2026 14:00:00 GMT"}, 2),
])
def test_how_long_it_holds(headers: dict[str, str], hours: float) -> None:
    assert found("", 200, **headers).expires_at - NOW == timedelta(hours=hours)


def test_what_was_known_holds_while_the_site_is_down() -> None:
    known = found("User-agent: *\nDisallow: /a")
    later = NOW + timedelta(days=3)
    kept = decide_robots(SITE, 0, b"", {}, later, known=known)
    assert (kept.status, kept.body, kept.fetched_at) == (200, known.body, NOW)
    assert kept.expires_at == later + timedelta(hours=1)
    assert not decide_page(kept, f"{SITE}/a").later
    much_later = NOW + timedelta(days=31)
    assert decide_page(decide_robots(SITE, 0, b"", {}, much_later, known=kept), f"{SITE}/b").later


@pytest.mark.parametrize(("wish", "waited"), [
    (None, timedelta(hours=1)), (timedelta(seconds=5), timedelta(minutes=10)), (timedelta(hours=6), timedelta(hours=6)),
    (timedelta(days=6), MAX_AGE),
])
def test_a_busy_site_is_asked_when_it_likes(wish: timedelta | None, waited: timedelta) -> None:
    assert decide_robots(SITE, 429, b"", {}, NOW, retry_after=wish).expires_at - NOW == waited


# --- asked once ---


class Site:
    """Counts who asks for /robots.txt, and answers as told."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status, self.body, self.headers, self.wait = 200, b"User-agent: *\nDisallow: /a\n", {}, 0.0
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                time.sleep(site.wait)
                self.send_response(site.status)
                for name, value in {"Content-Length": str(len(site.body)), **site.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(site.body)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('robots')}/site.db")
    migrate(store)
    yield store
    store.close()


@pytest.fixture
def store(migrated: Store) -> Store:
    with migrated.write() as connection:
        rows.forget_expired(connection, datetime.max.replace(tzinfo=UTC))
    return migrated


@pytest.fixture
def cache(store: Store) -> Iterator[Callable[[], RobotsCache]]:
    """`cache()` is one as after a restart."""
    fetcher = Fetcher("Broadsheet/1 (test)", Limits(connect_s=2, total_s=5))
    yield lambda: RobotsCache(store, fetcher)
    fetcher.close()


def test_it_is_asked_once_a_day_and_not_after_a_restart(site: Site, cache: Callable[[], RobotsCache]) -> None:
    first = cache()
    assert not first.may_fetch(f"{site.url}/a/1?x", NOW, LOOPBACK).allowed
    assert first.may_fetch(f"{site.url}/b", NOW + timedelta(hours=23), LOOPBACK).allowed
    assert not cache().may_fetch(f"{site.url}/a", NOW + timedelta(hours=23), LOOPBACK).allowed
    assert site.asked == ["/robots.txt"]
    site.body = b""
    assert cache().may_fetch(f"{site.url}/a", NOW + timedelta(hours=24), LOOPBACK).allowed
    assert site.asked == ["/robots.txt"] * 2


def test_threads_that_want_the_same_make_one_request(site: Site, cache: Callable[[], RobotsCache]) -> None:
    site.wait = 0.05
    shared, verdicts = cache(), []

    def ask() -> None:
        verdicts.append(shared.may_fetch(f"{site.url}/a", NOW, LOOPBACK).allowed)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verdicts == [False] * 8
    assert site.asked == ["/robots.txt"]


def test_answers_that_are_none(site: Site, cache: Callable[[], RobotsCache]) -> None:
    site.status, site.headers = 503, {"Retry-After": "7200"}
    asking = cache()
    assert asking.may_fetch(f"{site.url}/b", NOW, LOOPBACK).later
    site.status = 404
    assert asking.may_fetch(f"{site.url}/b", NOW + timedelta(minutes=119), LOOPBACK).later
    assert asking.may_fetch(f"{site.url}/b", NOW + timedelta(minutes=121), LOOPBACK).allowed
    site.close()
    assert asking.may_fetch(f"{site.url}/b", NOW + timedelta(hours=20), LOOPBACK).allowed
    dead = "http://127.0.0.1:9"
    assert "could not be reached" in asking.may_fetch(f"{dead}/b", NOW, LOOPBACK).reason


def test_one_source_s_guard_is_no_other_s_answer(site: Site, cache: Callable[[], RobotsCache], store: Store) -> None:
    """A hostile feed that names a page on our own network must not keep the operator's own source from reading it."""
    asking = cache()
    with pytest.raises(Refused):
        asking.may_fetch(f"{site.url}/b", NOW)
    inside = site.url.replace(str(site.url.rpartition(":")[2]), "80")
    assert asking.may_fetch(f"{inside}/b", NOW).later
    with store.read() as connection:
        assert rows.find(connection, inside) is None
    assert site.asked == []
    assert asking.may_fetch(f"{site.url}/b", NOW, LOOPBACK).allowed


def test_what_expired_long_ago_is_forgotten(store: Store) -> None:
    with store.write() as connection:
        rows.save(connection, found("one"))
        rows.save(connection, found("two"))
        assert rows.find(connection, SITE) == found("two")
        assert rows.forget_expired(connection, NOW) == 0
        assert rows.forget_expired(connection, NOW + timedelta(days=2)) == 1
        assert rows.find(connection, SITE) is None
