"""RSS and Atom: what readers see of a feed, whatever its articles hold, and that the same rows give the same bytes."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from html import unescape
from html.entities import html5
from pathlib import Path
from typing import Any

import feedparser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from pipeline.errors import BroadsheetError
from pipeline.model.articles import Also, ArticleStatus, Enclosure, Extra, Show
from pipeline.model.feeds import Podcast, Tombstone, Volume
from pipeline.publish.build import build, rfc822
from pipeline.publish.wording import no_tags

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "publish"
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
A = "{http://www.w3.org/2005/Atom}"
CONTENT = "{http://purl.org/rss/1.0/modules/content/}encoded"
DC = "{http://purl.org/dc/elements/1.1/}"
CC = "{http://backend.userland.com/creativeCommonsRssModule}"
FH = "{http://purl.org/syndication/history/1.0}"
AT = "{http://purl.org/atompub/tombstones/1.0}"
MEDIA = "{http://search.yahoo.com/mrss/}"
ITUNES = "{http://www.itunes.com/dtds/podcast-1.0.dtd}"
PODCAST = "{https://podcastindex.org/namespace/1.0}"
X = "https://x.example/"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"

# Where a test's own words are strange characters: the validator can't know that they are meant.
ODD = ("BadCharacters",)


def channel(built: Any) -> etree._Element:
    return etree.fromstring(built.rss)[0]


def feed(built: Any) -> etree._Element:
    return etree.fromstring(built.atom)


def make_golden(page: Any, article: Any) -> tuple[Any, ...]:
    """A feed with one of everything that a builder has a rule for."""
    around = page(
        title="Tips & <tricks>", description="All & any <tips>", language="sv", rights="© The Lantern", hub="https://hub.example/",
        image="https://lantern.example/cover.png", ttl_minutes=30,
        podcast=Podcast("News", "Daily News", owner_email="desk@lantern.example"))
    articles = [
        article(3, title="AT&T's “<b>” tag &amp; more", summary="One < two & three", rights="Gazette & Sons",
                html="<p>a ]]&gt; b &amp;nbsp; &lt;i&gt;</p>", topics=("health", "R&D", "health", " "),
                updated_at=NOON + timedelta(days=1, microseconds=7), image="https://gazette.example/3.jpg",
                licence="https://creativecommons.org/licenses/by/4.0/",
                correction="Three & not four", corrected_at=NOON + timedelta(days=1),
                also=(Also(7, "R&D <Blog>", "https://blog.example/ä?a=1&b=2"), Also(8, "Our desk", "")),
                enclosures=(Enclosure("https://gazette.example/a.mp3", "audio/mpeg", 1234),
                            Enclosure("https://gazette.example/b", "", 0),
                            Enclosure("file:///etc/passwd", "text/plain", 1)),
                extras=(Extra("itunes:duration", "1:02:03"), Extra("itunes:duration", "soon"),
                        Extra("media:credit", "Bo & Co", (("role", "photographer"),)),
                        Extra("podcast:person", "Ada", (("role", "guest"), ("href", "https://ada.example/?a=1&b=2"))))),
        article(1, author="", url="", source="desk", source_title="Our desk", source_url="", language="sv", topics=()),
        article(4, status=ArticleStatus.WITHDRAWN, title="Wrong", withdrawn_at=NOON + timedelta(hours=3)),
        article(2, show=Show.SUMMARY, url="https://gazette.example/blåbär?q=ü", title="שלום עולם",
                summary="", language="he", published_at=NOON - timedelta(hours=5), correction="Other bread"),
    ]
    graves = (Tombstone("tag:lantern.example,2026:article-4", NOON + timedelta(hours=3)),
              Tombstone("tag:lantern.example,2025:article-0", NOON - timedelta(days=300)))
    return around, articles, Volume(previous="archive/51-100/"), graves


def test_golden_files(page, article, built, broken_rules) -> None:
    """Byte for byte: a change here changes what every reader's program sees. WRITE_GOLDEN=1 writes them anew."""
    around, articles, volume, graves = make_golden(page, article)
    made = built(around, articles, volume, tombstones=graves)
    for name, data in (("rss.xml", made.rss), ("atom.xml", made.atom), ("feed.json", made.json)):
        if os.environ.get("WRITE_GOLDEN"):
            (GOLDEN / name).write_bytes(data)
        assert data.decode() == (GOLDEN / name).read_text("utf-8")
    assert broken_rules(made, *ODD) == []
    assert [note.partition(":")[0] for note in made.notes] == ["article 3 goes without an enclosure"]


