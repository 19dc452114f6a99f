"""Taking articles' words out of every copy that was frozen: digests, and the mails that are made of them.

Of these articles the frozen words, the pieces, also those of their corrections, and the subjects that quote them; the
headings that only they had (`headings`), and what is said of them beside (`remarks`); of other articles of the same
stories the "also in" that leads to them. Feeds, pages and digests that are not frozen yet are made of the articles' own
rows, and those are the caller's business: `purge` blanks them, `withdrawals` leaves them as they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, not_, or_, select, update

from pipeline.model.articles import Also, ArticleStatus
from pipeline.model.deliveries import LIVE, DeliveryState
from pipeline.model.fragments import FragmentRow
from pipeline.model.frozen import CORRECTIONS
from pipeline.model.withdrawn import withdrawn, without_link
from pipeline.store import deliveries as ledger
from pipeline.store import meta
from pipeline.store.chunks import chunks
from pipeline.store.headings import redact_headings
from pipeline.store.remarks import forget_remarks, spoken
from pipeline.store.schema import (
    article_bands,
    articles,
    batches,
    deliveries,
    digest_articles,
    digest_corrections,
    digests,
    fragments,
    likenesses,
    selections,
    sources,
)
from pipeline.store.similar import SUGGESTED

FRAGMENT = "fragment"
GONE = frozenset({DeliveryState.SENT, DeliveryState.UNCERTAIN, DeliveryState.BOUNCED})

Which = ColumnElement[bool]
"""A condition on `articles`: these articles."""

Reword = Callable[[int, Sequence[int], int], tuple[str, str]]
"""(digest, a selection's articles, how many more) -> subject and preheader, of what is left of the digest."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much there is to take back, or was."""

    articles: int
    digests: tuple[int, ...]      # frozen ones that hold an article, or its correction
    sent: int                     # mails with an article that have left: nobody can take them back
    waiting: int                  # and that have not, or may come to have one: they go without it
    passed: int = 0               # of a source: seen and not taken; their titles and addresses go too
    spoken: tuple[int, ...] = ()  # digests in which the operator's own words may speak of them: nobody else can tell


def extent(connection: Connection, which: Which) -> Extent:
    """What taking these articles out would touch."""
    ids = set(connection.execute(select(articles.c.id).where(which)).scalars())
    holding = _holding(connection, which)
    theirs = {row.id for row in connection.execute(
        select(selections.c.id, selections.c.article_ids, selections.c.corrections)
        .where(selections.c.digest_id.in_(holding)))
        if not ids.isdisjoint((*row.article_ids, *row.corrections))}
    sent = waiting = 0
    for selection_id, state, number in connection.execute(
            select(deliveries.c.selection_id, deliveries.c.state, func.count())
            .where(deliveries.c.digest_id.in_(holding)).group_by(deliveries.c.selection_id, deliveries.c.state)):
        if selection_id in theirs:
            sent += number if state in GONE else 0
            waiting += number if state in LIVE else 0
    unfilled = select(func.coalesce(func.sum(batches.c.selected), 0)).where(
        batches.c.digest_id.in_(holding), batches.c.filled_at.is_(None))
    waiting += int(connection.execute(unfilled).scalar_one())
    return Extent(len(ids), holding, sent, waiting, spoken=spoken(connection, holding) if ids else ())


def redact(
    connection: Connection, which: Which, holding: Collection[int], reword: Reword, now: datetime, *, elsewhere: str
) -> None:
    """Take these articles out of the digests that hold them, of which `extent` told; it can't be undone. The counter of
    acceptance is locked, and the articles' rows are still as they were. `elsewhere` is what others say instead of "also
    in"."""
    changed = {*holding, *_unlink(connection, which, elsewhere)}
    _redact_digests(connection, which, holding, reword)
    _forget_likeness(connection, which)
    forget_remarks(connection, which, changed)
    if changed:
        ledger.give_back_all(connection, changed, now)
    meta.take(connection, meta.TAKEN_DOWN)


def _holding(connection: Connection, which: Which) -> tuple[int, ...]:
    """The digests in which these articles were frozen, or corrections of them; in order."""
    found: set[int] = set()
    for table in (digest_articles, digest_corrections):
        found.update(connection.execute(
            select(table.c.digest_id).distinct().where(table.c.article_id.in_(_ids(which)))).scalars())
    return tuple(sorted(found))


def _unlink(connection: Connection, which: Which, elsewhere: str) -> set[int]:
    """Other sources' articles of the same story say "also in", and lead here: to where it is, or was at a freeze. The
    digests in which one does no more. A source that tells the story in another article too is still named."""
    story = func.coalesce(articles.c.story_id, articles.c.id).label("story")
    name = func.coalesce(func.nullif(sources.c.title, ""), sources.c.slug).label("name")
    now_at = select(story, articles.c.source_id, articles.c.id, articles.c.url, name)
    now_at = now_at.join(sources, sources.c.id == articles.c.source_id).where(which)
    once_at = select(story, articles.c.source_id, articles.c.id, digest_articles.c.url,
                     digest_articles.c.source_title.label("name"))
    once_at = once_at.join(articles, articles.c.id == digest_articles.c.article_id).where(which)
    others = connection.execute(
        select(articles.c.id, articles.c.source_id, articles.c.status, story)
        .where(not_(which), story.in_(select(story).where(which)))).all()
    telling = {(one.story, one.source_id) for one in others if one.status == ArticleStatus.ACCEPTED}
    links: defaultdict[int, list[tuple[int, Also]]] = defaultdict(list)
    for row in connection.execute(now_at.union(once_at).order_by("story", "url", "name")):
        links[row.story].append((row.source_id, Also(row.id, row.name, row.url)))
    changed: set[int] = set()
    for other in others:
        for source_id, also in links[other.story]:
            if source_id != other.source_id:
                bare = (other.story, source_id) not in telling
                changed |= _rewrite(connection, _pieces_of([other.id]),
                                    partial(_without, also=also, instead=elsewhere, bare=bare))
    return changed


def _without(piece: FragmentRow, url: str, public_url: str, *, also: Also, instead: str, bare: bool) -> FragmentRow:
    return without_link(piece, also.link(url, public_url), also.source, instead, bare=bare)


def _redact_digests(connection: Connection, which: Which, holding: Iterable[int], reword: Reword) -> None:
    ids = set(connection.execute(select(articles.c.id).where(which)).scalars())
    connection.execute(
        update(digest_articles).where(digest_articles.c.article_id.in_(_ids(which))).values(
            source_title="", title="", summary="", author="", url="", language="", topics=[]))
    for chunk in chunks(holding):
        _rewrite(connection, _pieces_in(chunk, which), lambda piece, _url, _public_url: withdrawn(piece))
    for digest_id in holding:
        redact_headings(connection, digest_id)
        rows = connection.execute(select(selections).where(selections.c.digest_id == digest_id)).all()
        for row in rows:
            if not ids.isdisjoint(row.article_ids):  # subjects speak of no correction
                subject, preheader = reword(digest_id, row.article_ids, row.more)
                connection.execute(update(selections).where(selections.c.id == row.id).values(
                    subject=subject, preheader=preheader))


def _forget_likeness(connection: Connection, which: Which) -> None:
    """Nothing is found to be like them any more, and nobody is asked whether it is; what was answered stays."""
    mine = _ids(which)
    connection.execute(delete(article_bands).where(article_bands.c.article_id.in_(mine)))
    connection.execute(delete(likenesses).where(
        likenesses.c.state == SUGGESTED, or_(likenesses.c.article_id.in_(mine), likenesses.c.other_id.in_(mine))))


def _pieces_of(article_ids: Sequence[int]) -> Select[Any]:
    """SQL: the pieces of these articles in every digest and language, each with the address that the article had at the
    freeze. Corrections say nothing of who else tells a story."""
    return select(fragments, digest_articles.c.url).join(digest_articles, _same_article()).where(
        digest_articles.c.article_id.in_(article_ids), fragments.c.kind == FRAGMENT, fragments.c.name != CORRECTIONS)


def _pieces_in(digest_ids: Sequence[int], which: Which) -> Select[Any]:
    """SQL: all pieces of these articles in some digests, corrections among them."""
    return select(fragments, func.coalesce(digest_articles.c.url, "").label("url")).outerjoin(
        digest_articles, _same_article()).where(
        fragments.c.digest_id.in_(digest_ids), fragments.c.article_id.in_(_ids(which)), fragments.c.kind == FRAGMENT)


def _same_article() -> ColumnElement[bool]:
    return and_(digest_articles.c.digest_id == fragments.c.digest_id,
                digest_articles.c.article_id == fragments.c.article_id)


def _rewrite(
    connection: Connection, pieces: Select[Any], change: Callable[[FragmentRow, str, str], FragmentRow]
) -> set[int]:
    """Put other words into frozen pieces, and return the digests in which there are any now. `change` is told the
    address that the article had at the freeze, and the site's."""
    rows = connection.execute(pieces).all()
    sites = _public_urls(connection, {row.digest_id for row in rows})
    changed: set[int] = set()
    for row in rows:
        old = FragmentRow(row.part, row.ordinal, row.kind, row.name, row.scope, row.article_id, row.body, row.qp,
                          row.sha256)
        new = change(old, row.url, sites[row.digest_id])
        if new != old:
            changed.add(row.digest_id)
            connection.execute(update(fragments).where(
                fragments.c.digest_id == row.digest_id, fragments.c.language == row.language,
                fragments.c.ordinal == row.ordinal,
            ).values(body=new.body, qp=new.qp, sha256=new.sha256))
    return changed


def _public_urls(connection: Connection, digest_ids: Collection[int]) -> dict[int, str]:
    """The site's address as each digest was frozen with it."""
    rows = connection.execute(select(digests.c.id, digests.c.settings).where(digests.c.id.in_(digest_ids)))
    return {row.id: row.settings.get("page", {}).get("public_url", "") for row in rows}


def _ids(which: Which) -> Select[int]:
    return select(articles.c.id).where(which)
