"""A newsletter with a million readers: people by the million, their ledger, and a send of a part of it.

Each size is a process of its own, since a peak of memory never goes down again; who sends is another one, that has
built nothing.
"""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from measure import NOW, accept, found_articles, seconds, site
from sender import peak_mb
from sqlalchemy import insert

from pipeline.app import App
from pipeline.compose.stage import compose, fill_batches
from pipeline.jobs.sends import parts
from pipeline.model.newsletters import MANUAL
from pipeline.model.runs import Slot
from pipeline.store import declared, meta
from pipeline.store.engine import Store
from pipeline.store.schema import subscribers, subscription_events, subscriptions

AT_ONCE = 20_000
LOOK_S = 0.01      # between two writes of the one who waits


def people(app: App, count: int) -> None:
    """So many confirmed readers, written as they would be but a thousand times faster."""
    with app.store.read() as connection:
        newsletter = declared.newsletter_id(connection, "lantern")
    for start in range(1, count + 1, AT_ONCE):
        ids = range(start, min(start + AT_ONCE, count + 1))
        with app.store.write() as connection:
            connection.execute(insert(subscribers), [
                {"id": n, "address": f"reader-{n}@people.example", "address_key": f"reader-{n}@people.example",
                 "created_at": NOW} for n in ids])
            connection.execute(insert(subscriptions), [
                {"id": n, "subscriber_id": n, "newsletter_id": newsletter, "status": "confirmed", "schedule": "daily",
                 "topics": [], "consent": "a benchmark", "start_seq": 0, "created_at": NOW, "confirmed_at": NOW}
                for n in ids])
            first = meta.take(connection, meta.EVENTS, len(ids))
            connection.execute(insert(subscription_events), [
                {"seq": first + place, "subscription_id": n, "newsletter_id": newsletter, "at": NOW,
                 "kind": "confirmed", "status": "confirmed", "schedule": "daily"} for place, n in enumerate(ids)])


def build(config: str, place: Path, count: int, articles: int, words: int) -> dict[str, float]:
    """A site with so many readers and a digest for all of them, frozen, with its ledger: seconds and memory of it."""
    return _apart(_build, config, str(place), count, articles, words)


def send(config: str, place: Path, most: int) -> dict[str, float]:
    """Send so many of what is due (0: everything) in a process of its own: see `sender`."""
    (place / "config.toml").write_text(config, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("sender.py")), str(place / "config.toml"), NOW.isoformat(),
         str(most)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(done.stderr)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def _apart(work: Callable[..., None], *args: Any) -> dict[str, float]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(there, *args))
    process.start()
    there.close()
    try:
        figures: dict[str, float] = json.loads(here.recv())
    except EOFError as error:
        raise AssertionError(f"{work.__name__} of {args[1:]} ended without a figure") from error
    finally:
        process.join(60)
    return figures


def _build(told: Any, config: str, place: str, count: int, articles: int, words: int) -> None:
    with site(config, Path(place)) as app:
        accept(app, "desk", found_articles(articles, words))
        people(app, count)
        waits, over = multiprocessing.get_context("spawn").Pipe(duplex=False)
        stop = multiprocessing.get_context("spawn").Event()
        other = multiprocessing.get_context("spawn").Process(target=_write, args=(over, stop, app.store.url))
        other.start()
        if waits.recv() != "ready":
            raise AssertionError("nobody else writes")
        freeze_s = seconds(lambda: compose(
            parts(app), app.config.newsletter("lantern"), Slot(MANUAL, "benchmark", NOW), audience="", now=NOW))
        fill_s = seconds(lambda: fill_batches(parts(app), NOW))
        stop.set()
        longest = float(waits.recv())
        other.join(30)
    told.send(json.dumps({"freeze_s": freeze_s, "fill_s": fill_s, "longest_wait_ms": longest * 1e3,
                          "peak_mb": peak_mb()}))


def _write(over: Any, stop: Any, url: str) -> None:
    """Somebody else who writes, all the time: the longest that they had to wait for their turn."""
    longest = 0.0
    with closing(Store(url)) as store:
        with store.write() as connection:
            meta.put(connection, "benchmark", "0")
        over.send("ready")
        while not stop.wait(LOOK_S):
            started = time.perf_counter()
            with store.write() as connection:
                longest = max(longest, time.perf_counter() - started)
                meta.put(connection, "benchmark", "1")
    over.send(longest)
