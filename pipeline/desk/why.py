"""why: the story of one article in plain sentences. First the facts are gathered, then told; the telling is pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from pipeline.desk.choice import why_no_match, why_not_chosen
from pipeline.model.articles import Article, ArticleStatus
from pipeline.model.deliveries import DeliveryState
from pipeline.model.newsletters import DigestStatus, Window
from pipeline.model.score import in_words
from pipeline.model.selection import Candidate, Rules
from pipeline.model.sources import PassedState

LEFT = frozenset({DeliveryState.SENT, DeliveryState.UNCERTAIN, DeliveryState.BOUNCED})
"""Deliveries whose mail is out of our hands."""


@dataclass(frozen=True, slots=True)
class FeedFacts:
    """One feed and where the article stands in it; `place` is 0 where it is not."""

    slug: str
    rules: Rules
    place: int
    size: int
    story_told_by: str = ""      # the title of the article that tells its story there, if another does
    archive: str = ""            # the folder of the archive document that holds it, if one does
    entered: bool = False


@dataclass(frozen=True, slots=True)
class DigestFacts:
    name: str
    status: DigestStatus
    reason: str = ""
    rank: int = 0                                                    # where the operator put it
    points: Mapping[str, int] = field(default_factory=dict)          # its score there, where the order goes by it


@dataclass(frozen=True, slots=True)
class NewsletterFacts:
    """One newsletter, the digests that had the article, and how many people's next window holds it."""

    slug: str
    rules: Rules
    digests: tuple[DigestFacts, ...] = ()
    unwanted: str = ""           # why its words or its age keep it out
    dropped: str = ""            # the digest in which the operator dropped its story
    waiting: int = 0             # confirmed people whose window has not passed it
    people: int = 0              # confirmed people


@dataclass(frozen=True, slots=True)
class DeliveryFacts:
    """One person's delivery with its window, what was chosen for it and out of what."""

    digest: str
    state: DeliveryState
    reason: str
    window: Window
    at: datetime
    chosen: tuple[int, ...] | None = None
    candidates: Sequence[Candidate] = ()
    rules: Rules = field(default_factory=Rules)
    covered: bool = False
    told: Collection[int] = ()         # what they had been told by then
    room: int = 0                      # bytes that their mail had for articles; 0: not known
    topics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """One subscription, its window and its deliveries, oldest first."""

    address: str
    newsletter: str
    status: str
    schedule: str
    start_seq: int
    next_from: int
    rules: Rules
    deliveries: tuple[DeliveryFacts, ...] = ()
    suppressed: str = ""


@dataclass(frozen=True, slots=True)
class RevisionFacts:
    """One change of the article since it came in."""

    number: int
    at: datetime
    changed: str                 # in words; "" where nobody wrote it down


@dataclass(frozen=True, slots=True)
class LikenessFacts:
    """Another article that says nearly the same, and what the operator said about that."""

    id: int
    source: str
    title: str
    percent: int                 # 0 where nobody measured
    state: str                   # suggested, merged, split
    at: datetime


@dataclass(frozen=True, slots=True)
class PassedFacts:
    """Something that was seen in a source and is no article, or not yet."""

    state: PassedState
    title: str
    url: str
    source: str
    reason: str
    at: datetime | None
    retry_at: datetime | None    # when its page is asked for; None: never
    document: str = ""           # its name in the source's folder, where it is one: it was looked at just now


@dataclass(frozen=True, slots=True)
class Facts:
    article: Article
    zone: str
    now: datetime
    siblings: tuple[Article, ...] = ()
    feeds: tuple[FeedFacts, ...] = ()
    newsletters: tuple[NewsletterFacts, ...] = ()
    people: tuple[PersonFacts, ...] = ()
    source_removed: bool = False
    revisions: tuple[RevisionFacts, ...] = ()
    likenesses: tuple[LikenessFacts, ...] = ()


@dataclass(slots=True)
class Chapter:
    heading: str
    sentences: list[str] = field(default_factory=list)


