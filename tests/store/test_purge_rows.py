"""Taking a source down, row by row, on each database; what readers get of it is told in tests/cli/test_takedown.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from pipeline.model.articles import Enclosure, Extra
from pipeline.model.deliveries import DeliveryState
from pipeline.model.fragments import fragments, thaw
from pipeline.model.frozen import Frozen, Piece, PieceKind, fragment, literal
from pipeline.model.sources import PassedState, SourceKind
from pipeline.store import (
    articles,
    changes,
    corrections,
    deliveries,
    digests,
    meta,
    passed,
    purge,
    redaction,
    similar,
    sources,
    withdrawals,
)
from pipeline.store.articles import Acceptance
from pipeline.store.passed import PassedOver
from pipeline.store.schema import article_bands, article_revisions, article_topics, likenesses, selections
from pipeline.store.schema import articles as table
from pipeline.store.sources import Declared

WHY = "a test"


def reworded(_digest: int, ids: Sequence[int], more: int) -> tuple[str, str]:
    return f"{len(ids)} and {more}", "other words"


def north(book: Any, declare_one: Callable[..., int], count: int = 1) -> tuple[int, list[int]]:
    """(a source's id, the ids of so many articles of it with all that an article can have)."""
    with book.store.write() as connection:
        source = declare_one(connection, Declared("north", SourceKind.FEED, "https://north.example/"), book.now)
        sources.record_poll(connection, source, title="quagga", last_polled_at=book.now)
        ids = articles.add(connection, source, [(book.draft(
            f"quagga {n}", guid=f"id-{n}", url=f"https://north.example/quagga/{n}", url_key=f"//north.example/{n}",
            content_hash=f"hash {n}", author="quagga", topics=("quagga",), rights="quagga", licence="https://quagga/",
            image="https://quagga/", text_note="quagga", enclosures=(Enclosure("https://quagga/", "audio/mpeg"),),
            extras=(Extra("itunes:subtitle", "quagga"),)), Acceptance("full", mailable=True)) for n in range(count)],
            book.now)
        articles.revise(connection, ids[0], book.draft("quagga again", guid="id-0", content_hash="hash 0b"), book.now,
                        changed="title changed from quagga")
        corrections.correct(connection, ids[0], "not a quagga", book.now)
        similar.record(connection, {ids[0]: {1: 2}}, {}, book.now)
        passed.record(connection, source, [PassedOver("//p", PassedState.WAITING, "quagga", "https://quagga/", "quagga",
                                                      retry_at=book.now, draft={"title": "quagga"})], book.now)
    return source, ids


def take_down(book: Any, source: int) -> redaction.Extent:
    with book.store.write() as connection:
        return purge.purge(connection, source, WHY, reworded, book.now)


def rows(book: Any, query: Any) -> list[dict[str, Any]]:
    with book.store.read() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def test_only_what_identifies_an_article_is_left(book: Any, declare_one: Callable[..., int]) -> None:
    [other] = book.accept()
    source, ids = north(book, declare_one, 3)
    before = rows(book, select(table).where(table.c.source_id == source))
    assert str(before).count("quagga") > 20
    found = take_down(book, source)
    assert (found.articles, found.passed, found.digests, found.sent, found.waiting) == (3, 1, (), 0, 0)
    for old, new in zip(before, rows(book, select(table).where(table.c.source_id == source)), strict=True):
        kept = {name for name in old if old[name] == new[name]}
        assert {"id", "source_id", "guid", "url_key", "content_hash", "accepted_seq", "published_at"} <= kept
        assert (new["status"], new["reason"], new["purged_at"]) == ("withdrawn", WHY, book.now)
        assert (new["withdrawn_at"], new["correction"], new["corrected_at"]) == (book.now, "", None)
        assert "quagga" not in str(new)
    assert rows(book, select(article_topics)) == []
    assert rows(book, select(article_bands)) == []
    assert [(r["title"], r["changed"]) for r in rows(book, select(article_revisions))] == [("", "")] * 3
    with book.store.read() as connection:
        assert articles.by_id(connection, other).title == "Article 1"
        [waited] = passed.rows(connection, source, ["//p"]).values()
        assert (waited.state, waited.title, waited.url, waited.draft, waited.retry_at) == (
            PassedState.REFUSED, "", "", None, None)
        assert sources.state(connection, "north").title == ""
        assert passed.sources_waiting(connection, book.now) == {}
        assert articles.by_id(connection, ids[0]).source_title == "north"
    again = take_down(book, source)
    assert (again.articles, again.passed) == (0, 0)


def test_a_story_is_called_after_the_next_oldest(book: Any, declare_one: Callable[..., int]) -> None:
    source, [first, second] = north(book, declare_one, 2)
    third, fourth, alone = book.accept(3)
    with book.store.write() as connection:
        for one in (second, third, fourth):
            similar.merge(connection, first, one, book.now)
        connection.execute(update(likenesses).where(likenesses.c.article_id == third).values(state="suggested"))
    take_down(book, source)
    stories = {r["id"]: r["story_id"] for r in rows(book, select(table.c.id, table.c.story_id))}
    assert stories == {first: third, second: third, third: None, fourth: third, alone: None}
    assert {r["article_id"] for r in rows(book, select(likenesses))} == {second, fourth}


def test_it_is_a_change_of_each_and_of_who_says_also_in(book: Any, declare_one: Callable[..., int]) -> None:
    """What was withdrawn before stays withdrawn as of then: that is what readers were told."""
    source, [first, second] = north(book, declare_one, 2)
    other, alone = book.accept(2)
    earlier = book.now
    with book.store.write() as connection:
        similar.merge(connection, first, other, book.now)
        withdrawals.withdraw(connection, [second], "", reworded, earlier)
        book.now += timedelta(days=1)
        before = changes.latest(connection)
    assert take_down(book, source).articles == 2
    changed = {r["id"]: r["changed_seq"] for r in rows(book, select(table.c.id, table.c.changed_seq))}
    assert changed[alone] <= before < changed[first] == changed[second] == changed[other]
    [late] = rows(book, select(table).where(table.c.id == second))
    assert (late["withdrawn_at"], late["purged_at"], late["title"]) == (earlier, book.now, "")


def test_a_frozen_digest_keeps_its_form(book: Any, declare_one: Callable[..., int]) -> None:
    book.join("ada")
    source, [_, mine] = north(book, declare_one, 2)
    [other] = book.accept()
    digest = book.freeze()
    slot = Piece(PieceKind.SLOT, "articles")
    frozen = Frozen("nonce123", (literal("<ul>"), slot, literal("</ul>\n")), (literal("x\n"), slot), {
        ("articles", mine): fragment("articles", mine, "<li>quagga</li>", "quagga\n"),
        ("articles", other): fragment(
            "articles", other, '<li>other, also in <a href="https://north.example/quagga/1">quagga</a></li>',
            "other\nAlso in quagga: https://north.example/quagga/1\n")})
    with book.store.write() as connection:
        similar.merge(connection, other, mine, book.now)
        digests.store_content(connection, digest, [], {"": fragments(frozen)})
    book.fill(digest)
    with book.store.write() as connection:
        connection.execute(update(selections).values(article_ids=[mine, other], subject="quagga", preheader="quagga"))
        assert len(deliveries.claim(connection, "w.1", book.now, 10)) == 1
    found = take_down(book, source)
    assert (found.digests, found.sent, found.waiting) == ((digest,), 0, 1)
    book.check()
    assert [state for state, _ in book.states("ada")] == [DeliveryState.QUEUED]
    with book.store.read() as connection:
        again = thaw(digests.fragment_rows(connection, digest), "nonce123")
        assert again.fragments["articles", mine].html == "<li>This article was withdrawn.</li>\n"
        assert again.fragments["articles", other].html.startswith("<li>other, also in a source that")
        told = {a.id: (a.title, str(a.status)) for a, _ in digests.frozen_articles(connection, digest)}
        assert (told[mine], told[other]) == (("", "withdrawn"), ("Article 1", "accepted"))
        [selection] = digests.selection_rows(connection, digest).values()
        assert (selection.subject, selection.preheader) == ("2 and 0", "other words")
        assert meta.counter(connection, meta.TAKEN_DOWN) == 1
        assert "quagga" not in str(rows(book, select(table))) + str(digests.fragment_rows(connection, digest))
