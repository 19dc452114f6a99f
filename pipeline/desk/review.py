"""Looking at a digest before it goes, changing it, and giving one's word."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.app import App
from pipeline.compose.choose import Plan, choose
from pipeline.compose.settings import page_for
from pipeline.compose.stage import draft
from pipeline.config import Newsletter
from pipeline.desk.choice import why_not_chosen
from pipeline.desk.proving import parts
from pipeline.errors import UsageError
from pipeline.model.articles import Article
from pipeline.model.drafts import HeldBy
from pipeline.model.edits import Edits
from pipeline.model.newsletters import Digest, DigestStatus, Window
from pipeline.model.runs import Slot
from pipeline.model.score import in_words
from pipeline.model.selection import Order, told_between
from pipeline.render.views import plain_view
from pipeline.store import Connection, articles, declared, deliveries, digests, drafts
from pipeline.text.legal import one_line

AT_ONCE = 2_000      # deliveries taken out of a cancelled digest in one transaction
MAX_WORDS = 20_000   # characters of an introduction or a note
MAX_REASON = 500


@dataclass(frozen=True, slots=True)
class Line:
    """One article of a draft. `left_out` says why most people won't get it, "" where they will."""

    article: Article
    place: int               # 1, 2, 3 … in most people's mail; 0 where it is left out
    group: str
    why: str                 # why it stands there
    note: str
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """A draft as it stands. `empty` says why there is nothing to send."""

    digest: Digest
    lines: tuple[Line, ...]
    corrections: tuple[Article, ...]
    notes: tuple[str, ...]
    people: int
    empty: str


def look(app: App, digest: Digest) -> Proof:
    """What an open digest would tell now."""
    newsletter = app.config.newsletter(digest.newsletter)
    with app.store.read() as connection:
        plan = _plan(app, connection, newsletter, digest)
        dropped = _dropped(connection, digest)
    chosen = plan.selection(plan.most) if plan.people else None
    places = {i: (place, chosen.groups[place - 1] if chosen.groups else "") for place, i in enumerate(chosen.ids, 1)
              } if chosen else {}
    titles = {group.name: group.title for group in plan.groups}
    lines = [Line(a, *_placed(places.get(a.id), titles), _why(plan, a, digest.edits), digest.edits.notes.get(a.id, ""),
                  "" if a.id in places else _left_out(plan, a)) for a in plan.fresh]
    lines.sort(key=lambda line: (not line.place, line.place))
    lines += [Line(a, 0, "", "", "", "dropped by you") for a in dropped]
    return Proof(digest, tuple(lines), tuple(a for a, _ in plan.corrections), plan.notes, sum(plan.people.values()),
                 plan.empty)


def begin(app: App, newsletter: Newsletter, schedule: str = "") -> Digest:
    """Make the next slot's draft now. Raises UsageError where there is one, or nothing to tell."""
    chosen = app.config.schedule(newsletter.slug, schedule)
    due = chosen.times.next_after(app.now())
    slot = Slot(chosen.slug, due.nominal, due.due_at)
    made = draft(parts(app), newsletter, slot, audience=chosen.slug, now=app.now())
    if made is not None:
        return made
    with app.store.read() as connection:
        known = digests.find(connection, newsletter.slug, slot.schedule, slot.nominal)
    if known is None:
        raise UsageError(f'newsletter "{newsletter.slug}"', "has nothing new to tell yet",
                         hint="`broadsheet articles list` shows what there is")
    raise UsageError(f"digest {known.newsletter}/{known.name}", f"is there already: {known.status}",
                     hint=f"`broadsheet digests show {known.name}` shows it")


def approve(app: App, digest: Digest, *, anyway: bool = False) -> Digest:
    """Give the word: it goes at its slot, or at once where that has passed; one that was paused goes on. `anyway`: also
    past what the preflight holds it for."""
    with app.store.write() as connection:
        if digest.status is DigestStatus.PAUSED:
            # and what paused it is no reason any more: see `deliver.threshold`
            digests.change(connection, digest.id, DigestStatus.SENDING, approved_at=app.now())
        elif not drafts.approve(connection, digest.id, app.now()):
            raise _not_open(digests.get(connection, digest.id))
        elif anyway:
            drafts.edit(connection, digest.id, lambda edits: replace(edits, anyway=True))
        return digests.get(connection, digest.id)


def hold(app: App, digest: Digest, reason: str) -> Digest:
    """Keep it back until somebody approves it; one that is being sent pauses after the messages that are under way."""
    said = one_line(reason, MAX_REASON) or "held by you"
    with app.store.write() as connection:
        going = digest.status in (DigestStatus.FROZEN, DigestStatus.SENDING)
        held = digests.change(connection, digest.id, DigestStatus.PAUSED, reason=said) if going else digests.change(
            connection, digest.id, DigestStatus.HELD, reason=said, held_by=HeldBy.OPERATOR, approved_at=None)
        if not held:
            raise _not_open(digests.get(connection, digest.id))
        return digests.get(connection, digest.id)


