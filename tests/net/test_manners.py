"""What an answer tells the caller: validators, deltas, moves, times. And what is asked of a server in which words."""

from __future__ import annotations

import itertools

import pytest

from pipeline.errors import FetchError, Refused
from pipeline.net.fetch import Fetcher, HttpStatusError, Limits, Request, Response
from pipeline.net.guard import check_url
from pipeline.net.moves import moved

LOOPBACK = ("127.0.0.1/32",)
QUICK = Limits(connect_s=1, total_s=2, wire_bytes=100_000, decoded_bytes=300_000, header_bytes=8_192)


def ask(server, path: str = "/feed", **more) -> Response:
    fetcher = Fetcher("Broadsheet/test", QUICK)
    return fetcher.fetch(Request(server.url(path), allow_networks=LOOPBACK, **more))


def refusal(server, path: str = "/feed", **more) -> FetchError:
    with pytest.raises(FetchError) as caught:
        ask(server, path, **more)
    assert str(caught.value).startswith(server.url(path)), "the error names the address"
    return caught.value


# --- validators -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("etag", [
    '"1"', 'W/"1"', "unquoted", 'w/"lower"', '""', '"a", "b"', '"with "quotes" in"', "W/", "*", "-1", '"\xe9\xff\x80"',
    '"\xa0"', "\xa0x\xa0", "\x85x\x85", '"a\tb"', "x" * 4000, '"' + "".join(map(chr, range(0xA0, 0x100))) + '"',
])
def test_an_etag_comes_back_byte_for_byte(server, etag: str) -> None:
    server.says("/feed", b"x", ETag=etag)
    first = ask(server)
    assert first.etag == etag
    server.says("/feed", status="304 Not Modified")
    assert ask(server, etag=first.etag).status == 304
    line = next(line for line in server.heads[-1].split(b"\r\n") if line.startswith(b"If-None-Match: "))
    assert line == b"If-None-Match: " + etag.encode("latin-1")


@pytest.mark.parametrize("value", ["\0", "a\0b", "\x1b[2J", "\x01\x02", "a\x0bb\x0cc", "x\x7f", "a\rb"])
def test_control_characters_get_out_of_no_answer(server, value: str) -> None:
    """Validators go into a database; PostgreSQL takes no NUL."""
    server.says("/feed", b"x", ETag=value, Last_Modified=value, Content_Type=value)
    first = ask(server)
    assert all(text.isprintable() for text in (first.etag, first.last_modified, *first.headers.values()))
    server.says("/feed", status=f"599 x{value}y")
    error = refusal(server, etag=first.etag, last_modified=first.last_modified)
    assert str(error).isprintable()
    assert "the address answers 599 x" in error.cause


def test_blanks_around_what_is_sent_are_left_out(server) -> None:
    server.says("/feed", b"x")
    Fetcher(" me ", QUICK).fetch(Request(server.url("/feed"), etag=' "1"\t', allow_networks=LOOPBACK))
    assert b"User-Agent: me\r\n" in server.heads[-1]
    assert b'If-None-Match: "1"\r\n' in server.heads[-1]


def test_a_304_has_its_own_validators_and_no_others(server) -> None:
    server.says("/feed", status="304 x", ETag='"2"')
    answer = ask(server, etag='"1"', last_modified="yesterday")
    assert (answer.etag, answer.last_modified, answer.body) == ('"2"', "", b"")
    server.says("/feed", status="304 x", Last_Modified="today")
    answer = ask(server, etag='"1"', last_modified="yesterday")
    assert (answer.etag, answer.last_modified) == ("", "today")


def test_a_304_to_either_validator_is_an_answer(server) -> None:
    server.says("/feed", status="304 x")
    assert ask(server, last_modified="yesterday").status == 304
    assert "if-none-match" not in server.head()
    assert ask(server, etag="x").status == 304


@pytest.mark.parametrize("status", ["200 OK", "304 Not Modified"])
def test_what_says_when_to_come_again_is_handed_on(server, status: str) -> None:
    said = {"Cache-Control": "max-age=3600, public", "Expires": "Sun, 22 Nov 2026 19:00:00 GMT", "Age": "120",
            "Date": "Sun, 22 Nov 2026 18:00:00 GMT", "Retry-After": "90"}
    server.says("/feed", status=status, **{name.replace("-", "_"): value for name, value in said.items()})
    answer = ask(server, etag="x")
    assert {name: answer.headers[name.lower()] for name in said} == said
    assert answer.retry_after_s == 90
    server.says("/feed", status=status, Cache_Control="no-cache")
    assert ask(server, etag="x").retry_after_s is None


