"""Composing as a job: drafts ahead of their slots, slots that are due, what was approved late, what is stranded."""

from __future__ import annotations

from datetime import datetime

from pipeline.app import App
from pipeline.audience.subscriptions import Request, add
from pipeline.compose.choose import choose
from pipeline.compose.stage import compose, draft
from pipeline.config import Newsletter, NewsletterSchedule
from pipeline.desk.alerts import digest_waits
from pipeline.desk.proving import parts
from pipeline.errors import BroadsheetError, TemplateError
from pipeline.jobs.collecting import collect_due
from pipeline.jobs.report import UNWATCHED, Report, Watch
from pipeline.jobs.slots import PREFIX, enqueue_due, job_name, slot_of
from pipeline.jobs.worker import Worker
from pipeline.model.drafts import HeldBy
from pipeline.model.newsletters import MANUAL, Digest, DigestStatus
from pipeline.model.runs import RunStatus, Slot, decide_due
from pipeline.model.sources import SourceStanding
from pipeline.store import Connection, declared, digests, drafts, runs, sources

UNDECLARED = "its schedule is no longer in config.toml"

DEMO_READER = "reader@lantern.example"

DEMO_SLOT = "welcome"


def compose_due(app: App, worker: Worker, report: Report, watch: Watch = UNWATCHED) -> None:
    """Make the drafts that operators review, give every due slot its row, and make the digests of those that are
    queued, interrupted ones included, and those that were approved after their slot."""
    if app.config.site.demo:
        _seed_demo(app, report, watch)
    for newsletter in app.config.newsletters:
        for schedule in newsletter.schedules:
            if newsletter.review is not None:
                _draft_ahead(app, newsletter, schedule, report, watch)
            decided = enqueue_due(app.store, newsletter, schedule, app.now())
            report.missed += [f"{newsletter.slug} {v.slot.nominal}: {v.reason}" for v in decided if not v.runs]
    _approved_late(app, report, watch)
    with app.store.read() as connection:
        queued = runs.queued(connection, PREFIX)
    for run in queued:
        slug, slot = slot_of(run)
        with app.store.write() as connection:
            mine = runs.start(connection, run.job, run.due_at, worker.id, app.now())
        if mine and _declared(app, slug, slot.schedule):
            _run_send(app, app.config.newsletter(slug), run.job, slot, report, watch)
        elif mine:
            with app.store.write() as connection:
                runs.finish(connection, run.job, run.due_at, RunStatus.SKIPPED, app.now(), reason=UNDECLARED)
            report.missed.append(f"{slug} {slot.nominal}: {UNDECLARED}")
    _end_stranded(app, report)


def compose_now(app: App, newsletter: Newsletter, schedule: str = "") -> Digest:
    """A digest by hand: a manual slot of this minute, for the people of one schedule or of all."""
    now = app.now()
    slot = Slot(MANUAL, now.strftime("%Y-%m-%dT%H:%M:%S"), now)
    return compose(parts(app), newsletter, slot, audience=schedule, now=now)


def _draft_ahead(
    app: App, newsletter: Newsletter, schedule: NewsletterSchedule, report: Report, watch: Watch
) -> None:
    """The next slot's draft, once its time has come; where nothing is new yet it is asked again until the slot."""
    due = schedule.times.next_after(app.now())
    if newsletter.review is None or app.now() < due.due_at - newsletter.review.before:
        return
    slot = Slot(schedule.slug, due.nominal, due.due_at)
    try:
        digest = draft(parts(app), newsletter, slot, audience=schedule.slug, now=app.now())
    except BroadsheetError as error:
        report.problems.append(f"newsletter {newsletter.slug}: {error}")
        return
    if digest is not None:
        _say(app, report, watch, digest)
        if digest.held_by == HeldBy.ERROR:
            report.problems.append(f"newsletter {newsletter.slug}: {digest.reason}")


def _say(app: App, report: Report, watch: Watch, digest: Digest) -> None:
    """Report a digest, and mail the operator where it waits for a word."""
    report.digests.append(digest)
    watch.composed(digest)
    digest_waits(app, digest)


def _approved_late(app: App, report: Report, watch: Watch) -> None:
    """What the operator approved and no run comes back to goes out now, however late it is; the oldest slot first."""
    with app.store.read() as connection:
        coming = {(run.job, run.due_at) for run in runs.queued(connection, PREFIX)}
        waiting = [d for d in drafts.open_ones(connection)
                   if d.approved_at and d.due_at <= app.now() and d.held_by not in (HeldBy.OPERATOR, HeldBy.SILENCE)
                   and (job_name(d.newsletter, d.schedule), d.due_at) not in coming]
    for digest in waiting:
        by_hand = digest.schedule == MANUAL and digest.newsletter in {n.slug for n in app.config.newsletters}
        if not (by_hand or _declared(app, digest.newsletter, digest.schedule)):
            continue
        newsletter = app.config.newsletter(digest.newsletter)
        slot = Slot(digest.schedule, digest.nominal, digest.due_at)
        try:
            made = _compose(app, newsletter, slot, digest.audience)
        except BroadsheetError as error:
            report.problems.append(f"newsletter {newsletter.slug}: {error}")
            continue
        _say(app, report, watch, made)


