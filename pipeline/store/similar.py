"""Likenesses: which articles may say the same, what the operator said about it, and the stories that follow from that.

A pair is stored once, the later article first. Nobody answered yet: suggested. The operator did: merged or split; what
was answered is never asked again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, delete, func, insert, or_, select, update

from pipeline.errors import UsageError
from pipeline.model.articles import ArticleStatus
from pipeline.store import changes, meta
from pipeline.store.chunks import CHUNK, chunks
from pipeline.store.schema import article_bands, articles, likenesses, sources

SUGGESTED, MERGED, SPLIT = "suggested", "merged", "split"
LOOKED_AT = "similar_seq"   # in meta: the accepted_seq up to which articles have been compared

MAX_HTML = 60_000
"""Characters of an article's HTML that are read for comparing; more than its first thousand words need."""

MOST_FOUND = 5_000
"""Rows that one band's search reads at most: what stands under everything finds everything."""

NEIGHBOURS = 8
"""Other articles of a source that show what it puts under each of them."""

NEAR = 200
"""Ids before and after an article among which those of a source without guids are looked for."""

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ReadRow:
    """What comparing needs of an article."""

    id: int
    seq: int
    source_id: int
    story: int
    title: str
    summary: str
    html: str              # the beginning
    published_at: datetime


@dataclass(frozen=True, slots=True)
class Teller:
    """One article of a pair, as the operator is shown it."""

    id: int
    title: str
    source: str            # the source's slug
    source_title: str
    url: str
    published_at: datetime


@dataclass(frozen=True, slots=True)
class Likeness:
    later: Teller
    earlier: Teller
    percent: int           # 0 where the operator brought them together by themselves
    state: str
    at: datetime


def accepted_after(connection: Connection, seq: int, limit: int) -> list[ReadRow]:
    """Accepted articles in order of acceptance."""
    query = _read().where(articles.c.accepted_seq > seq, articles.c.status == ArticleStatus.ACCEPTED)
    return [ReadRow(*row) for row in connection.execute(query.order_by(articles.c.accepted_seq).limit(limit))]


def read(connection: Connection, ids: Iterable[int]) -> list[ReadRow]:
    """Those of `ids` that are accepted."""
    found: list[ReadRow] = []
    for chunk in chunks(sorted(ids)):
        query = _read().where(articles.c.id.in_(chunk), articles.c.status == ArticleStatus.ACCEPTED)
        found += [ReadRow(*row) for row in connection.execute(query.order_by(articles.c.id))]
    return found


def neighbours(connection: Connection, source_id: int, near: int) -> list[ReadRow]:
    """A few articles of a source: its latest with a guid (an index has those), else some from around one."""
    of_source = select(articles.c.id).where(articles.c.source_id == source_id).order_by(articles.c.id.desc())
    ids = connection.execute(of_source.where(articles.c.guid != "").limit(NEIGHBOURS)).scalars().all()
    if len(ids) < NEIGHBOURS:
        around = articles.c.id.between(near - NEAR, near + NEAR)
        ids = connection.execute(of_source.where(around).limit(NEIGHBOURS)).scalars().all()
    return read(connection, ids)


def sharing(connection: Connection, signatures: Mapping[int, Mapping[int, int]]) -> dict[tuple[int, int], list[int]]:
    """(band, value) -> the articles that have it, for every band and value of `signatures`."""
    wanted: defaultdict[int, set[int]] = defaultdict(set)
    for bands in signatures.values():
        for band, value in bands.items():
            wanted[band].add(value)
    found: dict[tuple[int, int], list[int]] = {}
    for band, values in sorted(wanted.items()):
        for chunk in chunks(sorted(values)):
            query = select(article_bands.c.value, article_bands.c.article_id).where(
                article_bands.c.band == band, article_bands.c.value.in_(chunk)).limit(MOST_FOUND)
            for value, article_id in connection.execute(query):
                found.setdefault((band, value), []).append(article_id)
    return found


def parted(connection: Connection, stories: Collection[int]) -> set[Pair]:
    """(story, other story), the smaller first: those of which the operator has parted two articles."""
    later, earlier = articles.alias("later"), articles.alias("earlier")
    one = func.coalesce(later.c.story_id, later.c.id).label("one")
    other = func.coalesce(earlier.c.story_id, earlier.c.id).label("other")
    found: set[Pair] = set()
    for chunk in chunks(sorted(stories)):
        query = (select(one, other).select_from(likenesses)
                 .join(later, later.c.id == likenesses.c.article_id)
                 .join(earlier, earlier.c.id == likenesses.c.other_id)
                 .where(likenesses.c.state == SPLIT, or_(one.in_(chunk), other.in_(chunk))))
        found |= {(min(a, b), max(a, b)) for a, b in connection.execute(query)}
    return found


