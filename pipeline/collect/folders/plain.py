"""An article as plain text, often taken from a web page: find its title, author, date and headings again.

    text | lines -> units (hard-wrapped lines joined) | header (title, byline, date) | body | furniture out | HTML

Taken from a page, text keeps what stood around the article: its title twice, "Photo of author", a byline,
"Share this", "Leave a Comment". A unit is one paragraph, heading or list item; furniture is recognised by whole
units only, never within prose, and headings by their shape: short, bare, and followed by what they head.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.collect.folders.wrapped import Unit, read_units
from pipeline.collect.pages import furniture
from pipeline.collect.reading.dates import parse_date
from pipeline.model.articles import Found
from pipeline.text.legal import legal_text, one_line

HEADER_UNITS = 12     # how far down the title may stand a second time
TITLE_CHARS = 200
HEADING_CHARS = 90
HEADING_WORDS = 14

_URL = re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:!?)\]’”']")
_RULE = re.compile(r"(?:[*_=~#–—-]\s*){3,}")
_HASHES = re.compile(r"#{1,6}\s+(.+?)\s*#*")
_QUOTED = re.compile(r"[\"“„«‘'].*[\"”“»’']|[—–-]{1,2}\s*\S.*")


@dataclass(frozen=True, slots=True)
class _Header:
    title: str = ""
    author: str = ""
    published_at: datetime | None = None
    updated_at: datetime | None = None


def read_plain(text: str) -> Found:
    """Return the article in `text`. `title` is "" where the text begins with a paragraph."""
    units = read_units(legal_text(text))
    header, body = _read_header(units)
    body, author = _without_furniture(body, header.title)
    return Found(
        title=header.title,
        html=_html(body),
        author=header.author or author,
        published_at=header.published_at or header.updated_at,
        updated_at=header.updated_at,
    )


def _read_header(units: list[Unit]) -> tuple[_Header, list[Unit]]:
    """Take title, byline, dates and the page's furniture off the top."""
    start = 0
    while start < len(units) and furniture.anywhere(units[start].text) and not _names_author(units[start].text):
        start += 1
    header = _Header(title=_title(units, start))
    repeated = _title_end(units, start, header.title)
    expects_name = False
    position = start
    while position < len(units):
        text = units[position].text
        header, used = _take(header, text, expects_name=expects_name)
        if position >= repeated and not used and not furniture.at_the_edge(text):
            break
        expects_name = furniture.before_a_name(text)
        position += 1
    return header, units[position:]


def _title(units: list[Unit], start: int) -> str:
    """Return the text that stands twice near the top, else the first unit where it has a title's shape."""
    zone = units[start : start + HEADER_UNITS]
    if not zone:
        return ""
    first = zone[0]
    names = [_bare(unit.text) for unit in zone]
    for unit, name in zip(zone, names, strict=True):
        if _could_be_title(unit) and names.count(name) > 1 and unit.text[:1].isalnum():
            return one_line(_unhashed(unit.text))
    for unit in zone[1:4]:  # "Title – The Site", then the title by itself
        if _could_be_title(unit) and re.match(re.escape(unit.text) + r"\s+[|–—·»:-]\s+\S", first.text):
            return one_line(unit.text)
    follows = zone[1].text if len(zone) > 1 else ""
    sentence = first.text.endswith(".") and (len(first.text.split()) > HEADING_WORDS or not follows)
    if sentence or not _could_be_title(first):
        return ""
    return one_line(_unhashed(first.text))


def _could_be_title(unit: Unit) -> bool:
    return (
        unit.kind == "line"
        and len(unit.text) <= TITLE_CHARS
        and not unit.text.endswith((":", ",", ";"))
        and len(re.findall(r"[.!?]\s+[A-Z“\"]", unit.text)) < 2  # three sentences are a paragraph
        and not _RULE.fullmatch(unit.text)
        and not _byline(unit.text)
        and not furniture.at_the_edge(unit.text)
    )


def _title_end(units: list[Unit], start: int, title: str) -> int:
    """Return where the last of the titles ends that only header stands between; `start` where there is none."""
    end = start
    for position in range(start, min(start + HEADER_UNITS, len(units)) if title else start):
        text = units[position].text
        if _same(text, title):
            end = position + 1
        elif not _header_like(text, title):
            break
    return end


def _header_like(text: str, title: str) -> bool:
    near_title = _bare(text).startswith(_bare(title))
    return bool(near_title or _byline(text) or _dated(text) or furniture.at_the_edge(text) or len(text.split()) <= 4)


