"""Pictures: what those hear who do not see them, the room that they take, and whom they tell."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

from pipeline.desk.proof.finding import MOST_NAMED, Finding, Severity, shown
from pipeline.desk.proof.opened import Opened, is_address

_SIZED = frozenset("0123456789%")


def check_alt(opened: Opened) -> Iterator[Finding]:
    """A picture without `alt` is read aloud as its file's name; alt="" is for those that say nothing."""
    silent = [image for image in opened.named("img") if image.get("alt") is None]
    for image in silent[:MOST_NAMED]:
        source = shown(image.get("src") or "", 120)
        yield Finding("alt", Severity.WARNING,
                      f'a picture has no alternative text: {source or "without an address"}; alt="" says that it is '
                      "only an ornament", source)
    if len(silent) > MOST_NAMED:
        yield Finding("alt", Severity.WARNING, f"{len(silent) - MOST_NAMED} more pictures have none, too")


def check_pictures(opened: Opened) -> Iterator[Finding]:
    images = opened.named("img")
    unsized = [image for image in images
               if not all((image.get(name) or "") and set(image.get(name)) <= _SIZED for name in ("width", "height"))]
    for image in unsized[:MOST_NAMED]:
        source = shown(image.get("src") or "", 120)
        yield Finding("pictures", Severity.WARNING,
                      f"a picture has no width and height as attributes, so Outlook shows it at its own size: {source}",
                      source)
    if len(unsized) > MOST_NAMED:
        yield Finding("pictures", Severity.WARNING, f"{len(unsized) - MOST_NAMED} more have none, too")
    ours = _host(opened.letter.public_url)
    others = Counter(host for source in _fetched(opened) if (host := _host(source)) not in ("", ours))
    for host, times in others.most_common(MOST_NAMED):
        yield Finding("pictures", Severity.WARNING,
                      f"{times} picture(s) or the like come from {shown(host)}, which tells others who opens the mail, "
                      'and when; images = "own" has pictures served from here', shown(host))
    if len(others) > MOST_NAMED:
        yield Finding("pictures", Severity.WARNING, f"and from {len(others) - MOST_NAMED} hosts more")


def _fetched(opened: Opened) -> Iterator[str]:
    """Addresses that a mail program would fetch by itself."""
    for element in opened.elements:
        for name in _BY_ITSELF:
            if is_address(value := (element.get(name) or "").strip()):
                yield value
        if element.tag == "link" and is_address(href := (element.get("href") or "").strip()):
            yield href
        for part in (element.get("srcset") or "")[:10_000].split(","):
            if is_address(part.strip()):
                yield part.split()[0]
        css = (element.text or "") if element.tag == "style" else (element.get("style") or "")
        yield from _IN_CSS.findall(css)


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return url[:200]


_BY_ITSELF = ("src", "background", "poster", "data")
_IN_CSS = re.compile(r"""(?i)(?:url\(\s*|@import\s+)["']?(https?://[^\s"')]+)""")
