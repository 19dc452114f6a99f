"""A server that does what servers do to a feed reader that trusts them: each trick by itself, and what it is called.

The limits are made small, so that this is quick; `test_what_it_would_cost` (slow) shows what the same bytes cost
whoever has none.
"""

from __future__ import annotations

import gzip
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache

import brotli
import pytest

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from pipeline.collect.answers import FeedRead
from pipeline.collect.children import ChildLimits, Children, TooCostly
from pipeline.collect.findings import PointersRead
from pipeline.collect.quarantine import is_offence
from pipeline.errors import BroadsheetError, FetchError, ParseError, Refused
from pipeline.net.fetch import Fetcher, Limits, Request
from pipeline.text.clean import MAX_DEPTH

MB = 1_000_000
LOOPBACK = ("127.0.0.1/32",)
FETCH = Limits(connect_s=1, total_s=1, wire_bytes=8 * MB, decoded_bytes=16 * MB)
CHILD = ChildLimits(cpu_s=0.5, cpu_s_per_mb=0, body_bytes=16 * MB)
MAX_CONNECTIONS = 64

Script = Callable[[socket.socket, threading.Event], None]


class Hostile:
    """A server on loopback. Its threads are few, and end when it is closed, whatever they are about."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.scripts: dict[str, Script] = {}
        self.asked: list[str] = []
        self._stopping = threading.Event()
        self._listener = socket.create_server((host, 0), backlog=MAX_CONNECTIONS)
        self.host, self.port = self._listener.getsockname()[:2]
        self._pool = ThreadPoolExecutor(MAX_CONNECTIONS, thread_name_prefix="hostile")
        self._accepting = threading.Thread(target=self._accept, name="hostile-accept", daemon=True)
        self._accepting.start()

    def url(self, path: str) -> str:
        return f"http://{self.host}:{self.port}{path}"

    def close(self) -> None:
        self._stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(5)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._pool.submit(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        try:
            with sock:
                sock.settimeout(5)
                head = b""
                while b"\r\n\r\n" not in head and (data := sock.recv(4096)):
                    head += data
                if head:
                    path = head.split(b" ", 2)[1].decode("latin-1")
                    self.asked.append(path)
                    self.scripts[path](sock, self._stopping)
        except (OSError, KeyError):
            pass  # the client hung up, as it should


# --- what it does -----------------------------------------------------------------------------------------------


def says(body: bytes, kind: str = "application/rss+xml", **headers: str) -> Script:
    lines = ["HTTP/1.1 200 OK", f"Content-Type: {kind}", f"Content-Length: {len(body)}",
             *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return lambda sock, _: sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def endless(start: bytes, piece: bytes, pause_s: float = 0) -> Script:
    def script(sock: socket.socket, stopping: threading.Event) -> None:
        sock.sendall(start)
        while not stopping.wait(pause_s):
            sock.sendall(piece)

    return script


def redirects_to(address: str) -> Script:
    answer = f"HTTP/1.1 302 Found\r\nLocation: {address}\r\nContent-Length: 0\r\n\r\n".encode()
    return lambda sock, _: sock.sendall(answer)


def silent(_sock: socket.socket, stopping: threading.Event) -> None:
    stopping.wait(30)


def feed(items: bytes, before: bytes = b"") -> bytes:
    return b'<?xml version="1.0"?>' + before + b"<rss><channel><title>T</title>" + items + b"</channel></rss>"


def item(html: bytes = b"Words.", more: bytes = b"") -> bytes:
    return (b"<item><title>One</title><link>https://e.example/1</link>" + more
            + b"<description><![CDATA[" + html + b"]]></description></item>")


LAUGHS = (b'<!DOCTYPE rss [<!ENTITY l0 "lol">'
          + b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10)) + b"]>")
BLOWUP = b'<!DOCTYPE rss [<!ENTITY a "' + b"a" * 50_000 + b'">]>'
BLOWN_UP = b"<item><title>" + b"&a;" * 50_000 + b"</title></item>"
NESTED = b"<div>" * 100_000
AUTHOR = b"<item><author>" + b"a" * 40_000 + b"</author><title>x &nope y</item>"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\n"

# mode -> the error it gets, and in which words; None where what is left of it is read
EXPECTED: dict[str, tuple[type[BroadsheetError] | None, str]] = {
    # on the wire
    "silent": (FetchError, r"took longer than 1 s$"),
    "drip": (FetchError, r"took longer than 1 s$"),
    "drip-headers": (FetchError, r"took longer than 1 s$"),
    "huge": (Refused, r"the answer is larger than 7\.63 MiB"),
    "huge-said": (Refused, r"the answer is larger than 7\.63 MiB"),
    "huge-chunk": (Refused, r"the answer is larger than 7\.63 MiB"),
    "header-flood": (Refused, r"headers are (larger|too many)"),
    "header-endless": (Refused, r"headers are (larger|too many)"),
    "gzip-bomb": (Refused, r"the answer unpacks to more than 15\.3 MiB"),
    "br-bomb": (Refused, r"the answer unpacks to more than 15\.3 MiB"),
    "zstd-bomb": (Refused, r"the answer unpacks to more than 15\.3 MiB"),
    # where it leads
    "redirects": (Refused, r"redirects more than 5 times"),
    "inside": (Refused, r"127\.0\.0\.2 is this machine itself"),
    "metadata": (Refused, r"169\.254\.169\.254 is a link-local address"),
    "file": (Refused, r"only http and https are fetched"),
    # the document
    "laughs": (ParseError, r"declares entities"),
    "blowup": (ParseError, r"declares entities"),
    "external": (ParseError, r"declares entities"),
    "external-dtd": (None, ""),
    "nested-xml": (ParseError, r"beyond what is read of a feed: Excessive depth"),
    "nested-html": (None, ""),
    "million-items": (TooCostly, r"(took longer than 0\.5 s|needed more than 128 MB of memory) to read"),
    "author": (None, ""),
    "text-node": (ParseError, r"beyond what is read of a feed: .*too long"),
    "attributes": (TooCostly, r"took longer than 0\.5 s to read"),
}
OFFENCES = {"huge", "huge-said", "huge-chunk", "header-flood", "header-endless", "gzip-bomb", "br-bomb", "zstd-bomb",
            "redirects", "million-items", "attributes"}


def scripts(server: Hostile) -> dict[str, Script]:
    spy = server.url("/spy")
    outside = f'<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd"><!ENTITY y SYSTEM "{spy}">]>'.encode()
    return {
        "silent": silent,
        "drip": endless(OK + b"\r\n<rss>", b"x", 0.05),
        "drip-headers": endless(OK, b"X: y\r\n", 0.05),
        "huge": endless(OK + b"\r\n", b"x" * 65_536),
        "huge-said": endless(OK + b"Content-Length: 99999999999\r\n\r\n", b"x" * 65_536),
        "huge-chunk": endless(OK + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFF\r\n", b"x" * 65_536),
        "header-flood": endless(OK, b"X-Flood: yes\r\n" * 100),
        "header-endless": endless(OK + b"X-Long: ", b"x" * 4096),
        "gzip-bomb": says(gigabyte_of(gzip.compress), Content_Encoding="gzip"),
        "br-bomb": says(gigabyte_of(pack_brotli), Content_Encoding="br"),
        "zstd-bomb": says(gigabyte_of(zstd.compress), Content_Encoding="zstd"),
        "redirects": redirects_to(server.url("/redirects")),
        "inside": redirects_to("http://127.0.0.2/"),
        "metadata": redirects_to("http://169.254.169.254/latest/"),
        "file": redirects_to("file:///etc/passwd"),
        "laughs": says(feed(item(b"&l9;"), LAUGHS)),
        "blowup": says(feed(BLOWN_UP, BLOWUP)),
        "external": says(feed(b"<item><title>&x;&y;</title></item>", outside)),
        "external-dtd": says(feed(item(), f'<!DOCTYPE rss SYSTEM "{spy}">'.encode())),
        "nested-xml": says(feed(NESTED)),
        "nested-html": says(feed(item(NESTED + b"Deep."))),
        "million-items": says(million_items(), Content_Encoding="gzip"),
        "author": says(feed(AUTHOR)),
        "text-node": says(gzip.compress(feed(b"<item><title>x" + b"x" * 11 * MB + b"</title></item>"), 1),
                          Content_Encoding="gzip"),
        "attributes": says(attributes(), "text/html"),
        "spy": says(b""),
    }


@cache
def gigabyte_of(pack: Callable[[bytes], bytes]) -> bytes:
    """Some kilobytes that unpack to a gigabyte; of brotli, which can't be strung together, to 30 MB."""
    return pack(b"<a>" * 10_000_000) * (1 if pack is pack_brotli else 33)


