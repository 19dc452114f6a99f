"""JSON Feed 1.0 and 1.1 (https://www.jsonfeed.org/version/1.1/). Every value may be of any type."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pipeline.collect.reading.dates import parse_date
from pipeline.collect.reading.elements import MAX_FIELD
from pipeline.collect.reading.hints import hints_of_links
from pipeline.collect.reading.markup import html_of_plain
from pipeline.collect.reading.reader import MAX_ENCLOSURES, MAX_NAMES, Channel, person_name
from pipeline.errors import ParseError
from pipeline.model.articles import Enclosure, Extra, Found


def load_json_feed(body: bytes, url: str) -> dict[str, Any]:
    """Return the document, or raise ParseError where it is not a JSON Feed."""
    try:
        document = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        cause = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise ParseError(url, f"is no JSON that can be read: {cause}") from error
    if not isinstance(document, dict) or not isinstance(document.get("items"), list):
        raise ParseError(url, "is JSON but not a JSON Feed: it has no list of items",
                         hint="a JSON Feed names its version, https://jsonfeed.org/version/1.1")
    return document


def read_channel(document: dict[str, Any]) -> Channel:
    """Return what the feed says of itself. It has no words for rights or a licence; authors are read with each item."""
    hubs = [("hub", _string(hub.get("url"))) for hub in _list(document.get("hubs")) if isinstance(hub, dict)]
    title, language = _string(document.get("title")), _string(document.get("language"))
    return Channel(title, language, "", "", "", hints_of_links([*hubs, ("self", _string(document.get("feed_url")))]))


def read_item(item: Any, document: dict[str, Any]) -> Found | None:
    """Return one item as found, or None where it is no object at all."""
    if not isinstance(item, dict):
        return None
    markup, plain = _string(item.get("content_html")), _string(item.get("content_text"))
    content = markup or html_of_plain(plain)
    summary = html_of_plain(_string(item.get("summary")))
    people = [person_name(_string(a.get("name"))[:MAX_FIELD]) for a in _authors(item) or _authors(document)]
    attachments = [a for a in _list(item.get("attachments"))[:MAX_ENCLOSURES] if isinstance(a, dict)]
    published, updated = (parse_date(_string(item.get(key))) for key in ("date_published", "date_modified"))
    return Found(
        title=_string(item.get("title"))[:MAX_FIELD],
        html=content or summary,
        summary=summary if content else "",
        guid=_string(item.get("id"))[:MAX_FIELD],
        url=_string(item.get("url")) or _string(item.get("external_url")),
        author=", ".join(name for name in people if name),
        published_at=published or updated,
        updated_at=updated,
        topics=tuple(_string(tag)[:MAX_FIELD] for tag in _list(item.get("tags"))[:MAX_NAMES]),
        language=_string(item.get("language")),
        image=_string(item.get("image")) or _string(item.get("banner_image")),
        enclosures=tuple(
            Enclosure(_string(a.get("url")), _string(a.get("mime_type"))[:100], _size(a.get("size_in_bytes")))
            for a in attachments
        ),
        extras=tuple(_durations(attachments)),
    )


def _durations(attachments: list[dict[str, Any]]) -> Iterator[Extra]:
    seconds = _size(attachments[0].get("duration_in_seconds")) if attachments else 0
    if seconds:
        yield Extra("itunes:duration", str(seconds))


def _authors(holder: dict[str, Any]) -> list[dict[str, Any]]:
    """1.1 has `authors`, 1.0 has one `author`."""
    return [a for a in (*_list(holder.get("authors")), holder.get("author")) if isinstance(a, dict)][:MAX_NAMES]


def _string(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _size(value: Any) -> int:
    """A count of bytes or seconds; seconds may come with fractions."""
    return int(value) if isinstance(value, int | float) and 0 <= value < 10**15 else 0
