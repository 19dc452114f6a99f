"""A frozen digest: text cut into pieces once, and the pure functions that join the pieces for one person.

    shell      literal | token | slot | literal …      what stands around the articles, in order
    fragments  (slot, article) -> html, text           one article's part, the same for everyone who gets it

Joining happens twice in the same way: as text (`personal_html`, `personal_text`, the web page) and as
quoted-printable bytes (`html_qp_chunks`, `text_qp_chunks`), which were encoded at the freeze so that a million
messages cost a million joins and not a million encodings. Decoding the second always gives the first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from html import escape

from pipeline.model.quoted import joinable_qp

TOKENS: Mapping[str, str] = {
    "unsubscribe_url": "this subscription's own link to leave, https",
    "preferences_url": "this subscription's own page to choose how often and about what, https",
    "address": "the address this message goes to",
    "since": 'the day the person asked for it, as text: "3 May 2026"; "" where it is not known',
    "preheader": "the line mail programs show beside the subject",
    "more": 'how many further articles are only on the web, as a number; "" for none',
    "count": "how many articles this person gets, as a number",
    "contents": '"1" where there are enough articles for a table of contents, else ""',
    "corrections": 'how many corrections this person gets, as a number; "" for none',
    "previous_url": 'the digest before this one on the web, "" where there is none',
    "next_url": 'and the one after it, which most often comes later',
}
"""Every value that is filled in at delivery, or when the web copy is read. Values are bare; the words around them are
the template's."""

PERSONAL = frozenset({"unsubscribe_url", "preferences_url", "address", "since", "preheader"})
"""Tokens that must not reach the web copy: a template keeps them inside `begin.mail` … `end.mail`."""

OWN = ("unsubscribe_url", "preferences_url", "address", "since")
"""Tokens of one person alone; all others have one value for everybody who gets the same articles."""

WEB_ONLY = frozenset({"previous_url", "next_url"})
"""Tokens that no mail has a value for: a template keeps them inside `begin.web` … `end.web`."""

ARTICLES = "articles"
CONTENTS = "toc"
CORRECTIONS = "corrections"
SLOTS = (ARTICLES, CONTENTS, CORRECTIONS)
"""Where the shell has room for what differs from person to person."""

GROUP = "group"
"""A heading: it stands in the slot of articles, before the first article of its group."""

PARTS: Mapping[str, str] = {GROUP: ARTICLES, ARTICLES: ARTICLES, CONTENTS: CONTENTS, CORRECTIONS: CORRECTIONS}
"""What fragments there are -> the slot that each stands in, in the order in which they are frozen there."""

MAIL = "mail"
WEB = "web"


@dataclass(frozen=True, slots=True)
class DigestPage:
    """What a template may know about the digest as a whole; the same for every reader."""

    site_title: str
    public_url: str           # no trailing slash
    language: str             # BCP 47
    newsletter_slug: str
    newsletter_title: str
    digest_name: str          # "2026-11-22-0800-daily"
    digest_url: str           # the digest on the web
    date: datetime            # the slot's nominal local date and time; only its calendar day is shown
    postal_address: str = ""
    description: str = ""     # one line under the title
    archive_url: str = ""     # the newsletter's page: earlier digests, and where to subscribe
    feed_url: str = ""
    introduction: str = ""    # the operator's own words, sanitised HTML
    introduction_text: str = ""
    announcement: str = ""    # the title of one, whose words are the introduction; "" in a digest of articles

    @property
    def direction(self) -> str:
        return direction(self.language)


def direction(language: str) -> str:
    """A language's direction of writing, for HTML's `dir`."""
    return "rtl" if language.lower().partition("-")[0] in _RIGHT_TO_LEFT else "ltr"


