"""sources list, add, remove, block: config.toml is changed, and nothing else in it."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from pipeline.model.sources import SourceStanding
from pipeline.store import sources

Run = Callable[..., Any]

FEED = """<?xml version="1.0"?><rss version="2.0"><channel><title>Notes from the Fjord</title><language>sv</language>
<item><title>One</title><link>https://notes.example/1</link><pubDate>21 May 2026 08:00:00 GMT</pubDate></item>
<item><title>Two</title><link>https://notes.example/2</link><pubDate>20 May 2026 08:00:00 GMT</pubDate></item>
</channel></rss>"""
PAGE = ('<html lang=en><head><title>The Fjord</title><link rel=alternate type=application/rss+xml title=Notes '
        "href=/feed.xml></head><body>" + "".join(
            f"<article><h2><a href='/a-long-slug-{n}'>The article of number {n}</a></h2></article>" for n in range(8)))
HERE = ("--allow-network", "127.0.0.0/8")
OTHERS = """
[[sources]]
slug = "north"   # of the town
url = "http://127.0.0.1:9/feed.xml"
title = "The North"
"""


@pytest.fixture
def web(served: tuple[Path, str]) -> str:
    folder, address = served
    (folder / "feed.xml").write_text(FEED)
    (folder / "index.html").write_text(PAGE)
    return address


def declared(site: Any) -> dict[str, dict[str, Any]]:
    return {s["slug"]: s for s in tomllib.loads((site.folder / "config.toml").read_text())["sources"]}


# --- add ---


def test_a_feed_is_found_shown_and_written(broadsheet: Run, make_site: Any, web: str) -> None:
    site = make_site()
    before = (site.folder / "config.toml").read_text()
    said = broadsheet(site, "sources", "add", f"{web}/", "--topic", "fjord", "--topic", "sea", *HERE)
    assert said.status == 0, said.all
    assert 'It leads to a feed "Notes from the Fjord" (sv), 2 articles.' in said.out
    assert "  2026-05-21  One\n" in said.out
    assert "the page names this feed" in said.err
    assert declared(site)["notes-from-the-fjord"] == {
        "slug": "notes-from-the-fjord", "url": f"{web}/feed.xml", "topics": ["fjord", "sea"],
        "allow_networks": ["127.0.0.0/8"]}
    after = (site.folder / "config.toml").read_text()
    assert [line for line in after.splitlines() if line not in before.splitlines()] == [
        'slug = "notes-from-the-fjord"', f'url = "{web}/feed.xml"', 'topics = ["fjord", "sea"]',
        'allow_networks = ["127.0.0.0/8"]']
    assert not (site.folder / "broadsheet.db").exists(), "to look at something makes no database"
    said = broadsheet(site, "collect", "notes-from-the-fjord")
    assert said.status == 0, said.all
    assert "notes-from-the-fjord    2 " in said.out


def test_what_was_asked_for_is_written(broadsheet: Run, make_site: Any, web: str) -> None:
    site = make_site()
    said = broadsheet(site, "sources", "add", f"{web}/", "--slug", "fjord", "--title", "The Fjord's", "--show", "full",
                      "--every", "2h", "--full-text", "--selector", "article", "--yes", "--json", *HERE)
    assert said.status == 0, said.all
    table = declared(site)["fjord"]
    assert table == {"slug": "fjord", "title": "The Fjord's", "url": f"{web}/", "kind": "page", "show": "full",
                     "full_text": True, "selector": "article", "every": "2h", "allow_networks": ["127.0.0.0/8"]}
    assert said.json["added"] is True
    assert said.json["source"] == table
    assert said.json["found"]["count"] == 8


def test_what_would_be_written_can_be_seen_before(broadsheet: Run, make_site: Any, web: str) -> None:
    site = make_site()
    before = (site.folder / "config.toml").read_bytes()
    said = broadsheet(site, "sources", "add", f"{web}/feed.xml", "--dry-run", *HERE)
    assert said.status == 0
    assert 'It is a feed "Notes' in said.out
    assert '  slug = "notes-from-the-fjord"\n' in said.out
    assert (site.folder / "config.toml").read_bytes() == before


def test_a_folder_is_a_source_too(broadsheet: Run, make_site: Any) -> None:
    site = make_site()
    (site.folder / "More of it").mkdir()
    assert broadsheet(site, "sources", "add", str(site.folder / "More of it")).status == 0
    assert declared(site)["more-of-it"] == {"slug": "more-of-it", "folder": "More of it"}
    said = broadsheet(site, "sources", "add", str(site.folder / "articles"))
    assert (said.status, 'is collected already: it is the source "desk"' in said.err) == (2, True)


def test_what_is_there_is_not_added_again(broadsheet: Run, make_site: Any, basic_config: str, web: str) -> None:
    site = make_site(basic_config + OTHERS.replace("http://127.0.0.1:9", web.replace("http:", "https:")))
    for address in (f"{web}/feed.xml", f"{web}/"):
        said = broadsheet(site, "sources", "add", address, *HERE)
        assert said.status == 2
        assert 'is collected already: it is the source "north"' in said.err
        assert "sources list north" in said.err
    site.app.close()
    with site.app.store.write() as connection:
        state = sources.state(connection, "north")
        sources.record_poll(connection, state.id, followed_url="https://elsewhere.example/feed")
    said = broadsheet(site, "sources", "add", "http://elsewhere.example/feed")
    assert 'it is the source "north"' in said.err, "nor under the address to which it has moved"


@pytest.mark.parametrize(("args", "status", "words"), [
    (["http://127.0.0.1:9/feed"], 1, "--allow-network 192.168.1.0/24, or 127.0.0.0/8 for this machine"),
    (["hello"], 2, "is no web address"),
    (["{web}/nothing", *HERE], 1, "404"),
    (["{web}/feed.xml", "--slug", "desk", *HERE], 2, "is the name of another source"),
    (["{web}/feed.xml", "--slug", "De sk", *HERE], 2, "is no slug"),
    (["{web}/feed.xml", "--show", "half", *HERE], 2, 'is not "summary" or "full"'),
])
def test_what_can_t_be_added_is_said(
    broadsheet: Run, make_site: Any, web: str, args: list[str], status: int, words: str
) -> None:
    site = make_site()
    before = (site.folder / "config.toml").read_bytes()
    said = broadsheet(site, "sources", "add", *(arg.replace("{web}", web) for arg in args))
    assert (said.status, words in said.err) == (status, True), said.err
    assert (site.folder / "config.toml").read_bytes() == before


@pytest.mark.parametrize(("answer", "written"), [("\n", True), ("n\n", False)])
def test_who_sits_there_is_asked(
    broadsheet: Run, make_site: Any, monkeypatch: pytest.MonkeyPatch, answer: str, written: bool
) -> None:
    class Somebody(StringIO):
        def isatty(self) -> bool:
            return True

    site = make_site()
    (site.folder / "more").mkdir()
    monkeypatch.setattr(sys, "stdin", Somebody(answer))
    said = broadsheet(site, "sources", "add", str(site.folder / "more"))
    assert (said.status, "Add it? [Y/n]" in said.out) == (0, True)
    assert ("more" in declared(site)) is written


# --- list ---


def test_each_source_is_told_of(broadsheet: Run, make_site: Any, basic_config: str) -> None:
    names = ("north", "quiet", "gone", "blocked", "late", "old")
    site = make_site(basic_config + "".join(OTHERS.replace("north", name) for name in names)
                     .replace('slug = "blocked"', 'slug = "blocked"\nblocked = true'))
    site.accept(["Article one"])
    hour = timedelta(hours=1)
    with site.app.store.write() as connection:
        for name, row in {
            "north": {"next_poll_at": site.now + 5 * hour, "last_polled_at": site.now - hour, "interval": 6 * hour,
                      "interval_reason": "it publishes every 24 hours or so", "found_kind": "feed", "failures": 0,
                      "last_error": "", "failing_since": None},
            "quiet": {"standing": SourceStanding.QUARANTINED, "standing_reason": "it cost too much",
                      "standing_until": site.now + 48 * hour},
            "gone": {"standing": SourceStanding.GONE, "standing_reason": "it says so (410)", "next_poll_at": None},
            "late": {"failures": 2, "failing_since": site.now - 5 * hour, "last_error": "it timed out"},
            "old": {"failures": 9, "failing_since": site.now - 200 * hour, "last_error": "404 Not Found"},
        }.items():
            sources.record_poll(connection, sources.state(connection, name).id, **row)
    said = broadsheet(site, "sources")
    assert said.status == 0
    for words in (
        "north    feed     1 h ago     in 5 h", "    every 6 hours: it publishes every 24 hours or so\n",
        "✗ in quarantine until 2026-06-03 06:00: it cost too much", "`broadsheet sources block quiet` leaves it alone",
        "✗ gone, and not asked any more: it says so (410). Its articles stay", "or `broadsheet sources remove gone`",
        "! blocked by you, and not asked", "take `blocked = true` out of its table",
        "✗ failed twice in a row since 2026-06-01 01:00: it timed out", "`broadsheet collect late` tries it now",
        "✗ failed 9 times in a row since", "`broadsheet sources add http://127.0.0.1:9/ --dry-run`",
        "Next: 4 sources with something wrong: quiet, gone, late, old.",
    ):
        assert words in said.out, said.out
    rows = [line for line in said.out.splitlines() if not line.startswith(" ")]
    assert max(len(line) for line in rows if not line.startswith("Next")) <= 80
    assert "desk     folder   never       now               1\n" in said.out
    assert broadsheet(site, "sources", "list", "--trouble").out.count("what to do") == 4
    [one] = broadsheet(site, "sources", "list", "desk", "--json").json["sources"]
    assert (one["standing"], one["articles"], one["new_lately"], one["kind"]) == ("new", 1, 1, "folder")
    assert broadsheet(site, "sources", "list", "dsk").status == 2


def test_held_articles_are_pointed_at(broadsheet: Run, make_site: Any) -> None:
    site = make_site()
    path = site.folder / "config.toml"
    path.write_text(path.read_text().replace('folder = "articles"', 'folder = "articles"\nhold = ["casino"]'))
    site.write("a.md", "Win at the casino")
    site.run()
    said = broadsheet(site, "sources")
    assert said.out.splitlines()[1].endswith("1            1")
    assert "`broadsheet articles release --source desk`" in said.out


def test_no_source_at_all(broadsheet: Run, make_site: Any, basic_config: str) -> None:
    site = make_site(basic_config.replace('[[sources]]\nslug = "desk"\nfolder = "articles"\n', ""))
    assert "There is no source yet" in broadsheet(site, "sources").out
    assert "All is well" in broadsheet(make_site(name="other"), "sources", "list", "--trouble").out


# --- remove and block ---


def test_what_is_removed_leaves_its_articles(broadsheet: Run, make_site: Any, basic_config: str) -> None:
    site = make_site(basic_config + OTHERS)
    text = (site.folder / "config.toml").read_text()
    said = broadsheet(site, "sources", "remove", "north", "--dry-run")
    assert "To be taken out of config.toml:\n  [[sources]]\n  slug = \"north\"" in said.out
    assert (site.folder / "config.toml").read_text() == text
    said = broadsheet(site, "sources", "remove", "north")
    assert said.status == 0
    assert "Its articles stay" in said.out
    assert (site.folder / "config.toml").read_text().strip() == basic_config.strip()
    assert broadsheet(site, "sources", "remove", "north").status == 2


def test_what_a_feed_names_is_not_removed(broadsheet: Run, make_site: Any, basic_config: str) -> None:
    site = make_site(basic_config.replace('title = "Everything"', 'title = "Everything"\nselect.sources = ["desk"]'))
    said = broadsheet(site, "sources", "remove", "desk")
    assert (said.status, 'still named in `select` of feed "all"' in said.err) == (2, True)


def test_what_is_blocked_is_not_asked(broadsheet: Run, make_site: Any, basic_config: str) -> None:
    site = make_site(basic_config + OTHERS)
    said = broadsheet(site, "sources", "block", "north")
    assert said.status == 0
    assert declared(site)["north"]["blocked"] is True
    assert '"north"   # of the town' in (site.folder / "config.toml").read_text()
    with site.app.store.read() as connection:
        state = sources.state(connection, "north")
    assert (state.standing, state.next_poll_at) == (SourceStanding.BLOCKED, None)
    assert "was blocked already" in broadsheet(site, "sources", "block", "north").out
    assert broadsheet(site, "sources", "block", "nrth").status == 2


# --- what a stranger found ---


@pytest.mark.parametrize("address", [
    "http://user:secretpw@127.0.0.1/x", "user:secretpw@127.0.0.1/x", "http://user:secretpw/x@127.0.0.1/x",
    "ftp://user:secretpw@127.0.0.1/x", "user@secretpw@127.0.0.1", "http://[user:secretpw@/x"])
def test_no_password_is_printed(broadsheet: Run, make_site: Any, address: str) -> None:
    site = make_site()
    for command in ("add", "import"):
        for flags in ((), ("--json",)):
            said = broadsheet(site, "sources", command, address, *flags)
            assert (said.status, "secretpw" in said.all) == (2, False), said.all


@pytest.mark.parametrize(("address", "words"), [
    ("", "needs an address"), ("  ", "needs an address"), ("http://[::1/x", "is no address"),
    ("a.example:99999", "is no address")])
def test_what_is_no_address_is_wrong_usage(broadsheet: Run, make_site: Any, address: str, words: str) -> None:
    said = broadsheet(make_site(), "sources", "add", address)
    assert (said.status, words in said.err, "Looking" in said.err) == (2, True, False), said.all
    assert "IPv6 URL" not in said.all


def test_a_blocked_source_that_is_named_says_that_it_is_not_asked(
    broadsheet: Run, make_site: Any, basic_config: str
) -> None:
    site = make_site(basic_config + OTHERS + "blocked = true\n")
    said = broadsheet(site, "collect", "north")
    assert (said.status, "north: is blocked, and not asked" in said.err) == (3, True), said.all
    assert broadsheet(site, "collect").status == 0, "nobody asked for it"


def test_nothing_is_said_to_be_written_that_is_not(
    broadsheet: Run, make_site: Any, basic_config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    site = make_site(basic_config + OTHERS)
    (site.folder / "more").mkdir()
    monkeypatch.setattr("pipeline.config.edit._replace", full)
    for args in (("add", str(site.folder / "more")), ("remove", "north")):
        said = broadsheet(site, "sources", *args)
        assert (said.status, "Written into" in said.out, "Taken out" in said.out) == (2, False, False), said.all


@pytest.mark.parametrize(("option", "value"), [
    ("--every", "soon"), ("--slug", "De sk"), ("--allow-network", "all"), ("--selector", "a[["), ("--show", "half")])
def test_a_wrong_option_is_named_and_no_line_of_a_file(
    broadsheet: Run, make_site: Any, web: str, option: str, value: str
) -> None:
    site = make_site()
    (site.folder / "more").mkdir()
    for address in (f"{web}/", str(site.folder / "more")):
        said = broadsheet(site, "sources", "add", address, option, value)
        assert (said.status, f"{option}: " in said.err, "line " in said.err) == (2, True, False), said.all


def test_troubles_of_a_folder_have_a_line_each(broadsheet: Run, make_site: Any) -> None:
    site = make_site()
    for n in range(8):
        (site.folder / "articles" / f"link{n}.md").symlink_to("/etc/hostname")
    broadsheet(site, "collect")
    lines = broadsheet(site, "sources").out.splitlines()
    at = lines.index("    ! when it was last asked:")
    assert [line.split(":")[0] for line in lines[at + 1: at + 5]] == [
        "      link0.md", "      link1.md", "      link2.md", "      and 5 more"]
    assert str(site.folder) not in "".join(lines)


def test_a_move_that_waits_and_a_source_that_is_gone_are_told_once(
    broadsheet: Run, make_site: Any, basic_config: str
) -> None:
    long = "north-of-the-river-and-of-all-that-lies-beyond-it"
    site = make_site(basic_config + OTHERS + OTHERS.replace('"north"', f'"{long}"').replace(":9", ":10"))
    with site.app.store.write() as connection:
        sources.record_poll(connection, sources.state(connection, "north").id, standing=SourceStanding.GONE,
                            standing_reason="it is gone for good (410); its articles stay, and it is not asked")
        sources.record_poll(connection, sources.state(connection, long).id, last_polled_at=site.now,
                            moved_to="https://new.example/feed.xml", moved_since=site.now - timedelta(days=2))
    said = broadsheet(site, "sources").out
    assert said.lower().count("its articles stay") == 1
    assert f"\n{long}  " in said
    assert "for good to https://new.example/feed.xml since 2026-05-30; that is believed from 2026-06-06" in said
