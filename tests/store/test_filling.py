"""A batch's rows: people who are alike are written at once, and it makes no difference to anybody."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from pipeline.model.deliveries import Crowd
from pipeline.store import filling, ledger, meta, subscribers, suppressions
from pipeline.store.engine import Store
from pipeline.store.schema import deliveries as rows
from pipeline.store.subscribers import Audience

NAMES = tuple(f"reader{number}" for number in range(30))


def filled(book: Any) -> dict[int, tuple[Any, ...]]:
    """What a fill makes of thirty people of several kinds: subscription -> their row, but its id."""
    for number, name in enumerate(NAMES):
        book.join(name)
        if number % 7 == 3:
            with book.store.write() as connection:
                subscribers.choose_topics(connection, book.people[name], ["tide"], book.now)
        if number == 4:
            with book.store.write() as connection:
                suppressions.suppress(connection, f"{name}@example.org", "a complaint", book.now)
    book.accept()
    digest = book.freeze(batch=20)
    with book.store.write() as connection:
        subscribers.unsubscribe(connection, book.people[NAMES[5]], book.now, "by hand")
    book.fill(digest)
    with book.store.read() as connection:
        counts = ledger.counts(connection, digest)
        assert counts.holds
        assert counts.selected == len(NAMES)
        assert ledger.counter_faults(connection, digest) == []
        found = connection.execute(select(rows).where(rows.c.digest_id == digest).order_by(rows.c.subscription_id))
        return {row.subscription_id: tuple(row)[1:] for row in found}


def test_all_at_once_or_one_by_one_is_the_same(
    make_book: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "FEW", 0)      # whoever they are, the database makes their rows
    at_once = filled(make_book())
    monkeypatch.setattr(filling, "FEW", 1_000)
    assert filled(make_book()) == at_once
    assert {row[5] for row in at_once.values()} >= {"", "unsubscribed", "suppressed: a complaint"}


def test_crowds_are_the_people_and_nobody_is_in_two(book: Any) -> None:
    filled(book)
    with book.store.write() as connection:
        audience = Audience(book.newsletter, "", meta.counter(connection, meta.EVENTS))
        batch = filling.Batch(0, 0, book.now, 1, max(book.people.values()), 0)
        crowds = filling.crowds(connection, batch, audience)
        people = filling.people(connection, batch, audience)
    ids = [number for crowd in crowds for number in crowd.ids]
    assert sorted(ids) == sorted(set(ids)) == [person.subscription_id for person in people]
    assert all(crowd.facts.subscription_id == crowd.ids[0] for crowd in crowds)
    with_live = [crowd for crowd in crowds if crowd.facts.live]
    assert with_live
    assert all(len(crowd.ids) == 1 for crowd in with_live)


def test_told_parts_a_crowd() -> None:
    one = Crowd(filling.PersonFacts(1, True, "", 0, 0), (1, 2, 3, 4))
    parted = one.by_told({2: {7: 1}, 4: {7: 1}, 3: {7: 2}})
    assert [(crowd.ids, dict(crowd.facts.told)) for crowd in parted] == [((1,), {}), ((2, 4), {7: 1}), ((3,), {7: 2})]
    assert [crowd.facts.subscription_id for crowd in parted] == [1, 2, 3]


@pytest.mark.parametrize("size", [1, 2, 7, 500])
def test_parts_are_the_audience_in_order(book: Any, size: int) -> None:
    for name in NAMES[:15]:
        book.join(name)
    with book.store.write() as connection:
        subscribers.unsubscribe(connection, book.people[NAMES[3]], book.now, "by hand")
    with book.store.read() as connection:
        audience = Audience(book.newsletter, "", meta.counter(connection, meta.EVENTS))
        ids = list(subscribers.audience_ids(connection, audience))
        parts = filling.parts_of(connection, audience, size)
        assert filling.parts_of(connection, Audience(book.newsletter, "nobody's", 99), size) == []
    cut = [ids[start:start + size] for start in range(0, len(ids), size)]
    assert parts == [(part[0], part[-1], len(part)) for part in cut]


def test_whoever_waits_gets_in_between_two_of_many_transactions(make_store: Callable[[], Store]) -> None:
    """SQLite has no queue: without the pause, and without asking often, one busy thread shuts the other out."""
    store = make_store()
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            with store.write() as connection:
                meta.put(connection, "busy", "1")
                time.sleep(0.05)
            store.let_others()

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        waits = []
        for _ in range(8):
            started = time.monotonic()
            with store.write() as connection:
                waits.append(time.monotonic() - started)
                meta.put(connection, "waits", "1")
            time.sleep(0.01)
    finally:
        stop.set()
        thread.join()
    assert sorted(waits)[len(waits) // 2] < 1.0    # half of them at once; a loaded machine may take its time
