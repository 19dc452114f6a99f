"""What readers could see change is numbered, on each database: whoever changes what a feed shows leaves a newer number
on each article that shows it, those that tell the same story too."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from pipeline.model.articles import Show
from pipeline.model.sources import SourceKind
from pipeline.store import articles, changes, corrections, meta, purge, similar, sources, withdrawals
from pipeline.store.articles import Acceptance
from pipeline.store.chunks import CHUNK
from pipeline.store.schema import articles as table
from pipeline.store.sources import RETITLED, Declared

NORTH = Declared("north", SourceKind.FEED, "https://north.example/", Show.SUMMARY, "The North",
                 public_url="https://north.example/")
LONG = "told at such a length that no two articles could say it by chance, whoever reads or writes them " * 2


def reworded(_digest: int, ids: Sequence[int], more: int) -> tuple[str, str]:
    return f"{len(ids)} and {more}", "other words"


@dataclass
class Wire:
    """Two sources: `north` gave n1, which tells the same story as d1 of `desk`, and n2; `desk` gave d2 too."""

    book: Any
    north: int = 0
    n1: int = 0
    n2: int = 0
    d1: int = 0
    d2: int = 0
    held: int = 0

    def draft(self, title: str, **values: Any) -> Any:
        return self.book.draft(title, topics=("city",), guid=title, **values)

    def add(self, source: int, title: str, *, held: str = "", **values: Any) -> int:
        with self.book.store.write() as connection:
            return articles.add(connection, source, [
                (self.draft(title, **values), Acceptance(Show.SUMMARY, mailable=True, held=held))], self.book.now)[0]

    def names(self, ids: Any) -> set[str]:
        return {name for name in ("n1", "n2", "d1", "d2", "held") if getattr(self, name) in ids}

    def changed_by(self, change: Callable[[Any, Any], object]) -> set[str]:
        """The articles on which one transaction leaves a number; all of them the same, the newest."""
        with self.book.store.write() as connection:
            before = changes.latest(connection)
            change(connection, self)
            latest = changes.latest(connection)
            found = {row.id: row.changed_seq for row in connection.execute(
                select(table.c.id, table.c.changed_seq).where(table.c.changed_seq > before))}
        assert (set(found.values()) == {latest}) if found else True
        return self.names(found)


@pytest.fixture
def wire(book: Any, declare_one: Callable[..., int]) -> Wire:
    made = Wire(book)
    with book.store.write() as connection:
        made.north = declare_one(connection, NORTH, book.now)
    made.n1, made.n2 = made.add(made.north, "n1"), made.add(made.north, "n2")
    made.d1, made.d2 = made.add(book.source, "d1"), made.add(book.source, "d2")
    made.held = made.add(book.source, "held", held="wait")
    with book.store.write() as connection:
        similar.merge(connection, made.n1, made.d1, book.now)
    return made


def _declare(**values: Any) -> Callable[[Any, Wire], None]:
    def change(connection: Any, wire: Wire) -> None:
        desk = Declared("desk", SourceKind.FOLDER, "x")
        sources.declare(connection, [desk, replace(NORTH, **values)], wire.book.now)

    return change


def _poll(*polls: dict[str, Any]) -> Callable[[Any, Wire], None]:
    return lambda connection, wire: sources.record_polls(
        connection, [(wire.north, {"last_polled_at": wire.book.now, **poll}) for poll in polls])


STORY = {"n1", "d1"}
ALL_OF_NORTH = {"n1", "n2", "d1"}

CHANGES: dict[str, tuple[Callable[[Any, Wire], object], set[str]]] = {
    "revised": (lambda c, w: articles.revise(c, w.n1, w.draft("other"), w.book.now), STORY),
    "revised, alone": (lambda c, w: articles.revise(c, w.n2, w.draft("other"), w.book.now), {"n2"}),
    "moved": (lambda c, w: articles.move(c, w.d1, w.draft("d1", url="https://x.example/")), STORY),
    "filed otherwise": (lambda c, w: articles.file_under(c, w.d2, ["sea"]), {"d2"}),
    "released": (lambda c, w: articles.release(c, [w.held, w.n1], w.book.now), {"held"}),
    "nothing held": (lambda c, w: articles.release(c, [w.n1], w.book.now), set()),
    "merged": (lambda c, w: similar.merge(c, w.d2, w.n2, w.book.now), {"n2", "d2"}),
    "merged, whole": (lambda c, w: similar.merge(c, w.d2, w.d1, w.book.now), {"n1", "d1", "d2"}),
    "withdrawn": (lambda c, w: withdrawals.withdraw(c, [w.d1], "", reworded, w.book.now), STORY),
    "withdrawn, held": (lambda c, w: withdrawals.withdraw(c, [w.held], "", reworded, w.book.now), {"held"}),
    "recognised": (lambda c, w: withdrawals.recognise(c, w.d1, guid="g", url_key="u", content_hash="h"), set()),
    "corrected": (lambda c, w: corrections.correct(c, w.n1, "It was May.", w.book.now), STORY),
    "nothing to clear": (lambda c, w: corrections.clear(c, w.n1, w.book.now), set()),
    "taken down": (lambda c, w: purge.purge(c, w.north, "", reworded, w.book.now), ALL_OF_NORTH),
    "shown otherwise": (_declare(show=Show.FULL), ALL_OF_NORTH),
    "called otherwise": (_declare(title="Northern Lights"), ALL_OF_NORTH),
    "elsewhere": (_declare(location="https://n.example/", public_url="https://n.example/"), ALL_OF_NORTH),
    "hidden": (_declare(public_url=""), ALL_OF_NORTH),
    "another slug": (_declare(slug="nord", former=("north",)), ALL_OF_NORTH),
    "another slug, the same place": (_declare(slug="nord"), ALL_OF_NORTH),
    "asked otherwise": (_declare(every=timedelta(hours=2), blocked=True, fingerprint="f"), set()),
    "polled": (_poll({"etag": "x", "title": "The North"}), set()),
    "polled, silent": (_poll({"etag": "x"}), set()),
    "calls itself otherwise": (_poll({"title": "Northern Lights"}), ALL_OF_NORTH),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_a_change_is_a_change_of(wire: Wire, name: str) -> None:
    change, expected = CHANGES[name]
    assert wire.changed_by(change) == expected


def test_a_split_is_a_change_of_both_parts(wire: Wire) -> None:
    with wire.book.store.write() as connection:
        similar.merge(connection, wire.d2, wire.d1, wire.book.now)
        before = changes.latest(connection)
        similar.split(connection, wire.n1, wire.book.now)
        found = {row.id for row in connection.execute(select(table.c.id).where(table.c.changed_seq > before))}
    assert wire.names(found) == {"n1", "d1", "d2"}


def test_a_note_that_is_taken_away(wire: Wire) -> None:
    with wire.book.store.write() as connection:
        corrections.correct(connection, wire.n1, "It was May.", wire.book.now)
    assert wire.changed_by(lambda c, w: corrections.correct(c, w.n1, "It was May.", w.book.now)) == set()
    assert wire.changed_by(lambda c, w: corrections.clear(c, w.n1, w.book.now)) == STORY


def test_a_new_article_is_a_change_of_those_that_told_it_before(wire: Wire) -> None:
    first = wire.add(wire.north, "long", summary=LONG, content_hash="same")
    other = wire.add(wire.book.source, "unlike")
    with wire.book.store.write() as connection:
        before = changes.latest(connection)
    again = wire.add(wire.book.source, "long again", summary=LONG, content_hash="same")
    with wire.book.store.read() as connection:
        found = set(connection.execute(select(table.c.id).where(table.c.changed_seq > before)).scalars())
        assert articles.by_id(connection, again).story == first
        before = changes.latest(connection)
    assert found == {first, again}
    held = wire.add(wire.book.source, "held again", summary=LONG, content_hash="same", held="wait")
    with wire.book.store.read() as connection:
        found = set(connection.execute(select(table.c.id).where(table.c.changed_seq > before)).scalars())
        assert found == {held}, "nobody says yet that it tells it too"
    with wire.book.store.write() as connection:
        before = changes.latest(connection)
        articles.release(connection, [held], wire.book.now)
        found = set(connection.execute(select(table.c.id).where(table.c.changed_seq > before)).scalars())
    assert found == {first, again, held}
    assert other not in found


def test_many_new_ones_have_one_number(wire: Wire) -> None:
    with wire.book.store.write() as connection:
        before = changes.latest(connection)
        ids = articles.add_all(connection, [
            (source, wire.draft(f"new {n}"), Acceptance(Show.FULL, mailable=True, held="wait" if n == 2 else ""))
            for n, source in enumerate((wire.north, wire.book.source, wire.north))], wire.book.now)
        found = dict(connection.execute(select(table.c.id, table.c.changed_seq).where(
            table.c.changed_seq > before)).all())
        assert found == dict.fromkeys(ids, before + 1)
        assert articles.add_all(connection, [], wire.book.now) == []
        assert changes.latest(connection) == before + 1


def test_touching_goes_by_stories(wire: Wire) -> None:
    assert wire.changed_by(lambda c, w: changes.touch(c, [w.d1])) == STORY
    assert wire.changed_by(lambda c, w: changes.touch(c, [w.n1])) == STORY
    assert wire.changed_by(lambda c, w: changes.touch(c, [w.d2, w.n2])) == {"d2", "n2"}
    assert wire.changed_by(lambda c, w: changes.touch_source(c, w.north)) == ALL_OF_NORTH
    with wire.book.store.write() as connection:
        before = changes.latest(connection)
        changes.touch(connection, [])
        assert changes.latest(connection) == before
        changes.touch(connection, [9_999])
        assert changes.latest(connection) == before + 1, "a number may be of nothing"


def test_more_than_one_statement_touches(book: Any) -> None:
    ids = book.accept(CHUNK + 2)
    with book.store.write() as connection:
        before = changes.latest(connection)
        connection.execute(update(table).where(table.c.id == ids[-1]).values(story_id=ids[0]))
        changes.touch(connection, ids[:-1])
        assert set(connection.execute(select(table.c.changed_seq)).scalars()) == {before + 1}


# --- a source that calls itself otherwise ---


def title(wire: Wire) -> str:
    with wire.book.store.read() as connection:
        return sources.state(connection, "north").title


def test_a_source_is_believed_a_new_title_once_a_day(wire: Wire) -> None:
    assert wire.changed_by(_poll({"title": "One"})) == ALL_OF_NORTH
    wire.book.now += RETITLED - timedelta(seconds=1)
    assert wire.changed_by(_poll({"title": "Two", "etag": "kept"})) == set()
    with wire.book.store.read() as connection:
        state = sources.state(connection, "north")
        assert (state.title, state.etag, state.last_polled_at) == ("One", "kept", wire.book.now), "the rest counts"
    assert wire.changed_by(_poll({"title": "One"})) == set()
    wire.book.now += timedelta(seconds=1)
    assert wire.changed_by(_poll({"title": "Two"})) == ALL_OF_NORTH
    assert title(wire) == "Two"
    wire.book.now += timedelta(hours=1)
    assert wire.changed_by(_poll({"title": "Three"})) == set()
    assert title(wire) == "Two"


def test_a_first_title_is_taken_at_once(wire: Wire, declare_one: Callable[..., int]) -> None:
    with wire.book.store.write() as connection:
        bare = declare_one(connection, Declared("bare", SourceKind.FEED, "https://b.example/"), wire.book.now)
        for name in ("First", "Second"):
            sources.record_poll(connection, bare, title=name, last_polled_at=wire.book.now)
        assert sources.state(connection, "bare").title == "First"


# --- numbers and transactions ---


def test_whoever_reads_the_number_sees_all_that_has_it(wire: Wire) -> None:
    """Changes that are made at once wait for each other, so none appears below a number that was read."""
    stop, seen = threading.Event(), []

    def write(article: int) -> None:
        for _ in range(15):
            with wire.book.store.write() as connection:
                changes.touch(connection, [article])

    def read() -> None:
        known: dict[int, int] = {}
        while not stop.is_set():
            with wire.book.store.read() as connection:
                latest = changes.latest(connection)
                rows = dict(connection.execute(select(table.c.id, table.c.changed_seq)).all())
            assert max(rows.values()) == latest
            late = [i for i, number in rows.items() if known and known[i] != number and number <= known[0]]
            seen.append(late)
            known = rows | {0: latest}

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(i,)) for i in (wire.n2, wire.d2, wire.held)]
    reader.start()
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join(30)
    stop.set()
    reader.join(30)
    assert seen
    assert not any(seen)


def test_what_is_undone_leaves_no_number(wire: Wire) -> None:
    with wire.book.store.read() as connection:
        before = changes.latest(connection), meta.counter(connection, meta.ACCEPTED)
    def change() -> None:
        with wire.book.store.write() as connection:
            changes.touch(connection, [wire.n1])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change()
    with wire.book.store.read() as connection:
        assert (changes.latest(connection), meta.counter(connection, meta.ACCEPTED)) == before
