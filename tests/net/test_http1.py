"""An answer is read the same however it arrives in pieces, and as http.client reads it wherever that one is right."""

from __future__ import annotations

import http.client
from collections import deque
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import FetchError, Refused
from pipeline.net.guard import check_url
from pipeline.net.http1 import MAX_HEADERS, Head, read_body, read_head, request_bytes
from pipeline.net.wire import READ_BYTES, Deadline, Line

CAP = 10_000


class Said(Line):
    """A line on which these pieces arrive, and then the end."""

    def __init__(self, *pieces: bytes) -> None:
        super().__init__("a.example", Deadline("http://a.example/", 60))
        self.pieces = deque(piece for piece in pieces if piece)

    def receive(self, most: int = READ_BYTES) -> bytes:
        if not self.pieces:
            return b""
        piece = self.pieces.popleft()
        if piece[most:]:
            self.pieces.appendleft(piece[most:])
        return piece[:most]


def read(*pieces: bytes, cap: int = CAP) -> tuple[Head, bytes]:
    line = Said(*pieces)
    head, first = read_head(line, cap)
    return head, b"".join(read_body(line, head, first, cap))


def outcome(*pieces: bytes) -> object:
    try:
        return read(*pieces)
    except FetchError as error:
        return (type(error), error.cause)


def by_http_client(sent: bytes) -> tuple[int, dict[str, str], bytes] | None:
    """What the standard library makes of it, None where it raises."""
    class Sock:
        def makefile(self, _mode: str) -> BytesIO:
            return BytesIO(sent)
    answer = http.client.HTTPResponse(Sock())  # type: ignore[arg-type]
    try:
        answer.begin()
        headers: dict[str, str] = {}
        for name, value in answer.headers.items():
            known = headers.setdefault(name.lower(), value.strip(" \t"))
            if known != value.strip(" \t"):
                headers[name.lower()] = f"{known}, {value}"
        return answer.status, headers, answer.read()
    except (http.client.HTTPException, ValueError, OSError):
        return None
    finally:
        answer.close()


def cut(sent: bytes, steps: list[int]) -> list[bytes]:
    pieces, at = [], 0
    for step in steps:
        pieces.append(sent[at:at + step])
        at += step
    return [*pieces, sent[at:]]


def chunked(body: bytes, sizes: list[int]) -> bytes:
    pieces = [piece for piece in cut(body, sizes) if piece]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


NAMES = st.sampled_from(["ETag", "x-a", "Content-Type", "Last-Modified", "Cache-Control", "IM", "Set-Cookie"])
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12)
STEPS = st.lists(st.integers(1, 40), max_size=30)


@st.composite
def answers(draw) -> bytes:
    """Well-formed answers, in each framing."""
    body = draw(st.binary(max_size=200))
    status = draw(st.sampled_from([b"200 OK", b"404 Not Found", b"226 IM Used", b"203", b"500 "]))
    headers = [f"{name}: {value}".encode() for name, value in draw(st.lists(st.tuples(NAMES, VALUES), max_size=6))]
    framing = draw(st.sampled_from(["length", "chunks", "close"]))
    if framing == "length":
        headers.append(b"Content-Length: %d" % len(body))
    elif framing == "chunks":
        headers.append(b"Transfer-Encoding: chunked")
        body = chunked(body, draw(STEPS))
    return b"\r\n".join([b"HTTP/1.1 " + status, *headers, b"", body])


@given(answers(), STEPS)
def test_it_is_read_as_the_standard_library_reads_it_in_any_pieces(sent: bytes, steps: list[int]) -> None:
    head, body = read(*cut(sent, steps))
    assert (head.status, head.headers, body) == by_http_client(sent)


@given(answers(), STEPS, st.integers(0, 400), st.sampled_from(
    [b"", b"\n", b"\r", b"\0", b":", b" ", b"0", b"9", b"f", b"\r\n", b"\xff", b"-", b";", b","]), st.booleans())
def test_what_is_damaged_is_an_error_or_read_alike_however_it_is_cut(
    sent: bytes, steps: list[int], at: int, put: bytes, over: bool
) -> None:
    at = min(at, len(sent))
    sent = sent[:at] + put + sent[at + (len(put) or 1) * over:]
    whole = outcome(sent)
    assert outcome(*cut(sent, steps)) == whole
    assert outcome(*(bytes([byte]) for byte in sent)) == whole


def test_an_interim_answer_is_passed_over() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </s>; rel=preload\r\n\r\n"
    final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    for sent in (b"HTTP/1.1 100 Continue\r\n\r\n" + final, early + final, early * 3 + final):
        assert read(sent)[0].headers == {"content-length": "2"}
        assert read(sent)[1] == b"hi"
    assert by_http_client(early + final) != by_http_client(final), "the control: why not http.client"


