"""A hostile HTTP server in the process, and a canary that must never be called."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.net.fetch import Fetcher, Limits

Script = Callable[[socket.socket], None]
LOOPBACK = ("127.0.0.1/32",)
PEM = Path(__file__).with_name("loopback.pem")  # made for these tests: a key that guards nothing


class Server:
    """Answers each path with a script that may do anything with the connection; remembers what it was asked."""

    def __init__(self, host: str = "127.0.0.1", *, tls: bool = False) -> None:
        self.scripts: dict[str, Script] = {}
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.unread = False  # leave what comes after the head in the socket
        self.connections = 0
        self.server_names: list[str] = []
        self.stopping = threading.Event()
        self._listener = socket.create_server((host, 0))
        self.host, self.port = self._listener.getsockname()[:2]
        self._tls: ssl.SSLContext | None = None
        if tls:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(PEM)
            self._tls.sni_callback = lambda _sock, name, _context: self.server_names.append(name)
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def url(self, path: str, host: str = "") -> str:
        return f"{'https' if self._tls else 'http'}://{host or self.host}:{self.port}{path}"

    def says(self, path: str, body: bytes = b"", status: str = "200 OK", **headers: str) -> None:
        """A plain answer; header names take `_` for `-`."""
        lines = [f"HTTP/1.1 {status}", *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items())]
        if "Content_Length" not in headers and "Transfer_Encoding" not in headers:
            lines.append(f"Content-Length: {len(body)}")
        answer = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
        self.scripts[path] = lambda sock: sock.sendall(answer)

    def head(self, index: int = -1) -> dict[str, str]:
        """The headers of one request, lower case."""
        lines = self.heads[index].decode("latin-1").split("\r\n")[1:]
        return {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines if line)}

    def close(self) -> None:
        self.stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in [self._accepting, *self._threads]:
            thread.join(2)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with sock:
            try:
                sock.settimeout(5)
                if self._tls:
                    sock = self._tls.wrap_socket(sock, server_side=True)
                with sock:
                    head = b""
                    while b"\r\n\r\n" not in head and (data := sock.recv(4096)):
                        head += data
                    if head:
                        head, _, body = head.partition(b"\r\n\r\n")
                        self.heads.append(head)
                        length = int(self.head().get("content-length", 0))
                        while not self.unread and len(body) < length and (data := sock.recv(65_536)):
                            body += data
                        self.bodies.append(body)
                        path = head.split(b" ", 2)[1].decode("latin-1")
                        self.scripts.get(path, _not_found)(sock)
            except OSError:
                pass  # the client hung up, as it should


def _not_found(sock: socket.socket) -> None:
    sock.sendall(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def tls_server() -> Iterator[Server]:
    made = Server(tls=True)
    yield made
    made.close()


@pytest.fixture
def canary() -> Iterator[Server]:
    """A server on this machine's inside. Tests assert that it saw no connection."""
    made = Server()
    yield made
    made.close()


@pytest.fixture
def outside() -> Iterator[Server]:
    """A server that plays the public web: another loopback address than the canary's."""
    try:
        made = Server("127.0.0.2")
    except OSError:
        pytest.skip("this system has only one loopback address; the same rules are tested by literals")
    yield made
    made.close()


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    made = Fetcher("Broadsheet/test", Limits(connect_s=1, total_s=3))
    yield made
    made.close()


@pytest.fixture
def tls() -> ssl.SSLContext:
    """Trusts the test server's certificate, and only that."""
    return ssl.create_default_context(cafile=str(PEM))
