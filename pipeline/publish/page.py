"""A feed's page for people (index.html), and the page of all feeds. Pure: same values, same bytes.

Whoever clicks a feed's address sees what it is, how to subscribe, and the newest articles: their titles, never their
HTML or pictures, so that a look tells nobody anything. Addresses of our own files are relative, and name the file, so
that the folder can be served from anywhere, or opened from a disk.

Everything is worked out here, and articles are tuples: the sandbox asks at each "a.b" in a template whether it may, and
twenty articles would cost a millisecond of such questions. A loop that unpacks them asks none.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import NamedTuple
from unicodedata import bidirectional
from urllib.parse import quote

from pipeline.model.feeds import ATOM_FILE, INDEX_FILE, JSON_FILE, MEDIA_TYPES, RSS_FILE, Document, Entry, FeedPage
from pipeline.model.frozen import direction
from pipeline.render.dates import format_date
from pipeline.render.pages import Pages

NEWEST = 20      # articles on a feed's page
WORDS = "en"     # the language that the shipped pages speak; what is not said in it is marked
OPML_FILE = "feeds.opml"

FORMATS = (("RSS", RSS_FILE), ("Atom", ATOM_FILE), ("JSON", JSON_FILE))

READERS = (
    ("Feedly", "https://feedly.com/i/subscription/feed%2F"),
    ("Inoreader", "https://www.inoreader.com/?add_feed="),
    ("NewsBlur", "https://www.newsblur.com/?url="),
    ("The Old Reader", "https://theoldreader.com/feeds/subscribe?url="),
    ("Feedbin", "https://feedbin.com/?subscribe="),
)
"""Readers on the web, and what each puts before the address of a feed that it is to subscribe to."""


class Format(NamedTuple):
    """One document of a feed."""

    label: str
    media_type: str
    file: str          # relative to the page
    url: str           # for a reader


class Shown(NamedTuple):
    """An article on the page. Of one that was withdrawn only the dates are left."""

    date: str               # "22 November 2026"
    published_at: str       # the same moment for machines, in the site's time zone
    withdrawn: str = ""     # the date in words, "" while it stands
    title: str = ""
    url: str = ""           # "" where it leads nowhere
    elsewhere: bool = False # to another site than ours
    source: str = ""
    author: str = ""        # "" where nobody said, or where it is the source
    summary: str = ""       # "" where it only repeats the title
    language: str = ""      # "" where it is the one that the page speaks, or none is known
    direction: str = "ltr"  # or "rtl"
    also: tuple[tuple[str, str], ...] = ()   # who else tells it: (source's title, address or "")
    correction: str = ""
    corrected: str = ""     # its date in words, "" where there is none


class Listed(NamedTuple):
    """A feed as a page lists it."""

    title: str
    description: str
    page: str          # relative to the page that lists it
    formats: tuple[Format, ...]
    podcast: bool
    language: str      # as an article's
    direction: str
    topics: tuple[Listed, ...] = ()     # the feeds of its topics


def feed_page(
    pages: Pages, document: Document, *, zone: tzinfo, parent: FeedPage | None = None, topics: Sequence[FeedPage] = (),
    newsletter: str = "",
) -> bytes:
    """feeds/<slug>/index.html, from the document that people subscribe to.

    `zone` is the site's, for the days of dates; `parent` the feed whose topic this one is, `topics` the feeds of its
    own topics; `newsletter` the page of the newsletter whose digests it tells, "" where it tells articles. Raises
    TemplateError when the operator's template is broken.
    """
    page = document.page
    up = "../" * (page.slug.count("/") + 1)
    formats = _formats(page, "")
    text = pages.render(
        "feeds/feed", feed=page, articles=[_shown(entry, page, zone) for entry in document.entries[:NEWEST]],
        formats=formats, app=f"feed:{formats[0].url}", readers=_readers(formats[0].url),
        players=_players(formats[0].url) if page.podcast else (), hub=page.hub,
        updated=_day(document.updated_at, zone), updated_at=document.updated_at.astimezone(zone).isoformat(),
        parent=_listed(parent, up) if parent else None, topics=[_beneath(topic, up) for topic in topics],
        newsletter=newsletter,
        feeds_page=f"{up}{INDEX_FILE}", home=f"{page.site_url}/", site_title=page.site_title, url=page.url,
        title=page.title, description=_more(page), words=WORDS,
        language=_unlike_words(page.language), direction=direction(page.language),
    )
    return text.encode()


def feeds_page(
    pages: Pages, feeds: Sequence[FeedPage], *, url: str, site_title: str, site_url: str, language: str = "",
    letters: Sequence[FeedPage] = (),
) -> bytes:
    """feeds/index.html: every feed, in the given order, with the feeds of its topics beneath it; then those of
    newsletters.

    `url` is the folder's own address, with a slash at its end.
    """
    beneath: dict[str, list[FeedPage]] = {feed.slug: [] for feed in feeds if _parent(feed.slug) == ""}
    for feed in feeds:
        if (above := _parent(feed.slug)) in beneath:
            beneath[above].append(feed)
    # a feed of a topic whose parent is not published stands for itself
    first = [feed for feed in feeds if feed.slug in beneath or _parent(feed.slug) not in beneath]
    listed = [
        _listed(feed, "")._replace(topics=tuple(_beneath(topic, "") for topic in beneath.get(feed.slug, ())))
        for feed in first
    ]
    text = pages.render(
        "feeds/index", feeds=listed, letters=[_listed(feed, "") for feed in letters], opml=OPML_FILE,
        home=f"{site_url}/", site_title=site_title, url=url,
        title=f"Feeds of {site_title}", description=f"Everything that {site_title} publishes for feed readers.",
        words=WORDS, language=_unlike_words(language), direction=direction(language),
    )
    return text.encode()


def _formats(page: FeedPage, folder: str) -> tuple[Format, ...]:
    return tuple(Format(label, MEDIA_TYPES[file], f"{folder}{file}", f"{page.url}{file}") for label, file in FORMATS)


def _readers(url: str) -> list[tuple[str, str]]:
    written = quote(url, safe="")
    return [(name, before + written) for name, before in READERS]


def _players(url: str) -> list[tuple[str, str]]:
    """Podcast apps. Three take an address without its "https://", which each has a scheme of its own for."""
    bare = url.partition("://")[2]
    written = quote(url, safe="")
    return [
        ("Apple Podcasts", f"podcast://{bare}"),
        ("Overcast", f"overcast://x-callback-url/add?url={written}"),
        ("Pocket Casts", f"pktc://subscribe/{bare}"),
        ("AntennaPod", f"https://antennapod.org/deeplink/subscribe?url={written}"),
    ]


def _listed(feed: FeedPage, up: str) -> Listed:
    folder = f"{up}{quote(feed.slug)}/"
    return Listed(feed.title, _more(feed), f"{folder}{INDEX_FILE}", _formats(feed, folder),
                  feed.podcast is not None, _unlike_words(feed.language), direction(feed.language))


def _more(feed: FeedPage) -> str:
    """What its description adds to its title."""
    return feed.description if feed.description != feed.title else ""


def _beneath(feed: FeedPage, up: str) -> Listed:
    """A topic's feed where its parent has just been named."""
    return _listed(feed, up)._replace(title=feed.topic or feed.title)


