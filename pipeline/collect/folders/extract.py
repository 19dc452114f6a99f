"""One document of a folder to one article: Markdown with front matter, an HTML page, or plain text.

A document may say that it is not to be published (`draft: true`) or not yet (a date to come): that is an answer
too, `Skipped`, and no error. What can't be read is a ParseError that names the file.
"""

from __future__ import annotations

import codecs
import re
import tomllib
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from html import escape
from pathlib import PurePosixPath
from typing import Any

import yaml

from pipeline.collect.folders.page import read_page
from pipeline.collect.folders.plain import read_plain
from pipeline.collect.reading.dates import parse_date
from pipeline.errors import ParseError
from pipeline.model.articles import Found
from pipeline.text.clean import clean_html, visible_text
from pipeline.text.legal import legal_text, one_line
from pipeline.text.markdown import markdown_html

SUFFIXES = frozenset({".md", ".markdown", ".html", ".htm", ".txt"})
MAX_DOCUMENT = 5_000_000     # bytes
MAX_FRONT_MATTER = 64_000    # characters
MAX_DAYS_AGO = 10_000

_FENCES = {"---": ("---", "..."), "+++": ("+++",)}
_META_CHARSET = re.compile(rb"<meta\b[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]+)", re.IGNORECASE)
_FIRST_HEADING = re.compile(r"(?:#{1,6}[ \t]+(?P<hash>[^\n]+)|(?P<line>[^\n]+)\n=+[ \t]*)(?:\n|\Z)")


@dataclass(frozen=True, slots=True)
class Skipped:
    """A document that is fine and is no article, or not yet; `reason` says why."""

    reason: str


def extract_document(name: str, data: bytes, *, now: datetime) -> Found | Skipped:
    """Read the document `name` (a path within its folder, which becomes the guid) from its bytes.

    `now` (aware UTC) decides whether a date is still to come, and what `days_ago` counts from. Raises
    ParseError where the kind is unknown, the bytes are no text, or the front matter can't be understood.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise ParseError(name, f"is of a kind that is not read ({suffix or 'no suffix'})",
                         hint="articles are .md, .html or .txt")
    if len(data) > MAX_DOCUMENT:
        raise ParseError(name, f"is larger than the {MAX_DOCUMENT // 1_000_000} MB an article may have")
    text = decode(name, data)
    if not text.strip():
        raise ParseError(name, "is empty")
    if suffix in (".html", ".htm"):
        found = read_page(name, text)
    else:
        keys, body = split_front_matter(name, text)
        if _flag(name, keys, "draft") or keys.get("published") is False:
            return Skipped("is marked as a draft (draft: true)")
        found = _markdown(body) if suffix in (".md", ".markdown") else read_plain(body)
        found = _with_front_matter(name, found, keys, now)
    if not found.title and not found.html.strip():
        raise ParseError(name, "holds no text")
    if found.published_at and found.published_at > now:
        return Skipped(f"not before {found.published_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC, its date")
    return found if found.guid else replace(found, guid=name)


def decode(name: str, data: bytes) -> str:
    """Return `data` as text: by its byte order mark, else UTF-8, else what its <meta> says, else Windows-1252."""
    for mark, charset in (
        (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            return _decoded(name, data, charset)
    if b"\0" in data:
        raise ParseError(name, "is binary data, not text",
                         hint="save it as UTF-8" if data[1::2].count(0) > len(data) // 4 else "")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        declared = _META_CHARSET.search(data[:4_096])
        charset = declared[1].decode("ascii") if declared else "cp1252"
        return _decoded(name, data, charset)


def split_front_matter(name: str, text: str) -> tuple[dict[str, Any], str]:
    """Return (keys, body). Keys are YAML between `---` lines or TOML between `+++` lines at the very start."""
    text = legal_text(text)
    first, _, rest = text.partition("\n")
    fences = _FENCES.get(first.rstrip())
    if not fences:
        return {}, text
    lines = rest.split("\n")
    end = next((i for i, line in enumerate(lines) if line.rstrip() in fences), -1)
    source = "\n".join(lines[:end])
    if end < 0:
        if first.rstrip() == "---" and not re.match(r"\s*[\w-]+\s*:", rest):
            return {}, text  # a rule at the top, no front matter
        raise ParseError(name, f"begins with front matter that never ends: there is no closing {first.rstrip()}")
    if len(source) > MAX_FRONT_MATTER:
        raise ParseError(name, f"has more than {MAX_FRONT_MATTER} characters of front matter")
    body = "\n".join(lines[end + 1 :])
    return _keys(name, source, toml=first.startswith("+")), body


def _decoded(name: str, data: bytes, charset: str) -> str:
    try:
        return data.decode(charset)
    except (UnicodeDecodeError, LookupError) as error:
        raise ParseError(name, f"can't be read as {one_line(charset, 40)} text", hint="save it as UTF-8") from error


def _keys(name: str, source: str, *, toml: bool) -> dict[str, Any]:
    try:
        values = tomllib.loads(source) if toml else yaml.safe_load(source)
    except (tomllib.TOMLDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 2}" if mark else ""
        what = getattr(error, "problem", None) or error
        raise ParseError(f"{name}{where}", f"has front matter that can't be read: {one_line(str(what), 200)}",
                         hint="a value with a colon or a quote in it wants quotes around it") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ParseError(name, "has front matter that is no list of `key: value` lines")
    return {str(key).strip().lower(): value for key, value in values.items()}


def _markdown(body: str) -> Found:
    body = body.lstrip()
    heading = _FIRST_HEADING.match(body)
    title = (heading["hash"] or heading["line"]).strip().rstrip("#") if heading else ""
    return Found(title=_plain_title(title), html=markdown_html(body[heading.end() :] if heading else body))


def _plain_title(markdown: str) -> str:
    """Return a heading's words: `The *fine* print` is "The fine print" in a subject line."""
    return one_line(visible_text(clean_html(markdown_html(markdown)))) if markdown else ""