def cancel(app: App, digest: Digest, reason: str) -> Digest:
    """Send it to nobody who has not got it yet; its articles are in the next one. It can't be undone."""
    said = one_line(reason, MAX_REASON) or "by the operator"
    with app.store.write() as connection:
        if not digests.change(connection, digest.id, DigestStatus.CANCELLED, reason=said, done_at=app.now()):
            raise _not_open(digests.get(connection, digest.id))
    while True:  # nothing is claimed any more; a few at a time, so that nobody waits for the database
        with app.store.write() as connection:
            if not deliveries.cancel_unsent(connection, digest.id, f"cancelled: {said}", app.now(), AT_ONCE):
                return digests.get(connection, digest.id)


def change(app: App, digest: Digest, ids: Sequence[int], edit: Callable[[Edits], Edits]) -> Digest:
    """Change a draft. `ids` are the articles that the change names: they must be in it, before or after the change.
    Raises UsageError."""
    newsletter = app.config.newsletter(digest.newsletter)
    with app.store.write() as connection:
        changed = drafts.edit(connection, digest.id, edit)
        known = {a.id for one in ((digest, changed) if ids else ())
                 for a in (*_plan(app, connection, newsletter, one).fresh, *_dropped(connection, one))}
        if strange := [i for i in ids if i not in known]:
            raise UsageError(f"article {strange[0]}", f"is not in {digest.newsletter}/{digest.name}",
                             hint=f"`broadsheet digests show {digest.name}` lists what is")
        return changed


def introduce(app: App, digest: Digest, words: str) -> Digest:
    return change(app, digest, (), lambda edits: replace(edits, introduction=_checked(words)))


def annotate(app: App, digest: Digest, article_id: int, words: str) -> Digest:
    return change(app, digest, (article_id,), lambda edits: edits.annotating(article_id, _checked(words)))


def call(app: App, digest: Digest, subject: str) -> Digest:
    """Give it another subject, "" for the newsletter's. Tried on the articles that most people get: TemplateError."""
    newsletter = app.config.newsletter(digest.newsletter)
    if subject:
        with app.store.read() as connection:
            plan = _plan(app, connection, newsletter, digest)
        page = page_for(app.config, newsletter, digest)
        by_id = {a.id: a for a in plan.fresh}
        ids = plan.selection(plan.most).ids if plan.people else ()
        views = [plain_view(by_id[i], public_url=page.public_url) for i in ids]
        app.templates().subject(subject, page=page, articles=views)
    return change(app, digest, (), lambda edits: replace(edits, subject=subject))


def when(digest: Digest, now: datetime) -> str:
    """When an approved digest goes, in words."""
    return "at its slot" if digest.due_at > now else "at once"


def _plan(app: App, connection: Connection, newsletter: Newsletter, digest: Digest) -> Plan:
    newsletter_id = declared.newsletter_id(connection, newsletter.slug)
    return choose(connection, newsletter_id, newsletter, digest.audience, digest, app.now())


def _dropped(connection: Connection, digest: Digest) -> list[Article]:
    known = articles.by_ids(connection, list(digest.edits.drop))
    return [known[i] for i in digest.edits.drop if i in known]


def _placed(found: tuple[int, str] | None, titles: dict[str, str]) -> tuple[int, str]:
    return (found[0], titles.get(found[1], "")) if found else (0, "")


def _left_out(plan: Plan, article: Article) -> str:
    if not plan.people:
        return "nobody is subscribed"
    who = plan.most
    known = told_between(plan.candidates, who.start_seq, who.start)
    return why_not_chosen(article.id, plan.candidates, Window(who.start, plan.reach.cut_seq), plan.rules, told=known,
                          topics=who.topics)


def _why(plan: Plan, article: Article, edits: Edits) -> str:
    if rank := edits.rank(article.id):
        return f"pinned at place {rank}"
    return in_words(plan.scores[article.id]) if plan.rules.order is Order.SCORE else ""


def _checked(words: str) -> str:
    if len(words) > MAX_WORDS:
        raise UsageError("these words", f"are {len(words):,} characters long, and {MAX_WORDS:,} are the most")
    return words.strip()


def _not_open(digest: Digest) -> UsageError:
    return UsageError(f"digest {digest.newsletter}/{digest.name}", f"is {digest.status}, so there is nothing to decide",
                      hint=f"`broadsheet digests show {digest.name}` tells more")
