"""A store on each database there is, and a small newsletter in it whose ledger a test moves by hand.

SQLite is always there. PostgreSQL joins where BROADSHEET_TEST_POSTGRESQL names a server on which databases may be
made and dropped (test_databases.py says when it does not): postgresql+psycopg://user:password@127.0.0.1/postgres
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

import pytest
from sqlalchemy import create_engine, make_url, select, text, update

from pipeline.compose.fill import DigestFacts, decide_fill
from pipeline.compose.window import decide_reach
from pipeline.model.articles import Draft, Show
from pipeline.model.deliveries import COVERED, LIVE, MOVES, DeliveryState
from pipeline.model.frozen import Arrangement
from pipeline.model.newsletters import DigestStatus
from pipeline.model.selection import Rules, candidate
from pipeline.model.sources import SourceKind
from pipeline.store import (
    articles,
    declared,
    deliveries,
    digests,
    filling,
    ledger,
    meta,
    settling,
    sources,
    subscribers,
)
from pipeline.store.articles import Acceptance
from pipeline.store.engine import Store
from pipeline.store.migrate import migrate
from pipeline.store.schema import batches
from pipeline.store.schema import deliveries as rows
from pipeline.store.sources import Declared
from pipeline.store.subscribers import Audience

START = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
RULES = Rules(limit=500)
SERVER = os.environ.get("BROADSHEET_TEST_POSTGRESQL", "")


class Shelf:
    """SQLite databases for one test after the other: each gets a copy of a migrated, empty file.

    The `Store` objects are used again, under new files: they remember how their statements are compiled, which costs
    more than everything else that these tests do.
    """

    def __init__(self, folder: Path) -> None:
        self.template, self._free = folder / "template.db", []
        store = Store(f"sqlite:///{self.template}")
        migrate(store)
        store.close()  # the last connection folds the write-ahead log into the file

    @contextmanager
    def store(self) -> Iterator[Store]:
        store = self._free.pop() if self._free else Store(f"sqlite:///{self.template.parent / token_hex(4)}.db")
        shutil.copy(self.template, store.path)
        try:
            yield store
        finally:
            store.close()
            for end in ("", "-wal", "-shm"):
                Path(f"{store.path}{end}").unlink(missing_ok=True)
            self._free.append(store)


@pytest.fixture(scope="session")
def shelf() -> Iterator[Shelf]:
    memory = Path("/dev/shm")
    place = memory if memory.is_dir() and os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="broadsheet-test-", dir=place, ignore_cleanup_errors=True) as name:
        yield Shelf(Path(name))


@pytest.fixture(params=["sqlite", *(["postgresql"] if SERVER else [])])
def make_store(request: pytest.FixtureRequest) -> Iterator[Callable[[], Store]]:
    """`make_store()` is one more empty store on the database that this run of the test is about."""
    with ExitStack() as open_stores:
        if request.param == "sqlite":
            shelf = request.getfixturevalue("shelf")
            yield lambda: open_stores.enter_context(shelf.store())
        else:
            yield lambda: open_stores.enter_context(on_postgresql(SERVER))


@contextmanager
def on_postgresql(server: str) -> Iterator[Store]:
    """A database of its own, dropped afterwards."""
    name = f"broadsheet_test_{token_hex(6)}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    store = Store(make_url(server).set(database=name).render_as_string(hide_password=False))
    try:
        migrate(store)
        yield store
    finally:
        store.close()
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name}"))
        engine.dispose()


@pytest.fixture
def store(make_store: Callable[[], Store]) -> Store:
    return make_store()


@dataclass
class Book:
    """One newsletter with its people, articles, digests and ledger. Every change is checked by `snapshot`."""

    store: Store
    newsletter: int
    source: int
    now: datetime = START
    people: dict[str, int] = field(default_factory=dict)  # name -> subscription id
    articles: int = 0
    slots: int = 0

    def join(self, name: str, schedule: str = "daily") -> int:
        with self.store.write() as connection:
            address = f"{name}@example.org"
            who = subscribers.ensure_subscriber(connection, address, address, self.now)
            self.people[name] = subscribers.confirm(
                connection, who, self.newsletter, schedule=schedule, consent="a test", now=self.now)
        return self.people[name]

    def leave(self, name: str) -> None:
        with self.store.write() as connection:
            if subscribers.unsubscribe(connection, self.people[name], self.now, "a test"):
                deliveries.exclude_unsent(connection, self.people[name], "unsubscribed", self.now)

    def switch(self, name: str, schedule: str) -> None:
        with self.store.write() as connection:
            subscribers.switch_schedule(connection, self.people[name], schedule, self.now)

    def accept(self, count: int = 1) -> list[int]:
        with self.store.write() as connection:
            new = []
            for _ in range(count):
                self.articles += 1
                new.append((self.draft(f"Article {self.articles}"), Acceptance(Show.FULL, mailable=True)))
            return articles.add(connection, self.source, new, self.now)

    def draft(self, title: str, **values: object) -> Draft:
        given = {"guid": title, "url": "", "url_key": "", "content_hash": title, "title": title, "author": "",
                 "summary": title, "html": f"<p>{title}</p>", "published_at": self.now, "dated": True,
                 "updated_at": None, "topics": (), "language": "", "rights": ""}
        return Draft(**{**given, **values})

    def freeze(self, schedule: str = "daily", batch: int = 500) -> int:
        """A digest for the people of a schedule ("": everyone), frozen, its batches not filled yet."""
        self.slots += 1
        nominal = f"slot {self.slots}"
        with self.store.write() as connection:
            digest, _ = digests.take_slot(connection, self.newsletter, schedule=schedule or "manual", nominal=nominal,
                                          due_at=self.now, audience=schedule, now=self.now)
            cut = meta.counter(connection, meta.ACCEPTED)
            audience = Audience(self.newsletter, schedule, meta.counter(connection, meta.EVENTS))
            reach = decide_reach(digests.audience_reach(connection, audience), cut)
            chosen = [(a, candidate(a)) for a in articles.accepted_between(connection, reach.from_seq, cut, RULES)]
            parts = filling.parts_of(connection, audience, batch)
            assert digests.change(connection, digest, DigestStatus.FROZEN, from_seq=reach.from_seq, cut_seq=cut,
                                  audience_seq=audience.audience_seq, selected=sum(number for *_, number in parts),
                                  frozen_at=self.now)
            digests.store_content(connection, digest, chosen, {})
            filling.add_batches(connection, digest, self.now, parts)
        return digest

    def fill(self, digest: int = 0, limit: int = 1000) -> None:
        """Give rows to the batches of a digest (0: of each) that have none."""
        with self.store.read() as connection:
            due = [b for b in filling.unfilled(connection, self.now) if digest in (0, b.digest_id)][:limit]
        for one in due:
            with self.store.write() as connection:
                assert filling.lock_batch(connection, one.id)
                facts = digests.facts(connection, one.digest_id)
                about = DigestFacts(
                    facts.from_seq, facts.cut_seq, facts.capped, RULES,
                    [how for _, how in digests.frozen_articles(connection, one.digest_id)],
                    "by a test" if facts.status == DigestStatus.CANCELLED else "")
                audience = Audience(facts.newsletter_id, facts.audience, facts.audience_seq)
                crowds = filling.crowds(connection, one, audience)
                verdicts = [(decide_fill(crowd.facts, about), crowd.ids[1:]) for crowd in crowds]
                selection = digests.ensure_selection(connection, one.digest_id, Arrangement((1,)), more=0, subject="",
                                                     preheader="")
                rows = [v.row(selection if v.selection else 0, others) for v, others in verdicts]
                filling.fill(connection, one, rows, self.now)

    def digest_of_one(self, name: str = "ada") -> tuple[int, int]:
        """(digest, delivery) of one queued delivery to somebody new."""
        self.join(name)
        self.accept()
        digest = self.freeze()
        self.fill(digest)
        return digest, self.delivery(digest, name)["id"]

    def put(self, delivery: int, state: DeliveryState, **values: object) -> None:
        """Force a row into a state, with its batch's counters, as if it had come there in the proper way."""
        row = self.row(delivery)
        values = {"lease": "w.1" if state in ("claimed", "handed", "uncertain") else "",
                  "covered": state in COVERED, **values}
        with self.store.write() as connection:
            connection.execute(update(rows).where(rows.c.id == delivery).values(state=state, **values))
            for name, step in ((row["state"], -1), (str(state), 1)):
                connection.execute(update(batches).where(batches.c.id == row["batch_id"])
                                   .values({name: batches.c[name] + step}))

    def row(self, delivery: int) -> dict:
        with self.store.read() as connection:
            return dict(connection.execute(select(rows).where(rows.c.id == delivery)).mappings().one())

    def delivery(self, digest: int, name: str) -> dict:
        with self.store.read() as connection:
            return dict(connection.execute(select(rows).where(
                rows.c.digest_id == digest, rows.c.subscription_id == self.people[name])).mappings().one())

    def states(self, name: str) -> list[tuple[str, str]]:
        """(state, reason) of a person's deliveries, oldest first."""
        with self.store.read() as connection:
            return [(r.state, r.reason) for r in ledger.of_subscription(connection, self.people[name])]

    def check(self) -> None:
        """The identity, the counters, one open window a person, and no two windows that overlap."""
        with self.store.read() as connection:
            for digest in digests.listed(connection):
                counts = ledger.counts(connection, digest.id)
                assert counts.holds, (digest, counts)
                assert ledger.counter_faults(connection, digest.id) == []
                assert ledger.total_faults(connection, digest.id) == []
            live = [r.subscription_id for r in connection.execute(
                select(rows).where(rows.c.state.in_(sorted(LIVE)), ~rows.c.covered))]
            assert len(live) == len(set(live))
            reached: dict[int, int] = {}
            for row in connection.execute(select(rows).where(rows.c.covered, rows.c.cut_seq > rows.c.from_seq)
                                          .order_by(rows.c.subscription_id, rows.c.cut_seq)):
                assert row.from_seq >= reached.get(row.subscription_id, 0), "an article in two mails to one person"
                reached[row.subscription_id] = row.cut_seq

    def snapshot(self) -> dict[int, dict]:
        with self.store.read() as connection:
            return {r["id"]: dict(r) for r in connection.execute(select(rows)).mappings()}


