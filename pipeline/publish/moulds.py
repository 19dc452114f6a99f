"""A document of a feed -> the bytes that `build` makes of it, several times faster.

Most entries of a feed have one shape: a title, an author, two topics, the whole text. For each shape `build` makes one
entry out of tokens instead of values. Cut at the tokens that is a mould, and an entry is the mould's pieces with its
values between them, escaped for their place. A property test holds both ways to the same bytes.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Self

from pipeline.model.articles import Enclosure, Extra
from pipeline.model.feeds import Document, Entry, FeedPage, Podcast, Volume
from pipeline.publish.build import Built, Told, build_told, rfc822
from pipeline.publish.elements import media_type
from pipeline.publish.wording import content_html, no_tags, summary_html

MOST_MOULDS = 512
"""Shapes that are kept; articles with many media elements have each their own."""


def cast(document: Document) -> Built:
    """Both formats of one document, as `build` makes them."""
    shell = build_told(document, ())
    publisher = _plain(document.page.site_title or document.page.title)
    rss: list[str] = []
    atom: list[str] = []
    for entry in document.entries:
        values = _values(entry, publisher)
        for_rss, for_atom = _moulds(_shape(entry, podcast=document.page.podcast is not None))
        for_rss.fill(values, rss)
        for_atom.fill(values, atom)
    return Built(_with_entries(shell.rss, _END_OF_CHANNEL, rss), _with_entries(shell.atom, _END_OF_FEED, atom))


@dataclass(frozen=True, slots=True)
class _Shape:
    """What decides which elements an entry has, and whatever in them is not text."""

    podcast: bool
    author: bool
    source: tuple[bool, bool]               # a title, an address
    text: bool
    changed: bool
    said: tuple[bool, bool, bool, bool]     # language, rights, licence, image
    topics: int
    also: tuple[bool, ...]                  # whether each has an address
    files: tuple[tuple[str, bool], ...]     # media type, whether the length is known
    extras: tuple[tuple[str, bool, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class _Mould:
    """One format's pieces, and which value stands between two of them."""

    pieces: tuple[str, ...]
    slots: tuple[int, ...]

    def fill(self, values: Sequence[str], into: list[str]) -> None:
        for slot, piece in zip(self.slots, self.pieces, strict=False):
            into.append(piece)
            into.append(values[slot])
        into.append(self.pieces[-1])


def _shape(entry: Entry, *, podcast: bool) -> _Shape:
    return _Shape(
        podcast=podcast,
        author=bool(entry.author), source=(bool(entry.source_title), bool(entry.source_url)), text=bool(entry.html),
        changed=entry.updated_at != entry.published_at,
        said=(bool(entry.language), bool(entry.rights), bool(entry.licence), bool(entry.image)),
        topics=len(entry.topics), also=tuple(bool(url) for _, url in entry.also),
        files=tuple((media_type(e), e.length > 0) for e in entry.enclosures),
        extras=tuple((e.name, bool(e.text), tuple(key for key, _ in e.attributes)) for e in entry.extras),
    )


def _values(entry: Entry, publisher: str) -> list[str]:
    """Everything that a mould has a place for, in the order of `_token_entry`, escaped. Ids and dates need no escaping,
    addresses only that of ampersands."""
    published = entry.published_at.isoformat()
    values = [
        entry.id, _plain(entry.title), _address(entry.link), rfc822(entry.published_at), published,
        published if entry.updated_at == entry.published_at else entry.updated_at.isoformat(),
        _text(summary_html(entry)), _text(content_html(entry)), _plain(entry.author), entry.language,
        _plain(entry.rights), _address(entry.licence), _address(entry.image), _plain(entry.source_title),
        _address(entry.source_url), publisher, _address(entry.source_id),
    ]
    for topic in entry.topics:  # an element in RSS, an attribute in Atom
        values += (_plain(topic), _attribute(no_tags(topic)))
    for name, url in entry.also:
        values += (_attribute(no_tags(name)), _address(url))
    for one in entry.enclosures:
        values += (_address(one.url), str(one.length))
    for extra in entry.extras:
        values.append(_plain(extra.text))
        values += (_attribute(value) for _, value in extra.attributes)
    return values


