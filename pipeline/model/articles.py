"""Articles: one frozen type per stage of an article's life.

    Found     what a parser read out of a source, nothing checked yet
    Draft     a Found that went through the door: cleaned, dated, identified; ready to be compared
    Article   what is stored, has an id, and everyone downstream sees
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class ArticleStatus(StrEnum):
    ACCEPTED = "accepted"    # has an accepted_seq; feeds and digests may take it
    HELD = "held"            # waits for the operator (a flood, a rule); has no accepted_seq
    WITHDRAWN = "withdrawn"  # taken back; leaves feeds, digests and the web


class Show(StrEnum):
    """How much of an article we republish."""

    SUMMARY = "summary"  # about 60 words, author, source and a link: others' work
    FULL = "full"        # everything: our own, or where the operator has the right


class Images(StrEnum):
    """What becomes of an article's pictures in a digest."""

    OWN = "own"        # fetched once, made small, served by us: opening a mail tells nobody else
    NONE = "none"      # what they show, in words
    REMOTE = "remote"  # from where they are: their servers learn who opens a mail, and when


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A media file that belongs to an article (RSS 2.0 `<enclosure>`)."""

    url: str
    media_type: str
    length: int = 0  # bytes; 0 where the source does not say


@dataclass(frozen=True, slots=True)
class Extra:
    """An element of Media RSS, iTunes or Podcasting 2.0, kept for the feeds: "podcast:transcript" and the like."""

    name: str                                        # with the namespace's usual prefix
    text: str = ""
    attributes: tuple[tuple[str, str], ...] = ()     # addresses in them are absolute http(s)


@dataclass(frozen=True, slots=True)
class Also:
    """Another source's article that tells the same story."""

    id: int
    source: str                 # the source's title
    url: str                    # "" for a folder's document

    def link(self, article_url: str, public_url: str) -> str:
        """Where to read it; "" where that is the very page of the article which names it."""
        return "" if self.url and self.url == article_url else self.url or f"{public_url}/a/{self.id}"


@dataclass(frozen=True, slots=True)
class Found:
    """One piece as a parser found it. Text may be anything; HTML is untrusted; dates may be absent or naive."""

    title: str
    html: str = ""              # the richest content the source gives, as HTML
    summary: str = ""           # the source's own summary, as HTML or text
    guid: str = ""              # the source's own identifier, "" where it gives none
    url: str = ""               # the page of the article, may be relative to the source
    author: str = ""
    published_at: datetime | None = None
    updated_at: datetime | None = None
    topics: tuple[str, ...] = ()
    language: str = ""
    rights: str = ""
    licence: str = ""           # the address of the licence it is under
    image: str = ""             # its own picture, may be relative
    enclosures: tuple[Enclosure, ...] = ()
    extras: tuple[Extra, ...] = ()
    pointer: bool = False       # only an address, from a listing or a sitemap: its page holds the rest


@dataclass(frozen=True, slots=True)
class Draft:
    """A cleaned article on its way in: XML-legal text, sanitised HTML, absolute http(s) links, aware UTC dates."""

    guid: str                   # "" where the source gave none
    url: str                    # absolute http(s), or "" (a folder's document)
    url_key: str                # canonical form of `url` for comparison, or ""
    content_hash: str           # sha256 hex over title and visible text
    title: str                  # one line, never empty
    author: str
    summary: str                # plain text, about 60 words
    html: str                   # sanitised
    published_at: datetime      # aware UTC, within [1990, now + 1 day]
    dated: bool                 # False: the source gave no usable date and published_at is when we first saw it
    updated_at: datetime | None
    topics: tuple[str, ...]
    language: str
    rights: str
    enclosures: tuple[Enclosure, ...] = ()
    licence: str = ""           # absolute http(s), or ""
    image: str = ""             # absolute http(s), or ""
    extras: tuple[Extra, ...] = ()
    pointer: bool = False       # only an address: nothing may be told of it before its page was read
    text_note: str = ""         # where the text is from, when not from the source's document; or why its page is not
    telling: bool = True        # the source's own words are enough to tell it from others by them


@dataclass(frozen=True, slots=True)
class Article:
    """A stored article."""

    id: int
    source: str                 # the source's slug
    source_title: str
    guid: str
    url: str                    # the original page, "" for a folder's document
    title: str
    author: str
    summary: str                # plain text
    html: str                   # sanitised; trusted by templates because nothing unsanitised is ever stored
    published_at: datetime
    first_seen_at: datetime
    updated_at: datetime        # = published_at until a substantial change
    accepted_seq: int           # 0 while held
    accepted_at: datetime | None
    status: ArticleStatus
    story: int                  # id of the story's first article (its own id where it stands alone)
    revision: int               # 1, and one more for each substantial change
    topics: tuple[str, ...] = ()
    language: str = ""
    rights: str = ""
    show: Show = Show.SUMMARY
    mailable: bool = True       # False: accepted for feeds only (the source's backlog)
    reason: str = ""            # why it is held, withdrawn or not mailable
    enclosures: tuple[Enclosure, ...] = field(default=())
    licence: str = ""
    image: str = ""
    extras: tuple[Extra, ...] = ()
    text_note: str = ""
    correction: str = ""        # the operator's note on what was wrong; plain text, one line
    corrected_at: datetime | None = None
    withdrawn_at: datetime | None = None
    source_url: str = ""        # what readers may know of its source's address; "" where there is none
    also: tuple[Also, ...] = ()  # where they were asked for (store/stories.py)
