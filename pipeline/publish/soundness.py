"""What a source says in elements of Media RSS, iTunes and Podcasting 2.0 -> what of it is what these are for. Pure.

Others' mistakes are not repeated: a validator would hold them against our feeds, and readers stumble over them. An
attribute that is none goes by itself; an element without what it needs goes whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.model.articles import Extra

MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+")

Pattern = re.Pattern[str]


@dataclass(frozen=True, slots=True)
class _Rule:
    """Of one element. `text` None: any; attributes without a pattern may be anything."""

    text: Pattern | None = None
    needs: tuple[str, ...] = ()
    attributes: dict[str, Pattern] = field(default_factory=dict)
    many: bool = False


def sound(extras: Iterable[Extra]) -> tuple[Extra, ...]:
    """Those that are in order, mended where they can be."""
    found: list[Extra] = []
    seen: set[str] = set()
    for extra in extras:
        mended = _mended(extra)
        rule = _RULES.get(extra.name, _ANY)
        if mended is None or (extra.name in seen and not rule.many):
            continue
        if _DEFAULT in mended.attributes:  # of several files one is the default
            if _DEFAULT[0] in seen:
                mended = Extra(mended.name, mended.text, tuple(pair for pair in mended.attributes if pair != _DEFAULT))
            seen.add(_DEFAULT[0])
        seen.add(extra.name)
        found.append(mended)
    return tuple(found)


def _mended(extra: Extra) -> Extra | None:
    rule = _RULES.get(extra.name, _ANY)
    text = _EXPLICIT.get(extra.text, extra.text) if extra.name == "itunes:explicit" else extra.text
    if rule.text is not None and not rule.text.fullmatch(text):
        return None
    pairs = tuple((key, value) for key, value in extra.attributes
                  if key not in rule.attributes or rule.attributes[key].fullmatch(value))
    known = dict(pairs)
    if not set(rule.needs) <= known.keys():
        return None
    if extra.name == "media:rating" and not _RATINGS.get(known.get("scheme", "urn:simple"), _FILLED).fullmatch(text):
        return None
    return extra if text == extra.text and pairs == extra.attributes else Extra(extra.name, text, pairs)


def _of(*words: str) -> Pattern:
    return re.compile("|".join(map(re.escape, words)))


_DEFAULT = ("isDefault", "true")
_NUMBER = re.compile(r"[1-9]\d{0,8}", re.ASCII)
_DECIMAL = re.compile(r"\d{1,9}(?:\.\d{1,9})?", re.ASCII)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_URN = re.compile(r"urn:[A-Za-z0-9][A-Za-z0-9-]+|https?://[!-~]+")
_TIME = re.compile(r"now|\d+(?:\.\d+)?|\d+:\d\d:\d\d(?:\.\d+)?", re.ASCII)
_FILLED = re.compile(r"(?s:.{1,128})")
_EXPLICIT = {"yes": "true", "no": "false", "clean": "false"}   # as it was said before 2019
_ROLES = _of(  # EBU's, as Media RSS names them
    "actor", "anchor person", "animator", "announcer", "artist", "author", "camera operator", "composer", "conductor",
    "consultant", "correspondent", "dancer", "director", "editor", "executive producer", "expert", "graphic designer",
    "illustrator", "interviewed guest", "interviewer", "lyricist", "musician", "news reader", "orchestra",
    "participant", "performer", "photographer", "producer", "production company", "publishing company", "reporter",
    "singer", "sound designer", "translation", "witness")
_RATINGS = {
    "urn:simple": _of("adult", "nonadult"),
    "urn:mpaa": _of("g", "m", "nc-17", "pg", "pg-13", "r", "x"),
    "urn:v-chip": _of("14+", "18+", "c", "c8", "g", "pg", "tv-14", "tv-g", "tv-ma", "tv-pg", "tv-y", "tv-y7",
                      "tv-y7-fv"),
}
_SIZE = {"width": _NUMBER, "height": _NUMBER}
_TYPED = _Rule(needs=("url", "type"), attributes={"type": MEDIA_TYPE, "language": _LANGUAGE, "rel": _of("captions")})

_ANY = _Rule(many=True)
_RULES = {
    "media:content": _Rule(needs=("url",), many=True, attributes={
        **_SIZE, "fileSize": _NUMBER, "bitrate": _DECIMAL, "duration": _DECIMAL, "lang": _LANGUAGE, "type": MEDIA_TYPE,
        "medium": _of("image", "audio", "video", "document", "executable"), "isDefault": _of("true", "false"),
        "expression": _of("sample", "full", "nonstop")}),
    "media:thumbnail": _Rule(needs=("url",), many=True, attributes={**_SIZE, "time": _TIME}),
    "media:player": _Rule(needs=("url",), attributes=_SIZE),
    "media:title": _Rule(),
    "media:description": _Rule(),
    "media:rating": _Rule(many=True, attributes={"scheme": _URN}),
    "media:credit": _Rule(text=_FILLED, many=True, attributes={"role": _ROLES, "scheme": _of("urn:ebu")}),
    "itunes:title": _Rule(),
    "itunes:subtitle": _Rule(text=re.compile(r"(?s:.{1,255})")),
    "itunes:author": _Rule(text=re.compile(r"(?s:.{1,255})")),
    "itunes:duration": _Rule(text=re.compile(r"\d{1,6}(?::[0-5]\d(?::[0-5]\d)?)?", re.ASCII)),
    "itunes:explicit": _Rule(text=_of("true", "false")),
    "itunes:episodeType": _Rule(text=_of("full", "trailer", "bonus")),
    "itunes:episode": _Rule(text=_NUMBER),
    "itunes:season": _Rule(text=_NUMBER),
    "itunes:image": _Rule(needs=("href",)),
    "podcast:transcript": _Rule(_TYPED.text, _TYPED.needs, _TYPED.attributes, many=True),
    "podcast:chapters": _TYPED,
    "podcast:person": _Rule(text=_FILLED, many=True),
    "podcast:location": _Rule(text=_FILLED, many=True),
    "podcast:license": _Rule(text=_FILLED),
    "podcast:soundbite": _Rule(needs=("startTime", "duration"), many=True,
                               attributes={"startTime": _DECIMAL, "duration": _DECIMAL}),
    "podcast:season": _Rule(text=re.compile(r"\d{1,9}", re.ASCII), attributes={"name": _FILLED}),
    "podcast:episode": _Rule(text=_DECIMAL, attributes={"display": re.compile(r"(?s:.{1,32})")}),
}
