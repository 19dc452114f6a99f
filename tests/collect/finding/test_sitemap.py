"""Sitemaps: what they name, what they may cost, and which of many are read."""

from __future__ import annotations

import contextlib
import gzip
import pickle
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.collect.finding.findings import SitemapKind
from pipeline.collect.finding.places import choose_children, sitemaps_in_robots
from pipeline.collect.finding.sitemap import MAX_BYTES, MAX_POINTERS, MAX_TAGS_BETWEEN, read_sitemap
from pipeline.errors import ParseError

ROOT = Path(__file__).parents[3]
URL = "https://paper.example/sitemap.xml"
NS = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
NEWS = 'xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"'
IMAGE = 'xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"'
DAY = datetime(2026, 11, 1, tzinfo=UTC)


def urlset(*urls: str, attributes: str = NS) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset {attributes}>{"".join(urls)}</urlset>'.encode()


def entry(loc: str, lastmod: str = "", more: str = "") -> str:
    return f"<url><loc>{loc}</loc>{f'<lastmod>{lastmod}</lastmod>' if lastmod else ''}{more}</url>"


def read(body: bytes, **values: str):
    return read_sitemap(body, **({"url": URL, "content_type": "application/xml"} | values))


def test_addresses_and_dates_become_pointers() -> None:
    found = read(urlset(entry("\n https://paper.example/a?x=1&amp;y=2 ", "2026-11-01T10:00:00+01:00"),
                        entry("/b", "2026-11-02"), entry("https://paper.example/c", "yesterday")))
    assert found.kind is SitemapKind.URLSET
    assert [(p.url, p.updated_at) for p in found.pointers] == [
        ("https://paper.example/a?x=1&y=2", datetime(2026, 11, 1, 9, tzinfo=UTC)),
        ("https://paper.example/b", datetime(2026, 11, 2, tzinfo=UTC)),
        ("https://paper.example/c", None)]
    assert all(p.pointer and p.published_at is None for p in found.pointers), "a lastmod is no date of publication"
    assert found.notes == found.children == ()
    assert pickle.loads(pickle.dumps(found)) == found


def test_the_news_and_image_extensions_are_read() -> None:
    more = ("<news:news><news:publication><news:name>The Paper</news:name><news:language>sv</news:language>"
            "</news:publication><news:publication_date>2026-11-03T08:00Z</news:publication_date>"
            "<news:title>Snow &amp; ice</news:title><news:keywords>weather, winter ,, </news:keywords></news:news>"
            "<image:image><image:loc>https://cdn.example/1.jpg</image:loc></image:image>"
            "<image:image><image:loc>https://cdn.example/2.jpg</image:loc></image:image>")
    (pointer,) = read(urlset(entry("https://paper.example/snow", "2026-11-04", more),
                             attributes=f"{NS} {NEWS} {IMAGE}")).pointers
    assert (pointer.title, pointer.language, pointer.topics) == ("Snow & ice", "sv", ("weather", "winter"))
    assert pointer.published_at == datetime(2026, 11, 3, 8, tzinfo=UTC)
    assert pointer.updated_at == datetime(2026, 11, 4, tzinfo=UTC)
    assert (pointer.url, pointer.image) == ("https://paper.example/snow", "https://cdn.example/1.jpg")


def test_an_index_names_its_children() -> None:
    body = (f'<sitemapindex {NS}><sitemap><loc>https://paper.example/a.xml.gz</loc><lastmod>2026-11-01</lastmod>'
            "</sitemap><sitemap><loc>https://elsewhere.example/b.xml</loc></sitemap>"
            "<sitemap><loc>https://www.paper.example/c.xml</loc></sitemap></sitemapindex>").encode()
    found = read(body)
    assert found.kind is SitemapKind.INDEX
    assert found.children == (("https://paper.example/a.xml.gz", DAY), ("https://www.paper.example/c.xml", None))
    assert found.pointers == ()
    assert found.notes == (
        "1 addresses were left out: they are not on paper.example, and a sitemap speaks only for its own host",)


@pytest.mark.parametrize("loc", [
    "https://evil.example/a", "https://paper.example.evil.example/", "https://blog.paper.example/", "https://paper.example:8443/",
])
def test_a_sitemap_speaks_only_for_its_own_host(loc: str) -> None:
    found = read(urlset(entry(loc), entry("http://www.paper.example/good")))
    assert [p.url for p in found.pointers] == ["http://www.paper.example/good"]
    assert "1 addresses were left out" in found.notes[0]


def test_a_sitemap_that_robots_txt_names_on_another_host_speaks_for_the_site_that_named_it() -> None:
    body = urlset(entry("https://paper.example/a"))
    assert read(body, url="https://maps.example/paper.xml").pointers == ()
    assert len(read(body, url="https://maps.example/paper.xml", site="https://paper.example/").pointers) == 1


@pytest.mark.parametrize("loc", ["", "javascript:alert(1)", "ftp://paper.example/x", "https://[::1", "x" * 5000])
def test_what_is_no_address_is_counted(loc: str) -> None:
    found = read(urlset(entry(loc)))
    assert found.pointers == ()
    assert "name no http(s) address" in found.notes[0]


