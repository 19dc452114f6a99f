"""How much each source has given, and how much of it waits: numbers for the operator's list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select

from pipeline.model.articles import ArticleStatus
from pipeline.model.sources import PassedState
from pipeline.store.schema import articles, passed_over


@dataclass(frozen=True, slots=True)
class SourceCounts:
    articles: int = 0
    recent: int = 0       # first seen after the moment that was asked about
    held: int = 0         # wait for the operator
    waiting: int = 0      # wait for their page to be read


def counts(connection: Connection, since: datetime) -> dict[int, SourceCounts]:
    """By the sources' ids; those that have nothing are not among them. Four statements, however many there are."""
    found: dict[int, dict[str, int]] = {}
    for name, column, condition in (
        ("articles", articles.c.source_id, None),
        ("recent", articles.c.source_id, articles.c.first_seen_at > since),
        ("held", articles.c.source_id, articles.c.status == ArticleStatus.HELD),
        ("waiting", passed_over.c.source_id, passed_over.c.state == PassedState.WAITING),
    ):
        for source_id, number in _numbers(connection, column, condition):
            found.setdefault(source_id, {})[name] = number
    return {source_id: SourceCounts(**numbers) for source_id, numbers in found.items()}


def _numbers(
    connection: Connection, column: ColumnElement[int], condition: ColumnElement[bool] | None
) -> list[tuple[int, int]]:
    query = select(column, func.count()).group_by(column)
    rows = connection.execute(query if condition is None else query.where(condition))
    return [(source_id, number) for source_id, number in rows]
