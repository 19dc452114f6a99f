"""compose: slot | draft | choose | render and inline once | freeze | fill the ledger.

A slot makes one digest, whoever asks and however often. Until the freeze a digest is only a row that says "draft":
a crash leaves it so, and the next run goes on from there. The freeze is one transaction, and takes nothing that the
operator changed while it was being rendered. After it the batches are filled in short transactions, and a batch without
rows counts as waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_hex
from typing import Any

from pipeline.compose.choose import Plan, choose
from pipeline.compose.filling import BATCH, fill_due
from pipeline.compose.pictures.gather import Darkroom, are_there, gather_pictures
from pipeline.compose.press import Pressed, press
from pipeline.compose.selections import store_selections
from pipeline.compose.settings import with_mailto
from pipeline.compose.window import decide_expiry
from pipeline.config import Config, Newsletter
from pipeline.errors import BroadsheetError, StoreError
from pipeline.model.drafts import HeldBy, SlotAction, decide_slot
from pipeline.model.fragments import fragments
from pipeline.model.letterhead import Letterhead
from pipeline.model.newsletters import MANUAL, Digest, DigestStatus
from pipeline.model.runs import Slot
from pipeline.render.templates import Templates
from pipeline.store import Connection, declared, digests, drafts, filling, meta
from pipeline.store.engine import Store
from pipeline.store.filling import Part

AGAIN = timedelta(minutes=5)
"""How long after a preflight that held a digest it is looked at again; an edit or an approval does not wait."""

WORDED = 50
"""Selections that are worded with the freeze, those of most people first."""

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
    return fill_due(parts.store, parts.config, lambda: parts.templates, now)


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
    with parts.store.read() as connection:  # of a moment that is past, and so the same a moment later
        audience = filling.parts_of(connection, plan.audience, BATCH)
    with parts.store.write() as connection:
        meta.take(connection, meta.ACCEPTED, 0)  # what is taken back at this moment waits, and finds the digest
        told_now = [*plan.fresh, *(article for article, _ in plan.corrections)]
        same = digests.unchanged(connection, told_now) and are_there(parts.darkroom, pictures)
        return same and _commit(
            connection, parts.templates, digest, pressed, proofed, audience, now, _expiry(newsletter, digest, now))


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
    connection: Connection, templates: Templates, digest: Digest, pressed: Pressed, proofed: Proofed,
    audience: Sequence[Part], now: datetime, expires_at: datetime,
) -> bool:
    """The freeze: content, audience and batches in one transaction; False where the digest is not what was rendered
    any more."""
    plan, head = pressed.plan, with_mailto(connection, pressed.head, now)
    moved = digests.change(
        connection, digest.id, DigestStatus.FROZEN, version=digest.version, from_seq=plan.reach.from_seq,
        cut_seq=plan.reach.cut_seq, public_from_seq=plan.reach.public_from_seq, capped=plan.capped,
        audience_seq=plan.audience.audience_seq, selected=sum(number for *_, number in audience),
        nonce=next(one.nonce for one in pressed.frozen.values()), settings=head.to_json(), frozen_at=now,
        notes=list(pressed.notes), findings=proofed.stored, proofed_at=now,
    )
    if moved:
        digests.store_content(
            connection, digest.id, plan.chosen, {lang: fragments(one) for lang, one in pressed.frozen.items()},
            scores=plan.scores, corrections=[correction for _, correction in plan.corrections])
        _word(connection, templates, head, plan, digest.id)
        filling.add_batches(connection, digest.id, digest.due_at, audience, expires_at)
        drafts.pass_over(connection, digest, digest.name)
    return moved


def _word(connection: Connection, templates: Templates, head: Letterhead, plan: Plan, digest_id: int) -> None:
    """Word what most people will get, so that whoever fills and sends needs no templates. What is chosen for each is
    decided later, by what is known then."""
    most = sorted(plan.people, key=lambda who: (-plan.people[who], who))[:WORDED]
    known = digests.languages(connection, digest_id)
    expected = [(who.language if who.language in known else "", plan.selection(who)) for who in most]
    articles = [article for article, _ in digests.frozen_articles(connection, digest_id)]
    store_selections(connection, templates, head, digest_id, [one for one in expected if one[1].articles], articles)


def _expiry(newsletter: Newsletter, digest: Digest, now: datetime) -> datetime:
    times = next((s.times for s in newsletter.schedules if s.slug == digest.schedule), None)
    return decide_expiry(digest.due_at, now, lasts=newsletter.expires,
                         next_after=(lambda moment: times.next_after(moment).due_at) if times is not None else None)


def _end(
    store: Store, digest: Digest, status: DigestStatus, reason: str, held_by: str = "", **values: Any
) -> bool:
    with store.write() as connection:
        return digests.change(
            connection, digest.id, status, reason=reason, held_by=held_by, version=digest.version, **values)
