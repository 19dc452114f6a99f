"""Links as Atom has them (RFC 4287 4.2.7), which RSS borrows, with paging and archives (RFC 5005), licences (RFC 4946)
and hubs (WebSub)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from urllib.parse import urljoin

from .rules_tree import NAMESPACES, Element, Rule, Whole, anything, name
from .rules_values import (
    Found,
    Spot,
    count,
    filled,
    full_uri,
    host_of,
    iri_reference,
    language,
    media_type,
    normal_form,
    plain,
)

_RELATIONS = set(  # the validator's list. `canonical` is in IANA's registry (RFC 6596), and not here
    "alternate current describedby edit edit-media enclosure first hub last license next next-archive payment "
    "prev-archive previous related replies search self service up via".split())
_PAGES = {"current", "first", "last", "next", "next-archive", "prev-archive", "previous"}  # RFC 5005
_FEEDS = {"application/atom+xml", "application/rss+xml", "application/rdf+xml"}


def _relation(value: str, spot: Spot) -> Iterator[Found]:
    short = value.removeprefix("http://www.iana.org/assignments/relation/")
    if not value:
        yield "is empty", "AttrNotBlank"
    elif short not in _RELATIONS | spot.tolerate and any(full_uri(short, spot)):
        yield f"{value!r} is no relation the validator knows", "UnregisteredAtomLinkRel"


def _link(link: Element, spot: Spot) -> Iterator[Found]:
    relation = link.get("rel", "alternate")
    if "href" not in link.attrib:
        yield "has no href", "MissingHref"
    if "".join(link.itertext()).strip():
        yield "has text in it", "AtomLinkNotEmpty"
    if relation in _PAGES and link.getparent().tag == name("atom:entry"):
        yield f"{relation} is of feeds, not of entries", "FeedHistoryRelInEntry"
    if relation == "self" and link.getparent().tag in {"channel", name("atom:feed")}:
        kind = link.get("type", "").partition(";")[0]
        if kind and kind not in _FEEDS:
            yield f"leads to {kind}", "SelfNotAtom"
        if not host_of(urljoin(spot.base, link.get("href", ""))):
            yield f"{link.get('href')!r} is relative", "RelativeSelf"
    if relation == "hub" and any(full_uri(link.get("href", ""), spot)):
        yield f"{link.get('href')!r} is no full address", "WebSub 4"
    if relation == "license" and any(iri_reference(link.get("href", ""), spot)):
        yield f"{link.get('href')!r} is no address", "RFC 4946 2"
    yield from _same_document(link, spot)


def _same_document(link: Element, spot: Spot) -> Iterator[Found]:
    """Where xml:base is the address that a link leads to, a reader takes the link for one to the feed itself."""
    own = [other.get("href", "") for other in link.getroottree().iter(name("atom:link")) if other.get("rel") == "self"]
    if spot.base and "href" in link.attrib and link.get("rel") != "self":
        base = normal_form(spot.base).partition("#")[0]
        if normal_form(urljoin(base, link.get("href", ""))).partition("#")[0] == base and base not in own:
            yield f"leads to xml:base {spot.base}", "SameDocumentReference"


LINK = Rule(
    anything, many=True, open=True, also=(_link,),
    attributes={
        "href": iri_reference, "rel": _relation, "type": media_type, "hreflang": language,
        "title": filled(plain, "AttrNotBlank"), "length": count,
    },
)


def self_link(missing: str) -> Whole:
    def check(feed: Element, _spot: Spot) -> Iterator[Found]:
        if not _with(feed, "self"):
            yield "has no link to itself", missing

    return check


def alternates(parent: Element, _spot: Spot) -> Iterator[Found]:
    """One page for each media type and language."""
    pages = Counter((link.get("type", ""), link.get("hreflang", "")) for link in _with(parent, "alternate"))
    yield from ((f"has {n} alternate links of type {kind!r} in language {lang!r}", "DuplicateAtomLink")
                for (kind, lang), n in pages.items() if n > 1)


def history(feed: Element, _spot: Spot) -> Iterator[Found]:
    """RFC 5005: complete, paged and archived feeds."""
    complete, archive = (feed.find(name(f"fh:{word}")) is not None for word in ("complete", "archive"))
    own = [link.get("href") for link in _with(feed, "self")]
    links = {relation: [link.get("href") for link in _with(feed, relation)] for relation in sorted(_PAGES)}
    for relation, found in links.items():
        if complete and found and relation != "current":
            yield f"is complete, and has a link {relation}", "FeedRelInCompleteFeed"
        if len(set(found)) > 1:
            yield f"has {len(found)} links {relation}", "RFC 5005 3 SHOULD"
    if complete and [href for href in links["current"] if href not in own]:
        yield "is complete, and another feed is current", "CurrentNotSelfInCompleteFeed"
    if archive and not complete:
        if not links["prev-archive"] and not links["next-archive"]:
            yield "is an archive that leads to none before or after it", "ArchiveIncomplete"
        if not links["current"]:
            yield "is an archive that doesn't say which feed is current", "MissingCurrentInArchive"
    for here, past in (("first", "previous"), ("last", "next")):
        if set(links[here]) & set(own) and links[past]:
            yield f"is the {here}, and has a link {past}", "LinkPastEnd"
    if set(links["prev-archive"] + links["next"]) & set(own):
        yield "leads to itself as another page", "RFC 5005 3"


def _with(parent: Element, relation: str) -> list[Element]:
    return [link for link in parent.findall(name("atom:link")) if link.get("rel", "alternate") == relation]


EMPTY = Rule()
HISTORY = {name("fh:archive"): EMPTY, name("fh:complete"): EMPTY}
LINKS = {f"{{{NAMESPACES['atom']}}}link": LINK}


