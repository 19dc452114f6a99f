"""preview: the exact bytes of the next send, for one person, with nothing written but what is known of pictures.

    plan (one reading transaction) | freeze in memory | that person's verdict and selection | message

It takes the very steps of a real send, so what it shows is what goes out; only what a freeze makes up anew differs:
the nonce (the MIME boundary), the Date, and the digest's secret that the Message-ID is made from.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_hex

from pipeline.app import App
from pipeline.audience.addresses import read_address
from pipeline.compose.choose import Plan, choose
from pipeline.compose.fill import NOTHING_NEW, DigestFacts, decide_fill
from pipeline.compose.pictures.gather import gather_pictures
from pipeline.compose.press import Pressed, press
from pipeline.config import Newsletter
from pipeline.deliver.letters import Letters, shown_in
from pipeline.desk.sheet import MADE_UP, Reader, Sheet, sheet_of
from pipeline.errors import UsageError
from pipeline.model.deliveries import LIVE, DeliveryState, LiveDelivery, PersonFacts
from pipeline.model.newsletters import MANUAL, Digest, DigestStatus
from pipeline.model.runs import Slot
from pipeline.model.selection import Selection
from pipeline.model.subscribers import Subscription, SubscriptionStatus
from pipeline.store import Connection, declared, digests, ledger, subscribers, told


@dataclass(frozen=True, slots=True)
class Preview:
    """The next send. `nothing` says why there is no message, and is "" where there is one."""

    digest: Digest
    audience: str              # the schedule's slug, "" for everyone
    people: int
    reader: Reader
    sheet: Sheet | None
    nothing: str = ""


def preview(
    app: App, newsletter: Newsletter, *, schedule: str = "", address: str = "", at: datetime | None = None,
    digest_name: str = "",
) -> Preview:
    """The next digest of a schedule (the reader's own, else the default one) for `address`, or for somebody who has
    the window that most people have. `at`: the one whose slot is at that moment or the next after it; what was sent
    by then is shown as it was sent. `digest_name`: this one, also where it was made by hand. Raises UsageError
    where the address is not subscribed, TemplateError as the freeze does."""
    with app.store.read() as connection:
        newsletter_id = known_id(connection, newsletter)
        subscription = _subscription(connection, newsletter_id, newsletter, address) if address else None
        named = digests.require(connection, digest_name, newsletter.slug) if digest_name else None
    if named is not None and named.status in digests.OPEN:
        return _next(app, newsletter, named, named.audience, subscription)
    if named is not None:
        return _as_sent(app, named, named.audience, subscription)
    with app.store.read() as connection:
        wanted = schedule or (subscription.schedule if subscription else newsletter.default_schedule.slug)
        moment = app.now() if at is None else at - timedelta(seconds=1)
        due = app.config.schedule(newsletter.slug, wanted).times.next_after(moment)
        slot = Slot(wanted, due.nominal, due.due_at)
        digest = digests.find(connection, newsletter.slug, slot.schedule, slot.nominal)
    if digest is not None and digest.status not in digests.OPEN:
        return _as_sent(app, digest, wanted, subscription)
    if digest is None and due.due_at <= app.now():
        reason = "nothing was made at that time: the program did not run, or had no such schedule"
        return Preview(draft(newsletter, slot, app.now()), wanted, 0, Reader(address or MADE_UP), None, reason)
    return _next(app, newsletter, digest or draft(newsletter, slot, app.now()), wanted, subscription)


def preview_by_hand(app: App, newsletter: Newsletter, *, schedule: str = "") -> Preview:
    """What `compose` would make right now, for one schedule's people or for all."""
    now = app.now()
    slot = Slot(MANUAL, now.strftime("%Y-%m-%dT%H:%M:%S"), now)
    return _next(app, newsletter, draft(newsletter, slot, now), schedule, None)


def known_id(connection: Connection, newsletter: Newsletter) -> int:
    return declared.newsletter_id(connection, newsletter.slug)


def draft(newsletter: Newsletter, slot: Slot, now: datetime) -> Digest:
    """A digest as its slot would make it, without a row."""
    return Digest(id=0, newsletter=newsletter.slug, schedule=slot.schedule, nominal=slot.nominal,
                  status=DigestStatus.DRAFT, due_at=slot.due_at, cut_seq=0, created_at=now)


def make_sheet(
    app: App, newsletter: Newsletter, digest: Digest, plan: Plan, reader: Reader, *, mark: str = "",
    unsubscribe_url: str = "", preferences_url: str = "",
) -> Sheet:
    """Freeze a plan in memory and write the message that most people would get, for this reader."""
    pressed = press_now(app, newsletter, digest, plan)
    return sheet_of(app, pressed, pressed.plan.selection(plan.most), reader, mark=mark,
                    unsubscribe_url=unsubscribe_url, preferences_url=preferences_url)


def press_now(app: App, newsletter: Newsletter, digest: Digest, plan: Plan) -> Pressed:
    """Freeze a plan in memory. Pictures are fetched that were not yet."""
    pictures = gather_pictures(app.darkroom(), newsletter, plan.fresh, app.now())
    return press(app.templates(), app.config, newsletter, digest, plan, nonce=token_hex(8), pictures=pictures)


def _as_sent(app: App, digest: Digest, audience: str, subscription: Subscription | None) -> Preview:
    """What a digest that is frozen gave somebody; for nobody in particular what most people got."""
    reader = Reader(MADE_UP)
    if digest.frozen_at is None or digest.status is DigestStatus.CANCELLED:
        reason = f"it was {digest.status}" + (f": {digest.reason}" if digest.reason else "")
        return Preview(digest, audience, digest.selected, reader, None, reason)
    with app.store.read() as connection:
        known = {a.id: a for a, how in digests.frozen_articles(connection, digest.id) if how.fresh}
        notes = tuple(digests.facts(connection, digest.id).notes)
        if subscription is not None:
            reader = _named(connection, subscription)
            theirs = [r for r in ledger.of_subscription(connection, subscription.id) if r.digest_id == digest.id]
            if not theirs or not theirs[0].selection_id:
                nothing = (theirs[0].reason if theirs else "they were not selected") or "it is not sent yet"
                return Preview(digest, audience, digest.selected, reader, None, nothing)
            selection_id = theirs[0].selection_id
        else:
            selection_id = ledger.commonest_selection(connection, digest.id)
    letter = Letters(app.store, app.signers()).get(digest.id)
    if selection_id is None:
        return Preview(digest, audience, digest.selected, reader, None, "nobody has a delivery of it yet")
    row = letter.selections[selection_id]
    envelope, chunks = letter.personal(
        app.keyring, reader.subscription_id, reader.address, reader.confirmed_at or app.now(), subject=row.subject,
        shown=shown_in(row), preheader=row.preheader, more=row.more, language=row.language)
    sheet = Sheet(envelope, b"".join(chunks), row.subject, tuple(known[i] for i in row.article_ids if i in known),
                  row.more, notes)
    return Preview(digest, audience, digest.selected, reader, sheet)


def _next(
    app: App, newsletter: Newsletter, digest: Digest, audience: str, subscription: Subscription | None
) -> Preview:
    with app.store.read() as connection:
        plan = choose(connection, known_id(connection, newsletter), newsletter, audience, digest, app.now())
        reader = _reader(connection, plan, subscription)
        person = _facts(connection, subscription, plan) if subscription is not None else None
    people = sum(plan.people.values())
    nothing = plan.empty or _chosen(plan, audience, subscription, person)[1]
    if nothing:
        return Preview(digest, audience, people, reader, None, nothing)
    pressed = press_now(app, newsletter, digest, plan)
    selection, nothing = _chosen(pressed.plan, audience, subscription, person)  # by what fits into a mail, too
    if selection is None:
        return Preview(digest, audience, people, reader, None, nothing)
    return Preview(digest, audience, people, reader, sheet_of(app, pressed, selection, reader))


def _chosen(
    plan: Plan, audience: str, subscription: Subscription | None, person: PersonFacts | None
) -> tuple[Selection | None, str]:
    """(what they get, "") or (None, why they get nothing)."""
    if subscription is None or person is None:
        selection = plan.selection(plan.most)
        return (selection, "") if selection.articles else (None, NOTHING_NEW)
    if subscription.status is SubscriptionStatus.CONFIRMED and audience not in ("", subscription.schedule):
        return None, f'they are on the schedule "{subscription.schedule}", not on "{audience}"'
    facts = DigestFacts(plan.reach.from_seq, plan.reach.cut_seq, plan.capped, plan.rules, plan.candidates,
                        corrections=[c for _, c in plan.corrections], room=plan.room)
    verdict = decide_fill(person, facts)
    return verdict.selection, verdict.reason


def _facts(connection: Connection, subscription: Subscription, plan: Plan) -> PersonFacts:
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
        covered_until=ledger.window_start(connection, subscription.id), live=live, topics=subscription.topics,
        language=subscription.language,
        told=told.told_by(connection, plan.asked, subscription.id, subscription.id).get(subscription.id, {}))


def _reader(connection: Connection, plan: Plan, subscription: Subscription | None) -> Reader:
    if subscription is not None:
        return _named(connection, subscription)
    if not plan.people:
        return Reader(MADE_UP)
    return Reader(MADE_UP, start=plan.most.start, start_seq=plan.most.start_seq, language=plan.most.language)


def _named(connection: Connection, subscription: Subscription) -> Reader:
    return Reader(subscription.address, subscription.id, subscription.confirmed_at,
                  ledger.window_start(connection, subscription.id), subscription.start_seq, subscription.language)


def _subscription(
    connection: Connection, newsletter_id: int, newsletter: Newsletter, address: str
) -> Subscription:
    _, key = read_address(address)
    found = subscribers.find(connection, newsletter_id, key)
    if found is None:
        raise UsageError(address, f'is not subscribed to "{newsletter.slug}"',
                         hint="`broadsheet subscribers list` shows who is; leave --to away for a made-up reader")
    return found
