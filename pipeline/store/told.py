"""What people were told: which articles, in which revision, and what was put right since."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, exists, func, or_, select

from pipeline.model.articles import Article, ArticleStatus
from pipeline.model.selection import Correction
from pipeline.store import articles as article_rows
from pipeline.store.chunks import chunks
from pipeline.store.corrections import TAKEN_AWAY
from pipeline.store.digests import FRESH
from pipeline.store.schema import (
    article_revisions,
    articles,
    deliveries,
    digest_articles,
    digest_corrections,
    digests,
    selections,
)

NOTED = "noted"      # what the operator noted (`articles correct`)
CHANGED = "changed"  # and what sources changed


def told_by(
    connection: Connection, article_ids: Collection[int], first_id: int, last_id: int, *, upto_seq: int | None = None
) -> dict[int, dict[int, int]]:
    """Subscription -> of these articles those that it was told, with the newest revision that it was told of. Counted
    are mails that were sent, and those that maybe were; with `upto_seq` only those whose windows end there or before.
    Subscription ids are inclusive."""
    within = [deliveries.c.cut_seq <= upto_seq] if upto_seq is not None else []
    carried: defaultdict[int, dict[int, int]] = defaultdict(dict)   # digest -> article -> revision
    for table, more in ((digest_articles, [digest_articles.c.kind == FRESH]), (digest_corrections, [])):
        for chunk in chunks(sorted(article_ids)):
            rows = connection.execute(
                select(table.c.digest_id, table.c.article_id, table.c.revision)
                .join(digests, digests.c.id == table.c.digest_id)
                .where(table.c.article_id.in_(chunk), digests.c.frozen_at.is_not(None), *more))
            for row in rows:
                carried[row.digest_id][row.article_id] = row.revision
    told: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for chunk in chunks(sorted(carried)):
        got = connection.execute(
            select(deliveries.c.subscription_id, deliveries.c.selection_id)
            .where(deliveries.c.digest_id.in_(chunk), deliveries.c.covered, deliveries.c.selection_id.is_not(None),
                   deliveries.c.subscription_id.between(first_id, last_id), *within)).all()
        held = _held(connection, {selection_id for _, selection_id in got}, carried)
        for subscription_id, selection_id in got:
            mine = told[subscription_id]
            for article_id, revision in held[selection_id]:
                mine[article_id] = max(mine.get(article_id, 0), revision)
    return dict(told)


def _held(
    connection: Connection, selection_ids: Collection[int], carried: Mapping[int, Mapping[int, int]]
) -> dict[int, list[tuple[int, int]]]:
    """Of each selection those of the asked articles that it holds, with the revision that its digest carried. Few
    selections serve many people."""
    held: dict[int, list[tuple[int, int]]] = {}
    for chunk in chunks(sorted(selection_ids)):
        for row in connection.execute(
                select(selections.c.id, selections.c.digest_id, selections.c.article_ids, selections.c.corrections)
                .where(selections.c.id.in_(chunk))):
            revisions = carried[row.digest_id]
            held[row.id] = [(article_id, revisions[article_id]) for article_id in (*row.article_ids, *row.corrections)
                            if article_id in revisions]
    return held


def put_right(
    connection: Connection, newsletter_id: int, kind: str, since: datetime, limit: int
) -> list[tuple[Article, Correction]]:
    """Articles that a frozen digest of the newsletter told and that were put right since, the latest first: by the
    operator's note (NOTED), or also by their source (CHANGED). A note that was taken away is nothing to tell, and so is
    its going. At most `limit`."""
    noted = and_(article_revisions.c.seq.is_not(None), articles.c.correction != "")
    changed = and_(article_revisions.c.seq.is_(None), article_revisions.c.revision > 1,
                   article_revisions.c.changed != TAKEN_AWAY)
    latest = (
        select(article_revisions.c.article_id, func.max(article_revisions.c.revision).label("revision"),
               func.max(article_revisions.c.at).label("at"))
        .join(articles, articles.c.id == article_revisions.c.article_id)
        .where(articles.c.status == ArticleStatus.ACCEPTED, article_revisions.c.at >= since,
               or_(noted, changed) if kind == CHANGED else noted)
        .group_by(article_revisions.c.article_id).subquery())
    was_told = exists().where(
        digest_articles.c.article_id == latest.c.article_id, digest_articles.c.kind == FRESH,
        digest_articles.c.revision < latest.c.revision, digests.c.id == digest_articles.c.digest_id,
        digests.c.newsletter_id == newsletter_id, digests.c.frozen_at.is_not(None))
    rows: list[Row[Any]] = list(connection.execute(
        select(latest.c.article_id, latest.c.revision).where(was_told)
        .order_by(latest.c.at.desc(), latest.c.article_id.desc()).limit(limit)))
    known = article_rows.by_ids(connection, [row.article_id for row in rows])
    return [(known[row.article_id], Correction(row.article_id, row.revision)) for row in rows]


def carried(connection: Connection, newsletter_id: int, found: Sequence[Correction]) -> set[int]:
    """The articles among these whose correction an earlier digest of the newsletter carried already."""
    revisions = {one.article_id: one.revision for one in found}
    there: set[int] = set()
    for chunk in chunks(sorted(revisions)):
        rows = connection.execute(
            select(digest_corrections.c.article_id, digest_corrections.c.revision)
            .join(digests, digests.c.id == digest_corrections.c.digest_id)
            .where(digest_corrections.c.article_id.in_(chunk), digests.c.newsletter_id == newsletter_id,
                   digests.c.frozen_at.is_not(None)))
        there.update(row.article_id for row in rows if row.revision >= revisions[row.article_id])
    return there
