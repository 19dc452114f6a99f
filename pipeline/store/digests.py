"""Digests: taking a slot, what a freeze needs to know, and the frozen content."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from secrets import token_hex
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    Text,
    and_,
    case,
    cast,
    exists,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from pipeline.errors import UsageError
from pipeline.model.articles import Article, ArticleStatus
from pipeline.model.edits import Edits
from pipeline.model.fragments import FragmentRow
from pipeline.model.frozen import Arrangement
from pipeline.model.newsletters import DIGEST_MOVES, Digest, DigestStatus
from pipeline.model.selection import Candidate, Correction, candidate
from pipeline.model.subscribers import SubscriptionStatus, Vantage
from pipeline.store.chunks import chunks
from pipeline.store.schema import (
    articles,
    deliveries,
    digest_articles,
    digest_corrections,
    digests,
    fragments,
    newsletters,
    selections,
    subscribers,
    subscriptions,
    suppressions,
)
from pipeline.store.subscribers import RECEIVED, Audience, audience_query

OPEN = (DigestStatus.DRAFT, DigestStatus.APPROVED, DigestStatus.HELD)
"""Digests that can still be changed."""

FRESH = "fresh"
EARLIER = "earlier"


def take_slot(
    connection: Connection, newsletter_id: int, *, schedule: str, nominal: str, due_at: datetime, audience: str,
    now: datetime,
) -> tuple[int, DigestStatus]:
    """The digest of a slot, made as a draft if this is the first time anyone asks for it."""
    here = and_(digests.c.newsletter_id == newsletter_id, digests.c.schedule == schedule, digests.c.nominal == nominal)
    try:
        with connection.begin_nested():
            connection.execute(insert(digests).values(
                newsletter_id=newsletter_id, schedule=schedule, nominal=nominal, status=DigestStatus.DRAFT,
                uid=token_hex(16), due_at=due_at, audience=audience, settings={}, notes=[], created_at=now,
            ))
    except IntegrityError:  # the slot is taken: whoever has it may have crashed, so the caller goes on from its status
        pass
    row = connection.execute(select(digests.c.id, digests.c.status).where(here)).one()
    return int(row.id), DigestStatus(row.status)


def change(
    connection: Connection, digest_id: int, to: DigestStatus, *, reason: str = "", version: int | None = None,
    held_by: str = "", **values: Any,
) -> bool:
    """Move a digest to another status if that move exists from where it is now, and if it is still at `version` where
    that is given; False when not."""
    sources = [status for status, targets in DIGEST_MOVES.items() if to in targets]
    here = and_(digests.c.id == digest_id, digests.c.status.in_(sources))
    if version is not None:
        here = and_(here, digests.c.version == version)
    return bool(connection.execute(
        update(digests).where(here)
        .values(status=to, reason=reason, held_by=held_by, version=digests.c.version + 1, **values)
    ).rowcount)


def get(connection: Connection, digest_id: int) -> Digest:
    return digest_of(connection.execute(query().where(digests.c.id == digest_id)).one())


def find(connection: Connection, newsletter: str, schedule: str, nominal: str) -> Digest | None:
    row = connection.execute(query().where(
        newsletters.c.slug == newsletter, digests.c.schedule == schedule, digests.c.nominal == nominal
    )).one_or_none()
    return digest_of(row) if row else None


def listed(
    connection: Connection, *, newsletter: str = "", statuses: Iterable[DigestStatus] = (), limit: int | None = None
) -> list[Digest]:
    """Digests, the newest slot first."""
    rows = query().order_by(digests.c.due_at.desc(), digests.c.id.desc()).limit(limit)
    if newsletter:
        rows = rows.where(newsletters.c.slug == newsletter)
    if wanted := list(statuses):
        rows = rows.where(digests.c.status.in_(wanted))
    return [digest_of(row) for row in connection.execute(rows)]


def settings(connection: Connection, digest_id: int) -> dict[str, Any]:
    """What the freeze kept of the configuration: headers, rules, titles."""
    return dict(connection.execute(select(digests.c.settings).where(digests.c.id == digest_id)).scalar_one())


def facts(connection: Connection, digest_id: int) -> Row[Any]:
    """The freeze's own numbers: newsletter_id, audience, audience_seq, from_seq, cut_seq, capped, nonce, notes."""
    return connection.execute(select(digests).where(digests.c.id == digest_id)).one()


