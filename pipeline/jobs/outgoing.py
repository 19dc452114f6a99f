"""Sending as a job: fill what is due, send it, and settle what the dead left behind. It loads no templates, no parser
and no web server: whoever only sends needs none, and a process that sends to a million stays small."""

from __future__ import annotations

from functools import partial

from pipeline.app import App
from pipeline.compose.filling import fill_due
from pipeline.deliver.clerk import Stop
from pipeline.deliver.notices import recover_notices, send_notices, tell_operator
from pipeline.deliver.retry import HORIZON
from pipeline.deliver.stage import Delivered, Outbox, deliver, new_lease, recover
from pipeline.deliver.threshold import check_threshold
from pipeline.errors import ConfigError
from pipeline.jobs.report import UNWATCHED, Watch
from pipeline.jobs.worker import Worker, bury_dead
from pipeline.mail.dkim import Signer
from pipeline.model.deliveries import DeliveryState
from pipeline.store import deliveries, meta, runs


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


def deliver_due(app: App, worker: Worker, *, watch: Watch = UNWATCHED) -> Delivered:
    """Fill what is due and send it. Without [mail] there is nothing to send and nothing happens."""
    if app.config.mail is None:
        return Delivered()
    fill_waiting(app)
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


def fill_waiting(app: App) -> None:
    """Give everyone in the batches that are due their row. A send that is under way then takes them along."""
    if app.config.mail is not None:
        fill_due(app.store, app.config, app.templates, app.now())


def outbox(app: App, worker: Worker, watch: Watch = UNWATCHED, *, signers: tuple[Signer, ...] = ()) -> Outbox:
    """Without `signers` only for what sends nothing."""
    mail = app.config.mail
    retry_for = mail.retry_for if mail is not None else HORIZON
    return Outbox(
        app.store, app.keyring, app.transport(), new_lease(worker.id), app.now, watch.sent, pace=app.pace,
        retry_for=retry_for, stopped=partial(_tell_stop, app),
        watch=lambda digest_id: check_threshold(app.store, app.config, digest_id, app.now()), signers=signers,
        return_path=mail.return_address if mail is not None else "")


def _tell_stop(app: App, stop: Stop) -> None:
    """The operator hears once of a destination that said no."""
    what = stop.name.removeprefix("relay:")
    kind = "The mail server" if stop.name != what else "The domain"
    with app.store.write() as database:
        tell_operator(database, app.config, f"{what} takes no mail from us", "\n".join([
            f"{kind} {what} said no, and not to one person: {stop.outcome.reason}", "",
            f"Nothing goes there until {stop.until:%d %B %H:%M} UTC; then it is tried again. Whoever waits for it is",
            "still in the queue. Once it is settled:",
            f"  broadsheet go {what}",
            "To see how your domain looks from outside:", "  broadsheet doctor"]),
            app.now(), dedupe=f"stopped:{stop.name}:{stop.until:%Y-%m-%dT%H}")
