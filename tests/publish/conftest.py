"""Makers of pages, articles, entries and documents, every value with a plain default; random documents; and the rules
that valid feeds keep."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from lxml import etree

from pipeline.model.articles import Article, ArticleStatus, Enclosure, Extra, Show
from pipeline.model.feeds import Document, Entry, FeedPage, Mark, Podcast, Tombstone, Volume
from pipeline.publish.build import build
from pipeline.publish.entries import Imprint, entries_of
from pipeline.publish.jsonfeed import build_json
from pipeline.publish.moulds import cast
from pipeline.text.urls import absolute

_spec = importlib.util.spec_from_file_location("load_feedrules", Path(__file__).parent / "feedrules" / "load.py")
assert _spec is not None
assert _spec.loader is not None
_feedrules = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_feedrules)
FEED_RULES = _feedrules.load()

A = "{http://www.w3.org/2005/Atom}"
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class BuiltDocument:
    """One document in each format, and what was said while its entries were made."""

    document: Document
    rss: bytes
    atom: bytes
    json: bytes
    notes: tuple[str, ...]


# --- makers -----------------------------------------------------------------------------------------------


def make_page(**values: Any) -> FeedPage:
    page = FeedPage(
        slug="all", id="tag:lantern.example,2026:feed-all", title="Everything", description="All that we collect",
        language="en", site_title="The Lantern", site_url="https://lantern.example",
        url="https://lantern.example/feeds/all/", created_at=NOON - timedelta(days=30),
    )
    return replace(page, **values)


def make_article(number: int = 1, **values: Any) -> Article:
    at = NOON + timedelta(minutes=number)
    article = Article(
        id=number, source="gazette", source_title="The Gazette", guid=f"g{number}",
        url=f"https://gazette.example/{number}", title=f"Title {number}", author="Ada Byron",
        summary=f"Summary {number}.", html=f"<p>Body {number}.</p>", published_at=at, first_seen_at=at,
        updated_at=at, accepted_seq=number, accepted_at=at, status=ArticleStatus.ACCEPTED, story=number, revision=1,
        topics=("health",), language="en", show=Show.FULL, source_url="https://gazette.example/feed.xml",
    )
    return replace(article, **values)


def make_entry(number: int = 1, **values: Any) -> Entry:
    at = NOON + timedelta(minutes=number)
    entry = Entry(
        article_id=number, id=f"tag:lantern.example,2026:article-{number}", title=f"Title {number}",
        link=f"https://gazette.example/{number}", published_at=at, updated_at=at, summary=f"Summary {number}.",
        source="gazette", source_id="https://gazette.example/feed.xml", source_title="The Gazette",
        source_url="https://gazette.example/feed.xml",
    )
    return replace(entry, **values)


def make_document(*entries: Entry, page: FeedPage | None = None, volume: Volume | None = None,
                  **values: Any) -> Document:
    return Document(page or make_page(), volume or Volume(), entries, **values)


def build_all(document: Document, notes: Iterable[str] = ()) -> BuiltDocument:
    """All formats. The fast way to build has to give what the plain one gives, whatever a test is about."""
    built = build(document)
    assert cast(document) == built
    return BuiltDocument(document, built.rss, built.atom, build_json(document), tuple(notes))


def build_articles(page: FeedPage, articles: Sequence[Article], volume: Volume = Volume(), *,  # noqa: B008 - frozen
                   authority: str = "lantern.example", **values: Any) -> BuiltDocument:
    entries, notes = entries_of(articles, Imprint(authority, page.site_url, page.language))
    return build_all(Document(page, volume, tuple(entries), **values), notes)


# --- random documents -------------------------------------------------------------------------------------

PIECES = ("&", "<", ">", '"', "'", "\n", "\t", "\r", "\r\n", " ", "]]>", "<!--", "-->", "<b>", "</item>", "&amp;",
          "&lt", "&#0;", "&nbsp;", "AT&T", "R&D;", "\x7f", "\x80",
          "\x85", "\x9f", "\u2028", "\u2060", "\u202e", "\ufffd",
          "\U0001f9d1\u200d\U0001f680", "\U0010fffd", "é", "שלום", "{0}", "%s", "1901-02-03T04:05:06+00:00", "=", "/")
LEGAL = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff")
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(LEGAL, max_size=5), max_size=6).map("".join)
TITLES = TEXTS.map(lambda text: text if text.strip() else f"{text}x{text}")
ADDRESSES = st.builds(lambda host, rest: absolute(f"https://{host}/{rest}") or f"https://{host}/",
                      st.sampled_from(("x.example", "xn--bcher-kva.example", "[::1]:8000")),
                      TEXTS | st.sampled_from(("?a=1&b=2", "a'b&amp;c", "%20#x&y")))
# the year 1901 and the length 7,000,000,000,000,001 are what moulds are cut at
DATES = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda at: at.replace(microsecond=0)) | st.sampled_from((datetime(1901, 2, 3, 4, 5, 6, tzinfo=UTC), NOON))
LENGTHS = st.integers(-1, 1 << 50) | st.sampled_from((0, 7_000_000_000_000_001, 7_000_000_000_000_002))
KEYS = st.sampled_from(("url", "type", "href", "width", "role", "isDefault", "lang", "medium"))
EXTRAS = st.builds(
    Extra,
    st.sampled_from(("media:content", "media:thumbnail", "media:title", "media:credit", "itunes:image", "itunes:title",
                     "itunes:duration", "podcast:person", "podcast:transcript", "unknown:word")),
    st.just("") | TEXTS, st.lists(st.tuples(KEYS, TEXTS), max_size=3, unique_by=lambda pair: pair[0]).map(tuple))
ENCLOSURES = st.builds(Enclosure, ADDRESSES, st.sampled_from(("audio/mpeg", "", "x", "a&b/c", "a/b<c", "video/mp4")),
                       LENGTHS)


def _few(values: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[Any]:
    return st.lists(values, max_size=most).map(tuple)


def _maybe(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.just("") | values


@st.composite
def entries_at_random(draw: Any) -> Entry:
    published = draw(DATES)
    return Entry(
        article_id=0, id="", title=draw(TITLES), link=draw(ADDRESSES), published_at=published,
        updated_at=draw(st.just(published) | DATES), summary=draw(TITLES), author=draw(_maybe(TITLES)),
        html=draw(_maybe(TITLES)), topics=draw(_few(TITLES)), language=draw(st.sampled_from(("", "sv", "zh-Hant"))),
        source=draw(st.sampled_from(("gazette", "desk"))), source_id=draw(ADDRESSES), source_title=draw(_maybe(TITLES)),
        source_url=draw(_maybe(ADDRESSES)), rights=draw(_maybe(TITLES)), licence=draw(_maybe(ADDRESSES)),
        image=draw(_maybe(ADDRESSES)), enclosures=draw(_few(ENCLOSURES)), extras=draw(_few(EXTRAS)),
        also=draw(_few(st.tuples(TITLES, _maybe(ADDRESSES)))), correction=draw(_maybe(TITLES)),
        corrected_at=draw(st.none() | DATES), mark=draw(st.sampled_from(Mark)),
    )


@st.composite
def documents_at_random(draw: Any) -> Document:
    podcast = st.builds(Podcast, st.just("News"), st.sampled_from(("", "Daily News")), _maybe(TITLES),
                        st.sampled_from(("", "a@a.example")), st.booleans(), st.sampled_from(("episodic", "serial")))
    page = make_page(
        title=draw(TITLES), description=draw(TITLES), language=draw(st.sampled_from(("", "en", "sv"))),
        site_title=draw(_maybe(TITLES)), rights=draw(_maybe(TITLES)), image=draw(_maybe(ADDRESSES)),
        hub=draw(_maybe(ADDRESSES)), ttl_minutes=draw(st.integers(1, 9999)), podcast=draw(st.none() | podcast),
        complete=draw(st.booleans()))
    volume = st.builds(Volume, st.sampled_from(("", "archive/11-20/")), st.sampled_from(("", "archive/1-10/")),
                       st.sampled_from(("", "archive/21-30/")))
    graves = _few(st.builds(Tombstone, st.just("tag:lantern.example,2026:article-99"), DATES))
    entries = tuple(replace(entry, article_id=n, id=f"tag:lantern.example,2026:article-{n}")
                    for n, entry in enumerate(draw(st.lists(entries_at_random(), max_size=4)), 1))
    return Document(page, draw(volume), entries, draw(graves), draw(st.none() | DATES))


# --- rules ------------------------------------------------------------------------------------------------

TOLERATED = {
    "DuplicateUpdated",   # a warning: sources give two articles one date, and we don't make another one up
}

def find_broken_rules(built: BuiltDocument, *tolerate: str) -> list[str]:
    """What the W3C Feed Validator, the specifications and our own promises have against a document. Empty: nothing.
    Whoever tolerates more names the rules, and why."""
    found = [*FEED_RULES.rss_problems(built.rss), *FEED_RULES.atom_problems(built.atom),
             *FEED_RULES.json_problems(built.json), *_promises(built)]
    return [problem for problem in found if problem.rpartition("(")[2].rstrip(")") not in TOLERATED.union(tolerate)]


def _promises(built: BuiltDocument) -> Iterable[str]:
    """What no validator asks for, and each document of ours has."""
    rss, atom = etree.fromstring(built.rss)[0], etree.fromstring(built.atom)
    for name in ("lastBuildDate", "generator", "docs", "ttl"):
        if len(rss.findall(name)) != 1:
            yield f"channel has {len(rss.findall(name))} {name}"
    for item in rss.iter("item"):
        for name in ("title", "link", "description", "guid", "pubDate"):
            if len(item.findall(name)) != 1 or not (item.findtext(name) or "").strip():
                yield f"item has {len(item.findall(name))} {name}"
        if item.find("guid").get("isPermaLink") != "false":
            yield "a guid that is no address says it is one"
        if item.find("author") is not None:
            yield "author must be an e-mail address"
    for element in (atom, *atom.iter(f"{A}entry")):
        names = [(person.findtext(f"{A}name") or "").strip() for person in element.findall(f"{A}author")]
        if len(names) != 1 or not names[0]:
            yield f"authors are {names}"
        rels = [link.get("rel", "alternate") for link in element.findall(f"{A}link")]
        if rels.count("alternate") != 1:
            yield f"{rels.count('alternate')} alternate links"
    kinds = [[k.get("type") for k in root.findall(f"{A}link") if k.get("rel") == "self"] for root in (rss, atom)]
    if kinds != [["application/rss+xml"], ["application/atom+xml"]]:
        yield f"links to itself are {kinds}"


# --- fixtures ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def feed_rules() -> Any:
    return FEED_RULES


@pytest.fixture(scope="session")
def page() -> Callable[..., FeedPage]:
    return make_page


@pytest.fixture(scope="session")
def article() -> Callable[..., Article]:
    return make_article


@pytest.fixture(scope="session")
def entry() -> Callable[..., Entry]:
    return make_entry


@pytest.fixture(scope="session")
def document() -> Callable[..., Document]:
    return make_document


@pytest.fixture(scope="session")
def documents() -> st.SearchStrategy[Document]:
    """Documents at random: every value that a builder has a rule for, or none; texts that are legal in XML, and odd."""
    return documents_at_random()


@pytest.fixture(scope="session")
def built() -> Callable[..., BuiltDocument]:
    """`built(page, articles, volume)` is the document in each format."""
    return build_articles


@pytest.fixture(scope="session")
def built_document() -> Callable[..., BuiltDocument]:
    return build_all


@pytest.fixture(scope="session")
def broken_rules() -> Callable[..., list[str]]:
    return find_broken_rules
