"""What links answered is kept, the newest answer of each, in either database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipeline.store import link_checks
from pipeline.store.chunks import CHUNK
from pipeline.store.engine import Store
from pipeline.store.link_checks import MAX_URL, LinkCheck

NOW = datetime(2026, 6, 1, 6, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def check(number: int, status: int = 200, at: datetime = NOW, reason: str = "") -> LinkCheck:
    return LinkCheck(f"https://a.example/{number}", status, reason, at)


def test_a_newer_answer_takes_the_place_of_an_older(store: Store) -> None:
    many = [check(n) for n in range(CHUNK + 3)]
    with store.write() as connection:
        link_checks.record(connection, many)
        link_checks.record(connection, [check(1, 404, LATER, "answers 404")])
        link_checks.record(connection, [])
    with store.read() as connection:
        known = link_checks.known(connection, [one.url for one in many])
        assert known == {one.url: one for one in many} | {many[1].url: check(1, 404, LATER, "answers 404")}
        assert link_checks.known(connection, ["https://b.example/"]) == {}


def test_old_answers_are_dropped_and_endless_addresses_not_kept(store: Store) -> None:
    endless = LinkCheck("https://a.example/" + "x" * MAX_URL, 200, "", NOW)
    with store.write() as connection:
        link_checks.record(connection, [check(1), check(2, at=LATER), endless])
        link_checks.forget(connection, LATER)
    with store.read() as connection:
        assert set(link_checks.known(connection, [check(1).url, check(2).url, endless.url])) == {check(2).url}
