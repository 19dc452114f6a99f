"""Articles: accepting, revising, finding."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, func, insert, or_, select, update

from pipeline.errors import UsageError
from pipeline.model.articles import Article, ArticleStatus, Draft, Enclosure, Extra, Show
from pipeline.model.selection import Rules
from pipeline.store import changes, meta, revisions
from pipeline.store.chunks import chunks
from pipeline.store.schema import article_revisions, article_topics, articles, likenesses, sources

TELLING = 80
"""Characters of summary below which two articles may well say the same and be different ("Open thread")."""


@dataclass(frozen=True, slots=True)
class KnownRow:
    """What identity is decided on: the stored half of a comparison."""

    id: int
    guid: str
    url_key: str
    content_hash: str
    title: str
    revision: int
    status: ArticleStatus
    topics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Acceptance:
    """How a new article enters. `held` is the reason why it waits, "" when it is accepted at once; `seen_at` is when
    it was first seen, None for now."""

    show: Show
    mailable: bool
    reason: str = ""
    held: str = ""
    seen_at: datetime | None = None


def known(connection: Connection, source_id: int, drafts: Sequence[Draft]) -> list[KnownRow]:
    """The source's stored articles that share a guid, an address or their content with one of `drafts`."""
    found: dict[int, KnownRow] = {}
    for column, values in (
        (articles.c.guid, {d.guid for d in drafts}),
        (articles.c.url_key, {d.url_key for d in drafts}),
        (articles.c.content_hash, {d.content_hash for d in drafts}),
    ):
        for chunk in chunks(sorted(values - {""})):
            query = select(
                articles.c.id, articles.c.guid, articles.c.url_key, articles.c.content_hash, articles.c.title,
                articles.c.revision, articles.c.status, articles.c.topics,
            ).where(articles.c.source_id == source_id, column.in_(chunk), column != "")  # as the index has it
            for row in connection.execute(query):
                found[row.id] = KnownRow(row.id, row.guid, row.url_key, row.content_hash, row.title, row.revision,
                                         ArticleStatus(row.status), tuple(row.topics))
    return [found[key] for key in sorted(found)]


def has_any(connection: Connection, source_id: int) -> bool:
    return connection.execute(
        select(articles.c.id).where(articles.c.source_id == source_id).limit(1)).first() is not None


def count_since(connection: Connection, source_id: int, moment: datetime) -> int:
    """How many of a source's articles were first seen after a moment."""
    return connection.execute(select(func.count()).select_from(articles).where(
        articles.c.source_id == source_id, articles.c.first_seen_at > moment)).scalar_one()


def add(
    connection: Connection, source_id: int, drafts: Sequence[tuple[Draft, Acceptance]], now: datetime
) -> list[int]:
    """Store new articles of one source in the given order and return their ids."""
    return add_all(connection, [(source_id, draft, how) for draft, how in drafts], now)


def add_all(
    connection: Connection, drafts: Sequence[tuple[int, Draft, Acceptance]], now: datetime
) -> list[int]:
    """Store new articles, of any sources by their ids, in the given order; those not held get their accepted_seq here.

    A few statements for all of them. Ids are taken from a counter of our own, so that they are known beforehand.
    """
    if not drafts:
        return []
    accepted = sum(1 for _, _, how in drafts if not how.held)
    seq = meta.take(connection, meta.ACCEPTED, accepted)
    change = meta.take(connection, meta.CHANGES)
    first = _take_ids(connection, len(drafts))
    told = Stories.known(connection, [draft for _, draft, _ in drafts])
    rows: list[dict[str, Any]] = []
    topics: list[dict[str, Any]] = []
    for article_id, (source_id, draft, how) in enumerate(drafts, first):
        if draft.pointer:
            raise ValueError(f"{draft.url} is only an address yet")
        rows.append(_content(draft) | {
            "id": article_id, "source_id": source_id, "first_seen_at": how.seen_at or now, "show": how.show,
            "mailable": how.mailable, "published_at": draft.published_at, "updated_at": draft.published_at,
            "story_id": told.of(draft), "status": ArticleStatus.HELD if how.held else ArticleStatus.ACCEPTED,
            "reason": how.held or how.reason, "accepted_seq": None if how.held else seq,
            "accepted_at": None if how.held else now, "changed_seq": change,
        })
        told.tell(article_id, draft)
        seq += not how.held
        topics += _topic_rows(article_id, draft.topics)
    connection.execute(_INSERT, rows)
    if topics:
        connection.execute(_INSERT_TOPIC, topics)
    retold = {row["story_id"] for row in rows if row["accepted_seq"] and (row["story_id"] or first) < first}
    if retold:
        changes.touch(connection, retold)  # those who told it before say now who else does
    return [row["id"] for row in rows]


