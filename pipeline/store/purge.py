"""Taking a source down: of each of its articles only what identifies it is left, so that it is never taken for new.

Everything that holds a copy of an article's words is in here: articles and their topics, revisions and signatures, what
was seen and not taken, and of frozen digests the articles, the pieces, and the subjects that quote them. Feeds, pages
and digests that are not frozen yet are made of these, and need nothing of their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, or_, select, update

from pipeline.model.articles import ArticleStatus
from pipeline.model.deliveries import LIVE, DeliveryState
from pipeline.model.frozen import FragmentRow
from pipeline.model.sources import PassedState
from pipeline.model.withdrawn import withdrawn, without_link
from pipeline.store import deliveries as ledger
from pipeline.store import meta
from pipeline.store.engine import Store
from pipeline.store.schema import (
    article_bands,
    article_revisions,
    article_topics,
    articles,
    batches,
    deliveries,
    digest_articles,
    fragments,
    likenesses,
    passed_over,
    selections,
    sources,
)
from pipeline.store.similar import SUGGESTED

FRAGMENT = "fragment"

Reword = Callable[[int, Sequence[int], int], tuple[str, str]]
"""(digest, a selection's articles, how many more) -> subject and preheader, of what is left of the digest."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much there is to take down, or was."""

    articles: int
    passed: int                   # seen and not taken; their titles and addresses go too
    digests: tuple[int, ...]      # frozen ones that hold an article
    sent: int                     # mails with these digests that have left: nobody can take them back
    waiting: int                  # and that have not: they go without it


def extent(connection: Connection, source_id: int) -> Extent:
    """What taking a source down would touch."""
    number = select(func.count())
    digests = _digests_with(connection, source_id)
    of_these = deliveries.c.digest_id.in_(digests)
    gone = [DeliveryState.SENT, DeliveryState.UNCERTAIN, DeliveryState.BOUNCED]
    unfilled = select(func.coalesce(func.sum(batches.c.selected), 0)).where(
        batches.c.digest_id.in_(digests), batches.c.filled_at.is_(None))
    return Extent(
        articles=_count(connection, number.select_from(articles).where(_not_yet(source_id))),
        passed=_count(connection, number.select_from(passed_over).where(
            passed_over.c.source_id == source_id, or_(passed_over.c.title != "", passed_over.c.url != ""))),
        digests=tuple(digests),
        sent=_count(connection, number.select_from(deliveries).where(of_these, deliveries.c.state.in_(gone))),
        waiting=_count(connection, number.select_from(deliveries).where(of_these, deliveries.c.state.in_(sorted(LIVE))))
        + _count(connection, unfilled))


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
    _unlink(connection, source_id)
    _part_stories(connection, source_id)
    _redact_digests(connection, source_id, found.digests, reword)
    ledger.give_back_all(connection, found.digests, now)
    meta.take(connection, meta.TAKEN_DOWN)
    _blank_articles(connection, source_id, reason, now)
    connection.execute(update(passed_over).where(passed_over.c.source_id == source_id).values(
        state=PassedState.REFUSED, reason=reason, title="", url="", draft=None, retry_at=None, article_id=None))
    connection.execute(update(sources).where(sources.c.id == source_id).values(title="", feed_url=""))
    return found


def overwrite(store: Store) -> None:
    """Empty SQLite's journal too, so that no file holds what was deleted; best done after `purge` is committed."""
    if store.is_sqlite:
        connection = store.engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            connection.close()


def _unlink(connection: Connection, source_id: int) -> None:
    """Other sources' articles of the same story say "also in", and lead here: to where it is, or was at a freeze."""
    story = func.coalesce(articles.c.story_id, articles.c.id).label("story")
    name = func.coalesce(func.nullif(sources.c.title, ""), sources.c.slug).label("name")
    now_at = select(story, articles.c.url, name)
    now_at = now_at.join(sources, sources.c.id == articles.c.source_id).where(_not_yet(source_id))
    once_at = select(story, digest_articles.c.url, digest_articles.c.source_title.label("name"))
    once_at = once_at.join(articles, articles.c.id == digest_articles.c.article_id).where(_not_yet(source_id))
    links: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)
    for row in connection.execute(now_at.union(once_at).order_by("story", "url")):
        links[row.story].append((row.url, row.name))
    others = connection.execute(
        select(articles.c.id, story).where(
            articles.c.source_id != source_id, story.in_(select(story).where(_not_yet(source_id))))).all()
    for other in others:
        for url, title in links[other.story]:
            _rewrite(connection, [other.id], partial(without_link, url=url, title=title))


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


