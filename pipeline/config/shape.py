"""What a config.toml may say: one frozen model for each table, with the defaults. Nothing here looks across tables
(`check` does), so that each wrong key is told by itself, whatever else is wrong.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, StrictInt, model_validator

from pipeline.config.mail import Mail, Smtp
from pipeline.config.preflight import Preflight
from pipeline.config.secrets import MASK
from pipeline.config.table import Table
from pipeline.config.values import (
    Address,
    Backlog,
    Count,
    Database,
    DefaultPlace,
    FeedsPlace,
    Flag,
    Language,
    Line,
    Listen,
    Network,
    Place,
    PublicUrl,
    Rule,
    Slug,
    Title,
    WebUrl,
    Zone,
    one_of,
    span,
    split_listen,
)
from pipeline.model.articles import Images, Show
from pipeline.model.feeds import NEWSLETTERS
from pipeline.model.runs import CatchUp
from pipeline.model.selection import Group, Order, Rules
from pipeline.model.sources import SourceKind
from pipeline.schedules import Schedule, parse_schedule

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


class Site(Table):
    """`[site]`: what this instance is called, and where it can be reached."""

    title: Title
    public_url: PublicUrl                  # absolute, no trailing slash
    description: Line = ""
    language: Language = "en"
    timezone: Zone = "UTC"
    postal_address: str | None = None      # "": explicitly none (written as false); None: nothing was said
    demo: Flag = False

    @model_validator(mode="before")
    @classmethod
    def _no_address(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("postal_address") is False:
            return {**data, "postal_address": ""}
        return data


class Store(Table):
    """`[store]`: the database. The URL may carry a password; `shown` never does."""

    url: Database = SecretStr("sqlite:///broadsheet.db")

    @property
    def shown(self) -> str:
        url = self.url.get_secret_value()
        if url.startswith("sqlite:"):
            return url
        found = re.fullmatch(r"(\w+)(?:\+\w+)?://(?:[^\s/?#@]*@)?([\w.:\[\]-]*(?:/[\w-]*)?)(?:\?.*)?", url)
        return f"{found[1]}://{found[2]}" if found else f"postgresql://{MASK}"


class Paths(Table):
    """`[paths]`: folders, absolute once loaded; feeds may be a bucket of an object store instead."""

    feeds: FeedsPlace = Path("feeds")      # a Path, or "s3://bucket/folder"
    templates: DefaultPlace = Path("templates")


class Source(Table):
    """One of `[[sources]]`: a place we collect from; either `url` or `folder` is set."""

    slug: Slug
    title: Line = ""                       # "": the source's own, else the slug
    url: WebUrl = ""
    folder: Place | None = None
    topics: tuple[Title, ...] = ()
    show: Annotated[Show, one_of("summary", "full")] = Show.SUMMARY
    every: Annotated[timedelta, span(MINUTE)] | None = None   # None: as often as is polite, at most hourly
    kind: Annotated[SourceKind, one_of("auto", "feed", "page", "article", "sitemap", "folder")] = SourceKind.AUTO
    selector: Line = ""                    # CSS: where on a listing page the articles are
    full_text: Flag = False                # fetch each article's page for its text
    include: tuple[Rule, ...] = ()         # words, or /regular expressions/: only articles with one of them
    exclude: tuple[Rule, ...] = ()         # never articles with one of them
    hold: tuple[Rule, ...] = ()            # those wait for the operator
    rights: Line = ""                      # where the source itself says nothing
    licence: WebUrl = ""
    blocked: Flag = False                  # taken down by the operator; never asked again
    backlog: Backlog = timedelta(days=7)   # compare ages with it (timedelta.max: all), never subtract it from a time
    allow_networks: tuple[Network, ...] = ()
    flood: Annotated[StrictInt, Field(ge=1, le=100_000)] = 50
    language: Language | None = None
    images: Annotated[Images, one_of("own", "none", "remote")] | None = None   # None: what the newsletter says
    former: tuple[Slug, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, data: Any) -> Any:
        """Our own documents are published whole and at once; of others' work a summary, and not their archive."""
        if not isinstance(data, dict):
            return data
        own = "folder" in data and "url" not in data
        defaults = {"show": "full", "every": "1m", "backlog": "all", "kind": "folder"} if own else {
            "show": "summary", "backlog": "7d"}
        return {**defaults, **data}


