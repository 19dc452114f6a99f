"""Withdrawing single articles: the operator takes them back, for good.

Their own rows keep their words, so that the operator can still see what they were, and their identity, so that they are
never taken for new. Every copy that readers have or will get loses them: `redaction` takes them out of what is frozen,
and what is made of the rows (feeds, pages, later digests) goes by their status. Other articles of the same stories
stay, and so do the stories: whoever was told one is not told it again.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, delete, select, update

from pipeline.model.articles import ArticleStatus
from pipeline.model.withdrawn import OF_AN_ARTICLE
from pipeline.store import changes, meta, redaction
from pipeline.store.redaction import Extent, Reword, Which
from pipeline.store.schema import articles, passed_over


def extent(connection: Connection, article_ids: Collection[int]) -> Extent:
    """What withdrawing them would touch. One that is withdrawn already does not count."""
    return redaction.extent(connection, _not_yet(article_ids))


def withdraw(
    connection: Connection, article_ids: Collection[int], reason: str, reword: Reword, now: datetime
) -> Extent:
    """Withdraw accepted and held articles, in this one transaction. It can't be undone."""
    meta.take(connection, meta.ACCEPTED, 0)  # the first lock of all who accept
    which = _not_yet(article_ids)
    found = redaction.extent(connection, which)
    rows = connection.execute(select(articles.c.id, articles.c.updated_at).where(which)).all()
    ids = [row.id for row in rows]
    redaction.redact(connection, which, found.digests, reword, now, elsewhere=OF_AN_ARTICLE)
    connection.execute(delete(passed_over).where(passed_over.c.article_id.in_(ids)))  # its page need not be read again
    connection.execute(update(articles).where(which).values(
        status=ArticleStatus.WITHDRAWN, reason=reason, withdrawn_at=now))
    for row in rows:
        if row.updated_at > now:  # on a clock that was set back; readers compare dates
            connection.execute(update(articles).where(articles.c.id == row.id).values(
                withdrawn_at=row.updated_at + timedelta(seconds=1)))
    changes.touch(connection, ids)
    return found


def recognise(connection: Connection, article_id: int, *, guid: str, url_key: str, content_hash: str) -> None:
    """Remember what a withdrawn article is known by upstream now: whose source changes its guid this week and its
    address the next would else be new. Not a word of it is taken on, and no reader sees a change."""
    connection.execute(update(articles).where(
        articles.c.id == article_id, articles.c.status == ArticleStatus.WITHDRAWN,
    ).values(guid=guid, url_key=url_key, content_hash=content_hash))


def _not_yet(article_ids: Collection[int]) -> Which:
    return and_(articles.c.id.in_(article_ids), articles.c.status != ArticleStatus.WITHDRAWN)
