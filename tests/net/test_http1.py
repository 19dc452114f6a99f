"""An answer is read the same however it arrives in pieces, within its caps, and as servers write it."""

from __future__ import annotations

import time
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import FetchError, Refused
from pipeline.net import http1
from pipeline.net.guard import check_url
from pipeline.net.http1 import MAX_HEADERS, Exchange, Head
from pipeline.net.wire import READ_BYTES, Deadline, Line

CAP = 10_000


class Said(Line):
    """A line on which these pieces arrive, and then the end."""

    def __init__(self, *pieces: bytes) -> None:
        super().__init__("a.example", Deadline("http://a.example/", 60))
        self.pieces = deque(piece for piece in pieces if piece)
        self.sent = b""

    def send(self, data: bytes) -> None:
        self.sent += data

    def receive(self, most: int = READ_BYTES) -> bytes:
        if not self.pieces:
            return b""
        piece = self.pieces.popleft()
        if piece[most:]:
            self.pieces.appendleft(piece[most:])
        return piece[:most]


def asked(line: Said) -> Exchange:
    exchange = Exchange(line)
    exchange.ask("GET", check_url(line.subject), {"Connection": "close"})
    return exchange


def read(*pieces: bytes, cap: int = CAP) -> tuple[Head, bytes]:
    exchange = asked(Said(*pieces))
    head = exchange.head(cap)
    return head, b"".join(exchange.body(head, cap))


def outcome(*pieces: bytes, cap: int = CAP) -> tuple[object, object]:
    try:
        return read(*pieces, cap=cap)
    except FetchError as error:
        return (type(error), error.cause)


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
def answers(draw) -> tuple[bytes, Head, bytes]:
    """Well-formed answers in each framing, and what they say."""
    body = framed = draw(st.binary(max_size=200))
    status, reason = draw(st.sampled_from([(200, "OK"), (404, "Not Found"), (226, "IM Used"), (203, ""), (500, "")]))
    lines = draw(st.lists(st.tuples(NAMES, VALUES), max_size=6))
    framing = draw(st.sampled_from(["length", "chunks", "close"]))
    if framing == "length":
        lines.append(("Content-Length", str(len(body))))
    elif framing == "chunks":
        lines.append(("Transfer-Encoding", "chunked"))
        framed = chunked(body, draw(STEPS))
    said: dict[str, str] = {}
    for name, value in lines:
        known = said.setdefault(name.lower(), value)
        if known != value:
            said[name.lower()] = f"{known}, {value}"
    start = f"HTTP/1.1 {status} {reason}" if reason else f"HTTP/1.1 {status}"
    sent = "\r\n".join([start, *(f"{name}: {value}" for name, value in lines), "", ""]).encode() + framed
    return sent, Head(status, reason, said), body


@given(answers(), STEPS)
def test_it_is_read_as_it_was_written_in_any_pieces(answer: tuple[bytes, Head, bytes], steps: list[int]) -> None:
    sent, head, body = answer
    assert read(*cut(sent, steps)) == (head, body)


@given(answers(), STEPS, st.integers(0, 400), st.sampled_from(
    [b"", b"\n", b"\r", b"\0", b":", b" ", b"0", b"9", b"f", b"\r\n", b"\xff", b"-", b";", b","]), st.booleans())
def test_what_is_damaged_is_an_error_or_read_alike_however_it_is_cut(
    answer: tuple[bytes, Head, bytes], steps: list[int], at: int, put: bytes, over: bool
) -> None:
    sent, _, _ = answer
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