def _with_front_matter(name: str, found: Found, keys: dict[str, Any], now: datetime) -> Found:
    title = _string(name, keys, "title")
    html = found.html
    if title and found.title and one_line(title) != found.title and PurePosixPath(name).suffix.lower() != ".txt":
        html = f"<h2>{escape(found.title, quote=False)}</h2>\n{html}"  # two titles: the text's own is a heading
    return replace(
        found,
        title=title or found.title,
        html=html,
        summary=_string(name, keys, "summary", "description", "excerpt") or found.summary,
        guid=_string(name, keys, "guid", "id"),
        url=_string(name, keys, "url", "link", "canonical_url"),
        author=", ".join(_names(name, keys, "author", "authors")) or found.author,
        published_at=_published(name, keys, now) or found.published_at,
        updated_at=_date(name, keys, "updated", "lastmod", "modified") or found.updated_at,
        topics=tuple(_names(name, keys, "topics", "tags", "categories", "category", "topic")),
        language=_string(name, keys, "lang", "language"),
        rights=_string(name, keys, "rights", "license", "copyright"),
    )


def _published(name: str, keys: dict[str, Any], now: datetime) -> datetime | None:
    """`days_ago: 2` dates an article two days before it was first seen: samples that never look old."""
    days = keys.get("days_ago")
    if days is None:
        return _date(name, keys, "date", "published", "published_at", "pubdate")
    if isinstance(days, bool) or not isinstance(days, int | float) or not 0 <= days <= MAX_DAYS_AGO:
        raise ParseError(name, f"has days_ago: {one_line(str(days), 40)} in its front matter, no number of days",
                         hint="write a number from 0 up, such as days_ago: 2")
    return now - timedelta(days=days)


def _date(name: str, keys: dict[str, Any], *aliases: str) -> datetime | None:
    key, value = _value(keys, *aliases)
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    when = parse_date(str(value)) if value is not None and not isinstance(value, bool) else None
    if value is not None and not isinstance(value, bool) and when is None:
        raise ParseError(name, f"has {key}: {one_line(str(value), 60)} in its front matter, which is no date",
                         hint="write it as 2026-11-22 or 2026-11-22T08:00:00+01:00")
    return when


def _flag(name: str, keys: dict[str, Any], key: str) -> bool:
    value = keys.get(key, False)
    words = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    known = value if isinstance(value, bool) else words.get(str(value).strip().lower())
    if known is None and value is not None:
        raise ParseError(name, f"has {key}: {one_line(str(value), 40)} in its front matter, neither true nor false")
    return bool(known)


def _string(name: str, keys: dict[str, Any], *aliases: str) -> str:
    key, value = _value(keys, *aliases)
    if isinstance(value, dict | list):
        raise ParseError(name, f"has a {key} in its front matter that is no text",
                         hint="a value with a colon in it wants quotes around it")
    return "" if value is None else str(value).strip()


def _names(name: str, keys: dict[str, Any], *aliases: str) -> list[str]:
    """Return a list of names, written as a list, with commas, or as objects that have a `name`."""
    key, value = _value(keys, *aliases)
    if value is None:
        return []
    if isinstance(value, str):
        parts: list[Any] = value.split(",") if "author" not in key else [value]
    else:
        parts = value if isinstance(value, list) else [value]
    names = [part.get("name") if isinstance(part, dict) else part for part in parts]
    if any(isinstance(part, dict | list) or part is None for part in names):
        raise ParseError(name, f"has {key} in its front matter that are no list of names", hint=f"{key}: [one, two]")
    return [text for part in names if (text := one_line(str(part)))]


def _value(keys: dict[str, Any], *aliases: str) -> tuple[str, Any]:
    return next(((key, keys[key]) for key in aliases if keys.get(key) is not None), (aliases[0], None))
