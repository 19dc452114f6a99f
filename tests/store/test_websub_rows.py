"""Rows of subscriptions at hubs: which are due, whose hub can be relied on, which pushes nobody has answered yet."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from pipeline.errors import StoreError
from pipeline.model.sources import SourceStanding
from pipeline.store import sources, websub
from pipeline.store.schema import hub_subscriptions
from pipeline.store.sources import Declared
from pipeline.store.websub import HubState

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
HUB, TOPIC = "https://hub.example.org/", "https://paper.example.org/feed"


@pytest.fixture
def slip(store: Any) -> Any:
    """`slip("a", state=…, source=…)` stores a source and its subscription; values are its columns."""
    now = datetime.fromisoformat("2026-11-22T12:00:00+00:00")

    def make(slug: str, source: dict[str, object] | None = None, **values: object) -> int:
        with store.write() as connection:
            known = [state.slug for state in sources.states(connection).values()]
            sources.declare(connection, [Declared(s, "feed", f"https://{s}.example.org/") for s in [*known, slug]], now)
            source_id = sources.state(connection, slug).id
            websub.add(connection, source_id, HUB, TOPIC, f"token-{slug}", "s", now)
            if values:
                websub.change(connection, f"token-{slug}", **values)
            sources.record_poll(connection, source_id, **(source or {"last_polled_at": now}))
        return source_id

    make.now, make.store = now, store
    return make


def test_a_row_says_what_its_source_is(slip: Any) -> None:
    slip("a")
    slip("gone", {"standing": SourceStanding.GONE})
    with slip.store.read() as connection:
        found = websub.find(connection, "token-a")
        assert websub.find(connection, "token-b") is None
        assert websub.of_sources(connection, ["a", "x"]) == {"a": found}
        assert list(websub.of_sources(connection)) == ["a", "gone"]
        assert [row.slug for row in websub.unwanted(connection)] == ["gone"]
        assert not websub.find(connection, "token-gone").wanted
    assert (found.slug, found.hub, found.topic, found.state, found.wanted) == ("a", HUB, TOPIC, HubState.ASKED, True)
    assert (found.requested_at, found.renew_at, found.expires_at) == (slip.now, slip.now, None)


def test_a_source_has_one_at_most(slip: Any) -> None:
    source_id = slip("a")
    with pytest.raises(StoreError), slip.store.write() as connection:
        websub.add(connection, source_id, HUB, TOPIC, "another", "s", slip.now)


def test_due_are_those_whose_time_has_come_and_those_that_kept_silent(slip: Any) -> None:
    later = slip.now + 3 * DAY
    active = {"state": HubState.ACTIVE, "renew_at": later, "last_push_at": slip.now - 2 * DAY,
              "requested_at": slip.now - DAY}
    slip("late", renew_at=slip.now - HOUR)
    slip("later", renew_at=slip.now - 2 * HOUR)
    slip("well", {"last_new_at": slip.now - 2 * DAY + HOUR}, **active)     # within what clocks may be apart
    slip("silent", {"last_new_at": slip.now - DAY}, **active)
    slip("future", {"last_new_at": slip.now + HOUR}, **active)             # a date that is no proof of anything
    slip("asked", {"last_new_at": slip.now - DAY}, **active | {"requested_at": slip.now - DAY + MINUTE})
    slip("waits", renew_at=slip.now + MINUTE)
    with slip.store.read() as connection:
        assert [s.slug for s in websub.due(connection, slip.now, DAY, 9)] == ["later", "late", "silent"]
        assert [s.slug for s in websub.due(connection, slip.now, DAY, 1)] == ["later"]


def test_a_hub_is_relied_on_only_while_it_tells(slip: Any) -> None:
    now = slip.now
    good = {"state": HubState.ACTIVE, "verified_at": now - DAY, "expires_at": now + DAY, "last_push_at": now - HOUR}
    told = slip("told", {"last_new_at": now - HOUR}, **good)
    quiet = slip("quiet", **good)
    slip("untold", {"last_new_at": now}, **good | {"last_push_at": now - 2 * HOUR})
    slip("asked", **good | {"state": HubState.ASKED, "verified_at": None})
    slip("expires", **good | {"expires_at": now})
    slip("expired", **good | {"expires_at": now - DAY})
    slip("granted", **good | {"expires_at": None})
    slip("denied", **good | {"state": HubState.DENIED})
    slip("leaving", **good | {"state": HubState.LEAVING})
    with slip.store.read() as connection:
        assert websub.pushed_sources(connection, now) == {told, quiet}


def test_a_push_is_answered_by_a_poll_that_began_after_it(slip: Any) -> None:
    now = slip.now
    told = slip("told", {"last_polled_at": now, "next_poll_at": now + HOUR}, last_push_at=now)
    slip("polled", {"last_polled_at": now, "next_poll_at": now + HOUR}, last_push_at=now - MINUTE)
    slip("never")
    slip("bad", {"last_polled_at": now, "standing": SourceStanding.QUARANTINED}, last_push_at=now)
    slip("mute", {"last_polled_at": now, "next_poll_at": None}, last_push_at=now)
    with slip.store.read() as connection:
        assert websub.unanswered(connection) == [websub.Unanswered(told, now, now + HOUR)]


def test_a_hub_that_is_down_is_put_off_as_a_whole(slip: Any) -> None:
    until = slip.now + HOUR
    slip("a")
    slip("b", renew_at=slip.now + DAY)
    slip("c", state=HubState.LEAVING)
    slip("d", hub="https://other.example.org/")
    with slip.store.write() as connection:
        websub.put_off(connection, HUB, 3, "it is down", until)
        rows = websub.of_sources(connection)
    assert [(slug, row.attempts) for slug, row in rows.items() if row.renew_at == until] == [("a", 3)]


def test_a_row_goes_with_its_token_and_its_source(slip: Any) -> None:
    slip("a")
    with slip.store.write() as connection:
        websub.remove(connection, "another")
        websub.change(connection, "another", error="x")
        assert websub.find(connection, "token-a").error == ""
        websub.remove(connection, "token-a")
        assert websub.of_sources(connection) == {}
        connection.execute(insert(hub_subscriptions).values(
            source_id=1, token="again", state="asked", requested_at=slip.now, renew_at=slip.now))
        assert websub.find(connection, "again").slug == "a"
