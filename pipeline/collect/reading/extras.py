"""What a feed says beside an article's text: its picture, its licence, and the elements of Media RSS, iTunes and
Podcasting 2.0 that are kept for the feeds we publish.

Kept are the elements in _KINDS, flat: a name, a line of text, and a few attributes. Not kept, because that form can't
hold them: podcast:alternateEnclosure and podcast:value, whose meaning is in the elements within them; what
media:content says of its own file alone (a caption, a title), for outside of it that would be said of the article;
everything about how a video fared (media:community), which is old news by the time we repeat it; and files that are no
use to anybody: Flash players, and the author's face that WordPress lists among an article's pictures.

Specifications: https://www.rssboard.org/media-rss, https://podcasters.apple.com/support/823-podcast-requirements,
https://github.com/Podcastindex-org/podcast-namespace.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lxml import etree

from pipeline.collect.reading.elements import MAX_FIELD, Fields, first_text, href_of, name_of, text_of
from pipeline.collect.reading.markup import plain_of
from pipeline.model.articles import Extra
from pipeline.text.legal import one_line
from pipeline.text.urls import absolute

MAX_EXTRAS = 40       # of one article
MAX_OF_ONE_NAME = 10  # a video in thirty sizes must not crowd out its transcript
MAX_TEXT = 300        # characters; a description may be the whole text, and of that we republish a summary
MAX_VALUE = 200       # characters of an attribute that is no address

UNKNOWN_WIDTH = 400   # pixels; between a thumbnail and a picture
SMALLEST_WIDTH = 100  # pixels; below it is an icon, and below that a counting pixel

_PICTURE = re.compile(r"[^?#]*\.(?:jpe?g|png|gif|webp|avif)(?:[?#].*)?", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is kept of an element. Without an absolute address in `address` it says nothing and is dropped."""

    attributes: tuple[str, ...] = ()
    address: str = ""
    addresses: tuple[str, ...] = ()   # these go by themselves where they are none
    text: bool = True


_KINDS = {
    "media:content": _Kind(("type", "medium", "width", "height", "duration", "fileSize", "bitrate", "lang", "isDefault",
                            "expression"), "url", text=False),
    "media:thumbnail": _Kind(("width", "height", "time"), "url", text=False),
    "media:player": _Kind(("width", "height"), "url", text=False),
    "media:rating": _Kind(("scheme",)),
    "media:credit": _Kind(("role", "scheme")),
    "media:title": _Kind(),
    "media:description": _Kind(),
    "itunes:title": _Kind(),
    "itunes:subtitle": _Kind(),
    "itunes:author": _Kind(),
    "itunes:duration": _Kind(),
    "itunes:episode": _Kind(),
    "itunes:season": _Kind(),
    "itunes:episodeType": _Kind(),
    "itunes:explicit": _Kind(),
    "itunes:image": _Kind(address="href", text=False),
    "podcast:transcript": _Kind(("type", "language", "rel"), "url", text=False),
    "podcast:chapters": _Kind(("type",), "url", text=False),
    "podcast:person": _Kind(("role", "group"), addresses=("href", "img")),
    "podcast:soundbite": _Kind(("startTime", "duration")),
    "podcast:season": _Kind(("name",)),
    "podcast:episode": _Kind(("display",)),
    "podcast:location": _Kind(("rel", "geo", "osm", "country")),
    "podcast:license": _Kind(addresses=("url",)),
    "podcast:socialInteract": _Kind(("protocol", "accountId", "priority"), "uri", ("accountUrl",), text=False),
    "podcast:contentLink": _Kind(address="href"),
}
_OF_ANY_FILE = ("media:credit", "media:rating", "media:copyright", "media:license")  # also from within media:content
_LICENCE_TEXTS = ("creativeCommons:license", "cc:license", "dcterms:license", "dcterms:rights", "dc:rights")
_LICENCE_ATTRIBUTES = (("media:license", "href"), ("podcast:license", "url"), ("media:copyright", "url"))
_RESOURCE = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}resource"
_AN_ADDRESS = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_FACE = re.compile(r"https?://(?:[\w-]+\.)?gravatar\.com/", re.IGNORECASE)
_FLASH = "application/x-shockwave-flash"


def with_files_own(fields: Fields) -> Fields:
    """Add the credits and rights that stand within media:content: they are somebody's, and travel on."""
    for element in fields.get("media:content", ()):
        for child in element:
            name = name_of(child)
            if name in _OF_ANY_FILE or name == "media:thumbnail":
                fields.setdefault(name, []).append(child)
    return fields