def tell(facts: Facts) -> list[Chapter]:
    """The whole story, chapter by chapter."""
    article = facts.article
    chapters = [Chapter("The article", _origin(facts) + _standing(article, facts.zone) + _story(facts)
                        + [said for one in facts.likenesses if (said := _likeness(one, facts))])]
    if facts.feeds:
        chapters.append(Chapter("Feeds", [_in_feed(article, feed) for feed in facts.feeds]))
    if facts.newsletters:
        chapters.append(Chapter("Newsletters", [s for n in facts.newsletters for s in _in_newsletter(article, n)]))
    chapters += [Chapter(f"{p.address}, {p.newsletter}", _for_person(article, p, facts.zone)) for p in facts.people]
    return chapters


def tell_passed(passed: Sequence[PassedFacts], zone: str) -> list[Chapter]:
    """The stories of what was seen and not taken, a chapter each."""
    return [Chapter(one.title or one.url, _not_taken(one, zone)) for one in passed]


def next_after(passed: Sequence[PassedFacts]) -> str:
    """What an operator can do about what was not taken."""
    states = {one.state for one in passed}
    if states & {PassedState.EXCLUDED, PassedState.RECONSIDER}:
        return "`include`, `exclude` and `hold` of a source in config.toml say what is taken of it."
    if PassedState.BACKLOG in states:
        return "`backlog` of a source in config.toml says how old an article may be on the first look."
    if all(one.document for one in passed):
        return "`broadsheet collect` takes it once nothing stands against it."
    if PassedState.WAITING in states:
        return "`broadsheet collect` asks for what is due."
    return "`broadsheet sources` tells how its source is doing."


def _origin(facts: Facts) -> list[str]:
    article = facts.article
    lines = [f'Found on {_time(article.first_seen_at, facts.zone)} in the source "{article.source}"'
             + (f" ({article.source_title})." if article.source_title not in ("", article.source) else ".")]
    if facts.source_removed:
        lines.append("That source is no longer in config.toml; nothing new comes from it.")
    lines.append(_published(article, facts.zone))
    if article.text_note:
        lines.append(f"About its text: {article.text_note}.")
    if article.revision > 1:
        lines.append(f"It was changed since: this is revision {article.revision}, "
                     f"of {_time(article.updated_at, facts.zone)}.")
    lines += [f"Revision {one.number}, {_time(one.at, facts.zone)}: {_sentence(one.changed)}"
              for one in facts.revisions if one.changed]
    if article.correction and article.status is ArticleStatus.ACCEPTED:
        lines.append(f"Readers see your correction of {_time(article.corrected_at, facts.zone)}: "
                     f"{_sentence(article.correction)}")
    return lines


def _published(article: Article, zone: str) -> str:
    """Where no date was given, or none that is believed, both times are that of the first look."""
    if article.published_at == article.first_seen_at:
        return ("It names no date; it counts as published when it was first seen, on "
                f"{_time(article.first_seen_at, zone)}.")
    return f"It says that it was published on {_time(article.published_at, zone)}."


def _standing(article: Article, zone: str) -> list[str]:
    because = f": {article.reason}" if article.reason else ""
    if article.status is ArticleStatus.HELD:
        held = article.reason if article.reason.startswith("held ") else f"held{because}"  # "held by the rule …"
        return [f"It is {held}. No feed and no digest takes it.",
                f"To let it in: broadsheet articles release {article.id}"]
    accepted = f"Accepted on {_time(article.accepted_at, zone)} as number {article.accepted_seq}."
    if article.status is ArticleStatus.WITHDRAWN:
        when = f" on {_time(article.withdrawn_at, zone)}" if article.withdrawn_at else ""
        return [accepted] * bool(article.accepted_seq) + [
            f"It was withdrawn{when}{because}. No feed, digest or page shows it any more."]
    lines = [accepted]
    if not article.mailable:
        lines.append(f"It is for feeds only, no digest takes it{because}.")
    return lines


