"""The modules of RSS that Atom may use too: Dublin Core, Media RSS (https://www.rssboard.org/media-rss), Apple's for
podcasts (https://help.apple.com/itc/podcasts_connect/#/itcb54353390), the podcast namespace (https://podcasting2.org)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .rules_html import html
from .rules_tree import Element, Rule, free, name, one, prefixed, table
from .rules_values import (
    Check,
    Found,
    Spot,
    anything,
    at_most,
    count,
    decimal,
    email,
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
    undeclared,
    w3c_date,
)

DUBLIN_CORE = table(
    dc__title=free(), dc__description=free(), dc__type=free(), dc__format=free(), dc__source=free(),
    dc__creator=free(many=True), dc__subject=free(many=True), dc__publisher=free(many=True),
    dc__contributor=free(many=True), dc__identifier=free(many=True), dc__relation=free(many=True),
    dc__coverage=free(many=True),
    dc__date=Rule(w3c_date), dc__language=Rule(language), dc__rights=Rule(plain),
    dcterms__modified=Rule(w3c_date), dcterms__created=Rule(w3c_date), dcterms__issued=Rule(w3c_date),
    creativeCommons__license=Rule(full_uri, many=True),
)

# --- Media RSS --------------------------------------------------------------------------------------------

_TIME = matches("InvalidNPTTime", r"now|\d+(\.\d+)?|\d+:\d\d:\d\d(\.\d+)?")
_SIZES = {"width": positive, "height": positive}
_ROLES = ("actor", "anchor person", "animator", "announcer", "artist", "author", "camera operator", "composer",
          "conductor", "consultant", "correspondent", "dancer", "director", "editor", "executive producer", "expert",
          "graphic designer", "illustrator", "interviewed guest", "interviewer", "lyricist", "musician", "news reader",
          "orchestra", "participant", "performer", "photographer", "producer", "production company",
          "publishing company", "reporter", "singer", "sound designer", "translation", "witness")
_RATINGS = {
    "urn:simple": ("adult", "nonadult"),
    "urn:mpaa": ("g", "m", "nc-17", "pg", "pg-13", "r", "x"),
    "urn:v-chip": ("14+", "18+", "c", "c8", "g", "pg", "tv-14", "tv-g", "tv-ma", "tv-pg", "tv-y", "tv-y7", "tv-y7-fv"),
}


def _media_text(element: Element, spot: Spot) -> Iterator[Found]:
    text = "".join(element.itertext()).strip()
    yield from html(text, spot) if element.get("type") == "html" else undeclared(text, spot)


def _credit(element: Element, spot: Spot) -> Iterator[Found]:
    role, scheme = element.get("role", ""), element.get("scheme", "urn:ebu")
    if role and (role not in _ROLES if scheme == "urn:ebu" else role != role.lower()):
        yield f"{role!r} is no role in {scheme}", "InvalidCreditRole"
    if scheme != "urn:ebu":
        yield from full_uri(scheme, spot)


def _rating(element: Element, spot: Spot) -> Iterator[Found]:
    scheme = element.get("scheme", "urn:simple")
    if scheme in _RATINGS:
        yield from one_of("InvalidMediaRating", *_RATINGS[scheme])((element.text or "").strip(), spot)
    else:
        yield from full_uri(scheme, spot)


def _alternatives(element: Element, _spot: Spot) -> Iterator[Found]:
    if len(element.findall(name("media:content"))) < 2:
        yield "has nothing to choose from", "MediaGroupWithoutAlternatives"


def _media_reference(element: Element, _spot: Spot) -> Iterator[Found]:
    if "url" not in element.attrib and element.find(name("media:player")) is None:
        yield "has neither url nor a player", "Media RSS, media:content"


def one_default(item: Element, _spot: Spot) -> Iterator[Found]:
    for group in [item, *item.findall(name("media:group"))]:
        if len([c for c in group.findall(name("media:content")) if c.get("isDefault") == "true"]) > 1:
            yield "has more than one default", "Media RSS, media:content"


_MEDIA_TEXT = Rule(anything, attributes={"type": one_of("InvalidMediaTextType", "plain", "html")}, also=(_media_text,))
MEDIA = table(
    media__title=_MEDIA_TEXT, media__description=_MEDIA_TEXT, media__keywords=free(),
    media__thumbnail=Rule(many=True, needs=("url",), attributes={"url": full_uri, "time": _TIME, **_SIZES}),
    media__player=Rule(needs=("url",), attributes={"url": full_uri, **_SIZES}),
    media__credit=Rule(anything, many=True, also=(_credit,), attributes={"role": anything, "scheme": anything}),
    media__rating=Rule(anything, many=True, also=(_rating,), attributes={"scheme": anything}),
    media__copyright=Rule(anything, attributes={"url": full_uri}),
    media__category=Rule(anything, many=True, attributes={"label": plain, "scheme": full_uri}),
    media__hash=Rule(matches("InvalidMediaHash", "[0-9A-Za-z]{32}|[0-9A-Za-z]{40}"), many=True,
                     attributes={"algo": one_of("InvalidMediaHash", "md5", "sha-1")}),
)
_CONTENT = Rule(
    many=True, also=(_media_reference,), children={**MEDIA, **DUBLIN_CORE},
    attributes={
        "url": full_uri, "fileSize": positive, "type": media_type, "bitrate": decimal, "framerate": decimal,
        "samplingrate": decimal, "channels": count, "duration": decimal, "lang": language, **_SIZES,
        "medium": one_of("InvalidMediaMedium", "image", "audio", "video", "document", "executable"),
        "isDefault": one_of("InvalidTrueFalse", "true", "false"),
        "expression": one_of("InvalidMediaExpression", "sample", "full", "nonstop"),
    },
)
MEDIA_ITEM = {
    **MEDIA, name("media:content"): _CONTENT,
    name("media:group"): Rule(many=True, also=(_alternatives,),
                              children={**MEDIA, name("media:content"): replace(_CONTENT, many=True)}),
}

# --- Apple ------------------------------------------------------------------------------------------------

_CATEGORIES = {
    "Arts": "Books|Design|Fashion & Beauty|Food|Performing Arts|Visual Arts",
    "Business": "Careers|Entrepreneurship|Investing|Management|Marketing|Non-Profit",
    "Comedy": "Comedy Interviews|Improv|Stand-Up",
    "Education": "Courses|How To|Language Learning|Self-Improvement",
    "Fiction": "Comedy Fiction|Drama|Science Fiction",
    "Government": "", "History": "", "Technology": "", "True Crime": "",
    "Health & Fitness": "Alternative Health|Fitness|Medicine|Mental Health|Nutrition|Sexuality",
    "Kids & Family": "Education for Kids|Parenting|Pets & Animals|Stories for Kids",
    "Leisure": "Animation & Manga|Automotive|Aviation|Crafts|Games|Hobbies|Home & Garden|Video Games",
    "Music": "Music Commentary|Music History|Music Interviews",
    "News": "Business News|Daily News|Entertainment News|News Commentary|Politics|Sports News|Tech News",
    "Religion & Spirituality": "Buddhism|Christianity|Hinduism|Islam|Judaism|Spirituality",
    "Science": "Astronomy|Chemistry|Earth Sciences|Life Sciences|Mathematics|Natural Sciences|Nature|Physics|"
               "Social Sciences",
    "Society & Culture": "Documentary|Personal Journals|Philosophy|Places & Travel|Relationships",
    "Sports": "Baseball|Basketball|Cricket|Fantasy Sports|Football|Golf|Hockey|Rugby|Running|Soccer|Swimming|Tennis|"
              "Volleyball|Wilderness|Wrestling",
    "TV & Film": "After Shows|Film History|Film Interviews|Film Reviews|TV Reviews",
}
_FORMATS = {"m4a", "mp3", "mov", "mp4", "m4v", "pdf", "epub"}


def _category(element: Element, _spot: Spot) -> Iterator[Found]:
    above = element.getparent()
    inside = above.tag == element.tag
    names = _CATEGORIES.get(above.get("text", ""), "").split("|") if inside else list(_CATEGORIES)
    if element.get("text") not in names:
        yield f"{element.get('text')!r} is none of Apple's", "InvalidItunesCategory"


def _owner(element: Element, _spot: Spot) -> Iterator[Found]:
    if not one(element, "itunes:email"):
        yield "has no itunes:email", "MissingElement"


def _keywords(value: str, spot: Spot) -> Iterator[Found]:
    yield from at_most(255)(value, spot)
    if " " in value and "," not in value:
        yield "are not parted by commas", "InvalidKeywords"


_APPLE = table(
    itunes__author=Rule(at_most(255)), itunes__subtitle=Rule(at_most(255)), itunes__summary=Rule(at_most(4000)),
    itunes__block=Rule(one_of("InvalidYesNoClean", "yes", "no", "clean", any_case=True)),
    itunes__explicit=Rule(one_of("InvalidTrueFalse", "true", "false", any_case=True)),
    itunes__keywords=Rule(_keywords), itunes__image=Rule(needs=("href",), attributes={"href": http_url}),
)
_SUBCATEGORY = Rule(many=True, needs=("text",), attributes={"text": anything}, also=(_category,))
APPLE_CHANNEL = _APPLE | table(
    itunes__category=replace(_SUBCATEGORY, children={name("itunes:category"): _SUBCATEGORY}),
    itunes__owner=Rule(also=(_owner,),
                       children=table(itunes__email=Rule(email), itunes__name=Rule(at_most(255)))),
    itunes__pubDate=Rule(rfc822_date), itunes__new_feed_url=Rule(full_uri),
    itunes__type=Rule(one_of("InvalidItunesChannelType", "episodic", "serial")),
)
APPLE_ITEM = _APPLE | table(
    itunes__title=free(), itunes__episode=Rule(positive), itunes__season=Rule(positive),
    itunes__duration=Rule(matches("InvalidDuration", r"\d+(:[0-5]\d(:[0-5]\d)?)?")),
    itunes__episodeType=Rule(one_of("InvalidItunesEpisodeType", "full", "trailer", "bonus")),
)


def apple_channel(channel: Element, _spot: Spot) -> Iterator[Found]:
    """One element of Apple's, on the channel or on an item, makes a podcast of a feed, and a podcast needs more."""
    items = [*channel.findall("item"), *channel.findall(name("atom:entry"))]
    if not any(prefixed(child.tag).startswith("itunes:") for one_of_us in [channel, *items]
               for child in one_of_us.iterchildren("*")):
        return
    if not one(channel, "language") and not channel.xpath("ancestor-or-self::*/@xml:lang"):
        yield "is a podcast without a language", "MissingItunesElement"
    for element in ("itunes:category", "itunes:explicit", "itunes:owner"):
        if channel.find(name(element)) is None:
            yield (f"is a podcast without {element}",
                   "MissingItunesEmail" if element == "itunes:owner" else "MissingItunesElement")


