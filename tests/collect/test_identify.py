from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.collect.identify import EARLIEST, make_draft, make_drafts
from pipeline.model.articles import Draft, Enclosure, Found, Show
from pipeline.text.clean import clean_html

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SOURCE = "https://example.org/blog/feed"
Make = Callable[..., Draft]
WILD = st.text(st.characters(exclude_categories=()), max_size=30)


def drafts(*founds: Found) -> list[Draft]:
    return make_drafts(founds, source_url=SOURCE, now=NOW)


@pytest.mark.parametrize(
    ("found", "title"),
    [
        (Found(" A\n title\u2028\x0b\u202e "), "A title"),
        (Found("", "<p>Twelve words of a text that goes on and on and on for ever</p>"),
         "Twelve words of a text that goes on and on and on…"),
        (Found("", "", url="https://e.org/2024/why-lamps/"), "why lamps"),
        (Found("", "", guid="tag:7"), "tag:7"),
        (Found("\x00"), "Untitled"),
        (Found("\u200b\u2060\u00ad"), "Untitled"),
        (Found("\ue000", "<p>\u200b</p>", url="https://e.org/2024/why-lamps/"), "why lamps"),
    ],
)
def test_a_title_is_one_line_and_never_empty(found: Found, title: str) -> None:
    assert make_draft(found, source_url="", now=NOW).title == title


@pytest.mark.parametrize(
    ("when", "published", "dated"),
    [
        (None, NOW, False),
        (datetime(1, 1, 1, tzinfo=UTC), NOW, False),
        (datetime(1970, 1, 1, tzinfo=UTC), NOW, False),
        (datetime(1985, 5, 5, tzinfo=UTC), EARLIEST, True),
        (datetime(2024, 6, 3, 12, tzinfo=timezone(timedelta(hours=2))), datetime(2024, 6, 3, 10, tzinfo=UTC), True),
        (datetime(2024, 6, 3, 12, 0), datetime(2024, 6, 3, 12, 0, tzinfo=UTC), True),  # noqa: DTZ001 - a naive one
        (NOW + timedelta(hours=3), NOW + timedelta(hours=3), True),
        (datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-2))), NOW, False),
        (NOW + timedelta(days=1), NOW + timedelta(days=1), True),
        (NOW + timedelta(days=1, seconds=1), NOW, False),  # it would lead the feed for a day
        (datetime(2099, 1, 1, tzinfo=UTC), NOW, False),
    ],
)
def test_dates_within_reason(when: datetime | None, published: datetime, dated: bool, draft: Make) -> None:
    made = draft(published_at=when)
    assert (made.published_at, made.dated) == (published, dated)


def test_an_update_counts_only_after_the_publication(draft: Make) -> None:
    day = datetime(2024, 6, 3, tzinfo=UTC)
    assert draft(published_at=day, updated_at=day).updated_at is None
    assert draft(published_at=day, updated_at=day + timedelta(days=1)).updated_at == day + timedelta(days=1)
    assert draft(published_at=day, updated_at=NOW + timedelta(days=2)).updated_at is None


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "mailto:a@b.example"])
def test_a_hostile_address_is_no_address(url: str, draft: Make) -> None:
    made = draft(url=url, guid=url, enclosures=(Enclosure(url, "audio/mpeg"),))
    assert (made.url, made.url_key, made.enclosures) == ("", "", ())


def test_addresses_are_absolute_and_without_tracking(draft: Make) -> None:
    made = draft(url="/a?utm_source=rss&x=1", html='<a href="b">b</a><img src="/c.png">',
                 enclosures=(Enclosure("d.mp3", "AUDIO/mpeg", -5), Enclosure("e.bin", "no type")))
    assert made.url == "https://example.org/a?x=1"
    assert made.html == '<a href="https://example.org/b">b</a><img src="https://example.org/c.png">'
    assert made.enclosures == (
        Enclosure("https://example.org/d.mp3", "audio/mpeg", 0),
        Enclosure("https://example.org/e.bin", "application/octet-stream", 0),
    )


def test_the_hash_is_over_words_not_over_markup_or_blanks(draft: Make) -> None:
    one = draft("T", html="<p>One  two</p>").content_hash
    assert draft("T", html="<div><b>One</b>\n two</div>").content_hash == one
    assert draft("T", html="<p>One three</p>").content_hash != one
    assert draft("U", html="<p>One two</p>").content_hash != one


