"""compose: slot | draft | choose | render and inline once | freeze | fill the ledger.

A slot makes one digest, whoever asks and however often. Until the freeze a digest is only a row that says "draft":
a crash leaves it so, and the next run goes on from there. The freeze is one transaction, and takes nothing that the
operator changed while it was being rendered. After it every batch is filled in a transaction of its own, and a batch
without rows counts as waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from secrets import token_hex
from typing import Any

from pipeline.compose.choose import Plan, choose
from pipeline.compose.fill import DigestFacts, decide_fill
from pipeline.compose.pictures.gather import Darkroom, are_there, gather_pictures
from pipeline.compose.press import Pressed, press
from pipeline.compose.selections import selection_key, store_selections
from pipeline.compose.settings import with_mailto
from pipeline.compose.window import decide_expiry
from pipeline.config import Config, Newsletter
from pipeline.errors import BroadsheetError, StoreError
from pipeline.model.articles import ArticleStatus
from pipeline.model.drafts import HeldBy, SlotAction, decide_slot
from pipeline.model.fragments import fragments
from pipeline.model.letterhead import Letterhead
from pipeline.model.newsletters import MANUAL, Digest, DigestStatus
from pipeline.model.runs import Slot
from pipeline.render.templates import Templates
from pipeline.store import Connection, declared, deliveries, digests, drafts, meta, subscribers, told
from pipeline.store.deliveries import Batch
from pipeline.store.engine import Store
from pipeline.store.subscribers import Audience

BATCH = 500
"""Deliveries filled in one transaction."""

AGAIN = timedelta(minutes=5)
"""How long after a preflight that held a digest it is looked at again; an edit or an approval does not wait."""

TRIES = 3
"""How often a digest is rendered anew because something changed while it was being rendered."""


@dataclass(frozen=True, slots=True)
class Proofed:
    """What a preflight says: its findings as they are stored, and why the digest must not go ("": it may)."""

    findings: Sequence[Mapping[str, str]] = ()
    holds: str = ""

    @property
    def stored(self) -> list[dict[str, str]]:
        return [dict(one) for one in self.findings]


@dataclass(frozen=True, slots=True)
class Parts:
    """What composing needs. `prove` looks at what is about to be frozen (it belongs to a floor above)."""

    store: Store
    config: Config
    templates: Templates
    darkroom: Darkroom
    prove: Callable[[Pressed], Proofed] = lambda _pressed: Proofed()


def compose(
    parts: Parts, newsletter: Newsletter, slot: Slot, *, audience: str, now: datetime, late: str = ""
) -> Digest:
    """Make a slot's digest, or find it made. Returns it frozen, skipped (with the reason), held, or as it stood.

    `audience` is a schedule's slug, "" for the people of every schedule; `late` the reason why it is too late for this
    slot, or "". A template that can't be rendered holds the digest and raises TemplateError: nobody is mailed.
    """
    with parts.store.write() as connection:
        newsletter_id = declared.newsletter_id(connection, newsletter.slug)
        digest_id, _ = digests.take_slot(
            connection, newsletter_id, schedule=slot.schedule, nominal=slot.nominal, due_at=slot.due_at,
            audience=audience, now=now)
    for _ in range(TRIES):
        if _step(parts, newsletter, newsletter_id, digest_id, now, late):
            with parts.store.read() as connection:
                return digests.get(connection, digest_id)
    raise StoreError(f"digest {digest_id}", f"it, or its articles, changed during each of {TRIES} renderings",
                     hint="it is composed again at the next run", permanent=False)


def draft(parts: Parts, newsletter: Newsletter, slot: Slot, *, audience: str, now: datetime) -> Digest | None:
    """Compose a slot's digest ahead of it, so that the operator may look at it and change it; None where there is
    nothing to tell yet, or where it is there already.

    What comes in from now on is for the next digest. A template that can't be rendered is said now, and not at the
    slot: the draft is held, and tried again then.
    """
    with parts.store.read() as connection:
        newsletter_id = declared.newsletter_id(connection, newsletter.slug)
        known = digests.find(connection, newsletter.slug, slot.schedule, slot.nominal)
        if known is not None and (known.drafted_at is not None or known.status not in digests.OPEN):
            return None
        made_up = Digest(0, newsletter.slug, slot.schedule, slot.nominal, DigestStatus.DRAFT, slot.due_at, 0, now)
        plan = choose(connection, newsletter_id, newsletter, audience, known or made_up, now)
    if plan.empty:
        return None
    with parts.store.write() as connection:
        digest_id, _ = digests.take_slot(
            connection, newsletter_id, schedule=slot.schedule, nominal=slot.nominal, due_at=slot.due_at,
            audience=audience, now=now)
        if not drafts.begin(connection, digest_id, plan.reach.cut_seq, now):
            return None
        digest = digests.get(connection, digest_id)
    pictures = gather_pictures(parts.darkroom, newsletter, plan.fresh, now)
    try:
        pressed = press(parts.templates, parts.config, newsletter, digest, plan, nonce=token_hex(8), pictures=pictures)
    except BroadsheetError as error:
        _end(parts.store, digest, DigestStatus.HELD, str(error), HeldBy.ERROR)
    else:
        proofed = parts.prove(pressed)
        with parts.store.write() as connection:
            drafts.record_proof(connection, digest_id, proofed.findings, now, version=digest.version)
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


def _step(
    parts: Parts, newsletter: Newsletter, newsletter_id: int, digest_id: int, now: datetime, late: str
) -> bool:
    """Bring a digest as far as it can go now; False where something changed under the work, and it is to be done again.
    """
    with parts.store.read() as connection:
        digest = digests.get(connection, digest_id)
        review = newsletter.review
        action, reason = decide_slot(
            digest.status, digest.held_by, approved=digest.approved_at is not None, late=late, now=now,
            due_at=digest.due_at,
            needs_word=review is not None and review.silence == "hold" and digest.schedule != MANUAL)
        if action in (SlotAction.NOTHING, SlotAction.WAIT) or _just_looked_at(digest, now):
            return True
        plan = choose(connection, newsletter_id, newsletter, digest.audience, digest, now)
    if action is SlotAction.SKIP:
        return _end(parts.store, digest, DigestStatus.SKIPPED, reason)
    if plan.empty:
        return _end(parts.store, digest, DigestStatus.SKIPPED, plan.empty)
    if action is SlotAction.HOLD:
        return _hold(parts.store, digest, plan, reason, now)
    pictures = gather_pictures(parts.darkroom, newsletter, plan.fresh, now)
    try:
        pressed = press(
            parts.templates, parts.config, newsletter, digest, plan, nonce=token_hex(8), pictures=pictures)
    except BroadsheetError as error:
        _end(parts.store, digest, DigestStatus.HELD, str(error), HeldBy.ERROR)
        raise
    proofed = parts.prove(pressed)
    if proofed.holds and not digest.edits.anyway:
        return _end(parts.store, digest, DigestStatus.HELD, proofed.holds, HeldBy.PREFLIGHT,
                    findings=proofed.stored, proofed_at=now)
    with parts.store.write() as connection:
        meta.take(connection, meta.ACCEPTED, 0)  # what is taken back at this moment waits, and finds the digest
        told_now = [*plan.fresh, *(article for article, _ in plan.corrections)]
        same = digests.unchanged(connection, told_now) and are_there(parts.darkroom, pictures)
        return same and _commit(connection, digest, pressed, proofed, now, _expiry(newsletter, digest, now))


def _just_looked_at(digest: Digest, now: datetime) -> bool:
    """Whether the preflight held it a moment ago: it asks servers, and takes a while."""
    return (digest.held_by == HeldBy.PREFLIGHT and digest.approved_at is None and digest.proofed_at is not None
            and now - digest.proofed_at < AGAIN)


def _hold(store: Store, digest: Digest, plan: Plan, reason: str, now: datetime) -> bool:
    """Wait for the operator's word on what there is now; what comes in later is for the next digest."""
    with store.write() as connection:
        held = digests.change(connection, digest.id, DigestStatus.HELD, reason=reason, held_by=HeldBy.SILENCE,
                              version=digest.version)
        if held:
            drafts.begin(connection, digest.id, plan.reach.cut_seq, now)
        return held