# --- deltas (RFC 3229) ------------------------------------------------------------------------------------


def test_a_delta_is_asked_for_only_with_an_etag(server) -> None:
    server.says("/feed", b"x")
    for more, sent in (({"etag": '"1"'}, "feed"), ({}, None), ({"last_modified": "x"}, None),
                       ({"etag": '"1"', "deltas": False}, None), ({"etag": "\n"}, None)):
        ask(server, **more)
        assert server.head().get("a-im") == sent, more


@pytest.mark.parametrize("manipulation", ["feed", "Feed", " feed "])
def test_a_delta_is_told_apart(server, manipulation: str) -> None:
    server.says("/feed", b"<new/>", status="226 IM Used", IM=manipulation, ETag='"2"')
    answer = ask(server, etag='"1"')
    assert (answer.status, answer.delta, answer.body, answer.etag) == (226, True, b"<new/>", '"2"')
    server.says("/feed", b"<all/>")
    assert ask(server, etag='"1"').delta is False


def test_a_server_that_sends_a_delta_as_200_is_taken_at_its_word(server) -> None:
    server.says("/feed", b"<new/>", IM="feed")
    assert ask(server, etag='"1"').delta is True
    assert ask(server).delta is False, "nobody asked, so this is the whole"
    server.says("/feed", status="304 x", IM="feed")
    assert ask(server, etag='"1"').delta is False, "nothing is no part of anything"


@pytest.mark.parametrize(("asked", "said"), [
    ({"etag": "x"}, {}), ({"etag": "x"}, {"IM": "gzip"}), ({"etag": "x"}, {"IM": "feed, gdiff"}),
    ({"etag": "x", "deltas": False}, {"IM": "feed"}), ({}, {"IM": "feed"}), ({"last_modified": "x"}, {"IM": "feed"}),
])
def test_any_other_226_is_an_error(server, asked: dict[str, object], said: dict[str, str]) -> None:
    server.says("/feed", b"<new/>", status="226 IM Used", **said)
    error = refusal(server, **asked)
    assert isinstance(error, HttpStatusError)
    assert (error.status, error.permanent) == (226, False)


def test_a_206_is_an_error(server) -> None:
    server.says("/feed", b"<ne", status="206 Partial Content", Content_Range="bytes 0-2/100")
    assert "the whole was asked for" in str(refusal(server))


# --- moves ------------------------------------------------------------------------------------------------


PERMANENT, PASSING = (301, 308), (302, 303, 307)


@pytest.mark.parametrize("chain", [*itertools.product(PERMANENT + PASSING, repeat=2), (301,), (302,), (301,) * 5])
def test_a_move_is_an_unbroken_chain_of_permanent_redirects(server, chain: tuple[int, ...]) -> None:
    for n, status in enumerate(chain):
        server.says(f"/{n}", status=f"{status} x", Location=f"/{n + 1}")
    end = f"/{len(chain)}"
    permanent = set(chain) <= set(PERMANENT)
    expected = (server.url(end), chain[0], False) if permanent else ("", 0, False)

    server.says(end, b"here", ETag='"2"')
    answer = ask(server, "/0", etag='"1"')
    assert (answer.moved_to, answer.moved_status, answer.moved_to_https) == expected
    assert (answer.url, answer.etag) == (server.url(end), '"2"')

    server.says(end, status="304 x")
    answer = ask(server, "/0", etag='"1"')
    assert (answer.moved_to, answer.moved_status, answer.moved_to_https) == expected

    server.says(end, status="410 Gone", Retry_After="5")
    error = refusal(server, "/0")
    assert isinstance(error, HttpStatusError)
    assert (error.moved_to, error.moved_status, error.moved_to_https) == expected
    assert (error.status, error.url, error.retry_after_s) == (410, server.url(end), 5)


def test_without_a_redirect_nothing_has_moved(server) -> None:
    server.says("/feed", b"x")
    assert (ask(server).moved_to, ask(server).moved_status, ask(server).moved_to_https) == ("", 0, False)
    error = refusal(server, "/gone")
    assert isinstance(error, HttpStatusError)
    assert (error.moved_to, error.moved_status, error.url) == ("", 0, server.url("/gone"))


