"""Subscribing at hubs: for which sources, what a hub is sent, what its answer means, and what a push does.

The hub here answers requests and does no more; one that also verifies and pushes is in tests/journeys/test_websub.py.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.collect.manners import websub
from pipeline.collect.manners.websub import (
    LEASE,
    Asker,
    Signature,
    after_asking,
    decide_verification,
    request_body,
    why_no_callback,
    why_not,
)
from pipeline.errors import FetchError, Refused
from pipeline.model.sources import Hints, SourceStanding
from pipeline.net.fetch import Fetcher, HttpStatusError, Limits
from pipeline.store import sources
from pipeline.store import websub as rows
from pipeline.store.websub import HubState, HubSubscription

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TOPIC = "https://paper.example.org/feed?a=1&b=ü"
PUBLIC = "https://lantern.example.org/news"

# --- decisions ---


def subscription(**values: object) -> HubSubscription:
    return HubSubscription(**{  # type: ignore[arg-type]
        "id": 1, "source_id": 1, "hub": "https://hub.example.org/", "topic": TOPIC, "token": "t" * 32,
        "secret": "s" * 43, "state": HubState.ASKED, "error": "", "attempts": 0, "requested_at": NOW,
        "verified_at": None, "expires_at": None, "renew_at": NOW, "last_push_at": None, "slug": "a", "wanted": True,
        "last_new_at": None, **values})


@pytest.mark.parametrize("url", [
    "https://lantern.example.org", "http://lantern.example.org:8008/news", "https://bücher.example.org",
    "https://lantern.example.org:12345", "https://9.9.9.9", "https://[2620:fe::fe]/",
])
def test_an_address_that_others_can_reach(url: str) -> None:
    assert why_no_callback(url) == ""


@pytest.mark.parametrize("url", [
    "http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000", "http://192.168.1.5", "http://10.0.0.1",
    "http://nas", "http://nas.local", "http://NAS.Local.", "http://a.localhost", "https://lantern.example",
    "https://news.internal", "http://box.home.arpa", "http://127.1", "http://0x7f000001", "http://2130706433",
    "http://[fd00::1]", "http://[::ffff:127.0.0.1]", "http://169.254.169.254", "http://x.test", "ftp://a.example.org",
    "http://user@a.example.org", "http://100.64.0.1", "http://[64:ff9b::7f00:1]",
])
def test_an_address_that_no_hub_can_reach(url: str) -> None:
    assert url in why_no_callback(url)


@pytest.mark.parametrize(("answer", "state", "waiting"), [
    (None, HubState.ASKED, DAY),
    (FetchError("h", "down"), None, timedelta(minutes=15)),
    (HttpStatusError("h", 503, ""), None, timedelta(minutes=15)),
    (HttpStatusError("h", 429, "", retry_after_s=7200.0), None, timedelta(hours=2)),
    (HttpStatusError("h", 403, ""), HubState.DENIED, timedelta(days=7)),
    (HttpStatusError("h", 404, ""), HubState.DENIED, timedelta(days=7)),
    (Refused("h", "a private address"), HubState.DENIED, timedelta(days=7)),
])
def test_what_a_hubs_answer_means(answer: Any, state: Any, waiting: timedelta) -> None:
    fields = after_asking(subscription(), answer, NOW)
    assert fields.get("state") == state
    assert fields["renew_at"] == NOW + waiting
    assert fields["error"] == (str(answer) if answer else "")


def test_a_hub_that_has_told_us_is_asked_at_half_its_lease() -> None:
    fields = after_asking(subscription(verified_at=NOW - DAY, attempts=3), None, NOW)
    assert (fields["state"], fields["attempts"]) == (HubState.ACTIVE, 0)
    assert (fields["renew_at"], fields["expires_at"]) == (NOW + LEASE / 2, NOW + LEASE)


@given(st.integers(0, 10_000))
def test_retries_never_stop_and_never_hurry(attempts: int) -> None:
    fields = after_asking(subscription(attempts=attempts), FetchError("h", "down"), NOW)
    assert timedelta(minutes=15) <= fields["renew_at"] - NOW <= DAY
    assert "expires_at" not in fields, "what was granted before still holds"


def test_what_a_hub_is_sent() -> None:
    asked = parse_qs(request_body(subscription(), "subscribe", PUBLIC).decode(), strict_parsing=True)
    assert asked == {"hub.mode": ["subscribe"], "hub.topic": [TOPIC], "hub.secret": ["s" * 43],
                     "hub.callback": [f"{PUBLIC}/websub/{'t' * 32}"], "hub.lease_seconds": ["864000"]}
    asked = parse_qs(request_body(subscription(), "unsubscribe", PUBLIC).decode(), strict_parsing=True)
    assert set(asked) == {"hub.mode", "hub.topic", "hub.callback"}


@pytest.mark.parametrize(("state", "mode", "topic", "said"), [
    (HubState.ASKED, "subscribe", TOPIC, "c"),
    (HubState.ACTIVE, "subscribe", TOPIC, "c"),
    (HubState.LEAVING, "unsubscribe", TOPIC, "c"),
    (HubState.LEAVING, "subscribe", TOPIC, None),
    (HubState.ACTIVE, "unsubscribe", TOPIC, None),
    (HubState.DENIED, "subscribe", TOPIC, None),
    (HubState.ASKED, "subscribe", "https://paper.example.org/other", None),
    (HubState.ASKED, "subscribe", TOPIC + "/", None),
    (HubState.ASKED, "publish", TOPIC, None),
    (HubState.ASKED, "", TOPIC, None),
    (HubState.ASKED, "denied", TOPIC, ""),
    (HubState.ACTIVE, "denied", "whatever", ""),
])
def test_only_what_we_want_is_confirmed(state: HubState, mode: str, topic: str, said: str | None) -> None:
    query = {"hub.mode": mode, "hub.topic": topic, "hub.challenge": "c"}
    assert decide_verification(subscription(state=state), query) == said
    if said:
        assert decide_verification(subscription(state=state), query | {"hub.challenge": ""}) is None
        assert decide_verification(subscription(state=state, wanted=False), query) == (
            said if state is HubState.LEAVING else None)


@pytest.mark.parametrize("method", ["sha1", "sha256", "sha384", "sha512"])
@given(body=st.binary(max_size=300), cut=st.integers(0, 300), secret=st.text("abc-_19", min_size=1))
def test_a_signature_fits_its_body_only(method: str, body: bytes, cut: int, secret: str) -> None:
    mac = hmac.new(secret.encode(), body, method).hexdigest()

    def fits(header: str, *pieces: bytes) -> bool:
        signature = Signature(secret, header)
        for piece in pieces:
            signature.feed(piece)
        return signature.fits

    assert fits(f"{method}={mac}", body[:cut], body[cut:])
    assert fits(f" {method.upper()}={mac.upper()} ", body)
    assert not fits(f"{method}={mac}", body, b"x")
    assert not fits(f"{method}={mac[:-1]}", body)
    assert not fits(f"{method}=", body)


@pytest.mark.parametrize("header", ["", "=", "sha256", "md5=" + hashlib.md5(b"").hexdigest(), "sha256=é☃", "sha3_256=x",
                                    "sha256=" + hashlib.sha256(b"").hexdigest(), "blake2b=00", "SHAKE_128=00"])
def test_what_is_no_signature_never_fits(header: str) -> None:
    assert not Signature("secret", header).fits


def test_how_things_are_in_words() -> None:
    def said(**values: object) -> str:
        return websub.describe(subscription(**values), NOW)

    assert said() == "its hub was asked, and has not told us of anything yet"
    assert said(last_push_at=NOW) == "its hub last told us of news on 22 Nov 12:00 UTC"
    assert said(last_push_at=NOW - DAY, last_new_at=NOW - HOUR).endswith("and not of what came since")
    assert said(state=HubState.DENIED, error="no") == "its hub refused: no; asked again after 22 Nov 12:00 UTC"
    assert said(error="down") == "its hub could not be asked: down; again after 22 Nov 12:00 UTC"
    assert said(state=HubState.LEAVING) == "its hub was asked to stop"


# --- asking a hub over loopback ---


@dataclass
class Hub:
    """path -> the status that it answers with; 0 hangs up."""

    answers: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    during: Callable[[dict[str, str]], None] = lambda _form: None   # called before it answers
    port: int = 0

    def modes(self, path: str = "/hub") -> list[str]:
        return [form["hub.mode"] for where, form in self.asked if where == path]


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            made.asked.append((self.path, {name: values[0] for name, values in form.items()}))
            made.during(made.asked[-1][1])
            if status := made.answers.get(self.path, 202):
                self.send_response_only(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Desk:
    """An instance whose sources name the hub."""

    site: Any
    hub: Hub

    @property
    def asker(self) -> Asker:
        fetcher = Fetcher("Broadsheet/test", Limits(connect_s=2, total_s=5), resolve=lambda _h, _p: ["127.0.0.1"])
        return Asker(self.site.app.store, self.site.app.config, fetcher, self.site.app.now)

    def keep(self, heard: Any = None, **changes: Any) -> int:
        return websub.keep_hubs(replace(self.asker, **changes), heard)

    def says(self, slug: str = "a", hub: str = "/hub", self_url: str = TOPIC) -> None:
        """What its document said at the last poll."""
        name = f"http://hub.example.org:{self.hub.port}{hub}" if hub else ""
        self.poll(slug, hints=Hints(hub=name, self_url=self_url))

    def poll(self, slug: str = "a", **values: Any) -> None:
        with self.site.app.store.write() as connection:
            sources.record_poll(connection, sources.state(connection, slug).id, **values)

    def row(self, slug: str = "a") -> HubSubscription | None:
        with self.site.app.store.read() as connection:
            return rows.of_sources(connection).get(slug)

    def there(self, slug: str = "a") -> HubSubscription:
        row = self.row(slug)
        assert row is not None
        return row

    def write(self, *slugs: str, more: str = "", public: str = PUBLIC) -> None:
        written = "".join(f'[[sources]]\nslug = "{slug}"\nurl = "http://{slug}.example.org/"\n'
                          f'allow_networks = ["127.0.0.0/8"]\n' for slug in slugs)
        (self.site.folder / "config.toml").write_text(
            f'config_version = 1\n[site]\ntitle = "L"\npublic_url = "{public}"\n{more}\n{written}')
        self.site.close()
        assert self.site.app

    def push(self, slug: str = "a") -> None:
        websub.take_push(self.site.app.store, self.there(slug), self.site.now)


def _opened(site: Any) -> None:
    assert site.app


@pytest.fixture
def desk(copy_site: Callable[..., Any], hub: Hub) -> Desk:
    made = Desk(copy_site(_opened), hub)
    made.write("a", "b")
    made.says()
    return made


def test_a_source_that_names_a_hub_is_subscribed_to(desk: Desk) -> None:
    assert desk.keep() == 1
    row = desk.there()
    [(_, form)] = desk.hub.asked
    assert form["hub.callback"] == f"{PUBLIC}/websub/{row.token}"
    assert (form["hub.topic"], form["hub.secret"]) == (TOPIC, row.secret)
    assert websub.TOKEN.fullmatch(row.token)
    assert len({row.token, row.secret}) == 2
    assert (row.state, row.expires_at) == (HubState.ASKED, desk.site.now + LEASE)
    assert desk.row("b") is None, "it names none"
    assert desk.keep() == 0, "it was asked"


def test_one_that_was_not_proved_is_asked_again_each_day_with_the_same_token(desk: Desk) -> None:
    desk.keep()
    before = desk.there()
    desk.site.advance(hours=23, minutes=59)
    assert desk.keep(set()) == 0
    desk.site.advance(minutes=1)
    assert desk.keep(set()) == 1
    assert (desk.there().token, desk.there().secret) == (before.token, before.secret)
    desk.push()
    assert desk.there().renew_at == desk.there().requested_at + LEASE / 2
    desk.site.advance(days=4, hours=23)
    assert desk.keep() == 0
    desk.site.advance(hours=1)
    assert desk.keep() == 1
    assert desk.there().state is HubState.ACTIVE
    assert desk.there().renew_at == desk.site.now + LEASE / 2


def test_a_hub_that_kept_silent_about_news_is_asked_again_and_not_relied_on(desk: Desk) -> None:
    desk.keep()
    desk.push()
    with desk.site.app.store.read() as connection:
        assert rows.pushed_sources(connection, desk.site.now) == {desk.there().source_id}
    desk.site.advance(days=1)
    desk.poll(last_new_at=desk.site.now)
    with desk.site.app.store.read() as connection:
        assert rows.pushed_sources(connection, desk.site.now) == set()
    assert (desk.keep(set()), desk.keep(set())) == (1, 0)
    desk.push()
    with desk.site.app.store.read() as connection:
        assert rows.pushed_sources(connection, desk.site.now) == {desk.there().source_id}


def test_only_sources_that_were_heard_are_looked_at(desk: Desk) -> None:
    desk.says("b", self_url="https://b.example.org/")
    assert desk.keep({"b"}) == 1
    assert (desk.row("a"), desk.there("b").topic) == (None, "https://b.example.org/")


def test_two_sources_of_one_hub_have_an_address_each(desk: Desk) -> None:
    desk.says("b")
    assert desk.keep() == 2
    assert desk.there("a").token != desk.there("b").token
    assert desk.there("a").secret != desk.there("b").secret


@pytest.mark.parametrize("more", [
    {"more": "demo = true"}, {"more": "[collect]\nwebsub = false"}, {"public": "http://127.0.0.1:8000"},
    {"public": "http://nas.local"},
])
def test_nothing_is_asked_where_it_is_not_wanted_or_can_not_work(desk: Desk, more: dict[str, str]) -> None:
    desk.write("a", **more)
    assert desk.keep() == 0
    assert desk.hub.asked == []
    with desk.site.app.store.read() as connection:
        assert why_not(desk.site.app.config, sources.state(connection, "a"))


def test_a_demo_leaves_all_as_it_is(desk: Desk) -> None:
    desk.keep()
    desk.write("a", more="demo = true")
    desk.site.advance(days=9)
    assert desk.keep() == 0
    assert (desk.there().state, desk.hub.modes()) == (HubState.ASKED, ["subscribe"])


def test_the_reasons_why_not(desk: Desk) -> None:
    config = desk.site.app.config
    with desk.site.app.store.read() as connection:
        state = sources.state(connection, "a")
    assert why_not(config, state) == ""
    assert why_not(config, replace(state, hints=Hints())) == "it names no hub"
    assert "not the address" in why_not(config, replace(state, hints=Hints(hub="https://h.example.org/")))
    assert why_not(config, replace(state, declared=False)) == "it is not in config.toml"
    assert why_not(config, replace(state, standing=SourceStanding.GONE, standing_reason="gone")) == "gone"


def test_a_hub_that_denies_is_left_alone_for_a_week(desk: Desk) -> None:
    desk.hub.answers["/hub"] = 403
    desk.keep()
    assert (desk.there().state, desk.keep()) == (HubState.DENIED, 0)
    assert "403" in desk.there().error
    desk.site.advance(days=6, hours=23)
    assert desk.keep() == 0
    desk.hub.answers["/hub"] = 202
    states = []
    desk.hub.during = lambda _form: states.append(desk.there().state)  # a hub may verify before it answers
    desk.site.advance(hours=1)
    assert desk.keep() == 1
    assert (states, desk.there().state, desk.there().error) == ([HubState.ASKED], HubState.ASKED, "")


def test_a_hub_that_is_down_is_asked_once_for_all_and_again_with_back_off(desk: Desk) -> None:
    desk.hub.answers["/hub"] = 0
    desk.says("b")
    assert desk.keep() == 1
    waits = []
    for _ in range(10):
        wait = max(desk.there("a").renew_at, desk.there("b").renew_at) - desk.site.now
        waits.append(wait / MINUTE)
        desk.site.now += wait
        assert desk.keep(set()) == 1
    assert waits == [15, 30, 60, 120, 240, 480, 960, 1440, 1440, 1440]
    assert desk.there().state is HubState.ASKED


def test_hubs_that_are_down_do_not_keep_the_others_waiting_for_ever(desk: Desk) -> None:
    slugs = [f"s{n}" for n in range(8)]
    desk.write(*slugs)
    for n, slug in enumerate(slugs):
        desk.says(slug, f"/down{n}" if n < 6 else "/hub")
        desk.hub.answers[f"/down{n}"] = 503
    assert [desk.keep() for _ in range(4)] == [3, 3, 2, 0]
    assert desk.hub.modes() == ["subscribe"] * 2


def test_a_stop_is_heeded_between_two_requests(desk: Desk) -> None:
    assert desk.keep(going=lambda: False) == 0
    assert desk.keep(set()) == 1, "it is still due"


def test_a_hub_inside_is_refused_unless_its_source_names_the_network(desk: Desk) -> None:
    text = (desk.site.folder / "config.toml").read_text().replace('allow_networks = ["127.0.0.0/8"]\n', "", 1)
    (desk.site.folder / "config.toml").write_text(text)
    desk.site.close()
    desk.says("a", "")
    desk.poll(hints=Hints(hub=f"http://127.0.0.1:{desk.hub.port}/hub", self_url=TOPIC))
    desk.keep()
    assert (desk.there().state, desk.hub.asked) == (HubState.DENIED, [])


def test_another_hub_or_topic_leaves_the_old_one_first(desk: Desk) -> None:
    desk.keep()
    old = desk.there()
    desk.says(hub="/other", self_url="https://new.example.org/")
    desk.keep({"a"})
    assert (desk.there().state, desk.hub.modes()) == (HubState.LEAVING, ["subscribe", "unsubscribe"])
    assert desk.hub.asked[-1][1]["hub.callback"].endswith(old.token)
    desk.site.advance(minutes=59)
    assert desk.keep() == 0
    desk.site.advance(minutes=1)
    desk.keep()
    assert desk.row() is None
    desk.keep({"a"})
    assert desk.hub.modes("/other") == ["subscribe"]
    assert desk.there().token != old.token


@pytest.mark.parametrize("change", ["removed", "gone", "blocked", "unnamed", "off"])
def test_what_is_not_read_any_more_is_left(desk: Desk, change: str) -> None:
    desk.keep()
    if change == "removed":
        desk.write("b")
    elif change == "off":
        desk.write("a", more="[collect]\nwebsub = false")
    elif change == "unnamed":
        desk.says(hub="")
    else:
        desk.poll(standing=SourceStanding(change), next_poll_at=None)
    if change == "removed":
        desk.hub.answers["/hub"] = 500
    desk.keep(None if change in ("unnamed", "off") else set())
    assert desk.there().state is HubState.LEAVING
    # who is removed has no network of its own any more, and best effort is what there is
    assert desk.hub.modes() == ["subscribe"] + ["unsubscribe"] * (change != "removed")
    desk.site.advance(hours=1)
    desk.keep(set())
    assert desk.row() is None
    assert len(desk.hub.asked) == 1 + (change != "removed")


def test_who_can_not_be_reached_any_more_leaves_without_a_word(desk: Desk) -> None:
    desk.keep()
    desk.write("a", public="http://127.0.0.1:8000")
    desk.keep()
    assert (desk.row(), desk.hub.modes()) == (None, ["subscribe"])


def test_a_push_during_a_request_is_not_forgotten(desk: Desk) -> None:
    desk.hub.during = lambda _form: desk.push()
    desk.keep()
    row = desk.there()
    assert (row.state, row.verified_at) == (HubState.ACTIVE, desk.site.now)
    assert row.renew_at == desk.site.now + LEASE / 2


# --- pushes ---


def test_a_push_wakes_its_source_and_no_other(desk: Desk) -> None:
    desk.keep()
    for slug in "ab":
        desk.poll(slug, last_polled_at=desk.site.now - HOUR, next_poll_at=desk.site.now + HOUR)
    desk.push()
    with desk.site.app.store.read() as connection:
        assert [s.slug for s in sources.due(connection, desk.site.now, 9)] == ["a"]
    assert websub.wake_pushed(desk.site.app.store, desk.site.now)
    desk.poll(last_polled_at=desk.site.now + MINUTE, next_poll_at=desk.site.now + HOUR)
    desk.site.advance(minutes=10)
    assert not websub.wake_pushed(desk.site.app.store, desk.site.now)


def test_a_push_too_soon_after_a_poll_or_during_it_is_answered_later(desk: Desk) -> None:
    desk.keep()
    for slug in "ab":
        desk.poll(slug, last_polled_at=desk.site.now - MINUTE, next_poll_at=desk.site.now + HOUR)
    desk.push()
    assert not websub.wake_pushed(desk.site.app.store, desk.site.now)
    desk.site.advance(minutes=4)
    assert websub.wake_pushed(desk.site.app.store, desk.site.now)
    with desk.site.app.store.read() as connection:
        assert [s.slug for s in sources.due(connection, desk.site.now, 9)] == ["a"]


def test_a_flood_of_pushes_costs_one_write_a_second(desk: Desk) -> None:
    desk.keep()
    desk.push()
    row = desk.there()
    with desk.site.app.store.write():  # somebody holds the database's only writer
        for _ in range(100):
            websub.take_push(desk.site.app.store, row, desk.site.now)


def test_a_push_for_what_was_left_meanwhile_changes_nothing(desk: Desk) -> None:
    desk.keep()
    row = desk.there()
    desk.says(hub="")
    desk.keep()
    websub.take_push(desk.site.app.store, row, desk.site.now)
    assert desk.there().last_push_at is None
    with desk.site.app.store.write() as connection:
        rows.remove(connection, row.token)
    websub.take_push(desk.site.app.store, row, desk.site.now)
    assert websub.find(desk.site.app.store, row.token) is None


@pytest.mark.parametrize("token", ["", "x", "\x00" * 32, "é" * 32, "t" * 31, "t" * 33, "t" * 5000, "' OR 1=1 --"])
def test_what_is_no_token_costs_no_look_into_the_database(token: str) -> None:
    nowhere: Any = None
    assert websub.find(nowhere, token) is None
