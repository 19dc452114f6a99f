"""Announcements: digests of the operator's own words. Who they are for, and their rows as of the freeze."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from secrets import token_hex
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, insert, literal, or_, select, update
from sqlalchemy.exc import IntegrityError

from pipeline.errors import UsageError
from pipeline.model.deliveries import COVERED, LIVE, DeliveryState
from pipeline.model.edits import Edits
from pipeline.model.newsletters import ANNOUNCEMENT, MANUAL, Digest, DigestStatus
from pipeline.store import digests as digest_rows
from pipeline.store import filling, meta
from pipeline.store.schema import batches, deliveries, digests, newsletters, recipients
from pipeline.store.subscribers import RECEIVED, Audience, audience_ids


def add(
    connection: Connection, newsletter_id: int, digest: Digest, *, subject: str, words: str, received: Digest | None,
    again: bool, now: datetime,
) -> int:
    """The row of an announcement, not frozen yet, and with `received` the people whom that digest reached; its id.

    Raises UsageError where the same words were announced before (cancelled ones don't count) and `again` is not said,
    or where the slot of this second is taken.
    """
    # of two that say the same at once the second must see the first
    connection.execute(select(newsletters.c.id).where(newsletters.c.id == newsletter_id).with_for_update())
    whom = f"{RECEIVED}{received.id}" if received is not None else ""
    edits = Edits(subject=subject, introduction=words).to_json()
    if not again:
        _refuse_repeated(connection, newsletter_id, edits)
    try:
        with connection.begin_nested():
            digest_id = int(connection.execute(insert(digests).values(
                newsletter_id=newsletter_id, schedule=MANUAL, nominal=digest.nominal, uid=token_hex(16),
                status=DigestStatus.DRAFT, due_at=digest.due_at, kind=ANNOUNCEMENT, edits=edits, settings={}, notes=[],
                audience=whom, created_at=now,
            ).returning(digests.c.id)).scalar_one())
    except IntegrityError as error:
        raise UsageError("announce", "another announcement was made in this very second", hint="try again") from error
    if received is not None:
        theirs = select(literal(digest_id), deliveries.c.subscription_id).where(_reached(received))
        connection.execute(insert(recipients).from_select(["digest_id", "subscription_id"], theirs))
    return digest_id


def freeze(
    connection: Connection, digest_id: int, *, batch: int, now: datetime, expires_at: datetime, nonce: str,
    settings: Mapping[str, Any], notes: Sequence[str],
) -> None:
    """Fix whom it is for, and cut them into batches. Raises UsageError where it is for nobody."""
    seq = meta.counter(connection, meta.EVENTS)
    connection.execute(update(digests).where(digests.c.id == digest_id).values(audience_seq=seq))
    facts = digest_rows.facts(connection, digest_id)
    parts = filling.parts_of(connection, digest_rows.audience(facts), batch)
    if not parts:
        raise UsageError("announce", "it is for nobody", hint="that digest reached nobody" if facts.audience else
                         "nobody is subscribed")
    digest_rows.change(connection, digest_id, DigestStatus.FROZEN, selected=sum(number for *_, number in parts),
                       nonce=nonce, settings=dict(settings), notes=list(notes), frozen_at=now)
    filling.add_batches(connection, digest_id, facts.due_at, parts, expires_at)


def everyone(connection: Connection, newsletter_id: int) -> list[int]:
    """The subscriptions of whom a newsletter's announcement is for at this moment."""
    return list(audience_ids(connection, Audience(newsletter_id, "", meta.counter(connection, meta.EVENTS))))


def reached(connection: Connection, digest: Digest) -> list[int]:
    """The subscriptions, ascending, of those whom a digest reached, or may have: sent, handed over, uncertain, and
    those that were uncertain once and are sent again. Not those whose mail was refused, or came back: they have nothing
    that could be put right. Whoever left since then is in it, and is left out with that reason."""
    rows = select(deliveries.c.subscription_id).where(_reached(digest)).order_by(deliveries.c.subscription_id)
    return list(connection.execute(rows).scalars())


def still_waiting(connection: Connection, digest_id: int) -> int:
    """How many people of a digest it may still reach."""
    rows = connection.execute(select(func.count()).where(
        deliveries.c.digest_id == digest_id, deliveries.c.state.in_(sorted(LIVE)))).scalar_one()
    unfilled = connection.execute(select(func.coalesce(func.sum(batches.c.selected), 0)).where(
        batches.c.digest_id == digest_id, batches.c.filled_at.is_(None))).scalar_one()
    return int(rows) + int(unfilled)


def latest_told(connection: Connection, newsletter: str) -> Digest | None:
    """The newest digest of articles that was frozen."""
    row = connection.execute(
        digest_rows.query().where(newsletters.c.slug == newsletter, digests.c.frozen_at.is_not(None),
                                  digests.c.kind == "")
        .order_by(digests.c.due_at.desc(), digests.c.id.desc()).limit(1)).one_or_none()
    return digest_rows.digest_of(row) if row is not None else None


def _reached(digest: Digest) -> ColumnElement[bool]:
    certain = deliveries.c.state.in_([*sorted(COVERED), DeliveryState.HANDED])
    again = and_(deliveries.c.covered, deliveries.c.selection_id.is_not(None),
                 deliveries.c.state != DeliveryState.BOUNCED)
    # all rows of an announcement are called covered, which says nothing
    return and_(deliveries.c.digest_id == digest.id, certain if digest.announces else or_(certain, again))


def _refuse_repeated(connection: Connection, newsletter_id: int, edits: Mapping[str, Any]) -> None:
    """Also where the earlier one was for others: whoever is among both would read it twice."""
    rows = connection.execute(
        digest_rows.query().where(digests.c.newsletter_id == newsletter_id, digests.c.kind == ANNOUNCEMENT,
                                  digests.c.status != DigestStatus.CANCELLED)
        .order_by(digests.c.id.desc()))
    for row in rows:
        if row.edits == edits:
            before = digest_rows.digest_of(row)
            raise UsageError("announce", f"the same words went out before, as {before.newsletter}/{before.name}",
                             hint=f"`broadsheet audit {before.name}` says who has it; --again sends it once more")
