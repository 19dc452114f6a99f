"""The fast way to build gives byte for byte what the plain one gives: whatever the values, whatever the shapes."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from pipeline.model.articles import Enclosure, Extra
from pipeline.model.feeds import Podcast
from pipeline.publish import moulds
from pipeline.publish.build import build
from pipeline.publish.moulds import cast

A = "{http://www.w3.org/2005/Atom}"
X = "https://x.example/"


def full(entry: Any, mark: str, number: int = 1) -> Any:
    """An entry that says `mark` wherever it says anything."""
    at = datetime(2026, 1, number, number, 2, 3, tzinfo=UTC)
    return entry(
        number, id=f"tag:{mark}.example,2026:1", title=f"title {mark}", link=f"{X}{mark}/1", published_at=at,
        updated_at=at.replace(minute=59), summary=f"summary {mark}", author=f"author {mark}", html=f"<p>{mark}</p>",
        topics=(f"topic {mark}", f"other {mark}"), language="sv" if number % 2 else "de",
        source_id=f"{X}{mark}/2", source_title=f"source {mark}", source_url=f"{X}{mark}/3", rights=f"rights {mark}",
        licence=f"{X}{mark}/4", image=f"{X}{mark}/5",
        enclosures=(Enclosure(f"{X}{mark}/6", "audio/mpeg", 100 + number), Enclosure(f"{X}{mark}/7", "", 0),
                    Enclosure(f"{X}{mark}/8", "image/png", 200 + number)),
        extras=(Extra("media:title", f"m {mark}"), Extra("podcast:person", f"p {mark}", (("role", f"r {mark}"),)),
                Extra("itunes:title", f"i {mark}")),
        also=((f"also {mark}", f"{X}{mark}/9"), (f"desk {mark}", "")), correction=f"correction {mark}",
        corrected_at=at,
    )


@settings(max_examples=100)
@given(data=st.data())
def test_both_ways_to_build_give_the_same_bytes(data, documents) -> None:
    document = data.draw(documents)
    fast, plain = cast(document), build(document)
    assert fast.rss == plain.rss
    assert fast.atom == plain.atom
    assert etree.fromstring(fast.rss) is not None
    assert etree.fromstring(fast.atom) is not None


@given(data=st.data())
def test_an_entry_is_the_same_whatever_stands_around_it(data, documents) -> None:
    """Moulds are kept between entries and documents; values are not."""
    document = data.draw(documents)
    alone = [cast(replace(document, entries=(one,))) for one in document.entries]
    together, empty = cast(document), cast(replace(document, entries=()))
    for kind, end in (("rss", b"  </channel>"), ("atom", b"</feed>")):
        tails = [rest(getattr(one, kind), getattr(empty, kind), end) for one in alone]
        assert rest(getattr(together, kind), getattr(empty, kind), end) == b"".join(tails)


def rest(document: bytes, empty: bytes, end: bytes) -> bytes:
    """What a document has that an empty one doesn't. Only dates may differ before it, which are all of one length."""
    return document[empty.rindex(end) : document.rindex(end)]


@pytest.mark.parametrize("podcast", [None, Podcast("News")])
def test_no_value_is_found_in_another_entry(entry, document, page, podcast) -> None:
    marks = [f"mark{n}x" for n in range(1, 9)]
    made = document(*(full(entry, mark, n) for n, mark in enumerate(marks, 1)), page=page(podcast=podcast))
    assert cast(made) == build(made)
    rss, atom = etree.fromstring(cast(made).rss), etree.fromstring(cast(made).atom)
    for elements in (list(rss.iter("item")), list(atom.iter(f"{A}entry"))):
        for mark, element in zip(marks, elements, strict=True):
            text = etree.tostring(element).decode()
            assert set(re.findall(r"mark\dx", text)) == {mark}
            assert text.count(mark) > 20


def test_every_value_of_an_entry_is_told(entry, document, page) -> None:
    """And no token is left: nothing that moulds are made of is in what they give."""
    told = cast(document(full(entry, "marked"), page=page(podcast=Podcast("News"))))
    nonce = moulds._NONCE.encode()
    assert nonce not in told.rss + told.atom
    for word in ("title", "summary", "author", "topic", "other", "source", "rights", "also", "desk", "correction", "m"):
        assert f"{word} marked".encode() in told.rss, word
        assert f"{word} marked".encode() in told.atom, word
    for word in ("p marked", "r marked", "i marked"):
        assert word.encode() in told.rss
    for n in (1, 3, 4, 6, 7, 8, 9):
        assert f"{X}marked/{n}".encode() in told.rss
    for n in (1, 2, 3, 4, 6, 7, 8, 9):
        assert f"{X}marked/{n}".encode() in told.atom


@pytest.mark.parametrize("text", [
    "Sun, 03 Feb 1901 04:05:06 +0000", "1901-02-03T04:05:06+00:00", "1902-03-04T05:06:07+00:00", "7000000000000001",
    "NONCEtitle.", "NONCE21.", "    <item>", "</item>\n", "</feed>", "  </channel>", "&amp;amp;",
])
def test_values_that_look_like_a_moulds_own(entry, document, text: str) -> None:
    text = text.replace("NONCE", moulds._NONCE)  # another in each process, so it can be in no test's name
    one = entry(title=text, author=text, summary=text, html=text, topics=(text, text), source_title=text, rights=text,
                enclosures=(Enclosure(X, "audio/mpeg", 7_000_000_000_000_002),
                            Enclosure(X, "audio/mpeg", 7_000_000_000_000_001)),
                extras=(Extra("media:title", text, (("type", text),)),), also=((text, X),),
                published_at=datetime(1902, 3, 4, 5, 6, 7, tzinfo=UTC),
                updated_at=datetime(1901, 2, 3, 4, 5, 6, tzinfo=UTC))
    made = document(one, entry(2), one)
    assert cast(made) == build(made)


@pytest.mark.parametrize("text", ["\r", "a\r\nb", "\n", "\t", " ", "\x7f", "\x85", "\x9f", "\u2028", '"', "'", "&", "<",
                                  ">", "]]>", "&#13;", "\U0010ffff"])
def test_each_character_is_written_as_lxml_writes_it(entry, document, text: str) -> None:
    one = entry(title=text, author=text, summary=text, html=text, topics=(text,), source_title=text, rights=text,
                extras=(Extra("media:title", text, (("type", text), ("lang", text))),), also=((text, X), (text, "")),
                correction=text)
    made = document(one)
    assert cast(made) == build(made)


def test_a_media_type_that_looks_like_a_moulds_length(entry, document) -> None:
    made = document(entry(enclosures=(Enclosure(X, "x/7000000000000001", 5),)))
    assert cast(made) == build(made)


def test_more_shapes_than_are_kept(entry, document, monkeypatch) -> None:
    monkeypatch.setattr(moulds, "_moulds", moulds.lru_cache(2)(moulds._moulds.__wrapped__))
    shapes = [entry(n, topics=("t",) * (n % 4), author="a" * (n % 3)) for n in range(1, 13)]
    made = document(*shapes, *reversed(shapes))
    assert cast(made) == build(made)
    assert moulds._moulds.cache_info().currsize == 2
