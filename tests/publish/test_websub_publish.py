"""The hub hears of each feed that has news, once: with a real one on loopback that takes notes, and can be down, slow
or rude. Whatever it is, feeds are built."""

from __future__ import annotations

import hmac
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from lxml import etree

from pipeline.collect.identify import make_drafts
from pipeline.desk.preflight import preflight
from pipeline.jobs.collecting import collect_due, keep_hubs, wake_pushed
from pipeline.jobs.steps import publish_all
from pipeline.model.articles import Found, Show
from pipeline.net.fetch import Fetcher, Limits
from pipeline.publish import websub
from pipeline.publish.websub import FIRST_RETRY, LAST_RETRY, backoff, tell_hub
from pipeline.store import articles, feeds, sources
from pipeline.store.articles import Acceptance
from pipeline.web.app import server

PUBLIC = "https://lantern.example/feeds"
CONFIG = """
config_version = 1
[site]
title = "The Lantern"
public_url = "https://lantern.example"
[[sources]]
slug = "desk"
folder = "articles"
[[feeds]]
slug = "all"
title = "Everything"
select = {{ limit = 10 }}
[[feeds]]
slug = "sea"
title = "The sea"
select = {{ topics = ["sea"] }}
[publish]
hub = "http://127.0.0.1:{port}/"
hub_networks = ["127.0.0.0/8"]
"""
NETWORKS = 'hub_networks = ["127.0.0.0/8"]'
FILES = ("rss.xml", "atom.xml", "feed.json")


@dataclass
class Hub:
    """Notes what it is told; answers with `status`, or not at all while `silent`."""

    port: int = 0
    told: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)   # content type, form
    status: int = 204
    silent: bool = False
    go_on: threading.Event = field(default_factory=threading.Event)
    heard: Callable[[dict[str, str]], None] | None = None

    def news(self) -> list[str]:
        """The addresses that it was told of since the last call, in their order."""
        found = []
        for kind, form in self.told:
            assert kind == "application/x-www-form-urlencoded"
            assert form["hub.mode"] == ["publish"]
            [topic] = form["hub.url"]
            assert form.get("hub.topic", [topic]) == [topic]
            found.append(topic)
        self.told.clear()
        return found


