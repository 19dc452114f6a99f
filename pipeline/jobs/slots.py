"""Which slots have come due, and what becomes of each: the only way by which a scheduled send starts."""

from __future__ import annotations

from datetime import datetime, timedelta

from pipeline.config import Newsletter, NewsletterSchedule
from pipeline.model.runs import Run, Slot, SlotVerdict, decide_due
from pipeline.schedules import Schedule
from pipeline.store import Connection, declared, runs
from pipeline.store.engine import Store

PREFIX = "send:"

LONGEST_GAP = timedelta(days=400)
"""A machine that was off longer has missed more than anyone wants listed."""


def job_name(newsletter: str, schedule: str) -> str:
    return f"{PREFIX}{newsletter}:{schedule}"


def due_since(
    connection: Connection, job: str, schedule: str, times: Schedule, since: datetime, now: datetime
) -> list[Slot]:
    """Slots later than the last one recorded (and than the schedule itself), up to now."""
    last = runs.last_due(connection, job, now)
    after = max(since, last or since, now - LONGEST_GAP)
    return [Slot(schedule, due.nominal, due.due_at) for due in times.due(after, now)] if after < now else []


def enqueue_due(
    store: Store, newsletter: Newsletter, schedule: NewsletterSchedule, now: datetime
) -> list[SlotVerdict]:
    """Give every slot that came due since the last look a row, queued or skipped with its reason; what was decided
    of those that had none."""
    job = job_name(newsletter.slug, schedule.slug)
    decided = []
    with store.write() as connection:
        row = declared.schedule(connection, declared.newsletter_id(connection, newsletter.slug), schedule.slug)
        slots = due_since(connection, job, schedule.slug, schedule.times, row.since, now)
        for verdict in decide_due(slots, now, catch_up=schedule.catch_up, max_lateness=schedule.lateness):
            fresh = runs.enqueue(connection, job, verdict.slot.due_at, now=now, nominal=verdict.slot.nominal,
                                 reason=verdict.reason)
            if fresh:
                decided.append(verdict)
    return decided


def slot_of(run: Run) -> tuple[str, Slot]:
    """(newsletter's slug, slot) of a scheduled send's run."""
    newsletter, _, schedule = run.job.removeprefix(PREFIX).partition(":")
    return newsletter, Slot(schedule, run.nominal, run.due_at)