def _commit(
    connection: Connection, digest: Digest, pressed: Pressed, proofed: Proofed, now: datetime, expires_at: datetime
) -> bool:
    """The freeze: content, audience and batches in one transaction; False where the digest is not what was rendered
    any more."""
    plan, head = pressed.plan, with_mailto(connection, pressed.head, now)
    people = list(subscribers.audience_ids(connection, plan.audience))
    moved = digests.change(
        connection, digest.id, DigestStatus.FROZEN, version=digest.version, from_seq=plan.reach.from_seq,
        cut_seq=plan.reach.cut_seq, public_from_seq=plan.reach.public_from_seq, capped=plan.capped,
        audience_seq=plan.audience.audience_seq, selected=len(people),
        nonce=next(one.nonce for one in pressed.frozen.values()), settings=head.to_json(), frozen_at=now,
        notes=list(pressed.notes), findings=proofed.stored, proofed_at=now,
    )
    if moved:
        digests.store_content(
            connection, digest.id, plan.chosen, {lang: fragments(one) for lang, one in pressed.frozen.items()},
            scores=plan.scores, corrections=[correction for _, correction in plan.corrections])
        deliveries.add_batches(connection, digest.id, digest.due_at, people, BATCH, expires_at)
        drafts.pass_over(connection, digest, digest.name)
    return moved


