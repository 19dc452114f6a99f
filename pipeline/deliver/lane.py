"""One connection at work, in a thread of its own: take | personalise | offer | ask | commit | tell.

While the clerk writes the mark without which nothing goes, the next message is made; its envelope leaves in the same
packet as the dot of the one before. The messages are never copied: their parts are shared by all who get the same.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from pipeline.deliver.clerk import Clerk, Told
from pipeline.deliver.supply import Supply
from pipeline.deliver.transport import Connection, Parcel, Way
from pipeline.errors import BroadsheetError, StoreError, TransportError
from pipeline.mail.tokens import Keyring
from pipeline.model.deliveries import DeliveryState, Outcome
from pipeline.store.deliveries import Claimed


@dataclass(frozen=True, slots=True)
class Made:
    """A delivery with its message."""

    claimed: Claimed
    parcel: Parcel
    on_uncertain: str


class Lane(threading.Thread):
    def __init__(self, way: Way, clerk: Clerk, supply: Supply, keyring: Keyring) -> None:
        super().__init__(name=f"lane to {way.name}", daemon=True)
        self._way, self._clerk, self._supply, self._keyring = way, clerk, supply, keyring
        self._connection: Connection | None = None
        clerk.joined()

    def run(self) -> None:
        error: BaseException | None = None
        try:
            self._work()
        except BaseException as caught:  # noqa: BLE001  # it comes out in the thread that called `deliver`
            error = caught
        finally:
            self._close()
            self._clerk.left(error)

    def _work(self) -> None:
        sent = 0
        one = self._next(wait=True)
        while one is not None:
            connection = self._connection or self._open()
            if connection is None:
                self._supply.put_back(self._way, one.claimed)
                return
            try:
                refused = connection.offer(one.parcel.envelope, one.parcel.chunks)
            except TransportError as error:  # it broke, and there is no new one
                self._supply.put_back(self._way, one.claimed)
                self._lost(str(error))
                return
            except ValueError as error:
                refused = _unmakable(error)
            sent += 1
            is_last = sent == self._way.per_connection
            following = None
            if refused is not None:
                self._tell(one, refused)
            else:
                following = self._hand_over(connection, one, is_last=is_last)
            if following is not None and self._supply.bars(self._way, following.claimed):
                self._supply.put_back(self._way, following.claimed)
                following, is_last = None, True  # its envelope has left already: this connection is for nothing else
            if is_last:
                self._close()
                sent = 0
            one = following or self._next(wait=True)

    def _hand_over(self, connection: Connection, one: Made, *, is_last: bool) -> Made | None:
        """From the last byte before the dot to the answer; the message that was made meanwhile."""
        ask = self._clerk.ask(one.claimed)
        following = None if is_last else self._next(wait=False)
        if ask.wait():
            self._tell(one, connection.commit(following.parcel if following is not None else None))
        else:  # unsubscribed, cancelled, stopped, or somebody else's by now: no dot
            connection.abandon()
            self._supply.ended(self._way, one.claimed)
        return following

    def _next(self, *, wait: bool) -> Made | None:
        while (claimed := self._supply.take(self._way, wait=wait)) is not None:
            try:
                letter = self._clerk.letter(claimed)
                envelope, chunks = letter.message(self._keyring, claimed)
            except (TransportError, StoreError):
                raise
            except (BroadsheetError, ValueError) as error:  # this one can't be made: the others go on
                self._report(claimed, _unmakable(error), "")
                continue
            return Made(claimed, Parcel(replace(envelope, lease=claimed.lease), chunks), letter.head.on_uncertain)
        return None

    def _tell(self, one: Made, outcome: Outcome) -> None:
        self._report(one.claimed, outcome, one.on_uncertain)

    def _report(self, claimed: Claimed, outcome: Outcome, on_uncertain: str) -> None:
        resend = decide_resend(outcome.state, on_uncertain, covered=claimed.covered)
        self._clerk.tell(Told(claimed, self._way.name, outcome, resend))
        self._supply.ended(self._way, claimed, outcome)

    def _open(self) -> Connection | None:
        self._supply.opening(self._way)
        try:
            self._connection = self._way.open()
        except TransportError as error:
            self._supply.opened(self._way, str(error))
            return None
        self._supply.opened(self._way)
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            self._supply.closed(self._way)

    def _lost(self, problem: str) -> None:
        """The connection broke and could not be opened again."""
        self._close()
        self._supply.opening(self._way)
        self._supply.opened(self._way, problem)


def _unmakable(error: Exception) -> Outcome:
    return Outcome(DeliveryState.FAILED, f"its message can't be made: {error}")


def decide_resend(state: DeliveryState, on_uncertain: str, *, covered: bool) -> bool:
    """Whether a delivery that is now in `state` goes out again: once, where the operator asked for it. One that was
    uncertain before (`covered`) stays listed."""
    return state is DeliveryState.UNCERTAIN and on_uncertain == "resend" and not covered