def _take(header: _Header, text: str, *, expects_name: bool) -> tuple[_Header, bool]:
    """Return the header with what `text` adds to it, and whether it was header at all."""
    if _same(text, header.title):
        return header, True
    if byline := _byline(text):
        name, when = byline
        return replace(header, author=header.author or name, published_at=header.published_at or when), True
    if dated := _dated(text):
        when, updated = dated
        if updated:
            return replace(header, updated_at=when), True
        return replace(header, published_at=header.published_at or when), True
    if expects_name and not header.author and _NAME.fullmatch(text):
        return replace(header, author=one_line(text)), True
    with_site = header.title and text.startswith(header.title) and _SITE.fullmatch(text[len(header.title):])
    return header, bool(with_site)


_SITE = re.compile(r"\s*[|–—·»-]\s+\S.{0,50}")
_PARTICLE = r"(?:de|der|den|du|di|da|dos|la|le|van|von|bin|ibn|y|af|al|el|ter|zu)\b[-’']?"
_WORD = rf"(?:[^\W\d_a-z][\w.’'-]*|{_PARTICLE})"
_ONE = rf"{_WORD}(?:\s{_WORD}){{0,5}}"
_NAMES = rf"{_ONE}(?:(?:,\s+{_ONE}){{0,4}},?\s+(?:and|&|und|et|och|y)\s+{_ONE})?"  # "A, B and C"; "A, Editor" is one
_NAME = re.compile(rf"[^\W\d_a-z][\w.’'-]*(?:\s{_WORD}){{1,4}}")
_BYLINE = re.compile(
    r"(?:(?P<before>[A-Za-z0-9,. :-]{6,40}?)\s*[|•·–—,-]?\s+)??"
    r"(?i:(?:written |posted |words |text |story |published |reported )?by|author|von|par|av)"
    rf"\s*:?\s+(?P<name>{_NAMES})"
    r"(?P<rest>\s*(?:[|•·–—/@(]|,|\s-\s|\s(?:on|in|at|\d)\s?).{0,80})?"
)
_DATED = re.compile(
    r"(?:(?:(?:first\s+)?(?:published|posted|date)|(?P<updated>(?:last\s+)?(?:updated|modified|edited)))"
    r"\s*(?:on|at)?\s*:?\s+)?(?P<when>.{6,50})",
    re.IGNORECASE,
)


def _names_author(text: str) -> bool:
    return _byline(text) is not None


def _byline(text: str) -> tuple[str, datetime | None] | None:
    """Return (name, date) of "By Jane Doe | June 3, 2024", "June 3, 2024 by Jane Doe" and the like."""
    if len(text) > 160:
        return None
    match = _BYLINE.fullmatch(text)
    if not match or len(match["name"]) < 2:
        return None
    before, rest = match["before"] or "", (match["rest"] or "").strip(" |•·–—,/@()-")
    when = _date_in(before) or _date_in(rest)
    if before and not _date_in(before):
        return None
    if text.endswith(".") and not re.search(r"\b(?:[A-Z]|[JS]r)\.$", text):
        return None
    if rest and when is None and len(rest.split()) > 8:
        return None
    name = match["name"]
    return one_line(name.title() if name.isupper() and len(name) > 4 else name), when


def _dated(text: str) -> tuple[datetime, bool] | None:
    """Return (date, is it that of a change?) of a unit that is a date and nothing else."""
    for part in re.split(r"\s+[|•·–—]\s+", text)[:1]:
        match = _DATED.fullmatch(part)
        when = _date_in(match["when"]) if match else None
        if match and when:
            return when, bool(match["updated"])
    return None


def _date_in(text: str) -> datetime | None:
    text = re.sub(r"\b(?:on|at)\s+", "", text.strip(" |•·–—,"))
    return parse_date(text) or parse_date(re.split(r"\s+[|•·–—]\s+", text)[0]) if text[:40] else None


def _without_furniture(units: list[Unit], title: str) -> tuple[list[Unit], str]:
    """Drop the page's furniture from the body; cut at what ends an article. Returns the author, if one shows
    up at the end after all."""
    last = max((i for i, u in enumerate(units) if _is_prose(u)), default=-1)
    kept: list[Unit] = []
    author = ""
    for position, unit in enumerate(units):
        tail = position > last
        if tail and furniture.ends_article(unit.text):
            break
        if furniture.ends_article(unit.text) and furniture.form(unit.text) and position > len(units) // 2:
            break
        if tail and not author and (byline := _byline(unit.text)):
            author = byline[0]
            continue
        if furniture.anywhere(unit.text) or (tail and furniture.at_the_edge(unit.text)):
            continue
        if _same(unit.text, title) and position < 2:
            continue
        kept.append(unit)
    return kept, author


