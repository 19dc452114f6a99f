"""Claiming and handing over: each row in one pair of hands, and no dot for whoever left in between."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import insert

from pipeline.model.deliveries import DeliveryState, Outcome
from pipeline.model.newsletters import DigestStatus
from pipeline.store import deliveries, digests, meta, moving, subscribers, suppressions
from pipeline.store.schema import batches
from pipeline.store.schema import suppressions as table

S = DeliveryState


def claim(book, worker: str = "w.1", limit: int = 100) -> list[int]:
    with book.store.write() as connection:
        return [one.id for one in deliveries.claim(connection, worker, book.now, limit)]


def hand_over(book, ids, worker: str = "w.1") -> set[int]:
    with book.store.write() as connection:
        return deliveries.hand_over(connection, ids, worker, book.now)


@pytest.fixture
def crowd(book):
    for number in range(7):
        book.join(f"reader{number}")
    book.accept()
    book.digest = book.freeze(batch=3)
    book.fill()
    return book


def test_two_workers_claim_disjoint_rows_and_all_of_them(crowd) -> None:
    first, second, rest = claim(crowd, "w.1", 3), claim(crowd, "w.2", 3), claim(crowd, "w.3", 3)
    assert (len(first), len(second), len(rest)) == (3, 3, 1)
    assert len({*first, *second, *rest}) == 7
    assert claim(crowd, "w.4") == []
    crowd.check()


def test_workers_at_the_same_time_claim_disjoint_rows(crowd) -> None:
    got: list[list[int]] = []
    start = threading.Barrier(4)

    def work(name: str) -> None:
        start.wait()
        got.append([i for _ in range(3) for i in claim(crowd, name, 2)])

    threads = [threading.Thread(target=work, args=(f"w.{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    claimed = [i for part in got for i in part]
    assert len(claimed) == len(set(claimed)) == 7
    crowd.check()


def test_nothing_is_claimed_before_it_is_due(crowd) -> None:
    crowd.now -= timedelta(seconds=1)
    assert claim(crowd) == []


def test_nothing_is_claimed_or_handed_over_while_mail_is_stopped(crowd) -> None:
    ids = claim(crowd, limit=2)
    with crowd.store.write() as connection:
        meta.put(connection, meta.OUTGOING_STOPPED, "by hand")
    assert claim(crowd) == []
    assert hand_over(crowd, ids) == set()
    with crowd.store.write() as connection:
        meta.remove(connection, meta.OUTGOING_STOPPED)
    assert hand_over(crowd, ids) == set(ids)


@pytest.mark.parametrize("status", [DigestStatus.PAUSED, DigestStatus.CANCELLED])
def test_a_digest_that_was_taken_back_in_between_is_not_handed_over(crowd, status: DigestStatus) -> None:
    ids = claim(crowd, limit=2)
    with crowd.store.write() as connection:
        assert digests.change(connection, crowd.digest, status)
    assert hand_over(crowd, ids) == set()
    assert claim(crowd) == []


@pytest.mark.parametrize("steps", [0, 1])
def test_whoever_leaves_before_the_hand_over_is_left_out(crowd, steps: int) -> None:
    """0: still queued; 1: already in a worker's hands."""
    ids = claim(crowd, limit=7) if steps else []
    crowd.leave("reader2")
    row = crowd.delivery(crowd.digest, "reader2")
    assert (row["state"], row["reason"]) == ("excluded", "unsubscribed")
    ids = ids or claim(crowd, limit=7)
    assert hand_over(crowd, ids) == {i for i in ids if i != row["id"]}
    crowd.check()


def test_whoever_leaves_after_the_hand_over_keeps_what_happened(crowd) -> None:
    ids = claim(crowd, limit=7)
    hand_over(crowd, ids)
    crowd.leave("reader2")
    row = crowd.delivery(crowd.digest, "reader2")
    assert row["state"] == "handed"
    with crowd.store.write() as connection:
        assert deliveries.record(connection, row["id"], "w.1", Outcome(S.SENT), crowd.now)
    crowd.check()


def test_a_lease_that_was_taken_back_hands_nothing_over(crowd) -> None:
    ids = claim(crowd, "w.1", 7)
    with crowd.store.write() as connection:
        assert deliveries.give_back(connection, "w.1", crowd.now) == 7
    assert claim(crowd, "w.2", 7) == ids
    assert hand_over(crowd, ids, "w.1") == set()
    assert hand_over(crowd, ids, "w.2") == set(ids)


def test_each_hand_over_counts_as_a_try_and_the_first_is_remembered(crowd) -> None:
    (one,) = claim(crowd, limit=1)
    hand_over(crowd, [one])
    first = crowd.now
    with crowd.store.write() as connection:
        deliveries.record(connection, one, "w.1", Outcome(S.DEFERRED, "busy"), crowd.now,
                          retry_at=crowd.now + timedelta(minutes=5))
    assert one not in claim(crowd)
    crowd.now += timedelta(minutes=5)
    assert claim(crowd, "w.2", 1) == [one]
    hand_over(crowd, [one], "w.2")
    row = crowd.row(one)
    assert (row["attempts"], row["first_tried_at"], row["reason"]) == (2, first, "busy")


def test_a_refusal_before_the_hand_over_counts_as_a_try_too(crowd) -> None:
    (one,) = claim(crowd, limit=1)
    with crowd.store.write() as connection:
        deliveries.record(connection, one, "w.1", Outcome(S.DEFERRED, "busy", 450), crowd.now, retry_at=crowd.now)
    row = crowd.row(one)
    assert (row["attempts"], row["first_tried_at"], row["code"]) == (1, crowd.now, 450)