def test_summaries(draft: Make) -> None:
    long = "word " * 100
    assert len(draft(html=f"<h2>Not this</h2><p>{long}</p>").summary.split()) == 60
    assert draft(html="<p>Text</p>", summary="<p>The &amp; own</p>").summary == "The & own"
    assert draft(html="<p>Text</p>", summary="Begins here [&#8230;]").summary == "Begins here…"
    assert draft(summary="S. The post A appeared first on B.").summary == "S."
    full = make_draft(Found("T", summary=long), source_url="", now=NOW, show=Show.FULL)
    assert len(full.summary.split()) == 100


def test_topics_language_and_guid(draft: Make) -> None:
    made = make_draft(Found("T", topics=("Health", " city\nlife", ""), language="bad tag!", guid="x" * 600),
                      source_url="", now=NOW, language="en_GB", topics=("health",))
    assert made.topics == ("health", "city life")
    assert made.language == "en-GB"
    assert len(made.guid) == 64
    assert draft(language="sv").language == "sv"


@given(WILD, WILD, WILD, WILD, WILD)
def test_whatever_comes_in_a_draft_comes_out(title: str, html: str, guid: str, url: str, other: str) -> None:
    made = make_draft(Found(title, html, other, guid, url, other, topics=(other,), language=other, rights=other),
                      source_url=SOURCE, now=NOW)
    assert made.title
    for line in (made.title, made.author, made.guid, made.rights, made.summary, *made.topics):
        assert len(line.splitlines()) <= 1
        line.encode()
    assert clean_html(made.html) == made.html


def test_a_guid_that_several_articles_share_identifies_none() -> None:
    made = drafts(
        Found("A", "a", guid="1", url="/a"), Found("B", "b", guid="1", url="/b"), Found("C", guid="2", url="/c")
    )
    assert [(d.title, d.guid) for d in made] == [("A", ""), ("B", ""), ("C", "2")]


@pytest.mark.parametrize(
    ("second", "guids"),
    [
        ({"title": "A", "html": "a"}, ["1"]),
        ({"title": "A", "html": "b"}, ["1"]),
        ({"title": "B", "html": "b"}, ["", ""]),
        ({"title": "B", "html": "b", "published_at": datetime(2024, 6, 3, tzinfo=UTC)}, ["1"]),
        ({"title": "B", "html": "b", "published_at": datetime(2024, 6, 4, tzinfo=UTC)}, ["", ""]),
        ({"title": "A", "html": "b", "url": "/b"}, ["", ""]),
        ({"title": "A", "html": "a", "url": "/b"}, ["1"]),
    ],
)
@pytest.mark.parametrize("url", ["/a", ""])
def test_versions_of_one_article_and_several_under_one_guid(second: dict[str, Any], guids: list[str], url: str) -> None:
    first = Found("A", "a", guid="1", url=url, published_at=datetime(2024, 6, 3, tzinfo=UTC))
    made = drafts(first, Found(**{"guid": "1", "url": url, **second}))
    assert [d.guid for d in made] == guids


def test_the_same_article_twice_is_one_and_the_newest_is_kept() -> None:
    day = datetime(2024, 6, 3, tzinfo=UTC)
    made = drafts(
        Found("A", "old", guid="1", url="/a", published_at=day),
        Found("A", "new", guid="1", url="/a", published_at=day, updated_at=day + timedelta(days=1)),
        Found("B", "same", guid="2", url="/b"), Found("B", "same", guid="3", url="/b"),
        Found("C", "c", url="/c"), Found("C", "c", url="/c#top"),
        Found("D", "d"), Found("D", "d"),
    )
    assert [(d.title, d.html) for d in made] == [("A", "new"), ("B", "same"), ("C", "c"), ("D", "d")]


def test_an_address_that_all_link_to_identifies_none() -> None:
    made = drafts(Found("A", "a", guid="1", url="/all"), Found("B", "b", guid="2", url="/all"), Found("C", url="/c"))
    assert [d.url_key for d in made] == ["", "", "//example.org/c"]
    assert [d.url for d in made][:2] == ["https://example.org/all"] * 2
    assert drafts(Found("A", guid="1", url="https://example.org/"))[0].url_key == ""


def test_articles_on_one_page_are_told_apart_by_their_fragments() -> None:
    made = drafts(Found("A", "a", guid="1", url="/log#a"), Found("B", "b", guid="2", url="/log#b"))
    assert [d.url_key for d in made] == ["//example.org/log#a", "//example.org/log#b"]


def test_without_guid_and_address_each_text_is_an_article() -> None:
    assert len(drafts(Found("A", "a"), Found("A", "b"), Found("B", "a"))) == 3
