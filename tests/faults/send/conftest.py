"""A digest that is ready to go out, processes that send it and can be killed at any call, and a sink that counts."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from pipeline.app import open_app
from pipeline.audience.subscriptions import Request, add
from pipeline.compose.stage import fill_batches
from pipeline.desk.audit import audit
from pipeline.desk.audit import people as people_of
from pipeline.jobs.collecting import collect_due
from pipeline.jobs.declare import declare
from pipeline.jobs.sends import compose_now, parts

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent

CONNECTIONS = 4

CONFIG = """
config_version = 1
[site]
title = "The Lantern"
public_url = "https://lantern.example"
postal_address = false
[[sources]]
slug = "desk"
folder = "articles"
[[newsletters]]
slug = "lantern"
title = "The Lantern"
  [[newsletters.schedules]]
  slug = "daily"
  at = "08:00"
[preflight]
links = false
spam = "off"
[mail]
sender = "The Lantern <news@lantern.example>"
transport = "smtp"
  [mail.smtp]
  host = "127.0.0.1"
  port = PORT
  tls = "none"
  timeout = "5s"
"""
QUICK = "import pipeline.deliver.pace as p; p.FIRST_PAUSE_S = 0.05\n"   # a relay that broke is left alone for a moment

MORE = f"  connections = {CONNECTIONS}\n"


@dataclass
class Sink:
    """The counting mail server, in a process of its own."""

    folder: Path

    def __post_init__(self) -> None:
        self.log = self.folder / "sink.log"
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "sink.py"), str(self.log)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True)
        assert self._process.stdout
        self.port, questions = map(int, self._process.stdout.readline().split())
        self._questions = socket.create_connection(("127.0.0.1", questions))
        self._begin, self._read, self._counted = 0, 0, 0

    def begin(self) -> None:
        """Count from here."""
        self._ask("idle")
        self._begin = self.log.stat().st_size

    def brought(self) -> list[dict[str, Any]]:
        """Every message that came with its dot since `begin`. Waits until nobody is connected."""
        self._ask("idle")
        return self.so_far()

    @property
    def number(self) -> int:
        """Of all messages ever brought, while people are still connected."""
        with self.log.open("rb") as lines:
            lines.seek(self._read)
            new = lines.read()
        self._read, self._counted = self._read + len(new), self._counted + new.count(b"\n")
        return self._counted

    def so_far(self) -> list[dict[str, Any]]:
        with self.log.open("rb") as lines:
            lines.seek(self._begin)
            return [json.loads(line) for line in lines if line.endswith(b"\n")]

    def close(self) -> None:
        self._questions.close()
        self._process.communicate()    # it ends with its standard input

    def _ask(self, question: str) -> None:
        self._questions.settimeout(30)
        self._questions.sendall(question.encode() + b"\n")
        self._questions.recv(100)


@dataclass
class Ended:
    status: int               # as waitpid has it: 9 for one that was killed
    calls: list[str]          # that were watched
    out: str

    @property
    def killed(self) -> bool:
        return self.status == 9


@dataclass
class Ready:
    """A process that has loaded the program (ready.py)."""

    pid: int = 0              # of the fork that works

    def __post_init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        self._process = subprocess.Popen([sys.executable, str(HERE / "ready.py")], text=True, env=environment,
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._heard_of = False

    def start(self, folder: Path, *words: str, prelude: str = "", **job: Any) -> None:
        self._tell({"folder": str(folder), "words": words or ("deliver",), "prelude": QUICK + prelude, **job})
        self.pid = int(self._hear()["started"])

    def stopped(self) -> str | None:
        """The call in front of which it was stopped; None if it ended before."""
        answer = self._hear()
        if "stopped" in answer:
            asleep(self.pid)
            return str(answer["stopped"])
        self._ended = answer
        return None

    def wake(self) -> None:
        os.kill(self.pid, signal.SIGCONT)
        self._tell({"wake": self.pid})

    def end(self) -> Ended:
        answer = self.__dict__.pop("_ended", None) or self._hear()
        return Ended(answer["status"], answer["calls"], answer["out"])

    def run(self, folder: Path, *words: str, **job: Any) -> Ended:
        self.start(folder, *words, **job)
        return self.end()

    def learn(self, modules: Sequence[str]) -> None:
        self._tell({"learn": modules})
        self._hear()

    def close(self) -> None:
        self._process.communicate(timeout=30)    # it ends with its standard input

    def _tell(self, job: dict[str, Any]) -> None:
        if not self._heard_of:
            self._heard_of = True
            self._hear()      # it is ready
        assert self._process.stdin
        print(json.dumps(job), file=self._process.stdin, flush=True)

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the process that runs the commands has ended"
        answer: dict[str, Any] = json.loads(line)
        return answer


@dataclass
class Verdict:
    """What a trial has come to. `wrong` is what no trial may have but duplicates and losses, in words."""

    states: dict[str, str]                 # address -> state
    reasons: dict[str, str]
    twice: list[str]
    lost: list[str]
    wrong: list[str]

    def count(self, state: str) -> int:
        return sum(1 for found in self.states.values() if found == state)

    @property
    def faultless(self) -> bool:
        return not (self.twice or self.lost or self.wrong)


def judge(folder: Path, brought: Sequence[dict[str, Any]], people: Sequence[str]) -> Verdict:
    """Who was mailed twice, who never though the ledger says so or says nothing, and whether the ledger is whole."""
    with closing(sqlite3.connect(folder / "broadsheet.db")) as rows:
        wrong = [line for line, in rows.execute("PRAGMA integrity_check") if line != "ok"]
    app = open_app(folder / "config.toml")
    try:
        found = audit(app, recount=True)
        everybody = list(people_of(app, found.digest))
    finally:
        app.close()
    if not found.holds or found.counts.selected != len(people):
        wrong.append(f"the identity does not hold: {found.counts} {found.faults}")
    states = {person.address: str(person.state) for person in everybody}
    taken = Counter(one["to"] for one in brought if one["taken"])
    ids = Counter(one["id"] for one in brought if one["taken"])
    twice = sorted({one["to"] for one in brought if ids[one["id"]] > 1} | {to for to, n in taken.items() if n > 1})
    lost = [one for one in people if states.get(one) not in ("sent", "uncertain", "failed", "bounced", "excluded")
            or (states[one] == "sent" and not taken[one])]
    for person in everybody:
        if person.state in ("failed", "bounced", "excluded") and not person.reason:
            wrong.append(f"{person.address} is {person.state} without a reason")
        if person.state in ("failed", "bounced", "excluded") and taken[person.address]:
            wrong.append(f"{person.address} is {person.state} ({person.reason}), and was mailed")
    return Verdict(states, {p.address: p.reason for p in everybody}, twice, lost, wrong)


@dataclass
class Stand:
    """A sink, a site whose digest waits for its people, and processes that can run commands on copies of it."""

    template: Path
    people: list[str]
    sink: Sink
    victim: Ready
    modules: list[str] = field(default_factory=list)    # that sending loads
    _copies: int = 0
    _calls: dict[tuple[str, ...], list[str]] = field(default_factory=dict)

    @cached_property
    def second(self) -> Ready:
        """Somebody else, while the victim is not dead."""
        another = Ready()
        another.learn(self.modules)
        return another

    def calls(self, watch: Sequence[str], step: int) -> Iterator[int]:
        """Numbers of the calls at which a fault is tried: each (step 1), or of each kind the first, the last and each
        `step`-th. With step 1 they go on for as long as somebody finds that there are more."""
        names = tuple(watch)
        if names not in self._calls:
            folder = self.fresh()
            self._calls[names] = self.victim.run(folder, watch=names).calls
            self.done(folder)
        found = self._calls[names]
        if step == 1:
            yield from range(1, 2 * len(found))
            return
        places: dict[str, list[int]] = {}
        for number, name in enumerate(found, 1):
            places.setdefault(name, []).append(number)
        yield from sorted({number for of in places.values() for number in (*of[::step], of[-1])})

    def fresh(self) -> Path:
        """A copy of the site; what the sink is brought counts from here."""
        self.sink.begin()
        self._copies += 1
        return Path(shutil.copytree(self.template, self.template.parent / f"trial{self._copies}"))

    def done(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)

    def finish(
        self, folder: Path, *, prelude: str = "", later_s: float = 0.0, rounds: int = 3, by: Ready | None = None,
    ) -> list[Ended]:
        """Start again, later and later, until nobody waits."""
        ends = []
        for number in range(rounds):
            ends.append((by or self.victim).run(folder, prelude=prelude, ahead_s=later_s + 600 * number))
            if not waiting(folder):
                break
        return ends

    def verdict(self, folder: Path) -> Verdict:
        return judge(folder, self.sink.brought(), self.people)


    def locked(self, folder: Path) -> bool:
        """Whether somebody is in the middle of writing."""
        with closing(sqlite3.connect(folder / "broadsheet.db", timeout=0, isolation_level=None)) as rows:
            try:
                rows.execute("BEGIN IMMEDIATE")
                rows.execute("ROLLBACK")
            except sqlite3.OperationalError:
                return True
        return False

    def states(self, folder: Path) -> dict[str, str]:
        """By address; none where the database is being closed."""
        try:
            with closing(sqlite3.connect(folder / "broadsheet.db", timeout=0)) as rows:
                return dict(rows.execute(
                    "SELECT subscribers.address, deliveries.state FROM deliveries JOIN subscriptions ON "
                    "subscriptions.id = subscription_id JOIN subscribers ON subscribers.id = subscriber_id"))
        except sqlite3.OperationalError:
            return {}


def asleep(process: int) -> None:
    """Wait until every thread is stopped."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        threads = Path(f"/proc/{process}/task").glob("*/stat")
        if {one.read_text().rpartition(")")[2].split()[0] for one in threads} <= {"T", "t"}:
            return
        time.sleep(0.001)
    raise AssertionError("it does not stop")


