"""While a sender warms up: who of those who could get a digest has a place today.

Places are given when a digest's rows are made, under a lock, and whoever has waited longest is first. Whoever has none
is left out with that reason, and their window stays open: the articles are in their next digest. Nobody has a next
announcement, so one of these goes on over as many days as it needs, and takes their places in advance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from pipeline.compose.fill import Verdict, cant_be_mailed
from pipeline.config import Config
from pipeline.model.deliveries import DeliveryState, Fill, PersonFacts
from pipeline.model.frozen import Arrangement
from pipeline.model.newsletters import Digest, DigestStatus
from pipeline.model.warmup import WarmUp, day_of, left_of, same_time_on, spread
from pipeline.store import Connection, allowances, digests
from pipeline.store.engine import Store
from pipeline.store.filling import Batch

Turn = tuple[int, int]    # where somebody's window starts, and their subscription: the smallest is first


def warm_up_of(config: Config) -> WarmUp | None:
    declared = config.mail.warm_up if config.mail is not None else None
    return WarmUp(declared.since, declared.days) if declared is not None else None


def ends_at(config: Config, now: datetime) -> datetime:
    """When the last of a mail for everybody may go: now, or where a warm-up is on, once it is over."""
    plan, zone = warm_up_of(config), config.site.timezone
    return plan.last_moment(zone) if plan is not None and plan.number(day_of(now, zone)) else now


def no_place(places: int, day: date) -> str:
    return (f"warm_up: the {places:,} {'place' if places == 1 else 'places'} of {day} went to others; these articles "
            "are in this person's next digest")


@dataclass(slots=True)
class _Turns:
    """Who of one digest is in turn."""

    last: Turn | None         # whoever stands behind this one has no place; None: everyone has one
    spare: int = 0            # places of those who were in turn and had nothing to get

    def reaches(self, person: PersonFacts) -> bool:
        return self.last is None or _turn(person) <= self.last


@dataclass(slots=True)
class Places:
    """The places of one moment, for one call of `fill_batches`."""

    config: Config
    now: datetime
    _turns: dict[int, _Turns] = field(default_factory=dict)

    @property
    def today(self) -> date:
        return day_of(self.now, self.config.site.timezone)

    @property
    def limit(self) -> int | None:
        plan = warm_up_of(self.config)
        return plan.allowance(self.today) if plan is not None else None

    def look(self, store: Store, batch: Batch) -> None:
        """See who of the batch's digest is in turn, once for all of its batches. It takes a moment where there are
        many, so it belongs before the transaction that writes: nothing is decided by it but the order."""
        if self.limit is None or batch.digest_id in self._turns:
            return
        with store.read() as connection:
            facts = digests.facts(connection, batch.digest_id)
            if facts.kind or facts.status == DigestStatus.CANCELLED:
                return
            left = left_of(self.limit, allowances.given(connection, [self.today]).get(self.today, 0))
            last = allowances.last_in_turn(connection, digests.audience(facts), batch.digest_id, left)
        self._turns[batch.digest_id] = _Turns(last)

    def given(self, connection: Connection, batch: Batch, verdicts: Sequence[Verdict]) -> list[Verdict]:
        """The verdicts of one batch, with those left out for whom no place is left today."""
        limit = self.limit
        getting = sorted((_turn(v.person), v.person.subscription_id) for v in verdicts if v.selection)
        if limit is None:
            return list(verdicts)
        turns = self._turns.setdefault(batch.digest_id, _Turns(None))
        in_turn = sum(turns.reaches(v.person) and not cant_be_mailed(v.person) for v in verdicts)
        wanted = min(len(getting), in_turn + turns.spare)
        turns.spare += in_turn - wanted
        taken = allowances.take(connection, self.today, wanted, limit) if wanted else 0
        out = {subscription_id for _, subscription_id in getting[taken:]}
        why = no_place(limit, self.today)
        return [Verdict(v.person, v.window, reason=why) if v.person.subscription_id in out else v for v in verdicts]

    def announced(
        self, connection: Connection, digest: Digest, batch: Batch, people: Sequence[PersonFacts]
    ) -> list[Fill]:
        """The rows of an announcement's batch. They cover no articles, and are called covered so that no window waits
        for them."""
        cancelled = ""
        if digest.status is DigestStatus.CANCELLED:
            cancelled = f"cancelled: {digest.reason or 'by the operator'}"
        told = [(p.subscription_id, cancelled or cant_be_mailed(p)) for p in people]
        due = self._due(connection, batch, sum(not reason for _, reason in told))
        (selection_id,) = digests.selection_ids(
            connection, batch.digest_id, [digests.selection_key("", Arrangement(()), 0)]).values()
        return [
            Fill(number, DeliveryState.EXCLUDED, reason, covered=True) if reason
            else Fill(number, DeliveryState.QUEUED, selection_id=selection_id, covered=True, due_at=next(due))
            for number, reason in told
        ]

    def _due(self, connection: Connection, batch: Batch, number: int) -> Iterator[datetime]:
        """When each of so many mails may go."""
        plan = warm_up_of(self.config)
        zone = self.config.site.timezone
        days = {self.today: number}
        if plan is not None and self.limit is not None and number:
            coming = list(plan.following(self.today))
            for day in coming:  # locked from here on, so that what is counted is what is taken
                allowances.take(connection, day, 0, 0)
            days = spread(plan, self.today, allowances.given(connection, coming), number)
            for day, places in days.items():
                if (most := plan.allowance(day)) is not None:
                    allowances.take(connection, day, places, most)
        for day, places in days.items():
            moment = batch.due_at if day == self.today else same_time_on(day, self.now, zone)
            yield from (moment for _ in range(places))


def _turn(person: PersonFacts) -> Turn:
    return person.covered_until, person.subscription_id
