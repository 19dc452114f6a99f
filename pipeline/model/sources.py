"""Sources: what kind they are, what stands between them and being asked, and what they say about being asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class SourceKind(StrEnum):
    AUTO = "auto"          # whatever its address turns out to be: a feed, a page that names one, a sitemap, a page
    FEED = "feed"
    PAGE = "page"          # a page that lists articles
    ARTICLE = "article"    # a page that is one article
    SITEMAP = "sitemap"    # also a news sitemap, and an index of sitemaps
    FOLDER = "folder"


class SourceStanding(StrEnum):
    """Whether a source is asked at all. All but ACTIVE have a reason, and QUARANTINED an end."""

    ACTIVE = "active"
    GONE = "gone"                # it said so (410): muted until its address is changed; its articles stay
    QUARANTINED = "quarantined"  # it cost too much too often
    BLOCKED = "blocked"          # by the operator


class PassedState(StrEnum):
    """What became of an article that was seen and is none of ours."""

    WAITING = "waiting"          # for its page to be read
    FAILED = "failed"            # its page could not be read, often enough
    REFUSED = "refused"          # its site does not want it read, or it is no article
    EXCLUDED = "excluded"        # by a rule of the source
    RECONSIDER = "reconsider"    # it was, and the rules have changed since
    BACKLOG = "backlog"          # it was there when the source was first read, and is older than that source's backlog


@dataclass(frozen=True, slots=True)
class Hints:
    """What a feed's own document says about when to ask again, and who would tell us instead."""

    ttl: timedelta = timedelta()           # RSS <ttl>, sy:updatePeriod / sy:updateFrequency; zero: not said
    skip_hours: tuple[int, ...] = ()       # 0–23, UTC
    skip_days: tuple[int, ...] = ()        # 0 Monday – 6 Sunday, UTC
    hub: str = ""                          # WebSub (W3C Recommendation 2018): rel="hub"
    self_url: str = ""                     # rel="self": the topic to subscribe to
