"""Which of the articles that have entered a feed its documents show. Pure: the same rows give the same choice.

An article that has entered is shown while it is accepted and matches the feed's rules, and while no other article of
the feed that was accepted earlier tells its story. A withdrawn one is shown as such, where it stood.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.model.articles import ArticleStatus
from pipeline.model.selection import Rules
from pipeline.store.feed_entries import EntryRow

Tellers = Mapping[int, Sequence[EntryRow]]
"""story -> the feed's accepted articles that tell it, in the order of acceptance"""


@dataclass(frozen=True, slots=True)
class Filter:
    """What an article has to be like to be in a feed: the feed's rules, and for a topic's feed the topic too."""

    rules: Rules
    topic: str = ""

    def match(self, row: EntryRow) -> bool:
        return (not self.topic or self.topic in row.topics) and self.rules.match(row)


def shown(rows: Iterable[EntryRow], tellers: Tellers, wanted: Filter) -> Iterator[EntryRow]:
    """Those of `rows` that are shown as what they are."""
    for row in rows:
        if row.status is ArticleStatus.ACCEPTED and wanted.match(row):
            first = next((other for other in tellers.get(row.story, ()) if wanted.match(other)), row)
            if first.id == row.id:
                yield row


class Subscription:
    """The document that people subscribe to, chosen from a feed's articles, the newest first, until it is full."""

    def __init__(self, wanted: Filter, limit: int) -> None:
        self._wanted = wanted
        self._limit = limit
        self._taken: list[EntryRow] = []
        self._withdrawn: list[EntryRow] = []
        self._of_source: Counter[str] = Counter()

    @property
    def full(self) -> bool:
        return len(self._taken) >= self._limit

    def offer(self, rows: Sequence[EntryRow], tellers: Tellers) -> None:
        """The next rows. Withdrawn ones take nobody's place, and are no more than the limit themselves."""
        accepted = {row.id for row in shown(rows, tellers, self._wanted)}
        for row in rows:
            if self.full:
                return
            if row.id in accepted:
                if not self._too_many(row, self._of_source):
                    self._of_source[row.source] += 1
                    self._taken.append(row)
            elif self._was_shown(row, tellers) and len(self._withdrawn) < self._limit:
                self._withdrawn.append(row)

    def rows(
        self, tail: Iterable[EntryRow], tellers: Tellers, lately: Sequence[EntryRow] = (),
        merged: Collection[int] = (),
    ) -> list[EntryRow]:
        """The choice, the newest first, and with it whatever of the `tail` is in no archive document yet, and what was
        withdrawn or corrected `lately`: an archive is not read again (RFC 5005 section 4.2). Only what `per_source`
        keeps out of the tail waits for its archive. `merged`: ids of those that were seen before another hid them."""
        chosen = {row.id: row for row in (*self._taken, *self._withdrawn)}
        chosen |= {row.id: row for row in shown(lately, tellers, self._wanted)}
        chosen |= {row.id: row for row in lately
                   if self._was_shown(row, tellers) or (row.id in merged and row.status is ArticleStatus.WITHDRAWN)}
        of_source = self._of_source.copy()
        for row in shown(tail, tellers, self._wanted):
            if row.id not in chosen and not self._too_many(row, of_source):
                of_source[row.source] += 1
                chosen[row.id] = row
        return sorted(chosen.values(), key=lambda row: (row.published_at, row.position), reverse=True)

    def _was_shown(self, row: EntryRow, tellers: Tellers) -> bool:
        """Whether a withdrawn article may have been seen: nobody who told its story before it hid it."""
        return row.status is ArticleStatus.WITHDRAWN and not any(
            other.accepted_seq < row.accepted_seq and self._wanted.match(other) for other in tellers.get(row.story, ()))

    def _too_many(self, row: EntryRow, of_source: Counter[str]) -> bool:
        most = self._wanted.rules.per_source
        return bool(most) and of_source[row.source] >= most
