"""Whether the text part is there, and tells what the HTML tells."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from pipeline.desk.proof.finding import MOST_NAMED, Finding, Severity, shown
from pipeline.desk.proof.opened import Opened, is_address, own_text, shown_text

MOST_MISSING = 0.5
"""Of the HTML's words: spam filters look at that too, as SpamAssassin's MPART_ALT_DIFF does."""

FEWEST_WORDS = 20
MAX_TEXT = 1_000_000   # characters that are looked at
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_ADDRESS = re.compile(r"https?://\S+")
_WORD = re.compile(r"\w+")


def check(opened: Opened) -> Iterator[Finding]:
    text = opened.letter.text[:MAX_TEXT]
    if not text.strip():
        yield Finding("text", Severity.ERROR, "there is no text part, which some people read and spam filters look "
                                              "for: give the template a body.txt.j2 that says something")
        return
    there = {address.rstrip(".,;:!?)>") for address in _ADDRESS.findall(text)}
    missing = [(href, title) for href, title in _articles(opened) if href.rstrip(".,;:!?)>") not in there]
    for href, title in missing[:MOST_NAMED]:
        yield Finding("text", Severity.WARNING,
                      f'the text part does not link to "{title}": {shown(href, 120)}', href)
    if len(missing) > MOST_NAMED:
        yield Finding("text", Severity.WARNING, f"it lacks {len(missing) - MOST_NAMED} more articles' links, too")
    share, all_words = _missing_words(shown_text(opened), text)
    if share > MOST_MISSING and all_words >= FEWEST_WORDS:
        yield Finding("text", Severity.WARNING,
                      f"{share:.0%} of the HTML's words are not in the text part, and that counts as spam: both should "
                      "say the same")


def _articles(opened: Opened) -> Iterator[tuple[str, str]]:
    """(address, title) of each link in a heading that is seen: there is where a template links to an article."""
    told: set[str] = set()
    for link in opened.named("a"):
        href = (link.get("href") or "").strip()
        if is_address(href) and href not in told and opened.seen(link) and _in_heading(link):
            told.add(href)
            yield href, shown(own_text(link) or href)


def _in_heading(link: Any) -> bool:
    """In one, or around one. Not further than a few elements: a letter may be nested ten thousand deep."""
    above = link
    for _ in range(6):
        above = above.getparent()
        if above is None:
            return False
        if above.tag in _HEADINGS:
            return str(above.tag) != "h1"  # that is the newsletter's own
    return False


def _missing_words(html: str, text: str) -> tuple[float, int]:
    """(share of the HTML's words that the text lacks, how many words the HTML has)."""
    words = Counter(_WORD.findall(html.casefold()))
    lacking = words - Counter(_WORD.findall(text.casefold()))
    return (lacking.total() / words.total() if words else 0.0), words.total()
