"""Elements that feedgen has no words for, or the wrong ones: written into the trees that it makes.

RSS names people only by e-mail, so authors go to dc:creator; rights, an entry's language and when it was changed are
Atom's alone there. feedgen's Atom source takes a feed's address for a page's, and its Atom links of an entry lose rel,
type and length (1.0.0: its loop writes over the link it reads), so that an enclosure would be a second page.

Media RSS (https://www.rssboard.org/media-rss), iTunes (https://podcasters.apple.com/support/823-podcast-requirements),
Podcasting 2.0 (https://podcastindex.org/namespace/1.0), RFC 4946 (licences), RFC 5005, RFC 6721, WebSub section 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml.etree import SubElement

from pipeline.model.articles import Enclosure, Extra
from pipeline.model.feeds import ATOM_FILE, MEDIA_TYPES, RSS_FILE, Document, Entry, FeedPage, Podcast
from pipeline.publish.soundness import MEDIA_TYPE
from pipeline.publish.wording import no_tags

NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "creativeCommons": "http://backend.userland.com/creativeCommonsRssModule",   # what RSS says licences with
    "media": "http://search.yahoo.com/mrss/",
    "itunes": "http://www.itunes.com/dtds/podcast-1.0.dtd",
    "podcast": "https://podcastindex.org/namespace/1.0",
    "fh": "http://purl.org/syndication/history/1.0",
}
MAX_AUTHOR = 255   # characters, of iTunes's
TOMBSTONES = "http://purl.org/atompub/tombstones/1.0"

ATOM = "{http://www.w3.org/2005/Atom}"
DC = f"{{{NAMESPACES['dc']}}}"
CC = f"{{{NAMESPACES['creativeCommons']}}}"
MEDIA = f"{{{NAMESPACES['media']}}}"
ITUNES = f"{{{NAMESPACES['itunes']}}}"
FH = f"{{{NAMESPACES['fh']}}}"
AT = f"{{{TOMBSTONES}}}"
LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def extend_channel(channel: Any, document: Document) -> None:
    """What an RSS channel says beside what feedgen writes."""
    page = document.page
    for relation in relations(document, RSS_FILE):
        SubElement(channel, f"{ATOM}link", relation)
    _history(channel, document)
    if page.podcast is not None:
        _podcast(channel, page, page.podcast)


def extend_feed(feed: Any, document: Document) -> None:
    """The same for an Atom feed."""
    for relation in relations(document, ATOM_FILE):
        SubElement(feed, "link", relation)
    _history(feed, document)
    for grave in document.tombstones:
        SubElement(feed, f"{AT}deleted-entry", ref=grave.id, when=grave.withdrawn_at.isoformat(),
                   nsmap={"at": TOMBSTONES})


def relations(document: Document, file: str) -> Iterator[dict[str, str]]:
    """Links of a document besides those to itself and to its page: the hub, and the archive's chain (RFC 5005)."""
    page, media_type = document.page, MEDIA_TYPES[file]
    if page.hub and not document.volume.archive:
        yield {"rel": "hub", "href": page.hub}
    if document.volume.archive:
        yield {"rel": "current", "href": page.url + file, "type": media_type}
    if document.volume.previous:
        yield {"rel": "prev-archive", "href": page.url + document.volume.previous + file, "type": media_type}
    if document.volume.following:
        yield {"rel": "next-archive", "href": page.url + document.volume.following + file, "type": media_type}


def extend_item(item: Any, entry: Entry, *, podcast: bool) -> None:
    """What an RSS item says beside what feedgen writes."""
    for topic in entry.topics:
        SubElement(item, "category").text = no_tags(topic)
    for enclosure in entry.enclosures[:1]:  # RSS has room for one, and wants a length: 0 where nobody knows
        SubElement(item, "enclosure", url=enclosure.url, length=str(max(enclosure.length, 0)),
                   type=media_type(enclosure))
    if entry.author:
        SubElement(item, f"{DC}creator").text = no_tags(entry.author)
    if entry.language:
        SubElement(item, f"{DC}language").text = entry.language
    if entry.rights:
        SubElement(item, f"{DC}rights").text = no_tags(entry.rights)
    if entry.licence:
        SubElement(item, f"{CC}license").text = entry.licence
    if entry.source_url:
        SubElement(item, "source", url=entry.source_url).text = no_tags(entry.source_title)
    elif entry.source_title:  # RSS has no source without an address
        SubElement(item, f"{DC}source").text = no_tags(entry.source_title)
    if entry.updated_at != entry.published_at:
        SubElement(item, f"{ATOM}updated").text = entry.updated_at.isoformat()
    for further in entry.enclosures[1:]:
        _file(item, further)
    # one word of iTunes's obliges the whole feed to be a podcast by its rules
    _extras(item, entry, ("media", "podcast", "itunes") if podcast else ("media", "podcast"))