def test_the_rules_have_teeth(page, article, built, broken_rules) -> None:
    around, articles, volume, graves = make_golden(page, article)
    made = built(around, articles, volume, tombstones=graves)
    for old, new in (
        (b"<ttl>30</ttl>", b""), (b"<docs>", b"<docs/><docs>"),
        (b"https://lantern.example/feeds/all/<", b"/feeds/all/<"), (b'rel="self"', b'rel="via"'),
        (b":article-1<", b":article-3<"), (b'isPermaLink="false"', b'isPermaLink="true"'),
        (b"Sun, 22 Nov", "sön, 22 nov".encode()), (b"Sun, 22 Nov", b"Mon, 22 Nov"), (b"+00:00", b""),
        (b'length="1234"', b""), (b"tag:lantern.example,2026", b"tag:lantern.example"),
        (b"<name>Ada Byron</name>", b"<name/>"), (b"15:00:01+00:00", b"15:00:00+00:00"),
        (b'rel="enclosure"', b'rel="alternate"'), (b'xml:lang="he"', b'xml:lang="english"'),
        (b"<description>Summary 1.</description>", b""), (b'"id": ', b'"guid": '),
    ):
        changed = {kind: getattr(made, kind).replace(old, new) for kind in ("rss", "atom", "json")}
        assert changed != {kind: getattr(made, kind) for kind in changed}
        assert broken_rules(replace(made, **changed), *ODD) != [], (old, new)


def test_what_readers_see(page, article, built) -> None:
    articles = [article(5, title="A & B", summary="x < y"), article(9), article(2, show=Show.SUMMARY)]
    made = built(page(), articles)
    for data in (made.rss, made.atom):
        seen = feedparser.parse(data)
        assert not seen.bozo
        assert seen.feed.title == "Everything"
        assert seen.feed.link == "https://lantern.example/feeds/all/"
        assert seen.feed.language == "en"
        assert [e.title for e in seen.entries] == ["A & B", "Title 9", "Title 2"]
        assert [e.link for e in seen.entries] == [f"https://gazette.example/{n}" for n in (5, 9, 2)]
        assert [e.id for e in seen.entries] == [f"tag:lantern.example,2026:article-{n}" for n in (5, 9, 2)]
        assert [e.author for e in seen.entries] == ["Ada Byron"] * 3
        assert [e.summary for e in seen.entries] == ["x &lt; y", "Summary 9.", "Summary 2."]
        contents = [e.content[0].value if "content" in e else "" for e in seen.entries]
        assert contents == ["<p>Body 5.</p>", "<p>Body 9.</p>", ""]
        assert seen.entries[0].tags[0].term == "health"
    rss, atom = feedparser.parse(made.rss), feedparser.parse(made.atom)
    assert rss.version == "rss20"
    assert atom.version == "atom10"
    assert rss.feed.links[1].href == "https://lantern.example/feeds/all/rss.xml"
    assert atom.feed.links[0].href == "https://lantern.example/feeds/all/atom.xml"
    assert rss.feed.generator == atom.feed.generator == "Broadsheet"


