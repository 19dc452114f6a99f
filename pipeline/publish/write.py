"""Bytes -> files below a folder that readers may fetch at any moment: whole, or not yet there; untouched where nothing
changed.

Every name is walked from the root, folder by folder and by descriptors, so that no symbolic link is followed on the
way, whatever happens meanwhile: a link in place of a file is replaced or removed itself, one in place of a folder is an
error. The root may be a link, as its address is the operator's.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.errors import BroadsheetError

STALE_S = 60
"""A temporary file this old was left by a process that was killed: none is written for so long."""

OPEN_FOLDERS = 64
"""Descriptors that one call holds; a process may often have no more than 256."""

Parts = tuple[str, ...]


class Folder:
    """A `Place` on a disk. Survives a loss of power: each file is either the old one or the new one."""

    def __init__(self, root: Path) -> None:
        self.where = str(root)
        self._root = root

    def put(self, files: Mapping[str, bytes]) -> list[str]:
        """Where it fails at one file, those before it are written, this one is as it was, and no temporary one is
        left. Makes missing folders."""
        written: list[str] = []
        wanted = [(name, parts(name), data) for name, data in files.items()]
        with self._changing("written") as walk:
            for name, (*folders, file), data in wanted:
                walk.asked.add(tuple(folders))
                with self._translated(name, "written"):
                    if _put(walk, tuple(folders), file, data):
                        written.append(name)
        return written

    def read(self, name: str) -> bytes | None:
        *folders, file = parts(name)
        with self._translated(name, "read"), _Walk(self._root) as walk:
            try:
                return _read(walk.folder(tuple(folders)), file)
            except OSError as error:
                if error.errno in _ABSENT:
                    return None
                raise

    def names(self, below: str) -> list[str]:
        """Without links, and without temporary files."""
        found: list[str] = []
        ahead = [parts(below.removesuffix("/")) if below else ()]
        with self._translated(below, "listed"), _Walk(self._root) as walk:
            while ahead:
                folder = ahead.pop()
                with suppress(FileNotFoundError, NotADirectoryError), os.scandir(walk.folder(folder)) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            ahead.append((*folder, entry.name))
                        elif entry.is_file(follow_symlinks=False) and not _TEMPORARY.fullmatch(entry.name):
                            found.append("/".join((*folder, entry.name)))
        return sorted(found)

    def remove(self, names: Iterable[str]) -> list[str]:
        removed: list[str] = []
        wanted = [(name, parts(name)) for name in names]
        with self._changing("removed") as walk:
            for name, (*folders, file) in wanted:
                with self._translated(name, "removed"):
                    if _remove(walk, tuple(folders), file):
                        removed.append(name)
            walk.prune()
        return removed

    def differing(self, sizes: Mapping[str, int]) -> list[str]:
        found = []
        with _Walk(self._root) as walk:
            for name, size in sizes.items():
                *folders, file = parts(name)
                try:
                    there = os.stat(file, dir_fd=walk.folder(tuple(folders)), follow_symlinks=False)
                except OSError:
                    found.append(name)
                    continue
                if there.st_size != size or not stat.S_ISREG(there.st_mode):
                    found.append(name)
        return found

    @contextmanager
    def _changing(self, done: str) -> Iterator[_Walk]:
        """What was changed is durable at the end. Also after a failure: the next call will find these files as they
        should be, and would never ask for it."""
        with _Walk(self._root) as walk:
            try:
                yield walk
            except BaseException:
                with suppress(BroadsheetError):
                    self._settle(walk, done)
                raise
            self._settle(walk, done)

    def _settle(self, walk: _Walk, done: str) -> None:
        for folder, file in walk.changed.items():
            # a folder that is gone by now was removed by another process, with what we did in it
            with self._translated("/".join((*folder, file)), done), suppress(FileNotFoundError):
                os.fsync(walk.folder(folder))
        for folder in walk.asked:
            with suppress(OSError):
                _sweep(walk.folder(folder))

    @contextmanager
    def _translated(self, name: str, done: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise BroadsheetError(
                str(self._root / name), f"can't be {done}: {error.strerror or error}", hint=_hint(error),
                permanent=False,
            ) from error


def parts(name: str) -> Parts:
    """A name, folder by folder. Raises ValueError for one that could lead elsewhere than below the root."""
    found = tuple(name.split("/"))
    if "\0" in name or not _NOWHERE.isdisjoint(found):
        raise ValueError(f"{name!r} can't be the name of a feed file")
    return found


class _Walk:
    """The folders of one call, each opened by its parent's descriptor. `changed`: in which something changed, with the
    name of such a thing; `asked`: for which there were files, changed or not."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._open: OrderedDict[Parts, int] = OrderedDict()
        self.changed: dict[Parts, str] = {}
        self.asked: set[Parts] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()

    def folder(self, folder: Parts, *, make: bool = False) -> int:
        """A descriptor, good until the next folder is asked for."""
        found = self._open.get(folder)
        if found is not None:
            self._open.move_to_end(folder)
            return found
        found = self._enter(folder, make=make) if folder else self._enter_root(make=make)
        if len(self._open) >= OPEN_FOLDERS:
            os.close(self._open.popitem(last=False)[1])
        self._open[folder] = found
        return found

    def prune(self) -> None:
        """Take away changed folders that are empty, and then those above that became so."""
        for folder in sorted(self.changed, key=len, reverse=True):
            here, file = folder, self.changed.pop(folder)
            while here and self._drop(here):
                here, file = here[:-1], here[-1]
            self.changed[here] = file

    def _enter_root(self, *, make: bool) -> int:
        try:
            return os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            if not make:
                raise
        self._root.mkdir(parents=True, exist_ok=True)
        above = os.open(self._root.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(above)
        finally:
            os.close(above)
        return os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def _enter(self, folder: Parts, *, make: bool) -> int:
        above, name = self.folder(folder[:-1], make=make), folder[-1]
        try:
            return os.open(name, _ONLY_A_FOLDER, dir_fd=above)
        except FileNotFoundError:
            if not make:
                raise
        with suppress(FileExistsError):  # by another process, just now
            os.mkdir(name, dir_fd=above)
        self.changed[folder[:-1]] = name
        return os.open(name, _ONLY_A_FOLDER, dir_fd=above)

    def _drop(self, folder: Parts) -> bool:
        """Remove a folder if it is empty; whether it is gone."""
        try:
            _sweep(self.folder(folder))
            os.close(self._open.pop(folder))
            os.rmdir(folder[-1], dir_fd=self.folder(folder[:-1]))
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True


def _put(walk: _Walk, folders: Parts, file: str, data: bytes) -> bool:
    folder = walk.folder(folders, make=True)
    with suppress(OSError):  # what can't be read is replaced
        if _read(folder, file, len(data)) == data:
            return False
    temporary = f".{file}.{secrets.token_hex(6)}.tmp"
    # 0o666 less the umask, as for any new file: a web server under another account may have to read it
    descriptor = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(data)
            opened.flush()
            with suppress(FileNotFoundError):
                _later_than(descriptor, os.stat(file, dir_fd=folder, follow_symlinks=False))
            os.fsync(descriptor)
        os.rename(temporary, file, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
    walk.changed[folders] = file
    return True


def _read(folder: int, file: str, size: int | None = None) -> bytes | None:
    """What a regular file holds; None where it is something else, or has another size than the one that matters."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or size not in (None, found.st_size):
            return None
        with os.fdopen(descriptor, "rb", buffering=0, closefd=False) as opened:
            return opened.readall()
    finally:
        os.close(descriptor)


def _remove(walk: _Walk, folders: Parts, file: str) -> bool:
    try:
        os.unlink(file, dir_fd=walk.folder(folders))
    except OSError as error:
        if error.errno in _ABSENT:
            return False
        raise
    walk.changed[folders] = file
    return True


def _later_than(descriptor: int, before: os.stat_result) -> None:
    """Stamp a file with another second than the one that it takes the place of, whatever the clock says. Readers that
    are sent a date which they know already drop what comes with it, in spite of its ETag (libcurl's time condition)."""
    now, was = os.fstat(descriptor), int(before.st_mtime)
    if int(now.st_mtime) <= was:
        os.utime(descriptor, (now.st_atime, was + 1))


def _sweep(folder: int) -> None:
    """Remove temporary files of processes that were killed. Files are stamped by whichever machine has the disk: its
    clock was seen when the folder was last changed."""
    now = max(os.fstat(folder).st_mtime, time.time())
    with os.scandir(folder) as entries:
        left = [entry.name for entry in entries if _TEMPORARY.fullmatch(entry.name)]
    for name in left:
        with suppress(OSError):
            if os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime < now - STALE_S:
                os.unlink(name, dir_fd=folder)


def _hint(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "let the account that runs broadsheet write to this folder"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "free some space; the old file is still in place"
    if error.errno in (errno.ENOTDIR, errno.ELOOP):
        return "something else stands where one of its folders should be; a symbolic link is not followed"
    return ""


_ONLY_A_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOWHERE = frozenset(("", ".", ".."))
_ABSENT = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO))  # ENXIO: a socket
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{12}\.tmp")
