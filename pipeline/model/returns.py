"""What comes back after a mail was sent: what it says, and what it means for the person."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pipeline.model.deliveries import DeliveryState


class ReturnKind(StrEnum):
    BOUNCE = "bounce"            # it was given up: not delivered
    DELAY = "delay"              # it is late, and still being tried
    COMPLAINT = "complaint"      # reported as spam
    UNSUBSCRIBE = "unsubscribe"  # a mail that asks to leave
    AUTO_REPLY = "auto_reply"    # written by a machine: on holiday, read, delivered
    UNKNOWN = "unknown"          # none of these: somebody should read it


class Via(StrEnum):
    """How it came."""

    DSN = "dsn"                  # a mail: RFC 3464, or one of the many older ways to say it
    ARF = "arf"                  # a mail: RFC 5965
    MAIL = "mail"                # any other mail
    MAILTO = "mailto"            # a mail to an address that only asks to leave
    SES = "ses"
    POSTMARK = "postmark"
    MAILGUN = "mailgun"
    SENDGRID = "sendgrid"


SOFT = "soft"
"""How the outcome of a bounce begins that is counted, and suppresses with enough others."""


class Fault(StrEnum):
    """Whose fault a bounce is; it decides what follows."""

    ADDRESS = "address"          # there is no such address, and there won't be: never mail it again
    PASSING = "passing"          # full, away, unreachable: counted, and only many in a row suppress
    OURS = "ours"                # refused for what we are or sent: nothing the person can help


@dataclass(frozen=True, slots=True)
class Traces:
    """What in a report may say of which mail of ours it speaks. All of it is a stranger's claim until a key of ours
    proves it: marks and tokens carry an HMAC, a Message-ID is one."""

    marks: tuple[str, ...] = ()          # texts that may hold a mark
    tokens: tuple[str, ...] = ()         # of links to leave, from List-Unsubscribe
    message_ids: tuple[str, ...] = ()    # with their angle brackets


@dataclass(frozen=True, slots=True)
class Report:
    """What came back says, taken apart. Nothing in it is believed yet."""

    key: str                             # the same report has the same; what has been read is not read again
    kind: ReturnKind
    via: Via
    traces: Traces = field(default=Traces())
    addresses: tuple[str, ...] = ()      # whom it names, in lower case
    status: str = ""                     # "5.1.1" (RFC 3463), "" where it says none
    detail: str = ""                     # in its own words, one line
    proven: bool = False                 # a provider signed it: the addresses it names are believed
    fault: Fault | None = None           # of a bounce, where whoever reports it has judged it already


@dataclass(frozen=True, slots=True)
class Sent:
    """A delivery of ours that something came back for."""

    id: int
    digest_id: int
    subscription_id: int
    state: DeliveryState
    address: str
    address_key: str


@dataclass(frozen=True, slots=True)
class Whom:
    """Whom a report is about, as far as that was proven; each None where it was not."""

    sent: Sent | None = None
    notice_id: int | None = None
    notice_kind: str = ""
    subscription_id: int | None = None
    address_key: str = ""

    @property
    def nobody(self) -> bool:
        return not self.address_key


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that came back, as it was written down."""

    id: int
    at: datetime
    kind: ReturnKind
    via: str
    delivery_id: int | None
    notice_id: int | None
    subscription_id: int | None
    address: str
    status: str
    detail: str
    outcome: str
    digest_id: int | None = None         # the delivery's

    @property
    def somebody(self) -> bool:
        """Whether it was proven whom it is about."""
        return any(one is not None for one in (self.delivery_id, self.notice_id, self.subscription_id))
