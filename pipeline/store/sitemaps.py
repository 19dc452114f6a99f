"""The pages of ours that robots may list: articles that are read nowhere but with us."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select

from pipeline.model.articles import ArticleStatus, Show
from pipeline.store.schema import articles

PAGES = 10_000
"""Articles' numbers that one sitemap covers; 50,000 addresses may stand in one."""


def changed(connection: Connection, since_seq: int) -> set[int]:
    """Numbers of the sitemaps in which an article changed, counted from 1."""
    query = select(articles.c.id).where(articles.c.changed_seq > since_seq, *_READ_HERE)
    return {(article_id - 1) // PAGES + 1 for article_id in connection.execute(query).scalars()}


def numbers(connection: Connection) -> list[int]:
    """Of the sitemaps in which there is a page at all."""
    last = connection.execute(select(func.max(articles.c.id))).scalar_one() or 0
    found = []
    for number in range(1, (last - 1) // PAGES + 2):
        query = select(articles.c.id).where(_of(number), articles.c.status == ArticleStatus.ACCEPTED, *_READ_HERE)
        if connection.execute(query.limit(1)).first() is not None:
            found.append(number)
    return found


def pages(connection: Connection, number: int) -> list[tuple[int, datetime]]:
    """The articles of one sitemap, and when each was last changed."""
    query = select(articles.c.id, articles.c.updated_at).where(
        _of(number), articles.c.status == ArticleStatus.ACCEPTED, *_READ_HERE)
    return [(row.id, row.updated_at) for row in connection.execute(query.order_by(articles.c.id))]


def _of(number: int) -> ColumnElement[bool]:
    return articles.c.id.between((number - 1) * PAGES + 1, number * PAGES)


_READ_HERE = (articles.c.show == Show.FULL, articles.c.url == "")
