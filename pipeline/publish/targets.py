"""What is to be published: the feeds of config.toml, and the feeds of their topics. Pure."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.config import Config, Feed
from pipeline.model.feeds import FeedPage, Podcast
from pipeline.publish.choose import Filter
from pipeline.publish.entries import feed_id, is_language
from pipeline.store.feed_entries import EntryRow
from pipeline.store.feeds import FeedState

FORMAT = 1
"""To be raised when the same rows make other bytes: then every file is built anew."""

MOST_TOPICS = 200          # feeds of topics that one feed has
TOPIC_ARTICLES = 3         # that a topic needs for a feed, unless config.toml names it

_HASHED = re.compile(r".*-[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Target:
    """One feed to be published."""

    state: FeedState
    feed: Feed
    topic: str = ""
    named: tuple[str, ...] = ()   # topics of config.toml: their first article gets them a feed of their own

    @property
    def slug(self) -> str:
        return self.state.slug

    @property
    def filter(self) -> Filter:
        return Filter(self.feed.rules, self.topic)

    @property
    def limit(self) -> int:
        return self.feed.rules.limit

    @property
    def folders(self) -> tuple[str, ...]:
        """Where its files lie: under its slug, and under its former ones, since readers who have those addresses from
        a plain web server are told of no other."""
        rest = self.slug.removeprefix(self.feed.slug)
        return tuple(name + rest for name in (self.feed.slug, *self.feed.former))

    @property
    def selected(self) -> str:
        """Of the rules by which articles enter, and by which topics get feeds."""
        rules = self.feed.rules
        return _digest(FORMAT, rules.topics, rules.sources, self.topic, self.splits and self.named)

    @property
    def splits(self) -> bool:
        """Whether its topics have feeds of their own."""
        return self.feed.per_topic and not self.topic


def targets(config: Config, states: Iterable[FeedState]) -> list[Target]:
    """The feeds that are published, those of topics behind their parents."""
    feeds = {feed.slug: feed for feed in config.feeds}
    of_sources = {topic.casefold() for source in config.sources for topic in source.topics}
    found: list[Target] = []
    by_id: dict[int, Feed] = {}
    for state in states:
        if state.ended_at is None and state.parent_id is None and state.slug in feeds:
            feed = by_id[state.id] = feeds[state.slug]
            named = of_sources.union(feed.rules.topics) - {"*"} if feed.per_topic else ()
            found.append(Target(state, feed, named=tuple(sorted(named))))
        elif state.ended_at is None and state.parent_id in by_id and by_id[state.parent_id].per_topic:
            found.append(Target(state, by_id[state.parent_id], state.topic))
    return found


def page_of(config: Config, target: Target, authority: str) -> FeedPage:
    """What a feed says of itself."""
    site, feed, publish = config.site, target.feed, config.publish
    title = f"{feed.title}: {target.topic}" if target.topic else feed.title
    podcast = feed.podcast
    return FeedPage(
        slug=target.slug, id=feed_id(authority, target.state.uid, target.state.created_at), title=title,
        description=feed.description or title,
        language=site.language if is_language(site.language) else "", site_title=site.title,
        site_url=site.public_url, url=f"{config.feeds_url}/{target.slug}/", created_at=target.state.created_at,
        rights=publish.rights, image=feed.image or publish.image, hub=publish.hub,
        ttl_minutes=max(1, int(feed.ttl.total_seconds() // 60)), complete=feed.complete,
        topic=target.topic,
        podcast=Podcast(podcast.category, podcast.subcategory, podcast.author, podcast.owner_email or "",
                        podcast.explicit, podcast.kind) if podcast else None,
    )


def fingerprint(config: Config, target: Target, page: FeedPage, templates: str) -> str:
    """Of everything but the articles that a feed's files are made of."""
    rules = target.feed.rules
    return _digest(FORMAT, target.selected, page, rules.limit, rules.per_source, target.folders,
                   config.publish.compress, config.site.timezone, str(config.paths.feeds), templates)


class Index:
    """Which feeds an article may enter: by its topics and its source, so that a thousand feeds are not all asked."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._any: list[Target] = []
        self._by_topic: defaultdict[str, list[Target]] = defaultdict(list)
        self._by_source: defaultdict[str, list[Target]] = defaultdict(list)
        for target in targets:
            rules = target.feed.rules
            if target.topic:
                self._by_topic[target.topic].append(target)
            elif rules.topics and "*" not in rules.topics:
                for topic in rules.topics:
                    self._by_topic[topic].append(target)
            elif rules.sources:
                for source in rules.sources:
                    self._by_source[source].append(target)
            else:
                self._any.append(target)

    def of(self, row: EntryRow) -> list[Target]:
        near = [*self._any, *self._by_source.get(row.source, ())]
        for topic in row.topics:
            near += self._by_topic.get(topic, ())
        return list({target.state.id: target for target in near if target.filter.match(row)}.values())


def new_topics(counts: Mapping[str, int], named: Iterable[str], known: Sequence[str]) -> tuple[list[str], list[str]]:
    """Which topics get a feed of their own, and which would too if there were not too many. `known` have one."""
    wanted = sorted((set(named) & counts.keys()) - set(known))
    wanted += sorted(topic for topic, number in counts.items()
                     if number >= TOPIC_ARTICLES and topic not in known and topic not in wanted)
    room = max(0, MOST_TOPICS - len(known))
    return wanted[:room], wanted[room:]


def topic_slug(topic: str) -> str:
    """A name for files and addresses. A topic that is no such name itself has a hash in it, so no two share one."""
    plain = re.sub(r"[^a-z0-9]+", "-", topic.casefold()).strip("-")[:40].strip("-")
    if plain and plain == topic and not _HASHED.fullmatch(plain):
        return plain
    return f"{plain or 'topic'}-{hashlib.sha256(topic.encode()).hexdigest()[:16]}"


def _digest(*values: object) -> str:
    return hashlib.sha256(repr(values).encode()).hexdigest()[:24]
