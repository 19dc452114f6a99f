"""Text or markup? RSS never settled it, so each field is looked at, and turned into the one that is wanted."""

from __future__ import annotations

import html
import re

from pipeline.collect.reading.elements import MAX_FIELD
from pipeline.text.clean import words_of

_MARKUP = re.compile(
    r"</?(?:a|abbr|b|blockquote|br|cite|code|dd|del|div|dl|dt|em|figure|font|h[1-6]|hr|i|iframe|img|ins|kbd|li|ol|p|"
    r"pre|q|s|small|span|strong|sub|sup|table|td|tr|tt|u|ul|var|video)\b[^<>]*>|&(?:[a-z]{2,8}|#\d{2,6}|#x[0-9a-f]{2,5});",
    re.IGNORECASE,
)
_BLOCK = re.compile(r"<(?:p|br|div|ul|ol|table|blockquote|h[1-6]|pre|figure)\b", re.IGNORECASE)


def is_markup(text: str) -> bool:
    return bool(_MARKUP.search(text))


def html_of(text: str) -> str:
    """Return `text` as HTML: as it is where it holds markup, else its lines as paragraphs."""
    if is_markup(text):
        if _BLOCK.search(text) or "\n\n" not in text:
            return text
        return "".join(f"<p>{part}</p>" for part in re.split(r"\n\s*\n", text) if part.strip())
    return html_of_plain(text)


def html_of_plain(text: str) -> str:
    """Return plain `text` as paragraphs; a single line break stays one."""
    parts = [html.escape(part.strip(), quote=False) for part in re.split(r"\n\s*\n", text.replace("\r\n", "\n"))]
    return "".join("<p>" + part.replace("\n", "<br>") + "</p>" for part in parts if part)


def plain_of(text: str) -> str:
    """Return a title or a name as plain text."""
    text = text[:MAX_FIELD]
    return words_of(text).text if is_markup(text) else text
