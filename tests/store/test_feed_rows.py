"""Feeds as rows, on each database: what config.toml makes of them, and of whose news a hub has to hear."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from pipeline.errors import StoreError
from pipeline.model.feeds import RSS_FILE
from pipeline.store import engine, feed_versions, feeds, meta
from pipeline.store.chunks import CHUNK
from pipeline.store.engine import Store
from pipeline.store.feeds import FeedState
from pipeline.store.schema import feeds as rows

NOW = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def declare(store: Store, *declared: Any, now: datetime = NOW) -> None:
    """Each a slug, or a slug and its former ones."""
    with store.write() as connection:
        feeds.declare(connection, [(d, ()) if isinstance(d, str) else (d[0], d[1:]) for d in declared], now)


def add_topics(store: Store, slug: str, *topics: tuple[str, str]) -> None:
    with store.write() as connection:
        feeds.add_topics(connection, feeds.state(connection, slug), topics, NOW)


def record(store: Store, slug: str, **values: Any) -> None:
    with store.write() as connection:
        feeds.record(connection, feeds.state(connection, slug).id, **values)


def end(store: Store, *slugs: str) -> None:
    with store.write() as connection:
        feeds.end(connection, [feeds.state(connection, slug).id for slug in slugs], NOW)


def states(store: Store) -> dict[str, FeedState]:
    with store.read() as connection:
        return {state.slug: state for state in feeds.states(connection)}


def uids(store: Store) -> dict[str, str]:
    return {slug: state.uid for slug, state in states(store).items() if state.ended_at is None}


def ended(store: Store) -> set[str]:
    return {slug for slug, state in states(store).items() if state.ended_at is not None}


# --- what is declared ---


def test_a_new_feed_has_built_nothing_yet(store: Store) -> None:
    declare(store, "all", "city")
    one, other = states(store).values()
    assert (one.slug, one.uid, one.parent_id, one.topic) == ("all", "all", None, "")
    assert (one.created_at, one.ended_at, one.updated_at, one.ping_due_at) == (NOW, None, None, None)
    assert (one.selected, one.fingerprint, one.files, one.folders, one.ping_error) == ("", "", {}, [], "")
    assert (one.entries, one.archive_size, one.archived, one.built_seq, one.ping_failures) == (0, 0, 0, 0, 0)
    assert other.id > one.id
    with store.read() as connection:
        assert feeds.state(connection, "city") == other
        assert feeds.state(connection, "none") is None
        assert feeds.states(connection, {other.id}) == [other]
        assert feeds.states(connection, ()) == []


def test_declaring_the_same_changes_nothing(store: Store) -> None:
    declare(store, "all", ("city", "town"))
    add_topics(store, "all", ("python", "python"))
    record(store, "all", selected="rules", fingerprint="f", built_seq=7, folders='["all"]')
    with store.write() as connection:
        meta.put(connection, meta.PUBLISHED, "as it is")
    before = states(store)
    declare(store, ("city", "town"), "all", now=NOW + DAY)
    assert states(store) == before
    with store.read() as connection:
        assert meta.get(connection, meta.PUBLISHED) == "as it is"


@pytest.mark.parametrize("declared", [("all", "new"), (("one", "all"),), ()])
def test_where_feeds_come_or_go_not_everything_is_published(store: Store, declared: Any) -> None:
    declare(store, "all")
    with store.write() as connection:
        meta.put(connection, meta.PUBLISHED, "as it was")
    declare(store, *declared)
    with store.read() as connection:
        assert meta.get(connection, meta.PUBLISHED) == ""


def test_a_renamed_feed_stays_itself_and_so_do_its_topics(store: Store) -> None:
    """Names that a pattern of SQL could take for more than themselves stay apart."""
    declare(store, "a_l", "axl", "a_l-2")
    for slug in ("a_l", "axl", "a_l-2"):
        add_topics(store, slug, ("Topic", "topic"), ("a_l", "a_l"))
    record(store, "a_l", selected="rules", fingerprint="f", built_seq=7, entries=3, folders='["a_l"]')
    before = states(store)
    declare(store, ("every", "older", "a_l"), "axl", "a_l-2", now=NOW + DAY)
    assert uids(store) == {
        "every": "a_l", "every/topic/topic": "a_l/topic/topic", "every/topic/a_l": "a_l/topic/a_l",
        **{slug: slug for first in ("axl", "a_l-2") for slug in (first, f"{first}/topic/topic", f"{first}/topic/a_l")}}
    after = states(store)
    for new, old in (("every", "a_l"), ("every/topic/topic", "a_l/topic/topic")):
        assert after[new] == FeedState(*(new if name == "slug" else getattr(before[old], name)
                                         for name in FeedState.__slots__))
    assert ended(store) == set()


def test_the_first_of_several_former_names_that_there_is(store: Store) -> None:
    declare(store, "one", "two")
    declare(store, ("three", "none", "two", "one"))
    assert (uids(store), ended(store)) == ({"three": "two"}, {"one"})


def test_a_former_name_that_is_another_feed_now_is_left_to_it(store: Store) -> None:
    declare(store, "one")
    declare(store, "one", ("two", "one"))
    assert uids(store) == {"one": "one", "two": "two"}


def test_two_that_claim_one_former_name(store: Store) -> None:
    declare(store, "one")
    declare(store, ("two", "one"), ("three", "one"))
    assert uids(store) == {"two": "one", "three": "three"}


def test_names_move_on_in_one_step(store: Store) -> None:
    """The one whose name is taken over is declared before or after the one that takes it."""
    declare(store, "a", "b")
    declare(store, ("c", "b"), "d")
    assert (uids(store), ended(store)) == ({"c": "b", "d": "d"}, {"a"})
    declare(store, ("d", "c"), ("e", "d"))
    assert uids(store) == {"d": "d"} | {"e": "e"}, "d is there already: its own row, not c's"
    assert ended(store) == {"a", "c"}


def test_a_name_that_is_free_again_gets_an_id_of_its_own(store: Store) -> None:
    declare(store, "a")
    declare(store, ("b", "a"))
    declare(store, ("b", "a"), "a", "a-2")
    assert uids(store) == {"b": "a", "a": "a-2", "a-2": "a-2-2"}
    declare(store, ("c", "a"), "b", "a-2")
    declare(store, "c", "b", "a-2", "a")
    assert uids(store) == {"c": "a-2", "b": "a", "a-2": "a-2-2", "a": "a-3"}


def test_topics_of_a_feed_whose_name_was_another_ones(store: Store) -> None:
    declare(store, "a")
    add_topics(store, "a", ("x", "x"))
    declare(store, ("b", "a"))
    declare(store, "b", "a")
    add_topics(store, "a", ("x", "x"))
    assert uids(store) == {"b": "a", "b/topic/x": "a/topic/x", "a": "a-2", "a/topic/x": "a/topic/x-2"}
    parents = {slug: state.parent_id for slug, state in states(store).items()}
    assert parents["b/topic/x"] == states(store)["b"].id
    assert parents["a/topic/x"] == states(store)["a"].id


# --- ended, and back ---


def test_what_is_not_declared_any_more_has_ended(store: Store) -> None:
    declare(store, "all", "city", "sea")
    add_topics(store, "city", ("x", "x"))
    values = {"selected": "r", "fingerprint": "f", "files": '{"a": 1}', "archived": 10, "archive_size": 10,
              "entries": 11, "folders": '["city"]', "built_seq": 5, "updated_at": NOW, "ping_due_at": NOW,
              "ping_failures": 3, "ping_error": "down"}
    for slug in ("all", "city", "city/topic/x"):
        record(store, slug, **values)
        with store.write() as connection:
            feed_versions.add_version(connection, feeds.state(connection, slug).id, 5, {RSS_FILE: '"x"'}, [1])
    kept = states(store)["all"]
    declare(store, "all", "sea", now=NOW + DAY)
    assert ended(store) == {"city", "city/topic/x"}
    after = states(store)
    assert after["all"] == kept
    for slug in ("city", "city/topic/x"):
        gone = after[slug]
        assert gone.ended_at == NOW + DAY
        assert (gone.selected, gone.fingerprint, gone.files, gone.archived) == ("", "", {}, 0)
        assert (gone.ping_due_at, gone.ping_failures, gone.ping_error) == (None, 0, "")
        assert (gone.entries, gone.folders, gone.updated_at) == (11, ["city"], NOW), "it may come back"
    with store.read() as connection:
        assert [bool(feed_versions.newest_etags(connection, after[s].id)) for s in ("all", "city")] == [True, False]
    declare(store, "all", "sea", now=NOW + 2 * DAY)
    assert states(store) == after, "it ended once"


def test_one_that_comes_back_goes_on_where_it_was(store: Store) -> None:
    declare(store, "all", "city")
    record(store, "city", entries=11, archive_size=10, updated_at=NOW, folders='["city"]')
    declare(store, "all")
    declare(store, "all", "city", now=NOW + DAY)
    back = states(store)["city"]
    assert (back.uid, back.created_at, back.ended_at, back.entries) == ("city", NOW, None, 11)
    assert (back.selected, back.fingerprint) == ("", ""), "and is looked through and built anew"


def test_a_former_name_whose_feed_has_ended_is_no_feed_to_go_on_with(store: Store) -> None:
    declare(store, "a")
    declare(store)
    declare(store, ("b", "a"))
    assert (uids(store), ended(store)) == ({"b": "b"}, {"a"})


def test_a_feed_takes_over_the_name_of_one_that_ended(store: Store) -> None:
    """The ended one gives the name up, and its topics theirs; all of them are known by their ids for good."""
    declare(store, "a", "b")
    for slug in "ab":
        add_topics(store, slug, ("x", "x"))
        record(store, slug, folders=json.dumps([slug]))
    declare(store, "a")
    declare(store, ("b", "a"))
    assert uids(store) == {"b": "a", "b/topic/x": "a/topic/x"}
    old = [state for state in states(store).values() if state.ended_at is not None]
    assert sorted(state.uid for state in old) == ["b", "b/topic/x"]
    assert not any(state.slug.startswith(("a", "b")) for state in old)
    declare(store, ("b", "a"), "a")
    assert uids(store) == {"b": "a", "b/topic/x": "a/topic/x", "a": "a-2"}
    declare(store, "a")
    assert uids(store) == {"a": "a-2"}, "a second one may end under that name"
    declare(store, ("b", "a"))
    assert uids(store) == {"b": "a-2"}


def test_topics_end_and_come_back_on_their_own(store: Store) -> None:
    declare(store, "all")
    add_topics(store, "all", ("x", "x"), ("y", "y"))
    end(store, "all/topic/x")
    assert ended(store) == {"all/topic/x"}
    declare(store, "all")
    assert ended(store) == {"all/topic/x"}, "that is not for config.toml to say"
    with store.write() as connection:
        feeds.revive(connection, [feeds.state(connection, "all/topic/x").id])
        feeds.revive(connection, [])
        feeds.end(connection, [], NOW)
    assert ended(store) == set()


def test_many_end_at_once(store: Store) -> None:
    names = [f"f{number}" for number in range(CHUNK + 1)]
    with store.write() as connection:
        connection.execute(insert(rows), [{"slug": name, "uid": name, "created_at": NOW} for name in names])
        feeds.advance(connection, range(1, CHUNK + 2), 4)
        assert {state.built_seq for state in feeds.states(connection, range(1, CHUNK + 2))} == {4}
    declare(store)
    assert ended(store) == set(names)


def test_what_ended_is_cleared_once(store: Store) -> None:
    declare(store, "all", "city", "bare")
    record(store, "all", files='{"all/rss.xml": 10, "all/atom.xml": 11}', folders='["all"]')
    record(store, "city", files='{"city/rss.xml": 12}', folders='["city", "town"]')
    with store.read() as connection:
        assert feeds.sizes(connection) == {"all/rss.xml": 10, "all/atom.xml": 11, "city/rss.xml": 12}
        assert feeds.to_clear(connection) == []
    declare(store)
    with store.read() as connection:
        assert feeds.sizes(connection) == {}
        assert [state.folders for state in feeds.to_clear(connection)] == [["all"], ["city", "town"]]
    record(store, "all", folders="[]")
    with store.read() as connection:
        assert [state.slug for state in feeds.to_clear(connection)] == ["city"]


def test_what_was_built_further_is_not_put_back(store: Store) -> None:
    declare(store, "a", "b", "c")
    for slug, seq in (("a", 3), ("b", 9)):
        record(store, slug, built_seq=seq)
    with store.write() as connection:
        feeds.advance(connection, [1, 2], 5)
    assert [state.built_seq for state in states(store).values()] == [5, 9, 0]


# --- what a hub has to be told of ---


def pings(store: Store, now: datetime = NOW, limit: int = 9) -> list[str]:
    with store.read() as connection:
        return [state.slug for state in feeds.to_ping(connection, now, now + DAY, limit)]


def test_news_wait_for_their_time(store: Store) -> None:
    declare(store, "now", "later", "told", "wrong", "past")
    for slug, at in (("now", NOW), ("later", NOW + MINUTE), ("wrong", NOW + 2 * DAY), ("past", NOW - DAY)):
        record(store, slug, ping_due_at=at)
    assert pings(store) == ["now", "wrong", "past"], "a wait longer than any is a clock's mistake"
    assert pings(store, limit=2) == ["now", "wrong"]
    assert pings(store, NOW + MINUTE) == ["now", "later", "wrong", "past"]
    assert pings(store, NOW + DAY) == ["now", "later", "past"], "exactly as long as the longest"
    end(store, "now", "wrong")
    assert pings(store) == ["past"]


def test_who_was_told_waits_no_more_unless_there_is_more_news(store: Store) -> None:
    declare(store, "a", "b")
    for slug in "ab":
        record(store, slug, ping_due_at=NOW, ping_failures=2, ping_error="down")
    known = states(store)
    record(store, "b", ping_due_at=NOW + MINUTE)   # built again while its hub was being told
    with store.write() as connection:
        for state in known.values():
            feeds.pinged(connection, state)
    told, newer = states(store).values()
    assert (told.ping_due_at, told.ping_failures, told.ping_error) == (None, 0, "")
    assert (newer.ping_due_at, newer.ping_failures) == (NOW + MINUTE, 2)


# --- one at a time ---

HOLDER = """
import sys
from pipeline.store.engine import Store
with Store(sys.argv[1]).alone("publish"):
    print("mine", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def hold(store: Store) -> Any:
    """`hold()` is another process that does "publish" until its input ends, or it does."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen([sys.executable, "-c", HOLDER, store.url], text=True, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout.readline() == "mine\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_another_process_is_waited_for(
    store: Store, hold: Callable[[], subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it has ended, however it does."""
    holder = hold()
    with monkeypatch.context() as patch:
        patch.setattr(engine, "LONGEST_WAIT_S", 0.05)
        with pytest.raises(StoreError) as caught, store.alone("publish"):
            pass
        assert not caught.value.permanent
        with store.alone("something else"):
            pass
    holder.send_signal(signal.SIGKILL)
    with store.alone("publish"), store.write() as connection:
        meta.put(connection, "a", "1")
    with store.read() as connection:
        assert meta.get(connection, "a") == "1"


def test_threads_take_turns(store: Store) -> None:
    inside: list[str] = []

    def work(name: str) -> None:
        with store.alone("publish"):
            inside.append(name)
            with store.write() as connection:
                meta.put(connection, name, "1")
            inside.append(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inside[::2] == inside[1::2]
    assert sorted(inside[::2]) == list("abcd")


def test_who_fails_lets_the_next_one_in(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "LONGEST_WAIT_S", 0.05)
    for error in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(error), store.alone("publish"):
            raise error
    with store.alone("publish"):
        pass
