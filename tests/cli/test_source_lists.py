"""sources import and export: lists of other programs, and ours for them."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest

from pipeline.collect.opml import MAX_BYTES
from pipeline.model.sources import SourceKind
from pipeline.store import sources

Run = Callable[..., Any]

LIST = """<?xml version="1.0" encoding="UTF-8"?><opml version="1.0"><head><title>Mine</title></head><body>
<outline text="Tech"><outline text="Python">
<outline type="rss" text="A Café" xmlUrl="https://a.example/feed?x=1&amp;y=${HOME}" htmlUrl="https://a.example/"/>
<outline type="rss" text="A Café" xmlUrl="http://a.example/feed?x=1&amp;y=${HOME}&amp;utm_source=z"/></outline></outline>
<outline text="B" xmlUrl="https://b.example/atom" category="news,/arts"/>
<outline text="Desk" xmlUrl="https://desk.example/feed"/>
<outline text="The North" xmlUrl="https://127.0.0.1:9/feed.xml"/>
<outline text="Old" xmlUrl="ftp://old.example/feed"/>
<outline text="Secret" xmlUrl="https://me:hunter2@b.example/"/>
<outline text="Nowhere" xmlUrl="b.example/feed"/>
<outline text="More" type="include" url="https://more.example/list.opml"/>
</body></opml>"""
NORTH = """
[[sources]]   # ours
slug = "north"
url = "http://127.0.0.1:9/feed.xml"
topics = ["north", "a/b"]
allow_networks = ["127.0.0.0/8"]
"""


def declared(site: Any) -> list[dict[str, Any]]:
    found = tomllib.loads((site.folder / "config.toml").read_text())["sources"]
    assert isinstance(found, list)
    return found


@pytest.fixture
def site(make_site: Any, basic_config: str) -> Any:
    site = make_site(basic_config + NORTH)
    (site.folder / "list.opml").write_text(LIST)
    return site


def test_a_list_is_taken_in(broadsheet: Run, site: Any) -> None:
    said = broadsheet(site, "sources", "import", str(site.folder / "list.opml"), "--topic", "friends")
    assert said.status == 3, said.all
    assert "3 sources added." in said.out
    assert declared(site)[2:] == [
        {"slug": "a-cafe", "title": "A Café", "url": "https://a.example/feed?x=1&y=$${HOME}",
         "topics": ["tech", "python", "friends"]},
        {"slug": "b", "title": "B", "url": "https://b.example/atom", "topics": ["news", "arts", "friends"]},
        {"slug": "desk-2", "title": "Desk", "url": "https://desk.example/feed", "topics": ["friends"]},
    ]
    assert "[[sources]]   # ours" in (site.folder / "config.toml").read_text()
    for words in (
        '&utm_source=z): is collected already, it is the source "a-cafe"',
        'The North (https://127.0.0.1:9/feed.xml): is collected already, it is the source "north"',
        "not read: https://more.example/list.opml", "✗ Old (ftp://old.example/feed): is no web address",
        "✗ Secret (https://••••@b.example/): a web address can't carry a name and password here",
        "✗ Nowhere (b.example/feed): is no web address",
    ):
        assert words in said.err, said.err
    assert "hunter2" not in said.all
    [state] = [s for s in site.app.config.sources if s.slug == "a-cafe"]
    assert state.url == "https://a.example/feed?x=1&y=${HOME}", "and not what our environment holds"
    again = broadsheet(site, "sources", "import", str(site.folder / "list.opml"), "--json")
    assert (again.status, again.json["added"], len(again.json["skipped"]), len(again.json["problems"])) == (1, [], 5, 3)


def test_what_would_be_taken_can_be_seen_before(broadsheet: Run, site: Any) -> None:
    before = (site.folder / "config.toml").read_bytes()
    said = broadsheet(site, "sources", "import", str(site.folder / "list.opml"), "--dry-run")
    assert "3 sources would be added." in said.out
    assert "a-cafe" in said.out
    assert (site.folder / "config.toml").read_bytes() == before


def test_a_list_may_come_from_elsewhere(
    broadsheet: Run, site: Any, served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = served
    (folder / "list.opml").write_text(LIST)
    said = broadsheet(site, "sources", "import", f"{address}/list.opml")
    assert (said.status, "--allow-network" in said.err) == (1, True)
    said = broadsheet(site, "sources", "import", f"{address}/list.opml", "--allow-network", "127.0.0.0/8", "--dry-run")
    assert "3 sources would be added." in said.out
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(LIST.encode())))
    assert "3 sources would be added." in broadsheet(site, "sources", "import", "-", "--dry-run").out


def test_what_is_no_list_is_said(broadsheet: Run, site: Any) -> None:
    said = broadsheet(site, "sources", "import", str(site.folder / "none.opml"))
    assert (said.status, "no such file" in said.err) == (2, True)
    (site.folder / "none.opml").write_text("Hello")
    said = broadsheet(site, "sources", "import", str(site.folder / "none.opml"))
    assert (said.status, "is no list of sources (OPML)" in said.err) == (1, True)
    (site.folder / "none.opml").write_bytes(b" " * (MAX_BYTES + 1))
    assert "larger than the 5 MB" in broadsheet(site, "sources", "import", str(site.folder / "none.opml")).err


MORE = """
[[sources]]
slug = "shut"
url = "https://shut.example/feed"
blocked = true
[[sources]]
slug = "private"
url = "https://p.example/feed?token=hunter2"
[[sources]]
slug = "env"
url = "https://e.example/${NAME}"
[[sources]]
slug = "page"
title = "A <page> & more"
url = "https://page.example/"
topics = ["å", "two words"]
"""


def test_ours_goes_out_without_what_is_ours_alone(
    broadsheet: Run, make_site: Any, basic_config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAME", "canary")
    site = make_site(basic_config + NORTH + MORE.replace("env", "e2"))
    said = broadsheet(site, "sources", "export", str(site.folder / "out.opml"), "--all", "--json")
    assert said.status == 0, said.all
    assert said.json["sources"] == 2
    text = (site.folder / "out.opml").read_text()
    assert 'xmlUrl="http://127.0.0.1:9/feed.xml" category="north"/>' in text
    said = broadsheet(site, "sources", "export")
    assert "127.0.0.1" not in said.out
    assert said.out.count("<outline") == 1
    for words in ("desk: it is a folder of yours", "north: it is on a private network (--all has it too)",
                  "shut: you have blocked it", "private: its address holds a secret", "e2: its address holds a secret"):
        assert f"left out: {words}" in said.err
    assert "hunter2" not in text + said.all
    assert "canary" not in text + said.all
    said = broadsheet(site, "sources", "export", str(site.folder / "out.opml"))
    assert (said.status, "nothing is overwritten" in said.err) == (2, True)


def test_there_and_back_again(broadsheet: Run, make_site: Any, basic_config: str) -> None:
    one = make_site(basic_config + MORE.replace("${NAME}", "?apikey=1") + '[[sources]]\nslug = "feed"\nurl = "https://f.example/?a=1&b=2"\n')
    with one.app.store.write() as connection:
        page = sources.state(connection, "page").id
        sources.record_poll(connection, page, found_kind=SourceKind.FEED, feed_url="https://page.example/rss")
        sources.record_poll(connection, sources.state(connection, "feed").id, title="What it \"calls\" itself")
    assert broadsheet(one, "sources", "export", str(one.folder / "out.opml")).status == 0
    text = (one.folder / "out.opml").read_text()
    assert 'xmlUrl="https://page.example/rss" htmlUrl="https://page.example/"' in text
    other = make_site(name="other")
    assert broadsheet(other, "sources", "import", str(one.folder / "out.opml")).status == 0
    assert declared(other)[1:] == [
        {"slug": "a-page-more", "title": "A <page> & more", "url": "https://page.example/rss",
         "topics": ["å", "two words"]},
        {"slug": "what-it-calls-itself", "title": 'What it "calls" itself', "url": "https://f.example/?a=1&b=2"},
    ]
    assert broadsheet(other, "sources", "export", str(other.folder / "out.opml")).status == 0
    back = (other.folder / "out.opml").read_text()
    assert back.replace(' htmlUrl="https://page.example/"', "") == text.replace(' htmlUrl="https://page.example/"', "")


@pytest.mark.parametrize(("body", "status", "words"), [
    ("<outline", 1, "not well-formed XML (line 1), and no source could be read"),
    ('<outline text="Lost"/><outline text="Dir"><outline title="Also"/></outline></body></opml>', 1,
     "✗ Lost: has no address of a feed (xmlUrl)"),
    ('<outline text="Good" xmlUrl="https://good.example/f"/><outline htmlUrl="https://lost.example/"/></body></opml>',
     3, "✗ https://lost.example/: has no address"),
    ('<outline text="Good" xmlUrl="https://good.example/f"/><outline text="Half', 3, "is not well-formed XML (line 1)"),
])
def test_what_a_list_holds_and_can_t_be_used_is_named(
    broadsheet: Run, site: Any, body: str, status: int, words: str
) -> None:
    (site.folder / "odd.opml").write_text(f"<opml version='2.0'><body>{body}")
    said = broadsheet(site, "sources", "import", str(site.folder / "odd.opml"))
    assert (said.status, words in said.err, "Dir:" in said.err) == (status, True, False), said.all


def test_a_wrong_network_is_wrong_usage(broadsheet: Run, site: Any) -> None:
    said = broadsheet(site, "sources", "import", "http://127.0.0.1:9/x", "--allow-network", "all")
    assert (said.status, '--allow-network: "all" is no address or network' in said.err) == (2, True), said.all
