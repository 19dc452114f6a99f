"""Feed files as they lie in the feeds folder or in an object store, byte for byte, kept in memory for a while.

A path is read name by name: only plain names, no dots in front, no symbolic link on the way. What can't be spelled
so is not there. The packed twins of a file are no files of their own here: they are what it is sent as.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from pipeline.app import App
from pipeline.errors import BroadsheetError
from pipeline.model.feeds import TWINS
from pipeline.publish.places import open_place
from pipeline.store import feeds
from pipeline.web.answers import Content, content
from pipeline.web.codings import compress, holds
from pipeline.web.memory import Memory

MAX_PARTS = 6               # names in a path below feeds/: all/topic/python/archive/3/rss.xml
CACHE_BYTES = 32_000_000    # of file contents kept in memory
STALE_S = 30.0              # how long what an object store said is taken for true

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


class Files(Protocol):
    """Where feed files are read from. `content` and `coded` are called from the event loop, `has` from any thread."""

    async def content(self, path: str) -> Content | None:
        """The file at a path below the feeds folder, or None. The same object as long as the file is the same."""

    async def coded(self, path: str, plain: Content, coding: str) -> bytes:
        """The content of the file at a path, packed."""

    def has(self, path: str) -> bool: ...


def open_files(app: App) -> Files:
    """The place that `[paths] feeds` names."""
    folder = app.config.paths.feeds
    return FeedFiles(folder) if isinstance(folder, Path) else FeedObjects(
        open_place(app.config).read, partial(_built, app))


class FeedFiles:
    """Reads files under one folder; contents are kept in memory while the file on disk stays the same one."""

    def __init__(self, folder: Path, cache_bytes: int = CACHE_BYTES) -> None:
        self._folder = folder
        self._memory: Memory[Any] = Memory(cache_bytes)   # path -> _Kept, (ETag, coding) -> packed bytes

    async def content(self, path: str) -> Content | None:
        """A known file costs a stat, which may even follow links: what it finds is compared with what was read."""
        kept: _Kept | None = self._memory.get(path)
        if kept is not None:
            try:
                found = os.stat(f"{self._folder}/{path}", follow_symlinks=False)  # noqa: PTH116 - Path takes 8 µs more
                if _stamp(found) == kept.stamp:
                    return kept.content
            except OSError:
                return None
        if not is_plain(path):
            return None
        return await self._memory.aside(path, partial(self._load, path))

    async def coded(self, path: str, plain: Content, coding: str) -> bytes:
        return await _coded(self._memory, self._read_twin, path, plain, coding)

    def has(self, path: str) -> bool:
        descriptor = self._open(path) if is_plain(path) else None
        if descriptor is not None:
            os.close(descriptor)
        return descriptor is not None

    def _load(self, path: str) -> Content | None:
        descriptor = self._open(path)
        if descriptor is None:
            return None
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            made = content(file.read(), media_type_of(path), datetime.fromtimestamp(found.st_mtime, UTC))
        self._memory.put(path, _Kept(_stamp(found), made), len(made.body))
        return made

    def _read_twin(self, path: str, most: int) -> bytes | None:
        descriptor = self._open(path)
        if descriptor is None:
            return None
        with os.fdopen(descriptor, "rb") as file:
            return file.read(most)

    def _open(self, path: str) -> int | None:
        """A descriptor of a regular file, every name of the path opened under the one before."""
        try:
            here = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return None
        for name in path.split("/"):
            try:
                below = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=here)
            except OSError:
                return None
            finally:
                os.close(here)
            here = below
        if stat.S_ISREG(os.fstat(here).st_mode):
            return here
        os.close(here)
        return None


class FeedObjects:
    """Reads objects of a store. What it said is taken for true for a while, also that there is nothing; and for longer
    where it does not answer.

    `read` gives an object's bytes or None, `built` the names of the main files of all feeds.
    """

    def __init__(
        self, read: Callable[[str], bytes | None], built: Callable[[], Collection[str]],
        cache_bytes: int = CACHE_BYTES, clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._built = built
        self._clock = clock
        self._memory: Memory[Any] = Memory(cache_bytes)   # path -> _Asked, (ETag, coding) -> packed bytes
        self._listed: tuple[float, Collection[str]] | None = None

    async def content(self, path: str) -> Content | None:
        known: _Asked | None = self._memory.get(path)
        if known is not None and self._clock() - known.at < STALE_S:
            return known.content
        if not is_plain(path):
            return None
        return await self._memory.aside(path, partial(self._load, path))

    async def coded(self, path: str, plain: Content, coding: str) -> bytes:
        return await _coded(self._memory, self._read_twin, path, plain, coding)

    def has(self, path: str) -> bool:
        """As the database knows it: a page that lists a thousand feeds can't ask for each of their files."""
        listed = self._listed
        if listed is None or self._clock() - listed[0] >= STALE_S:
            listed = self._listed = (self._clock(), self._built())
        return path in listed[1]

    def _load(self, path: str) -> Content | None:
        known: _Asked | None = self._memory.get(path)
        try:
            body = self._read(path)
        except BroadsheetError:
            if known is None or known.content is None:
                raise
            body = known.content.body
        if known is not None and known.content is not None and known.content.body == body:
            made: Content | None = known.content
        else:
            made = None if body is None else content(body, media_type_of(path))
        self._memory.put(path, _Asked(self._clock(), made), len(body or b""))
        return made

    def _read_twin(self, path: str, most: int) -> bytes | None:
        twin = self._read(path)
        return twin if twin is not None and len(twin) < most else None


def media_type_of(path: str) -> str:
    """By name; "" for what is no feed file (a README, a temporary file, a packed twin)."""
    name = path.rpartition("/")[2]
    if name.endswith(".xml"):
        kind = next((kind for kind in ("rss", "atom") if kind in name), "")
        return f"application/{kind}+xml; charset=utf-8" if kind else "text/xml; charset=utf-8"
    types = {".opml": "text/xml; charset=utf-8", ".json": "application/feed+json",
             ".html": "text/html; charset=utf-8"}
    if name == "robots.txt":
        return "text/plain; charset=utf-8"
    return types.get(name[name.rfind("."):], "")


def is_plain(path: str) -> bool:
    """Whether a path below the feeds folder is spelled as a feed file's can be."""
    return bool(media_type_of(path)) and are_plain(path.split("/"))


def are_plain(names: Collection[str]) -> bool:
    return len(names) <= MAX_PARTS and all(map(_NAME.fullmatch, names))


@dataclass(frozen=True, slots=True)
class _Kept:
    stamp: tuple[int, ...]
    content: Content


@dataclass(frozen=True, slots=True)
class _Asked:
    at: float
    content: Content | None


def _stamp(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


async def _coded(
    memory: Memory[Any], read: Callable[[str, int], bytes | None], path: str, plain: Content, coding: str
) -> bytes:
    """Kept by what it was made of, so that a file's new content never meets the old one's twin."""
    key = (plain.etag, coding)
    packed: bytes | None = memory.get(key)
    if packed is not None:
        return packed

    def make() -> bytes:
        # a twin that is larger than the file is no use, whatever it holds
        twin = read(path + TWINS[coding], len(plain.body))
        made = twin if twin is not None and holds(twin, coding, plain.body) else compress(plain.body, coding)
        memory.put(key, made, len(made))
        return made

    return await memory.aside(key, make)


def _built(app: App) -> Collection[str]:
    with app.store.read() as connection:
        return frozenset(feeds.sizes(connection))
