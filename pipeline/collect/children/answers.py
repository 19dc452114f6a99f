"""What parent and child say to each other, and what each kind of work answers.

The parent loads this and none of the work, so nothing here, or in what is imported here, needs a parser.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from pipeline.collect.finding.findings import Glance, PointersRead
from pipeline.model.articles import Draft
from pipeline.model.sources import Hints

JOB = struct.Struct("=QQdQ")
"""A job: bytes of its pickled (kind, arguments) and of its body, which both follow; what it may cost: seconds of CPU
time, bytes of memory."""

ANSWER = struct.Struct("=BBQ")
"""An answer: what it is, whether it is this child's last, bytes that follow (an encoded answer or Failure, or none)."""

READY = b"+"
RESULT, FAILED, UNEXPECTED, NO_MEMORY = range(4)

OUT_OF_MEMORY = 77
"""A child's exit status where it could not even say so."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error of the work's, on its way to the parent. `name` is its class; of an unexpected one no more is told."""

    name: str
    subject: str = ""
    cause: str = ""
    hint: str = ""
    permanent: bool = True


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
