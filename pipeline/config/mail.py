"""What `[mail]` may say: who sends, what takes messages away, how fast, where answers come back. A part of `shape`."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator, SecretStr, StrictFloat, StrictInt, model_validator

from pipeline.config.table import Table
from pipeline.config.values import (
    Address,
    DefaultPlace,
    Flag,
    Line,
    Mailbox,
    Place,
    Title,
    ascii_domain,
    one_of,
    span,
    split_mailbox,
    wrong,
)

PORTS = {"none": 25, "starttls": 587, "implicit": 465}
MARK_ROOM = 23   # characters before the @ of an address that takes marks, see mail/marks
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
PER_SECOND = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def _rate(value: Any) -> float:
    """Messages a second, of "10/s", "600/m", "20000/h" or "200000/d"."""
    found = re.fullmatch(r"\s*(\d{1,9})\s*/\s*([smhd])\s*", value, re.ASCII) if isinstance(value, str) else None
    if not found or not int(found[1]):
        raise wrong('{value} is no rate; write a number of messages and a time in quotes: "10/s", "600/m", "20000/h"')
    return int(found[1]) / PER_SECOND[found[2]]


def _domain(value: str) -> str:
    """A host or domain in small letters, IDNs in punycode."""
    try:
        name = ascii_domain(value.strip().rstrip(".").lower())
    except ValueError:
        name = ""
    if not re.fullmatch(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}", name):
        raise wrong('{value} is no domain; write one like "example.org"')
    return name


def _label(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,61}[A-Za-z0-9])?", value):
        raise wrong('{value} is no selector; write letters, digits and hyphens, such as "2026a"')
    return value


def _markable(value: str) -> str:
    if len(value.partition("@")[0]) > MARK_ROOM:
        raise wrong(f"{{value}} leaves no room for a mark: at most {MARK_ROOM} characters before the @")
    return value


def _imap(value: str) -> str:
    if not re.fullmatch(r"imaps?://[^\s/@:]+(?::\d{1,5})?(?:/[^\s?#]*)?", value):
        raise wrong('{value} is no mailbox; write "imaps://imap.example.org/INBOX", and user and password beside it')
    return value


Rate = Annotated[float, PlainValidator(_rate)]
Domain = Annotated[str, AfterValidator(_domain)]
Selector = Annotated[str, AfterValidator(_label)]
Connections = Annotated[StrictInt, Field(ge=1, le=500)]
Share = Annotated[StrictFloat, Field(gt=0, le=1)]
AUTHS = ("auto", "plain", "login", "xoauth2")


class Smtp(Table):
    """`[mail.smtp]`, or one of `[[mail.relays]]`: a mail server that takes our mail."""

    host: Title
    tls: Annotated[Literal["none", "starttls", "implicit"], one_of("none", "starttls", "implicit")] = "starttls"
    port: Annotated[StrictInt, Field(ge=1, le=65_535)]
    user: Line = ""
    password: SecretStr = SecretStr("")    # with auth = "xoauth2" the access token
    auth: Annotated[Literal["auto", "plain", "login", "xoauth2"], one_of(*AUTHS)] = "auto"
    timeout: Annotated[timedelta, span(SECOND)] = timedelta(seconds=60)          # for the answer to any command
    answer_timeout: Annotated[timedelta, span(SECOND)] = timedelta(minutes=10)   # to the final dot: RFC 5321 4.5.3.2.6
    connections: Connections = 4
    per_connection: Annotated[StrictInt, Field(ge=1, le=1_000_000)] = 1000       # messages, then a new one is opened
    rate: Rate | None = None
    weight: Annotated[StrictInt, Field(ge=1, le=1000)] = 1    # of several relays: how much of the mail this one gets

    @model_validator(mode="before")
    @classmethod
    def _port(cls, data: Any) -> Any:
        if isinstance(data, dict) and "port" not in data:
            tls = data.get("tls")
            return {**data, "port": PORTS.get(tls if isinstance(tls, str) else "", 587)}
        return data


class DomainPace(Table):
    """One of `[[mail.domains]]`: how fast mail may go to the people of a domain."""

    name: Domain
    connections: Connections | None = None
    rate: Rate | None = None


class Dkim(Table):
    """One of `[[mail.dkim]]`: a key that signs what goes out (RFC 6376). Two of them sign twice: RSA and Ed25519."""

    selector: Selector
    key: Place                             # a PEM file with the private key
    domain: Domain | None = None           # None: the sender's


class Returns(Table):
    """`[mail.returns]`: where what comes back is read: bounces, complaints, requests to leave."""

    # "bounces@lantern.example": the return path, with a +mark for each delivery
    address: Annotated[Address, AfterValidator(_markable)]
    maildir: Place | None = None
    imap: Annotated[str, AfterValidator(_imap)] | None = None
    user: Line = ""
    password: SecretStr = SecretStr("")
    every: Annotated[timedelta, span(MINUTE)] = timedelta(minutes=5)
    soft_limit: Annotated[StrictInt, Field(ge=1, le=1000)] = 5        # bounces for now, within `soft_within`, suppress
    soft_within: Annotated[timedelta, span(MINUTE)] = timedelta(days=30)


class Hooks(Table):
    """`[mail.hooks]`: what proves that a provider's report is its own; a provider without it is not listened to."""

    ses: tuple[Line, ...] = ()             # ARNs of the SNS topics
    postmark: SecretStr = SecretStr("")    # "user:password" of its webhook's Basic authentication
    mailgun: SecretStr = SecretStr("")     # the HTTP webhook signing key
    sendgrid: Line = ""                    # the public key of the signed event webhook, base64


