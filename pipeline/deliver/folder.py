"""Two ways to send without sending: a folder of .eml files to look at, and a transport that only counts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from pipeline.deliver.transport import Envelope, Parcel, Way
from pipeline.errors import TransportError
from pipeline.model.deliveries import DeliveryState, Outcome

SEVERAL = 20   # connections to nowhere: a ledger is written for several at once, as it would be with a server


class FilesTransport:
    """Each message a file of its own, as it would go over the wire, under a name that says to whom."""

    name = "files"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def ways(self) -> Sequence[Way]:
        return [Way(self.name, self.open)]

    def open(self) -> FilesConnection:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise TransportError(str(self.folder), f"the folder can't be made: {error.strerror}",
                                 hint="check mail.files in config.toml") from error
        return FilesConnection(self.folder)

    def arrived(self, envelope: Envelope) -> bool | None:
        name = eml_name(envelope)
        if (self.folder / name).exists():
            return True
        with suppress(OSError):
            (self.folder / f".{name}.{envelope.lease}").unlink()
            return False
        return None  # somebody may have taken it away


class FilesConnection:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._offered: tuple[Path, Path] | None = None

    def offer(self, envelope: Envelope, chunks: Sequence[bytes]) -> Outcome | None:
        name = eml_name(envelope)
        temporary = self.folder / f".{name}.{envelope.lease}"
        try:
            with temporary.open("wb") as file:
                file.writelines(chunks)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            return Outcome(DeliveryState.DEFERRED, f"the file can't be written: {error.strerror}")
        self._offered = (temporary, self.folder / name)
        return None

    def commit(self, following: Parcel | None = None) -> Outcome:
        if self._offered is None:
            raise ValueError("nothing was offered")
        temporary, final = self._offered
        self._offered = None
        try:
            temporary.replace(final)
        except OSError as error:
            return Outcome(DeliveryState.DEFERRED, f"the file can't be written: {error.strerror}")
        return Outcome(DeliveryState.SENT, f"written to {final.name}")

    def abandon(self) -> None:
        if self._offered is not None:
            self._offered[0].unlink(missing_ok=True)
            self._offered = None

    def close(self) -> None:
        self.abandon()


class DryRunTransport:
    """Takes everything and keeps nothing: how long a send would take, and what its ledger would look like."""

    name = "dry-run"

    @property
    def ways(self) -> Sequence[Way]:
        return [Way(self.name, self.open, connections=SEVERAL)]

    def open(self) -> DryRunConnection:
        return DryRunConnection()

    def arrived(self, envelope: Envelope) -> bool | None:
        return False  # nothing ever does


class DryRunConnection:
    def __init__(self) -> None:
        self.messages = 0
        self.size = 0         # bytes

    def offer(self, envelope: Envelope, chunks: Sequence[bytes]) -> Outcome | None:
        self._offered = sum(map(len, chunks))
        return None

    def commit(self, following: Parcel | None = None) -> Outcome:
        self.messages += 1
        self.size += self._offered
        return Outcome(DeliveryState.SENT, "dry run: it went nowhere")

    def abandon(self) -> None:
        self._offered = 0

    def close(self) -> None: ...


def eml_name(envelope: Envelope) -> str:
    """One name per Message-ID and recipient, which says the recipient as far as a file's name can."""
    readable = "".join(c if c.isalnum() or c in "@.+_-" else "_" for c in envelope.recipient)[:80].lstrip(".")
    mark = sha256(f"{envelope.message_id} {envelope.recipient}".encode()).hexdigest()[:16]
    return f"{readable}-{mark}.eml"
