"""How much each source has given, and how much of it waits: numbers for the operator's list."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Select, func, select

from pipeline.model.articles import ArticleStatus
from pipeline.model.sources import PassedState
from pipeline.store.schema import articles, passed_over


@dataclass(frozen=True, slots=True)
class SourceCounts:
    articles: int = 0     # that were not withdrawn
    recent: int = 0       # of them, first seen after the moment that was asked about
    held: int = 0         # wait for the operator
    waiting: int = 0      # wait for their page to be read


def counts(connection: Connection, since: datetime) -> dict[int, SourceCounts]:
    """By the sources' ids. A few statements, however many there are.

    All are counted, and what was withdrawn is taken off: a row's end, where that stands, lies behind its text, while
    indexes hold the rest.
    """
    mine, new = articles.c.source_id, articles.c.first_seen_at > since
    withdrawn = articles.c.status == ArticleStatus.WITHDRAWN
    everything = _numbers(connection, select(mine, func.count()))
    recent = _numbers(connection, select(mine, func.count()).where(new))
    gone = _numbers(connection, select(mine, func.count()).where(withdrawn))
    lately_gone = _numbers(connection, select(mine, func.count()).where(withdrawn, new))
    held = _numbers(connection, select(mine, func.count()).where(articles.c.status == ArticleStatus.HELD))
    waiting = _numbers(connection, select(passed_over.c.source_id, func.count()).where(
        passed_over.c.state == PassedState.WAITING))
    return {
        i: SourceCounts(everything[i] - gone[i], recent[i] - lately_gone[i], held[i], waiting[i])
        for i in everything.keys() | waiting.keys()
    }


def _numbers(connection: Connection, query: Select[int, int]) -> Counter[int]:
    rows = connection.execute(query.group_by(query.selected_columns[0]))
    return Counter({row[0]: row[1] for row in rows})
