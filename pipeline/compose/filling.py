"""fill: batches that are due | what is known of their people | decide, once for all who are alike | rows.

Each transaction is short, and between two of them others get their turn: a ledger of a million rows takes many
seconds, and somebody who wants to leave must not wait for its end. Nothing here needs templates but a selection that
nobody had before, which has to be worded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING

from pipeline.compose.fill import DigestFacts, Verdict, decide_fill
from pipeline.compose.warming import Places
from pipeline.config import Config
from pipeline.model.articles import Article, ArticleStatus
from pipeline.model.deliveries import Crowd, Fill
from pipeline.model.letterhead import Letterhead
from pipeline.model.newsletters import Digest, DigestStatus
from pipeline.store import Connection, digests, filling, meta, told
from pipeline.store.engine import Store
from pipeline.store.filling import Batch
from pipeline.store.subscribers import Audience

if TYPE_CHECKING:
    from pipeline.render.templates import Templates

BATCH = 500
"""People in a batch."""

HOLD_S = 0.07
"""How long one transaction goes on taking batches; it lasts that long and one batch longer."""


def fill_due(store: Store, config: Config, templates: Callable[[], Templates], now: datetime) -> int:
    """Give a row to everyone in the batches that are due and have none; the number of batches filled."""
    filled = 0
    places = Places(config, now)
    sheet: _Sheet | None = None
    while True:
        with store.read() as connection:
            due = deque(filling.unfilled(connection, now))
        if not due:
            return filled
        while due:
            places.look(store, due[0])
            with store.write() as connection:
                sheet = _read(connection, due[0].digest_id, sheet)
                filled += _fill_some(connection, templates, sheet, due, places, now)
            store.let_others()


def _fill_some(
    connection: Connection, templates: Callable[[], Templates], sheet: _Sheet, due: deque[Batch], places: Places,
    now: datetime,
) -> int:
    """Take batches of one digest from the front, for as long as a transaction may last."""
    until = monotonic() + HOLD_S
    filled = 0
    while due and due[0].digest_id == sheet.digest.id and (not filled or monotonic() < until):
        batch = due.popleft()
        if filling.lock_batch(connection, batch.id):
            filling.fill(connection, batch, _fills(connection, templates, sheet, batch, places), now)
            filled += 1
    return filled


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A digest as it is in this transaction."""

    digest: Digest
    audience: Audience
    head: Letterhead
    facts: DigestFacts
    articles: Sequence[Article]
    taken_down: int           # how often something had been taken down when it was read


def _read(connection: Connection, digest_id: int, before: _Sheet | None) -> _Sheet:
    """The digest; what was read of it before where nothing has changed since."""
    digest = digests.get(connection, digest_id)
    taken_down = meta.counter(connection, meta.TAKEN_DOWN)
    if before is not None and (before.digest, before.taken_down) == (digest, taken_down):
        return before
    row = digests.facts(connection, digest_id)
    head = Letterhead.from_json(row.settings)
    frozen = digests.frozen_articles(connection, digest_id)
    facts = DigestFacts(
        from_seq=row.from_seq, cut_seq=row.cut_seq, capped=row.capped, rules=head.rules,
        # what was taken down since the freeze is told to nobody; an earlier telling of it counts all the same
        candidates=[how for article, how in frozen if article.status is ArticleStatus.ACCEPTED or not how.fresh],
        corrections=digests.frozen_corrections(connection, digest_id), room=head.room,
        languages=digests.languages(connection, digest_id),
        cancelled=(digest.reason or "by the operator") if digest.status is DigestStatus.CANCELLED else "",
    )
    return _Sheet(digest, digests.audience(row), head, facts, [article for article, _ in frozen], taken_down)


def _fills(
    connection: Connection, templates: Callable[[], Templates], sheet: _Sheet, batch: Batch, places: Places
) -> list[Fill]:
    if sheet.digest.announces:
        return places.announced(connection, sheet.digest, batch, filling.people(connection, batch, sheet.audience))
    crowds = filling.crowds(connection, batch, sheet.audience)
    if sheet.facts.asked:
        known = told.told_by(connection, sheet.facts.asked, batch.first_id, batch.last_id)
        crowds = [part for crowd in crowds for part in crowd.by_told(known)]
    if places.limit is not None:  # of those who are alike some have a place and some have none
        crowds = [Crowd(one, (one.subscription_id,)) for crowd in crowds for one in crowd.each()]
    verdicts = places.given(connection, batch, _decided(crowds, sheet.facts))
    keys = _keys(sheet, verdicts)
    wanted = {key: (v.language, v.selection) for key, v in zip(keys, verdicts, strict=True) if v.selection}
    ids = digests.selection_ids(connection, batch.digest_id, wanted)
    if new := [wanted[key] for key in wanted.keys() - ids.keys()]:
        from pipeline.compose.selections import store_selections  # templates and all that they need

        ids |= store_selections(connection, templates(), sheet.head, batch.digest_id, new, sheet.articles)
    return [v.row(ids[key] if key else 0, others=crowd.ids[1:])
            for crowd, key, v in zip(crowds, keys, verdicts, strict=True)]


def _decided(crowds: Sequence[Crowd], digest: DigestFacts) -> list[Verdict]:
    """Whoever has a delivery that still waits is a crowd of their own, but it is decided as for others like them."""
    made: dict[tuple[object, ...], Verdict] = {}
    verdicts = []
    for who in (crowd.facts for crowd in crowds):
        alike = (who.confirmed, who.suppressed, who.start_seq, who.covered_until, who.topics, who.language,
                 tuple(sorted(who.told.items())), (who.live.state, who.live.cut_seq) if who.live else None)
        known = made.get(alike)
        if known is None:
            made[alike] = known = decide_fill(who, digest)
            verdicts.append(known)
        else:
            verdicts.append(replace(known, person=who, supersedes=known.supersedes and who.live))
    return verdicts


def _keys(sheet: _Sheet, verdicts: Sequence[Verdict]) -> list[str]:
    """Of each verdict its selection's key, "" where it has none. Those decided alike share one object."""
    known: dict[tuple[int, str], str] = {}
    keys = []
    for one in verdicts:
        if one.selection is None:
            keys.append("")
            continue
        same = (id(one.selection), one.language)
        if same not in known:
            known[same] = digests.selection_key(one.language, sheet.head.arranged(one.selection), one.selection.more)
        keys.append(known[same])
    return keys