def audience(row: Row[Any]) -> Audience:
    """Whom a frozen digest is for, of its row."""
    listed_for = row.id if row.audience.startswith(RECEIVED) else 0
    return Audience(row.newsletter_id, row.audience, row.audience_seq, listed_for)


def audience_reach(connection: Connection, audience: Audience) -> dict[Vantage, int]:
    """Where the confirmed people of an audience stand -> how many.

    Suppressed addresses don't count: they will get nothing, and must not drag old articles in for the others.
    """
    members = audience_query(audience).subquery()
    covered = last_covered().label("covered")
    topics = cast(subscriptions.c.topics, Text).label("topics")  # JSON can't be grouped by on PostgreSQL
    rows = connection.execute(
        select(covered, subscriptions.c.start_seq, topics, subscriptions.c.language, func.count().label("number"))
        .join(members, members.c.subscription_id == subscriptions.c.id)
        .join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .where(subscriptions.c.status == SubscriptionStatus.CONFIRMED,
               ~exists().where(suppressions.c.address_key == subscribers.c.address_key))
        .group_by(covered, subscriptions.c.start_seq, topics, subscriptions.c.language)
    )
    reach: dict[Vantage, int] = {}
    for row in rows:
        who = Vantage(max(row.covered, row.start_seq), row.start_seq, tuple(json.loads(row.topics)), row.language)
        reach[who] = reach.get(who, 0) + row.number
    return reach


def last_covered() -> Any:
    """SQL: the last cut that a subscription's deliveries covered, 0 where they covered none."""
    return func.coalesce(
        select(func.max(deliveries.c.cut_seq))
        .where(deliveries.c.subscription_id == subscriptions.c.id, deliveries.c.covered)
        .correlate(subscriptions).scalar_subquery(),
        0,
    )


def covered_until() -> Any:
    """SQL: where a subscription's next window starts, the larger of its start and its last covered cut."""
    last_cut = last_covered()
    return case((last_cut > subscriptions.c.start_seq, last_cut), else_=subscriptions.c.start_seq)


def unchanged(connection: Connection, chosen: Sequence[Article]) -> bool:
    """Whether every article is still accepted in the very revision that was rendered."""
    for start in range(0, len(chosen), 400):
        part = {a.id: a.revision for a in chosen[start:start + 400]}
        rows = connection.execute(
            select(articles.c.id, articles.c.revision)
            .where(articles.c.id.in_(part), articles.c.status == ArticleStatus.ACCEPTED)
        ).all()
        if {row.id: row.revision for row in rows} != part:
            return False
    return True


def store_content(
    connection: Connection, digest_id: int, chosen: Sequence[tuple[Article, Candidate]],
    rows: Mapping[str, Sequence[FragmentRow]], *, scores: Mapping[int, Mapping[str, int]] | None = None,
    corrections: Sequence[Correction] = (),
) -> None:
    """Store what is frozen: the articles in display order with how they are chosen by, corrections, and the fragments
    of each language ("": the newsletter's)."""
    points = scores or {}
    values = [
        {"digest_id": digest_id, "position": position, "article_id": a.id, "accepted_seq": a.accepted_seq,
         "story": a.story, "source": a.source, "source_title": a.source_title, "title": a.title,
         "summary": a.summary, "author": a.author, "url": a.url, "language": a.language, "topics": list(a.topics),
         "published_at": a.published_at, "revision": a.revision, "kind": FRESH if c.fresh else EARLIER, "told": c.told,
         "rank": c.rank, "score": dict(points.get(a.id, {})), "size": c.size}
        for position, (a, c) in enumerate(chosen)
    ]
    if values:
        connection.execute(insert(digest_articles), values)
    told_again = [{"digest_id": digest_id, "position": position, **asdict(one)}
                  for position, one in enumerate(corrections)]
    if told_again:
        connection.execute(insert(digest_corrections), told_again)
    for language, pieces in rows.items():
        connection.execute(insert(fragments), [
            {"digest_id": digest_id, "language": language, **asdict(row)} for row in pieces])


