"""A feed's page and its articles -> RSS 2.0 and Atom 1.0 bytes. Same values, same bytes, whatever the clock says.

Sources: RSS 2.0 (https://www.rssboard.org/rss-specification), Atom (RFC 4287), tag URIs (RFC 4151).
Does not select, sort or clean: the articles come in the order they are published in, cleaned by whoever stored them.
An article that still can't be put into XML is left out with a note; it never costs the feed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from html import escape
from ipaddress import IPv6Address
from typing import Any
from urllib.parse import quote, urlsplit

import feedgen.entry
import feedgen.feed
from feedgen.feed import FeedGenerator
from feedgen.util import xml_elem

from pipeline.errors import BroadsheetError
from pipeline.model.articles import Article, Enclosure, Show
from pipeline.model.feeds import FeedPage
from pipeline.text.urls import absolute

GENERATOR = "Broadsheet"  # without a version, or each upgrade would touch every file
TTL_MINUTES = 60
MAX_HTML_CHARS = 2_000_000
"""Above this an article gives its summary only: libxml2, which many readers parse with, refuses a feed that holds a
text node of more than 10 MB, and one character is up to 4 bytes."""

RSS_FILE = "rss.xml"
ATOM_FILE = "atom.xml"


@dataclass(frozen=True, slots=True)
class Built:
    """One feed's documents. `notes` say, in words, what was left out of them and why; empty when nothing was."""

    rss: bytes
    atom: bytes
    notes: tuple[str, ...] = ()


def build(page: FeedPage, articles: Sequence[Article], *, source_urls: Mapping[str, str] | None = None) -> Built:
    """Build both documents. `source_urls`: source slug -> the address of its own feed, where it has one.

    Raises BroadsheetError when the page itself (title, address) can't make a feed.
    """
    _check(page)
    site = absolute(page.public_url).rstrip("/")
    pieces, notes = _pieces(page, articles, source_urls or {}, site)
    generator = _generator(page, pieces)
    home = f"{site}/feeds/{quote(page.slug, safe='')}/"
    # feedgen takes the *last* link of a feed for RSS's <link>, so the page comes after the feed itself
    generator.link(_links(home, RSS_FILE, "application/rss+xml"), replace=True)
    rss: bytes = generator.rss_str(pretty=True)
    generator.link(_links(home, ATOM_FILE, "application/atom+xml"), replace=True)
    atom: bytes = generator.atom_str(pretty=True)
    return Built(rss, atom, tuple(notes))


def authority(public_url: str) -> str:
    """The host as a tag URI takes one (RFC 4151 section 2.1): a DNS name, lower case, in ASCII, without a port."""
    host = (urlsplit(absolute(public_url)).hostname or "localhost").rstrip(".")
    # the one DNS name that an IPv6 address has by itself
    return IPv6Address(host).reverse_pointer if ":" in host else host


def article_id(host: str, article: Article) -> str:
    """A name for good: a tag URI of our host (`authority`) and the year we first saw the article, so that neither a
    new title nor a new address of its page makes it another article."""
    return f"tag:{host},{article.first_seen_at.astimezone(UTC).year}:article-{article.id}"


def feed_id(host: str, page: FeedPage) -> str:
    """The same for a feed."""
    return f"tag:{host},{page.created_at.astimezone(UTC).year}:feed-{quote(page.slug, safe='')}"


@dataclass(frozen=True, slots=True)
class _Piece:
    """An article that can be an entry, with its addresses checked once for both formats."""

    article: Article
    link: str
    enclosures: tuple[Enclosure, ...]
    source_url: str
    also: tuple[tuple[str, str], ...]   # (source's title, where it tells the story or "")


def _check(page: FeedPage) -> None:
    for name in ("title", "description", "language", "site_title", "public_url"):
        found = _XML_ILLEGAL.search(getattr(page, name))
        if found:
            raise BroadsheetError(
                f"feed {page.slug}", f"its {name} holds U+{ord(found[0]):04X}, which no feed can carry",
                hint="retype it in config.toml",
            )
    if not page.title.strip():
        raise BroadsheetError(f"feed {page.slug}", "it has no title", hint="give it one in config.toml")
    if not absolute(page.public_url):
        raise BroadsheetError(f"feed {page.slug}", f"public_url is {page.public_url!r}, not an http(s) address",
                              hint="set [site] public_url")
    if page.created_at.tzinfo is None:
        raise BroadsheetError(f"feed {page.slug}", "created_at has no time zone")


