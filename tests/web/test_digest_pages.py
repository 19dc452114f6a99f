"""Newsletters and digests on the web: public, the same for everyone, gone when taken back."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.compose.public import public_copy
from pipeline.model.articles import ArticleStatus
from pipeline.model.newsletters import DigestStatus
from pipeline.store.schema import articles as article_table
from pipeline.store.schema import digests as digest_table


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


def test_the_digest_shows_what_most_people_got(house: Any) -> None:
    with house.app.store.read() as connection:
        assert len(public_copy(connection, house.digest.id).articles) == 2
