"""On real input, where it is at hand: nothing of it is part of this repository."""

from __future__ import annotations

import re
from calendar import timegm
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import feedparser
import pytest

from pipeline.collect.folders.extract import extract_document
from pipeline.collect.identify import EARLIEST, FUTURE, make_draft, make_drafts
from pipeline.collect.reading.parse import parse_feed
from pipeline.errors import ParseError
from pipeline.model.articles import Enclosure, Found, Show
from pipeline.text.clean import visible_text, words_of

SHARED = Path(__file__).parents[3] / "shared"
FEEDS = sorted((SHARED / "corpora" / "feeds").glob("*.xml"))
SEEDS = sorted((SHARED / "seeds").glob("*.txt"))
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
URL = "https://feeds.example/one.xml"


@pytest.mark.skipif(not FEEDS, reason="the real feeds (../shared/corpora/feeds) are not here")
def test_each_real_feed_is_parsed_or_says_why_not() -> None:
    articles, refused = 0, []
    for path in FEEDS:
        try:
            parsed = parse_feed(path.read_bytes(), url=path.name)
        except ParseError as error:
            refused.append(error.cause)
            continue
        drafts = make_drafts(parsed.articles, source_url=URL, now=NOW, language=parsed.language)
        assert len(drafts) == len(parsed.articles), path.name
        articles += len(drafts)
        for draft in drafts:
            assert draft.title
            assert EARLIEST <= draft.published_at <= NOW + FUTURE
            assert draft.url.startswith(("http://", "https://"))
            assert draft.guid or draft.url_key or draft.content_hash
    assert articles > 1_000
    assert all(refused)


DIFFERENCES = {
    "updated": (141, "a dc:date and nothing else: feedparser calls it an update, we when the article was published"),
    "topics": (8, "more than 20 categories: we keep the first 20"),
    "text": (8, "a content:encoded shorter than its description: ours is the content, the description is the summary"),
}
"""All there are between our reader and feedparser 6.0.14, over 60 feeds with 1,216 articles: how many, and why."""


@pytest.mark.slow
@pytest.mark.skipif(not FEEDS, reason="the real feeds (../shared/corpora/feeds) are not here")
def test_every_article_that_feedparser_finds_is_found_and_each_difference_explained() -> None:
    counts, differences = Counter[str](), Counter[str]()
    for path in FEEDS:
        for found, entry in _pairs(path):
            counts["articles"] += 1
            counts["characters"] += len(_words(found.html))
            differences.update(_differences(found, entry))
        counts["feeds"] += 1
    print(f"compared with feedparser: {dict(counts)}; differences: {dict(differences)}")
    assert differences == {kind: count for kind, (count, _) in DIFFERENCES.items()}
    assert (counts["feeds"], counts["articles"]) == (60, 1_216)


@pytest.mark.skipif(not FEEDS, reason="the real feeds (../shared/corpora/feeds) are not here")
def test_the_reader_finds_what_feedparser_finds() -> None:
    """A sample: feedparser is slow."""
    for path in FEEDS[::12]:
        for found, entry in _pairs(path):
            assert set(_differences(found, entry)) <= set(DIFFERENCES)


@pytest.mark.skipif(not FEEDS, reason="the real feeds (../shared/corpora/feeds) are not here")
def test_the_control_what_is_lost_from_an_article_is_a_difference() -> None:
    found, entry = _pairs(FEEDS[0])[0]
    spoiled = [replace(found, title="x"), replace(found, url=""), replace(found, guid=""), replace(found, html="<p>x"),
               replace(found, published_at=None), replace(found, topics=("x",)),
               replace(found, enclosures=(Enclosure("x", ""),))]
    seen = [_differences(article, entry) for article in spoiled]
    print(f"control: {sum(map(bool, seen))} of {len(spoiled)} losses are seen")
    assert all(seen)


def _pairs(path: Path) -> list[tuple[Found, Any]]:
    body = path.read_bytes()
    theirs = feedparser.parse(body, sanitize_html=False, resolve_relative_uris=False)["entries"]
    return list(zip(parse_feed(body, url=path.name).articles, theirs, strict=True))


def _differences(found: Found, entry: Any) -> list[str]:
    """Authors are left out: feedparser mixes mail addresses into them. Its own `get` gives `published` where there is
    no `updated`, so it is not asked."""
    published, updated = (_when(dict.get(entry, f"{which}_parsed")) for which in ("published", "updated"))
    content = [part["value"] for part in entry.get("content", ())]
    longest = max((_words(text) for text in [*content, entry.get("summary", "")]), key=len)
    same = {
        "guid": found.guid == entry.get("id", ""),
        "url": found.url == entry.get("link", ""),
        "title": " ".join(found.title.split()) in (_words(entry.get("title", "")), entry.get("title", "")),
        "published": found.published_at == (published or updated),
        "updated": found.updated_at == updated,
        "text": len(_words(found.html)) == len(longest),
        "topics": set(found.topics) == {tag["term"] for tag in entry.get("tags", ())},
        "enclosures": [e.url for e in found.enclosures] == [e.get("href") for e in entry.get("enclosures", ())],
    }
    return [kind for kind, is_same in same.items() if not is_same]


def _words(markup: str) -> str:
    return words_of(markup).line


def _when(parts: Any) -> datetime | None:
    return datetime.fromtimestamp(timegm(parts), UTC) if parts else None


@pytest.mark.skipif(not SEEDS, reason="the first article (../shared/seeds) is not here")
def test_the_first_article_reads_as_one() -> None:
    found = extract_document(SEEDS[0].name, SEEDS[0].read_bytes(), now=NOW)
    assert isinstance(found, Found)
    draft = make_draft(found, source_url="", now=NOW, show=Show.FULL)
    lines = [line.strip() for line in SEEDS[0].read_text("utf-8").split("\n") if line.strip()]
    assert draft.title == lines[0]
    assert draft.author == "Grace Mitchell"
    assert draft.html.count("<h2>") == 4
    body = lines[lines.index(lines[0], 1) + 1 : -1]
    assert visible_text(draft.html).split("\n\n") == body
    assert body[0].startswith(draft.summary[:100])
    assert not re.search(r"Photo of|By Grace|Leave a", draft.html)
