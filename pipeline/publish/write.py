"""Bytes -> a file that readers may fetch at any moment: whole, or not yet there; untouched where nothing changed."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from pipeline.errors import BroadsheetError

STALE_S = 3600
"""A temporary file this much older than the one being written was left by a process that was killed."""


def write_if_changed(path: Path, data: bytes) -> bool:
    """Put `data` at `path` by rename; False, and nothing touched, when it already holds exactly these bytes.

    Makes missing folders. Never follows a symbolic link at `path`: the link itself is replaced. Survives a loss of
    power: the file is either the old one or the new one. Raises BroadsheetError naming the path; then the old file
    is as it was and no temporary one is left.
    """
    try:
        if _read(path) == data:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, data)
    except OSError as error:
        raise BroadsheetError(
            str(path), f"can't be written: {error.strerror or error}", hint=_hint(error), permanent=False
        ) from error
    return True


def _read(path: Path) -> bytes | None:
    """What a regular file holds; None where there is none (or a link, a folder, or one that can't be read)."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read() if stat.S_ISREG(os.fstat(descriptor).st_mode) else None


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    # 0o666 less the umask, as for any new file: a web server under another account may have to read it
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
            written_at = os.fstat(descriptor).st_mtime
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)
    for other in path.parent.glob(f".{path.name}.*.tmp"):
        with suppress(OSError):
            if other.lstat().st_mtime < written_at - STALE_S:
                other.unlink()


def _sync_folder(folder: Path) -> None:
    """Make the rename durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _hint(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "let the account that runs broadsheet write to this folder"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "free some space; the old file is still in place"
    return ""
