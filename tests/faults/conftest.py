"""A site whose feeds are built again and again, by processes that can be killed."""

from __future__ import annotations

import json
import os
import random
import re
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from pipeline.app import open_app
from pipeline.collect.identify import make_draft
from pipeline.desk.corrections import correct
from pipeline.jobs.steps import publish_all
from pipeline.model.articles import ArticleStatus, Draft, Found, Show
from pipeline.publish.published import Published
from pipeline.store import articles, sources, withdrawals
from pipeline.store.articles import Acceptance

ROOT = Path(__file__).resolve().parents[2]

CONFIG = """
config_version = 1
[site]
title = "The Lantern"
public_url = "https://lantern.example"
[publish]
compress = ["gzip"]
[[sources]]
slug = "desk"
folder = "articles"
[[feeds]]
slug = "all"
title = "Everything"
per_topic = true
select = { limit = 10 }
[[feeds]]
slug = "city"
title = "The city"
former = ["town"]
select = { topics = ["city"], limit = 10 }
[[feeds]]
slug = "rare"
title = "What is rare"
select = { topics = ["rare"] }
[[feeds]]
slug = "whole"
title = "All there is"
complete = true
"""
TOPICS = ("city", "sea", "hills", "rare")
AT_FIRST = 125   # articles: a dozen archive documents of the first feed