def pack_brotli(data: bytes) -> bytes:
    return brotli.compress(data, quality=1)


def million_items() -> bytes:
    return gzip.compress(feed(b"<item/>" * 1_000_000), 1)


def attributes() -> bytes:
    return b"<html><body><p " + b" ".join(b"a%d=x" % n for n in range(100_000)) + b">x</p></body></html>"


# --- each by itself ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hostile() -> Iterator[Hostile]:
    made = Hostile()
    made.scripts = {f"/{mode}": script for mode, script in scripts(made).items()}
    yield made
    made.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("hostile")]


@pytest.fixture(scope="module")
def canary() -> Iterator[Hostile]:
    """A server on the inside."""
    try:
        made = Hostile("127.0.0.2")
    except OSError:
        pytest.skip("this system has only one loopback address")
    yield made
    made.close()


Outcome = tuple[PointersRead | FeedRead | BroadsheetError, float]


@pytest.fixture(scope="module")
def outcomes(hostile: Hostile) -> dict[str, Outcome]:
    """mode -> (what came of it, seconds); all at once, as in a poll."""
    now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    fetcher = Fetcher("Broadsheet/test", FETCH)
    with Children(2, CHILD) as children, ThreadPoolExecutor(8) as pool:

        def poll(mode: str) -> Outcome:
            began = time.monotonic()
            try:
                answer = fetcher.fetch(Request(hostile.url(f"/{mode}"), allow_networks=LOOPBACK))
                kind = "listing" if answer.content_type == "text/html" else "feed"
                return children.work(kind, answer.url, answer.body, url=answer.url, now=now), time.monotonic() - began
            except BroadsheetError as error:
                return error, time.monotonic() - began

        return dict(zip(EXPECTED, pool.map(poll, EXPECTED), strict=True))


