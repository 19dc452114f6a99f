"""SMTP a step at a time, for servers without PIPELINING: the standard library's client, so that the phase is known.

A message's last byte before the final dot leaves in `offer`, the dot in `commit`: a connection that breaks before
the dot has delivered nothing, one that breaks after it may have (RFC 1047).
"""

from __future__ import annotations

import smtplib
from collections.abc import Iterator, Sequence

from pipeline.deliver.relay import Relay, connect, reply_text, why
from pipeline.deliver.retry import judge, judge_dot
from pipeline.deliver.transport import Envelope, Parcel
from pipeline.deliver.wire import needs_utf8, stuffed
from pipeline.model.deliveries import DeliveryState, Outcome


class PlainConnection:
    """One session, many messages; after a broken session the next offer opens a new one."""

    def __init__(self, relay: Relay, session: smtplib.SMTP) -> None:
        self.relay = relay
        self._session: smtplib.SMTP | None = session

    def offer(self, envelope: Envelope, chunks: Sequence[bytes]) -> Outcome | None:
        session = self._session = self._session or connect(self.relay)
        body = b"".join(chunks)
        try:
            options = [f"size={len(body)}"] if session.has_extn("size") else []
            if needs_utf8(envelope):
                if not session.has_extn("smtputf8"):
                    return Outcome(DeliveryState.FAILED, "the mail server takes no addresses beyond ASCII (SMTPUTF8)")
                options += ["body=8bitmime", "smtputf8"] if session.has_extn("8bitmime") else ["smtputf8"]
                session.command_encoding = "utf-8"
            for command, code, reply in _steps(session, envelope, options):
                if not 200 <= code < 400:
                    self._reset()
                    return judge(code, reply_text(reply), command=command)
            session.send(b"".join(stuffed([body])))
        except (OSError, smtplib.SMTPException) as error:
            self.abandon()
            broke = f"the connection broke before the message was complete: {why(error)}"
            return Outcome(DeliveryState.DEFERRED, broke, slow_down=True, about="relay")
        return None

    def commit(self, following: Parcel | None = None) -> Outcome:
        session = self._session
        if session is None:
            raise ValueError("nothing was offered")
        try:
            if session.sock is not None:
                session.sock.settimeout(self.relay.answer_timeout_s)
            session.send(b".\r\n")
            code, reply = session.getreply()
            if session.sock is not None:
                session.sock.settimeout(self.relay.timeout_s)
        except (OSError, smtplib.SMTPException) as error:
            self.abandon()
            return Outcome(DeliveryState.UNCERTAIN, f"no answer to the final dot: {why(error)}")
        outcome = judge_dot(code, reply_text(reply))
        if code == 421 or outcome.state is DeliveryState.UNCERTAIN:  # 421 closes the channel, and kept nothing
            self.abandon()
        return outcome

    def abandon(self) -> None:
        """Drop the connection without the final dot; a server must then forget the message (RFC 5321 §4.1.1.4)."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def close(self) -> None:
        if self._session is not None:
            try:
                self._session.quit()
            except (OSError, smtplib.SMTPException):
                self._session.close()
            self._session = None

    def _reset(self) -> None:
        """Make ready for the next message after a refusal, or drop a session that is no longer usable."""
        if self._session is not None:
            try:
                code, _ = self._session.rset()
            except (OSError, smtplib.SMTPException):
                code = 0
            if code != 250:
                self.abandon()


def _steps(session: smtplib.SMTP, envelope: Envelope, options: list[str]) -> Iterator[tuple[str, int, bytes]]:
    """(command, code, reply) of MAIL, RCPT and DATA; whoever reads them stops at the first refusal."""
    yield "MAIL", *session.mail(envelope.sender, options)
    yield "RCPT", *session.rcpt(envelope.recipient)
    session.putcmd("data")
    code, reply = session.getreply()
    yield "DATA", code if code == 354 else max(code, 400), reply
