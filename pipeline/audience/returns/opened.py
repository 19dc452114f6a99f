"""A mail that anybody may have written, opened so that no mail can hurt: never more of it than MOST_BYTES, never nested
deeper than MOST_PARTS allows, and what can't be taken apart is a mail with headers only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser

MOST_BYTES = 256 * 1024
"""Of one mail. A report stands at its beginning; what it returns may be cut short."""

MOST_PARTS = 40
MOST_BOUNDARIES = 24      # of which a mail may speak; the parser's work grows with lines times depth
MOST_VALUE = 2_000        # characters of one field
MOST_TEXT = 64 * 1024     # characters of a part's text
MOST_FIELDS = 400         # of one part

_BOUNDARY = re.compile(rb"boundary\s*=", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Opened:
    head: Message
    parts: tuple[Message, ...]       # the mail itself first, then what is in it, in order
    whole: bool                      # False: only the head could be read


def open_mail(raw: bytes) -> Opened:
    """Never raises."""
    raw = _without_envelope(raw[:MOST_BYTES])
    try:
        if len(_BOUNDARY.findall(raw)) > MOST_BOUNDARIES:
            raise ValueError("a mail of boundaries")
        message = message_from_bytes(raw)
        parts = tuple(_walk(message))
    except Exception:  # noqa: BLE001 - the parser promises not to raise, and does: RecursionError, LookupError, …
        return Opened(_head(raw), (), whole=False)
    return Opened(message, parts, whole=True)


def fields(part: Message, *names: str) -> list[str]:
    """Every value of these fields, each on one line and not endless; [] where there is none."""
    wanted = {name.lower() for name in names}
    try:
        found = [(name, value) for name, value in list(part.raw_items())[:MOST_FIELDS] if name.lower() in wanted]
        return [one_line(str(value)) for _, value in found]
    except Exception:  # noqa: BLE001 - a header that the library can't show
        return []


def field(part: Message, name: str) -> str:
    """The first value, or ""."""
    return next(iter(fields(part, name)), "")


def words_of(part: Message, name: str) -> str:
    """A field that may be in encoded words, as people read it."""
    value = field(part, name)
    try:
        return one_line(str(make_header(decode_header(value))))
    except Exception:  # noqa: BLE001 - unknown character sets, broken encodings
        return value


def content_type(part: Message) -> str:
    try:
        return part.get_content_type()
    except Exception:  # noqa: BLE001
        return "text/plain"


def parameter(part: Message, name: str) -> str:
    """Of Content-Type, in lower case."""
    try:
        value = part.get_param(name, "")
        return str(value[2] if isinstance(value, tuple) else value or "").lower()
    except Exception:  # noqa: BLE001
        return ""


def text_of(part: Message) -> str:
    """A part's text, decoded as well as it goes; "" for one that holds others."""
    try:
        payload = part.get_payload(decode=True)
        if not isinstance(payload, bytes):
            return ""
        charset = str(part.get_content_charset() or "utf-8")
        payload = payload[:MOST_TEXT]
        try:
            text = payload.decode(charset, "replace")
        except (LookupError, ValueError):
            text = payload.decode("utf-8", "replace")
        return text.replace("\r\n", "\n").replace("\r", "\n")
    except Exception:  # noqa: BLE001
        return ""


def one_line(text: str, most: int = MOST_VALUE) -> str:
    """Blanks and control characters become one blank; surrogates, which no database takes, become "?"."""
    cut = text[:most * 2].encode("utf-8", "replace").decode("utf-8", "replace")
    return " ".join(_CONTROL.sub(" ", cut).split())[:most]


def _walk(message: Message) -> Iterator[Message]:
    """The mail and all in it, no more than MOST_PARTS, without recursion."""
    waiting = [message]
    for _ in range(MOST_PARTS):
        if not waiting:
            return
        part = waiting.pop(0)
        yield part
        payload = part.get_payload() if part.is_multipart() else []
        waiting[:0] = [inner for inner in payload if isinstance(inner, Message)][:MOST_PARTS]


def _head(raw: bytes) -> Message:
    try:
        return BytesHeaderParser().parsebytes(raw[:64 * 1024])
    except Exception:  # noqa: BLE001
        return Message()


def _without_envelope(raw: bytes) -> bytes:
    """Without the "From " line that a pipe from an MTA may begin with."""
    if raw.startswith((b"From ", b">From ")):
        return raw.partition(b"\n")[2]
    return raw.lstrip(b"\r\n")