def frozen_articles(connection: Connection, digest_id: int) -> list[tuple[Article, Candidate]]:
    """The digest's articles in display order as they were at the freeze, without their HTML (the fragments have it).
    Of one that was taken down since then nothing is left; it counts as withdrawn."""
    rows = connection.execute(
        select(digest_articles).where(digest_articles.c.digest_id == digest_id).order_by(digest_articles.c.position))
    frozen = []
    for row in rows:
        article = Article(
            id=row.article_id, source=row.source, source_title=row.source_title, guid="", url=row.url, title=row.title,
            author=row.author, summary=row.summary, html="", published_at=row.published_at,
            first_seen_at=row.published_at, updated_at=row.published_at, accepted_seq=row.accepted_seq,
            accepted_at=None, status=ArticleStatus.ACCEPTED if row.title else ArticleStatus.WITHDRAWN, story=row.story,
            revision=row.revision, topics=tuple(row.topics), language=row.language,
        )
        how = candidate(article, fresh=row.kind == FRESH, told=row.told, rank=row.rank, size=row.size,
                        points=sum(row.score.values()))
        frozen.append((article, how))
    return frozen


def scores(connection: Connection, digest_id: int) -> dict[int, dict[str, int]]:
    """What each article of a frozen digest got its points for."""
    rows = connection.execute(
        select(digest_articles.c.article_id, digest_articles.c.score).where(digest_articles.c.digest_id == digest_id))
    return {row.article_id: dict(row.score) for row in rows}


def frozen_corrections(connection: Connection, digest_id: int) -> list[Correction]:
    """The digest's, without those of articles that were taken back since."""
    rows = connection.execute(
        select(digest_corrections).join(articles, articles.c.id == digest_corrections.c.article_id)
        .where(digest_corrections.c.digest_id == digest_id, articles.c.status == ArticleStatus.ACCEPTED)
        .order_by(digest_corrections.c.position))
    return [Correction(row.article_id, row.revision, row.size) for row in rows]


def told(connection: Connection, newsletter_id: int, article_ids: Collection[int], digest_id: int) -> set[int]:
    """Which of these articles stood as candidates in a frozen digest of the newsletter other than `digest_id`."""
    wanted = sorted(article_ids)
    found: set[int] = set()
    for start in range(0, len(wanted), 400):
        found.update(connection.execute(
            select(digest_articles.c.article_id).distinct()
            .join(digests, digests.c.id == digest_articles.c.digest_id)
            .where(digest_articles.c.article_id.in_(wanted[start:start + 400]), digest_articles.c.kind == FRESH,
                   digests.c.newsletter_id == newsletter_id, digests.c.id != digest_id,
                   digests.c.frozen_at.is_not(None))).scalars())
    return found


def fragment_rows(connection: Connection, digest_id: int, language: str = "") -> list[FragmentRow]:
    """The pieces in one of the digest's languages ("": the newsletter's)."""
    rows = connection.execute(
        select(fragments).where(fragments.c.digest_id == digest_id, fragments.c.language == language)
        .order_by(fragments.c.ordinal))
    return [FragmentRow(r.part, r.ordinal, r.kind, r.name, r.scope, r.article_id, r.body, r.qp, r.sha256) for r in rows]


def languages(connection: Connection, digest_id: int) -> set[str]:
    """In which a digest is frozen; "" is the newsletter's."""
    return set(connection.execute(
        select(fragments.c.language).distinct().where(fragments.c.digest_id == digest_id)).scalars())


def selection_key(language: str, shown: Arrangement, more: int) -> str:
    """All that decides what somebody's copy looks like, their own values apart."""
    parts = (shown.articles, shown.groups, shown.corrections)
    return f"{language}:{more}:" + ":".join(",".join(map(str, part)) for part in parts)


@dataclass(frozen=True, slots=True)
class Worded:
    """A selection with the words of its message that are not in the fragments."""

    shown: Arrangement
    more: int
    subject: str
    preheader: str
    language: str = ""


def selection_ids(connection: Connection, digest_id: int, keys: Iterable[str]) -> dict[str, int]:
    """Key -> id of those of a digest's selections that are stored."""
    found: dict[str, int] = {}
    for part in chunks(keys):
        here = and_(selections.c.digest_id == digest_id, selections.c.key.in_(part))
        found |= {row.key: row.id for row in connection.execute(select(selections.c.key, selections.c.id).where(here))}
    return found


