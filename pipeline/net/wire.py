"""One connection, metered: sockets that give up at a deadline and a byte count.

A timeout of a socket starts anew with each byte that arrives, so a server that drips a byte a second holds a
client for ever. These sockets set the time that is *left* before each read, and count what came; both limits
hold for headers, chunk framing and body alike, and nobody needs a thread to watch.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from urllib3.connection import HTTPConnection, HTTPSConnection

from pipeline.errors import FetchError, Refused
from pipeline.net.decode import size
from pipeline.net.guard import Target, check_address

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Resolve = Callable[[str, int], Sequence[str]]
"""(host, port) -> IP addresses, in the order to try; raises socket.gaierror."""

MAX_CANDIDATES = 8
"""Addresses of one name that are tried before giving up."""

MAX_LOOKUPS = 32
"""DNS look-ups under way at once; getaddrinfo can't be interrupted, so a hung one keeps its thread."""


class Meter:
    """What one fetch has used up so far, over all its hops. `subject` is the address that errors name."""

    def __init__(self, subject: str, *, total_s: float, wire_bytes: int, header_bytes: int) -> None:
        self.subject = subject
        self.total_s = total_s
        self.wire_bytes = wire_bytes
        self.header_bytes = header_bytes
        self.received = 0
        self.in_headers = True
        self._hop_began_at = 0
        self._deadline = time.monotonic() + total_s

    def begin_hop(self) -> None:
        self.in_headers = True
        self._hop_began_at = self.received

    def left(self) -> float:
        """Seconds until the deadline, more than 0; raises FetchError when there are none."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self.late()
        return left

    def late(self) -> FetchError:
        return FetchError(self.subject, f"took longer than {self.total_s:g} s")

    def check(self) -> None:
        """Raise Refused when the next read would go past a cap."""
        if self.in_headers and self.received - self._hop_began_at >= self.header_bytes:
            raise Refused(self.subject, f"the answer's headers are larger than {size(self.header_bytes)}")
        if self.received >= self.wire_bytes + self.header_bytes:
            raise self.too_large()

    def too_large(self) -> Refused:
        return Refused(self.subject, f"the answer is larger than {size(self.wire_bytes)}")


class MeteredSocket(socket.socket):
    """A TCP socket whose every read is held to its meter."""

    meter: Meter | None = None

    def recv_into(self, buffer: WriteableBuffer, nbytes: int = 0, flags: int = 0) -> int:
        meter = self.meter
        if meter is None:
            return super().recv_into(buffer, nbytes, flags)
        meter.check()
        self.settimeout(meter.left())
        try:
            count = super().recv_into(buffer, nbytes, flags)
        except TimeoutError as error:
            raise meter.late() from error
        meter.received += count
        return count


class MeteredTLSSocket(ssl.SSLSocket):
    """The same over TLS; counts decrypted bytes. The handshake runs under one timeout of its own (see `dial`)."""

    meter: Meter | None = None

    def recv_into(self, buffer: WriteableBuffer, nbytes: int | None = None, flags: int = 0) -> int:
        meter = self.meter
        if meter is None:
            return super().recv_into(buffer, nbytes, flags)
        meter.check()
        self.settimeout(meter.left())
        try:
            count = super().recv_into(buffer, nbytes, flags)
        except TimeoutError as error:
            raise meter.late() from error
        meter.received += count
        return count


class PlainConnection(HTTPConnection):
    """urllib3's connection over a socket that the guard has passed; `host` stays the name, for the Host header."""

    def __init__(self, target: Target, sock: MeteredSocket) -> None:
        super().__init__(target.host, target.port)
        self.carrier: MeteredSocket | MeteredTLSSocket = sock

    def _new_conn(self) -> socket.socket:
        return self.carrier


class TLSConnection(HTTPSConnection):
    """The same with TLS; `host` stays the name, for SNI and for the check of the certificate."""

    def __init__(self, target: Target, sock: MeteredSocket, tls: ssl.SSLContext) -> None:
        super().__init__(target.host, target.port, ssl_context=tls)
        self.carrier: MeteredSocket | MeteredTLSSocket = sock

    def _new_conn(self) -> socket.socket:
        return self.carrier

    def connect(self) -> None:
        super().connect()
        if isinstance(self.sock, MeteredTLSSocket):
            self.sock.meter, self.carrier = self.carrier.meter, self.sock


