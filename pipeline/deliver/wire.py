"""What goes over an SMTP connection, as bytes: commands out, replies in (RFC 5321 §4.1 and §4.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from pipeline.deliver.transport import Envelope

MOST_LINES = 100        # of one reply
SHARED = 4_096          # bytes; larger pieces of a message are rarely one person's own
LONGEST_LINE = 8_192    # bytes; RFC 5321 §4.5.3.1.5 allows 512


class Replies:
    """Reads replies. `receive` gives the next bytes of the connection, b"" at its end."""

    def __init__(self, receive: Callable[[int], bytes]) -> None:
        self._receive = receive
        self._waiting = b""

    @property
    def idle(self) -> bool:
        """Whether nothing is here that nobody has read."""
        return not self._waiting

    def read(self) -> tuple[int, str]:
        """Code and text of the next reply, its lines joined by blanks. ConnectionError where there is none, or none
        that makes sense."""
        line = self._line()
        if line[3:4] == b" " and line[:3].isdigit():  # nearly all: four of them on the path of every message
            return int(line[:3]), line[4:].decode("utf-8", "replace").strip()
        said: list[str] = []
        for number in range(MOST_LINES):
            line = line if number == 0 else self._line()
            if not line[:3].isdigit() or line[3:4] not in (b" ", b"-", b""):
                raise ConnectionError(f"an answer that makes no sense: {line[:80].decode('utf-8', 'replace')}")
            said.append(line[4:].decode("utf-8", "replace").strip())
            if line[3:4] != b"-":
                return int(line[:3]), " ".join(said)
        raise ConnectionError("an answer that does not end")

    def _line(self) -> bytes:
        while (end := self._waiting.find(b"\n")) < 0:
            if len(self._waiting) > LONGEST_LINE:
                raise ConnectionError("an answer that does not end")
            more = self._receive(4096)
            if not more:
                raise ConnectionError("the mail server closed the connection")
            self._waiting += more
        line, self._waiting = self._waiting[:end], self._waiting[end + 1:]
        return line.rstrip(b"\r")


def envelope_commands(envelope: Envelope, size: int | None, *, utf8: bool, eight_bit: bool, reset: bool) -> bytes:
    """MAIL, RCPT and DATA in one go (RFC 2920). `size` in bytes where the server wants to know it (RFC 1870)."""
    options = f" SIZE={size}" if size is not None else ""
    if utf8:
        options += " BODY=8BITMIME SMTPUTF8" if eight_bit else " SMTPUTF8"
    commands = (f"MAIL FROM:<{envelope.sender}>{options}\r\nRCPT TO:<{envelope.recipient}>\r\nDATA\r\n").encode()
    return b"RSET\r\n" + commands if reset else commands


def needs_utf8(envelope: Envelope) -> bool:
    """Whether an address goes beyond ASCII, so that the server must know SMTPUTF8 (RFC 6531)."""
    return not (envelope.recipient.isascii() and envelope.sender.isascii())


def stuffed(chunks: Sequence[bytes]) -> Sequence[bytes]:
    """The same with a second dot before each line that begins with one (RFC 5321 §4.5.2). Digests have none, since
    their encoding hides it, and come out as they are."""
    begins = True  # at the beginning of a line
    for chunk in chunks:
        if (begins and chunk[:1] == b".") or _has_dots(chunk):
            whole = b"".join(chunks)
            return [(b"." if whole[:1] == b"." else b"") + whole.replace(b"\n.", b"\n..")]
        if chunk:
            begins = chunk[-1:] == b"\n"
    return chunks


def _has_dots(chunk: bytes) -> bool:
    return _looked_at(chunk) if len(chunk) >= SHARED else b"\n." in chunk


@lru_cache(maxsize=64)
def _looked_at(chunk: bytes) -> bool:
    """Most of a message are the very bytes that others get too: looking through 120 KB takes as long as all that is
    done for one person."""
    return b"\n." in chunk