class StopAt(Table):
    """`stop_at`: a digest whose shares pass these is paused, and the operator told."""

    failures: Share = 0.1                  # of those tried: refused for good
    complaints: Share = 0.003              # of those sent: reported as spam
    after: Annotated[StrictInt, Field(ge=1)] = 100      # messages, before which nothing is concluded


class WarmUp(Table):
    """`[mail.warm_up]`: so many messages on the first day, so many on the second, then no limit."""

    since: Annotated[date, Field(strict=True)]
    days: tuple[Annotated[StrictInt, Field(ge=1)], ...] = (50, 100, 500, 1000, 5000, 10_000, 20_000, 40_000)


class Mail(Table):
    """`[mail]`: who sends, and what takes messages away."""

    sender: Mailbox
    reply_to: Mailbox | None = None
    transport: Annotated[Literal["maildir", "smtp", "files", "dry-run"],
                         one_of("maildir", "smtp", "files", "dry-run")] = "maildir"
    maildir: DefaultPlace = Path("mailbox")
    files: DefaultPlace = Path("outgoing")     # one .eml for each message
    smtp: Smtp | None = None
    relays: tuple[Smtp, ...] = ()
    domains: tuple[DomainPace, ...] = ()
    dkim: tuple[Dkim, ...] = ()
    returns: Returns | None = None
    hooks: Hooks = Hooks()
    retry_for: Annotated[timedelta, span(MINUTE)] = timedelta(hours=48)
    stop_at: StopAt = StopAt()
    warm_up: WarmUp | None = None
    precedence: Flag = False                   # "Precedence: bulk", for old auto-responders

    @property
    def sender_name(self) -> str:
        return split_mailbox(self.sender)[0]

    @property
    def sender_address(self) -> str:
        return split_mailbox(self.sender)[1]

    @property
    def return_address(self) -> str:
        """Where what comes back is read; "" where it goes to the sender."""
        return self.returns.address if self.returns is not None else ""

    @property
    def servers(self) -> tuple[Smtp, ...]:
        """All relays: `[mail.smtp]` and `[[mail.relays]]`."""
        return (*((self.smtp,) if self.smtp is not None else ()), *self.relays)