class PieceKind(StrEnum):
    LITERAL = "literal"
    TOKEN = "token"  # noqa: S105 - a kind of piece
    SLOT = "slot"


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of the shell.

    `conditions` must all hold for it to appear: "mail", "web", or a token's name, which holds where that token's
    value is not empty.
    """

    kind: PieceKind
    name: str = ""                       # the token's or the slot's
    body: str = ""                       # a literal's text
    conditions: tuple[str, ...] = ()
    qp: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Fragment:
    """One article's part of one slot; of a group (`slot` is GROUP) its heading, and `article_id` is its number."""

    slot: str
    article_id: int
    html: str
    text: str
    html_qp: bytes = field(repr=False)
    text_qp: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Note:
    """An article that could not be shown as it is: it stands in the digest as its plain summary."""

    article_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What one person gets, in the order in which it is shown. `groups` holds for each article the number of the group
    that it stands in, 0 for none; or nothing at all."""

    articles: tuple[int, ...]
    groups: tuple[int, ...] = ()
    corrections: tuple[int, ...] = ()

    def values(self, *, more: int = 0, contents: bool = False) -> dict[str, str]:
        """The tokens that say how much it is."""
        return {"count": str(len(self.articles)), "more": str(more or ""), "contents": "1" if contents else "",
                "corrections": str(len(self.corrections) or "")}

    def parts(self, slot: str) -> Iterator[tuple[str, int]]:
        """The keys of the fragments that stand in a slot, in order."""
        if slot == CONTENTS:
            yield from ((CONTENTS, i) for i in self.articles)
        elif slot == CORRECTIONS:
            yield from ((CORRECTIONS, i) for i in self.corrections)
        else:
            before = 0
            for place, article_id in enumerate(self.articles):
                group = self.groups[place] if self.groups else 0
                if group and group != before:
                    yield GROUP, group
                before = group
                yield ARTICLES, article_id


Shown = Arrangement | Iterable[int]
"""An arrangement, or the ids of articles where there is nothing else to it."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """Everything that is needed to write any person's copy, and nothing that depends on a template any more."""

    nonce: str
    html: tuple[Piece, ...]
    text: tuple[Piece, ...]
    fragments: Mapping[tuple[str, int], Fragment]
    notes: tuple[Note, ...] = ()

    @property
    def article_ids(self) -> tuple[int, ...]:
        """In the order of the freeze."""
        return tuple(article_id for slot, article_id in self.fragments if slot == ARTICLES)

    @property
    def tokens(self) -> frozenset[str]:
        """The tokens this digest uses; values for others are accepted and ignored."""
        pieces = (*self.html, *self.text)
        used = {p.name for p in pieces if p.kind is PieceKind.TOKEN}
        return frozenset(used | {c for p in pieces for c in p.conditions if c in TOKENS})


def literal(body: str, conditions: tuple[str, ...] = ()) -> Piece:
    return Piece(PieceKind.LITERAL, body=body, conditions=conditions, qp=joinable_qp(body))


def fragment(slot: str, article_id: int, html: str, text: str) -> Fragment:
    return Fragment(slot, article_id, html, text, joinable_qp(html), joinable_qp(text))


# --- one person's copy ------------------------------------------------------------------------------------


def personal_html(frozen: Frozen, shown: Shown, values: Mapping[str, str]) -> str:
    """One person's HTML. KeyError names a token without a value, or an article that is not in this digest."""
    return "".join(_join(frozen, "html", shown, values, html_value, MAIL))


def personal_text(frozen: Frozen, shown: Shown, values: Mapping[str, str]) -> str:
    """The same person's plain text."""
    return "".join(_join(frozen, "text", shown, values, text_value, MAIL))


def web_html(frozen: Frozen, shown: Shown, values: Mapping[str, str] | None = None) -> str:
    """The copy everyone may see: no personal value, and nothing between `begin.mail` and `end.mail`. `values`: those
    that follow from what is shown and where it stands, and those of WEB_ONLY."""
    known = {name: value for name, value in (values or {}).items() if name not in PERSONAL}
    return "".join(_join(frozen, "html", shown, web_values(shown) | known, html_value, WEB))


def web_text(frozen: Frozen, shown: Shown, values: Mapping[str, str] | None = None) -> str:
    return "".join(_join(frozen, "text", shown, web_values(shown) | dict(values or {}), text_value, WEB))


def web_values(shown: Shown) -> dict[str, str]:
    return {**dict.fromkeys(TOKENS, ""), **arranged(shown).values()}


def arranged(shown: Shown) -> Arrangement:
    return shown if isinstance(shown, Arrangement) else Arrangement(tuple(shown))


def html_qp_chunks(frozen: Frozen, shown: Shown, values: Mapping[str, str]) -> list[bytes]:
    """`personal_html` in quoted-printable with CRLF, in chunks to be joined or sent as they are."""
    return mould(frozen, "html", shown, values).filled(values)


