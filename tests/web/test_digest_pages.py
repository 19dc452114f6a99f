"""Newsletters and digests on the web: public, the same for everyone, gone when taken back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from secrets import token_hex
from typing import Any

import pytest
from lxml.html import document_fromstring

from pipeline.config import load
from pipeline.model.articles import ArticleStatus
from pipeline.model.newsletters import DigestStatus
from pipeline.store import digests, public_digests
from pipeline.store.schema import articles as article_table
from pipeline.store.schema import digests as digest_table
from pipeline.store.schema import fragments


def test_a_newsletter_says_when_it_comes_and_what_there_was(house: Any) -> None:
    page = house.get("/n/beacon/")
    assert page.status == 200
    assert "every day at 08:00, Europe/Stockholm" in page.text
    assert "every Monday at 08:00, Europe/Stockholm" in page.text
    assert f'href="{house.digest_path}"' in page.text
    assert "Monday, 23 November 2026" in page.text
    assert "The last ferry &amp; the first" in page.text


def test_a_digest_holds_nothing_personal(house: Any) -> None:
    page = house.get(house.digest_path)
    assert page.status == 200
    assert "The last ferry &amp; the first" in page.text
    assert "Bread" in page.text
    for personal in ("jonna@example.org", "reader@", "/u/", "/p/", "Unsubscribe", "how often", "came to"):
        assert personal not in page.text
    assert "<script" not in page.text


def test_a_digest_may_keep_its_inline_styles_and_nothing_more(house: Any) -> None:
    policy = house.get(house.digest_path).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "style-src 'unsafe-inline'" in policy
    assert "sandbox" in policy
    assert "script" not in policy


def beside(house: Any, **values: Any) -> str:
    """One more digest, like the one there is but for these values; its address."""
    with house.app.store.write() as connection:
        row = dict(connection.execute(digest_table.select().order_by(digest_table.c.id)).mappings().first())
        number = connection.execute(digest_table.insert().values(
            **{**row, "id": None, "uid": token_hex(16), **values})).inserted_primary_key[0]
        return f"http://127.0.0.1:8000/n/beacon/{digests.get(connection, number).name}"


def around(house: Any, path: str) -> dict[str, str]:
    """What a page names before and after itself; its head and its text say the same."""
    page = document_fromstring(house.get(path).body)
    heads = {rel: href for rel in ("prev", "next") for href in page.xpath(f"//link[@rel='{rel}']/@href")}
    assert {rel: href for rel in ("prev", "next") for href in page.xpath(f"//body//a[@rel='{rel}']/@href")} == heads
    return heads


def test_a_digest_leads_to_the_ones_before_and_after_it(house: Any) -> None:
    path, due = house.digest_path, house.digest.due_at
    first = house.get(path)
    assert around(house, path) == {}
    older = beside(house, nominal="2026-11-20T08:00", due_at=due - timedelta(days=3))
    old = beside(house, nominal="2026-11-22T08:00", schedule="daily", due_at=due - timedelta(days=1))
    assert around(house, path) == {"prev": old}
    assert house.get(path, if_none_match=first.headers["etag"]).status == 200, "a page that was kept is not this one"
    new = beside(house, nominal="2026-11-23T09:00", schedule="daily", due_at=due)   # a tie: by their numbers
    beside(house, nominal="2026-11-25T08:00", due_at=due + timedelta(days=2))
    assert around(house, path) == {"prev": old, "next": new}
    kept = house.get(path)
    assert house.get(path, if_none_match=kept.headers["etag"]).status == 304
    with house.app.store.write() as connection:
        connection.execute(digest_table.update().where(digest_table.c.nominal.in_(
            ["2026-11-22T08:00", "2026-11-23T09:00"])).values(status=DigestStatus.PAUSED))
    assert around(house, path)["prev"] == older
    assert around(house, path)["next"].endswith("/2026-11-25-0800")


def test_a_digest_that_was_frozen_before_there_were_neighbours_is_served(house: Any) -> None:
    beside(house, nominal="2026-11-20T08:00", due_at=house.digest.due_at - timedelta(days=3))
    with house.app.store.write() as connection:
        connection.execute(fragments.delete().where(
            (fragments.c.name == "previous_url") | fragments.c.scope.contains("previous_url")
            | (fragments.c.name == "next_url") | fragments.c.scope.contains("next_url")))
    page = house.get(house.digest_path)
    assert page.status == 200
    assert "The last ferry &amp; the first" in page.text
    assert 'rel="prev"' not in page.text


FEED = "http://127.0.0.1:8000/feeds/newsletters/beacon/rss.xml"


def test_a_newsletter_and_its_digests_name_its_feed(house: Any, house_with: Any) -> None:
    for path in ("/n/beacon/", house.digest_path):
        page = document_fromstring(house.get(path).body)
        assert page.xpath("//head/link[@rel='alternate'][@type='application/rss+xml']/@href") == [FEED]
        assert FEED in page.xpath("//body//a/@href")
    answer = house.get(FEED.removeprefix("http://127.0.0.1:8000"))
    assert answer.status == 200
    assert f"<link>http://127.0.0.1:8000{house.digest_path}</link>" in answer.text
    without = house_with({})
    path = without.folder / "config.toml"
    path.write_text(path.read_text().replace('former = ["lamp"]', "feed = false"))
    silent = replace(without, app=replace(without.app, config=load(path))).get("/n/beacon/").text
    assert "rss.xml" not in silent
    assert "see the feeds" in silent


def test_the_web_copy_of_a_digest_and_its_entry_hold_nothing_of_the_mail_s_reader(house: Any) -> None:
    """What stands in the delivered mail and is of one person is nowhere in what everybody may read."""
    [mail] = [message_from_bytes(path.read_bytes(), policy=policy.default)
              for path in (house.folder / "mailbox").glob("*/*") if b"To: jonna@" in path.read_bytes()]
    page = document_fromstring(mail.get_body(("html",)).get_content())
    said = " ".join(page.text_content().split())
    [leave] = set(page.xpath("//a[contains(@href, '/u/')]/@href"))
    preheader = page.xpath("//body/*[1]")[0].text_content()
    assert preheader.strip().startswith("The last ferry & the first")
    personal = (leave, leave.rpartition("/")[2], "jonna@example.org", "asked for it on 23 November 2026", preheader)
    assert all(word in said or word in (leave, leave.rpartition("/")[2], preheader) for word in personal)
    for path in (house.digest_path, "/n/beacon/", *(
            f"/feeds/newsletters/beacon/{name}" for name in ("rss.xml", "atom.xml", "feed.json", "index.html"))):
        answer = house.get(path)
        assert answer.status == 200
        assert [word for word in (*personal, mail["Message-ID"].strip("<>")) if word in answer.text] == [], path


def test_a_digest_may_be_kept(house: Any) -> None:
    first = house.get(house.digest_path)
    assert "public" in first.headers["cache-control"]
    assert house.get(house.digest_path, if_none_match=first.headers["etag"]).status == 304


def test_an_article_that_was_withdrawn_leaves_the_digest(house: Any) -> None:
    before = house.get(house.digest_path)
    with house.app.store.write() as connection:
        connection.execute(article_table.update().where(article_table.c.title.like("%ferry%")).values(
            status=ArticleStatus.WITHDRAWN))
    after = house.get(house.digest_path, if_none_match=before.headers["etag"])
    assert after.status == 200
    assert "ferry" not in after.text
    assert "tide table" in after.text
    assert "ferry" not in house.get("/n/beacon/").text


@pytest.mark.parametrize(
    ("status", "answer", "listed"),
    [
        (DigestStatus.DRAFT, 404, False), (DigestStatus.APPROVED, 404, False), (DigestStatus.HELD, 404, False),
        (DigestStatus.SKIPPED, 404, False), (DigestStatus.CANCELLED, 410, False), (DigestStatus.PAUSED, 200, False),
        (DigestStatus.FROZEN, 200, True), (DigestStatus.SENDING, 200, True), (DigestStatus.DONE, 200, True),
    ],
)
def test_what_a_reader_sees_of_a_digest(house: Any, status: DigestStatus, answer: int, listed: bool) -> None:
    path = house.digest_path
    with house.app.store.write() as connection:
        connection.execute(digest_table.update().values(status=status))
    assert house.get(path).status == answer
    assert (path in house.get("/n/beacon/").text) is listed
    assert (path in house.get("/").text) is listed


def test_a_digest_of_a_schedule_is_found_by_its_name(house: Any) -> None:
    with house.app.store.write() as connection:
        connection.execute(digest_table.update().values(schedule="weekly", nominal="2026-11-23T08:00"))
    assert house.digest_path == "/n/beacon/2026-11-23-0800-weekly"
    assert house.get(house.digest_path).status == 200
    assert house.get("/n/beacon/2026-11-23-0800-daily").status == 404


def test_an_unknown_digest_gets_a_page_that_helps(house: Any) -> None:
    page = house.get("/n/beacon/2020-01-01-0800-weekly")
    assert page.status == 404
    assert f'href="{house.digest_path}"' in page.text
    assert 'href="/n/beacon/"' in page.text
    unknown = house.get("/n/nobody/")
    assert unknown.status == 404
    assert 'href="/n/beacon/"' in unknown.text


@pytest.mark.parametrize(
    ("old", "new"),
    [("/n/beacon", "/n/beacon/"), ("/n/lamp", "/n/beacon/"), ("/n/lamp/", "/n/beacon/"),
     ("/n/lamp/2026-11-23-0800-weekly", "/n/beacon/2026-11-23-0800-weekly")],
)
def test_old_addresses_lead_on(house: Any, old: str, new: str) -> None:
    answer = house.get(old)
    assert (answer.status, answer.headers["location"]) == (308, new)


def test_damaged_fragments_are_no_page(house: Any) -> None:
    with house.app.store.write() as connection:
        connection.exec_driver_sql("UPDATE fragments SET body = body || 'x'")
    answer = house.get(house.digest_path)
    assert answer.status == 500
    assert "Nothing was changed" in answer.text


def test_the_web_copy_has_the_table_of_contents_that_the_mail_has(house: Any) -> None:
    told = house.get(house.digest_path).text
    assert "In this letter" not in told, "two articles need none"
    with house.app.store.write() as connection:
        facts = digests.facts(connection, house.digest.id)
        rules = facts.settings["rules"] | {"contents": 2}
        connection.execute(digest_table.update().where(digest_table.c.id == house.digest.id).values(
            settings=facts.settings | {"rules": rules}))
    told = house.get(house.digest_path).text
    assert "In this letter" in told
    assert told.count('href="#a') == 2


def test_the_digest_shows_what_most_people_got(house: Any) -> None:
    with house.app.store.read() as connection:
        assert len(public_digests.copy(connection, house.digest.id).articles) == 2


def test_an_announcement_is_mail_only(house: Any) -> None:
    with house.app.store.read() as connection:
        before = public_digests.public_state(connection)
    path = beside(house, kind="announcement", schedule="manual", nominal="2026-11-23T07:45:00-announcement")
    with house.app.store.read() as connection:
        assert public_digests.public_state(connection) == before, "no feed is built anew for it"
    assert path.endswith("/2026-11-23-074500-announcement")
    assert house.get(path).status == 404
    assert "announcement" not in house.get("/n/beacon/").text
    assert around(house, house.digest_path) == {}, "and nothing leads to it"
    cancelled = beside(house, kind="announcement", schedule="manual", nominal="2026-11-23T07:46:00-announcement",
                       status=DigestStatus.CANCELLED)
    assert house.get(cancelled).status == 404, "nobody is told of what was never there"
    with house.app.store.read() as connection:
        assert public_digests.public_state(connection) == before
