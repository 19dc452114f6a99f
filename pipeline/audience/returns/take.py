"""One report, one transaction: what it is about, what follows, and that it was read. Killed before the commit, it is
read again; killed after it, it is known by its key."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from pipeline.audience.returns.decide import History, Limits, Verdict, decide, elsewhere
from pipeline.audience.returns.identify import identify
from pipeline.mail.tokens import Keyring
from pipeline.model.returns import Report, ReturnKind, Whom
from pipeline.store import Connection, deliveries, returned, subscribers, suppressions
from pipeline.store.engine import Store

ALERT = "alert"      # the kind of notice that goes to the operator, whose address nothing suppresses


@dataclass(frozen=True, slots=True)
class Parts:
    """What reading what comes back needs."""

    store: Store
    keyring: Keyring
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one report."""

    report: Report
    whom: Whom
    verdict: Verdict
    unread: bool                  # somebody should look at it: nobody knows what it is, or of whom it speaks
    known: bool = False           # it was read before, and nothing was done


def take(parts: Parts, report: Report, now: datetime) -> Taken:
    """Raises StoreError, and has done nothing then."""
    with parts.store.read() as connection:    # repeats need no writer's lock
        before = returned.known(connection, report.key)
    if before is None:
        with parts.store.write() as connection:
            record_id = returned.begin(connection, report.key, report.kind, report.via, now)
            if record_id is not None:
                return _apply(connection, parts, record_id, report, now)
            before = returned.known(connection, report.key)    # another process was first
    unread = before is not None and _is_unread(before.kind, somebody=before.somebody)
    return Taken(report, Whom(), Verdict("read before"), unread, known=True)


def _apply(connection: Connection, parts: Parts, record_id: int, report: Report, now: datetime) -> Taken:
    whom = identify(connection, parts.keyring, report)
    verdict = decide(report, whom, _history(connection, parts.limits, whom, now), parts.limits)
    if whom.sent is not None and verdict.move is not None:
        deliveries.came_back(connection, whom.sent.id, verdict.move, verdict.reason, now)
    if whom.notice_id is not None and report.kind is ReturnKind.BOUNCE:
        returned.notice_came_back(connection, whom.notice_id, verdict.reason, now)
    if verdict.unsubscribe and whom.subscription_id is not None:
        how = "by mail" if report.kind is ReturnKind.UNSUBSCRIBE else "reported as spam"
        if subscribers.unsubscribe(connection, whom.subscription_id, now, how):
            deliveries.exclude_unsent(connection, whom.subscription_id, "unsubscribed", now)
    if verdict.suppress and whom.notice_kind != ALERT:
        suppressions.suppress(connection, whom.address_key, verdict.suppress, now)
    returned.finish(
        connection, record_id, delivery_id=whom.sent.id if whom.sent else None, notice_id=whom.notice_id,
        subscription_id=whom.subscription_id, address_key=whom.address_key or next(iter(report.addresses), ""),
        status=report.status, detail=_detail(report, whom), outcome=verdict.outcome)
    return Taken(report, whom, verdict, _is_unread(report.kind, somebody=not whom.nobody))


def _is_unread(kind: ReturnKind, *, somebody: bool) -> bool:
    return kind is ReturnKind.UNKNOWN or (kind is not ReturnKind.AUTO_REPLY and not somebody)


def _history(connection: Connection, limits: Limits, whom: Whom, now: datetime) -> History:
    if whom.nobody:
        return History()
    sent = whom.sent.id if whom.sent else None
    return History(returned.soft_in_a_row(connection, whom.address_key, now - limits.soft_within, sent))


def _detail(report: Report, whom: Whom) -> str:
    """In the report's own words, and whom it names where that is somebody else."""
    other = "" if whom.nobody or report.kind is not ReturnKind.BOUNCE else elsewhere(report, whom)
    return f"names {other}: {report.detail}" if other else report.detail
