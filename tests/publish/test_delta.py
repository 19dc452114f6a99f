"""Cutting entries out of documents, whatever stands in them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree as xml

from pipeline.model.feeds import ATOM_FILE, JSON_FILE, RSS_FILE, Document, Entry, FeedPage, Tombstone, Volume
from pipeline.publish.delta import article_ids, etag, only
from pipeline.publish.jsonfeed import build_json
from pipeline.publish.moulds import cast

ATOM = "{http://www.w3.org/2005/Atom}"
DELETED = "{http://purl.org/atompub/tombstones/1.0}deleted-entry"
KINDS = (RSS_FILE, ATOM_FILE, JSON_FILE)
TRAPS = ("<item>", "</item>", "<entry>", "</entry>", "]]>", "<![CDATA[", "<!--", "-->", '"items": [', '"}, {"', "],",
         "<guid>tag:x,2026:article-1</guid>", "<id>tag:x,2026:article-2</id>", '"id": "tag:x,2026:article-3"', "\\",
         "&lt;item>", "</source>", "<source>", "\r\n", "\u2028", "ä", "𝄞")
LEGAL = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff")
TEXTS = st.lists(st.sampled_from(TRAPS) | st.text(LEGAL, max_size=8), max_size=6).map("".join)


@dataclass(frozen=True)
class One:
    number: int
    title: str
    text: str
    opaque: bool = False       # as CDATA where it can be, which our own builder never writes


@st.composite
def entries(draw: st.DrawFn) -> list[One]:
    numbers = draw(st.lists(st.integers(1, 10**12), unique=True, max_size=6))
    return [One(n, draw(TEXTS), draw(TEXTS), draw(st.booleans())) for n in numbers]


def ident(number: int) -> str:
    return f"tag:beacon.example,2026:article-{number}"


def make(kind: str, told: list[One], around: str = "", *, pretty: bool = True) -> bytes:
    """A document as builders write them: what is text is escaped by whoever writes it."""
    if kind == JSON_FILE:
        document = {"version": "https://jsonfeed.org/version/1.1", "title": around, "_note": {"items": [around, {}]},
                    "items": [{"id": ident(o.number), "title": o.title, "content_html": o.text, "tags": [o.title]}
                              for o in told], "_end": around}
        return json.dumps(document, ensure_ascii=False, indent=1 if pretty else None).encode() + b"\n"
    root = (_rss if kind == RSS_FILE else _atom)(told, around)
    return xml.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=pretty)


def _rss(told: list[One], around: str) -> xml._Element:
    root = xml.Element("rss", version="2.0")
    channel = xml.SubElement(root, "channel")
    for name in ("title", "description"):
        xml.SubElement(channel, name).text = around
    for one in told:
        item = xml.SubElement(channel, "item", note=one.title)
        xml.SubElement(item, "title").text = one.title
        xml.SubElement(item, "description").text = _text(one)
        xml.SubElement(item, "guid", isPermaLink="false").text = ident(one.number)
        xml.SubElement(item, "source", url="https://x.example/").text = one.text
    return root


def _atom(told: list[One], around: str) -> xml._Element:
    root = xml.Element(f"{ATOM}feed", nsmap={None: ATOM[1:-1]})
    xml.SubElement(root, f"{ATOM}title").text = around
    xml.SubElement(root, f"{ATOM}id").text = "tag:beacon.example,2026:feed-all"
    for one in told:
        entry = xml.SubElement(root, f"{ATOM}entry", {"{http://www.w3.org/XML/1998/namespace}lang": "de"})
        source = xml.SubElement(entry, f"{ATOM}source")  # another's feed may be called like one of our articles
        xml.SubElement(source, f"{ATOM}id").text = ident(7)
        xml.SubElement(entry, f"{ATOM}title").text = one.title
        xml.SubElement(entry, f"{ATOM}id").text = ident(one.number)
        xml.SubElement(entry, f"{ATOM}content", type="html").text = _text(one)
    xml.SubElement(root, DELETED, ref=ident(99), when="2026-01-01T00:00:00Z")
    return root


def _text(one: One) -> str | xml.CDATA:
    return xml.CDATA(one.text) if one.opaque and "]]>" not in one.text else one.text


def parsed(kind: str, document: bytes) -> dict[int, object]:
    """id -> entry, by a parser that knows nothing of ours."""
    if kind == JSON_FILE:
        return {int(i["id"].rpartition("-")[2]): i for i in json.loads(document)["items"]}
    name, ident_name = ("item", "guid") if kind == RSS_FILE else (f"{ATOM}entry", f"{ATOM}id")
    return {int(str(e.findtext(ident_name)).rpartition("-")[2]): xml.tostring(e, with_tail=False)
            for e in xml.fromstring(document).iter(name)}


@pytest.mark.parametrize("kind", KINDS)
@given(told=entries(), around=TEXTS, pretty=st.booleans(), data=st.data())
def test_what_stays_is_what_a_builder_would_have_made_of_it(
    kind: str, told: list[One], around: str, pretty: bool, data: st.DataObject
) -> None:
    document = make(kind, told, around, pretty=pretty)
    assert article_ids(document, kind) == [one.number for one in told]
    keep = data.draw(st.sets(st.sampled_from([one.number for one in told]))) if told else set()
    cut = only(document, kind, keep)
    assert sorted(parsed(kind, cut)) == sorted(keep)
    if keep:
        assert cut == make(kind, [one for one in told if one.number in keep], around, pretty=pretty)
    if keep == {one.number for one in told}:
        assert cut == document


@pytest.mark.parametrize("kind", KINDS)
@given(old=entries(), new=entries(), data=st.data())
def test_a_delta_put_to_the_old_document_gives_the_new_one(
    kind: str, old: list[One], new: list[One], data: st.DataObject
) -> None:
    """Some articles went, some came, some changed, some are what they were."""
    stayed = [one for one in old if data.draw(st.booleans()) and one.number not in {n.number for n in new}]
    now = data.draw(st.permutations(stayed + new))
    before = {one.number: one for one in old}
    document = make(kind, now, "now")
    delta = only(document, kind, {one.number for one in now if before.get(one.number) != one})
    together = parsed(kind, make(kind, old, "before")) | parsed(kind, delta)
    assert {number: together[number] for number in (one.number for one in now)} == parsed(kind, document)


@given(texts=st.lists(TEXTS, min_size=1, max_size=4), data=st.data())
def test_our_own_builder_writes_what_can_be_cut(texts: list[str], data: st.DataObject) -> None:
    at = datetime(2026, 11, 23, 7, 30, tzinfo=UTC)
    page = FeedPage("all", "tag:beacon.example,2026:feed-all", "All", "All <item>", "en", "The Beacon",
                    "https://beacon.example", "https://beacon.example/feeds/all/", at, hub="https://hub.example/")
    told = [Entry(n, ident(n), text or "untitled", "https://x.example/", at, at, text or "empty", html=text,
                  source="desk", source_title=text or "Desk", source_url="https://x.example/feed", topics=("<item>",))
            for n, text in enumerate(texts, 1)]
    graves = (Tombstone(ident(99), at),)
    keep = data.draw(st.sets(st.sampled_from(range(1, len(told) + 1)), min_size=1))
    whole = built(Document(page, Volume(), tuple(told), graves))
    few = built(Document(page, Volume(), tuple(e for e in told if e.article_id in keep), graves))
    for kind in KINDS:
        assert article_ids(whole[kind], kind) == [e.article_id for e in told]
        assert only(whole[kind], kind, keep) == few[kind]


def built(document: Document) -> dict[str, bytes]:
    both = cast(document)
    return {RSS_FILE: both.rss, ATOM_FILE: both.atom, JSON_FILE: build_json(document)}


@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_around_entries_is_left_alone(kind: str) -> None:
    document = make(kind, [One(1, "one", "a"), One(2, "two", "b"), One(3, "three", "c")], "around")
    none = only(document, kind, ())
    assert not parsed(kind, none)
    for piece in (b"around", *([b"deleted-entry"] if kind == ATOM_FILE else [])):
        assert none.count(piece) == document.count(piece)
    if kind != JSON_FILE:
        assert re.sub(rb"\s+<(item|entry).*</\1>", b"", document, flags=re.DOTALL) == none


@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_that_is_none_of_ours_stays(kind: str) -> None:
    document = make(kind, [One(1, "ours", "a"), One(2, "theirs", "b")]).replace(b"article-2", b"story-2")
    assert article_ids(document, kind) == [1]
    assert b"theirs" in only(document, kind, ())
    assert b"ours" not in only(document, kind, ())


@pytest.mark.parametrize(
    ("kind", "document"),
    [(RSS_FILE, b"<rss><channel><item>"), ("index.html", b"<item></item>"), (JSON_FILE, b"{}"), (JSON_FILE, b""),
     (JSON_FILE, b'{"items": ['), (JSON_FILE, b'{"items": [1,'), (JSON_FILE, b'{"title": "x"}'), (JSON_FILE, b"\xff")],
)
def test_what_is_no_document_of_its_kind_is_refused(kind: str, document: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - several causes, one answer
        only(document, kind, ())


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_an_etag_says_whether_documents_are_the_same(one: bytes, other: bytes) -> None:
    assert (etag(one) == etag(other)) == (one == other)
    assert re.fullmatch(r'"[0-9a-f]{32}"', etag(one))
