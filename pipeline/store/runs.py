"""The runs ledger and the workers that execute: a row is the permission to run, a heartbeat the sign of life."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from pipeline.model.runs import Run, RunStatus
from pipeline.store.schema import runs, workers


@dataclass(frozen=True, slots=True)
class WorkerRow:
    id: str
    process: str
    host: str
    pid: int
    heartbeat_at: datetime


def enqueue(
    connection: Connection, job: str, due_at: datetime, *, now: datetime, nominal: str = "", reason: str = ""
) -> bool:
    """Insert a run, queued or (with a reason) skipped. False when it is already there: somebody else has it."""
    status = RunStatus.SKIPPED if reason else RunStatus.QUEUED
    try:
        with connection.begin_nested():
            connection.execute(insert(runs).values(
                job=job, due_at=due_at, nominal=nominal, status=status, reason=reason, created_at=now,
                finished_at=now if reason else None,
            ))
    except IntegrityError:
        return False
    return True


def start(connection: Connection, job: str, due_at: datetime, worker: str, now: datetime) -> bool:
    """Claim a queued run; False when another worker was first."""
    return bool(connection.execute(
        update(runs).where(runs.c.job == job, runs.c.due_at == due_at, runs.c.status == RunStatus.QUEUED)
        .values(status=RunStatus.RUNNING, worker=worker, started_at=now)
    ).rowcount)


def finish(
    connection: Connection, job: str, due_at: datetime, status: RunStatus, now: datetime, *,
    reason: str = "", result: str = "",
) -> None:
    connection.execute(
        update(runs).where(runs.c.job == job, runs.c.due_at == due_at)
        .values(status=status, finished_at=now, reason=reason, result=result)
    )


def find(connection: Connection, job: str, due_at: datetime) -> Run | None:
    row = connection.execute(select(runs).where(runs.c.job == job, runs.c.due_at == due_at)).one_or_none()
    return _run(row) if row else None


def queued(connection: Connection, prefix: str = "") -> list[Run]:
    query = select(runs).where(runs.c.status == RunStatus.QUEUED, runs.c.job.startswith(prefix, autoescape=True))
    return [_run(row) for row in connection.execute(query.order_by(runs.c.due_at, runs.c.job))]


def last_due(connection: Connection, job: str, now: datetime) -> datetime | None:
    """When the job was last due, not later than now: rows left by a clock that once ran ahead don't count."""
    return connection.execute(
        select(func.max(runs.c.due_at)).where(runs.c.job == job, runs.c.due_at <= now)).scalar_one_or_none()


def listed(connection: Connection, job: str = "", limit: int = 50) -> list[Run]:
    query = select(runs).order_by(runs.c.due_at.desc(), runs.c.job).limit(limit)
    if job:
        query = query.where(runs.c.job.startswith(job, autoescape=True))
    return [_run(row) for row in connection.execute(query)]


def rename(connection: Connection, old: str, new: str) -> None:
    """Keep a job's history under its new name, or every slot since its beginning would count as missed. Where the
    new name has a run of the same moment (two schedules became one), that one stands."""
    there = select(runs.c.due_at).where(runs.c.job == new)
    connection.execute(delete(runs).where(runs.c.job == old, runs.c.due_at.in_(there)))
    connection.execute(update(runs).where(runs.c.job == old).values(job=new))



def register(
    connection: Connection, worker: str, *, process: str, host: str, pid: int, now: datetime
) -> None:
    connection.execute(insert(workers).values(
        id=worker, process=process, host=host, pid=pid, started_at=now, heartbeat_at=now))


def beat(connection: Connection, worker: str, now: datetime) -> None:
    """A sign of life. Whoever was taken for dead, because its machine slept, is among the living again."""
    connection.execute(update(workers).where(workers.c.id == worker).values(heartbeat_at=now, ended_at=None))


def living(connection: Connection) -> list[WorkerRow]:
    """Workers that were not declared ended, alive or not."""
    rows = connection.execute(select(workers).where(workers.c.ended_at.is_(None)).order_by(workers.c.started_at))
    return [WorkerRow(row.id, row.process, row.host, row.pid, row.heartbeat_at) for row in rows]


def end(connection: Connection, worker: str, now: datetime) -> int:
    """Declare a worker ended and give its unfinished runs back; the number of these."""
    connection.execute(update(workers).where(workers.c.id == worker).values(ended_at=now))
    return connection.execute(
        update(runs).where(runs.c.worker == worker, runs.c.status == RunStatus.RUNNING)
        .values(status=RunStatus.QUEUED, worker="", started_at=None)
    ).rowcount


def _run(row: Row[Any]) -> Run:
    return Run(job=row.job, due_at=row.due_at, status=RunStatus(row.status), nominal=row.nominal, reason=row.reason,
               started_at=row.started_at, finished_at=row.finished_at, result=row.result)
