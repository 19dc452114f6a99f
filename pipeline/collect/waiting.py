"""What waits for its page: a draft and what was decided about it when it was seen, on the way into a row and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from pipeline.model.articles import Draft, Enclosure, Extra
from pipeline.store.passed import PassedOver

AGAIN = tuple(timedelta(minutes=m) for m in (15, 60, 4 * 60, 12 * 60, 24 * 60))
"""Waits after each failure of a page that is all there is of an article."""

AGAIN_WITH_TEXT = AGAIN[:2]
"""The same where the source's document has a text too: an hour's delay is worse than a shorter article."""

LONGEST_WAIT = timedelta(days=1)
"""That a page's server may ask for."""

_NO_PAGE = re.compile(r"\.(?:pdf|mp[34]|m4a|ogg|wav|webm|mov|zip|gz|epub|docx?|pptx?|xlsx?|jpe?g|png|gif|webp|svg)$",
                      re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A draft, and how it will enter once its page was read: flood, backlog and rules are judged when it is seen, since
    by then a hundred others may have come in with it."""

    draft: Draft
    held: str = ""              # why it will be held, ""
    feeds_only: str = ""        # why it will be in no digest, ""
    first_poll: bool = False    # it was there when the source was first read, or passed over until its rules changed
    seen_at: datetime | None = None   # when all this was judged


def has_page(draft: Draft) -> bool:
    """Whether there may be a text where a draft's address leads: a film or a PDF is not fetched for nothing."""
    return bool(draft.url) and not _NO_PAGE.search(urlsplit(draft.url).path)


def retry_after(waiting: Waiting, attempts: int, asked: timedelta = timedelta()) -> timedelta | None:
    """How long to wait after so many failed tries, `asked` being the server's own wish; None where it is enough."""
    waits = AGAIN if waiting.draft.pointer else AGAIN_WITH_TEXT
    return max(waits[attempts - 1], min(asked, LONGEST_WAIT)) if attempts <= len(waits) else None


def as_json(waiting: Waiting) -> dict[str, Any]:
    row = asdict(waiting)
    for part, names in ((row["draft"], ("published_at", "updated_at")), (row, ("seen_at",))):
        for name in names:
            part[name] = part[name].isoformat() if part[name] else None
    return row


def from_json(written: Mapping[str, Any] | None, row: PassedOver) -> Waiting | None:
    """What `as_json` wrote for `row`; what another version of the program wrote is understood as far as it can be. None
    where it can't: then nothing of the article is known but what the row says."""
    try:
        whole = dict(written or {})
        given = {**_LACKING, "url": row.url, "title": row.title, **whole["draft"]}
        given = {name: value for name, value in given.items() if name in _TYPES}
        given |= {
            "published_at": _time(given.get("published_at")) or row.at, "updated_at": _time(given.get("updated_at")),
            "topics": tuple(given["topics"]), "enclosures": tuple(Enclosure(**e) for e in given["enclosures"]),
            "extras": tuple(Extra(e["name"], e["text"], tuple((k, v) for k, v in e["attributes"]))
                            for e in given["extras"])}
        found = Waiting(Draft(**given), whole.get("held", ""), whole.get("feeds_only", ""),
                        whole.get("first_poll", False), _time(whole.get("seen_at")))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    as_meant = all(isinstance(getattr(found.draft, name), kind) for name, kind in _TYPES.items())
    return found if as_meant and all(isinstance(topic, str) for topic in found.draft.topics) else None


_LACKING: dict[str, Any] = {
    "guid": "", "url_key": "", "author": "", "summary": "", "html": "", "language": "", "rights": "", "dated": False,
    "topics": (), "enclosures": (), "extras": (),
}
_TYPES: dict[str, Any] = {
    **dict.fromkeys(("guid", "url", "url_key", "content_hash", "title", "author", "summary", "html", "language",
                     "rights", "licence", "image", "text_note"), str),
    **dict.fromkeys(("dated", "pointer", "telling"), bool), **dict.fromkeys(("topics", "enclosures", "extras"), tuple),
    "published_at": datetime, "updated_at": datetime | None,
}


def _time(written: str | None) -> datetime | None:
    """Raises ValueError for a time without a zone: the store takes none."""
    when = datetime.fromisoformat(written) if written else None
    if when is not None and when.tzinfo is None:
        raise ValueError(f"{written} has no zone")
    return when
