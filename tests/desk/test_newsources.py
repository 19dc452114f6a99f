"""Whether a source is there already, and what a new one is called."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.desk.newsources import Known, choose_slug, what_is_there
from pipeline.jobs.declare import declare
from pipeline.model.articles import Show
from pipeline.model.sources import SourceKind
from pipeline.store import sources
from pipeline.store.sources import Declared

SOURCE = """
[[sources]]
slug = "north"
url = "http://north.example/feed.xml"
former = ["old-north"]
"""


@pytest.fixture
def known(make_site: Any, basic_config: str) -> Known:
    site = make_site(basic_config + SOURCE)
    store, now = site.app.store, site.now
    with store.write() as connection:
        north = sources.state(connection, "north").id
        sources.record_poll(connection, north, followed_url="https://new.north.example/feed",
                            feed_url="https://north.example/real.xml", moved_to="https://next.example/")
        gone = Declared("gone", SourceKind.AUTO, "https://gone.example/feed", Show.SUMMARY)
        sources.declare(connection, [gone], now)
    declare(store, site.app.config, now)
    with store.read() as connection:
        return what_is_there(site.app.config, sources.states(connection))


def test_one_address_is_one_source(known: Known) -> None:
    for url in ("http://north.example/feed.xml", "https://North.example/feed.xml",
                "https://north.example:443/feed.xml/", "https://north.example/feed.xml?utm_source=x#top",
                "http://new.north.example/feed", "https://next.example", "http://north.example/real.xml"):
        assert known.same("https://other.example/", url) == "north", url
    for url in ("", "https://north.example/other.xml", "https://www.north.example/feed.xml",
                "https://gone.example/feed"):
        assert known.same(url) == "", url
    assert {"north", "old-north", "gone", "desk"} == known.names
    assert choose_slug(known, "Anything", "http://gone.example/feed") == "gone"


@pytest.mark.parametrize(("title", "url", "slug"), [
    ("Simon’s Weblog", "https://simon.example/atom", "simons-weblog"),
    ("Café Łódź: Ärger!", "https://x.example/", "cafe-odz-arger"),
    ("Blog", "https://www.fish.example/feed", "fish-example"),
    ("日本語", "https://jp.example:8080/feed", "jp-example"),
    ("", "https://[2001:db8::1]/feed", "2001-db8-1"),
    ("The very long name of a source that goes on and on and on", "https://x.example",
     "the-very-long-name-of-a-source-that-goes"),
    ("x" * 90, "https://x.example", "x" * 40),
    ("North", "https://x.example", "north-2"),
])
def test_a_name_is_made(title: str, url: str, slug: str) -> None:
    assert choose_slug(Known(names={"north"}), title, url) == slug


def test_names_are_given_once() -> None:
    known = Known()
    for number in range(12):
        known.add(choose_slug(known, "Same", f"https://{number}.example/"), f"https://{number}.example/")
    assert len(known.names) == 12
    assert "same-12" in known.names
