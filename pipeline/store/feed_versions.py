"""What a feed's documents were, so that a reader who has one of them gets what came since (RFC 3229)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from pipeline.model.feeds import ATOM_FILE, JSON_FILE, RSS_FILE
from pipeline.store.chunks import chunks
from pipeline.store.schema import articles, feed_versions, feeds

KEEP = 24
"""Versions of a feed: a reader that asks once an hour has one of them after a day in which each hour brought news."""

MAX_IDS = 50_000
"""In all versions of one feed: of one that holds everything there is, fewer versions are kept."""


@dataclass(frozen=True, slots=True)
class Version:
    """A feed as it was."""

    seq: int                       # the change up to which its documents told everything
    article_ids: frozenset[int]    # whose entries they held
    etag: str                      # of the document that was asked for


def add_version(
    connection: Connection, feed_id: int, seq: int, etags: Mapping[str, str], article_ids: Sequence[int],
    keep: int = KEEP,
) -> None:
    """Record what a feed's main documents are now: file name -> ETag (`publish.delta.etag`). Those beyond the newest
    `keep` are forgotten. Documents that are what they were make no new version."""
    values = {"seq": seq, "article_ids": list(article_ids),
              **{column.name: etags.get(name, "") for name, column in _ETAGS.items()}}
    of_feed = feed_versions.c.feed_id == feed_id
    newest = connection.execute(
        select(feed_versions.c.number, *_ETAGS.values()).where(of_feed).order_by(feed_versions.c.number.desc()).limit(1)
    ).mappings().one_or_none()
    if newest is not None and all(newest[column.name] == values[column.name] for column in _ETAGS.values()):
        connection.execute(
            update(feed_versions).where(of_feed, feed_versions.c.number == newest["number"]).values(**values))
        return
    number = newest["number"] + 1 if newest is not None else 1
    connection.execute(insert(feed_versions).values(feed_id=feed_id, number=number, **values))
    keep = max(1, min(keep, MAX_IDS // max(1, len(article_ids))))
    connection.execute(delete(feed_versions).where(of_feed, feed_versions.c.number <= number - keep))


def newest_etags(connection: Connection, feed_id: int) -> dict[str, str]:
    """What the documents are that were recorded last: file name -> ETag; empty where none were."""
    row = connection.execute(
        select(*_ETAGS.values()).where(feed_versions.c.feed_id == feed_id).order_by(feed_versions.c.number.desc())
        .limit(1)).mappings().one_or_none()
    return {name: row[column.name] for name, column in _ETAGS.items()} if row is not None else {}


def forget_versions(connection: Connection, feed_id: int) -> None:
    """Forget them where documents become others for a reason that is no change of an article: the configuration."""
    connection.execute(delete(feed_versions).where(feed_versions.c.feed_id == feed_id))


def find(connection: Connection, folder: str, name: str, etags: Collection[str]) -> Version | None:
    """The newest version of a feed of whose document `name` a reader has one of these ETags."""
    column = _ETAGS[name]
    found = connection.execute(
        select(feed_versions.c.seq, feed_versions.c.article_ids, column.label("etag"))
        .join(feeds, feeds.c.id == feed_versions.c.feed_id)
        .where(feeds.c.slug == folder, column.in_([etag for etag in etags if etag]))
        .order_by(feed_versions.c.number.desc()).limit(1)
    ).one_or_none()
    return Version(found.seq, frozenset(found.article_ids), found.etag) if found is not None else None


def changed_since(connection: Connection, article_ids: Collection[int], seq: int) -> set[int]:
    """Those of these articles of which readers could see a change after the one numbered `seq`."""
    changed: set[int] = set()
    for chunk in chunks(article_ids):
        changed |= set(connection.execute(
            select(articles.c.id).where(articles.c.id.in_(chunk), articles.c.changed_seq > seq)).scalars())
    return changed


def ended(connection: Connection, folders: Collection[str]) -> dict[str, bool]:
    """Of these folders those that are or were a feed's, and whether that ended."""
    rows = connection.execute(select(feeds.c.slug, feeds.c.ended_at).where(feeds.c.slug.in_(list(folders))))
    return {row.slug: row.ended_at is not None for row in rows}


_ETAGS = {RSS_FILE: feed_versions.c.rss, ATOM_FILE: feed_versions.c.atom, JSON_FILE: feed_versions.c.json}
