"""A document of a feed -> JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/). Same values, same bytes.
The only file that knows orjson.

The same ids, dates and texts as in RSS and Atom; so its plain text, too, is none that a careless reader could take for
HTML. What the format has no words for (an entry's source, rights, licence, a withdrawal) goes into an extension of
ours: an object whose name begins with an underscore, as it asks.
"""

from __future__ import annotations

from typing import Any

import orjson

from pipeline.model.articles import Enclosure, Extra
from pipeline.model.feeds import JSON_FILE, Document, Entry, FeedPage
from pipeline.publish.elements import media_type
from pipeline.publish.wording import content_html, no_tags, summary_html

VERSION = "https://jsonfeed.org/version/1.1"
EXTENSION = "_broadsheet"


def build_json(document: Document) -> bytes:
    """UTF-8, each value on a line of its own, so that two versions can be compared."""
    items = [_item(entry, document.page) for entry in document.entries]
    return orjson.dumps({**_feed(document), "items": items}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _feed(document: Document) -> dict[str, Any]:
    page, volume = document.page, document.volume
    feed: dict[str, Any] = {
        "version": VERSION, "title": no_tags(page.title), "home_page_url": page.url,
        "feed_url": document.url + JSON_FILE, "description": no_tags(page.description),
        "icon": page.image, "language": page.language,
        "authors": [{"name": no_tags(page.site_title or page.title), "url": f"{page.site_url}/"}],
        "next_url": page.url + volume.previous + JSON_FILE if volume.previous else "",
        "hubs": [{"type": "WebSub", "url": page.hub}] if page.hub and not volume.archive else [],
        EXTENSION: {"rights": no_tags(page.rights)} if page.rights else {},
    }
    return {key: value for key, value in feed.items() if value}


def _item(entry: Entry, page: FeedPage) -> dict[str, Any]:
    html = content_html(entry)
    summary = no_tags(entry.summary)
    plain = "" if html or entry.also or entry.correction else summary
    author = entry.author or entry.source_title or page.site_title or page.title
    item = {
        "id": entry.id, "url": entry.link, "title": no_tags(entry.title),
        "content_html": html or ("" if plain else summary_html(entry)), "content_text": plain,
        "summary": summary, "image": entry.image, "date_published": entry.published_at.isoformat(),
        "date_modified": entry.updated_at.isoformat(), "authors": [{"name": no_tags(author)}],
        "tags": [no_tags(topic) for topic in entry.topics],
        "language": entry.language, "attachments": [_attachment(e, entry.extras) for e in entry.enclosures],
        EXTENSION: {key: value for key, value in {
            "source": no_tags(entry.source_title), "source_feed_url": entry.source_url, "rights": no_tags(entry.rights),
            "licence": entry.licence, "withdrawn": entry.withdrawn}.items() if value},
    }
    return {key: value for key, value in item.items() if value}


def _attachment(enclosure: Enclosure, extras: tuple[Extra, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {"url": enclosure.url, "mime_type": media_type(enclosure)}
    if enclosure.length > 0:
        found["size_in_bytes"] = enclosure.length
    if found["mime_type"].startswith(("audio/", "video/")) and (seconds := _duration(extras)):
        found["duration_in_seconds"] = seconds
    return found


def _duration(extras: tuple[Extra, ...]) -> int:
    """What iTunes says: "1:02:03", "62:03" or seconds."""
    text = next((e.text for e in extras if e.name == "itunes:duration"), "")
    parts = text.strip().split(":")
    if not 1 <= len(parts) <= 3 or not all(part.isascii() and part.isdigit() and len(part) <= 6 for part in parts):
        return 0
    seconds = 0
    for part in parts:
        seconds = seconds * 60 + int(part)
    return seconds

