"""Pictures of articles that were made our own: what is kept of one, how large it is shown, whose may be shown how."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from pipeline.model.articles import Images

COLUMN = 528
"""CSS pixels across which a digest has for an article: 600 of the letter without what is left free beside it."""

WIDEST = 2 * COLUMN
"""Pixels that a file of ours has across, at the most: dense screens show two for each CSS pixel."""

TALLEST = 4 * WIDEST

TINY = 2
"""Pixels in one direction: a counter of readers, or something that keeps others apart."""

LEAD = 120
"""CSS pixels that a picture has across, at least, to stand for its article."""

TYPES = {"jpg": "image/jpeg", "png": "image/png", "gif": "image/gif"}

SOON, LATER, MOST = timedelta(hours=1), timedelta(days=7), timedelta(days=30)

_NAME = re.compile(rf"[0-9a-f]{{32}}\.(?:{'|'.join(TYPES)})")


@dataclass(frozen=True, slots=True)
class Picture:
    """A file of ours. It is served under its name, which follows from its bytes."""

    name: str
    width: int   # pixels of the file
    height: int


@dataclass(frozen=True, slots=True)
class KeptPicture:
    """What became of one address: a picture of ours, or the reason why there is none."""

    key: str                    # of the address, how wide it may be, and whose networks it was asked through
    url: str
    picture: Picture | None
    fetched_at: datetime
    size: int = 0               # bytes of the file
    reason: str = ""
    retry_at: datetime | None = None   # when one that failed is tried again


@dataclass(frozen=True, slots=True)
class Pictures:
    """What a digest may show of its articles' pictures: gathered before it is rendered."""

    images: Images = Images.NONE                       # of the newsletter
    of_source: Mapping[str, Images] = field(default_factory=lambda: MappingProxyType({}))   # those that say otherwise
    found: Mapping[str, Mapping[str, Picture]] = field(default_factory=lambda: MappingProxyType({}))
    """source's slug -> address -> picture"""
    notes: tuple[str, ...] = ()                        # what could not be had, for the operator

    def how(self, source: str) -> Images:
        return self.of_source.get(source, self.images)

    def of(self, source: str) -> Mapping[str, Picture]:
        return self.found.get(source, _NOTHING)


IN_WORDS = Pictures()
"""No picture but those on our own site."""


def is_name(name: str) -> bool:
    """Whether a file of ours can be called so: nothing else is looked for in the folder."""
    return _NAME.fullmatch(name) is not None


def media_type(name: str) -> str:
    return TYPES[name.rpartition(".")[2]]


def fitted(width: int, height: int, widest: int = WIDEST, tallest: int = TALLEST) -> tuple[int, int]:
    """The size in the same proportions that fits, never larger than it was and never less than a pixel."""
    scale = min(1.0, widest / width, tallest / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def shown_size(width: int, height: int, wanted_width: int = 0, wanted_height: int = 0) -> tuple[int, int]:
    """CSS pixels in which a picture stands in the column. `wanted_…` is what its article says, 0 where it is silent:
    it can make it smaller (a smiley of 72 pixels that is to be 16), and never bends its proportions."""
    across = min(width, COLUMN, wanted_width or COLUMN)
    if wanted_height and not wanted_width:
        across = min(across, max(1, round(width * wanted_height / height)))
    return across, max(1, round(height * across / width))


def retry_after(before: KeptPicture | None, now: datetime, *, permanent: bool, wish_s: float | None = None) -> datetime:
    """When one that failed now is tried again: in an hour, or in a week where its error will hardly pass; each failure
    in a row doubles that, up to a month. A server's own wish is heeded where it is later, and no longer than that."""
    wait = LATER if permanent else SOON
    if before is not None and before.picture is None and before.retry_at is not None:
        wait = max(wait, 2 * (before.retry_at - before.fetched_at))
    return now + min(MOST, max(wait, timedelta(seconds=wish_s or 0.0)))


_NOTHING: Mapping[str, Picture] = MappingProxyType({})
