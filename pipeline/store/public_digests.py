"""Digests as everybody may read them: what a newsletter's feed and its pages are made of. Announcements are none of
them: they are mail only."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select

from pipeline.model.articles import Article, ArticleStatus
from pipeline.model.frozen import Arrangement
from pipeline.model.letterhead import Letterhead
from pipeline.model.newsletters import PUBLIC, Digest, DigestStatus, Window
from pipeline.model.selection import for_everyone
from pipeline.store import digests
from pipeline.store.chunks import chunks
from pipeline.store.digests import FRESH
from pipeline.store.schema import articles, digest_articles, newsletters
from pipeline.store.schema import digests as table


@dataclass(frozen=True, slots=True)
class PublicDigest:
    """A digest, and what its web copy still tells."""

    digest: Digest
    uid: str                        # given with the slot, and the same for good
    frozen_at: datetime
    head: Letterhead
    articles: tuple[Article, ...]   # in display order, in the words of the freeze
    withdrawn_at: datetime | None   # when the last of those that are gone was taken back


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A digest that was frozen, and taken back."""

    uid: str
    created_at: datetime
    gone_at: datetime


def newest(connection: Connection, newsletter: str, limit: int) -> list[Digest]:
    """Those that are advertised, the newest first."""
    rows = digests.query().where(newsletters.c.slug == newsletter, advertised())
    rows = rows.order_by(table.c.due_at.desc(), table.c.id.desc()).limit(limit)
    return [digests.digest_of(row) for row in connection.execute(rows)]


def neighbours(connection: Connection, digest: Digest) -> tuple[Digest | None, Digest | None]:
    """The digests of the same newsletter, of any schedule, that stand before and after one where readers see them."""
    at, number = table.c.due_at, table.c.id
    before = or_(at < digest.due_at, and_(at == digest.due_at, number < digest.id))
    after = or_(at > digest.due_at, and_(at == digest.due_at, number > digest.id))
    found = []
    for where, order in ((before, (at.desc(), number.desc())), (after, (at, number))):
        rows = digests.query().where(newsletters.c.slug == digest.newsletter, advertised(), where)
        row = connection.execute(rows.order_by(*order).limit(1)).one_or_none()
        found.append(digests.digest_of(row) if row is not None else None)
    return found[0], found[1]


def public_state(connection: Connection) -> tuple[int, ...]:
    """What changes whenever a digest gets public, is so no more, or is taken back: how many there are of each, and the
    sum of their numbers, by which one that goes is told from another that comes."""
    found: list[int] = []
    for where in (advertised(), taken_back()):
        row = connection.execute(select(func.count(), func.sum(table.c.id)).where(where)).one()
        found += (int(row[0]), int(row[1] or 0))
    return tuple(found)


def advertised() -> ColumnElement[bool]:
    """SQL: a digest that readers may see on the web."""
    return and_(table.c.status.in_(PUBLIC), table.c.kind == "")


def taken_back() -> ColumnElement[bool]:
    """SQL: a digest that was cancelled after readers could have seen it."""
    return and_(table.c.status == DigestStatus.CANCELLED, table.c.frozen_at.is_not(None), table.c.kind == "")


def copy(connection: Connection, digest_id: int) -> Arrangement:
    """What everybody may see of a frozen digest: what came after most people's last one, without a limit, and its
    corrections; without what was taken back since."""
    row = digests.facts(connection, digest_id)
    head = Letterhead.from_json(row.settings)
    hows = [how for article, how in digests.frozen_articles(connection, digest_id)
            if article.status is ArticleStatus.ACCEPTED or not how.fresh]
    corrections = [one.article_id for one in digests.frozen_corrections(connection, digest_id)]
    standing = _accepted(connection, [*(how.id for how in hows), *corrections])
    shown = for_everyone([how for how in hows if how.id in standing], Window(row.public_from_seq, row.cut_seq),
                         head.rules)
    return head.arranged(replace(shown, corrections=tuple(i for i in corrections if i in standing)))


def read(connection: Connection, digest: Digest) -> PublicDigest:
    row = digests.facts(connection, digest.id)
    frozen = {article.id: article for article, _ in digests.frozen_articles(connection, digest.id)}
    told = tuple(frozen[i] for i in copy(connection, digest.id).articles)
    return PublicDigest(digest, row.uid, row.frozen_at, Letterhead.from_json(row.settings), told,
                        _withdrawn_at(connection, digest.id))


def cancelled(connection: Connection, newsletter: str, limit: int) -> list[Cancelled]:
    """The newest of those that readers may have seen before. One of which nobody wrote down when it was taken back
    counts as gone a second after it last changed, which is all that a reader has to know."""
    rows = connection.execute(
        select(table.c.id, table.c.uid, table.c.created_at, table.c.frozen_at, table.c.done_at)
        .join(newsletters, newsletters.c.id == table.c.newsletter_id)
        .where(newsletters.c.slug == newsletter, taken_back())
        .order_by(table.c.due_at.desc(), table.c.id.desc()).limit(limit)).all()
    found = []
    for row in rows:
        changed_at = max(row.frozen_at, _withdrawn_at(connection, row.id) or row.frozen_at) + timedelta(seconds=1)
        found.append(Cancelled(row.uid, row.created_at, max(row.done_at or changed_at, changed_at)))
    return found


def changed_since(connection: Connection, digest_ids: Collection[int], seq: int) -> bool:
    """Whether readers could see a change of any article in these digests after the one numbered `seq`."""
    query = (
        select(digest_articles.c.article_id)
        .join(articles, articles.c.id == digest_articles.c.article_id)
        .where(digest_articles.c.digest_id.in_(list(digest_ids)), articles.c.changed_seq > seq))
    return bool(connection.execute(select(exists(query))).scalar_one())


def _accepted(connection: Connection, article_ids: Sequence[int]) -> set[int]:
    found: set[int] = set()
    for chunk in chunks(article_ids):
        found.update(connection.execute(select(articles.c.id).where(
            articles.c.id.in_(chunk), articles.c.status == ArticleStatus.ACCEPTED)).scalars())
    return found


def _withdrawn_at(connection: Connection, digest_id: int) -> datetime | None:
    last: datetime | None = connection.execute(
        select(func.max(articles.c.withdrawn_at))
        .join(digest_articles, digest_articles.c.article_id == articles.c.id)
        .join(table, table.c.id == digest_articles.c.digest_id)
        .where(digest_articles.c.digest_id == digest_id, digest_articles.c.kind == FRESH,
               digest_articles.c.accepted_seq > table.c.public_from_seq)).scalar_one()
    return last
