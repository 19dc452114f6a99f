"""Maildir: a folder of messages that any mail program opens, and this program's own mailbox viewer too.

The name of a message's file follows from its Message-ID, so an interrupted hand-over can be settled by looking
(cr.yp.to/proto/maildir.html).
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pipeline.deliver.transport import Envelope, Parcel, Way
from pipeline.errors import TransportError
from pipeline.model.deliveries import DeliveryState, Outcome

SUFFIX = ".broadsheet"

STALE_S = 36 * 3600
"""Age in seconds after which a file under tmp/ belongs to nobody."""


class MaildirTransport:
    name = "maildir"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def ways(self) -> Sequence[Way]:
        return [Way(self.name, self.open)]

    def open(self) -> MaildirConnection:
        try:
            for part in ("tmp", "new", "cur"):
                (self.folder / part).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise TransportError(str(self.folder), f"the Maildir can't be made: {error.strerror}",
                                 hint="check mail.maildir in config.toml") from error
        self._sweep()
        return MaildirConnection(self.folder)

    def _sweep(self) -> None:
        """Remove what interrupted writers left under tmp/; the Maildir page says after 36 hours."""
        oldest = time.time() - STALE_S
        for left in (self.folder / "tmp").glob(f"*{SUFFIX}.*"):
            with suppress(OSError):  # another writer renames its own at any moment
                if left.stat().st_mtime < oldest:
                    left.unlink()

    def arrived(self, envelope: Envelope) -> bool | None:
        """Take the unfinished file away first: whoever still holds it can't rename it any more, and that there was
        one proves that it had not arrived. With neither file there, somebody may have read and deleted the message."""
        try:
            temporary_path(self.folder, envelope).unlink()
        except OSError:  # there is none, nor can there be
            name = file_name(envelope)
            moved = any((self.folder / "cur").glob(f"{name}*"))  # a mail program moves it there and adds flags
            return True if moved or (self.folder / "new" / name).exists() else None
        return False


class MaildirConnection:
    """One writer into a Maildir."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._offered: tuple[Path, Path] | None = None

    def offer(self, envelope: Envelope, chunks: Sequence[bytes]) -> Outcome | None:
        name = file_name(envelope)
        temporary = temporary_path(self.folder, envelope)
        try:
            with temporary.open("wb") as file:
                # Maildir keeps local line ends; on the wire it would be CRLF
                file.write(b"Return-Path: <" + envelope.sender.encode() + b">\n")
                file.write(b"Delivered-To: " + envelope.recipient.encode() + b"\n")
                file.write(b"".join(chunks).replace(b"\r\n", b"\n"))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            _remove(temporary)
            return Outcome(DeliveryState.DEFERRED, f"the Maildir can't be written: {error.strerror}")
        self._offered = (temporary, self.folder / "new" / name)
        return None

    def commit(self, following: Parcel | None = None) -> Outcome:
        if self._offered is None:
            raise ValueError("nothing was offered")
        temporary, final = self._offered
        self._offered = None
        try:
            temporary.rename(final)
            _sync_folder(final.parent)
        except OSError as error:
            _remove(temporary)
            return Outcome(DeliveryState.DEFERRED, f"the Maildir can't be written: {error.strerror}")
        return Outcome(DeliveryState.SENT, "in the Maildir")

    def abandon(self) -> None:
        if self._offered is not None:
            _remove(self._offered[0])
            self._offered = None

    def close(self) -> None:
        self.abandon()


def file_name(envelope: Envelope) -> str:
    """One name per Message-ID and recipient."""
    return hashlib.sha256(f"{envelope.message_id} {envelope.recipient}".encode()).hexdigest()[:40] + SUFFIX


def temporary_path(folder: Path, envelope: Envelope) -> Path:
    """One name per lease as well: two workers never write into the same file."""
    return folder / "tmp" / f"{file_name(envelope)}.{envelope.lease}"


def _remove(temporary: Path) -> None:
    with suppress(OSError):  # whatever stays under tmp/ is swept one day
        temporary.unlink()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