def add_selections(connection: Connection, digest_id: int, new: Sequence[Worded]) -> dict[str, int]:
    """Store selections that are not there yet; key -> id of each."""
    rows = [{"digest_id": digest_id, "language": one.language, "article_ids": list(one.shown.articles),
             "key": selection_key(one.language, one.shown, one.more), "groups": list(one.shown.groups),
             "corrections": list(one.shown.corrections), "more": one.more, "subject": one.subject,
             "preheader": one.preheader} for one in new]
    if not rows:
        return {}
    return {row.key: row.id for row in connection.execute(
        insert(selections).returning(selections.c.key, selections.c.id), rows)}


def ensure_selection(
    connection: Connection, digest_id: int, shown: Arrangement, *, more: int, subject: str, preheader: str,
    language: str = "",
) -> int:
    """The id of a digest's selection with this arrangement, stored once however many people share it."""
    key = selection_key(language, shown, more)
    worded = Worded(shown, more, subject, preheader, language)
    return (selection_ids(connection, digest_id, [key]) or add_selections(connection, digest_id, [worded]))[key]


def selection_rows(connection: Connection, digest_id: int) -> dict[int, Row[Any]]:
    rows = connection.execute(select(selections).where(selections.c.digest_id == digest_id))
    return {row.id: row for row in rows}


def sent_in(connection: Connection, article_id: int) -> list[Row[Any]]:
    """The digests that hold an article as a candidate: rows with digest_id, schedule, nominal, newsletter, status,
    reason."""
    return list(connection.execute(
        select(digest_articles.c.digest_id, digests.c.schedule, digests.c.nominal, digests.c.status, digests.c.reason,
               newsletters.c.slug.label("newsletter"))
        .join(digests, digests.c.id == digest_articles.c.digest_id)
        .join(newsletters, newsletters.c.id == digests.c.newsletter_id)
        .where(digest_articles.c.article_id == article_id, digest_articles.c.kind == FRESH).order_by(digests.c.due_at)
    ))


def require(connection: Connection, name: str, newsletter: str = "") -> Digest:
    """The digest an operator named: its number, or its name ("2026-11-22-0800-daily"), or "latest"."""
    found = listed(connection, newsletter=newsletter)
    matching = [d for d in found if name in (d.name, str(d.id), d.slot, f"{d.newsletter}/{d.name}")]
    if not matching and name == "latest":
        matching = found[:1]
    if not matching and name == "next":
        matching = [d for d in reversed(found) if d.status in OPEN]
        if not matching:
            raise UsageError("digest", "none waits", hint="`broadsheet digests draft NEWSLETTER` makes the next one's "
                                                          "draft; `broadsheet digests` lists those there were")
    if not matching:
        near = ", ".join(f"{d.newsletter}/{d.name}" for d in found[:5]) or "none yet"
        raise UsageError(f"digest {name!r}", "there is no such digest", hint=f"the latest: {near}")
    if len(matching) > 1:
        listing = ", ".join(f"{d.id} = {d.newsletter}/{d.name}" for d in matching)
        several = "several wait" if name == "next" else "several digests have this name"
        raise UsageError(f"digest {name!r}", several, hint=f"use the number: {listing}")
    return matching[0]


def query() -> Select[Any]:
    """SQL: digests, each with its newsletter's slug, for `digest_of`."""
    return select(digests, newsletters.c.slug.label("newsletter")).join(
        newsletters, newsletters.c.id == digests.c.newsletter_id)


def digest_of(row: Row[Any]) -> Digest:
    return Digest(
        id=row.id, newsletter=row.newsletter, schedule=row.schedule, nominal=row.nominal,
        status=DigestStatus(row.status), due_at=row.due_at, cut_seq=row.cut_seq, created_at=row.created_at,
        frozen_at=row.frozen_at, reason=row.reason, selected=row.selected, held_by=row.held_by, version=row.version,
        edits=Edits.from_json(row.edits), drafted_at=row.drafted_at, approved_at=row.approved_at,
        audience=row.audience, proofed_at=row.proofed_at, findings=tuple(row.findings), kind=row.kind,
    )