@pytest.mark.parametrize(("lines", "headers"), [
    (b"A: b", {"a": "b"}), (b"A:b", {"a": "b"}), (b"A: \t b \t ", {"a": "b"}), (b"A:", {"a": ""}),
    (b"A : b", {"a": "b"}), (b"A: b:c", {"a": "b:c"}), (b"no colon\r\nA: b", {"a": "b"}), (b": x\r\nA: b", {"a": "b"}),
    (b"A: b\r\na: c", {"a": "b, c"}), (b"A: b\r\nA: b", {"a": "b"}), (b"A: b\r\n  c\r\n\td", {"a": "b c d"}),
    (b"A:\r\n b", {"a": "b"}), (b"no colon\r\n folded\r\nA: b", {"a": "b"}), (b" folded\r\nA: b", {"a": "b"}),
    (b"A: \xe9\xa0", {"a": "\xe9\xa0"}), (b"A: b\tc", {"a": "b\tc"}),
    (b"A: \x85b\x1c\x0b", {"a": "\x85b"}), (b"A: b\x01c\x7fd", {"a": "b c d"}), (b"A: \0b\0", {"a": "b"}),
    (b"A: b\rX: c", {"a": "b X: c"}), (b"A: b\0c", {"a": "b c"}), (b"A: b\nC: d", {"a": "b", "c": "d"}),
    (b"Content Type: x\r\nA: b", {"a": "b"}), (b"/a/b.php: x\r\nA: b", {"a": "b"}), (b"\xe9: x\r\nA: b", {"a": "b"}),
    (b"x y: z\r\n folded\r\nA: b", {"a": "b"}), (b"A: b\r\n \t\r\n c", {"a": "b  c"}), (b"\t\r\nA: b", {"a": "b"}),
])
def test_headers_as_servers_write_them(lines: bytes, headers: dict[str, str]) -> None:
    assert read(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n\r\n")[0].headers == headers


@pytest.mark.parametrize("sent", [
    b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", b"HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\nhi",
    b"HTTP/1.0 200\r\n\r\nhi", b"HTTP/1.1 200 \r\nContent-Length: 2, 2\r\n\r\nhi and more",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhi", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\ntransfer-encoding: Chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    b"HTTP/1.1 200 \xe9\0\x0b\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nContent-Length: 9\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n02  \r\nhi\r\n000;last\r\nTrailer: x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=\"b\"\r\nh\r\n1\r\ni\r\n0\r\n\r\nand more",
])
def test_bodies_as_servers_frame_them(sent: bytes) -> None:
    head, body = read(sent)
    assert (head.status, body) == (200, b"hi")


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_an_answer_without_a_body_has_none_whatever_it_announces(status: bytes) -> None:
    for framing in (b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"Content-Length: 5", b"A: b",
                    b"Content-Length: %d" % (CAP + 1)):
        assert read(b"HTTP/1.1 " + status + b"\r\n" + framing + b"\r\n\r\n")[1] == b""


@pytest.mark.parametrize(("sent", "words"), [
    (b"", "closed the connection without an answer"), (b"HTTP/1.1 200 OK\r\nA: b\r\n", "broke off in its headers"),
    (b"HTTP/1.1 304 x\r\n", "broke off in its headers"), (b"HTTP/1.1 103 x\r\n\r\n", "broke off in its headers"),
    (b"SSH-2.0-x\r\n", "does not answer in HTTP"), (b"<html>", "does not answer in HTTP"),
    (b"ICY 200 OK\r\n\r\n", "does not answer in HTTP"), (b"HTTP/2 200\r\n\r\n", "does not answer in HTTP"),
    (b"\r\nHTTP/1.1 200 OK\r\n\r\n", "does not answer in HTTP"), (b"HTTP/1.1 20 x\r\n\r\n", "does not answer in HTTP"),
    (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "does not answer in HTTP"),
    (b"HTTP/1.1 2000 x\r\n\r\n", "does not answer in HTTP"), (b"HTTP/1.1 099 x\r\n\r\n", "does not answer in HTTP"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", "broke off after 2 bytes"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nhi", "is broken: conflicting Content-Length headers"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nhi", "is broken"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nhi", "is broken"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nhi", "is broken"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nhi", "is broken"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\nhi", "is broken"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "is broken: Only Transfer-Encoding: chunked"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n", "is broken"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", "broke off after 2 bytes"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n", "broke off after 2 bytes"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nhi\n0\n\n", "broke off after 0 bytes"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nno name\r\n\r\n", "is broken: illegal header line"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi", "broke off after 2 bytes"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhixx\r\n0\r\n\r\n", "broken: malformed chunk footer"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n0\r\n\r\n", "is broken: illegal chunk header"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nhi\r\n0\r\n\r\n", "is broken: illegal chunk header"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nhi\r\n0\r\n\r\n", "is broken: illegal chunk header"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 5000, "is broken: Receive buffer too long"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 15 + b"\r\n", "broke off after 0 bytes"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 20 + b"\r\n\r\n", "larger than 9.77 KiB"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 4000 + b"\r\n\r\n", "is broken: bad Content-Length"),
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
    exchange = asked(line)
    assert b"".join(exchange.body(exchange.head(CAP), CAP)) == b"1234"
    assert list(line.pieces) == [b" and the rest"]


def test_what_comes_in_too_many_chunks_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(http1, "MAX_CHUNKS", 3_000)
    start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for step in (1, 7, 100_000):
        sent = start + b"1\r\nx\r\n" * 3_000 + b"0\r\n\r\n"
        assert len(read(*cut(sent, [step] * (len(sent) // step)), cap=100_000)[1]) == 3_000
        sent = start + b"1\r\nx\r\n" * 3_001
        with pytest.raises(Refused, match="more than 3,000 chunks"):
            read(*cut(sent, [step] * (len(sent) // step)), cap=100_000)


@pytest.mark.parametrize("start", [
    b"", b"Transfer-Encoding: chunked\r\n\r\n1;", b"Transfer-Encoding: chunked\r\n\r\n0\r\n",
], ids=["header", "chunk", "trailer"])
def test_no_line_takes_long_to_read(start: bytes) -> None:
    """The expressions of h11 go back and forth over blanks before something that doesn't fit."""
    for put in (b"\0", b"\x0b", b"\n"):
        began = time.process_time()
        outcome(b"HTTP/1.1 200 OK\r\n" + start + b"A:" + b" " * 60_000 + put + b"\r\n\r\n", cap=100_000)
        assert time.process_time() - began < 1, "seconds of CPU; at once it would be 3 and 10"


def test_no_control_character_gets_out() -> None:
    for byte in range(256):
        put = bytes([byte])
        said, _ = read(b"HTTP/1.1 200 x" + put + b"y\r\nA: x" + put + b"y\r\n\r\n")
        for text in (said.reason, said.headers.get("a", "")):
            assert not set(text) & {chr(code) for code in {*range(32), 127} - {9}}
            assert byte < 32 or byte == 127 or text == f"x{chr(byte)}y"


def test_a_request_is_written_as_the_target_says() -> None:
    line = Said()
    Exchange(line).ask("GET", check_url("http://[2606:4700::1111]:8080/a%20b?c"), {"A": "\xe9"})
    assert line.sent == b"GET /a%20b?c HTTP/1.1\r\nHost: [2606:4700::1111]:8080\r\nA: \xe9\r\n\r\n"
    line = Said()
    Exchange(line).ask("POST", check_url("https://a.example"), {}, b"x\r\n")
    assert line.sent == b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\nx\r\n"
