"""Publishing: what is not new is not touched, and one broken feed stops no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.collect.identify import make_draft
from pipeline.jobs.steps import publish_all
from pipeline.model.articles import Found, Show
from pipeline.publish.stage import articles_of
from pipeline.store import articles, sources
from pipeline.store.articles import Acceptance
from pipeline.store.schema import articles as rows

FEEDS = '[[feeds]]\nslug = "all"\ntitle = "Everything"'
TWO = FEEDS + '\n[[feeds]]\nslug = "few"\ntitle = "Few"\nselect = { limit = 2 }'


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


def test_what_is_not_new_is_not_touched(site) -> None:
    done = publish_all(site.app)
    assert (len(done.written), done.unchanged, done.failed) == (4, 0, {})
    before = files(site)
    assert sorted(before) == ["all/atom.xml", "all/rss.xml", "few/atom.xml", "few/rss.xml"]
    site.advance(days=3)
    done = publish_all(site.app)
    assert (done.written, done.unchanged) == ([], 4)
    assert files(site) == before


def test_only_the_feeds_that_hold_the_new_article_are_written(site, basic_config) -> None:
    publish_all(site.app)
    before = files(site)
    with site.app.store.write() as connection:  # the oldest one changes: the small feed does not hold it
        connection.execute(rows.update().where(rows.c.id == 1).values(title="Article one, corrected"))
    done = publish_all(site.app)
    assert [p.parent.name for p in done.written] == ["all", "all"]
    assert files(site)["few/rss.xml"] == before["few/rss.xml"]


def test_one_broken_feed_stops_no_other(site) -> None:
    (site.folder / "feeds").mkdir()
    (site.folder / "feeds" / "all").write_text("a file where the folder should be")
    done = publish_all(site.app)
    assert list(done.failed) == ["all"]
    assert "feeds/all" in done.failed["all"]
    assert [p.parent.name for p in done.written] == ["few", "few"]
    (site.folder / "feeds" / "all").unlink()
    assert publish_all(site.app).failed == {}


def test_only_those_that_are_named(site) -> None:
    assert {p.parent.name for p in publish_all(site.app, ["few"]).written} == {"few"}


def test_what_is_withdrawn_leaves_the_files(site) -> None:
    publish_all(site.app)
    with site.app.store.write() as connection:
        connection.execute(rows.update().where(rows.c.title == "Article two").values(status="withdrawn"))
    publish_all(site.app)
    for name in ("all/rss.xml", "all/atom.xml", "few/rss.xml"):
        text = (site.folder / "feeds" / name).read_text()
        assert "Article two" not in text
        assert "Article three" in text


def test_limits_and_order(site) -> None:
    few = site.app.config.feed("few")
    assert [a.title for a in articles_of(site.app.store, few)] == ["Article three", "Article two"]
    with site.app.store.write() as connection:
        connection.execute(rows.update().where(rows.c.title == "Article three").values(story_id=2))
    assert [a.title for a in articles_of(site.app.store, few)] == ["Article two", "Article one"], "each story once"


def test_an_empty_site_has_feeds_too(make_site: Callable) -> None:
    site = make_site()
    assert len(publish_all(site.app).written) == 2
    site.advance(days=1)
    assert publish_all(site.app).written == []


def test_held_articles_are_in_no_feed(site) -> None:
    with site.app.store.write() as connection:
        connection.execute(rows.update().where(rows.c.id == 1).values(status="held", accepted_seq=None))
        assert articles.count_since(connection, 1, site.now.replace(year=2000)) == 3
    publish_all(site.app)
    assert "Article one" not in (site.folder / "feeds" / "all" / "rss.xml").read_text()


def test_addresses_that_are_the_operator_s_own_affair_are_in_no_feed(make_site: Callable, basic_config: str) -> None:
    more = ("[[sources]]\nslug = \"{0}\"\nurl = \"https://{0}.example/feed?{1}\"\n{2}\n")
    site = make_site(basic_config + more.format("paid", "key=s3cret", "") + more.format("lan", "x=1", (
        'allow_networks = ["10.0.0.0/8"]')) + more.format("open", "x=1", ""))
    for slug in ("paid", "lan", "open"):
        with site.app.store.write() as connection:
            found = make_draft(Found(f"Of {slug}", html=f"<p>Of {slug}.</p>"), source_url="", now=site.now)
            articles.add(connection, sources.state(connection, slug).id,
                         [(found, Acceptance(Show.FULL, mailable=True))], site.now)
    publish_all(site.app)
    told = (site.folder / "feeds/all/rss.xml").read_text() + (site.folder / "feeds/all/atom.xml").read_text()
    assert "Of paid" in told
    assert "https://open.example/feed" in told
    assert "paid.example/feed" not in told
    assert "s3cret" not in told
    assert "lan.example/feed" not in told