def _end_stranded(app: App, report: Report) -> None:
    """End drafts whose slot was skipped without them, or that no schedule asks for any more: nothing may stay open that
    nobody will come back to. What the operator approved or holds waits for the operator."""
    with app.store.read() as connection:
        stranded = [(d, reason) for d in drafts.open_ones(connection)
                    if d.drafted_at and not d.approved_at and d.schedule != MANUAL
                    and d.held_by not in (HeldBy.OPERATOR, HeldBy.SILENCE)
                    and (reason := _stranded(app, connection, d))]
    for digest, reason in stranded:
        with app.store.write() as connection:
            if digests.change(connection, digest.id, DigestStatus.SKIPPED, reason=reason, version=digest.version):
                report.missed.append(f"{digest.newsletter} {digest.nominal}: {reason}")


def _stranded(app: App, connection: Connection, digest: Digest) -> str:
    if not _declared(app, digest.newsletter, digest.schedule):
        return UNDECLARED
    if digest.due_at > app.now():
        return ""
    run = runs.find(connection, job_name(digest.newsletter, digest.schedule), digest.due_at)
    if run is None:
        return "its schedule was changed, and has no such slot any more"
    return run.reason or "its slot was skipped" if run.status is RunStatus.SKIPPED else ""


def _run_send(app: App, newsletter: Newsletter, job: str, slot: Slot, report: Report, watch: Watch) -> None:
    schedule = app.config.schedule(newsletter.slug, slot.schedule)
    # a run that waited, or was interrupted, may be too late by now
    late = decide_due([slot], app.now(), catch_up=schedule.catch_up, max_lateness=schedule.lateness)[0].reason
    status, reason, result = RunStatus.DONE, "", ""
    try:
        digest = None
        if not late or _is_begun(app, newsletter, slot):
            digest = _compose(app, newsletter, slot, slot.schedule, late)
        if digest is None or (late and digest.status is DigestStatus.SKIPPED):
            status, reason = RunStatus.SKIPPED, late
            report.missed.append(f"{newsletter.slug} {slot.nominal}: {late}")
        else:
            result = f"{digest.status}: {digest.reason}" if digest.reason else str(digest.status)
            _say(app, report, watch, digest)
            if digest.held_by == HeldBy.PREFLIGHT:
                status, reason = RunStatus.QUEUED, digest.reason  # looked at again, until it is too late
    except BroadsheetError as error:
        # a busy database, or articles that kept changing: the slot stays due, until max_lateness
        # and a template may be mended: then the digest goes out as long as it is not too late
        again = isinstance(error, TemplateError) or not error.permanent
        status, reason = RunStatus.QUEUED if again else RunStatus.FAILED, str(error)
        report.problems.append(f"newsletter {newsletter.slug}: {error}")
        with app.store.read() as connection:
            held = digests.find(connection, newsletter.slug, slot.schedule, slot.nominal)
        if held is not None:
            digest_waits(app, held)
    with app.store.write() as connection:
        runs.finish(connection, job, slot.due_at, status, app.now(), reason=reason, result=result)


def _is_begun(app: App, newsletter: Newsletter, slot: Slot) -> bool:
    with app.store.read() as connection:
        return digests.find(connection, newsletter.slug, slot.schedule, slot.nominal) is not None


def _compose(app: App, newsletter: Newsletter, slot: Slot, audience: str, late: str = "") -> Digest:
    """Compose a slot's digest. Of one that was drafted before, the sources are asked again first: what they took back
    or changed since then is not told as it was. Once since its slot, and since its approval, however often it is tried.
    """
    with app.store.read() as connection:
        known = digests.find(connection, newsletter.slug, slot.schedule, slot.nominal)
        asked: set[str] = set()
        if (known is not None and known.drafted_at and known.status in digests.OPEN
                and known.held_by not in (HeldBy.OPERATOR, HeldBy.SILENCE)):
            newsletter_id = declared.newsletter_id(connection, newsletter.slug)
            plan = choose(connection, newsletter_id, newsletter, known.audience, known, app.now())
            since = max(known.due_at, known.approved_at or known.due_at)
            told = sources.states(connection, {article.source for article in plan.fresh})
            asked = {slug for slug, state in told.items() if _may_be_asked(state, since, app.now())}
            asked &= {source.slug for source in app.config.sources}
    if asked and not late:
        collect_due(app, sorted(asked), force=True)
    return compose(parts(app), newsletter, slot, audience=audience, now=app.now(), late=late)


def _may_be_asked(state: sources.SourceState, since: datetime, now: datetime) -> bool:
    """Whether a source was not asked since then, and does not have us wait."""
    waits = state.failures and (state.next_poll_at is None or state.next_poll_at > now)
    return state.standing is SourceStanding.ACTIVE and not waits and (
        state.last_polled_at is None or state.last_polled_at < since)


def _declared(app: App, newsletter: str, schedule: str) -> bool:
    return any(n.slug == newsletter and s.slug == schedule for n in app.config.newsletters for s in n.schedules)


def _seed_demo(app: App, report: Report, watch: Watch) -> None:
    """The demo's one reader, and their first digest at once, whatever the clock says. A second start finds both."""
    if not app.config.newsletters:
        return
    newsletter = app.config.newsletters[0]
    request = Request(DEMO_READER, newsletter.slug, newsletter.default_schedule.slug, "the demo's own reader", 0)
    with app.store.write() as connection:
        add(connection, request, app.now(), revive=False)
        known = digests.find(connection, newsletter.slug, MANUAL, DEMO_SLOT)
    if known is None or known.status is DigestStatus.DRAFT:
        now = app.now()
        try:
            digest = compose(parts(app), newsletter, Slot(MANUAL, DEMO_SLOT, now), audience="", now=now)
        except BroadsheetError as error:
            report.problems.append(f"newsletter {newsletter.slug}: {error}")
            return
        report.digests.append(digest)
        watch.composed(digest)