def revise(connection: Connection, article_id: int, draft: Draft, now: datetime, *, changed: str = "") -> None:
    """Store a substantial change: one more revision under the same identity, date and accepted_seq. `changed` says in
    words what is different."""
    changes.touch(connection, [article_id])
    revisions.begin(connection, article_id)
    revision = connection.execute(
        update(articles).where(articles.c.id == article_id)
        .values(**_content(draft), updated_at=now, revision=articles.c.revision + 1)
        .returning(articles.c.revision)
    ).scalar_one()
    connection.execute(delete(article_topics).where(article_topics.c.article_id == article_id))
    if topics := _topic_rows(article_id, draft.topics):
        connection.execute(_INSERT_TOPIC, topics)
    connection.execute(insert(article_revisions).values(
        article_id=article_id, revision=revision, at=now, title=draft.title, content_hash=draft.content_hash,
        changed=changed))


def move(connection: Connection, article_id: int, draft: Draft) -> None:
    """Remember a new guid or address of an article whose content stayed the same."""
    changes.touch(connection, [article_id])
    connection.execute(update(articles).where(articles.c.id == article_id).values(
        guid=draft.guid, url=draft.url, url_key=draft.url_key))


def file_under(connection: Connection, article_id: int, topics: Sequence[str]) -> None:
    """Give an article other topics. That is no revision: not a word of it has changed."""
    changes.touch(connection, [article_id])
    connection.execute(update(articles).where(articles.c.id == article_id).values(topics=list(topics)))
    connection.execute(delete(article_topics).where(article_topics.c.article_id == article_id))
    if rows := _topic_rows(article_id, topics):
        connection.execute(_INSERT_TOPIC, rows)


def release(connection: Connection, article_ids: Collection[int], now: datetime) -> int:
    """Accept held articles now: their accepted_seq is the moment of release, so every next window has them."""
    held = connection.execute(
        select(articles.c.id).where(articles.c.id.in_(list(article_ids)), articles.c.status == ArticleStatus.HELD)
        .order_by(articles.c.published_at, articles.c.id)
    ).scalars().all()
    if not held:
        return 0
    first = meta.take(connection, meta.ACCEPTED, len(held))
    for seq, article_id in enumerate(held, first):
        connection.execute(update(articles).where(articles.c.id == article_id).values(
            status=ArticleStatus.ACCEPTED, accepted_seq=seq, accepted_at=now, reason=""))
    changes.touch(connection, held)
    return len(held)


def newest(connection: Connection, rules: Rules, limit: int) -> list[Article]:
    """The accepted articles that `rules` match, newest first, at most `limit`."""
    query = _select().where(articles.c.status == ArticleStatus.ACCEPTED, *matching(rules))
    query = query.order_by(articles.c.published_at.desc(), articles.c.accepted_seq.desc()).limit(limit)
    return [_article(row) for row in connection.execute(query)]


