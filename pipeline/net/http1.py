"""HTTP/1.1 as this one client needs it: one request, one answer, then the connection ends.

    Exchange(line) | ask: the request is sent | head: status and headers, under a cap | body: its bytes, under a cap

h11 reads and frames (RFC 9112). Ours is what it leaves to its user: bytes counted as they arrive, and a head
made such as h11 takes it where servers write what every browser accepts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import h11

from pipeline.errors import FetchError, Refused
from pipeline.net.decode import size
from pipeline.net.guard import Target
from pipeline.net.wire import READ_BYTES, Line

MAX_HEADERS = 100
MAX_CHUNKS = 50_000  # each costs 10 µs, be it of one byte
MAX_CHUNK_LINE_BYTES = 4096
"""A chunk's size with its extensions, or all trailers; nobody uses either. Also what h11 is fed at once, because its
expressions take quadratic time over such a line when it is broken: 0.2 s for 8 KiB, 12 s for 64 KiB."""


@dataclass(frozen=True, slots=True)
class Head:
    """Names in lower case; repeated ones joined by ", ", the same value only once.

    Values and reason are Latin-1, without control characters but the tab.
    """

    status: int
    reason: str
    headers: dict[str, str]


class Exchange:
    """One request and its answer on a line. Each method is called once, in this order."""

    def __init__(self, line: Line) -> None:
        self._line = line
        # only body and trailers are held to this limit: a head is fed when it is complete
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_CHUNK_LINE_BYTES)
        self._after_head = b""

    def ask(self, method: str, target: Target, headers: Mapping[str, str], body: bytes = b"") -> None:
        """Send a request, whose `headers` hold no control characters. The host comes from the target."""
        lines = [(b"Host", target.authority.encode("ascii")),
                 *((name.encode("ascii"), value.encode("latin-1")) for name, value in headers.items())]
        if method == "POST":
            lines.append((b"Content-Length", b"%d" % len(body)))
        sent = self._http.send(h11.Request(method=method, target=target.path, headers=lines))
        if body:
            sent += self._http.send(h11.Data(body))
        self._line.send(sent + self._http.send(h11.EndOfMessage()))

    def head(self, cap: int) -> Head:
        """Status and headers of the final answer. Interim answers (1xx) are read and dropped, but all of it together
        is held to `cap` bytes: more is Refused."""
        line, data = self._line, bytearray()
        began = looked = 0
        while True:
            end = _HEAD_END.search(data, looked)
            if end is None:
                if len(data) > cap:
                    raise _too_large(line, cap)
                if not _may_be_http(data, began):
                    raise _not_http(line)
                looked = max(began, len(data) - 2)
                more = line.receive()
                if not more:
                    raise _ended(line, len(data))
                data += more
                continue
            if end.end() > cap:
                raise _too_large(line, cap)
            self._http.receive_data(_acceptable(line, bytes(data[began:end.start()])))
            try:
                answer = self._http.next_event()
            except h11.RemoteProtocolError as error:
                # header lines are acceptable by now, so it was the status line, or headers that contradict each other
                words = _words(error)
                raise (_broken(line, words) if _ABOUT_FRAMING.search(words) else _not_http(line)) from error
            if isinstance(answer, h11.Response):
                self._after_head = bytes(data[end.end():])
                return _head(answer)
            began = looked = end.end()

    def body(self, head: Head, cap: int) -> Iterator[bytes]:
        """The body in pieces, framing undone. More than `cap` bytes, the framing of chunks included, are Refused; a
        body that breaks off is a FetchError."""
        line, arriving = self._line, self._arriving(_announced(head), cap)
        unpacked = chunks = 0
        closed = False
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                raise (_off(line, unpacked) if closed else _broken(line, _words(error))) from error
            if event is h11.NEED_DATA:
                data = next(arriving)
                closed = not data
                self._http.receive_data(data)
            elif isinstance(event, h11.Data):
                chunks += event.chunk_end  # chunk_start is lost where a chunk's size and its bytes are fed apart
                if chunks > MAX_CHUNKS:
                    raise Refused(line.subject, f"the answer comes in more than {MAX_CHUNKS:,} chunks")
                unpacked += len(event.data)
                yield bytes(event.data)
            else:
                return

    def _arriving(self, announced: int | None, cap: int) -> Iterator[bytes]:
        """What follows the head in small pieces, b"" when the server has closed the connection."""
        if announced is not None and announced > cap:
            raise _too_much(self._line, cap)
        data = self._after_head
        arrived = len(data)
        while announced is not None or arrived <= cap:
            for at in range(0, len(data), MAX_CHUNK_LINE_BYTES):
                yield data[at:at + MAX_CHUNK_LINE_BYTES]
            data = self._line.receive(READ_BYTES if announced is None else min(announced - arrived, READ_BYTES))
            arrived += len(data)
            if not data:
                yield b""
        raise _too_much(self._line, cap)


def _may_be_http(data: bytearray, began: int) -> bool:
    start = data[began:began + len(_HTTP)]
    return start == _HTTP[:len(start)]


def _acceptable(line: Line, written: bytes) -> bytes:
    """A head without what h11 refuses and browsers accept, whatever the rest of it is.

    Control characters become blanks (RFC 9110 section 5.5); besides, h11's time over a line that holds one is
    quadratic. Lines whose name is none ("Content Type: …", a warning of PHP) are passed over, and so are blanks before
    the colon, framing that frames nothing ("Transfer-Encoding: identity"), and one "chunked" after another, because
    application and proxy each wrote theirs.
    """
    text = written.translate(_NO_CONTROLS).replace(b"\r\n", b"\n").replace(b"\r", b" ")
    status_line, *lines = text.split(b"\n")
    if len(lines) > MAX_HEADERS:
        raise Refused(line.subject, f"the answer has more than {MAX_HEADERS} headers")
    kept = [status_line]
    framings = {(b"transfer-encoding", b"identity"), (b"transfer-encoding", b""), (b"content-length", b"")}
    passing_over = True  # a folded line goes where the one goes that it continues, RFC 9112 section 5.2
    for header in lines:
        accepted = header
        if header[:1] not in _BLANKS:
            name, colon, value = header.partition(b":")
            name = name.rstrip(b" \t")
            passing_over = not colon or _NAME.fullmatch(name) is None
            if name.lower() in _FRAMING:
                framing = name.lower(), value.strip(b" \t").lower()
                passing_over = framing in framings
                framings.add(framing)
            accepted = name + b":" + value
        if not passing_over:
            kept.append(accepted)
    return b"\r\n".join(kept) + b"\r\n\r\n"


def _head(answer: h11.Response) -> Head:
    headers: dict[str, str] = {}
    for name_bytes, value_bytes in answer.headers:
        name, value = name_bytes.decode("ascii"), value_bytes.decode("latin-1")
        known = headers.get(name)
        if known is None:
            headers[name] = value
        elif known != value:
            headers[name] = f"{known}, {value}"
    return Head(answer.status_code, answer.reason.decode("latin-1").strip(" \t"), headers)


def _announced(head: Head) -> int | None:
    """How many bytes a body will have, None when that shows at its end (RFC 9112 section 6.3)."""
    length = head.headers.get("content-length")
    return None if length is None or "transfer-encoding" in head.headers else int(length)


def _words(error: h11.RemoteProtocolError) -> str:
    """h11's reason without the bytes that it quotes: they may be anything, and many."""
    return str(error).partition(": bytearray")[0]


