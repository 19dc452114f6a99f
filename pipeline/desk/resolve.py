"""resolve: what becomes of those of a digest of whom nobody knows whether they got it, or whom it did not reach.

`leave` takes it as it is: maybe delivered, and no open question any more. `resend` sends it once more, to those who may
still be mailed and whom no later digest told the same.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.app import App
from pipeline.audience.addresses import read_address
from pipeline.deliver.retry import is_soft
from pipeline.errors import UsageError
from pipeline.model.deliveries import DeliveryState
from pipeline.model.newsletters import Digest, DigestStatus
from pipeline.store import Connection, settling
from pipeline.store.ledger import Place
from pipeline.store.moving import LASTS
from pipeline.store.settling import Unsettled

SOFT = "bounced-soft"
STATES = {"uncertain": DeliveryState.UNCERTAIN, "failed": DeliveryState.FAILED, SOFT: DeliveryState.BOUNCED}
"""What `--state` may say."""

AT_ONCE = 400
"""Deliveries settled in one transaction."""

SENT_FROM = frozenset({DigestStatus.FROZEN, DigestStatus.SENDING, DigestStatus.PAUSED, DigestStatus.DONE})


@dataclass(slots=True)
class Resolved:
    """How many were settled, or would be, and why the others were not: reason -> how many."""

    number: int = 0
    others: dict[str, int] = field(default_factory=dict)

    def leave_out(self, reason: str) -> None:
        self.others[reason] = self.others.get(reason, 0) + 1


def resolve(
    app: App, digest: Digest, how: str, *, state: str = "uncertain", addresses: Sequence[str] = (), dry: bool = False
) -> Resolved:
    """Settle those of a digest in a state, or those of these addresses among them. `how` is "resend" or "leave"; `dry`
    changes nothing. Raises UsageError."""
    wanted = STATES.get(state)
    if wanted is None:
        raise UsageError(f'state "{state}"', "can't be settled", hint=f"one of {', '.join(STATES)}")
    if how not in ("resend", "leave"):
        raise UsageError(f'"{how}"', "is nothing that can be done", hint="resend, or leave")
    if how == "leave" and wanted is not DeliveryState.UNCERTAIN:
        raise UsageError("resolve", f"{state} ones stay as they are anyway", hint="only uncertain ones can be left so")
    if how == "resend" and digest.status not in SENT_FROM:
        raise UsageError(f"digest {digest.newsletter}/{digest.name}", f"is {digest.status}: nothing of it goes out")
    keys = {read_address(address)[1] for address in addresses}
    done = Resolved()
    after: Place | None = None
    while True:
        if dry:
            with app.store.read() as connection:
                page = settling.unsettled(connection, digest.id, wanted, after=after, limit=AT_ONCE,
                                          address_keys=keys)
            done.number += len(_chosen(page, how, done, named=bool(keys)))
        else:
            with app.store.write() as connection:
                page = settling.unsettled(connection, digest.id, wanted, after=after, limit=AT_ONCE,
                                          address_keys=keys, lock=True)
                done.number += _settle(connection, digest, how, _chosen(page, how, done, named=bool(keys)), app.now())
        if len(page) < AT_ONCE:
            return done
        after = (page[-1].due_at, page[-1].id)


def why_not_again(one: Unsettled) -> str:
    """Why a delivery is not sent once more, "" where it may be. Nobody is told the same twice by two digests, and
    nobody is mailed who must not be."""
    if not one.confirmed:
        return "unsubscribed"
    if one.suppressed:
        return f"suppressed: {one.suppressed}"
    if one.state is DeliveryState.BOUNCED and not is_soft(one.reason):
        return "their address takes no mail"
    if one.covered:     # it counts as read: no later digest tells these articles
        return ""
    if one.read_later:
        return "a later digest told them these articles"
    return "another digest that tells them these articles is on its way" if one.live else ""


def _chosen(page: Sequence[Unsettled], how: str, done: Resolved, *, named: bool) -> list[int]:
    """The ids of those to settle. Those that were left so before are asked about no more, unless they are named."""
    chosen = []
    for one in page:
        if one.state is DeliveryState.UNCERTAIN and not one.open and (how == "leave" or not named):
            done.leave_out("settled before")
        elif how == "resend" and (reason := why_not_again(one)):
            done.leave_out(reason)
        else:
            chosen.append(one.id)
    return chosen


def _settle(connection: Connection, digest: Digest, how: str, ids: Collection[int], now: datetime) -> int:
    if how == "leave":
        return settling.leave(connection, ids, now)
    return settling.again(connection, digest.id, sorted(ids), now, now + LASTS)
