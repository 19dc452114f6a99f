"""A frozen digest: text cut into pieces once, and the pure functions that join the pieces for one person.

    shell      literal | token | slot | literal …      what stands around the articles, in order
    fragments  (slot, article) -> html, text           one article's part, the same for everyone who gets it

Joining happens twice in the same way: as text (`personal_html`, `personal_text`, the web page) and as
quoted-printable bytes (`html_qp_chunks`, `text_qp_chunks`), which were encoded at the freeze so that a million
messages cost a million joins and not a million encodings. Decoding the second always gives the first.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from html import escape

TOKENS: Mapping[str, str] = {
    "unsubscribe_url": "this subscription's own link to leave, https",
    "address": "the address this message goes to",
    "since": 'the day the person asked for it, as text: "3 May 2026"; "" where it is not known',
    "preheader": "the line mail programs show beside the subject",
    "more": 'how many further articles are only on the web, as a number; "" for none',
    "count": "how many articles this person gets, as a number",
    "previous_url": 'the digest before this one on the web, "" where there is none',
    "next_url": 'and the one after it, which most often comes later',
}
"""Every value that is filled in at delivery, or when the web copy is read. Values are bare; the words around them are
the template's."""

PERSONAL = frozenset({"unsubscribe_url", "address", "since", "preheader"})
"""Tokens that must not reach the web copy: a template keeps them inside `begin.mail` … `end.mail`."""

WEB_ONLY = frozenset({"previous_url", "next_url"})
"""Tokens that no mail has a value for: a template keeps them inside `begin.web` … `end.web`."""

_NO_VALUES: Mapping[str, str] = {}

ARTICLES = "articles"
CONTENTS = "toc"
SLOTS = (ARTICLES, CONTENTS)

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
    """One article's part of one slot."""

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


def personal_html(frozen: Frozen, article_ids: Iterable[int], values: Mapping[str, str]) -> str:
    """One person's HTML. KeyError names a token without a value, or an article that is not in this digest."""
    return "".join(_join(frozen, "html", article_ids, values, html_value, MAIL))


def personal_text(frozen: Frozen, article_ids: Iterable[int], values: Mapping[str, str]) -> str:
    """The same person's plain text."""
    return "".join(_join(frozen, "text", article_ids, values, text_value, MAIL))


def web_html(frozen: Frozen, article_ids: Iterable[int], values: Mapping[str, str] = _NO_VALUES) -> str:
    """The copy everyone may see: no personal value, and nothing between `begin.mail` and `end.mail`. `values` are those
    of WEB_ONLY, as far as there are any."""
    ids = tuple(article_ids)
    known = {name: value for name, value in values.items() if name in WEB_ONLY}
    return "".join(_join(frozen, "html", ids, web_values(len(ids)) | known, html_value, WEB))


def web_text(frozen: Frozen, article_ids: Iterable[int]) -> str:
    ids = tuple(article_ids)
    return "".join(_join(frozen, "text", ids, web_values(len(ids)), text_value, WEB))


def web_values(count: int) -> dict[str, str]:
    return {**dict.fromkeys(TOKENS, ""), "count": str(count)}


def html_qp_chunks(frozen: Frozen, article_ids: Iterable[int], values: Mapping[str, str]) -> list[bytes]:
    """`personal_html` in quoted-printable with CRLF, in chunks to be joined or sent as they are."""
    return _join_qp(frozen, "html", article_ids, values)


def text_qp_chunks(frozen: Frozen, article_ids: Iterable[int], values: Mapping[str, str]) -> list[bytes]:
    return _join_qp(frozen, "text", article_ids, values)


def text_value(value: str) -> str:
    """A value in one line of plain text: no control characters, line ends, surrogates or bidi overrides."""
    return value if value.isascii() and value.isprintable() else "".join(c for c in value if _harmless(c))


def html_value(value: str) -> str:
    """A value in HTML text or in a quoted attribute (the freeze allows tokens nowhere else)."""
    return escape(text_value(value))