def accepted_between(connection: Connection, from_seq: int, cut_seq: int, rules: Rules) -> list[Article]:
    """The accepted, mailable articles with from_seq < accepted_seq <= cut_seq that `rules` match."""
    query = _select().where(
        articles.c.status == ArticleStatus.ACCEPTED, articles.c.mailable,
        articles.c.accepted_seq > from_seq, articles.c.accepted_seq <= cut_seq, *matching(rules),
    ).order_by(articles.c.accepted_seq)
    return [_article(row) for row in connection.execute(query)]


def siblings(connection: Connection, stories: Collection[int], before_seq: int) -> list[Article]:
    """Articles accepted up to `before_seq` that tell one of `stories`, also withdrawn ones: they were told once."""
    found: list[Article] = []
    for chunk in chunks(sorted(stories)):
        query = _select().where(
            or_(articles.c.story_id.in_(chunk), articles.c.id.in_(chunk)), articles.c.accepted_seq <= before_seq)
        found += [_article(row) for row in connection.execute(query.order_by(articles.c.id))]
    return found


def by_id(connection: Connection, article_id: int) -> Article:
    row = connection.execute(_select().where(articles.c.id == article_id)).one_or_none()
    if row is None:
        raise UsageError(f"article {article_id}", "there is no such article",
                         hint="`broadsheet articles list` shows those there are")
    return _article(row)


def by_ids(connection: Connection, article_ids: Collection[int]) -> dict[int, Article]:
    found: dict[int, Article] = {}
    for chunk in chunks(sorted(article_ids)):
        for row in connection.execute(_select().where(articles.c.id.in_(chunk))):
            found[row.id] = _article(row)
    return found


def search(
    connection: Connection, *, status: ArticleStatus | None = None, text: str = "", limit: int = 50
) -> list[Article]:
    """For the operator: the latest articles, by status and by words in title, address or file name."""
    query = _select()
    if status:
        query = query.where(articles.c.status == status)
    if text:
        query = query.where(or_(articles.c.title.icontains(text, autoescape=True),
                                articles.c.url.icontains(text, autoescape=True),
                                articles.c.guid.icontains(text, autoescape=True)))
    return [_article(row) for row in connection.execute(query.order_by(articles.c.id.desc()).limit(limit))]


def matching(rules: Rules) -> list[ColumnElement[bool]]:
    """Conditions on articles joined with their sources."""
    conditions: list[ColumnElement[bool]] = []
    if rules.sources:
        conditions.append(sources.c.slug.in_(rules.sources))
    if rules.topics and "*" not in rules.topics:
        conditions.append(articles.c.id.in_(
            select(article_topics.c.article_id).where(article_topics.c.topic.in_(rules.topics))))
    return conditions


def last_seq_before(connection: Connection, moment: datetime) -> int:
    """The last accepted_seq given out before a moment: a window that starts there holds what came since. 0: all."""
    return connection.execute(
        select(func.max(articles.c.accepted_seq)).where(articles.c.accepted_at < moment)).scalar_one() or 0



@dataclass(slots=True)
class Stories:
    """Which story an article joins: one with the same canonical address or the same content, and no less."""

    by_url: dict[str, int]
    by_content: dict[str, int]

    @classmethod
    def known(cls, connection: Connection, drafts: Sequence[Draft]) -> Stories:
        """The stored stories that one of `drafts` could join; of several the oldest. Where the operator has parted two
        articles, what these two have in common is no reason any more to join either."""
        stories = cls({}, {})
        parted = _parted(connection)
        for column, values, index in (
            (articles.c.url_key, {d.url_key for d in drafts}, stories.by_url),
            (articles.c.content_hash, {d.content_hash for d in drafts if _is_telling(d)}, stories.by_content),
        ):
            for chunk in chunks(sorted(values - {""})):
                query = (select(column.label("key"), func.coalesce(articles.c.story_id, articles.c.id).label("story"))
                         .where(column.in_(chunk)).order_by(articles.c.id))
                for row in connection.execute(query):
                    if row.key not in parted:
                        index.setdefault(row.key, row.story)
        return stories

    def of(self, draft: Draft) -> int | None:
        """The story, None where the article tells its own."""
        found = [self.by_url.get(draft.url_key) if draft.url_key else None,
                 self.by_content.get(draft.content_hash) if _is_telling(draft) else None]
        return min((story for story in found if story is not None), default=None)

    def tell(self, article_id: int, draft: Draft) -> None:
        story = self.of(draft) or article_id
        if draft.url_key:
            self.by_url.setdefault(draft.url_key, story)
        if _is_telling(draft):
            self.by_content.setdefault(draft.content_hash, story)


