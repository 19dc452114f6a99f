"""Where feed files go: a folder, or a bucket of an object store. Also the packed twins of files."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from pipeline.config import Config
from pipeline.errors import BroadsheetError
from pipeline.model.feeds import TWINS
from pipeline.net.encode import PACKERS
from pipeline.publish.write import Folder

PACKED = (".xml", ".json", ".html", ".opml", ".txt")
MIN_PACKED_BYTES = 200
"""What is not larger fits into one packet either way."""


class Place(Protocol):
    """Names are relative, with slashes: "all/rss.xml". One that could lead elsewhere (empty, absolute, "..", a NUL) is
    a ValueError; whatever else goes wrong is a BroadsheetError that names the file."""

    where: str
    """For messages: the folder's path, or "s3://bucket/prefix"."""

    def put(self, files: Mapping[str, bytes]) -> list[str]:
        """Write those that hold other bytes than what lies there, in the mapping's order, each whole or not at all;
        these are returned."""

    def read(self, name: str) -> bytes | None:
        """What a file holds; None where there is none."""

    def names(self, below: str) -> list[str]:
        """All files in this folder ("": in all of the place) and in those below it, sorted."""

    def remove(self, names: Iterable[str]) -> list[str]:
        """Remove files, and the folders that become empty; returned are those that were there."""

    def differing(self, sizes: Mapping[str, int]) -> list[str]:
        """Those that are missing or have another size, as far as looking is cheap: a bucket says none."""


def open_place(config: Config) -> Place:
    """The one that `[paths] feeds` names. Nothing is made, asked or looked at yet."""
    feeds = config.paths.feeds
    if isinstance(feeds, Path):
        return Folder(feeds)
    try:
        from pipeline.publish.objects import Bucket
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("pipeline"):
            raise
        raise BroadsheetError(
            feeds, "boto3, which talks to object stores, is not installed",
            hint=f"install it beside Broadsheet: {sys.executable} -m pip install boto3",
        ) from error
    return Bucket(feeds, config.publish.s3)


def with_twins(files: Mapping[str, bytes], kinds: Sequence[str]) -> dict[str, bytes]:
    """The files, and after each that is worth it "x.gz" and "x.br" (kinds "gzip", "br"), for servers that send them."""
    found: dict[str, bytes] = {}
    for name, data in files.items():
        found[name] = data
        if len(data) > MIN_PACKED_BYTES and name.endswith(PACKED):
            for kind in kinds:
                found[name + TWINS[kind]] = PACKERS[kind](data)
    return found
