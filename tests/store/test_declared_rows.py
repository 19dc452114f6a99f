"""What the config declared: renaming keeps ids, a changed schedule starts anew, a slot makes one digest."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipeline.errors import StoreError
from pipeline.model.newsletters import DIGEST_MOVES, DigestStatus
from pipeline.model.sources import SourceKind
from pipeline.store import declared, digests, runs, sources
from pipeline.store.schema import digests as digest_rows
from pipeline.store.sources import Declared


def test_a_former_name_keeps_the_row(book) -> None:
    with book.store.write() as connection:
        assert declared.ensure_newsletter(connection, "beacon", "B", ("x", "lantern"), book.now) == book.newsletter
        assert declared.ensure_newsletter(connection, "beacon", "B", ("lantern",), book.now) == book.newsletter
        with pytest.raises(StoreError, match="knows no such newsletter"):
            declared.newsletter_id(connection, "lantern")


def test_a_source_that_moves_forgets_what_belonged_to_the_old_address(book, declare_one) -> None:
    def ensure(location: str) -> sources.SourceState:
        declare_one(connection, Declared("desk", SourceKind.FOLDER, location), book.now)
        return sources.state(connection, "desk")

    with book.store.write() as connection:
        sources.record_poll(connection, book.source, etag='"1"', last_modified="x", body_hash="h", failures=3,
                            last_error="e", next_poll_at=book.now, first_polled_at=book.now)
        same, moved = ensure("x"), ensure("https://new.example/feed")
    assert (same.etag, same.failures) == ('"1"', 3)
    assert (moved.etag, moved.last_modified, moved.body_hash, moved.next_poll_at) == ("", "", "", book.now)
    assert (moved.failures, moved.last_error) == (0, "")
    assert moved.first_polled_at == book.now, "its articles stay, so what is new there may be a flood"


def test_a_schedules_own_since(book) -> None:
    later = book.now + timedelta(days=1)

    def ensure(slug: str, spec: str, former: tuple[str, ...] = ()) -> declared.ScheduleRow | None:
        return declared.ensure_schedule(connection, book.newsletter, slug, spec, former, later)

    with book.store.write() as connection:
        declared.ensure_schedule(connection, book.newsletter, "daily", "08:00", (), book.now)
        assert ensure("daily", "08:00") is None
        assert declared.schedule(connection, book.newsletter, "daily").since == book.now
        assert ensure("morning", "08:00", ("daily",)) is None, "a new name alone"
        assert declared.schedule(connection, book.newsletter, "morning").since == book.now
        assert ensure("morning", "09:00").since == book.now, "as it was"
        assert declared.schedule(connection, book.newsletter, "morning").since == later
        declared.retire_schedules(connection, book.newsletter, [])
        assert ensure("morning", "09:00") is None
        assert declared.schedule(connection, book.newsletter, "morning").since == later


def test_vanishing_is_refused_only_with_people(book) -> None:
    with book.store.write() as connection:
        declared.refuse_vanished(connection, [])
    book.join("ada")
    with book.store.write() as connection:
        with pytest.raises(StoreError, match=r'1 people are subscribed.*former = \["lantern"\]'):
            declared.refuse_vanished(connection, ["other"])
        declared.refuse_vanished(connection, ["lantern"])
        assert declared.orphaned_schedules(connection, book.newsletter, ["weekly"]) == {"daily": 1}
    book.leave("ada")
    with book.store.write() as connection:
        declared.refuse_vanished(connection, [])
        assert declared.orphaned_schedules(connection, book.newsletter, ["weekly"]) == {}


def test_a_slot_makes_one_digest(book) -> None:
    def take(nominal: str = "2026-06-01T08:00") -> tuple[int, str]:
        with book.store.write() as connection:
            return digests.take_slot(connection, book.newsletter, schedule="daily", nominal=nominal, due_at=book.now,
                                     audience="daily", now=book.now)

    first = take()
    with book.store.write() as connection:
        digests.change(connection, first[0], DigestStatus.SKIPPED, reason="nothing new")
    assert take() == (first[0], DigestStatus.SKIPPED), "whoever asks again hears how it stands"
    assert take("2026-06-02T08:00")[0] != first[0]
    with book.store.read() as connection:
        row = connection.execute(digest_rows.select().where(digest_rows.c.id == first[0])).mappings().one()
    with pytest.raises(StoreError), book.store.write() as connection:
        connection.execute(digest_rows.insert().values(**{k: v for k, v in row.items() if k != "id"}))


def test_only_the_moves_of_a_digest_happen(book) -> None:
    book.join("ada")
    digest = book.freeze()
    for source in DigestStatus:
        for target in DigestStatus:
            with book.store.write() as connection:
                connection.execute(digest_rows.update().values(status=source))
                moved = digests.change(connection, digest, target)
                assert moved is (target in DIGEST_MOVES[source]), (source, target)
                assert digests.get(connection, digest).status is (target if moved else source)


def test_a_run_is_permission_once(book) -> None:
    with book.store.write() as connection:
        assert runs.enqueue(connection, "send:a:b", book.now, now=book.now)
        assert not runs.enqueue(connection, "send:a:b", book.now, now=book.now, reason="late")
        assert runs.start(connection, "send:a:b", book.now, "w1", book.now)
        assert not runs.start(connection, "send:a:b", book.now, "w2", book.now)
        assert runs.end(connection, "w2", book.now) == 0
        assert runs.end(connection, "w1", book.now) == 1, "a dead worker's run is given back"
        assert runs.start(connection, "send:a:b", book.now, "w2", book.now)


def test_two_jobs_that_become_one_keep_every_moment_once(book) -> None:
    hours = [book.now + timedelta(hours=h) for h in range(3)]
    with book.store.write() as connection:
        for hour in hours[:2]:
            runs.enqueue(connection, "old", hour, now=book.now)
        for hour in hours[1:]:
            runs.enqueue(connection, "new", hour, now=book.now, reason="stands")
        runs.rename(connection, "old", "new")
        found = sorted((r.due_at, r.reason) for r in runs.listed(connection))
    assert found == [(hours[0], ""), (hours[1], "stands"), (hours[2], "stands")]


def test_rows_of_a_clock_that_ran_ahead_hide_nothing(book) -> None:
    with book.store.write() as connection:
        runs.enqueue(connection, "j", book.now - timedelta(days=1), now=book.now)
        runs.enqueue(connection, "j", book.now + timedelta(days=4000), now=book.now)
        assert runs.last_due(connection, "j", book.now) == book.now - timedelta(days=1)


def test_jobs_are_found_by_their_own_name_only(book) -> None:
    with book.store.write() as connection:
        for job in ("send:a_b:x", "send:aXb:x", "collect"):
            runs.enqueue(connection, job, book.now, now=book.now)
        assert [r.job for r in runs.queued(connection, "send:a_b:")] == ["send:a_b:x"]
        assert len(runs.queued(connection, "send:")) == 2
