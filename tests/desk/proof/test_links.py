"""Links that lead nowhere are told; those of others are asked, ours never, and none for long."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pipeline.desk.proof.following import GOOD_FOR, LIMITS, MAX_LINKS, follow, still_holds
from pipeline.desk.proof.links import NO_SUCH_HOST, gather, judged
from pipeline.desk.proof.opened import Opened
from pipeline.net.fetch import Fetcher, Request, Response
from pipeline.store import link_checks, meta
from pipeline.store.link_checks import LinkCheck

Open = Callable[..., Opened]
NOW = datetime(2026, 6, 1, 6, tzinfo=UTC)


def gathered(opened: Opened) -> tuple[list[str], list[str]]:
    """(addresses to ask, what is wrong without asking); without the letter's own way out."""
    found = gather(opened)
    return list(found.outside), [one.text for one in found.findings]


def linked(*hrefs: str) -> str:
    return "".join(f'<p><a href="{href}">x</a></p>' for href in hrefs)


# --- which there are ---


def test_links_to_others_are_asked_once_each_without_their_fragments(opened: Open) -> None:
    body = linked("https://a.example/x#one", "https://a.example/x#two", "HTTP://b.example/?q=1", "https://a.example/y")
    assert gathered(opened(body)) == (
        ["https://a.example/x", "http://b.example/?q=1", "https://a.example/y"], [])


@pytest.mark.parametrize("href", [
    "https://lantern.example/u/secret", "https://lantern.example/p/secret", "https://lantern.example",
    "https://LANTERN.example/a/1#x",
    "https://lantern.example:443/u/secret", "https://lantern.example./u/secret",
    "mailto:desk@lantern.example", "tel:+4612345", "#top", "#"])
def test_ours_and_what_is_no_page_are_not_asked(opened: Open, href: str) -> None:
    assert gathered(opened(f'<p id="top">x</p>{linked(href)}')) == ([], [])


@pytest.mark.parametrize(("href", "complaint"), [
    ("/a/1", "leads nowhere in a mail"), ("a/1", "leads nowhere in a mail"), ("//a.example/x", "leads nowhere"),
    ("", "leads nowhere in a mail"), ("#nowhere", "not in the letter"), ("javascript:x()", "no address that mail"),
    ("ftp://a.example/x", "no address that mail"), ("https://[x/", "is no address"),
    ("https://a.example:port/", "is no address"), ("http://lantern.example/a/1", "not below https://lantern.example"),
])
def test_links_that_lead_nowhere_are_told_and_not_asked(opened: Open, href: str, complaint: str) -> None:
    outside, (text,) = gathered(opened(linked(href)))
    assert complaint in text
    assert outside == []


def test_a_site_in_a_folder_is_not_its_whole_host(opened: Open) -> None:
    letter = replace(opened().letter, public_url="https://lantern.example/news")
    outside, wrong = gathered(replace(opened(linked(
        "https://lantern.example/news/a/1", "https://lantern.example/newspaper"), way_out=""), letter=letter))
    assert outside == []
    assert wrong == ["is on our host, but not below https://lantern.example/news: https://lantern.example/newspaper"]


# --- what answers mean ---


@pytest.mark.parametrize(("status", "reason", "told"), [
    (200, "", ""), (204, "", ""), (404, "answers 404 Not Found", "warning"), (410, "answers 410 Gone", "warning"),
    (0, NO_SUCH_HOST, "warning"), (403, "answers 403", "note"), (429, "answers 429", "note"), (503, "x", "note"),
    (0, "did not answer in 10 s", "note"),
])
def test_only_what_is_surely_not_there_is_a_warning(status: int, reason: str, told: str) -> None:
    url = "https://a.example/"
    found = list(judged((url,), {url: LinkCheck(url, status, reason, NOW)}))
    assert [str(one.severity) for one in found] == ([told] if told else [])
    assert [one.place for one in found] == ([url] if told else [])


def test_many_answers_are_told_shortly_and_those_without_are_counted() -> None:
    urls = tuple(f"https://a.example/{n}" for n in range(40))
    answers = {url: LinkCheck(url, 404 if n < 15 else 403, "x", NOW) for n, url in enumerate(urls[:30])}
    texts = [one.text for one in judged(urls, answers)]
    assert texts[10] == "5 more links do not answer"
    assert texts[-1] == "15 more links could not be checked"
    assert len(texts) == 22
    assert next(judged(urls[:1], {})).text == "1 more links could not be checked: there was no time for it"


@pytest.mark.parametrize(("status", "holds_for"), [(200, timedelta(days=1)), (404, timedelta(hours=1)),
                                                   (0, timedelta(hours=1)), (403, timedelta(hours=1))])
def test_good_answers_hold_for_a_day_and_others_for_an_hour(status: int, holds_for: timedelta) -> None:
    check = LinkCheck("https://a.example/", status, "", NOW)
    assert still_holds(check, NOW)
    assert still_holds(check, NOW + holds_for - timedelta(seconds=1))
    assert not still_holds(check, NOW + holds_for)
    assert not still_holds(check, NOW - timedelta(seconds=1)), "a clock that was set back"


# --- asking ---


