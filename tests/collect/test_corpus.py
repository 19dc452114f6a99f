"""On real input, where it is at hand: nothing of it is part of this repository."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import feedparser
import pytest

from pipeline.collect.extract import extract_document
from pipeline.collect.identify import EARLIEST, FUTURE, make_draft, make_drafts
from pipeline.collect.parse import parse_feed
from pipeline.errors import ParseError
from pipeline.model.articles import Found, Show
from pipeline.text.clean import visible_text

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


@pytest.mark.skipif(not FEEDS, reason="the real feeds (../shared/corpora/feeds) are not here")
def test_the_reader_finds_what_feedparser_finds() -> None:
    """A sample: feedparser is slow. Authors are left out, it mixes mail addresses into them."""
    for path in FEEDS[::6]:
        body = path.read_bytes()
        ours = parse_feed(body, url=path.name).articles
        theirs = feedparser.parse(body, sanitize_html=False, resolve_relative_uris=False)["entries"]
        assert len(ours) == len(theirs), path.name
        for found, entry in zip(ours, theirs, strict=True):
            assert found.guid == entry.get("id", "")
            assert found.url == entry.get("link", "")
            assert " ".join(found.title.split()) in (_text(entry.get("title", "")), entry.get("title", ""))
            assert set(found.topics) == {tag["term"] for tag in entry.get("tags", ())}
            assert [e.url for e in found.enclosures] == [e.get("href") for e in entry.get("enclosures", ())]


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


def _text(markup: str) -> str:
    return " ".join(visible_text(markup).split())
