"""How a digest is taken while it is being sent."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from pipeline.model.deliveries import DeliveryState, Tally
from pipeline.model.returns import ReturnKind
from pipeline.store.schema import batches, deliveries, digests, returned

S = DeliveryState
TRIED = (S.SENT, S.BOUNCED, S.FAILED, S.UNCERTAIN, S.DEFERRED)
REFUSED = 500
"""The SMTP reply codes of refusals for good begin here; what merely expired has none, or a lower one."""


def tally(connection: Connection, digest_id: int, *, rough: bool = False) -> Tally:
    """Its numbers so far. Most come from the batches' counters; of what failed only that counts which was refused, but
    `rough` takes all of it, and reads no single delivery."""
    sums = [func.coalesce(func.sum(batches.c[state]), 0).label(state) for state in TRIED]
    row = connection.execute(select(*sums).where(batches.c.digest_id == digest_id)).mappings().one()
    number = {state: int(row[state]) for state in TRIED}
    gave_up = 0
    if number[DeliveryState.FAILED] and not rough:
        gave_up = int(connection.execute(select(func.count()).where(
            deliveries.c.digest_id == digest_id, deliveries.c.state == DeliveryState.FAILED,
            deliveries.c.code < REFUSED)).scalar_one())
    frozen_at = select(digests.c.frozen_at).where(digests.c.id == digest_id).scalar_subquery()
    complaints = connection.execute(
        select(func.count(returned.c.delivery_id.distinct()))
        .join(deliveries, deliveries.c.id == returned.c.delivery_id)
        .where(returned.c.kind == ReturnKind.COMPLAINT, returned.c.at >= frozen_at, deliveries.c.digest_id == digest_id)
    ).scalar_one()
    # a refusal that comes back later was sent first
    return Tally(tried=sum(number.values()) - gave_up,
                 refused=number[DeliveryState.BOUNCED] + number[DeliveryState.FAILED] - gave_up,
                 sent=number[DeliveryState.SENT] + number[DeliveryState.BOUNCED], complaints=int(complaints))