@lru_cache(MOST_MOULDS)
def _moulds(shape: _Shape) -> tuple[_Mould, _Mould]:
    entry, places = _token_entry(shape)
    podcast = Podcast(".") if shape.podcast else None
    page = FeedPage(slug="", podcast=podcast, id="tag:,", title=".", description=".", language="",
                    site_title=_token("publisher"), site_url="", url="https://mould.example/", created_at=_PUBLISHED)
    told = Told(entry, _token("summary"), _token("content") if shape.text else "")
    built = build_told(Document(page, Volume(), (entry,)), [told])
    return (_cut(built.rss, "    <item>", "</item>\n", {token: rss for token, (rss, _) in places.items()}),
            _cut(built.atom, "  <entry", "</entry>\n", {token: atom for token, (_, atom) in places.items()}))


def _token_entry(shape: _Shape) -> tuple[Entry, dict[str, tuple[int, int]]]:
    """An entry of this shape out of tokens, and which value takes each one's place in RSS and in Atom."""
    language, rights, licence, image = shape.said
    titled, addressed = shape.source
    places = dict(_PLACES)
    at = _FIRST_OF_LISTS

    def place(values: int = 1) -> str:
        """A token for the next value, or for the next two: RSS takes the first, Atom the last."""
        nonlocal at
        token = _token(at)
        places[token] = (at, at + values - 1)
        at += values
        return token

    topics = tuple(place(2) for _ in range(shape.topics))
    also = []
    for linked in shape.also:
        name, url = place(), place()
        also.append((name, url if linked else ""))
    files = []
    for media, known in shape.files:
        url, length = place(), _Length(place())
        files.append(Enclosure(url, media, length if known else 0))
    extras = []
    for name, text, keys in shape.extras:
        words = place()
        extras.append(Extra(name, words if text else "", tuple((key, place()) for key in keys)))
    return Entry(
        article_id=0, id=_token("id"), title=_token("title"), link=_token("link"), published_at=_PUBLISHED,
        updated_at=_UPDATED if shape.changed else _PUBLISHED, summary=".",
        author=_token("author") if shape.author else "",
        topics=topics, language=_token("language") if language else "", source_title=_token("source") if titled else "",
        source_id=_token("source_id"),
        source_url=_token("source_url") if addressed else "", rights=_token("rights") if rights else "",
        licence=_token("licence") if licence else "", image=_token("image") if image else "", enclosures=tuple(files),
        extras=tuple(extras), also=tuple(also),
    ), places


class _Length(int):
    """A number that is written as a token."""

    def __new__(cls, token: str) -> Self:
        made = super().__new__(cls, 1)
        made._token = token
        return made

    _token: str

    def __str__(self) -> str:
        return self._token


def _cut(document: bytes, begin: str, end: str, places: dict[str, int]) -> _Mould:
    """Cut the one entry of a document at its tokens."""
    text = document.decode()
    text = text[text.index(begin) : text.rindex(end) + len(end)]
    pieces = re.split(f"({'|'.join(map(re.escape, places))})", text)
    return _Mould(tuple(pieces[::2]), tuple(places[token] for token in pieces[1::2]))


def _with_entries(shell: bytes, end: bytes, entries: Sequence[str]) -> bytes:
    at = shell.rindex(end)
    return b"".join((shell[:at], "".join(entries).encode(), shell[at:]))


def _plain(value: str) -> str:
    return _text(no_tags(value))


def _address(url: str) -> str:
    return url.replace("&", "&amp;") if "&" in url else url


def _text(value: str) -> str:
    """As lxml writes a text node."""
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


def _attribute(value: str) -> str:
    return _text(value).replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;")


def _token(name: object) -> str:
    return f"{_NONCE}{name}."


_NONCE = secrets.token_hex(16)   # in no output, so it may be another in each process
_PUBLISHED, _UPDATED = datetime(1901, 2, 3, 4, 5, 6, tzinfo=UTC), datetime(1902, 3, 4, 5, 6, 7, tzinfo=UTC)

# token -> the value that takes its place in RSS, and the one in Atom: numbers in what `_values` gives
_PLACES = {_token(name): (place, place) for name, place in {
    "id": 0, "title": 1, "link": 2, "summary": 6, "content": 7, "author": 8, "language": 9, "rights": 10, "licence": 11,
    "image": 12, "source": 13, "source_url": 14, "publisher": 15, "source_id": 16,
}.items()} | {rfc822(_PUBLISHED): (3, 3), _PUBLISHED.isoformat(): (4, 4), _UPDATED.isoformat(): (5, 5)}
_FIRST_OF_LISTS = 17

_END_OF_CHANNEL = b"  </channel>"
_END_OF_FEED = b"</feed>"