def apple_formats(item: Element, _spot: Spot) -> Iterator[Found]:
    """The validator looks at the end of the whole address, so that `.mp3?x=1` is no mp3; and only where the item's are
    the first elements of Apple's in the document, which is no more than a slip of it."""
    if any(prefixed(child.tag).startswith("itunes:") for child in item.iterchildren("*")):
        for enclosure in item.findall("enclosure"):
            extension = enclosure.get("url", "").rpartition(".")[2]
            if extension not in _FORMATS:
                yield f"Apple plays no {extension[:20]!r}", "UnsupportedItunesFormat"


# --- podcast namespace ------------------------------------------------------------------------------------

_P = "podcast namespace"


def _named(pattern: str) -> Check:
    return matches(_P, pattern)


_HTTPS = filled(full_uri, _P)
_IMAGE = Rule(many=True, needs=("href",), attributes={
    "href": _HTTPS, "alt": anything, "aspect-ratio": anything, "width": positive, "height": positive,
    "type": media_type, "purpose": anything})
_PODCAST = table(
    podcast__person=Rule(filled(at_most(128)), many=True, attributes={
        "role": anything, "group": anything, "img": _HTTPS, "href": _HTTPS}),
    podcast__license=Rule(filled(at_most(128)), attributes={"url": _HTTPS}),
    podcast__location=Rule(filled(at_most(128)), many=True, attributes={
        "geo": anything, "osm": anything, "rel": anything, "country": anything}),
    podcast__txt=Rule(at_most(4000), many=True, attributes={"purpose": at_most(128)}),
    podcast__image=_IMAGE,
)
PODCAST_CHANNEL = _PODCAST | table(
    podcast__guid=Rule(_named("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")),
    podcast__locked=Rule(_named("yes|no"), attributes={"owner": email}),
    podcast__funding=Rule(at_most(128), many=True, needs=("url",), attributes={"url": _HTTPS}),
    podcast__medium=Rule(_named("(podcast|music|video|film|audiobook|newsletter|blog|publisher|course|mixed)L?")),
    podcast__updateFrequency=Rule(at_most(128), attributes={"complete": anything, "dtstart": anything,
                                                            "rrule": anything}),
)
PODCAST_ITEM = _PODCAST | table(
    podcast__transcript=Rule(many=True, needs=("url", "type"), attributes={
        "url": _HTTPS, "type": media_type, "language": language, "rel": _named("captions")}),
    podcast__chapters=Rule(needs=("url", "type"), attributes={"url": _HTTPS, "type": media_type}),
    podcast__soundbite=Rule(at_most(128), many=True, needs=("startTime", "duration"), attributes={
        "startTime": decimal, "duration": decimal}),
    podcast__season=Rule(_named(r"\d+"), attributes={"name": at_most(128)}),
    podcast__episode=Rule(_named(r"\d+(\.\d+)?"), attributes={"display": at_most(32)}),
    podcast__alternateEnclosure=Rule(
        many=True, needs=("type",), attributes={
            "type": media_type, "length": count, "bitrate": decimal, "height": positive, "lang": language,
            "title": at_most(32), "rel": at_most(32), "codecs": anything, "default": _named("true|false")},
        children=table(podcast__source=Rule(many=True, needs=("uri",),
                                            attributes={"uri": full_uri, "contentType": media_type}),
                       podcast__integrity=Rule(needs=("type", "value"), attributes={
                           "type": _named("sri|pgp-signature"), "value": anything}))),
)
