"""Withdrawing single articles, row by row, on each database; tests/cli/test_corrections.py tells what readers get."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from pipeline.model.articles import ArticleStatus, Show
from pipeline.model.deliveries import DeliveryState
from pipeline.model.fragments import fragments, thaw
from pipeline.model.frozen import Arrangement, Fragment, Frozen, Piece, PieceKind, fragment, literal
from pipeline.model.sources import PassedState, SourceKind
from pipeline.model.withdrawn import OF_AN_ARTICLE, WORDS
from pipeline.store import (
    articles,
    changes,
    deliveries,
    digests,
    meta,
    passed,
    redaction,
    similar,
    sources,
    stories,
    withdrawals,
)
from pipeline.store.articles import Acceptance
from pipeline.store.passed import PassedOver
from pipeline.store.schema import article_bands, article_topics, digest_articles, likenesses, selections
from pipeline.store.schema import articles as table
from pipeline.store.schema import digests as digest_rows
from pipeline.store.sources import Declared

WHY = "it was a hoax"
SITE = "https://lantern.example"


def reworded(_digest: int, ids: Sequence[int], more: int) -> tuple[str, str]:
    return f"{len(ids)} and {more}", "other words"


def add(book: Any, source: int, title: str, *, held: str = "", **values: Any) -> int:
    with book.store.write() as connection:
        [made] = articles.add(connection, source, [(
            book.draft(title, topics=("city",), **values), Acceptance(Show.FULL, mailable=True, held=held))], book.now)
    return made


def withdraw(book: Any, *ids: int) -> redaction.Extent:
    with book.store.write() as connection:
        return withdrawals.withdraw(connection, ids, WHY, reworded, book.now)


def row(book: Any, article: int) -> dict[str, Any]:
    with book.store.read() as connection:
        return dict(connection.execute(select(table).where(table.c.id == article)).mappings().one())


def merge(book: Any, *ids: int) -> None:
    with book.store.write() as connection:
        for other in ids[1:]:
            similar.merge(connection, ids[0], other, book.now)


def freeze(book: Any, html: dict[int, str], text: dict[int, str] | None = None) -> int:
    """A digest of all that there is, with these pieces."""
    digest = book.freeze()
    slot = Piece(PieceKind.SLOT, "articles")
    pieces = {("articles", i): fragment("articles", i, body, (text or {}).get(i, "x\n")) for i, body in html.items()}
    frozen = Frozen("nonce123", (literal("<ul>"), slot, literal("</ul>\n")), (literal("x\n"), slot), pieces)
    with book.store.write() as connection:
        digests.store_content(connection, digest, [], {"": fragments(frozen)})
        connection.execute(update(digest_rows).where(digest_rows.c.id == digest).values(
            settings={"page": {"public_url": SITE}}))
    return digest


def piece(book: Any, digest: int, article: int) -> Fragment:
    with book.store.read() as connection:
        return thaw(digests.fragment_rows(connection, digest), "nonce123").fragments["articles", article]


@pytest.fixture
def north(book: Any, declare_one: Callable[..., int]) -> int:
    with book.store.write() as connection:
        return declare_one(connection, Declared("north", SourceKind.FEED, "https://north.example/", title="The North"),
                           book.now)


def test_its_own_row_keeps_its_words_and_its_identity(book: Any) -> None:
    one, other = book.accept(2)
    held = add(book, book.source, "quagga", held="held as a flood")
    before = {i: row(book, i) for i in (one, held, other)}
    with book.store.read() as connection:
        changed, accepted = changes.latest(connection), meta.counter(connection, meta.ACCEPTED)
    found = withdraw(book, one, held)
    assert (found.articles, found.digests, found.sent, found.waiting, found.passed) == (2, (), 0, 0, 0)
    for article in (one, held):
        new = row(book, article)
        assert {name for name in new if new[name] != before[article][name]} - {"reason"} == {
            "status", "withdrawn_at", "changed_seq"}
        assert (new["status"], new["reason"], new["withdrawn_at"]) == ("withdrawn", WHY, book.now)
        assert new["changed_seq"] > changed
    assert row(book, other) == before[other]
    with book.store.read() as connection:
        assert meta.counter(connection, meta.ACCEPTED) == accepted
        assert meta.counter(connection, meta.TAKEN_DOWN) == 1, "whoever follows its links asks again"
        assert connection.execute(select(article_topics.c.topic).where(
            article_topics.c.article_id == held)).scalars().all() == ["city"]


def test_twice_is_once_and_nothing_lets_it_in_again(book: Any) -> None:
    [one] = book.accept()
    held = add(book, book.source, "quagga", held="held as a flood")
    withdraw(book, one, held)
    before = row(book, one), row(book, held)
    book.now += timedelta(days=1)
    assert withdraw(book, one, held, 999).articles == 0
    with book.store.write() as connection:
        assert withdrawals.extent(connection, [one, held]).articles == 0
        assert articles.release(connection, [one, held], book.now) == 0
    assert (row(book, one), row(book, held)) == before


def test_its_story_goes_on_without_it(book: Any, north: int) -> None:
    [one] = book.accept()
    other, third = add(book, north, "Told again"), add(book, north, "And again")
    [alone] = book.accept()
    merge(book, one, other, third)
    with book.store.write() as connection:
        assert [a.id for a in stories.with_also(connection, [articles.by_id(connection, other)])[0].also] == [one]
        similar.record(connection, {one: {1: 2}, other: {1: 3}}, {(alone, one): 80, (alone, other): 80}, book.now)
        changed = changes.latest(connection)
    withdraw(book, one)
    assert [row(book, i)["story_id"] for i in (one, other, third)] == [None, one, one], "it is called after it for good"
    assert all(row(book, i)["changed_seq"] > changed for i in (one, other, third)), "they say no more 'also in'"
    assert row(book, alone)["changed_seq"] <= changed
    with book.store.read() as connection:
        assert {a.id: a.status for a in articles.siblings(connection, [one], 99)} == {
            one: ArticleStatus.WITHDRAWN, other: ArticleStatus.ACCEPTED, third: ArticleStatus.ACCEPTED}
        assert [a.also for a in stories.with_also(connection, [articles.by_id(connection, other)])] == [()]
        assert connection.execute(select(article_bands.c.article_id)).scalars().all() == [other]
        states = {(r.article_id, r.other_id): r.state for r in connection.execute(select(likenesses))}
        assert states == {(other, one): "merged", (third, one): "merged", (alone, other): "suggested"}


def test_a_frozen_digest_loses_it_and_mails_that_wait_are_made_anew(book: Any) -> None:
    for name in ("ada", "bob", "eve"):
        book.join(name)
    mine, other = add(book, book.source, "quagga", author="quagga", url="https://x.example/quagga"), *book.accept()
    digest = freeze(book, {mine: "<li>quagga</li>", other: "<li>other</li>"}, {mine: "quagga\n"})
    book.fill(digest)
    with book.store.write() as connection:  # all three share one selection; eve's is another
        connection.execute(update(selections).values(article_ids=[mine, other], subject="quagga", preheader="quagga"))
        apart = digests.ensure_selection(connection, digest, Arrangement((other,)), more=0, subject="Other",
                                         preheader="")
        assert len(deliveries.claim(connection, "w.1", book.now, 10)) == 3
    book.put(book.delivery(digest, "ada")["id"], DeliveryState.SENT)
    book.put(book.delivery(digest, "eve")["id"], DeliveryState.CLAIMED, selection_id=apart)
    with book.store.read() as connection:
        assert withdrawals.extent(connection, [mine]) == redaction.Extent(1, (digest,), sent=1, waiting=1)
        assert withdrawals.extent(connection, [other]) == redaction.Extent(1, (digest,), sent=1, waiting=2)
    found = withdraw(book, mine)
    assert (found.digests, found.sent, found.waiting) == ((digest,), 1, 1), "eve's mail never held it"
    assert [book.delivery(digest, name)["state"] for name in ("ada", "bob", "eve")] == ["sent", "queued", "queued"]
    book.check()
    left = piece(book, digest, mine)
    assert (left.html, left.text) == (f"<li>{WORDS}</li>\n", f"{WORDS}\n\n\n")
    with book.store.read() as connection:
        told = {a.id: (a.title, a.author, a.url, str(a.status)) for a, _ in digests.frozen_articles(connection, digest)}
        assert told == {mine: ("", "", "", "withdrawn"), other: ("Article 1", "", "", "accepted")}
        assert {s.subject: s.preheader for s in digests.selection_rows(connection, digest).values()} == {
            "2 and 0": "other words", "Other": ""}
        assert meta.counter(connection, meta.TAKEN_DOWN) == 1
        kept = str(digests.fragment_rows(connection, digest)) + str(digests.selection_rows(connection, digest))
    assert "quagga" not in kept
    assert row(book, mine)["title"] == "quagga", "the operator can still see what it was"


@pytest.fixture
def told_thrice(book: Any, north: int) -> tuple[int, int, int, int]:
    """(a digest, three articles in it that tell one story: of the north, a document, one of the first's address)."""
    book.join("ada")
    url = "https://north.example/1"
    mine, document = add(book, north, "One", url=url), add(book, book.source, "Two")
    same = add(book, book.source, "Three", url=url)
    merge(book, mine, document, same)
    digest = freeze(book, {
        mine: f'<li>One, also in <a href="{SITE}/a/{document}">desk</a></li>',
        document: f'<li>Two, also in <a href="{url}">The North</a>, <a href="{url}0">Y</a></li>',
        same: f'<li><a href="{url}">Three</a>, also in <b>The North</b></li>',
    }, {
        mine: f"Also in desk: {SITE}/a/{document}\n",
        document: f"Read on: {SITE}/a/{document}0\nAlso in The North: {url}\n",
    })
    book.fill(digest)
    return digest, mine, document, same


def test_others_lead_to_it_no_more(book: Any, told_thrice: tuple[int, ...]) -> None:
    """As each digest was frozen, also in one that did not hold it; what leads elsewhere stays."""
    digest, mine, document, same = told_thrice
    with book.store.write() as connection:
        connection.execute(digest_articles.delete().where(digest_articles.c.article_id == mine))
        assert len(deliveries.claim(connection, "w.1", book.now, 10)) == 1
    assert withdraw(book, mine).digests == ()
    one, other = piece(book, digest, document), piece(book, digest, same)
    assert one.html == f'<li>Two, also in {OF_AN_ARTICLE}, <a href="https://north.example/10">Y</a></li>'
    assert one.text == f"Read on: {SITE}/a/{document}0\nAlso in {OF_AN_ARTICLE}\n"
    assert other.html == f'<li><a href="https://north.example/1">Three</a>, also in <b>{OF_AN_ARTICLE}</b></li>'
    assert book.states("ada") == [("queued", "")], "what was claimed is made anew"


def test_nor_to_its_page_here(book: Any, told_thrice: tuple[int, ...]) -> None:
    digest, mine, document, same = told_thrice
    withdraw(book, same, document)
    left = piece(book, digest, mine)
    assert (left.html, left.text) == (f"<li>One, also in {OF_AN_ARTICLE}</li>", f"Also in {OF_AN_ARTICLE}\n")
    assert piece(book, digest, document).html == piece(book, digest, same).html == f"<li>{WORDS}</li>\n"


def test_a_source_that_tells_the_story_in_another_article_is_still_named(book: Any, north: int) -> None:
    book.join("ada")
    first, second = (add(book, north, title, url=f"https://north.example/{title}") for title in ("One", "Two"))
    [mine] = book.accept()
    merge(book, first, second, mine)
    html = {mine: '<li>Mine, also in <a href="https://north.example/One">The North</a></li>'}
    digest = freeze(book, html)
    withdraw(book, second)
    assert piece(book, digest, mine).html == html[mine]
    withdraw(book, first)
    assert piece(book, digest, mine).html == f"<li>Mine, also in {OF_AN_ARTICLE}</li>"


def test_a_page_that_it_waited_for_is_not_read_any_more(book: Any, north: int) -> None:
    mine, other = add(book, north, "One"), add(book, north, "Two")
    with book.store.write() as connection:
        passed.record(connection, north, [
            PassedOver(f"//{i}", PassedState.WAITING, "it was changed", "https://north.example/", "Other words",
                       retry_at=book.now, draft={}, article_id=i) for i in (mine, other)], book.now)
    withdraw(book, mine)
    with book.store.read() as connection:
        assert list(passed.rows(connection, north, [f"//{mine}", f"//{other}"])) == [f"//{other}"]


def test_what_it_is_known_by_may_change_and_not_a_word_of_it(book: Any, north: int) -> None:
    mine, other = add(book, north, "One", url="https://north.example/1"), add(book, north, "Two")
    withdraw(book, mine)
    before, kept = row(book, mine), row(book, other)
    with book.store.write() as connection:
        for article in (mine, other):
            withdrawals.recognise(connection, article, guid="other", url_key="//moved", content_hash="edited")
    new = row(book, mine)
    assert {name: new[name] for name in new if new[name] != before[name]} == {
        "guid": "other", "url_key": "//moved", "content_hash": "edited"}
    assert row(book, other) == kept, "that is for withdrawn articles only"
    with book.store.read() as connection:
        [known] = articles.known(connection, north, [book.draft("New", guid="other")])
        assert (known.id, known.status) == (mine, ArticleStatus.WITHDRAWN)
        assert sources.state(connection, "north").id == north
