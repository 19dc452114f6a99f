"""Published feeds: one model that every format is made of.

    FeedPage   what stands around the entries: who publishes what, where
    Entry      an article as feeds show it, the same in every format and in every feed
    Volume     which document of a feed: the one people subscribe to, or one of its archive (RFC 5005)
    Document   a page, a volume and its entries: same values, same bytes
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pipeline.model.articles import Enclosure, Extra

RSS_FILE = "rss.xml"
ATOM_FILE = "atom.xml"
JSON_FILE = "feed.json"
INDEX_FILE = "index.html"

NEWSLETTERS = "newsletters"
"""The folder below feeds/ in which newsletters have theirs; no feed of articles may be called so."""

MEDIA_TYPES = {RSS_FILE: "application/rss+xml", ATOM_FILE: "application/atom+xml", JSON_FILE: "application/feed+json",
               INDEX_FILE: "text/html"}

TWINS = {"gzip": ".gz", "br": ".br"}
"""HTTP's name of a coding -> what the name of a file's packed twin ends in"""


@dataclass(frozen=True, slots=True)
class Podcast:
    """What directories of podcasts ask of a feed (Apple's podcast requirements)."""

    category: str
    subcategory: str = ""
    author: str = ""           # "": the site
    owner_email: str = ""
    explicit: bool = False
    kind: str = "episodic"     # or "serial"


@dataclass(frozen=True, slots=True)
class FeedPage:
    """What a feed says of itself. All addresses are absolute."""

    slug: str                  # its folder below feeds/: "all", "all/topic/python"
    id: str                    # a tag URI (RFC 4151), the same for good
    title: str
    description: str           # never empty
    language: str              # "" where it is no language tag
    site_title: str
    site_url: str              # public_url, without a slash at the end
    url: str                   # the feed's folder, with a slash at the end
    created_at: datetime       # stands in for "updated" while the feed is empty
    rights: str = ""
    image: str = ""
    hub: str = ""
    ttl_minutes: int = 60
    podcast: Podcast | None = None
    topic: str = ""            # of a feed of one topic: what it is called beside its parent
    complete: bool = False     # holds everything there is (RFC 5005 section 2)


class Mark(StrEnum):
    """What became of an article after it was published."""

    NONE = ""
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Entry:
    """An article as feeds show it. Text is plain and legal in XML, HTML sanitised, addresses absolute http(s)."""

    article_id: int
    id: str                    # a tag URI, the same for good
    title: str                 # never empty
    link: str                  # the original, or our own page
    published_at: datetime     # aware UTC, whole seconds
    updated_at: datetime
    summary: str               # plain text, never empty
    author: str = ""           # "": the source did not say
    html: str = ""             # the whole text where it may be shown, else ""
    topics: tuple[str, ...] = ()
    language: str = ""         # where it is another than the site's
    source: str = ""           # the source's slug
    source_id: str = ""        # an address that names its source, the same for all of its entries
    source_title: str = ""
    source_url: str = ""       # its feed; "" where it has none, or none for the public
    rights: str = ""
    licence: str = ""
    image: str = ""
    enclosures: tuple[Enclosure, ...] = ()
    extras: tuple[Extra, ...] = ()
    also: tuple[tuple[str, str], ...] = ()   # who else tells it: (source's title, address or "")
    correction: str = ""       # the operator's note, plain text
    corrected_at: datetime | None = None
    mark: Mark = Mark.NONE

    @property
    def withdrawn(self) -> bool:
        return self.mark is Mark.WITHDRAWN


@dataclass(frozen=True, slots=True)
class Tombstone:
    """An article that was withdrawn (RFC 6721 at:deleted-entry)."""

    id: str
    withdrawn_at: datetime


@dataclass(frozen=True, slots=True)
class Volume:
    """Which document of a feed. Folders end with a slash and are relative to the feed's own."""

    folder: str = ""           # "": the document that people subscribe to; "archive/51-100/"
    previous: str = ""         # the archive document before this one; "": there is none
    following: str = ""        # and the one after it

    @property
    def archive(self) -> bool:
        return bool(self.folder)


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a feed, in whatever format: entries in the order in which they stand."""

    page: FeedPage
    volume: Volume
    entries: tuple[Entry, ...]
    tombstones: tuple[Tombstone, ...] = ()
    not_before: datetime | None = None   # what it said before of when it was changed: that never goes back

    @property
    def url(self) -> str:
        return self.page.url + self.volume.folder

    @property
    def updated_at(self) -> datetime:
        """When the newest of what it tells was changed, never now."""
        times = [*(e.updated_at for e in self.entries), *(t.withdrawn_at for t in self.tombstones)]
        if self.not_before is not None:
            times.append(self.not_before)
        return max(times, default=self.page.created_at)


def plain_name(name: str) -> tuple[str, str]:
    """The name of the file whose packed twin this one is, and the coding; its own name and "" where it is none."""
    for coding, suffix in TWINS.items():
        if name.endswith(suffix):
            return name.removesuffix(suffix), coding
    return name, ""
