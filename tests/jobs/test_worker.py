"""Who is alive: a lock tells at once on this machine, a heartbeat everywhere, and nobody buries themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from pipeline.jobs.outgoing import recover_dead
from pipeline.jobs.worker import AHEAD, EXPIRES, bury_dead, working
from pipeline.store import deliveries, ledger, runs

PROCESS = """
    import sys
    from datetime import UTC, datetime
    from pathlib import Path
    from pipeline.jobs.worker import working
    from pipeline.store.engine import Store
    folder = Path(sys.argv[1])
    store = Store(f"sqlite:///{folder / 'broadsheet.db'}")
    with working(store, folder, lambda: datetime.fromisoformat(sys.argv[2])) as w:
        print(w.id, flush=True)
        sys.stdin.read()
"""


def opened(site: Any) -> None:
    assert site.app


@pytest.fixture
def site(copy_site: Callable) -> Any:
    return copy_site(opened)


@pytest.fixture
def process(site: Any, root) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """(a real process that works on the site, its worker's id)"""
    running = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROCESS), str(site.folder), site.now.isoformat()], cwd=root,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield running, running.stdout.readline().strip()
    running.kill()
    running.communicate()


def living(site: Any) -> list[str]:
    with site.app.store.read() as connection:
        return [w.id for w in runs.living(connection)]


def bury(site: Any, now=None, **values: str) -> list[str]:
    return bury_dead(site.app.store, site.app.data_folder, now or site.now, **values)


def test_a_process_that_runs_is_alive_and_a_killed_one_is_dead_at_once(site, process) -> None:
    running, worker = process
    assert worker.startswith("w")
    assert bury(site) == []
    assert living(site) == [worker]
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert bury(site) == [worker], "no heartbeat has to expire for that"
    assert bury(site) == []
    assert not list((site.app.data_folder / "locks").glob(f"{worker}*"))


def test_a_process_that_stands_still_is_dead_only_when_its_heartbeat_is_old(site, process) -> None:
    running, worker = process
    os.kill(running.pid, signal.SIGSTOP)
    try:
        assert bury(site, site.now + EXPIRES) == []
        assert bury(site, site.now + EXPIRES + timedelta(seconds=1)) == [worker]
    finally:
        os.kill(running.pid, signal.SIGCONT)


def test_a_process_that_ends_well_leaves_nothing(site, process) -> None:
    running, worker = process
    running.communicate("", timeout=20)
    assert running.returncode == 0
    assert living(site) == []
    assert bury(site) == []
    assert not list((site.app.data_folder / "locks").glob(f"{worker}*"))


@pytest.mark.parametrize(("beat", "dead"), [
    (timedelta(0), False), (-EXPIRES, False), (-EXPIRES - timedelta(seconds=1), True),
    (AHEAD, False), (AHEAD + timedelta(seconds=1), True),
])
def test_on_another_machine_the_heartbeat_decides(site, beat: timedelta, dead: bool) -> None:
    with site.app.store.write() as connection:
        runs.register(connection, "far", process="far", host="another", pid=1, now=site.now + beat)
        runs.enqueue(connection, "send:lantern:daily", site.now, now=site.now)
        runs.start(connection, "send:lantern:daily", site.now, "far", site.now)
    assert bury(site) == (["far"] if dead else [])
    with site.app.store.read() as connection:
        assert len(runs.queued(connection)) == dead, "its run is given back, and only then"


def test_nobody_buries_themselves_after_a_sleep(site) -> None:
    with working(site.app.store, site.app.data_folder, site.app.now) as worker:
        site.advance(hours=9)
        assert bury(site, mine=worker.id) == []
        recover_dead(site.app, worker)
        assert living(site) == [worker.id]


def test_whoever_was_buried_asleep_is_alive_again_with_the_next_beat(site) -> None:
    with working(site.app.store, site.app.data_folder, site.app.now) as worker:
        site.advance(hours=9)
        assert bury(site) == [worker.id]
        with site.app.store.write() as connection:
            runs.beat(connection, worker.id, site.now)
        assert living(site) == [worker.id]
        assert bury(site) == []
    assert living(site) == []


def test_two_workers_in_one_process_are_both_alive(site) -> None:
    with (working(site.app.store, site.app.data_folder, site.app.now) as one,
          working(site.app.store, site.app.data_folder, site.app.now) as two):
        assert bury(site) == []
        assert sorted(living(site)) == sorted([one.id, two.id])


def test_a_database_that_is_busy_is_no_death(site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The heartbeat goes on after a beat that failed."""
    from pipeline.errors import StoreError

    beats: list[int] = []

    def beat(*_: object) -> None:
        beats.append(1)
        if len(beats) == 1:
            raise StoreError("site.db", "locked", permanent=False)

    monkeypatch.setattr("pipeline.jobs.worker.BEAT", timedelta(milliseconds=5))
    monkeypatch.setattr("pipeline.jobs.worker.runs.beat", beat)
    with working(site.app.store, site.app.data_folder, site.app.now):
        import time

        for _ in range(400):
            if len(beats) > 2:
                break
            time.sleep(0.005)
    assert len(beats) > 2


def composed(site: Any) -> None:
    from pipeline.compose.stage import fill_batches
    from pipeline.jobs.sends import compose_now, parts

    for name in ("ada", "bo", "cy"):
        site.subscribe(f"{name}@example.org")
    site.accept(["Article one"])
    compose_now(site.app, site.app.config.newsletters[0])
    fill_batches(parts(site.app), site.now)


def claim(site: Any, lease: str, hand: bool = False) -> None:
    with site.app.store.write() as connection:
        one = deliveries.claim(connection, lease, site.now, 1)
        if hand:
            deliveries.hand_over(connection, [c.id for c in one], lease, site.now)


def states(site: Any) -> list[str]:
    (digest,) = site.digests()
    with site.app.store.read() as connection:
        return [row.state for row in ledger.each(connection, digest.id)]


@pytest.mark.parametrize("buried", [True, False])
def test_deliveries_of_the_dead_are_taken_up_even_if_the_first_to_do_so_died_of_it(
    copy_site: Callable, buried: bool
) -> None:
    """A recovery that was killed half-way: the worker is declared ended, and its deliveries are still in its hands."""
    site = copy_site(composed)
    with site.app.store.write() as connection:
        runs.register(connection, "dead", process="dead", host="another", pid=1, now=site.now - timedelta(days=1))
        if buried:
            runs.end(connection, "dead", site.now)
    claim(site, "dead.1")
    claim(site, "dead.1", hand=True)
    with working(site.app.store, site.app.data_folder, site.app.now) as worker:
        recover_dead(site.app, worker)
    assert states(site) == ["queued", "uncertain", "queued"]


def test_deliveries_of_the_living_are_left_in_their_hands(copy_site: Callable) -> None:
    site = copy_site(composed)
    with site.app.store.write() as connection:
        runs.register(connection, "far", process="far", host="another", pid=1, now=site.now)
    claim(site, "far.1", hand=True)
    with working(site.app.store, site.app.data_folder, site.app.now) as worker:
        claim(site, f"{worker.id}.broken")
        assert recover_dead(site.app, worker) == {"queued": 1}, "what a call of its own left behind"
    assert states(site) == ["handed", "queued", "queued"]