def _parted(connection: Connection) -> set[str]:
    """Addresses' keys and content hashes that two articles share which the operator has parted."""
    shared: set[str] = set()
    for row in connection.execute(_PARTED):
        shared |= {row.url_key, row.content_hash} & {row.other_key, row.other_hash}
    return shared - {""}


def _is_telling(draft: Draft) -> bool:
    return draft.telling and len(draft.summary) >= TELLING


def _take_ids(connection: Connection, count: int) -> int:
    """Numbers for new articles. The counter begins where a database had come to before there was one."""
    if not meta.counter(connection, meta.ARTICLES):
        highest = connection.execute(select(func.max(articles.c.id))).scalar_one() or 0
        if highest:
            meta.take(connection, meta.ARTICLES, highest)
    return meta.take(connection, meta.ARTICLES, count)


def _content(draft: Draft) -> dict[str, Any]:
    return {
        "guid": draft.guid, "url": draft.url, "url_key": draft.url_key, "content_hash": draft.content_hash,
        "title": draft.title, "author": draft.author, "summary": draft.summary, "html": draft.html,
        "language": draft.language, "rights": draft.rights, "licence": draft.licence, "image": draft.image,
        "text_note": draft.text_note, "topics": list(draft.topics),
        "enclosures": [asdict(e) for e in draft.enclosures],
        "extras": [[e.name, e.text, [list(pair) for pair in e.attributes]] for e in draft.extras],
    }


def _topic_rows(article_id: int, topics: Iterable[str]) -> list[dict[str, Any]]:
    return [{"article_id": article_id, "topic": topic} for topic in dict.fromkeys(topics)]


_ONE, _OTHER = articles.alias("one"), articles.alias("other")
_PARTED = (
    select(_ONE.c.url_key, _ONE.c.content_hash, _OTHER.c.url_key.label("other_key"),
           _OTHER.c.content_hash.label("other_hash"))
    .join(likenesses, likenesses.c.article_id == _ONE.c.id).join(_OTHER, _OTHER.c.id == likenesses.c.other_id)
    .where(likenesses.c.state == "split")
)
_INSERT, _INSERT_TOPIC = insert(articles), insert(article_topics)


def _select() -> Select[Any]:
    return select(articles, sources.c.slug.label("source"), sources.c.title.label("source_title"),
                  sources.c.public_url.label("source_url")).join(
        sources, sources.c.id == articles.c.source_id)


def _article(row: Row[Any]) -> Article:
    return Article(
        id=row.id, source=row.source, source_title=row.source_title or row.source, guid=row.guid, url=row.url,
        title=row.title, author=row.author, summary=row.summary, html=row.html, published_at=row.published_at,
        first_seen_at=row.first_seen_at, updated_at=row.updated_at, accepted_seq=row.accepted_seq or 0,
        accepted_at=row.accepted_at, status=ArticleStatus(row.status), story=row.story_id or row.id,
        revision=row.revision, topics=tuple(row.topics), language=row.language, rights=row.rights,
        show=Show(row.show), mailable=row.mailable, reason=row.reason,
        enclosures=tuple(Enclosure(**e) for e in row.enclosures), licence=row.licence, image=row.image,
        extras=tuple(Extra(name, text, tuple((k, v) for k, v in pairs)) for name, text, pairs in row.extras),
        text_note=row.text_note, correction=row.correction, corrected_at=row.corrected_at,
        withdrawn_at=row.withdrawn_at, source_url=row.source_url,
    )
