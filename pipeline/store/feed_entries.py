"""Which articles have entered which feed, and what of them a feed shows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from pipeline.model.articles import ArticleStatus
from pipeline.model.selection import Rules
from pipeline.store.articles import matching
from pipeline.store.chunks import chunks
from pipeline.store.schema import article_topics, articles, feed_entries, feeds, sources

AT_ONCE = 5_000
"""Articles that enter a feed in one transaction: others want to write as well."""


@dataclass(frozen=True, slots=True)
class EntryRow:
    """What it is decided by whether a feed shows an article, and where."""

    id: int                    # the article's
    position: int              # 0: it has not entered
    source: str
    topics: tuple[str, ...]
    status: ArticleStatus
    story: int
    accepted_seq: int
    published_at: datetime


@dataclass(frozen=True, slots=True)
class Grave:
    """A withdrawn article of a feed."""

    id: int
    first_seen_at: datetime
    withdrawn_at: datetime


def enter_all(connection: Connection, feed_id: int, rules: Rules, topic: str = "") -> int:
    """Let the accepted articles in that match and have not entered yet, the oldest first, at most AT_ONCE: how many."""
    conditions: list[ColumnElement[bool]] = [articles.c.status == ArticleStatus.ACCEPTED, *matching(rules)]
    if topic:
        conditions.append(articles.c.id.in_(
            select(article_topics.c.article_id).where(article_topics.c.topic == topic)))
    missing = (
        select(articles.c.id, articles.c.published_at, articles.c.accepted_seq)
        .join(sources, sources.c.id == articles.c.source_id)
        .where(*conditions, ~exists().where(feed_entries.c.feed_id == feed_id,
                                            feed_entries.c.article_id == articles.c.id))
        .order_by(articles.c.published_at, articles.c.accepted_seq).limit(AT_ONCE).subquery())
    last = connection.execute(select(feeds.c.entries).where(feeds.c.id == feed_id)).scalar_one()
    number = func.row_number().over(order_by=(missing.c.published_at, missing.c.accepted_seq))
    entering = insert(feed_entries).from_select(
        ["feed_id", "article_id", "position", "published_at"],
        select(literal(feed_id), missing.c.id, literal(last) + number, missing.c.published_at))
    # of an INSERT … SELECT SQLAlchemy keeps the number only where it is asked to
    entered = connection.execute(entering.execution_options(preserve_rowcount=True)).rowcount
    connection.execute(update(feeds).where(feeds.c.id == feed_id).values(entries=feeds.c.entries + entered))
    return entered


def enter(connection: Connection, wanted: Mapping[int, Sequence[EntryRow]]) -> set[int]:
    """Let articles into feeds by the feeds' ids, in the given order, as far as they have not entered: which feeds.

    What is there is read before a row is locked: callers hold `Store.alone("publish")`.
    """
    ids = {row.id for rows in wanted.values() for row in rows}
    there: set[tuple[int, int]] = set()
    for chunk in chunks(sorted(ids)):
        query = select(feed_entries.c.feed_id, feed_entries.c.article_id).where(feed_entries.c.article_id.in_(chunk))
        there |= {(feed_id, article_id) for feed_id, article_id in connection.execute(query)}
    new: list[dict[str, Any]] = []
    grown: set[int] = set()
    for feed_id in sorted(wanted):
        rows = [row for row in wanted[feed_id] if (feed_id, row.id) not in there]
        if rows:
            last = connection.execute(
                update(feeds).where(feeds.c.id == feed_id).values(entries=feeds.c.entries + len(rows))
                .returning(feeds.c.entries)).scalar_one()
            new += [{"feed_id": feed_id, "article_id": row.id, "position": position, "published_at": row.published_at}
                    for position, row in enumerate(rows, last - len(rows) + 1)]
            grown.add(feed_id)
    if new:
        connection.execute(insert(feed_entries), new)
    return grown


def changed(connection: Connection, after: tuple[int, int], upto_seq: int, limit: int) -> list[tuple[int, EntryRow]]:
    """Accepted articles that changed since, with the number of their change: those after the change and the article
    `after`, in the order of both."""
    seq, article_id = after
    query = _article_rows(literal(0)).add_columns(articles.c.changed_seq).where(
        articles.c.status == ArticleStatus.ACCEPTED, articles.c.changed_seq <= upto_seq,
        or_(articles.c.changed_seq > seq, (articles.c.changed_seq == seq) & (articles.c.id > article_id)),
    ).order_by(articles.c.changed_seq, articles.c.id).limit(limit)
    return [(row.changed_seq, _row(row)) for row in connection.execute(query)]


def affected(connection: Connection, since_seq: int) -> set[int]:
    """The feeds that hold an article which changed after their files were built; none was built before `since_seq`."""
    query = (
        select(feed_entries.c.feed_id).distinct()
        .join(articles, articles.c.id == feed_entries.c.article_id).join(feeds, feeds.c.id == feed_entries.c.feed_id)
        .where(articles.c.changed_seq > since_seq, articles.c.changed_seq > feeds.c.built_seq))
    return set(connection.execute(query).scalars())


def changed_positions(connection: Connection, feed_id: int, since_seq: int, upto: int) -> list[int]:
    """Positions up to `upto` of a feed's articles that changed since."""
    query = (
        select(feed_entries.c.position).join(articles, articles.c.id == feed_entries.c.article_id)
        .where(feed_entries.c.feed_id == feed_id, feed_entries.c.position <= upto, articles.c.changed_seq > since_seq))
    return sorted(connection.execute(query).scalars())


