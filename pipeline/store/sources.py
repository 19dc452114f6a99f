"""What we know of each source between polls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from pipeline.model.articles import Show
from pipeline.model.sources import Hints, SourceKind, SourceStanding
from pipeline.store.schema import articles, hub_subscriptions, passed_over, sources

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
    fingerprint: str = ""       # of the keys that decide what becomes of its articles


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
    moved_to: str
    moved_since: datetime | None
    hints: Hints
    rhythm: timedelta                   # zero: not known
    interval: timedelta
    interval_reason: str
    last_new_at: datetime | None


def declare(connection: Connection, declared: Sequence[Declared], now: datetime) -> dict[str, int]:
    """Bring the rows in line with config.toml and return each slug's id; a few statements, however many sources.

    One that moved elsewhere keeps its articles and forgets what belonged to its address. A new slug for the very place
    that a source no longer declared was read from is the same source renamed, even without `former`: else its whole
    archive would come in, and be mailed, a second time.
    """
    rows: dict[str, Any] = {row.slug: row for row in connection.execute(
        select(sources.c.id, sources.c.slug, sources.c.kind, sources.c.location, sources.c.title, sources.c.show,
               sources.c.declared, sources.c.standing, sources.c.fingerprint).order_by(sources.c.id))}
    slugs = {d.slug for d in declared}
    orphans: dict[str, str] = {}
    for row in rows.values():
        if row.slug not in slugs:
            orphans.setdefault(row.location, row.slug)
    added: list[dict[str, Any]] = []
    ids: dict[str, int] = {}
    for wanted in declared:
        row = rows.get(wanted.slug)
        if row is None:
            old = next((f for f in wanted.former if f in rows and f not in slugs), None) or orphans.pop(
                wanted.location, None)
            if old is None:
                added.append(_new_row(wanted, now))
                continue
            row = rows.pop(old)
            connection.execute(update(sources).where(sources.c.id == row.id).values(slug=wanted.slug))
        ids[wanted.slug] = row.id
        if changes := _changes(row, wanted, now):
            connection.execute(update(sources).where(sources.c.id == row.id).values(**changes))
            if "show" in changes:  # how much is republished is the operator's present word, for what is stored too
                connection.execute(update(articles).values(show=wanted.show).where(
                    articles.c.source_id == row.id, articles.c.show != wanted.show))
            if "etag" in changes:
                connection.execute(delete(passed_over).where(passed_over.c.source_id == row.id))
            if "location" in changes:
                connection.execute(delete(hub_subscriptions).where(hub_subscriptions.c.source_id == row.id))
    if added:
        connection.execute(insert(sources), added)
        new = select(sources.c.slug, sources.c.id).where(sources.c.slug.in_([a["slug"] for a in added]))
        ids |= {row.slug: row.id for row in connection.execute(new)}
    gone = [row.id for row in rows.values() if row.declared and row.slug not in slugs]
    for source_id in gone:
        connection.execute(update(sources).where(sources.c.id == source_id).values(declared=False))
    # a clock that ran ahead would else leave a source alone until it catches up
    connection.execute(update(sources).where(sources.c.last_polled_at > now + CLOCK_SLACK,
                                             sources.c.next_poll_at.is_not(None))
                       .values(next_poll_at=now, last_polled_at=now))
    return ids


def due(connection: Connection, now: datetime, limit: int) -> list[SourceState]:
    """The declared sources whose time has come, the longest overdue first."""
    query = (select(sources).where(sources.c.declared, sources.c.next_poll_at <= now)
             .order_by(sources.c.next_poll_at, sources.c.id).limit(limit))
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
    query = select(sources).where(
        sources.c.declared, (sources.c.failures > 0) | (sources.c.standing != SourceStanding.ACTIVE))
    return [_state(row) for row in connection.execute(query.order_by(sources.c.id))]


def record_poll(connection: Connection, source_id: int, **values: Any) -> None:
    """Store what a poll left: any columns of the source; `hints` as Hints, durations as timedelta."""
    connection.execute(update(sources).where(sources.c.id == source_id).values(**_values(values)))


def record_polls(connection: Connection, polls: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
    """The same for many at once. Those with the same keys go in one statement."""
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for source_id, values in polls:
        row = _values(values)
        alike.setdefault(tuple(sorted(row)), []).append({"source_id_": source_id, **row})
    for keys, rows in alike.items():
        statement = update(sources).where(sources.c.id == bindparam("source_id_")).values(
            {key: bindparam(key) for key in keys})
        connection.execute(statement, rows)


def wake(connection: Connection, source_id: int, now: datetime) -> bool:
    """Make an active source due at once: somebody says that there is news."""
    return bool(connection.execute(
        update(sources).where(sources.c.id == source_id, sources.c.standing == SourceStanding.ACTIVE,
                              sources.c.next_poll_at > now).values(next_poll_at=now)).rowcount)


def _new_row(wanted: Declared, now: datetime) -> dict[str, Any]:
    return {
        "slug": wanted.slug, "kind": wanted.kind, "location": wanted.location, "title": wanted.title,
        "show": wanted.show, "created_at": now, "fingerprint": wanted.fingerprint, "hints": {},
        "next_poll_at": None if wanted.blocked else now,
        "standing": SourceStanding.BLOCKED if wanted.blocked else SourceStanding.ACTIVE,
        "standing_reason": _BLOCKED if wanted.blocked else "",
    }


_BLOCKED = "blocked in config.toml"
_ELSEWHERE = {
    "etag": "", "last_modified": "", "body_hash": "", "failures": 0, "last_error": "", "failing_since": None,
    "standing": SourceStanding.ACTIVE, "standing_reason": "", "standing_until": None, "offences": 0, "feed_url": "",
    "followed_url": "", "moved_to": "", "moved_since": None, "hints": {}, "rhythm_s": 0, "interval_s": 0,
    "interval_reason": "",
}


def _changes(row: Row[Any], wanted: Declared, now: datetime) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if not row.declared:
        changes |= {"declared": True, "next_poll_at": now}
    if row.location != wanted.location or row.kind != wanted.kind:
        changes |= {**_ELSEWHERE, "location": wanted.location, "kind": wanted.kind, "next_poll_at": now}
    elif row.fingerprint != wanted.fingerprint:  # what was read would be judged anew, so it must be read anew
        changes |= {"etag": "", "last_modified": "", "body_hash": "", "next_poll_at": now}
    if row.fingerprint != wanted.fingerprint:
        changes["fingerprint"] = wanted.fingerprint
    if row.show != wanted.show:
        changes["show"] = wanted.show
    if wanted.title and row.title != wanted.title:
        changes["title"] = wanted.title
    standing = changes.get("standing", row.standing)
    if wanted.blocked and standing != SourceStanding.BLOCKED:
        changes |= {"standing": SourceStanding.BLOCKED, "standing_reason": _BLOCKED, "standing_until": None,
                    "next_poll_at": None}
    elif not wanted.blocked and standing == SourceStanding.BLOCKED:
        changes |= {"standing": SourceStanding.ACTIVE, "standing_reason": "", "next_poll_at": now}
    elif standing == SourceStanding.GONE or (wanted.blocked and standing == SourceStanding.BLOCKED):
        changes.pop("next_poll_at", None)
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
        feed_url=row.feed_url, followed_url=row.followed_url, moved_to=row.moved_to, moved_since=row.moved_since,
        hints=Hints(timedelta(seconds=hints.get("ttl_s", 0)), tuple(hints.get("skip_hours", ())),
                    tuple(hints.get("skip_days", ())), hints.get("hub", ""), hints.get("self_url", "")),
        rhythm=timedelta(seconds=row.rhythm_s), interval=timedelta(seconds=row.interval_s),
        interval_reason=row.interval_reason, last_new_at=row.last_new_at,
    )
