from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.collect.reading.parse import MAX_ITEMS, Parsed, parse_feed
from pipeline.collect.reading.repair import MAX_RUN
from pipeline.errors import ParseError
from pipeline.model.articles import Enclosure
from pipeline.text.clean import clean_html

URL = "https://example.org/feed"
JUNE = datetime(2024, 6, 3, 12, 0, tzinfo=UTC)

RSS = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:atom="http://www.w3.org/2005/Atom" xmlns:media="http://search.yahoo.com/mrss/"><channel>
<title>Lamps &amp; Light</title><language>en-gb</language><copyright>CC BY</copyright>
<atom:link rel="self" href="https://example.org/feed"/>
<item><title><![CDATA[Why the <em>lamps</em> &amp; the street]]></title><link>https://example.org/lamps</link>
<guid isPermaLink="false">tag:lamps</guid><pubDate>Mon, 03 Jun 2024 12:00:00 GMT</pubDate>
<dc:creator>Ada Lindqvist</dc:creator><author>ada@example.org (Ada L)</author>
<category>City</category><category>Light</category>
<description>Short.</description><content:encoded><![CDATA[<p>The <b>whole</b> story.</p>]]></content:encoded>
<media:content url="https://example.org/p" medium="video"><media:text>p</media:text></media:content>
<enclosure url="https://example.org/a.mp3" type="audio/mpeg" length="12"/></item>
</channel></rss>"""

ATOM = """<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="sv" xml:base="https://example.org/blog/">
<title type="html">A &amp;amp; B</title><author><name>The Desk</name></author><rights>Ours</rights>
<entry><id>urn:1</id><title>1 &lt; 2 &amp; &lt;b&gt; is a tag</title>
<link rel="enclosure" href="a.mp3" type="audio/mpeg"/>
<link rel="alternate" type="application/json" href="x.json"/><link href="one"/><updated>2024-06-03T12:00:00Z</updated>
<category term="c" label="City"/><content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">
<p>See <a href="two">two</a><br/></p></div></content><summary>Plain &lt;summary&gt;</summary></entry></feed>"""

RDF = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
 xmlns:dc="http://purl.org/dc/elements/1.1/"><channel rdf:about="https://example.org/"><title>R</title></channel>
<item rdf:about="https://example.org/1"><title>One</title><link>https://example.org/1</link>
<dc:date>2024-06-03T12:00Z</dc:date><dc:creator>Ada</dc:creator><dc:subject>city, light</dc:subject>
<description>Text</description></item></rdf:RDF>"""

JSON_FEED = json.dumps({
    "version": "https://jsonfeed.org/version/1.1", "title": "J", "language": "en", "authors": [{"name": "The Desk"}],
    "items": [
        {"id": 1, "url": "https://example.org/1", "title": "One", "content_text": "a < b\n\nc",
         "date_published": "2024-06-03T12:00:00Z", "tags": ["city", 5], "summary": "S",
         "attachments": [{"url": "https://example.org/a.mp3", "mime_type": "audio/mpeg", "size_in_bytes": 12}, 7]},
        "nonsense",
    ],
})


ATOM_NS = 'xmlns="http://www.w3.org/2005/Atom"'


def parse(text: str | bytes, content_type: str = "") -> Parsed:
    return parse_feed(text.encode() if isinstance(text, str) else text, url=URL, content_type=content_type)


def rss(items: str, head: str = "") -> str:
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>T</title>{head}{items}</channel></rss>'


def test_rss() -> None:
    parsed = parse(RSS)
    (found,) = parsed.articles
    assert (parsed.title, parsed.language) == ("Lamps & Light", "en-gb")
    assert found.title == "Why the lamps & the street"
    assert found.html == "<p>The <b>whole</b> story.</p>"
    assert clean_html(found.summary) == "<p>Short.</p>"
    assert (found.guid, found.url, found.rights) == ("tag:lamps", "https://example.org/lamps", "CC BY")
    assert (found.author, found.topics) == ("Ada L", ("City", "Light"))
    assert found.published_at == JUNE
    assert found.enclosures[0] == Enclosure("https://example.org/a.mp3", "audio/mpeg", 12)


def test_atom() -> None:
    parsed = parse(ATOM)
    (found,) = parsed.articles
    assert parsed.title == "A & B"
    assert parsed.language == "sv"
    assert found.title == "1 < 2 & <b> is a tag"
    assert '<a href="https://example.org/blog/two">two</a>' in found.html
    assert "&lt;summary&gt;" in found.summary
    assert found.url == "https://example.org/blog/one"
    assert (found.guid, found.author, found.rights, found.topics) == ("urn:1", "The Desk", "Ours", ("City",))
    assert found.published_at == found.updated_at == JUNE
    assert found.enclosures == (Enclosure("a.mp3", "audio/mpeg", 0),)