def test_leases_of_a_worker_and_of_no_other_with_a_name_alike(crowd) -> None:
    claim(crowd, "w1.a", 1)
    claim(crowd, "w1.b", 1)
    claim(crowd, "w12.c", 1)
    claim(crowd, "w_.d", 1)
    with crowd.store.read() as connection:
        assert deliveries.leases(connection, "w1.") == ["w1.a", "w1.b"]
        assert deliveries.leases(connection, "w_.") == ["w_.d"]
        assert len(deliveries.leases(connection, "")) == 4


def test_older_digests_go_first(book) -> None:
    book.join("ada")
    book.accept()
    first = book.freeze()
    book.fill()
    book.now += timedelta(hours=1)
    book.join("bo")
    book.accept()
    book.freeze()
    book.fill()
    late = [d["digest_id"] for d in map(book.row, claim(book, limit=1))]
    assert late != [first], "ada's older delivery was superseded by the second digest"
    assert book.states("ada")[0][0] == "excluded"


@pytest.mark.parametrize("how", ["unsubscribed", "suppressed: asked", "cancelled: by a test"])
@pytest.mark.parametrize("comes_back", ["refused for now", "nothing had arrived"])
def test_whoever_leaves_while_their_message_is_under_way_gets_no_second_try(crowd, how: str, comes_back: str) -> None:
    ids = claim(crowd, limit=7)
    hand_over(crowd, ids)
    row = crowd.delivery(crowd.digest, "reader2")
    with crowd.store.write() as connection:
        if how.startswith("suppressed"):
            suppressions.suppress(connection, "reader2@example.org", "asked", crowd.now)
        elif how.startswith("cancelled"):
            assert digests.change(connection, crowd.digest, DigestStatus.CANCELLED, reason="by a test")
    if how == "unsubscribed":
        crowd.leave("reader2")
    with crowd.store.write() as connection:
        if comes_back == "refused for now":
            assert deliveries.record(connection, row["id"], "w.1", Outcome(S.DEFERRED), crowd.now, retry_at=crowd.now)
        else:
            assert deliveries.settle(connection, row["id"], "w.1", S.QUEUED, "", crowd.now)
    assert (crowd.row(row["id"])["state"], crowd.row(row["id"])["reason"]) == ("excluded", how)
    assert row["id"] not in claim(crowd, "w.2")
    crowd.check()


def test_a_claim_looks_at_everyone_once_more(crowd) -> None:
    """Whatever let a row of theirs stand: who has left, or is suppressed, is never taken."""
    with crowd.store.write() as connection:
        subscribers.unsubscribe(connection, crowd.people["reader1"], crowd.now, "a test")   # and not its deliveries
        connection.execute(insert(table).values(address_key="reader2@example.org", reason="x", at=crowd.now))
    gone = {crowd.delivery(crowd.digest, f"reader{n}")["id"] for n in (1, 2)}
    assert len(claim(crowd)) == 5
    assert {crowd.row(i)["reason"] for i in gone} == {"unsubscribed", "suppressed: x"}
    crowd.check()


def test_what_has_expired_is_not_claimed(crowd) -> None:
    with crowd.store.write() as connection:
        connection.execute(batches.update().values(expires_at=crowd.now + timedelta(hours=1)))
    assert len(claim(crowd, limit=2)) == 2
    crowd.now += timedelta(hours=1)
    assert claim(crowd) == []


def test_a_paused_digest_is_not_said_to_be_sent(crowd) -> None:
    with crowd.store.write() as connection:
        assert digests.change(connection, crowd.digest, DigestStatus.PAUSED)
        moving.begin_sending(connection, [crowd.digest])
        assert digests.get(connection, crowd.digest).status is DigestStatus.PAUSED


@pytest.mark.parametrize("at", ["claimed", "queued"])
def test_leaving_waits_for_whoever_is_just_taking_the_row(crowd, at: str) -> None:
    """On PostgreSQL both are under way at once; whichever ends first, the row ends left out and is not handed over."""
    if crowd.store.is_sqlite:
        pytest.skip("SQLite has one writer at a time")
    row = crowd.delivery(crowd.digest, "reader2")
    with crowd.store.write() as connection:
        taken = [one.id for one in deliveries.claim(connection, "w.1", crowd.now, 7)] if at == "claimed" else []
        leaving = threading.Thread(target=crowd.leave, args=("reader2",))
        leaving.start()
        time.sleep(0.3)
    leaving.join()
    assert crowd.row(row["id"])["state"] == "excluded"
    assert row["id"] not in hand_over(crowd, taken or [row["id"]])
    crowd.check()


def test_a_large_digest_does_not_hold_up_a_small_one(book) -> None:
    """Each of those that are being sent gets its share of every claim; what one does not need the others get."""
    for number in range(30):
        book.join(f"reader{number}")
    for name in ("ada", "bo"):
        book.join(name, "weekly")
    book.accept()
    large, small = book.freeze("daily"), book.freeze("weekly")
    book.fill()
    with book.store.write() as connection:
        first = [one.digest_id for one in deliveries.claim(connection, "w.1", book.now, 10)]
        second = [one.digest_id for one in deliveries.claim(connection, "w.2", book.now, 10)]
    assert (first.count(large), first.count(small)) == (8, 2)
    assert (second.count(large), second.count(small)) == (10, 0)
