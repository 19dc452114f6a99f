"""Who else tells a story: what readers see as "also in"."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, func, or_, select

from pipeline.model.articles import Also, Article, ArticleStatus
from pipeline.store.chunks import chunks
from pipeline.store.schema import articles, sources

MOST_ALSO = 5
"""Other sources that one article names."""


def with_also(connection: Connection, listed: Iterable[Article]) -> list[Article]:
    """The same articles, each with the other sources whose accepted articles tell its story, in order of acceptance."""
    given = list(listed)
    tellers: defaultdict[int, list[Any]] = defaultdict(list)
    for chunk in chunks(sorted({article.story for article in given})):
        query = (
            select(articles.c.id, articles.c.url, sources.c.slug, sources.c.title,
                   func.coalesce(articles.c.story_id, articles.c.id).label("story"))
            .join(sources, sources.c.id == articles.c.source_id)
            .where(or_(articles.c.id.in_(chunk), articles.c.story_id.in_(chunk)),
                   articles.c.status == ArticleStatus.ACCEPTED)
            .order_by(articles.c.accepted_seq))
        for row in connection.execute(query):
            tellers[row.story].append(row)
    return [replace(article, also=also) if (also := _also(article, tellers[article.story])) else article
            for article in given]


def _also(article: Article, tellers: Sequence[Any]) -> tuple[Also, ...]:
    others: dict[str, Also] = {}
    for row in tellers:
        if row.slug != article.source and row.id != article.id:
            others.setdefault(row.slug, Also(row.id, row.title or row.slug, row.url))
    return tuple(others.values())[:MOST_ALSO]
