"""sources block --purge: a site that collected, published and mailed a source, and holds none of its words after."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from pipeline.compose.stage import compose, fill_batches
from pipeline.config.edit import with_key
from pipeline.deliver.stage import Outbox, deliver
from pipeline.deliver.transport import Way
from pipeline.desk.takedown import known, take_down
from pipeline.jobs.collecting import collect_due
from pipeline.jobs.sends import parts as compose_parts
from pipeline.jobs.steps import publish_all
from pipeline.model.articles import ArticleStatus
from pipeline.model.deliveries import DeliveryState, Outcome
from pipeline.model.runs import Slot
from pipeline.store import articles, digests, meta
from pipeline.web.app import build

Run = Callable[..., Any]

ANN, BEA = "ann@here.example", "bea@here.example"
WORDS = "quagga"   # in all that the source says, and in nothing else
SOURCES = """
[[sources]]
slug = "north"
url = "{web}/north.xml"
show = "full"
exclude = ["casino"]
allow_networks = ["127.0.0.0/8"]
[[sources]]
slug = "south"
url = "{web}/south.xml"
allow_networks = ["127.0.0.0/8"]
[[feeds]]
slug = "north"
title = "Of the north"
select = {{ sources = ["north"] }}
"""
CLOCK = count(1_000_000_000, 2)
ITEM = """<item><title>{title}</title><link>{url}</link><guid isPermaLink="false">{guid}</guid><pubDate>{date}</pubDate>
<author>someone@quagga.example (A {words})</author><category>{words} things</category><dc:rights>(c) {words}</dc:rights>
<enclosure url="https://north.example/{words}.mp3" type="audio/mpeg" length="1"/>
<media:thumbnail url="http://127.0.0.1:9/{words}.png"/><itunes:subtitle>a {words}</itunes:subtitle>
<description>&lt;p&gt;{text}&lt;/p&gt;</description></item>"""


def feed(title: str, *items: str) -> str:
    return ('<?xml version="1.0"?><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" '
            'xmlns:media="http://search.yahoo.com/mrss/" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd">'
            f"<channel><title>{title}</title>{''.join(items)}</channel></rss>")


def item(number: int, day: int, *, words: str = WORDS, more: str = "", title: str = "", url: str = "") -> str:
    return ITEM.format(
        title=title or f"The {words} of number {number}", url=url or f"https://north.example/a/{number}",
        guid=f"id-{number}", date=f"{day:02} Jun 2026 05:00:00 GMT", words=words,
        text=f"Number {number} tells of the {words} at some length, and of nothing else in the world. {more}" * 2)


def north(www: Path, *items: str) -> None:
    path = www / "north.xml"
    path.write_text(feed(f"North, where a {WORDS} lives", *items))
    os.utime(path, (changed := next(CLOCK), changed))  # Last-Modified counts in whole seconds


class Stage:
    """A site with two sources on loopback and two readers; each step of its life is a method."""

    def __init__(self, site: Any, www: Path, broadsheet: Run) -> None:
        self.site, self.www, self.broadsheet = site, www, broadsheet

    def north(self, *items: str) -> None:
        north(self.www, *items)

    def collect(self, *slugs: str) -> Any:
        said = self.broadsheet(self.site, "collect", *slugs, "--json")
        assert said.status == 0, said.all
        return said

    def dump(self) -> str:
        connection = sqlite3.connect(self.site.folder / "broadsheet.db")
        try:
            return "\n".join(connection.iterdump())
        finally:
            connection.close()

    def holding(self) -> list[str]:
        """Everything of the site that holds a word of the source, but for the mails that left before."""
        found = [f"row: {row[:200]}" for row in self.dump().splitlines() if WORDS in row and '"sources"' not in row]
        found += [str(path) for path in (self.site.folder / "feeds").rglob("*.*") if WORDS in path.read_text()]
        found += [str(path) for path in self.site.folder.glob("broadsheet.db*") if WORDS.encode() in path.read_bytes()]
        return found + [path for path in self.paths() if WORDS in self.page(path)]

    def paths(self) -> list[str]:
        with self.site.app.store.read() as connection:
            letters = [f"/n/lantern/{d.name}" for d in digests.listed(connection)]
        return ["/", "/n/lantern/", *letters, *(f"/a/{n}" for n in range(1, 12))]

    def page(self, path: str) -> str:
        said: list[Any] = []

        async def ask() -> None:
            async def send(message: Any) -> None:
                said.append(message)

            async def receive() -> Any:
                return {"type": "http.request", "body": b""}

            scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
                     "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
                     "headers": [(b"host", b"lantern.example")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 1)}
            await build(self.site.app)(scope, receive, send)

        asyncio.run(ask())
        return str(b"".join(message.get("body", b"") for message in said[1:]).decode())

    def digest(self) -> Any:
        with self.site.app.store.read() as connection:
            return digests.listed(connection)[0]


@pytest.fixture(scope="module")
def www(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    folder = tmp_path_factory.mktemp("www")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def prepare(www: tuple[Path, str]) -> Callable[[Any], None]:
    """Two sources are collected, one digest is sent, and a second one is frozen and waits."""
    folder, _ = www

    def prepare(site: Any) -> None:
        site.subscribe(ANN)
        site.send()
        north(folder, item(1, 1), item(2, 1), item(9, 1, more="At the casino."))
        (folder / "south.xml").write_text(feed("The South", item(
            1, 1, words="zebra", url="https://north.example/a/1", title="The same, told by the south")))
        collect_due(site.app, ["north"], force=True)
        collect_due(site.app, ["south"], force=True)
        site.write("one.md", "Article one")
        site.now = site.now.replace(hour=8, minute=1)
        site.run()
        site.advance(days=1)
        site.subscribe(BEA, start_seq=0)
        north(folder, item(1, 1), item(2, 1, more="It was changed.", title=f"The {WORDS} that was number 2"),
              item(3, 2), item(9, 1, more="At the casino."))
        site.write("two.md", "Article two")
        collect_due(site.app, ["north", "desk"], force=True)
        stop_mail(site, "a test")
        publish_all(site.app)
        site.send()

    return prepare


def stop_mail(site: Any, why: str) -> None:
    with site.app.store.write() as connection:
        meta.put(connection, meta.OUTGOING_STOPPED, why)


@pytest.fixture
def stage(
    copy_site: Any, basic_config: str, www: tuple[Path, str], prepare: Callable[[Any], None], broadsheet: Run
) -> Stage:
    folder, address = www
    return Stage(copy_site(prepare, basic_config + SOURCES.format(web=address)), folder, broadsheet)


def test_nothing_of_it_is_left(stage: Stage) -> None:
    site = stage.site
    before = stage.holding()
    print(f"control: {len(before)} places hold a word of the source before it is taken down")
    assert len(before) > 20
    assert any("INSERT INTO \"passed_over\"" in place for place in before)
    assert any("INSERT INTO \"selections\"" in place for place in before)
    assert any("INSERT INTO \"fragments\"" in place for place in before)
    assert any("INSERT INTO \"article_revisions\"" in place for place in before)
    assert any("title changed from" in place for place in before)
    sent = len(site.mails())

    said = stage.broadsheet(site, "sources", "block", "north", "--purge", "--reason", "a judge said so", "--yes")
    assert said.status == 0, said.all
    assert '"north" is blocked, and 3 articles of it taken down.' in said.out
    assert "1 mail with one of these digests left already and can't be taken back" in said.out
    assert "mailbox holds the mails that were delivered into it" in said.err
    assert "blocked = true" in (site.folder / "config.toml").read_text()
    assert stage.holding() == []
    site.close()

    said = stage.broadsheet(site, "why", "1")
    assert "its source was taken down: a judge said so" in said.out
    assert said.out.startswith("1  (taken down)\n")
    [north_] = stage.broadsheet(site, "sources", "list", "north", "--json").json["sources"]
    assert (north_["standing"], north_["articles"], north_["new_lately"]) == ("blocked", 0, 0)
    stop_mail(site, "")
    site.send()
    late = site.mails()[sent:]
    assert sorted(message["To"] for message in late) == [ANN, BEA], "the digest that was frozen goes out all the same"
    for message in late:
        assert WORDS not in message.as_string()
        assert WORDS not in message["Subject"]
        for kind in ("html", "plain"):
            text = message.get_body((kind,)).get_content()
            assert WORDS not in text
            assert "This article was withdrawn." in text
            assert "Article two" in text
    with site.app.store.read() as connection:
        assert {a.status for a in articles.by_ids(connection, [1, 2]).values()} == {ArticleStatus.WITHDRAWN}
    assert stage.holding() == []
    said = stage.broadsheet(site, "audit", "latest")
    assert "holds" in said.out


def test_none_of_it_comes_back_as_new(stage: Stage) -> None:
    site = stage.site
    site.close()
    assert stage.broadsheet(site, "sources", "block", "north", "--purge", "--yes").status == 0
    path = site.folder / "config.toml"
    path.write_text(with_key(path.read_text(), "north", "blocked", False).replace('["casino"]', '["cas"]'))
    stage.north(item(1, 1), item(2, 1, more="It was changed again."), item(3, 2), item(9, 1, more="At the casino."))
    [poll] = stage.collect("north").json["polls"]
    assert (poll["error"], poll["new"], poll["updated"], poll["moved"]) == ("", 0, 0, 0)
    left = [place for place in stage.holding() if "sources" not in place and "broadsheet.db" not in place]
    assert left == []
    stage.north(item(1, 1), item(2, 1), item(3, 2), item(4, 2))
    site.advance(hours=1)
    [poll] = stage.collect("north").json["polls"]
    assert poll["new"] == 1, "what is really new is taken again"


def test_a_story_goes_on_without_it(stage: Stage) -> None:
    site = stage.site
    with site.app.store.read() as connection:
        known = articles.by_ids(connection, range(1, 9)).values()
        [other] = [a for a in known if a.source == "south"]
        [root] = [a for a in known if a.source == "north" and a.title.endswith("number 1")]
    assert other.story == root.id
    site.close()
    stage.broadsheet(site, "sources", "block", "north", "--purge", "--yes")
    with site.app.store.read() as connection:
        known_ = articles.by_ids(connection, [other.id, root.id])
    assert {a.story for a in known_.values()} == {other.id}
    assert "The same, told by the south" in stage.page("/")


def test_who_was_not_counted_yet_gets_it_without_a_gap(stage: Stage) -> None:
    """A batch without rows is filled after the purge: what was taken down is no article any more."""
    site = stage.site
    site.advance(days=1)
    site.write("three.md", "Article three")
    stage.north(item(5, 3))
    stage.collect("north", "desk")
    with site.app.store.read() as connection:
        before = digests.listed(connection)[0].id
    slot = Slot("daily", "2026-06-03T08:00", site.now)
    made = compose(compose_parts(site.app), site.app.config.newsletter("lantern"), slot, audience="daily", now=site.now)
    assert made.id != before
    site.close()
    stage.broadsheet(site, "sources", "block", "north", "--purge", "--yes")
    sent = len(site.mails())
    assert fill_batches(compose_parts(site.app), site.now) == 1
    stop_mail(site, "")
    site.send()
    [ann] = [m for m in site.mails()[sent:] if m["To"] == ANN]
    text = ann.get_body(("plain",)).get_content()
    assert "Article three" in text
    assert "withdrawn" not in text
    assert ann["Subject"] == "Article three and 1 more"
    assert WORDS not in ann.as_string()


def test_a_send_that_is_under_way_goes_on_without_it(stage: Stage) -> None:
    """Two mails are claimed, the digest is in memory, and between the first and the second it is taken down."""
    site = stage.site
    stop_mail(site, "")
    sent: list[str] = []

    class Between:
        name = "between"

        @property
        def ways(self) -> list[Way]:
            return [Way(self.name, self.open)]

        def open(self) -> Between:
            return self

        def offer(self, _envelope: Any, chunks: list[bytes]) -> None:
            self.offered = b"".join(chunks).decode()

        def commit(self, _following: Any = None) -> Outcome:
            sent.append(self.offered)
            if len(sent) == 1:
                take_down(site.app, known(site.app, "north"), "")
            return Outcome(DeliveryState.SENT)

        def abandon(self) -> None:
            pass

        close = abandon

        def arrived(self, _envelope: Any) -> bool | None:
            return None

    done = deliver(Outbox(site.app.store, site.app.keyring, Between(), "w.1", site.app.now))
    assert done.numbers == {DeliveryState.SENT: 2}
    assert [WORDS in message for message in sent] == [True, False]
    assert "withdrawn" in sent[1]
    site.counts(stage.digest().id)


def test_it_asks_before(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    site = stage.site
    site.close()
    said = stage.broadsheet(site, "sources", "block", "north", "--purge")
    assert (said.status, "say --yes" in said.err) == (2, True)
    assert "can't be undone" in said.out

    class Somebody(StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Somebody("n\n"))
    said = stage.broadsheet(site, "sources", "block", "north", "--purge")
    assert (said.status, "Nothing was changed" in said.out) == (0, True)
    assert "blocked" not in (site.folder / "config.toml").read_text()
    assert len(stage.holding()) > 20
    assert stage.broadsheet(site, "sources", "block", "nrth", "--purge", "--yes").status == 2


def test_what_was_taken_down_stays_so_when_its_source_is_removed_and_added(stage: Stage) -> None:
    site, said = stage.site, stage.broadsheet
    stage.north(item(1, 1))
    stage.collect("north")
    assert said(site, "sources", "block", "north", "--reason", "a judge").status == 2, "nothing to keep it with"
    assert said(site, "sources", "block", "north", "--purge", "--yes").status == 0
    again = said(site, "sources", "block", "north", "--purge")
    assert (again.status, "gave nothing that is still there" in again.out, "undone" in again.all) == (0, True, False)
    path = site.folder / "config.toml"
    url = next(line for line in path.read_text().splitlines() if "north.xml" in line).split('"')[1]
    path.write_text(path.read_text().partition("[[feeds]]\nslug = \"north\"")[0])
    removed = said(site, "sources", "remove", "north")
    assert (removed.status, "Its articles were taken down (3), and stay" in removed.out) == (0, True), removed.all
    assert "articles stay where" not in removed.out
    added = said(site, "sources", "add", url, "--allow-network", "127.0.0.0/8", "--dry-run")
    assert 'a source before, "north", and blocked, and 3 of its articles were taken down' in added.err, added.all
