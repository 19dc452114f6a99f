"""From a feed that names a hub to an article that a push brought along: with a hub that verifies, pushes and forgets,
the pages really served, the stage really polling. All on loopback; the clock is the test's.
"""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from pipeline.jobs import clock
from pipeline.jobs.clock import Clock
from pipeline.jobs.collecting import collect_due, keep_hubs, wake_pushed
from pipeline.jobs.worker import working
from pipeline.model.sources import Hints
from pipeline.store import articles, sources, websub
from pipeline.store.websub import HubState, HubSubscription
from pipeline.web.app import bind, server

PUBLIC = "https://lantern.example.org/news"
CONFIG = f"""
config_version = 1
[site]
title = "The Lantern"
public_url = "{PUBLIC}"
[web]
listen = "127.0.0.1:0"
"""
SOURCE = """
[[sources]]
slug = "{slug}"
url = "http://127.0.0.1:{port}/{slug}.xml"
allow_networks = ["127.0.0.0/8"]
"""


@dataclass
class Paper:
    """Publishes feeds, and is the hub that tells of them: path -> titles; callback -> (topic, secret)."""

    feeds: dict[str, list[str]] = field(default_factory=dict)
    subscribers: dict[str, tuple[str, str]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)    # callbacks that did not confirm
    asked: list[dict[str, str]] = field(default_factory=list)
    verifies: bool = True
    port: int = 0
    web_port: int = 0

    def feed(self, path: str) -> bytes:
        here = f"http://127.0.0.1:{self.port}"
        items = "".join(f"<item><guid isPermaLink='false'>{t}</guid><title>{t}</title><description>All about {t}, at "
                        f"such a length that nobody takes it for another.</description></item>"
                        for t in self.feeds[path])
        return (f"<rss version='2.0' xmlns:atom='http://www.w3.org/2005/Atom'><channel><title>S</title>"
                f"<atom:link rel='hub' href='{here}/hub'/><atom:link rel='self' href='{here}{path}'/>"
                f"{items}</channel></rss>").encode()

    def subscribe(self, form: dict[str, str]) -> None:
        self.asked.append(form)
        if self.verifies:
            self.verify(form)

    def verify(self, form: dict[str, str]) -> bool:
        """Make sure that they want it, and remember that they do."""
        query = {"hub.mode": form["hub.mode"], "hub.topic": form["hub.topic"], "hub.challenge": "say this",
                 "hub.lease_seconds": "86400"}
        status, body = self.call("GET", f"{form['hub.callback']}?{urlencode(query)}")
        if (status, body) != (200, b"say this"):
            self.refused.append(form["hub.callback"])
            return False
        if form["hub.mode"] == "subscribe":
            self.subscribers[form["hub.callback"]] = (form["hub.topic"], form["hub.secret"])
        else:
            self.subscribers.pop(form["hub.callback"], None)
        return True

    def publish(self, path: str, title: str, *, told: bytes = b"") -> list[int]:
        """A new article, told to all who subscribed, or something else told; their answers."""
        self.feeds[path].insert(0, title)
        body = self.feed(path).replace(title.encode(), told or title.encode())
        return [self.push(callback, body, secret) for callback, (topic, secret) in self.subscribers.items()
                if urlsplit(topic).path == path]

    def push(self, callback: str, body: bytes, secret: str) -> int:
        signature = hmac.new(secret.encode(), body, "sha256").hexdigest()
        return self.call("POST", callback, body, {"X-Hub-Signature": f"sha256={signature}"})[0]

    def call(self, method: str, url: str, body: bytes = b"", headers: Any = None) -> tuple[int, bytes]:
        """Ask where the public address leads; a reverse proxy leaves the path as it is."""
        assert url.startswith(PUBLIC)
        connection = HTTPConnection("127.0.0.1", self.web_port, timeout=5)
        try:
            connection.request(method, url.removeprefix("https://lantern.example.org"), body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@pytest.fixture
def paper() -> Iterator[Paper]:
    made = Paper()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(200 if self.path in made.feeds else 404, made.feed(self.path))

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            made.subscribe({name: values[0] for name, values in form.items()})
            self.answer(202, b"")

        def answer(self, status: int, body: bytes) -> None:
            self.send_response_only(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.port = running.server_port
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    running.shutdown()
    thread.join()
    running.server_close()


@dataclass
class House:
    """An instance, its pages served."""

    site: Any
    paper: Paper

    def poll(self) -> None:
        collect_due(self.site.app)

    def saw_polled(self, *slugs: str) -> None:
        """As a poll would leave them, without what that costs."""
        here = f"http://127.0.0.1:{self.paper.port}"
        with self.site.app.store.write() as connection:
            for slug in slugs:
                hints = Hints(hub=f"{here}/hub", self_url=f"{here}/{slug}.xml")
                sources.record_poll(
                    connection, sources.state(connection, slug).id, hints=hints,
                    last_polled_at=self.site.now, next_poll_at=self.site.now + timedelta(hours=1))

    def keep(self) -> int:
        return keep_hubs(self.site.app, None, lambda: True)

    def row(self, slug: str = "a") -> HubSubscription | None:
        with self.site.app.store.read() as connection:
            return websub.of_sources(connection).get(slug)

    def relied_on(self) -> int:
        with self.site.app.store.read() as connection:
            return len(websub.pushed_sources(connection, self.site.now))

    def due(self) -> list[str]:
        with self.site.app.store.read() as connection:
            return [s.slug for s in sources.due(connection, self.site.now, 9)]

    def titles(self) -> set[str]:
        with self.site.app.store.read() as connection:
            return {a.title for a in articles.search(connection, limit=99)}


def _opened(site: Any) -> None:
    assert site.app


@pytest.fixture
def house(copy_site: Callable[..., Any], paper: Paper) -> Iterator[House]:
    """Both sources were polled, and said what they say of their hub."""
    paper.feeds = {"/a.xml": ["First of a"], "/b.xml": ["First of b"]}
    made = House(copy_site(_opened, CONFIG), paper)
    (made.site.folder / "config.toml").write_text(
        CONFIG + "".join(SOURCE.format(slug=slug, port=paper.port) for slug in "ab"))
    made.saw_polled("a", "b")
    ready = threading.Event()
    web = server(made.site.app, on_ready=ready.set)
    with bind(made.site.app.config.web) as listener:
        paper.web_port = listener.getsockname()[1]
        thread = threading.Thread(target=web.run, kwargs={"sockets": [listener]})
        thread.start()
        assert ready.wait(10)
        yield made
        web.should_exit = True
        thread.join(10)


def test_from_a_hub_to_an_article(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "PUSHED", timedelta(seconds=0.05))
    house.site.advance(hours=1)
    house.poll()
    assert house.titles() == {"First of a", "First of b"}
    assert house.keep() == 2, "two sources of one hub"
    assert len(house.paper.subscribers) == 2, "both were verified while they were asked for"
    assert (house.relied_on(), house.due()) == (0, [])
    house.site.advance(minutes=10)
    told = []
    with working(house.site.app.store, house.site.app.data_folder, house.site.app.now) as worker:
        running = Clock(house.site.app, worker, told.append)
        running.start()
        try:
            assert house.paper.publish("/a.xml", "Second of a", told=b"A lie, not the second") == [204]
            until = time.monotonic() + 10
            while "Second of a" not in house.titles() and time.monotonic() < until:
                time.sleep(0.02)
        finally:
            running.stop()
    assert house.titles() == {"First of a", "First of b", "Second of a"}
    # what the push itself brought is nowhere: the source was asked
    assert [poll.source for report in told for poll in report.polls] == ["a"], "nobody else was asked, and a once"
    assert house.relied_on() == 1


def test_a_late_verification_and_a_forged_push(house: House) -> None:
    house.paper.verifies = False
    house.keep()
    house.site.advance(hours=20)
    form = next(f for f in house.paper.asked if f["hub.topic"].endswith("a.xml"))
    assert house.paper.push(form["hub.callback"], b"<rss/>", "a guess") == 204
    assert house.row() is not None
    assert house.row().last_push_at is None
    assert house.paper.verify(form), "hubs may take their time"
    assert not house.paper.verify(form | {"hub.topic": "https://other.example.org/"})
    assert not house.paper.verify(form | {"hub.mode": "unsubscribe"})
    assert house.paper.publish("/a.xml", "Second of a") == [204]
    assert house.relied_on() == 1


def test_a_lease_that_was_shorter_than_we_asked_for(house: House) -> None:
    house.keep()
    house.site.advance(minutes=10)
    house.paper.publish("/a.xml", "Second of a")
    house.saw_polled("a")
    assert house.relied_on() == 1
    house.paper.subscribers.clear()     # it forgets us after a day, which no GET may write down
    house.site.advance(days=1)
    house.paper.publish("/a.xml", "Third of a")
    with house.site.app.store.write() as connection:
        sources.record_poll(connection, house.row().source_id, last_new_at=house.site.now)  # polled
    assert house.relied_on() == 0
    assert house.keep() == 2, "a because it kept silent, b because it never told of anything"
    assert house.paper.publish("/a.xml", "Fourth of a") == [204]
    assert house.relied_on() == 1


def test_two_pushes_at_once_and_one_during_a_poll(house: House) -> None:
    house.keep()
    house.site.advance(minutes=10)
    answers: list[list[int]] = []
    threads = [threading.Thread(target=lambda n=n: answers.append(house.paper.publish(f"/{n}.xml", f"Second of {n}")))
               for n in "aab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [[204]] * 3
    assert sorted(house.due()) == ["a", "b"]
    house.saw_polled("a", "b")  # at the very second of the pushes: what came in it counts
    assert house.due() == []
    house.site.advance(minutes=5)
    assert wake_pushed(house.site.app)
    assert sorted(house.due()) == ["a", "b"]
    house.saw_polled("a", "b")
    house.site.advance(minutes=5)
    assert not wake_pushed(house.site.app)


def test_who_leaves_confirms_it_and_is_told_nothing_more(house: House) -> None:
    house.keep()
    old = dict(house.paper.subscribers)
    with house.site.app.store.write() as connection:
        sources.record_poll(connection, house.row().source_id, standing="gone", next_poll_at=None)
    assert house.keep() == 1
    assert house.row().state is HubState.LEAVING
    assert [topic for topic, _ in house.paper.subscribers.values()] == [f"http://127.0.0.1:{house.paper.port}/b.xml"]
    [gone] = old.keys() - house.paper.subscribers.keys()
    assert house.paper.push(gone, b"<rss/>", old[gone][1]) == 410
    house.site.advance(hours=1)
    house.keep()
    assert house.row() is None
    assert house.paper.push(gone, b"<rss/>", old[gone][1]) == 404
