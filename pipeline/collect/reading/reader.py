"""An XML feed's tree to what it holds: RSS 0.9x–2.0, RDF (RSS 0.90, 1.0) and Atom 0.3, 1.0, with the usual
extensions (Dublin Core, content, Media RSS, iTunes, Podcasting 2.0, FeedBurner).

It reads the tree itself instead of asking fastfeedparser: that one loses xml:base, the channel's language,
YouTube's media:description, links whose `rel` is unknown, and markup in Atom summaries; it takes a player's
<iframe> in media:content for the article; and it half-reads what is not well-formed. Addresses are left as
they are, joined to xml:base where the source sets one.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from pipeline.collect.reading.dates import parse_date
from pipeline.collect.reading.elements import MAX_FIELD, Fields, fields_of, first_text, href_of, name_of, text_of
from pipeline.collect.reading.extras import extras_of, image_of, licence_of, rights_of, with_files_own
from pipeline.collect.reading.hints import hints_of
from pipeline.collect.reading.markup import html_of, html_of_plain, is_markup, plain_of
from pipeline.model.articles import Enclosure, Found
from pipeline.model.sources import Hints
from pipeline.text.clean import clean_html, words_of
from pipeline.text.legal import one_line

MAX_NAMES = 20        # authors or categories of one article
MAX_ENCLOSURES = 20

_MAIL_WITH_NAME = re.compile(r"\s*\S+@\S+\s*\(([^()]+)\)\s*")
_NAME_WITH_MAIL = re.compile(r"\s*([^<>@]+?)\s*[<(]\s*\S+@\S+\s*[>)]\s*")


@dataclass(frozen=True, slots=True)
class Channel:
    """What a feed says of itself; rights, licence and author are its entries' where these have none of their own."""

    title: str
    language: str
    author: str
    rights: str
    licence: str
    hints: Hints


def root_name(root: etree._Element) -> str:
    """Return "rss", "feed" and the like, whatever its namespace."""
    return re.split("[}:]", str(root.tag))[-1].lower()


def is_feed(root: etree._Element) -> bool:
    return root_name(root) in ("rss", "rdf", "feed", "channel")


def channel_of(root: etree._Element) -> etree._Element:
    """Return the element that holds the feed's own title: <feed>, or RSS's <channel>."""
    found = next((e for e in root if name_of(e) == "channel"), None)
    return root if found is None else found


def items_of(root: etree._Element) -> list[etree._Element]:
    """Return the entries in document order: within the channel (RSS) or beside it (RDF)."""
    homes = [root] if channel_of(root) is root else [channel_of(root), root]
    return [e for home in homes for e in home if name_of(e) in ("item", "entry", "atom:entry")]


def read_channel(root: etree._Element) -> Channel:
    channel = channel_of(root)
    fields = fields_of(channel)
    atom = root_name(root) == "feed"
    return Channel(
        title=_title(fields),
        language=first_text(fields, "language", "dc:language") or _lang(channel),
        author=", ".join(_people(fields, "atom:author")) if atom else "",  # RFC 4287, 4.2.1
        rights=rights_of(fields),
        licence=licence_of(fields, links=not atom),
        hints=hints_of(fields),
    )


def item_date(item: etree._Element) -> datetime | None:
    """Return when `item` says it was published, else updated: cheap, to find the newest of very many."""
    fields = fields_of(item)
    return _published(fields) or _updated(fields)


def read_item(item: etree._Element, channel: Channel) -> Found:
    fields = fields_of(item)
    if "media:content" in fields:
        fields = with_files_own(fields)
    url, guid = _address(item, fields)
    content, summary = _texts(fields, url)
    published, updated = _published(fields), _updated(fields)
    names = _people(fields, "author", "atom:author", "dc:creator", "itunes:author")
    return Found(
        title=_title(fields),
        html=content,
        summary=summary,
        guid=guid,
        url=url,
        author=", ".join(names) or channel.author,
        published_at=published or updated,
        updated_at=updated,
        topics=tuple(_topics(fields)),
        language=first_text(fields, "dc:language") or _lang(item),
        rights=plain_of(rights_of(fields) or channel.rights),
        licence=licence_of(fields) or channel.licence,
        image=image_of(fields),
        enclosures=tuple(_enclosures(fields))[:MAX_ENCLOSURES],
        extras=extras_of(fields),
    )


