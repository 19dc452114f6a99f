from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import feedparser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from pipeline.errors import BroadsheetError
from pipeline.model.articles import Also, Enclosure, Show
from pipeline.publish.build import MAX_HTML_CHARS, Built, build

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "publish"
A = "{http://www.w3.org/2005/Atom}"
CONTENT = "{http://purl.org/rss/1.0/modules/content/}encoded"
DC = "{http://purl.org/dc/elements/1.1/}"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"

POISONS = {
    "NUL": "a\x00b", "VT": "a\x0bb", "ESC": "\x1b[2J", "U+FFFE": "a\ufffeb", "U+FFFF": "\uffff",
    "surrogate": "a\ud800b",
}


def channel(built: Built) -> etree._Element:
    return etree.fromstring(built.rss)[0]


def feed(built: Built) -> etree._Element:
    return etree.fromstring(built.atom)


def test_golden_files(golden, broken_rules) -> None:
    """Byte for byte: a change here changes what every reader's program sees. WRITE_GOLDEN=1 writes them anew."""
    page, articles, sources = golden
    built = build(page, articles, source_urls=sources)
    for name, data in (("rss.xml", built.rss), ("atom.xml", built.atom)):
        if os.environ.get("WRITE_GOLDEN"):
            (GOLDEN / name).write_bytes(data)
        assert data.decode() == (GOLDEN / name).read_text("utf-8")
    assert broken_rules(built) == []
    assert [note.partition(":")[0] for note in built.notes] == ["article 3 in feed all goes without an enclosure"]


def test_the_rules_have_teeth(golden, broken_rules) -> None:
    page, articles, sources = golden
    built = build(page, articles, source_urls=sources)
    for old, new in (
        (b"<ttl>60</ttl>", b""), (b"<docs>", b"<docs/><docs>"),
        (b"https://lantern.example/feeds/all/<", b"/feeds/all/<"), (b'rel="self"', b'rel="via"'),
        (b":article-1<", b":article-3<"), (b'isPermaLink="false"', b'isPermaLink="true"'),
        (b"Sun, 22 Nov", "sön, 22 nov".encode()), (b"Sun, 22 Nov", b"Mon, 22 Nov"), (b"+00:00", b""),
        (b'length="1234"', b""), (b"tag:lantern.example,2026", b"tag:lantern.example"),
        (b"<name>Ada Byron</name>", b"<name/>"),
        (b'rel="enclosure"', b'rel="alternate"'), (b'xml:lang="he"', b'xml:lang=""'),
    ):
        assert old in built.rss + built.atom
        assert broken_rules(Built(built.rss.replace(old, new), built.atom.replace(old, new))) != [], (old, new)


def test_what_readers_see(page, article) -> None:
    articles = [article(5, title="A & B", summary="x < y"), article(9), article(2, show=Show.SUMMARY)]
    built = build(page(), articles)
    for data in (built.rss, built.atom):
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
    rss, atom = feedparser.parse(built.rss), feedparser.parse(built.atom)
    assert rss.version == "rss20"
    assert atom.version == "atom10"
    assert rss.feed.links[1].href == "https://lantern.example/feeds/all/rss.xml"
    assert atom.feed.links[0].href == "https://lantern.example/feeds/all/atom.xml"
    assert rss.feed.generator == atom.feed.generator == "Broadsheet"


def test_the_given_order_stays(page, article) -> None:
    order = [4, 1, 3, 2]
    built = build(page(), [article(n) for n in order])
    assert [int(i.findtext("title").split()[1]) for i in channel(built).iter("item")] == order
    assert [int(e.findtext(f"{A}title").split()[1]) for e in feed(built).iter(f"{A}entry")] == order


def test_a_summary_is_all_that_others_work_gives(page, article, broken_rules) -> None:
    built = build(page(), [article(1, show=Show.SUMMARY, html="<p>Everything they wrote</p>")])
    assert b"Everything they wrote" not in built.rss + built.atom
    assert channel(built).find("item").findtext("description") == "Summary 1."
    assert broken_rules(built) == []


def test_content_never_lands_in_the_description(page, article) -> None:
    item = channel(build(page(), [article(1, summary="")])).find("item")
    assert item.findtext("description") == "Title 1"
    assert item.findtext(CONTENT) == "<p>Body 1.</p>"


def test_without_html_a_full_article_is_its_summary(page, article, broken_rules) -> None:
    built = build(page(), [article(1, html=" ")])
    assert channel(built).find("item").find(CONTENT) is None
    assert broken_rules(built) == []


