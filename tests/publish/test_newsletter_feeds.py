"""A newsletter's feed: each digest once and for good under one id, whatever becomes of it or of the newsletter, and
nothing in it that is of one reader."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any

import feedparser
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from lxml.html import fragment_fromstring

from pipeline.config import load_text
from pipeline.desk.takedown import take_down, withdraw
from pipeline.errors import ConfigError
from pipeline.jobs.steps import publish_all
from pipeline.model.feeds import Document, FeedPage, Volume
from pipeline.model.frozen import DigestPage
from pipeline.model.letterhead import Letterhead
from pipeline.model.newsletters import PUBLIC, Digest, DigestStatus
from pipeline.model.selection import Rules
from pipeline.publish import newsletters
from pipeline.publish.entries import Imprint
from pipeline.store import articles, digests, feeds, sources
from pipeline.store.public_digests import PublicDigest
from pipeline.store.schema import digests as table

A = "{http://www.w3.org/2005/Atom}"
GRAVE = "{http://purl.org/atompub/tombstones/1.0}deleted-entry"
FOLDER = "newsletters/lantern"
NAMES = ["2026-06-02-0800-daily", "2026-06-01-0800-daily"]   # the newest first


def two_days(site: Any) -> None:
    """Two digests of the daily schedule, which one person gets."""
    site.subscribe("ada@example.org")
    site.accept(["Article one", "Article <two> & more"])
    site.advance(hours=3)
    site.send()
    site.accept(["Article three"])
    site.advance(days=1)
    site.send()
    publish_all(site.app)


@pytest.fixture
def site(copy_site: Callable, basic_config: str) -> Any:
    found = copy_site(two_days, basic_config)
    publish_all(found.app)   # it lies in another folder now
    return found


def read(site: Any, name: str = "atom.xml", folder: str = FOLDER) -> str:
    return (site.folder / "feeds" / folder / name).read_text("utf-8")


def entries(site: Any, name: str = "atom.xml", folder: str = FOLDER) -> list[Any]:
    found = feedparser.parse(read(site, name, folder))
    assert not found.bozo
    return list(found.entries)


def ids(site: Any, folder: str = FOLDER) -> list[str]:
    """The same in each format."""
    found = [e.id for e in entries(site, folder=folder)]
    assert [e.id for e in entries(site, "rss.xml", folder)] == found
    assert [item["id"] for item in json.loads(read(site, "feed.json", folder))["items"]] == found
    assert len(set(found)) == len(found)
    return found


def written(site: Any) -> list[str]:
    return sorted(map(str, publish_all(site.app).written))


def files(site: Any) -> dict[str, tuple[int, int]]:
    return {p.name: (p.stat().st_ino, p.stat().st_mtime_ns) for p in (site.folder / "feeds" / FOLDER).iterdir()}


def configure(site: Any, old: str, new: str) -> None:
    path = site.folder / "config.toml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    site.close()


def set_status(site: Any, name: str, status: DigestStatus, **values: Any) -> None:
    with site.app.store.write() as connection:
        number = digests.require(connection, name).id
        connection.execute(table.update().where(table.c.id == number).values(status=status, **values))


def feed_row(site: Any, folder: str = FOLDER) -> Any:
    with site.app.store.read() as connection:
        return feeds.state(connection, folder)


# --- what is in it ------------------------------------------------------------------------------------------


def test_each_digest_is_an_entry_in_each_format(site) -> None:
    for name in ("atom.xml", "rss.xml"):
        newest, first = entries(site, name)
        assert [newest.link, first.link] == [f"https://lantern.example/n/lantern/{name}" for name in NAMES]
        assert newest.title == site.mails()[-1]["Subject"] == "Article three"
        assert first.title.replace("\u2060", "") == site.mails()[0]["Subject"] == "Article <two> & more and 1 more"
        assert "Article one" in first.summary
        assert first.published_parsed[:6] == (2026, 6, 1, 9, 0, 0)
    first = entries(site)[1]
    assert first.updated_parsed == first.published_parsed
    told = fragment_fromstring(first.content[0].value)
    assert [a.text_content() for a in told.iter("a")] == ["Article <two> & more", "Article one"]
    assert all(a.get("href").startswith("https://lantern.example/a/") for a in told.iter("a"))
    assert "told at some length" in told.text_content()
    assert len(ids(site)) == 2


def test_ids_are_made_of_what_the_digest_was_given_with_its_slot(site) -> None:
    with site.app.store.read() as connection:
        uids = [digests.facts(connection, d.id).uid for d in digests.listed(connection, statuses=PUBLIC)]
    assert ids(site) == [f"tag:lantern.example,2026:digest-{uid}" for uid in uids]
    assert feedparser.parse(read(site)).feed.id == "tag:lantern.example,2026:feed-newsletters%2Flantern"


def test_what_is_published_keeps_the_rules(site, feed_rules: Any) -> None:
    assert feed_rules.atom_problems(read(site).encode()) == []
    assert feed_rules.rss_problems(read(site, "rss.xml").encode()) == []
    assert feed_rules.json_problems(read(site, "feed.json").encode()) == []


def test_nothing_personal_is_in_it(site) -> None:
    """Every value that the delivered mails were filled in with, and their very lines for one person."""
    told = "".join(p.read_text() for p in (site.folder / "feeds" / FOLDER).iterdir())
    mails = [part.get_content() for mail in site.mails() for part in mail.walk() if not part.is_multipart()]
    assert len(mails) == 4
    links = {word for mail in mails for word in mail.replace('"', " ").split() if "/u/" in word}
    assert links
    for personal in (*links, "ada@example.org", "/u/", "Unsubscribe", "This letter came to", "You asked for it on"):
        assert any(personal in mail for mail in mails)
        assert personal not in told
    assert all(mail["Message-ID"].partition("@")[0].strip("<") not in told for mail in site.mails())


def test_it_is_listed_wherever_feeds_are(site) -> None:
    page, opml = read(site, "index.html", ""), read(site, "feeds.opml", "")
    assert 'href="newsletters/lantern/index.html">The Lantern</a>' in page
    assert 'href="newsletters/lantern/rss.xml"' in page
    assert 'xmlUrl="https://lantern.example/feeds/newsletters/lantern/rss.xml"' in opml
    assert "<loc>https://lantern.example/feeds/newsletters/lantern/</loc>" in read(site, "pages.xml", "sitemaps")
    own = read(site, "index.html")
    assert 'href="https://lantern.example/n/lantern/"' in own
    assert f'href="https://lantern.example/n/lantern/{NAMES[0]}">Article three</a>' in own
    assert 'href="../../index.html"' in own


def test_a_newsletter_without_digests_has_a_feed_too(make_site: Callable) -> None:
    site = make_site()
    publish_all(site.app)
    assert ids(site) == []
    assert feedparser.parse(read(site)).feed.title == "The Lantern"


def test_only_the_newest_fifty_are_in_it(site, monkeypatch) -> None:
    monkeypatch.setattr(newsletters, "LIMIT", 1)
    publish_all(site.app, everything=True)
    assert [e.title for e in entries(site)] == ["Article three"]


def test_of_too_many_articles_the_later_digests_give_their_titles_only(site, monkeypatch) -> None:
    monkeypatch.setattr("pipeline.publish.documents.MAX_CHARS", 300)
    done = publish_all(site.app, everything=True)
    newest, first = entries(site)
    assert "told at some length" in newest.content[0].value
    assert "content" not in first
    assert "Article one" in first.summary
    assert any("digests name their articles only" in note for note in done.notes)


# --- when it is built ---------------------------------------------------------------------------------------


def test_what_is_not_new_is_not_touched(site, monkeypatch) -> None:
    before = files(site)
    assert sorted(before) == ["atom.xml", "feed.json", "index.html", "rss.xml"]
    again = publish_all(site.app, everything=True)
    assert (again.written, again.failed) == ([], {})
    monkeypatch.setattr(newsletters, "document", None)
    site.advance(days=2)
    assert written(site) == []
    site.accept(["Article four"])   # no digest tells it yet
    assert FOLDER not in "".join(written(site))
    assert feed_row(site).built_seq > 0
    assert files(site) == before


def test_a_file_that_is_gone_comes_back(site) -> None:
    before = read(site, "rss.xml")
    (site.folder / "feeds" / FOLDER / "rss.xml").unlink()
    assert written(site) == [f"{FOLDER}/rss.xml"]
    assert read(site, "rss.xml") == before


def test_a_broken_one_stops_no_other(site) -> None:
    import shutil

    shutil.rmtree(site.folder / "feeds" / FOLDER)
    (site.folder / "feeds" / FOLDER).write_text("a file where the folder should be")
    site.accept(["Article four"])
    done = publish_all(site.app)
    assert list(done.failed) == [FOLDER]
    assert "all/rss.xml" in map(str, done.written)
    (site.folder / "feeds" / FOLDER).unlink()
    publish_all(site.app)
    assert len(ids(site)) == 2


def test_twins_lie_beside_it_while_they_are_wanted(site) -> None:
    configure(site, "config_version = 1", 'config_version = 1\n[publish]\ncompress = ["gzip"]')
    publish_all(site.app)
    assert "rss.xml.gz" in files(site)
    configure(site, 'compress = ["gzip"]', "")
    publish_all(site.app)
    assert "rss.xml.gz" not in files(site)


def test_its_hub_is_told_of_each_digest(site) -> None:
    configure(site, "config_version = 1",
              'config_version = 1\n[publish]\nhub = "http://127.0.0.1:9/"\nhub_networks = ["127.0.0.0/8"]')
    publish_all(site.app)
    state = feed_row(site)
    assert state.ping_due_at is not None
    with site.app.store.write() as connection:
        feeds.record(connection, state.id, ping_due_at=None, ping_failures=0, ping_error="")
    publish_all(site.app)
    assert feed_row(site).ping_due_at is None
    set_status(site, NAMES[0], DigestStatus.PAUSED)
    publish_all(site.app)
    assert feed_row(site).ping_due_at is not None
    assert '<atom:link rel="hub" href="http://127.0.0.1:9/"/>' in read(site, "rss.xml").replace("ns0:", "atom:")


# --- what becomes of a digest -------------------------------------------------------------------------------


def test_a_withdrawn_article_leaves_its_entry_which_stays_the_same_one(site) -> None:
    before, was = ids(site), entries(site)
    site.advance(hours=1)
    with site.app.store.read() as connection:
        [gone] = [a for a in articles.by_ids(connection, [1, 2, 3]).values() if "<two>" in a.title]
    withdraw(site.app, [gone], "it was wrong")
    assert ids(site) == before
    newest, first = entries(site)
    assert first.title == "Article one"
    assert "two" not in "".join(read(site, name) for name in files(site))
    assert first.published == was[1].published
    assert first.updated > was[1].updated
    assert newest == was[0]


def test_a_source_that_was_taken_down_leaves_words_for_nothing(site) -> None:
    before = ids(site)
    site.advance(hours=1)
    with site.app.store.read() as connection:
        state = sources.state(connection, "desk")
    take_down(site.app, state, "a letter came")
    assert ids(site) == before
    assert {(e.title, e.summary) for e in entries(site)} == {("The Lantern", newsletters.NOTHING_LEFT)}
    assert "Article" not in read(site) + read(site, "rss.xml") + read(site, "feed.json")


def test_a_cancelled_digest_leaves_and_atom_says_so(site) -> None:
    newest, first = ids(site)
    page = entries(site)[0]
    set_status(site, NAMES[0], DigestStatus.CANCELLED)
    publish_all(site.app)
    assert ids(site) == [first]
    [grave] = etree.fromstring(read(site).encode()).findall(GRAVE)
    assert grave.get("ref") == newest
    assert datetime.fromisoformat(grave.get("when")) > datetime.fromisoformat(page.updated)
    assert "Article three" not in read(site) + read(site, "index.html")
    set_status(site, NAMES[0], DigestStatus.CANCELLED, done_at=site.now + timedelta(days=1))
    publish_all(site.app, everything=True)
    [grave] = etree.fromstring(read(site).encode()).findall(GRAVE)
    assert datetime.fromisoformat(grave.get("when")) == site.now + timedelta(days=1)


@pytest.mark.parametrize("status", [DigestStatus.DRAFT, DigestStatus.HELD, DigestStatus.SKIPPED])
def test_what_was_never_public_is_neither_an_entry_nor_a_grave(site, status: DigestStatus) -> None:
    with site.app.store.write() as connection:
        row = dict(connection.execute(table.select()).mappings().first())
        connection.execute(table.insert().values(
            **{**row, "id": None, "uid": token_hex(16), "nominal": "2026-06-03T08:00", "status": status,
               "frozen_at": None}))
        connection.execute(table.insert().values(
            **{**row, "id": None, "uid": token_hex(16), "nominal": "2026-06-04T08:00", "frozen_at": None,
               "status": DigestStatus.CANCELLED}))
    publish_all(site.app, everything=True)
    assert len(ids(site)) == 2
    assert etree.fromstring(read(site).encode()).findall(GRAVE) == []


def test_a_paused_digest_is_away_for_a_while(site) -> None:
    before, text = ids(site), read(site)
    set_status(site, NAMES[1], DigestStatus.PAUSED)
    publish_all(site.app)
    assert ids(site) == before[:1]
    assert GRAVE not in read(site)
    set_status(site, NAMES[1], DigestStatus.SENDING)
    set_status(site, NAMES[0], DigestStatus.PAUSED)   # as many as before: another one
    publish_all(site.app)
    assert ids(site) == before[1:]
    set_status(site, NAMES[0], DigestStatus.DONE)
    publish_all(site.app)
    assert read(site) == text


# --- what becomes of the newsletter -------------------------------------------------------------------------


def test_a_renamed_newsletter_keeps_its_feed_and_all_ids(site) -> None:
    before, feed_id = ids(site), feedparser.parse(read(site)).feed.id
    configure(site, 'slug = "lantern"', 'slug = "lamp"\nformer = ["lantern"]')
    publish_all(site.app)
    assert ids(site, "newsletters/lamp") == before
    assert feedparser.parse(read(site, folder="newsletters/lamp")).feed.id == feed_id
    assert entries(site, folder="newsletters/lamp")[0].link == f"https://lantern.example/n/lamp/{NAMES[0]}"
    assert read(site) == read(site, folder="newsletters/lamp"), "who knows the old address only goes on, too"
    configure(site, 'former = ["lantern"]', "")
    publish_all(site.app)
    assert ids(site, "newsletters/lamp") == before
    assert not (site.folder / "feeds" / FOLDER).exists(), "the promise was taken back"
    configure(site, 'slug = "lamp"', 'slug = "lamp"\nfeed = false')
    publish_all(site.app)
    assert not (site.folder / "feeds" / "newsletters").exists()


def test_a_new_title_or_another_address_of_the_site_changes_no_id(site) -> None:
    before = ids(site)
    configure(site, 'title = "The Lantern"\n  [[', 'title = "The Lamp"\n  [[')
    configure(site, 'public_url = "https://lantern.example"', 'public_url = "https://lamp.example"')
    publish_all(site.app)
    assert ids(site) == before
    assert entries(site)[0].link == f"https://lamp.example/n/lantern/{NAMES[0]}"
    assert feedparser.parse(read(site)).feed.title == "The Lamp"


def test_a_digest_in_another_language_than_its_feed_says_so(site) -> None:
    configure(site, 'slug = "lantern"', 'slug = "lantern"\nlanguage = "sv"')
    publish_all(site.app)
    root = etree.fromstring(read(site).encode())
    lang = "{http://www.w3.org/XML/1998/namespace}lang"
    assert root.get(lang) == "sv"
    assert [entry.get(lang) for entry in root.iter(f"{A}entry")] == ["en", "en"], "as it was written"


def test_it_is_the_operator_s_choice(site) -> None:
    before = ids(site)
    configure(site, 'slug = "lantern"', 'slug = "lantern"\nfeed = false')
    assert sorted(map(str, publish_all(site.app).removed)) == [
        f"{FOLDER}/{name}" for name in ("atom.xml", "feed.json", "index.html", "rss.xml")]
    assert "newsletters/" not in read(site, "index.html", "") + read(site, "feeds.opml", "")
    assert site.app.config.feed_url(site.app.config.newsletter("lantern")) == ""
    configure(site, "feed = false", "")
    publish_all(site.app)
    assert ids(site) == before


@pytest.mark.parametrize("key", ['slug = "newsletters"', 'slug = "all"\nformer = ["newsletters"]'])
def test_no_feed_may_take_the_folder(site, basic_config: str, key: str) -> None:
    text = basic_config.replace('slug = "all"', key)
    with pytest.raises(ConfigError, match="a folder of our own below feeds/"):
        load_text(text, site.folder / "config.toml", {})


# --- an entry by itself -------------------------------------------------------------------------------------

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
IMPRINT = Imprint("lantern.example", "https://lantern.example", "en")
HEAD = Letterhead(
    "The Lantern", "news@lantern.example", "", "{{ articles[0].title }}", "leave",
    DigestPage("The Lantern", "https://lantern.example", "sv", "lantern", "The Lantern", "2026-11-22-0800-daily",
               "https://lantern.example/n/lantern/2026-11-22-0800-daily", NOON), Rules())
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff\u2060"),
                min_size=1, max_size=30).map(lambda text: f"{text}x")


def public(*listed: Any, withdrawn_at: datetime | None = None) -> PublicDigest:
    digest = Digest(7, "lantern", "daily", "2026-11-22T08:00", DigestStatus.DONE, NOON, 9, NOON - timedelta(days=400),
                    NOON)
    return PublicDigest(digest, "abc123", NOON, HEAD, listed, withdrawn_at)


@given(st.lists(st.tuples(WORDS, WORDS, st.sampled_from(("", "https://o.example/?a=1&b='\"", "javascript:alert(1)"))),
                max_size=4))
def test_whatever_articles_are_called_they_are_told_as_they_are(
    article: Callable, built_document: Callable, broken_rules: Callable, texts: list[tuple[str, str, str]]
) -> None:
    listed = [article(n, title=title, summary=summary, url=url, source_title=summary)
              for n, (title, summary, url) in enumerate(texts, 1)]
    entry = newsletters.entry_of(public(*listed), "A subject", "https://lantern.example/n/lantern/x", IMPRINT)
    page = FeedPage("newsletters/lantern", "tag:lantern.example,2026:feed-x", "The Lantern", "Letters", "en",
                    "The Lantern", IMPRINT.site_url, "https://lantern.example/feeds/newsletters/lantern/", NOON)
    built = built_document(Document(page, Volume(), (entry,)))
    assert broken_rules(built) == []
    assert entry.id == "tag:lantern.example,2025:digest-abc123"
    assert entry.language == "sv"
    if not texts:
        assert (entry.html, entry.summary) == ("", newsletters.NOTHING_LEFT)
        return
    told = fragment_fromstring(entry.html)
    assert [a.text for a in told.iter("strong")] == [title for title, _, _ in texts]
    assert [p.text for p in told.xpath("./li/p[2]")] == [summary for _, summary, _ in texts]
    links = [a.get("href") for a in told.iter("a")]
    assert all(link.startswith(("https://o.example/?a=1&b=", "https://lantern.example/a/")) for link in links)


def test_a_digest_of_many_articles_names_the_first_ones(article: Callable) -> None:
    entry = newsletters.entry_of(public(*(article(n) for n in range(1, 26))), "s", "https://lantern.example/", IMPRINT)
    assert entry.summary.split(" · ")[-2:] == ["Title 20", "and 5 more"]


def test_it_counts_as_changed_when_an_article_was_taken_back(article: Callable) -> None:
    at = NOON + timedelta(days=3, microseconds=5)
    entry = newsletters.entry_of(public(article(1), withdrawn_at=at), "s", "https://lantern.example/", IMPRINT)
    assert (entry.published_at, entry.updated_at) == (NOON, at.replace(microsecond=0))
    later = replace(public(article(1), withdrawn_at=NOON), frozen_at=at)   # a clock that was set back
    entry = newsletters.entry_of(later, "s", "https://lantern.example/", IMPRINT)
    assert entry.published_at == entry.updated_at == at.replace(microsecond=0)
