"""Values for an IN list, a few at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

CHUNK = 400
"""Values in one IN list; SQLite allows 32,766 and plans badly long before."""

T = TypeVar("T")


def chunks(values: Iterable[T]) -> Iterator[list[T]]:
    """Yield `values` in lists of at most CHUNK, in their order; none for no values."""
    remaining = iter(values)
    while chunk := list(islice(remaining, CHUNK)):
        yield chunk