def test_a_summary_is_text_even_where_it_looks_like_markup(page, article) -> None:
    built = build(page(), [article(1, summary="use <script>alert(1)</script> & co")])
    for entry in (feedparser.parse(built.rss).entries[0], feedparser.parse(built.atom).entries[0]):
        assert entry.summary == "use &lt;script&gt;alert(1)&lt;/script&gt; &amp; co"


def test_times_are_the_articles_never_now(page, article, broken_rules) -> None:
    newest = datetime(2026, 11, 25, 1, 2, 3, 999999, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    built = build(page(), [article(1), article(2, updated_at=newest), article(3)])
    assert channel(built).findtext("lastBuildDate") == "Tue, 24 Nov 2026 19:32:03 +0000"
    assert feed(built).findtext(f"{A}updated") == "2026-11-24T19:32:03+00:00"
    empty = build(page(created_at=newest), [])
    assert channel(empty).findtext("lastBuildDate") == "Tue, 24 Nov 2026 19:32:03 +0000"
    assert feed(empty).findtext(f"{A}updated") == "2026-11-24T19:32:03+00:00"
    assert broken_rules(empty) == []


def test_same_rows_same_bytes_in_any_zone_locale_and_hash_order(golden, tmp_path) -> None:
    page, articles, sources = golden
    here = build(page, articles, source_urls=sources)
    case = tmp_path / "case"
    case.write_bytes(pickle.dumps((page, articles, sources)))
    script = (
        "import locale, pickle, sys, warnings; from pathlib import Path\n"
        "try: locale.setlocale(locale.LC_ALL, '')\n"
        "except locale.Error: pass\n"
        "from pipeline.publish.build import build\n"
        "page, articles, sources = pickle.loads(Path(sys.argv[1]).read_bytes())\n"
        "built = build(page, articles, source_urls=sources)\n"
        "sys.stdout.buffer.write(built.rss + built.atom)\n"
    )
    environment = {**os.environ, "TZ": "Pacific/Kiritimati", "LC_ALL": "de_DE.UTF-8", "PYTHONHASHSEED": "4711",
                   "PYTHONPATH": str(ROOT)}
    there = subprocess.run([sys.executable, "-c", script, case], capture_output=True, check=True, env=environment)
    assert there.stdout == here.rss + here.atom


def test_dates_are_english_and_the_process_keeps_its_locale(page, article, monkeypatch) -> None:
    """feedgen switches the locale of the whole process for each date; here nothing may touch it."""
    import locale

    def touched(*_arguments: object) -> str:
        raise AssertionError("the locale of the process was touched")

    monkeypatch.setattr(locale, "setlocale", touched)
    assert "22 Nov 2026" in (channel(build(page(), [article(1)])).findtext("lastBuildDate") or "")


def test_names_outlive_titles_and_addresses(page, article) -> None:
    first = article(17)
    later = article(17, title="Another", url="https://moved.example/", html="<p>new</p>",
                    updated_at=first.updated_at + timedelta(days=400))
    names = [feed(build(page(), [a])).find(f"{A}entry").findtext(f"{A}id") for a in (first, later)]
    assert names == ["tag:lantern.example,2026:article-17"] * 2
    assert feed(build(page(title="X"), [])).findtext(f"{A}id") == "tag:lantern.example,2026:feed-all"


@pytest.mark.parametrize(("public_url", "host", "site"), [
    ("https://Lantern.Example/", "lantern.example", "https://lantern.example"),
    ("http://127.0.0.1:8000", "127.0.0.1", "http://127.0.0.1:8000"),
    ("https://lantern.example/news/", "lantern.example", "https://lantern.example/news"),
    ("https://bücher.example", "xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ("http://[::1]:8000", "1." + "0." * 31 + "ip6.arpa", "http://[::1]:8000"),
])
def test_any_public_url_gives_valid_names_and_links(page, article, broken_rules, public_url, host, site) -> None:
    built = build(page(public_url=public_url), [article(1, url="")])
    assert broken_rules(built) == []
    assert feed(built).find(f"{A}entry").findtext(f"{A}id") == f"tag:{host},2026:article-1"
    assert channel(built).find("item").findtext("link") == f"{site}/a/1"
    assert channel(built).findtext("link") == f"{site}/feeds/all/"


def test_others_work_is_not_signed_with_our_name(page, article) -> None:
    built = build(page(), [article(1, author=""), article(2, author="", source_title="")])
    names = [e.findtext(f"{A}author/{A}name") for e in feed(built).iter(f"{A}entry")]
    assert names == ["The Gazette", "The Lantern"]
    assert all(i.find(f"{DC}creator") is None for i in channel(built).iter("item"))


def test_sources_are_named(page, article) -> None:
    built = build(page(), [article(1), article(2, source="desk", source_title="Our desk")],
                  source_urls={"gazette": "https://gazette.example/feed", "desk": ""})
    first, second = channel(built).iter("item")
    assert (first.findtext("source"), first.find("source").get("url")) == ("The Gazette", "https://gazette.example/feed")
    assert second.find("source") is None, "RSS has no source without an address"
    first, second = (e.find(f"{A}source") for e in feed(built).iter(f"{A}entry"))
    assert (first.findtext(f"{A}title"), first.find(f"{A}link").get("rel")) == ("The Gazette", "self")
    assert (second.findtext(f"{A}title"), second.find(f"{A}link")) == ("Our desk", None)


def test_enclosures(page, article, broken_rules) -> None:
    both = (Enclosure("https://x.example/1.mp3", "audio/mpeg", 5), Enclosure("https://x.example/2", "", 0))
    built = build(page(), [article(1, enclosures=both)])
    item = channel(built).find("item")
    assert [dict(e.attrib) for e in item.iter("enclosure")] == [
        {"url": "https://x.example/1.mp3", "length": "5", "type": "audio/mpeg"}]
    links = [dict(k.attrib) for k in feed(built).find(f"{A}entry").findall(f"{A}link") if k.get("rel") == "enclosure"]
    assert links == [{"href": "https://x.example/1.mp3", "rel": "enclosure", "type": "audio/mpeg", "length": "5"},
                     {"href": "https://x.example/2", "rel": "enclosure", "type": "application/octet-stream"}]
    assert broken_rules(built) == []


@pytest.mark.parametrize("field", ["title", "author", "summary", "html", "source_title", "rights", "topics"])
@pytest.mark.parametrize("poison", POISONS)
def test_one_poisoned_article_never_costs_the_feed(page, article, field: str, poison: str, broken_rules) -> None:
    text = POISONS[poison]
    bad = article(99, **{field: (text,) if field == "topics" else text})
    good = [article(n) for n in range(1, 4)]
    built = build(page(), [good[0], bad, *good[1:]])
    assert broken_rules(built) == []
    assert (built.rss, built.atom) == (build(page(), good).rss, build(page(), good).atom)
    assert len(built.notes) == 1
    assert "article 99 is left out of feed all: it holds U+" in built.notes[0]


@pytest.mark.parametrize(("values", "words"), [
    ({"title": " \n"}, "no title"),
    ({"published_at": datetime(2026, 1, 1)}, "no time zone"),  # noqa: DTZ001  the fault itself
    ({"first_seen_at": datetime(2026, 1, 1)}, "no time zone"),  # noqa: DTZ001
    ({"id": 1}, "twice"),
])
def test_what_can_not_be_an_entry_is_left_out_and_said(page, article, values, words: str) -> None:
    built = build(page(), [article(1), article(2, **values)])
    assert len(channel(built).findall("item")) == 1
    assert len(built.notes) == 1
    assert words in built.notes[0]


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "/relative", "mailto:a@b.example", "http://",
                                 "http://a b/", "vbscript:x", "\x00javascript:x", "//no-scheme.example/",
                                 "ftp://x.example/"])
