"""Which feeds a page names, and what an address gives."""

from __future__ import annotations

import contextlib
import gzip
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.collect.finding.discover import feeds_in, kind_of
from pipeline.collect.finding.findings import FeedLink
from pipeline.collect.finding.places import common_places
from pipeline.errors import ParseError
from pipeline.model.sources import SourceKind

URL = "https://blog.example/notes/"
RSS, ATOM, JSON = "application/rss+xml", "application/atom+xml", "application/feed+json"
PROSE = "".join(f"<p>{'A sentence of the article, one of many that follow here. ' * 6}</p>" for _ in range(5))
LIST = "".join(f"<article><h2><a href='/notes/a-long-slug-{n}'>The article of number {n}</a></h2></article>"
               for n in range(6))


def page(head: str = "", body: str = "") -> bytes:
    return f"<!doctype html><html><head><title>Notes</title>{head}</head><body>{body}</body></html>".encode()


def link(href: str, kind: str = RSS, title: str = "", rel: str = "alternate") -> str:
    return f'<link rel="{rel}" type="{kind}" title="{title}" href="{href}">'


def found(head: str = "", body: str = "", url: str = URL) -> list[str]:
    return [f.url for f in feeds_in(page(head, body), url=url, content_type="text/html")]


def test_the_feeds_of_a_page_in_its_order() -> None:
    head = link("/feed", RSS, "Notes &raquo; Feed") + link("atom.xml", ATOM) + link("//cdn.example/f.json", JSON)
    links = feeds_in(page(head), url=URL, content_type="text/html")
    assert links == (FeedLink("https://blog.example/feed", "Notes » Feed", RSS),
                     FeedLink("https://blog.example/notes/atom.xml", "", ATOM),
                     FeedLink("https://cdn.example/f.json", "", JSON))
    assert pickle.loads(pickle.dumps(links)) == links


@pytest.mark.parametrize("head", [
    "<LINK REL='Alternate Feed' TYPE='Application/RSS+XML; charset=utf-8' HREF=' /feed\n'>",
    "<link rel=feed href=/feed>",
    "<link rel=alternate type=text/xml href=/feed>",
    "<base href=https://blog.example/ target=_top><link rel=alternate type=application/rss+xml href=feed>",
    "<base><base href=/><link rel=alternate type=application/rss+xml href=feed>",
    "<link rel=alternate type=application/rss+xml href='feed:https://blog.example/feed'>",
    "<link rel=alternate type=application/rss+xml href=/feed#top>",
    "</head><body><link rel=alternate type=application/rss+xml href=/feed>",
])
def test_ways_to_name_a_feed(head: str) -> None:
    assert found(head) == ["https://blog.example/feed"]


@pytest.mark.parametrize("head", [
    link("/wp-json/wp/v2/pages/2", "application/json"),
    link("/wp-json/oembed/1.0/embed?url=x", "application/json+oembed"),
    link("/style.css", "text/css", rel="alternate stylesheet"),
    link("/de/", "text/html"), link("/m", ""), link("/feed", RSS, rel="next"),
    link("/manifest.json", "application/json"), link("/opensearch.xml", "application/opensearchdescription+xml"),
    link("javascript:alert(1)"), link("data:application/rss+xml,x"), link(""), link("https://[::1"),
    f"<!-- {link('/feed')} -->", f"<script>'{link('/feed')}'</script>",
    "<noscript>" + link("/feed") + "</noscript>",
])
def test_what_names_no_feed(head: str) -> None:
    assert found(head) == []


def test_feeds_of_comments_come_last_and_each_once() -> None:
    head = (link("/comments/feed", RSS, "Notes » Comments Feed") + link("/a/feed", RSS, "Kommentare zu: a")
            + link("/feed", RSS, "Feed") + link("/feed", ATOM, "again"))
    assert found(head) == [f"https://blog.example/{path}" for path in ("feed", "comments/feed", "a/feed")]
    assert found(link("/why-i-comment-code/feed")) == ["https://blog.example/why-i-comment-code/feed"]


