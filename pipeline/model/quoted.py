"""Quoted-printable in pieces that may follow each other in any order. Pure."""

from __future__ import annotations

import re


def joinable_qp(text: str) -> bytes:
    """Quoted-printable (RFC 2045 §6.7) that ends at a line's start, so that any piece may follow any other.

    Lines are at most 76 bytes with CRLF between them. A dot or a "From " that starts a line is encoded, so that
    neither SMTP's dot-stuffing (RFC 5321 §4.5.2) nor an mbox ever changes a byte. LF is the only line end known:
    the freeze has made it so.
    """
    if _PLAIN.fullmatch(text):  # most values: this is on the path of every message
        return text.encode("ascii") + b"=\r\n"
    if not text:
        return b""
    data = text.encode("utf-8", "replace").replace(b"=", b"=3D")
    lines = _NOT_LITERAL.sub(_escape_bytes, data).split(b"\n")
    rest = lines.pop()
    out = [_folded(line, hard=True) for line in lines]
    if rest:
        out.append(_folded(rest, hard=False))
    return b"".join(out)


def _folded(encoded: bytes, *, hard: bool) -> bytes:
    """One encoded line; ends with CRLF where `hard`, else with a soft break (at which a blank may stand)."""
    if hard and encoded[-1:] in (b" ", b"\t"):
        encoded = encoded[:-1] + b"=%02X" % encoded[-1]
    out = []
    start = 0
    while True:
        if encoded.startswith((b".", b"From "), start):
            encoded = encoded[:start] + b"=%02X" % encoded[start] + encoded[start + 1 :]
        if hard and len(encoded) - start <= _QP_LINE:
            out.append(encoded[start:] + b"\r\n")
            return b"".join(out)
        if not hard and len(encoded) - start < _QP_LINE:
            out.append(encoded[start:] + b"=\r\n" if len(encoded) > start else b"")
            return b"".join(out)
        end = start + _QP_LINE - 1
        escape_at = encoded.rfind(b"=", end - 2, end)
        end = escape_at if escape_at >= 0 else end
        out.append(encoded[start:end] + b"=\r\n")
        start = end


def _escape_bytes(match: re.Match[bytes]) -> bytes:
    return b"=" + match[0].hex("=").upper().encode()


_PLAIN = re.compile(r"[!-\-/-<>-EG-~][ -<>-~]{0,73}(?<! )", re.ASCII)
_QP_LINE = 76  # bytes, the soft break's "=" included
_NOT_LITERAL = re.compile(rb"[^\t\n -~]+")  # beside "=", which is common and replaced before
