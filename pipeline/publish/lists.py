"""The files that belong to no single feed: lists of feeds and sources (OPML 2.0), robots.txt, sitemaps. Pure.

http://opml.org/spec2.opml, RFC 9309, https://www.sitemaps.org/protocol.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from lxml import etree

from pipeline.model.feeds import RSS_FILE, FeedPage

OPML_FILE = "feeds.opml"
SOURCES_FILE = "sources.opml"
ROBOTS_FILE = "robots.txt"
SITEMAP_FILE = "sitemap.xml"
SITEMAPS = "sitemaps/"

NEVER_FOR_ROBOTS = ("u", "p", "mail")   # below public_url: what only one person has an address of

_SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"


def feeds_opml(title: str, pages: Iterable[FeedPage]) -> bytes:
    """All feeds, for readers that take a list."""
    return _opml(title, [(page.title, page.url + RSS_FILE, page.url, page.description) for page in pages])


def sources_opml(title: str, sources: Iterable[tuple[str, str]]) -> bytes:
    """What is collected from: title and address of each, as far as it is anybody's business."""
    return _opml(title, [(name, url, "", "") for name, url in sources])


def robots_txt(public_path: str, sitemap_url: str) -> bytes:
    """`public_path` is the path of public_url, "" where it has none."""
    rules = [f"Disallow: {public_path}/{name}/" for name in NEVER_FOR_ROBOTS]
    return "\n".join(["User-agent: *", *rules, "", f"Sitemap: {sitemap_url}", ""]).encode()


def sitemap(pages: Iterable[tuple[str, datetime | None]]) -> bytes:
    """Pages: address, and when it was last changed where that is known. At most 50,000 may stand in one."""
    return _sitemap("urlset", "url", pages)


def sitemap_index(maps: Sequence[str]) -> bytes:
    """The sitemaps there are, by their addresses."""
    return _sitemap("sitemapindex", "sitemap", [(url, None) for url in maps])


def _opml(title: str, outlines: Iterable[tuple[str, str, str, str]]) -> bytes:
    root = etree.Element("opml", version="2.0")
    etree.SubElement(etree.SubElement(root, "head"), "title").text = title
    body = etree.SubElement(root, "body")
    for text, url, page, description in outlines:
        values = {"text": text, "type": "rss", "xmlUrl": url, "htmlUrl": page, "description": description}
        etree.SubElement(body, "outline", {key: value for key, value in values.items() if value})
    return _bytes(root)


def _sitemap(root_name: str, name: str, places: Iterable[tuple[str, datetime | None]]) -> bytes:
    root = etree.Element(root_name, xmlns=_SITEMAP)
    for url, changed_at in places:
        element = etree.SubElement(root, name)
        etree.SubElement(element, "loc").text = url
        if changed_at is not None:
            etree.SubElement(element, "lastmod").text = changed_at.isoformat(timespec="seconds")
    return _bytes(root)


def _bytes(root: Any) -> bytes:
    etree.indent(root)
    return etree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"
