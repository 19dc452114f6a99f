"""Why an article is chosen for somebody, or is not, in words. Pure, and by the same facts that choose."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pipeline.model.articles import Article
from pipeline.model.newsletters import Window
from pipeline.model.selection import Candidate, Order, Rules, one_per_story, select


def why_no_match(article: Article | Candidate, rules: Rules) -> str:
    """Why rules leave an article out, "" where they take it."""
    if rules.match(article):
        return ""
    if rules.sources and article.source not in rules.sources:
        return f"it takes only the sources {_names(rules.sources)}, and this one came from {article.source}"
    own = f"this article's are {_names(article.topics)}" if article.topics else "this article has none"
    return f"it takes only the topics {_names(rules.topics)}, and {own}"


def why_not_chosen(
    article_id: int, candidates: Sequence[Candidate], window: Window, rules: Rules, *, told: Collection[int] = (),
    topics: Sequence[str] = (), room: int = 0,
) -> str:
    """Why one candidate of a digest is not in a person's selection, "" where it is. The same facts that choose."""
    chosen = select(candidates, window, rules, told=told, topics=topics, room=room)
    if article_id in chosen.ids:
        return ""
    mine = next((c for c in candidates if c.id == article_id and c.fresh), None)
    if mine is None:
        return "the digest did not have it"
    if mine.accepted_seq not in window:
        return "it lies outside their window"
    if reason := why_no_match(mine, rules):
        return reason
    if topics and set(topics).isdisjoint(mine.topics):
        return f"they picked the topics {_names(topics)}"
    earlier = [c for c in candidates if c.id in told and c.story == mine.story]
    if earlier:
        return f"article {earlier[0].id} told them the same story before"
    fresh = [c for c in candidates if c.fresh and c.accepted_seq in window and rules.match(c)
             and (not topics or not set(topics).isdisjoint(c.topics))]
    kept = one_per_story(fresh)
    if mine not in kept:
        teller = next(c for c in kept if c.story == mine.story)
        return f"article {teller.id} tells the same story and came first"
    others = {Order.SCORE: "those of more points", Order.SOURCE: "those before it"}.get(rules.order, "newer ones")
    of_source = sum(c.source == mine.source for c in chosen.articles)
    if rules.per_source and of_source >= rules.per_source:
        return f"the limit of {rules.per_source} per source was reached with {others}; it is on the web page"
    if len(chosen.articles) >= rules.limit:
        return f"the limit of {rules.limit} articles was reached with {others}; it is on the web page"
    return "the mail would have become too long with it; it is on the web page"


def _names(values: Sequence[str]) -> str:
    return ", ".join(values)
