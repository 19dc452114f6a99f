"""Publishing as a whole: what is not new is not touched, nothing that was published is lost, one broken feed stops no
other."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import feedparser
import pytest
from lxml import etree

from pipeline.collect.identify import make_draft
from pipeline.jobs.steps import publish_all
from pipeline.model.articles import Found, Show
from pipeline.publish.documents import articles_of
from pipeline.store import articles, changes, feeds, similar, sources
from pipeline.store.articles import Acceptance
from pipeline.store.schema import articles as rows
from pipeline.store.schema import feed_entries
from pipeline.store.schema import feeds as feed_rows

FEEDS = '[[feeds]]\nslug = "all"\ntitle = "Everything"'
TWO = FEEDS + '\n[[feeds]]\nslug = "few"\ntitle = "Few"\nselect = { limit = 2 }'
MAIN = ["atom.xml", "feed.json", "index.html", "rss.xml"]
LETTERS = [f"newsletters/lantern/{name}" for name in MAIN]
SITE = ["feeds.opml", "index.html", "robots.txt", "sitemap.xml", "sitemaps/articles-1.xml", "sitemaps/pages.xml"]
A = "{http://www.w3.org/2005/Atom}"
FH = "{http://purl.org/syndication/history/1.0}"


def filled(site: Any) -> None:
    site.accept(["Article one", "Article two"])
    site.advance(hours=1)
    site.accept(["Article three"])


@pytest.fixture
def site(copy_site: Callable, basic_config: str) -> Any:
    """Two feeds, and three articles."""
    return copy_site(filled, basic_config.replace(FEEDS, TWO))


def files(site: Any) -> dict[str, tuple[int, int]]:
    """name -> (inode, time of change)"""
    folder = site.folder / "feeds"
    return {p.relative_to(folder).as_posix(): (p.stat().st_ino, p.stat().st_mtime_ns)
            for p in folder.rglob("*") if p.is_file()}


def change(site: Any, article_id: int, **values: Any) -> None:
    """Another hand changes a row, and says so as all do."""
    with site.app.store.write() as connection:
        connection.execute(rows.update().where(rows.c.id == article_id).values(**values))
        changes.touch(connection, [article_id])


def configure(site: Any, old: str, new: str) -> None:
    """A start with another config.toml."""
    path = site.folder / "config.toml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    site.close()


def read(site: Any, name: str) -> str:
    return (site.folder / "feeds" / name).read_text("utf-8")


def titles(site: Any, name: str = "all/rss.xml") -> list[str]:
    return [entry.title for entry in feedparser.parse((site.folder / "feeds" / name).read_bytes()).entries]


def names(done: Any) -> list[str]:
    return sorted(map(str, done.written))


def test_what_is_not_new_is_not_touched(site) -> None:
    done = publish_all(site.app)
    assert names(done) == sorted([*(f"{slug}/{name}" for slug in ("all", "few") for name in MAIN), *LETTERS, *SITE])
    assert done.failed == {}
    before = files(site)
    assert sorted(before) == names(done)
    site.advance(days=3)
    done = publish_all(site.app)
    assert (done.written, done.removed, done.failed) == ([], [], {})
    assert files(site) == before
    again = publish_all(site.app, everything=True)
    assert (again.written, again.unchanged) == ([], len(before))
    assert files(site) == before


def test_where_nothing_is_new_nothing_is_read_or_written(site, monkeypatch) -> None:
    publish_all(site.app)
    monkeypatch.setattr("pipeline.publish.stage.subscription_document", None)
    monkeypatch.setattr("pipeline.publish.write.Folder.put", None)
    assert publish_all(site.app).written == []


def test_only_the_feeds_that_hold_what_changed_are_written(site) -> None:
    publish_all(site.app)
    before = files(site)
    change(site, 1, title="Article one, corrected")  # the oldest one: in the small feed only its tail holds it
    done = publish_all(site.app)
    assert {p.parts[0] for p in done.written} == {"all", "few"}
    configure(site, "limit = 2", 'limit = 2, topics = ["rare"]')
    publish_all(site.app)
    before = files(site)
    change(site, 1, title="Article one, corrected again")
    assert {p.parts[0] for p in publish_all(site.app).written} == {"all"}
    assert files(site)["few/rss.xml"] == before["few/rss.xml"]


def test_a_file_that_is_gone_comes_back(site) -> None:
    publish_all(site.app)
    (site.folder / "feeds/all/atom.xml").unlink()
    (site.folder / "feeds/few/rss.xml").write_text("somebody's hand")
    assert names(publish_all(site.app)) == ["all/atom.xml", "few/rss.xml"]


@pytest.mark.parametrize("name", ["index.html", "robots.txt", "feeds.opml", "sitemap.xml", "sitemaps/articles-1.xml"])
def test_a_file_of_no_single_feed_comes_back(site, name: str) -> None:
    publish_all(site.app)
    before = read(site, name)
    (site.folder / "feeds" / name).unlink()
    assert names(publish_all(site.app)) == [name]
    assert read(site, name) == before
    assert names(publish_all(site.app)) == []
    (site.folder / "feeds" / name).unlink()
    site.accept(["Article four"])  # what is new comes too, and the lost one with it
    assert name in names(publish_all(site.app))


def test_the_whole_folder_comes_back(site) -> None:
    import shutil

    publish_all(site.app)
    before = {name: (site.folder / "feeds" / name).read_bytes() for name in files(site)}
    shutil.rmtree(site.folder / "feeds")
    publish_all(site.app)
    assert {name: (site.folder / "feeds" / name).read_bytes() for name in files(site)} == before


def test_one_broken_feed_stops_no_other(site) -> None:
    (site.folder / "feeds").mkdir()
    (site.folder / "feeds" / "all").write_text("a file where the folder should be")
    done = publish_all(site.app)
    assert list(done.failed) == ["all"]
    assert "feeds/all" in done.failed["all"]
    assert [n for n in names(done) if n.startswith("few/")] == [f"few/{name}" for name in MAIN]
    (site.folder / "feeds" / "all").unlink()
    done = publish_all(site.app)
    assert (names(done), done.failed) == ([f"all/{name}" for name in MAIN], {})


def test_a_broken_page_template_costs_the_page_alone(site) -> None:
    own = site.folder / "templates" / "feeds"
    own.mkdir(parents=True)
    (own / "feed.html.j2").write_text("{{ nobody }}")
    done = publish_all(site.app)
    assert "feed.html.j2" in done.failed["all"]
    assert "all/rss.xml" in names(done)
    assert "Article three" in read(site, "all/index.html"), "ours takes its place"
    assert "feed.html.j2" in publish_all(site.app).failed["all"], "until it is mended"
    (own / "feed.html.j2").write_text("<p>{{ title }}</p>")
    assert "all/index.html" in names(publish_all(site.app))
    assert read(site, "all/index.html") == "<p>Everything</p>"


def test_a_configuration_that_was_tried_and_taken_back_leaves_nothing(site) -> None:
    """Of one feed alone, or where another could not be built: the next time all are looked at."""
    publish_all(site.app)
    before = {name: (site.folder / "feeds" / name).read_bytes() for name in files(site)}
    for slugs in (["all"], []):
        configure(site, 'title = "Everything"', 'title = "Tried"')
        (site.folder / "feeds/few/rss.xml").unlink()
        (site.folder / "feeds/few/rss.xml").mkdir()
        (site.folder / "feeds/few/rss.xml/x").touch()
        publish_all(site.app, slugs)
        assert "Tried" in read(site, "all/rss.xml")
        (site.folder / "feeds/few/rss.xml/x").unlink()
        (site.folder / "feeds/few/rss.xml").rmdir()
        configure(site, 'title = "Tried"', 'title = "Everything"')
        publish_all(site.app)
        assert {name: (site.folder / "feeds" / name).read_bytes() for name in files(site)} == before
        assert names(publish_all(site.app)) == []


def test_only_those_that_are_named(site) -> None:
    assert {p.parts[0] for p in publish_all(site.app, ["few"]).written} == {"few"}


def test_what_is_withdrawn_stays_under_its_id_without_a_word(site) -> None:
    publish_all(site.app)
    was = {entry.title: entry.id for entry in feedparser.parse(read(site, "all/atom.xml")).entries}
    change(site, 2, status="withdrawn", withdrawn_at=site.now)
    done = publish_all(site.app)
    assert {p.parts[0] for p in done.written} >= {"all", "few"}
    for name in ("all/rss.xml", "all/atom.xml", "all/feed.json", "all/index.html", "few/rss.xml"):
        text = read(site, name)
        assert "two" not in text, name
        assert "Article three" in text
        assert "Withdrawn" in text
    entry = next(e for e in feedparser.parse(read(site, "all/atom.xml")).entries if e.title == "Withdrawn")
    assert entry.id == was["Article two"]
    grave = etree.fromstring(read(site, "all/atom.xml").encode()).find("{http://purl.org/atompub/tombstones/1.0}deleted-entry")
    assert grave.get("ref") == was["Article two"]
    assert grave.get("when") == site.now.isoformat()
    assert {item["id"] for item in json.loads(read(site, "all/feed.json"))["items"]} == set(was.values())
    assert "/a/2<" not in read(site, "sitemaps/articles-1.xml")


def test_limits_and_order(site) -> None:
    configure(site, "limit = 2", "limit = 2, per_source = 1")
    publish_all(site.app)
    assert titles(site, "few/rss.xml") == ["Article three"]
    assert titles(site) == ["Article three", "Article two", "Article one"]
    assert [a.title for a in articles_of(site.app.store, site.app.config.feed("all"))] == titles(site)


def test_a_story_is_told_once_by_whoever_told_it_first(site) -> None:
    publish_all(site.app)
    change(site, 3, story_id=2)
    publish_all(site.app)
    assert titles(site) == ["Article two", "Article one"]
    change(site, 2, status="withdrawn", withdrawn_at=site.now)
    publish_all(site.app)
    assert titles(site) == ["Article three", "Withdrawn", "Article one"], "the other one tells it now"
    change(site, 3, story_id=None)
    publish_all(site.app)
    assert titles(site) == ["Article three", "Withdrawn", "Article one"]


def test_an_empty_site_has_feeds_too(make_site: Callable) -> None:
    site = make_site()
    assert names(publish_all(site.app)) == sorted([*(f"all/{n}" for n in MAIN), *LETTERS, *SITE[:4],
                                                     "sitemaps/pages.xml"])
    site.advance(days=1)
    assert publish_all(site.app).written == []


def test_held_articles_are_in_no_feed_until_they_are_released(site) -> None:
    with site.app.store.write() as connection:
        connection.execute(rows.update().where(rows.c.id == 1).values(status="held", accepted_seq=None))
    publish_all(site.app)
    assert titles(site) == ["Article three", "Article two"]
    with site.app.store.write() as connection:
        articles.release(connection, [1], site.now)
    publish_all(site.app)
    assert sorted(titles(site)) == ["Article one", "Article three", "Article two"]


def test_addresses_that_are_the_operator_s_own_affair_are_nowhere(make_site: Callable, basic_config: str) -> None:
    more = ("[[sources]]\nslug = \"{0}\"\nurl = \"https://{0}.example/feed?{1}\"\n{2}\n")
    site = make_site(basic_config + more.format("paid", "key=s3cret", "") + more.format("lan", "x=1", (
        'allow_networks = ["10.0.0.0/8"]')) + more.format("open", "x=1", "") + "[publish]\nsources_opml = true\n")
    for slug in ("paid", "lan", "open"):
        with site.app.store.write() as connection:
            found = make_draft(Found(f"Of {slug}", html=f"<p>Of {slug}.</p>"), source_url="", now=site.now)
            articles.add(connection, sources.state(connection, slug).id,
                         [(found, Acceptance(Show.FULL, mailable=True))], site.now)
    publish_all(site.app)
    told = "".join(p.read_text() for p in (site.folder / "feeds").rglob("*") if p.is_file())
    assert "Of paid" in told
    assert "https://open.example/feed" in read(site, "sources.opml")
    assert "https://open.example/feed" in read(site, "all/rss.xml")
    assert "paid.example/feed" not in told
    assert "s3cret" not in told
    assert "lan.example/feed" not in told
    configure(site, 'url = "https://open.example/feed?x=1"', 'url = "https://open.example/feed?token=hush"')
    publish_all(site.app)
    told = "".join(p.read_text() for p in (site.folder / "feeds").rglob("*") if p.is_file())
    assert "open.example/feed" not in told, "one that has become private is told no more"
    configure(site, "sources_opml = true", "sources_opml = false")
    assert [str(p) for p in publish_all(site.app).removed] == ["sources.opml"]


# --- archives ---


def everything(site: Any, slug: str = "all") -> list[str]:
    """What a reader has who follows a feed back to its first article (RFC 5005)."""
    found, name = [], f"{slug}/atom.xml"
    seen = set()
    while name:
        assert name not in seen
        seen.add(name)
        root = etree.fromstring((site.folder / "feeds" / name).read_bytes())
        found += [entry.findtext(f"{A}title") for entry in root.iter(f"{A}entry")]
        before = [link.get("href") for link in root.findall(f"{A}link") if link.get("rel") == "prev-archive"]
        name = before[0].removeprefix("https://lantern.example/feeds/") if before else ""
    return found


@pytest.fixture
def long_site(make_site: Callable, basic_config: str) -> Any:
    return make_site(basic_config.replace(FEEDS, FEEDS + "\nselect = { limit = 10 }"))


def accept(site: Any, first: int, last: int) -> None:
    for number in range(first, last + 1):
        site.accept([f"Article {number}"])
        site.advance(minutes=1)


def test_archives_reach_back_to_the_first_and_never_change_as_articles_come(long_site) -> None:
    site = long_site
    before: dict[str, bytes] = {}
    told = 0
    for number in (3, 9, 10, 11, 19, 20, 21, 35):
        accept(site, told + 1, number)
        told = number
        publish_all(site.app)
        assert sorted(set(everything(site))) == sorted(f"Article {n}" for n in range(1, told + 1))
        assert len(titles(site)) <= 10
        now = {p.parent.name: p.read_bytes() for p in (site.folder / "feeds/all/archive").glob("*/rss.xml")}
        for name, data in before.items():
            assert entries_within(now[name]) == entries_within(data), "the same entries, byte for byte"
        before = now
    assert sorted(before) == ["1-10", "11-20", "21-30"]
    middle = etree.fromstring((site.folder / "feeds/all/archive/11-20/atom.xml").read_bytes())
    assert middle.find(f"{FH}archive") is not None
    assert {link.get("rel"): link.get("href").removeprefix("https://lantern.example/feeds/all/")
            for link in middle.findall(f"{A}link")} == {
        "self": "archive/11-20/atom.xml", "alternate": "", "current": "atom.xml",
        "prev-archive": "archive/1-10/atom.xml", "next-archive": "archive/21-30/atom.xml"}
    assert json.loads(read(site, "all/feed.json"))["next_url"].endswith("/all/archive/21-30/feed.json")


def entries_within(data: bytes) -> bytes:
    return data[data.index(b"    <item>"):] if b"<item>" in data else b""


def test_what_is_older_than_all_that_is_shown_is_not_lost(long_site) -> None:
    accept(long_site, 1, 12)
    publish_all(long_site.app)
    with long_site.app.store.write() as connection:
        old = make_draft(Found("From long ago", html="<p>It came late.</p>",
                               published_at=long_site.now.replace(year=2020)), source_url="", now=long_site.now)
        articles.add(connection, 1, [(old, Acceptance(Show.FULL, mailable=True))], long_site.now)
    publish_all(long_site.app)
    assert titles(long_site)[-1] == "From long ago", "no archive holds it yet"
    assert "From long ago" in everything(long_site)


def test_a_change_rewrites_the_one_archive_that_holds_it(long_site) -> None:
    accept(long_site, 1, 45)
    publish_all(long_site.app)
    change(long_site, 15, title="Article 15, mended")
    assert {p.parent.as_posix() for p in publish_all(long_site.app).written} == {"all/archive/11-20"}
    change(long_site, 15, status="withdrawn", withdrawn_at=long_site.now)
    done = publish_all(long_site.app)
    assert "all/archive/11-20/rss.xml" in names(done)
    assert "Article 15" not in everything(long_site)
    assert "article-15<" not in read(long_site, "all/archive/11-20/rss.xml")
    assert "article-15\"" in read(long_site, "all/atom.xml"), "a tombstone"


def test_what_is_taken_back_or_put_right_in_an_archive_is_told_to_those_who_subscribe(long_site) -> None:
    """An archive is not read again. As soon as the feed has moved on by its length, everybody has heard of it."""
    accept(long_site, 1, 45)
    publish_all(long_site.app)
    assert len(titles(long_site)) == 10
    was = {e.title: e.id for e in feedparser.parse(read(long_site, "all/archive/11-20/rss.xml")).entries}
    change(long_site, 15, status="withdrawn", withdrawn_at=long_site.now)
    change(long_site, 16, correction="In May.", corrected_at=long_site.now, updated_at=long_site.now)
    publish_all(long_site.app)
    for name in ("rss.xml", "atom.xml"):
        found = {e.id: e for e in feedparser.parse(read(long_site, f"all/{name}")).entries}
        assert len(found) == 12
        assert found[was["Article 15"]].title == "Withdrawn"
        assert "In May." in found[was["Article 16"]].summary
    shown = {item["id"] for item in json.loads(read(long_site, "all/feed.json"))["items"]}
    assert {was["Article 15"], was["Article 16"]} <= shown
    long_site.advance(minutes=1)
    accept(long_site, 46, 54)
    publish_all(long_site.app)
    assert "Withdrawn" in titles(long_site)
    accept(long_site, 55, 55)
    publish_all(long_site.app)
    assert titles(long_site) == [f"Article {n}" for n in range(55, 45, -1)]


def test_archives_come_back_with_a_feed_that_somebody_deleted(long_site) -> None:
    import shutil

    accept(long_site, 1, 25)
    publish_all(long_site.app)
    for lost in ("all", "all/archive", "all/archive/11-20"):
        shutil.rmtree(long_site.folder / "feeds" / lost)
        publish_all(long_site.app)
        assert sorted(set(everything(long_site))) == sorted(f"Article {n}" for n in range(1, 26))
        assert names(publish_all(long_site.app)) == []
    accept(long_site, 26, 31)
    publish_all(long_site.app)
    shutil.rmtree(long_site.folder / "feeds/all/archive")
    publish_all(long_site.app)
    assert sorted(set(everything(long_site))) == sorted(f"Article {n}" for n in range(1, 32))


def test_who_was_hidden_behind_another_is_withdrawn_without_a_word(site) -> None:
    change(site, 3, story_id=2)
    publish_all(site.app)
    assert titles(site) == ["Article two", "Article one"]
    change(site, 3, status="withdrawn", withdrawn_at=site.now)
    publish_all(site.app)
    assert titles(site) == ["Article two", "Article one"], "no reader has seen it"


def test_who_was_seen_before_another_hid_it_is_withdrawn_where_all_see_it(site) -> None:
    publish_all(site.app)
    with site.app.store.write() as connection:
        similar.merge(connection, 2, 3, site.now)
    publish_all(site.app)
    assert titles(site) == ["Article two", "Article one"]
    change(site, 3, status="withdrawn", withdrawn_at=site.now)
    publish_all(site.app)
    for name in ("all/rss.xml", "all/atom.xml"):
        assert titles(site, name) == ["Withdrawn", "Article two", "Article one"]


def test_mail_goes_out_where_feeds_can_not_be_built_at_all(site) -> None:
    configure(site, "[[sources]]", '[paths]\nfeeds = "s3://nowhere"\n[publish.s3]\nendpoint = "http://127.0.0.1:9"\n'
                    'access_key = "${PATH}"\nsecret_key = "${PATH}"\n[[sources]]')
    from pipeline import config

    load, config.load = config.load, lambda path, **_: load(path, {"PATH": "x"})
    try:
        site.subscribe("ann@example.org", start_seq=0)
        site.send()
        site.advance(days=1, hours=2)
        report = site.run()
    finally:
        config.load = load
    assert len(site.mails()) == 1
    assert "boto3" in report.published.failed[""] or "can't be reached" in str(report.published.failed)


def test_an_interruption_between_entering_and_writing_costs_no_archive(long_site, monkeypatch) -> None:
    from pipeline.publish.write import Folder

    accept(long_site, 1, 12)
    publish_all(long_site.app)
    accept(long_site, 13, 33)
    put = Folder.put

    def cut_off(self: Any, files: Any) -> list[str]:
        if any("archive/21-30" in name for name in files):
            raise KeyboardInterrupt
        return put(self, files)

    monkeypatch.setattr(Folder, "put", cut_off)
    with pytest.raises(KeyboardInterrupt):
        publish_all(long_site.app)
    monkeypatch.undo()
    publish_all(long_site.app)
    assert sorted(set(everything(long_site))) == sorted(f"Article {n}" for n in range(1, 34))


def test_another_limit_makes_other_archives_and_removes_the_old(long_site) -> None:
    accept(long_site, 1, 45)
    publish_all(long_site.app)
    configure(long_site, "limit = 10", "limit = 20")
    publish_all(long_site.app)
    there = sorted(p.name for p in (long_site.folder / "feeds/all/archive").iterdir())
    assert there == ["1-20", "21-40"]
    assert sorted(set(everything(long_site))) == sorted(f"Article {n}" for n in range(1, 46))


def test_a_complete_feed_says_so_and_has_no_archives(long_site) -> None:
    accept(long_site, 1, 25)
    publish_all(long_site.app)
    configure(long_site, "select = { limit = 10 }", "select = { limit = 10 }\ncomplete = true")
    done = publish_all(long_site.app)
    assert len(titles(long_site)) == 25
    assert etree.fromstring(read(long_site, "all/atom.xml").encode()).find(f"{FH}complete") is not None
    assert not (long_site.folder / "feeds/all/archive").exists()
    assert any("archive" in str(path) for path in done.removed)


# --- topics, names ---


def test_each_topic_has_a_feed_of_its_own(make_site: Callable, basic_config: str) -> None:
    site = make_site(basic_config.replace(FEEDS, FEEDS + "\nper_topic = true"))
    for number, topic in enumerate(("city", "city", "city", "c++", "c++", "c++", "rare")):
        site.write(f"{number}.md", f"Article {number}", topic=topic)
    site.run()
    there = sorted(p.name for p in (site.folder / "feeds/all/topic").iterdir())
    assert there[1:] == ["city"]
    assert there[0].startswith("c-")
    assert titles(site, f"all/topic/{there[0]}/rss.xml") == ["Article 5", "Article 4", "Article 3"]
    assert '<a href="../all/topic/city/index.html"><bdi>city</bdi></a>' in read(site, "all/index.html")
    assert "all/topic/city/rss.xml" in read(site, "feeds.opml")
    site.advance(minutes=5)
    site.write("8.md", "Article 8", topic="rare")
    site.write("9.md", "Article 9", topic="rare")
    site.run()
    assert titles(site, "all/topic/rare/rss.xml") == ["Article 9", "Article 8", "Article 6"], "it has enough by now"
    configure(site, "per_topic = true", "per_topic = false")
    publish_all(site.app)
    assert not (site.folder / "feeds/all/topic").exists()
    assert "topic/" not in read(site, "all/index.html")
    configure(site, "per_topic = false", "per_topic = true")
    publish_all(site.app)
    assert titles(site, "all/topic/city/rss.xml") == ["Article 2", "Article 1", "Article 0"]


def test_topics_of_all_that_is_there_get_feeds_when_they_are_asked_for(make_site: Callable, basic_config: str) -> None:
    site = make_site(basic_config)
    for number, topic in enumerate(("city", "city", "city", "rare")):
        site.write(f"{number}.md", f"Article {number}", topic=topic)
    site.run()
    assert not (site.folder / "feeds/all/topic").exists()
    configure(site, FEEDS, FEEDS + "\nper_topic = true")
    publish_all(site.app)
    assert titles(site, "all/topic/city/rss.xml") == ["Article 2", "Article 1", "Article 0"]
    assert not (site.folder / "feeds/all/topic/rare").exists()
    configure(site, 'slug = "desk"', 'slug = "desk"\ntopics = ["Rare"]')
    publish_all(site.app)
    assert titles(site, "all/topic/rare/rss.xml") == ["Article 3"], "it needs no three articles any more"


def test_many_long_articles_are_one_note_however_many_topics_they_have(make_site: Callable, basic_config: str) -> None:
    site = make_site(basic_config.replace(FEEDS, FEEDS + "\nper_topic = true"))
    for number in range(4):
        site.write(f"{number}.md", f"Article {number}", "Long words. " * 36_000, topic="one, two, three")
    done = site.run().published
    notes = [note for note in done.notes if "only their summaries" in note]
    assert len(notes) == 2, notes
    assert [note.partition(":")[0] for note in notes] == ["feed all", "feed all"]


def test_a_renamed_feed_keeps_its_ids_and_its_old_address(site) -> None:
    publish_all(site.app)
    was = feedparser.parse(read(site, "all/atom.xml"))
    configure(site, 'slug = "all"', 'slug = "whole"\nformer = ["all"]')
    publish_all(site.app)
    new = feedparser.parse(read(site, "whole/atom.xml"))
    assert new.feed.id == was.feed.id
    assert [e.id for e in new.entries] == [e.id for e in was.entries]
    assert read(site, "all/atom.xml") == read(site, "whole/atom.xml"), "for readers who know the old one"
    configure(site, 'slug = "whole"\nformer = ["all"]', 'slug = "whole"')
    publish_all(site.app)
    assert not (site.folder / "feeds/all").exists()
    configure(site, FEEDS.replace("all", "whole"), FEEDS + '\n[[feeds]]\nslug = "whole"\ntitle = "Whole"')
    publish_all(site.app)
    assert feedparser.parse(read(site, "all/atom.xml")).feed.id != was.feed.id, "another feed under an old name"


def test_a_feed_that_is_gone_leaves_no_file_and_comes_back_whole(site) -> None:
    publish_all(site.app)
    (site.folder / "feeds/few/mine.txt").write_text("the operator's own")
    few = TWO.removeprefix(FEEDS)
    configure(site, few, "")
    done = publish_all(site.app)
    assert sorted(map(str, done.removed)) == [f"few/{name}" for name in MAIN]
    assert [p.name for p in (site.folder / "feeds/few").iterdir()] == ["mine.txt"]
    with site.app.store.read() as connection:
        gone = feeds.state(connection, "few")
    assert gone is not None
    assert gone.ended_at == site.now
    configure(site, FEEDS, FEEDS + few)
    publish_all(site.app)
    assert titles(site, "few/rss.xml") == ["Article three", "Article two", "Article one"]


def test_ids_outlive_a_move_to_another_host_but_not_a_loopback_one(make_site: Callable, basic_config: str) -> None:
    site = make_site(basic_config.replace("https://lantern.example", "http://127.0.0.1:8000"))
    site.accept(["Article one"])
    publish_all(site.app)
    assert "tag:127.0.0.1," in read(site, "all/atom.xml")
    configure(site, "http://127.0.0.1:8000", "https://lantern.example")
    publish_all(site.app)
    assert "tag:lantern.example," in read(site, "all/atom.xml")
    configure(site, "https://lantern.example", "https://beacon.example")
    publish_all(site.app)
    assert "tag:lantern.example," in read(site, "all/atom.xml")
    assert "https://beacon.example/feeds/all/atom.xml" in read(site, "all/atom.xml")


def test_ids_outlive_titles_addresses_and_dates(site) -> None:
    publish_all(site.app)
    was = [e.id for e in feedparser.parse(read(site, "all/rss.xml")).entries]
    change(site, 2, title="Quite another", url="https://moved.example/?utm_source=x", updated_at=site.now)
    publish_all(site.app)
    assert [e.id for e in feedparser.parse(read(site, "all/rss.xml")).entries] == was


# --- the files, whatever the machine ---


def test_the_same_rows_give_the_same_files_on_another_machine(site, tmp_path) -> None:
    """A copy of the database, another clock, another zone, another language, another hash seed."""
    publish_all(site.app)
    change(site, 1, status="withdrawn", withdrawn_at=site.now)
    publish_all(site.app)
    here = {name: read(site, name) for name in files(site)}
    site.close()
    there = tmp_path / "there"
    there.mkdir()
    for name in ("broadsheet.db", "broadsheet.key", "config.toml"):
        if (site.folder / name).exists():
            (there / name).write_bytes((site.folder / name).read_bytes())
    script = (
        "import locale, sys; from datetime import UTC, datetime; from pathlib import Path\n"
        "try: locale.setlocale(locale.LC_ALL, '')\n"
        "except locale.Error: pass\n"
        "from pipeline.app import open_app; from pipeline.publish.stage import publish\n"
        "app = open_app(Path(sys.argv[1]), now=lambda: datetime(2031, 1, 2, tzinfo=UTC))\n"
        "assert not publish(app.publishing(), app.now(), everything=True).failed\n")
    environment = {**os.environ, "TZ": "Pacific/Kiritimati", "LC_ALL": "de_DE.UTF-8", "PYTHONHASHSEED": "4711",
                   "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    subprocess.run([sys.executable, "-c", script, there / "config.toml"], check=True, env=environment)
    made = {p.relative_to(there / "feeds").as_posix(): p.read_text("utf-8")
            for p in (there / "feeds").rglob("*") if p.is_file()}
    assert made == here


def test_twins_are_there_where_asked_for_and_go_when_not(site) -> None:
    import gzip

    configure(site, FEEDS, '[publish]\ncompress = ["gzip", "br"]\n' + FEEDS)
    publish_all(site.app)
    assert gzip.decompress((site.folder / "feeds/all/rss.xml.gz").read_bytes()).decode() == read(site, "all/rss.xml")
    assert (site.folder / "feeds/all/index.html.br").exists()
    assert publish_all(site.app).written == []
    configure(site, '["gzip", "br"]', '["br"]')
    publish_all(site.app)
    assert not [name for name in files(site) if name.endswith(".gz")]


def test_twins_of_archives_and_lists_go_and_stay_too(long_site) -> None:
    accept(long_site, 1, 12)
    publish_all(long_site.app)
    plain = set(files(long_site))
    configure(long_site, "[[sources]]", '[publish]\ncompress = ["gzip", "br"]\n[[sources]]')
    publish_all(long_site.app)
    packed = files(long_site)
    assert {"all/archive/1-10/rss.xml.gz", "all/archive/1-10/atom.xml.br", "index.html.gz"} < set(packed)
    publish_all(long_site.app, everything=True)
    assert files(long_site) == packed, "none is removed and written again"
    configure(long_site, '[publish]\ncompress = ["gzip", "br"]\n', "")
    publish_all(long_site.app)
    assert set(files(long_site)) == plain


def test_files_from_before_this_version_are_taken_over(site) -> None:
    """A database of the version before: articles with no number of change, feeds that know of no entries."""
    publish_all(site.app)
    was = {name: read(site, name) for name in files(site)}
    site.close()
    with sqlite3.connect(site.folder / "broadsheet.db") as old:
        old.execute("UPDATE articles SET changed_seq = 0")
        old.execute("UPDATE feeds SET selected='', entries=0, archive_size=0, fingerprint='', built_seq=0, files='{}', "
                    "folders='[]', updated_at=NULL")
        for table in ("feed_entries", "feed_versions"):
            old.execute(f"DELETE FROM {table}")
        old.execute("DELETE FROM meta WHERE key IN ('enrolled_seq', 'site_fingerprint', 'site_seq')")
        old.execute("DELETE FROM counters WHERE name = 'change_seq'")
    assert publish_all(site.app).written == []
    assert {name: read(site, name) for name in files(site)} == was


def test_two_at_once_do_one_after_the_other(site) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: publish_all(site.app), range(4)))
    assert sum(bool(done.written) for done in found) == 1
    with site.app.store.read() as connection:
        assert connection.execute(feed_entries.select()).fetchall()
        assert {row.slug: row.entries for row in connection.execute(feed_rows.select())} == {
            "all": 3, "few": 3, "newsletters/lantern": 0}