def _story(facts: Facts) -> list[str]:
    others = [a for a in facts.siblings if a.id != facts.article.id]
    if not others:
        return []
    named = "; ".join(f'article {a.id} of "{a.source}"'
                      + (", which was withdrawn" if a.status is ArticleStatus.WITHDRAWN else "") for a in others)
    there = [a for a in facts.siblings if a.status is not ArticleStatus.WITHDRAWN]
    first = min(there, key=lambda a: (a.accepted_seq or 10**12, a.id), default=facts.article)
    lines = [f"It tells the same story as {named}."]
    if first.id != facts.article.id:
        lines.append(f"Article {first.id} came first; where both would stand, only that one does.")
    return lines


def _likeness(one: LikenessFacts, facts: Facts) -> str:
    named = f'article {one.id} of "{one.source}", "{one.title}"'
    match one.state:
        case "merged":
            return f"You made it one story with {named} ({_time(one.at, facts.zone)})."
        case "split":
            return f"You parted it from {named} ({_time(one.at, facts.zone)})."
    if one.id in {a.id for a in facts.siblings}:
        return ""  # asked, and answered by itself
    return (f"It is {one.percent} % like {named}. One story? "
            f"broadsheet articles merge {facts.article.id} {one.id}")


def _not_taken(one: PassedFacts, zone: str) -> list[str]:
    seen = f'Seen on {_time(one.at, zone)} in the source "{one.source}", and '
    because = f": {one.reason}" if one.reason else ""
    if one.document:
        return [f'It is the document {one.document} of the source "{one.source}", and no article yet{because}.']
    match one.state:
        case PassedState.WAITING:
            lines = [f"{seen}waits for its page{because}."]
        case PassedState.RECONSIDER:
            lines = [f"{seen}not taken{because}.", "The rules have changed since: the next poll decides anew."]
        case PassedState.EXCLUDED:
            lines = [f"{seen}not taken{because}.", "It stays out while the rules in config.toml stay as they are."]
        case _:
            lines = [f"{seen}not taken{because}."]
    if one.retry_at:
        lines.append(f"Its page is asked for after {_time(one.retry_at, zone)}.")
    return [*lines, f"Its address: {one.url}"] if one.url and one.title else lines


def _in_feed(article: Article, feed: FeedFacts) -> str:
    if article.status is ArticleStatus.WITHDRAWN:
        told = "; whoever had it from there is told so" if feed.entered else ""
        if feed.story_told_by:
            told = f'; "{feed.story_told_by}" tells the same story there'
        return f"{feed.slug}: no, it was withdrawn{told}."
    if feed.place:
        return f"{feed.slug}: yes, number {feed.place} of {feed.size}."
    if reason := why_no_match(article, feed.rules):
        return f"{feed.slug}: no, {reason}."
    if article.status is not ArticleStatus.ACCEPTED:
        return f"{feed.slug}: not while it is {article.status}; its rules would take it."
    if feed.story_told_by:
        return f'{feed.slug}: no, "{feed.story_told_by}" tells the same story there.'
    per_source = f", {feed.rules.per_source} of a source" if feed.rules.per_source else ""
    if feed.archive:
        return f"{feed.slug}: in {feed.archive}; the feed itself holds the newest {feed.rules.limit}{per_source}."
    return f"{feed.slug}: no longer, it holds the newest {feed.rules.limit}{per_source}."


