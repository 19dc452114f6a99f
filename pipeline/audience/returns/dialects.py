"""The many ways to say "it could not be delivered" that mail servers had before RFC 3464, and have beside it. The only
place that knows flufl.bounce.

Its patterns look at every line several dozen times, and some of them take the square of a line's length: they get the
words that people are meant to read, without what was returned, and no more of these than MOST_LINES of MOST_WIDTH.
"""

from __future__ import annotations

import logging
from email.message import Message

from flufl.bounce import all_failures

from pipeline.audience.returns.opened import Opened, content_type, field, text_of

MOST_LINES = 200
MOST_WIDTH = 400
_KEPT = ("From", "To", "Subject", "X-Failed-Recipients", "X-Mailer", "Return-Path", "Content-Description")

logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)  # it tells each detector that runs


def failures(opened: Opened) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(addresses that are still tried, addresses that were given up), in lower case; both empty where it is no
    bounce that anybody knows."""
    try:
        passing, final = all_failures(_reduced(opened))
    except Exception:  # noqa: BLE001 - a stranger's mail in a stranger's parser: it is then a mail nobody knows
        return (), ()
    return _plain(passing), _plain(final)


def readable(opened: Opened) -> str:
    """What people are meant to read in a report: its texts, without what it returns."""
    lines: list[str] = []
    for part in opened.parts:
        if content_type(part) == "message/rfc822" or content_type(part).startswith("text/rfc822"):
            break
        if content_type(part) == "text/plain" and not part.is_multipart():
            lines += text_of(part).split("\n")
    return "\n".join(line[:MOST_WIDTH] for line in lines[:MOST_LINES])


def _reduced(opened: Opened) -> Message:
    """The mail with nothing in it but what is read here, in the shape that the detectors look for."""
    outer = Message()
    for name in _KEPT:
        if value := field(opened.head, name)[:MOST_WIDTH]:
            outer[name] = value
    if not opened.head.is_multipart():
        outer["Content-Type"] = "text/plain"
        outer.set_payload(_trimmed(text_of(opened.head)))
        return outer
    outer["Content-Type"] = content_type(opened.head)
    room = MOST_LINES
    for part in opened.parts[1:]:
        kind = content_type(part)
        if kind == "message/rfc822":
            break
        if part.is_multipart() or not kind.startswith("text/"):
            continue
        inner = Message()
        inner["Content-Type"] = kind
        if description := field(part, "Content-Description")[:MOST_WIDTH]:
            inner["Content-Description"] = description
        body = _trimmed(text_of(part), room)
        room -= body.count("\n") + 1
        inner.set_payload(body)
        outer.attach(inner)
        if room <= 0:
            break
    if not outer.is_multipart():
        outer.set_payload("")
    return outer


def _trimmed(text: str, lines: int = MOST_LINES) -> str:
    ascii_only = text.encode("ascii", "replace").decode()
    return "\n".join(line[:MOST_WIDTH] for line in ascii_only.split("\n")[:lines])


def _plain(found: frozenset[bytes]) -> tuple[str, ...]:
    addresses = {one.decode("ascii", "replace").strip().strip("<>").lower() for one in found}
    return tuple(sorted(one for one in addresses if "@" in one and len(one) <= 320))[:20]