def _shown(entry: Entry, page: FeedPage, zone: tzinfo) -> Shown:
    published_at = entry.published_at.astimezone(zone)
    date, stamp = format_date(published_at, WORDS), published_at.isoformat()
    if entry.withdrawn:
        return Shown(date, stamp, _day(entry.updated_at, zone))
    language = entry.language or page.language
    url = _web(entry.link)
    return Shown(
        date, stamp, title=entry.title, url=url, elsewhere=not url.startswith(f"{page.site_url}/"),
        source=entry.source_title,
        author=entry.author if entry.author.casefold() != entry.source_title.casefold() else "",
        summary=entry.summary if entry.summary != entry.title else "",
        language=_unlike_words(language), direction=_direction(language, entry.title),
        also=tuple((name, _web(url)) for name, url in entry.also) if entry.also else (),
        correction=entry.correction,
        corrected=_day(entry.corrected_at, zone) if entry.correction and entry.corrected_at else "",
    )


def _day(at: datetime, zone: tzinfo) -> str:
    return format_date(at.astimezone(zone), WORDS)


def _web(url: str) -> str:
    """Entries hold http(s) addresses only; a page is where any other would run."""
    return url if url.startswith(("https://", "http://")) else ""


def _parent(slug: str) -> str:
    return slug.rpartition("/topic/")[0]


def _unlike_words(language: str) -> str:
    return "" if language == WORDS else language


def _direction(language: str, title: str) -> str:
    """The language's, or the title's own where that is Hebrew or Arabic and the source did not say so."""
    if title.isascii():
        return direction(language)
    strong = next((kind for kind in map(bidirectional, title) if kind in _STRONG), "L")
    return direction(language) if strong == "L" else "rtl"


_STRONG = frozenset({"L", "R", "AL"})