def extend_entry(element: Any, entry: Entry, page: FeedPage) -> None:
    """What an Atom entry says beside what feedgen writes."""
    if entry.language:
        element.set(LANG, entry.language)
    # Atom wants an author, and others' work must not look like ours: its source is a better guess than our site
    author = SubElement(element, "author")
    SubElement(author, "name").text = no_tags(byline(entry, page))
    for topic in entry.topics:
        SubElement(element, "category", term=no_tags(topic))
    for enclosure in entry.enclosures:
        link = SubElement(element, "link", rel="enclosure", href=enclosure.url, type=media_type(enclosure))
        if enclosure.length > 0:
            link.set("length", str(enclosure.length))
    if entry.licence:  # RFC 4946
        SubElement(element, "link", rel="license", href=entry.licence)
    for name, url in entry.also:
        if url:
            SubElement(element, "link", rel="related", href=url, title=no_tags(name))
    if entry.rights:
        SubElement(element, "rights").text = no_tags(entry.rights)
    if entry.source_title:
        _source(element, entry)
    _extras(element, entry, ("media",))


def byline(entry: Entry, page: FeedPage) -> str:
    """Who wrote it, or else gave it, or else published it."""
    return entry.author or entry.source_title or page.site_title or page.title


def media_type(enclosure: Enclosure) -> str:
    return enclosure.media_type if MEDIA_TYPE.fullmatch(enclosure.media_type) else "application/octet-stream"


def _source(element: Any, entry: Entry) -> None:
    """Where it is from. RFC 4287 section 4.2.11 asks for id, title and updated; that feed was updated with this entry,
    or later."""
    source = SubElement(element, "source")
    SubElement(source, "id").text = entry.source_id
    SubElement(source, "title").text = no_tags(entry.source_title)
    SubElement(source, "updated").text = entry.updated_at.isoformat()
    if entry.source_url:
        SubElement(source, "link", rel="self", href=entry.source_url)


def _history(parent: Any, document: Document) -> None:
    # an archive of one document has neither neighbour, and validators want one of those that call themselves archives
    if document.volume.archive and (document.volume.previous or document.volume.following):
        SubElement(parent, f"{FH}archive")
    elif document.page.complete and not document.volume.archive:
        SubElement(parent, f"{FH}complete")


def _podcast(channel: Any, page: FeedPage, podcast: Podcast) -> None:
    author = no_tags(podcast.author or page.site_title or page.title)[:MAX_AUTHOR]
    SubElement(channel, f"{ITUNES}author").text = author
    category = SubElement(channel, f"{ITUNES}category", text=podcast.category)
    if podcast.subcategory:
        SubElement(category, f"{ITUNES}category", text=podcast.subcategory)
    SubElement(channel, f"{ITUNES}explicit").text = "true" if podcast.explicit else "false"
    SubElement(channel, f"{ITUNES}type").text = podcast.kind
    if page.image:
        SubElement(channel, f"{ITUNES}image", href=page.image)
    if podcast.owner_email:
        owner = SubElement(channel, f"{ITUNES}owner")
        SubElement(owner, f"{ITUNES}name").text = author
        SubElement(owner, f"{ITUNES}email").text = podcast.owner_email


def _file(item: Any, enclosure: Enclosure) -> None:
    """One more of an article's files, which RSS has no room for itself."""
    content = SubElement(item, f"{MEDIA}content", url=enclosure.url, type=media_type(enclosure))
    if enclosure.length > 0:
        content.set("fileSize", str(enclosure.length))


def _extras(parent: Any, entry: Entry, prefixes: tuple[str, ...]) -> None:
    pictured = False
    for extra in entry.extras:
        prefix, _, name = extra.name.partition(":")
        if prefix in prefixes:
            pictured = pictured or extra.name in _PICTURES
            _extra(parent, f"{{{NAMESPACES[prefix]}}}{name}", extra)
    if entry.image and not pictured:
        SubElement(parent, f"{MEDIA}thumbnail", url=entry.image)


def _extra(parent: Any, name: str, extra: Extra) -> None:
    element = SubElement(parent, name, dict(extra.attributes))
    if extra.text:
        element.text = no_tags(extra.text)


_PICTURES = frozenset({"media:thumbnail", "media:content", "itunes:image"})
