"""Filling: one open window a person, taken over by the digest that reaches further, given back where nothing came."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete

from pipeline.compose.fill import BEYOND, IN_FLIGHT, NEWER, NOTHING_LATER, NOTHING_NEW
from pipeline.model.deliveries import DeliveryState, Outcome
from pipeline.model.newsletters import DigestStatus
from pipeline.store import deliveries, digests, expiring, ledger, subscribers, suppressions
from pipeline.store.moving import LASTS
from pipeline.store.schema import batches
from pipeline.store.schema import deliveries as rows

S = DeliveryState
SUPERSEDED = "superseded by a later digest, which covers its articles too"


def two_digests(book, state: DeliveryState, **values: object) -> tuple[dict, int]:
    """Ada's first delivery, put into a state, and a second digest that is not filled yet."""
    _, first = book.digest_of_one()
    if state is not S.QUEUED or values:
        book.put(first, state, **values)
    book.now += timedelta(hours=1)
    book.accept()
    return book.row(first), book.freeze()


@pytest.mark.parametrize("state", [S.QUEUED, S.CLAIMED])
def test_the_later_digest_takes_over_what_still_waits(book, state: DeliveryState) -> None:
    older, second = two_digests(book, state)
    book.fill(second)
    assert (book.row(older["id"])["state"], book.row(older["id"])["reason"]) == ("excluded", SUPERSEDED)
    new = book.delivery(second, "ada")
    assert (new["state"], new["from_seq"], new["cut_seq"]) == ("queued", older["from_seq"], 2)
    assert new["due_at"] == older["due_at"], "whoever waited in the queue keeps their place"
    book.check()


def test_one_that_was_refused_for_now_fails_and_its_first_try_is_remembered(book) -> None:
    tried = book.now - timedelta(hours=3)
    older, second = two_digests(book, S.DEFERRED, attempts=4, first_tried_at=tried, reason="450 busy",
                                due_at=book.now + timedelta(hours=9))
    book.fill(second)
    old, new = book.row(older["id"]), book.delivery(second, "ada")
    assert old["state"] == "failed"
    assert old["reason"].endswith("450 busy")
    assert (new["attempts"], new["first_tried_at"]) == (4, tried)
    assert new["due_at"] == book.now, "it is tried at once, not when the old one would have been"
    assert new["from_seq"] == older["from_seq"]
    book.check()


def test_one_that_is_being_handed_over_is_left_alone_and_the_articles_roll_on(book) -> None:
    older, second = two_digests(book, S.HANDED)
    book.fill(second)
    assert book.row(older["id"])["state"] == "handed"
    assert book.states("ada")[1] == ("excluded", IN_FLIGHT)
    with book.store.write() as connection:
        deliveries.record(connection, older["id"], "w.1", Outcome(S.SENT), book.now)
    third = book.freeze()
    book.fill(third)
    assert (book.delivery(third, "ada")["from_seq"], book.delivery(third, "ada")["cut_seq"]) == (1, 2)
    book.check()


@pytest.mark.parametrize("state", [S.SENT, S.UNCERTAIN])
def test_what_was_read_is_not_told_again(book, state: DeliveryState) -> None:
    _, second = two_digests(book, state)
    book.fill(second)
    assert book.delivery(second, "ada")["from_seq"] == 1
    book.check()


@pytest.mark.parametrize("state", [S.BOUNCED, S.FAILED, S.EXCLUDED])
def test_what_never_came_is_told_by_the_next(book, state: DeliveryState) -> None:
    _, second = two_digests(book, state)
    book.fill(second)
    assert book.delivery(second, "ada")["from_seq"] == 0
    book.check()


def test_a_bounce_that_comes_back_later_leaves_the_window_read(book) -> None:
    _, second = two_digests(book, S.BOUNCED, covered=True)
    book.fill(second)
    assert book.delivery(second, "ada")["from_seq"] == 1


@pytest.mark.parametrize("state", [S.QUEUED, S.CLAIMED, S.HANDED, S.DEFERRED])
def test_one_that_is_sent_once_more_holds_no_window_and_is_left_to_go(book, state: DeliveryState) -> None:
    """It was uncertain, so its window counts as read; the next digest neither waits for it nor takes it over."""
    older, second = two_digests(book, state, covered=True)
    book.fill(second)
    assert book.row(older["id"])["state"] == state
    new = book.delivery(second, "ada")
    assert (new["state"], new["from_seq"], new["cut_seq"]) == ("queued", 1, 2)
    book.check()


def test_an_older_digest_that_is_filled_late_finds_the_newer_one(book) -> None:
    book.join("ada")
    book.accept()
    first = book.freeze()
    book.accept()
    second = book.freeze()
    book.fill(second)
    book.fill(first)
    assert [state for state, _ in book.states("ada")] == ["queued", "excluded"]
    assert book.states("ada")[1][1] == NEWER
    book.put(book.delivery(second, "ada")["id"], S.SENT)
    book.check()


def test_an_older_digest_that_is_filled_after_the_newer_was_sent(book) -> None:
    book.join("ada")
    book.accept()
    first = book.freeze()
    book.accept()
    second = book.freeze()
    book.fill(second)
    book.put(book.delivery(second, "ada")["id"], S.SENT)
    book.fill(first)
    assert book.states("ada")[1] == ("excluded", NOTHING_LATER)


