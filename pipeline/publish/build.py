"""A document of a feed -> RSS 2.0 and Atom 1.0 bytes. Same values, same bytes, whatever the clock says.

Sources: RSS 2.0 (https://www.rssboard.org/rss-specification), Atom (RFC 4287). Does not select, sort or clean: entries
come in the order in which they are published, legal in XML and with absolute addresses (`entries`). The only file that
knows feedgen; what that has no words for stands in `elements`. `moulds` gives the same bytes faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import feedgen.entry
import feedgen.feed
from feedgen.entry import FeedEntry
from feedgen.feed import FeedGenerator

from pipeline.errors import BroadsheetError
from pipeline.model.feeds import ATOM_FILE, MEDIA_TYPES, RSS_FILE, Document, Entry, FeedPage
from pipeline.publish import elements
from pipeline.publish.entries import illegal, is_language, second
from pipeline.publish.wording import content_html, no_tags, summary_html
from pipeline.text.urls import absolute

GENERATOR = "Broadsheet"  # without a version, or each upgrade would touch every file


@dataclass(frozen=True, slots=True)
class Built:
    """One document in both formats, an element on each line."""

    rss: bytes
    atom: bytes


@dataclass(frozen=True, slots=True)
class Told:
    """An entry, and what it says in HTML."""

    entry: Entry
    summary: str    # never empty
    content: str    # "" where the whole text may not be shown


def build(document: Document) -> Built:
    """Build both formats. Raises BroadsheetError where the page itself (title, address) can't make a feed."""
    return build_told(document, [Told(e, summary_html(e), content_html(e)) for e in document.entries])


def build_told(document: Document, told: Sequence[Told]) -> Built:
    """The same with other entries than the document's."""
    _check(document.page)
    generator = _generator(document)
    generator.register_extension("ours", lambda: _Extension(document))
    generator.entry([_FeedEntry(one, document.page) for one in told], replace=True)
    # feedgen takes the *last* link of a feed for RSS's <link>, so the page comes after the feed itself
    generator.link(_links(document, RSS_FILE), replace=True)
    rss: bytes = generator.rss_str(pretty=True)
    generator.link(_links(document, ATOM_FILE), replace=True)
    atom: bytes = generator.atom_str(pretty=True)
    return Built(rss, atom)


def rfc822(at: datetime) -> str:
    """A time in UTC as RSS gives it (RFC 822 with four digits of the year), in English whatever the locale."""
    return (f"{_DAYS[at.weekday()]}, {at.day:02} {_MONTHS[at.month - 1]} {at.year} "
            f"{at.hour:02}:{at.minute:02}:{at.second:02} +0000")


def _check(page: FeedPage) -> None:
    for name in ("title", "description", "site_title", "url", "rights", "image", "hub"):
        if bad := illegal(getattr(page, name)):
            raise BroadsheetError(f"feed {page.slug}", f"its {name} holds {bad}, which no feed can carry",
                                  hint="retype it in config.toml")
    if not page.title.strip():
        raise BroadsheetError(f"feed {page.slug}", "it has no title", hint="give it one in config.toml")
    if not absolute(page.url):
        raise BroadsheetError(f"feed {page.slug}", f"its address is {page.url!r}, not an http(s) address",
                              hint="set [site] public_url")
    if page.created_at.tzinfo is None:
        raise BroadsheetError(f"feed {page.slug}", "created_at has no time zone")


def _generator(document: Document) -> Any:
    page = document.page
    generator = FeedGenerator()
    generator.id(page.id)
    title = no_tags(page.title)
    generator.title(title)
    generator.description(no_tags(page.description.strip()) or title)
    if is_language(page.language):
        generator.language(page.language)
    generator.updated(second(document.updated_at))  # feedgen stamps "now" where it is told nothing
    generator.author({"name": no_tags(page.site_title.strip()) or title})
    generator.generator(GENERATOR)
    generator.ttl(page.ttl_minutes)
    if page.rights:
        generator.rights(no_tags(page.rights))
    if page.image:
        generator.image(page.image, title=title, link=page.url)  # Atom's logo too
    return generator


def _links(document: Document, file: str) -> list[dict[str, str]]:
    return [{"href": document.url + file, "rel": "self", "type": MEDIA_TYPES[file]},
            {"href": document.page.url, "rel": "alternate", "type": "text/html"}]


class _FeedEntry(FeedEntry):  # type: ignore[misc]  # feedgen has no types
    """An entry as feedgen takes it; what that has no words for is put beside."""

    def __init__(self, told: Told, page: FeedPage) -> None:
        super().__init__()
        self._told = told.entry
        self._page = page
        self.id(told.entry.id)  # RSS: guid isPermaLink="false"
        self.title(no_tags(told.entry.title))
        self.link(href=told.entry.link, rel="alternate")
        self.published(told.entry.published_at)
        self.updated(told.entry.updated_at)
        # never empty: without a description feedgen puts the content there
        self.summary(told.summary, type="html")
        if told.content:
            self.content(told.content, type="html")

    def register_extension(self, *_extension: object) -> None:
        """Entries bring their own."""

    def rss_entry(self, extensions: bool = True) -> Any:  # noqa: FBT001, FBT002 - feedgen's signature
        item = super().rss_entry(extensions=False)
        elements.extend_item(item, self._told, podcast=self._page.podcast is not None)
        return item

    def atom_entry(self, extensions: bool = True) -> Any:  # noqa: FBT001, FBT002
        entry = super().atom_entry(extensions=False)
        elements.extend_entry(entry, self._told, self._page)
        return entry


class _Extension:
    """What stands in a feed itself. feedgen makes one of these for each feed, without arguments."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def extend_ns(self) -> dict[str, str]:
        return dict(elements.NAMESPACES)

    def extend_rss(self, rss: Any) -> Any:
        elements.extend_channel(rss[0], self._document)
        return rss

    def extend_atom(self, feed: Any) -> Any:
        elements.extend_feed(feed, self._document)
        return feed


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# feedgen writes a date by switching the *process's* locale to C and back, which two threads can leave switched
# (then open() falls back to ASCII), and three times for each article.
feedgen.entry.formatRFC2822 = rfc822
feedgen.feed.formatRFC2822 = rfc822
