"""preview: the exact bytes of the next send, for one person, with nothing written but what is known of pictures.

    plan (one reading transaction) | pictures | freeze in memory | that person's verdict and selection | message

It takes the very steps of a real send, so what it shows is what goes out; only what a freeze makes up anew differs:
the nonce (the MIME boundary), the Date, and the digest's secret that the Message-ID is made from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email import message_from_bytes, policy
from secrets import token_hex

from pipeline.app import App
from pipeline.audience.addresses import read_address
from pipeline.compose.choose import Plan, choose
from pipeline.compose.fill import NOTHING_NEW, DigestFacts, decide_fill
from pipeline.compose.freeze import freeze
from pipeline.compose.pictures.gather import gather_pictures
from pipeline.compose.settings import letterhead, page_for
from pipeline.compose.stage import selection_subject
from pipeline.config import Newsletter
from pipeline.deliver.letters import Letter
from pipeline.deliver.transport import Envelope
from pipeline.errors import UsageError
from pipeline.model.articles import Article
from pipeline.model.deliveries import LIVE, DeliveryState, LiveDelivery, PersonFacts
from pipeline.model.newsletters import MANUAL, Digest, DigestStatus
from pipeline.model.runs import Slot
from pipeline.model.selection import Selection
from pipeline.model.subscribers import Subscription, SubscriptionStatus
from pipeline.store import Connection, declared, ledger, subscribers

MADE_UP = "reader@example.com"
"""Whom a preview is for where nobody is named; their unsubscribe link belongs to nobody."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom a message is made for."""

    address: str
    subscription_id: int = 0                  # 0: made up
    confirmed_at: datetime | None = None
    start: int = 0                            # where their window starts
    start_seq: int = 0                        # where their subscription started


@dataclass(frozen=True, slots=True)
class Sheet:
    """A message with what it was made of."""

    envelope: Envelope
    eml: bytes
    subject: str
    articles: tuple[Article, ...]
    more: int
    notes: tuple[str, ...]

    @property
    def html(self) -> str:
        return self._part("html")

    @property
    def text(self) -> str:
        return self._part("plain")

    def _part(self, kind: str) -> str:
        message = message_from_bytes(self.eml, policy=policy.default)
        body = message.get_body((kind,))
        return str(body.get_content()).replace("\r\n", "\n") if body is not None else ""


@dataclass(frozen=True, slots=True)
class Preview:
    """The next send. `nothing` says why there is no message, and is "" where there is one."""

    digest: Digest
    audience: str              # the schedule's slug, "" for everyone
    people: int
    reader: Reader
    sheet: Sheet | None
    nothing: str = ""


def preview(app: App, newsletter: Newsletter, *, schedule: str = "", address: str = "") -> Preview:
    """The next digest of a schedule (the reader's own, else the default one) for `address`, or for somebody who has
    the window that most people have. Raises UsageError where the address is not subscribed, TemplateError as the
    freeze does."""
    with app.store.read() as connection:
        newsletter_id = known_id(connection, newsletter)
        subscription = _subscription(connection, newsletter_id, newsletter, address) if address else None
        wanted = schedule or (subscription.schedule if subscription else newsletter.default_schedule.slug)
        due = app.config.schedule(newsletter.slug, wanted).times.next_after(app.now())
        digest = draft(newsletter, Slot(wanted, due.nominal, due.due_at), app.now())
        planned = _of_plan(connection, newsletter, digest, wanted, subscription)
    return _with_sheet(app, newsletter, *planned)


def preview_by_hand(app: App, newsletter: Newsletter, *, schedule: str = "") -> Preview:
    """What `compose` would make right now, for one schedule's people or for all."""
    now = app.now()
    slot = Slot(MANUAL, now.strftime("%Y-%m-%dT%H:%M:%S"), now)
    with app.store.read() as connection:
        known_id(connection, newsletter)
        planned = _of_plan(connection, newsletter, draft(newsletter, slot, now), schedule, None)
    return _with_sheet(app, newsletter, *planned)


def known_id(connection: Connection, newsletter: Newsletter) -> int:
    return declared.newsletter_id(connection, newsletter.slug)


def draft(newsletter: Newsletter, slot: Slot, now: datetime) -> Digest:
    """A digest as its slot would make it, without a row."""
    return Digest(id=0, newsletter=newsletter.slug, schedule=slot.schedule, nominal=slot.nominal,
                  status=DigestStatus.DRAFT, due_at=slot.due_at, cut_seq=0, created_at=now)


