"""What waits for its page: a draft and what was decided about it when it was seen, on the way into a row and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from pipeline.model.articles import Draft, Enclosure, Extra

AGAIN = tuple(timedelta(minutes=m) for m in (15, 60, 4 * 60, 12 * 60, 24 * 60))
"""Waits after each failure of a page that is all there is of an article."""

AGAIN_WITH_TEXT = AGAIN[:2]
"""The same where the source's document has a text too: an hour's delay is worse than a shorter article."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A draft, and how it will enter once its page was read: flood, backlog and rules are judged when it is seen, since
    by then a hundred others may have come in with it."""

    draft: Draft
    held: str = ""              # why it will be held, ""
    feeds_only: str = ""        # why it will be in no digest, ""
    first_poll: bool = False    # it was there when the source was first read


def retry_after(waiting: Waiting, attempts: int) -> timedelta | None:
    """How long to wait after so many failed tries; None where it is enough."""
    waits = AGAIN if waiting.draft.pointer else AGAIN_WITH_TEXT
    return waits[attempts - 1] if attempts <= len(waits) else None


def as_json(waiting: Waiting) -> dict[str, Any]:
    row = asdict(waiting)
    draft = row["draft"]
    for name in ("published_at", "updated_at"):
        draft[name] = draft[name].isoformat() if draft[name] else None
    return row


def from_json(row: Mapping[str, Any]) -> Waiting:
    draft = dict(row["draft"])
    for name in ("published_at", "updated_at"):
        draft[name] = datetime.fromisoformat(draft[name]) if draft[name] else None
    draft["topics"] = tuple(draft["topics"])
    draft["enclosures"] = tuple(Enclosure(**e) for e in draft["enclosures"])
    draft["extras"] = tuple(Extra(e["name"], e["text"], tuple((k, v) for k, v in e["attributes"]))
                            for e in draft["extras"])
    return Waiting(Draft(**draft), row["held"], row["feeds_only"], row["first_poll"])
