"""Complaints: "this is spam", pressed by a person and reported by their provider (RFC 5965, ARF; and Outlook.com's,
which only returns the mail)."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message

from pipeline.audience.returns.opened import Opened, content_type, fields, one_line, parameter, text_of

NO_COMPLAINT = frozenset({"not-spam", "auth-failure", "dkim", "virus"})
"""Types of feedback that say nothing of what a person wants."""

MOST_FIELDS = 60


@dataclass(frozen=True, slots=True)
class Complaint:
    type: str                    # "abuse", "fraud", "opt-out" …
    addresses: tuple[str, ...]   # whom it says it is from; most providers blot it out
    claims: tuple[str, ...]      # its fields in which our return path may stand


def complaint(opened: Opened) -> Complaint | None:
    for part in opened.parts:
        if content_type(part) == "message/feedback-report":
            said = _fields(part)
            addresses = (*said.get("original-rcpt-to", ()), *said.get("removal-recipient", ()))
            kind = next(iter(said.get("feedback-type", ())), "abuse").lower()
            return Complaint(kind[:40], tuple(_bare(one) for one in addresses),
                             (*said.get("original-mail-from", ()), *said.get("original-envelope-id", ())))
    if content_type(opened.head) == "multipart/report" and parameter(opened.head, "report-type") == "feedback-report":
        return Complaint("abuse", (), ())
    for part in opened.parts[1:]:
        if named := fields(part, "X-HmXmrOriginalRecipient"):   # Outlook.com's junk mail reporting
            return Complaint("abuse", tuple(_bare(one) for one in named), ())
    return None


def _fields(part: Message) -> dict[str, tuple[str, ...]]:
    """name in lower case -> values. The library takes message/feedback-report for a message with a head of its own."""
    payload = part.get_payload()
    inner = payload[0] if isinstance(payload, list) and payload else None
    if isinstance(inner, Message):
        names = {name.lower() for name, _ in list(inner.raw_items())[:MOST_FIELDS]}
        return {name: tuple(fields(inner, name)) for name in names}
    found: dict[str, tuple[str, ...]] = {}
    for line in text_of(part).split("\n")[:MOST_FIELDS]:
        name, colon, value = line.partition(":")
        if colon:
            known = found.get(name.strip().lower(), ())
            found[name.strip().lower()] = (*known, one_line(value, 500))
    return found


def _bare(value: str) -> str:
    return value.rpartition(";")[2].strip().strip("<>").strip().lower()[:320]
