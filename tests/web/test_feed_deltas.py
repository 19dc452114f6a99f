"""Readers that say which version they have get what came since (RFC 3229), and whatever goes wrong, the feed."""

from __future__ import annotations

import gzip
import json
import logging
import random
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert, text, update

from pipeline.jobs.steps import cycle
from pipeline.jobs.worker import working
from pipeline.model.feeds import ATOM_FILE, JSON_FILE, RSS_FILE
from pipeline.publish.delta import etag
from pipeline.store import feed_versions
from pipeline.store.schema import articles, feeds, sources
from pipeline.web.deltas import wants_feed

KINDS = (RSS_FILE, ATOM_FILE, JSON_FILE)
WORDS = "The boat that leaves at midnight is the one that comes back at six. " * 3


class Paper:
    """A feed whose documents are written here, as publishing would. `told`: article -> its text, newest first."""

    def __init__(self, house: Any, folder: str = "all") -> None:
        self.house, self.folder, self.seq = house, folder, 0
        self.told: dict[int, int] = {}
        now = house.app.now()
        with house.app.store.write() as connection:
            self.id = connection.execute(insert(feeds).values(
                slug=folder, uid=folder, created_at=now).returning(feeds.c.id)).scalar_one()
            self.source = connection.execute(insert(sources).values(
                slug=f"of-{self.id}", kind="feed", location="x", title="x", created_at=now
            ).returning(sources.c.id)).scalar_one()

    def publish(self, *changed: int, gone: Iterable[int] = (), around: str = "") -> dict[str, str]:
        """Articles that are new or changed, and some that went; the ETags of what is there now."""
        self.seq += 1
        for number in gone:
            self.told.pop(number, None)
        now = self.house.app.now()
        with self.house.app.store.write() as connection:
            for number in changed:
                values = {"changed_seq": self.seq, "source_id": self.source, "guid": str(number), "topics": [],
                          "enclosures": [], "published_at": now, "updated_at": now, "first_seen_at": now,
                          "mailable": True}
                if not connection.execute(update(articles).where(articles.c.id == number).values(**values)).rowcount:
                    connection.execute(insert(articles).values(id=number, **values))
                self.told = {number: self.seq, **{n: t for n, t in self.told.items() if n != number}}
            etags = {}
            for kind in KINDS:
                body = document(kind, self.told, around)
                etags[kind] = etag(body)
                path = self.house.folder / "feeds" / self.folder / kind
                path.parent.mkdir(parents=True, exist_ok=True)
                path.with_name("new").write_bytes(body)
                path.with_name("new").replace(path)
            feed_versions.add_version(connection, self.id, self.seq, etags, list(self.told))
        return etags

    def get(self, kind: str, etag: str = "", a_im: str = "feed", **headers: str) -> Any:
        return self.house.get(f"/feeds/{self.folder}/{kind}", if_none_match=etag, a_im=a_im, **headers)


def document(kind: str, told: Mapping[int, int], around: str = "") -> bytes:
    names = {number: f"tag:beacon.example,2026:article-{number}" for number in told}
    if kind == JSON_FILE:
        return json.dumps({"title": f"x{around}", "items": [
            {"id": names[n], "content_text": f"{WORDS}{t}"} for n, t in told.items()]}, indent=1).encode()
    element, name = ("item", "guid") if kind == RSS_FILE else ("entry", "id")
    inside = "".join(f"  <{element}>\n    <{name}>{names[n]}</{name}>\n    <title>{WORDS}{t}</title>\n  </{element}>\n"
                     for n, t in told.items())
    grave = '  <at:deleted-entry ref="tag:beacon.example,2026:article-99"/>\n'
    return f"<feed>\n  <title>x{around}</title>\n{inside}{grave}</feed>\n".encode()


def entries(body: bytes) -> dict[int, int]:
    """article -> its text, in a document of whatever kind."""
    found = re.findall(r'article-(\d+)(?:</guid>|</id>|",).*?six\. (\d+)["<]', body.decode(), re.DOTALL)
    return {int(number): int(told) for number, told in found}


@pytest.fixture
def paper(house_with: Callable[..., Any]) -> Paper:
    return Paper(house_with({}))