def test_rdf() -> None:
    (found,) = parse(RDF).articles
    assert (found.title, found.guid, found.author) == ("One", "https://example.org/1", "Ada")
    assert found.published_at == JUNE
    assert [t.strip() for t in found.topics] == ["city", "light"]


def test_json_feed() -> None:
    parsed = parse(JSON_FEED)
    (found,) = parsed.articles
    assert found.html == "<p>a &lt; b</p><p>c</p>"
    assert (found.guid, found.author, found.topics) == ("1", "The Desk", ("city", "5"))
    assert found.enclosures == (Enclosure("https://example.org/a.mp3", "audio/mpeg", 12),)
    assert parsed.notes == ("1 items are no objects and were left out",)


@pytest.mark.parametrize(
    ("item", "url"),
    [
        ("<guid>https://example.org/g</guid>", "https://example.org/g"),
        ('<guid isPermaLink="false">https://example.org/g</guid>', ""),
        ("<guid>7</guid>", ""),
        (f'<link>https://example.org/l</link><link {ATOM_NS} rel="self" href="https://x.example"/>',
         "https://example.org/l"),
        (f'<link {ATOM_NS} href="https://example.org/a"/>', "https://example.org/a"),
    ],
)
def test_the_page_of_an_article(item: str, url: str) -> None:
    assert parse(rss(f"<item><title>x</title>{item}</item>")).articles[0].url == url


def test_a_description_on_its_own_is_the_content_and_keeps_its_paragraphs() -> None:
    (found,) = parse(rss("<item><description>One &amp;amp; two\n\nthree</description></item>")).articles
    assert (clean_html(found.html), found.summary) == ("<p>One &amp; two</p><p>three</p>", "")


BROKEN = [
    ("an ampersand", rss("<item><title>Salt & Pepper</title><link>https://e.org/?a&b</link></item>"), "Salt & Pepper"),
    ("an HTML entity", rss("<item><title>Caf&eacute;&nbsp;Nord</title></item>"), "Café\u00a0Nord"),
    ("a control character", rss("<item><title>Form\x0cfeed \x01here</title></item>"), "Form\nfeed here"),
    ("something before the declaration", "\n\n  junk" + rss("<item><title>Late</title></item>"), "Late"),
    ("latin-1 that says UTF-8", rss("<item><title>Mälaren</title></item>").encode("latin-1"), "Mälaren"),
    ("a tag left open", rss("<item><title>Open</title><description>x<br>y</description></item>"), "Open"),
    ("no end", rss("<item><title>Cut</title></item>").replace("</channel></rss>", ""), "Cut"),
    ("an unknown prefix", rss("<item><title>Prefix</title><foo:bar>x</foo:bar></item>"), "Prefix"),
]


@pytest.mark.parametrize(("document", "title"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN])
def test_what_is_not_well_formed_is_mended_and_noted(document: str | bytes, title: str) -> None:
    parsed = parse(document)
    assert [found.title for found in parsed.articles] == [title]
    assert "not well-formed" in parsed.notes[0]


