"""compose: slot | window | choose | render and inline once | freeze | fill the ledger.

A slot makes one digest, whoever asks and however often. Until the freeze a digest is only a row that says "draft":
a crash leaves it so, and the next run goes on from there. The freeze is one transaction. After it every batch is
filled in a transaction of its own, and a batch without rows counts as waiting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex

from pipeline.compose.choose import Plan, choose
from pipeline.compose.fill import DigestFacts, Verdict, decide_fill
from pipeline.compose.freeze import freeze
from pipeline.compose.pictures.gather import Darkroom, are_there, gather_pictures
from pipeline.compose.settings import letterhead, page_for
from pipeline.config import Config, Newsletter
from pipeline.errors import BroadsheetError, StoreError, TemplateError
from pipeline.model.articles import Article, ArticleStatus
from pipeline.model.frozen import Frozen, fragments
from pipeline.model.letterhead import Letterhead
from pipeline.model.newsletters import Digest, DigestStatus
from pipeline.model.runs import Slot
from pipeline.model.selection import Selection
from pipeline.render.templates import Templates
from pipeline.render.views import plain_view, preheader
from pipeline.store import Connection, declared, deliveries, digests, meta, subscribers
from pipeline.store.deliveries import Batch
from pipeline.store.engine import Store
from pipeline.store.subscribers import Audience

BATCH = 500
"""Deliveries filled in one transaction."""

TRIES = 3
"""How often a digest is rendered anew because an article changed while it was being rendered."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What composing needs."""

    store: Store
    config: Config
    templates: Templates
    darkroom: Darkroom


def compose(parts: Parts, newsletter: Newsletter, slot: Slot, *, audience: str, now: datetime) -> Digest:
    """Make a slot's digest, or find it made. Returns it frozen, skipped (with the reason), or as it stood.

    `audience` is a schedule's slug, "" for the people of every schedule. A template that can't be rendered holds the
    digest and raises TemplateError: nobody is mailed.
    """
    with parts.store.write() as connection:
        newsletter_id = declared.newsletter_id(connection, newsletter.slug)
        digest_id, status = digests.take_slot(
            connection, newsletter_id, schedule=slot.schedule, nominal=slot.nominal, due_at=slot.due_at,
            audience=audience, now=now)
    if status in (DigestStatus.DRAFT, DigestStatus.APPROVED, DigestStatus.HELD):
        _freeze_or_skip(parts, newsletter, newsletter_id, digest_id, audience, now)
    with parts.store.read() as connection:
        return digests.get(connection, digest_id)


def fill_batches(parts: Parts, now: datetime) -> int:
    """Give a row to everyone in the batches that are due and have none; the number of batches filled."""
    filled = 0
    while True:
        with parts.store.read() as connection:
            due = deliveries.unfilled(connection, now)
        if not due:
            return filled
        for batch in due:
            with parts.store.write() as connection:
                if deliveries.lock_batch(connection, batch.id):
                    _fill(connection, parts.templates, batch, now)
                    filled += 1


def selection_subject(
    templates: Templates, head: Letterhead, selection: Selection, frozen: Sequence[Article]
) -> tuple[str, str]:
    """(subject, preheader) for one selection. A subject that fails for these articles becomes the newsletter's title:
    the digest is frozen by now, and a plain subject is better than no mail."""
    by_id = {a.id: a for a in frozen if a.status is ArticleStatus.ACCEPTED}
    views = [plain_view(by_id[i], public_url=head.page.public_url) for i in selection.ids if i in by_id]
    try:
        subject = templates.subject(head.subject, page=head.page, articles=views) if views else ""
    except TemplateError:
        subject = ""
    return subject or head.page.newsletter_title, preheader(views)


def _freeze_or_skip(
    parts: Parts, newsletter: Newsletter, newsletter_id: int, digest_id: int, audience: str, now: datetime
) -> None:
    rules = newsletter.rules
    for _ in range(TRIES):
        with parts.store.read() as connection:
            digest = digests.get(connection, digest_id)
            plan = choose(connection, newsletter_id, audience, rules, digest_id)
        if plan.empty:
            _end(parts.store, digest_id, DigestStatus.SKIPPED, plan.empty)
            return
        head = letterhead(parts.config, newsletter, digest)
        pictures = gather_pictures(parts.darkroom, newsletter, plan.fresh, now)
        nonce = token_hex(8)
        try:
            template = parts.templates.digest(newsletter.template)
            frozen = freeze(template, page_for(parts.config, newsletter, digest), plan.fresh, nonce=nonce,
                            pictures=pictures)
            start, start_seq = next(iter(plan.people))
            _try_subject(parts.templates, head, plan.selection(start, start_seq, rules), plan.fresh)
        except BroadsheetError as error:
            _end(parts.store, digest_id, DigestStatus.HELD, str(error))
            raise
        with parts.store.write() as connection:
            meta.take(connection, meta.ACCEPTED, 0)  # what is taken back at this moment waits, and finds the digest
            if digests.unchanged(connection, plan.fresh) and are_there(parts.darkroom, pictures):
                _commit(connection, digest_id, plan, frozen, head, nonce, now, pictures.notes)
                return
    raise StoreError(f"digest {digest_id}", f"its articles changed during each of {TRIES} renderings",
                     hint="it is composed again at the next run", permanent=False)


