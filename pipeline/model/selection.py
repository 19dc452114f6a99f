"""Which articles one person gets, and in which order. Pure: the same rows give the same choice.

    candidates | rules, the person's topics | window | one per story | ranked | per_source, limit, room | grouped

Limits come after topics, so that a limit never eats an article that topics would have dropped anyway; groups come
last, so that what is left out is what ranks last and not what stands last.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pipeline.model.articles import Article
from pipeline.model.frozen import Arrangement
from pipeline.model.newsletters import Window


class Sorted(Protocol):
    """Whatever an operator's rules can be asked about."""

    @property
    def source(self) -> str: ...

    @property
    def topics(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """What an article is chosen by; a digest remembers it, so that everyone is chosen for by the same facts."""

    id: int
    source: str
    topics: tuple[str, ...]
    story: int
    accepted_seq: int
    published_at: datetime
    fresh: bool = True       # False: only an earlier telling of a candidate's story
    told: bool = False       # it stood in an earlier digest of this newsletter
    rank: int = 0            # where the operator put it: 1 is first; 0: where the rules do
    points: int = 0          # its score
    size: int = 0            # bytes of HTML that it takes in a mail; 0: not known


class Order(StrEnum):
    """Which article of a digest comes first."""

    DATE = "date"       # the newest
    SOURCE = "source"   # source by source, as `select.sources` names them
    SCORE = "score"     # the one with most points


class Group(StrEnum):
    """What a digest's articles stand under."""

    NONE = "none"
    TOPIC = "topic"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Rules:
    """An operator's `select = {…}`, and how a digest is arranged. Empty tuples and "*" mean: any."""

    topics: tuple[str, ...] = ("*",)
    sources: tuple[str, ...] = ()
    limit: int = 20
    per_source: int = 0      # 0: as many as there are
    min_articles: int = 1
    include: tuple[str, ...] = ()    # words or /regular expressions/: `compose.wanted` asks them
    exclude: tuple[str, ...] = ()
    max_age_s: int = 0               # 0: however old
    order: Order = Order.DATE
    group: Group = Group.NONE
    contents: int = 0                # articles from which on a table of contents stands; 0: never

    def match(self, article: Sorted) -> bool:
        if self.sources and article.source not in self.sources:
            return False
        return not self.topics or "*" in self.topics or any(t in self.topics for t in article.topics)


@dataclass(frozen=True, slots=True)
class Correction:
    """An article that was told before and put right since: whoever was told an older revision is told of it."""

    article_id: int
    revision: int
    size: int = 0        # bytes of HTML that it takes


@dataclass(frozen=True, slots=True)
class Selection:
    """One person's articles in the order in which they are shown, and how many more the limits left to the web page.

    `groups` names for each article the group that it stands in ("": none), or is empty where there are no headings.
    """

    articles: tuple[Candidate, ...]
    more: int = 0
    groups: tuple[str, ...] = ()
    corrections: tuple[int, ...] = ()    # articles they were told before and that were put right since

    @property
    def ids(self) -> tuple[int, ...]:
        return tuple(a.id for a in self.articles)


def candidate(article: Article, *, fresh: bool = True, told: bool = False, **placed: int) -> Candidate:
    return Candidate(
        fresh=fresh, told=told,
        id=article.id, source=article.source, topics=article.topics, story=article.story,
        accepted_seq=article.accepted_seq, published_at=article.published_at, **placed,
    )


def newest_first(articles: Iterable[Candidate]) -> list[Candidate]:
    """By date, the newest first; ties by order of acceptance, so the order never depends on the database."""
    return sorted(articles, key=lambda a: (a.published_at, a.accepted_seq), reverse=True)


def ranked(articles: Iterable[Candidate], rules: Rules) -> list[Candidate]:
    """In the order of the rules, what the operator put at the top before all else."""
    listed = newest_first(articles)
    if rules.order is Order.SCORE:
        listed.sort(key=lambda a: -a.points)
    elif rules.order is Order.SOURCE:
        listed.sort(key=lambda a: _place(a.source, rules.sources))
    return sorted(listed, key=lambda a: a.rank or _LAST)


def one_per_story(articles: Iterable[Candidate]) -> list[Candidate]:
    """Keep the first accepted article of each story, in the given order."""
    listed = list(articles)
    first: dict[int, Candidate] = {}
    for article in listed:
        known = first.get(article.story)
        if known is None or article.accepted_seq < known.accepted_seq:
            first[article.story] = article
    return [a for a in listed if first[a.story] is a]


def told_between(candidates: Iterable[Candidate], start_seq: int, from_seq: int) -> frozenset[int]:
    """What people whose windows ran from `start_seq` to `from_seq` have been told, as far as can be known without
    looking at anybody's deliveries."""
    known = Window(start_seq, from_seq)
    return frozenset(c.id for c in candidates if c.told and c.accepted_seq in known)


def select(
    candidates: Sequence[Candidate], window: Window, rules: Rules, *, told: Collection[int] = (),
    topics: Sequence[str] = (), room: int = 0,
) -> Selection:
    """Choose one person's articles out of a digest's candidates.

    `told`: which of them this very person was told before; a story is not told again when another source repeats it.
    `topics`: the ones that the person picked, none: all. `room`: bytes of HTML that all of it may have, 0: any number;
    articles that don't fit are left to the web page, whole, but the first never is.
    """
    stories = {c.story for c in candidates if c.id in told}
    new = [c for c in candidates if c.fresh and c.accepted_seq in window and c.story not in stories
           and rules.match(c) and (not topics or not set(topics).isdisjoint(c.topics))]
    fresh = ranked(one_per_story(new), rules)
    taken: list[Candidate] = []
    per_source: dict[str, int] = {}
    left = room
    for one in fresh:
        count = per_source.get(one.source, 0)
        if len(taken) >= rules.limit or (rules.per_source and count >= rules.per_source):
            continue
        if room and taken and one.size > left:
            continue
        per_source[one.source] = count + 1
        left -= one.size
        taken.append(one)
    return _grouped(taken, rules, topics, len(fresh) - len(taken))


def for_everyone(candidates: Sequence[Candidate], window: Window, rules: Rules) -> Selection:
    """What the web shows: all that is new in a window, without a limit."""
    return select(candidates, window, replace(rules, limit=len(candidates), per_source=0))


def arrangement(selection: Selection, groups: Sequence[str]) -> Arrangement:
    """A selection as a frozen digest is joined by it. `groups`: the digest's, in the order of their numbers from 1."""
    numbers = {name: number for number, name in enumerate(groups, 1)}
    return Arrangement(selection.ids, tuple(numbers.get(name, 0) for name in selection.groups), selection.corrections)


def group_of(article: Candidate, rules: Rules, topics: Sequence[str] = ()) -> str:
    """The group that an article stands in for a person with these topics; "" where it is none."""
    if rules.group is Group.SOURCE:
        return article.source
    if rules.group is Group.NONE:
        return ""
    named = article.topics if "*" in rules.topics or not rules.topics else rules.topics
    return next((t for t in named if t in article.topics and (not topics or t in topics)), "")


def _grouped(taken: Sequence[Candidate], rules: Rules, topics: Sequence[str], more: int) -> Selection:
    groups: dict[str, list[Candidate]] = {}
    for one in taken:
        groups.setdefault(group_of(one, rules, topics), []).append(one)
    if set(groups) <= {""}:
        return Selection(tuple(taken), more)
    declared = rules.sources if rules.group is Group.SOURCE else rules.topics
    names = sorted(groups, key=lambda name: (
        min(one.rank or _LAST for one in groups[name]), not name, _index(name, declared)))
    return Selection(
        tuple(one for name in names for one in groups[name]), more,
        tuple(name for name in names for _ in groups[name]))


def _place(name: str, declared: Sequence[str]) -> tuple[int, str]:
    return _index(name, declared), name


def _index(name: str, declared: Sequence[str]) -> int:
    return declared.index(name) if name in declared else len(declared)


_LAST = 1_000_000   # behind every rank
