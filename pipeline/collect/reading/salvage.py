"""A feed that no XML parser takes as a whole, taken apart: one broken entry stops only itself.

    find where entries begin and end | each by itself: XML, else feedparser | what neither reads is told, with a reason

What is no tag (CDATA, comments) is stepped over; one that is never closed, or that begins anew before it ends, is taken
for broken, so that it can't swallow the entries after it. Size and depth are looser here than for a whole document:
what an entry holds is cut later, where it is cleaned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml import etree

from pipeline.collect.reading import reader, repair
from pipeline.collect.reading.reader import Channel
from pipeline.errors import ParseError
from pipeline.model.articles import Found
from pipeline.model.sources import Hints
from pipeline.text.legal import one_line

MAX_ENTRIES = 1_000   # of one document; the first, because dates are known only once they are read
MAX_BROKEN = 20       # entries that feedparser is shown one by one; where more are broken, all of the feed is
MAX_BROKEN_BYTES = 200_000  # of one of them

NO_CHANNEL = Channel("", "", "", "", "", Hints())

_MARK = re.compile(r"<!\[CDATA\[|<!--|<(/?)((?:[\w.-]+:)?(?:item|entry))(?=[\s/>])", re.ASCII)
_OPENING = re.compile(r"<((?:[\w.-]+:)?(?:rss|rdf|feed|channel))(?:\s[^<>]*)?>", re.IGNORECASE | re.ASCII)


@dataclass(slots=True)
class Salvaged:
    """`broken` is how many entries were not well-formed, `problems` says which of these were given up, and why."""

    channel: Channel
    articles: list[Found] = field(default_factory=list)
    broken: int = 0
    problems: list[str] = field(default_factory=list)


def salvage(document: bytes, url: str) -> Salvaged | None:
    """Read `document`, which is UTF-8, entry by entry. None where there are no entries to be seen in it, or where so
    many are broken that it is not they that are to blame."""
    text = document.decode("utf-8", errors="replace")
    entries = list(_entries(text))
    openings = list(_OPENING.finditer(text[: entries[0][0]]))[:2] if entries else []  # the root's, the channel's
    if not openings:
        return None
    opening = "".join(match[0] for match in openings)
    closing = "".join(f"</{match[1]}>" for match in reversed(openings))
    head = _tree(text[openings[0].start() : entries[0][0]] + closing, recover=True)
    salvaged = Salvaged(reader.read_channel(head) if head is not None else NO_CHANNEL)
    for start, end in entries[:MAX_ENTRIES]:
        _read(opening + text[start:end] + closing, url, salvaged)
        if salvaged.broken > MAX_BROKEN:
            return None
    if len(entries) > MAX_ENTRIES:
        salvaged.problems.append(f"{len(entries) - MAX_ENTRIES} entries were left out: only the first {MAX_ENTRIES} "
                                 "are read of a feed that is not well-formed")
    return salvaged


def is_beyond_limits(error: etree.XMLSyntaxError) -> bool:
    """Whether a limit of libxml2's was met: mending would only try the same again, and feedparser has no limits."""
    message = str(error)
    return any(sign in message for sign in ("huge", "HUGE", "Excessive depth", "too long", "too large", "loop"))


def _entries(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each entry starts and ends: at its end tag, or where the next begins."""
    start = position = -1
    while mark := _MARK.search(text, max(position, 0)):
        position = mark.end()
        if mark[2] is None:
            position = _after(text, mark[0], position)
        elif mark[1]:
            if start >= 0:
                yield start, text.find(">", position) + 1 or len(text)
            start = -1
        else:
            if start >= 0:
                yield start, mark.start()
            start = mark.start()
    if start >= 0:
        yield start, len(text)


def _after(text: str, opening: str, position: int) -> int:
    """Return where the section that began before `position` ends, or `position` where it is not closed before the
    next of its kind begins."""
    again = text.find(opening, position)
    end = text.find("]]>" if opening[2] == "[" else "-->", position, again if again >= 0 else len(text))
    return end + 3 if end >= 0 else position


def _read(document: str, url: str, salvaged: Salvaged) -> None:
    try:
        root = _tree(document)
        items = reader.items_of(root) if root is not None else []
    except etree.XMLSyntaxError as error:
        salvaged.broken += 1
        reason = one_line(str(error), 120)
        if is_beyond_limits(error) or len(document) > MAX_BROKEN_BYTES:
            salvaged.problems.append(f"an entry was left out: {reason}")
        else:
            _read_loosely(document, url, salvaged, reason)
    else:
        salvaged.articles += [reader.read_item(item, salvaged.channel) for item in items]


def _read_loosely(document: str, url: str, salvaged: Salvaged, reason: str) -> None:
    try:
        salvaged.articles += repair.read_loosely(document.encode(), url)[1]
    except ParseError as error:
        salvaged.problems.append(f"an entry was left out: {reason}; {error.cause}")


def _tree(document: str, *, recover: bool = False) -> etree._Element | None:
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, huge_tree=True, recover=recover, collect_ids=False,
        remove_comments=True, remove_pis=True, encoding="utf-8",
    )
    return etree.fromstring(document.encode(), parser)
