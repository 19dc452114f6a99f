"""Articles become entries: what is wrong with one is said, and never costs the feed."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from pipeline.collect.reading.extras import legal_extras
from pipeline.model.articles import Also, ArticleStatus, Enclosure, Extra, Show
from pipeline.model.feeds import Entry, Mark, Podcast, Tombstone
from pipeline.publish.entries import (
    MAX_HTML_CHARS,
    Imprint,
    article_id,
    authority,
    entries_of,
    feed_id,
    illegal,
    is_legal,
    second,
    tombstone,
)

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SITE = Imprint("lantern.example", "https://lantern.example/news", "en")
X = "https://x.example/"
POISONS = {
    "NUL": "a\x00b", "VT": "a\x0bb", "ESC": "\x1b[2J", "U+FFFE": "a\ufffeb", "U+FFFF": "\uffff",
    "surrogate": "a\ud800b",
}


def one(article: Any, imprint: Imprint = SITE) -> Entry:
    (entry,), notes = entries_of([article], imprint)
    assert notes == []
    return entry


@pytest.mark.parametrize("field", ["title", "author", "summary", "html", "source_title", "rights", "topics",
                                   "correction", "extras", "language"])
@pytest.mark.parametrize("poison", POISONS)
def test_one_poisoned_article_never_costs_the_feed(page, article, built, field, poison, broken_rules) -> None:
    text = POISONS[poison]
    odd = {"topics": (text,), "extras": (Extra("media:credit", "Bo", (("role", text),)),)}.get(field, text)
    good = [article(n) for n in range(1, 4)]
    made, alone = built(page(), [good[0], article(99, **{field: odd}), *good[1:]]), built(page(), good)
    assert broken_rules(made) == []
    assert (made.rss, made.atom, made.json) == (alone.rss, alone.atom, alone.json)
    assert len(made.notes) == 1
    assert "article 99 is left out: it holds U+" in made.notes[0]


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "/relative", "mailto:a@b.example", "http://",
                                 "http://a b/", "vbscript:x", "\x00javascript:x", "//no-scheme.example/",
                                 "ftp://x.example/"])
def test_a_link_is_http_or_our_own_page(page, article, built, url: str, broken_rules) -> None:
    odd = article(1, url=url, enclosures=(Enclosure(url, "audio/mpeg", 1),), source_url=url, licence=url, image=url,
                  also=(Also(7, "Blog", url),))
    made = built(page(), [odd])
    assert etree.fromstring(made.rss)[0].find("item").findtext("link") == "https://lantern.example/a/1"
    assert url == "http://" or url.encode() not in made.rss + made.atom + made.json
    assert broken_rules(made) == []
    assert len(made.notes) == 2


@pytest.mark.parametrize(("values", "words"), [
    ({"title": " \n"}, "no title"),
    *(({field: datetime(2026, 1, 1)}, "no time zone")  # noqa: DTZ001  the fault itself
      for field in ("published_at", "first_seen_at", "updated_at", "corrected_at", "withdrawn_at")),
    ({"id": 1}, "twice"),
])
def test_what_can_not_be_an_entry_is_left_out_and_said(article, values, words: str) -> None:
    entries, notes = entries_of([article(1), article(2, **values), article(3)], SITE)
    assert [entry.article_id for entry in entries] == [1, 3]
    assert [words in note for note in notes] == [True]


def test_every_value_travels(article) -> None:
    made = one(article(
        7, title="T", url=f"{X}1", updated_at=NOON + timedelta(days=1), summary=" S ", author=" Ada ", html="<p>H</p>",
        topics=("b", "a", "b", " "), language="sv", source="desk", source_title=" Desk ", source_url=f"{X}feed",
        rights="R", licence=f"{X}by", image=f"{X}i.png", enclosures=(Enclosure(f"{X}å.mp3", "audio/mpeg", 3),),
        extras=(Extra("media:title", "M"),), also=(Also(8, "Blog", f"{X}blog"),), correction=" C ", corrected_at=NOON))
    assert made == Entry(
        article_id=7, id="tag:lantern.example,2026:article-7", title="T", link=f"{X}1",
        published_at=NOON + timedelta(minutes=7), updated_at=NOON + timedelta(days=1), summary="S", author="Ada",
        html="<p>H</p>", topics=("b", "a"), language="sv", source="desk", source_id=f"{X}feed", source_title="Desk",
        source_url=f"{X}feed", rights="R", licence=f"{X}by", image=f"{X}i.png",
        enclosures=(Enclosure(f"{X}%C3%A5.mp3", "audio/mpeg", 3),), extras=(Extra("media:title", "M"),),
        also=(("Blog", f"{X}blog"),), correction="C", corrected_at=NOON)


def test_what_is_missing_is_filled(article) -> None:
    made = one(article(7, url="", summary=" ", author=" ", html=" ", source_title=" ", source_url="", language="en"))
    assert (made.link, made.summary, made.author, made.html, made.source_title, made.source_id, made.language) == (
        "https://lantern.example/news/a/7", "Title 7", "", "", "gazette", "https://lantern.example/news/#gazette", "")


@pytest.mark.parametrize(("values", "html"), [
    ({}, "<p>Body 1.</p>"), ({"show": Show.SUMMARY}, ""), ({"html": "\n"}, ""),
    ({"html": "x" * MAX_HTML_CHARS}, "x" * MAX_HTML_CHARS),
])
def test_the_whole_text_only_where_it_may_be_shown(article, values, html: str) -> None:
    assert one(article(1, **values)).html == html


def test_a_huge_text_is_left_out_and_said(article) -> None:
    (made,), notes = entries_of([article(1, html="x" * (MAX_HTML_CHARS + 1))], SITE)
    assert (made.html, made.summary) == ("", "Summary 1.")
    assert notes == ["article 1 has only its summary: 2000001 characters are more than 2000000"]


@pytest.mark.parametrize(("written", "told"), [
    ("", ""), ("en", ""), ("sv", "sv"), ("zh-Hant-TW", "zh-Hant-TW"), ("English language", ""), ("e", ""),
    ("sv_SE", ""), ("sv\n", ""), ("svenskaspråket", ""),
])
def test_a_language_is_one_and_another_than_the_sites(article, written: str, told: str) -> None:
    assert one(article(1, language=written)).language == told


def test_times_are_whole_seconds_of_utc(article) -> None:
    odd = datetime(2026, 1, 1, 0, 30, 0, 999_999, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    made = one(article(1, published_at=odd, updated_at=odd, first_seen_at=odd))
    assert made.published_at == made.updated_at == datetime(2025, 12, 31, 18, 45, tzinfo=UTC) == second(odd)
    assert made.published_at.tzinfo is UTC
    assert made.id == "tag:lantern.example,2025:article-1", "the year of an id is UTC's"


def test_a_correction_is_a_change(article) -> None:
    late = NOON + timedelta(days=2)
    assert one(article(1, correction="C", corrected_at=late)).updated_at == late
    assert one(article(1, correction="C", corrected_at=NOON)).updated_at == NOON + timedelta(minutes=1)


def test_a_withdrawn_article_leaves_not_a_word(article) -> None:
    """Under its id and at its place, changed a second after its tombstone: RFC 6721 has the later one of both win."""
    at = NOON + timedelta(days=1, microseconds=5)
    full = article(7, status=ArticleStatus.WITHDRAWN, withdrawn_at=at, author="Ada", licence=f"{X}by",
                   image=f"{X}i.png", rights="R", enclosures=(Enclosure(f"{X}1.mp3", "audio/mpeg", 3),),
                   also=(Also(8, "Blog", X),), extras=(Extra("media:title", "M"),), correction="C", language="sv")
    made = one(full)
    grave = tombstone("lantern.example", 7, full.first_seen_at, at)
    assert grave == Tombstone("tag:lantern.example,2026:article-7", second(at))
    assert (made.id, made.updated_at - grave.withdrawn_at) == (grave.id, timedelta(seconds=1))
    assert (made.title, made.summary, made.link) == (
        "Withdrawn", "This article was withdrawn.", "https://lantern.example/news/a/7")
    assert (made.mark, made.withdrawn, made.published_at) == (Mark.WITHDRAWN, True, full.published_at)
    said = {"article_id", "id", "title", "link", "published_at", "updated_at", "summary", "mark"}
    assert {f.name for f in fields(Entry) if f.name not in said and getattr(made, f.name)} == set()
    unknown = one(article(1, status=ArticleStatus.WITHDRAWN, title=""))
    assert unknown.updated_at == NOON + timedelta(minutes=1, seconds=1)


def test_who_else_tells_it(article) -> None:
    also = (Also(8, "Blog", f"{X}ä"), Also(9, "Desk", ""), Also(10, "Same", "https://gazette.example/1"),
            Also(11, "Bad\x00", X), Also(12, "Odd", "javascript:1"))
    assert one(article(1, also=also)).also == (
        ("Blog", f"{X}%C3%A4"), ("Desk", "https://lantern.example/news/a/9"), ("Same", ""), ("Odd", ""))


@pytest.mark.parametrize(("public_url", "host"), [
    ("https://Lantern.Example/", "lantern.example"), ("https://lantern.example./x", "lantern.example"),
    ("http://127.0.0.1:8000", "127.0.0.1"), ("https://bücher.example", "xn--bcher-kva.example"),
    ("http://[::1]:8000", "1." + "0." * 31 + "ip6.arpa"), ("nonsense", "localhost"),
])
def test_the_authority_of_ids(public_url: str, host: str) -> None:
    assert authority(public_url) == host


def test_ids_are_tag_uris() -> None:
    new_year = datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=1)))
    assert article_id("a.example", 7, new_year) == "tag:a.example,2025:article-7"
    assert feed_id("a.example", "all/topic/x y", new_year) == "tag:a.example,2025:feed-all%2Ftopic%2Fx%20y"


@given(st.text() | st.text(
    st.sampled_from("\t\n\r\x00\x0b\x1f \x7f\x9f\ud7ff\ud800\udfff\ue000\ufffd\ufffe\uffff\U00010000")))
def test_legal_is_what_a_parser_takes(text: str) -> None:
    try:
        read = etree.fromstring(f"<a>{text.translate({38: None, 60: None, 13: None})}</a>") is not None
    except (etree.XMLSyntaxError, UnicodeEncodeError):
        read = False
    assert is_legal(text) == read
    assert (illegal(text) == "") == read


def test_the_first_illegal_character_is_named() -> None:
    assert illegal("ab\x0b\x00") == "U+000B"
    assert illegal("\ud800") == "U+D800"
    assert illegal("é\uffff") == "U+FFFF"


URL = ("url", X)


@pytest.mark.parametrize(("name", "text", "told"), [
    ("itunes:duration", "1:02:03", True), ("itunes:duration", "02:03", True), ("itunes:duration", "3723", True),
    ("itunes:duration", "1:60:00", False), ("itunes:duration", "PT1H", False), ("itunes:duration", "", False),
    ("itunes:duration", "1:02:03:04", False), ("itunes:explicit", "true", True), ("itunes:explicit", "maybe", False),
    ("itunes:episode", "7", True), ("itunes:episode", "0", False), ("itunes:episode", "٧", False),
    ("itunes:season", "one", False), ("itunes:episodeType", "bonus", True), ("itunes:episodeType", "Bonus", False),
    ("media:title", "anything", True), ("media:rating", "adult", True), ("media:rating", "all", False),
    ("podcast:season", "2", True), ("podcast:episode", "1.5", True), ("podcast:person", "", False),
])
def test_mistakes_of_others_are_not_repeated(article, name: str, text: str, told: bool) -> None:
    extra = Extra(name, text)
    assert one(article(1, extras=(extra,))).extras == ((extra,) if told else ())


@pytest.mark.parametrize(("key", "good", "bad"), [
    ("width", "640", "100%"), ("height", "480", "0"), ("fileSize", "9", "-1"), ("type", "a/b", "jpeg"),
    ("medium", "image", "film"), ("isDefault", "true", "1"), ("expression", "full", "all"), ("bitrate", "12.5", "fast"),
    ("duration", "60", "1:00"), ("lang", "zh-Hant", "english"),
])
def test_an_attribute_that_is_none_goes_by_itself(article, key: str, good: str, bad: str) -> None:
    whole, bare = Extra("media:content", "", ((key, good), URL)), Extra("media:content", "", (URL,))
    assert one(article(1, extras=(whole,))).extras == (whole,)
    assert one(article(1, extras=(Extra("media:content", "", ((key, bad), URL)),))).extras == (bare,)
    assert one(article(1, extras=(Extra("media:content", "", ((key, good),)),))).extras == (), "without its address"


def test_old_words_for_explicit_are_new_ones(article) -> None:
    told = [one(article(1, extras=(Extra("itunes:explicit", word),))).extras[0].text for word in ("yes", "no", "clean")]
    assert told == ["true", "false", "false"]


def test_one_file_is_the_default_one(article) -> None:
    files = [Extra("media:content", "", (("isDefault", "true"), ("url", f"{X}{n}"))) for n in "123"]
    told = one(article(1, extras=tuple(files))).extras
    assert told == (files[0], *(Extra("media:content", "", (("url", f"{X}{n}"),)) for n in "23"))


def test_what_stands_twice_stands_once(article) -> None:
    titles, pictures = [Extra("media:title", word) for word in "AB"], [
        Extra("media:thumbnail", "", (("url", f"{X}{n}"),)) for n in "12"]
    assert one(article(1, extras=(*titles, *pictures))).extras == (titles[0], *pictures)


@pytest.mark.parametrize("extras", [
    (Extra("itunes:duration", "1:99:99"),), (Extra("itunes:explicit", "clean"),), (Extra("itunes:explicit", "yes"),),
    (Extra("itunes:subtitle", "x" * 300),), (Extra("itunes:title", "A"), Extra("itunes:title", "B")),
    (Extra("media:title", "A"), Extra("media:title", "B")), (Extra("media:title", "AT&amp;T"),),
    (Extra("media:description", "A <b>x</b> y"),), (Extra("media:rating", "everyone"),),
    (Extra("media:rating", "x", (("scheme", "none"),)),), (Extra("media:credit", "Bo", (("role", "boss"),)),),
    (Extra("media:content", "", (("duration", "soon"), URL)),),
    (Extra("media:content", "", (("lang", "english"), URL)),),
    (Extra("media:content", "", (("isDefault", "true"), URL)),
     Extra("media:content", "", (("isDefault", "true"), ("url", f"{X}2")))),
    (Extra("media:thumbnail", "", (("time", "soon"), URL)),), (Extra("podcast:transcript", "", (URL,)),),
    (Extra("podcast:transcript", "", (URL, ("type", "text/vtt"), ("rel", "x"))),),
    (Extra("podcast:chapters", "", (URL,)),),
    (Extra("podcast:person", "", (("role", "guest"),)),), (Extra("podcast:person", "B" * 200),),
    (Extra("podcast:soundbite", "x", (("startTime", "1"),)),), (Extra("podcast:season", "two"),),
    (Extra("podcast:season", "2"), Extra("podcast:season", "3")), (Extra("podcast:episode", "one"),),
    (Extra("podcast:license", "", (URL,)),),
], ids=lambda extras: f"{extras[0].name}-{len(extras)}")
def test_no_word_of_a_source_breaks_a_rule(page, article, built, broken_rules, extras: tuple[Extra, ...]) -> None:
    """All of these come through `collect` as they are."""
    show = page(podcast=Podcast("News", owner_email="a@a.example"))
    assert legal_extras(extras, X) == extras
    assert broken_rules(built(show, [article(1, extras=extras)])) == []


def test_english_is_no_language_tag(article) -> None:
    assert one(article(1, language="english")).language == ""