def _folded(topics: tuple[str, ...]) -> tuple[str, ...]:
    """Topics as articles have them: "Python" and "python" are one."""
    return tuple(dict.fromkeys(topic.casefold() for topic in topics))


class FeedSelect(Table):
    """`select = {…}` of a feed."""

    topics: tuple[Title, ...] = ("*",)
    sources: tuple[Title, ...] = ()
    limit: Count = 50
    per_source: Annotated[StrictInt, Field(ge=0, le=1000)] = 0

    @property
    def rules(self) -> Rules:
        return Rules(_folded(self.topics), self.sources, self.limit, self.per_source)


class FeedPodcast(Table):
    """`[feeds.podcast]`: what directories of podcasts ask for, beside the feed's image."""

    category: Title                        # one of Apple's: "Technology"
    subcategory: Line = ""
    author: Line = ""                      # "": the site's title
    owner_email: Address | None = None
    explicit: Flag = False
    kind: Annotated[Literal["episodic", "serial"], one_of("episodic", "serial")] = "episodic"


class Feed(Table):
    """One of `[[feeds]]`: a published selection."""

    slug: Slug
    title: Title
    description: Line = ""
    select: FeedSelect = FeedSelect()
    per_topic: Flag = False                # and one more feed for each topic in it
    complete: Flag = False                 # holds everything there is instead of the newest and archives (RFC 5005)
    image: WebUrl = ""                     # its picture; "": the one of [publish]
    ttl: Annotated[timedelta, span(MINUTE)] = timedelta(hours=1)   # how long a reader may keep it without asking
    podcast: FeedPodcast | None = None
    former: tuple[Slug, ...] = ()

    @property
    def rules(self) -> Rules:
        return self.select.rules


class NewsletterSelect(FeedSelect):
    """`select = {…}` of a newsletter: with fewer than `min_articles` a digest counts as empty."""

    limit: Count = 20
    min_articles: Count = 1
    include: tuple[Rule, ...] = ()         # words, or /regular expressions/: only articles with one of them
    exclude: tuple[Rule, ...] = ()         # never articles with one of them
    max_age: Annotated[timedelta, span(MINUTE)] | None = None   # between its date and its coming in


class Review(Table):
    """`review = {…}`: the draft is there so long before its slot, and what happens where nobody says a word."""

    before: Annotated[timedelta, span(MINUTE)]
    silence: Annotated[Literal["send", "hold"], one_of("send", "hold")] = "send"


class NewsletterSchedule(Table):
    """One of `[[newsletters.schedules]]`. `timezone` is the site's where none was written (`load` fills it in)."""

    slug: Slug
    at: str = ""
    cron: str = ""
    timezone: Zone = "UTC"
    default: Flag = False
    catch_up: Annotated[CatchUp, one_of("latest", "all", "none")] = CatchUp.LATEST
    max_lateness: Annotated[timedelta, span(MINUTE)] | None = None
    former: tuple[Slug, ...] = ()

    @property
    def times(self) -> Schedule:
        return parse_schedule(at=self.at, cron=self.cron, zone=self.timezone)

    @property
    def lateness(self) -> timedelta:
        """How late a slot may still be sent: what was written, else half the time between two slots."""
        return self.max_lateness or self.times.period / 2


