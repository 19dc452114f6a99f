"""JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/), as strict as the schema at https://json.schemastore.org/feed."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .rules_html import absolute_html
from .rules_tree import MAX_BYTES, say
from .rules_values import Check, Found, Spot, anything, filled, full_iri, language, media_type, rfc3339_date

VERSION = "https://jsonfeed.org/version/1.1"
_SPEC = "JSON Feed 1.1"
_SHOULD = f"{_SPEC} SHOULD"   # what the specification strongly recommends, or what it deprecates
_EXTENSION = re.compile("_[A-Za-z][^.]*")

Problems = Iterator[str]
Type = Callable[[Any, str], Problems]


def json_problems(data: bytes) -> list[str]:
    """What the specification has against a JSON Feed document. Empty: nothing."""
    if len(data) > MAX_BYTES:
        return list(say("document", [(f"{len(data)} bytes are more than {MAX_BYTES}", "ValidatorLimit")]))
    try:
        feed = json.loads(data.decode("utf-8"), object_pairs_hook=_Pairs, parse_constant=_not_json)
    except ValueError as error:  # what isn't UTF-8 is one too
        return list(say("document", [(str(error), "RFC 8259")]))
    return list(_FEED(feed, "feed"))


class _Pairs(dict[str, Any]):
    """An object that remembers which keys it had twice (RFC 8259 4: they SHOULD be unique)."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.twice = sorted(key for key, n in Counter(key for key, _ in pairs).items() if n > 1)


def _not_json(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


# --- types ------------------------------------------------------------------------------------------------


def _text(check: Check = anything) -> Type:
    def string(value: Any, where: str) -> Problems:
        if isinstance(value, str):
            yield from say(where, check(value, Spot(where, "json")))
        else:
            yield from say(where, [(f"{value!r} is no string", _SPEC)])

    return string


def _number(*, whole: bool) -> Type:
    def number(value: Any, where: str) -> Problems:
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or value < 0:
            yield from say(where, [(f"{value!r} is no {'whole ' if whole else ''}number from 0 on", _SPEC)])

    return number


def _boolean(value: Any, where: str) -> Problems:
    if not isinstance(value, bool):
        yield from say(where, [(f"{value!r} is neither true nor false", _SPEC)])


def _list(each: Type) -> Type:
    def many(value: Any, where: str) -> Problems:
        if isinstance(value, list):
            for number, entry in enumerate(value):
                yield from each(entry, f"{where}[{number}]")
        else:
            yield from say(where, [(f"{str(value)[:40]!r} is no list", _SPEC)])

    return many


def _object(keys: Mapping[str, Type], needs: tuple[str, ...] = (),
            also: Callable[[dict[str, Any]], Iterator[Found]] = lambda _: iter(())) -> Type:
    def thing(value: Any, where: str) -> Problems:
        if not isinstance(value, _Pairs):
            yield from say(where, [(f"{str(value)[:40]!r} is no object", _SPEC)])
            return
        yield from say(where, ((f"has {key} twice", "RFC 8259 4") for key in value.twice))
        yield from say(where, ((f"has no {key}", _SPEC) for key in needs if key not in value))
        for key, inner in value.items():
            if key in keys:
                yield from keys[key](inner, f"{where}.{key}")
            else:
                yield from say(f"{where}.{key}", _extension(key, inner))
        yield from say(where, also(value))

    return thing


def _extension(key: str, value: Any) -> Iterator[Found]:
    if not key.startswith("_"):
        yield "is no key of JSON Feed, and an extension's begins with an underscore", _SPEC
    elif not _EXTENSION.fullmatch(key):
        yield "is not an underscore, a letter and more without a dot", _SPEC
    elif not isinstance(value, dict):
        yield f"{str(value)[:40]!r} is no object, as an extension is", _SPEC
    else:
        yield from ((f"{inner!r} has a dot in it", _SPEC) for inner in value if "." in inner)


# --- rules about whole objects ----------------------------------------------------------------------------


def _feed(feed: dict[str, Any]) -> Iterator[Found]:
    yield from ((f"has no {key}", _SHOULD) for key in ("home_page_url", "feed_url") if key not in feed)
    if next(iter(feed), "version") != "version":
        yield "doesn't begin with its version", _SHOULD
    items = feed.get("items")
    ids = Counter(item.get("id") for item in items if isinstance(item, dict)) if isinstance(items, list) else {}
    yield from ((f"has {n} items with id {item_id!r}", _SPEC) for item_id, n in ids.items() if n > 1)
    if "next_url" in feed and feed["next_url"] == feed.get("feed_url"):
        yield "has itself as its next page", _SPEC
    yield from _deprecated(feed)


def _item(item: dict[str, Any]) -> Iterator[Found]:
    if "content_html" not in item and "content_text" not in item:
        yield "has neither content_html nor content_text", _SPEC
    yield from _deprecated(item)


def _deprecated(thing: dict[str, Any]) -> Iterator[Found]:
    if "author" in thing:
        yield "has author, which authors have taken the place of", _SHOULD


def _author(author: dict[str, Any]) -> Iterator[Found]:
    if not {"name", "url", "avatar"} & set(author):
        yield "has neither name nor url nor avatar", _SPEC


# --- tables -----------------------------------------------------------------------------------------------


def _version(value: str, _spot: Spot) -> Iterator[Found]:
    if value != VERSION:
        yield f"is {value!r}", _SPEC


_URL = _text(full_iri)
_FILLED = _text(filled(anything, _SPEC))
_AUTHORS = _list(_object({"name": _FILLED, "url": _URL, "avatar": _URL}, also=_author))
_AUTHOR = _object({"name": _FILLED, "url": _URL, "avatar": _URL}, also=_author)
_ATTACHMENT = _object(
    {"url": _URL, "mime_type": _text(filled(media_type, _SPEC)), "title": _text(),
     "size_in_bytes": _number(whole=True), "duration_in_seconds": _number(whole=False)},
    needs=("url", "mime_type"),
)
_ITEM = _object(
    {
        "id": _FILLED, "url": _URL, "external_url": _URL, "title": _text(), "content_html": _text(absolute_html),
        "content_text": _text(), "summary": _text(), "image": _URL, "banner_image": _URL,
        "date_published": _text(rfc3339_date), "date_modified": _text(rfc3339_date), "authors": _AUTHORS,
        "author": _AUTHOR, "tags": _list(_text()), "language": _text(language), "attachments": _list(_ATTACHMENT),
    },
    needs=("id",), also=_item,
)
_FEED = _object(
    {
        "version": _text(_version), "title": _FILLED, "home_page_url": _URL, "feed_url": _URL, "description": _text(),
        "user_comment": _text(), "next_url": _URL, "icon": _URL, "favicon": _URL, "authors": _AUTHORS,
        "author": _AUTHOR, "language": _text(language), "expired": _boolean,
        "hubs": _list(_object({"type": _FILLED, "url": _URL}, needs=("type", "url"))), "items": _list(_ITEM),
    },
    needs=("version", "title", "items"), also=_feed,
)
