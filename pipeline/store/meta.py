"""Facts about this instance, and the two counters that order everything."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from pipeline.store.schema import counters, meta

ACCEPTED = "accepted_seq"
EVENTS = "event_seq"
ARTICLES = "article_id"
CHANGES = "change_seq"   # numbers what readers of feeds could see change; taken after ACCEPTED, never before
DECLARED = "declared_sources"
TAKEN_DOWN = "taken_down"   # how often something was taken back: what was read of digests before must be read again
OUTGOING_STOPPED = "outgoing_stopped"
ENROLLED_SEQ = "enrolled_seq"   # the change up to which articles were looked at for the feeds they enter
PUBLISHED = "published"   # configuration, templates and change that all feed files tell everything of
TAG_AUTHORITY = "tag_authority"   # the host that stands in the ids of what was published
SITE_FINGERPRINT = "site_fingerprint"   # of what the files were built by that belong to no feed
SITE_SEQ = "site_seq"                   # and the change up to which they tell everything
SITE_FILES = "site_files"               # JSON: name -> bytes, so that a file that is gone is seen
RETURNS_READ_AT = "returns_read_at"     # when what comes back was last read to its end; ISO 8601, UTC
KEY_FINGERPRINT = "key_fingerprint"


def get(connection: Connection, key: str) -> str:
    """The value, or "" where none was ever put."""
    return connection.execute(_GET, {"wanted": key}).scalar_one_or_none() or ""


def put(connection: Connection, key: str, value: str) -> None:
    if not connection.execute(update(meta).where(meta.c.key == key).values(value=value)).rowcount:
        connection.execute(insert(meta).values(key=key, value=value))


def remove(connection: Connection, key: str) -> None:
    connection.execute(delete(meta).where(meta.c.key == key))


def counter(connection: Connection, name: str) -> int:
    """The last number given out."""
    return connection.execute(select(counters.c.value).where(counters.c.name == name)).scalar_one_or_none() or 0


def take(connection: Connection, name: str, count: int = 1) -> int:
    """Take `count` numbers and return the first.

    The update keeps the counter's row locked until this transaction ends, so numbers become visible in the order
    in which they were given: whoever reads the counter sees every row numbered up to it (PostgreSQL too).
    """
    bump = update(counters).where(counters.c.name == name).values(value=counters.c.value + count)
    last = connection.execute(bump.returning(counters.c.value)).scalar_one_or_none()
    if last is None:
        try:
            with connection.begin_nested():
                connection.execute(insert(counters).values(name=name, value=0))
        except IntegrityError:  # another process was first
            pass
        last = int(connection.execute(bump.returning(counters.c.value)).scalar_one())
    return int(last) - count + 1


_GET = select(meta.c.value).where(meta.c.key == bindparam("wanted"))   # built once: nearly everything asks
