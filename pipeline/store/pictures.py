"""Rows of pictures that were fetched and made our own, or could not be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection, Row, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.model.pictures import KeptPicture, Picture, is_name
from pipeline.store.chunks import chunks
from pipeline.store.schema_compose import digests, fragments, pictures

ROWS_AT_ONCE = 100

_NAMED = re.compile(r"/i/([0-9a-f]{32}\.[a-z]{3})\b")


def by_keys(connection: Connection, keys: Iterable[str]) -> dict[str, KeptPicture]:
    """What is known of these, by their keys."""
    found = {}
    for chunk in chunks(sorted(set(keys))):
        for row in connection.execute(select(pictures).where(pictures.c.key.in_(chunk))):
            found[row.key] = _kept(row)
    return found


def save(connection: Connection, kept: Sequence[KeptPicture]) -> None:
    """Keep what was found in place of what was known. In a fixed order, so that two who do it don't lock each other."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    for one in sorted(kept, key=lambda one: one.key):
        width, height = (one.picture.width, one.picture.height) if one.picture else (0, 0)
        values = {"url": one.url, "name": one.picture.name if one.picture else "", "width": width, "height": height,
                  "size": one.size, "reason": one.reason, "fetched_at": one.fetched_at, "retry_at": one.retry_at}
        connection.execute(insert(pictures).values(key=one.key, **values)
                           .on_conflict_do_update(index_elements=[pictures.c.key], set_=values))


def names(connection: Connection) -> set[str]:
    """The files that rows tell of."""
    return set(connection.execute(select(pictures.c.name).where(pictures.c.name != "").distinct()).scalars())


def in_digests(connection: Connection, since: datetime | None = None) -> set[str]:
    """The files that some frozen digest shows, or one that was frozen since. Without `since` it reads all that was ever
    frozen with a picture in it: seconds, where there are thousands of digests."""
    query = select(fragments.c.body).where(fragments.c.body.contains("/i/"))
    if since is not None:
        query = query.join(digests, digests.c.id == fragments.c.digest_id).where(digests.c.frozen_at >= since)
    found: set[str] = set()
    for body in connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query).scalars():
        found.update(name for name in _NAMED.findall(body) if is_name(name))
    return found


def newest_freeze(connection: Connection) -> datetime | None:
    newest: datetime | None = connection.execute(select(func.max(digests.c.frozen_at))).scalar_one()
    return newest


def forget(connection: Connection, files: Iterable[str]) -> None:
    """Forget that these files are there; what names them is fetched again when it is needed."""
    for chunk in chunks(sorted(files)):
        connection.execute(delete(pictures).where(pictures.c.name.in_(chunk)))


def _kept(row: Row[tuple[object, ...]]) -> KeptPicture:
    picture = Picture(row.name, row.width, row.height) if row.name else None
    return KeptPicture(row.key, row.url, picture, row.fetched_at, row.size, row.reason, row.retry_at)
