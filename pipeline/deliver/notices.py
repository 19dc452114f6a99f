"""Notices on their way: due | claim | offer | hand over (durably) | commit | record, one after the other.

The same two steps as a delivery's, and the same rules for what a reply means; only that there is no crowd of them. What
was handed over and whose answer was lost stays listed as uncertain, and is not sent again.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from secrets import token_hex
from urllib.parse import urlsplit

from pipeline.config import Config
from pipeline.deliver.retry import HORIZON, next_try
from pipeline.deliver.stage import Outbox, decide_interrupted
from pipeline.deliver.transport import Connection, Envelope
from pipeline.errors import TransportError
from pipeline.mail.dkim import signed
from pipeline.mail.marks import NOTICE, mark, return_path
from pipeline.mail.message import HeaderFields, Mailbox, notice_bytes
from pipeline.model.deliveries import DeliveryState, Outcome
from pipeline.store import Connection as Database
from pipeline.store import notices
from pipeline.store.engine import Store
from pipeline.store.notices import ALERT, Draft, Notice

CLAIM = 20
"""Notices claimed at a time."""

ABANDONED = timedelta(seconds=90)
"""After which a notice that nobody living holds is settled. A test is sent by a command, which is no worker."""


@dataclass(slots=True)
class Noticed:
    """What one call did: numbers by state, and why nothing more goes."""

    numbers: dict[DeliveryState, int] = field(default_factory=dict)
    stopped: str = ""
    last: Outcome | None = None

    def count(self, outcome: Outcome) -> None:
        self.numbers[outcome.state] = self.numbers.get(outcome.state, 0) + 1
        self.last = outcome


def tell_operator(
    database: Database, config: Config, subject: str, words: str, now: datetime, *, dedupe: str,
    expires_at: datetime | None = None,
) -> int | None:
    """Queue a mail to the operator; its number. None where there is nobody to tell, nothing to tell them with, or where
    they were told of this (`dedupe`) before."""
    mail, operator = config.mail, config.operator
    if mail is None or operator is None:
        return None
    host = urlsplit(config.site.public_url).hostname or "localhost"
    fields = HeaderFields(
        sender=Mailbox(mail.sender_address, mail.sender_name), to=str(operator.email), subject=subject, date=now,
        message_id=f"<{token_hex(16)}@{host}>", auto_submitted=True)
    return notices.queue(database, Draft(
        ALERT, fields.to, mail.sender_address, fields.message_id, subject, notice_bytes(fields, words), dedupe,
        expires_at), now)


def send_notices(outbox: Outbox) -> Noticed:
    """Send those that are due. A message's own failure is an outcome; that there is no way out comes back as `stopped`.
    """
    done = Noticed()
    if not _anything(outbox.store):
        return done
    with outbox.store.write() as database:
        notices.expire(database, outbox.now())
    while not done.stopped and (claimed := _claim(outbox)):
        try:
            _send(outbox, claimed, done, again=True)
        except TransportError as error:
            done.stopped = str(error)
    return done


def send_now(outbox: Outbox, notice_id: int) -> Outcome:
    """Send one that was just queued, now or never; what the transport said of it. Raises TransportError where nothing
    can leave."""
    done, reason = Noticed(), "outgoing mail was stopped before it could go"
    try:
        _send(outbox, _claim(outbox, notice_id), done, again=False)
    except TransportError as error:
        reason = str(error)
        raise
    finally:
        if done.last is None:
            with outbox.store.write() as database:
                notices.drop(database, notice_id, reason, outbox.now())
    return done.last or Outcome(DeliveryState.FAILED, reason)


def recover_notices(outbox: Outbox, working: Collection[str]) -> dict[DeliveryState, int]:
    """Settle what dead hands still hold: what was only claimed is queued again, what was handed over is looked for
    where the transport can look, and is else uncertain. `working` are the ids of the workers that are alive. Numbers by
    state."""
    settled: dict[DeliveryState, int] = {}
    with outbox.store.read() as database:
        held = notices.leases(database, outbox.now() - ABANDONED)
    for lease in held:
        if lease.partition(".")[0] in working:
            continue
        for state, number in _settle(outbox, lease).items():
            settled[state] = settled.get(state, 0) + number
    return settled


def decide_retry(
    one: Notice, outcome: Outcome, now: datetime, *, retry_for: timedelta = HORIZON, jitter: float = 0.0
) -> datetime | None:
    """When a notice that was refused for now is tried again; None where it is not, or where the outcome is another."""
    if outcome.state is not DeliveryState.DEFERRED:
        return None
    return next_try(one.attempts + 1, one.first_tried_at or now, now, retry_for=retry_for, expires_at=one.expires_at,
                    jitter=jitter)


def _anything(store: Store) -> bool:
    """Asked without a writer's lock: there is hardly ever one."""
    with store.read() as database:
        return bool(notices.listed(database, states=notices.WAITING, limit=1))


def _claim(outbox: Outbox, only: int | None = None) -> list[Notice]:
    with outbox.store.write() as database:
        return notices.claim(database, outbox.lease, outbox.now(), CLAIM, only)


def _send(outbox: Outbox, claimed: list[Notice], done: Noticed, *, again: bool) -> None:
    """Send what was claimed. Whatever ends this early, what was not handed over goes back into the queue."""
    connection: Connection | None = None
    try:
        for one in claimed:
            connection = connection or outbox.transport.open()
            refused = connection.offer(_envelope(outbox, one, outbox.lease), signed(outbox.signers, [one.message]))
            if refused is None:
                with outbox.store.write() as database:
                    mine = notices.hand_over(database, one.id, outbox.lease, outbox.now())
                if not mine:
                    connection.abandon()
                    continue
            outcome = refused or connection.commit()
            now = outbox.now()
            retry_at = decide_retry(one, outcome, now, retry_for=outbox.retry_for, jitter=outbox.jitter()
                                    ) if again else None
            with outbox.store.write() as database:
                notices.record(database, one.id, outbox.lease, outcome, now, retry_at=retry_at)
            done.count(outcome)
            if outcome.stop:
                done.stopped = outcome.reason
                break
    finally:
        if connection is not None:
            connection.close()
        _settle(outbox, outbox.lease)  # nothing is left, unless something broke on the way


def _settle(outbox: Outbox, lease: str) -> dict[DeliveryState, int]:
    with outbox.store.write() as database:
        given_back = notices.give_back(database, lease, outbox.now())
        handed = notices.handed_by(database, lease)
    settled = {DeliveryState.QUEUED: given_back} if given_back else {}
    for one in handed:
        target, reason = decide_interrupted(arrived=outbox.transport.arrived(_envelope(outbox, one, lease)))
        with outbox.store.write() as database:
            if notices.settle(database, one.id, lease, target, reason, outbox.now()):
                settled[target] = settled.get(target, 0) + 1
    return settled


def _envelope(outbox: Outbox, one: Notice, lease: str) -> Envelope:
    """With a return path that says which notice came back, where what comes back is read."""
    sender = one.sender
    if outbox.return_path:
        sender = return_path(outbox.return_path, mark(outbox.keyring, NOTICE, one.id))
    return Envelope(sender, one.address, one.message_id, lease)
