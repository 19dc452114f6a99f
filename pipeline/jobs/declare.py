"""Bring the rows in line with the configuration: at every start, and before anything else runs."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta

from pipeline.config import Config, Newsletter, NewsletterSchedule, Source
from pipeline.errors import StoreError
from pipeline.jobs.slots import due_since, job_name
from pipeline.schedules import parse_schedule
from pipeline.store import Connection, declared, drafts, feeds, runs, sources, subscribers
from pipeline.store.engine import Store


def declare(store: Store, config: Config, now: datetime) -> None:
    """One transaction. Raises StoreError where the config would forget people: a newsletter or a schedule that has
    subscribers and is gone."""
    with store.write() as connection:
        sources.declare(connection, [_declared_source(config, source) for source in config.sources], now)
        feeds.declare(connection, config.feed_folders, now)
        for newsletter in config.newsletters:
            _declare_newsletter(connection, newsletter, now)
        declared.refuse_vanished(connection, [n.slug for n in config.newsletters])


def schedule_spec(schedule: NewsletterSchedule) -> str:
    """What identifies a schedule's times; a change of any of it starts the schedule anew."""
    return json.dumps({"at": schedule.at, "cron": schedule.cron, "zone": schedule.timezone}, sort_keys=True)


def _declared_source(config: Config, source: Source) -> sources.Declared:
    """What of a source's keys has to be remembered. The fingerprint holds those by which an article that was already
    read would be taken, dated or told otherwise: when they change, the source is read anew."""
    judged = source.model_dump(mode="json", include=_JUDGING) | {"site_language": config.site.language}
    fingerprint = hashlib.sha256(json.dumps(judged, sort_keys=True).encode()).hexdigest()[:16]
    return sources.Declared(
        source.slug, source.kind, source.url or str(source.folder), source.show, source.title, source.former,
        source.blocked, source.every or timedelta(), fingerprint,
        source.url if source.slug not in config.private_sources else "")


_JUDGING = {"selector", "full_text", "include", "exclude", "hold", "topics", "language", "rights", "licence"}


def _declare_newsletter(connection: Connection, newsletter: Newsletter, now: datetime) -> None:
    newsletter_id = declared.ensure_newsletter(connection, newsletter.slug, newsletter.title, newsletter.former, now)
    slugs = [schedule.slug for schedule in newsletter.schedules]
    before_now = [old for schedule in newsletter.schedules for old in schedule.former]
    for old in newsletter.former:
        for slug in (*slugs, *before_now):
            runs.rename(connection, job_name(old, slug), job_name(newsletter.slug, slug))
    for schedule in newsletter.schedules:
        for old in schedule.former:
            runs.rename(connection, job_name(newsletter.slug, old), job_name(newsletter.slug, schedule.slug))
            subscribers.rename_schedule(connection, newsletter_id, old, schedule.slug, now)
            drafts.rename_schedule(connection, newsletter_id, old, schedule.slug)
        before = declared.ensure_schedule(connection, newsletter_id, schedule.slug, schedule_spec(schedule),
                                          schedule.former, now)
        if before is not None:
            _record_missed(connection, job_name(newsletter.slug, schedule.slug), before, now)
    if orphans := declared.orphaned_schedules(connection, newsletter_id, slugs):
        slug, people = next(iter(orphans.items()))
        raise StoreError(
            f"schedule {slug!r} of newsletter {newsletter.slug!r}",
            f"is no longer in config.toml, but {people} people are on it",
            hint=f'put it back, or name it in the one that takes its place: former = ["{slug}"]')
    declared.retire_schedules(connection, newsletter_id, slugs)


def _record_missed(connection: Connection, job: str, before: declared.ScheduleRow, now: datetime) -> None:
    """Write down what a schedule missed before it was changed, so that no slot disappears without a word."""
    times = parse_schedule(**json.loads(before.spec))
    for slot in due_since(connection, job, before.slug, times, before.since, now):
        runs.enqueue(connection, job, slot.due_at, now=now, nominal=slot.nominal,
                     reason="missed: nothing ran, and the schedule was changed before it could be caught up with")
