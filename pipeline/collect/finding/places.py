"""Where to look: the usual places of feeds, the sitemaps that a robots.txt names, and which sitemaps of an index."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urljoin, urlsplit

from pipeline.text.urls import MAX_URL, absolute

MAX_IN_ROBOTS = 50            # sitemaps that one robots.txt names

_ROBOTS_LINE = re.compile(r"[ \t]*sitemap[ \t]*:[ \t]*(\S+)", re.IGNORECASE)

# What a child sitemap's name says of what is in it, where no date does
_NEWS = re.compile(r"news|article|post|blog|stor(?:y|ies)|latest|recent", re.IGNORECASE)
_NO_ARTICLES = re.compile(
    r"categor|(?<![a-z])tag|author|user|image|video|product|taxonom|attachment|static|forum|profile|location"
    r"|(?<![a-z])pages?(?![-_.]?\d)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The child sitemaps to read now, the most telling first, and what is not read, in words."""

    urls: tuple[str, ...]
    notes: tuple[str, ...] = ()


def common_places(url: str) -> tuple[str, ...]:
    """Return where a feed often is although no page names it: below the address itself, then at the root of its
    server. For an operator's question only; who polls does not guess."""
    parts = urlsplit(url)
    root = f"{parts.scheme}://{parts.netloc}/"
    folder = urljoin(url, "." if parts.path.endswith("/") or "." in parts.path.rpartition("/")[2] else f"{parts.path}/")
    below = [urljoin(folder, name) for name in ("feed", "rss.xml", "atom.xml", "index.xml")]
    at_root = [root + name for name in ("feed", "rss.xml", "atom.xml", "index.xml", "feed.xml", "feed.json", "rss",
                                        "feeds/all.atom.xml", "feeds/posts/default")]
    return tuple(dict.fromkeys([*(below if folder != root else []), *at_root]))


def sitemaps_in_robots(text: str, *, url: str = "") -> tuple[str, ...]:
    """Return the sitemaps that a robots.txt names (RFC 9309 section 2.2.4 leaves such lines to others), absolute, each
    once, in order. They belong to no group and may be on another host."""
    found = (
        absolute(match[1].partition("#")[0][:MAX_URL], url)
        for line in text.splitlines()
        if (match := _ROBOTS_LINE.match(line.lstrip("\ufeff")))
    )
    return tuple(dict.fromkeys(address for address in found if address))[:MAX_IN_ROBOTS]


def choose_children(
    children: Sequence[tuple[str, datetime | None]], since: datetime | None, *, limit: int = 3
) -> Chosen:
    """Choose which sitemaps of an index to read: the newest by lastmod, of those changed after `since`.

    Of those without a date, which may hold anything, come first the ones whose names speak of news or articles,
    and of a numbered row the last ("2024-05" after "2024-04"); names that speak of tags, authors or pictures are
    read only where nothing else is there. An index within an index is not the protocol's, and is not followed.
    """
    dated = [(when, url) for url, when in children if when is not None and (since is None or when > since)]
    undated = [url for url, when in children if when is None]
    ranked = [url for _, url in sorted(dated, key=lambda c: (_promise(c[1]) >= 0, c[0]), reverse=True)]
    ranked += sorted(undated, key=lambda u: (_promise(u), _numbers(u)), reverse=True)
    telling = [u for u in ranked if _promise(u) >= 0] or ranked
    notes = []
    unchanged = len(children) - len(dated) - len(undated)
    if unchanged:
        notes.append(f"{unchanged} of {len(children)} sitemaps have not changed since they were last read")
    if len(ranked) > len(telling):
        notes.append(f"{len(ranked) - len(telling)} sitemaps were not read: their names speak of no articles")
    if len(telling) > limit:
        notes.append(f"{len(telling) - limit} sitemaps were not read: only the newest {limit} are read at a time")
    return Chosen(tuple(telling[:limit]), tuple(notes))


def _promise(url: str) -> int:
    """How likely a sitemap of this name holds articles: 1, 0, or -1."""
    name = url.rpartition("/")[2] or url
    if _NO_ARTICLES.search(name):
        return -1
    return 1 if _NEWS.search(name) else 0


def _numbers(url: str) -> list[int]:
    return [int(digits[:15]) for digits in re.findall(r"\d+", url)]
