"""The clock: APScheduler calls, the rows decide. The only place that knows APScheduler.

It keeps no jobs of its own across starts (memory store), so nothing it forgets or doubles can matter: a call that
comes late, twice or not at all only means that the rows are looked at later, again, or at the next tick.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.interval import IntervalTrigger

from pipeline.app import App
from pipeline.collect.manners.websub import why_no_hubs
from pipeline.config import Config
from pipeline.errors import BroadsheetError
from pipeline.jobs.collecting import collect_due, keep_hubs, wake_pushed
from pipeline.jobs.outgoing import deliver_due, fill_waiting, recover_dead
from pipeline.jobs.report import UNWATCHED, Report, Watch
from pipeline.jobs.returning import read_returns
from pipeline.jobs.sends import compose_due
from pipeline.jobs.slots import job_name
from pipeline.jobs.steps import publish_all
from pipeline.jobs.worker import Worker
from pipeline.schedules import Schedule

POLL = timedelta(seconds=60)
"""How often it is looked which sources are due; each one's own interval decides whether it is asked."""

OUTBOX = timedelta(seconds=15)
"""How often deferred deliveries, stopped mail that may go again, and dead workers are looked for."""


HUBS = timedelta(seconds=60)
"""How often it is looked which hubs are to be asked; a hub that was asked is left alone for a day at least."""

PUSHED = timedelta(seconds=5)
"""How long news that a hub told us of waits to be fetched, at most."""

MOST_HEARD = 5_000
"""Sources polled between two looks at hubs; beyond it all of them are looked at."""


class SlotTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler 3 has no types
    """Fires when a schedule's slot is due, by our own reckoning of zones (`pipeline.schedules`)."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        return self.schedule.next_after(max(previous_fire_time, now) if previous_fire_time else now).due_at


class Clock:
    """The service's background work. `tell` hears every report and every error, in words."""

    def __init__(self, app: App, worker: Worker, tell: Callable[[Report], None], watch: Watch = UNWATCHED) -> None:
        self._app = app
        self._worker = worker
        self._tell = tell
        self._watch = watch
        self._composing = threading.Lock()  # one at a time in this process, and of these
        self._sending = threading.Lock()
        self._collecting = threading.Lock()
        self._stopping = threading.Event()
        self._heard: SimpleQueue[str] = SimpleQueue()  # sources that were polled; what they said of hubs may be new
        self._all_heard = True
        self._scheduler = BackgroundScheduler(
            timezone="UTC", executors={"default": ThreadPoolExecutor(4)},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1})
        self._scheduler.add_job(self._collect, IntervalTrigger(seconds=int(POLL.total_seconds())), id="collect")
        self._scheduler.add_job(self._send, IntervalTrigger(seconds=int(OUTBOX.total_seconds())), id="outbox")
        self._scheduler.add_job(self._keep_hubs, IntervalTrigger(seconds=int(HUBS.total_seconds())), id="hubs")
        if not why_no_hubs(app.config):
            self._scheduler.add_job(self._wake, IntervalTrigger(seconds=PUSHED.total_seconds()), id="pushed")
        if every := returns_every(app.config):
            self._scheduler.add_job(self._read_returns, IntervalTrigger(seconds=every.total_seconds()), id="returns")
        for job, schedule in scheduled(app.config).items():
            self._scheduler.add_job(self._send, SlotTrigger(schedule), id=job)

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        """Finish what is under way and take nothing new."""
        self._stopping.set()
        self._scheduler.shutdown(wait=True)

    def jobs(self) -> dict[str, datetime]:
        """Job -> when it fires next."""
        return {job.id: job.next_run_time for job in self._scheduler.get_jobs()}

    def _collect(self) -> None:
        with self._collecting, self._telling() as report:
            report.polls = collect_due(self._app, watch=self._watch)
            for poll in report.polls:
                self._heard.put(poll.source)
            report.published = publish_all(self._app)

    def _wake(self) -> None:
        """Collect at once where a hub told us of something; a round that is under way is waited for."""
        with self._telling():
            if not self._collecting.locked() and wake_pushed(self._app):
                self._scheduler.modify_job("collect", next_run_time=datetime.now(UTC))

    def _keep_hubs(self) -> None:
        with self._telling():
            heard = {self._heard.get_nowait() for _ in range(self._heard.qsize())}
            everything, self._all_heard = self._all_heard or len(heard) > MOST_HEARD, True
            keep_hubs(self._app, None if everything else heard, lambda: not self._stopping.is_set())
            self._all_heard = False  # and true where an error has cut it short

    def _read_returns(self) -> None:
        with self._telling() as report:
            report.returned = read_returns(self._app, lambda: not self._stopping.is_set())

    def _send(self) -> None:
        """Compose what is due, and send. A send that is under way already takes what was composed along, so that a
        digest for a million holds no other slot up."""
        with self._telling() as report:
            alone = self._sending.acquire(blocking=False)
            try:
                with self._composing:
                    if alone:  # what this very worker has in hand looks like a dead one's
                        report.recovered = recover_dead(self._app, self._worker)
                    compose_due(self._app, self._worker, report, self._watch)
                    if not alone:
                        fill_waiting(self._app)
                if alone:
                    report.delivered = deliver_due(self._app, self._worker, watch=self._watch)
            finally:
                if alone:
                    self._sending.release()

    @contextmanager
    def _telling(self) -> Iterator[Report]:
        """Tell what was done, also where an error cut it short; the next turn tries again."""
        report = Report()
        try:
            yield report
        except BroadsheetError as error:
            report.problems.append(str(error))
        self._tell(report)


def returns_every(config: Config) -> timedelta | None:
    """How often what comes back is read, None where no mailbox is named."""
    returns = config.mail.returns if config.mail is not None else None
    return returns.every if returns is not None and (returns.maildir or returns.imap) else None


def scheduled(config: Config) -> dict[str, Schedule]:
    """job -> its Schedule, for every schedule of every newsletter."""
    return {job_name(n.slug, s.slug): s.times for n in config.newsletters for s in n.schedules}
