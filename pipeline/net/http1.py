"""HTTP/1.1 as this one client needs it (RFC 9112): one request, one answer, then the connection ends.

    request_bytes  what to send
    read_head      the line -> status and headers, under a cap, and the first bytes of what follows
    read_body      the line -> the body's bytes in pieces, still encoded, under a cap

Own code instead of http.client's: that one goes through the parser for mail, whose cost is half of a poll, ends the
headers at the first line without a colon, takes a 103 for the final answer, and takes headers that break off for
complete ones. Here all that frames the body is read strictly, and what can't matter (a header without a colon, a bare
LF, white space before a colon) is passed over, as browsers do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.errors import FetchError, Refused
from pipeline.net.decode import size
from pipeline.net.guard import Target
from pipeline.net.wire import READ_BYTES, Line

MAX_HEADERS = 100
MAX_CHUNK_LINE_BYTES = 4096  # a chunk's size and its extensions, which nobody uses


@dataclass(frozen=True, slots=True)
class Head:
    """Names in lower case; repeated ones joined by ", ", the same value only once. Values are Latin-1."""

    status: int
    reason: str
    headers: dict[str, str]


def request_bytes(method: str, target: Target, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """A request, whose `headers` hold no control characters. The host comes from the target."""
    lines = [f"{method} {target.path} HTTP/1.1", f"Host: {target.authority}",
             *(f"{name}: {value}" for name, value in headers.items())]
    if method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def read_head(line: Line, cap: int) -> tuple[Head, bytes]:
    """Status and headers of the final answer, and the bytes after them that came in the same breath.

    Interim answers (1xx) are read and dropped. All of it together is held to `cap` bytes.
    """
    data = b""
    began = looked = 0
    while True:
        end = _HEAD_END.search(data, looked)
        if end is None:
            if len(data) > cap:
                raise _too_large(line, cap)
            if not _may_be_http(data, began):
                raise FetchError(line.subject, f"{line.host} does not answer in HTTP")
            looked = max(began, len(data) - 2)
            more = line.receive()
            if not more:
                raise _ended(line, len(data))
            data += more
            continue
        if end.end() > cap:
            raise _too_large(line, cap)
        head = _parse(line, data[began:end.start()].decode("latin-1"))
        began = looked = end.end()
        if head.status >= 200:
            return head, data[began:]


def read_body(line: Line, head: Head, first: bytes, cap: int) -> Iterator[bytes]:
    """The body in pieces, framing undone, as RFC 9112 section 6.3 orders. `first` came with the head.

    More than `cap` bytes, the framing of chunks included, are Refused; a body that breaks off is a FetchError.
    """
    if head.status in _WITHOUT_BODY:
        return
    coding = head.headers.get("transfer-encoding", "identity").lower()
    if coding == "chunked":
        yield from _chunks(line, first, cap)
    elif coding != "identity":
        raise _broken(line, f"transfer encoding {coding[:40]!r}")
    elif length := head.headers.get("content-length", ""):
        yield from _counted(line, first, _length(line, length, cap))
    else:
        yield from _until_close(line, first, cap)


def _may_be_http(data: bytes, began: int) -> bool:
    start = data[began:began + len(_HTTP)]
    return start == _HTTP[:len(start)]


def _parse(line: Line, text: str) -> Head:
    text = text.replace("\r\n", "\n").removesuffix("\r")
    if "\r" in text or "\0" in text:
        text = text.replace("\r", " ").replace("\0", " ")  # RFC 9112 section 2.2, RFC 9110 section 5.5
    status_line, *lines = text.split("\n")
    status = _STATUS_LINE.fullmatch(status_line)
    if status is None or status[1] == "101":
        raise FetchError(line.subject, f"{line.host} does not answer in HTTP")
    if len(lines) > MAX_HEADERS:
        raise Refused(line.subject, f"the answer has more than {MAX_HEADERS} headers")
    headers: dict[str, str] = {}
    name = ""
    for header in lines:
        if header[:1] in _BLANK:  # a folded line, RFC 9112 section 5.2
            if name:
                headers[name] = f"{headers[name]} {header.strip(_BLANK)}".strip(_BLANK)
            continue
        written, colon, value = header.partition(":")
        name = written.rstrip(_BLANK).lower() if colon else ""
        if not name:
            continue
        value = value.strip(_BLANK)
        known = headers.get(name)
        if known is None:
            headers[name] = value
        elif known != value:
            headers[name] = f"{known}, {value}"
    return Head(int(status[1]), status[2] or "", headers)


def _length(line: Line, written: str, cap: int) -> int:
    """Content-Length; "5, 5" is 5 (RFC 9110 section 8.6), and two that differ are an attack or an accident."""
    lengths = {length.strip(_BLANK) for length in written.split(",")}
    length = lengths.pop()
    if lengths or not (length.isascii() and length.isdigit()):
        raise _broken(line, f"its length is {written[:40]!r}")
    if len(length) > _LENGTH_DIGITS or int(length) > cap:
        raise _too_much(line, cap)
    return int(length)


def _counted(line: Line, first: bytes, length: int) -> Iterator[bytes]:
    piece = first[:length]
    left = length - len(piece)
    while True:
        if piece:
            yield piece
        if not left:
            return
        piece = line.receive(min(left, READ_BYTES))
        if not piece:
            raise _off(line, length - left)
        left -= len(piece)


def _until_close(line: Line, first: bytes, cap: int) -> Iterator[bytes]:
    piece, arrived = first, len(first)
    while arrived <= cap:
        if piece:
            yield piece
        piece = line.receive()
        if not piece:
            return
        arrived += len(piece)
    raise _too_much(line, cap)


def _chunks(line: Line, first: bytes, cap: int) -> Iterator[bytes]:
    """RFC 9112 section 7.1. What follows the last chunk (trailers) is not read: the connection ends anyway."""
    data, arrived, unpacked = first, len(first), 0
    left = 0        # of the chunk that is being read
    closing = False  # after a chunk's last byte, its line end is due
    while arrived <= cap:
        at, pieces = 0, []
        while at < len(data):
            if left:
                piece = data[at:at + left]
                pieces.append(piece)
                at += len(piece)
                left -= len(piece)
                closing = not left
                continue
            found = (_LINE_END if closing else _CHUNK_SIZE).match(data, at)
            if found is None:
                if len(data) - at >= (2 if closing else MAX_CHUNK_LINE_BYTES) or b"\n" in data[at:]:
                    raise _broken(line, "its chunks are not framed")
                break
            at = found.end()
            if closing:
                closing = False
                continue
            left = int(found[1], 16)
            if left > cap:
                raise _too_much(line, cap)
            if not left:
                if pieces:
                    yield b"".join(pieces)
                return
        if pieces:
            yield b"".join(pieces)
            unpacked += sum(map(len, pieces))
        more = line.receive()
        if not more:
            raise _off(line, unpacked)
        arrived += len(more)
        data = data[at:] + more
    raise _too_much(line, cap)


def _ended(line: Line, arrived: int) -> FetchError:
    if arrived:
        return FetchError(line.subject, f"the answer of {line.host} broke off in its headers")
    return FetchError(line.subject, f"{line.host} closed the connection without an answer")


def _off(line: Line, arrived: int) -> FetchError:
    return FetchError(line.subject, f"the answer of {line.host} broke off after {arrived} bytes")


def _broken(line: Line, what: str) -> FetchError:
    return FetchError(line.subject, f"the answer of {line.host} is broken: {what}")


def _too_large(line: Line, cap: int) -> Refused:
    return Refused(line.subject, f"the answer's headers are larger than {size(cap)}")


def _too_much(line: Line, cap: int) -> Refused:
    return Refused(line.subject, f"the answer is larger than {size(cap)}")


_BLANK = " \t"
_HTTP = b"HTTP/1."
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_STATUS_LINE = re.compile(r"HTTP/1\.[0-9] ([1-9][0-9]{2})(?: (.*))?")
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\n]*)?\r?\n")
_LINE_END = re.compile(rb"\r?\n")
_LENGTH_DIGITS = 18
_WITHOUT_BODY = frozenset({204, 304})
