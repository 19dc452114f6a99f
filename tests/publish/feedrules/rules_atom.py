"""Atom (RFC 4287) with pages and archives (RFC 5005), licences (RFC 4946) and deleted entries (RFC 6721)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from html import escape

from lxml import etree

from .rules_extensions import (
    APPLE_CHANNEL,
    APPLE_ITEM,
    DUBLIN_CORE,
    MEDIA,
    MEDIA_ITEM,
    PODCAST_CHANNEL,
    PODCAST_ITEM,
    apple_channel,
)
from .rules_html import html
from .rules_links import HISTORY, LINK, alternates, history, self_link
from .rules_tree import (
    NAMESPACES,
    TOLERATED,
    XHTML,
    Element,
    Rule,
    document_problems,
    name,
    one,
    prefixed,
    table,
)
from .rules_values import (
    Found,
    Spot,
    anything,
    email,
    filled,
    full_iri,
    identifier,
    iri_reference,
    media_type,
    person_name,
    plain,
    rfc3339_date,
    undeclared,
    uri_reference,
)

_FEED_ONLY = set("author category contributor generator icon id link logo rights subtitle title updated".split())


def atom_problems(data: bytes, *, tolerate: frozenset[str] = TOLERATED) -> list[str]:
    """What the W3C Feed Validator and the RFCs have against an Atom document. Empty: nothing."""
    return document_problems(data, "atom", name("atom:feed"), _FEED, tolerate)


# --- feeds and entries ------------------------------------------------------------------------------------


def _needs(element: Element, spot: Spot, rule: str = "MissingElement") -> Iterator[Found]:
    for child in ("id", "title", "updated"):
        if element.find(name(f"atom:{child}")) is None:
            yield f"has no {child}", rule


def _feed(feed: Element, _spot: Spot) -> Iterator[Found]:
    entries = feed.findall(name("atom:entry"))
    late = {prefixed(e.tag) for e in (entries[0].itersiblings("*") if entries else ())} & {
        f"atom:{word}" for word in _FEED_ONLY}
    if late:
        yield f"has {', '.join(sorted(late))} after its first entry", "MisplacedMetadata"
    ids = Counter(one(entry, "atom:id") for entry in entries)
    yield from ((f"has {n} entries with id {entry_id!r}", "DuplicateEntries")
                for entry_id, n in ids.items() if n > 1)
    times = Counter(one(entry, "atom:updated") for entry in entries)
    yield from ((f"has {n} entries that were updated {when}", "DuplicateUpdated")
                for when, n in times.items() if when and n > 1)


def _entry(entry: Element, _spot: Spot) -> Iterator[Found]:
    places = [entry, entry.getparent(), entry.find(name("atom:source"))]
    if not any(place.find(name("atom:author")) is not None for place in places if place is not None):
        yield "has no author, nor has the feed", "MissingElement"
    content, summary = entry.find(name("atom:content")), entry.find(name("atom:summary"))
    if summary is not None:
        pass
    elif content is None:
        yield "has neither content nor summary", "MissingTextualContent"
    elif "src" in content.attrib or _is_base64(content.get("type", "text")):
        yield "has content that isn't here or isn't text, and no summary", "MissingSummary"
    pages = [k for k in entry.findall(name("atom:link")) if k.get("rel", "alternate") == "alternate"]
    if content is None and not pages:
        yield "has neither content nor a page", "MissingContentOrAlternate"


def _is_base64(kind: str) -> bool:
    return "/" in kind and not kind.endswith(("+xml", "/xml")) and not kind.startswith("text/")


def _person(person: Element, _spot: Spot) -> Iterator[Found]:
    if person.find(name("atom:name")) is None:
        yield "has no name", "MissingElement"


# --- texts ------------------------------------------------------------------------------------------------


def _text(element: Element, spot: Spot) -> Iterator[Found]:
    """A text construct (RFC 4287 3.1)."""
    kind = element.get("type", "text")
    if kind in {"text", "html", "xhtml"}:
        yield from _typed(element, kind, spot)
    else:
        yield f"is of type {kind!r}", "InvalidTextType"


def _content(element: Element, spot: Spot) -> Iterator[Found]:
    kind = element.get("type", "text")
    if "src" in element.attrib:
        yield from uri_reference(element.get("src"), spot)
        if "type" not in element.attrib:
            yield "doesn't say what is at its src", "MissingTypeAttr"
        if len(element) or "".join(element.itertext()).strip():
            yield "has text besides its src", "RFC 4287 4.1.3.2"
    elif kind in {"text", "html", "xhtml"}:
        yield from _typed(element, kind, spot)
    else:
        yield from media_type(kind, spot)
        if kind.startswith("multipart/"):
            yield f"is of type {kind!r}", "InvalidMIMEType"


def _typed(element: Element, kind: str, spot: Spot) -> Iterator[Found]:
    text = "".join(element.itertext()).strip()
    if not text and not len(element):
        yield "is empty", "NotBlank"
    if kind == "xhtml":
        yield from _xhtml(element, spot)
        return
    for child in element.iterchildren("*"):
        yield f"has <{prefixed(child.tag)}> in it", "UndefinedElement"
    yield from html(text, spot) if kind == "html" else undeclared(text, spot)


def _xhtml(element: Element, spot: Spot) -> Iterator[Found]:
    children = element.findall("*")
    if [child.tag for child in children] != [f"{{{XHTML}}}div"] or (element.text or "").strip():
        yield "is XHTML, and not one <div>", "MissingXhtmlDiv"
        return
    for inner in children[0].iter("*"):
        if etree.QName(inner).namespace != XHTML:
            yield f"has <{inner.tag}> in it", "NotHtml"
            return
    tags = ("".join(f' {key}="{escape(value)}"' for key, value in e.attrib.items() if key[0] != "{")
            for e in children[0].iter("*"))
    names = (etree.QName(e).localname for e in children[0].iter("*"))
    bare = "".join(f"<{tag}{attributes}>" for tag, attributes in zip(names, tags, strict=True))
    yield from (found for found in html(bare, spot) if found[1] != "NotHtml")


# --- deleted entries --------------------------------------------------------------------------------------


def _tombstones(feed: Element, _spot: Spot) -> Iterator[Found]:
    """RFC 6721 section 3: one tombstone for a deletion, and none for what stands beside it."""
    deleted = [(e.get("ref", ""), e.get("when", "")) for e in feed.findall(name("at:deleted-entry"))]
    yield from ((f"says {n} times that {ref} was deleted {when}", "RFC 6721 3")
                for (ref, when), n in Counter(deleted).items() if n > 1)
    alive = {one(e, "atom:id"): one(e, "atom:updated") for e in feed.findall(name("atom:entry"))}
    for ref, when in deleted:
        if ref in alive and not _later(alive[ref], when):
            yield f"has {ref}, and says that it was deleted since", "RFC 6721 3 SHOULD"


def _later(one_date: str, other: str) -> bool:
    try:
        return datetime.fromisoformat(one_date) > datetime.fromisoformat(other)
    except (ValueError, TypeError):
        return True  # not dates, which is a finding of its own


# --- tables -----------------------------------------------------------------------------------------------

_TEXT = Rule(anything, attributes={"type": anything}, open=True, also=(_text,))
_PERSON = Rule(many=True, also=(_person,), children=table(
    atom__name=Rule(filled(person_name)), atom__email=Rule(email), atom__uri=Rule(filled(iri_reference), exact=True)))
_DATE = Rule(rfc3339_date, exact=True)
_ID = Rule(filled(identifier, "InvalidFullLink"), exact=True)
_SHARED = table(
    atom__author=_PERSON, atom__contributor=_PERSON, atom__title=_TEXT, atom__rights=_TEXT, atom__id=_ID,
    atom__updated=_DATE, atom__link=LINK,
    atom__category=Rule(many=True, needs=("term",), attributes={
        "term": filled(anything), "scheme": full_iri, "label": plain}),
)
_ABOUT_FEED = _SHARED | table(
    atom__subtitle=_TEXT, atom__icon=Rule(filled(uri_reference), exact=True),
    atom__logo=Rule(filled(uri_reference), exact=True),
    atom__generator=Rule(filled(plain), attributes={"uri": uri_reference, "version": anything}),
)
_ENTRY = Rule(
    many=True, also=(_needs, _entry, alternates),
    children={
        **DUBLIN_CORE, **MEDIA_ITEM, **APPLE_ITEM, **PODCAST_ITEM, **_SHARED,
        **table(
            atom__published=_DATE, atom__summary=_TEXT,
            atom__content=Rule(anything, attributes={"type": anything, "src": anything}, open=True, also=(_content,)),
            atom__source=Rule(also=(partial(_needs, rule="MissingSourceElement"), alternates),
                              children={**_ABOUT_FEED, **DUBLIN_CORE, **MEDIA, **HISTORY}),
        ),
    },
)
_DELETED = Rule(
    many=True, needs=("ref", "when"), attributes={"ref": filled(full_iri, "RFC 6721 3"), "when": rfc3339_date},
    children=table(at__by=replace(_PERSON, many=False), at__comment=_TEXT, atom__link=LINK,
                   atom__source=_ENTRY.children[f"{{{NAMESPACES['atom']}}}source"]),
)
_FEED = Rule(
    also=(_needs, _feed, _tombstones, self_link("MissingSelf"), alternates, history, apple_channel),
    children={
        **DUBLIN_CORE, **MEDIA, **APPLE_CHANNEL, **PODCAST_CHANNEL, **HISTORY, **_ABOUT_FEED,
        name("atom:entry"): _ENTRY, name("at:deleted-entry"): _DELETED,
    },
)