def _in_newsletter(article: Article, newsletter: NewsletterFacts) -> list[str]:
    lines = []
    for digest in newsletter.digests:
        because = f" ({digest.reason})" if digest.reason else ""
        placed = f"; you put it at place {digest.rank}" if digest.rank else ""
        placed += f"; it had {in_words(digest.points)}" if digest.points else ""
        lines.append(f"{newsletter.slug}: it stood in the digest {digest.name}, which is "
                     f"{digest.status}{because}{placed}.")
    if article.status is ArticleStatus.WITHDRAWN:
        return lines or [f"{newsletter.slug}: no, it was withdrawn."]
    if reason := why_no_match(article, newsletter.rules):
        return [*lines, f"{newsletter.slug}: no digest takes it, because {reason}."]
    if newsletter.unwanted:
        return [*lines, f"{newsletter.slug}: no digest takes it: {newsletter.unwanted}."]
    if newsletter.dropped:
        return [*lines, f"{newsletter.slug}: you dropped its story from the digest {newsletter.dropped}."]
    if article.status is not ArticleStatus.ACCEPTED:
        return [*lines, f"{newsletter.slug}: not while it is {article.status}; its rules would take it."]
    if not article.mailable:
        return [*lines, f"{newsletter.slug}: no, it is for feeds only."]
    if not newsletter.people:
        return [*lines, f"{newsletter.slug}: its rules take it, but nobody is subscribed."]
    if newsletter.waiting:
        who = f"{newsletter.waiting:,} of {newsletter.people:,} subscribed"
        return [*lines, f"{newsletter.slug}: the next digest has it, for {who}."]
    if not newsletter.digests:
        lines.append(f"{newsletter.slug}: everybody's window starts after it; they subscribed later.")
    return lines


def _for_person(article: Article, person: PersonFacts, zone: str) -> list[str]:
    lines = [f'They are {person.status}, on the schedule "{person.schedule}".']
    if person.suppressed:
        lines.append(f"Their address is never mailed: {person.suppressed}.")
    if not article.accepted_seq:
        return [*lines, "The article is not accepted, so no window holds it."]
    seq = article.accepted_seq
    if seq <= person.start_seq:
        lines.append(f"Their subscription starts after number {person.start_seq}; the article is number {seq}, so "
                     "they never get it by mail.")
        return lines
    holding = [d for d in person.deliveries if seq in d.window]
    lines += [_delivery(article, one, zone) for one in holding]
    if seq > person.next_from:
        lines.append(_next(article, person))
    elif not any(d.covered for d in holding):
        lines.append(f"Their next window starts after number {person.next_from}, so the article (number {seq}) is "
                     "behind them.")
    return lines


def _delivery(article: Article, one: DeliveryFacts, zone: str) -> str:
    because = f" ({one.reason})" if one.reason else ""
    told = (f"The digest {one.digest} covers numbers {one.window.from_seq + 1} to {one.window.cut_seq} for them: "
            f"{one.state} on {_time(one.at, zone)}{because}")
    if one.chosen is None:
        return f"{told}."
    gone = article.status is ArticleStatus.WITHDRAWN
    if article.id in one.chosen:
        left_with_it = not gone or (one.state in LEFT and article.withdrawn_at and one.at <= article.withdrawn_at)
        return f"{told}; the article is in it." if left_with_it else f"{told}; it says that the article was withdrawn."
    if gone:
        return f"{told}; without this article."
    reason = why_not_chosen(article.id, one.candidates, one.window, one.rules, told=one.told, topics=one.topics,
                            room=one.room)
    return f"{told}; without this article, because {reason or 'it was not chosen'}."


def _next(article: Article, person: PersonFacts) -> str:
    if person.status != "confirmed":
        return "Their next window would hold it, but they are not confirmed."
    if article.status is ArticleStatus.WITHDRAWN:
        return "Their next window would hold it, but it was withdrawn."
    if reason := why_no_match(article, person.rules):
        return f"Their next window holds it, but {person.newsletter} does not take it: {reason}."
    if not article.mailable:
        return "Their next window holds it, but it is for feeds only."
    return f'Their next window (from number {person.next_from + 1}) holds it: the next "{person.schedule}" has it.'


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _names(values: Sequence[str]) -> str:
    return ", ".join(values)


def _time(moment: datetime | None, zone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(zone)):%d %B %Y at %H:%M}".lstrip("0") if moment else "an unknown day"
