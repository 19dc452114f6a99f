"""Delivery status notifications (RFC 3464): what the part that machines read says of each recipient."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.message import Message
from enum import StrEnum

from pipeline.audience.returns.opened import Opened, content_type, field, one_line

MOST_RECIPIENTS = 50

ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)")
"""An enhanced status code (RFC 3463) in a text, and no part of an IP address."""


class Action(StrEnum):
    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"      # and relayed, and expanded: nothing that we ask for


@dataclass(frozen=True, slots=True)
class Recipient:
    """One of the blocks of a message/delivery-status part."""

    action: Action
    addresses: tuple[str, ...]   # original first, then final; in lower case
    status: str                  # "5.1.1", or ""
    diagnostic: str              # what the other server said, one line


def recipients(opened: Opened) -> list[Recipient]:
    """What a report says of each recipient; [] where it is none, or says nothing of anybody."""
    found: list[Recipient] = []
    for part in opened.parts:
        if content_type(part) not in ("message/delivery-status", "message/global-delivery-status"):
            continue
        for block in _blocks(part):
            if (said := _recipient(block)) is not None:
                found.append(said)
            if len(found) == MOST_RECIPIENTS:
                return found
    return found


def worst(found: Sequence[Recipient], addresses: Iterable[str] = ()) -> Recipient | None:
    """The one that counts: that of one of these addresses where there is one, else what is most final."""
    wanted = set(addresses)
    order = list(Action)
    return min(found, key=lambda one: (not wanted & set(one.addresses), order.index(one.action)), default=None)


def status_in(text: str) -> str:
    """The first enhanced status code of a text that is no success, or ""."""
    for match in ENHANCED.finditer(text):
        if match[1] != "2":
            return ".".join(match.groups())
    return ""


def _blocks(part: Message) -> list[Message]:
    """The library gives each block of fields as a message of its own; one that is no list has no blocks."""
    payload = part.get_payload()
    return [block for block in payload if isinstance(block, Message)][:MOST_RECIPIENTS * 2] \
        if isinstance(payload, list) else []


def _recipient(block: Message) -> Recipient | None:
    action = field(block, "Action").lower()
    addresses = [_address(field(block, name)) for name in ("Original-Recipient", "Final-Recipient",
                                                           "X-Actual-Recipient")]
    if not action and not any(addresses):
        return None                       # the block about the message, or no block at all
    diagnostic = _typed(field(block, "Diagnostic-Code"))
    status = status_in(field(block, "Status"))
    if action.startswith("delay"):
        verdict = Action.DELAYED
    elif action.startswith(("fail", "error")) or (not action and status):   # OpenSMTPD says "error"
        verdict = Action.FAILED
    else:
        verdict = Action.DELIVERED
    if status in ("", "5.0.0", "4.0.0"):  # says no more than the action did
        status = status_in(diagnostic) or status
    return Recipient(verdict, tuple(dict.fromkeys(filter(None, addresses))), status, one_line(diagnostic, 500))


def _address(value: str) -> str:
    """Of "rfc822; Ann@Example.org", and of the ways in which that is written wrongly."""
    plain = _typed(value).strip().strip("<>").strip().lower()
    return plain if "@" in plain and " " not in plain and len(plain) <= 320 else ""


def _typed(value: str) -> str:
    """A value without its type, where it has one: "smtp; 550 no such user"."""
    kind, semicolon, rest = value.partition(";")
    return rest.strip() if semicolon and re.fullmatch(r"\s*[\w-]{1,20}\s*", kind) else value
