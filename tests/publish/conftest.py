"""Makers of articles and feed pages, every value with a plain default; and the rules that a valid feed keeps."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from lxml import etree

from pipeline.model.articles import Article, ArticleStatus, Enclosure, Show
from pipeline.model.feeds import FeedPage
from pipeline.publish.build import Built

A = "{http://www.w3.org/2005/Atom}"
CONTENT = "{http://purl.org/rss/1.0/modules/content/}encoded"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def make_page(**values: Any) -> FeedPage:
    page = FeedPage(
        slug="all", title="Everything", description="All that we collect", language="en", site_title="The Lantern",
        public_url="https://lantern.example", created_at=NOON - timedelta(days=30),
    )
    return replace(page, **values)


def make_article(number: int = 1, **values: Any) -> Article:
    at = NOON + timedelta(minutes=number)
    article = Article(
        id=number, source="gazette", source_title="The Gazette", guid=f"g{number}",
        url=f"https://gazette.example/{number}", title=f"Title {number}", author="Ada Byron",
        summary=f"Summary {number}.", html=f"<p>Body {number}.</p>", published_at=at, first_seen_at=at,
        updated_at=at, accepted_seq=number, accepted_at=at, status=ArticleStatus.ACCEPTED, story=number, revision=1,
        topics=("health",), language="en", show=Show.FULL,
    )
    return replace(article, **values)


def make_golden() -> tuple[FeedPage, list[Article], dict[str, str]]:
    """A feed with one of everything that a builder has a rule for."""
    page = make_page(title="Tips & <tricks>", description="", language="sv")
    articles = [
        make_article(3, title="AT&T's “<b>” tag", summary="One < two & three", html="<p>a ]]> b &nbsp; &lt;i&gt;</p>",
                     topics=("health", "R&D", "health", " "), rights="CC BY 4.0",
                     updated_at=NOON + timedelta(days=1, microseconds=7),
                     enclosures=(Enclosure("https://gazette.example/a.mp3", "audio/mpeg", 1234),
                                 Enclosure("https://gazette.example/b", "", 0),
                                 Enclosure("file:///etc/passwd", "text/plain", 1))),
        make_article(1, author="", url="", source="desk", source_title="Our desk", language="sv", topics=()),
        make_article(2, show=Show.SUMMARY, url="https://gazette.example/blåbär?q=ü", title="שלום עולם",
                     summary="", language="he", published_at=NOON - timedelta(hours=5)),
    ]
    return page, articles, {"gazette": "https://gazette.example/feed.xml"}


def find_broken_rules(built: Built) -> list[str]:
    """The W3C feed validator's rules for what we emit, and RFC 4287's. Empty: both documents are valid."""
    return _rss_rules(etree.fromstring(built.rss)[0]) + _atom_rules(etree.fromstring(built.atom))


def _rss_rules(chan: etree._Element) -> list[str]:
    broken = [f"channel has {len(chan.findall(n))} {n}" for n in
              ("title", "link", "description", "language", "lastBuildDate", "generator", "docs", "ttl")
              if len(chan.findall(n)) != 1]
    broken += [f"channel/{n} is empty" for n in ("title", "link", "description")
               if not (chan.findtext(n) or "").strip()]
    own = chan.findall(f"{A}link")
    if [(link.get("rel"), link.get("type")) for link in own] != [("self", "application/rss+xml")]:
        broken.append("no atom:link to itself")
    broken += _addresses([chan.findtext("link"), *(link.get("href") for link in own)])
    guids = [item.findtext("guid") for item in chan.iter("item")]
    broken += [f"guid {g} twice" for g, n in Counter(guids).items() if n > 1]
    for item in chan.iter("item"):
        broken += [f"item has {n} {len(item.findall(n))} times"
                   for n in ("title", "link", "description", "guid", "pubDate") if len(item.findall(n)) != 1]
        broken += [f"item has {n} more than once" for n in (CONTENT, "enclosure", "source") if len(item.findall(n)) > 1]
        if item.find("guid").get("isPermaLink") != "false":
            broken.append("a guid that is no address says it is one")
        broken += _addresses([item.findtext("link"), *(e.get("url") for e in item.iter("enclosure", "source"))])
        broken += ["enclosure without length or type" for e in item.iter("enclosure")
                   if not (e.get("length", "").isdigit() and "/" in e.get("type", ""))]
        if item.find("author") is not None:
            broken.append("author must be an e-mail address")
    for date in [chan.findtext("lastBuildDate"), *(i.findtext("pubDate") for i in chan.iter("item"))]:
        # RFC 822 with a four-digit year, as RSS says; names of days and months are English whatever the locale
        if not re.fullmatch(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) "
                            r"\d{4} \d\d:\d\d:\d\d \+0000", date or ""):
            broken.append(f"{date} is no RFC 822 date")
        elif parsedate_to_datetime(date).strftime("%a") not in date:
            broken.append(f"{date} is another day of the week")
    return broken


def _atom_rules(root: etree._Element) -> list[str]:
    broken = [] if root.tag == f"{A}feed" else ["not a feed"]
    for element in [root, *root.iter(f"{A}entry")]:
        broken += [f"{element.tag} has {n} {len(element.findall(A + n))} times" for n in ("id", "title", "updated")
                   if len(element.findall(A + n)) != 1]
        broken += [f"{n} is empty" for n in ("id", "title") if not (element.findtext(A + n) or "").strip()]
        broken += [f"{n} more than once" for n in ("content", "summary", "published", "rights", "source", "subtitle",
                                                   "generator") if len(element.findall(A + n)) > 1]
        for date in [element.findtext(f"{A}updated"), element.findtext(f"{A}published")]:
            if date is not None and not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)", date):
                broken.append(f"{date} is no RFC 3339 date")
        if not [a for a in element.findall(f"{A}author") if (a.findtext(f"{A}name") or "").strip()]:
            broken.append("no author with a name")
        links = element.findall(f"{A}link")
        pages = Counter((k.get("type"), k.get("hreflang")) for k in links if k.get("rel", "alternate") == "alternate")
        if sum(pages.values()) != 1:
            broken.append(f"{sum(pages.values())} alternate links")
        broken += _addresses([link.get("href") for link in element.iter(f"{A}link")])
        broken += ["a link's type is none" for k in links if k.get("type") and "/" not in k.get("type", "")]
        name = element.findtext(f"{A}id") or ""
        # RFC 4151: tag:authority,date:specific
        if not re.fullmatch(r"tag:[a-z0-9]([a-z0-9.-]*[a-z0-9])?,\d{4}(-\d\d(-\d\d)?)?:[A-Za-z0-9._~%-]+", name):
            broken.append(f"{name} is no tag URI")
        broken += ["a category without a term" for c in element.findall(f"{A}category")
                   if not c.get("term", "").strip()]
        lang = element.get(XML_LANG)
        if lang is not None and not re.fullmatch(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*", lang):
            broken.append(f"xml:lang is {lang!r}")
    if [k.get("type") for k in root.findall(f"{A}link") if k.get("rel") == "self"] != ["application/atom+xml"]:
        broken.append("no link to itself")
    ids = Counter(root.xpath("//a:id/text()", namespaces={"a": A[1:-1]}))
    return broken + [f"id {i} twice" for i, n in ids.items() if n > 1]


def _addresses(found: list[str | None]) -> list[str]:
    return [f"{url!r} is not absolute" for url in found
            if not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+(/[!-~]*)?", url or "")
            or re.search(r'[\\<>"{}|^`]', url)]


@pytest.fixture(scope="session")
def page() -> Callable[..., FeedPage]:
    return make_page


@pytest.fixture(scope="session")
def article() -> Callable[..., Article]:
    return make_article


@pytest.fixture(scope="session")
def golden() -> tuple[FeedPage, list[Article], dict[str, str]]:
    return make_golden()


@pytest.fixture(scope="session")
def broken_rules() -> Callable[[Built], list[str]]:
    return find_broken_rules
