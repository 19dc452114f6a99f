"""How much fits into one mail: Gmail shows the first 102 KB of its HTML and hides the rest behind a link. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.model.frozen import ARTICLES, CONTENTS, CORRECTIONS, GROUP, WEB, Frozen, PieceKind

MOST_HTML = 100_000
"""Bytes of HTML (decoded, UTF-8) that a delivered mail may have."""

VALUE = 320          # bytes kept free for a value of one person: an address, a link of theirs
PREHEADER = 800      # 140 characters, in any script, escaped


def room(frozen: Frozen) -> int:
    """Bytes that are left for articles once the shell stands, with room for one person's values."""
    taken = 0
    for piece in frozen.html:
        if WEB in piece.conditions or piece.kind is PieceKind.SLOT:
            continue
        if piece.kind is PieceKind.LITERAL:
            taken += len(piece.body.encode())
        else:
            taken += PREHEADER if piece.name == "preheader" else VALUE
    return MOST_HTML - taken


def sizes(frozen: Frozen) -> dict[int, int]:
    """Article's id -> bytes of HTML that it takes, its line in the table of contents and a heading included."""
    heading = max((len(f.html.encode()) for (kind, _), f in frozen.fragments.items() if kind == GROUP), default=0)
    found = dict.fromkeys((number for kind, number in frozen.fragments if kind == ARTICLES), heading)
    for (kind, number), fragment in frozen.fragments.items():
        if kind in (ARTICLES, CONTENTS):
            found[number] += len(fragment.html.encode())
    return found


def correction_sizes(frozen: Frozen) -> Mapping[int, int]:
    """The same of corrections."""
    return {number: len(f.html.encode()) for (kind, number), f in frozen.fragments.items() if kind == CORRECTIONS}
