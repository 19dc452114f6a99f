"""How many feeds a second are polled over loopback: for the first time, and again when nothing is new.

    cold_feeds_per_s   fetched through the guard, parsed in a limited process, cleaned, identified, stored durably
    warm_feeds_per_s   asked again with their ETags, all answered 304
    cold_vs_reader     against `reader` 3.26, the library that does most of the same; warm_vs_reader likewise
    cold_vs_floor      against the least that could be called collecting: eight threads with urllib3, fastfeedparser,
                       nh3 and an upsert into SQLite; no guard, no limits, no identity, no revisions

The server gives gzip and ETags. The feeds are real ones where they are there, each copy salted so that none of its
articles is a duplicate.
"""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median

import nh3
from measure import Options, Result, folder, main, seconds, site

import feeds
from pipeline.app import App
from pipeline.collect.stage import collect

try:  # the extra `bench`
    import fastfeedparser
    import urllib3
    from reader import make_reader
except ImportError as error:
    MISSING = error.name
else:
    MISSING = None

FEEDS = 500
THREADS = 8

HEAD = """
config_version = 1
[site]
title = "The Lantern"
public_url = "https://lantern.example"
"""
SOURCE = """
[[sources]]
slug = "feed-{number}"
url = "{address}"
allow_networks = ["127.0.0.0/8"]
"""


def measure(options: Options) -> Result:
    count, runs = options.size(FEEDS, 4), options.size(3, 1)
    bodies = feeds.salted(count)
    times: dict[str, list[float]] = {name: [] for name in ("cold", "warm", "floor", "reader_cold", "reader_warm")}
    with feeds.served(bodies) as port:
        addresses = [feeds.address(number, port) for number in range(count)]
        for run in range(runs):
            with folder() as place:
                text = HEAD + "".join(SOURCE.format(number=n, address=a) for n, a in enumerate(addresses))
                with site(text, place) as app:
                    times["cold"].append(seconds(partial(_poll, app, count, new=True)))
                    times["warm"].append(seconds(partial(_poll, app, count, new=False)))
                if MISSING is None:
                    times["floor"].append(seconds(partial(_floor, place / "floor.db", addresses)))
                if MISSING is None and run == 0:  # once: it takes longer than all the rest
                    _reader(place / "reader.db", addresses, times)
    typical = {name: median(values) for name, values in times.items() if values}
    rates = {f"{name}_feeds_per_s": count / value for name, value in typical.items()}
    figures = {
        "cold_feeds_per_s": rates.pop("cold_feeds_per_s"), "warm_feeds_per_s": rates.pop("warm_feeds_per_s"),
        "feeds": count, "feed_kb": sum(map(len, bodies)) / count / 1e3,
    }
    if MISSING is None:
        figures |= {
            "cold_vs_floor": typical["floor"] / typical["cold"],
            "cold_vs_reader": typical["reader_cold"] / typical["cold"],
            "warm_vs_reader": typical["reader_warm"] / typical["warm"],
        }
    return Result(
        figures, rates, runs,
        limits="cold: cleaning and identifying in two processes, and writing in a third, on two cores that the server "
               "shares; warm: the interpreter, half a millisecond for each connection"
               + (f"; no peers, as {MISSING} is not installed" if MISSING else ""),
    )


def _poll(app: App, count: int, *, new: bool) -> None:
    fetcher = app.fetcher()
    try:
        polls = collect(app.store, app.config, fetcher, app.now, force=True)
    finally:
        fetcher.close()
    right = [p for p in polls if not p.failed and bool(p.new) is new and p.not_modified is not new]
    if len(right) != count:
        wrong = [p for p in polls if p not in right]
        raise AssertionError(f"only {len(right)} of {count} polls did what they should: {wrong[:3]}")


def _floor(path: Path, addresses: Sequence[str]) -> None:
    """Fetch, parse, clean, upsert; one transaction a feed, as durable as ours."""
    database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                           "CREATE TABLE articles (guid TEXT UNIQUE, title TEXT, url TEXT, html TEXT, at TEXT)")
    pool, writing = urllib3.PoolManager(maxsize=THREADS), threading.Lock()

    def one(address: str) -> None:
        body = pool.request("GET", address, headers={"Accept-Encoding": "gzip"}).data
        rows = []
        for entry in fastfeedparser.parse(body).entries:
            content = entry.get("content") or [{}]
            html = content[0].get("value") or entry.get("description") or entry.get("summary") or ""
            rows.append((entry.get("id") or entry.get("link"), entry.get("title"), entry.get("link"), nh3.clean(html),
                         entry.get("published")))
        with writing:
            database.execute("BEGIN IMMEDIATE")
            database.executemany("INSERT INTO articles VALUES (?, ?, ?, ?, ?) ON CONFLICT (guid) DO UPDATE SET "
                                 "title = excluded.title, html = excluded.html", rows)
            database.execute("COMMIT")

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(one, addresses))
    database.close()


def _reader(path: Path, addresses: Sequence[str], times: dict[str, list[float]]) -> None:
    """`reader` with as many workers as it is given threads elsewhere: all new, then all unchanged."""
    peer = make_reader(str(path))
    for address in addresses:
        peer.add_feed(address)
    for name in ("reader_cold", "reader_warm"):
        times[name].append(seconds(lambda: peer.update_feeds(scheduled=False, workers=THREADS)))
    broken = sum(1 for feed in peer.get_feeds(broken=True))
    if broken:
        print(f"reader could not read {broken} of {len(addresses)} feeds", file=sys.stderr)
    peer.close()


if __name__ == "__main__":
    main("collect", (__doc__ or "").splitlines()[0], measure)
