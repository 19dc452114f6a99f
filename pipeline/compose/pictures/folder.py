"""The folder in which pictures of ours lie: each under a name that follows from its bytes, written once."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import StoreError
from pipeline.model.pictures import is_name

NAME_CHARS = 32   # of the hash, 128 bits: nobody finds another picture with the same, nor a name by trying
DAY_S = 24 * 3600.0

_TEMPORARY = ".new"


@dataclass(frozen=True, slots=True)
class Folder:
    """Made when the first picture is written. Where nothing was written there is nothing, and that is no error."""

    path: Path

    def save(self, data: bytes, ending: str) -> str:
        """Write a file, so that it is whole or not there however the machine stops, and return its name.

        Raises StoreError where there is no room, or no right.
        """
        name = f"{hashlib.sha256(data).hexdigest()[:NAME_CHARS]}.{ending}"
        if self.has(name):
            return name
        temporary = self.path / name  # until it is another one
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            descriptor, made = tempfile.mkstemp(_TEMPORARY, dir=self.path)
            temporary = Path(made)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(descriptor, 0o644)  # a web server beside us may serve them; they are public
                os.fsync(descriptor)
            temporary.replace(self.path / name)
            self._sync()
        except OSError as error:
            if temporary.name != name:
                with suppress(OSError):
                    temporary.unlink()
            raise StoreError(str(self.path), f"a picture can't be written: {error.strerror}",
                             hint="check that the folder can be written and has room", permanent=False) from error
        return name

    def has(self, name: str) -> bool:
        """Whether the file is there, and not empty."""
        try:
            return is_name(name) and (self.path / name).stat().st_size > 0
        except OSError:
            return False

    def use(self, name: str) -> bool:
        """The same; and `clear` leaves it alone for a day, in which whoever asked can freeze a digest with it."""
        if not self.has(name):
            return False
        with suppress(OSError):  # another account's file
            os.utime(self.path / name)
        return True

    def names(self) -> set[str]:
        try:
            return {entry.name for entry in os.scandir(self.path) if is_name(entry.name)}
        except OSError:
            return set()

    def remove(self, names: Collection[str], *, unused_s: float = DAY_S) -> set[str]:
        """Delete those of these files that nobody has asked for in so many seconds; return which. Half-written files
        of a process that died go as well, after a day."""
        removed = {name for name in names if is_name(name) and self._remove(name, unused_s)}
        with suppress(OSError):
            for entry in os.scandir(self.path):
                if entry.name.endswith(_TEMPORARY):
                    self._remove(entry.name, DAY_S)
        return removed

    def _remove(self, name: str, unused_s: float) -> bool:
        path = self.path / name
        try:
            if time.time() - path.stat().st_mtime < unused_s:
                return False
            path.unlink()
        except OSError:
            return False
        return True

    def _sync(self) -> None:
        """The name, too, is to be on the disk before a digest is frozen with it."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
