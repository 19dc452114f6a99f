"""Answers that can be kept: ETag, Last-Modified, 304 (RFC 9110 §8.8, §13). Decisions apart from any framework call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pipeline.publish.delta import etag

FIVE_MINUTES = "public, max-age=300"
A_DAY = "public, max-age=86400"
FOR_EVER = "public, max-age=31536000, immutable"
NEVER = "no-store"

RawHeaders = list[tuple[bytes, bytes]]
"""As ASGI wants them: names in lower case, everything encoded."""

_ETAG = re.compile(r'(?:W/)?("[^"]*")')


@dataclass(frozen=True, slots=True)
class Content:
    """What a reader may keep: the bytes, their type and, where it is known, when they last changed (aware)."""

    body: bytes
    media_type: str
    etag: str
    modified_at: datetime | None = None
    heads: dict[str, RawHeaders] = field(default_factory=dict, compare=False, repr=False)
    """Made of the above by whoever answers with it, so that it need not be made each time."""


class Ready(Response):
    """A response whose headers are made already. They are not copied: nobody may change them."""

    def __init__(self, status: int, headers: RawHeaders, body: bytes = b"") -> None:
        self.status_code = status
        self.background = None
        self.raw_headers = headers
        self.body = body


class Missing(HTTPException):
    """There is nothing under this address. `title` and `text` are plain words for the page; `links` lead on."""

    def __init__(
        self, title: str, text: str, *, status: int = 404, links: tuple[tuple[str, str], ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail=text, headers=headers)
        self.title = title
        self.links = links  # (address, words)


def content(body: bytes, media_type: str, modified_at: datetime | None = None) -> Content:
    """Content with a strong ETag: the same bytes have the same one, whoever serves them and whenever."""
    return Content(body, media_type, etag(body), modified_at)


def keep(request: Request, what: Content, *, cache: str = FIVE_MINUTES, **headers: str) -> Response:
    """200 with the content, or 304 where the reader has it. Underscores in names of `headers` stand for hyphens."""
    fields = {"etag": what.etag, "cache-control": cache, **{k.replace("_", "-"): v for k, v in headers.items()}}
    if what.modified_at is not None:
        fields["last-modified"] = http_date(what.modified_at)
    if unchanged(what, request.headers.get("if-none-match"), request.headers.get("if-modified-since")):
        return Response(status_code=304, headers=fields)
    return Response(what.body, headers={"content-type": what.media_type, **fields})


def unchanged(what: Content, if_none_match: str | None, if_modified_since: str | None) -> bool:
    """Whether the reader's copy is this one. A date is asked only where no ETag was sent (RFC 9110 §13.1.3)."""
    if if_none_match is not None:
        return if_none_match.strip() == "*" or what.etag in named(if_none_match)
    if if_modified_since is None or what.modified_at is None:
        return False
    try:
        since = parsedate_to_datetime(if_modified_since)
    except ValueError:
        return False
    since = since if since.tzinfo else since.replace(tzinfo=UTC)
    return what.modified_at.replace(microsecond=0) <= since


def named(etags: str) -> list[str]:
    """The ETags in a list, without the mark of weak ones: If-None-Match compares weakly (RFC 9110 §13.1.2)."""
    return _ETAG.findall(etags)


def http_date(at: datetime) -> str:
    return format_datetime(at.astimezone(UTC), usegmt=True)


def moved(address: str) -> Response:
    """308: what moved keeps its method and may be remembered."""
    return RedirectResponse(address, 308, headers={"cache-control": FIVE_MINUTES})