@pytest.mark.parametrize("href", [
    "/feed/", "/rss", "/rss.xml", "/atom.xml", "/index.xml", "/feeds/all.atom.xml", "/news.rss", "/index.rdf",
    "/feed.json", "/?feed=rss2", "/blog?format=rss", "https://feeds.feedburner.example/Notes", "/feeds/posts/default",
    "/tag/python/feed",
])
def test_links_of_the_page_to_addresses_like_a_feed_s(href: str) -> None:
    assert len(found(body=f"<p><a href='{href}'><img src=rss.png></a></p>")) == 1


@pytest.mark.parametrize("href", [
    "/feedback", "/a-feed-of-birds", "/rss-is-not-dead", "/sitemap.xml", "/data.json", "/newsfeed.html",
    "mailto:feed@blog.example",
])
def test_links_of_the_page_to_other_things(href: str) -> None:
    assert found(body=f"<a href='{href}'>x</a>") == []


def test_what_is_declared_comes_before_what_is_linked() -> None:
    assert found(link("/z.atom", ATOM), "<a href=/rss.xml>RSS</a>") == ["https://blog.example/z.atom",
                                                                      "https://blog.example/rss.xml"]
    assert len(found("".join(link(f"/{n}.rss") for n in range(500)))) == 20


def test_common_places_are_few_and_on_the_same_server() -> None:
    assert common_places("https://blog.example/")[:3] == (
        "https://blog.example/feed", "https://blog.example/rss.xml", "https://blog.example/atom.xml")
    for name in ("notes", "notes/", "notes/index.html"):
        places = common_places(f"https://blog.example/~jo/{name}")
        assert places[:2] == ("https://blog.example/~jo/notes/feed", "https://blog.example/~jo/notes/rss.xml")
        assert "https://blog.example/feed.json" in places
        assert len(places) == len(set(places)) <= 13
    assert all(p.startswith("http://127.0.0.1:8080/") for p in common_places("http://127.0.0.1:8080/x?y#z"))


LD = '<script type="application/ld+json">'
SITEMAP = b"<?xml version='1.0'?><!-- made by x --><urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'/>"


@pytest.mark.parametrize(("body", "kind"), [
    (b"<?xml version='1.0'?><rss version='2.0'><channel/></rss>", SourceKind.FEED),
    (b"\xef\xbb\xbf\n<?xml-stylesheet href='x'?><!-- <html> --><feed xmlns='x'/>", SourceKind.FEED),
    (b"<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'/>", SourceKind.FEED),
    ("<?xml version='1.0' encoding='utf-16'?><rss/>".encode("utf-16"), SourceKind.FEED),
    (b'{"version": "https://jsonfeed.org/version/1.1", "items": []}', SourceKind.FEED),
    (SITEMAP, SourceKind.SITEMAP), (gzip.compress(SITEMAP, mtime=0), SourceKind.SITEMAP),
    (b"<sitemapindex/>", SourceKind.SITEMAP),
    (page(body=LIST), SourceKind.PAGE),
    (page(link("/feed")), SourceKind.PAGE),
    (page(body=f"<h1>One</h1>{PROSE}"), SourceKind.ARTICLE),
    (page(body=f"<h1>One</h1>{PROSE}{LIST}".replace("article", "div")), SourceKind.ARTICLE),
    (page("<meta property='og:type' content='article'>", f"<h1>One</h1>{PROSE}{LIST}"), SourceKind.ARTICLE),
    (page(LD + '{"@graph":[{"@type":["BlogPosting"]}]}</script>', PROSE + LIST), SourceKind.ARTICLE),
    (page(LD + '[{"@type":"CollectionPage"}]</script>', PROSE + LIST.replace("article", "div")), SourceKind.PAGE),
    (page(LD + "{broken</script>", LIST), SourceKind.PAGE),
])
def test_what_an_address_gives(body: bytes, kind: SourceKind) -> None:
    assert kind_of(body, "text/plain", "https://blog.example/x") is kind


