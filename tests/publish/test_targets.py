"""Which feeds there are, what they are called, which articles may enter them, and when their files are built anew."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Config, load_text
from pipeline.model.articles import ArticleStatus
from pipeline.publish import targets as module
from pipeline.publish.targets import (
    MOST_TOPICS,
    TOPIC_ARTICLES,
    Index,
    Target,
    fingerprint,
    new_topics,
    page_of,
    targets,
    topic_slug,
)
from pipeline.store.feed_entries import EntryRow
from pipeline.store.feeds import FeedState

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SITE = """
[site]
title = "The Lantern"
public_url = "https://lantern.example/news"
[[sources]]
slug = "gazette"
url = "https://gazette.example/feed"
[[feeds]]
slug = "all"
title = "Everything"
"""


def config(text: str = SITE) -> Config:
    return load_text(f"config_version = 1\n{text}", Path("/site/config.toml"), {})


def state(number: int = 1, slug: str = "all", **values: Any) -> FeedState:
    plain = {
        "id": number, "slug": slug, "uid": slug, "parent_id": None, "topic": "", "created_at": NOON, "ended_at": None,
        "selected": "", "entries": 0, "archive_size": 0, "archived": 0, "fingerprint": "", "built_seq": 0,
        "updated_at": None, "files_json": "{}", "folders_json": "[]",
        "ping_due_at": None, "ping_failures": 0, "ping_error": ""}
    return FeedState(**plain | values)


def target(text: str = "", *, topic: str = "", number: int = 1) -> Target:
    feed = config(f"{SITE}{text}").feeds[0]
    slug = f"all/topic/{topic_slug(topic)}" if topic else "all"
    return Target(state(number, slug, topic=topic), feed, topic)


def row(number: int = 1, **values: Any) -> EntryRow:
    plain = {"id": number, "position": 0, "source": "gazette", "topics": ("x",), "status": ArticleStatus.ACCEPTED,
             "story": number, "accepted_seq": number, "published_at": NOON}
    return EntryRow(**plain | values)


# --- names ------------------------------------------------------------------------------------------------

NAMES = st.text() | st.text("ab-0", max_size=6) | st.text("aA -.é", max_size=4) | st.builds(
    lambda text, tail: f"{text}-{tail:016x}", st.text("ab", max_size=3), st.integers(0, 3))


@settings(max_examples=200)
@given(st.sets(NAMES, min_size=2, max_size=20))
def test_no_two_topics_share_a_name(topics) -> None:
    assert len({topic_slug(topic) for topic in topics}) == len(topics)


@given(NAMES)
def test_a_topics_name_is_one_for_files_and_addresses(topic: str) -> None:
    name = topic_slug(topic)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", name)
    assert name == name.casefold(), "some disks know no difference between x and X"
    assert topic_slug(topic) == name


def test_nobody_gets_anothers_name_by_asking_for_it() -> None:
    for topic in ("C++", "日本", "health care", "UPPER"):
        taken = topic_slug(topic)
        assert topic_slug(taken) != taken


def test_an_empty_topic_has_a_name() -> None:
    assert topic_slug("")


def test_topics_made_to_collide() -> None:
    """These did with 32 bits of a hash; whoever finds two stops all feeds, as a slug is there once."""
    assert topic_slug("日本劦一") != topic_slug("日本蟁丅")


@pytest.mark.parametrize(("topic", "name"), [
    ("python", "python"), ("health-care", "health-care"), ("web3", "web3"), ("a" * 40, "a" * 40),
    ("a" * 41, "a" * 40 + "-"), ("Python", "python-"), ("health care", "health-care-"), ("c++", "c-"),
    ("日本", "topic-"), ("x-12345678", "x-12345678"),
    ("x-0123456789abcdef", "x-0123456789abcdef-"), ("-x", "x-"), ("..", "topic-"), ("a/../b", "a-b-"),
    ("rss.xml", "rss-xml-"), (f"{'a' * 39} b", "a" * 39 + "-"),
])
def test_names_of_topics(topic: str, name: str) -> None:
    assert re.fullmatch(re.escape(name) + ("[0-9a-f]{16}" if name.endswith("-") else ""), topic_slug(topic))


# --- which there are --------------------------------------------------------------------------------------


def test_what_is_published() -> None:
    site = config(SITE + 'per_topic = true\n[[feeds]]\nslug = "few"\ntitle = "Few"')
    found = targets(site, [
        state(1), state(2, "few"), state(3, "gone", ended_at=NOON), state(4, "unknown"),
        state(5, "all/topic/x", parent_id=1, topic="x"), state(6, "all/topic/y", parent_id=1, topic="y", ended_at=NOON),
        state(7, "few/topic/x", parent_id=2, topic="x"), state(8, "gone/topic/x", parent_id=3, topic="x"),
        state(9, "few", ended_at=NOON)])
    assert [(t.slug, t.topic, t.feed.slug) for t in found] == [
        ("all", "", "all"), ("few", "", "few"), ("all/topic/x", "x", "all")]


def test_a_feed_lies_under_its_former_names_too() -> None:
    assert target('former = ["everything", "old"]').folders == ("all", "everything", "old")
    assert target('former = ["old"]', topic="x").folders == ("all/topic/x", "old/topic/x")


def test_a_page() -> None:
    site = config(SITE + 'description = "D"\nimage = "https://x.example/i.png"\nttl = "90m"\ncomplete = true\n'
                         '[publish]\nrights = "R"\nhub = "https://hub.example/"\nurl = "https://cdn.example/f/"\n')
    page = page_of(site, Target(state(uid="first"), site.feeds[0]), "lantern.example")
    assert page.url == "https://cdn.example/f/all/"
    assert page.id == "tag:lantern.example,2026:feed-first", "a new slug is no new feed"
    assert (page.title, page.description, page.rights, page.image, page.hub, page.ttl_minutes, page.complete) == (
        "Everything", "D", "R", "https://x.example/i.png", "https://hub.example/", 90, True)
    assert (page.site_title, page.site_url, page.language, page.podcast, page.created_at) == (
        "The Lantern", "https://lantern.example/news", "en", None, NOON)


def test_a_page_of_a_topic_and_one_that_says_little() -> None:
    site = config()
    page = page_of(site, Target(state(2, "all/topic/x", topic="x"), site.feeds[0], "x"), "lantern.example")
    assert (page.title, page.description, page.url) == (
        "Everything: x", "Everything: x", "https://lantern.example/news/feeds/all/topic/x/")
    assert page_of(site, Target(state(), site.feeds[0]), "a").description == "Everything"


# --- which articles may enter -----------------------------------------------------------------------------

SOME = st.sampled_from(("x", "y", "z"))
SELECTS = st.builds(
    lambda topics, sources: f"select = {{ topics = {topics}, sources = {sources} }}".replace("'", '"'),
    st.lists(st.sampled_from(("*", "x", "y")), max_size=3, unique=True),
    st.lists(st.sampled_from(("gazette", "desk")), max_size=2, unique=True))
DESK = SITE.replace("[[feeds]]", '[[sources]]\nslug = "desk"\nfolder = "."\n[[feeds]]')


@given(st.lists(st.tuples(SELECTS, st.sampled_from(("", "x", "y"))), max_size=6),
       st.lists(st.tuples(st.sampled_from(("gazette", "desk", "other")), st.lists(SOME, max_size=3)), max_size=6))
def test_the_index_gives_what_asking_each_feed_gives(feeds, articles) -> None:
    found = [Target(state(n, f"f{n}", topic=topic), config(DESK + select).feeds[0], topic)
             for n, (select, topic) in enumerate(feeds, 1)]
    index = Index(found)
    for number, (source, topics) in enumerate(articles, 1):
        one = row(number, source=source, topics=tuple(topics))
        asked = [t.state.id for t in index.of(one)]
        assert sorted(asked) == [t.state.id for t in found if t.filter.match(one)]


def test_the_index_knows_what_takes_any_topic() -> None:
    for select, ids in (('topics = ["*", "y"]', [1]), ("topics = []", [1]), ('topics = ["y"]', []),
                        ('topics = [], sources = ["gazette"]', [1]), ('topics = ["*"], sources = ["desk"]', [])):
        feed = config(f"{DESK}select = {{ {select} }}").feeds[0]
        assert [t.state.id for t in Index([Target(state(), feed)]).of(row())] == ids


def test_the_index_asks_few_feeds() -> None:
    """A thousand feeds of a thousand topics: an article of two topics is held against two."""
    asked = 0

    class Counted(Target):
        @property
        def filter(self) -> Any:
            nonlocal asked
            asked += 1
            return Target.filter.fget(self)

    feed = config().feeds[0]
    index = Index([Counted(state(n, topic=f"t{n}"), feed, f"t{n}") for n in range(1000)])
    assert [t.topic for t in index.of(row(topics=("t7", "t500", "new")))] == ["t7", "t500"]
    assert asked == 2


# --- topics that get a feed -------------------------------------------------------------------------------


SHORT = st.text("abc", min_size=1, max_size=3)


@given(st.dictionaries(SHORT, st.integers(0, 6)), st.sets(SHORT), st.lists(SHORT, unique=True), st.integers(0, 12))
def test_new_topics(counts, named, known, most: int) -> None:
    whole = [*new_topics(counts, named, known)[0], *new_topics(counts, named, known)[1]]
    assert sorted(whole) == sorted(
        topic for topic, number in counts.items()
        if topic not in known and (number >= TOPIC_ARTICLES or topic in named))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOST_TOPICS", most)
        wanted, left_out = new_topics(counts, named, known)
    assert [*wanted, *left_out] == whole
    assert len(wanted) == min(len(whole), max(0, most - len(known)))
    assert not left_out or len(known) + len(wanted) >= most
    assert [t in named for t in whole] == sorted((t in named for t in whole), reverse=True), "the operator's come first"


def test_a_flood_of_topics_is_capped() -> None:
    wanted, left_out = new_topics({f"t{n:04}": 9 for n in range(1000)}, ["t0999"], ["old", "older"])
    assert (len(wanted), len(left_out), wanted[0]) == (MOST_TOPICS - 2, 1000 - MOST_TOPICS + 2, "t0999")


# --- when files are built anew ----------------------------------------------------------------------------

PUBLISH, FULL = "[publish]\n", SITE + 'image = "https://x.example/i.png"\n'
PODCAST = '[feeds.podcast]\ncategory = "News"\nowner_email = "a@a.example"\n'


def print_of(text: str, templates: str = "t", authority: str = "a.example", **values: Any) -> str:
    site = config(text)
    one = Target(state(**values), site.feeds[0], values.get("topic", ""))
    return fingerprint(site, one, page_of(site, one, authority), templates)


@pytest.mark.parametrize("change", [
    lambda: print_of(SITE.replace("The Lantern", "The Lamp")), lambda: print_of(SITE.replace("/news", "")),
    lambda: print_of(SITE.replace("[[sources]]", 'language = "sv"\n[[sources]]')),
    lambda: print_of(SITE.replace("[[sources]]", 'timezone = "Europe/Berlin"\n[[sources]]')),
    lambda: print_of(SITE.replace('"Everything"', '"All"')),
    *(lambda line=line: print_of(f"{SITE}{line}\n") for line in (
        'description = "D"', 'image = "https://x.example/i.png"', 'ttl = "2h"', "complete = true", 'former = ["old"]',
        "select = { limit = 49 }", "select = { per_source = 3 }", 'select = { topics = ["x"] }',
        'select = { sources = ["gazette"] }', '[publish]\nrights = "R"', '[publish]\nhub = "https://hub.example/"',
        '[publish]\nurl = "https://cdn.example/"', '[publish]\ncompress = ["gzip"]', '[paths]\nfeeds = "elsewhere"',
        '[publish]\nimage = "https://x.example/p.png"')),
    lambda: print_of(SITE, templates="other"), lambda: print_of(SITE, authority="b.example"),
    lambda: print_of(SITE, topic="x"), lambda: print_of(SITE, uid="other"),
    lambda: print_of(SITE, created_at=NOON - timedelta(days=400)), lambda: print_of(SITE, slug="all/topic/x"),
])
def test_a_fingerprint_changes_with_whatever_files_are_made_of(change: Callable[[], str]) -> None:
    assert change() != print_of(SITE)


@pytest.mark.parametrize("line", [
    'category = "Arts"', 'subcategory = "Daily News"', 'author = "Ada"', "explicit = true", 'kind = "serial"',
    'owner_email = "b@a.example"',
])
def test_a_fingerprint_changes_with_a_podcasts_words(line: str) -> None:
    key = line.partition(" ")[0]
    before = FULL + PODCAST
    after = re.sub(rf"^{key} = .*\n", "", before, flags=re.MULTILINE) + line
    assert len({print_of(FULL), print_of(before), print_of(after)}) == 3


@pytest.mark.parametrize("change", [
    lambda: print_of(SITE, built_seq=9, files_json='{"all/rss.xml": 3}', entries=4, archived=10, updated_at=NOON),
    lambda: print_of(SITE, selected="x", fingerprint="y", folders_json='["all"]', ping_due_at=NOON, archive_size=10),
    lambda: print_of(SITE + '[[feeds]]\nslug = "few"\ntitle = "Few"'),
    lambda: print_of(SITE + '[web]\nlisten = "127.0.0.1:9000"'),
])
def test_a_fingerprint_stays_where_files_do(change: Callable[[], str]) -> None:
    assert change() == print_of(SITE)


def test_only_other_rules_let_articles_enter_anew() -> None:
    plain = target().selected
    assert target('select = { topics = ["x"] }').selected != plain
    assert target('select = { sources = ["gazette"] }').selected != plain
    assert target(topic="x").selected != plain
    assert target("select = { limit = 7, per_source = 2 }").selected == plain
    assert target('description = "Other"').selected == plain


def test_another_format_is_another_fingerprint(monkeypatch) -> None:
    before = (print_of(SITE), target().selected)
    monkeypatch.setattr(module, "FORMAT", 99)
    assert print_of(SITE) != before[0]
    assert target().selected != before[1]


def test_a_filter_has_the_feeds_rules_and_the_topic() -> None:
    one = target('select = { topics = ["x", "y"] }', topic="x")
    assert one.filter.match(row(topics=("x",)))
    assert not one.filter.match(row(topics=("y",)))
    assert one.limit == 50
    assert replace(one, topic="").filter.match(row(topics=("y",)))
