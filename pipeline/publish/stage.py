"""publish: articles | select | build RSS and Atom | write only what changed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.config import Config, Feed
from pipeline.errors import BroadsheetError
from pipeline.model.articles import Article
from pipeline.model.feeds import FeedPage
from pipeline.model.newsletters import Window
from pipeline.model.selection import candidate, select
from pipeline.publish.build import ATOM_FILE, RSS_FILE, build
from pipeline.publish.write import write_if_changed
from pipeline.store import articles, declared, stories
from pipeline.store.engine import Store

SPARE = 4
"""Times a feed's limit that is read, so that stories told twice and `per_source` still leave enough."""


@dataclass(slots=True)
class Published:
    """What one call did. `failed`: feed slug -> what is wrong with it; the other feeds were built all the same."""

    written: list[Path] = field(default_factory=list)
    unchanged: int = 0
    notes: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def publish(store: Store, config: Config, slugs: Collection[str] = ()) -> Published:
    """Build the feeds (all, or those named) into the feeds folder; a file whose bytes are the same is not touched."""
    done = Published()
    for feed in config.feeds:
        if slugs and feed.slug not in slugs:
            continue
        try:
            _publish_feed(store, config, feed, done)
        except BroadsheetError as error:
            done.failed[feed.slug] = str(error)
    return done


def articles_of(store: Store, feed: Feed) -> list[Article]:
    """A feed's articles, newest first: each story once, with who else tells it, within the feed's limits."""
    rules = feed.rules
    with store.read() as connection:
        found = {a.id: a for a in articles.newest(connection, rules, rules.limit * SPARE)}
        everything = Window(0, max((a.accepted_seq for a in found.values()), default=0))
        chosen = select([candidate(a) for a in found.values()], everything, rules).ids
        return stories.with_also(connection, [found[i] for i in chosen])


def page_of(store: Store, config: Config, feed: Feed) -> FeedPage:
    with store.read() as connection:
        created_at = declared.feed_created_at(connection, feed.slug)
    return FeedPage(
        slug=feed.slug, title=feed.title, description=feed.description or feed.title, language=config.site.language,
        site_title=config.site.title, public_url=config.site.public_url, created_at=created_at,
    )


def _publish_feed(store: Store, config: Config, feed: Feed, done: Published) -> None:
    urls = {s.slug: s.url for s in config.sources if s.url and s.slug not in config.private_sources}
    built = build(page_of(store, config, feed), articles_of(store, feed), source_urls=urls)
    done.notes += [f"feed {feed.slug}: {note}" for note in built.notes]
    for name, data in ((RSS_FILE, built.rss), (ATOM_FILE, built.atom)):
        path = config.paths.feeds / feed.slug / name
        if write_if_changed(path, data):
            done.written.append(path)
        else:
            done.unchanged += 1