def record(
    connection: Connection, signatures: Mapping[int, Mapping[int, int]], found: Mapping[Pair, int], now: datetime
) -> int:
    """Remember signatures, and suggest pairs (later, earlier) -> percent. Returns how many were not known."""
    rows = [{"band": band, "value": value, "article_id": article_id}
            for article_id, bands in signatures.items() for band, value in bands.items()]
    for chunk in chunks(sorted(signatures)):  # a released article may come here again
        connection.execute(delete(article_bands).where(article_bands.c.article_id.in_(chunk)))
    if rows:
        connection.execute(insert(article_bands), rows)
    known = _states(connection, found)
    fresh = [{"article_id": a, "other_id": b, "percent": percent, "state": SUGGESTED, "at": now}
             for (a, b), percent in found.items() if (a, b) not in known]
    if fresh:
        connection.execute(insert(likenesses), fresh)
    return len(fresh)


def forget(connection: Connection, before: datetime, limit: int = CHUNK) -> int:
    """Drop the signatures of the oldest articles where these were accepted before a moment; returns of how many."""
    oldest = select(article_bands.c.article_id).distinct().order_by(article_bands.c.article_id).limit(limit).subquery()
    ids = connection.execute(
        select(articles.c.id).where(articles.c.id.in_(select(oldest.c.article_id)), articles.c.accepted_at < before)
    ).scalars().all()
    for chunk in chunks(sorted(ids)):
        connection.execute(delete(article_bands).where(article_bands.c.article_id.in_(chunk)))
    return len(ids)


def suggested(connection: Connection, limit: int = 50) -> list[Likeness]:
    """What the operator has not answered, the latest first, without those that are one story by now."""
    return _likenesses(connection, limit, likenesses.c.state == SUGGESTED, apart=True)


def of_article(connection: Connection, article_id: int, limit: int = 50) -> list[Likeness]:
    """Every pair that an article stands in."""
    return _likenesses(connection, limit, or_(likenesses.c.article_id == article_id,
                                              likenesses.c.other_id == article_id))


def merged_late(connection: Connection, article_ids: Collection[int]) -> set[int]:
    """Those that the operator made one story with another after they had been accepted: each was seen on its own."""
    found: set[int] = set()
    for chunk in chunks(sorted(article_ids)):
        for column in (likenesses.c.article_id, likenesses.c.other_id):
            query = select(articles.c.id).join(likenesses, column == articles.c.id).where(
                articles.c.id.in_(chunk), likenesses.c.state == MERGED, likenesses.c.at >= articles.c.accepted_at)
            found.update(connection.execute(query).scalars())
    return found


def merge(connection: Connection, one: int, other: int, now: datetime) -> list[int]:
    """Make one story of two, whole: the ids of all that tell it. Nobody who was told one of them is told another.

    Raises UsageError where one is not there, or where both tell the same story already.
    """
    meta.take(connection, meta.ACCEPTED, 0)  # the first lock of all who change what is published
    stories = {_story_of(connection, article_id) for article_id in (one, other)}
    if len(stories) < 2:
        raise UsageError(f"articles {one} and {other}", "they tell one story already",
                         hint=f"`broadsheet why {one}` shows it")
    first, second = (_tellers(connection, story) for story in sorted(stories))
    everyone = sorted([*first, *second])
    _set_story(connection, everyone)
    between = and_(likenesses.c.article_id.in_(everyone), likenesses.c.other_id.in_(everyone))
    connection.execute(update(likenesses).where(between).values(state=MERGED, at=now))
    pair = (max(one, other), min(one, other))
    if not _states(connection, [pair]):
        connection.execute(insert(likenesses).values(
            article_id=pair[0], other_id=pair[1], percent=0, state=MERGED, at=now))
    return everyone