@pytest.fixture(scope="module")
def running_hub() -> Iterator[Hub]:
    made = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode(), strict_parsing=True)
            made.told.append((self.headers["Content-Type"], form))
            if made.silent:
                made.go_on.wait(10)
            if made.heard:
                made.heard({name: values[0] for name, values in form.items()})
            self.send_response_only(made.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.port = running.server_port
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.go_on.set()
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.fixture
def hub(running_hub: Hub) -> Iterator[Hub]:
    running_hub.status, running_hub.silent, running_hub.heard = 204, False, None
    running_hub.go_on.clear()
    running_hub.told.clear()
    yield running_hub
    running_hub.go_on.set()


def published(site: Any) -> None:
    accept(site, "Article one", "sea")
    publish_all(site.app)
    site.advance(hours=1)


@pytest.fixture
def site(hub: Hub, copy_site: Callable[..., Any]) -> Any:
    """Two feeds, published, of which the hub has heard."""
    made = copy_site(published, CONFIG.format(port=hub.port))
    publish_all(made.app)  # it lies elsewhere now
    hub.told.clear()
    return made


def accept(site: Any, title: str, topic: str = "city") -> None:
    html = f"<p>This is {title}, told at some length, so that nobody could take it for another one.</p>"
    found = Found(title=title, html=html, guid=title, published_at=site.now, topics=(topic,))
    drafts = make_drafts([found], source_url="", now=site.now, show=Show.FULL)
    with site.app.store.write() as connection:
        articles.add(connection, sources.state(connection, "desk").id,
                     [(draft, Acceptance(Show.FULL, mailable=True)) for draft in drafts], site.now)


def configure(site: Any, old: str, new: str) -> None:
    path = site.folder / "config.toml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    site.close()


def state(site: Any, slug: str = "all") -> feeds.FeedState:
    with site.app.store.read() as connection:
        found = feeds.state(connection, slug)
    assert found is not None
    return found


def documents(*slugs: str) -> list[str]:
    return [f"{PUBLIC}/{slug}/{name}" for slug in slugs for name in FILES]


# --- what it is told ---


def test_a_new_feed_is_news(hub: Hub, make_site: Callable[..., Any]) -> None:
    site = make_site(CONFIG.format(port=hub.port))
    assert publish_all(site.app).failed == {}
    assert hub.news() == documents("all", "sea"), "each of its three documents, under its public address"


def test_the_feeds_that_changed_and_no_others(hub: Hub, site: Any) -> None:
    accept(site, "Article two")
    done = publish_all(site.app)
    assert {name.parts[0] for name in done.written} >= {"all"}
    assert hub.news() == documents("all")
    accept(site, "Article three", "sea")
    publish_all(site.app)
    assert hub.news() == documents("all", "sea")
    assert (state(site).ping_due_at, state(site).ping_failures) == (None, 0)


def test_nothing_new_is_no_news(hub: Hub, site: Any) -> None:
    publish_all(site.app)
    site.advance(days=2)
    publish_all(site.app, everything=True)
    for name in ("all/rss.xml", "sea/feed.json"):
        (site.folder / "feeds" / name).unlink()
    assert publish_all(site.app).written
    configure(site, NETWORKS, f'{NETWORKS}\ncompress = ["gzip"]')
    assert publish_all(site.app).written
    assert hub.told == [], "files that come back, or have twins now, say what they said"


def test_a_page_that_looks_otherwise_is_no_news(hub: Hub, site: Any) -> None:
    own = site.folder / "templates" / "feeds"
    own.mkdir(parents=True)
    (own / "feed.html.j2").write_text("<p>{{ title }}</p>")
    assert "all/index.html" in map(str, publish_all(site.app).written)
    assert hub.news() == []


def test_topics_of_a_feed_and_where_feeds_are_served(hub: Hub, site: Any) -> None:
    configure(site, 'title = "Everything"', 'title = "Everything"\nper_topic = true')
    configure(site, NETWORKS, f'{NETWORKS}\nurl = "https://cdn.example/f"')
    for number in range(3):
        accept(site, f"Number {number}", "ö")
    publish_all(site.app)
    with site.app.store.read() as connection:
        [slug] = [s.slug for s in feeds.states(connection) if s.topic == "ö"]
    told = hub.news()
    assert len(told) == len(set(told)) == 9
    assert {topic.removeprefix("https://cdn.example/f/").rpartition("/")[0] for topic in told} == {"all", "sea", slug}


def test_a_withdrawn_article_is_news(hub: Hub, site: Any) -> None:
    from pipeline.store.withdrawals import withdraw

    with site.app.store.write() as connection:
        withdraw(connection, [1], "", lambda *_: ("", ""), site.now)
    publish_all(site.app)
    assert hub.news() == documents("all", "sea")


def test_without_a_hub_nobody_is_told_and_nothing_waits(hub: Hub, site: Any) -> None:
    configure(site, f'hub = "http://127.0.0.1:{hub.port}/"', "")
    accept(site, "Article two", "sea")
    publish_all(site.app)
    assert hub.told == []
    assert state(site).ping_due_at is None
    assert "hub" not in (site.folder / "feeds/all/rss.xml").read_text()
    with serving(site) as port:
        assert call(port, "GET", "/feeds/all/rss.xml")[1] == ""


def test_a_feed_that_has_ended_is_not_told_of(hub: Hub, site: Any) -> None:
    hub.status = 500
    accept(site, "Article two", "sea")
    publish_all(site.app)
    assert state(site, "sea").ping_due_at is not None
    hub.told.clear()
    hub.status = 204
    configure(site, '[[feeds]]\nslug = "sea"\ntitle = "The sea"\nselect = { topics = ["sea"] }', "")
    site.advance(hours=1)
    publish_all(site.app)
    assert hub.news() == documents("all")


def test_no_more_than_a_number_at_once(hub: Hub, site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websub, "AT_ONCE", 1)
    accept(site, "Article two", "sea")
    publish_all(site.app)
    assert hub.news() == documents("all")
    publish_all(site.app)
    assert hub.news() == documents("sea")


# --- trouble ---


@contextmanager
def nobody() -> Iterator[int]:
    """A port that nobody listens on, and nobody else gets."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_a_hub_that_is_down(hub: Hub, site: Any) -> None:
    with nobody() as port:
        configure(site, f":{hub.port}/", f":{port}/")
        done = publish_all(site.app)
        assert f"hub http://127.0.0.1:{port}/" in done.failed["hub"]
        assert f":{port}/" in (site.folder / "feeds/all/rss.xml").read_text()
        assert state(site).ping_error == done.failed["hub"]
        assert publish_all(site.app).failed == {}, "it has been said"


def test_a_hub_that_fails_is_told_later_and_later_still(hub: Hub, site: Any) -> None:
    hub.status = 500
    accept(site, "Article two", "sea")
    done = publish_all(site.app)
    assert "500" in done.failed["hub"]
    assert {name.parts[0] for name in done.written} >= {"all", "sea"}
    assert "Article two" in (site.folder / "feeds/sea/rss.xml").read_text()
    assert hub.news() == documents("all")[:1], "it is asked once, and for no other feed"
    for failures in range(1, 13):
        wait = backoff(failures - 1)
        assert [state(site, slug).ping_failures for slug in ("all", "sea")] == [failures] * 2
        site.advance(seconds=wait.total_seconds() - 1)
        assert publish_all(site.app).failed == {}
        assert hub.told == [], "not yet"
        site.advance(seconds=1)
        assert "500" in publish_all(site.app).failed["hub"]
        assert hub.news() == documents("all")[:1]
    hub.status = 202
    site.now += LAST_RETRY
    assert publish_all(site.app).failed == {}
    assert hub.news() == documents("all", "sea")
    assert (state(site).ping_due_at, state(site).ping_failures, state(site).ping_error) == (None, 0, "")


def test_another_hub_need_not_wait_for_the_one_before(hub: Hub, site: Any) -> None:
    hub.status = 500
    accept(site, "Article two")
    assert "500" in publish_all(site.app).failed["hub"]
    (warned,) = [found for found in preflight(site.app.config) if found.area == "hub" and found.verdict == "warning"]
    assert "1 feed waits for its hub to be told, again from " in warned.text
    assert f"127.0.0.1:{hub.port}" in warned.text
    hub.told.clear()
    configure(site, f':{hub.port}/"', f':{hub.port}/other"')
    assert [found for found in preflight(site.app.config) if found.area == "hub" and found.verdict == "warning"] == []
    hub.status = 204
    assert publish_all(site.app).failed == {}
    assert hub.news() == documents("all", "sea")


def test_how_long_a_hub_is_left_alone() -> None:
    assert [backoff(n) / FIRST_RETRY for n in range(4)] == [1, 2, 4, 8]
    assert backoff(9) == backoff(10_000) == LAST_RETRY == timedelta(hours=6)


def test_news_while_a_hub_is_left_alone(hub: Hub, site: Any) -> None:
    """It hears of them when its time comes, and is not asked before: news each minute would be a request each."""
    hub.status = 503
    accept(site, "Article two")
    publish_all(site.app)
    site.now += backoff(0)
    publish_all(site.app)
    hub.told.clear()
    accept(site, "Article three")
    publish_all(site.app)
    assert hub.told == []
    assert state(site).ping_failures == 2
    hub.status = 204
    site.now += backoff(1)
    publish_all(site.app)
    assert hub.news() == documents("all")


def test_a_slow_hub(hub: Hub, site: Any) -> None:
    configure(site, NETWORKS, f"{NETWORKS}\nrights = 'R'")
    hub.status = 500
    publish_all(site.app)
    hub.silent = True
    hub.told.clear()
    site.advance(hours=1)
    fetcher = Fetcher("a test", Limits(total_s=0.15))
    told = tell_hub(site.app.store, site.app.config, fetcher, site.now)
    fetcher.close()
    assert told.feeds == []
    assert "hub http://127.0.0.1" in told.problem
    assert len(hub.told) == 1
    assert state(site, "sea").ping_due_at == site.now + backoff(1)


def test_a_hub_that_stops_in_the_middle_hears_of_what_is_left(hub: Hub, site: Any) -> None:
    def tire(form: dict[str, str]) -> None:
        hub.status = 500 if form["hub.url"] == documents("sea")[1] else 204

    hub.heard = tire
    accept(site, "Article two", "sea")
    assert "500" in publish_all(site.app).failed["hub"]
    assert hub.news() == documents("all", "sea")[:5]
    assert state(site).ping_due_at is None
    hub.heard, hub.status = None, 204
    site.now += FIRST_RETRY
    publish_all(site.app)
    assert hub.news() == documents("sea")


def test_a_crash_between_writing_and_recording(hub: Hub, site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    accept(site, "Article two")
    with monkeypatch.context() as patch:
        patch.setattr(feeds, "record", interrupt)
        with pytest.raises(KeyboardInterrupt):
            publish_all(site.app)
    assert "Article two" in (site.folder / "feeds/all/rss.xml").read_text(), "readers could see it already"
    assert hub.told == []
    assert publish_all(site.app).failed == {}
    assert hub.news() == documents("all")


def test_a_crash_before_the_hub_was_told(hub: Hub, site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    accept(site, "Article two")
    for name in ("tell_hub", "feeds.pinged"):
        with monkeypatch.context() as patch:
            patch.setattr(f"pipeline.jobs.steps.{name}" if name == "tell_hub" else f"pipeline.publish.websub.{name}",
                          interrupt)
            with pytest.raises(KeyboardInterrupt):
                publish_all(site.app)
    assert hub.news() == documents("all"), "told, and not written down"
    publish_all(site.app)
    assert hub.news() == documents("all")


def test_a_hub_inside_is_refused_unless_its_network_is_named(hub: Hub, site: Any) -> None:
    configure(site, NETWORKS, "")
    accept(site, "Article two")
    done = publish_all(site.app)
    assert "hub" in done.failed
    assert hub.told == []
    assert "Article two" in (site.folder / "feeds/all/rss.xml").read_text()
    configure(site, "[publish]", '[publish]\nhub_networks = ["10.0.0.0/8"]')
    site.advance(hours=6)
    assert "hub" in publish_all(site.app).failed
    assert hub.told == []


def test_a_clock_that_ran_ahead_is_seen_through(hub: Hub, site: Any) -> None:
    hub.status = 500
    accept(site, "Article two")
    site.advance(days=365)
    publish_all(site.app)
    assert state(site).ping_due_at == site.now + FIRST_RETRY
    site.advance(days=-365)
    hub.told.clear()
    hub.status = 204
    publish_all(site.app)
    assert hub.news() == documents("all")


# --- what readers are told of the hub ---


def test_the_documents_that_have_news_name_the_hub(hub: Hub, site: Any) -> None:
    for number in range(12):
        accept(site, f"Number {number}")
    publish_all(site.app)
    here = f"http://127.0.0.1:{hub.port}/"
    folder = site.folder / "feeds" / "all"
    for where, expected in ((folder, [here]), (folder / "archive" / "1-10", [])):
        for name in FILES[:2]:
            root = etree.parse(where / name)
            links = root.iter("{http://www.w3.org/2005/Atom}link")
            assert [link.get("href") for link in links if link.get("rel") == "hub"] == expected, (where, name)
        told = json.loads((where / "feed.json").read_text())
        assert [one["url"] for one in told.get("hubs", [])] == expected
    with serving(site) as port:
        for name in FILES:
            link = call(port, "GET", f"/feeds/all/{name}")[1]
            assert link == f'<{PUBLIC}/all/{name}>; rel="self", <{here}>; rel="hub"'
        assert call(port, "GET", "/feeds/all/archive/1-10/rss.xml")[1] == ""


@contextmanager
def serving(site: Any, listener: socket.socket | None = None) -> Iterator[int]:
    """A site's pages on a port of loopback."""
    ready = threading.Event()
    web = server(site.app, on_ready=ready.set)
    with listener or socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=web.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            assert ready.wait(10)
            yield listening.getsockname()[1]
        finally:
            web.should_exit = True
            thread.join(10)


def call(port: int, method: str, path: str, body: bytes = b"", headers: Any = None) -> tuple[int, str, bytes]:
    """Status, Link header and body."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.getheader("link") or "", answer.read()
    finally:
        connection.close()


# --- from one Broadsheet to another ---

READER = """
config_version = 1
[site]
title = "A reader"
public_url = "https://reader.example.org"
[[sources]]
slug = "lantern"
url = "http://127.0.0.1:{port}/feeds/all/atom.xml"
allow_networks = ["127.0.0.0/8"]
"""


def test_from_an_article_here_to_one_there(hub: Hub, site: Any, make_site: Callable[..., Any]) -> None:
    """The other one asks the hub, which makes sure, hears of our news, fetches them and tells it."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    configure(site, NETWORKS, f'{NETWORKS}\nurl = "http://127.0.0.1:{port}/feeds"')
    reader = make_site(READER.format(port=port), "reader")
    reader.now = site.now
    subscribers: dict[str, tuple[str, str]] = {}   # callback's path -> (topic, secret)

    def relay(form: dict[str, str]) -> None:
        if form["hub.mode"] == "publish":
            for path, (topic, secret) in subscribers.items():
                if topic == form["hub.url"]:
                    body = call(port, "GET", urlsplit(topic).path)[2]
                    signature = f"sha256={hmac.new(secret.encode(), body, 'sha256').hexdigest()}"
                    answers.append(call(there, "POST", path, body, {"X-Hub-Signature": signature})[0])
            return
        path = urlsplit(form["hub.callback"]).path
        query = urlencode({name: form[name] for name in ("hub.mode", "hub.topic")} | {"hub.challenge": "x"})
        if call(there, "GET", f"{path}?{query}&hub.lease_seconds=864000")[2] == b"x":
            subscribers[path] = (form["hub.topic"], form["hub.secret"])

    answers: list[int] = []
    with serving(site, listener), serving(reader) as there:
        hub.heard = relay
        publish_all(site.app)
        collect_due(reader.app)
        assert titles(reader) == {"Article one"}
        assert keep_hubs(reader.app, None, lambda: True) == 1
        assert [topic for topic, _ in subscribers.values()] == [f"http://127.0.0.1:{port}/feeds/all/atom.xml"]
        site.advance(minutes=10)
        reader.advance(minutes=10)
        accept(site, "Article two")
        assert publish_all(site.app).failed == {}
        assert answers == [204], "told of one of the three documents, the one it reads"
        assert wake_pushed(reader.app)
        collect_due(reader.app)
    assert titles(reader) == {"Article one", "Article two"}


def titles(site: Any) -> set[str]:
    with site.app.store.read() as connection:
        return {article.title for article in articles.search(connection, limit=99)}