class Newsletter(Table):
    """One of `[[newsletters]]`: the recurring publication that people subscribe to."""

    slug: Slug
    title: Title
    description: Line = ""
    subject: Line = ""                     # a template; "": the one that its folder of templates has
    select: NewsletterSelect = NewsletterSelect()
    order: Annotated[Order, one_of("date", "source", "score")] = Order.DATE
    group: Annotated[Group, one_of("none", "topic", "source")] = Group.NONE
    contents: Annotated[StrictInt, Field(ge=0, le=1000)] = 6   # articles from which on a table of contents stands
    corrections: Annotated[Literal["none", "noted", "changed"], one_of("none", "noted", "changed")] = "noted"
    review: Review | None = None
    images: Annotated[Images, one_of("own", "none", "remote")] = Images.OWN
    language: Language | None = None       # None: the site's
    languages: tuple[Language, ...] = ()   # further ones that a subscriber may pick
    template: Slug = "digest"
    when_empty: Annotated[Literal["skip"], one_of("skip")] = "skip"
    on_uncertain: Annotated[Literal["leave", "resend"], one_of("leave", "resend")] = "leave"
    expires: Annotated[timedelta, span(MINUTE)] | None = None   # unsent mail goes no more; None: at the next slot
    schedules: tuple[NewsletterSchedule, ...] = ()
    feed: Flag = True                      # its digests can be read in feed readers, too
    former: tuple[Slug, ...] = ()

    @property
    def feed_folders(self) -> tuple[str, ...]:
        """Where its feed lies below feeds/: under its slug, then under its former ones. Empty where it has none."""
        return tuple(f"{NEWSLETTERS}/{slug}" for slug in (self.slug, *self.former)) if self.feed else ()

    @property
    def rules(self) -> Rules:
        select = self.select
        return Rules(
            _folded(select.topics), select.sources, select.limit, select.per_source, select.min_articles,
            include=select.include, exclude=select.exclude,
            max_age_s=int(select.max_age.total_seconds()) if select.max_age else 0, order=self.order,
            group=self.group, contents=self.contents)

    @property
    def default_schedule(self) -> NewsletterSchedule:
        """The one that people get who picked none: marked `default = true`, else the first."""
        return next((s for s in self.schedules if s.default), self.schedules[0])


class Web(Table):
    """`[web]`: where readers' pages, feeds and unsubscribe links are served."""

    listen: Listen = "127.0.0.1:8000"
    trusted_proxies: tuple[Network, ...] = ()

    @property
    def host(self) -> str:
        return split_listen(self.listen)[0]

    @property
    def port(self) -> int:
        return split_listen(self.listen)[1]


class Collect(Table):
    """`[collect]`: how we behave towards the servers of others."""

    write_to: Line = ""                    # an address or a page for their operators; goes into the User-Agent
    at_once: Annotated[StrictInt, Field(ge=1, le=64)] = 16  # servers asked at the same time
    spacing: Annotated[timedelta, span(SECOND)] = timedelta(seconds=1)   # between two requests to one site
    websub: Flag = True                    # let hubs tell us; only where public_url can be reached


class PublishS3(Table):
    """`[publish.s3]`: how the bucket of `paths.feeds` is reached. Without keys the environment's are taken, as Amazon's
    own programs do."""

    endpoint: WebUrl = ""                  # "": Amazon's own
    region: Line = ""
    access_key: SecretStr = SecretStr("")
    secret_key: SecretStr = SecretStr("")


class Publish(Table):
    """`[publish]`: what is the same for all feeds."""

    url: WebUrl = ""                       # where feeds/ is served; "": public_url/feeds
    rights: Line = ""
    image: WebUrl = ""                     # the picture of feeds that have none of their own
    hub: WebUrl = ""                       # is told of each change (WebSub)
    hub_networks: tuple[Network, ...] = () # private networks that the hub may be in
    compress: tuple[Annotated[Literal["gzip", "br"], one_of("gzip", "br")], ...] = ()   # twins of each file
    sources_opml: Flag = False             # publish the list of sources too
    s3: PublishS3 = PublishS3()


class Operator(Table):
    """`[operator]`: who hears what waits for a decision."""

    email: Address


class Document(Table):
    """The whole file."""

    config_version: StrictInt = 1
    site: Site
    store: Store = Store()
    paths: Paths = Paths()
    sources: tuple[Source, ...] = ()
    feeds: tuple[Feed, ...] = ()
    newsletters: tuple[Newsletter, ...] = ()
    mail: Mail | None = None
    web: Web = Web()
    collect: Collect = Collect()
    publish: Publish = Publish()
    preflight: Preflight = Preflight()
    operator: Operator | None = None

    @model_validator(mode="before")
    @classmethod
    def _tables(cls, data: Any) -> Any:
        """Tables that were left out are there with their defaults, and those with this config's folder."""
        return {"store": {}, "paths": {}, **data} if isinstance(data, dict) else data


__all__ = [
    "Collect", "Document", "Feed", "FeedPodcast", "FeedSelect", "Mail", "Newsletter", "NewsletterSchedule",
    "NewsletterSelect", "Operator", "Paths", "Preflight", "Publish", "PublishS3", "Review", "Site", "Smtp", "Source",
    "Store", "Table", "Web",
]
