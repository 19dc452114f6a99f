"""What entries say in HTML, the same in each format: a summary, the whole text, and our own lines around them. Pure."""

from __future__ import annotations

import re
from html import escape
from html.entities import html5

from pipeline.model.feeds import Entry


def summary_html(entry: Entry) -> str:
    """The summary as HTML, since readers of RSS take a description for it. Never empty."""
    said = escape(entry.summary, quote=False)
    before, after = _correction(entry), _also(entry)
    return f"{before}<p>{said}</p>{after}" if before or after else said


def content_html(entry: Entry) -> str:
    """The whole text, "" where it may not be shown."""
    return _correction(entry) + entry.html + _also(entry) if entry.html else ""


def no_tags(text: str) -> str:
    """Text that shows the same whether a reader takes it for text or for HTML: RSS never said which of the two a title
    is. A word joiner, which nobody sees, keeps "<script>" in an article about scripts from being one, and "&amp;" from
    being an ampersand; "AT&T" stays as it is."""
    return _MARKUP_LIKE.sub("\\g<0>\u2060", text) if "<" in text or "&" in text else text


def _correction(entry: Entry) -> str:
    """The operator's note, as the first line."""
    if not entry.correction:
        return ""
    when = f", {entry.corrected_at:%Y-%m-%d}" if entry.corrected_at else ""
    return f"<p><strong>Correction{when}:</strong> {escape(entry.correction, quote=False)}</p>"


def _also(entry: Entry) -> str:
    """Who else tells the story, as the last line."""
    named = [f'<a href="{escape(url)}">{escape(name)}</a>' if url else escape(name) for name, url in entry.also]
    return f"<p>Also in {', '.join(named)}</p>" if named else ""


# what HTML takes for a character even without a semicolon, and whatever follows: "&copying"
_OLD_ENTITIES = "|".join(sorted(name for name in html5 if not name.endswith(";")))
_MARKUP_LIKE = re.compile(rf"<(?=[A-Za-z/!?])|&(?=#|\w+;|[A-Za-z]+\d|{_OLD_ENTITIES})")
