"""What a million deliveries must not slow down: each of these looks at the rows that it is about, and at no others.

SQLite uses a partial index only where a query repeats the index's own condition, word for word, so a query that says
the same in other words is right and reads the whole table.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event

from pipeline.model.deliveries import DeliveryState
from pipeline.store import deliveries, digests, expiring, filling, ledger
from pipeline.store.filling import Batch
from pipeline.store.subscribers import Audience

Ask = Callable[[Connection, Any, int], object]

ASKED: dict[str, Ask] = {
    "claim": lambda c, b, _d: deliveries.claim(c, "w.2", b.now, 10),
    "give back": lambda c, b, _d: deliveries.give_back(c, "w.1", b.now),
    "handed by": lambda c, _b, _d: deliveries.handed_by(c, "w.1"),
    "leases": lambda c, _b, _d: deliveries.leases(c, "w."),
    "unsubscribe": lambda c, b, _d: deliveries.exclude_unsent(c, b.people["ada"], "unsubscribed", b.now),
    "cancel": lambda c, b, d: deliveries.cancel_unsent(c, d, "cancelled", b.now, 10),
    "expire": lambda c, b, _d: expiring.expire(c, b.now + timedelta(days=30)),
    "fill": lambda c, b, _d: filling.crowds(c, Batch(0, 0, b.now, 1, 9, 9), Audience(b.newsletter, "", 99)),
    "reach": lambda c, b, _d: digests.audience_reach(c, Audience(b.newsletter, "", 99)),
    "why": lambda c, b, _d: ledger.of_subscription(c, b.people["ada"]),
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=list(ASKED))
def test_no_query_reads_all_deliveries(book: Any, asked: Ask) -> None:
    if not book.store.is_sqlite:
        pytest.skip("the plans of PostgreSQL depend on how much there is")
    digest, delivery = book.digest_of_one()
    book.put(delivery, DeliveryState.QUEUED)
    said: list[tuple[str, Any]] = []

    def heard(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> None:
        if not many and statement.lstrip().upper().startswith(("SELECT", "UPDATE")):
            said.append((statement, values))

    event.listen(book.store.engine, "before_cursor_execute", heard)
    try:
        with book.store.write() as connection:
            asked(connection, book, digest)
            event.remove(book.store.engine, "before_cursor_execute", heard)
            plans = [
                (statement, [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)])
                for statement, values in said if "deliveries" in statement]
    finally:
        if event.contains(book.store.engine, "before_cursor_execute", heard):
            event.remove(book.store.engine, "before_cursor_execute", heard)
    assert plans
    for statement, plan in plans:
        for line in plan:
            assert "SCAN deliveries" not in line or "INDEX ix_deliveries_lease" in line, statement
            # the digest's unique index alone would read everybody of the digest
            assert "deliveries USING INDEX sqlite_autoindex_deliveries_1 (digest_id=?)" not in line, statement
