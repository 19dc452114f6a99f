"""`broadsheet once` is killed at any moment, then run again: each subscriber has the digest exactly once.

    make faults                    50 kills at random moments
    FAULT_KILLS=200 make faults    more of them

Each trial is a fresh site. Half of the moments are drawn over the whole duration of an undisturbed run; the others are
counted in mails that are out, so they land among them however busy the machine is. The positive control runs the same
trials against a variant that forgets to settle what a dead process had handed over, and must find people without their
digest.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.faults

KILLS = int(os.environ.get("FAULT_KILLS", "50"))
PEOPLE = 150
SEED = int(os.environ.get("FAULT_SEED", "20261122"))

CONFIG = """
config_version = 1
[site]
title = "The Lantern"
public_url = "http://127.0.0.1:8000"
demo = true
[[sources]]
slug = "desk"
folder = "articles"
[[feeds]]
slug = "all"
title = "Everything"
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
"""


@pytest.fixture(scope="module")
def fresh() -> Iterator[Path]:
    """A site with people and articles, and nothing sent: each trial works on a copy."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "fresh"
        (folder / "articles").mkdir(parents=True)
        (folder / "config.toml").write_text(CONFIG)
        for number in range(8):
            words = f"Story {number} goes on for a good while, so that it is unlike the others in what it says. " * 4
            (folder / "articles" / f"{number}.md").write_text(f"# Article number {number}\n\n{words}\n")
        people = "address\n" + "".join(f"reader{n}@example.org\n" for n in range(PEOPLE))
        (folder / "people.csv").write_text(people)
        done = broadsheet(folder, "subscribers", "import", "people.csv", "--newsletter", "lantern",
                          "--consent", "a fault test")
        assert done.returncode == 0, done.stderr
        yield folder


def test_kill_anywhere_and_run_again(fresh: Path, tell: Callable[[str, Any], None]) -> None:
    duration = undisturbed(fresh)
    draw = random.Random(SEED)
    landed: Counter[str] = Counter()
    for trial in range(KILLS):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(shutil.copytree(fresh, Path(name) / "site"))
            ready = after(draw.uniform(0.0, duration)) if trial % 2 else after_mails(folder, draw.randint(1, PEOPLE))
            while kill_once(folder, ready):
                landed[where(folder)] += 1
                ready = after(draw.uniform(0.0, duration) if draw.random() < 0.3 else duration * 10)  # sometimes again
            assert broadsheet(folder, "once").returncode == 0
            received = mails(folder)
            assert set(received) == {f"reader{n}@example.org" for n in range(PEOPLE)} | {"reader@lantern.example"}
            assert set(received.values()) == {1}, f"twice: {[a for a, n in received.items() if n > 1]}"
            audit = broadsheet(folder, "audit", "latest", "--json")
            assert audit.returncode == 0, audit.stdout + audit.stderr
            assert json.loads(audit.stdout)["holds"] is True
    tell("kill -9 of `once`, by Maildir",
         {"points": landed.total(), "trials": KILLS, "found": landed, "twice": 0, "lost": 0})
    assert landed["while mail went out"] >= KILLS // 10, "too few kills landed where it matters"


def test_the_check_finds_what_is_not_settled(fresh: Path, tell: Callable[[str, Any], None]) -> None:
    """Positive control: with recovery taken out, the same trials leave people without their digest."""
    draw = random.Random(SEED)
    short = 0
    trials = max(8, KILLS // 5)
    for _ in range(trials):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(shutil.copytree(fresh, Path(name) / "site"))
            kill_once(folder, after_mails(folder, draw.randint(1, PEOPLE)))
            broken = ("import pipeline.jobs.steps as s; s.recover_dead = lambda *_: {}; "
                      "from pipeline.__main__ import main; main()")
            subprocess.run([sys.executable, "-c", broken, "once"], cwd=folder, capture_output=True, check=False,
                           env=environment())
            short += len(mails(folder)) < PEOPLE + 1
    tell("control, without recovery", f"{short} of {trials} trials left somebody out")
    assert short > 0


def broadsheet(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "pipeline", *words], cwd=folder, capture_output=True, text=True,
                          check=False, env=environment(), timeout=120)


def after(seconds: float) -> Callable[[], bool]:
    until = time.monotonic() + seconds
    return lambda: time.monotonic() >= until


def after_mails(folder: Path, number: int) -> Callable[[], bool]:
    new = folder / "mailbox" / "new"
    return lambda: new.is_dir() and sum(1 for _ in new.iterdir()) >= number


def kill_once(folder: Path, ready: Callable[[], bool]) -> bool:
    """Start `once` and kill it as soon as `ready` says so; whether it was still running then."""
    process = subprocess.Popen([sys.executable, "-m", "pipeline", "once"], cwd=folder, env=environment(),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        if ready():
            process.kill()
            process.wait()
            return True
        time.sleep(0.001)
    return False


def undisturbed(fresh: Path) -> float:
    """Seconds that a run takes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(shutil.copytree(fresh, Path(name) / "site"))
        began = time.time()
        assert broadsheet(folder, "once").returncode == 0
        duration = time.time() - began
        assert set(mails(folder).values()) == {1}
    return duration


def where(folder: Path) -> str:
    number = len(mails(folder))
    if number == PEOPLE + 1:
        return "after the last mail"
    if number:
        return "while mail went out"
    return "before the first mail" if (folder / "broadsheet.db").exists() else "before the database"


def mails(folder: Path) -> Counter[str]:
    new = folder / "mailbox" / "new"
    files = list(new.iterdir()) if new.is_dir() else []
    return Counter(str(message_from_bytes(path.read_bytes())["To"]) for path in files)


def environment() -> dict[str, str]:
    """The program is found in this checkout, whatever folder it is run in."""
    root = str(Path(__file__).resolve().parents[2])
    return {**os.environ, "PYTHONPATH": root}
