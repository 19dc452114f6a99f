"""All tricks beside fifty good sources, in a process of its own.

The good ones are collected on time, the memory of all processes stays bounded, each bad one has its reason, and those
that go beyond a limit again and again are left alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

GOOD = [f"good-{n}" for n in range(50)]
MOST_MB = 300        # of parent and children together
ON_TIME_S = 20.0     # after the start of a round; a poll is due once an hour
OFFENCES = {"huge", "huge-said", "huge-chunk", "header-flood", "header-endless", "gzip-bomb", "br-bomb", "zstd-bomb",
            "redirects", "million-items", "attributes"}
FEEDS = OFFENCES - {"attributes"}  # which is a page
READ = {"external-dtd", "nested-html", "author", "text-node"}  # what is left of them is read, or they have a reason

CONFIG = """
config_version = 1
[site]
title = "The Lantern"
public_url = "https://lantern.example"
[[feeds]]
slug = "all"
title = "Everything"
"""
SOURCE = """
[[sources]]
slug = "{slug}"
url = "{url}"
kind = "{kind}"
allow_networks = ["127.0.0.1/32"]
"""

# Everything as in the service but for the clock, and the time that a whole fetch may take: 3 s instead of 30.
PROGRAM = """
import json, sys, time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from pipeline import config
from pipeline.app import assemble
from pipeline.collect.stage import collect
from pipeline.jobs.declare import declare
from pipeline.net.fetch import Fetcher, Limits
from pipeline.store import sources

clock = [datetime(2026, 11, 22, 12, 0, tzinfo=UTC)]
app = assemble(config.load(Path("config.toml"), env={}), now=lambda: clock[0])
declare(app.store, app.config, clock[0])
for line in sys.stdin:  # hours to go on
    clock[0] += timedelta(hours=float(line))
    began = time.monotonic()
    fetcher = Fetcher("Broadsheet/test", Limits(total_s=3))
    def told(poll):
        print(json.dumps({"slug": poll.source, "s": time.monotonic() - began, "new": poll.new, "error": poll.error,
                          "notes": poll.notes}), flush=True)
    collect(app.store, app.config, fetcher, app.now, progress=told)
    fetcher.close()
    with app.store.read() as connection:
        standing = {slug: [state.standing, state.standing_reason, state.offences, state.failures]
                    for slug, state in sources.states(connection).items()}
    print(json.dumps({"standing": standing}), flush=True)
app.close()
"""


@dataclass
class Round:
    polls: dict[str, dict[str, Any]] = field(default_factory=dict)
    standing: dict[str, list[Any]] = field(default_factory=dict)


class Service:
    """The program under test, and the memory that it and its children have at most."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", PROGRAM], cwd=folder, text=True, bufsize=1,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.peak_mb = 0.0
        self.shares: dict[str, float] = {}
        self._over = threading.Event()
        self._watching = threading.Thread(target=self._watch)
        self._watching.start()

    def round(self, hours: float) -> Round:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{hours}\n")
        done = Round()
        for line in self.process.stdout:
            said = json.loads(line)
            if "standing" in said:
                done.standing = said["standing"]
                return done
            done.polls[said["slug"]] = said
        raise AssertionError("the program ended")

    def close(self) -> None:
        self._over.set()
        self._watching.join()
        self.process.kill()
        self.process.communicate()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            sizes = {"parent": resident_mb(self.process.pid)}
            sizes |= {f"child {n}": resident_mb(pid) for n, pid in enumerate(children_of(self.process.pid))
                      if is_itself(pid)}
            if sum(sizes.values()) > self.peak_mb:
                self.peak_mb, self.shares = sum(sizes.values()), sizes


def resident_mb(pid: int) -> float:
    """The process's share of memory: what several of them have in common counts once."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0.0


def is_itself(pid: int) -> bool:
    """Between vfork and exec a child is its parent, seen twice."""
    try:
        return b"pipeline.collect.children.child" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def children_of(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in task.read_text().split()]
        except OSError:
            continue
    return found


def good_feed(slug: str) -> bytes:
    words = f"What {slug} tells in one of its articles, and at some length. " * 20
    items = "".join(
        f"<item><guid isPermaLink='false'>{slug}-{n}</guid><title>Article {n} of {slug}</title>"
        f"<link>https://{slug}.example/{n}</link><pubDate>Sun, 22 Nov 2026 {n % 12:02}:00:00 +0000</pubDate>"
        f"<description>&lt;p&gt;{n}: {words}&lt;/p&gt;</description></item>" for n in range(20))
    return f"<?xml version='1.0'?><rss version='2.0'><channel><title>{slug}</title>{items}</channel></rss>".encode()


@pytest.mark.slow
def test_fifty_good_sources_do_not_notice(hostile: Any, quick_folder: Path) -> None:
    bad = [path[1:] for path in hostile.scripts if path not in ("/spy", "/rebinding")]
    assert len(bad) >= 12
    assert set(bad) > OFFENCES | READ
    for slug in GOOD:
        hostile.says(f"/{slug}", good_feed(slug), ETag='"1"')
    # bad ones first: they are asked first
    sources = "".join(SOURCE.format(slug=slug, url=hostile.url(f"/{slug}"),
                                    kind="page" if slug == "attributes" else "feed") for slug in [*bad, *GOOD])
    (quick_folder / "config.toml").write_text(CONFIG + sources)
    service = Service(quick_folder)
    try:
        rounds = [service.round(0), service.round(25), service.round(25)]
        asked = len(hostile.asked)
        rounds.append(service.round(12))
        asked_in_quarantine = hostile.asked[asked:]
        for slug in FEEDS:  # they come to reason
            hostile.says(f"/{slug}", good_feed(slug))
        last = service.round(24)
    finally:
        service.close()

    times = defaultdict(list)
    for n, done in enumerate(rounds[:3]):
        for slug in GOOD:
            poll = done.polls[slug]
            assert poll["error"] == "", poll
            assert poll["new"] == (20 if n == 0 else 0)
            times[n].append(poll["s"])
        for slug in set(bad) - READ:
            assert done.polls[slug]["error"], f"{slug} has no reason"
    spans = ", ".join(f"{max(poll['s'] for poll in done.polls.values()):.1f}" for done in rounds if done.polls)
    print(f"{len(bad)} tricks beside {len(GOOD)} good sources: the last good one after "
          f"{', '.join(f'{max(t):.1f}' for t in times.values())} s; the rounds took "
          f"{spans} s; "
          f"{service.peak_mb:.0f} MB at most: {', '.join(f'{k} {v:.0f}' for k, v in service.shares.items())}")
    assert max(map(max, times.values())) < ON_TIME_S
    assert service.peak_mb < MOST_MB

    for slug in OFFENCES:
        assert [done.standing[slug][0] for done in rounds[:3]] == ["active", "active", "quarantined"], slug
        assert "3 times in a row" in rounds[2].standing[slug][1]
    for slug in FEEDS:
        assert last.polls[slug]["new"] == 20, last.polls[slug]
        assert (last.standing[slug][0], *last.standing[slug][2:]) == ("active", 0, 0)
    for slug in {*bad, *GOOD} - OFFENCES:
        assert rounds[2].standing[slug][0] == "active", slug
    assert not {f"/{slug}" for slug in OFFENCES} & set(asked_in_quarantine)
    assert "/spy" not in hostile.asked
