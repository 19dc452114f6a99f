"""People: the history says who was in an audience at any past moment, and asking twice changes nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.model.subscribers import SubscriptionStatus
from pipeline.store import ledger, meta, subscribers
from pipeline.store.subscribers import Audience

NAMES = ("ada", "bo", "cy")


def subscription(book, name: str):
    with book.store.read() as connection:
        return subscribers.subscription(connection, book.people[name])


def members(book, schedule: str, seq: int) -> set[int]:
    with book.store.read() as connection:
        return set(subscribers.audience_ids(connection, Audience(book.newsletter, schedule, seq)))


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=st.lists(st.tuples(st.sampled_from(("join", "leave", "switch")), st.sampled_from(NAMES),
                                 st.sampled_from(("daily", "weekly"))), max_size=14))
def test_an_audience_of_any_past_moment(make_book, script: list[tuple[str, str, str]]) -> None:
    book = make_book()
    now: dict[str, tuple[bool, str]] = {}
    moments = [({}, 0)]
    for step, name, schedule in script:
        if step == "join":
            book.join(name, schedule)
            if not now.get(name, (False, ""))[0]:
                now[name] = (True, schedule)
        elif name in now and step == "leave":
            book.leave(name)
            now[name] = (False, now[name][1])
        elif name in now:
            book.switch(name, schedule)
            now[name] = (now[name][0], schedule)
        with book.store.read() as connection:
            moments.append((dict(now), meta.counter(connection, meta.EVENTS)))
    for then, seq in moments:
        for schedule in ("daily", "weekly", ""):
            expected = {book.people[n] for n, (here, on) in then.items() if here and schedule in ("", on)}
            assert members(book, schedule, seq) == expected
    book.store.close()


def test_asking_twice_moves_no_window(book) -> None:
    book.join("ada")
    before = subscription(book, "ada")
    book.accept(3)
    book.now += timedelta(days=1)
    book.join("ada", "weekly")
    assert subscription(book, "ada") == before
    with book.store.read() as connection:
        assert len(subscribers.history(connection, book.people["ada"])) == 1


def test_coming_back_starts_anew(book) -> None:
    """Who left is told nothing of what came while they were away."""
    book.join("ada")
    book.accept(3)
    book.leave("ada")
    assert subscription(book, "ada").status is SubscriptionStatus.UNSUBSCRIBED
    book.accept(2)
    assert book.join("ada", "weekly") == book.people["ada"], "the same subscription: old links keep working"
    back = subscription(book, "ada")
    assert (back.status, back.start_seq, back.schedule) == ("confirmed", 5, "weekly")
    with book.store.read() as connection:
        assert ledger.window_start(connection, back.id) == 5


def test_leaving_twice_is_leaving_once(book) -> None:
    book.join("ada")
    book.leave("ada")
    book.leave("ada")
    with book.store.read() as connection:
        assert [e.kind for e in subscribers.history(connection, book.people["ada"])] == ["confirmed", "unsubscribed"]


def test_a_renamed_schedule_takes_its_people_along_and_the_history_keeps_its_name(book) -> None:
    book.join("ada", "daily")
    book.join("bo", "weekly")
    with book.store.write() as connection:
        seq = meta.counter(connection, meta.EVENTS)
        subscribers.rename_schedule(connection, book.newsletter, "daily", "morning", book.now)
    assert subscription(book, "ada").schedule == "morning"
    assert subscription(book, "bo").schedule == "weekly"
    assert members(book, "daily", seq) == {book.people["ada"]}
    assert members(book, "morning", seq + 1) == {book.people["ada"]}
    assert members(book, "daily", seq + 1) == set()


def test_suppressing_twice_keeps_the_first_reason(book) -> None:
    with book.store.write() as connection:
        subscribers.suppress(connection, "ada@example.org", "complained", book.now)
        subscribers.suppress(connection, "ada@example.org", "other", book.now)
        assert subscribers.suppressed(connection, "ada@example.org") == "complained"


def test_an_address_that_nobody_has(book) -> None:
    with book.store.read() as connection, pytest.raises(UsageError, match="nobody with this address"):
        subscribers.by_address(connection, "nobody@example.org")
