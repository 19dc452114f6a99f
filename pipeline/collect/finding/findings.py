"""What is found at an address that is no feed: values only, for the parent that asks and the child that reads.

Nothing here, or in what is imported here, needs a parser.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pipeline.model.articles import Draft, Found
from pipeline.model.sources import SourceKind


@dataclass(frozen=True, slots=True)
class FeedLink:
    """A feed that a page names, absolute; the title and type are the page's words."""

    url: str
    title: str = ""
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a page lists. The articles are pointers, in the order of the page; `notes` say what was left out."""

    title: str
    language: str
    articles: tuple[Found, ...]
    notes: tuple[str, ...] = ()


class SitemapKind(StrEnum):
    URLSET = "urlset"
    INDEX = "index"


@dataclass(frozen=True, slots=True)
class SitemapRead:
    """What one sitemap holds. A urlset has `pointers`, an index `children`: (address, when it was changed)."""

    kind: SitemapKind
    pointers: tuple[Found, ...] = ()
    children: tuple[tuple[str, datetime | None], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pointer:
    """An address on its way in. `when` is what its source says of its age: published, else last changed."""

    draft: Draft
    when: datetime | None


@dataclass(frozen=True, slots=True)
class PointersRead:
    """A listing or a sitemap, read and cleaned. `children` are an index's sitemaps, with when they were changed."""

    title: str
    language: str
    pointers: tuple[Pointer, ...] = ()
    children: tuple[tuple[str, datetime | None], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """An article as an operator is shown it before anything is configured."""

    title: str
    url: str
    published_at: datetime | None


@dataclass(frozen=True, slots=True)
class Glance:
    """What one document is. `kind` is AUTO for a page that is no source by itself, and `problem` says why."""

    kind: SourceKind
    title: str = ""
    language: str = ""
    samples: tuple[Sample, ...] = ()
    count: int = 0                         # articles, or the sitemaps of an index
    feeds: tuple[FeedLink, ...] = ()       # that the page names
    children: tuple[str, ...] = ()         # of an index of sitemaps, the ones to look into
    notes: tuple[str, ...] = ()
    problem: str = ""
    hint: str = ""
