"""Taking a source down: of each of its articles only what identifies it is left, so that it is never taken for new.

Everything that holds a copy of an article's words is in here or in `redaction`: articles and their topics, revisions
and signatures, what was seen and not taken, what was frozen, and the addresses of pictures and links (the files of
pictures are the caller's business). Feeds, pages and digests that are not frozen yet are made of these, and need
nothing of their own.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, Select, and_, delete, func, literal, or_, select, update

from pipeline.model.articles import ArticleStatus
from pipeline.model.sources import PassedState
from pipeline.model.withdrawn import OF_A_SOURCE
from pipeline.store import changes, meta, redaction
from pipeline.store.columns import Utc
from pipeline.store.engine import Store
from pipeline.store.redaction import Extent, Reword, Which
from pipeline.store.schema import article_revisions, article_topics, articles, passed_over, sources
from pipeline.store.schema_compose import link_checks, pictures


def extent(connection: Connection, source_id: int) -> Extent:
    """What taking a source down would touch."""
    passed = connection.execute(select(func.count()).select_from(passed_over).where(
        passed_over.c.source_id == source_id, or_(passed_over.c.title != "", passed_over.c.url != ""))).scalar_one()
    return replace(redaction.extent(connection, _not_yet(source_id)), passed=passed)


def taken_down(connection: Connection) -> dict[int, int]:
    """How many articles of each source were taken down, by the sources' ids."""
    query = select(articles.c.source_id, func.count()).where(articles.c.purged_at.is_not(None))
    return {row[0]: row[1] for row in connection.execute(query.group_by(articles.c.source_id))}


def purge(connection: Connection, source_id: int, reason: str, reword: Reword, now: datetime) -> Extent:
    """Take down everything that a source gave, in this one transaction. It can't be undone."""
    if connection.dialect.name == "sqlite":  # what is deleted is overwritten too
        connection.exec_driver_sql("PRAGMA secure_delete = ON")
    meta.take(connection, meta.ACCEPTED, 0)  # the first lock of all who accept
    found = extent(connection, source_id)
    ids = connection.execute(_ids(source_id)).scalars().all()
    redaction.redact(connection, _not_yet(source_id), found.digests, reword, now, elsewhere=OF_A_SOURCE)
    _part_stories(connection, source_id)
    _blank_articles(connection, source_id, reason, now)
    connection.execute(update(passed_over).where(passed_over.c.source_id == source_id).values(
        state=PassedState.REFUSED, reason=reason, title="", url="", draft=None, retry_at=None, article_id=None))
    for cache in (pictures, link_checks):  # whose addresses they name; what is needed again is fetched again
        connection.execute(delete(cache))
    connection.execute(update(sources).where(sources.c.id == source_id).values(title="", feed_url=""))
    changes.touch(connection, ids)
    return found


def overwrite(store: Store) -> None:
    """Empty SQLite's journal too, so that no file holds what was deleted; best done after `purge` is committed."""
    if store.is_sqlite:
        connection = store.engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            connection.close()


def _part_stories(connection: Connection, source_id: int) -> None:
    """A story that is called after one of these articles is called after the oldest other one; they stay in it, so
    that whoever was told it is not told it again."""
    root = articles.alias("root")
    heirs = connection.execute(
        select(articles.c.story_id, func.min(articles.c.id).label("heir"))
        .join(root, root.c.id == articles.c.story_id)
        .where(root.c.source_id == source_id, articles.c.source_id != source_id)
        .group_by(articles.c.story_id)).all()
    for old, heir in heirs:
        connection.execute(update(articles).where(or_(articles.c.id == old, articles.c.story_id == old))
                           .values(story_id=heir))
        connection.execute(update(articles).where(articles.c.id == heir).values(story_id=None))


def _blank_articles(connection: Connection, source_id: int, reason: str, now: datetime) -> None:
    """One that was withdrawn before stays withdrawn as of then: that is what readers were told."""
    mine = _ids(source_id)
    connection.execute(delete(article_topics).where(article_topics.c.article_id.in_(mine)))
    connection.execute(update(article_revisions).where(article_revisions.c.article_id.in_(mine)).values(
        title="", changed=""))
    connection.execute(update(articles).where(_not_yet(source_id)).values(
        title="", author="", summary="", html="", url="", language="", rights="", licence="", image="", text_note="",
        correction="", corrected_at=None, topics=[], enclosures=[], extras=[], status=ArticleStatus.WITHDRAWN,
        reason=reason, mailable=False, purged_at=now,
        withdrawn_at=func.coalesce(articles.c.withdrawn_at, literal(now, Utc))))


def _ids(source_id: int) -> Select[int]:
    return select(articles.c.id).where(_not_yet(source_id))


def _not_yet(source_id: int) -> Which:
    return and_(articles.c.source_id == source_id, articles.c.purged_at.is_(None))
