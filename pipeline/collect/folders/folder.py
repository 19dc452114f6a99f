"""A folder as a source: which files are documents, and their bytes. Only regular files inside the folder are opened."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import FetchError

SUFFIXES = frozenset({".md", ".markdown", ".html", ".htm", ".txt"})

MAX_BYTES = 5_000_000
"""A larger file is no article."""

YOUNG_S = 2.0     # seconds since its last change within which a file may still be growing
PAUSE_S = 0.1     # seconds in which one that is grows

LINK = "it is a link, and links are not followed"


@dataclass(frozen=True, slots=True)
class Document:
    name: str       # relative to the folder, with "/": the document's identity
    data: bytes


@dataclass(slots=True)
class FolderRead:
    documents: list[Document] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)   # "NAME: what is wrong with it"
    growing: list[str] = field(default_factory=list)    # "NAME: …": left to the next look


def read_folder(folder: Path) -> FolderRead:
    """Read every document under a folder, in the order of their names. Hidden files and other endings are not looked
    at. Raises FetchError where the folder itself can't be read; a bad file is a problem and stops no other."""
    if not folder.is_dir():
        raise FetchError(str(folder), "there is no such folder", hint="check `folder` of this source in config.toml")
    read = FolderRead()
    young: dict[str, tuple[Path, os.stat_result]] = {}
    for path in _files(folder, read.problems):
        name = _text(path.relative_to(folder).as_posix())
        try:
            data, about = _read(path)
        except (OSError, ValueError) as error:
            read.problems.append(f"{name}: can't be read: {_reason(error)}")
            continue
        read.documents.append(Document(name, data))
        if abs(time.time() - about.st_mtime) < YOUNG_S:
            young[name] = (path, about)
    if young:
        _leave_growing(read, young)
    return read


def _leave_growing(read: FolderRead, young: dict[str, tuple[Path, os.stat_result]]) -> None:
    """Take out what somebody is still writing: half an article would be published, and told again as changed."""
    time.sleep(PAUSE_S)
    growing = {name for name, (path, about) in young.items() if _changed(path, about)}
    read.documents = [document for document in read.documents if document.name not in growing]
    read.growing += [f"{name}: is still being written, and waits for the next look" for name in sorted(growing)]


def _changed(path: Path, about: os.stat_result) -> bool:
    try:
        now = path.lstat()
    except OSError:
        return True
    return (now.st_size, now.st_mtime_ns, now.st_ino) != (about.st_size, about.st_mtime_ns, about.st_ino)


def _text(path: Path | str) -> str:
    """A path as it can be stored and printed: names of files need not be UTF-8."""
    return os.fsencode(path).decode("utf-8", "replace")


def _reason(error: OSError | ValueError) -> str:
    if not isinstance(error, OSError):
        return str(error)
    if error.errno == errno.ELOOP:
        return LINK
    return error.strerror or type(error).__name__


def _files(folder: Path, problems: list[str]) -> Iterator[Path]:
    for at, folders, names in os.walk(folder, onerror=lambda e: problems.append(
            f"{_text(os.path.relpath(e.filename, folder))}: can't be read: {_reason(e)}")):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        problems.extend(f"{_text(Path(at, name).relative_to(folder))}: can't be read: {LINK}" for name in folders
                        if Path(at, name).is_symlink())
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield Path(at, name)


def _read(path: Path) -> tuple[bytes, os.stat_result]:
    """The file's bytes, and what was known of it then. A link could lead out of the folder and a pipe would never end,
    so neither is followed."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise ValueError("it is not a regular file")
        if about.st_size > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES // 1_000_000} MB")
        return file.read(MAX_BYTES + 1), about