@pytest.mark.parametrize(("lines", "headers"), [
    (b"A: b", {"a": "b"}), (b"A:b", {"a": "b"}), (b"A: \t b \t ", {"a": "b"}), (b"A:", {"a": ""}),
    (b"A : b", {"a": "b"}), (b"A: b:c", {"a": "b:c"}), (b"no colon\r\nA: b", {"a": "b"}), (b": x\r\nA: b", {"a": "b"}),
    (b"A: b\r\na: c", {"a": "b, c"}), (b"A: b\r\nA: b", {"a": "b"}), (b"A: b\r\n  c\r\n\td", {"a": "b c d"}),
    (b"A:\r\n b", {"a": "b"}), (b"no colon\r\n folded\r\nA: b", {"a": "b"}), (b" folded\r\nA: b", {"a": "b"}),
    (b"A: \xe9\xa0", {"a": "\xe9\xa0"}), (b"A: \x85b\x1c\x0b", {"a": "\x85b\x1c\x0b"}),
    (b"A: b\rX: c", {"a": "b X: c"}), (b"A: b\0c", {"a": "b c"}), (b"A: b\nC: d", {"a": "b", "c": "d"}),
])
def test_headers_as_servers_write_them(lines: bytes, headers: dict[str, str]) -> None:
    assert read(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n\r\n")[0].headers == headers


@pytest.mark.parametrize("sent", [
    b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", b"HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\nhi",
    b"HTTP/1.0 200\r\n\r\nhi", b"HTTP/1.1 200 \r\nContent-Length: 2, 2\r\n\r\nhi and more",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhi", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nContent-Length: 9\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n02  \r\nhi\r\n000;last\r\nTrailer: x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=\"b\"\nh\n1\ni\n0\n",
])
def test_bodies_as_servers_frame_them(sent: bytes) -> None:
    head, body = read(sent)
    assert (head.status, body) == (200, b"hi")


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_an_answer_without_a_body_has_none_whatever_it_announces(status: bytes) -> None:
    assert read(b"HTTP/1.1 " + status + b"\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n")[1] == b""


@pytest.mark.parametrize(("sent", "words"), [
    (b"", "closed the connection without an answer"), (b"HTTP/1.1 200 OK\r\nA: b\r\n", "broke off in its headers"),
    (b"HTTP/1.1 304 x\r\n", "broke off in its headers"), (b"HTTP/1.1 103 x\r\n\r\n", "broke off in its headers"),
    (b"SSH-2.0-x\r\n", "does not answer in HTTP"), (b"<html>", "does not answer in HTTP"),
    (b"ICY 200 OK\r\n\r\n", "does not answer in HTTP"), (b"HTTP/2 200\r\n\r\n", "does not answer in HTTP"),
    (b"\r\nHTTP/1.1 200 OK\r\n\r\n", "does not answer in HTTP"), (b"HTTP/1.1 20 x\r\n\r\n", "does not answer in HTTP"),
    (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "does not answer in HTTP"),
    (b"HTTP/1.1 2000 x\r\n\r\n", "does not answer in HTTP"), (b"HTTP/1.1 099 x\r\n\r\n", "does not answer in HTTP"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", "broke off after 2 bytes"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nhi", "is broken: its length is '1, 2'"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nhi", "is broken"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nhi", "is broken"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nhi", "is broken"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nhi", "is broken"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\nhi", "is broken"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "is broken: transfer encoding"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", "broke off after 2 bytes"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi", "broke off after 2 bytes"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhixx\r\n0\r\n\r\n", "its chunks are not framed"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n0\r\n\r\n", "its chunks are not framed"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nhi\r\n0\r\n\r\n", "its chunks are not framed"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nhi\r\n0\r\n\r\n", "its chunks are not framed"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 5000, "its chunks are not framed"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 15 + b"\r\n", "larger than 9.77 KiB"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 4000 + b"\r\n\r\n", "larger than 9.77 KiB"),
    (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (CAP + 1), "larger than 9.77 KiB"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 2000, "larger than 9.77 KiB"),
    (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * (MAX_HEADERS + 1) + b"\r\n", "more than 100 headers"),
    (b"HTTP/1.1 200 OK\r\nA: " + b"b" * CAP + b"\r\n\r\n", "headers are larger than 9.77 KiB"),
    (b"HTTP/1.1 100 x\r\n\r\n" * 1000, "headers are larger than 9.77 KiB"),
])
def test_what_is_no_whole_answer_is_an_error_in_words(sent: bytes, words: str) -> None:
    for pieces in ([sent], [sent[:17], sent[17:]], [bytes([byte]) for byte in sent]):
        with pytest.raises(FetchError) as caught:
            read(*pieces)
        assert words in caught.value.cause
        assert caught.value.subject == "http://a.example/"
        assert isinstance(caught.value, Refused) is ("larger" in words or "more than" in words)


@pytest.mark.parametrize("over", [0, 1])
def test_the_caps_are_exact(over: int) -> None:
    start = b"HTTP/1.1 200 OK\r\n"
    for sent in (start + b"A: " + b"b" * (CAP - len(start) - 7 + over) + b"\r\n\r\n",
                 start + b"\r\n" + b"x" * (CAP + over),
                 start + b"Content-Length: %d\r\n\r\n" % (CAP + over) + b"x" * (CAP + over)):
        if over:
            with pytest.raises(Refused, match="larger than"):
                read(sent)
        else:
            read(sent)


def test_no_more_is_read_than_was_announced() -> None:
    line = Said(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", b"12", b"34 and the rest")
    head, first = read_head(line, CAP)
    assert b"".join(read_body(line, head, first, CAP)) == b"1234"
    assert list(line.pieces) == [b" and the rest"]


def test_a_request_is_written_as_the_target_says() -> None:
    target = check_url("http://[2606:4700::1111]:8080/a b?c".replace(" ", "%20"))
    assert request_bytes("GET", target, {"A": "\xe9"}) == (
        b"GET /a%20b?c HTTP/1.1\r\nHost: [2606:4700::1111]:8080\r\nA: \xe9\r\n\r\n")
    assert request_bytes("POST", check_url("https://a.example"), {}, b"x\r\n") == (
        b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\nx\r\n")
