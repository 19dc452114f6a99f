"""What readers may see of digests, read from the rows: which, what stands beside each, what was taken back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import update

from pipeline.model.frozen import DigestPage
from pipeline.model.letterhead import Letterhead
from pipeline.model.newsletters import DigestStatus
from pipeline.model.selection import Rules
from pipeline.store import digests, public_digests, withdrawals
from pipeline.store.schema import articles
from pipeline.store.schema import digests as table

S = DigestStatus


def frozen(book: Any, count: int) -> list[int]:
    """So many digests, a day apart, each with two articles."""
    if not book.people:
        book.join("ada")
    found = []
    page = DigestPage("The Lantern", "https://lantern.example", "en", "lantern", "The Lantern", "x", "y", book.now)
    head = Letterhead("", "", "", "s", "leave", page, Rules())
    for _ in range(count):
        book.accept(2)
        found.append(book.freeze())
        with book.store.write() as connection:
            connection.execute(update(table).where(table.c.id == found[-1]).values(settings=head.to_json()))
        book.now += timedelta(days=1)
    return found


def put(book: Any, digest_id: int, **values: Any) -> None:
    with book.store.write() as connection:
        connection.execute(update(table).where(table.c.id == digest_id).values(**values))


def state(book: Any) -> tuple[int, ...]:
    with book.store.read() as connection:
        return public_digests.public_state(connection)


def around(book: Any, digest_id: int) -> tuple[int | None, ...]:
    with book.store.read() as connection:
        found = public_digests.neighbours(connection, digests.get(connection, digest_id))
    return tuple(other and other.id for other in found)


def test_neighbours_go_by_time_and_then_by_number(book: Any) -> None:
    first, second, third, fourth = frozen(book, 4)
    assert [around(book, one) for one in (first, second, third, fourth)] == [
        (None, second), (first, third), (second, fourth), (third, None)]
    with book.store.read() as connection:
        at = digests.get(connection, first).due_at
    put(book, fourth, due_at=at)                     # at the same time as the first: behind it
    assert around(book, first) == (None, fourth)
    assert around(book, fourth) == (first, second)
    put(book, second, status=S.PAUSED)               # seen by whoever has its address, and by nobody on the way
    assert around(book, fourth) == (first, third)
    assert around(book, second) == (fourth, third)


def test_of_another_newsletter_there_are_no_neighbours(book: Any) -> None:
    from pipeline.store import declared

    first, second = frozen(book, 2)
    with book.store.write() as connection:
        other = declared.ensure_newsletter(connection, "beacon", "The Beacon", (), book.now)
    put(book, second, newsletter_id=other)
    assert around(book, first) == (None, None)
    with book.store.read() as connection:
        assert [d.id for d in public_digests.newest(connection, "beacon", 9)] == [second]


def test_whatever_readers_could_notice_changes_the_state(book: Any) -> None:
    first, second, third = frozen(book, 3)
    seen = {state(book)}

    def changed(digest_id: int, status: DigestStatus) -> bool:
        put(book, digest_id, status=status)
        known = state(book) in seen
        seen.add(state(book))
        return not known

    assert not changed(first, S.SENDING)
    assert not changed(first, S.DONE)
    assert changed(second, S.PAUSED)
    put(book, second, status=S.SENDING)
    assert changed(first, S.PAUSED), "as many as before, and another one"
    assert changed(first, S.CANCELLED), "taken back while nobody was shown it"
    assert changed(third, S.CANCELLED)


def test_a_digest_is_read_without_what_was_taken_back(book: Any) -> None:
    [digest_id] = frozen(book, 1)
    with book.store.read() as connection:
        found = public_digests.read(connection, digests.get(connection, digest_id))
    assert [a.title for a in found.articles] == ["Article 2", "Article 1"]
    assert (len(found.uid), found.frozen_at, found.withdrawn_at) == (32, book.now - timedelta(days=1), None)
    assert found.head.page.newsletter_title == "The Lantern"
    with book.store.write() as connection:
        assert not public_digests.changed_since(connection, [digest_id], 1 << 40)
        withdrawals.withdraw(connection, [found.articles[0].id], "wrong", lambda *_: ("", ""), book.now)
    with book.store.read() as connection:
        after = public_digests.read(connection, digests.get(connection, digest_id))
        assert public_digests.changed_since(connection, [digest_id], 0)
        assert not public_digests.changed_since(connection, [], 0)
    assert after == replace(found, articles=found.articles[1:], withdrawn_at=book.now)


def test_an_article_that_stands_no_more_is_not_told_whatever_was_frozen(book: Any) -> None:
    [digest_id] = frozen(book, 1)
    with book.store.write() as connection:
        connection.execute(update(articles).where(articles.c.id == 1).values(status="held"))
        found = public_digests.read(connection, digests.get(connection, digest_id))
    assert [a.title for a in found.articles] == ["Article 2"]


def test_what_the_web_does_not_tell_changes_no_date(book: Any) -> None:
    """An article from before most people's window: it stands in somebody's mail, and not on the web."""
    [digest_id] = frozen(book, 1)
    put(book, digest_id, public_from_seq=1)
    with book.store.write() as connection:
        withdrawals.withdraw(connection, [1], "wrong", lambda *_: ("", ""), book.now)
    with book.store.read() as connection:
        found = public_digests.read(connection, digests.get(connection, digest_id))
    assert [a.title for a in found.articles] == ["Article 2"]
    assert found.withdrawn_at is None


def test_what_was_taken_back_is_remembered_with_a_time_that_is_later_than_all_before(book: Any) -> None:
    first, second = frozen(book, 2)
    for one in (first, second):
        put(book, one, status=S.CANCELLED)
    put(book, second, done_at=book.now + timedelta(days=5))
    with book.store.write() as connection:
        withdrawals.withdraw(connection, [1], "wrong", lambda *_: ("", ""), book.now + timedelta(hours=1))
        gone = public_digests.cancelled(connection, "lantern", 9)
        assert public_digests.cancelled(connection, "lantern", 1) == gone[:1]
        uids = {d: digests.facts(connection, d).uid for d in (first, second)}
    times: list[datetime] = [one.gone_at for one in gone]
    assert [one.uid for one in gone] == [uids[second], uids[first]]
    assert times == [book.now + timedelta(days=5), book.now + timedelta(hours=1, seconds=1)]
