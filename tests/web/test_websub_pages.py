"""Where hubs find us: what is confirmed, what is weighed, what is ignored; and no GET writes."""

from __future__ import annotations

import asyncio
import hmac
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

import pytest

from pipeline.model.sources import SourceStanding
from pipeline.store import sources, websub
from pipeline.store.websub import HubState
from pipeline.web import websub as pages

TOKEN, SECRET = "t" * 32, "s" * 43
TOPIC = "https://paper.example.org/feed?a=1"
BODY = b"<rss>\x00 whatever &bomb; it is</rss>"


@pytest.fixture
def hub(house: Any) -> Any:
    """A house with a subscription under TOKEN, asked for an hour ago; its source was polled then, too."""
    now = house.app.now()
    with house.app.store.write() as connection:
        source = next(iter(sources.states(connection).values()))
        websub.add(connection, source.id, "https://hub.example.org/", TOPIC, TOKEN, SECRET, now)
        websub.change(connection, TOKEN, requested_at=now - timedelta(hours=1), expires_at=now + timedelta(days=10),
                      renew_at=now + timedelta(days=1))
        sources.record_poll(connection, source.id, last_polled_at=now - timedelta(hours=1),
                            next_poll_at=now + timedelta(hours=1))
    return house


def row(house: Any) -> Any:
    with house.app.store.read() as connection:
        return websub.find(connection, TOKEN)


def next_poll_at(house: Any) -> datetime | None:
    with house.app.store.read() as connection:
        found: datetime | None = next(iter(sources.states(connection).values())).next_poll_at
        return found


def change(house: Any, **values: object) -> None:
    with house.app.store.write() as connection:
        websub.change(connection, TOKEN, **values)


def where(token: str = TOKEN, **query: str) -> str:
    asked = {"hub.mode": "subscribe", "hub.topic": TOPIC, "hub.challenge": "<b>ä&", "hub.lease_seconds": "60"}
    return f"/websub/{token}?{urlencode(asked | {f'hub.{name}': value for name, value in query.items()})}"


def signed(body: bytes = BODY, secret: str = SECRET, method: str = "sha256") -> dict[str, str]:
    return {"x-hub-signature": f"{method}={hmac.new(secret.encode(), body, method).hexdigest()}",
            "content-type": "application/rss+xml"}


def test_what_we_asked_for_is_confirmed_and_nothing_is_written(hub: Any) -> None:
    before = hub.data_digest()
    page = hub.get(where())
    assert (page.status, page.text) == (200, "<b>ä&")
    assert page.headers["content-type"] == "text/plain; charset=utf-8"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cache-control"] == "no-store"
    for odd in (where(topic="x"), where(mode="unsubscribe"), where("u" * 32), where("x"), f"/websub/{TOKEN}"):
        assert hub.get(odd).status == 404
    for mode in ("denied", "subscribe"):
        assert hub.ask("HEAD", where(mode=mode)).status == 200
        assert hub.get(where(mode=mode)).status == 200
    assert hub.data_digest() == before


def test_leaving_is_confirmed_once_we_want_it(hub: Any) -> None:
    change(hub, state=HubState.LEAVING)
    assert (hub.get(where(mode="unsubscribe")).status, hub.get(where()).status) == (200, 404)


@pytest.mark.parametrize("method", ["sha1", "sha256", "sha384", "sha512"])
def test_a_signed_push_makes_the_source_due_and_is_not_read(hub: Any, method: str) -> None:
    now = hub.app.now()
    before = dict(hub_tables(hub))
    page = hub.ask("POST", f"/websub/{TOKEN}", signed(method=method), BODY)
    assert (page.status, page.body) == (204, b"")
    assert next_poll_at(hub) == now
    assert (row(hub).state, row(hub).verified_at) == (HubState.ACTIVE, now)
    assert now < row(hub).last_push_at <= now + timedelta(seconds=1)
    assert row(hub).renew_at == row(hub).requested_at + timedelta(days=5)
    after = dict(hub_tables(hub))
    assert {name for name, rows in after.items() if rows != before[name]} == {"hub_subscriptions", "sources"}


@pytest.mark.parametrize("headers", [
    {}, {"x-hub-signature": ""}, {"x-hub-signature": "sha256="}, signed(b"another body"), signed(secret="guess"),
    {"x-hub-signature": "md5=" + hmac.new(SECRET.encode(), BODY, "md5").hexdigest()},
    {"x-hub-signature": signed()["x-hub-signature"][:-1]}, {"x-hub-signature-256": signed()["x-hub-signature"]},
])
def test_a_push_without_our_signature_is_answered_alike_and_ignored(hub: Any, headers: dict[str, str]) -> None:
    before = hub.data_digest()
    with hub.app.store.write():  # and costs no writer
        page = hub.ask("POST", f"/websub/{TOKEN}", headers, BODY)
    right = hub.ask("POST", f"/websub/{TOKEN}", signed(b""), b"")
    assert (page.status, page.headers, page.body) == (right.status, right.headers, right.body)
    assert before != hub.data_digest(), "the right one, which shows that the wrong one could have"
    change(hub, state=HubState.ASKED, last_push_at=None, verified_at=None)
    ignored = hub.data_digest()
    hub.ask("POST", f"/websub/{TOKEN}", headers, BODY)
    assert hub.data_digest() == ignored