def _pieces(
    page: FeedPage, articles: Sequence[Article], source_urls: Mapping[str, str], site: str
) -> tuple[list[_Piece], list[str]]:
    """The articles that can be put into XML, and a note for each that can't or not fully."""
    pieces: dict[int, _Piece] = {}
    notes: list[str] = []
    sources = {slug: "" if _XML_ILLEGAL.search(url) else absolute(url) for slug, url in source_urls.items()}
    for article in articles:
        problem = "it stands twice in the selection" if article.id in pieces else _problem(article)
        if problem:
            notes.append(f"article {article.id} is left out of feed {page.slug}: {problem}")
            continue
        link = absolute(article.url) if article.url else ""
        enclosures = tuple(replace(e, url=url) for e in article.enclosures if (url := absolute(e.url)))
        pieces[article.id] = _Piece(
            article, link or f"{site}/a/{article.id}", enclosures, sources.get(article.source, ""),
            _also(article, site),
        )
        if article.url and not link:
            notes.append(f"article {article.id} in feed {page.slug} links to our own page: "
                         f"{article.url[:100]!r} is no absolute http(s) address")
        if len(enclosures) < len(article.enclosures):
            notes.append(f"article {article.id} in feed {page.slug} goes without an enclosure: "
                         "its address is not an absolute http(s) one")
        if article.show is Show.FULL and len(article.html) > MAX_HTML_CHARS:
            notes.append(f"article {article.id} has only its summary in feed {page.slug}: "
                         f"{len(article.html)} characters are more than {MAX_HTML_CHARS}")
    return list(pieces.values()), notes


def _also(article: Article, site: str) -> tuple[tuple[str, str], ...]:
    return tuple((other.source, absolute(other.link(article.url, site))) for other in article.also
                 if not _XML_ILLEGAL.search(other.source + other.url))


def _problem(article: Article) -> str:
    """Why an article can't be an entry; "" when it can."""
    for text in (article.title, article.author, article.summary, article.html, article.source_title, article.rights,
                 *article.topics):
        found = _XML_ILLEGAL.search(text)
        if found:
            return f"it holds U+{ord(found[0]):04X}, which XML can't carry"
    if not article.title.strip():
        return "it has no title"
    if any(at.tzinfo is None for at in (article.published_at, article.first_seen_at, article.updated_at)):
        return "one of its dates has no time zone"
    return ""


def _generator(page: FeedPage, pieces: Sequence[_Piece]) -> Any:
    host = authority(page.public_url)
    generator = FeedGenerator()
    generator.register_extension("ours", _FeedExtension, _EntryExtension)
    generator.id(feed_id(host, page))
    generator.title(page.title)
    generator.description(page.description.strip() or page.title)
    if _LANGUAGE.fullmatch(page.language):
        generator.language(page.language)
    # feedgen stamps "now" where it is told nothing
    generator.updated(_second(max((p.article.updated_at for p in pieces), default=page.created_at)))
    generator.author({"name": page.site_title.strip() or page.title})
    generator.generator(GENERATOR)
    generator.ttl(TTL_MINUTES)
    for piece in pieces:
        # feedgen prepends where it is told nothing
        _fill(generator.add_entry(order="append"), page, piece, host)
    return generator


def _links(home: str, file: str, media_type: str) -> list[dict[str, str]]:
    return [
        {"href": home + file, "rel": "self", "type": media_type},
        {"href": home, "rel": "alternate", "type": "text/html"},
    ]


def _fill(entry: Any, page: FeedPage, piece: _Piece, host: str) -> None:
    article = piece.article
    entry.id(article_id(host, article))  # RSS: guid isPermaLink="false"
    entry.title(article.title)
    entry.link(href=piece.link, rel="alternate")
    entry.published(_second(article.published_at))
    entry.updated(_second(article.updated_at))
    # escaped, as RSS readers take a description for HTML. Never empty: without one feedgen puts the content there
    summary = escape(article.summary.strip() or article.title, quote=False)
    entry.summary(f"<p>{summary}</p>{_also_html(piece)}" if piece.also else summary, type="html")
    if article.show is Show.FULL and article.html.strip() and len(article.html) <= MAX_HTML_CHARS:
        entry.content(article.html + _also_html(piece), type="html")
    for topic in dict.fromkeys(t for t in article.topics if t.strip()):
        entry.category(term=topic)
    if article.rights:
        entry.rights(article.rights)
    # Atom wants an author, and others' work must not look like ours: its source is a better guess than our site
    entry.author({"name": article.author.strip() or article.source_title.strip() or page.site_title or page.title})
    ours: _EntryExtension = entry.ours
    ours.creator = article.author.strip()
    ours.enclosures = piece.enclosures
    ours.related = tuple((name, url) for name, url in piece.also if url)
    ours.rights = article.rights
    ours.licence = article.licence
    ours.source_title = article.source_title.strip() or article.source
    ours.source_url = piece.source_url
    if article.language != page.language and _LANGUAGE.fullmatch(article.language):
        ours.language = article.language


