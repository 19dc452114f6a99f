"""Lists of feeds and sources, robots.txt and sitemaps: well-formed, absolute, escaped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from urllib.robotparser import RobotFileParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from pipeline.collect.opml import read_opml
from pipeline.publish.lists import feeds_opml, robots_txt, sitemap, sitemap_index, sources_opml

S = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ODD = """<&>"' ]]> <!-- é \U0001f9d1 </outline>"""
LEGAL = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff")
                | st.sampled_from("\t\n\r<&"), min_size=1)


def outlines(data: bytes) -> list[dict[str, str]]:
    root = etree.fromstring(data)
    assert (root.tag, root.get("version"), [child.tag for child in root]) == ("opml", "2.0", ["head", "body"])
    assert all(one.tag == "outline" for one in root[1])
    return [dict(one.attrib) for one in root[1]]


def test_feeds(page) -> None:
    data = feeds_opml(ODD, [page(), page(title=ODD, description=ODD, url="https://x.example/a?b=1&c=2/")])
    assert etree.fromstring(data).findtext("head/title") == ODD
    assert outlines(data) == [
        {"text": "Everything", "type": "rss", "xmlUrl": "https://lantern.example/feeds/all/rss.xml",
         "htmlUrl": "https://lantern.example/feeds/all/", "description": "All that we collect"},
        {"text": ODD, "type": "rss", "xmlUrl": "https://x.example/a?b=1&c=2/rss.xml",
         "htmlUrl": "https://x.example/a?b=1&c=2/", "description": ODD}]


def test_sources() -> None:
    data = sources_opml("T", [("Gazette", "https://gazette.example/?a&b"), (ODD, "https://x.example/")])
    assert outlines(data) == [{"text": "Gazette", "type": "rss", "xmlUrl": "https://gazette.example/?a&b"},
                              {"text": ODD, "type": "rss", "xmlUrl": "https://x.example/"}]


def test_our_own_reader_of_lists_takes_it_back(page) -> None:
    found = read_opml(feeds_opml(ODD, [page(title=ODD), page(url="https://b.example/x/")]), "feeds.opml")
    assert (found.title, found.broken, found.unusable) == (ODD, "", ())
    assert [(one.title, one.url) for one in found.outlines] == [
        (ODD, "https://lantern.example/feeds/all/rss.xml"), ("Everything", "https://b.example/x/rss.xml")]


def test_nothing_to_list() -> None:
    assert outlines(feeds_opml("T", [])) == []
    assert list(etree.fromstring(sitemap([]))) == []
    assert list(etree.fromstring(sitemap_index([]))) == []


@given(st.lists(st.tuples(LEGAL, LEGAL), max_size=3), LEGAL)
def test_any_text_comes_back(page, pairs, title) -> None:
    """White space within an attribute is kept by references."""
    data = sources_opml(title, pairs)
    assert etree.fromstring(data).findtext("head/title") == title
    assert [(one["text"], one["xmlUrl"]) for one in outlines(data)] == pairs
    assert data == sources_opml(title, pairs)
    assert data.startswith(b"<?xml version='1.0' encoding='utf-8'?>\n")
    assert data.endswith(b"</opml>\n")


@pytest.mark.parametrize("path", ["", "/news", "/a/b"])
def test_robots_may_read_all_but_what_is_one_persons(path: str) -> None:
    data = robots_txt(path, f"https://lantern.example{path}/feeds/sitemap.xml").decode()
    robots = RobotFileParser()
    robots.parse(data.splitlines())
    base = f"https://lantern.example{path}"
    assert all(robots.can_fetch("any", f"{base}{rest}") for rest in (
        "/", "/a/1", "/feeds/all/rss.xml", "/n/lantern/", "/unread", "/press", "/mailing"))
    assert not any(robots.can_fetch("any", f"{base}{rest}") for rest in (
        "/u/token", "/p/token", "/mail/token", "/u/", "/p/", "/mail/"))
    assert robots.site_maps() == [f"{base}/feeds/sitemap.xml"]
    assert data.endswith("\n")
    assert "\n\n\n" not in data


def test_a_sitemap() -> None:
    late = datetime(2026, 11, 22, 12, 0, 5, 999_999, tzinfo=timezone(timedelta(hours=1)))
    data = sitemap([("https://x.example/?a=1&b='2'", None), ("https://x.example/2", NOON),
                    ("https://x.example/3", late)])
    root = etree.fromstring(data)
    assert root.tag == f"{S}urlset"
    assert [{child.tag: child.text for child in one} for one in root.findall(f"{S}url")] == [
        {f"{S}loc": "https://x.example/?a=1&b='2'"},
        {f"{S}loc": "https://x.example/2", f"{S}lastmod": "2026-11-22T12:00:00+00:00"},
        {f"{S}loc": "https://x.example/3", f"{S}lastmod": "2026-11-22T12:00:05+01:00"}]
    assert b"a=1&amp;b=" in data
    assert data.startswith(b"<?xml version='1.0' encoding='utf-8'?>\n")


def test_a_sitemap_of_sitemaps() -> None:
    root = etree.fromstring(sitemap_index(["https://x.example/1.xml", "https://x.example/2.xml?a&b"]))
    assert root.tag == f"{S}sitemapindex"
    assert [one.findtext(f"{S}loc") for one in root.findall(f"{S}sitemap")] == [
        "https://x.example/1.xml", "https://x.example/2.xml?a&b"]
    assert root.find(f".//{S}lastmod") is None
