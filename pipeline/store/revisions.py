"""What became of an article's text over time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select

from pipeline.store.schema import article_revisions, articles


@dataclass(frozen=True, slots=True)
class Revision:
    number: int      # 1 is how it came in
    at: datetime
    title: str
    changed: str     # in words, against the one before; "" where nobody wrote it down


def of_article(connection: Connection, article_id: int, latest: int = 50) -> list[Revision]:
    """The latest revisions, oldest first."""
    query = select(article_revisions).where(article_revisions.c.article_id == article_id)
    rows = connection.execute(query.order_by(article_revisions.c.revision.desc()).limit(latest)).all()
    return [Revision(row.revision, row.at, row.title, row.changed) for row in reversed(rows)]


def begin(connection: Connection, article_id: int) -> None:
    """Write down how an article came in, before it changes for the first time: most articles never need this row."""
    first = select(articles.c.id, articles.c.revision, articles.c.first_seen_at, articles.c.title,
                   articles.c.content_hash).where(articles.c.id == article_id, articles.c.revision == 1)
    connection.execute(insert(article_revisions).from_select(
        ["article_id", "revision", "at", "title", "content_hash"], first))
