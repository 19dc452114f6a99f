"""A built document -> the same with only some of its entries, for readers that have the others (RFC 3229 "feed").

Entries are cut out of the document's own bytes, so what stays is byte for byte what the file says. An entry goes with
the white space before it: what is left is laid out like a document that never held it. Pure.

Markup can't be taken for text here: what an XML builder puts into an element is escaped, CDATA and comments are read
over, and JSON is read as JSON.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection
from dataclasses import dataclass

from pipeline.model.feeds import ATOM_FILE, JSON_FILE, RSS_FILE


def etag(document: bytes) -> str:
    """The strong ETag of these bytes, the same whoever serves them and whenever: by it a reader names what it has."""
    return f'"{hashlib.sha256(document).hexdigest()[:32]}"'


def article_ids(document: bytes, kind: str) -> list[int]:
    """The articles whose entries stand in a document, in order. `kind` is the name of its file: "rss.xml"."""
    return [piece.article_id for piece in _pieces(document, kind) if piece.article_id]


def only(document: bytes, kind: str, keep: Collection[int]) -> bytes:
    """The document with the entries of these articles, and whatever else is in it. An entry without an id of ours
    stays. Raises ValueError where the document is not of this kind."""
    pieces = _pieces(document, kind)
    out: list[bytes] = []
    at, first = 0, True
    for piece in pieces:
        out.append(document[at:piece.begin])
        at = piece.end
        if not piece.article_id or piece.article_id in keep:
            lead = pieces[0] if first else piece  # JSON's first has no comma before it
            out += (document[lead.begin:lead.start], document[piece.start:piece.end])
            first = False
    out.append(document[at:])
    return b"".join(out)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Where an entry stands: `begin` counts what separates it from what is before it, too. Article 0: none of ours."""

    begin: int
    start: int
    end: int
    article_id: int


def _pieces(document: bytes, kind: str) -> list[_Piece]:
    if kind == JSON_FILE:
        return _json_pieces(document)
    if kind not in _XML:
        raise ValueError(f"{kind} holds no entries")
    return _xml_pieces(document, *_XML[kind])


def _xml_pieces(document: bytes, marks: re.Pattern[bytes], name: re.Pattern[bytes]) -> list[_Piece]:
    pieces = []
    start = -1
    for mark in marks.finditer(document):
        if mark["open"] and start < 0:
            start = mark.start()
        elif mark["close"] and start >= 0:
            begin = start
            while document[begin - 1:begin].isspace():
                begin -= 1
            pieces.append(_Piece(begin, start, mark.end(), _xml_id(document[start:mark.end()], name)))
            start = -1
    if start >= 0:
        raise ValueError("an entry does not end")
    return pieces


def _xml_id(entry: bytes, name: re.Pattern[bytes]) -> int:
    """An Atom entry names its source too, by an id of the source's own."""
    found = name.search(_ATOM_SOURCE.sub(b"", _OPAQUE.sub(b"", entry)))
    return int(found[1]) if found else 0


def _json_pieces(document: bytes) -> list[_Piece]:
    """json says where a value ends only in characters: offsets are counted in those, and turned into bytes at last."""
    text = document.decode()
    at = _items(text)
    pieces, offset = [], len(text[:at].encode())
    while text[start := _blank(text, at)] != "]":
        start = _blank(text, start + 1) if text[start] == "," else start
        value, end = _JSON.raw_decode(text, start)
        begin = offset
        offset += start - at  # white space and a comma: as many bytes as characters
        pieces.append(_Piece(begin, offset, offset + len(text[start:end].encode()), _json_id(value)))
        offset, at = pieces[-1].end, end
    return pieces


def _json_id(value: object) -> int:
    found = _JSON_ID.search(str(value.get("id", ""))) if isinstance(value, dict) else None
    return int(found[1]) if found else 0


def _items(text: str) -> int:
    """The offset behind the bracket that opens the top level's "items"."""
    at = _blank(text, 0) + 1
    while True:
        key, at = _JSON.raw_decode(text, _blank(text, at))
        at = _blank(text, _blank(text, at) + 1)  # over the colon
        if key == "items":
            return at + 1
        _, at = _JSON.raw_decode(text, at)
        at = _blank(text, at)
        if text[at] != ",":
            raise ValueError("a JSON feed without items")
        at += 1


def _blank(text: str, at: int) -> int:
    """The offset of what comes after white space."""
    while text[at:at + 1] in _BLANKS:
        at += 1
    if at >= len(text):
        raise ValueError("a JSON feed that breaks off")
    return at


_JSON = json.JSONDecoder()
_BLANKS = (" ", "\t", "\r", "\n")
_JSON_ID = re.compile(r":article-([0-9]{1,18})$")
_OPAQUE = re.compile(rb"<!\[CDATA\[.*?\]\]>|<!--.*?-->", re.DOTALL)
_ATOM_SOURCE = re.compile(rb"<source[\s>].*?</source>", re.DOTALL)


def _marks(element: bytes) -> re.Pattern[bytes]:
    """Beginnings and ends of an element. What CDATA and comments hold is matched as a whole, and so passed over."""
    return re.compile(
        rb"<!\[CDATA\[.*?\]\]>|<!--.*?-->|(?P<open><%b(?=[\s>]))|(?P<close></%b\s*>)" % (element, element), re.DOTALL)


_XML = {
    RSS_FILE: (_marks(b"item"), re.compile(rb"<guid[^>]*>[^<]*:article-([0-9]{1,18})</guid>")),
    ATOM_FILE: (_marks(b"entry"), re.compile(rb"<id>[^<]*:article-([0-9]{1,18})</id>")),
}
