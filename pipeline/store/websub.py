"""Subscriptions at hubs: who was asked to tell us of which source's news, and whether they do."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, and_, case, delete, insert, or_, select, update

from pipeline.model.sources import SourceStanding
from pipeline.store.chunks import chunks
from pipeline.store.schema import hub_subscriptions, sources

CLOCKS_APART = timedelta(hours=1)
"""An article may be dated so much later than the push that told of it."""


class HubState(StrEnum):
    ASKED = "asked"        # its hub was asked or is about to be; nothing was heard of it yet
    ACTIVE = "active"      # a push with our signature came
    DENIED = "denied"      # the hub said no
    LEAVING = "leaving"    # the hub is asked to stop; the row stays for a while, so that this can be confirmed


@dataclass(frozen=True, slots=True)
class HubSubscription:
    """A row, with what its source says about it. Times are aware UTC."""

    id: int
    source_id: int
    hub: str
    topic: str
    token: str                     # the last part of the callback's address
    secret: str                    # what pushes are signed with
    state: HubState
    error: str                     # of the last request
    attempts: int                  # that failed, since one did not; while leaving: how often the hub was told
    requested_at: datetime
    verified_at: datetime | None   # when the first signed push came
    expires_at: datetime | None    # None: no request was accepted yet
    renew_at: datetime
    last_push_at: datetime | None  # the end of the second that it came in
    slug: str                      # the source's
    wanted: bool                   # the source is declared, and neither gone nor blocked
    last_new_at: datetime | None   # the date of the newest article that the source showed

    def untold(self, now: datetime) -> bool:
        """Whether an article was found that no push told of: then the hub has probably forgotten us."""
        return _untold(self.last_push_at, self.last_new_at, now)


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A source of which a push told after it was last asked."""

    source_id: int
    last_polled_at: datetime
    next_poll_at: datetime


def find(connection: Connection, token: str) -> HubSubscription | None:
    row = connection.execute(_query().where(hub_subscriptions.c.token == token)).mappings().one_or_none()
    return _subscription(row) if row else None


def of_sources(connection: Connection, slugs: Collection[str] | None = None) -> dict[str, HubSubscription]:
    """slug -> its subscription, of these sources or of all that have one."""
    if slugs is None:
        return {row["slug"]: _subscription(row) for row in connection.execute(_query()).mappings()}
    found = {}
    for chunk in chunks(sorted(slugs)):
        for row in connection.execute(_query().where(sources.c.slug.in_(chunk))).mappings():
            found[row["slug"]] = _subscription(row)
    return found


def due(connection: Connection, now: datetime, patience: timedelta, limit: int) -> list[HubSubscription]:
    """Those whose hub is to be asked, the longest overdue first: their time has come, or news went by untold and the
    last request is longer ago than `patience`."""
    quiet = and_(hub_subscriptions.c.state == HubState.ACTIVE, hub_subscriptions.c.requested_at <= now - patience,
                 sources.c.last_new_at > hub_subscriptions.c.last_push_at)
    query = _query().where(or_(hub_subscriptions.c.renew_at <= now, quiet)).order_by(hub_subscriptions.c.renew_at)
    found = (_subscription(row) for row in connection.execute(query).mappings())
    return list(islice((s for s in found if s.renew_at <= now or s.untold(now)), limit))


def unwanted(connection: Connection) -> list[HubSubscription]:
    """Those of sources that are not asked any more, and whose hub was not told so yet."""
    query = _query().where(hub_subscriptions.c.state != HubState.LEAVING, or_(
        sources.c.declared.is_(False), sources.c.standing.in_((SourceStanding.GONE, SourceStanding.BLOCKED))))
    return [_subscription(row) for row in connection.execute(query).mappings()]


def add(connection: Connection, source_id: int, hub: str, topic: str, token: str, secret: str, now: datetime) -> None:
    """A subscription that its hub is to be asked for at once. A source has one at most."""
    connection.execute(insert(hub_subscriptions).values(
        source_id=source_id, hub=hub, topic=topic, token=token, secret=secret, state=HubState.ASKED,
        requested_at=now, renew_at=now))


def change(connection: Connection, token: str, **values: Any) -> None:
    """Change columns. By the token, since a deleted row's id is given again."""
    connection.execute(update(hub_subscriptions).where(hub_subscriptions.c.token == token).values(**values))


def put_off(connection: Connection, hub: str, attempts: int, error: str, until: datetime) -> None:
    """Leave a hub that could not be reached alone, with all that it would be asked for before a moment."""
    connection.execute(
        update(hub_subscriptions).where(
            hub_subscriptions.c.hub == hub, hub_subscriptions.c.renew_at < until,
            hub_subscriptions.c.state != HubState.LEAVING,
        ).values(attempts=attempts, error=error, renew_at=until))


def remove(connection: Connection, token: str) -> None:
    connection.execute(delete(hub_subscriptions).where(hub_subscriptions.c.token == token))


def pushed_sources(connection: Connection, now: datetime) -> set[int]:
    """Ids of the sources whose hub has shown that it tells us: a signed push came, the lease holds, and nothing new
    was found since that no push told of."""
    newer = sources.c.last_new_at > hub_subscriptions.c.last_push_at  # only then are the times worth reading
    query = (
        select(sources.c.id, case((newer, hub_subscriptions.c.last_push_at)).label("last_push_at"),
               case((newer, sources.c.last_new_at)).label("last_new_at"))
        .join(hub_subscriptions, hub_subscriptions.c.source_id == sources.c.id)
        .where(hub_subscriptions.c.state == HubState.ACTIVE, hub_subscriptions.c.verified_at.is_not(None),
               hub_subscriptions.c.expires_at > now))
    return {row.id for row in connection.execute(query) if not _untold(row.last_push_at, row.last_new_at, now)}


def unanswered(connection: Connection) -> list[Unanswered]:
    """The sources that were not asked since the last push for them."""
    query = (
        select(sources.c.id, sources.c.last_polled_at, sources.c.next_poll_at)
        .join(hub_subscriptions, hub_subscriptions.c.source_id == sources.c.id)
        .where(hub_subscriptions.c.last_push_at >= sources.c.last_polled_at, sources.c.next_poll_at.is_not(None),
               sources.c.standing == SourceStanding.ACTIVE))
    return [Unanswered(*row) for row in connection.execute(query)]


def _untold(last_push_at: datetime | None, last_new_at: datetime | None, now: datetime) -> bool:
    return (last_push_at is not None and last_new_at is not None
            and last_push_at + CLOCKS_APART < last_new_at <= now)


def _query() -> Select[Any]:
    return select(
        hub_subscriptions, sources.c.slug, sources.c.declared, sources.c.standing, sources.c.last_new_at,
    ).join(sources, sources.c.id == hub_subscriptions.c.source_id)


def _subscription(row: RowMapping) -> HubSubscription:
    values: dict[str, Any] = dict(row)
    declared, standing = values.pop("declared"), values.pop("standing")
    values["state"] = HubState(values["state"])
    return HubSubscription(
        **values, wanted=declared and standing not in (SourceStanding.GONE, SourceStanding.BLOCKED))
