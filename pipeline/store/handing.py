"""The hot path of the ledger: one durable transaction for a whole group of connections.

It records what became of the group's last messages and marks their next ones as handed over. Almost all of them were
sent, and all are in the state that they are thought to be in: those take three statements, however many they are, in
the driver's own words. That is a fifth of what SQLAlchemy's statements cost here, and all mail passes here. Whatever is
not as it was thought to be makes the transaction start over, one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from pipeline.model.deliveries import DeliveryState, Outcome
from pipeline.store import deliveries as ledger
from pipeline.store.deliveries import Claimed

S = DeliveryState


class NotAsThought(Exception):  # no error: the caller starts over, with `one_by_one`
    """A row is not in the state that it was thought to be in."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a delivery. `retry_at`: when a deferred one is tried again."""

    claimed: Claimed
    outcome: Outcome
    retry_at: datetime | None = None


def commit_group(
    connection: Connection, answered: Sequence[Answered], following: Sequence[Claimed], now: datetime, *,
    one_by_one: bool = False,
) -> tuple[set[int], list[Answered]]:
    """Record what was answered, then hand over what follows: the ids of those that may go, and the answers that count
    (a row that is no longer its worker's keeps what it has).

    A delivery that is missing from the first must not go: it was excluded, or its lease was taken, or mail is stopped.
    Raises NotAsThought where a quick way was tried that was none; the transaction must then be rolled back.
    """
    sent = [] if one_by_one else [one for one in answered if one.outcome.state is S.SENT]
    counted = list(sent) + [
        one for one in answered if one_by_one or one.outcome.state is not S.SENT
        if ledger.record(connection, one.claimed.id, one.claimed.lease, one.outcome, now, retry_at=one.retry_at)]
    dialect = _Dialect(connection, now)
    if sent:
        _expect(len(sent), dialect.many(_SENT, [
            (one.outcome.reason, one.outcome.code, dialect.now, one.claimed.id, one.claimed.lease) for one in sent]))
    going: set[int] = set()
    if following:
        rows = [(dialect.now, dialect.now, one.id, one.lease) for one in following]
        if one_by_one:
            going = {one.id for one, row in zip(following, rows, strict=True) if dialect.many(_HAND_OVER, [row])}
        else:
            _expect(len(rows), dialect.many(_HAND_OVER, rows))
            going = {one.id for one in following}
    handed = Counter(one.batch_id for one in following if one.id in going)
    counts = Counter(one.claimed.batch_id for one in sent)
    moved = [(handed[batch], handed[batch] - counts[batch], counts[batch], batch)
             for batch in sorted(handed.keys() | counts.keys())]
    if moved:
        dialect.many(_COUNT, moved)
    return going, counted


class _Dialect:
    """How a driver wants its statements and times."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._sqlite = connection.dialect.name == "sqlite"
        # what `columns.Utc` makes of it
        self.now: Any = now.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f") if self._sqlite else now

    def many(self, statement: str, rows: list[tuple[Any, ...]]) -> int:
        """How many rows of the table were changed."""
        return self._connection.exec_driver_sql(
            statement if self._sqlite else statement.replace("?", "%s"), rows).rowcount


def _expect(wanted: int, found: int) -> None:
    if wanted != found:
        raise NotAsThought


_SENT = """\
UPDATE deliveries SET state = 'sent', covered = true, lease = '', reason = ?, code = ?, changed_at = ?
WHERE id = ? AND lease = ? AND state = 'handed'"""

_HAND_OVER = """\
UPDATE deliveries SET state = 'handed', attempts = attempts + 1, changed_at = ?,
    first_tried_at = coalesce(first_tried_at, ?)
WHERE id = ? AND lease = ? AND state = 'claimed'
    AND digest_id IN (SELECT id FROM digests WHERE status = 'sending' OR status = 'frozen')
    AND NOT EXISTS (SELECT 1 FROM meta WHERE key = 'outgoing_stopped' AND value <> '')"""

_COUNT = "UPDATE batches SET claimed = claimed - ?, handed = handed + ?, sent = sent + ? WHERE id = ?"