def test_the_given_order_stays(page, article, built) -> None:
    order = [4, 1, 3, 2]
    made = built(page(), [article(n) for n in order])
    assert [int(i.findtext("title").split()[1]) for i in channel(made).iter("item")] == order
    assert [int(e.findtext(f"{A}title").split()[1]) for e in feed(made).iter(f"{A}entry")] == order


def test_a_summary_is_all_that_others_work_gives(page, article, built, broken_rules) -> None:
    made = built(page(), [article(1, show=Show.SUMMARY, html="<p>Everything they wrote</p>")])
    assert b"Everything they wrote" not in made.rss + made.atom + made.json
    assert channel(made).find("item").findtext("description") == "Summary 1."
    assert broken_rules(made) == []


def test_content_never_lands_in_the_description(page, article, built) -> None:
    item = channel(built(page(), [article(1, summary="")])).find("item")
    assert item.findtext("description") == "Title 1"
    assert item.findtext(CONTENT) == "<p>Body 1.</p>"


def test_without_html_a_full_article_is_its_summary(page, article, built, broken_rules) -> None:
    made = built(page(), [article(1, html=" ")])
    assert channel(made).find("item").find(CONTENT) is None
    assert broken_rules(made) == []


def test_a_summary_is_text_even_where_it_looks_like_markup(page, article, built, broken_rules) -> None:
    made = built(page(), [article(1, summary="use <script>alert(1)</script> & co")])
    for entry in (feedparser.parse(made.rss).entries[0], feedparser.parse(made.atom).entries[0]):
        assert entry.summary == "use &lt;script&gt;alert(1)&lt;/script&gt; &amp; co"
    assert broken_rules(made) == []