def test_a_link_is_http_or_our_own_page(page, article, url: str, broken_rules) -> None:
    bad = Enclosure(url, "audio/mpeg", 1)
    built = build(page(), [article(1, url=url, enclosures=(bad,))], source_urls={"gazette": url})
    assert channel(built).find("item").findtext("link") == "https://lantern.example/a/1"
    assert url == "http://" or url.encode() not in built.rss + built.atom
    assert broken_rules(built) == []
    assert len(built.notes) == 2


@pytest.mark.parametrize("text", [
    "]]>", "<![CDATA[x]]>", "</item></channel></rss>", "<!--", "&amp;&nbsp;&#0;&#xFFFE;", "\u202eevil\u202c",
    "\u2028\u2029\x85", "%s %(x)s {0} {{ x }}", "\U0001f9d1\u200d\U0001f680", "a" * 100_000, "\t\r\n",
    "<?xml version='1.0'?>",
    "مرحبا بالعالم", "&lt;b&gt;", "'\"",
])
def test_odd_text_goes_through_unchanged(page, article, text: str, broken_rules) -> None:
    odd = f"x{text}x"
    built = build(page(), [article(1, title=odd, html=f"<p>{text}</p>", author=odd, topics=(odd,), summary=odd,
                                   rights=odd, source_title=odd)])
    assert built.notes == ()
    assert broken_rules(built) == []
    item, entry = channel(built).find("item"), feed(built).find(f"{A}entry")
    assert entry.findtext(f"{A}title") == f"x{text}x"
    assert item.findtext("title").replace("\u2060", "") == f"x{text}x", "where a reader takes it for HTML, too"
    assert not re.search(r"<[A-Za-z/!?]", item.findtext("title"))
    assert item.findtext(CONTENT) == entry.findtext(f"{A}content") == f"<p>{text}</p>"
    assert item.findtext(f"{DC}creator").replace("\u2060", "") == entry.findtext(f"{A}author/{A}name") == f"x{text}x"


