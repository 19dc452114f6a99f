"""Deliveries that did not go in time: they go no more, and their articles are in the next digest."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, and_, select

from pipeline.model.deliveries import DeliveryState
from pipeline.model.newsletters import DigestStatus
from pipeline.store.chunks import chunks
from pipeline.store.deliveries import cancel_unsent
from pipeline.store.engine import Store
from pipeline.store.moving import late, shift
from pipeline.store.schema import batches, deliveries, digests
from pipeline.store.schema_deliver import IS_DUE

AT_ONCE = 2_000
"""In one transaction, so that nobody waits for the database."""

EXPIRED = "expired: it could not be sent in time"


def expire_all(store: Store, now: datetime) -> int:
    """Give up everything that did not go in time, a few at a time; how many."""
    number = 0
    while True:
        with store.write() as connection:
            some = expire(connection, now)
        if not some:
            return number
        number += some


def expire(connection: Connection, now: datetime, limit: int = AT_ONCE) -> int:
    """Give up what did not go in time, at most `limit`; how many: call it until there are none. The windows are given
    back to the next digest. Of a cancelled digest everything is left out that came back after it was cancelled."""
    unsent = batches.c.queued + batches.c.deferred > 0
    over = late(now)
    number = 0
    for digest_id in connection.execute(select(batches.c.digest_id).distinct().where(unsent, over)).scalars().all():
        ended = select(batches.c.id).where(batches.c.digest_id == digest_id, over)
        for state, last in ((DeliveryState.QUEUED, ""), (DeliveryState.DEFERRED, deliveries.c.reason)):
            here = and_(deliveries.c.digest_id == digest_id, IS_DUE, deliveries.c.state == state,
                        deliveries.c.batch_id.in_(ended))
            ids = connection.execute(select(deliveries.c.id).where(here).order_by(deliveries.c.due_at, deliveries.c.id)
                                     .limit(limit - number)).scalars().all()
            reason = EXPIRED + "; the last answer was " + last if state is DeliveryState.DEFERRED else EXPIRED
            for part in chunks(ids):
                number += len(shift(connection, state, DeliveryState.FAILED, deliveries.c.id.in_(part), now=now,
                                    lease="", reason=reason))
    cancelled = select(digests.c.id, digests.c.reason).distinct().join(batches, batches.c.digest_id == digests.c.id)
    for row in connection.execute(cancelled.where(digests.c.status == DigestStatus.CANCELLED, unsent)).all():
        number += cancel_unsent(connection, row.id, f"cancelled: {row.reason or 'by the operator'}", now,
                                max(0, limit - number))
    return number