def _try_subject(
    templates: Templates, head: Letterhead, selection: Selection, frozen: Sequence[Article]
) -> None:
    """Try the subject before the freeze, while holding the digest is still possible."""
    by_id = {a.id: a for a in frozen}
    views = [plain_view(by_id[i], public_url=head.page.public_url) for i in selection.ids]
    if views:
        templates.subject(head.subject, page=head.page, articles=views)


def _commit(
    connection: Connection, digest_id: int, plan: Plan, frozen: Frozen, head: Letterhead, nonce: str, now: datetime,
    lacking: Sequence[str],
) -> None:
    """The freeze: content, audience and batches in one transaction."""
    due_at = digests.get(connection, digest_id).due_at
    digests.change(connection, digest_id, DigestStatus.DRAFT)  # one that was held: what was wrong has been put right
    people = list(subscribers.audience_ids(connection, plan.audience))
    moved = digests.change(
        connection, digest_id, DigestStatus.FROZEN, from_seq=plan.reach.from_seq, cut_seq=plan.reach.cut_seq,
        public_from_seq=plan.reach.public_from_seq, capped=plan.capped, audience_seq=plan.audience.audience_seq,
        selected=len(people), nonce=nonce, settings=head.to_json(), frozen_at=now,
        notes=[*plan.notes, *(f"article {note.article_id}: {note.reason}" for note in frozen.notes), *lacking],
    )
    if moved:  # else another process froze it first, and what it froze stands
        digests.store_content(connection, digest_id, plan.chosen, fragments(frozen))
        deliveries.add_batches(connection, digest_id, due_at, people, BATCH)


def _fill(connection: Connection, templates: Templates, batch: Batch, now: datetime) -> None:
    digest = digests.get(connection, batch.digest_id)
    facts = digests.facts(connection, batch.digest_id)
    head = Letterhead.from_json(facts.settings)
    frozen = digests.frozen_articles(connection, batch.digest_id)
    told = [article for article, _ in frozen]
    # what was taken down since the freeze is told to nobody; an earlier telling of it counts all the same
    frozen = [(article, how) for article, how in frozen if article.status is ArticleStatus.ACCEPTED or not how.fresh]
    digest_facts = DigestFacts(
        from_seq=facts.from_seq, cut_seq=facts.cut_seq, capped=facts.capped, rules=head.rules,
        candidates=[how for _, how in frozen],
        cancelled=(digest.reason or "by the operator") if digest.status is DigestStatus.CANCELLED else "",
    )
    audience = Audience(facts.newsletter_id, facts.audience, facts.audience_seq)
    verdicts = [decide_fill(person, digest_facts) for person in deliveries.people(connection, batch, audience)]
    ids = _selections(connection, templates, head, batch.digest_id, verdicts, told)
    rows = [v.row(ids[v.selection.ids, v.selection.more] if v.selection else 0) for v in verdicts]
    deliveries.fill(connection, batch, rows, now)


def _selections(
    connection: Connection, templates: Templates, head: Letterhead, digest_id: int, verdicts: Sequence[Verdict],
    told: Sequence[Article],
) -> dict[tuple[tuple[int, ...], int], int]:
    """Store each distinct selection once; in a fixed order, so that two fills at once don't wait for each other."""
    distinct = {(v.selection.ids, v.selection.more): v.selection for v in verdicts if v.selection}
    ids = {}
    for key in sorted(distinct):
        subject, preheader = selection_subject(templates, head, distinct[key], told)
        ids[key] = digests.ensure_selection(
            connection, digest_id, article_ids=key[0], more=key[1], subject=subject, preheader=preheader)
    return ids


def _end(store: Store, digest_id: int, status: DigestStatus, reason: str) -> None:
    with store.write() as connection:
        digests.change(connection, digest_id, status, reason=reason)
