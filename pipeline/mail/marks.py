"""Marks: what stands in a mail address so that whatever is sent there says to which row it belongs.

    bounces+d1234<mac>@lantern.example    the return path of delivery 1234 (VERP): its bounces and complaints
    bounces+n17<mac>@lantern.example      of notice 17
    bounces+u99<mac>@lantern.example      where a mail asks for subscription 99 to end

A mail server may write an address in any case, and wrap it in one of its own when it forwards (SRS), so a mark is
lower-case letters and digits only, is found wherever it stands, and is read in any case. Its 80 bits of HMAC keep
anybody from making up a bounce that suppresses somebody else.
"""

from __future__ import annotations

import hmac
import re

from pipeline.errors import BroadsheetError
from pipeline.mail.tokens import Keyring

DELIVERY, NOTICE, LEAVE = "d", "n", "u"
"""What an id in a mark is of; with LEAVE it is a subscription's."""

MAC_LETTERS = 20       # of hexadecimal: 80 bits
ID_DIGITS = 19         # of the largest id, 2^63 - 1
LOCAL_PART = 64        # bytes, RFC 5321 §4.5.3.1.1
LONGEST = 1 + ID_DIGITS + MAC_LETTERS
ROOM = LOCAL_PART - 1 - LONGEST
"""How long the part before the @ may be of an address that is to take a mark."""


def mark(keyring: Keyring, kind: str, number: int) -> str:
    """The mark of a row. By the oldest secret, as Message-IDs are: a new key between two tries of a delivery must not
    change its bytes."""
    return f"{kind}{number}{_mac(keyring.secrets[-1], kind, number)}"


def read(keyring: Keyring, text: str) -> tuple[str, int] | None:
    """(kind, id) of a mark in any case, or None where it is none of ours."""
    found = _MARK.fullmatch(text.lower()) if text.isascii() else None
    return _checked(keyring, found) if found else None


def find(keyring: Keyring, text: str) -> tuple[str, int] | None:
    """(kind, id) of the first mark of ours in an address, or in any other text."""
    for found in _MARK_WITHIN.finditer(text.lower()):
        if known := _checked(keyring, found):
            return known
    return None


def return_path(address: str, marked: str) -> str:
    """ "bounces@lantern.example" with a mark: "bounces+…@lantern.example". Raises BroadsheetError where that would be
    longer than servers take."""
    local, _, domain = address.rpartition("@")
    if len(local) + 1 + len(marked) > LOCAL_PART:
        raise BroadsheetError(address, f"has more than {ROOM} characters before the @: no mark fits behind them",
                              hint="choose a shorter one for mail.returns.address")
    return f"{local}+{marked}@{domain}"


def _checked(keyring: Keyring, found: re.Match[str]) -> tuple[str, int] | None:
    kind, number, mac = found[1], int(found[2]), found[3]
    # any secret: marks that were made before a rotation come back for months, and the oldest may have been the newest
    if any(hmac.compare_digest(mac, _mac(secret, kind, number)) for secret in keyring.secrets):
        return kind, number
    return None


def _mac(secret: str, kind: str, number: int) -> str:
    name = f"mark:{kind}:{number}".encode()
    return hmac.digest(secret.encode(), name, "sha256").hex()[:MAC_LETTERS]


_PATTERN = rf"([dnu])(0|[1-9][0-9]{{0,{ID_DIGITS - 1}}})([0-9a-f]{{{MAC_LETTERS}}})"
_MARK = re.compile(_PATTERN)
_MARK_WITHIN = re.compile(rf"(?<![a-z0-9]){_PATTERN}(?![a-z0-9])")
