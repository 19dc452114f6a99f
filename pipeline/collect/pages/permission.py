"""Whether a page allows that its text is kept: X-Robots-Tag and <meta name="robots">.

robots.txt says what may be fetched; this says what may be done with what was fetched
(https://developers.google.com/search/docs/crawling-indexing/robots-meta-tag).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from pipeline.collect.reading.dates import parse_date

AGENTS = frozenset({"robots", "googlebot", "broadsheet", "*"})
"""Whose rules we keep: everybody's, our own, and those for the reader that site owners write rules for."""

_MEANS = {
    "noindex": "not to be indexed (noindex)",
    "none": "not to be indexed or followed (none)",
    "noarchive": "not to be kept (noarchive)",
    "nocache": "not to be kept (nocache)",
    "nosnippet": "not to be quoted (nosnippet)",
    "max-snippet:0": "not to be quoted (max-snippet:0)",
}
_AGENT = re.compile(r"\s*([A-Za-z][\w.*-]*|\*)\s*:\s*(.*)", re.DOTALL)
_VALUED = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})
MAX_RULES = 4_000  # characters of one header or <meta>


def refusal(headers: Mapping[str, str], metas: Iterable[tuple[str, str]], now: datetime) -> str:
    """Return why the page's text may not be kept, in words; "" where it may.

    `headers` have lower-case names, with repeated ones joined by commas; `metas` are (name, content) pairs.
    """
    for rule in _header_rules(headers.get("x-robots-tag", "")[:MAX_RULES]):
        if reason := _judged(rule, now):
            return f"the page asks {reason} in its X-Robots-Tag header"
    for name, content in metas:
        if name.strip().lower() in AGENTS:
            for rule in _split(content[:MAX_RULES]):
                if reason := _judged(rule, now):
                    return f'the page asks {reason} in its <meta name="{name.strip().lower()}">'
    return ""


def _header_rules(value: str) -> Iterator[str]:
    """The rules that are for us: a name with a colon starts another reader's, up to the next name."""
    ours = True
    for rule in _split(value):
        match = _AGENT.fullmatch(rule)
        if match and match[1].lower() not in _VALUED:
            ours = match[1].lower() in AGENTS
        if ours:
            yield match[2].strip() if match and match[1].lower() not in _VALUED else rule


def _split(value: str) -> list[str]:
    """The rules of one value. A date's comma ("Wed, 25 Jun 2025 …") parts nothing."""
    parts: list[str] = []
    for part in value.split(","):
        if parts and re.search(r"unavailable_after\s*:\s*[A-Za-z]{3,9}\s*$", parts[-1], re.IGNORECASE):
            parts[-1] += "," + part
        else:
            parts.append(part)
    return [part.strip() for part in parts if part.strip()]


def _judged(rule: str, now: datetime) -> str:
    name = re.sub(r"\s*:\s*", ":", rule.lower(), count=1)
    if name in _MEANS:
        return _MEANS[name]
    if name.startswith("unavailable_after:"):
        until = parse_date(rule.partition(":")[2].strip())
        if until is not None and until <= now:
            return f"not to be shown after {until:%Y-%m-%d %H:%M} UTC (unavailable_after)"
    return ""
