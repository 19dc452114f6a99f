"""What a digest would tell, to whom, as of this moment: everything that is read before anything is rendered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.compose.window import Reach, decide_reach
from pipeline.model.articles import Article
from pipeline.model.newsletters import Window
from pipeline.model.selection import Candidate, Rules, Selection, candidate, newest_first, select
from pipeline.store import Connection, articles, digests, meta, stories
from pipeline.store.subscribers import Audience

MOST_CANDIDATES = 2_000
"""More than this is not rendered for one digest; the newest stay, and a note says what was left out."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A digest before it is rendered. `empty` says why there is nothing to send, "" where there is."""

    audience: Audience
    reach: Reach
    capped: bool
    people: Mapping[tuple[int, int], int]              # (window start, subscription start) -> how many
    chosen: tuple[tuple[Article, Candidate], ...]      # in display order: candidates, then earlier tellings
    notes: tuple[str, ...]
    empty: str

    @property
    def fresh(self) -> list[Article]:
        """What is rendered, in display order."""
        return [article for article, how in self.chosen if how.fresh]

    def selection(self, start: int, start_seq: int, rules: Rules) -> Selection:
        window = Window(max(start, self.reach.from_seq) if self.capped else start, self.reach.cut_seq)
        return select([how for _, how in self.chosen], window, rules, start_seq=start_seq)


def choose(connection: Connection, newsletter_id: int, schedule: str, rules: Rules, digest_id: int = 0) -> Plan:
    """Read a plan. `schedule` is the audience's slug, "" for everyone. Belongs into one reading transaction, so that
    counters, people and articles are of the same moment."""
    cut = meta.counter(connection, meta.ACCEPTED)
    audience = Audience(newsletter_id, schedule, meta.counter(connection, meta.EVENTS))
    people = digests.audience_reach(connection, audience)
    reach = decide_reach(people, cut)
    found = articles.accepted_between(connection, reach.from_seq, cut, rules)
    notes: list[str] = []
    capped = len(found) > MOST_CANDIDATES
    if capped:
        left_out = len(found) - MOST_CANDIDATES
        found = found[left_out:]  # in order of acceptance
        notes.append(f"{left_out} older articles left out: a digest renders {MOST_CANDIDATES} at the most")
        reach = Reach(found[0].accepted_seq - 1, max(reach.public_from_seq, found[0].accepted_seq - 1), cut)
    earlier = articles.siblings(connection, {a.story for a in found}, reach.from_seq)
    told = digests.told(connection, newsletter_id, [a.id for a in (*found, *earlier)], digest_id)
    by_id = {a.id: a for a in stories.with_also(connection, found)}
    order = newest_first(candidate(a, told=a.id in told) for a in found)
    chosen = [(by_id[how.id], how) for how in order]
    chosen += [(a, candidate(a, fresh=False, told=True)) for a in earlier if a.id in told]
    plan = Plan(audience, reach, capped, people, tuple(chosen), tuple(notes), "")
    reason = _empty(plan, rules)
    return Plan(audience, reach, capped, people, tuple(chosen), tuple(notes), reason) if reason else plan


def _empty(plan: Plan, rules: Rules) -> str:
    if not plan.people:
        return "nobody is subscribed to this schedule" if plan.audience.schedule else "nobody is subscribed"
    if not plan.fresh:
        return "nothing new"
    most = max(len(plan.selection(start, start_seq, rules).articles) for start, start_seq in plan.people)
    if most == 0:
        return "nothing new for anyone subscribed"
    if most < rules.min_articles:
        return f"only {most} new article(s), and min_articles is {rules.min_articles}; they stay for the next one"
    return ""