def check_moves(before: dict[int, dict], after: dict[int, dict]) -> None:
    """Between two snapshots: nothing vanished, every row moved along MOVES, and nothing that was read is unread."""
    for key, old in before.items():
        new = after[key]
        state, target = DeliveryState(old["state"]), DeliveryState(new["state"])
        assert state is target or target in MOVES[state], (old, new)
        assert new["covered"] or not old["covered"], (old, new)
        assert new["covered"] or target not in COVERED, new
        held = target in ("claimed", "handed") or (target == "uncertain" and new["reason"] != settling.LEFT)
        assert (new["lease"] != "") == held, new
    for key in after.keys() - before.keys():
        assert after[key]["state"] in ("queued", "excluded")


def declare_source(connection, wanted: Declared, now: datetime) -> int:
    """Declare it beside those there are, and return its id."""
    known = [Declared(s.slug, s.kind, s.location) for s in sources.states(connection).values() if s.slug != wanted.slug]
    sources.declare(connection, [*known, wanted], now)
    return sources.state(connection, wanted.slug).id


@pytest.fixture
def declare_one() -> Callable[..., int]:
    return declare_source


@pytest.fixture
def make_book(make_store: Callable[[], Store]) -> Callable[[], Book]:
    def make() -> Book:
        store = make_store()
        with store.write() as connection:
            newsletter = declared.ensure_newsletter(connection, "lantern", "The Lantern", (), START)
            source = declare_source(connection, Declared("desk", SourceKind.FOLDER, "x"), START)
        return Book(store, newsletter, source)

    return make


@pytest.fixture
def book(make_book: Callable[[], Book]) -> Book:
    return make_book()


@pytest.fixture
def moved() -> Callable[[dict, dict], None]:
    return check_moves


