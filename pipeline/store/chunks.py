"""Many values in one statement: as an IN list, a few at a time, or as one value that holds them all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import BigInteger, ColumnElement, Connection, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY

CHUNK = 400
"""Values in one IN list; SQLite allows 32,766 and plans badly long before."""

T = TypeVar("T")


def chunks(values: Iterable[T]) -> Iterator[list[T]]:
    """Yield `values` in lists of at most CHUNK, in their order; none for no values."""
    remaining = iter(values)
    while chunk := list(islice(remaining, CHUNK)):
        yield chunk


def among(connection: Connection, column: ColumnElement[Any], numbers: Iterable[int]) -> ColumnElement[bool]:
    """SQL: `column` is one of so many whole numbers. An IN list of five hundred values costs more than what it finds:
    each is looked at several times before the database gets to see it."""
    if connection.dialect.name == "sqlite":
        values = func.json_each(json.dumps(list(numbers))).table_valued("value")
        return column.in_(select(values.c.value))
    return column == any_(bindparam(None, list(numbers), ARRAY(BigInteger)))
