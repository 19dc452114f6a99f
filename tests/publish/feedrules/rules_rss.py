"""RSS 2.0 (https://www.rssboard.org/rss-specification, https://www.rssboard.org/rss-profile) with its modules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from .rules_extensions import (
    APPLE_CHANNEL,
    APPLE_ITEM,
    DUBLIN_CORE,
    MEDIA,
    MEDIA_ITEM,
    PODCAST_CHANNEL,
    PODCAST_ITEM,
    apple_channel,
    apple_formats,
    one_default,
)
from .rules_html import absolute_html
from .rules_links import HISTORY, LINK, history, self_link
from .rules_tree import TOLERATED, Element, Rule, document_problems, name, one, prefixed, table, text_of
from .rules_values import (
    Found,
    Spot,
    anything,
    count,
    email_with_name,
    filled,
    full_uri,
    http_url,
    language,
    matches,
    media_type,
    one_of,
    plain,
    positive,
    rfc822_date,
    rfc3339_date,
    uri_reference,
)

_IMAGE_FORMATS = {"jpg", "jpeg", "gif", "png"}
_METADATA = set("image textInput link title description atom:link category cloud ttl docs generator pubDate "
                "managingEditor webMaster language copyright lastBuildDate skipHours skipDays".split())
# What a module says, RSS has said already.
_SAID_TWICE = {
    "channel": [("managingEditor", "dc:creator"), ("category", "dc:subject"), ("pubDate", "dc:date"),
                ("webMaster", "dc:publisher"), ("language", "dc:language"), ("copyright", "dc:rights"),
                ("lastBuildDate", "dcterms:modified")],
    "item": [("guid", "atom:id"), ("author", "dc:creator"), ("category", "dc:subject"), ("pubDate", "dc:date"),
             ("pubDate", "atom:published"), ("source", "dc:source")],
}


def rss_problems(data: bytes, *, tolerate: frozenset[str] = TOLERATED) -> list[str]:
    """What the W3C Feed Validator and the specifications have against an RSS document. Empty: nothing."""
    return document_problems(data, "rss", "rss", _RSS, tolerate)


# --- elements with rules of their own ---------------------------------------------------------------------


def _channel(channel: Element, _spot: Spot) -> Iterator[Found]:
    for element, rule in (("title", "MissingTitle"), ("link", "MissingLink"), ("description", "MissingDescription")):
        if channel.find(element) is None:
            yield f"has no {element}", rule
    items = channel.findall("item")
    after = {prefixed(child.tag) for child in (items[0].itersiblings("*") if items else ())} & _METADATA
    if after:
        yield f"has {', '.join(sorted(after))} after its first item", "MisplacedItem"
    guids = Counter(text_of(guid) for guid in channel.iterfind("item/guid"))
    yield from ((f"has {n} items with guid {guid!r}", "DuplicateValue") for guid, n in guids.items() if guid and n > 1)


def _item(item: Element, _spot: Spot) -> Iterator[Found]:
    if item.find("title") is None and item.find("description") is None:
        yield "has neither title nor description", "ItemMustContainTitleOrDescription"
    if item.find("guid") is None:
        yield "has no guid", "MissingGuid"
    encoded = item.find(name("content:encoded"))
    if encoded is not None and not [e for e in encoded.itersiblings(preceding=True) if e.tag == "description"]:
        yield "has its content before its description", "NeedDescriptionBeforeContent"


def _semantics(element: Element, _spot: Spot) -> Iterator[Found]:
    present = {prefixed(child.tag) for child in element.iterchildren("*")}
    for core, extension in _SAID_TWICE[element.tag]:
        if {core, extension} <= present:
            yield (f"has {core} and {extension}",
                   "DuplicateSemantics" if element.tag == "channel" else "DuplicateItemSemantics")


def _guid(guid: Element, spot: Spot) -> Iterator[Found]:
    text, permanent = text_of(guid), guid.get("isPermaLink", "true")
    if permanent == "true":
        if text.lower().startswith(("tag:", "urn:uuid:")):
            yield f"{text!r} is no page", "InvalidPermalink"
        elif [*uri_reference(text, spot), *full_uri(text, spot)]:
            yield f"{text!r} is no address, which it is unless it says isPermaLink=false", "InvalidHttpGUID"
    elif text.isdigit() and len(text) < 9:
        yield f"{text!r} is likely to be someone else's too", "NotSufficientlyUnique"


def _image(image: Element, _spot: Spot) -> Iterator[Found]:
    for element, rule in (("title", "MissingTitle"), ("url", "MissingElement"), ("link", "MissingLink")):
        if image.find(element) is None:
            yield f"has no {element}", rule
    channel = image.getparent()
    if one(image, "link") != one(channel, "link"):
        yield "leads elsewhere than the channel", "ImageLinkDoesntMatch"
    if one(image, "title") != one(channel, "title"):
        yield "is called otherwise than the channel", "ImageTitleDoesntMatch"
    extension = one(image, "url").rpartition(".")[2].lower()
    if extension.isalnum() and extension not in _IMAGE_FORMATS:
        yield f"is a {extension}", "ImageUrlFormat"


def _size(largest: int, rule: str) -> Rule:
    def check(value: str, _spot: Spot) -> Iterator[Found]:
        if not value.isdecimal() or not 0 < int(value) <= largest:
            yield f"{value!r} is no number of pixels up to {largest}", rule

    return Rule(check)


def _atom_text(element: Element, _spot: Spot) -> Iterator[Found]:
    yield f"{prefixed(element.tag)} says what RSS says itself", "DuplicateDescriptionSemantics"


def _root(rss: Element, _spot: Spot) -> Iterator[Found]:
    if rss.find("channel") is None:
        yield "has no channel", "MissingElement"


# --- tables -----------------------------------------------------------------------------------------------

_ATOM_TEXT = Rule(anything, attributes={"type": anything}, also=(_atom_text,))
_ITEM = Rule(
    many=True, also=(_item, _semantics, apple_formats, one_default),
    children={
        **DUBLIN_CORE, **MEDIA_ITEM, **APPLE_ITEM, **PODCAST_ITEM,
        **table(
            title=Rule(filled(plain)), link=Rule(full_uri), description=Rule(absolute_html), comments=Rule(full_uri),
            content__encoded=Rule(absolute_html), pubDate=Rule(rfc822_date), author=Rule(email_with_name),
            category=Rule(filled(plain), many=True, attributes={"domain": anything}),
            guid=Rule(filled(anything), also=(_guid,),
                      attributes={"isPermaLink": one_of("InvalidBooleanAttribute", "true", "false")}),
            enclosure=Rule(again="DuplicateEnclosure", needs=("url", "length", "type"),
                           attributes={"url": http_url, "length": count, "type": media_type}),
            source=Rule(plain, needs=("url",), attributes={"url": full_uri}),
            atom__link=LINK, atom__updated=Rule(rfc3339_date), atom__published=Rule(rfc3339_date),
            atom__id=Rule(full_uri), atom__title=_ATOM_TEXT, atom__content=_ATOM_TEXT,
            atom__summary=Rule(anything, attributes={"type": anything}),
            slash__comments=Rule(count), wfw__commentRss=Rule(full_uri),
        ),
    },
)
_CHANNEL = Rule(
    also=(_channel, _semantics, self_link("MissingAtomSelfLink"), history, apple_channel),
    children={
        **DUBLIN_CORE, **MEDIA, **APPLE_CHANNEL, **PODCAST_CHANNEL, **HISTORY,
        **table(
            title=Rule(filled(plain)), link=Rule(full_uri), description=Rule(plain), language=Rule(language),
            copyright=Rule(plain), managingEditor=Rule(email_with_name), webMaster=Rule(email_with_name),
            pubDate=Rule(rfc822_date), lastBuildDate=Rule(rfc822_date), generator=Rule(anything),
            category=Rule(plain, many=True, attributes={"domain": anything}),
            docs=Rule(full_uri), ttl=Rule(positive), item=_ITEM,
            image=Rule(also=(_image,), children=table(
                title=Rule(filled(plain)), link=Rule(full_uri), url=Rule(full_uri), description=Rule(plain),
                width=_size(144, "InvalidWidth"), height=_size(400, "InvalidHeight"))),
            atom__link=LINK, atom__updated=Rule(rfc3339_date), atom__id=Rule(full_uri), atom__icon=Rule(uri_reference),
            atom__logo=Rule(uri_reference), atom__title=_ATOM_TEXT, atom__subtitle=_ATOM_TEXT, atom__rights=_ATOM_TEXT,
            sy__updatePeriod=Rule(one_of("InvalidUpdatePeriod", "hourly", "daily", "weekly", "monthly", "yearly")),
            sy__updateFrequency=Rule(positive),
        ),
    },
)
_RSS = Rule(children={"channel": _CHANNEL}, also=(_root,), needs=("version",),
            attributes={"version": matches("InvalidRSSVersion", r"2\.0")})
