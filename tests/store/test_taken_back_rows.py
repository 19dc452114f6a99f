"""What taking back does beside an article's own pieces, row by row, on each database: headings, corrections, what was
said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from pipeline.model.articles import Show
from pipeline.model.drafts import HeldBy
from pipeline.model.edits import Edits
from pipeline.model.fragments import FragmentRow, fragments, thaw, with_body
from pipeline.model.frozen import GROUP, Arrangement, Frozen, Note, Piece, PieceKind, fragment, literal, web_html
from pipeline.model.newsletters import DigestStatus
from pipeline.model.selection import Correction
from pipeline.model.withdrawn import WORDS
from pipeline.store import articles, digests, drafts, meta, redaction, remarks, runs, withdrawals
from pipeline.store.articles import Acceptance
from pipeline.store.remarks import LOOK_AGAIN
from pipeline.store.schema import digest_articles, digest_corrections, selections
from pipeline.store.schema import digests as table
from pipeline.store.schema import fragments as pieces
from pipeline.store.schema import runs as run_rows

SLOTS = tuple(Piece(PieceKind.SLOT, name) for name in ("articles", "corrections"))
ANY: dict[str, Any] = {"group": "topic", "topics": ["*"], "sources": []}


def reworded(_digest: int, ids: Sequence[int], more: int) -> tuple[str, str]:
    return f"{len(ids)} and {more}", "other words"


def take_back(book: Any, *ids: int) -> redaction.Extent:
    with book.store.write() as connection:
        return withdrawals.withdraw(connection, ids, "", reworded, book.now)


def told(book: Any, topics: Sequence[tuple[str, ...]], *, names: Sequence[str], rules: dict[str, Any] = ANY) -> Any:
    """(digest, ids): articles with these topics, frozen in two languages under these headings."""
    with book.store.write() as connection:
        ids = articles.add(connection, book.source, [
            (book.draft(f"Quagga {n} {meta.counter(connection, meta.ACCEPTED)}", topics=its),
             Acceptance(Show.FULL, mailable=True)) for n, its in enumerate(topics)], book.now)
    digest = book.freeze()
    known = {("group", n): fragment("group", n, f"<tr><td><h2>{name}</h2></td></tr>", f"{name}\n===\n")
             for n, name in enumerate(names, 1)}
    known |= {("articles", i): fragment("articles", i, f"<tr><td>quagga {i}</td></tr>", f"quagga {i}\n") for i in ids}
    frozen = Frozen("nonce123", (literal("<p>"), *SLOTS, literal("\n")), (literal("x\n"), *SLOTS), known,
                    (Note(ids[0], "quagga is too long"),))
    settings = {"groups": list(names), "rules": rules, "page": {"public_url": ""}}
    with book.store.write() as connection:
        connection.execute(update(table).where(table.c.id == digest).values(settings=settings))
        digests.store_content(connection, digest, [], {"": fragments(frozen), "sv": fragments(frozen)})
    return digest, ids


def chosen(book: Any, digest: int, shown: Arrangement, language: str = "") -> int:
    with book.store.write() as connection:
        return digests.ensure_selection(connection, digest, shown, more=0, subject="quagga", preheader="quagga",
                                        language=language)


def groups(book: Any, digest: int) -> dict[int, list[int]]:
    with book.store.read() as connection:
        return {row.id: row.groups for row in digests.selection_rows(connection, digest).values()}


def headings(book: Any, digest: int, language: str = "") -> dict[int, str]:
    with book.store.read() as connection:
        frozen = thaw(digests.fragment_rows(connection, digest, language), "nonce123")
        return {number: piece.html + piece.text for (slot, number), piece in frozen.fragments.items() if slot == GROUP}


def test_a_heading_that_only_it_had_is_gone_in_each_language(book: Any) -> None:
    book.join("ada")
    digest, [one, two] = told(book, [("boats",), ("city",)], names=("boats", "city"))
    mine = chosen(book, digest, Arrangement((one, two), (1, 2)))
    theirs = chosen(book, digest, Arrangement((one, two), (1, 2)), "sv")
    assert take_back(book, one).digests == (digest,)
    for language in ("", "sv"):
        assert headings(book, digest, language)[1] == ""
        assert "city" in headings(book, digest, language)[2]
    assert groups(book, digest) == {mine: [0, 2], theirs: [0, 2]}
    with book.store.read() as connection:
        names = digests.settings(connection, digest)["groups"]
        assert (names[1], "boats" in names, len(names)) == ("city", False, 2)
        frozen = thaw(digests.fragment_rows(connection, digest), "nonce123")
        html = web_html(frozen, Arrangement((one, two), (0, 2)))
        assert html.index(WORDS) < html.index("city")
        assert frozen.notes == ()


def test_a_heading_stays_while_another_article_stands_under_it(book: Any) -> None:
    """The one under which nothing is left for this person goes for them; its words stay, as others see them."""
    book.join("ada")
    digest, [one, two, three] = told(book, [("city",), ("city", "boats"), ("boats",)], names=("boats", "city"))
    full = chosen(book, digest, Arrangement((three, one, two), (1, 2, 2)))
    picked = chosen(book, digest, Arrangement((one, three), (2, 1)))
    take_back(book, one)
    assert groups(book, digest) == {full: [1, 2, 2], picked: [0, 1]}
    assert "city" in headings(book, digest)[2]
    take_back(book, two)
    assert groups(book, digest) == {full: [1, 0, 0], picked: [0, 1]}
    assert headings(book, digest)[2] == ""
    assert "boats" in headings(book, digest)[1]


def test_a_source_is_a_heading_as_long_as_it_tells_something(book: Any) -> None:
    book.join("ada")
    digest, [one, two] = told(book, [("x",), ("y",)], names=("desk",), rules={**ANY, "group": "source"})
    mine = chosen(book, digest, Arrangement((one, two), (1, 1)))
    take_back(book, one)
    assert (groups(book, digest)[mine], "desk" in headings(book, digest)[1]) == ([1, 1], True)
    take_back(book, two)
    assert (groups(book, digest)[mine], headings(book, digest)[1]) == ([0, 0], "")


def test_an_earlier_telling_keeps_no_heading(book: Any) -> None:
    book.join("ada")
    digest, [one, two] = told(book, [("boats",), ("boats",)], names=("boats",))
    with book.store.write() as connection:
        connection.execute(update(digest_articles).where(digest_articles.c.article_id == two).values(kind="earlier"))
    take_back(book, one)
    assert headings(book, digest)[1] == ""


def test_new_selections_know_the_place_of_the_headings_that_are_left(book: Any) -> None:
    """Places in the list are the headings' numbers, and stay."""
    book.join("ada")
    digest, [one, *_] = told(book, [("boats",), ("city",)], names=("boats", "city"))
    take_back(book, one)
    with book.store.read() as connection:
        names = digests.settings(connection, digest)["groups"]
    assert names.index("city") == 1
    assert "" not in names, "that is the group of articles without any"