def extras_of(fields: Fields) -> tuple[Extra, ...]:
    """Return what is kept of an entry's elements, unchecked, in the order of their names' first appearance."""
    found: list[Extra] = []
    for name, elements in fields.items():
        if kind := _KINDS.get(name):
            for element in [e for e in elements if _is_of_use(e)][:MAX_OF_ONE_NAME]:
                wanted = (*kind.attributes, kind.address, *kind.addresses)
                pairs = ((key, value[:MAX_FIELD * 2]) for key in wanted if key and (value := element.get(key)))
                found.append(Extra(name, plain_of(text_of(element)) if kind.text else "", tuple(pairs)))
    return tuple(found[:MAX_EXTRAS])


def _is_of_use(element: etree._Element) -> bool:
    return element.get("type") != _FLASH and not _FACE.match(element.get("url") or "")


def legal_extras(extras: Iterable[Extra], base_url: str) -> tuple[Extra, ...]:
    """Return of `extras` what is known here and says something: legal text on one line, absolute http(s) addresses."""
    kept: dict[Extra, None] = {}
    for extra in extras:
        kind = _KINDS.get(extra.name)
        if kind is None:
            continue
        pairs = tuple((key, legal) for key, value in extra.attributes if (legal := _legal(kind, key, value, base_url)))
        text = one_line(extra.text, MAX_TEXT) if kind.text else ""
        if (text or pairs) and (not kind.address or kind.address in dict(pairs)):
            kept[Extra(extra.name, text, pairs)] = None
    return tuple(kept)[:MAX_EXTRAS]


def _legal(kind: _Kind, key: str, value: str, base_url: str) -> str:
    if key == kind.address or key in kind.addresses:
        return absolute(value, base_url)
    return one_line(value, MAX_VALUE) if key in kind.attributes else ""


def image_of(fields: Fields) -> str:
    """Return the address of the article's own picture: what Media RSS calls the default, else its widest; else
    iTunes's, else an enclosure."""
    pictures = [*fields.get("media:thumbnail", ()), *(e for e in fields.get("media:content", ()) if _is_picture(e))]
    pictures = [e for e in pictures if e.get("url") and _width(e) >= SMALLEST_WIDTH and _is_of_use(e)]
    if pictures:
        best = max(pictures, key=lambda e: (e.get("isDefault") == "true", _width(e)))
        return (best.get("url") or "").strip()[:MAX_FIELD * 2]
    for element in fields.get("itunes:image", ()):
        if href := href_of(element) or (element.get("url") or "").strip():
            return href[:MAX_FIELD * 2]
    for element in (*fields.get("enclosure", ()), *fields.get("atom:link", ())):
        if (element.get("type") or "").startswith("image/") and element.get("rel", "enclosure") == "enclosure":
            return ((element.get("url") or "").strip() or href_of(element))[:MAX_FIELD * 2]
    return ""


def _is_picture(element: etree._Element) -> bool:
    medium, media_type = element.get("medium") or "", element.get("type") or ""
    if medium or media_type:
        return medium == "image" or media_type.startswith("image/")
    return bool(_PICTURE.fullmatch(element.get("url") or ""))


def _width(element: etree._Element) -> int:
    width = (element.get("width") or "").strip()
    return int(width) if re.fullmatch(r"\d{1,5}", width, re.ASCII) else UNKNOWN_WIDTH


def licence_of(fields: Fields, *, links: bool = True) -> str:
    """Return the address of the licence an entry (or a channel) names, "" where it names none.

    With `links=False` rel="license" does not count: an Atom feed's own (RFC 4946) is not taken for its entries',
    since a licence that nobody gave is worse than one that was missed.
    """
    for element in fields.get("atom:link", ()) if links else ():
        if (element.get("rel") or "").lower() == "license" and (href := href_of(element)):
            return href[:MAX_FIELD * 2]
    for name in _LICENCE_TEXTS:
        for element in fields.get(name, ()):
            text = element.get(_RESOURCE) or text_of(element)
            if _AN_ADDRESS.fullmatch(text[:MAX_FIELD]):
                return text
    addresses = ((e.get(key) or "").strip() for name, key in _LICENCE_ATTRIBUTES for e in fields.get(name, ()))
    return next((url[:MAX_FIELD * 2] for url in addresses if url), "")


def rights_of(fields: Fields) -> str:
    """Return the words about rights, "" where there are none."""
    return first_text(fields, "atom:rights", "copyright", "dc:rights", "dcterms:rights", "media:copyright")