def _ended(line: Line, arrived: int) -> FetchError:
    if arrived:
        return FetchError(line.subject, f"the answer of {line.host} broke off in its headers")
    return FetchError(line.subject, f"{line.host} closed the connection without an answer")


def _not_http(line: Line) -> FetchError:
    return FetchError(line.subject, f"{line.host} does not answer in HTTP")


def _off(line: Line, arrived: int) -> FetchError:
    return FetchError(line.subject, f"the answer of {line.host} broke off after {arrived} bytes")


def _broken(line: Line, what: str) -> FetchError:
    return FetchError(line.subject, f"the answer of {line.host} is broken: {what}")


def _too_large(line: Line, cap: int) -> Refused:
    return Refused(line.subject, f"the answer's headers are larger than {size(cap)}")


def _too_much(line: Line, cap: int) -> Refused:
    return Refused(line.subject, f"the answer is larger than {size(cap)}")


_BLANKS = (b" ", b"\t", b"")
_HTTP = b"HTTP/1."
_HEAD_END = re.compile(rb"\n\r?\n")
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token, RFC 9110 section 5.6.2
_NO_CONTROLS = bytes(32 if byte == 127 or (byte < 32 and byte not in b"\t\r\n") else byte for byte in range(256))
_ABOUT_FRAMING = re.compile("Content-Length|Transfer-Encoding")
