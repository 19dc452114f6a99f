"""People: the history says who was in an audience at any past moment, and asking twice changes nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.model.subscribers import SubscriptionStatus
from pipeline.store import filling, ledger, meta, subscribers, suppressions
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
        suppressions.suppress(connection, "ada@example.org", "complained", book.now)
        suppressions.suppress(connection, "ada@example.org", "other", book.now)
        assert subscribers.suppressed(connection, "ada@example.org") == "complained"


def test_an_address_that_nobody_has(book) -> None:
    with book.store.read() as connection, pytest.raises(UsageError, match="nobody with this address"):
        subscribers.by_address(connection, "nobody@example.org")


# --- topics and language ----------------------------------------------------------------------------------


def events(book, name: str) -> list[tuple[str, str, str, str, str]]:
    with book.store.read() as connection:
        return [(str(e.kind), str(e.status), e.schedule, e.language, e.detail)
                for e in subscribers.history(connection, book.people[name])]


def choose(book, name: str, *, topics: tuple[str, ...] | None = None, language: str | None = None) -> bool:
    with book.store.write() as connection:
        changed = False
        if topics is not None:
            changed |= subscribers.choose_topics(connection, book.people[name], topics, book.now)
        if language is not None:
            changed |= subscribers.choose_language(connection, book.people[name], language, book.now)
    return changed


def test_a_choice_leaves_an_event_only_where_it_changes_something(book) -> None:
    book.join("ada", "weekly")
    book.join("bo")
    assert choose(book, "ada", topics=("tide", "health", "tide"))
    assert subscription(book, "ada").topics == ("health", "tide")
    assert not choose(book, "ada", topics=("health", "tide"), language="")
    assert choose(book, "ada", language="sv")
    assert not choose(book, "ada", language="sv")
    assert choose(book, "ada", topics=())
    assert events(book, "ada") == [
        ("confirmed", "confirmed", "weekly", "", "a test"), ("topics", "confirmed", "weekly", "", "health, tide"),
        ("language", "confirmed", "weekly", "sv", "sv"), ("topics", "confirmed", "weekly", "sv", "")]
    assert (subscription(book, "bo").topics, subscription(book, "bo").language) == ((), "")


def test_a_choice_takes_nobody_out_of_an_audience_or_back_into_one(book) -> None:
    book.join("ada")
    book.join("bo")
    book.leave("bo")
    choose(book, "ada", topics=("tide",), language="sv")
    choose(book, "bo", topics=("tide",), language="sv")
    with book.store.read() as connection:
        seq = meta.counter(connection, meta.EVENTS)
    assert members(book, "daily", seq) == {book.people["ada"]}
    assert subscription(book, "bo").status is SubscriptionStatus.UNSUBSCRIBED
    assert {status for _, status, *_ in events(book, "bo")[-2:]} == {"unsubscribed"}


def test_choices_stay_with_who_comes_back(book) -> None:
    book.join("ada")
    choose(book, "ada", topics=("tide",), language="sv")
    book.join("ada", "weekly")
    book.leave("ada")
    book.join("ada", "weekly")
    back = subscription(book, "ada")
    assert (back.schedule, back.topics, back.language) == ("weekly", ("tide",), "sv")
    assert events(book, "ada")[-1][3] == "sv"


def test_a_fill_knows_what_people_chose(book) -> None:
    book.join("ada")
    book.join("bo")
    choose(book, "ada", topics=("tide", "health"), language="sv")
    with book.store.write() as connection:
        seq = meta.counter(connection, meta.EVENTS)
        ids = sorted(book.people.values())
        batch = filling.Batch(0, 0, book.now, ids[0], ids[-1], 2)
        facts = filling.people(connection, batch, Audience(book.newsletter, "", seq))
    assert [(one.topics, one.language) for one in facts] == [(("health", "tide"), "sv"), ((), "")]
