"""The clock: APScheduler calls, the rows decide. The only place that knows APScheduler.

It keeps no jobs of its own across starts (memory store), so nothing it forgets or doubles can matter: a call that
comes late, twice or not at all only means that the rows are looked at later, again, or at the next tick.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.interval import IntervalTrigger

from pipeline.app import App
from pipeline.config import Config
from pipeline.errors import BroadsheetError
from pipeline.jobs.slots import job_name
from pipeline.jobs.steps import (
    UNWATCHED,
    Report,
    Watch,
    collect_due,
    compose_due,
    deliver_due,
    publish_all,
    recover_dead,
)
from pipeline.jobs.worker import Worker
from pipeline.schedules import Schedule

POLL = timedelta(seconds=60)
"""How often it is looked which sources are due; each one's own interval decides whether it is asked."""

OUTBOX = timedelta(seconds=15)
"""How often deferred deliveries, stopped mail that may go again, and dead workers are looked for."""


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
        self._mail = threading.Lock()  # one composing and sending at a time in this process
        self._scheduler = BackgroundScheduler(
            timezone="UTC", executors={"default": ThreadPoolExecutor(4)},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1})
        self._scheduler.add_job(self._collect, IntervalTrigger(seconds=int(POLL.total_seconds())), id="collect")
        self._scheduler.add_job(self._send, IntervalTrigger(seconds=int(OUTBOX.total_seconds())), id="outbox")
        for job, schedule in scheduled(app.config).items():
            self._scheduler.add_job(self._send, SlotTrigger(schedule), id=job)

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        """Finish what is under way and take nothing new."""
        self._scheduler.shutdown(wait=True)

    def jobs(self) -> dict[str, datetime]:
        """Job -> when it fires next."""
        return {job.id: job.next_run_time for job in self._scheduler.get_jobs()}

    def _collect(self) -> None:
        with self._telling() as report:
            report.polls = collect_due(self._app, watch=self._watch)
            report.published = publish_all(self._app)

    def _send(self) -> None:
        with self._mail, self._telling() as report:
            report.recovered = recover_dead(self._app, self._worker)
            compose_due(self._app, self._worker, report, self._watch)
            report.delivered = deliver_due(self._app, self._worker, watch=self._watch)

    @contextmanager
    def _telling(self) -> Iterator[Report]:
        """Tell what was done, also where an error cut it short; the next turn tries again."""
        report = Report()
        try:
            yield report
        except BroadsheetError as error:
            report.problems.append(str(error))
        self._tell(report)


def scheduled(config: Config) -> dict[str, Schedule]:
    """job -> its Schedule, for every schedule of every newsletter."""
    return {job_name(n.slug, s.slug): s.times for n in config.newsletters for s in n.schedules}
