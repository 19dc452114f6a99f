"""What each kind of work answers.

The parent loads this and none of the work, so nothing here, or in what is imported here, needs a parser.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.collect.finding.findings import Glance, PointersRead
from pipeline.model.articles import Draft
from pipeline.model.sources import Hints


@dataclass(frozen=True, slots=True)
class FeedRead:
    """A feed's document, read and cleaned. `notes` say what was left out or mended, for the operator."""

    title: str
    language: str                   # the feed's own; "" where it names none
    drafts: tuple[Draft, ...]
    hints: Hints = field(default_factory=Hints)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PageDraft:
    """A draft with what its page had to add. `refused` says why it is as it was before: "" where it has the text."""

    draft: Draft
    refused: str = ""


ANSWERS: dict[str, object] = {
    "feed": FeedRead, "page": PageDraft, "article": PageDraft, "listing": PointersRead, "sitemap": PointersRead,
    "look": Glance,
}
"""Kind of work -> the type of its answer: a dataclass, or a union of some. The answer is read as that, or refused."""
