"""What a digest would tell, to whom, as of this moment: everything that is read before anything is rendered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pipeline.compose.wanted import unwanted
from pipeline.compose.window import Reach, decide_reach
from pipeline.config import Newsletter
from pipeline.model.articles import Article
from pipeline.model.newsletters import Digest, Window
from pipeline.model.score import score
from pipeline.model.selection import (
    Candidate,
    Correction,
    Group,
    Rules,
    Selection,
    candidate,
    for_everyone,
    group_of,
    ranked,
    select,
    told_between,
)
from pipeline.model.subscribers import Vantage
from pipeline.render.views import GroupView
from pipeline.store import Connection, articles, digests, drafts, meta, stories, told
from pipeline.store.subscribers import Audience

MOST_CANDIDATES = 2_000
"""More than this is not rendered for one digest; the newest stay, and a note says what was left out."""

MOST_CORRECTIONS = 20
"""More changes than this at once are no corrections of articles but another page layout at a source."""

MOST_READ = 200
"""How many corrections a digest carries at the most, those of earlier ones that somebody may have missed included."""

LOOK_BACK = timedelta(days=30)
"""How old a correction may be that is still told, and for how long a dropped story stays dropped."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A digest before it is rendered. `empty` says why there is nothing to send, "" where there is."""

    audience: Audience
    reach: Reach
    capped: bool
    people: Mapping[Vantage, int]                      # where they stand -> how many
    chosen: tuple[tuple[Article, Candidate], ...]      # in display order: candidates, then earlier tellings
    notes: tuple[str, ...]
    rules: Rules
    scores: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    corrections: tuple[tuple[Article, Correction], ...] = ()
    groups: tuple[GroupView, ...] = ()
    empty: str = ""
    room: int = 0                                      # bytes of HTML for articles; 0: not known before it is rendered

    @property
    def fresh(self) -> list[Article]:
        """What is rendered, in display order."""
        return [article for article, how in self.chosen if how.fresh]

    @property
    def candidates(self) -> list[Candidate]:
        return [how for _, how in self.chosen]

    def selection(self, who: Vantage, *, topics: bool = True) -> Selection:
        """What people get who stand there, as far as can be told without looking at anybody's deliveries."""
        start = max(who.start, self.reach.from_seq) if self.capped else who.start
        known = told_between(self.candidates, who.start_seq, start)
        return select(self.candidates, Window(start, self.reach.cut_seq), self.rules, told=known,
                      topics=who.topics if topics else (), room=self.room)

    @property
    def asked(self) -> set[int]:
        """The articles of which it must be known who was told them, for one person's exact selection."""
        return {how.id for how in self.candidates if how.told} | {c.article_id for _, c in self.corrections}

    @property
    def most(self) -> Vantage:
        """Where most people stand; of two as common the older window, as for the web page."""
        return min(self.people, key=lambda who: (-self.people[who], who))


def choose(
    connection: Connection, newsletter_id: int, newsletter: Newsletter, audience: str, digest: Digest, now: datetime
) -> Plan:
    """Read a plan. `audience` is a schedule's slug, "" for everyone; a digest that was drafted keeps the cut of its
    draft, so that what the operator looked at is what goes out. Belongs into one reading transaction, so that counters,
    people and articles are of the same moment."""
    rules = newsletter.rules
    cut = digest.cut_seq if digest.drafted_at else meta.counter(connection, meta.ACCEPTED)
    selected = Audience(newsletter_id, audience, meta.counter(connection, meta.EVENTS))
    people = digests.audience_reach(connection, selected)
    reach = decide_reach(people, cut)
    notes: list[str] = []
    found = [a for a in articles.accepted_between(connection, reach.from_seq, cut, rules) if not unwanted(a, rules)]
    if dropped := drafts.dropped_stories(connection, newsletter_id, digest, now - LOOK_BACK):
        out = [a for a in found if a.story in dropped]
        found = [a for a in found if a.story not in dropped]
        notes += [f"article {a.id} is left out: dropped in {dropped[a.story]}" for a in out]
    capped = len(found) > MOST_CANDIDATES
    if capped:
        left_out = len(found) - MOST_CANDIDATES
        found = found[left_out:]  # in order of acceptance
        notes.append(f"{left_out} older articles left out: a digest renders {MOST_CANDIDATES} at the most")
        reach = Reach(found[0].accepted_seq - 1, max(reach.public_from_seq, found[0].accepted_seq - 1), cut)
    plan = Plan(selected, reach, capped, people, (), tuple(notes), rules)
    plan = _ranked(connection, plan, newsletter_id, stories.with_also(connection, found), digest)
    plan = replace(plan, groups=_groups(plan))
    plan = _with_corrections(connection, plan, newsletter_id, newsletter.corrections, now)
    return replace(plan, empty=_empty(plan))