def test_one_that_stands_only_in_corrections_is_taken_out_of_each_language(book: Any) -> None:
    book.join("ada")
    digest, [one, two] = told(book, [("city",), ("city",)], names=())
    with book.store.write() as connection:  # as if it had been told in an earlier digest
        connection.execute(delete(digest_articles).where(digest_articles.c.article_id == one))
        connection.execute(delete(pieces).where(pieces.c.article_id == one))
        digests.store_content(connection, digest, [], {}, corrections=[Correction(one, 2, 10)])
        for language in ("", "sv"):
            for ordinal, (part, body) in enumerate((("html", "<li>quagga</li>"), ("text", "* quagga\n")), 90):
                made = with_body(FragmentRow(part, ordinal, "fragment", "corrections", "", one, "", b"", ""), body)
                connection.execute(insert(pieces).values(digest_id=digest, language=language, **asdict(made)))
    mine = chosen(book, digest, Arrangement((two,), (), (one,)))
    book.fill(digest)
    with book.store.write() as connection:
        connection.execute(update(selections).where(selections.c.id != mine).values(
            article_ids=[two], corrections=[one]))
        assert [c.article_id for c in digests.frozen_corrections(connection, digest)] == [one]
    found = take_back(book, one)
    assert (found.articles, found.digests, found.sent, found.waiting) == (1, (digest,), 0, 1)
    with book.store.read() as connection:
        rows = connection.execute(select(pieces).where(pieces.c.article_id == one)).all()
        assert [(row.language, row.body) for row in rows] == [
            ("", "<li>This article was withdrawn.</li>\n"), ("", f"* {WORDS}\n"),
            ("sv", "<li>This article was withdrawn.</li>\n"), ("sv", f"* {WORDS}\n")]
        assert digests.selection_rows(connection, digest)[mine].subject == "quagga", "no subject speaks of a correction"
        assert digests.frozen_corrections(connection, digest) == []
        assert connection.execute(select(digest_corrections)).all() != [], "who was told of it stays known"
    book.check()


