"""A mail that came back -> what it says. Pure; never raises, whatever the bytes are.

    raw | open | to an address that asks to leave? | complaint? | status notification? | from a machine? | Report

The order matters. A bounce may carry "Auto-Submitted" like an answer from a holiday, so what is surely a bounce is
looked for first; and an answer from a holiday may speak of addresses like a bounce, so the older dialects are only
looked for in what a mail server says it has written.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

from pipeline.audience.returns import dialects
from pipeline.audience.returns.complaints import NO_COMPLAINT, complaint
from pipeline.audience.returns.dsn import Action, recipients, status_in, worst
from pipeline.audience.returns.opened import (
    MOST_BYTES,
    Opened,
    content_type,
    field,
    fields,
    one_line,
    open_mail,
    text_of,
)
from pipeline.audience.returns.replies import by_machine, from_daemon
from pipeline.model.returns import Report, ReturnKind, Traces, Via

_CRLF, _LF = b"\r\n", b"\n"     # a mailbox keeps one, the wire the other
MOST_TRACES = 60
MOST_DETAIL = 300     # characters

_TO = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-Delivered-To", "X-RCPT-To", "To", "Cc",
       "Resent-To", "Apparently-To")
_PATHS = ("Return-Path", "X-Return-Path", "X-Original-Return-Path", "Sender", "Errors-To", "X-Envelope-From",
          "X-Original-Sender", "X-Envelope-Sender")
_TOKEN = re.compile(r"/u/([A-Za-z0-9._-]{10,200})")
_FOLDED = re.compile(r"\n[ \t]")
_RETURNED = re.compile(r"^(List-Unsubscribe|Message-ID|Return-Path):(.{1,2000})$", re.IGNORECASE | re.MULTILINE)
_MESSAGE_ID = re.compile(r"<[^<>\s@]{1,200}@[^<>\s@]{1,200}>")


def parse(raw: bytes, recipient: str = "", *, leaves: Callable[[str], bool] = lambda _text: False) -> Report:
    """`recipient` is the address that the mail was for, where the mail server says it. `leaves` tells whether a text
    holds a mark of ours that asks to leave."""
    opened = open_mail(raw)
    key = f"mail:{hashlib.sha256(raw.replace(_CRLF, _LF)).hexdigest()}"
    towards = ([one_line(recipient)] if recipient else []) + fields(opened.head, *_TO)
    traces = _traces(opened, towards)
    if (said := complaint(opened)) is not None:
        kind = ReturnKind.UNKNOWN if said.type in NO_COMPLAINT else ReturnKind.COMPLAINT
        marks = (*traces.marks, *said.claims)
        return Report(key, kind, Via.ARF, Traces(marks, traces.tokens, traces.message_ids), said.addresses,
                      detail=f"reported as {said.type}")
    notified = recipients(opened)
    if not notified and any(map(leaves, towards)) and content_type(opened.head) != "multipart/report":
        return Report(key, ReturnKind.UNSUBSCRIBE, Via.MAILTO, Traces(tuple(towards)),
                      detail=_subject(opened))
    if (one := worst(notified)) is not None:
        kind = {Action.FAILED: ReturnKind.BOUNCE, Action.DELAYED: ReturnKind.DELAY,
                Action.DELIVERED: ReturnKind.AUTO_REPLY}[one.action]
        named = tuple(dict.fromkeys(address for other in notified for address in other.addresses))[:MOST_TRACES]
        status = one.status
        if status in ("", "5.0.0", "4.0.0"):
            status = status_in(dialects.readable(opened)) or status
        return Report(key, kind, Via.DSN, traces, named, status,
                      one.diagnostic[:MOST_DETAIL] or _first_words(opened, named) or _subject(opened))
    if from_daemon(opened):
        passing, final = dialects.failures(opened)
        if passing or final:
            words = dialects.readable(opened)
            kind = ReturnKind.BOUNCE if final else ReturnKind.DELAY
            return Report(key, kind, Via.DSN, traces, final or passing, status_in(words),
                          _first_words(opened, final or passing) or _subject(opened))
    if by_machine(opened):
        return Report(key, ReturnKind.AUTO_REPLY, Via.MAIL, traces, detail=_subject(opened))
    return Report(key, ReturnKind.UNKNOWN, Via.MAIL, traces, detail=_subject(opened))


def traces_in(message: str) -> Traces:
    """Of a mail of ours that somebody returns as text."""
    head = open_mail(message[:MOST_BYTES].encode("utf-8", "replace")).head
    found: list[str] = [value for name in _PATHS for value in fields(head, name)]
    unsubscribe = fields(head, "List-Unsubscribe")
    return Traces(tuple(found + unsubscribe), tuple(token for value in unsubscribe for token in _TOKEN.findall(value)),
                  tuple(one for value in fields(head, "Message-ID") for one in _MESSAGE_ID.findall(value)))


def _traces(opened: Opened, towards: list[str]) -> Traces:
    """All in which a mark of ours, a token or a Message-ID may stand: where it was sent to, and what it returns."""
    marks, tokens, ids = list(towards), [], []
    for part in opened.parts[1:]:
        if content_type(part) in ("text/rfc822-headers", "message/rfc822-headers") and not part.is_multipart():
            head = open_mail(text_of(part).encode()).head
        else:
            head = part
        marks += fields(head, *_PATHS)
        for value in fields(head, "List-Unsubscribe"):
            tokens += _TOKEN.findall(value)
            marks.append(value)
        ids += [found for value in fields(head, "Message-ID") for found in _MESSAGE_ID.findall(value)]
    if not tokens:                        # what older servers return stands in their own text
        for name, value in _fields_in_text(opened):
            if name == "message-id":
                ids += _MESSAGE_ID.findall(value)
            else:
                marks.append(value)
                tokens += _TOKEN.findall(value) if name == "list-unsubscribe" else []
    return Traces(tuple(marks[:MOST_TRACES]), tuple(dict.fromkeys(tokens))[:MOST_TRACES],
                  tuple(dict.fromkeys(ids))[:MOST_TRACES])


def _fields_in_text(opened: Opened) -> list[tuple[str, str]]:
    """(name in lower case, value) of the fields of ours that a report repeats in its text."""
    found: list[tuple[str, str]] = []
    for part in opened.parts:
        if content_type(part) == "text/plain" and not part.is_multipart():
            found += [(name.lower(), one_line(value)) for name, value in
                      _RETURNED.findall(_FOLDED.sub(" ", text_of(part)))[:MOST_TRACES]]
    return found[:MOST_TRACES]


def _subject(opened: Opened) -> str:
    return one_line(field(opened.head, "Subject"), MOST_DETAIL)


def _first_words(opened: Opened, named: tuple[str, ...]) -> str:
    """What an older report says of the first address that it names: the line, and the one after it."""
    lines = [line.strip() for line in dialects.readable(opened).split("\n")]
    for number, line in enumerate(lines):
        if any(address in line.lower() for address in named):
            after = [text for text in lines[number + 1:number + 5] if text][:2]
            return one_line(" ".join([line, *after]), MOST_DETAIL)
    return ""
