"""A wish is fulfilled in one transaction or not at all, and only for who is there."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.audience.subscriptions import Wish, choose, unsubscribe
from pipeline.store import meta, subscribers


@pytest.fixture
def ada(site: Any) -> int:
    site.subscribe("ada@example.org", "weekly")
    with site.app.store.read() as connection:
        return int(subscribers.by_address(connection, "ada@example.org")[0].id)


def events(site: Any, subscription_id: int) -> list[str]:
    with site.app.store.read() as connection:
        return [str(event.kind) for event in subscribers.history(connection, subscription_id)]


def test_all_of_a_wish_and_nothing_beside_it(site: Any, ada: int) -> None:
    now = choose(site.app.store, ada, Wish("daily", ("b", "a"), "sv"), site.now)
    assert now is not None
    assert (now.schedule, now.topics, now.language) == ("daily", ("a", "b"), "sv")
    now = choose(site.app.store, ada, Wish(topics=()), site.now)
    assert now is not None
    assert (now.schedule, now.topics, now.language) == ("daily", (), "sv")
    assert events(site, ada) == ["confirmed", "schedule", "topics", "language", "topics"]


def test_what_is_so_already_needs_no_writer(site: Any, ada: int) -> None:
    choose(site.app.store, ada, Wish("daily", ("a", "b"), "sv"), site.now)
    with site.app.store.write():
        for wish in (Wish(), Wish("daily"), Wish(topics=("b", "a")), Wish(language="sv")):
            assert choose(site.app.store, ada, wish, site.now) is not None
    assert len(events(site, ada)) == 4


def test_who_has_left_or_never_was_is_not_changed(site: Any, ada: int) -> None:
    unsubscribe(site.app.store, ada, site.now, "a test")
    with site.app.store.read() as connection:
        before = meta.counter(connection, meta.EVENTS)
    left = choose(site.app.store, ada, Wish("daily", ("a",), "sv"), site.now)
    assert left is not None
    assert (left.schedule, left.topics, left.language) == ("weekly", (), "")
    assert choose(site.app.store, 987, Wish("daily"), site.now) is None
    with site.app.store.read() as connection:
        assert meta.counter(connection, meta.EVENTS) == before


def test_a_wish_that_fails_half_way_changes_nothing(site: Any, ada: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscribers, "choose_language", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        choose(site.app.store, ada, Wish("daily", ("a",), "sv"), site.now)
    assert events(site, ada) == ["confirmed"]
