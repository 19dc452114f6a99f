"""The files that belong to no single feed: the page and the list of all feeds, robots.txt, sitemaps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlsplit

from pipeline.config import Config
from pipeline.model.feeds import INDEX_FILE, TWINS, FeedPage, plain_name
from pipeline.model.newsletters import Digest
from pipeline.publish import lists
from pipeline.publish.page import feeds_page
from pipeline.publish.places import Place, with_twins
from pipeline.publish.targets import FORMAT
from pipeline.render.pages import Pages
from pipeline.store import Connection, changes, meta, public_digests, sitemaps, sources
from pipeline.store.engine import Store
from pipeline.store.sources import SourceState
from pipeline.text.urls import absolute

PAGES_MAP = "pages.xml"
Letters = Mapping[str, Sequence[Digest]]
"""newsletter -> its digests that readers may see"""

DIGESTS = 1_000   # the newest of each newsletter that a sitemap lists


def publish_sitewide(
    store: Store, config: Config, place: Place, pages: Sequence[FeedPage], of_newsletters: Sequence[FeedPage],
    templates: Pages, stamp: str, *, everything: bool = False,
) -> tuple[list[str], list[str], int]:
    """Write what changed or is gone: the names written, those removed, and how many stayed as they were. Feeds of
    newsletters stand behind those of articles."""
    with store.read() as connection:
        seq = changes.latest(connection)
        since = int(meta.get(connection, meta.SITE_SEQ) or 0)
        known = meta.get(connection, meta.SITE_FINGERPRINT)
        sizes = sizes_of(connection)
        letters = {n.slug: public_digests.newest(connection, n.slug, DIGESTS)
                   for n in config.newsletters}
        listed = _public_sources(config, sources.states(connection)) if config.publish.sources_opml else []
    shown = _Shown(tuple(pages), tuple(of_newsletters), letters, listed)
    print_now = _fingerprint(config, shown, stamp)
    anew = everything or print_now != known or bool(place.differing(sizes))
    if not anew and seq == since:
        return [], [], 0
    files = _fixed(config, shown, templates) if anew else {}
    with store.read() as connection:
        changed = sitemaps.changed(connection, since)
        numbers = sitemaps.numbers(connection) if anew or changed else []
        for number in numbers if anew else sorted(changed.intersection(numbers)):
            rows = sitemaps.pages(connection, number)
            files[_map_name(number)] = lists.sitemap(
                (f"{config.site.public_url}/a/{article_id}", at) for article_id, at in rows)
    removed: list[str] = []
    if anew or changed:
        maps = [lists.SITEMAPS + PAGES_MAP, *map(_map_name, numbers)]
        files[lists.SITEMAP_FILE] = lists.sitemap_index([f"{config.feeds_url}/{name}" for name in maps])
        removed = place.remove(_left_over(config, place, maps))
    named = with_twins(files, config.publish.compress)
    written = place.put(named)
    sizes = {name: size for name, size in sizes.items() if not anew and name not in removed}
    sizes |= {name: len(data) for name, data in named.items()}
    with store.write() as connection:
        meta.put(connection, meta.SITE_FILES, json.dumps(sizes))
        meta.put(connection, meta.SITE_FINGERPRINT, print_now)
        meta.put(connection, meta.SITE_SEQ, str(seq))
    return written, removed, len(named) - len(written)


def sizes_of(connection: Connection) -> dict[str, int]:
    """The files that were written, name -> bytes."""
    found: dict[str, int] = json.loads(meta.get(connection, meta.SITE_FILES) or "{}")
    return found


@dataclass(frozen=True, slots=True)
class _Shown:
    """What these files tell of."""

    pages: tuple[FeedPage, ...]
    of_newsletters: tuple[FeedPage, ...]
    letters: Letters
    sources: Sequence[tuple[str, str]]

    @property
    def feeds(self) -> tuple[FeedPage, ...]:
        return *self.pages, *self.of_newsletters


def _fixed(config: Config, shown: _Shown, templates: Pages) -> dict[str, bytes]:
    """What only the configuration, and a new digest, change."""
    site, url = config.site, config.feeds_url
    files = {
        INDEX_FILE: feeds_page(templates, shown.pages, url=f"{url}/", site_title=site.title, site_url=site.public_url,
                               language=site.language, letters=shown.of_newsletters),
        lists.OPML_FILE: lists.feeds_opml(site.title, shown.feeds),
        lists.ROBOTS_FILE: lists.robots_txt(urlsplit(site.public_url).path.rstrip("/"), f"{url}/{lists.SITEMAP_FILE}"),
        lists.SITEMAPS + PAGES_MAP: lists.sitemap(_pages_of_ours(config, shown.feeds, shown.letters)),
    }
    if config.publish.sources_opml:
        files[lists.SOURCES_FILE] = lists.sources_opml(site.title, shown.sources)
    return files


def _pages_of_ours(
    config: Config, pages: Sequence[FeedPage], letters: Letters
) -> Iterator[tuple[str, datetime | None]]:
    home = config.site.public_url
    yield f"{home}/", None
    for page in pages:
        yield page.url, None
    for newsletter, found in letters.items():
        yield f"{home}/n/{newsletter}/", None
        for digest in found:
            yield f"{home}/n/{newsletter}/{quote(digest.name)}", None


def _public_sources(config: Config, states: Mapping[str, SourceState]) -> list[tuple[str, str]]:
    """Title and address of each source that has one for the public: without credentials, and none that leads inside."""
    found = []
    for source in config.sources:
        if source.url and source.slug not in config.private_sources:
            state = states.get(source.slug)
            title = source.title or (state.title if state else "") or source.slug
            found.append((title, absolute(source.url)))
    return found


def _fingerprint(config: Config, shown: _Shown, stamp: str) -> str:
    names = [(slug, [digest.name for digest in found]) for slug, found in shown.letters.items()]
    known = (FORMAT, config.site, config.feeds_url, config.publish.compress, config.publish.sources_opml,
             str(config.paths.feeds), shown.pages, shown.of_newsletters, names, shown.sources, stamp)
    return hashlib.sha256(repr(known).encode()).hexdigest()[:24]


def _left_over(config: Config, place: Place, maps: Sequence[str]) -> list[str]:
    """Sitemaps in which no page is left, and twins and lists that are not wanted any more."""
    wanted = {*maps, INDEX_FILE, lists.OPML_FILE, lists.ROBOTS_FILE, lists.SITEMAP_FILE}
    if config.publish.sources_opml:
        wanted.add(lists.SOURCES_FILE)
    out = []
    candidates = [*place.names(lists.SITEMAPS.rstrip("/")), *(f"{name}{suffix}" for name in (
        INDEX_FILE, lists.OPML_FILE, lists.ROBOTS_FILE, lists.SITEMAP_FILE, lists.SOURCES_FILE)
        for suffix in ("", *TWINS.values()))]
    for name in candidates:
        plain, coding = plain_name(name)
        if plain not in wanted or (coding and coding not in config.publish.compress):
            out.append(name)
    return out


def _map_name(number: int) -> str:
    return f"{lists.SITEMAPS}articles-{number}.xml"
