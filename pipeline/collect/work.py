"""What a child process does: bytes of a source to values, one function for each kind of work.

    WORK[kind](body, **arguments) -> ANSWERS[kind]

Only `child` imports this: the parsers load in the child, and the parent stays small and quick to start.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from pipeline.collect.answers import FeedRead
from pipeline.collect.identify import make_drafts
from pipeline.collect.parse import parse_feed
from pipeline.model.articles import Show


def feed(
    body: bytes, *, url: str, now: datetime, content_type: str = "", language: str = "",
    topics: tuple[str, ...] = (), show: Show = Show.SUMMARY, rights: str = "", licence: str = "",
) -> FeedRead:
    """Read a feed's document, which came from `url`. `language` is the operator's word and comes before the feed's
    own; `rights` and `licence` stand in where it says nothing."""
    parsed = parse_feed(body, url=url, content_type=content_type)
    drafts = make_drafts(
        parsed.articles, source_url=url, now=now, language=language or parsed.language, topics=topics, show=show,
        rights=rights, licence=licence,
    )
    return FeedRead(parsed.title, parsed.language, tuple(drafts), parsed.hints, parsed.notes)


WORK: dict[str, Callable[..., Any]] = {"feed": feed}
"""Kind of work -> its function. What only some sources need (a page's text) is imported in its function."""
