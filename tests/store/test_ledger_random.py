"""Anything in any order: after every step the identity holds, counters equal rows, and rows moved as they may."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.desk.resolve import SENT_FROM, why_not_again
from pipeline.model.deliveries import DeliveryState, Outcome
from pipeline.model.newsletters import DigestStatus
from pipeline.store import deliveries, digests, expiring, meta, settling, suppressions
from pipeline.store.schema import deliveries as rows

S = DeliveryState
NAMES = ("ada", "bo", "cy", "di")
WORKERS = ("w1.a", "w2.b")
OUTCOMES = (S.SENT, S.SENT, S.SENT, S.DEFERRED, S.BOUNCED, S.FAILED, S.UNCERTAIN)

steps = st.lists(st.tuples(
    st.sampled_from(("accept", "join", "leave", "switch", "freeze", "freeze", "fill", "fill", "claim", "claim",
                     "hand over", "hand over", "record", "record", "give back", "settle", "resend", "again", "leave it",
                     "cancel", "expire", "stop", "wait", "come back", "suppress", "unsuppress")),
    st.integers(0, 3), st.integers(0, 6)), min_size=25, max_size=50)


def play(book, step: str, who: int, what: int, before: dict[int, dict]) -> None:  # noqa: C901, PLR0912 - a table
    name, worker, outcome = NAMES[who], WORKERS[what % 2], OUTCOMES[what]
    with book.store.read() as connection:
        known = [d.id for d in digests.listed(connection)]
    held = [r for r in before.values() if r["lease"] == worker]
    if step == "accept":
        book.accept(1 + what % 2)
    elif step == "join":
        book.join(name, ("daily", "weekly")[what % 2])
    elif step == "leave" and name in book.people:
        book.leave(name)
    elif step == "switch" and name in book.people:
        book.switch(name, ("daily", "weekly")[what % 2])
    elif step == "freeze":
        book.freeze(("daily", "weekly", "")[what % 3], batch=2)
    elif step == "fill":
        book.fill(limit=1 + what % 2)
    elif step == "wait":
        book.now += timedelta(minutes=7)
    else:
        with book.store.write() as connection:
            if step == "claim":
                deliveries.claim(connection, worker, book.now, 1 + what)
            elif step == "hand over":
                deliveries.hand_over(connection, [r["id"] for r in held][:1 + who], worker, book.now)
            elif step == "record" and held:
                deliveries.record(connection, held[who % len(held)]["id"], worker, Outcome(outcome), book.now,
                                  retry_at=book.now + timedelta(minutes=5) if outcome is S.DEFERRED else None)
            elif step == "give back":
                deliveries.give_back(connection, worker, book.now)
            elif step == "settle" and held:
                deliveries.settle(connection, held[0]["id"], worker, (S.SENT, S.QUEUED, S.UNCERTAIN)[what % 3], "",
                                  book.now)
            elif step == "resend" and held:
                deliveries.resend(connection, held[0]["id"], book.now)
            elif step in ("again", "leave it") and known:
                digest = known[who % len(known)]
                found = [one for state in (S.UNCERTAIN, S.FAILED, S.BOUNCED)
                         for one in settling.unsettled(connection, digest, state, lock=True)]
                if step == "leave it":
                    settling.leave(connection, [one.id for one in found], book.now)
                elif digests.get(connection, digest).status in SENT_FROM:
                    settling.again(connection, digest, [one.id for one in found if not why_not_again(one)], book.now,
                                   book.now + timedelta(hours=1))
            elif step == "cancel" and known and what == 0:
                if digests.change(connection, known[who % len(known)], DigestStatus.CANCELLED):
                    deliveries.exclude_digest(connection, known[who % len(known)], "cancelled", book.now)
            elif step == "expire" and what == 0:
                expiring.expire(connection, book.now + timedelta(hours=47, minutes=30))
            elif step == "come back" and before:
                deliveries.came_back(connection, list(before)[(who * 7 + what) % len(before)],
                                     (S.BOUNCED, S.FAILED)[what % 2], "came back", book.now)
            elif step == "suppress" and what < 2:
                suppressions.suppress(connection, f"{name}@example.org", "bounced", book.now)
            elif step == "unsuppress":
                suppressions.unsuppress(connection, f"{name}@example.org")
            elif step == "stop":
                meta.put(connection, meta.OUTGOING_STOPPED, "x" if what == 0 else "")


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(script=steps)
def test_whatever_happens(make_book: Callable, moved: Callable, script: list[tuple[str, int, int]]) -> None:
    book = make_book()
    for name in NAMES[:3]:
        book.join(name)
    book.accept(2)
    before = book.snapshot()
    for step, who, what in script:
        play(book, step, who, what, before)
        after = book.snapshot()
        moved(before, after)
        if after != before or step in ("freeze", "join"):
            book.check()
        before = after
    book.store.close()


def test_the_check_sees_a_move_that_is_none(book, moved: Callable) -> None:
    """Positive control."""
    _, delivery = book.digest_of_one()
    book.put(delivery, S.SENT)
    before = book.snapshot()
    with book.store.write() as connection:
        connection.execute(rows.update().values(state="queued"))
    with pytest.raises(AssertionError):
        moved(before, book.snapshot())
    with pytest.raises(AssertionError):
        book.check()
