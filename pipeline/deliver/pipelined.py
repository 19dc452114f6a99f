"""SMTP as fast as a connection goes: MAIL, RCPT and DATA in one packet (RFC 2920), and in the same packet as the final
dot of the message before, so that a message costs one journey. Blocking sockets, no copies of the message.

The phase is always known. `offer` ends with the last byte before the final dot, `commit` begins with the dot: a
connection that breaks before it has delivered nothing, one that breaks after it may have (RFC 1047).
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import struct
from collections.abc import Sequence
from contextlib import suppress

from pipeline.deliver.relay import Relay, connect, why
from pipeline.deliver.retry import judge, judge_dot
from pipeline.deliver.transport import Envelope, Parcel
from pipeline.deliver.wire import Replies, envelope_commands, needs_utf8, stuffed
from pipeline.errors import TransportError
from pipeline.model.deliveries import DeliveryState, Outcome

DOT = b".\r\n"
MOST_CHUNKS = 512   # of one sendmsg; the system's limit (IOV_MAX) is 1024


class PipelinedConnection:
    """One session, many messages; after a broken session the next offer opens a new one."""

    def __init__(self, relay: Relay, session: smtplib.SMTP) -> None:
        self.relay = relay
        self._session: Session | None = Session(relay, session)

    def offer(self, envelope: Envelope, chunks: Sequence[bytes]) -> Outcome | None:
        parcel = Parcel(envelope, chunks)
        used = self._session is not None and self._session.used
        refused = self._try(parcel)
        if refused is _GONE and used:  # the server had closed it while we were away: that is nobody's failure
            refused = self._try(parcel)
        if refused is _GONE:
            return Outcome(DeliveryState.DEFERRED, "the connection broke before the message was complete",
                           slow_down=True, about="relay")
        return refused

    def commit(self, following: Parcel | None = None) -> Outcome:
        session = self._session
        if session is None:
            raise ValueError("nothing was offered")
        try:
            session.end(following)
        except OSError as error:
            if isinstance(error, ssl.SSLError) or session.encrypted:  # nobody knows how much of it went
                self.abandon()
                return Outcome(DeliveryState.UNCERTAIN, f"the connection broke at the final dot: {why(error)}")
            self.abandon()
            return Outcome(DeliveryState.DEFERRED, f"the connection was gone before the final dot: {why(error)}",
                           slow_down=True, about="relay")
        try:
            code, text = session.answer()
        except OSError as error:
            self.abandon()
            return Outcome(DeliveryState.UNCERTAIN, f"no answer to the final dot: {why(error)}")
        outcome = judge_dot(code, text)
        if code == 421 or outcome.state is DeliveryState.UNCERTAIN:  # 421 closes the channel, and kept nothing
            self.abandon()
        return outcome

    def abandon(self) -> None:
        """Drop the connection without the final dot; a server must then forget the message (RFC 5321 §4.1.1.4)."""
        if self._session is not None:
            self._session.drop()
            self._session = None

    def close(self) -> None:
        if self._session is not None:
            self._session.quit()
            self._session = None

    def _try(self, parcel: Parcel) -> Outcome | None:
        """`_GONE` where the session ended before the server took anything of this message."""
        session = self._session
        if session is None:
            opened = connect(self.relay)
            if not opened.has_extn("pipelining"):  # another machine behind the same name
                opened.close()
                raise TransportError(self.relay.subject, "offered PIPELINING before, and does not now")
            session = self._session = Session(self.relay, opened)
        refused = session.unfit(parcel)
        if refused is not None:
            return refused
        try:
            if session.announced is not parcel.envelope:
                session.announce(parcel)
            refused = session.verdict()
            if refused is None:
                session.send(stuffed(parcel.chunks))
        except OSError as error:
            taken = session.taken
            self.abandon()
            if not taken:
                return _GONE
            broke = f"the connection broke before the message was complete: {why(error)}"
            return Outcome(DeliveryState.DEFERRED, broke, slow_down=True, about="relay")
        if session.spent:
            self.abandon()
        return refused


class Session:
    """An open, logged-in connection, and what was said on it."""

    def __init__(self, relay: Relay, opened: smtplib.SMTP) -> None:
        self._opened = opened
        if opened.sock is None:
            raise TransportError(relay.subject, "closed the connection")
        self._socket = opened.sock
        self.encrypted = isinstance(self._socket, ssl.SSLSocket)
        self._relay = relay
        self._replies = Replies(self._receive)
        self._most = _limit(opened)
        self._sizes = opened.has_extn("size")
        self._eight_bit = opened.has_extn("8bitmime")
        self._utf8 = opened.has_extn("smtputf8")
        self._reset = False                        # a refused envelope must be cleared first
        self._cleared = False                      # RSET stands before what was announced
        self.announced: Envelope | None = None     # its MAIL, RCPT and DATA are on their way
        self.taken = False                         # the server has answered to the envelope that was announced
        self.used = False
        self.spent = False                         # nothing more goes over it
        self._patience_s = 0.0
        self._sends_within = False
        self._wait(relay.timeout_s)
        with suppress(OSError):  # not every socket is TCP
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def unfit(self, parcel: Parcel) -> Outcome | None:
        """What the server told in its greeting that it does not take."""
        if needs_utf8(parcel.envelope) and not self._utf8:
            return Outcome(DeliveryState.FAILED, "the mail server takes no addresses beyond ASCII (SMTPUTF8)")
        if self._most and parcel.size > self._most:
            return Outcome(DeliveryState.FAILED,
                           f"the mail server takes messages of {self._most:,} bytes at most, this has {parcel.size:,}")
        return None

    def announce(self, parcel: Parcel) -> None:
        self._write([self._commands(parcel)])

    def verdict(self) -> Outcome | None:
        """The server's answers to what was announced: None where the message may follow."""
        self.announced = None
        if self._cleared:
            self._replies.read()
            self._cleared = self._reset = False
        refused: Outcome | None = None
        code, at = 0, ""
        for command in ("MAIL", "RCPT", "DATA"):
            try:
                code, text = self._replies.read()
            except OSError:
                self.spent = True
                if refused is None:
                    raise
                return refused
            self.taken = self.used = True
            if refused is None and not (code == 354 if command == "DATA" else 200 <= code < 300):
                refused = judge(max(code, 400), text, command=command)
                at = command
            if code == 421:
                self.spent = True  # it hangs up, and says nothing more
                return refused
        if refused is not None:
            self._reset = True
            self.spent = code == 354 and not (at == "RCPT" and self._end_nothing())
        return refused

    def _end_nothing(self) -> bool:
        """The server waits for a message though it took no recipient: a dot alone, and it says no (RFC 2920 §3.1).
        Where it was the sender that it had refused nobody knows what it would do with a dot, and it gets none."""
        try:
            self._write([DOT])
            self._replies.read()
        except OSError:
            return False
        return True

    def send(self, chunks: Sequence[bytes]) -> None:
        self._write(chunks)

    def end(self, following: Parcel | None) -> None:
        """Send the dot that ends the message, and announce the next one. OSError: the dot did not go, or, where the
        connection is encrypted, nobody knows."""
        end = DOT
        if following is not None and self.unfit(following) is None:
            end += self._commands(following)
        self._wait(self._relay.answer_timeout_s)
        if self.encrypted:
            self._socket.sendall(end)
            return
        sent = 0
        while sent < len(DOT):
            sent += self._socket.send(end[sent:])
        with suppress(OSError):  # the dot is out: from here on only its answer counts
            self._socket.sendall(end[sent:])

    def answer(self) -> tuple[int, str]:
        """To the dot."""
        said = self._replies.read()
        self._wait(self._relay.timeout_s)
        return said

    def drop(self) -> None:
        self._opened.close()

    def quit(self) -> None:
        """Say goodbye, and don't wait long for the answer."""
        with suppress(OSError):
            if self.announced is None:
                self._socket.sendall(b"QUIT\r\n")
                self._wait(2.0)
                self._replies.read()
        self.drop()

    def _commands(self, parcel: Parcel) -> bytes:
        self.announced, self.taken = parcel.envelope, False
        self._cleared = self._reset
        return envelope_commands(parcel.envelope, parcel.size if self._sizes else None,
                                 utf8=needs_utf8(parcel.envelope), eight_bit=self._eight_bit, reset=self._reset)

    def _write(self, chunks: Sequence[bytes]) -> None:
        if self.encrypted:
            self._socket.sendall(b"".join(chunks))
            return
        for start in range(0, len(chunks), MOST_CHUNKS):
            part = chunks[start:start + MOST_CHUNKS]
            sent, whole = self._socket.sendmsg(part), sum(map(len, part))
            if sent < whole:  # the buffers are full, and the rest is rare enough to be copied
                self._socket.sendall(memoryview(b"".join(part))[sent:])

    def _receive(self, size: int) -> bytes:
        try:
            return self._socket.recv(size)
        except BlockingIOError:  # SO_RCVTIMEO says it so
            raise TimeoutError from None

    def _wait(self, seconds: float) -> None:
        """How long the server may take. Plain sockets get it from the system: Python's own time-outs ask poll() before
        each call, which is half of the calls there are."""
        if seconds == self._patience_s:
            return
        self._patience_s = seconds
        if self.encrypted:
            self._socket.settimeout(seconds)
            return
        self._socket.settimeout(None)
        span = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, span)
        if not self._sends_within:  # it is only answers that may take longer
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, span)
            self._sends_within = True


_GONE = Outcome(DeliveryState.DEFERRED)


def _limit(opened: smtplib.SMTP) -> int:
    """The largest message that the server takes, in bytes; 0: it does not say (RFC 1870)."""
    said = opened.esmtp_features.get("size", "").split()
    return int(said[0]) if said and said[0].isdigit() else 0
