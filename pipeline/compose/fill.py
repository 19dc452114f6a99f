"""Who of those whom a digest selected gets a delivery, and who is left out, with the reason. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from pipeline.model.deliveries import DeliveryState, Fill, LiveDelivery, PersonFacts
from pipeline.model.newsletters import Window
from pipeline.model.selection import Candidate, Correction, Rules, Selection, select

IN_FLIGHT = "another digest is being handed over to this person right now; these articles are in the next one"
NEWER = "a newer digest covers these articles"
NOTHING_LATER = "everything up to here was delivered before"
TOO_EARLY = "subscribed after these articles came in"
NOTHING_NEW = "no article in this person's window"
NO_TOPICS = "nothing about the topics that this person picked"
TOO_FEW = "fewer articles than min_articles; they are in the next one"
BEYOND = "this person's window reaches further back than this digest; the next one covers it"


@dataclass(frozen=True, slots=True)
class DigestFacts:
    """What a fill must know of the digest."""

    from_seq: int
    cut_seq: int
    capped: bool           # candidates before from_seq were left out on purpose, with a note
    rules: Rules
    candidates: Sequence[Candidate]
    cancelled: str = ""    # the reason, or "" where it goes out
    corrections: Sequence[Correction] = ()
    room: int = 0          # bytes of HTML that a mail has for articles and corrections; 0: not known
    languages: Collection[str] = ("",)   # in which it is frozen; "": the newsletter's

    @property
    def asked(self) -> set[int]:
        """The articles of which it must be known who was told them."""
        return {c.id for c in self.candidates if c.told} | {c.article_id for c in self.corrections}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One person's row in the making; `selection` is None for whoever is left out."""

    person: PersonFacts
    window: Window
    selection: Selection | None = None
    reason: str = ""
    covered: bool = False
    supersedes: LiveDelivery | None = None
    language: str = ""       # of their copy

    def row(self, selection_id: int = 0, others: tuple[int, ...] = ()) -> Fill:
        """`others`: more people for whom the same was decided."""
        state = DeliveryState.QUEUED if self.selection else DeliveryState.EXCLUDED
        return Fill(self.person.subscription_id, state, self.reason, self.window.from_seq, self.window.cut_seq,
                    selection_id, self.covered, self.supersedes, others=others)


def decide_fill(person: PersonFacts, digest: DigestFacts) -> Verdict:
    """Whether one selected person gets this digest, and over which window.

    A person has one open window at a time. Of two deliveries that both still wait, the one that reaches further
    stands, and takes over what the other would have told; one that is being handed over can't be taken back, so the
    new digest waits for its outcome by leaving the person to the next one.
    """
    start = max(person.covered_until, digest.from_seq) if digest.capped else person.covered_until
    window = Window(start, digest.cut_seq)
    reason = _left_out(person, digest, window)
    if reason:
        return Verdict(person, window, reason=reason)
    corrections = that_fit(
        [c for c in digest.corrections if 0 < person.told.get(c.article_id, 0) < c.revision], digest.room)
    room = max(1, digest.room - sum(c.size for c in corrections)) if digest.room else 0
    selection = select(digest.candidates, window, digest.rules, told=person.told, topics=person.topics, room=room)
    all_topics = selection
    if len(selection.articles) < max(1, digest.rules.min_articles):
        all_topics = select(digest.candidates, window, digest.rules, told=person.told)
    # nothing of it was for this person: the window counts as read, or it would grow for ever
    if not selection.articles:
        reason = NO_TOPICS if all_topics.articles else NOTHING_NEW
        return Verdict(person, window, reason=reason, covered=person.live is None)
    # whoever picked few topics, or gets long articles of which few fit, must not wait for ever
    if len(all_topics.articles) < digest.rules.min_articles:
        return Verdict(person, window, reason=TOO_FEW)
    selection = replace(selection, corrections=tuple(c.article_id for c in corrections))
    language = person.language if person.language in digest.languages else ""
    return Verdict(person, window, selection, supersedes=person.live, language=language)


def that_fit(corrections: Sequence[Correction], room: int) -> list[Correction]:
    """As many corrections as half of a mail has room for (0: nobody knows). Whoever is not told of one now is told in
    their next digest, since nobody counts as told but by a delivery."""
    taken: list[Correction] = []
    left = room // 2
    for one in corrections:
        if not room or one.size <= left:
            taken.append(one)
            left -= one.size
    return taken


def cant_be_mailed(person: PersonFacts) -> str:
    """Why somebody gets no mail at all, or ""."""
    if not person.confirmed:
        return "unsubscribed"
    return f"suppressed: {person.suppressed}" if person.suppressed else ""


def _left_out(person: PersonFacts, digest: DigestFacts, window: Window) -> str:
    if digest.cancelled:
        return f"cancelled: {digest.cancelled}"
    if reason := cant_be_mailed(person):
        return reason
    if window.from_seq >= window.cut_seq:
        return TOO_EARLY if person.start_seq >= person.covered_until else NOTHING_LATER
    if window.from_seq < digest.from_seq:
        return BEYOND
    if person.live is not None and person.live.state is DeliveryState.HANDED:
        return IN_FLIGHT
    if person.live is not None and person.live.cut_seq > digest.cut_seq:
        return NEWER
    return ""
