"""The way out: a GET asks, a POST leaves, and a link works for ever."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.mail.tokens import UNSUBSCRIBE
from pipeline.store import subscribers
from pipeline.web.personal import masked

ONE_CLICK = b"List-Unsubscribe=One-Click"
FORM = {"content-type": "application/x-www-form-urlencoded"}


def test_a_get_shows_one_button_and_changes_nothing(house: Any) -> None:
    before = house.data_digest()
    page = house.get(f"/u/{house.token()}")
    assert page.status == 200
    assert page.text.count("<button") == 1
    assert '<form method="post" class="ask">' in page.text  # without an action: it posts to this very address
    assert "Unsubscribe j•••@example.org from The Beacon" in page.text
    assert "jonna" not in page.text
    assert page.headers["cache-control"] == "no-store"
    assert house.ask("HEAD", f"/u/{house.token()}").status == 200
    assert (house.data_digest(), house.status()) == (before, "confirmed")


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (ONE_CLICK, FORM),
        (b"--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n",
         {"content-type": "multipart/form-data; boundary=x"}),
        (b"", {}),                                                       # a proxy dropped the body
        (ONE_CLICK, FORM | {"origin": "https://mail.example", "sec-fetch-site": "cross-site"}),
    ],
)
def test_a_post_leaves_at_once(house: Any, body: bytes, headers: dict[str, str]) -> None:
    page = house.ask("POST", f"/u/{house.token()}", headers, body)
    assert page.status == 200
    assert "You are unsubscribed" in page.text
    assert "desk@beacon.example" in page.text  # the way back
    assert "set-cookie" not in page.headers
    assert house.status() == "unsubscribed"


def test_again_and_again_changes_nothing_more(house: Any) -> None:
    house.ask("POST", f"/u/{house.token()}", FORM, ONE_CLICK)
    before = house.data_digest()
    for _ in range(3):
        assert house.ask("POST", f"/u/{house.token()}", FORM, ONE_CLICK).status == 200
    page = house.get(f"/u/{house.token()}")
    assert "You are unsubscribed" in page.text
    assert "<button" not in page.text
    assert house.data_digest() == before


def test_a_repeat_does_not_wait_for_a_writer(house: Any) -> None:
    house.ask("POST", f"/u/{house.token()}", FORM, ONE_CLICK)
    with house.app.store.write():  # somebody holds the database's only writer
        assert house.ask("POST", f"/u/{house.token()}", FORM, ONE_CLICK).status == 200


def test_a_newsletter_that_was_renamed_keeps_its_links(house: Any) -> None:
    with house.app.store.write() as connection:
        connection.exec_driver_sql("UPDATE newsletters SET slug = 'lamp'")
    assert "from The Beacon" in house.get(f"/u/{house.token()}").text


def test_a_person_whose_data_is_gone_is_told_so(house: Any) -> None:
    for method in ("GET", "POST"):
        page = house.ask(method, f"/u/{house.token(987)}")
        assert page.status == 200
        assert "not known here any more" in page.text


def bad_tokens(token: str) -> list[str]:
    flipped = [token[:i] + ("A" if c != "A" else "B") + token[i + 1:] for i, c in list(enumerate(token))[::4]]
    return [*flipped, token[:-1], token[1:], "1", "1.", ".", "x" * 3000, "1.é", token.replace("1", "٣", 1)]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_wrong_token_does_nothing_and_says_so(house: Any, method: str) -> None:
    before = house.data_digest()
    with house.app.store.write():  # and it costs no writer
        for token in bad_tokens(house.token()):
            page = house.ask(method, f"/u/{token}")
            assert page.status == 404, token
            assert "This link is not complete" in page.text
    assert house.data_digest() == before


@pytest.mark.parametrize("said", ["", "0x1", "-1", "9" * 30, "１", "1 OR 1=1"])
def test_a_token_that_says_no_number_is_a_wrong_one(house: Any, said: str) -> None:
    assert house.get(f"/u/{house.app.keyring.sign(UNSUBSCRIBE, said)}").status == 404


def test_a_token_for_something_else_is_a_wrong_one(house: Any) -> None:
    assert house.ask("POST", f"/u/{house.app.keyring.sign('confirm', '1')}").status == 404
    assert house.status() == "confirmed"


def test_no_token_reaches_a_log(house: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.DEBUG)
    house.ask("POST", f"/u/{house.token()}", FORM, ONE_CLICK)
    monkeypatch.setattr(subscribers, "subscription", lambda *_: 1 / 0)
    assert house.get(f"/u/{house.token()}").status == 500
    assert "/u/…" in caplog.text
    assert house.token() not in caplog.text


def test_one_click_over_the_wire(house: Any, served: Callable[[], HTTPConnection]) -> None:
    connection = served()
    for size in (0, 100_000):  # a body nobody reads must not spoil the connection
        connection.request("POST", f"/u/{house.token()}", ONE_CLICK + b"&x=" + b"y" * size, FORM)
        answer = connection.getresponse()
        assert answer.status == 200
        assert b"You are unsubscribed" in answer.read()
        assert answer.headers["set-cookie"] is None
    connection.request("GET", "/healthz")
    assert connection.getresponse().read() == b"ok\n"
    assert house.status() == "unsubscribed"


@given(st.emails())
def test_a_masked_address_tells_its_owner_only(address: str) -> None:
    local, _, domain = address.rpartition("@")
    assert masked(address) == f"{local[0]}•••@{domain}"
