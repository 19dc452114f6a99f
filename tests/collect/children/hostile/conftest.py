"""A server that does what servers do to a feed reader that trusts them, and another one on the inside."""

from __future__ import annotations

import gzip
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import brotli
import pytest

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MB = 1_000_000
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

    def redirects(self, path: str, address: str) -> None:
        self.scripts[path] = redirects_to(address)

    def says(self, path: str, body: bytes, kind: str = "application/rss+xml", **headers: str) -> None:
        self.scripts[path] = says(body, kind, **headers)

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


@pytest.fixture(scope="session")
def payloads() -> dict[str, bytes]:
    """Some of what it sends, for those who have no limits."""
    return {
        "gzip-bomb": gigabyte_of(gzip.compress),
        "external": feed(b"<item><title>&x;</title></item>", b'<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]>'),
        "nested-html": NESTED,
        "million-items": feed(b"<item/>" * 1_000_000),
        "author": feed(AUTHOR),
        "attributes": attributes(),
    }
