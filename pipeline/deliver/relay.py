"""A mail server that takes our mail, and the beginning of every session with it: connect, TLS, log in.

The standard library's smtplib does this part, and hands over an open session; certificates are always verified.
"""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from functools import lru_cache

from pipeline.errors import TransportError


@dataclass(frozen=True, slots=True, repr=False)
class Relay:
    """`tls` is "none", "starttls" or "implicit"; never printed (password)."""

    host: str
    port: int
    tls: str
    user: str
    password: str             # with `auth` "xoauth2" the access token
    timeout_s: float          # for the answer to any command
    hello: str                # the name we say in EHLO
    auth: str = "auto"        # or "plain", "login", "xoauth2"
    answer_timeout_s: float = 600.0   # for the answer to the final dot, RFC 5321 §4.5.3.2.6
    connections: int = 1
    per_connection: int = 1000        # messages
    rate: float | None = None         # messages a second
    weight: int = 1

    @property
    def name(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def subject(self) -> str:
        return f"mail server {self.name}"


def connect(relay: Relay) -> smtplib.SMTP:
    """An open session: greeted, encrypted and logged in as asked for. Raises TransportError, never with a password."""
    try:
        return _log_in(relay)
    except smtplib.SMTPAuthenticationError as error:
        raise TransportError(relay.subject, f"refused user {relay.user!r} and its password ({error.smtp_code})",
                             hint="check mail.smtp.user and password") from None  # the exception may echo them
    except UnicodeEncodeError:
        raise TransportError(relay.subject, "the configuration has characters that SMTP can't say here",
                             hint="mail.smtp.host, user and password take ASCII only") from None
    except smtplib.SMTPNotSupportedError as error:
        raise TransportError(relay.subject, str(error), hint="check mail.smtp.tls, user and auth") from error
    except smtplib.SMTPException as error:
        raise TransportError(relay.subject, why(error)) from error
    except ssl.SSLError as error:
        raise TransportError(relay.subject, f"no safe connection: {error.reason or error}",
                             hint='is mail.smtp.tls right for this port? "starttls" is usual on 587, "implicit" on 465',
                             ) from error
    except OSError as error:
        raise TransportError(relay.subject, f"can't be reached: {why(error)}",
                             hint="check mail.smtp.host and port") from error


def why(error: Exception) -> str:
    """What a failed connection says, in words."""
    slow = TimeoutError, BlockingIOError
    if isinstance(error, slow) or isinstance(error.__context__, slow):  # smtplib wraps it
        return "it took too long to answer"
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        return f"{error.smtp_code} {reply_text(said) if isinstance(said, bytes) else said}"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def reply_text(reply: bytes) -> str:
    return reply.decode("utf-8", "replace")


def _log_in(relay: Relay) -> smtplib.SMTP:
    session: smtplib.SMTP
    if relay.tls == "implicit":
        session = smtplib.SMTP_SSL(relay.host, relay.port, relay.hello, timeout=relay.timeout_s, context=_context())
    else:
        session = smtplib.SMTP(relay.host, relay.port, relay.hello, relay.timeout_s)
    try:
        session.ehlo_or_helo_if_needed()
        if relay.tls == "starttls":
            session.starttls(context=_context())
            session.ehlo()
        if relay.user:
            _authenticate(session, relay)
    except BaseException:
        session.close()
        raise
    return session


@lru_cache(maxsize=1)
def _context() -> ssl.SSLContext:
    """What certificates are verified by. To read them takes 20 ms, which two hundred connections would spend again."""
    return ssl.create_default_context()


def _authenticate(session: smtplib.SMTP, relay: Relay) -> None:
    if relay.auth == "auto":
        session.login(relay.user, relay.password)
        return
    session.user, session.password = relay.user, relay.password
    if relay.auth == "plain":
        session.auth("PLAIN", session.auth_plain)
    elif relay.auth == "login":
        session.auth("LOGIN", session.auth_login)
    else:
        session.auth("XOAUTH2", lambda challenge=None: _xoauth2(relay, challenge))


def _xoauth2(relay: Relay, challenge: bytes | None) -> str:
    """Google's and Microsoft's way of logging in with a token (developers.google.com/gmail/imap/xoauth2-protocol). A
    challenge is the server's no, as JSON: an empty answer gets its reply code."""
    return "" if challenge else f"user={relay.user}\x01auth=Bearer {relay.password}\x01\x01"
