"""Articles: the accepting counter orders them, releasing is accepting, stories join on address or content only."""

from __future__ import annotations

from datetime import timedelta

from pipeline.model.articles import ArticleStatus, Show
from pipeline.model.selection import Rules
from pipeline.model.sources import SourceKind
from pipeline.store import articles, digests
from pipeline.store.articles import Acceptance
from pipeline.store.chunks import CHUNK
from pipeline.store.sources import Declared

LONG = "A summary that is long enough to say something that no second article says by chance, ever. " * 2


def add(book, *drafts, held: str = "", mailable: bool = True) -> list[int]:
    with book.store.write() as connection:
        return articles.add(connection, book.source, [(d, Acceptance(Show.FULL, mailable, held=held)) for d in drafts],
                            book.now)


def read(book, *ids: int):
    with book.store.read() as connection:
        found = articles.by_ids(connection, ids)
    return [found[i] for i in ids]


def test_numbers_follow_acceptance_and_held_ones_get_theirs_when_released(book) -> None:
    one, two = add(book, book.draft("One"), book.draft("Two"))
    (held,) = add(book, book.draft("Held"), held="a flood")
    (three,) = add(book, book.draft("Three"))
    assert [a.accepted_seq for a in read(book, one, two, held, three)] == [1, 2, 0, 3]
    assert read(book, held)[0].status is ArticleStatus.HELD
    with book.store.write() as connection:
        assert articles.release(connection, [held, one], book.now + timedelta(hours=1)) == 1
        assert articles.release(connection, [held], book.now) == 0
    (released,) = read(book, held)
    assert (released.accepted_seq, released.accepted_at, released.reason) == (4, book.now + timedelta(hours=1), "")


def test_a_revision_keeps_identity_date_and_number(book) -> None:
    (one,) = add(book, book.draft("One", topics=("a",)))
    with book.store.write() as connection:
        articles.revise(connection, one, book.draft("One", content_hash="other", topics=("b",),
                                                    published_at=book.now + timedelta(days=1)), book.now)
    (after,) = read(book, one)
    assert (after.revision, after.accepted_seq, after.published_at, after.topics) == (2, 1, book.now, ("b",))
    with book.store.read() as connection:
        assert not digests.unchanged(connection, [*read_before(after)])
        assert [a.id for a in articles.newest(connection, Rules(topics=("b",)), 5)] == [one]
        assert articles.newest(connection, Rules(topics=("a",)), 5) == []


def read_before(after):
    from dataclasses import replace

    return [replace(after, revision=1)]


def test_what_is_withdrawn_leaves_feeds_and_candidates(book) -> None:
    one, two = add(book, book.draft("One"), book.draft("Two"))
    (chosen,) = read(book, one)
    with book.store.write() as connection:
        assert digests.unchanged(connection, [chosen])
        connection.execute(articles.articles.update().where(articles.articles.c.id == one).values(status="withdrawn"))
        assert not digests.unchanged(connection, [chosen])
        assert [a.id for a in articles.newest(connection, Rules(), 5)] == [two]
        assert [a.id for a in articles.accepted_between(connection, 0, 9, Rules())] == [two]


def test_candidates_are_half_open_and_mailable(book) -> None:
    add(book, *(book.draft(f"A{n}") for n in range(4)))
    add(book, book.draft("backlog"), mailable=False)
    with book.store.read() as connection:
        found = [a.accepted_seq for a in articles.accepted_between(connection, 1, 3, Rules())]
        assert found == [2, 3]
        assert [a.accepted_seq for a in articles.accepted_between(connection, 0, 99, Rules())] == [1, 2, 3, 4]
        assert len(articles.newest(connection, Rules(), 99)) == 5, "feeds take it"


def test_stories_join_on_the_same_address_or_the_same_telling_content_only(book, declare_one) -> None:
    with book.store.write() as connection:
        other = declare_one(connection, Declared("other", SourceKind.FEED, "y"), book.now)
    (one,) = add(book, book.draft("One", url_key="https://a.example/x", content_hash="h", summary=LONG))
    (short,) = add(book, book.draft("Open thread", content_hash="t", summary="Open thread"))
    told = [book.draft("Same address", url_key="https://a.example/x"), book.draft("Same words", content_hash="h",
                                                                                  summary=LONG),
            book.draft("Open thread again", content_hash="t", summary="Open thread"), book.draft("Its own")]
    with book.store.write() as connection:
        ids = articles.add(connection, other, [(d, Acceptance(Show.FULL, mailable=True)) for d in told], book.now)
    assert [a.story for a in read(book, one, short, *ids)] == [one, short, one, one, ids[2], ids[3]]
    with book.store.read() as connection:
        assert [a.id for a in articles.siblings(connection, {one}, 3)] == [one, ids[0]]


def test_known_finds_by_each_of_the_three_and_in_this_source_only(book, declare_one) -> None:
    ids = add(book, *(book.draft(f"A{n}", guid=f"g{n}", url_key=f"u{n}", content_hash=f"h{n}") for n in range(4)))
    with book.store.write() as connection:
        other = declare_one(connection, Declared("other", SourceKind.FEED, "y"), book.now)
        wanted = [book.draft("x", guid="g0", url_key="", content_hash="-"),
                  book.draft("x", guid="", url_key="u1", content_hash="-"),
                  book.draft("x", guid="", url_key="", content_hash="h2")]
        assert [k.id for k in articles.known(connection, book.source, wanted)] == ids[:3]
        assert articles.known(connection, other, wanted) == []


def test_two_articles_without_a_guid_are_no_collision(book) -> None:
    assert len(add(book, book.draft("A", guid=""), book.draft("B", guid=""))) == 2


def test_search_takes_wild_cards_literally(book) -> None:
    add(book, book.draft("100% sure"), book.draft("1000 ships"), book.draft("Straße_1"))
    with book.store.read() as connection:
        assert [a.title for a in articles.search(connection, text="100%")] == ["100% sure"]
        assert [a.title for a in articles.search(connection, text="_")] == ["Straße_1"]
        assert [a.title for a in articles.search(connection, text="SHIPS")] == ["1000 ships"]


def test_many_identities_at_once(book) -> None:
    """More than one statement's worth."""
    wanted = [book.draft(f"A{n}") for n in range(CHUNK + 5)]
    ids = add(book, *wanted)
    with book.store.read() as connection:
        assert len(articles.known(connection, book.source, wanted)) == len(wanted)
        assert len(articles.by_ids(connection, ids)) == len(wanted)
