"""Announcements and places of a warm-up in the database: who one is for, and that no place is given away twice."""

from __future__ import annotations

import threading
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from pipeline.errors import UsageError
from pipeline.model.deliveries import DeliveryState
from pipeline.model.newsletters import ANNOUNCEMENT, MANUAL, Digest, DigestStatus
from pipeline.store import allowances, announcements, digests, filling, ledger, subscribers
from pipeline.store.schema import batches, recipients
from pipeline.store.schema_deliver import allowances as table

S = DeliveryState
DAY = date(2026, 12, 1)


def announce(book: Any, words: str = "Sorry", received: Digest | None = None, *, again: bool = False) -> int:
    nominal = f"{book.now:%Y-%m-%dT%H:%M:%S}-{ANNOUNCEMENT}"
    draft = Digest(0, "lantern", MANUAL, nominal, DigestStatus.DRAFT, book.now, 0, book.now, kind=ANNOUNCEMENT)
    with book.store.write() as connection:
        number = announcements.add(connection, book.newsletter, draft, subject=words, words=words, received=received,
                                   again=again, now=book.now)
        announcements.freeze(connection, number, batch=2, now=book.now, expires_at=book.now + timedelta(days=7),
                             nonce="n", settings={}, notes=[])
    book.now += timedelta(seconds=1)
    return number


def get(book: Any, number: int) -> Digest:
    with book.store.read() as connection:
        return digests.get(connection, number)


def test_it_is_for_everyone_of_every_schedule_as_of_the_freeze(book: Any) -> None:
    for name, schedule in (("ada", "daily"), ("bo", "weekly"), ("cy", "daily")):
        book.join(name, schedule)
    book.leave("cy")
    number = announce(book)
    book.join("dee")
    with book.store.read() as connection:
        people = announcements.everyone(connection, book.newsletter)
        counts = ledger.counts(connection, number)
        row = digests.facts(connection, number)
        until = set(connection.execute(select(batches.c.expires_at).where(batches.c.digest_id == number)).scalars())
    assert people == sorted(book.people[name] for name in ("ada", "bo", "dee"))
    assert (counts.selected, counts.waiting, counts.holds) == (2, 2, True)
    assert (row.kind, row.status, row.selected, row.cut_seq) == (ANNOUNCEMENT, "frozen", 2, 0)
    assert until == {row.due_at + timedelta(days=7)}


@pytest.mark.parametrize(("state", "reached"), [
    (S.SENT, True), (S.UNCERTAIN, True), (S.HANDED, True), (S.QUEUED, False), (S.CLAIMED, False), (S.DEFERRED, False),
    (S.BOUNCED, False), (S.FAILED, False), (S.EXCLUDED, False)])
def test_whom_a_digest_reached(book: Any, state: DeliveryState, reached: bool) -> None:
    digest, delivery = book.digest_of_one("ada")
    book.put(delivery, state)
    with book.store.read() as connection:
        found = announcements.reached(connection, digests.get(connection, digest))
        waits = announcements.still_waiting(connection, digest)
    assert found == [book.people["ada"]] * reached
    assert waits == (state in (S.QUEUED, S.CLAIMED, S.HANDED, S.DEFERRED))


@pytest.mark.parametrize("state", [S.QUEUED, S.CLAIMED, S.DEFERRED, S.FAILED])
def test_one_that_was_in_doubt_and_is_sent_again_may_have_arrived(book: Any, state: DeliveryState) -> None:
    digest, delivery = book.digest_of_one("ada")
    book.put(delivery, state, covered=True)
    with book.store.read() as connection:
        assert announcements.reached(connection, digests.get(connection, digest)) == [book.people["ada"]]


def test_those_who_were_written_down_are_counted_from_that_list(book: Any) -> None:
    digest, delivery = book.digest_of_one("ada")
    book.join("bo")
    book.put(delivery, S.SENT)
    number = announce(book, received=get(book, digest))
    with book.store.write() as connection:
        assert ledger.counts(connection, number).selected == 1
        audience = digests.audience(digests.facts(connection, number))
        assert list(subscribers.audience_ids(connection, audience)) == [book.people["ada"]]
        assert list(subscribers.audience_ids(connection, audience, book.people["ada"] + 1)) == []
        connection.execute(recipients.delete().where(recipients.c.digest_id == number))
        assert not ledger.counts(connection, number).holds
    with pytest.raises(UsageError, match="for nobody"):
        announce(book, "Other", received=get(book, book.freeze()))


def test_the_same_words_to_the_same_people(book: Any) -> None:
    digest, delivery = book.digest_of_one("ada")
    book.put(delivery, S.SENT)
    first = announce(book)
    with pytest.raises(UsageError, match="the same words"):
        announce(book)
    with pytest.raises(UsageError, match="out before"):  # some would read it twice
        announce(book, received=get(book, digest))
    announce(book, again=True)
    announce(book, "Other")
    with book.store.write() as connection:
        for one in digests.listed(connection):
            digests.change(connection, one.id, DigestStatus.CANCELLED)
    assert announce(book) > first


def test_announcements_are_filled_and_claimed_first(book: Any) -> None:
    book.digest_of_one("ada")
    book.accept()
    book.freeze()
    number = announce(book)
    with book.store.read() as connection:
        assert next(b.digest_id for b in filling.unfilled(connection, book.now)) == number


def test_places_are_given_once(book: Any) -> None:
    with book.store.write() as connection:
        assert [allowances.take(connection, DAY, n, 7) for n in (3, 0, 3, 3, 3)] == [3, 0, 3, 1, 0]
        assert allowances.take(connection, DAY + timedelta(days=1), 2, 7) == 2
        assert allowances.take(connection, DAY, 2, 5) == 0, "the plan was made smaller"
    with book.store.read() as connection:
        days = [DAY + timedelta(days=n) for n in range(3)]
        assert allowances.given(connection, days) == {days[0]: 7, days[1]: 2}


def test_many_at_once_never_take_more_than_there_is(book: Any) -> None:
    taken: list[int] = []

    def take(_number: int) -> None:
        with book.store.write() as connection:
            taken.append(allowances.take(connection, DAY, 2, 7))

    threads = [threading.Thread(target=take, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) == 7
    with book.store.read() as connection:
        assert connection.execute(select(table.c.given)).scalar_one() == 7


def test_whoever_waits_longest_is_first(book: Any) -> None:
    for name in ("ada", "bo"):
        book.join(name)
    book.accept()
    first = book.freeze()
    book.fill(first)
    book.put(book.delivery(first, "ada")["id"], S.SENT)
    for name in ("cy", "dee"):
        book.join(name)
    book.leave("dee")
    book.accept()
    second = book.freeze()
    with book.store.read() as connection:
        audience = digests.audience(digests.facts(connection, second))
        turns = [allowances.last_in_turn(connection, audience, second, n) for n in (1, 2, 3, 4)]
    assert turns == [(0, book.people["bo"]), (1, book.people["ada"]), (1, book.people["cy"]), None]