def _title(fields: Fields) -> str:
    for element in fields.get("atom:title", ()):
        return _construct(element, plain=True)[:MAX_FIELD]
    return plain_of(first_text(fields, "title", "dc:title", "media:title", "itunes:title"))


def _construct(element: etree._Element, url: str = "", *, plain: bool = False) -> str:
    """Return an Atom text construct (RFC 4287 section 3.1) as HTML, or as plain text."""
    kind = (element.get("type") or "text").lower()
    if kind in ("xhtml", "application/xhtml+xml") or len(element):
        inner = html.escape(element.text or "", quote=False) + "".join(
            etree.tostring(child, encoding="unicode", method="html") for child in element
        )
        markup = _XHTML_PREFIX.sub(r"\1", inner)
    elif kind in ("html", "text/html") or (kind != "text/plain" and not plain and is_markup(text_of(element))):
        markup = text_of(element)  # many say "text" and mean HTML; in content they may
    else:
        return text_of(element) if plain else html_of_plain(text_of(element))
    if plain:
        return words_of(markup).text
    return _with_base(markup, element, url)


_RELATIVE = re.compile(r"\b(?:href|src)\s*=\s*[\"']?(?!https?:|mailto:|data:)", re.IGNORECASE)
_XHTML_PREFIX = re.compile(r"(</?)[A-Za-z][\w.-]*:(?=[A-Za-z])")


def _with_base(markup: str, element: etree._Element, url: str) -> str:
    """Join relative addresses to an absolute xml:base; without one they are the article's page's, which is `url`."""
    base = element.base or ""
    if base == url or not base.startswith(("http://", "https://")) or not _RELATIVE.search(markup):
        return markup
    return clean_html(markup, base_url=base)


def _texts(fields: Fields, url: str) -> tuple[str, str]:
    """Return (content, summary) as HTML. What stands alone is the content; a player's frame is neither."""
    rich = ""
    for element in (*fields.get("atom:content", ()), *fields.get("xhtml:body", ()), *fields.get("xhtml:div", ())):
        if not element.get("src"):
            rich = rich or (
                _construct(element, url) if name_of(element) == "atom:content" else _markup_of(element, url))
    for element in fields.get("content:encoded", ()):
        rich = rich or _with_base(html_of(text_of(element)), element, url)
    short = ""
    for element in fields.get("atom:summary", ()):
        short = short or _construct(element, url)
    for name in ("description", "atom:tagline", "dcterms:abstract", "dc:description", "itunes:summary"):
        for element in fields.get(name, ()):
            short = short or _with_base(html_of(text_of(element)), element, url)
    if not rich and not short:
        short = html_of_plain(first_text(fields, "media:description", "itunes:subtitle", "media:text"))
    return (rich, short) if rich else (short, "")


def _markup_of(element: etree._Element, url: str) -> str:
    markup = _XHTML_PREFIX.sub(r"\1", etree.tostring(element, encoding="unicode", method="html"))
    return _with_base(markup, element, url)