def test_a_replayed_push_wakes_at_most_every_five_minutes(hub: Any) -> None:
    now = hub.app.now()
    with hub.app.store.write() as connection:
        source = next(iter(sources.states(connection).values()))
        sources.record_poll(connection, source.id, last_polled_at=now - timedelta(minutes=4))
    for _ in range(3):
        assert hub.ask("POST", f"/websub/{TOKEN}", signed(), BODY).status == 204
    assert next_poll_at(hub) == now + timedelta(hours=1)


def test_who_is_unknown_is_told_so_and_who_is_gone_too(hub: Any) -> None:
    before = hub.data_digest()
    for token in ("u" * 32, "x", "%00" * 32, "t" * 3000):
        assert hub.ask("POST", f"/websub/{token}", signed(), BODY).status == 404
    assert hub.data_digest() == before
    change(hub, state=HubState.LEAVING)
    assert hub.ask("POST", f"/websub/{TOKEN}", signed(), BODY).status == 410
    for values in ({"standing": SourceStanding.GONE}, {"standing": SourceStanding.ACTIVE, "declared": False}):
        change(hub, state=HubState.ACTIVE)
        with hub.app.store.write() as connection:
            sources.record_poll(connection, row(hub).source_id, **values)
        assert hub.ask("POST", f"/websub/{TOKEN}", signed(), BODY).status == 410
        assert hub.get(where()).status == 404


def test_other_methods_are_refused(hub: Any) -> None:
    for method in ("PUT", "DELETE", "PATCH"):
        assert hub.ask(method, f"/websub/{TOKEN}").status == 405


def test_a_push_of_any_size_is_weighed_without_being_kept(
    hub: Any, served: Callable[[], HTTPConnection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MAX_BODY", 300_000)
    for size, status in ((299_999, 204), (300_000, 204), (300_001, 413)):
        change(hub, last_push_at=None)
        connection = served()
        body = b"x" * size
        connection.request("POST", f"/websub/{TOKEN}", body, signed(body))
        assert connection.getresponse().status == status
        assert (row(hub).last_push_at is not None) == (status == 204)


def test_a_push_that_does_not_end_is_given_up(hub: Any, served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "BODY_S", 0.1)
    connection = served()
    connection.putrequest("POST", f"/websub/{TOKEN}")
    connection.putheader("Content-Length", "100")
    connection.endheaders(b"x")
    assert connection.getresponse().status == 408


def test_who_hangs_up_is_no_failure(hub: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def hang_up() -> list[int]:
        said = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            said.append(message.get("status"))

        await hub.web({"type": "http", "method": "POST", "path": f"/websub/{TOKEN}", "headers": [], "root_path": "",
                       "query_string": b"", "raw_path": b"", "scheme": "http", "http_version": "1.1"}, receive, send)
        return said

    assert asyncio.run(hang_up())[0] == 400
    assert caplog.text == ""


def test_pushes_at_once_are_one(hub: Any, served: Callable[[], HTTPConnection]) -> None:
    statuses: list[int] = []
    start = threading.Barrier(6)

    def push(connection: HTTPConnection) -> None:
        start.wait()
        connection.request("POST", f"/websub/{TOKEN}", BODY, signed())
        statuses.append(connection.getresponse().status)

    threads = [threading.Thread(target=push, args=(served(),)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [204] * 6
    assert (row(hub).state, next_poll_at(hub)) == (HubState.ACTIVE, hub.app.now())


def test_no_token_reaches_a_log(hub: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websub, "find", lambda *_: 1 / 0)
    assert hub.get(where()).status == 500
    assert "/websub/…" in caplog.text
    assert TOKEN not in caplog.text


def test_what_is_signed_is_signed_as_the_recommendation_has_it() -> None:
    # a value made by another program: printf '%s' '<feed/>' | openssl dgst -sha256 -hmac secret
    given = "bc34c1a93cc52a1e89787d5bfca33388be4a3190ed87910472a44e4bbb8122c2"
    signature = pages.Signature("secret", f"sha256={given}")
    signature.feed(b"<feed/>")
    assert signature.fits


def hub_tables(house: Any) -> Any:
    """(table, its rows) of the whole database."""
    with house.app.store.read() as connection:
        names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars().all()
        for name in names:
            yield name, connection.exec_driver_sql(f'SELECT * FROM "{name}"').all()
