"""One connection to an address that the guard has passed, held to a deadline.

A timeout of a socket starts anew with each byte that arrives, so a server that drips a byte a second holds a
client for ever. A line sets the time that is *left* before each send and each read, and nobody needs a thread to
watch. How much may be read is the business of `http1`.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress

from pipeline.errors import FetchError, Refused
from pipeline.net.guard import Target, check_address
from pipeline.net.names import Lookups

READ_BYTES = 64 * 1024

FIRST_BYTE_S = 15.0
"""Seconds within which a server begins to answer."""

MAX_CANDIDATES = 8
"""Addresses of one name that are tried before giving up."""


class Deadline:
    """When one fetch has to be done, all its hops included. `subject` is the address that errors name.

    A server that answers has to do so at `least_rate` bytes a second once `patience_s` have passed since its first
    byte: else a few that drip would hold all our threads for the whole time.
    """

    def __init__(self, subject: str, total_s: float, *, patience_s: float = 10.0, least_rate: int = 512) -> None:
        self.subject = subject
        self.total_s = total_s
        self._patience_s = patience_s
        self._least_rate = least_rate
        self._at = time.monotonic() + total_s
        self._first_at = 0.0
        self._received = 0

    def left(self) -> float:
        """Seconds until then, more than 0; raises FetchError when there are none."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise self.late()
        return left

    def until_the_next_byte(self) -> float:
        """Seconds: all that is left once it answers; less for a server that has said nothing at all."""
        return self.left() if self._first_at else min(self.left(), FIRST_BYTE_S)

    def silent(self) -> FetchError:
        """The error after a wait for bytes that did not come."""
        if self._first_at or self.total_s <= FIRST_BYTE_S:
            return self.late()
        return FetchError(self.subject, f"said nothing for {FIRST_BYTE_S:g} s")

    def late(self) -> FetchError:
        return FetchError(self.subject, f"took longer than {self.total_s:g} s")

    def arrived(self, count: int) -> None:
        """Count bytes that came. Raises Refused where they come too slowly."""
        now = time.monotonic()
        self._first_at = self._first_at or now
        self._received += count
        answering = now - self._first_at
        if answering > self._patience_s and self._received < answering * self._least_rate:
            raise Refused(self.subject, f"the answer is slower than {self._least_rate} bytes a second")


class Line:
    """One connection for one request and its answer. Whatever goes wrong on it is a FetchError that names the host."""

    def __init__(self, host: str, deadline: Deadline) -> None:
        self.host = host
        self.deadline = deadline
        self._sock: socket.socket | None = None
        self._shut = False

    @property
    def subject(self) -> str:
        return self.deadline.subject

    def connect(self, ip: str, port: int, connect_s: float) -> None:
        """Take up the connection with a literal address, within `connect_s` and the time that is left."""
        timeout = min(connect_s, self.deadline.left())
        try:
            sock = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_STREAM)
        except OSError as error:
            raise FetchError(self.subject, f"{self.host} can't be reached from here: {error.strerror}") from error
        self._sock = sock
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(timeout)
            if self._shut:
                raise ConnectionAbortedError
            sock.connect((ip, port))
        except OSError as error:
            sock.close()
            raise FetchError(self.subject, _unreachable(self.host, port, timeout, error)) from error

    def secure(self, context: ssl.SSLContext) -> None:
        """Go on in TLS, under the host's name: for SNI, and for the check of the certificate."""
        sock = self._connected()
        # the time that is left, as a whole: CPython treats the timeout as a deadline for the entire handshake
        sock.settimeout(self.deadline.left())
        try:
            self._sock = tls = context.wrap_socket(sock, server_hostname=self.host, do_handshake_on_connect=False)
            tls.do_handshake()
        except ssl.SSLCertVerificationError as error:
            raise FetchError(
                self.subject, f"the certificate of {self.host} is not valid: {error.verify_message}") from error
        except TimeoutError as error:
            raise self.deadline.late() from error
        except (OSError, ValueError) as error:  # ValueError: what the host is called can't be a server's name
            why = getattr(error, "reason", "") or _words(error)
            raise FetchError(self.subject, f"no TLS connection with {self.host}: {why}") from error

    def send(self, data: bytes) -> None:
        sock = self._connected()
        try:
            sock.settimeout(self.deadline.left())
            sock.sendall(data)
        except OSError as error:
            raise self._broke(error) from error

    def receive(self, most: int = READ_BYTES) -> bytes:
        """The next bytes, b"" when the server has closed the connection."""
        sock = self._connected()
        try:
            sock.settimeout(self.deadline.until_the_next_byte())
            data = sock.recv(most)
        except TimeoutError as error:
            raise self.deadline.silent() from error
        except OSError as error:
            raise self._broke(error) from error
        self.deadline.arrived(len(data))
        return data

    def shut(self) -> None:
        """Break the line off from another thread than the one that uses it, whose send or read ends at once."""
        self._shut = True
        if self._sock is not None:
            with suppress(OSError):  # not yet connected, or already closed by its own thread
                # not SSLSocket.shutdown: that one would let the other thread read on without decrypting
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()

    def _connected(self) -> socket.socket:
        if self._sock is None:
            raise FetchError(self.subject, "not connected")
        return self._sock

    def _broke(self, error: OSError) -> FetchError:
        if isinstance(error, TimeoutError):
            return self.deadline.late()
        return FetchError(self.subject, f"the connection with {self.host} broke: {_words(error)}")


def dial(
    line: Line, target: Target, *, allow_networks: tuple[str, ...], connect_s: float, lookups: Lookups
) -> None:
    """Connect the line to an address of `target` that the guard passes, and to no other.

    Each address is checked and then connected to literally, so an answer of DNS that changes in between (rebinding)
    changes nothing. Refused addresses are passed over; when none is left, the first refusal is raised.
    """
    refusal: Refused | None = None
    failure: FetchError | None = None
    for ip in list(dict.fromkeys(_addresses(target, line.deadline, lookups)))[:MAX_CANDIDATES]:
        try:
            check_address(ip, allow_networks, port=target.port, subject=line.subject)
        except Refused as error:
            refusal = refusal or error
            continue
        try:
            return line.connect(ip, target.port, connect_s)
        except FetchError as error:
            failure = failure or error
            line.deadline.left()
    raise failure or refusal or FetchError(line.subject, f"DNS gave no address for {target.host}")


def tls_context() -> ssl.SSLContext:
    """Certificates checked against the system's authorities."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _addresses(target: Target, deadline: Deadline, lookups: Lookups) -> Sequence[str]:
    """A literal address as it is; a name by DNS, within the time that is left."""
    if target.literal:
        return (target.host,)
    try:
        return lookups.find(target.host, target.port, timeout_s=deadline.left(), subject=deadline.subject)
    except TimeoutError:
        raise deadline.late() from None


def _unreachable(host: str, port: int, timeout: float, error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return f"{host} did not take the connection within {timeout:.3g} s"
    if isinstance(error, ConnectionRefusedError):
        return f"{host} refuses connections on port {port}"
    return f"{host} can't be reached: {_words(error)}"


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