def make_sheet(
    app: App, newsletter: Newsletter, digest: Digest, fresh: Sequence[Article], told: Sequence[Article],
    selection: Selection, reader: Reader, *, mark: str = "", unsubscribe_url: str = "",
) -> Sheet:
    """Freeze in memory and write one person's message. `fresh` is what is rendered, `told` what subjects may name.
    Pictures are fetched where they were not yet: call it outside of any transaction."""
    templates = app.templates()
    head = letterhead(app.config, newsletter, digest)
    frozen = freeze(templates.digest(newsletter.template), page_for(app.config, newsletter, digest), fresh,
                    nonce=token_hex(8), pictures=gather_pictures(app.darkroom(), newsletter, fresh, app.now()))
    subject, preheader = selection_subject(templates, head, selection, told)
    letter = Letter(token_hex(16), head, frozen, app.now(), {})
    envelope, chunks = letter.personal(
        app.keyring, reader.subscription_id, reader.address, reader.confirmed_at or app.now(), subject=mark + subject,
        article_ids=selection.ids, preheader=preheader, more=selection.more, unsubscribe_url=unsubscribe_url)
    by_id = {a.id: a for a in fresh}
    notes = tuple(f"article {note.article_id} stands as its summary: {note.reason}" for note in frozen.notes)
    return Sheet(envelope, b"".join(chunks), mark + subject, tuple(by_id[i] for i in selection.ids), selection.more,
                 notes)


def _with_sheet(
    app: App, newsletter: Newsletter, planned: Preview, plan: Plan, selection: Selection | None
) -> Preview:
    """The same with its message, where there is one."""
    if planned.nothing or selection is None:
        return planned
    told = [article for article, _ in plan.chosen]
    return replace(planned, sheet=make_sheet(app, newsletter, planned.digest, plan.fresh, told, selection,
                                             planned.reader))


def _of_plan(
    connection: Connection, newsletter: Newsletter, digest: Digest, audience: str, subscription: Subscription | None
) -> tuple[Preview, Plan, Selection | None]:
    """What would be sent, before it is rendered."""
    plan = choose(connection, known_id(connection, newsletter), audience, newsletter.rules)
    people = sum(plan.people.values())
    reader = _reader(connection, plan, subscription)
    nothing = plan.empty
    selection: Selection | None = None
    if not nothing and subscription is not None:
        selection, nothing = _for_person(connection, newsletter, plan, audience, subscription)
    elif not nothing:
        selection = plan.selection(reader.start, reader.start_seq, newsletter.rules)
        nothing = "" if selection.articles else NOTHING_NEW
    return Preview(digest, audience, people, reader, None, nothing), plan, selection


def _for_person(
    connection: Connection, newsletter: Newsletter, plan: Plan, audience: str, subscription: Subscription
) -> tuple[Selection | None, str]:
    """(what they get, "") or (None, why they get nothing)."""
    if subscription.status is SubscriptionStatus.CONFIRMED and audience not in ("", subscription.schedule):
        return None, f'they are on the schedule "{subscription.schedule}", not on "{audience}"'
    facts = DigestFacts(plan.reach.from_seq, plan.reach.cut_seq, plan.capped, newsletter.rules,
                        [how for _, how in plan.chosen])
    verdict = decide_fill(_facts(connection, subscription), facts)
    return verdict.selection, verdict.reason


def _facts(connection: Connection, subscription: Subscription) -> PersonFacts:
    """What a fill would read of them at this moment."""
    live = None
    for row in ledger.of_subscription(connection, subscription.id):
        if row.state in LIVE and not row.covered:
            live = LiveDelivery(row.id, DeliveryState(row.state), row.cut_seq, row.attempts, row.due_at,
                                row.first_tried_at)
    _, key = read_address(subscription.address)
    return PersonFacts(
        subscription_id=subscription.id, confirmed=subscription.status is SubscriptionStatus.CONFIRMED,
        suppressed=subscribers.suppressed(connection, key), start_seq=subscription.start_seq,
        covered_until=ledger.window_start(connection, subscription.id), live=live)


def _reader(connection: Connection, plan: Plan, subscription: Subscription | None) -> Reader:
    if subscription is not None:
        return Reader(subscription.address, subscription.id, subscription.confirmed_at,
                      ledger.window_start(connection, subscription.id), subscription.start_seq)
    if not plan.people:
        return Reader(MADE_UP)
    # as the web page of a digest: the window of most people, the older one where two are as common
    start, start_seq = min(plan.people, key=lambda where: (-plan.people[where], where))
    return Reader(MADE_UP, start=start, start_seq=start_seq)


def _subscription(
    connection: Connection, newsletter_id: int, newsletter: Newsletter, address: str
) -> Subscription:
    _, key = read_address(address)
    found = subscribers.find(connection, newsletter_id, key)
    if found is None:
        raise UsageError(address, f'is not subscribed to "{newsletter.slug}"',
                         hint="`broadsheet subscribers list` shows who is; leave --to away for a made-up reader")
    return found
