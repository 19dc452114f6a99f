"""Corrections, row by row, on each database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from pipeline.errors import UsageError
from pipeline.model.articles import Article, Show
from pipeline.model.deliveries import DeliveryState
from pipeline.store import articles, changes, corrections, digests, meta, purge, revisions, withdrawals
from pipeline.store.articles import Acceptance
from pipeline.store.schema import article_revisions

NOTE = "The bridge opens in May, not in March."


def correct(book: Any, article: int, note: str = NOTE) -> bool:
    with book.store.write() as connection:
        return corrections.correct(connection, article, note, book.now)


def clear(book: Any, article: int) -> bool:
    with book.store.write() as connection:
        return corrections.clear(connection, article, book.now)


def read(book: Any, article: int) -> Article:
    with book.store.read() as connection:
        return articles.by_id(connection, article)


def changed(book: Any, article: int) -> list[tuple[int, str]]:
    with book.store.read() as connection:
        return [(r.number, r.changed) for r in revisions.of_article(connection, article)]


def counters(book: Any) -> tuple[int, int]:
    with book.store.read() as connection:
        return meta.counter(connection, meta.ACCEPTED), changes.latest(connection)


def seqs(book: Any, article: int) -> list[int | None]:
    with book.store.read() as connection:
        return list(connection.execute(select(article_revisions.c.seq).where(
            article_revisions.c.article_id == article).order_by(article_revisions.c.revision)).scalars())


def test_a_correction_is_a_revision_of_its_own(book: Any) -> None:
    one, other = book.accept(2)
    before, kept = read(book, one), read(book, other)
    accepted, latest = counters(book)
    book.now += timedelta(hours=1)
    assert correct(book, one)
    now = read(book, one)
    assert (now.correction, now.corrected_at, now.updated_at, now.revision) == (NOTE, book.now, book.now, 2)
    assert (now.title, now.html, now.published_at, now.accepted_seq, now.status) == (
        before.title, before.html, before.published_at, before.accepted_seq, before.status)
    assert changed(book, one) == [(1, ""), (2, f"correction: {NOTE}")]
    assert counters(book) == (accepted + 1, latest + 1)
    assert seqs(book, one) == [None, accepted + 1], "so that it can be told once, by a window that holds the number"
    assert (read(book, other), changed(book, other)) == (kept, [])


def test_the_same_note_again_is_no_change(book: Any) -> None:
    [one] = book.accept()
    correct(book, one)
    before = read(book, one), counters(book), changed(book, one)
    book.now += timedelta(hours=1)
    assert not correct(book, one)
    assert (read(book, one), counters(book), changed(book, one)) == before
    assert correct(book, one, "Another one.")
    assert (read(book, one).correction, read(book, one).revision) == ("Another one.", 3)


def test_a_note_that_is_taken_away(book: Any) -> None:
    [one] = book.accept()
    assert not clear(book, one), "there is none"
    assert (read(book, one).revision, changed(book, one)) == (1, [])
    correct(book, one)
    accepted, latest = counters(book)
    book.now += timedelta(hours=1)
    assert clear(book, one)
    now = read(book, one)
    assert (now.correction, now.corrected_at, now.updated_at, now.revision) == ("", None, book.now, 3)
    assert changed(book, one)[-1] == (3, "correction taken away")
    assert counters(book) == (accepted, latest + 1), "nothing to be told, and a change that feeds show"
    assert seqs(book, one)[-1] is None


def test_what_its_source_changes_later_leaves_the_note(book: Any) -> None:
    [one] = book.accept()
    correct(book, one)
    book.now += timedelta(hours=1)
    with book.store.write() as connection:
        articles.revise(connection, one, book.draft("Other words"), book.now, changed="title changed")
    now = read(book, one)
    assert (now.title, now.correction, now.revision) == ("Other words", NOTE, 3)
    assert now.corrected_at == book.now - timedelta(hours=1)
    assert [r[1] for r in changed(book, one)] == ["", f"correction: {NOTE}", "title changed"]


def test_only_what_readers_see_can_be_corrected(book: Any) -> None:
    [one, other] = book.accept(2)
    with book.store.write() as connection:
        [held] = articles.add(connection, book.source, [
            (book.draft("held"), Acceptance(Show.FULL, mailable=True, held="a flood"))], book.now)
        withdrawals.withdraw(connection, [one], "", lambda *_: ("", ""), book.now)
    before = counters(book)
    for article, cause in ((held, "it is held"), (one, "it was withdrawn"), (99, "no such article")):
        for act in (correct, clear):
            with pytest.raises(UsageError, match=cause) as refused:
                act(book, article)
            assert refused.value.hint
    with book.store.write() as connection:
        purge.purge(connection, book.source, "", lambda *_: ("", ""), book.now)
    with pytest.raises(UsageError, match="its source was taken down"):
        correct(book, other)
    assert counters(book)[0] == before[0], "what is refused takes no number"


def test_a_number_without_an_article_leaves_windows_without_a_gap(book: Any) -> None:
    """A correction takes a number of the accepting counter, like an article that no digest takes."""
    book.join("ada")
    [one] = book.accept()
    first = book.freeze()
    book.fill(first)
    correct(book, one)                                  # while the first still waits
    book.put(book.delivery(first, "ada")["id"], DeliveryState.SENT)
    empty = book.freeze()                               # holds the correction's number and no article
    book.fill(empty)
    correct(book, one, "Another one.")
    book.accept()
    correct(book, one, "A third one.")
    last = book.freeze()
    book.fill(last)
    windows = [(w["from_seq"], w["cut_seq"]) for w in (book.delivery(d, "ada") for d in (first, empty, last))]
    assert windows == [(0, 1), (1, 2), (2, 5)]
    assert [state for state, _ in book.states("ada")] == ["sent", "excluded", "queued"]
    with book.store.read() as connection:
        assert [a.title for a, _ in digests.frozen_articles(connection, last)] == ["Article 2"]
        assert digests.frozen_articles(connection, empty) == []
    book.check()