def _join(
    frozen: Frozen, part: str, article_ids: Iterable[int], values: Mapping[str, str], clean: Callable[[str], str],
    place: str,
) -> list[str]:
    ids = tuple(article_ids)
    out: list[str] = []
    for piece in frozen.html if part == "html" else frozen.text:
        if piece.conditions and not _holds(piece.conditions, values, place):
            continue
        if piece.kind is PieceKind.LITERAL:
            out.append(piece.body)
        elif piece.kind is PieceKind.TOKEN:
            out.append(clean(values[piece.name]))
        else:
            parts = [frozen.fragments[piece.name, i] for i in ids]
            out.extend(f.html if part == "html" else f.text for f in parts)
    return out


def _join_qp(frozen: Frozen, part: str, article_ids: Iterable[int], values: Mapping[str, str]) -> list[bytes]:
    ids = tuple(article_ids)
    html = part == "html"
    clean = html_value if html else text_value
    fragments = frozen.fragments
    out: list[bytes] = []
    holds: dict[tuple[str, ...], bool] = {(): True}  # few conditions, many pieces, a million calls
    for piece in frozen.html if html else frozen.text:
        shown = holds.get(piece.conditions)
        if shown is None:
            shown = holds[piece.conditions] = _holds(piece.conditions, values, MAIL)
        if not shown:
            continue
        if piece.kind is PieceKind.LITERAL:
            out.append(piece.qp)
        elif piece.kind is PieceKind.TOKEN:
            out.append(joinable_qp(clean(values[piece.name])))
        elif html:
            out.extend([fragments[piece.name, i].html_qp for i in ids])
        else:
            out.extend([fragments[piece.name, i].text_qp for i in ids])
    return out


def _holds(conditions: tuple[str, ...], values: Mapping[str, str], place: str) -> bool:
    return all(place == c if c in (MAIL, WEB) else text_value(values[c]) != "" for c in conditions)


