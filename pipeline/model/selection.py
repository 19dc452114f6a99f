"""Which articles one person gets, and in which order. Pure: the same rows give the same choice.

    candidates | rules (topics, sources) | window | one per story | per_source | limit -> Selection

Limits come last, so that a limit never eats an article that topics would have dropped anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pipeline.model.articles import Article
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
class Selection:
    """One person's articles, in order, and how many more the limits left to the web page."""

    articles: tuple[Candidate, ...]
    more: int = 0

    @property
    def ids(self) -> tuple[int, ...]:
        return tuple(a.id for a in self.articles)


def candidate(article: Article, *, fresh: bool = True, told: bool = False) -> Candidate:
    return Candidate(
        fresh=fresh, told=told,
        id=article.id, source=article.source, topics=article.topics, story=article.story,
        accepted_seq=article.accepted_seq, published_at=article.published_at,
    )


def newest_first(articles: Iterable[Candidate]) -> list[Candidate]:
    """By date, the newest first; ties by order of acceptance, so the order never depends on the database."""
    return sorted(articles, key=lambda a: (a.published_at, a.accepted_seq), reverse=True)


def one_per_story(articles: Iterable[Candidate]) -> list[Candidate]:
    """Keep the first accepted article of each story, in the given order."""
    listed = list(articles)
    first: dict[int, Candidate] = {}
    for article in listed:
        known = first.get(article.story)
        if known is None or article.accepted_seq < known.accepted_seq:
            first[article.story] = article
    return [a for a in listed if first[a.story] is a]


def select(candidates: Sequence[Candidate], window: Window, rules: Rules, *, start_seq: int = 0) -> Selection:
    """Choose one person's articles out of a digest's candidates.

    `start_seq` is where the person's subscription started. A story is not told again when another source repeats it,
    if it stood in an earlier digest while it lay in a window of this very person: after their start, up to where the
    present window begins. Whoever came later has not been told, and gets the repetition.
    """
    known = Window(start_seq, window.from_seq)
    told = {c.story for c in candidates if c.told and c.accepted_seq in known}
    new = [c for c in candidates if c.fresh and c.accepted_seq in window and c.story not in told and rules.match(c)]
    fresh = newest_first(one_per_story(new))
    taken: list[Candidate] = []
    per_source: dict[str, int] = {}
    for one in fresh:
        count = per_source.get(one.source, 0)
        if len(taken) >= rules.limit or (rules.per_source and count >= rules.per_source):
            continue
        per_source[one.source] = count + 1
        taken.append(one)
    return Selection(tuple(taken), more=len(fresh) - len(taken))