def shut(connection: PlainConnection | TLSConnection) -> None:
    """Break off a connection that another thread uses; its reads end at once."""
    with suppress(OSError):  # already closed by its own thread
        connection.carrier.shutdown(socket.SHUT_RDWR)


def release(connection: PlainConnection | TLSConnection) -> None:
    """Close the file descriptor now, whatever still refers to it: a response that urllib3 gave up on while making
    it (two Content-Lengths, say) would keep it open until the garbage collector comes by."""
    connection.close()
    descriptor = connection.carrier.detach()
    if descriptor >= 0:
        socket.close(descriptor)


def tls_context() -> ssl.SSLContext:
    """Certificates checked against the system's authorities."""
    return ssl.create_default_context()


def dial(
    target: Target, meter: Meter, *, allow_networks: tuple[str, ...], connect_s: float, resolve: Resolve
) -> MeteredSocket:
    """Connect to an address of `target` that the guard passes, and to no other.

    Each address is checked and then connected to literally, so an answer of DNS that changes in between (rebinding)
    changes nothing. Refused addresses are passed over; when none is left, the first refusal is raised.
    """
    refusal: Refused | None = None
    failure: FetchError | None = None
    for ip in list(dict.fromkeys(_addresses(target, meter, resolve)))[:MAX_CANDIDATES]:
        try:
            check_address(ip, allow_networks, port=target.port, subject=meter.subject)
        except Refused as error:
            refusal = refusal or error
            continue
        try:
            return _connect(ip, target, meter, connect_s)
        except FetchError as error:
            failure = failure or error
            meter.left()
    raise failure or refusal or FetchError(meter.subject, f"DNS gave no address for {target.host}")


def _addresses(target: Target, meter: Meter, resolve: Resolve) -> Sequence[str]:
    """A literal address as it is; a name by DNS, within the time that is left."""
    if ":" in target.host or target.host.replace(".", "").isdigit():
        return [target.host]
    if not _lookups.acquire(timeout=meter.left()):
        raise FetchError(meter.subject, "too many DNS look-ups hang")
    answers: SimpleQueue[Sequence[str] | OSError | UnicodeError] = SimpleQueue()

    def look_up() -> None:
        try:
            answers.put(resolve(target.host, target.port))
        except (OSError, UnicodeError) as error:
            answers.put(error)
        finally:
            _lookups.release()

    threading.Thread(target=look_up, name="dns", daemon=True).start()
    try:
        answer = answers.get(timeout=meter.left())
    except Empty:
        raise meter.late() from None
    if isinstance(answer, socket.gaierror) and answer.errno in (socket.EAI_NONAME, _NO_DATA):
        raise FetchError(meter.subject, f"DNS knows no host {target.host}", hint="check the spelling") from answer
    if isinstance(answer, (OSError, UnicodeError)):
        raise FetchError(meter.subject, f"DNS gave no answer for {target.host}: {answer}") from answer
    return answer


def by_system(host: str, port: int) -> Sequence[str]:
    """The operating system's resolver: /etc/hosts, then DNS."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(info[4][0]) for info in found]


def _connect(ip: str, target: Target, meter: Meter, connect_s: float) -> MeteredSocket:
    timeout = min(connect_s, meter.left())
    try:
        sock = MeteredSocket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:
        raise FetchError(meter.subject, f"{target.host} can't be reached from here: {error.strerror}") from error
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(timeout)
        sock.connect((ip, target.port))
        # a handshake over this socket has all the time that is left, as a whole: OpenSSL's wrapper in CPython
        # treats the timeout as a deadline for the entire handshake, not for each read
        sock.settimeout(meter.left())
    except TimeoutError as error:
        sock.close()
        raise FetchError(meter.subject, f"{target.host} did not take the connection within {timeout:.3g} s") from error
    except ConnectionRefusedError as error:
        sock.close()
        raise FetchError(meter.subject, f"{target.host} refuses connections on port {target.port}") from error
    except OSError as error:
        sock.close()
        raise FetchError(meter.subject, f"{target.host} can't be reached: {error.strerror or error}") from error
    except FetchError:
        sock.close()
        raise
    sock.meter = meter
    return sock


_lookups = threading.BoundedSemaphore(MAX_LOOKUPS)
_NO_DATA = getattr(socket, "EAI_NODATA", socket.EAI_NONAME)
