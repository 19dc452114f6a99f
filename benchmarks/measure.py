"""What every benchmark shares: made-up articles, a site in a folder of its own, medians, and one JSON object.

Figures are medians of runs in one process on one machine; what they are compared with is measured in the same run,
since a figure without a peer says more about the machine than about the program.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline import config
from pipeline.app import App, assemble
from pipeline.audience.subscriptions import Request, add
from pipeline.collect.identify import make_drafts
from pipeline.jobs.declare import declare
from pipeline.model.articles import Found, Show
from pipeline.store import articles, sources
from pipeline.store.articles import Acceptance

NOW = datetime(2026, 6, 1, 6, 0, tzinfo=UTC)

WORDS = (
    "quay lantern ferry harbour tide letter window bread morning winter bridge garden market engine paper signal river "
    "station copper orchard weather pilot rope island lamp printer kettle map voyage archive summer ledger fog bell "
    "crossing anchor baker tower plank gull canal thread notebook å över bår slow early quiet plain crooked distant "
    "the the the the of of of and and a a in to is was it that with on for as by at from which when where who near"
).split()


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line. A smoke run does everything once, on next to nothing."""

    json: bool
    smoke: bool
    full: bool = False    # also what takes many minutes

    def size(self, full: int, smoke: int) -> int:
        return smoke if self.smoke else full

    @property
    def runs(self) -> int:
        return self.size(5, 1)


@dataclass(frozen=True, slots=True)
class Result:
    """`limits` says in words what keeps the figures from being better."""

    figures: Mapping[str, float]
    peers: Mapping[str, float]
    runs: int
    limits: str


def main(name: str, description: str, measure: Callable[[Options], Result]) -> None:
    """Run one benchmark as a script."""
    parser = argparse.ArgumentParser(prog=f"benchmarks/{name}.py", description=description)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--smoke", action="store_true", help="once, on next to nothing: does it run at all?")
    parser.add_argument("--full", action="store_true", help="also what takes many minutes, where there is such a thing")
    asked = parser.parse_args()
    load_before = os.getloadavg()
    started = time.perf_counter()
    result = measure(Options(asked.json, asked.smoke, asked.full))
    figures = {key: _rounded(value) for key, value in result.figures.items()}
    peers = {key: _rounded(value) for key, value in result.peers.items()}
    machine = {"cpus": os.cpu_count(), "python": platform.python_version()}
    load = [_rounded(value) for value in load_before]
    if asked.json:
        print(json.dumps({
            "benchmark": name, "figures": figures, "peers": peers, "runs": result.runs, "load": load,
            "limits": result.limits, "machine": machine, "took_s": _rounded(time.perf_counter() - started),
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }))
        return
    for kind, values in (("figure", figures), ("peer", peers)):
        for key, value in values.items():
            print(f"{kind:7} {key:28} {value:>10}")
    print(f"\nruns {result.runs}, load before {load}, {machine}\nlimits: {result.limits}")


def median_s(runs: int, work: Callable[[], object], *, warm: int = 1) -> float:
    """Seconds that `work` takes: the median of `runs`, after `warm` that do not count."""
    for _ in range(warm):
        work()
    return statistics.median(seconds(work) for _ in range(runs))


def medians_s(runs: int, *works: Callable[[], object], warm: int = 1) -> list[float]:
    """The same for several works taken in turns, so that a busy moment of the machine hits all of them."""
    for work in works * warm:
        work()
    rows = [[seconds(work) for work in works] for _ in range(runs)]
    return [statistics.median(column) for column in zip(*rows, strict=True)]


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def prose(rng: random.Random, words: int) -> str:
    """So many made-up words in sentences."""
    out = []
    while words > 0:
        length = min(words, rng.randint(6, 22))
        out.append(" ".join(rng.choice(WORDS) for _ in range(length)).capitalize() + ".")
        words -= length
    return " ".join(out)


def article_html(rng: random.Random, words: int) -> str:
    """An article as a blog might write it: paragraphs with a link and emphasis, headings, a list, a quotation."""
    parts = []
    while words > 0:
        paragraph = prose(rng, min(words, rng.randint(40, 90)))
        head, _, tail = paragraph.partition(" ")
        parts.append(f'<p>{head} <a href="https://elsewhere.example/{rng.randrange(10**6)}">{rng.choice(WORDS)}</a> '
                     f"<em>{rng.choice(WORDS)}</em> {tail}</p>")
        words -= 80
        kind = rng.randrange(6)
        if kind == 0:
            parts.append(f"<h2>{prose(rng, 4)}</h2>")
        elif kind == 1:
            parts.append("<ul>" + "".join(f"<li>{prose(rng, 8)}</li>" for _ in range(4)) + "</ul>")
        elif kind == 2:
            parts.append(f"<blockquote><p>{prose(rng, 20)}</p></blockquote>")
    return "".join(parts)


def found_articles(count: int, words: int, *, seed: int = 1) -> list[Found]:
    """Articles as a parser would have found them, an hour apart."""
    rng = random.Random(seed)
    return [
        Found(
            title=f"{prose(rng, 6).rstrip('.')} {number}", html=article_html(rng, words),
            guid=f"article-{seed}-{number}", url=f"https://desk.example/{seed}/{number}", author="Ines Holm",
            topics=("quay", "tide"), published_at=NOW - timedelta(hours=number),
        )
        for number in range(count)
    ]


@contextmanager
def folder() -> Iterator[Path]:
    """A folder on the disk that databases live on, not in memory: durable writes are part of what is measured."""
    with tempfile.TemporaryDirectory(prefix="broadsheet-bench-", dir=os.environ.get("BENCH_FOLDER")) as name:
        yield Path(name)


@contextmanager
def site(text: str, place: Path, *, now: datetime = NOW) -> Iterator[App]:
    """An instance over a config, with a clock that stands still."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "articles").mkdir(exist_ok=True)
    (place / "config.toml").write_text(text, encoding="utf-8")
    app = assemble(config.load(place / "config.toml", env={}), now=lambda: now)
    try:
        declare(app.store, app.config, now)
        yield app
    finally:
        app.close()


def accept(app: App, source: str, found: list[Found]) -> None:
    """Let articles in through the door that collecting uses, in one transaction."""
    drafts = make_drafts(found, source_url="", now=NOW, show=Show.FULL)
    with app.store.write() as connection:
        articles.add(connection, sources.state(connection, source).id,
                     [(draft, Acceptance(Show.FULL, mailable=True)) for draft in drafts], NOW)


def subscribe(app: App, newsletter: str, schedule: str, people: int) -> None:
    """So many confirmed readers, whose first window starts at the beginning."""
    with app.store.write() as connection:
        for number in range(people):
            request = Request(f"reader-{number}@people.example", newsletter, schedule, "a benchmark", 0)
            add(connection, request, NOW, revive=False)


def _rounded(value: float) -> float:
    """Four digits or so: what repeats, and no more."""
    return value if isinstance(value, int) else float(f"{value:.4g}")
