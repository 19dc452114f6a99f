"""The hot path of the ledger: one durable transaction for a whole group of connections.

It records what became of the group's last messages and marks their next ones as handed over. Almost all of them were
sent, and all in the state that they are thought to be in: those take two statements, however many they are. Whatever
is not so goes through `deliveries.record`, one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, update

from pipeline.model.deliveries import DeliveryState, Outcome
from pipeline.store import deliveries as ledger
from pipeline.store.deliveries import Claimed
from pipeline.store.schema import batches, deliveries

S = DeliveryState


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a delivery. `retry_at`: when a deferred one is tried again."""

    claimed: Claimed
    outcome: Outcome
    retry_at: datetime | None = None


def commit_group(
    connection: Connection, answered: Sequence[Answered], following: Sequence[Claimed], now: datetime
) -> tuple[set[int], list[Answered]]:
    """Record what was answered, then hand over what follows: the ids of those that may go, and the answers that count
    (a row that is no longer its worker's keeps what it has)."""
    counted = record(connection, answered, now)
    going: set[int] = set()
    for lease in {one.lease for one in following}:
        going |= ledger.hand_over(connection, [one.id for one in following if one.lease == lease], lease, now)
    return going, counted


def record(connection: Connection, answered: Sequence[Answered], now: datetime) -> list[Answered]:
    """Store outcomes; those that counted."""
    sent = [one for one in answered if one.outcome.state is S.SENT]
    others = [one for one in answered if one.outcome.state is not S.SENT]
    if sent and not _record_sent(connection, sent, now):
        others = list(answered)
        sent = []
    counted = list(sent)
    counted += [one for one in others if ledger.record(
        connection, one.claimed.id, one.claimed.lease, one.outcome, now, retry_at=one.retry_at)]
    return counted


def _record_sent(connection: Connection, sent: Sequence[Answered], now: datetime) -> bool:
    """All of them or none: False, and nothing changed, where one is not in the state that it should be in."""
    nested = connection.begin_nested()
    done = connection.execute(_SENT, [
        {"row": one.claimed.id, "of": one.claimed.lease, "said": one.outcome.reason, "number": one.outcome.code,
         "now": now} for one in sent]).rowcount
    if done != len(sent):
        nested.rollback()
        return False
    numbers = Counter(one.claimed.batch_id for one in sent)
    connection.execute(_COUNTED, [{"batch": batch, "number": number} for batch, number in sorted(numbers.items())])
    nested.commit()
    return True


_SENT = update(deliveries).where(
    deliveries.c.id == bindparam("row"), deliveries.c.lease == bindparam("of"), deliveries.c.state == S.HANDED,
).values(state=S.SENT, covered=True, lease="", reason=bindparam("said"), code=bindparam("number"),
         changed_at=bindparam("now"))

_COUNTED = update(batches).where(batches.c.id == bindparam("batch")).values(
    handed=batches.c.handed - bindparam("number"), sent=batches.c.sent + bindparam("number"))