def text_qp_chunks(frozen: Frozen, shown: Shown, values: Mapping[str, str]) -> list[bytes]:
    return mould(frozen, "text", shown, values).filled(values)


@dataclass(frozen=True, slots=True)
class Mould:
    """Half a message in quoted-printable, joined for all who get the same, with holes for values of their own."""

    html: bool
    solid: tuple[bytes, ...]      # what stands before the first hole, between two, and behind the last
    holes: tuple[str, ...]        # tokens, of those in OWN

    def filled(self, values: Mapping[str, str]) -> list[bytes]:
        """One person's chunks. `values` must be such as the mould was made for: see `own`."""
        clean = html_value if self.html else text_value
        known = {name: joinable_qp(clean(values[name])) for name in set(self.holes)}
        out = [self.solid[0]]
        for name, after in zip(self.holes, self.solid[1:], strict=True):
            out += (known[name], after)
        return out


def mould(frozen: Frozen, part: str, shown: Shown, values: Mapping[str, str]) -> Mould:
    """The mould of the "html" or the "text" part for one arrangement. Of `values` those in OWN only decide which
    conditions hold."""
    html = part == "html"
    clean = html_value if html else text_value
    solid: list[list[bytes]] = [[]]
    holes: list[str] = []
    holds: dict[tuple[str, ...], bool] = {(): True}  # few conditions, many pieces
    for piece in frozen.html if html else frozen.text:
        there = holds.get(piece.conditions)
        if there is None:
            there = holds[piece.conditions] = _holds(piece.conditions, values, MAIL)
        if not there:
            continue
        if piece.kind is PieceKind.LITERAL:
            solid[-1].append(piece.qp)
        elif piece.kind is PieceKind.SLOT:
            found = _fragments(frozen, arranged(shown), piece.name)
            solid[-1] += [f.html_qp for f in found] if html else [f.text_qp for f in found]
        elif piece.name in OWN:
            holes.append(piece.name)
            solid.append([])
        else:
            solid[-1].append(joinable_qp(clean(values[piece.name])))
    return Mould(html, tuple(map(b"".join, solid)), tuple(holes))


def own(values: Mapping[str, str]) -> tuple[bool, ...]:
    """Which of a person's own values are there: people for whom this is equal, and who get the same, share a mould."""
    return tuple(text_value(values[name]) != "" for name in OWN)


def text_value(value: str) -> str:
    """A value in one line of plain text: no control characters, line ends, surrogates or bidi overrides."""
    return value if value.isascii() and value.isprintable() else _HARMFUL.sub("", value)


def html_value(value: str) -> str:
    """A value in HTML text or in a quoted attribute (the freeze allows tokens nowhere else)."""
    return escape(text_value(value))


def _join(
    frozen: Frozen, part: str, shown: Shown, values: Mapping[str, str], clean: Callable[[str], str], place: str
) -> list[str]:
    arrangement = arranged(shown)
    out: list[str] = []
    for piece in frozen.html if part == "html" else frozen.text:
        if piece.conditions and not _holds(piece.conditions, values, place):
            continue
        if piece.kind is PieceKind.LITERAL:
            out.append(piece.body)
        elif piece.kind is PieceKind.TOKEN:
            out.append(clean(values[piece.name]))
        else:
            parts = _fragments(frozen, arrangement, piece.name)
            out.extend(f.html if part == "html" else f.text for f in parts)
    return out


def _fragments(frozen: Frozen, arrangement: Arrangement, slot: str) -> list[Fragment]:
    """Those of a slot. Headings of groups only where the template makes some."""
    known = frozen.fragments
    return [known[key] for key in arrangement.parts(slot) if key[0] != GROUP or key in known]


def _holds(conditions: tuple[str, ...], values: Mapping[str, str], place: str) -> bool:
    return all(place == c if c in (MAIL, WEB) else text_value(values[c]) != "" for c in conditions)


_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028-\u202e\u2066-\u2069]")  # Cc, Cs, Zl, Zp, bidi controls
_RIGHT_TO_LEFT = frozenset("ar arc ckb dv fa he iw ku nqo ps sd syr ug ur yi".split())
