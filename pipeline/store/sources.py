"""What we know of each source between polls."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select, text, update

from pipeline.model.articles import Show
from pipeline.model.sources import Hints, PassedState, SourceKind, SourceStanding
from pipeline.store import meta
from pipeline.store.changes import touch_source
from pipeline.store.chunks import chunks
from pipeline.store.schema import articles, passed_over, sources
from pipeline.store.schema_collect import FAILING

WAKE_EVERY = timedelta(minutes=5)
LONGEST_SERVER_WAIT = timedelta(days=8)
"""Longer than any wait that a server may ask for."""

RETITLED = timedelta(days=1)
"""A source that calls itself otherwise with each poll would have all that it gave published anew each time."""

CLOCK_SLACK = timedelta(hours=1)
"""A poll that lies further in the future than this was made by a clock that ran ahead."""


@dataclass(frozen=True, slots=True)
class Declared:
    """One source as config.toml has it."""

    slug: str
    kind: SourceKind
    location: str               # its address, or its folder
    show: Show = Show.SUMMARY
    title: str = ""             # "": its own
    former: tuple[str, ...] = ()
    blocked: bool = False
    every: timedelta = timedelta()   # zero: the program decides
    fingerprint: str = ""       # of the keys that decide what becomes of its articles
    public_url: str = ""        # what feeds may tell of its address


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source's row. Times are aware UTC; validators are opaque text as the server sent them."""

    id: int
    slug: str
    location: str
    title: str
    etag: str
    last_modified: str
    body_hash: str
    first_polled_at: datetime | None
    last_polled_at: datetime | None
    next_poll_at: datetime | None       # None: it is not asked any more, `standing` says why
    failures: int
    last_error: str
    failing_since: datetime | None
    standing: SourceStanding
    standing_reason: str
    standing_until: datetime | None
    offences: int
    feed_url: str
    followed_url: str
    followed_at: datetime | None
    found_kind: str
    kind: SourceKind
    declared: bool
    fingerprint: str
    moved_to: str
    moved_since: datetime | None
    hints: Hints
    rhythm: timedelta                   # zero: not known
    interval: timedelta
    interval_reason: str
    last_new_at: datetime | None


def declare(connection: Connection, declared: Sequence[Declared], now: datetime) -> None:
    """Bring the rows in line with config.toml; a few statements, however many sources, and one where nothing changed.

    One that moved elsewhere keeps its articles and forgets what belonged to its address. A new slug for the very place
    that a source no longer declared was read from is the same source renamed, even without `former`: else its whole
    archive would come in, and be mailed, a second time.
    """
    _after_a_wrong_clock(connection, now)
    digest = hashlib.sha256(repr(declared).encode()).hexdigest()
    if meta.get(connection, meta.DECLARED) == digest:
        return
    meta.take(connection, meta.ACCEPTED, 0)  # the first lock of all who change what is published
    rows: dict[str, Any] = {row.slug: row for row in connection.execute(select(*_DECLARED).order_by(sources.c.id))}
    slugs = {d.slug for d in declared}
    orphans: dict[str, str] = {}
    for row in rows.values():
        if row.slug not in slugs:
            orphans.setdefault(row.location, row.slug)
    added: list[dict[str, Any]] = []
    for wanted in declared:
        row = rows.get(wanted.slug)
        if row is None:
            old = next((f for f in wanted.former if f in rows and f not in slugs), None)
            old = old or (orphans.get(wanted.location) if not wanted.former else None)
            if old is None or old not in rows:
                added.append(_new_row(wanted, now))
                continue
            row = rows.pop(old)
            connection.execute(update(sources).where(sources.c.id == row.id).values(slug=wanted.slug))
            touch_source(connection, row.id)
        _declare_known(connection, row, wanted, now)
    if added:
        connection.execute(insert(sources), added)
    for row in rows.values():
        if row.declared and row.slug not in slugs:  # what it had to wait for is kept in case it comes back
            connection.execute(update(sources).where(sources.c.id == row.id).values(declared=False, next_poll_at=None))
    meta.put(connection, meta.DECLARED, digest)


def due(connection: Connection, now: datetime, limit: int) -> list[SourceState]:
    """The declared sources whose time has come, the longest overdue first."""
    query = select(sources).where(sources.c.next_poll_at <= now).order_by(sources.c.next_poll_at).limit(limit)
    return [_state(row) for row in connection.execute(query)]


def state(connection: Connection, slug: str) -> SourceState:
    return _state(connection.execute(select(sources).where(sources.c.slug == slug)).one())


def states(connection: Connection, slugs: Iterable[str] | None = None) -> dict[str, SourceState]:
    """Every source's state by slug, or that of these few."""
    query = select(sources).order_by(sources.c.id)
    if slugs is not None:
        query = query.where(sources.c.slug.in_(list(slugs)))
    return {row.slug: _state(row) for row in connection.execute(query)}


