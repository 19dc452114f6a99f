"""Collecting as a job: what is due, what hubs tell, and whose silence is a failure."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import timedelta

from pipeline.app import App
from pipeline.collect.accept import Poll
from pipeline.collect.manners import websub
from pipeline.collect.stage import collect
from pipeline.collect.suggest import suggest
from pipeline.jobs.report import UNWATCHED, Watch
from pipeline.model.sources import SourceStanding
from pipeline.store import robots, sources

ROBOTS_KEPT = timedelta(days=31)
"""An expired robots.txt still holds where its site can't be reached, for 30 days."""


def collect_due(
    app: App, slugs: Collection[str] = (), *, force: bool = False, watch: Watch = UNWATCHED
) -> list[Poll]:
    if not app.config.sources:
        return []
    fetcher = app.fetcher()
    try:
        polls = collect(app.store, app.config, fetcher, app.now, slugs=slugs, force=force, progress=watch.polled)
    finally:
        fetcher.close()
    if polls:
        with app.store.write() as connection:
            robots.forget_expired(connection, app.now() - ROBOTS_KEPT)
    suggest(app.store, app.now())  # who tells nearly the same as what came in; the operator decides
    return polls


def keep_hubs(app: App, heard: Collection[str] | None, going: Callable[[], bool]) -> int:
    """Ask hubs to tell us of news, for the service only: without pages nobody could tell us anything."""
    fetcher = app.fetcher()
    try:
        return websub.keep_hubs(websub.Asker(app.store, app.config, fetcher, app.now, going), heard)
    finally:
        fetcher.close()


def wake_pushed(app: App) -> bool:
    """Whether a hub has told us of news that a poll should fetch now."""
    return websub.wake_pushed(app.store, app.now())


def failing_sources(app: App, polled: Collection[str]) -> list[str]:
    """Sources that failed when they were last asked and are not due again yet, or are not asked any more: silence would
    look like health. One that the operator has blocked is silent on purpose."""
    with app.store.read() as connection:
        failing = sources.failing(connection)
    told = []
    for state in failing:
        if state.slug in polled or state.standing is SourceStanding.BLOCKED:
            continue
        until = state.standing_until or state.next_poll_at
        again = f", and is asked again after {until:%d %b %H:%M} UTC" if until else ""
        if state.standing is SourceStanding.ACTIVE:
            told.append(f"source {state.slug} still fails{again}: {state.last_error}")
        else:
            told.append(f"source {state.slug} is {state.standing}{again}: {state.standing_reason}")
    return told