def plan_of(plan: Plan, listed: Sequence[Article], cut_seq: int, digest: Digest) -> Plan:
    """Another plan for the same newsletter, that tells these articles to somebody who knows none of them."""
    wide = replace(plan, reach=Reach(0, 0, cut_seq), capped=False, people={Vantage(0, 0): 1}, corrections=(), empty="")
    scores = {a.id: score(a.published_at, digest.due_at, others=len(a.also)) for a in listed}
    order = ranked([candidate(a, points=sum(scores[a.id].values())) for a in listed], plan.rules)
    by_id = {a.id: a for a in listed}
    wide = replace(wide, chosen=tuple((by_id[how.id], how) for how in order), scores=scores)
    return replace(wide, groups=_groups(wide))


def _ranked(
    connection: Connection, plan: Plan, newsletter_id: int, found: Sequence[Article], digest: Digest
) -> Plan:
    """Put the candidates into display order, each with its score, and what was told of their stories behind them."""
    earlier = articles.siblings(connection, {a.story for a in found}, plan.reach.from_seq)
    known = digests.told(connection, newsletter_id, [a.id for a in (*found, *earlier)], digest.id)
    scores = {a.id: score(a.published_at, digest.due_at, others=len(a.also), pinned=digest.edits.rank(a.id) > 0)
              for a in found}
    hows = [candidate(a, told=a.id in known, rank=digest.edits.rank(a.id), points=sum(scores[a.id].values()))
            for a in found]
    by_id = {a.id: a for a in found}
    # as the web shows them, and behind them those that it does not: other tellings of their stories
    shown = for_everyone(hows, Window(plan.reach.from_seq, plan.reach.cut_seq), plan.rules).articles
    order = [*shown, *ranked(set(hows) - set(shown), plan.rules)]
    chosen = [(by_id[how.id], how) for how in order]
    chosen += [(a, candidate(a, fresh=False, told=True)) for a in earlier if a.id in known]
    return replace(plan, chosen=tuple(chosen), scores=scores)


def _groups(plan: Plan) -> tuple[GroupView, ...]:
    """Every heading that somebody may come to see. Whoever picked topics sees an article under one that they picked."""
    rules = plan.rules
    if rules.group is Group.NONE:
        return ()
    titles: dict[str, str] = {}
    for article, how in plan.chosen:
        if how.fresh and rules.group is Group.SOURCE:
            titles.setdefault(article.source, article.source_title)
        elif how.fresh:
            names = [group_of(how, rules), *(group_of(how, rules, (topic,)) for topic in article.topics)]
            titles |= {name: name[:1].upper() + name[1:] for name in names}
    return tuple(GroupView(number, name, titles[name]) for number, name in enumerate(sorted(titles), 1))


def _with_corrections(connection: Connection, plan: Plan, newsletter_id: int, kind: str, now: datetime) -> Plan:
    if kind == "none":
        return plan
    found = told.put_right(connection, newsletter_id, kind, now - LOOK_BACK, MOST_READ)
    known = told.carried(connection, newsletter_id, [correction for _, correction in found])
    notes = plan.notes
    if kind == told.CHANGED and len(found) - len(known) > MOST_CORRECTIONS:
        noted = told.put_right(connection, newsletter_id, told.NOTED, now - LOOK_BACK, MOST_READ)
        ids = {article.id for article, _ in noted}
        found = noted + [(a, c) for a, c in found if a.id in known and a.id not in ids]
        left_out = f"more than {MOST_CORRECTIONS} sent articles changed since; only those that you noted are told"
        notes = (*notes, left_out)
    return replace(plan, corrections=tuple(found), notes=notes)


def _empty(plan: Plan) -> str:
    if not plan.people:
        return "nobody is subscribed to this schedule" if plan.audience.schedule else "nobody is subscribed"
    if not plan.fresh:
        return "nothing new"
    if not any(plan.selection(who).articles for who in plan.people):
        return "nothing new for anyone subscribed"
    least = plan.rules.min_articles
    if least > 1:  # topics don't count: whoever picked few must not wait for ever
        most = max(len(plan.selection(who, topics=False).articles) for who in plan.people)
        if most < least:
            named = "1 new article" if most == 1 else f"{most} new articles"
            return f"only {named}, and min_articles is {least}; they stay for the next one"
    return ""
