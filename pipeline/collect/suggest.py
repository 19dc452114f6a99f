"""Look through newly accepted articles for those that another one already told nearly so, and suggest the pairs.

    accepted since the last time | signature | who shares a band | how much is the same -> suggestions

It never merges: that is the operator's to do (`broadsheet articles similar`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.collect.similar import Run, Telling, furniture_of, likeness, signature
from pipeline.store import Connection, meta, similar
from pipeline.store.chunks import CHUNK
from pipeline.store.engine import Store
from pipeline.store.similar import Pair, ReadRow
from pipeline.text.words import visible_text

SLICE = 200                      # articles that are compared, and written, at a time
REMEMBERED = timedelta(days=30)  # how long an article is looked for
MOST_SHARING = 20                # articles with one band's value; with more it is no sign of anything
MOST_COMPARED = 12               # articles that one is compared with; those that share most come first
MOST_SUGGESTED = 3               # stories that one article is suggested for; the likest
CLEANED = 10                     # slices of old signatures that one call drops at most


@dataclass(slots=True)
class Suggestions:
    """What one call did. `more`: there may be articles left, for the next call."""

    looked_at: int = 0
    suggested: int = 0
    more: bool = False


def suggest(store: Store, now: datetime, limit: int = 2_000) -> Suggestions:
    """Look at up to `limit` articles that were accepted since the last call. Each slice is a transaction of its own; a
    call that is interrupted goes on where it was, and of two at once one stands back."""
    done = Suggestions()
    while done.looked_at < limit:
        wanted = min(SLICE, limit - done.looked_at)
        with store.read() as connection:
            since = meta.get(connection, similar.LOOKED_AT)
            rows = similar.accepted_after(connection, int(since or 0), wanted)
            tellings = [_telling(row) for row in rows]
            signatures = {telling.id: signature(telling) for telling in tellings}
            found = _pairs(connection, tellings, signatures)
        done.more = len(rows) == wanted
        if not rows:
            break
        with store.write() as connection:
            if meta.get(connection, similar.LOOKED_AT) != since:
                return done  # another process was here meanwhile
            done.suggested += similar.record(connection, signatures, found, now)
            meta.put(connection, similar.LOOKED_AT, str(rows[-1].seq))
        done.looked_at += len(rows)
        if not done.more:
            break
    _forget_old(store, now)
    return done


def _telling(row: ReadRow) -> Telling:
    return Telling(row.id, row.source_id, row.story, row.title, visible_text(row.html) or row.summary,
                   row.published_at)


def _pairs(
    connection: Connection, tellings: Sequence[Telling], signatures: Mapping[int, Mapping[int, int]]
) -> dict[Pair, int]:
    """(later, earlier) -> percent, of each article's likest stories."""
    compared = _candidates(signatures, similar.sharing(connection, signatures))
    known = {telling.id: telling for telling in tellings}
    missing = {other for others in compared.values() for other in others} - known.keys()
    known |= {row.id: _telling(row) for row in similar.read(connection, missing)}
    alike = [(a, b) for a, others in compared.items() for b in others
             if b in known and likeness(known[a], known[b])]
    if not alike:
        return {}
    furniture = _furniture(connection, [known[i] for pair in alike for i in pair])
    best: defaultdict[int, dict[int, tuple[int, int]]] = defaultdict(dict)  # article -> story -> (percent, article)
    for a, b in alike:
        percent = likeness(known[a], known[b], _without(furniture, known[a], known[b]))
        story = known[b].story
        if percent and (percent, -b) > best[a].get(story, (0, 0)):
            best[a][story] = (percent, -b)
    parted = similar.parted(connection, {known[i].story for pair in alike for i in pair})
    pairs: dict[Pair, int] = {}
    for a, stories in best.items():
        free = [how for story, how in stories.items()
                if (min(story, known[a].story), max(story, known[a].story)) not in parted]
        for percent, minus_b in sorted(free, reverse=True)[:MOST_SUGGESTED]:
            pairs[max(a, -minus_b), min(a, -minus_b)] = percent
    return pairs


def _candidates(
    signatures: Mapping[int, Mapping[int, int]], stored: Mapping[tuple[int, int], Sequence[int]]
) -> dict[int, list[int]]:
    """Article -> those it is compared with: stored ones, and those before it in this slice."""
    having: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for key, ids in stored.items():
        having[key] += [i for i in ids if i not in signatures]
    compared: dict[int, list[int]] = {}
    for article_id, bands in signatures.items():
        shared: Counter[int] = Counter()
        for key in bands.items():
            if len(having[key]) <= MOST_SHARING:
                shared.update(having[key])
            having[key].append(article_id)
        if shared:
            compared[article_id] = [other for other, _ in shared.most_common(MOST_COMPARED)]
    return compared


def _furniture(connection: Connection, tellings: Iterable[Telling]) -> dict[int, list[Telling]]:
    """Source -> some of its articles, out of which its furniture is seen."""
    near: dict[int, int] = {}
    for telling in tellings:
        near[telling.source_id] = telling.id
    return {source_id: [_telling(row) for row in similar.neighbours(connection, source_id, article_id)]
            for source_id, article_id in sorted(near.items())}


def _without(furniture: Mapping[int, Sequence[Telling]], a: Telling, b: Telling) -> dict[int, frozenset[Run]]:
    """What stands under other articles of the two sources: not under these two, nor under what has their titles."""
    titles = (a.title_words, b.title_words)
    return {source_id: furniture_of(t for t in furniture[source_id]
                                    if t.id not in (a.id, b.id) and t.title_words not in titles)
            for source_id in {a.source_id, b.source_id}}


def _forget_old(store: Store, now: datetime) -> None:
    for _ in range(CLEANED):
        with store.write() as connection:
            if similar.forget(connection, now - REMEMBERED) < CHUNK:
                break