@pytest.mark.parametrize(("old", "new", "only_scheme"), [
    ("http://a.example/f?x=1", "https://a.example/f?x=1", True),
    ("http://a.example/f?x=1", "https://a.example:443/f?x=1#top", True),
    ("http://A.example:80/f", "https://a.example/f", True),
    ("http://a.example:8080/f", "https://a.example:8080/f", True),
    ("http://a.example:8080/f", "https://a.example/f", False),
    ("http://a.example/f", "https://a.example:8443/f", False),
    ("http://a.example/f", "https://www.a.example/f", False),
    ("http://a.example/f", "https://a.example/f/", False),
    ("http://a.example/f?x=1", "https://a.example/f?x=2", False),
    ("http://a.example/f", "https://a.example/F", False),
    ("http://a.example/f", "http://a.example/g", False),
    ("https://a.example/f", "https://a.example/g", False),
])
def test_only_the_scheme_or_more(old: str, new: str, only_scheme: bool) -> None:
    first, last = check_url(old), check_url(new)
    assert moved(first, last, [301]) == (last.url, 301, only_scheme)
    assert moved(first, last, [308, 301]) == (last.url, 308, only_scheme)
    assert moved(first, last, [301, 302]) == ("", 0, False)
    assert moved(first, last, []) == ("", 0, False)


def test_up_to_https_on_another_port_is_a_move_like_any(server, tls_server, tls) -> None:
    server.says("/f?x=1", status="301 x", Location=tls_server.url("/f?x=1", "lantern.example"))
    tls_server.says("/f?x=1", b"safe")
    fetcher = Fetcher("t", QUICK, resolve=lambda _host, _port: ["127.0.0.1"], tls=tls)
    answer = fetcher.fetch(Request(server.url("/f?x=1", "lantern.example"), allow_networks=LOOPBACK))
    assert (answer.moved_status, answer.moved_to_https) == (301, False), "two ports of one host are two places"


# --- POST -------------------------------------------------------------------------------------------------


def test_a_form_is_sent_as_it_is(server) -> None:
    form = b"hub.mode=subscribe&hub.topic=https%3A%2F%2Fa.example%2F&hub.secret=\xff\x00"
    server.says("/hub", b"fine", status="202 Accepted")
    answer = ask(server, "/hub", method="POST", body=form)
    assert (answer.status, answer.body) == (202, b"fine")
    assert server.heads[-1].startswith(b"POST /hub HTTP/1.1\r\n")
    assert server.bodies[-1] == form
    head = server.head()
    assert (head["content-type"], head["content-length"]) == ("application/x-www-form-urlencoded", str(len(form)))
    ask(server, "/hub", method="POST", body=b"{}", content_type="application/json")
    assert server.head()["content-type"] == "application/json"


def test_an_empty_form_says_that_it_is_empty(server) -> None:
    server.says("/hub", status="204 No Content")
    assert ask(server, "/hub", method="POST").status == 204
    assert server.head()["content-length"] == "0"


def test_a_form_is_never_conditional(server) -> None:
    server.says("/hub", b"x")
    ask(server, "/hub", method="POST", body=b"x", etag='"1"', last_modified="y")
    assert not {"if-none-match", "if-modified-since", "a-im"} & server.head().keys()
    server.says("/hub", status="304 x")
    assert "304" in str(refusal(server, "/hub", method="POST", etag='"1"'))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_what_was_sent_is_not_sent_elsewhere(server, canary, status: int) -> None:
    server.says("/hub", status=f"{status} x", Location=canary.url("/"))
    error = refusal(server, "/hub", method="POST", body=b"secret")
    assert isinstance(error, Refused)
    assert "not followed" in error.cause
    assert canary.connections == 0


def test_a_form_is_held_to_the_same_caps(server) -> None:
    server.says("/hub", b"x" * 100_001)
    assert isinstance(refusal(server, "/hub", method="POST"), Refused)
    with pytest.raises(Refused):
        Fetcher("t", QUICK).fetch(Request(server.url("/hub"), method="POST"))


def test_a_server_that_takes_nothing_is_left_at_the_deadline(server) -> None:
    server.unread = True
    server.scripts["/hub"] = lambda _sock: server.stopping.wait(1)
    fetcher = Fetcher("t", Limits(total_s=0.2))
    with pytest.raises(FetchError, match=r"took longer than 0\.2 s"):
        fetcher.fetch(Request(server.url("/hub"), method="POST", body=b"x" * 30_000_000, allow_networks=LOOPBACK))
