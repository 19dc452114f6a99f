"""What came back and what is suppressed, as rows, on each database there is."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from pipeline.model.deliveries import DeliveryState
from pipeline.model.returns import SOFT, ReturnKind
from pipeline.store import deliveries, returned, subscribers, suppressions

ADA = "ada@example.org"
S = DeliveryState


def came(book, delivery: int | None, outcome: str = f"{SOFT}: full", key: str = "") -> None:
    with book.store.write() as connection:
        number = returned.begin(connection, key or f"{delivery}:{outcome}", ReturnKind.BOUNCE, "dsn", book.now)
        assert number is not None
        returned.finish(connection, number, delivery_id=delivery, address_key=ADA, outcome=outcome)


def soft(book, delivery: int | None, days: int = 30) -> int:
    with book.store.read() as connection:
        return returned.soft_in_a_row(connection, ADA, book.now - timedelta(days=days), delivery)


def sent(book) -> int:
    book.accept()
    digest = book.freeze()
    book.fill(digest)
    delivery: int = book.delivery(digest, "ada")["id"]
    book.put(delivery, S.SENT)
    return delivery


def test_a_report_is_begun_once(book) -> None:
    with book.store.write() as connection:
        assert returned.begin(connection, "k", ReturnKind.DELAY, "dsn", book.now)
        assert returned.begin(connection, "k", ReturnKind.BOUNCE, "arf", book.now) is None, "in one transaction"
    with book.store.write() as connection:
        assert returned.begin(connection, "k", ReturnKind.BOUNCE, "arf", book.now) is None, "and in the next"
        found = returned.known(connection, "k")
        assert found is not None
        assert (found.kind, found.via, found.somebody) == ("delay", "dsn", False)
        assert returned.known(connection, "other") is None


def test_of_two_who_read_the_same_report_at_once_one_waits_and_then_knows_it(book) -> None:
    begun, other = threading.Event(), []

    def second() -> None:
        begun.wait(10)
        with book.store.write() as connection:
            other.append(returned.begin(connection, "k", ReturnKind.BOUNCE, "dsn", book.now))

    thread = threading.Thread(target=second)
    thread.start()
    with book.store.write() as connection:
        assert returned.begin(connection, "k", ReturnKind.BOUNCE, "dsn", book.now)
        begun.set()
        thread.join(0.3)
        assert other == []
    thread.join(20)
    assert other == [None]


def test_a_delivery_is_found_with_whose_it_is(book) -> None:
    digest, delivery = book.digest_of_one()
    with book.store.write() as connection:
        found = returned.sent(connection, delivery)
        assert found is not None
        assert (found.digest_id, found.subscription_id, found.address_key, found.state) == (
            digest, book.people["ada"], ADA, "queued")
        assert returned.sent(connection, 999) is None
        assert returned.sent_to(connection, [book.people["ada"]], 10) == [], "it has not gone"
        assert returned.subscriber_of(connection, book.people["ada"]) == ADA
        assert returned.subscriber_of(connection, 999) == ""
    book.put(delivery, S.SENT)
    with book.store.read() as connection:
        assert [row[:2] for row in returned.sent_to(connection, [book.people["ada"]], 10)] == [
            (delivery, book.people["ada"])]


def test_bounces_in_a_row_are_counted_by_delivery(book) -> None:
    book.join("ada")
    first, second, third = sent(book), sent(book), sent(book)
    came(book, first)
    came(book, first, f"{SOFT}: again")
    assert soft(book, second) == 1, "two reports of one mail"
    came(book, second)
    assert soft(book, second) == 1, "this one is left out"
    assert soft(book, third) == 2
    came(book, None)
    assert soft(book, third) == 3, "a provider that names no mail"
    book.now += timedelta(days=31)
    assert soft(book, third) == 0


def test_one_that_stayed_ends_the_row(book) -> None:
    book.join("ada")
    first, _stayed, third, fourth = sent(book), sent(book), sent(book), sent(book)
    came(book, first)
    came(book, third)
    assert soft(book, fourth) == 1
    assert soft(book, third) == 0


def test_one_that_was_sent_later_says_nothing_yet(book) -> None:
    """Reports come in any order: of the mail after this one nobody knows yet whether it stays."""
    book.join("ada")
    first, second, _later = sent(book), sent(book), sent(book)
    came(book, first)
    assert soft(book, second) == 1


def test_only_what_counts_is_counted(book) -> None:
    book.join("ada")
    first, second = sent(book), sent(book)
    came(book, first, "not delivered; refused for what we sent")
    assert soft(book, second) == 0


@pytest.mark.parametrize("state", list(DeliveryState))
def test_suppressing_reaches_what_has_not_gone_and_nothing_else(book, state: DeliveryState) -> None:
    _, delivery = book.digest_of_one()
    book.put(delivery, state)
    with book.store.write() as connection:
        assert suppressions.suppress(connection, ADA, "bounced", book.now)
    after = book.row(delivery)
    if state in (S.QUEUED, S.CLAIMED, S.DEFERRED):
        assert (after["state"], after["reason"], after["lease"]) == ("excluded", "suppressed: bounced", "")
    else:
        assert after["state"] == state
    book.check()


def test_suppressing_reaches_every_newsletter_of_an_address_and_nobody_elses(book) -> None:
    book.join("ada")
    book.join("bob")
    book.accept()
    digest = book.freeze()
    book.fill(digest)
    with book.store.write() as connection:
        suppressions.suppress(connection, ADA, "bounced", book.now)
        suppressions.suppress(connection, "nobody@example.org", "by hand", book.now)
        assert subscribers.suppressed(connection, "nobody@example.org") == "by hand"
    assert book.delivery(digest, "ada")["state"] == "excluded"
    assert book.delivery(digest, "bob")["state"] == "queued"
    with book.store.read() as connection:
        assert {one.address for one in suppressions.listed(connection, 10)} == {ADA, "nobody@example.org"}


def test_a_batch_that_is_being_filled_sees_the_suppression_or_its_rows_are_excluded(book) -> None:
    """Whichever comes first: nobody who is suppressed keeps a row that may go."""
    book.join("ada")
    book.accept()
    digest = book.freeze()
    filled = threading.Thread(target=book.fill, args=(digest,))
    with book.store.write() as connection:
        suppressions.suppress(connection, ADA, "bounced", book.now)
        filled.start()
        filled.join(0.3)
    filled.join(20)
    assert book.delivery(digest, "ada")["state"] == "excluded"
    book.check()


def test_records_are_listed_by_kind_and_address(book) -> None:
    _, delivery = book.digest_of_one()
    came(book, delivery, "one")
    with book.store.write() as connection:
        number = returned.begin(connection, "c", ReturnKind.COMPLAINT, "arf", book.now)
        assert number is not None
        returned.finish(connection, number, address_key="bob@example.org", outcome="suppressed")
        assert [r.outcome for r in returned.listed(connection)] == ["suppressed", "one"]
        assert [r.outcome for r in returned.listed(connection, kind="complaint")] == ["suppressed"]
        (one,) = returned.listed(connection, address_key=ADA)
        assert (one.delivery_id, one.digest_id) == (delivery, book.row(delivery)["digest_id"])
        assert returned.of_deliveries(connection, [delivery, 77]) == {delivery: [one]}
        assert returned.of_deliveries(connection, []) == {}


def test_what_came_back_late_moves_no_row_that_has_not_left(book) -> None:
    _, delivery = book.digest_of_one()
    with book.store.write() as connection:
        assert not deliveries.came_back(connection, delivery, S.BOUNCED, "x", book.now)
    book.put(delivery, S.SENT)
    with book.store.write() as connection:
        assert deliveries.came_back(connection, delivery, S.BOUNCED, "x", book.now)
        assert not deliveries.came_back(connection, delivery, S.BOUNCED, "y", book.now)
    assert book.row(delivery)["reason"] == "x"
    book.check()