def _expiry(newsletter: Newsletter, digest: Digest, now: datetime) -> datetime:
    times = next((s.times for s in newsletter.schedules if s.slug == digest.schedule), None)
    return decide_expiry(digest.due_at, now, lasts=newsletter.expires,
                         next_after=(lambda moment: times.next_after(moment).due_at) if times is not None else None)


def _fill(connection: Connection, templates: Templates, batch: Batch, now: datetime) -> None:
    digest = digests.get(connection, batch.digest_id)
    facts = digests.facts(connection, batch.digest_id)
    head = Letterhead.from_json(facts.settings)
    frozen = digests.frozen_articles(connection, batch.digest_id)
    articles = [article for article, _ in frozen]
    # what was taken down since the freeze is told to nobody; an earlier telling of it counts all the same
    frozen = [(article, how) for article, how in frozen if article.status is ArticleStatus.ACCEPTED or not how.fresh]
    digest_facts = DigestFacts(
        from_seq=facts.from_seq, cut_seq=facts.cut_seq, capped=facts.capped, rules=head.rules,
        candidates=[how for _, how in frozen], corrections=digests.frozen_corrections(connection, batch.digest_id),
        room=head.room, languages=digests.languages(connection, batch.digest_id),
        cancelled=(digest.reason or "by the operator") if digest.status is DigestStatus.CANCELLED else "",
    )
    audience = Audience(facts.newsletter_id, facts.audience, facts.audience_seq)
    people = deliveries.people(connection, batch, audience)
    if digest_facts.asked:
        known = told.told_by(connection, digest_facts.asked, batch.first_id, batch.last_id)
        people = [replace(person, told=known.get(person.subscription_id, {})) for person in people]
    verdicts = [decide_fill(person, digest_facts) for person in people]
    getting = [(v.language, v.selection) for v in verdicts if v.selection]
    ids = store_selections(connection, templates, head, batch.digest_id, getting, articles)
    rows = [v.row(ids[selection_key(head, v.language, v.selection)] if v.selection else 0) for v in verdicts]
    deliveries.fill(connection, batch, rows, now)


def _end(
    store: Store, digest: Digest, status: DigestStatus, reason: str, held_by: str = "", **values: Any
) -> bool:
    with store.write() as connection:
        return digests.change(
            connection, digest.id, status, reason=reason, held_by=held_by, version=digest.version, **values)