NO_FEEDS = [
    ("empty", b"", "is empty"),
    ("blank", b" \n\0\0", "is empty"),
    ("a page", b"<!-- x --><!DOCTYPE html><html><head><title>x</title></head></html>", "is an HTML page, not a feed"),
    ("XHTML", b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body/></html>', "is an HTML page"),
    ("a picture", b"\x89PNG\r\n\x1a\n\0\0", "is a picture"),
    ("gzip", b"\x1f\x8b\x08\0", "gzip"),
    ("binary", bytes(range(256)), "is binary"),
    ("words", b"404 not found", "it begins with: 404 not found"),
    ("OPML", b"<opml><body/></opml>", "is an OPML file"),
    ("a sitemap", b'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"/>', "is a sitemap"),
    ("other XML", b"<recipe><flour/></recipe>", "root element is <recipe>"),
    ("JSON", b'{"a": 1}', "not a JSON Feed"),
    ("broken JSON", b'{"items": [', "is no JSON"),
    ("deep JSON", b'{"items": ' + b"[" * 100_000, "is no JSON"),
    ("tag soup", b"<a><b", "not a feed"),
]


@pytest.mark.parametrize(("body", "cause"), [n[1:] for n in NO_FEEDS], ids=[n[0] for n in NO_FEEDS])
def test_what_is_no_feed_says_what_it_is(body: bytes, cause: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(body)
    assert cause in caught.value.cause
    assert caught.value.subject == URL


def test_a_page_that_names_its_feed_gives_its_address() -> None:
    page = '<html><head><link rel="alternate" type="application/rss+xml" href="/rss?a=1&amp;b=2"></head></html>'
    with pytest.raises(ParseError, match=r"https://example\.org/rss\?a=1&b=2"):
        parse(page)


BOMBS = {
    "laughs": '<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>',
    "a file": '<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
    "parameters": '<!DOCTYPE r [<!ENTITY % a SYSTEM "http://127.0.0.1:9/x"> %a;]>',
}


@pytest.mark.parametrize("doctype", BOMBS.values(), ids=BOMBS)
@pytest.mark.parametrize("charset", ["utf-8", "utf-16"])
def test_entities_are_refused_not_half_parsed(doctype: str, charset: str) -> None:
    body = f"{doctype}<rss><channel><item><title>&b;</title></item></channel></rss>".encode(charset)
    with pytest.raises(ParseError, match="declares entities"):
        parse(body)


def test_a_document_type_alone_is_fine() -> None:
    doctype = '<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://127.0.0.1:9/rss.dtd">'
    assert parse(doctype + rss("<item><title>Old</title></item>").partition("?>")[2]).articles[0].title == "Old"


def test_nesting_and_size_beyond_the_limits_are_refused() -> None:
    """Where nothing else is in the feed; for its other entries see test_salvage.py."""
    with pytest.raises(ParseError, match="beyond what is read"):
        parse(rss("<item><title>x</title>" + "<a>" * 3000 + "</a>" * 3000 + "</item>"))
    with pytest.raises(ParseError, match="beyond what is read"):
        parse(f"<rss><channel><title>{'x' * 11_000_000}</title></channel></rss>")


def test_of_too_many_entries_the_newest_are_read() -> None:
    def item(n: int) -> str:
        when = JUNE + timedelta(hours=n)
        return f"<item><guid>{n}</guid><pubDate>{when:%a, %d %b %Y %H:%M:%S GMT}</pubDate></item>"

    parsed = parse(rss("".join(item(n) for n in range(MAX_ITEMS + 5))))
    assert [found.guid for found in parsed.articles] == [str(n) for n in range(5, MAX_ITEMS + 5)]
    assert parsed.notes == (f"5 of {MAX_ITEMS + 5} entries were left out: only the newest {MAX_ITEMS} are read",)


def test_an_author_that_costs_feedparser_minutes_is_cut_before() -> None:
    """It would come back 300 characters long (a name's limit), and a second later for every 20,000."""
    broken = rss(f"<item><title>x<b></title><author>{'a' * 20_000}&#97;</author></item>")
    assert len(parse(broken).articles[0].author) == MAX_RUN


@pytest.mark.parametrize("charset", ["utf-16", "utf-8-sig"])
def test_encodings(charset: str) -> None:
    assert parse(rss("<item><title>Mälaren</title></item>").encode(charset)).articles[0].title == "Mälaren"


def test_the_charset_of_the_answer_helps_where_the_document_names_none() -> None:
    body = rss("<item><title>Привет</title></item>").encode("koi8-r")
    assert parse(body, "text/xml; charset=koi8-r").articles[0].title == "Привет"


@pytest.mark.parametrize(
    "body",
    [b"<rss>" + b"<![CDATA[" * 100_000, b"<!---->" * 500 + b"x<", b"<rss>" + b"<a " * 30_000,
     b"<rss>" + b"&x" * 200_000,
     rss(f"<item><description><![CDATA[{'<a ' * 150_000}]]></description></item>").encode()],
)
def test_what_repeats_without_end_is_read_in_one_pass(body: bytes) -> None:
    """A pattern that looks to the end for each beginning would take minutes on these."""
    with contextlib.suppress(ParseError):
        parse(body)


FRAGMENTS = st.sampled_from([
    "<?xml version='1.0'?>", "<rss>", "<channel>", "<item>", "</item>", "<title>", "</title>", f"<feed {ATOM_NS}>",
    "<entry>", "<link href='x'/>", "<![CDATA[", "]]>", "&nbsp;", "&", "<!--", "<!DOCTYPE x>", "text", "\x00", "\ud800",
    "<a:b>", '{"items": [', "]}", "<author>", "<pubDate>0001</pubDate>", "<x xml:base='http://[::1'>",
    "<enclosure length='9e9'/>",
])


@settings(max_examples=30, deadline=None)
@given(st.lists(FRAGMENTS, max_size=12).map("".join) | st.text(max_size=30))
def test_whatever_comes_it_is_parsed_or_a_parse_error(text: str) -> None:
    with contextlib.suppress(ParseError):
        assert isinstance(parse(text.encode(errors="surrogatepass")), Parsed)
