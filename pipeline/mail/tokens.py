"""The signing key, and everything that is derived from it: links in mails and Message-IDs.

The key file holds one secret a line, the newest first: new tokens are signed with the first, old ones verify with
any, so that an unsubscribe link works for ever. It is made with mode 0600 at first start and belongs into every
backup together with the database; `fingerprint` is how the database recognises it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from itsdangerous import BadData, Signer
from itsdangerous.encoding import base64_decode, base64_encode

from pipeline.errors import StoreError

SECRET_BYTES = 32
UNSUBSCRIBE = "unsubscribe"
PREFERENCES = "preferences"


@dataclass(frozen=True, slots=True, repr=False)
class Keyring:
    """Secrets, the newest first; never printed."""

    secrets: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """Tells keyrings apart without telling the key. It follows the *oldest* secret, so a rotation keeps it."""
        return hashlib.sha256(b"broadsheet-key:" + self.secrets[-1].encode()).hexdigest()[:16]

    def sign(self, purpose: str, value: str) -> str:
        """A URL-safe token that says `value` and works for `purpose` alone."""
        # what `_signer(purpose).sign(value)` gives, without deriving its key anew for each of a million messages
        mark = base64_encode(hmac.digest(_signing_key(self.secrets[0], purpose), value.encode(), "sha256"))
        return f"{value}.{mark.decode()}"

    def read(self, purpose: str, token: str) -> str | None:
        """What a token says, or None where it was not made by this key for this purpose."""
        try:
            value = self._signer(purpose).unsign(token).decode()
            signature = token.rpartition(".")[2].encode("ascii")
            # base64's last letter has bits to spare, so several spellings decode alike: only ours is the token
            return value if base64_encode(base64_decode(signature)) == signature else None
        except (BadData, UnicodeError):
            return None

    def message_id(self, digest_uid: str, subscription_id: int, host: str) -> str:
        """`<…@host>`: the same for every try of the same delivery, and guessable by nobody (RFC 5322 §3.6.4)."""
        name = f"message-id:{digest_uid}:{subscription_id}".encode()
        # the oldest secret: a rotation between two tries must not make a second Message-ID
        mark = hmac.digest(self.secrets[-1].encode(), name, "sha256").hex()[:32]
        return f"<{mark}@{host}>"

    def _signer(self, purpose: str) -> Signer:
        return _signer(self.secrets, purpose)


def _signer(keys: Sequence[str], purpose: str) -> Signer:
    oldest_first = list(reversed(keys))  # itsdangerous signs with the last key and verifies with all
    return Signer(oldest_first, salt=f"broadsheet.{purpose}", sep=".", digest_method=hashlib.sha256)


@lru_cache(16)
def _signing_key(secret: str, purpose: str) -> bytes:
    return _signer([secret], purpose).derive_key()


def load_or_create(path: Path) -> Keyring:
    """The keyring in `path`, made at the first call. Raises StoreError when it can't be read or is no key."""
    try:
        if not path.exists():
            _create(path)
    except OSError as error:
        raise StoreError(str(path), f"the signing key can't be made: {error.strerror}") from error
    try:
        lines = path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(str(path), "the signing key can't be read", hint="restore it from a backup") from error
    if not lines or any(len(line) < SECRET_BYTES for line in lines):
        raise StoreError(str(path), "is no signing key", hint="restore it from a backup")
    return Keyring(tuple(lines))


def _create(path: Path) -> None:
    """Write the key under another name and link it into place: whoever is killed here leaves no half a key, and of two
    processes that start at once both get the one that was first."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(SECRET_BYTES) + "\n")
            file.flush()
            os.fsync(descriptor)
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            temporary.rename(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
