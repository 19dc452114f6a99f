"""The steps that jobs consist of, each over an App: what `once` does in a row and the service does on its clock."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from pipeline.app import App
from pipeline.audience.subscriptions import Request, add
from pipeline.collect.accept import Poll
from pipeline.collect.manners import websub
from pipeline.collect.stage import collect
from pipeline.collect.suggest import suggest
from pipeline.compose.choose import choose
from pipeline.compose.stage import Parts, compose, draft, fill_batches
from pipeline.config import Newsletter, NewsletterSchedule
from pipeline.deliver.stage import Delivered, Outbox, deliver, new_lease, recover
from pipeline.desk.alerts import digest_waits
from pipeline.desk.proving import prove
from pipeline.errors import BroadsheetError, TemplateError
from pipeline.jobs.slots import PREFIX, enqueue_due, job_name, slot_of
from pipeline.jobs.worker import Worker, bury_dead
from pipeline.model.deliveries import DeliveryState
from pipeline.model.drafts import HeldBy
from pipeline.model.newsletters import MANUAL, Digest, DigestStatus
from pipeline.model.runs import RunStatus, Slot, decide_due
from pipeline.model.sources import SourceStanding
from pipeline.publish.stage import Published, publish
from pipeline.publish.websub import tell_hub
from pipeline.store import Connection, declared, deliveries, digests, drafts, meta, robots, runs, sources

ROBOTS_KEPT = timedelta(days=31)
"""An expired robots.txt still holds where its site can't be reached, for 30 days."""

UNDECLARED = "its schedule is no longer in config.toml"

DEMO_READER = "reader@lantern.example"
DEMO_SLOT = "welcome"


@dataclass(slots=True)
class Report:
    """What a cycle did, for people and for the exit status."""

    polls: list[Poll] = field(default_factory=list)
    published: Published = field(default_factory=Published)
    digests: list[Digest] = field(default_factory=list)
    delivered: Delivered = field(default_factory=Delivered)
    missed: list[str] = field(default_factory=list)
    recovered: dict[DeliveryState, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def partly_failed(self) -> bool:
        states = self.delivered.numbers
        unsent = sum(states.get(s, 0) for s in (DeliveryState.FAILED, DeliveryState.BOUNCED, DeliveryState.UNCERTAIN))
        return bool(self.problems or self.published.failed or self.delivered.stopped or unsent
                    or any(p.failed for p in self.polls))

    @property
    def idle(self) -> bool:
        """Nothing was new: no article, no page, no file, no mail."""
        return not (any(p.new or p.updated or p.held or p.pages for p in self.polls) or self.published.written
                    or self.digests or self.delivered.total)


@dataclass(frozen=True, slots=True)
class Watch:
    """Who hears how far it is; each is called from the thread that does the work."""

    polled: Callable[[Poll], None] = lambda _poll: None
    composed: Callable[[Digest], None] = lambda _digest: None
    sent: Callable[[DeliveryState], None] = lambda _state: None
    step: Callable[[str], None] = lambda _words: None


UNWATCHED = Watch()


def cycle(app: App, worker: Worker, *, watch: Watch = UNWATCHED) -> Report:
    """Everything that is due now, once: recover, collect, publish, compose, deliver."""
    report = Report()
    watch.step("looking after what was interrupted")
    report.recovered = recover_dead(app, worker)
    watch.step("collecting")
    report.polls = collect_due(app, watch=watch)
    report.problems += failing_sources(app, {poll.source for poll in report.polls if not poll.pages_only})
    watch.step("publishing")
    report.published = publish_all(app)
    watch.step("composing")
    compose_due(app, worker, report, watch)
    if report.digests:  # their pages are in the sitemap
        report.published.written += publish_all(app).written
    watch.step("delivering")
    report.delivered = deliver_due(app, worker, watch=watch)
    return report


def recover_dead(app: App, worker: Worker) -> dict[DeliveryState, int]:
    """Find workers that died, give their runs back and settle what they had in hand.

    What is in nobody's hands is read from the ledger, so that whoever dies in the middle of this leaves no delivery
    behind; nor does a call of this very worker that broke (it does one at a time).
    """
    settled: dict[DeliveryState, int] = {}
    bury_dead(app.store, app.data_folder, app.now(), mine=worker.id)
    if app.config.mail is None:
        return settled
    with app.store.read() as connection:
        holding = {lease.partition(".")[0] for lease in deliveries.leases(connection, "")}
        working = {w.id for w in runs.living(connection)} - {worker.id}
    for dead in sorted(holding - working):
        for state, number in recover(outbox(app, worker), dead).items():
            settled[state] = settled.get(state, 0) + number
    return {state: number for state, number in settled.items() if number}


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


def publish_all(app: App, slugs: Collection[str] = (), *, everything: bool = False) -> Published:
    """Build what is new, and tell the hub where there is one. Where feeds can't be built at all that is said, and mail
    goes its way all the same."""
    try:
        done = publish(app.publishing(), app.now(), slugs, everything=everything)
    except BroadsheetError as error:
        return Published(failed={"": str(error)})
    if app.config.publish.hub:
        fetcher = app.fetcher()
        try:
            told = tell_hub(app.store, app.config, fetcher, app.now())
        finally:
            fetcher.close()
        if told.problem:
            done.failed["hub"] = told.problem
        done.notes += [told.waiting] if told.waiting else []
    return done


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


def deliver_due(app: App, worker: Worker, *, watch: Watch = UNWATCHED) -> Delivered:
    """Fill what is due and send it. Without [mail] there is nothing to send and nothing happens."""
    if app.config.mail is None:
        return Delivered()
    fill_batches(parts(app), app.now())
    done = deliver(outbox(app, worker, watch))
    if not done.total:
        with app.store.read() as connection:
            done.stopped = done.stopped or meta.get(connection, meta.OUTGOING_STOPPED)
    return done


def parts(app: App) -> Parts:
    return Parts(app.store, app.config, app.templates(), app.darkroom(), partial(prove, app))


def outbox(app: App, worker: Worker, watch: Watch = UNWATCHED) -> Outbox:
    return Outbox(app.store, app.keyring, app.transport(), new_lease(worker.id), app.now, watch.sent)


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
    if problem := digest_waits(app, digest):
        report.problems.append(problem)


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
        if held is not None and (problem := digest_waits(app, held)):
            report.problems.append(problem)
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