def test_a_front_page_that_calls_itself_an_article_is_a_list() -> None:
    body = page("<meta property='og:type' content='article'>", PROSE + LIST)
    assert kind_of(body, "text/html", "https://blog.example/") is SourceKind.PAGE
    assert kind_of(body, "text/html", "https://blog.example/one") is SourceKind.ARTICLE


@pytest.mark.parametrize(("body", "cause"), [
    (b"", "is empty"), (b"\0" * 50, "is empty"), (b"%PDF-1.7", "is a PDF"), (b"\x89PNG\r\n", "is a picture"),
    (b"ID3\x03", "is sound"), (b"\0\0\0\x18ftypmp42", "is a film"), (b"PK\x03\x04", "ZIP"), (b"\x7fELF", "a program"),
    (b"hello there", "is not a feed"), (b'{"a": 1}', "not a JSON Feed"), (b'[{"a": 1}]', "not a JSON Feed"),
    (b"<opml version='2.0'><body/></opml>", "OPML"), (b"<svg/>", "SVG"), (b"<error>no</error>", "error message"),
    (b"https://blog.example/a\nhttps://blog.example/b\n", "plain list of addresses"),
    (gzip.compress(b"%PDF", mtime=0), "not a feed"), (b"\x1f\x8bbad", "damaged"),
    (page(body="<form><input type=password></form>"), "asks for a login"),
    (page(body="<h1>Just a moment...</h1>"), "lets only browsers in"),
    (page(body="<div id=root></div>"), "nothing without JavaScript"),
    (page(body="<p>Hi</p><a href=/x>x</a>"), "neither a list of articles nor"),
    (b"<html>", "nothing"),
])
def test_what_can_be_no_source_says_what_it_is(body: bytes, cause: str) -> None:
    with pytest.raises(ParseError, match=cause) as caught:
        kind_of(body, "", "https://blog.example/x")
    assert caught.value.subject == "https://blog.example/x"


@given(st.lists(st.sampled_from([
    b"<", b"<!--", b"-->", b"<?xml", b"?>", b"<!DOCTYPE", b"<!doctype html>", b"<rss", b"<feed>", b"<html>", b"{", b"[",
    b">", b"\0", b"<link rel=alternate type=application/rss+xml href=", b"<script type=application/ld+json>", b"'",
    b" x ", b"\xff\xfe", b"</script>", b'{"@graph": [1]}', b"\x1f\x8b", b"<p>"])).map(b"".join))
def test_nothing_but_a_parse_error_comes_out(body: bytes) -> None:
    with contextlib.suppress(ParseError):
        kind_of(body, "text/html", URL)
    with contextlib.suppress(ParseError):
        feeds_in(body, url=URL, content_type="text/html")


def test_hostile_starts_cost_little() -> None:
    for body in (b"<!--" * 50_000, b"<?" * 50_000, b"<!doctype" * 20_000, b" " * 1_000_000 + b"x", b"<script " * 50_000,
                 b"<script type=application/ld+json" * 20_000, b"<!-" * 50_000, b"<" * 50_000, b"[" * 500_000,
                 b"<html><body><a href=/a-b-c>" + b" " * 300_000):
        with contextlib.suppress(ParseError):
            kind_of(body, "", URL)


def test_real_feeds_and_pages_are_what_they_are(shared: Path) -> None:
    feeds = sorted(shared.glob("corpora/feeds/*.xml"))
    kinds = {}
    for path in feeds:
        try:
            kinds[path.name] = kind_of(path.read_bytes(), "", f"https://fakehost/{path.name}")
        except ParseError as error:
            kinds[path.name] = error.cause
    assert len(feeds) >= 60
    assert sum(kind is SourceKind.FEED for kind in kinds.values()) >= 58, kinds
    pages = {}
    for path in sorted(shared.glob("corpora/pages/*/source.html")):
        if path.stat().st_size > 20_000:  # the others are made up, to test one thing each
            name = path.parent.name
            pages[name] = kind_of(path.read_bytes(), "text/html", f"https://fakehost/{name}.html")
    assert len(pages) >= 14
    assert sum(kind is SourceKind.ARTICLE for kind in pages.values()) >= len(pages) - 3, pages