@dataclass
class Web:
    """A server on this machine, under any name. `answers`: path -> (status of HEAD, status of GET)."""

    answers: dict[str, tuple[int, int]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    wait: threading.Event = field(default_factory=threading.Event)
    port: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def url(self, path: str, host: str = "a.test") -> str:
        return f"http://{host}:{self.port}{path}"

    def fetcher(self) -> Fetcher:
        return Loopback("test", LIMITS, resolve=resolve)


class Loopback(Fetcher):
    def fetch(self, request: Request) -> Response:
        return super().fetch(replace(request, allow_networks=("127.0.0.1/32",)))


def resolve(host: str, _port: int) -> Sequence[str]:
    if host == "gone.test":
        raise socket.gaierror(socket.EAI_NONAME, "unknown")
    return ["127.0.0.1"]


class Handler(BaseHTTPRequestHandler):
    def __init__(self, web: Web, *args: Any) -> None:
        self.web = web
        super().__init__(*args)

    def do_HEAD(self) -> None:
        web = self.web
        with web.lock:
            web.asked.append(f"{self.command} {self.headers['Host'].partition(':')[0]}{self.path}")
            web.at_once += 1
            web.most_at_once = max(web.most_at_once, web.at_once)
        if self.path == "/slow":
            web.wait.wait(20)
        time.sleep(0.02)
        with web.lock:
            web.at_once -= 1
        self.send_response(web.answers.get(self.path, (200, 200))[self.command == "GET"])
        self.send_header("Content-Length", "3")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(b"yes")

    do_GET = do_HEAD  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, web))
    web.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield web
    web.wait.set()
    server.shutdown()
    server.server_close()
    thread.join()


def test_head_is_asked_and_get_where_that_is_refused(web: Web) -> None:
    web.answers |= {"/no-head": (405, 200), "/gone": (404, 404), "/busy": (503, 503)}
    urls = [web.url(path) for path in ("/here", "/no-head", "/gone", "/busy")]
    found = follow(urls, web.fetcher, None, NOW)
    assert [found[url].status for url in urls] == [200, 200, 404, 503]
    assert web.asked == ["HEAD a.test/here", "HEAD a.test/no-head", "GET a.test/no-head", "HEAD a.test/gone",
                         "GET a.test/gone", "HEAD a.test/busy", "GET a.test/busy"]
    assert found[urls[2]].reason == "answers 404 Not Found"


def test_a_host_that_does_not_exist_and_a_private_one_are_told_apart(web: Web) -> None:
    urls = ["http://gone.test/x", "http://10.0.0.1/x"]
    found = follow(urls, web.fetcher, None, NOW)
    assert found[urls[0]].reason == NO_SUCH_HOST
    assert "private" in found[urls[1]].reason
    assert [one.severity for one in judged(tuple(urls), found)] == ["warning", "note"]


def test_a_host_is_asked_one_after_the_other_and_not_any_more_when_it_says_so(web: Web) -> None:
    one = [web.url(f"/{n}") for n in range(4)]
    follow(one, web.fetcher, None, NOW)
    assert web.most_at_once == 1
    web.answers["/1"] = (429, 429)
    web.asked.clear()
    found = follow(one, web.fetcher, None, NOW)
    assert web.asked == ["HEAD a.test/0", "HEAD a.test/1"]
    assert [found[url].status for url in one] == [200, 429, 429, 429]


def test_all_of_it_ends_in_time_and_what_was_answered_till_then_counts(web: Web) -> None:
    urls = [web.url("/here"), *(web.url("/slow", f"{n}.test") for n in range(12))]
    began = time.monotonic()
    found = follow(urls, web.fetcher, None, NOW, all_s=0.6)
    assert time.monotonic() - began < 4
    assert list(found) == [urls[0]]
    assert web.most_at_once <= 8


def test_no_more_than_so_many_are_asked(web: Web) -> None:
    found = follow([web.url("/x", f"h{n}.test") for n in range(MAX_LINKS + 5)], web.fetcher, None, NOW)
    assert len(found) == MAX_LINKS


def test_answers_are_remembered(web: Web, make_site: Any) -> None:
    store = make_site().app.store
    web.answers["/gone"] = (404, 404)
    urls = [web.url("/here"), web.url("/gone")]
    first = follow(urls, web.fetcher, store, NOW)
    web.asked.clear()
    assert follow(urls, web.fetcher, store, NOW + timedelta(minutes=59)) == first
    assert web.asked == []
    web.answers.clear()
    later = follow(urls, web.fetcher, store, NOW + timedelta(hours=2))
    assert web.asked == ["HEAD a.test/gone"], "the good one is believed for a day"
    assert (later[urls[1]].status, later[urls[1]].checked_at) == (200, NOW + timedelta(hours=2))
    follow(urls[:1], web.fetcher, store, NOW + GOOD_FOR)
    assert len(web.asked) == 2
    follow([web.url("/new")], web.fetcher, store, NOW + timedelta(days=30))
    with store.read() as connection:
        assert set(link_checks.known(connection, [*urls, web.url("/new")])) == {web.url("/new")}, "the old are dropped"


def test_what_was_taken_down_while_it_was_asked_is_not_remembered(web: Web, make_site: Any) -> None:
    store = make_site().app.store

    def fetcher() -> Fetcher:
        with store.write() as connection:  # between the first look and the answers
            meta.take(connection, meta.TAKEN_DOWN)
        return web.fetcher()

    found = follow([web.url("/here")], fetcher, store, NOW)
    assert found[web.url("/here")].status == 200
    with store.read() as connection:
        assert link_checks.known(connection, [web.url("/here")]) == {}