def test_nothing_for_this_person_counts_as_read(book) -> None:
    """Their window must not grow for ever; but not while an older delivery still holds what came before."""
    book.join("ada")
    book.accept()
    digest = book.freeze()
    with book.store.write() as connection:
        connection.execute(delete(digests.digest_articles).where(digests.digest_articles.c.digest_id == digest))
    book.fill(digest)
    row = book.delivery(digest, "ada")
    assert (row["state"], row["reason"], row["covered"]) == ("excluded", NOTHING_NEW, True)
    with book.store.read() as connection:
        assert ledger.window_start(connection, book.people["ada"]) == 1


@pytest.mark.parametrize(("when", "reason"), [("before the fill", "unsubscribed"), ("suppressed", "suppressed: asked")])
def test_whom_a_digest_selected_and_who_left_before_the_fill(book, when: str, reason: str) -> None:
    book.join("ada")
    book.accept()
    digest = book.freeze()
    if when == "suppressed":
        with book.store.write() as connection:
            suppressions.suppress(connection, "ada@example.org", "asked", book.now)
    else:
        book.leave("ada")
    book.fill()
    assert book.states("ada") == [("excluded", reason)]
    with book.store.read() as connection:
        assert ledger.counts(connection, digest).selected == 1
    book.check()


def test_someone_who_was_suppressed_at_the_freeze_is_not_told_half(book) -> None:
    """The digest reaches back to the oldest window of those who can get it; a longer one is the next digest's."""
    book.join("ada")
    book.accept(3)
    with book.store.write() as connection:
        suppressions.suppress(connection, "ada@example.org", "asked", book.now)
    book.join("bo")
    book.accept()
    digest = book.freeze()
    with book.store.write() as connection:
        connection.execute(delete(subscribers.suppressions))
    book.fill()
    assert book.states("ada") == [("excluded", BEYOND)]
    assert book.delivery(digest, "bo")["state"] == "queued"


def test_whoever_comes_after_the_freeze_is_not_in_it(book) -> None:
    book.join("ada")
    book.accept()
    digest = book.freeze()
    book.join("bo")
    book.fill()
    assert book.states("bo") == []
    with book.store.read() as connection:
        assert ledger.counts(connection, digest).selected == 1
    book.check()


def test_a_cancelled_digest_accounts_for_everybody(book) -> None:
    for name in ("ada", "bo", "cy"):
        book.join(name)
    book.accept()
    digest = book.freeze(batch=2)
    book.fill(digest, limit=1)
    with book.store.write() as connection:
        assert digests.change(connection, digest, DigestStatus.CANCELLED, reason="by a test")
        assert deliveries.exclude_digest(connection, digest, "cancelled: by a test", book.now) == 2
    book.fill()
    assert [book.states(n)[0][0] for n in ("ada", "bo", "cy")] == ["excluded"] * 3
    with book.store.read() as connection:
        assert not deliveries.waiting(connection, digest)
    book.check()
    book.accept()
    again = book.freeze()
    book.fill(again)
    assert {book.delivery(again, n)["from_seq"] for n in ("ada", "bo", "cy")} == {0}, "the articles roll on"


def test_what_waits_too_long_fails_and_is_given_back(book) -> None:
    digest, first = book.digest_of_one()
    with book.store.write() as connection:
        assert expiring.expire(connection, book.now + LASTS) == 0
        assert expiring.expire(connection, book.now + LASTS + timedelta(seconds=1)) == 1
        assert not deliveries.waiting(connection, digest)
        assert ledger.window_start(connection, book.people["ada"]) == 0
    assert book.row(first)["state"] == "failed"
    book.check()


def test_waiting_until_the_last_batch_is_filled_and_the_last_row_answered(book) -> None:
    book.join("ada")
    book.join("bo")
    book.accept()
    digest = book.freeze(batch=1)
    book.fill(digest, limit=1)
    book.put(book.delivery(digest, "ada")["id"], S.SENT)

    def waits() -> bool:
        with book.store.read() as connection:
            return deliveries.waiting(connection, digest)

    assert waits(), "bo's batch has no rows yet"
    book.fill()
    for state in (S.QUEUED, S.CLAIMED, S.HANDED, S.DEFERRED):
        book.put(book.delivery(digest, "bo")["id"], state)
        assert waits(), state
    for state in (S.SENT, S.BOUNCED, S.FAILED, S.UNCERTAIN, S.EXCLUDED):
        book.put(book.delivery(digest, "bo")["id"], state)
        assert not waits(), state


# --- the identity, and that it is one ---


def broken_by(book, statement) -> tuple[bool, list[str]]:
    with book.store.write() as connection:
        connection.execute(statement)
    with book.store.read() as connection:
        return ledger.counts(connection, book.digest).holds, ledger.counter_faults(connection, book.digest)


@pytest.fixture
def half_filled(book):
    for number in range(6):
        book.join(f"reader{number}")
    book.accept()
    book.digest = book.freeze(batch=3)
    book.fill(book.digest, limit=1)
    book.check()
    return book


def test_a_lost_delivery_is_found(half_filled) -> None:
    """Positive control: `selected` comes from the history, so the ledger can't vouch for itself."""
    gone = half_filled.delivery(half_filled.digest, "reader1")["id"]
    holds, faults = broken_by(half_filled, delete(rows).where(rows.c.id == gone))
    assert not holds
    assert len(faults) == 1
    assert "counts 3 queued, has 2 rows" in faults[0]


def test_a_lost_batch_is_found(half_filled) -> None:
    holds, _ = broken_by(half_filled, delete(batches).where(batches.c.filled_at.is_(None)))
    assert not holds


def test_a_counter_that_disagrees_is_found(half_filled) -> None:
    holds, faults = broken_by(half_filled, batches.update().where(batches.c.filled_at.is_not(None)).values(sent=1))
    assert holds
    assert "counts 1 sent, has 0 rows" in faults[0]
