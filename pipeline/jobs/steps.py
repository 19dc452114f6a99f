"""The steps that a cycle consists of, each over an App: what `once` does in a row and the service does on its clock."""

from __future__ import annotations

from collections.abc import Collection

from pipeline.app import App
from pipeline.compose.stage import fill_batches
from pipeline.deliver.notices import recover_notices, send_notices
from pipeline.deliver.retry import HORIZON
from pipeline.deliver.stage import Delivered, Outbox, deliver, new_lease, recover
from pipeline.errors import BroadsheetError, ConfigError
from pipeline.jobs.collecting import collect_due, failing_sources
from pipeline.jobs.report import UNWATCHED, Report, Watch
from pipeline.jobs.returning import read_returns
from pipeline.jobs.sends import compose_due, parts
from pipeline.jobs.worker import Worker, bury_dead
from pipeline.mail.dkim import Signer
from pipeline.model.deliveries import DeliveryState
from pipeline.publish.stage import Published, publish
from pipeline.publish.websub import tell_hub
from pipeline.store import deliveries, meta, runs


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
    watch.step("reading what came back")
    report.returned = read_returns(app)   # before anything is sent: who asked to leave gets no more
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
    bury_dead(app.store, app.data_folder, app.now(), mine=worker.id)
    if app.config.mail is None:
        return {}
    with app.store.read() as connection:
        holding = {lease.partition(".")[0] for lease in deliveries.leases(connection, "")}
        alive = {w.id for w in runs.living(connection)}
    working = alive - {worker.id}
    settled = recover_notices(outbox(app, worker), alive)
    for dead in sorted(holding - working):
        for state, number in recover(outbox(app, worker), dead).items():
            settled[state] = settled.get(state, 0) + number
    return {state: number for state, number in settled.items() if number}


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


def deliver_due(app: App, worker: Worker, *, watch: Watch = UNWATCHED) -> Delivered:
    """Fill what is due and send it. Without [mail] there is nothing to send and nothing happens."""
    if app.config.mail is None:
        return Delivered()
    fill_batches(parts(app), app.now())
    try:
        signers = app.signers()
    except ConfigError as error:  # a key that is gone: receivers would take what is unsigned for a forgery
        return Delivered(stopped=f"nothing goes out unsigned: {'; '.join(error.problems)}")
    told = send_notices(outbox(app, worker, signers=signers))
    done = deliver(outbox(app, worker, watch, signers=signers))
    if not told.stopped:
        send_notices(outbox(app, worker, signers=signers))  # what the operator must hear of these very deliveries
    done.stopped = done.stopped or told.stopped
    if not done.total:
        with app.store.read() as connection:
            done.stopped = done.stopped or meta.get(connection, meta.OUTGOING_STOPPED)
    return done


def outbox(app: App, worker: Worker, watch: Watch = UNWATCHED, *, signers: tuple[Signer, ...] = ()) -> Outbox:
    mail = app.config.mail
    retry_for = mail.retry_for if mail is not None else HORIZON
    return Outbox(app.store, app.keyring, app.transport(), new_lease(worker.id), app.now, watch.sent, pace=app.pace,
                  retry_for=retry_for, signers=signers,
                  return_path=mail.return_address if mail is not None else "")