def test_a_huge_article_gives_its_summary_only(page, article) -> None:
    built = build(page(), [article(1, html="x" * (MAX_HTML_CHARS + 1)), article(2)])
    assert len(built.rss) < 10_000
    assert len(channel(built).findall("item")) == 2
    assert "article 1 has only its summary" in built.notes[0]


@pytest.mark.parametrize("values", [{"title": "a\x00b"}, {"title": " "}, {"description": "\ufffe"},
                                    {"public_url": "lantern"}, {"public_url": "javascript:1"},
                                    {"created_at": datetime(2026, 1, 1)}])  # noqa: DTZ001  the fault itself
def test_a_page_that_can_not_be_a_feed_is_an_error_that_names_it(page, values) -> None:
    with pytest.raises(BroadsheetError) as caught:
        build(page(**values), [])
    assert caught.value.subject == "feed all"


def test_missing_parts_of_a_page_are_filled(page, article, broken_rules) -> None:
    built = build(page(description="", site_title=""), [article(1, author="", source_title="")])
    assert channel(built).findtext("description") == "Everything"
    assert broken_rules(built) == []
    silent = build(page(language="not a language"), [article(1, language="??")])
    assert channel(silent).find("language") is None
    assert feed(silent).get(XML_LANG) is None


def test_an_entry_in_another_language_says_so(page, article) -> None:
    built = build(page(), [article(1), article(2, language="sv")])
    assert [e.get(XML_LANG) for e in feed(built).iter(f"{A}entry")] == [None, "sv"]
    assert [i.findtext(f"{DC}language") for i in channel(built).iter("item")] == [None, "sv"]


@settings(max_examples=40)
@given(texts=st.lists(st.text(max_size=20), min_size=6, max_size=6),
       at=st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.timezones()))  # noqa: DTZ001
def test_anything_stored_gives_valid_feeds_or_a_note(page, article, broken_rules, texts, at) -> None:
    title, author, summary, html, topic, url = texts
    odd = article(7, title=title, author=author, summary=summary, html=html, topics=(topic,), url=url, rights=author,
                  published_at=at, updated_at=at.astimezone(UTC), first_seen_at=at,
                  enclosures=(Enclosure(url, topic, 3),))
    built = build(page(), [article(1), odd])
    assert broken_rules(built) == []
    assert len(channel(built).findall("item")) + sum("left out" in note for note in built.notes) == 2


def test_who_else_tells_a_story_is_said_and_linked(page, article, broken_rules) -> None:
    also = (Also(7, "R&D <Blog>", "https://blog.example/ä?a=1&b=2"), Also(8, "Our desk", ""),
            Also(9, "Planet", "https://gazette.example/1"), Also(10, "Bad\x00", "https://x.example/"))
    built = build(page(), [article(1, also=also), article(2, also=also[:1], show=Show.SUMMARY), article(3)])
    assert broken_rules(built) == []
    said = ('<p>Also in <a href="https://blog.example/%C3%A4?a=1&amp;b=2">R&amp;D &lt;Blog&gt;</a>, '
            '<a href="https://lantern.example/a/8">Our desk</a>, Planet</p>')
    whole, short, alone = channel(built).iter("item")
    assert whole.findtext("description") == f"<p>Summary 1.</p>{said}"
    assert whole.findtext(CONTENT) == f"<p>Body 1.</p>{said}"
    assert short.findtext("description").endswith("&lt;Blog&gt;</a></p>")
    assert alone.findtext("description") == "Summary 3."
    blog, desk = ("https://blog.example/%C3%A4?a=1&b=2", "R&D <Blog>"), ("https://lantern.example/a/8", "Our desk")
    assert [[(k.get("href"), k.get("title")) for k in entry.findall(f"{A}link") if k.get("rel") == "related"]
            for entry in feed(built).iter(f"{A}entry")] == [[blog, desk], [blog], []]


def test_a_licence_travels_on(page, article, broken_rules) -> None:
    by = "https://creativecommons.org/licenses/by/4.0/"
    built = build(page(), [article(1, licence=by), article(2)])
    assert broken_rules(built) == []
    first, second = channel(built).findall("item")
    assert first.findtext("{http://backend.userland.com/creativeCommonsRssModule}license") == by
    assert second.find("{http://backend.userland.com/creativeCommonsRssModule}license") is None
    links = [link.get("href") for link in feed(built).iter(f"{A}link") if link.get("rel") == "license"]
    assert links == [by]