def newest(
    connection: Connection, feed_id: int, limit: int, before: tuple[datetime, int] | None = None
) -> list[EntryRow]:
    """A feed's articles, accepted or withdrawn, the newest first; those behind the time and position `before`."""
    query = _of_feed(feed_id)
    if before is not None:
        at, position = before
        earlier = feed_entries.c.published_at < at
        query = query.where(or_(earlier, (feed_entries.c.published_at == at) & (feed_entries.c.position < position)))
    query = query.order_by(feed_entries.c.published_at.desc(), feed_entries.c.position.desc()).limit(limit)
    return [_row(row) for row in connection.execute(query)]


def between(connection: Connection, feed_id: int, first: int, last: int) -> list[EntryRow]:
    """The same of a run of positions."""
    query = _of_feed(feed_id).where(feed_entries.c.position.between(first, last))
    query = query.order_by(feed_entries.c.published_at.desc(), feed_entries.c.position.desc())
    return [_row(row) for row in connection.execute(query)]


def lately(connection: Connection, feed_id: int, entries: int, limit: int) -> list[EntryRow]:
    """A feed's articles that were withdrawn or corrected since `limit` others entered, the last first, and at most so
    many: readers have to hear of it, wherever else the article stands by now."""
    since = connection.execute(
        select(articles.c.accepted_at).join(feed_entries, feed_entries.c.article_id == articles.c.id)
        .where(feed_entries.c.feed_id == feed_id, feed_entries.c.position == entries - limit + 1)).scalar_one_or_none()
    found: dict[int, tuple[datetime, EntryRow]] = {}
    for column in (articles.c.withdrawn_at, articles.c.corrected_at):
        query = _of_feed(feed_id).add_columns(column.label("at")).where(column.is_not(None))
        if since is not None:
            query = query.where(column >= since)
        for row in connection.execute(query.order_by(column.desc(), articles.c.id.desc()).limit(limit)):
            found[row.id] = max(found.get(row.id, (row.at, _row(row))), (row.at, _row(row)), key=lambda pair: pair[0])
    latest = sorted(found.values(), key=lambda pair: (pair[0], pair[1].id), reverse=True)
    return [row for _, row in latest[:limit]]


def tellers(connection: Connection, feed_id: int, stories: Collection[int]) -> dict[int, list[EntryRow]]:
    """The accepted articles of a feed that tell these stories, by story, in the order of acceptance."""
    found: dict[int, list[EntryRow]] = {}
    for chunk in chunks(sorted(stories)):
        query = _of_feed(feed_id).where(
            or_(articles.c.id.in_(chunk), articles.c.story_id.in_(chunk)),
            articles.c.status == ArticleStatus.ACCEPTED).order_by(articles.c.accepted_seq)
        for row in map(_row, connection.execute(query)):
            found.setdefault(row.story, []).append(row)
    return found


def graves(connection: Connection, feed_id: int, limit: int) -> list[Grave]:
    """A feed's withdrawn articles, the last withdrawn first."""
    withdrawn_at = func.coalesce(articles.c.withdrawn_at, articles.c.updated_at)
    query = (
        select(articles.c.id, articles.c.first_seen_at, withdrawn_at)
        .join(feed_entries, feed_entries.c.article_id == articles.c.id)
        .where(feed_entries.c.feed_id == feed_id, articles.c.status == ArticleStatus.WITHDRAWN)
        .order_by(withdrawn_at.desc(), articles.c.id.desc()).limit(limit))
    return [Grave(*row) for row in connection.execute(query)]


def topics_of(
    connection: Connection, rules: Rules, at_least: int, among: Collection[str] | None = None
) -> dict[str, int]:
    """How many accepted articles that match `rules` each topic has; those with at least so many, or of these few."""
    query = (
        select(article_topics.c.topic, func.count()).select_from(article_topics)
        .join(articles, articles.c.id == article_topics.c.article_id)
        .join(sources, sources.c.id == articles.c.source_id)
        .where(articles.c.status == ArticleStatus.ACCEPTED, *matching(rules))
        .group_by(article_topics.c.topic).having(func.count() >= at_least).order_by(article_topics.c.topic))
    if among is None:
        return {row[0]: row[1] for row in connection.execute(query)}
    found: dict[str, int] = {}
    for chunk in chunks(sorted(among)):
        found |= {row[0]: row[1] for row in connection.execute(query.where(article_topics.c.topic.in_(chunk)))}
    return found


def position_of(connection: Connection, feed_id: int, article_id: int) -> int:
    """Where an article stands in a feed; 0: it has not entered."""
    query = select(feed_entries.c.position).where(feed_entries.c.feed_id == feed_id,
                                                  feed_entries.c.article_id == article_id)
    return connection.execute(query).scalar_one_or_none() or 0


def _of_feed(feed_id: int) -> Select[Any]:
    return _article_rows(feed_entries.c.position).join(
        feed_entries, feed_entries.c.article_id == articles.c.id).where(
        feed_entries.c.feed_id == feed_id, articles.c.status != ArticleStatus.HELD)


def _article_rows(position: Any) -> Select[Any]:
    return select(
        articles.c.id, position.label("position"), sources.c.slug.label("source"), articles.c.topics, articles.c.status,
        func.coalesce(articles.c.story_id, articles.c.id).label("story"), articles.c.accepted_seq,
        articles.c.published_at,
    ).join(sources, sources.c.id == articles.c.source_id)


def _row(row: Any) -> EntryRow:
    return EntryRow(row.id, row.position, row.source, tuple(row.topics), ArticleStatus(row.status), row.story,
                    row.accepted_seq or 0, row.published_at)