def open_digest(book: Any, slot: str, **values: Any) -> int:
    with book.store.write() as connection:
        digest, _ = digests.take_slot(connection, book.newsletter, schedule="daily", nominal=slot, due_at=book.now,
                                      audience="daily", now=book.now)
        connection.execute(update(table).where(table.c.id == digest).values(**values))
    return digest


def test_what_was_said_of_it_goes_and_what_was_said_of_others_stays(book: Any) -> None:
    one, two = book.accept(2)
    edits = Edits(drop=(one,), order=(one, two), notes={one: "quagga", two: "stays"}, introduction="Mine")
    found = [{"check": "alt", "severity": "warning", "text": "quagga", "place": ""}]
    drafted = open_digest(book, "one", edits=edits.to_json(), findings=found, proofed_at=book.now)
    ended = open_digest(book, "two", edits=edits.to_json(), findings=found, proofed_at=book.now, status="skipped")
    with book.store.read() as connection:
        before = digests.get(connection, drafted)
    extent = take_back(book, one)
    assert extent.spoken == (drafted,)
    with book.store.read() as connection:
        for number in (drafted, ended):
            now = digests.get(connection, number)
            assert (now.findings, now.proofed_at) == ((), None)
            assert now.edits == replace(edits, notes={two: "stays"})
        assert digests.get(connection, drafted).version == before.version + 1
        assert digests.get(connection, ended).version == before.version
    with book.store.write() as connection:
        drafts.record_proof(connection, drafted, found, book.now, version=before.version)
        assert digests.get(connection, drafted).findings == (), "it was looked at before"
        drafts.record_proof(connection, drafted, found, book.now, version=before.version + 1)
        assert len(digests.get(connection, drafted).findings) == 1


@pytest.mark.parametrize(("by", "reason", "left"), [
    (HeldBy.PREFLIGHT, "links: https://quagga.example/ does not answer", LOOK_AGAIN),
    (HeldBy.ERROR, "subject.txt.j2: 'Article 1' has no attribute 'x'", LOOK_AGAIN),
    (HeldBy.ERROR, "body.html.j2:7: unexpected '}'", "body.html.j2:7: unexpected '}'"),
    (HeldBy.OPERATOR, "Article 1 is doubtful", "Article 1 is doubtful"),
])
def test_why_a_digest_is_held_quotes_nothing_of_it(book: Any, by: HeldBy, reason: str, left: str) -> None:
    [one] = book.accept()
    held = open_digest(book, "one", status=DigestStatus.HELD, held_by=by, reason=reason)
    with book.store.write() as connection:
        for job, its in (("mine", reason), ("other", "something else")):
            connection.execute(insert(run_rows).values(
                job=job, due_at=book.now, status="queued", reason=its, result=f"held: {its}", created_at=book.now))
    take_back(book, one)
    with book.store.read() as connection:
        assert (digests.get(connection, held).reason, digests.get(connection, held).held_by) == (left, by)
        mine, other = (runs.find(connection, job, book.now) for job in ("mine", "other"))
        assert (mine.reason, reason in mine.result) == (left, left == reason)
        assert other.result == "held: something else"


def test_digests_that_speak_for_themselves_are_named(book: Any) -> None:
    """Open ones, and frozen ones that readers see and that hold it."""
    book.join("ada")
    holds, [one, two] = told(book, [("city",), ("city",)], names=())
    words = Edits(introduction="Mine").to_json()
    titled = open_digest(book, "titled", edits=Edits(subject="Mine").to_json())
    open_digest(book, "plain", edits=Edits(drop=(two,)).to_json())
    open_digest(book, "over", edits=words, status=DigestStatus.SKIPPED)
    other = open_digest(book, "another frozen one", edits=words, status=DigestStatus.DONE, frozen_at=book.now)
    with book.store.write() as connection:
        connection.execute(update(table).where(table.c.id == holds).values(edits=words))
        assert remarks.spoken(connection, [holds]) == (holds, titled)
        assert remarks.spoken(connection, [holds, other]) == (holds, titled, other)
        assert remarks.spoken(connection, []) == (titled,)
        connection.execute(update(table).where(table.c.id == holds).values(status=DigestStatus.CANCELLED))
        assert remarks.spoken(connection, [holds]) == (titled,)
    assert take_back(book, one).spoken == (titled,)
    assert take_back(book, one).spoken == (), "nothing is taken back a second time"
