"""Which articles a newsletter takes by their words and their age. Pure."""

from __future__ import annotations

from datetime import timedelta

from pipeline.model.articles import Article
from pipeline.model.selection import Rules
from pipeline.patterns import Reading, first_found, none_found
from pipeline.text.words import visible_text


def unwanted(article: Article, rules: Rules) -> str:
    """Why the newsletter does not take an article, "" where it does. Topics and sources are asked elsewhere.

    Its age is what it was when it came in: that stays as it is, so an article that waits for the next digest, because
    this one was held or too small, does not grow too old for it.
    """
    if rules.max_age_s and article.accepted_at is not None:
        age = article.accepted_at - article.published_at
        if age > timedelta(seconds=rules.max_age_s):
            return f"it was {age.days} days old when it came in, and max_age is {_span(rules.max_age_s)}"
    if not (rules.include or rules.exclude):
        return ""
    reading = Reading(title=article.title, text=lambda: f"{article.summary}\n{visible_text(article.html)}",
                      topics=article.topics, author=article.author, url=article.url)
    if found := first_found(rules.exclude, reading):
        return f"excluded by {found}"
    if rules.include and not first_found(rules.include, reading):
        return f"not included: {none_found(rules.include)}"
    return ""


def _span(seconds: int) -> str:
    days, rest = divmod(seconds, 86_400)
    return f"{days} days" if not rest else f"{seconds // 3600} hours"
