"""Feeds that are not well-formed: mend what is commonly broken, else let feedparser's loose parser try.

Mended first, because the mended tree is read by the same reader as every other feed; feedparser comes last,
because hostile input costs it seconds (https://github.com/kurtmckee/feedparser/issues/562).
"""

from __future__ import annotations

import html.entities
import re
from calendar import timegm
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pipeline.collect.reading.elements import MAX_FIELD
from pipeline.collect.reading.hints import hints_of_links
from pipeline.collect.reading.markup import html_of, plain_of
from pipeline.collect.reading.reader import MAX_ENCLOSURES, MAX_NAMES, Channel, person_name
from pipeline.errors import ParseError
from pipeline.model.articles import Enclosure, Found
from pipeline.text.legal import legal_text

MAX_RUN = 256  # characters that could be a mail address, in a row: feedparser's search for one is quadratic in them

_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_ENCODING = re.compile(rb"""<\?xml[^>]*encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,31});")
_BARE_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#[xX][0-9a-fA-F]{1,6});)")
_REFERENCE = re.compile(r"&#(?:[xX]([0-9a-fA-F]{1,8})|(\d{1,10}));", re.ASCII)
_MAIL_RUN = re.compile(rb"(?:[\w.+-]|&#\w{1,8};){%d,}" % (MAX_RUN + 1))


def mended(body: bytes, charset: str = "") -> bytes:
    """Return `body` as UTF-8 with the common faults mended: what precedes the first tag, wrong bytes for the
    named encoding, characters XML does not allow, HTML's entities ("&nbsp;"), bare ampersands."""
    text = _DECLARATION.sub("", legal_text(_decoded(body, charset)))
    text = text[max(text.find("<"), 0):]
    return "".join(_with_entities_mended(text)).rstrip().encode()


def read_loosely(body: bytes, url: str) -> tuple[Channel, list[Found]]:
    """Return the channel and the articles as feedparser reads them from what no XML parser accepts.

    Raises ParseError where it finds no article either.
    """
    import feedparser  # noqa: PLC0415 - 60 ms and 10 MB that hardly any source needs

    capped = _MAIL_RUN.sub(lambda m: m[0][:MAX_RUN], body)
    try:
        result = feedparser.parse(capped, sanitize_html=False, resolve_relative_uris=False)
        found = list(_found(result.get("entries", [])))
    except Exception as error:  # it raises what its many parts raise; none of that may get out
        raise ParseError(url, f"could not be read as a feed: {type(error).__name__}") from error
    if not found:
        reason = result.get("bozo_exception")
        raise ParseError(url, f"is not a feed that can be read: {_sentence(reason)}")
    return _channel(result.get("feed", {})), found


def _with_entities_mended(text: str) -> Iterator[str]:
    """Leave CDATA sections as they are. By hand, because a pattern would look for each one's end to the end."""
    position = 0
    while position < len(text):
        start = text.find("<![CDATA[", position)
        end = text.find("]]>", start) if start >= 0 else -1
        outside = text[position : start if end >= 0 else len(text)]
        yield _BARE_AMPERSAND.sub("&amp;", _ENTITY.sub(_character, _REFERENCE.sub(_legal_reference, outside)))
        position = end + 3 if end >= 0 else len(text)
        yield text[start:position] if end >= 0 else ""


def _decoded(body: bytes, charset: str) -> str:
    named = _ENCODING.search(body[:1000])
    for name in ("utf-8-sig", named[1].decode("ascii") if named else "", charset, "cp1252"):
        try:
            return body.decode(name)
        except (UnicodeDecodeError, LookupError):
            continue
    return body.decode("utf-8", errors="replace")


def _legal_reference(match: re.Match[str]) -> str:
    """A reference to a character that XML allows as it is, any other as nothing (XML 1.0, production 2)."""
    code = int(match[1], 16) if match[1] else int(match[2])
    legal = code in (9, 10, 13) or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or 0x10000 <= code < 0x110000
    return match[0] if legal else ""


def _character(match: re.Match[str]) -> str:
    """An HTML entity XML does not know, as the character it means."""
    if match[1] in ("amp", "lt", "gt", "quot", "apos"):
        return match[0]
    return html.entities.html5.get(match[1] + ";", match[0])


def _channel(feed: Any) -> Channel:
    """Rights and licence are left out: from what is this broken, nobody should be told what they may do."""
    links = (feed.get("links") or ())[:MAX_NAMES]
    pairs = [(str(link.get("rel") or ""), str(link.get("href") or "")) for link in links]
    return Channel(plain_of(str(feed.get("title") or "")), str(feed.get("language") or ""), "", "", "",
                   hints_of_links(pairs, str(feed.get("ttl") or "")))


def _found(entries: list[Any]) -> Iterator[Found]:
    for entry in entries:
        content = next((str(c.get("value") or "") for c in entry.get("content") or ()), "")
        summary = str(entry.get("summary") or "")
        published, updated = _when(entry, "published_parsed"), _when(entry, "updated_parsed")
        yield Found(
            title=plain_of(str(entry.get("title") or "")),
            html=html_of(content or summary),
            summary=html_of(summary) if content and summary != content else "",
            guid=str(entry.get("id") or "")[:MAX_FIELD],
            url=str(entry.get("link") or ""),
            author=person_name(plain_of(str(entry.get("author") or ""))),
            published_at=published or updated,
            updated_at=updated,
            topics=tuple(str(t.get("term") or "")[:MAX_FIELD] for t in (entry.get("tags") or ())[:MAX_NAMES]),
            language=str(entry.get("language") or ""),
            enclosures=tuple(
                Enclosure(str(e.get("href") or ""), str(e.get("type") or "")[:100], _size(e.get("length")))
                for e in (entry.get("enclosures") or ())[:MAX_ENCLOSURES]
            ),
        )


def _when(entry: Any, key: str) -> datetime | None:
    parts = dict.get(entry, key)  # its own `get` gives the time of publication for one of update, with a warning
    try:
        return datetime.fromtimestamp(timegm(parts), UTC) if parts else None
    except (ValueError, OverflowError, TypeError):
        return None


def _size(value: Any) -> int:
    return int(value) if str(value).isdecimal() and len(str(value)) < 16 else 0


def _sentence(reason: Any) -> str:
    return " ".join(str(reason).split())[:200] if reason else "there is no entry in it"
