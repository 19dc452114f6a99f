"""Only the moves that the model names happen: from each of the nine states, by each way that the store knows."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest
from sqlalchemy import insert, update

from pipeline.errors import StoreError
from pipeline.model.deliveries import MOVES, DeliveryState, Outcome
from pipeline.store import deliveries, expiring, filling, moving
from pipeline.store.schema import deliveries as rows

S = DeliveryState
LEASE = "w.1"
LATER = timedelta(days=3)


def test_all_81_pairs(book) -> None:
    _, delivery = book.digest_of_one()
    for source, target in product(S, S):
        book.put(delivery, source)
        before = book.row(delivery)
        with book.store.write() as connection:
            if target in MOVES[source]:
                moved = moving.shift(connection, source, target, rows.c.id == delivery, now=book.now)
                assert moved == {delivery}
            else:
                with pytest.raises(ValueError, match=f"no move from {source} to {target}"):
                    moving.shift(connection, source, target, rows.c.id == delivery, now=book.now)
        assert book.row(delivery)["state"] == (target if target in MOVES[source] else source)
        if target not in MOVES[source]:
            assert book.row(delivery) == before
        book.check()


def record(state: DeliveryState):
    def run(connection, delivery, book):
        deliveries.record(connection, delivery, LEASE, Outcome(state, "told"), book.now,
                          retry_at=book.now if state is S.DEFERRED else None)
    return run


def settle(target: DeliveryState):
    return lambda connection, delivery, book: deliveries.settle(connection, delivery, LEASE, target, "", book.now)


OPERATIONS = {
    "claim": (lambda c, _d, b: deliveries.claim(c, LEASE, b.now, 10), {S.QUEUED: S.CLAIMED, S.DEFERRED: S.CLAIMED}),
    "hand over": (lambda c, d, b: deliveries.hand_over(c, [d], LEASE, b.now), {S.CLAIMED: S.HANDED}),
    "give back": (lambda c, _d, b: deliveries.give_back(c, LEASE, b.now), {S.CLAIMED: S.QUEUED}),
    "record sent": (record(S.SENT), {S.HANDED: S.SENT, S.UNCERTAIN: S.SENT}),
    "record deferred": (record(S.DEFERRED), {S.HANDED: S.DEFERRED, S.CLAIMED: S.DEFERRED, S.UNCERTAIN: S.FAILED}),
    "record bounced": (record(S.BOUNCED), {S.HANDED: S.BOUNCED, S.CLAIMED: S.BOUNCED, S.UNCERTAIN: S.BOUNCED}),
    "record failed": (record(S.FAILED), {S.HANDED: S.FAILED, S.CLAIMED: S.FAILED, S.UNCERTAIN: S.FAILED}),
    "record uncertain": (record(S.UNCERTAIN), {S.HANDED: S.UNCERTAIN}),
    "came back": (lambda c, d, b: deliveries.came_back(c, d, S.BOUNCED, "no such user", b.now),
                  {S.SENT: S.BOUNCED, S.UNCERTAIN: S.BOUNCED, S.HANDED: S.BOUNCED}),
    "came back, our fault": (lambda c, d, b: deliveries.came_back(c, d, S.FAILED, "policy", b.now),
                             {S.UNCERTAIN: S.FAILED, S.HANDED: S.FAILED}),
    "settle sent": (settle(S.SENT), {S.HANDED: S.SENT}),
    "settle uncertain": (settle(S.UNCERTAIN), {S.HANDED: S.UNCERTAIN}),
    "settle queued": (settle(S.QUEUED), {S.HANDED: S.QUEUED}),
    "resend": (lambda c, d, b: deliveries.resend(c, d, b.now), {S.UNCERTAIN: S.QUEUED}),
    "leave out a person": (
        lambda c, _d, b: deliveries.exclude_unsent(c, b.people["ada"], "unsubscribed", b.now),
        {S.QUEUED: S.EXCLUDED, S.CLAIMED: S.EXCLUDED, S.DEFERRED: S.EXCLUDED}),
    "cancel": (
        lambda c, d, b: deliveries.exclude_digest(c, b.row(d)["digest_id"], "cancelled", b.now),
        {S.QUEUED: S.EXCLUDED, S.CLAIMED: S.EXCLUDED, S.DEFERRED: S.EXCLUDED}),
    "expire": (lambda c, _d, b: expiring.expire(c, b.now + LATER), {S.QUEUED: S.FAILED, S.DEFERRED: S.FAILED}),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_way_moves_from_these_states_and_no_others(book, moved, name: str) -> None:
    operation, moves = OPERATIONS[name]
    _, delivery = book.digest_of_one()
    for source in S:
        book.put(delivery, source)
        before = book.snapshot()
        book_row = book.row  # read outside the writing transaction
        with book.store.write() as connection:
            operation(connection, delivery, book)
        assert book_row(delivery)["state"] == moves.get(source, source), source
        moved(before, book.snapshot())
        book.check()


def test_another_lease_moves_nothing(book) -> None:
    _, delivery = book.digest_of_one()
    for state in (S.CLAIMED, S.HANDED, S.UNCERTAIN):
        book.put(delivery, state)
        with book.store.write() as connection:
            assert deliveries.hand_over(connection, [delivery], "w.2", book.now) == set()
            assert not deliveries.record(connection, delivery, "w.2", Outcome(S.FAILED), book.now)
            assert not deliveries.settle(connection, delivery, "w.2", S.SENT, "", book.now)
            assert deliveries.give_back(connection, "w.2", book.now) == 0
        assert book.row(delivery)["state"] == state


def test_the_database_itself_knows_the_nine_states(book) -> None:
    _, delivery = book.digest_of_one()
    with pytest.raises(StoreError), book.store.write() as connection:
        connection.execute(update(rows).where(rows.c.id == delivery).values(state="lost"))


def test_the_database_itself_refuses_a_second_row_of_a_digest(book) -> None:
    _, delivery = book.digest_of_one()
    again = {k: v for k, v in book.row(delivery).items() if k != "id"} | {"state": "excluded"}
    with pytest.raises(StoreError), book.store.write() as connection:
        connection.execute(insert(rows).values(**again))


@pytest.mark.parametrize("state", S)
@pytest.mark.parametrize("covered", [False, True])
def test_the_database_itself_refuses_a_second_open_window(book, state: DeliveryState, covered: bool) -> None:
    """With one delivery queued, a second live one of the same person is refused unless its window counts as read."""
    _, first = book.digest_of_one()
    book.accept()
    other = book.freeze("")
    with book.store.read() as connection:
        (batch,) = filling.unfilled(connection, book.now)
    again = {k: v for k, v in book.row(first).items() if k != "id"}
    again |= {"digest_id": other, "batch_id": batch.id, "state": state, "covered": covered}
    refused = state in ("queued", "claimed", "deferred", "handed") and not covered
    if refused:
        with pytest.raises(StoreError), book.store.write() as connection:
            connection.execute(insert(rows).values(**again))
    else:
        with book.store.write() as connection:
            connection.execute(insert(rows).values(**again))


def test_uncertain_is_sent_once_more_and_stays_read(book) -> None:
    _, delivery = book.digest_of_one()
    book.put(delivery, S.UNCERTAIN)
    with book.store.write() as connection:
        assert deliveries.resend(connection, delivery, book.now)
    assert book.row(delivery)["covered"]
    book.leave("ada")
    book.put(delivery, S.UNCERTAIN)
    with book.store.write() as connection:
        assert not deliveries.resend(connection, delivery, book.now), "they have left meanwhile"


def test_a_late_answer_of_a_worker_that_was_taken_for_dead_counts(book) -> None:
    _, delivery = book.digest_of_one()
    book.put(delivery, S.UNCERTAIN, lease=LEASE)
    with book.store.write() as connection:
        assert deliveries.record(connection, delivery, LEASE, Outcome(S.SENT, "250 at last"), book.now)
    assert book.row(delivery)["state"] == "sent"
    assert book.row(delivery)["lease"] == ""
