"""What many sources cost: a round in which a hundredth of them has news, and the question which of a million are due.

    round_10k_s, round_1k_s   10,000 and 1,000 sources polled over loopback, 1 % changed, the rest answered 304
    time_10k_vs_1k            time for each source, at 10,000 against 1,000: 1.0 is linear
    memory_mb_10k             the most that the polling process had in memory, without the children that read; in a
                              process of its own, which starts with an empty database
    children_mb               the most that one of those children had
    due_check_ms              the due ones among a million sources, some of which are due
    declare_ms_10k            a start that finds 10,000 declared sources unchanged
"""

from __future__ import annotations

import json
import multiprocessing
import resource
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import collect as one_round
from measure import NOW, Options, Result, folder, main, seconds, site
from sqlalchemy import insert

import feeds
from pipeline.collect.stage import collect
from pipeline.jobs.declare import declare
from pipeline.store import sources
from pipeline.store.engine import Store
from pipeline.store.migrate import migrate
from pipeline.store.schema_collect import sources as table

SOURCES, FEW, CHANGED = 10_000, 1_000, 100  # one in a hundred has news
MILLION, DUE = 1_000_000, 200
ARTICLES = 3


def measure(options: Options) -> Result:
    many, few = options.size(SOURCES, 20), options.size(FEW, 10)
    bodies = [feeds.made_up(n, ARTICLES) for n in range(many)]
    with feeds.served(bodies, changing=CHANGED) as port:
        large, small = _in_a_process(many, port), _in_a_process(few, port)
    with folder() as place:
        due_ms = _due_check(place, options.size(MILLION, 1_000), options.runs)
    return Result(
        figures={
            "round_10k_s": large["round_s"], "round_1k_s": small["round_s"],
            "time_10k_vs_1k": large["round_s"] / many / (small["round_s"] / few), "memory_mb_10k": large["memory_mb"],
            "children_mb": large["children_mb"], "declare_ms_10k": large["declare_ms"], "due_check_ms": due_ms,
            "feeds_per_s_10k": many / large["round_s"],
        },
        peers={}, runs=1,
        limits="the round: connections, half a millisecond of the interpreter each; memory: the configuration and the "
               "states of all sources at once",
    )


def _in_a_process(count: int, port: int) -> dict[str, float]:
    """The figures of one size, from a process that measures nothing else: a peak never goes down again."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_rounds, args=(count, port, there))
    process.start()
    figures: dict[str, float] = json.loads(here.recv())
    process.join(60)
    return figures


def _rounds(count: int, port: int, told: Any) -> None:
    addresses = [feeds.address(number, port) for number in range(count)]
    text = one_round.HEAD + "".join(one_round.SOURCE.format(number=n, address=a) for n, a in enumerate(addresses))
    with folder() as place, site(text, place) as app:
        _poll(app, count)                               # the first time everything is new
        round_s = seconds(partial(_poll, app, count))   # and this time one in a hundred
        declare_s = seconds(lambda: declare(app.store, app.config, app.now()))
        told.send(json.dumps({
            "round_s": round_s, "declare_ms": declare_s * 1e3,
            "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
            "children_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3}))


def _poll(app: Any, count: int) -> None:
    with closing(app.fetcher()) as fetcher:
        polls = collect(app.store, app.config, fetcher, app.now, force=True)
    failed = [poll for poll in polls if poll.failed]
    if failed or len(polls) != count:
        raise AssertionError(f"{len(polls)} of {count} polled, {len(failed)} failed: {failed[:2]}")


def _due_check(place: Path, count: int, runs: int) -> float:
    """Milliseconds to find the due ones among `count` sources."""
    with closing(Store(f"sqlite:///{place}/due.db")) as store:
        migrate(store)
        for start in range(0, count, 50_000):
            rows = [_row(number, count) for number in range(start, min(start + 50_000, count))]
            with store.write() as connection:
                connection.execute(insert(table), rows)

        def check() -> Sequence[object]:
            with store.read() as connection:
                return sources.due(connection, NOW, 1_000)

        if not check():
            raise AssertionError("nothing was due")
        return median(seconds(check) for _ in range(max(runs, 3))) * 1e3


def _row(number: int, count: int) -> dict[str, object]:
    late = number % max(1, count // DUE) == 0
    return {"slug": f"source-{number}", "kind": "auto", "location": f"https://site-{number}.example/feed", "title": "",
            "hints": {}, "created_at": NOW, "next_poll_at": NOW + timedelta(seconds=-1 if late else 60 + number)}


if __name__ == "__main__":
    main("scale", (__doc__ or "").splitlines()[0], measure)
