"""A build of feeds is killed at any moment: each file is the old one or the new one, whole, and the next run mends it.

    make faults                    50 kills at random moments, and before 50 of the calls that make files last
    FAULT_KILLS=200 make faults    more of the former

One site, changed before every build: articles come, are revised, corrected and withdrawn. What the files must be is
taken from a copy of the rows that nobody disturbs. The positive control is a writer that opens the file itself in place
of a temporary one: the same trials find halves of files.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

pytestmark = pytest.mark.faults

KILLS = int(os.environ.get("FAULT_KILLS", "50"))
SEED = int(os.environ.get("FAULT_SEED", "20261122"))
CALLS_AT_MOST = max(8, min(60, KILLS))   # of one build that are each its last one

IN_PLACE = """
import os, time
import pipeline.publish.write as write
def put(walk, folders, file, data):
    opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, dir_fd=walk.folder(folders, make=True))
    os.write(opened, data[:len(data) // 2])
    time.sleep(0.002)   # a disk that is busy
    os.write(opened, data[len(data) // 2:])
    os.close(opened)
    walk.changed[folders] = file
    return True
write._put = put
"""

Files = dict[str, bytes]
PressOf = Callable[..., Any]
Tell = Callable[[str, Any], None]
BASE = "https://lantern.example/feeds/"
A = "{http://www.w3.org/2005/Atom}"
PUBLISH = ("-m", "pipeline", "publish")
LASTING = ("fsync", "fdatasync", "rename", "renameat", "renameat2")
ALL_RSS = re.compile(r"/all\W+rss\.xml\.\w{12}\.tmp")   # what is to become all/rss.xml
HOUR_S = 3600


def test_every_file_is_old_or_new_wherever_a_build_is_killed(press_of: PressOf, tell: Tell) -> None:
    press = press_of()
    duration = press.duration
    draw, landed = random.Random(SEED), Counter[str]()
    while landed.total() < KILLS:
        press.change(draw)
        before, right = press.files(), press.reference()
        if not press.kill(draw.uniform(0, duration)):
            assert press.files() == right
            continue
        now = press.files()
        assert wrong(now, before, right) == []
        landed[where(now, before, right)] += 1
        if draw.random() < 0.3:
            continue   # cut off again, with more to tell, before anything was mended
        press.mend()
        assert press.files() == right
        assert lost(press.files(), press.folder) == []
    press.mend()
    tell("kill -9 of a build of feeds", {"points": landed.total(), "found": landed, "broken files": 0})
    assert landed["among the files"] >= KILLS // 5, "too few kills landed where it matters"


def test_control_a_writer_in_place_leaves_halves(press_of: PressOf, tell: Tell) -> None:
    """The same trials and the same eyes, but for the writer."""
    press = press_of(IN_PLACE)
    duration = press.duration
    draw, killed, broken = random.Random(SEED), 0, 0
    for _ in range(max(10, KILLS // 2)):
        press.change(draw)
        before, right = press.files(), press.reference()
        if press.kill(draw.uniform(0, duration)):
            killed += 1
            broken += wrong(press.files(), before, right) != []
        press.mend()
        assert press.files() == right
    tell("control, files written in place", f"{broken} of {killed} kills left a broken file")
    assert broken >= 1


def test_every_file_is_old_or_new_before_each_call_that_makes_it_last(
    press_of: PressOf, program: Callable[..., str], tell: Tell
) -> None:
    """One build, again and again on a copy of the same site, killed on its way into one fsync or rename after the
    other: those of feed files, and those of the database."""
    press = press_of()
    press.change(random.Random(SEED))
    before, right = press.files(), press.reference()
    build = (*press.one, press.now.isoformat())
    strace = Strace(program("strace"), press.environment())
    calls = [call for call in strace.calls(press.copy("traced"), *build) if call[0] in LASTING]
    assert sum(".tmp" in line for _, _, line in calls) > 20
    landed, left = Counter[str](), 0
    for name, number, line in random.Random(SEED).sample(calls, min(CALLS_AT_MOST, len(calls))):
        copy = press.copy(f"{name}-{number}")
        killed = strace.inject(copy, f"{name}:signal=KILL:when={number}", *build)
        assert killed.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), (line, killed)
        now = press.files(copy)
        assert wrong(now, before, right) == [], line
        landed[where(now, before, right)] += 1
        for path in press.temporaries(copy):
            left += 1
            os.utime(path, (time.time() - 2 * HOUR_S,) * 2)
        press.mend_copy(copy)
        assert press.files(copy) == right, line
        assert press.temporaries(copy) == [], "what a kill left two hours ago"
        assert lost(right, copy) == [], line
        shutil.rmtree(copy)
    tell("kill before the calls that make a build of feeds last",
         {"points": landed.total(), "of": len(calls), "found": landed, "temporary files left and swept away": left})
    assert min(landed["among the files"], left) >= 3


def test_a_full_disk_is_named_and_costs_no_file(
    press_of: PressOf, program: Callable[..., str], tell: Tell
) -> None:
    press = press_of()
    press.change(random.Random(SEED))
    before, right = press.files(), press.reference()
    strace = Strace(program("strace"), press.environment())
    calls = strace.calls(press.copy("traced"), *PUBLISH)
    for name in ("write", "fsync", "renameat"):
        number = next(number for call, number, line in calls if call == name and ALL_RSS.search(line))
        copy = press.copy(name)
        ended = strace.inject(copy, f"{name}:error=ENOSPC:when={number}", *PUBLISH)
        said = " ".join(ended.stderr.split())
        assert ended.returncode == 3, ended
        assert f"{name}/feeds/all/rss.xml: can't be written: No space left on device" in said
        assert "the old file is still in place" in said
        now = press.files(copy)
        assert wrong(now, before, right) == []
        assert now["all/rss.xml"] == before["all/rss.xml"] != right["all/rss.xml"]
        assert now["whole/rss.xml"] == right["whole/rss.xml"] != before["whole/rss.xml"], "the other feeds are built"
        assert press.temporaries(copy) == []
        press.mend_copy(copy)
        assert press.files(copy) == right
        assert lost(right, copy) == []
        tell(f"no space for a {name} of a feed file", "named, the old file stays")


# --- what is looked at ---


def wrong(now: Files, before: Files, right: Files) -> list[str]:
    """What a reader could trip over."""
    found = [f"{name} is gone" for name in before.keys() & right.keys() - now.keys()]
    for name, data in now.items():
        if data not in (before.get(name), right.get(name)):
            found.append(f"{name} is neither old nor new")
        elif trouble := unreadable(name, data):
            found.append(f"{name}: {trouble}")
        elif name.endswith(".gz") and gzip.decompress(data) not in (before.get(name[:-3]), right.get(name[:-3])):
            found.append(f"{name} is no twin")
        else:
            found += [f"{name} leads to {other}, which is not there" for other in back(name, data) if other not in now]
    return found


def unreadable(name: str, data: bytes) -> str:
    try:
        if name.endswith((".xml", ".opml")):
            etree.fromstring(data)
        elif name.endswith(".json"):
            json.loads(data)
        elif name.endswith(".html"):
            return "" if data.rstrip().endswith(b"</html>") else "has no end"
        elif name.endswith(".gz"):
            gzip.decompress(data)
    except (ValueError, OSError, EOFError, etree.XMLSyntaxError) as error:
        return str(error) or type(error).__name__
    return ""


def back(name: str, data: bytes) -> Iterator[str]:
    """The document before this one, towards the first articles."""
    if name.endswith(("rss.xml", "atom.xml")):
        for link in etree.fromstring(data).iter(f"{A}link"):
            if link.get("rel") == "prev-archive":
                yield link.get("href", "").removeprefix(BASE)
    elif name.endswith("feed.json") and "next_url" in (document := json.loads(data)):
        yield document["next_url"].removeprefix(BASE)


def where(now: Files, before: Files, right: Files) -> str:
    wanted = {name for name, data in right.items() if data != before.get(name)}
    done = {name for name in wanted if now.get(name) == right[name]}
    if done == wanted:
        return "after the last file"
    return "among the files" if done else "before the first file"


def lost(known: Files, folder: Path) -> list[str]:
    """What of the first feed is not to be had by the links that lead back, or stands in two archives; what is wrong
    with the database."""
    found: list[str] = []
    documents: list[list[int]] = []
    ahead = ["all/atom.xml"]
    while ahead:
        entries = etree.fromstring(known[ahead[0]]).iter(f"{A}entry")
        documents.append([int(entry.findtext(f"{A}id", "").rpartition("-")[2]) for entry in entries])
        ahead = list(back(ahead[0], known[ahead[0]]))
    for numbers in (documents[0], [number for ids in documents[1:] for number in ids]):
        found += [f"{number} is there {count} times" for number, count in Counter(numbers).items() if count > 1]
    there = sum(1 for name in known if re.fullmatch("all/archive/.*/atom.xml", name))
    if len(documents) != there + 1:
        found.append(f"{len(documents) - 1} of {there} archives are to be had")
    with closing(sqlite3.connect(folder / "broadsheet.db")) as rows:
        status = dict(rows.execute("SELECT id, status FROM articles"))
        found += [line for line, in rows.execute("PRAGMA integrity_check") if line != "ok"]
    told = {number for ids in documents for number in ids}
    found += [f"{number} is nowhere" for number in status if status[number] == "accepted" and number not in told]
    return found + [f"there is no {number}" for number in told - status.keys()]


class Strace:
    """Python programs whose system calls are written down, or fail."""

    def __init__(self, program: str, environment: dict[str, str]) -> None:
        self._program, self._environment = program, environment

    def calls(self, folder: Path, *words: str) -> list[tuple[str, int, str]]:
        """(name, which of its kind, the line) of each call by which the program writes, or makes things last."""
        log = folder / "calls"
        self._run(folder, ("-y", "-s", "99", "-o", str(log), "-e", f"trace=write,{','.join(LASTING)}"), words)
        counts, found = Counter[str](), []
        for line in log.read_text().splitlines():
            if call := re.match(r"\d+ +(\w+)\(", line):
                counts[call[1]] += 1
                found.append((call[1], counts[call[1]], line))
        return found

    def inject(self, folder: Path, fault: str, *words: str) -> subprocess.CompletedProcess[str]:
        """A fault as strace has it: "fsync:error=ENOSPC:when=3"."""
        call = fault.partition(":")[0]
        return self._run(folder, ("-o", os.devnull, "-e", f"trace={call}", "-e", f"inject={fault}"), words)

    def _run(self, folder: Path, options: tuple[str, ...], words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        return subprocess.run([self._program, "-f", *options, sys.executable, *words], cwd=folder, check=False,
                              env=self._environment, capture_output=True, text=True, timeout=120)