def test_each_address_is_there_once() -> None:
    assert len(read(urlset(*[entry("https://paper.example/a")] * 5)).pointers) == 1


def test_of_very_many_the_newest_are_kept_in_the_order_of_the_document() -> None:
    days = [(n * 7919) % 3000 for n in range(3000)]
    found = read(urlset(*(entry(f"https://paper.example/{n}", f"{DAY - timedelta(days=n):%Y-%m-%d}") for n in days)))
    kept = [int(p.url.rpartition("/")[2]) for p in found.pointers]
    assert kept == [n for n in days if n < MAX_POINTERS]
    assert found.notes == (f"2000 of 3000 addresses were left out: only the newest {MAX_POINTERS} are read",)


def test_of_very_many_without_a_date_the_last_are_kept_and_a_date_goes_first() -> None:
    found = read(urlset(entry("https://paper.example/dated", "1999-01-01"),
                        *(entry(f"https://paper.example/{n}") for n in range(2000))))
    assert [p.url.rpartition("/")[2] for p in found.pointers] == ["dated", *map(str, range(1001, 2000))]


def test_a_date_of_publication_says_more_than_a_last_change() -> None:
    news = "<news:news><news:publication_date>{}</news:publication_date></news:news>"
    found = read(urlset(entry("https://paper.example/new", "2001-01-01", news.format("2026-11-20")),
                        *(entry(f"https://paper.example/{n}", "2026-11-19") for n in range(1000)),
                        entry("https://paper.example/old", "2026-11-21", news.format("2001-01-01")),
                        attributes=f"{NS} {NEWS}"))
    names = [p.url.rpartition("/")[2] for p in found.pointers]
    assert "new" in names
    assert "old" not in names


def test_an_extension_may_have_elements_of_the_same_name() -> None:
    more = "<x:alternate xmlns:x='x'><x:url><x:loc>https://paper.example/no</x:loc></x:url></x:alternate>"
    assert [p.url for p in read(urlset(entry("https://paper.example/a", "", more))).pointers] == ["https://paper.example/a"]


