"""DKIM signatures (RFC 6376; Ed25519: RFC 8463), made of a message's chunks without joining them.

    header chunks | relaxed, one hash shared by all keys      -> b=
    body chunks   | simple, one hash shared by all keys       -> bh=

Headers are canonicalised "relaxed": servers fold and unfold them. The body is "simple": it is quoted-printable with
CRLF, which nothing on the way has a reason to touch, and hashing it as it is costs a fifth of a millisecond less.

A signature has no t= and no x=: it would be all that differs between two tries of a delivery, whose bytes must not.
RSA signatures (PKCS #1 v1.5) and those of Ed25519 are the same each time, too.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pipeline.errors import BroadsheetError

FIELD = b"DKIM-Signature:"
LINE = 76   # bytes of a header line, without its CRLF

ONCE_MORE = ("from", "to", "cc", "reply-to", "subject", "date", "message-id", "mime-version", "content-type",
             "content-transfer-encoding", "list-id", "list-unsubscribe", "list-unsubscribe-post")
"""Signed, and named once more than they are there ("oversigned", RFC 6376 §8.15): nobody can add a second Subject, or
a way to leave that leads elsewhere, to a message that was signed. The last two are RFC 8058 §4's."""

SIGNED = (*ONCE_MORE, "sender", "content-language", "list-archive", "feedback-id", "auto-submitted", "precedence")
"""The others are signed where they are there. Some relays add a Feedback-ID or Sender of their own, which is theirs
to do. Return-Path and Received belong to servers and are never signed (§5.4.1)."""


@dataclass(frozen=True, slots=True, repr=False)
class Signer:
    """A key, and the name under which the world finds its other half. Made by `mail.keys`; never printed."""

    domain: str
    selector: str
    algorithm: str                      # "rsa-sha256" or "ed25519-sha256"
    public: str                         # what the DNS must say of it in p=, base64
    sign: Callable[[bytes], bytes]      # of a SHA-256 digest; used by several threads

    @property
    def name(self) -> str:
        """Where the DNS has the public half."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def record(self) -> str:
        """The TXT record that belongs there (RFC 6376 §3.6.1, RFC 8463 §4)."""
        return f"v=DKIM1; k={self.algorithm.partition('-')[0]}; p={self.public}"


def signed(signers: Sequence[Signer], chunks: list[bytes]) -> list[bytes]:
    """The message with a signature of each key in front; as it is without any, or where it is signed already.

    `chunks` is a whole message with CRLF at every line's end; the blank line may stand anywhere in it.
    """
    if not signers or chunks[0].startswith(FIELD):
        return chunks
    head, body = _parted(chunks)
    return [signatures(signers, head, body), *chunks]


def signatures(signers: Iterable[Signer], head: bytes, body: Iterable[bytes]) -> bytes:
    """The DKIM-Signature fields, each ending in CRLF. `head`: all header lines, the last with its CRLF; `body`: what
    follows the blank line."""
    names, canonical = _relaxed(head)
    bh = b64encode(_body_hash(body)).decode()
    fields_hash = hashlib.sha256(canonical)
    return b"".join(_field(signer, names, bh, fields_hash.copy()) for signer in signers)


def _field(signer: Signer, names: tuple[str, ...], bh: str, hashed: hashlib._Hash) -> bytes:
    before, unfolded = _opening(signer.algorithm, signer.domain, signer.selector, names)
    hashed.update(b"%b bh=%b; b=" % (unfolded, bh.encode()))
    b = b64encode(signer.sign(hashed.digest())).decode()
    folded = "\r\n ".join([b[:LINE - 3], *(b[i:i + LINE - 1] for i in range(LINE - 3, len(b), LINE - 1))])
    return f"{before}\r\n bh={bh};\r\n b={folded}\r\n".encode()


@lru_cache(64)
def _opening(algorithm: str, domain: str, selector: str, names: tuple[str, ...]) -> tuple[str, bytes]:
    """All that stands before bh=: as it is written, and as it is hashed. All messages with the same header fields have
    it alike."""
    words = ["v=1;", f"a={algorithm};", "c=relaxed/simple;", f"d={domain};", f"s={selector};",
             f"h={names[0]}", *(f":{name}" for name in names[1:-1]), f":{names[-1]};"]
    lines = ["DKIM-Signature:"]
    for word in words:
        gap = "" if word.startswith(":") else " "
        if len(lines[-1]) + len(gap) + len(word) > LINE:
            lines.append(f" {word}")
        else:
            lines[-1] += gap + word
    written = "\r\n".join(lines)
    value = written.replace("\r\n", "").removeprefix("DKIM-Signature:").strip()
    return written, f"dkim-signature:{value}".encode()


def _relaxed(head: bytes) -> tuple[tuple[str, ...], bytes]:
    """(the names for h=, the signed fields in relaxed form, each with CRLF), RFC 6376 §3.4.2 and §5.4.2."""
    found: dict[str, list[bytes]] = {}
    for line in _FOLD.sub(b" ", head).split(b"\r\n"):
        field, colon, value = line.partition(b":")
        known = _KNOWN.get(field.rstrip(b" \t").lower()) if colon else None
        if known is not None:
            found.setdefault(known, []).append(_BLANKS.sub(b" ", value).strip(b" "))
    names: list[str] = []
    out: list[bytes] = []
    for name in SIGNED:
        values = found.get(name, ())
        # of several fields with one name the last is signed first; a name without a field stands for its absence
        out += [b"%b:%b\r\n" % (name.encode(), value) for value in reversed(values)]
        names += [name] * (len(values) + (name in ONCE_MORE))
    return tuple(names), b"".join(out)


def _body_hash(chunks: Iterable[bytes]) -> bytes:
    """SHA-256 of the body in simple form: any number of empty lines at its end count as none (§3.4.3)."""
    rest, tail = list(chunks), b""
    while rest and not tail.strip(b"\r\n"):  # nearly always once: the last chunk closes the MIME structure
        tail = rest.pop() + tail
    end = len(tail)
    while tail.endswith(b"\r\n", 0, end):
        end -= 2
    hashed = hashlib.sha256()
    for chunk in rest:
        hashed.update(chunk)
    hashed.update(tail[:end])
    hashed.update(b"\r\n")  # an empty body is one CRLF, too
    return hashed.digest()


def _parted(chunks: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    """(header lines, chunks of the body). Only the chunks up to the blank line are joined."""
    head = b""
    for number, chunk in enumerate(chunks):
        head += chunk
        lines, blank, body = head.partition(b"\r\n\r\n")
        if blank:
            return lines + b"\r\n", [body, *chunks[number + 1:]]
    raise BroadsheetError("message", "it has no blank line behind its header, so it can't be signed")


_KNOWN = {name.encode(): name for name in SIGNED}
_FOLD = re.compile(rb"\r\n(?=[ \t])")
_BLANKS = re.compile(rb"[ \t]+")