def _is_prose(unit: Unit) -> bool:
    """A paragraph or an item of a list, as against a line of furniture or a headline linked to."""
    if furniture.at_the_edge(unit.text):
        return False
    return unit.kind != "line" or (len(unit.text.split()) >= 5 and unit.text.endswith(tuple(".!?…:)”\"")))


def _html(units: list[Unit]) -> str:
    out: list[str] = []
    position = 0
    while position < len(units):
        unit = units[position]
        if unit.kind in ("ul", "ol"):
            end = position
            while end < len(units) and units[end].kind == unit.kind and (end == position or not units[end].starts_list):
                end += 1
            lone = unit.kind == "ol" and end == position + 1 and _heads(units, position)
            out.append(f"<h2>{_inline(unit.text)}</h2>" if lone else _list(units[position:end]))
            position = end
            continue
        out.append(_block(units, position))
        position += 1
    return "\n".join(out)


def _block(units: list[Unit], position: int) -> str:
    unit = units[position]
    if _RULE.fullmatch(unit.text):
        return "<hr>"
    if unit.kind == "quote":
        return f"<blockquote><p>{_inline(unit.text)}</p></blockquote>"
    hashes = _HASHES.fullmatch(unit.text)
    if hashes:
        return f"<h2>{_inline(hashes[1])}</h2>"
    if unit.underlined or (unit.kind == "line" and _heads(units, position)):
        return f"<h2>{_inline(unit.text)}</h2>"
    return f"<p>{_inline(unit.text)}</p>"


def _heads(units: list[Unit], position: int) -> bool:
    """Say whether a unit is a heading: short and bare, and what it heads comes next and is no heading."""
    unit = units[position]
    if not _looks_like_heading(unit) or position + 1 >= len(units):
        return False
    follower = units[position + 1]
    if follower.kind != "line":
        return not unit.text.endswith("?") or len(unit.text.split()) > 1
    if _looks_like_heading(follower):  # a heading with a heading under it; three in a row are lines of something
        after = units[position + 2 : position + 3]
        second = position > 0 and units[position - 1].kind == "line" and _looks_like_heading(units[position - 1])
        return bool(after) and not second and not _looks_like_heading(after[0]) and not follower.same_block
    if unit.same_block:
        return False
    return "\n" not in follower.text and len(follower.text) > len(unit.text)


def _looks_like_heading(unit: Unit) -> bool:
    text = unit.text
    words = text.split()
    return (
        unit.kind in ("line", "ol")
        and len(text) <= HEADING_CHARS
        and len(words) <= HEADING_WORDS
        and "\n" not in text
        and not text.endswith((".", ",", ";", ":", "…", "!", "”", '"', "»", ")")) | _ends_like_initials(text)
        and any(c.isalpha() for c in text)
        and not text[0].islower()
        and not _QUOTED.fullmatch(text)
        and not _URL.search(text)
        and (not text.endswith("?") or len(words) <= 10)
    )


def _ends_like_initials(text: str) -> bool:
    """"What Happened in the U.S." and "Notes (Part One)" are headings all the same."""
    return bool(re.search(r"\b(?:[A-Z]\.){2,}$|^[A-Z][^.]*\([^()]+\)$", text))


def _list(items: list[Unit]) -> str:
    tag = items[0].kind
    start = items[0].number
    opening = f'<ol start="{start}">' if tag == "ol" and start not in (0, 1) else f"<{tag}>"
    return opening + "".join(f"<li>{_inline(item.text)}</li>" for item in items) + f"</{tag}>"


def _inline(text: str) -> str:
    parts: list[str] = []
    copied = 0
    for match in _URL.finditer(text):
        address = html.escape(match[0])
        parts += [html.escape(text[copied : match.start()], quote=False), f'<a href="{address}">{address}</a>']
        copied = match.end()
    parts.append(html.escape(text[copied:], quote=False))
    return "".join(parts).replace("\n", "<br>")


def _unhashed(text: str) -> str:
    match = _HASHES.fullmatch(text)
    return match[1] if match else text


def _bare(text: str) -> str:
    return " ".join(_unhashed(text).casefold().split()).rstrip(" .")


def _same(text: str, title: str) -> bool:
    return bool(title) and _bare(text) == _bare(title)
