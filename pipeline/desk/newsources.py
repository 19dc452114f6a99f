"""A source that somebody wants: is it there already, and what is it to be called? Pure decisions."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pipeline.config import Config
from pipeline.config.values import MAX_SLUG, as_slug
from pipeline.model.sources import SourceStanding
from pipeline.store.sources import SourceState
from pipeline.text.urls import url_key

MAX_MADE = 40  # characters of a slug that is made up

_SAYS_NOTHING = frozenset("blog news feed rss atom home homepage home-page index articles latest untitled".split())


@dataclass(slots=True)
class Known:
    """What there is: by which addresses, under which names. Addresses that differ in their scheme only are one."""

    by_place: dict[str, str] = field(default_factory=dict)   # address's key -> slug of the source that has it
    removed: dict[str, str] = field(default_factory=dict)    # the same of sources that config.toml no longer has
    ended: dict[str, str] = field(default_factory=dict)      # how these ended, in words, where not by removal alone
    names: set[str] = field(default_factory=set)             # slugs that are taken, former ones too

    def same(self, *urls: str) -> str:
        """The slug of the source that has one of these addresses, ""."""
        return next((slug for url in urls if url and (slug := self.by_place.get(url_key(url)))), "")

    def how_it_ended(self, *urls: str) -> str:
        """What is to be known before one of these addresses is added again, ""."""
        before = next((slug for url in urls if url and (slug := self.removed.get(url_key(url)))), "")
        return self.ended.get(before, "")

    def add(self, slug: str, *urls: str) -> None:
        self.names.add(slug)
        for url in urls:
            if key := url_key(url):
                self.by_place.setdefault(key, slug)


def what_is_there(
    config: Config, states: Mapping[str, SourceState], taken_down: Mapping[int, int] | None = None
) -> Known:
    """`states` are the rows of the database, {} where there is none yet: where sources were found to have moved, and
    what was read from sources that are not declared any more. `taken_down` counts articles by the ids of these rows."""
    known = Known()
    for source in config.sources:
        known.add(source.slug, source.url)
        known.names.update(source.former)
    declared = {source.slug for source in config.sources}
    for slug, state in states.items():
        if slug in declared:
            known.add(slug, state.followed_url, state.feed_url, state.moved_to)
        else:
            known.names.add(slug)  # its articles are still there, and would become another source's
            if key := url_key(state.location):
                known.removed.setdefault(key, slug)
            if ended := _ended(slug, state, (taken_down or {}).get(state.id, 0)):
                known.ended[slug] = ended
    return known


def choose_slug(known: Known, title: str, url: str) -> str:
    """A new source's name: the one it had before it was removed, else of its title, else of its server's name."""
    if before := known.removed.get(url_key(url)):
        return before
    slug = _slug(title)
    if not slug or slug in _SAYS_NOTHING:
        slug = _slug((urlsplit(url).hostname or "").removeprefix("www.")) or "source"
    if slug not in known.names:
        return slug
    return next(made for n in range(2, len(known.names) + 3)
                if (made := f"{slug[: MAX_SLUG - 8]}-{n}") not in known.names)


def _ended(slug: str, state: SourceState, taken_down: int) -> str:
    down = f"{taken_down:,} of its articles were taken down, and stay withdrawn" if taken_down else ""
    if state.standing is SourceStanding.BLOCKED:
        down = f", and {down}" if down else ""
        return f'it was a source before, "{slug}", and blocked{down}; added again it is asked again'
    return f'it was a source before, "{slug}": {down}' if down else ""


def _slug(text: str) -> str:
    plain = "".join(c for c in unicodedata.normalize("NFKD", re.sub("['’ʼ]", "", text)) if not unicodedata.combining(c))
    slug = as_slug(plain)
    return slug if len(slug) <= MAX_MADE else slug[: MAX_MADE + 1].rpartition("-")[0] or slug[:MAX_MADE]