@pytest.mark.parametrize("mode", EXPECTED)
def test_each_trick_has_its_reason_within_its_limits(
    hostile: Hostile, outcomes: dict[str, Outcome], mode: str
) -> None:
    kind, words = EXPECTED[mode]
    result, seconds = outcomes[mode]
    if kind is None:
        assert isinstance(result, FeedRead), result
        assert len(result.drafts) == 1
        assert result.drafts[0].html.count("<div>") <= MAX_DEPTH
    else:
        assert isinstance(result, kind), result
        assert re.search(words, result.cause), result.cause
        assert result.subject == hostile.url(f"/{mode}")
        assert is_offence(result) == (mode in OFFENCES)
    assert seconds < 15  # of which most is waiting for the others, on a busy machine


def test_nothing_was_fetched_on_behalf_of_a_document(hostile: Hostile, outcomes: dict[str, Outcome]) -> None:
    assert outcomes
    assert "/spy" not in hostile.asked
    assert hostile.asked.count("/redirects") == FETCH.redirects + 1


def test_a_name_that_changes_its_address_leads_nowhere(hostile: Hostile, canary: Hostile) -> None:
    """The first look-up gives an address that is allowed, the next one an address on the inside."""
    looked_up: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        looked_up.append(host)
        return ["127.0.0.1" if len(looked_up) == 1 else canary.host]

    hostile.scripts["/rebinding"] = redirects_to(f"http://rebinding.example:{canary.port}/")
    fetcher = Fetcher("Broadsheet/test", FETCH, resolve=resolve)
    with pytest.raises(Refused, match=r"127\.0\.0\.2 is this machine itself"):
        fetcher.fetch(Request(f"http://rebinding.example:{hostile.port}/rebinding", allow_networks=LOOPBACK))
    assert len(looked_up) == 2
    assert canary.asked == []