def _also_html(piece: _Piece) -> str:
    """Who else tells the story, as a last line."""
    named = [f'<a href="{escape(url)}">{escape(name)}</a>' if url else escape(name) for name, url in piece.also]
    return f"<p>Also in {', '.join(named)}</p>" if named else ""


class _FeedExtension:
    """Declares the namespace that entries use."""

    def extend_ns(self) -> dict[str, str]:
        return {"dc": _DC, "creativeCommons": _CC}

    def extend_rss(self, rss: Any) -> Any:
        return rss

    def extend_atom(self, feed: Any) -> Any:
        return feed


class _EntryExtension:
    """What feedgen has no words for, or the wrong ones.

    RSS names people only by e-mail, so authors go to dc:creator; rights and an entry's own language are Atom's alone.
    feedgen's Atom source takes a feed's address for a page's, and its Atom links of an entry lose rel, type and length
    (1.0.0: its loop writes over the link it reads), so that an enclosure would be a second page.
    """

    def __init__(self) -> None:
        self.enclosures: tuple[Enclosure, ...] = ()
        self.related: tuple[tuple[str, str], ...] = ()
        self.creator = ""
        self.language = ""
        self.rights = ""
        self.licence = ""
        self.source_title = ""
        self.source_url = ""

    def extend_rss(self, item: Any) -> Any:
        for title in item.findall("title"):
            title.text = _no_tags(title.text or "")
        for enclosure in self.enclosures[:1]:  # RSS has room for one, and wants a length: 0 where nobody knows
            xml_elem("enclosure", item, url=enclosure.url, length=str(max(enclosure.length, 0)),
                     type=_media_type(enclosure))
        for name in ("creator", "language", "rights"):
            if getattr(self, name):
                xml_elem(f"{{{_DC}}}{name}", item).text = _no_tags(getattr(self, name))
        if self.licence:
            xml_elem(f"{{{_CC}}}license", item).text = self.licence
        if self.source_url:  # RSS has no source without an address
            xml_elem("source", item, url=self.source_url).text = _no_tags(self.source_title)
        return item

    def extend_atom(self, entry: Any) -> Any:
        if self.language:
            entry.set("{http://www.w3.org/XML/1998/namespace}lang", self.language)
        for enclosure in self.enclosures:
            link = xml_elem("link", entry, href=enclosure.url, rel="enclosure", type=_media_type(enclosure))
            if enclosure.length > 0:
                link.set("length", str(enclosure.length))
        if self.licence:  # RFC 4946
            xml_elem("link", entry, href=self.licence, rel="license")
        for name, url in self.related:
            xml_elem("link", entry, href=url, rel="related", title=name)
        if self.source_title:
            source = xml_elem("source", entry)
            xml_elem("title", source).text = self.source_title
            if self.source_url:
                xml_elem("link", source, href=self.source_url, rel="self")
        return entry


def _no_tags(text: str) -> str:
    """Text that shows the same whether a reader takes it for text or for HTML: RSS never said which of the two a title
    is. A word joiner, which nobody sees, keeps "<script>" in an article about scripts from being one."""
    return _TAG_LIKE.sub("<\u2060", text)


def _media_type(enclosure: Enclosure) -> str:
    return enclosure.media_type if _MEDIA_TYPE.fullmatch(enclosure.media_type) else "application/octet-stream"


def _second(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(microsecond=0)


_DC = "http://purl.org/dc/elements/1.1/"
_CC = "http://backend.userland.com/creativeCommonsRssModule"  # what RSS says licences with
_TAG_LIKE = re.compile(r"<(?=[A-Za-z/!?])")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+")
_XML_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0 section 2.2

# feedgen writes a date by switching the *process's* locale to C and back, which two threads can leave switched
# (then open() falls back to ASCII), and three times for each article. These write the same without.
feedgen.entry.formatRFC2822 = format_datetime
feedgen.feed.formatRFC2822 = format_datetime