BUILD = """
import sys
from datetime import datetime
from pathlib import Path
from pipeline.app import open_app
from pipeline.jobs.steps import publish_all
def build(clock):
    app = open_app(Path("config.toml"), now=lambda: datetime.fromisoformat(clock))
    return len(publish_all(app).failed)
"""
ONE = BUILD + "sys.exit(build(sys.argv[1]))"
MANY = BUILD + """
import os
print("ready", flush=True)
for clock in sys.stdin:
    child = os.fork()
    if not child:
        os._exit(build(clock.strip()))
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""
"""Each build is a process of its own. They are forked from one that has loaded the program, which takes longer than a
build does."""

TEMPORARY = re.compile(r".*\.[0-9a-f]{12}\.tmp")
Files = dict[str, bytes]


@dataclass
class Press:
    """A site that was built, and what is done to it. `prelude`: what the processes that are killed run first."""

    site: Any
    prelude: str = ""
    one: tuple[str, str] = ("-c", ONE)   # words for Python that make one build; the clock is to follow
    _written: int = 0                    # numbers that articles got
    _builds: subprocess.Popen[str] | None = field(default=None)

    @property
    def folder(self) -> Path:
        folder: Path = self.site.folder
        return folder

    @property
    def now(self) -> datetime:
        now: datetime = self.site.now
        return now

    @cached_property
    def duration(self) -> float:
        """Seconds that an undisturbed build takes. Changes the site."""
        draw, took = random.Random(1), []
        for _ in range(3):
            self.change(draw)
            began = time.perf_counter()
            assert not self.kill(60)
            took.append(time.perf_counter() - began)
        return sorted(took)[1]

    def change(self, draw: random.Random) -> None:
        """By the functions that everybody goes through: new articles, and old ones that are not what they were."""
        self.site.advance(minutes=10)
        self.accept(draw.randint(1, 4), draw)
        app = self.site.app
        with app.store.read() as connection:
            known = [a.id for a in articles.search(connection, status=ArticleStatus.ACCEPTED, limit=10_000)]
        revised, corrected, withdrawn, recent = *draw.sample(known[20:], 3), draw.choice(known[:10])
        with app.store.write() as connection:
            for number in (revised, recent):
                articles.revise(connection, number, self._draft(draw), self.now, changed="words")
            if draw.random() < 0.5:
                withdrawals.withdraw(connection, [withdrawn], "a test", lambda *_: ("", ""), self.now)
        correct(app, corrected, f"It was {draw.random()}.")

    def accept(self, count: int, draw: random.Random) -> None:
        drafts = []
        for _ in range(count):
            self.site.advance(seconds=30)
            drafts.append((self._draft(draw), Acceptance(Show.FULL, mailable=True)))
        with self.site.app.store.write() as connection:
            articles.add(connection, sources.state(connection, "desk").id, drafts, self.now)

    def reference(self) -> Files:
        """What the files of these rows are, built from nothing by somebody whom nobody disturbs."""
        place = self.folder.parent / "reference"
        shutil.rmtree(place, ignore_errors=True)
        (place / "articles").mkdir(parents=True)
        for name in ("config.toml", "broadsheet.key"):
            shutil.copy(self.folder / name, place / name)
        with (closing(sqlite3.connect(self.folder / "broadsheet.db")) as rows,
              closing(sqlite3.connect(place / "broadsheet.db")) as copy):
            rows.backup(copy)
        self.mend_copy(place, everything=True)
        return self.files(place)

    def kill(self, moment: float) -> bool:
        """Start a build and kill it after `moment` seconds; whether it was still running then."""
        if self._builds is None:
            self._builds = subprocess.Popen([sys.executable, "-c", self.prelude + MANY], cwd=self.folder, text=True,
                                            env=self.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            assert self._builds.stdout
            assert self._builds.stdout.readline() == "ready\n"
        assert self._builds.stdin
        assert self._builds.stdout
        print(self.now.isoformat(), file=self._builds.stdin, flush=True)
        process = int(self._builds.stdout.readline())
        if not select.select([self._builds.stdout], [], [], moment)[0]:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        status = int(self._builds.stdout.readline())
        assert status in (0, signal.SIGKILL)
        return status == signal.SIGKILL

    def mend(self) -> Published:
        done = publish_all(self.site.app)
        assert done.failed == {}
        return done

    def copy(self, name: str) -> Path:
        """Of the whole site, by nobody open."""
        self.site.close()
        return Path(shutil.copytree(self.folder, self.folder.parent / name))

    def mend_copy(self, folder: Path, *, everything: bool = False) -> None:
        app = open_app(folder / "config.toml", now=lambda: self.now)
        try:
            assert publish_all(app, everything=everything).failed == {}
        finally:
            app.close()

    def files(self, folder: Path | None = None) -> Files:
        feeds = (folder or self.folder) / "feeds"
        return {path.relative_to(feeds).as_posix(): path.read_bytes() for path in sorted(feeds.rglob("*"))
                if path.is_file() and not TEMPORARY.fullmatch(path.name)}

    def temporaries(self, folder: Path | None = None) -> list[Path]:
        return [path for path in ((folder or self.folder) / "feeds").rglob(".*") if TEMPORARY.fullmatch(path.name)]

    def environment(self) -> dict[str, str]:
        """The program is found in this checkout, whatever folder it is run in, and writes nothing but its own files."""
        return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}

    def close(self) -> None:
        if self._builds is not None:
            self._builds.communicate()
            assert self._builds.returncode == 0

    def _draft(self, draw: random.Random) -> Draft:
        self._written += 1
        number = f"{self._written} {draw.random()}"
        html = "".join(f"<p>Paragraph {part} of {number}: {draw.random()} &amp; more of it.</p>" for part in range(12))
        found = Found(f"Article {number}", html=html, guid=f"g{number}", published_at=self.now,
                      topics=tuple(draw.sample(TOPICS, 2)))
        return make_draft(found, source_url="", now=self.now, show=Show.FULL)


def printed(site: Any) -> None:
    press = Press(site)
    press.accept(AT_FIRST, random.Random(0))
    press.mend()


@pytest.fixture
def press_of(copy_site: Callable[..., Any]) -> Iterator[Callable[..., Press]]:
    """`press_of(prelude)`: four feeds, built once."""
    made: list[Press] = []

    def make(prelude: str = "") -> Press:
        made.append(Press(copy_site(printed, CONFIG), prelude))
        return made[-1]

    yield make
    for press in made:
        press.close()


# --- what is printed at the end ---

SUMMARY = "faults"


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str, Any], None]:
    """`tell(what was done, figures)`: for the summary, also from a process of pytest-xdist. Figures by name, which are
    added up where several tests tell of the same ("most …": the highest counts), or words."""
    def say(what: str, figures: Any) -> None:
        record_property(SUMMARY, json.dumps([what, figures]))

    return say


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [one for kind in ("passed", "failed") for one in terminalreporter.stats.get(kind, [])]
    texts = [text for one in reports if one.when == "call" for name, text in one.user_properties if name == SUMMARY]
    told: dict[str, Any] = {}
    for text in texts:
        what, figures = json.loads(text)
        told[what] = added(told.get(what, {}), figures) if isinstance(figures, dict) else figures
    if told:
        terminalreporter.section("faults")
    for what, figures in sorted(told.items()):
        terminalreporter.write_line(f"{what}: {figures if isinstance(figures, str) else listed(figures)}")


    tried = [figures for what, figures in told.items() if isinstance(figures, dict) and "control" not in what]
    if tried:
        names = ("points", "twice", "lost", "uncertain")
        total = {name: sum(figures.get(name, 0) for figures in tried) for name in names}
        terminalreporter.write_line(f"all of it without the controls: {listed(total)}")


def added(before: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    result = dict(before)
    for name, figure in more.items():
        if name.startswith("most "):
            result[name] = max(figure, before.get(name, 0))
        else:
            result[name] = added(before.get(name, {}), figure) if isinstance(figure, dict) else (
                before.get(name, 0) + figure)
    return result


def listed(figures: dict[str, Any]) -> str:
    return ", ".join(f"{name} ({listed(figure)})" if isinstance(figure, dict) else f"{name} {figure}"
                     for name, figure in figures.items())