def _harmless(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp") and character not in _BIDI_CONTROLS


_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_RIGHT_TO_LEFT = frozenset("ar arc ckb dv fa he iw ku nqo ps sd syr ug ur yi".split())


# --- quoted-printable -------------------------------------------------------------------------------------


def joinable_qp(text: str) -> bytes:
    """Quoted-printable (RFC 2045 §6.7) that ends at a line's start, so that any piece may follow any other.

    Lines are at most 76 bytes with CRLF between them. A dot or a "From " that starts a line is encoded, so that
    neither SMTP's dot-stuffing (RFC 5321 §4.5.2) nor an mbox ever changes a byte. LF is the only line end known:
    the freeze has made it so.
    """
    if _PLAIN.fullmatch(text):  # most values: this is on the path of every message
        return text.encode("ascii") + b"=\r\n"
    if not text:
        return b""
    lines = text.encode("utf-8", "replace").split(b"\n")
    rest = lines.pop()
    out = [_qp_line(line, hard=True) for line in lines]
    if rest:
        out.append(_qp_line(rest, hard=False))
    return b"".join(out)


def _qp_line(line: bytes, *, hard: bool) -> bytes:
    """One line, folded; ends with CRLF where `hard`, else with a soft break (at which a blank may stand)."""
    encoded = _NOT_LITERAL.sub(_escape_byte, line)
    if hard and encoded[-1:] in (b" ", b"\t"):
        encoded = encoded[:-1] + b"=%02X" % encoded[-1]
    out = []
    start = 0
    while True:
        if encoded.startswith((b".", b"From "), start):
            encoded = encoded[:start] + b"=%02X" % encoded[start] + encoded[start + 1 :]
        if hard and len(encoded) - start <= _QP_LINE:
            out.append(encoded[start:] + b"\r\n")
            return b"".join(out)
        if not hard and len(encoded) - start < _QP_LINE:
            out.append(encoded[start:] + b"=\r\n" if len(encoded) > start else b"")
            return b"".join(out)
        end = start + _QP_LINE - 1
        escape_at = encoded.rfind(b"=", end - 2, end)
        end = escape_at if escape_at >= 0 else end
        out.append(encoded[start:end] + b"=\r\n")
        start = end


def _escape_byte(match: re.Match[bytes]) -> bytes:
    return b"".join(b"=%02X" % b for b in match[0])


_PLAIN = re.compile(r"[!-\-/-<>-EG-~][ -<>-~]{0,73}(?<! )", re.ASCII)
_QP_LINE = 76  # bytes, the soft break's "=" included
_NOT_LITERAL = re.compile(rb"[^\t !-<>-~]+")


# --- rows -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FragmentRow:
    """One row of the store's table of fragments; (digest, ordinal) is its key, ordinals run through all parts.

    part        kind                name           scope       article_id  body, qp
    html, text  literal|token|slot  token or slot  conditions  None        a literal's, else empty
    html, text  fragment            slot           ""          its id      the fragment's
    note        note                ""             ""          its id      the reason, empty
    """

    part: str
    ordinal: int
    kind: str
    name: str
    scope: str              # conditions, blank between
    article_id: int | None
    body: str
    qp: bytes
    sha256: str             # hex, over body and qp


class DamagedFragments(ValueError):
    """Stored rows are not what was frozen; the message names the row."""


def fragments(frozen: Frozen) -> list[FragmentRow]:
    """A frozen digest as rows, in the order of their keys."""
    rows: list[FragmentRow] = []
    for part, pieces in (("html", frozen.html), ("text", frozen.text)):
        for piece in pieces:
            scope = " ".join(piece.conditions)
            rows.append(_row(part, len(rows), piece.kind, piece.name, scope, None, piece.body, piece.qp))
        for f in frozen.fragments.values():
            body, qp = (f.html, f.html_qp) if part == "html" else (f.text, f.text_qp)
            rows.append(_row(part, len(rows), _FRAGMENT, f.slot, "", f.article_id, body, qp))
    for note in frozen.notes:
        rows.append(_row("note", len(rows), "note", "", "", note.article_id, note.reason, b""))
    return rows


def with_body(row: FragmentRow, body: str) -> FragmentRow:
    """The same row with another text in it."""
    return replace(row, body=body, qp=(qp := joinable_qp(body)), sha256=_hash(body, qp))


def thaw(rows: Iterable[FragmentRow], nonce: str) -> Frozen:
    """The reverse of `fragments`, in whatever order the rows come. Raises DamagedFragments."""
    ordered = sorted(rows, key=lambda r: r.ordinal)
    for row in ordered:
        if _hash(row.body, row.qp) != row.sha256:
            raise DamagedFragments(f"fragment {row.part}/{row.ordinal} does not match its stored hash")
    pieces = {part: tuple(_piece(r) for r in ordered if r.part == part and r.kind in _PIECES) for part in _PARTS}
    halves = {part: {_key(r): r for r in ordered if r.part == part and r.kind == _FRAGMENT} for part in _PARTS}
    if halves["html"].keys() != halves["text"].keys() or not pieces["html"] or not pieces["text"]:
        raise DamagedFragments("rows are missing: HTML and plain text do not hold the same articles")
    joined = {}
    for key, html in halves["html"].items():
        text = halves["text"][key]
        joined[key] = Fragment(*key, html.body, text.body, html.qp, text.qp)
    notes = tuple(Note(_key(r)[1], r.body) for r in ordered if r.part == "note")
    return Frozen(nonce, pieces["html"], pieces["text"], joined, notes)


def _row(
    part: str, ordinal: int, kind: str, name: str, scope: str, article_id: int | None, body: str, qp: bytes
) -> FragmentRow:
    return FragmentRow(part, ordinal, str(kind), name, scope, article_id, body, qp, _hash(body, qp))


def _hash(body: str, qp: bytes) -> str:
    return hashlib.sha256(body.encode() + b"\0" + qp).hexdigest()


def _piece(row: FragmentRow) -> Piece:
    return Piece(PieceKind(row.kind), row.name, row.body, tuple(row.scope.split()), row.qp)


def _key(row: FragmentRow) -> tuple[str, int]:
    if row.article_id is None:
        raise DamagedFragments(f"fragment {row.part}/{row.ordinal} names no article")
    return row.name, row.article_id


_PARTS = ("html", "text")
_PIECES = frozenset(PieceKind)
_FRAGMENT = "fragment"
