"""The operator's note on what was wrong in an article: readers see it beside the text, whatever its source does."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, update

from pipeline.errors import UsageError
from pipeline.model.articles import Article, ArticleStatus
from pipeline.store import changes, meta, revisions
from pipeline.store.articles import by_id
from pipeline.store.schema import article_revisions, articles

TAKEN_AWAY = "correction taken away"
"""What a revision says by which a note was cleared."""


def correct(connection: Connection, article_id: int, note: str, now: datetime) -> bool:
    """Put a note on an accepted article, or another one in its place; False where it says so already.

    The revision gets a number of the accepting counter, as an article does, so that one day a digest can tell a
    correction once to whoever was told the article: then it is in one window of each. Until then it is a number at
    which no window finds an article, like that of one for feeds only.
    """
    meta.take(connection, meta.ACCEPTED, 0)
    article = _correctable(connection, article_id)
    if article.correction == note:
        return False
    at = _after(article, now)
    _revise(connection, article_id, at, f"correction: {note}", seq=meta.take(connection, meta.ACCEPTED),
            correction=note, corrected_at=at)
    return True


def clear(connection: Connection, article_id: int, now: datetime) -> bool:
    """Take the note away; False where there is none. That is nothing to be told: it gets no number."""
    meta.take(connection, meta.ACCEPTED, 0)
    article = _correctable(connection, article_id)
    if not article.correction:
        return False
    _revise(connection, article_id, _after(article, now), TAKEN_AWAY, seq=None, correction="",
            corrected_at=None)
    return True


def _after(article: Article, now: datetime) -> datetime:
    """A change is later than the one before it, also on a clock that was set back: readers compare dates."""
    return now if article.updated_at <= now else article.updated_at + timedelta(seconds=1)


def _correctable(connection: Connection, article_id: int) -> Article:
    article = by_id(connection, article_id)
    named = f"article {article_id}"
    if article.status is ArticleStatus.HELD:
        raise UsageError(named, "it is held: no reader has seen it, so there is nothing to correct",
                         hint=f"`broadsheet articles release {article_id}` lets it in, "
                              f"`broadsheet articles withdraw {article_id}` keeps it out for good")
    if article.status is ArticleStatus.WITHDRAWN:
        what = "it was withdrawn" if article.title else "its source was taken down"
        raise UsageError(named, f"{what}, and readers see nothing of it any more",
                         hint=f"`broadsheet why {article_id}` tells when and why")
    return article


def _revise(
    connection: Connection, article_id: int, now: datetime, changed: str, *, seq: int | None, **values: Any
) -> None:
    revisions.begin(connection, article_id)
    row = connection.execute(
        update(articles).where(articles.c.id == article_id)
        .values(updated_at=now, revision=articles.c.revision + 1, **values)
        .returning(articles.c.revision, articles.c.title, articles.c.content_hash)).one()
    connection.execute(insert(article_revisions).values(
        article_id=article_id, revision=row.revision, at=now, title=row.title, content_hash=row.content_hash,
        changed=changed, seq=seq))
    changes.touch(connection, [article_id])
