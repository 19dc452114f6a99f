"""Messages as bytes: headers written here, bodies joined from a frozen digest.

The standard library's `EmailMessage` is not used: it folds a long List-Unsubscribe into encoded words, which are not
allowed there and hide the button that mail programs show (python/cpython#85725), it raises on a title with U+2028,
and it costs 7 ms a message. Lines end in CRLF, no line has more than 76 bytes but where an address can't be broken,
and none more than 998 (RFC 5322 §2.1.1).
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime, getaddresses
from ipaddress import ip_address
from unicodedata import category
from urllib.parse import urlsplit

from pipeline.config.values import ascii_domain
from pipeline.errors import BroadsheetError
from pipeline.model.frozen import Frozen, Mould, Shown, mould
from pipeline.model.quoted import joinable_qp

MAX_LINE = 998    # bytes without CRLF, RFC 5322 §2.1.1
FOLD = 76         # bytes; RFC 2047 §2 allows no line with an encoded word to be longer
MOST_JOINED = 9   # characters of four bytes at most, which are kept in one encoded word


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A name and an address, as in From."""

    address: str
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> Mailbox:
        """ "The Lantern <news@lantern.example>" or the address alone. Raises BroadsheetError."""
        found = getaddresses([text])
        name, address = found[0] if len(found) == 1 and not _CONTROL.search(text) else ("", text)
        return cls(_check_address(address), name)


@dataclass(frozen=True, slots=True)
class HeaderFields:
    """All that a message's headers say. The same fields give the same bytes."""

    sender: Mailbox
    to: str                                 # one address; its local part may be beyond ASCII (RFC 6532)
    subject: str                            # any text; line ends and control characters become blanks
    date: datetime                          # aware; a retry repeats the first try's
    message_id: str                         # "<…@…>"
    reply_to: str = ""                      # "Name <address>" or an address; "" for the sender's own
    language: str = ""
    list_id: str = ""                       # "lantern.lantern.example", RFC 2919
    list_name: str = ""
    unsubscribe: tuple[str, ...] = ()       # addresses, https first, then mailto
    archive_url: str = ""
    feedback_id: str = ""
    auto_submitted: bool = False            # written by a machine: none is to answer it (RFC 3834)
    precedence: bool = False                # "bulk", which no RFC knows and old auto-responders heed


def message_chunks(
    fields: HeaderFields, frozen: Frozen, shown: Shown, values: Mapping[str, str]
) -> list[bytes]:
    """One person's whole message, in chunks to be joined or sent one after the other; the last ends in CRLF.

    No line starts with a dot, so nothing needs dot-stuffing.
    """
    moulded = message_mould(fields, frozen, shown, values)
    return moulded.filled(fields.to, fields.message_id, fields.unsubscribe, values)


@dataclass(frozen=True, slots=True)
class MessageMould:
    """A message but for what is one person's: their address, their links, the Message-ID."""

    headers: HeaderMould
    text: Mould
    html: Mould
    boundary: str

    def filled(
        self, to: str, message_id: str, unsubscribe: tuple[str, ...], values: Mapping[str, str]
    ) -> list[bytes]:
        """One person's message, as `message_chunks` gives it."""
        delimiter = f"\r\n--{self.boundary}".encode()
        opening = f'Content-Type: multipart/alternative; boundary="{self.boundary}"\r\n\r\n--{self.boundary}'.encode()
        return [
            self.headers.filled(to, message_id, unsubscribe), opening, _TEXT_PART, *self.text.filled(values),
            delimiter, _HTML_PART, *self.html.filled(values), delimiter, b"--\r\n",
        ]


def message_mould(fields: HeaderFields, frozen: Frozen, shown: Shown, values: Mapping[str, str]) -> MessageMould:
    """For everybody who gets the same; of the fields and values of one person only `own` of them counts."""
    boundary = f"=_{frozen.nonce}"  # quoted-printable never holds "=_"
    text, html = (mould(frozen, part, shown, values) for part in ("text", "html"))
    return MessageMould(_header_mould(fields), text, html, boundary)


def notice_bytes(fields: HeaderFields, text: str) -> bytes:
    """A whole message with one plain text part."""
    body = joinable_qp("\n".join(text.splitlines()) + "\n")
    return _headers(fields) + _TEXT_PART.removeprefix(b"\r\n") + body


