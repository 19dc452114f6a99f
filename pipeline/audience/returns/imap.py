"""A mailbox on an IMAP server (RFC 3501), over TLS whose certificate is verified.

A letter is marked \\Seen only after what it says is committed; \\Flagged as well where a person should look at it. What
was seen by a person is not read. Nothing is deleted or moved.
"""

from __future__ import annotations

import imaplib
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote, urlsplit

from pipeline.audience.returns.mailbox import Letter
from pipeline.audience.returns.opened import MOST_BYTES
from pipeline.errors import TransportError

WINDOW = 2_000        # letters that are asked about at once: an answer is one line, and lines have a limit
_PORTS = {"imaps": 993, "imap": 143}
_LITERAL = re.compile(rb"UID (\d+)")


@dataclass(frozen=True, slots=True)
class ImapMailbox:
    """`url` is "imaps://host:port/FOLDER", or "imap://…", where the server must offer STARTTLS."""

    url: str
    user: str
    password: str = field(repr=False)
    answer_s: float = 30.0      # for one answer
    total_s: float = 300.0      # for a whole reading; the next one goes on
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return self.url

    @contextmanager
    def open(self) -> Iterator[ImapSession]:
        with _translated(self.url):
            server = self._connect()
        deadline = threading.Timer(self.total_s, _cut, [server])
        deadline.daemon = True
        deadline.start()
        try:
            with _translated(self.url):
                self._sign_in(server)
                folder = unquote(urlsplit(self.url).path.lstrip("/")) or "INBOX"
                count = _first(server.select(_quoted(folder)))
            yield ImapSession(server, self.url, int(count or 0))
        finally:
            deadline.cancel()
            with suppress(imaplib.IMAP4.error, OSError):
                server.logout()
            with suppress(OSError):
                server.shutdown()

    def _connect(self) -> imaplib.IMAP4:
        parts = urlsplit(self.url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        context = self.tls or ssl.create_default_context()
        if parts.scheme == "imaps":
            return imaplib.IMAP4_SSL(host, port, ssl_context=context, timeout=self.answer_s)
        server = imaplib.IMAP4(host, port, timeout=self.answer_s)
        try:
            if "STARTTLS" in server.capabilities:
                server.starttls(context)
            elif not _is_loopback(host):
                raise TransportError(self.url, "the server offers no encryption, and the password would be readable",
                                     hint="use imaps:// in mail.returns.imap")
        except BaseException:
            server.shutdown()
            raise
        return server

    def _sign_in(self, server: imaplib.IMAP4) -> None:
        try:
            server.login(self.user, self.password)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            raise TransportError(self.url, f"refuses to let {self.user} in: {_said(error, self.password)}",
                                 hint="see user and password of [mail.returns]") from error


class ImapSession:
    def __init__(self, server: imaplib.IMAP4, name: str, count: int) -> None:
        self._server = server
        self._name = name
        self._count = count

    def letters(self) -> Iterator[Letter]:
        for start in range(1, self._count + 1, WINDOW):
            end = min(start + WINDOW - 1, self._count)
            with _translated(self._name):
                found = _first(self._server.uid("SEARCH", f"{start}:{end}", "UNSEEN"))
            for uid in found.decode("ascii", "replace").split():
                with _translated(self._name):
                    raw = self._fetch(uid)
                if raw is not None:
                    yield Letter(uid, raw)

    def done(self, letter: Letter, *, unread: bool) -> None:
        with _translated(self._name):
            flags = r"(\Seen \Flagged)" if unread else r"(\Seen)"
            _first(self._server.uid("STORE", letter.name, "+FLAGS.SILENT", flags))

    def _fetch(self, uid: str) -> bytes | None:
        """None for one that somebody deleted in the meantime."""
        status, data = self._server.uid("FETCH", uid, f"(UID BODY.PEEK[]<0.{MOST_BYTES}>)")
        if status != "OK":
            raise imaplib.IMAP4.error(f"FETCH: {data!r}")
        for part in data:
            if isinstance(part, tuple) and len(part) > 1:
                named = _LITERAL.search(part[0])
                if named is None or named[1].decode() == uid:
                    return bytes(part[1])[:MOST_BYTES]
        return None


@contextmanager
def _translated(name: str) -> Iterator[None]:
    """The library's errors and the network's in words; what was not dealt with stays unseen."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise TransportError(name, f"the server's certificate does not hold: {error.verify_message}") from error
    except imaplib.IMAP4.error as error:
        raise TransportError(name, f"the mailbox can't be read: {_said(error)}") from error
    except (OSError, EOFError) as error:
        cause = "took too long" if isinstance(error, TimeoutError) else (error.args and str(error.args[-1])) or "closed"
        raise TransportError(name, f"the mailbox can't be reached: {cause}") from error


def _first(answer: tuple[str, list[Any]]) -> bytes:
    status, data = answer
    if status != "OK":
        raise imaplib.IMAP4.error(data[0] if data else status)
    found = data[0] if data else b""
    return found if isinstance(found, bytes) else b""


def _said(error: Exception, secret: str = "") -> str:
    """What the server said, printable and short, without the password should it repeat that."""
    first = error.args[0] if error.args else ""
    text = first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first)
    if secret:
        text = text.replace(secret, "…")
    return "".join(c if c.isprintable() else " " for c in text)[:200] or "no reason was given"


def _quoted(folder: str) -> str:
    return '"' + folder.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _cut(server: imaplib.IMAP4) -> None:
    """End a reading that takes too long: whoever waits for an answer gets an error."""
    with suppress(OSError):
        server.socket().shutdown(socket.SHUT_RDWR)