def _address(item: etree._Element, fields: Fields) -> tuple[str, str]:
    """Return (url, guid): the page for a person to read, and the source's own identifier."""
    guid = first_text(fields, "atom:id", "guid")[:MAX_FIELD] or (item.get(f"{{{_RDF}}}about") or "").strip()[:MAX_FIELD]
    permalink = any((e.get("isPermaLink") or "true").lower() != "false" for e in fields.get("guid", ()))
    candidates = [
        first_text(fields, "feedburner:origLink"),
        *(href_of(e) for e in fields.get("atom:link", ()) if e.get("rel", "alternate") == "alternate" and _is_page(e)),
        first_text(fields, "link"),
        *(href_of(e) for e in fields.get("link", ())),  # Atom's form in RSS's namespace
        *(href_of(e) for e in fields.get("atom:link", ()) if e.get("rel", "alternate") == "alternate"),
        *(href_of(e) for e in fields.get("atom:link", ()) if e.get("rel") not in _NOT_THE_PAGE),
        guid if (permalink or not fields.get("guid")) and guid.startswith(("http://", "https://")) else "",
    ]
    url = next((u for u in candidates if u), "")
    return url[:MAX_FIELD * 2], guid


_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_NOT_THE_PAGE = frozenset(
    "self edit edit-media enclosure replies hub via license next prev previous first last related "
    "http://schemas.google.com/g/2005#feed".split()
)


def _is_page(element: etree._Element) -> bool:
    return (element.get("type") or "text/html").lower() in ("text/html", "application/xhtml+xml")


def _published(fields: Fields) -> datetime | None:
    return _date(fields, "atom:published", "atom:issued", "pubDate", "pubdate", "dc:date", "dcterms:issued", "date",
                 "dcterms:created", "atom:created", "published")


def _updated(fields: Fields) -> datetime | None:
    return _date(fields, "atom:updated", "atom:modified", "dcterms:modified", "updated", "lastBuildDate")


def _date(fields: Fields, *names: str) -> datetime | None:
    for name in names:
        for element in fields.get(name, ()):
            if when := parse_date(text_of(element)[:200]):
                return when
    return None


def _people(fields: Fields, *names: str) -> list[str]:
    """Return the names, each once: the name alone of "jo@example.org (Jo Doe)", never a mail address."""
    people: list[str] = []
    for name in names:
        for element in fields.get(name, ())[:MAX_NAMES]:
            inner = fields_of(element)
            raw = first_text(inner, "atom:name", "name") if inner else text_of(element)
            person = person_name(plain_of(raw))
            if person and person not in people:
                people.append(person)
        if people:
            break  # <author> and <dc:creator> say the same twice
    return people


def person_name(text: str) -> str:
    """Return the name in `text`, "" where there is only a mail address."""
    text = one_line(text)
    match = _MAIL_WITH_NAME.fullmatch(text) or _NAME_WITH_MAIL.fullmatch(text)
    name = match[1].strip() if match else text
    return "" if re.fullmatch(r"\S+@\S+", name) else name


def _topics(fields: Fields) -> Iterator[str]:
    for element in fields.get("category", ())[:MAX_NAMES]:
        yield plain_of(text_of(element))
    for element in fields.get("atom:category", ())[:MAX_NAMES]:
        if not (element.get("scheme") or "").startswith("http://schemas.google.com/"):  # "this is a video"
            yield plain_of(element.get("label") or element.get("term") or "")
    for element in fields.get("dc:subject", ())[:MAX_NAMES]:
        yield from plain_of(text_of(element)).split(",")


def _enclosures(fields: Fields) -> Iterator[Enclosure]:
    for element in fields.get("enclosure", ()):
        yield _enclosure(element, "url")
    for element in fields.get("atom:link", ()):
        if element.get("rel") == "enclosure":
            yield _enclosure(element, "href")
    for element in fields.get("media:content", ()):
        kind = f"{element.get('medium') or ''} {element.get('type') or ''}"
        if "audio" in kind or "video" in kind:
            yield _enclosure(element, "url", "fileSize")


def _enclosure(element: etree._Element, url: str, length: str = "length") -> Enclosure:
    size = (element.get(length) or "").strip()
    return Enclosure((element.get(url) or "").strip()[:MAX_FIELD * 2], (element.get("type") or "").strip()[:100],
                     int(size) if re.fullmatch(r"\d{1,15}", size, re.ASCII) else 0)


def _lang(element: etree._Element) -> str:
    return element.get("{http://www.w3.org/XML/1998/namespace}lang") or ""