def _redact_digests(connection: Connection, source_id: int, digests: Collection[int], reword: Reword) -> None:
    ids = set(connection.execute(select(articles.c.id).where(_not_yet(source_id))).scalars())
    connection.execute(
        update(digest_articles).where(digest_articles.c.article_id.in_(_ids(source_id))).values(
            source_title="", title="", summary="", author="", url="", language="", topics=[]))
    _rewrite(connection, _ids(source_id), withdrawn)
    for digest_id in digests:
        rows = connection.execute(select(selections).where(selections.c.digest_id == digest_id)).all()
        for row in rows:
            if not ids.isdisjoint(row.article_ids):
                subject, preheader = reword(digest_id, row.article_ids, row.more)
                connection.execute(update(selections).where(selections.c.id == row.id).values(
                    subject=subject, preheader=preheader))


def _blank_articles(connection: Connection, source_id: int, reason: str, now: datetime) -> None:
    mine = _ids(source_id)
    connection.execute(delete(article_topics).where(article_topics.c.article_id.in_(mine)))
    connection.execute(delete(article_bands).where(article_bands.c.article_id.in_(mine)))
    connection.execute(delete(likenesses).where(
        likenesses.c.state == SUGGESTED, or_(likenesses.c.article_id.in_(mine), likenesses.c.other_id.in_(mine))))
    connection.execute(update(article_revisions).where(article_revisions.c.article_id.in_(mine)).values(
        title="", changed=""))
    connection.execute(update(articles).where(_not_yet(source_id)).values(
        title="", author="", summary="", html="", url="", language="", rights="", licence="", image="", text_note="",
        topics=[], enclosures=[], extras=[], status=ArticleStatus.WITHDRAWN, reason=reason, mailable=False,
        purged_at=now))


def _rewrite(
    connection: Connection, article_ids: Select[int] | Sequence[int],
    change: Callable[[FragmentRow], FragmentRow],
) -> None:
    """Put other words into the frozen pieces of these articles."""
    holding = select(digest_articles.c.digest_id).where(digest_articles.c.article_id.in_(article_ids))
    rows = connection.execute(select(fragments).where(
        fragments.c.digest_id.in_(holding), fragments.c.article_id.in_(article_ids), fragments.c.kind == FRAGMENT))
    for row in rows.all():
        old = FragmentRow(row.part, row.ordinal, row.kind, row.name, row.scope, row.article_id, row.body, row.qp,
                          row.sha256)
        new = change(old)
        if new != old:
            connection.execute(update(fragments).where(
                fragments.c.digest_id == row.digest_id, fragments.c.language == row.language,
                fragments.c.ordinal == row.ordinal,
            ).values(body=new.body, qp=new.qp, sha256=new.sha256))


def _digests_with(connection: Connection, source_id: int) -> list[int]:
    return list(connection.execute(
        select(digest_articles.c.digest_id).distinct().where(digest_articles.c.article_id.in_(_ids(source_id)))
        .order_by(digest_articles.c.digest_id)).scalars())


def _ids(source_id: int) -> Select[int]:
    return select(articles.c.id).where(_not_yet(source_id))


def _not_yet(source_id: int) -> ColumnElement[bool]:
    return and_(articles.c.source_id == source_id, articles.c.purged_at.is_(None))


def _count(connection: Connection, query: Select[int]) -> int:
    return int(connection.execute(query).scalar_one())