def waiting(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "broadsheet.db")) as rows:
        number: int = rows.execute(
            "SELECT count(*) FROM deliveries WHERE state IN ('queued', 'claimed', 'handed', 'deferred')").fetchone()[0]
    return number


@pytest.fixture(scope="session")
def make_stand(tmp_place: Path, need: Callable[[object, str], None]) -> Iterator[Callable[..., Stand]]:
    """`make_stand(people, keys)`: addresses of those for whom the digest is frozen and filled; keys of [mail.smtp]."""
    need((platform.system(), platform.machine()) == ("Linux", "x86_64"), "calls are traced on Linux and x86_64 only")
    made: dict[object, Stand] = {}

    def make(people: Sequence[str], keys: str = MORE) -> Stand:
        return made.get((tuple(people), keys)) or build(people, keys)

    def build(people: Sequence[str], keys: str) -> Stand:
        place = tmp_place / f"stand{len(made)}"
        (place / "site" / "articles").mkdir(parents=True)
        sink = Sink(place)
        folder = place / "site"
        (folder / "config.toml").write_text(CONFIG.replace("PORT", str(sink.port)) + keys)
        stand = made[tuple(people), keys] = Stand(folder, list(people), sink, Ready())
        prepare(folder, people)
        if learnt := [one.modules for one in made.values() if one.modules]:
            stand.modules = learnt[0]
            stand.victim.learn(stand.modules)
            return stand
        trial = stand.fresh()
        ended = stand.victim.run(trial, modules=True)
        assert "Traceback" not in ended.out, ended.out
        stand.modules = (trial / "modules").read_text().splitlines()
        stand.victim.learn(stand.modules)
        assert ended.status or stand.verdict(trial).faultless
        stand.done(trial)
        return stand

    yield make
    for stand in made.values():
        for part in [stand.victim, stand.sink] + ([stand.second] if "second" in vars(stand) else []):
            with suppress(Exception):
                part.close()


def prepare(folder: Path, people: Sequence[str]) -> None:
    """Articles, subscribers, and a digest that is frozen and filled."""
    for number in range(6):
        words = f"Story {number} goes on for a good while, so that it is unlike the others in what it says. " * 6
        (folder / "articles" / f"{number}.md").write_text(f"# Article number {number}\n\n{words}\n")
    app = open_app(folder / "config.toml")
    try:
        now = datetime.now(UTC)
        declare(app.store, app.config, now)
        assert all(not poll.failed for poll in collect_due(app))
        for start in range(0, len(people), 500):
            with app.store.write() as connection:
                for one in people[start:start + 500]:
                    add(connection, Request(one, "lantern", "daily", "a test", 0), now, revive=True)
        assert compose_now(app, app.config.newsletters[0]).status == "frozen"
        fill_batches(parts(app), app.now())
    finally:
        app.close()


@pytest.fixture(scope="session")
def tmp_place() -> Iterator[Path]:
    """In memory where the system has such a place: what is tested is the order of calls, not the disk."""
    memory = Path("/dev/shm")
    place = memory if memory.is_dir() and os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="broadsheet-faults-", dir=place, ignore_cleanup_errors=True) as name:
        yield Path(name)
