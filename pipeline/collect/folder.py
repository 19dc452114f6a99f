"""A folder as a source: which files are documents, and their bytes. Only regular files inside the folder are opened."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import FetchError

SUFFIXES = frozenset({".md", ".markdown", ".html", ".htm", ".txt"})

MAX_BYTES = 5_000_000
"""A larger file is no article."""

LINK = "it is a link, and links are not followed"


@dataclass(frozen=True, slots=True)
class Document:
    name: str       # relative to the folder, with "/": the document's identity
    data: bytes


@dataclass(slots=True)
class FolderRead:
    documents: list[Document] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)   # "NAME: what is wrong with it"


def read_folder(folder: Path) -> FolderRead:
    """Read every document under a folder, in the order of their names. Hidden files and other endings are not looked
    at. Raises FetchError where the folder itself can't be read; a bad file is a problem and stops no other."""
    if not folder.is_dir():
        raise FetchError(str(folder), "there is no such folder", hint="check `folder` of this source in config.toml")
    read = FolderRead()
    for path in _files(folder, read.problems):
        name = _text(path.relative_to(folder).as_posix())
        try:
            read.documents.append(Document(name, _read(path)))
        except (OSError, ValueError) as error:
            read.problems.append(f"{_text(path)}: can't be read: {_reason(error)}")
    return read


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
    for at, folders, names in os.walk(folder, onerror=lambda e: problems.append(f"{e.filename}: {e.strerror}")):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        problems.extend(f"{_text(Path(at, name))}: can't be read: {LINK}" for name in folders
                        if Path(at, name).is_symlink())
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield Path(at, name)


def _read(path: Path) -> bytes:
    """The file's bytes. A link could lead out of the folder and a pipe would never end, so neither is followed."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise ValueError("it is not a regular file")
        if about.st_size > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES // 1_000_000} MB")
        return file.read(MAX_BYTES + 1)