def failing(connection: Connection) -> list[SourceState]:
    """Those that are declared and failed when they were last asked, or are not asked any more."""
    query = select(sources).where(text(f"({FAILING})")).order_by(sources.c.slug)
    return [_state(row) for row in connection.execute(query) if row.declared]


def record_poll(connection: Connection, source_id: int, **values: Any) -> None:
    """Store what a poll left: any columns of the source; `hints` as Hints, durations as timedelta."""
    record_polls(connection, [(source_id, values)])


def record_polls(connection: Connection, polls: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
    """The same for many at once. Those with the same keys go in one statement."""
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for source_id, values in _retitled(connection, polls):
        row = _values(values)
        alike.setdefault(tuple(sorted(row)), []).append({"source_id_": source_id, **row})
    for keys, rows in alike.items():
        statement = update(sources).where(sources.c.id == bindparam("source_id_")).values(
            {key: bindparam(key) for key in keys})
        connection.execute(statement, rows)


def _retitled(
    connection: Connection, polls: Sequence[tuple[int, Mapping[str, Any]]]
) -> list[tuple[int, Mapping[str, Any]]]:
    """The same polls, where a source calls itself otherwise only as far as that is believed: each of its articles says
    so in feeds, and all of them are built anew."""
    called = {source_id: values["title"] for source_id, values in polls if "title" in values}
    known: dict[int, Row[Any]] = {}
    for chunk in chunks(sorted(called)):
        query = select(sources.c.id, sources.c.title, sources.c.titled_at).where(sources.c.id.in_(chunk))
        known |= {row.id: row for row in connection.execute(query)}
    out: list[tuple[int, Mapping[str, Any]]] = []
    for source_id, values in polls:
        row, at = known.get(source_id), values.get("last_polled_at")
        if row is None or row.title == called[source_id]:
            out.append((source_id, values))
        elif row.title and row.titled_at and at and at < row.titled_at + RETITLED:
            out.append((source_id, {key: value for key, value in values.items() if key != "title"}))
        else:
            touch_source(connection, source_id)
            out.append((source_id, {**values, "titled_at": at}))
    return out


def wake(connection: Connection, source_id: int, now: datetime) -> bool:
    """Make an active source due at once: somebody says that there is news. Not more than every few minutes."""
    return bool(connection.execute(
        update(sources).where(
            sources.c.id == source_id, sources.c.standing == SourceStanding.ACTIVE, sources.c.next_poll_at > now,
            sources.c.last_polled_at <= now - WAKE_EVERY, sources.c.failures == 0,
        ).values(next_poll_at=now)).rowcount)


def _after_a_wrong_clock(connection: Connection, now: datetime) -> None:
    """A clock that ran ahead would else leave sources alone until the right one catches up."""
    furthest = connection.execute(select(func.max(sources.c.next_poll_at))).scalar_one()
    if furthest is None or furthest <= now + LONGEST_SERVER_WAIT:
        return
    connection.execute(update(sources).where(sources.c.last_polled_at > now + CLOCK_SLACK,
                                             sources.c.next_poll_at.is_not(None))
                       .values(next_poll_at=now, last_polled_at=now))


def _new_row(wanted: Declared, now: datetime) -> dict[str, Any]:
    return {
        "slug": wanted.slug, "kind": wanted.kind, "location": wanted.location, "title": wanted.title,
        "public_url": wanted.public_url, "show": wanted.show, "created_at": now, "fingerprint": wanted.fingerprint,
        "hints": {},
        "every_s": int(wanted.every.total_seconds()), "next_poll_at": None if wanted.blocked else now,
        "standing": SourceStanding.BLOCKED if wanted.blocked else SourceStanding.ACTIVE,
        "standing_reason": _BLOCKED if wanted.blocked else "",
    }


def _declare_known(connection: Connection, row: Row[Any], wanted: Declared, now: datetime) -> None:
    changes = _changes(row, wanted, now)
    if not changes:
        return
    connection.execute(update(sources).where(sources.c.id == row.id).values(**changes))
    if "show" in changes:  # how much is republished is the operator's present word, for what is stored too
        connection.execute(update(articles).values(show=wanted.show).where(
            articles.c.source_id == row.id, articles.c.show != wanted.show))
    if not changes.keys().isdisjoint({"show", "title", "public_url"}):
        touch_source(connection, row.id)
    if row.fingerprint and "fingerprint" in changes:
        connection.execute(update(passed_over).values(state=PassedState.RECONSIDER).where(
            passed_over.c.source_id == row.id, passed_over.c.state == PassedState.EXCLUDED))


_DECLARED = (
    sources.c.id, sources.c.slug, sources.c.kind, sources.c.location, sources.c.title, sources.c.show,
    sources.c.declared, sources.c.standing, sources.c.standing_until, sources.c.fingerprint, sources.c.every_s,
    sources.c.last_polled_at, sources.c.next_poll_at, sources.c.failures, sources.c.public_url,
)
_BLOCKED = "blocked in config.toml"
_UNREAD = {"etag": "", "last_modified": "", "body_hash": ""}
_ELSEWHERE: dict[str, Any] = {
    **_UNREAD, "failures": 0, "last_error": "", "failing_since": None, "standing": SourceStanding.ACTIVE,
    "standing_reason": "", "standing_until": None, "offences": 0, "found_kind": "", "feed_url": "", "followed_url": "",
    "followed_at": None, "moved_to": "", "moved_since": None, "hints": {}, "rhythm_s": 0, "interval_s": 0,
    "interval_reason": "",
}


def _changes(row: Row[Any], wanted: Declared, now: datetime) -> dict[str, Any]:
    """What a declared source's row has to change to. When it is asked next: what was paused goes on where it was."""
    every_s = int(wanted.every.total_seconds())
    values = {"declared": True, "title": wanted.title or row.title, "show": wanted.show, "every_s": every_s,
              "kind": wanted.kind, "location": wanted.location, "fingerprint": wanted.fingerprint,
              "public_url": wanted.public_url}
    changes: dict[str, Any] = {key: value for key, value in values.items() if getattr(row, key) != value}
    first_kind = row.kind == SourceKind.FEED and wanted.kind is SourceKind.AUTO  # as all were before there were kinds
    standing = row.standing
    due_at = row.next_poll_at
    if "location" in changes or ("kind" in changes and not first_kind):
        changes |= _ELSEWHERE
        standing, due_at = SourceStanding.ACTIVE, now
    elif "fingerprint" in changes and row.fingerprint:  # what was read would be judged anew, so it is read anew
        changes |= _UNREAD
        due_at = now
    if every_s and "every_s" in changes and row.last_polled_at and due_at and not row.failures:
        due_at = min(due_at, row.last_polled_at + wanted.every)
    if standing == SourceStanding.BLOCKED and not wanted.blocked:
        standing, due_at = SourceStanding.ACTIVE, now
        changes |= {"standing": standing, "standing_reason": ""}
    elif wanted.blocked and standing != SourceStanding.BLOCKED:
        standing = SourceStanding.BLOCKED
        changes |= {"standing": standing, "standing_reason": _BLOCKED, "standing_until": None}
    if standing in (SourceStanding.BLOCKED, SourceStanding.GONE):
        due_at = None
    elif "declared" in changes or due_at is None:
        due_at = now
    if standing == SourceStanding.QUARANTINED and row.standing_until and due_at:
        due_at = max(due_at, row.standing_until)
    if due_at != row.next_poll_at:
        changes["next_poll_at"] = due_at
    return changes


def _values(values: Mapping[str, Any]) -> dict[str, Any]:
    row = dict(values)
    if isinstance(hints := row.get("hints"), Hints):
        row["hints"] = {
            key: value for key, value in (
                ("ttl_s", int(hints.ttl.total_seconds())), ("skip_hours", list(hints.skip_hours)),
                ("skip_days", list(hints.skip_days)), ("hub", hints.hub), ("self_url", hints.self_url)) if value}
    for name in ("rhythm", "interval"):
        if name in row:
            row[f"{name}_s"] = int(row.pop(name).total_seconds())
    return row


def _state(row: Row[Any]) -> SourceState:
    hints = row.hints or {}
    return SourceState(
        id=row.id, slug=row.slug, location=row.location, title=row.title, etag=row.etag,
        last_modified=row.last_modified, body_hash=row.body_hash, first_polled_at=row.first_polled_at,
        last_polled_at=row.last_polled_at, next_poll_at=row.next_poll_at, failures=row.failures,
        last_error=row.last_error, failing_since=row.failing_since, standing=SourceStanding(row.standing),
        standing_reason=row.standing_reason, standing_until=row.standing_until, offences=row.offences,
        feed_url=row.feed_url, followed_url=row.followed_url, followed_at=row.followed_at, found_kind=row.found_kind,
        kind=SourceKind(row.kind), declared=row.declared, fingerprint=row.fingerprint, moved_to=row.moved_to,
        moved_since=row.moved_since,
        hints=Hints(timedelta(seconds=hints.get("ttl_s", 0)), tuple(hints.get("skip_hours", ())),
                    tuple(hints.get("skip_days", ())), hints.get("hub", ""), hints.get("self_url", "")),
        rhythm=timedelta(seconds=row.rhythm_s), interval=timedelta(seconds=row.interval_s),
        interval_reason=row.interval_reason, last_new_at=row.last_new_at,
    )
