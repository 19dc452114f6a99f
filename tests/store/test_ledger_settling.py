"""What the operator settles by hand: who may get a digest once more, and what it does to windows and counters."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipeline.desk.resolve import why_not_again
from pipeline.model.deliveries import DeliveryState, Outcome
from pipeline.model.newsletters import DigestStatus
from pipeline.store import deliveries, digests, expiring, ledger, settling, suppressions

S = DeliveryState
STATES = (S.UNCERTAIN, S.FAILED, S.BOUNCED)


def over(book, state: DeliveryState, reason: str = "", **values: object) -> tuple[int, int]:
    """(digest, delivery) of a digest that is done, whose one delivery ended so."""
    digest, delivery = book.digest_of_one()
    book.put(delivery, state, reason=reason, **values)
    with book.store.write() as connection:
        assert digests.change(connection, digest, DigestStatus.DONE)
    return digest, delivery


def again(book, digest: int) -> list[str]:
    """Send it again to whom it may be sent; why not to the others."""
    with book.store.write() as connection:
        found = [one for state in STATES for one in settling.unsettled(connection, digest, state, lock=True)]
        reasons = [why_not_again(one) for one in found]
        settling.again(connection, digest, [one.id for one in found if not why_not_again(one)], book.now,
                       book.now + timedelta(hours=1))
    return reasons


def status(book, digest: int) -> DigestStatus:
    with book.store.read() as connection:
        return digests.get(connection, digest).status


@pytest.mark.parametrize(
    ("state", "reason"), [(S.UNCERTAIN, ""), (S.FAILED, "given up"), (S.BOUNCED, "552 5.2.2 full")])
def test_it_goes_once_more_in_a_batch_of_its_own(book, state: DeliveryState, reason: str) -> None:
    digest, delivery = over(book, state, reason, attempts=9, first_tried_at=book.now)
    before = book.row(delivery)
    book.now += timedelta(days=9)
    assert again(book, digest) == [""]
    row = book.row(delivery)
    assert (row["state"], row["attempts"], row["first_tried_at"], row["due_at"]) == ("queued", 0, None, book.now)
    assert [row[k] for k in ("covered", "from_seq", "cut_seq", "selection_id")] == [
        before[k] for k in ("covered", "from_seq", "cut_seq", "selection_id")]
    assert row["batch_id"] != before["batch_id"]
    assert status(book, digest) is DigestStatus.SENDING
    book.check()
    with book.store.write() as connection:
        assert expiring.expire(connection, book.now) == 0, "its first batch has expired long ago"
        (one,) = deliveries.claim(connection, "w.1", book.now, 5)
        assert one.batch_due_at == before["due_at"]
        deliveries.hand_over(connection, [delivery], "w.1", book.now)
        deliveries.record(connection, delivery, "w.1", Outcome(S.SENT), book.now)
    book.check()
    assert again(book, digest) == []


def test_what_is_sent_again_expires_too(book) -> None:
    digest, delivery = over(book, S.FAILED)
    again(book, digest)
    book.now += timedelta(hours=1)
    with book.store.write() as connection:
        assert expiring.expire(connection, book.now) == 1
    assert book.row(delivery)["state"] == "failed"
    book.check()


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("why", ["unsubscribed", "suppressed: asked"])
def test_nobody_who_left_or_is_suppressed(book, state: DeliveryState, why: str) -> None:
    digest, delivery = over(book, state, "552 5.2.2 full")
    if why == "unsubscribed":
        book.leave("ada")
    else:
        with book.store.write() as connection:
            suppressions.suppress(connection, "ada@example.org", "asked", book.now)
    assert again(book, digest) == [why]
    assert (book.row(delivery)["state"], status(book, digest)) == (state, DigestStatus.DONE)


def test_a_bad_address_is_not_tried_again(book) -> None:
    digest, _ = over(book, S.BOUNCED, "550 5.1.1 no such user")
    assert again(book, digest) == ["their address takes no mail"]


def test_nobody_who_is_told_the_same_by_a_later_digest(book) -> None:
    digest, _ = over(book, S.FAILED)
    book.accept()
    later = book.freeze()
    book.fill(later)
    assert again(book, digest) == ["another digest that tells them these articles is on its way"]
    book.put(book.delivery(later, "ada")["id"], S.SENT)
    assert again(book, digest) == ["a later digest told them these articles"]
    book.put(book.delivery(later, "ada")["id"], S.FAILED, covered=False)
    assert again(book, digest) == [""], "that one failed too"
    book.check()


def test_one_who_came_back_has_another_window(book) -> None:
    digest, _ = over(book, S.FAILED)
    book.leave("ada")
    book.accept()
    book.join("ada")
    assert again(book, digest) == ["a later digest told them these articles"]


def test_an_uncertain_one_counts_as_read_so_that_a_later_digest_is_no_obstacle(book) -> None:
    digest, delivery = over(book, S.UNCERTAIN)
    book.accept()
    later = book.freeze()
    book.fill(later)
    assert again(book, digest) == [""]
    assert book.row(delivery)["covered"]
    assert book.delivery(later, "ada")["from_seq"] == 1, "and it tells what came after"
    book.check()


def test_a_digest_that_is_filled_later_takes_it_over(book) -> None:
    """Sent again, and not gone yet when the next digest is filled: that one tells both."""
    digest, delivery = over(book, S.FAILED)
    again(book, digest)
    book.accept()
    later = book.freeze()
    book.fill(later)
    assert book.row(delivery)["state"] == "excluded"
    assert book.delivery(later, "ada")["from_seq"] == 0
    book.check()


def test_left_as_they_are(book) -> None:
    digest, delivery = over(book, S.UNCERTAIN)
    with book.store.write() as connection:
        assert settling.still_open(connection, digest) == 1
        assert settling.leave(connection, [delivery], book.now) == 1
        assert settling.leave(connection, [delivery], book.now) == 0
        assert (settling.still_open(connection), ledger.settled_by_hand(connection, digest)) == (0, 1)
        assert not settling.unsettled(connection, digest, S.UNCERTAIN)[0].open
        assert not deliveries.record(connection, delivery, "w.1", Outcome(S.SENT), book.now)
    assert (book.row(delivery)["state"], book.row(delivery)["covered"]) == ("uncertain", True)
    book.check()
