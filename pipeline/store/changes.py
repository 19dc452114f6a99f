"""What readers could see change, numbered: publishing asks for all that came since it last looked.

Whoever changes what a feed shows of an article, or who else tells its story, touches it in the same transaction.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, func, or_, select, update

from pipeline.store import meta
from pipeline.store.chunks import chunks
from pipeline.store.schema import articles


def touch(connection: Connection, article_ids: Collection[int]) -> None:
    """Number a change of these articles, and of those that tell the same stories: they say "also in"."""
    if not article_ids:
        return
    number = next_number(connection)
    stories: set[int] = set()
    for chunk in chunks(sorted(article_ids)):
        query = select(func.coalesce(articles.c.story_id, articles.c.id)).where(articles.c.id.in_(chunk))
        stories |= set(connection.execute(query).scalars())
    for chunk in chunks(sorted(stories)):
        connection.execute(
            update(articles).where(or_(articles.c.id.in_(chunk), articles.c.story_id.in_(chunk)))
            .values(changed_seq=number))


def touch_source(connection: Connection, source_id: int) -> None:
    """The same for all that a source gave, for what is said of each of them: its title."""
    ids = connection.execute(select(articles.c.id).where(articles.c.source_id == source_id)).scalars().all()
    touch(connection, ids)


def next_number(connection: Connection) -> int:
    """The number of a change. The counter of acceptance is locked first, as all do who take both."""
    meta.take(connection, meta.ACCEPTED, 0)
    return meta.take(connection, meta.CHANGES)


def latest(connection: Connection) -> int:
    return meta.counter(connection, meta.CHANGES)
