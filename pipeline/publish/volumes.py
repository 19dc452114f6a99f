"""Which documents a feed consists of (RFC 5005): one that people subscribe to, and archives of what came before. Pure.

An archive document holds a run of positions, so no new article ever changes which entries it has. Its name says which
run, so a feed whose limit changed has other archives under other names.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.model.feeds import Volume

SMALLEST, LARGEST = 10, 50   # positions in one archive document


def size_for(limit: int) -> int:
    """Positions in one archive document: no more than the feed shows anyway, so that what is not archived yet fits."""
    return max(SMALLEST, min(limit, LARGEST))


def archived(entries: int, size: int) -> int:
    """How many positions are in archive documents; the rest must be in the document that people subscribe to."""
    return entries // size * size


def run(number: int, size: int) -> tuple[int, int]:
    """The first and the last position of the archive document `number`, which counts from 1."""
    return (number - 1) * size + 1, number * size


def number_of(position: int, size: int) -> int:
    """Of the archive document that holds a position, or will."""
    return (position - 1) // size + 1


def folder(number: int, size: int) -> str:
    first, last = run(number, size)
    return f"archive/{first}-{last}/"


def archive(number: int, size: int, entries: int) -> Volume:
    last = archived(entries, size) // size
    return Volume(folder(number, size), folder(number - 1, size) if number > 1 else "",
                  folder(number + 1, size) if number < last else "")


def subscription(size: int, entries: int) -> Volume:
    last = archived(entries, size) // size
    return Volume("", folder(last, size) if last else "")


def to_write(before: int, now: int, size: int, changed: Iterable[int]) -> list[int]:
    """Numbers of the archive documents to write where `before` positions were archived and `now` are to be: new ones,
    the last old one, which gets a neighbour, and those that hold one of the `changed` positions. The last first: none
    ever names one that is not there."""
    had, last = before // size, now // size
    new = range(max(had, 1), last + 1) if last > had else ()
    return sorted({*new, *(number_of(position, size) for position in changed if position <= now)}, reverse=True)