@pytest.mark.parametrize("kind", KINDS)
def test_a_reader_gets_what_is_new_or_changed(paper: Paper, kind: str) -> None:
    old = paper.publish(1, 2, 3, 4, 5)[kind]
    now = paper.publish(6, 2)[kind]
    answer = paper.get(kind, old)
    assert answer.status == 226
    assert list(entries(answer.body)) == [2, 6]
    assert answer.body == document(kind, {2: 2, 6: 2})
    assert answer.headers["im"] == "feed"
    assert answer.headers["etag"] == now
    assert answer.headers["delta-base"] == old
    assert answer.headers["cache-control"] == "no-store, im"
    assert answer.headers["vary"] == "Accept-Encoding, A-IM, If-None-Match"
    assert answer.headers["content-type"] == paper.get(kind).headers["content-type"]
    assert int(answer.headers["content-length"]) == len(answer.body)
    for name in ("IM", "Delta-Base", "ETag"):
        assert name in answer.headers["access-control-expose-headers"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    if kind == ATOM_FILE:
        assert b"deleted-entry" in answer.body


@pytest.mark.parametrize("kind", KINDS)
def test_a_reader_that_puts_deltas_together_has_the_feed(paper: Paper, kind: str) -> None:
    """Weeks of asking now and then, in whatever coding: never an entry too few, never an old one."""
    chance = random.Random(kind)
    paper.publish(*range(1, 8))
    readers = [{"etag": "", "has": {}} for _ in range(4)]
    seen = []
    for step in range(100, 125):
        there = list(paper.told)
        paper.publish(*chance.sample(there, chance.randint(0, 2)), *range(step, step + chance.randint(0, 2)),
                      gone=chance.sample(there, chance.randint(0, max(0, len(there) - 6))),
                      around=str(chance.randint(0, 2)))
        for reader in readers:
            if chance.random() < 0.4:
                coding = chance.choice(["gzip", ""])
                answer = paper.get(kind, reader["etag"], accept_encoding=coding)
                seen.append(answer.status)
                body = gzip.decompress(answer.body) if "content-encoding" in answer.headers else answer.body
                has = {**(reader["has"] if answer.status == 226 else {}), **entries(body)}
                reader["etag"] = answer.headers["etag"]
                reader["has"] = reader["has"] if answer.status == 304 else has
                assert {n: reader["has"].get(n) for n in paper.told} == paper.told
    assert {200, 226, 304} >= set(seen) >= {200, 226}
    assert seen.count(226) > 8


def test_a_delta_is_packed_like_any_document(paper: Paper) -> None:
    paper.publish(1, 2, 3)
    old = paper.get(RSS_FILE, accept_encoding="gzip").headers["etag"]
    assert old.endswith('-gzip"')
    plain = paper.publish(4)[RSS_FILE]
    for named in (old, f"W/{old}", f'"x", {old}', old.replace("-gzip", ""), old.replace("-gzip", "-br")):
        for _ in range(2):  # made, and kept
            answer = paper.get(RSS_FILE, named, accept_encoding="gzip;q=0.8")
            assert answer.status == 226
            assert answer.headers["im"] == "feed"
            assert answer.headers["content-encoding"] == "gzip"
            assert answer.headers["etag"] == f'{plain[:-1]}-gzip"'
            assert answer.headers["delta-base"] in named
            assert entries(gzip.decompress(answer.body)) == {4: 2}
    assert paper.get(RSS_FILE, answer.headers["etag"]).status == 304
    assert entries(paper.get(RSS_FILE, old).body) == {4: 2}


def test_the_newest_of_several_versions_counts(paper: Paper) -> None:
    first, second = paper.publish(1, 2)[RSS_FILE], paper.publish(3)[RSS_FILE]
    paper.publish(4)
    answer = paper.get(RSS_FILE, f'"unknown", {first}, {second}')
    assert list(entries(answer.body)) == [4]
    assert answer.headers["delta-base"] == second


def test_who_has_the_current_one_hears_so(paper: Paper) -> None:
    old, now = paper.publish(1, 2)[RSS_FILE], paper.publish(3)[RSS_FILE]
    for named in (now, f"{old}, {now}", "*"):
        answer = paper.get(RSS_FILE, named)
        assert (answer.status, answer.body) == (304, b"")
        assert "im" not in answer.headers
        assert answer.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize("a_im", ["", "vcdiff", "feed;q=0", "feed; q=0.00", "feeds", "feed-x", "*", "gzip, diffe"])
def test_who_does_not_ask_for_a_delta_gets_the_whole(paper: Paper, a_im: str) -> None:
    old = paper.publish(1, 2)[RSS_FILE]
    paper.publish(3)
    answer = paper.get(RSS_FILE, old, a_im)
    assert answer.status == 200
    assert "im" not in answer.headers
    assert set(entries(answer.body)) == {1, 2, 3}


@pytest.mark.parametrize("a_im", ["feed", "FEED", "vcdiff, feed", "feed;q=0.1, gzip", " feed ; q=1.000", "feed;"])
def test_a_reader_that_takes_deltas_may_say_more(a_im: str) -> None:
    assert wants_feed(a_im)


def test_an_unknown_version_gets_the_whole(paper: Paper) -> None:
    etags = paper.publish(1, 2)
    paper.publish(3)
    for named in ('"0123456789abcdef0123456789abcdef"', "", "nonsense", '""', etags[ATOM_FILE]):
        assert paper.get(RSS_FILE, named).status == 200
    with paper.house.app.store.write() as connection:
        feed_versions.forget_versions(connection, paper.id)
    assert paper.get(RSS_FILE, etags[RSS_FILE]).status == 200


def test_where_no_entry_differs_or_all_do_the_whole_is_sent(paper: Paper) -> None:
    first = paper.publish(1, 2, 3)[RSS_FILE]
    second = paper.publish(gone=[2])[RSS_FILE]
    assert paper.get(RSS_FILE, first).status == 200, "one went"
    third = paper.publish(around="y")[RSS_FILE]
    assert paper.get(RSS_FILE, second).status == 200, "another title"
    paper.publish(1, 3)
    for named in (first, second, third):
        assert paper.get(RSS_FILE, named).status == 200, "everything changed"


def test_each_feed_has_versions_of_its_own(house_with: Callable[..., Any]) -> None:
    house = house_with({})
    one, other = Paper(house, "all"), Paper(house, "all/topic/tide")
    old = one.publish(1, 2)[RSS_FILE]
    one.publish(3)
    before = other.publish(11, 12)[RSS_FILE]
    other.publish(13)
    assert other.get(RSS_FILE, old).status == 200
    assert list(entries(other.get(RSS_FILE, before).body)) == [13]


def test_only_main_documents_have_deltas(paper: Paper) -> None:
    old = paper.publish(1, 2)[RSS_FILE]
    paper.publish(3)
    folder = paper.house.folder / "feeds" / "all"
    for name in ("archive/1/rss.xml", "archive/1-2/rss.xml", "index.html", "rss-2.xml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((folder / RSS_FILE).read_bytes())
        assert paper.get(name, old).status == 200, name


def test_a_database_that_does_not_answer_costs_nobody_the_feed(
    paper: Paper, caplog: pytest.LogCaptureFixture
) -> None:
    old = paper.publish(1, 2)[RSS_FILE]
    paper.publish(3)
    assert paper.get(RSS_FILE, old).status == 226
    with paper.house.app.store.write() as connection:
        connection.execute(text("DROP TABLE feed_versions"))
    with caplog.at_level(logging.WARNING):
        answer = paper.get(ATOM_FILE, old)
    assert answer.status == 200
    assert set(entries(answer.body)) == {1, 2, 3}
    assert "/feeds/all/atom.xml: no delta" in caplog.text
    assert paper.get(RSS_FILE, old).status == 226, "what was made once is not asked for again"


def test_a_document_of_another_kind_is_sent_as_it_is(paper: Paper, caplog: pytest.LogCaptureFixture) -> None:
    old = paper.publish(1, 2)[JSON_FILE]
    paper.publish(3)
    (paper.house.folder / "feeds" / "all" / JSON_FILE).write_bytes(b"<none of ours/>")
    assert paper.get(JSON_FILE, old).body == b"<none of ours/>"
    assert "can't be read" in caplog.text


def test_an_article_that_is_purged_is_no_trouble(paper: Paper) -> None:
    old = paper.publish(1, 2)[RSS_FILE]
    paper.publish(3)
    with paper.house.app.store.write() as connection:
        connection.execute(delete(articles).where(articles.c.id == 1))
    assert list(entries(paper.get(RSS_FILE, old).body)) == [3]


@pytest.mark.parametrize("kind", KINDS)
def test_publishing_makes_the_versions(house: Any, kind: str) -> None:
    """The real thing, with an article more."""
    later = type(house)(replace(house.app, now=lambda: house.app.now() + timedelta(hours=1)), house.folder)
    run(house)  # the copied site lies elsewhere, so all is built anew
    first = house.get(f"/feeds/all/{kind}", accept_encoding="gzip").headers["etag"]
    (house.folder / "articles" / "rope.md").write_text("---\ntitle: A rope of two colours\n---\nIt holds.\n")
    run(later)
    answer = later.get(f"/feeds/all/{kind}", if_none_match=first, a_im="feed")
    assert answer.status == 226
    assert b"A rope of two colours" in answer.body
    assert b"A tide table" not in answer.body
    assert len(answer.body) < len(later.get(f"/feeds/all/{kind}").body)
    assert later.get(f"/feeds/all/{kind}", if_none_match=answer.headers["etag"], a_im="feed").status == 304


def run(house: Any) -> None:
    with working(house.app.store, house.app.data_folder, house.app.now) as worker:
        cycle(house.app, worker)


def test_head_of_a_delta_and_the_wire(paper: Paper, serve: Callable[..., Any]) -> None:
    old = paper.publish(1, 2)[RSS_FILE]
    paper.publish(3)
    with serve(paper.house) as connect:
        connection = connect()
        for method in ("GET", "HEAD"):
            connection.request(method, "/feeds/all/rss.xml", headers={"If-None-Match": old, "A-IM": "feed"})
            answer = connection.getresponse()
            body = answer.read()
            assert (answer.status, answer.reason) == (226, "IM Used")
            assert bool(body) == (method == "GET")
            assert int(answer.headers["content-length"]) == len(document(RSS_FILE, {3: 2}))
