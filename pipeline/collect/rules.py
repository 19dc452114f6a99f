"""The operator's rules for a source: take an article, leave it out, or let it wait. Pure.

    exclude   leaves an article out, whatever else is said
    include   where there is one, an article needs one of them
    hold      of what remains, these wait for the operator
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline.model.articles import Draft
from pipeline.patterns import Field, Reading, first_found, none_found, parse_rule
from pipeline.text.words import visible_text

MOST_NAMED = 3  # rules that a reason repeats


class Take(StrEnum):
    TAKE = "take"
    EXCLUDE = "exclude"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the rules say; `reason` is "" where the article is taken."""

    verdict: Take
    reason: str = ""


TAKEN = Ruling(Take.TAKE)


def decide_rules(draft: Draft, include: Sequence[str], exclude: Sequence[str], hold: Sequence[str]) -> Ruling:
    """Judge one cleaned article by its source's rules, as config.toml has them.

    Of a pointer only the address is known, and maybe a title: what they already settle is settled, so that no page is
    fetched for nothing; the rest is asked again with the page's text. Raises UsageError on a rule that is none.
    """
    if not (include or exclude or hold):
        return TAKEN
    reading = Reading(
        title="" if draft.pointer and draft.title == draft.url else draft.title,
        text=lambda: f"{draft.summary}\n{visible_text(draft.html)}", topics=draft.topics, author=draft.author,
        url=draft.url)
    if found := first_found(exclude, reading):
        return Ruling(Take.EXCLUDE, f"excluded by {found}")
    if include and not first_found(include, reading) and not (draft.pointer and _may_yet(include)):
        return Ruling(Take.EXCLUDE, f"not included: {none_found(include)}")
    if found := first_found(hold, reading):
        return Ruling(Take.HOLD, f"held by {found}")
    return TAKEN


def _may_yet(include: Sequence[str]) -> bool:
    """Whether one of the rules looks at something that only the page will show."""
    return any(parse_rule(rule).field is not Field.URL for rule in include)
