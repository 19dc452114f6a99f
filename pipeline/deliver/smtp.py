"""SMTP (RFC 5321) through the standard library's client, driven a step at a time so that the phase is always known.

A message's last byte before the final dot leaves in `offer`, the dot in `commit`: a connection that breaks before
the dot has delivered nothing, one that breaks after it may have (RFC 1047).
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.deliver.retry import judge
from pipeline.deliver.transport import Envelope
from pipeline.errors import TransportError
from pipeline.model.deliveries import DeliveryState, Outcome


@dataclass(frozen=True, slots=True, repr=False)
class Relay:
    """A mail server that takes our mail. `tls` is "none", "starttls" or "implicit"; never printed (password)."""

    host: str
    port: int
    tls: str
    user: str
    password: str
    timeout_s: float
    hello: str        # the name we say in EHLO

    @property
    def subject(self) -> str:
        return f"mail server {self.host}:{self.port}"


class SmtpTransport:
    name = "smtp"

    def __init__(self, relay: Relay) -> None:
        self.relay = relay

    def open(self) -> SmtpConnection:
        return SmtpConnection(self.relay, _connect(self.relay))

    def arrived(self, envelope: Envelope) -> bool | None:
        return None  # only the relay's log knows


class SmtpConnection:
    """One session, many messages; after a broken session the next offer opens a new one."""

    def __init__(self, relay: Relay, session: smtplib.SMTP) -> None:
        self.relay = relay
        self._session: smtplib.SMTP | None = session

    def offer(self, envelope: Envelope, chunks: Sequence[bytes]) -> Outcome | None:
        session = self._session = self._session or _connect(self.relay)
        body = b"".join(chunks)
        try:
            options = [f"size={len(body)}"] if session.has_extn("size") else []
            if not (envelope.recipient + envelope.sender).isascii():
                if not session.has_extn("smtputf8"):
                    return Outcome(DeliveryState.FAILED, "the mail server takes no addresses beyond ASCII (SMTPUTF8)")
                options.append("smtputf8")
                session.command_encoding = "utf-8"
            for command, code, reply in _steps(session, envelope, options):
                if not 200 <= code < 400:
                    self._reset()
                    return judge(code, _text(reply), command=command)
            session.send(_stuffed(body))
        except (OSError, smtplib.SMTPException) as error:
            self.abandon()
            broke = f"the connection broke before the message was complete: {_why(error)}"
            return Outcome(DeliveryState.DEFERRED, broke, slow_down=True)
        return None

    def commit(self) -> Outcome:
        session = self._session
        if session is None:
            raise ValueError("nothing was offered")
        try:
            session.send(b".\r\n")
            code, reply = session.getreply()
        except (OSError, smtplib.SMTPException) as error:
            self.abandon()
            return Outcome(DeliveryState.UNCERTAIN, f"no answer to the final dot: {_why(error)}")
        if code == 421:  # it closes the channel; whether it kept the message it has just told us: it did not
            self.abandon()
        if not 200 <= code < 600 or 300 <= code < 400:
            self.abandon()
            said = _text(reply)[:100]
            return Outcome(DeliveryState.UNCERTAIN, f"an answer to the final dot that makes no sense: {said}")
        return judge(code, _text(reply), command=".")

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


def _connect(relay: Relay) -> smtplib.SMTP:
    try:
        return _log_in(relay)
    except smtplib.SMTPAuthenticationError as error:
        raise TransportError(relay.subject, f"refused user {relay.user!r} and its password ({error.smtp_code})",
                             hint="check mail.smtp.user and password") from None  # the exception may echo them
    except UnicodeError:  # which holds the password
        raise TransportError(relay.subject, "its name, the user or the password holds what SMTP can't say",
                             hint="mail.smtp.host, user and password take ASCII only") from None
    except smtplib.SMTPNotSupportedError as error:
        raise TransportError(relay.subject, str(error), hint="check mail.smtp.tls and user") from error
    except smtplib.SMTPException as error:
        raise TransportError(relay.subject, _why(error)) from error
    except ssl.SSLError as error:
        raise TransportError(relay.subject, f"no safe connection: {error.reason or error}",
                             hint='is mail.smtp.tls right for this port? "starttls" is usual on 587, "implicit" on 465',
                             ) from error
    except OSError as error:
        raise TransportError(relay.subject, f"can't be reached: {_why(error)}",
                             hint="check mail.smtp.host and port") from error


def _log_in(relay: Relay) -> smtplib.SMTP:
    context = ssl.create_default_context()
    session: smtplib.SMTP
    if relay.tls == "implicit":
        session = smtplib.SMTP_SSL(relay.host, relay.port, relay.hello, timeout=relay.timeout_s, context=context)
    else:
        session = smtplib.SMTP(relay.host, relay.port, relay.hello, relay.timeout_s)
    try:
        session.ehlo_or_helo_if_needed()
        if relay.tls == "starttls":
            session.starttls(context=context)
            session.ehlo()
        if relay.user:
            session.login(relay.user, relay.password)
    except BaseException:
        session.close()
        raise
    return session


def _steps(session: smtplib.SMTP, envelope: Envelope, options: list[str]) -> Iterator[tuple[str, int, bytes]]:
    """(command, code, reply) of MAIL, RCPT and DATA; whoever reads them stops at the first refusal."""
    yield "MAIL", *session.mail(envelope.sender, options)
    yield "RCPT", *session.rcpt(envelope.recipient)
    session.putcmd("data")
    code, reply = session.getreply()
    yield "DATA", code if code == 354 else max(code, 400), reply


def _stuffed(body: bytes) -> bytes:
    """Dot-stuffing (RFC 5321 §4.5.2); our own parts encode a leading dot, other headers might not."""
    if body.startswith(b"."):
        body = b"." + body
    return body.replace(b"\r\n.", b"\r\n..")


def _text(reply: bytes) -> str:
    return reply.decode("utf-8", "replace")


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):  # smtplib wraps it
        return "it took too long to answer"
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        return f"{error.smtp_code} {_text(said) if isinstance(said, bytes) else said}"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