def one_click(unsubscribe: Iterable[str]) -> bool:
    """Whether RFC 8058's one-click header may stand: its section 3.1 asks for https; a demo's loopback passes too."""
    for address in unsubscribe:
        if address.startswith("https://"):  # nearly all: this is on the path of every message
            return True
        parts = urlsplit(address)
        if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or "")):
            return True
    return False


def header_text(value: str) -> str:
    """One line: no line ends, control characters or surrogates, whatever the value holds."""
    return " ".join("".join(c if c.isprintable() or c in _JOINERS else " " for c in value).split())


@dataclass(frozen=True, slots=True)
class HeaderMould:
    """Every field but Content-Type, each ending in CRLF, with room for one person's between the four runs."""

    runs: tuple[bytes, bytes, bytes, bytes]

    def filled(self, to: str, message_id: str, unsubscribe: tuple[str, ...]) -> bytes:
        mine = [("List-Unsubscribe", ",\r\n ".join(map(_bracketed, unsubscribe)))] if unsubscribe else []
        if one_click(unsubscribe):
            mine.append(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
        start, named, told, end = self.runs
        return b"".join((start, _block([("To", _recipient(to))], "utf-8"), named,
                         _block([("Message-ID", _token(message_id, "Message-ID"))]), told, _block(mine), end))


def _headers(fields: HeaderFields) -> bytes:
    return _header_mould(fields).filled(fields.to, fields.message_id, fields.unsubscribe)


def _header_mould(fields: HeaderFields) -> HeaderMould:
    told, end = [("MIME-Version", "1.0")], []
    if fields.reply_to:
        told.append(("Reply-To", _mailbox(Mailbox.parse(fields.reply_to), len("Reply-To: "))))
    if fields.language:
        told.append(("Content-Language", _token(fields.language, "Content-Language")))
    if fields.list_id:
        told.append(("List-Id", _list_id(fields)))
    if fields.archive_url:
        told.append(("List-Archive", _bracketed(fields.archive_url)))
    if fields.feedback_id:
        end.append(("Feedback-ID", _token(fields.feedback_id, "Feedback-ID")))
    if fields.auto_submitted:
        end.append(("Auto-Submitted", "auto-generated"))
    if fields.precedence:
        end.append(("Precedence", "bulk"))
    return HeaderMould((
        _block([("From", _mailbox(fields.sender, len("From: ")))]),
        _block([("Subject", _unstructured(fields.subject, len("Subject: "))), ("Date", format_datetime(fields.date))]),
        _block(told), _block(end)))


def _block(lines: Iterable[tuple[str, str]], encoding: str = "ascii") -> bytes:
    block = "".join([f"{name}: {value}\r\n" for name, value in lines]).encode(encoding)
    if len(block) > MAX_LINE and max(map(len, block.split(b"\r\n"))) > MAX_LINE:
        raise BroadsheetError("message", f"a header line would be longer than {MAX_LINE} bytes")
    return block


def _mailbox(mailbox: Mailbox, used: int) -> str:
    address = _check_address(mailbox.address)
    name = header_text(mailbox.name)
    if not name:
        return address
    phrase = _phrase(name, used)
    last = len(phrase.rpartition("\n")[2]) + (used if "\n" not in phrase else 0)
    return f"{phrase} <{address}>" if last + len(address) + 3 <= FOLD else f"{phrase}\r\n <{address}>"


def _phrase(name: str, used: int) -> str:
    """A display name: as it is, in quotes, or in encoded words (RFC 5322 §3.2.5, RFC 2047 §5 (3))."""
    if _ATOMS.fullmatch(name) and len(name) <= FOLD - used:
        return name
    if _PRINTABLE.fullmatch(name) and "=?" not in name and len(name) <= FOLD - used - 2:
        return '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    return _encoded_words(name, used)


def _unstructured(value: str, used: int) -> str:
    """Text as it is, folded before blanks, where it is ASCII with short words; else in encoded words."""
    text = header_text(value)
    words = text.split(" ")
    if not _PRINTABLE.fullmatch(text) or "=?" in text or max(map(len, words)) > FOLD - used:
        return _encoded_words(text, used)
    lines = [words[0]]
    for word in words[1:]:
        room = FOLD - (used if len(lines) == 1 else 1)
        if len(lines[-1]) + 1 + len(word) > room:
            lines.append(word)
        else:
            lines[-1] += f" {word}"
    return "\r\n ".join(lines)


def _encoded_words(text: str, used: int) -> str:
    """RFC 2047 §2: words of at most 75 bytes, a line each, no character cut in two, nor from the marks it carries."""
    words = []
    room = FOLD - used
    part = b""
    for cluster in _clusters(text):
        data = cluster.encode()
        if part and len(part) + len(data) > _bytes_in(room):
            words.append(part)
            part, room = b"", FOLD - 1
        part += data
    words.append(part)
    return "\r\n ".join(f"=?utf-8?b?{b64encode(word).decode()}?=" for word in words if word)


def _clusters(text: str) -> list[str]:
    """What a reader takes for one character: a letter with its marks, an emoji with its skin, flags, families."""
    found: list[str] = []
    for char in text:
        last = found[-1] if found else ""
        joined = last and (category(char).startswith("M") or char in _JOINERS or "\U0001f3fb" <= char <= "\U0001f3ff"
                           or last[-1] == "\u200d" or (len(last) == 1 and _is_flag(last) and _is_flag(char)))
        if joined and len(last) < MOST_JOINED:
            found[-1] += char
        else:
            found.append(char)
    return found


def _is_flag(char: str) -> bool:
    """Half of one: two regional indicators are a flag."""
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _bytes_in(room: int) -> int:
    """How many bytes fit an encoded word of `room` characters: four for three."""
    return max(4, (min(room, 75) - len("=?utf-8?b??=")) // 4 * 3)


def _list_id(fields: HeaderFields) -> str:
    identity = f"<{_token(fields.list_id, 'List-Id')}>"
    name = header_text(fields.list_name)
    return f"{_phrase(name, len('List-Id: '))}\r\n {identity}" if name else identity


def _bracketed(url: str) -> str:
    """An address in angle brackets, never encoded and never folded (RFC 2369 §2)."""
    if not _URL.fullmatch(url):
        raise BroadsheetError("message", f"{url!r} is no address for a header: it needs a scheme and plain ASCII")
    return f"<{url}>"


def _token(value: str, name: str) -> str:
    if not _PRINTABLE.fullmatch(value) or " " in value:
        raise BroadsheetError("message", f"{name} can't be {value!r}: printable ASCII without blanks only")
    return value


def _check_address(address: str) -> str:
    """An address for a header: exactly one, ASCII. What one may look like further is decided where people sign up."""
    if not _ADDRESS.fullmatch(address):
        raise BroadsheetError(
            "message", f"{address!r} is not one mail address", hint="one local@domain in ASCII, the domain in punycode"
        )
    return address


def wire_address(address: str) -> str:
    """An address as it stands in a header and in RCPT: its domain in punycode, its local part as it is. Where that is
    beyond ASCII the message is one for SMTPUTF8 (RFC 6531), and stands as UTF-8 in To (RFC 6532), never encoded: an
    encoded word inside an address would be another address (RFC 2047 §5)."""
    if address.isascii():  # nearly all: this is on the path of every message
        return address
    local, at, domain = address.rpartition("@")
    try:
        return f"{local}{at}{ascii_domain(domain)}"
    except ValueError:
        raise BroadsheetError("message", f"{address!r} is not one mail address", hint="its domain is none") from None


def _recipient(address: str) -> str:
    """One address for To."""
    if address.isascii():
        return _check_address(address)
    address = wire_address(address)
    if not _UTF8_ADDRESS.fullmatch(address) or not address.isprintable():
        raise BroadsheetError("message", f"{address!r} is not one mail address")
    return address


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


_TEXT_PART = b"\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
_HTML_PART = b"\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
_PRINTABLE = re.compile(r"[ -~]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/?^_`{|}~-]+)*")
_ADDRESS = re.compile(r'[^\s@<>()\[\],;:"\\\x00-\x20\x7f-\U0010ffff]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*')
_UTF8_ADDRESS = re.compile(r'[^\s@<>()\[\],;:"\\\x00-\x20\x7f-\x9f]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*')
_URL = re.compile(r"[a-z][a-z0-9+.-]*:[!-;=?-~]+")
_JOINERS = "\u200c\u200d"  # they join emoji and letters, and count as not printable