GROWTH = """
import sys
from pipeline.collect.finding.sitemap import read_sitemap
def most():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
body = sys.stdin.buffer.read()
before = most()
found = read_sitemap(body, url="https://paper.example/sitemap.xml")
print(len(found.pointers), most() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc to see a process's memory")
def test_very_many_addresses_are_read_in_little_memory() -> None:
    """In a process of its own: libxml2's memory is in no count of Python's."""
    filler = "<xhtml:link rel='alternate' hreflang='de' href='https://paper.example/de'/>" * 8
    body = urlset(*(entry(f"https://paper.example/{n}", "2026-11-01", filler) for n in range(15_000)),
                  attributes=f'{NS} xmlns:xhtml="http://www.w3.org/1999/xhtml"')
    done = subprocess.run([sys.executable, "-c", GROWTH], input=gzip.compress(body, 1), capture_output=True, check=True,
                          cwd=ROOT, timeout=60)
    pointers, kilobytes = map(int, done.stdout.split())
    assert pointers == MAX_POINTERS
    assert len(body) > 9_000_000
    assert kilobytes < 8_000, "as one tree it takes 95 MB"


@pytest.mark.parametrize("pack", [
    gzip.compress,
    lambda body: gzip.compress(body[:50]) + gzip.compress(body[50:]),
    lambda body: gzip.compress(body) + b"\0" * 512,
])
def test_gzip_is_undone(pack) -> None:
    body = urlset(*(entry(f"https://paper.example/{n}") for n in range(900)))
    assert read(pack(body)) == read(body)
    assert len(read(body).pointers) == 900


@pytest.mark.parametrize(("body", "cause"), [
    (gzip.compress(urlset(entry("https://paper.example/a")), mtime=0)[:-20], "broke off"),
    (b"\x1f\x8bno gzip at all", "damaged"),
    (gzip.compress(b" " * (MAX_BYTES + 1), mtime=0), "larger than the 50 MB"),
    (b"<urlset>" + b" " * MAX_BYTES, "larger than the 50 MB"),
])
def test_gzip_that_is_damaged_or_a_bomb_is_refused(body: bytes, cause: str) -> None:
    with pytest.raises(ParseError, match=cause):
        read(body)


@pytest.mark.parametrize(("body", "cause"), [
    (b"", "is empty"),
    (b"\xef\xbb\xbf \n", "is empty"),
    (b"<html><body>Not found</body></html>", "root element is <html>"),
    (b"<rss><channel><item><title>x</title></item></channel></rss>", "root element is <rss>"),
    (b"Not found", "no sitemap that can be read"),
    (b"%PDF-1.7", "no sitemap that can be read"),
    (b'{"a": 1}', "no sitemap that can be read"),
    (b'<!DOCTYPE urlset [<!ENTITY x "y">]><urlset/>', "declares entities"),
    ('<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE u [<!ENTITY x "y">]><urlset/>'.encode("utf-16"), "entities"),
    (b"<urlset>" + b"<a>" * 5000, "beyond what is read"),
    (b"<urlset><url>" + b"<a/>" * (MAX_TAGS_BETWEEN + 70_000), "very many elements"),
    (b"<urlset>" + b"<rubbish/>" * (MAX_TAGS_BETWEEN + 70_000), "very many elements"),
])
def test_what_is_no_sitemap_says_what_it_is(body: bytes, cause: str) -> None:
    with pytest.raises(ParseError, match=cause):
        read(body)


@given(st.binary(max_size=60).map(lambda b: b"<urlset><url><loc>" + b) | st.binary(max_size=80))
def test_nothing_but_a_parse_error_comes_out(body: bytes) -> None:
    with contextlib.suppress(ParseError):
        read(body)


def test_common_faults_are_mended_and_said() -> None:
    found = read(b"\n\n" + urlset(entry("https://paper.example/a?x=1&y=2"), entry("https://paper.example/\x0bb")))
    assert [p.url for p in found.pointers] == ["https://paper.example/a?x=1&y=2", "https://paper.example/b"]
    assert "not well-formed XML" in found.notes[0]


def test_what_breaks_off_keeps_what_was_read() -> None:
    found = read(urlset(*(entry(f"https://paper.example/{n}") for n in range(5)))[:-40])
    assert [p.url for p in found.pointers] == [f"https://paper.example/{n}" for n in range(4)]
    assert "broken after 4 addresses" in found.notes[0]


def test_other_namespaces_prefixes_and_none_are_understood() -> None:
    for body in (b"<urlset><url><loc>/a</loc></url></urlset>",
                 b'<s:urlset xmlns:s="http://www.google.com/schemas/sitemap/0.84"><s:url><s:loc>/a</s:loc></s:url></s:urlset>'):
        assert [p.url for p in read(body).pointers] == ["https://paper.example/a"]


def test_a_list_of_addresses_is_a_sitemap() -> None:
    body = b"\xef\xbb\xbfhttps://paper.example/a\r\n\r\nhttps://paper.example/b\nhttps://other.example/c\nhttps://paper.example/d"
    found = read(body, url="https://paper.example/sitemap.txt", content_type="text/plain")
    assert [p.url.rpartition("/")[2] for p in found.pointers] == ["a", "b", "d"]
    assert "1 addresses were left out" in found.notes[0]
    assert read(b"https://paper.example/" + b"a" * 500_000).pointers == (), "a line without an end"


def test_robots_txt_names_sitemaps_outside_of_its_groups() -> None:
    text = ("\ufeffSitemap: https://paper.example/1.xml\nUser-agent: *\nDisallow: /\n"
            "  SITEMAP :https://maps.example/2.xml#ours\r\nsitemap: /3.xml\nSitemap: https://paper.example/1.xml\n"
            "Sitemaps: /no\n#Sitemap: /no\nSitemap:\nsitemap: javascript:x")
    assert sitemaps_in_robots(text, url="https://paper.example/robots.txt") == (
        "https://paper.example/1.xml", "https://maps.example/2.xml", "https://paper.example/3.xml")
    assert len(sitemaps_in_robots("\n".join(f"Sitemap: https://paper.example/{n}" for n in range(999)))) == 50


def test_the_newest_children_are_read() -> None:
    children = [(f"https://paper.example/{n}.xml", DAY + timedelta(days=n)) for n in (3, 1, 5, 2, 4)]
    chosen = choose_children(children, None)
    assert [u[-5] for u in chosen.urls] == ["5", "4", "3"]
    assert chosen.notes == ("2 sitemaps were not read: only the newest 3 are read at a time",)
    since = choose_children(children, DAY + timedelta(days=4))
    assert [u[-5] for u in since.urls] == ["5"]
    assert "4 of 5 sitemaps have not changed" in since.notes[0]
    assert choose_children(children, DAY + timedelta(days=9)).urls == ()
    assert choose_children([], None).urls == ()


def test_children_without_a_date_are_chosen_by_their_names() -> None:
    names = ["post_tag-sitemap.xml", "author-sitemap.xml", "post-sitemap.xml", "post-sitemap2.xml",
             "post-sitemap10.xml", "page-sitemap.xml", "other.xml"]
    chosen = choose_children([(f"https://paper.example/{n}", None) for n in names], DAY)
    assert [u.rpartition("/")[2] for u in chosen.urls] == [
        "post-sitemap10.xml", "post-sitemap2.xml", "post-sitemap.xml"]
    months = [(f"https://paper.example/{m}.xml", None) for m in ("2025-12", "2026-10", "2026-9", "2026-11")]
    assert [u[-11:-4] for u in choose_children(months, None, limit=2).urls] == ["2026-11", "2026-10"]
    only = [("https://paper.example/image-sitemap.xml", None)]
    assert choose_children(only, None).urls == (only[0][0],), "where there is nothing else"
