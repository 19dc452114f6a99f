"""A story is mailed to nobody twice: whatever the operator merges and parts, before and after it was sent."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.collect.identify import make_drafts
from pipeline.collect.suggest import suggest
from pipeline.jobs.steps import publish_all
from pipeline.model.articles import Found, Show
from pipeline.store import articles, similar, sources
from pipeline.store.articles import Acceptance

ANN, BEA = "ann@here.example", "bea@here.example"
NORTH = """[[sources]]
slug = "north"
url = "https://north.example/feed.xml"
title = "The North"
[[feeds]]"""
TEXT = " ".join(f"word{n} of the" for n in range(80))


def prepare(site: Any) -> None:
    """Ann reads daily, Bea weekly; the first digests, with nothing in them, have gone by."""
    site.subscribe(ANN)
    site.subscribe(BEA, schedule="weekly")
    site.send()
    site.now = site.now.replace(hour=8, minute=1)
    site.send()


@pytest.fixture
def site(copy_site: Any, basic_config: str) -> Any:
    return copy_site(prepare, basic_config.replace("[[feeds]]", NORTH, 1))


def accept(site: Any, title: str, *, source: str = "desk", text: str = "", url: str = "") -> int:
    found = Found(title=title, html=f"<p>{text or f'This is {title}, and nothing else says that.'}</p>", guid=title,
                  url=url, published_at=site.now)
    [draft] = make_drafts([found], source_url="https://north.example/", now=site.now, show=Show.FULL)
    with site.app.store.write() as connection:
        [made] = articles.add(connection, sources.state(connection, source).id,
                              [(draft, Acceptance(Show.FULL, mailable=True))], site.now)
    return made


def merge(site: Any, one: int, other: int) -> None:
    with site.app.store.write() as connection:
        similar.merge(connection, one, other, site.now)


def split(site: Any, one: int) -> None:
    with site.app.store.write() as connection:
        similar.split(connection, one, site.now)


def next_day(site: Any, days: int = 1) -> None:
    for _ in range(days):
        site.advance(days=1)
        site.send()


def test_what_was_merged_with_something_sent_is_not_sent(site: Any) -> None:
    one = accept(site, "Article one")
    next_day(site)
    other = accept(site, "Article two", source="north")
    merge(site, one, other)
    accept(site, "Article three")
    next_day(site, 7)
    assert site.told(ANN) == ["Article one", "Article three"]
    assert sorted(site.told(BEA)) == ["Article one", "Article three"], "whoever reads weekly gets the story once"
    split(site, other)  # its window has gone by: parting does not reach back
    next_day(site, 7)
    assert site.told(ANN) == ["Article one", "Article three"]
    assert len(site.told(BEA)) == 2


def test_what_was_left_out_by_mistake_is_sent_once_parted(site: Any) -> None:
    one = accept(site, "Article one")
    next_day(site)
    other = accept(site, "Article two", source="north")
    merge(site, one, other)
    split(site, one)
    next_day(site, 2)
    assert site.told(ANN) == ["Article one", "Article two"]


def test_merging_and_parting_sends_nothing_again(site: Any) -> None:
    one, other = accept(site, "Article one"), accept(site, "Article two", source="north")
    next_day(site)
    assert sorted(site.told(ANN)) == ["Article one", "Article two"]
    merge(site, one, other)
    next_day(site)
    split(site, one)
    next_day(site)
    merge(site, one, other)
    split(site, other)
    next_day(site)
    assert len(site.told(ANN)) == 2


def test_two_that_wait_become_one_and_a_third_joins_them(site: Any) -> None:
    one = accept(site, "Article one")
    other = accept(site, "Article two", source="north", url="https://north.example/2")
    merge(site, other, one)
    next_day(site)
    assert site.told(ANN) == ["Article one"]
    [text] = [mail.get_body(("plain",)).get_content() for mail in site.mails()]
    assert "Also in The North: https://north.example/2" in text
    accept(site, "Article three", url="https://north.example/2")
    next_day(site)
    assert site.told(ANN) == ["Article one"], "it has the address of one that is told as the other"


def test_a_feed_has_the_story_once_and_names_the_others(site: Any) -> None:
    one = accept(site, "Article one", text=TEXT)
    other = accept(site, "Article two", source="north", text=TEXT + " and more", url="https://north.example/2")
    assert suggest(site.app.store, site.now).suggested == 1
    publish_all(site.app)
    rss = site.folder / "feeds" / "all" / "rss.xml"
    assert rss.read_text().count("<item>") == 2
    merge(site, one, other)
    publish_all(site.app)
    assert rss.read_text().count("<item>") == 1
    assert "Also in" in rss.read_text()
    assert "https://north.example/2" in rss.read_text()
    split(site, one)
    publish_all(site.app)
    assert rss.read_text().count("<item>") == 2
    assert "Also in" not in rss.read_text()
    with site.app.store.read() as connection:
        assert similar.suggested(connection) == []