def split(connection: Connection, article_id: int, now: datetime) -> list[int]:
    """Take an article out of its story, for good: the ids of those that it left.

    It keeps its number, so a digest that told the story does not tell it again. Raises UsageError where the article is
    not there or tells a story of its own.
    """
    meta.take(connection, meta.ACCEPTED, 0)
    others = [i for i in _tellers(connection, _story_of(connection, article_id)) if i != article_id]
    if not others:
        raise UsageError(f"article {article_id}", "no other article tells its story",
                         hint="`broadsheet articles similar` shows which may")
    _set_story(connection, [article_id])
    _set_story(connection, others)
    pairs = [(max(article_id, other), min(article_id, other)) for other in others]
    known = _states(connection, pairs)
    for a, b in known:
        connection.execute(update(likenesses).where(likenesses.c.article_id == a, likenesses.c.other_id == b)
                           .values(state=SPLIT, at=now))
    fresh = [{"article_id": a, "other_id": b, "percent": 0, "state": SPLIT, "at": now}
             for a, b in pairs if (a, b) not in known]
    if fresh:
        connection.execute(insert(likenesses), fresh)
    return others


def _read() -> Select[Any]:
    return select(
        articles.c.id, articles.c.accepted_seq, articles.c.source_id,
        func.coalesce(articles.c.story_id, articles.c.id), articles.c.title, articles.c.summary,
        func.substr(articles.c.html, 1, MAX_HTML), articles.c.published_at)


def _states(connection: Connection, pairs: Iterable[Pair]) -> dict[Pair, str]:
    """The pairs that are known, whatever became of them."""
    wanted = set(pairs)
    found: dict[Pair, str] = {}
    for chunk in chunks(sorted({a for a, _ in wanted})):
        query = select(likenesses.c.article_id, likenesses.c.other_id, likenesses.c.state).where(
            likenesses.c.article_id.in_(chunk))
        found |= {(a, b): state for a, b, state in connection.execute(query) if (a, b) in wanted}
    return found


def _likenesses(connection: Connection, limit: int, which: Any, *, apart: bool = False) -> list[Likeness]:
    later, earlier = articles.alias("later"), articles.alias("earlier")
    of_later, of_earlier = sources.alias("of_later"), sources.alias("of_earlier")
    query = (
        select(likenesses.c.percent, likenesses.c.state, likenesses.c.at,
               *_teller_columns(later, of_later), *_teller_columns(earlier, of_earlier))
        .select_from(likenesses)
        .join(later, later.c.id == likenesses.c.article_id).join(of_later, of_later.c.id == later.c.source_id)
        .join(earlier, earlier.c.id == likenesses.c.other_id).join(of_earlier, of_earlier.c.id == earlier.c.source_id)
        .where(which).order_by(likenesses.c.article_id.desc(), likenesses.c.percent.desc(), likenesses.c.other_id))
    if apart:
        query = query.where(
            later.c.status == ArticleStatus.ACCEPTED, earlier.c.status == ArticleStatus.ACCEPTED,
            func.coalesce(later.c.story_id, later.c.id) != func.coalesce(earlier.c.story_id, earlier.c.id))
    return [Likeness(Teller(*row[3:9]), Teller(*row[9:15]), row.percent, row.state, row.at)
            for row in connection.execute(query.limit(limit))]


def _teller_columns(article: Any, source: Any) -> list[Any]:
    columns = (article.c.id, article.c.title, source.c.slug, source.c.title, article.c.url, article.c.published_at)
    return [column.label(f"{article.name}_{number}") for number, column in enumerate(columns)]


def _story_of(connection: Connection, article_id: int) -> int:
    story = connection.execute(
        select(func.coalesce(articles.c.story_id, articles.c.id)).where(articles.c.id == article_id)
    ).scalar_one_or_none()
    if story is None:
        raise UsageError(f"article {article_id}", "there is no such article",
                         hint="`broadsheet articles list` shows those there are")
    return int(story)


def _tellers(connection: Connection, story: int) -> list[int]:
    return list(connection.execute(
        select(articles.c.id).where(or_(articles.c.id == story, articles.c.story_id == story)).order_by(articles.c.id)
    ).scalars())


def _set_story(connection: Connection, tellers: Sequence[int]) -> None:
    """A story is called after its oldest article, which itself names none."""
    story = min(tellers)
    connection.execute(update(articles).where(articles.c.id == story).values(story_id=None))
    for chunk in chunks(sorted(i for i in tellers if i != story)):
        connection.execute(update(articles).where(articles.c.id.in_(chunk)).values(story_id=story))
    changes.touch(connection, [story])