def test_times_are_the_articles_never_now(page, article, built, broken_rules) -> None:
    newest = datetime(2026, 11, 25, 1, 2, 3, 999999, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    made = built(page(), [article(1), article(2, updated_at=newest), article(3)])
    assert channel(made).findtext("lastBuildDate") == "Tue, 24 Nov 2026 19:32:03 +0000"
    assert feed(made).findtext(f"{A}updated") == "2026-11-24T19:32:03+00:00"
    assert [i.findtext(f"{A}updated") for i in channel(made).iter("item")] == [None, "2026-11-24T19:32:03+00:00", None]
    empty = built(page(created_at=newest), [])
    assert channel(empty).findtext("lastBuildDate") == "Tue, 24 Nov 2026 19:32:03 +0000"
    assert feed(empty).findtext(f"{A}updated") == "2026-11-24T19:32:03+00:00"
    assert broken_rules(empty) == []


def test_a_documents_date_never_goes_back(page, article, built) -> None:
    """A withdrawal that moves out of a feed must not make it older than what a cache has of it."""
    late, grave = NOON + timedelta(days=9), Tombstone("tag:lantern.example,2026:article-9", NOON + timedelta(days=3))
    for values, want in (({}, "2026-11-22T12:01:00+00:00"), ({"tombstones": (grave,)}, "2026-11-25T12:00:00+00:00"),
                         ({"not_before": late}, "2026-12-01T12:00:00+00:00"),
                         ({"not_before": NOON}, "2026-11-22T12:01:00+00:00")):
        assert feed(built(page(), [article(1)], **values)).findtext(f"{A}updated") == want


def test_same_rows_same_bytes_in_any_zone_locale_and_hash_order(page, article, built, tmp_path) -> None:
    around, articles, volume, graves = make_golden(page, article)
    here = built(around, articles, volume, tombstones=graves)
    case = tmp_path / "case"
    case.write_bytes(pickle.dumps(here.document))
    script = (
        "import locale, pickle, sys; from pathlib import Path\n"
        "try: locale.setlocale(locale.LC_ALL, '')\n"
        "except locale.Error: pass\n"
        "from pipeline.publish.jsonfeed import build_json\n"
        "from pipeline.publish.moulds import cast\n"
        "document = pickle.loads(Path(sys.argv[1]).read_bytes())\n"
        "built = cast(document)\n"
        "sys.stdout.buffer.write(built.rss + built.atom + build_json(document))\n"
    )
    environment = {**os.environ, "TZ": "Pacific/Kiritimati", "LC_ALL": "de_DE.UTF-8", "PYTHONHASHSEED": "4711",
                   "PYTHONPATH": str(ROOT)}
    there = subprocess.run([sys.executable, "-c", script, case], capture_output=True, check=True, env=environment)
    assert there.stdout == here.rss + here.atom + here.json


def test_dates_are_english_and_the_process_keeps_its_locale(page, article, built, monkeypatch) -> None:
    """feedgen switches the locale of the whole process for each date; here nothing may touch it."""
    import locale

    def touched(*_arguments: object) -> str:
        raise AssertionError("the locale of the process was touched")

    monkeypatch.setattr(locale, "setlocale", touched)
    assert "22 Nov 2026" in (channel(built(page(), [article(1)])).findtext("lastBuildDate") or "")


@given(st.datetimes(datetime(1000, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_date_of_rss(at: datetime) -> None:
    assert rfc822(at) == format_datetime(at)


def test_names_outlive_titles_and_addresses(page, article, built) -> None:
    first = article(17)
    later = article(17, title="Another", url="https://moved.example/", html="<p>new</p>",
                    updated_at=first.updated_at + timedelta(days=400), status=ArticleStatus.WITHDRAWN)
    names = [feed(built(page(), [a])).find(f"{A}entry").findtext(f"{A}id") for a in (first, later)]
    assert names == ["tag:lantern.example,2026:article-17"] * 2
    assert feed(built(page(title="X"), [])).findtext(f"{A}id") == "tag:lantern.example,2026:feed-all"


@pytest.mark.parametrize(("site", "host"), [
    ("https://lantern.example", "lantern.example"), ("http://127.0.0.1:8000", "127.0.0.1"),
    ("https://lantern.example/news", "lantern.example"),
    ("https://xn--bcher-kva.example", "xn--bcher-kva.example"), ("http://[::1]:8000", "1." + "0." * 31 + "ip6.arpa"),
])
def test_any_public_url_gives_valid_names_and_links(page, article, built, broken_rules, site: str, host: str) -> None:
    around = page(site_url=site, url=f"{site}/feeds/all/", id=f"tag:{host},2026:feed-all")
    made = built(around, [article(1, url="", source_url="")], authority=host)
    assert broken_rules(made) == []
    assert feed(made).find(f"{A}entry").findtext(f"{A}id") == f"tag:{host},2026:article-1"
    assert channel(made).find("item").findtext("link") == f"{site}/a/1"
    assert channel(made).findtext("link") == f"{site}/feeds/all/"


def test_others_work_is_not_signed_with_our_name(page, article, built) -> None:
    made = built(page(), [article(1, author=""), article(2, author="", source_title="")])
    names = [e.findtext(f"{A}author/{A}name") for e in feed(made).iter(f"{A}entry")]
    assert names == ["The Gazette", "gazette"]
    assert all(i.find(f"{DC}creator") is None for i in channel(made).iter("item"))


def test_sources_are_named(page, article, built, broken_rules) -> None:
    made = built(page(), [article(1, source_url="https://gazette.example/feed"),
                          article(2, source="desk", source_title="Our desk", source_url="")])
    assert broken_rules(made) == []
    first, second = channel(made).iter("item")
    assert (first.findtext("source"), first.find("source").get("url")) == ("The Gazette", "https://gazette.example/feed")
    assert second.find("source") is None, "RSS has no source without an address"
    assert [i.findtext(f"{DC}source") for i in (first, second)] == [None, "Our desk"]
    told = [{child.tag.removeprefix(A): child.text or dict(child.attrib) for child in e.find(f"{A}source")}
            for e in feed(made).iter(f"{A}entry")]
    assert told == [
        {"id": "https://gazette.example/feed", "title": "The Gazette", "updated": "2026-11-22T12:01:00+00:00",
         "link": {"rel": "self", "href": "https://gazette.example/feed"}},
        {"id": "https://lantern.example/#desk", "title": "Our desk", "updated": "2026-11-22T12:02:00+00:00"}]


def test_enclosures(page, article, built, broken_rules) -> None:
    files = (Enclosure("https://x.example/1.mp3", "audio/mpeg", 5), Enclosure("https://x.example/2", "", 0),
             Enclosure("https://x.example/3.png", "image/png", 9))
    odd = Enclosure("https://x.example/4", "audio/mpeg", -1)
    made = built(page(), [article(n, enclosures=some) for n, some in enumerate((files, files[1:], (odd,)), 1)])
    first, second, third = channel(made).iter("item")
    assert third.find("enclosure").get("length") == "0", "RSS wants one, and nobody knows it"
    assert [dict(e.attrib) for e in first.iter("enclosure")] == [
        {"url": "https://x.example/1.mp3", "length": "5", "type": "audio/mpeg"}]
    assert [dict(e.attrib) for e in first.iter(f"{MEDIA}content")] == [
        {"url": "https://x.example/2", "type": "application/octet-stream"},
        {"url": "https://x.example/3.png", "type": "image/png", "fileSize": "9"}]
    assert second.find("enclosure").get("length") == "0"
    links = [dict(k.attrib) for k in feed(made).find(f"{A}entry").findall(f"{A}link") if k.get("rel") == "enclosure"]
    assert links == [{"href": "https://x.example/1.mp3", "rel": "enclosure", "type": "audio/mpeg", "length": "5"},
                     {"href": "https://x.example/2", "rel": "enclosure", "type": "application/octet-stream"},
                     {"href": "https://x.example/3.png", "rel": "enclosure", "type": "image/png", "length": "9"}]
    assert broken_rules(made) == []


@pytest.mark.parametrize("text", [
    "]]>", "<![CDATA[x]]>", "</item></channel></rss>", "<!--", "&amp;&nbsp;&#0;&#xFFFE;", "\u202eevil\u202c",
    "\u2028\u2029\x85", "%s %(x)s {0} {{ x }}", "\U0001f9d1\u200d\U0001f680", "a" * 120, "\t\r\n",
    "<?xml version='1.0'?>", "AT&T", "&unknown;", "</b>", "</ b>", "a<b", "1 < 2",
    "مرحبا بالعالم", "&lt;b&gt;", "'\"",
])
def test_odd_text_goes_through_unchanged(page, article, built, text: str, broken_rules) -> None:
    odd, html = f"x{text}x", f"<p>{text.replace('&', '&amp;').replace('<', '&lt;')}</p>"
    around = page(title=odd, description=odd, rights=odd, site_title=odd, image=f"{X}i.png")
    made = built(around, [article(1, title=odd, html=html, author=odd, topics=(odd,), summary=odd, rights=odd,
                                  source_title=odd, correction=odd,
                                  extras=(Extra("media:credit", odd),)),
                          article(2, source_url="", source_title=odd)])
    assert made.notes == ()
    assert broken_rules(made, *ODD, "NotHtml" if "\x85" in text else "") == []
    item, entry = channel(made).find("item"), feed(made).find(f"{A}entry")
    assert item.findtext(CONTENT) == entry.findtext(f"{A}content")
    assert item.findtext(CONTENT).endswith(html)
    plain = [channel(made).findtext("title"), item.findtext("title"), item.findtext("category"),
             item.findtext("source"), item.findtext(f"{DC}creator"), item.findtext(f"{DC}rights"),
             item.findtext(f"{MEDIA}credit"), feed(made).findtext(f"{A}title"), entry.findtext(f"{A}title"),
             entry.findtext(f"{A}author/{A}name"), entry.findtext(f"{A}rights"), entry.find(f"{A}category").get("term"),
             entry.findtext(f"{A}source/{A}title"), entry.findtext(f"{MEDIA}credit"),
             channel(made).findtext(f"item[2]/{DC}source"), feed(made).findtext(f"{A}author/{A}name"),
             *(channel(made).findtext(name) for name in ("description", "copyright", "image/title")),
             *(feed(made).findtext(f"{A}{name}") for name in ("subtitle", "rights"))]
    assert plain == [plain[0]] * 21, "all in one way"
    assert plain[0].replace("\u2060", "") == odd, "a reader that takes them for text shows this"
    assert shows_the_same_as_html(plain[0])
    told = json.loads(made.json)["items"][0]
    same = plain[0]
    assert [told["title"], told["summary"], told["authors"], told["tags"]] == [same, same, [{"name": same}], [same]]


def shows_the_same_as_html(text: str) -> bool:
    return unescape(text) == text and not re.search("<[A-Za-z/!?]", text)


@pytest.mark.parametrize(("title", "rss"), [
    ("AT&T & R&D a < b", "AT&T & R&D a < b"), ("<script>", "<\u2060script>"), ("</b>", "<\u2060/b>"),
    ("&amp; &copy 2026", "&\u2060amp; &\u2060copy 2026"), ("&#65; &#x41;", "&\u2060#65; &\u2060#x41;"),
    ("&a1;", "&\u2060a1;"), ("&a1 b", "&\u2060a1 b"), ("<!-- <?x", "<\u2060!-- <\u2060?x"), ("&&lt;&", "&&\u2060lt;&"),
])
def test_a_word_joiner_keeps_text_from_being_markup(page, article, built, broken_rules, title: str, rss: str) -> None:
    made = built(page(title=title), [article(1, title=title)])
    assert channel(made).findtext("title") == channel(made).find("item").findtext("title") == rss
    assert feed(made).findtext(f"{A}title") == feed(made).find(f"{A}entry").findtext(f"{A}title") == rss
    assert json.loads(made.json)["title"] == json.loads(made.json)["items"][0]["title"] == rss
    assert broken_rules(made) == []


@pytest.mark.parametrize("title", ["&apos;", "&check;", "&LT;b>", "?a=1&region=2", "x&notit", "&copying", "&ltd"])
def test_html_5_has_more_entities_and_some_need_no_semicolon(page, article, built, title: str) -> None:
    told = channel(built(page(), [article(1, title=title)])).find("item").findtext("title")
    assert shows_the_same_as_html(told)
    assert told.replace("\u2060", "") == title


@settings(max_examples=200)
@given(st.lists(st.sampled_from(("&", "&#", "&#x", "<", "/", "!", "?", ";", " ", "1", "é", "\u2060"))
                | st.sampled_from(sorted(html5)) | st.text(max_size=3), max_size=6).map("".join))
def test_text_shows_the_same_as_text_and_as_html(text: str) -> None:
    told = no_tags(text)
    assert shows_the_same_as_html(told)
    assert told.replace("\u2060", "") == text.replace("\u2060", "")
    assert no_tags(told) == told


def test_a_huge_article_gives_its_summary_only(page, article, built) -> None:
    made = built(page(), [article(1, html="x" * 2_000_001), article(2, html="y" * 20_000)])
    assert len(made.rss) < 30_000
    assert len(channel(made).findall("item")) == 2
    assert "article 1 has only its summary" in made.notes[0]


@pytest.mark.parametrize("values", [
    {"title": "a\x00b"}, {"title": " "}, {"description": "\ufffe"}, {"site_title": "\x0b"}, {"rights": "\x1b"},
    {"image": "https://x.example/\x00"}, {"hub": "\ud800"}, {"url": "lantern"}, {"url": "javascript:1"},
    {"created_at": datetime(2026, 1, 1)}])  # noqa: DTZ001  the fault itself
def test_a_page_that_can_not_be_a_feed_is_an_error_that_names_it(page, document, values) -> None:
    with pytest.raises(BroadsheetError) as caught:
        build(document(page=page(**values)))
    assert caught.value.subject == "feed all"


def test_missing_parts_of_a_page_are_filled(page, article, built, broken_rules) -> None:
    made = built(page(description="", site_title=""), [article(1, author="", source_title="", source="")])
    assert channel(made).findtext("description") == "Everything"
    assert broken_rules(made) == []
    assert feed(made).find(f"{A}entry").findtext(f"{A}author/{A}name") == "Everything"
    silent = built(page(language=""), [article(1, language="??")])
    assert channel(silent).find("language") is None
    assert feed(silent).get(XML_LANG) is None
    assert broken_rules(silent) == []


def test_an_entry_in_another_language_says_so(page, article, built) -> None:
    made = built(page(), [article(1), article(2, language="sv")])
    assert [e.get(XML_LANG) for e in feed(made).iter(f"{A}entry")] == [None, "sv"]
    assert [i.findtext(f"{DC}language") for i in channel(made).iter("item")] == [None, "sv"]


@settings(max_examples=40)
@given(texts=st.lists(st.text(max_size=20), min_size=6, max_size=6),
       at=st.datetimes(datetime(1990, 1, 2), datetime(2100, 1, 1), timezones=st.timezones()))  # noqa: DTZ001
def test_anything_stored_gives_valid_feeds_or_a_note(page, article, built, broken_rules, texts, at) -> None:
    title, author, summary, html, topic, url = texts
    odd = article(7, title=title, author=author, summary=summary, html=html, topics=(topic,), url=url, rights=author,
                  published_at=at, updated_at=at.astimezone(UTC), first_seen_at=at, source_title=topic,
                  enclosures=(Enclosure(url, topic, 3),), extras=(Extra("media:credit", title),))
    made = built(page(), [article(1), odd])
    # what is stored as HTML is HTML, which this is not: cleaning is collect's
    assert broken_rules(made, *ODD, "NotHtml", "ContainsRelRef") == []
    assert len(channel(made).findall("item")) + sum("left out" in note for note in made.notes) == 2


def test_who_else_tells_a_story_is_said_and_linked(page, article, built, broken_rules) -> None:
    also = (Also(7, "R&D <Blog>", "https://blog.example/ä?a=1&b=2"), Also(8, "Our desk", ""),
            Also(9, "Planet", "https://gazette.example/1"), Also(10, "Bad\x00", "https://x.example/"))
    made = built(page(), [article(1, also=also), article(2, also=also[:1], show=Show.SUMMARY), article(3)])
    assert broken_rules(made) == []
    said = ('<p>Also in <a href="https://blog.example/%C3%A4?a=1&amp;b=2">R&amp;D &lt;Blog&gt;</a>, '
            '<a href="https://lantern.example/a/8">Our desk</a>, Planet</p>')
    whole, short, alone = channel(made).iter("item")
    assert whole.findtext("description") == f"<p>Summary 1.</p>{said}"
    assert whole.findtext(CONTENT) == f"<p>Body 1.</p>{said}"
    assert short.findtext("description").endswith("&lt;Blog&gt;</a></p>")
    assert alone.findtext("description") == "Summary 3."
    blog = ("https://blog.example/%C3%A4?a=1&b=2", "R&D <\u2060Blog>")
    desk = ("https://lantern.example/a/8", "Our desk")
    assert [[(k.get("href"), k.get("title")) for k in entry.findall(f"{A}link") if k.get("rel") == "related"]
            for entry in feed(made).iter(f"{A}entry")] == [[blog, desk], [blog], []]


def test_a_licence_travels_on(page, article, built, broken_rules) -> None:
    by = "https://creativecommons.org/licenses/by/4.0/"
    made = built(page(), [article(1, licence=by), article(2)])
    assert broken_rules(made) == []
    first, second = channel(made).findall("item")
    assert [i.findtext(f"{CC}license") for i in (first, second)] == [by, None]
    links = [link.get("href") for link in feed(made).iter(f"{A}link") if link.get("rel") == "license"]
    assert links == [by]


def test_only_a_podcast_speaks_apples_words(page, article, built, broken_rules) -> None:
    """One of them would oblige any feed to be a podcast by Apple's rules."""
    episode = article(1, extras=(Extra("itunes:duration", "62:03"), Extra("itunes:image", "", (("href", f"{X}a.jpg"),)),
                                 Extra("media:title", "M"), Extra("podcast:season", "2")), image=f"{X}b.jpg",
                      enclosures=(Enclosure(f"{X}a.mp3", "audio/mpeg", 1),))
    plain = built(page(), [episode])
    assert b"<itunes:" not in plain.rss + plain.atom
    for name in (f"{MEDIA}title", f"{PODCAST}season", f"{MEDIA}thumbnail"):
        assert channel(plain).find("item").find(name) is not None
    assert broken_rules(plain) == []
    show = Podcast("Society & Culture", "Places & Travel", "Ada & Bo", "a@a.example", explicit=True, kind="serial")
    made = built(page(podcast=show, image=f"{X}cover.jpg"), [episode])
    assert broken_rules(made) == []
    assert b"<itunes:" not in made.atom
    told = channel(made)
    assert [told.findtext(f"{ITUNES}{n}") for n in ("author", "explicit", "type")] == ["Ada & Bo", "true", "serial"]
    assert told.find(f"{ITUNES}category/{ITUNES}category").get("text") == "Places & Travel"
    assert told.find(f"{ITUNES}image").get("href") == f"{X}cover.jpg"
    assert [told.findtext(f"{ITUNES}owner/{ITUNES}{n}") for n in ("name", "email")] == ["Ada & Bo", "a@a.example"]
    item = told.find("item")
    assert item.findtext(f"{ITUNES}duration") == "62:03"
    assert item.find(f"{MEDIA}thumbnail") is None, "it has a picture of its own"
    bare = channel(built(page(podcast=Podcast("News")), []))
    assert (bare.find(f"{ITUNES}owner"), bare.find(f"{ITUNES}image")) == (None, None)
    assert bare.findtext(f"{ITUNES}author") == "The Lantern"


def test_a_hub_is_named_where_there_is_news(page, article, built, broken_rules) -> None:
    hub = page(hub="https://hub.example/?a=1&b=2")
    for volume, named in ((Volume(), ["https://hub.example/?a=1&b=2"]), (Volume("archive/1-50/"), [])):
        made = built(hub, [article(1)], volume)
        for root in (channel(made), feed(made)):
            assert [k.get("href") for k in root.findall(f"{A}link") if k.get("rel") == "hub"] == named
        assert broken_rules(made) == []


def test_a_complete_feed_says_so_and_its_archives_are_none(page, article, built, broken_rules) -> None:
    made = built(page(complete=True), [article(1)])
    assert broken_rules(made) == []
    for root in (channel(made), feed(made)):
        assert root.find(f"{FH}complete") is not None
        assert root.find(f"{FH}archive") is None
    for following in ("archive/51-100/", ""):
        archive = built(page(complete=True), [article(1)], Volume("archive/1-50/", "", following))
        assert channel(archive).find(f"{FH}complete") is None


def test_tombstones_stand_before_the_entries(page, article, built, broken_rules) -> None:
    graves = tuple(Tombstone(f"tag:lantern.example,2026:article-{n}", NOON) for n in (9, 8))
    made = built(page(), [article(1)], tombstones=graves)
    assert [dict(e.attrib) for e in feed(made).findall(f"{AT}deleted-entry")] == [
        {"ref": grave.id, "when": "2026-11-22T12:00:00+00:00"} for grave in graves]
    assert broken_rules(made) == []
    assert b"deleted-entry" not in made.rss
