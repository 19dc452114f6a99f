"""A frozen digest as rows, each with its hash, and back. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from pipeline.model.frozen import GROUP, Fragment, Frozen, Note, Piece, PieceKind
from pipeline.model.quoted import joinable_qp


@dataclass(frozen=True, slots=True)
class FragmentRow:
    """One row of the store's table of fragments; (digest, ordinal) is its key, ordinals run through all parts.

    part        kind                name           scope       article_id  body, qp
    html, text  literal|token|slot  token or slot  conditions  None        a literal's, else empty
    html, text  fragment            slot           ""          its id      the fragment's
    html, text  fragment            "group"        its number  None        the heading's
    note        note                ""             ""          its id      the reason, empty
    """

    part: str
    ordinal: int
    kind: str
    name: str
    scope: str              # conditions, blank between; of a heading its group's number
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
            number, article_id = (str(f.article_id), None) if f.slot == GROUP else ("", f.article_id)
            rows.append(_row(part, len(rows), _FRAGMENT, f.slot, number, article_id, body, qp))
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
    if row.name == GROUP:
        return GROUP, int(row.scope)
    if row.article_id is None:
        raise DamagedFragments(f"fragment {row.part}/{row.ordinal} names no article")
    return row.name, row.article_id


_PARTS = ("html", "text")
_PIECES = frozenset(PieceKind)
_FRAGMENT = "fragment"
