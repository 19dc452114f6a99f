"""A digest that too many refuse, or report as spam, is paused; the operator hears of it, and has the last word."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from pipeline.compose.stage import fill_batches
from pipeline.config.mail import StopAt
from pipeline.deliver.threshold import check_threshold, decide_stop
from pipeline.desk.review import approve
from pipeline.jobs.sends import compose_now, parts
from pipeline.model.deliveries import Tally
from pipeline.model.newsletters import DigestStatus
from pipeline.store import digests, notices, tallies
from pipeline.store.schema import batches, deliveries, returned

PEOPLE = 20


@pytest.mark.parametrize(
    ("tally", "stops"),
    [
        (Tally(99, 99, 0, 0), ""),                                        # too few to conclude anything
        (Tally(100, 10, 90, 0), ""),                                      # just what is allowed
        (Tally(100, 11, 89, 0), "11 of 100 messages were refused for good (11.0%; stop_at.failures is 10.0%)"),
        (Tally(1000, 0, 1000, 3), ""),
        (Tally(1000, 0, 1000, 4), "4 of 1,000 were reported as spam (0.40%; stop_at.complaints is 0.30%)"),
        (Tally(1000, 0, 99, 99), ""),
        (Tally(0, 0, 0, 0), ""),
    ],
)
def test_when_it_stops(tally: Tally, stops: str) -> None:
    assert decide_stop(tally, StopAt()) == stops


@pytest.fixture
def site(copy_site: Callable[..., Any], basic_config: str) -> Any:
    text = basic_config.replace('<news@lantern.example>"', '<news@lantern.example>"\nstop_at = { after = 10 }')
    made = copy_site(queued, text + '\n[operator]\nemail = "desk@lantern.example"\n')
    made.digest = made.digests()[0]
    return made


def queued(site: Any) -> None:
    for number in range(PEOPLE):
        site.subscribe(f"reader{number}@example.org")
    site.accept(["Article one"])
    compose_now(site.app, site.app.config.newsletters[0], "daily")
    fill_batches(parts(site.app), site.app.now())


def answered(site: Any, state: str, number: int, code: int) -> None:
    """Put so many of those who wait into a state, with their batch's counters."""
    with site.app.store.write() as connection:
        waiting = select(deliveries.c.id).where(deliveries.c.state == "queued").limit(number)
        ids = connection.execute(waiting).scalars().all()
        connection.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(state=state, code=code))
        connection.execute(update(batches).values(
            queued=batches.c.queued - number, **{state: batches.c[state] + number}))


def check(site: Any) -> str:
    return check_threshold(site.app.store, site.app.config, site.digest.id, site.now)


def status(site: Any) -> DigestStatus:
    with site.app.store.read() as connection:
        return digests.get(connection, site.digest.id).status


def told(site: Any) -> list[str]:
    with site.app.store.read() as connection:
        return [row.subject for row in notices.listed(connection)]


def test_refusals_pause_it_and_the_operator_hears_once(site: Any) -> None:
    answered(site, "sent", 15, 250)
    answered(site, "bounced", 1, 550)
    assert check(site) == ""
    answered(site, "failed", 1, 554)
    assert "2 of 17" in check(site)
    assert status(site) is DigestStatus.PAUSED
    assert check(site) == "", "it is paused already"
    assert told(site) == [f"lantern/{site.digest.name} is paused"]
    site.send()
    assert [mail["To"] for mail in site.mails()] == ["desk@lantern.example"], "and nobody else gets anything"


def test_the_operator_has_the_last_word(site: Any) -> None:
    answered(site, "bounced", 12, 550)
    assert check(site)
    site.advance(minutes=1)
    with site.app.store.read() as connection:
        approve(site.app, digests.get(connection, site.digest.id))
    assert check(site) == ""
    assert status(site) is DigestStatus.SENDING


def test_what_expired_was_not_refused(site: Any) -> None:
    answered(site, "failed", 12, 0)
    answered(site, "failed", 4, 451)
    assert check(site) == ""


def test_complaints_count_once_each_and_only_this_digest_s(site: Any) -> None:
    answered(site, "sent", 15, 250)
    with site.app.store.write() as connection:
        one = connection.execute(select(deliveries.c.id).where(deliveries.c.state == "sent").limit(1)).scalar_one()
        values = {"at": site.now + timedelta(minutes=1), "kind": "complaint"}
        connection.execute(insert(returned), [{"key": "stranger", "delivery_id": None, **values}])
        assert tallies.tally(connection, site.digest.id).complaints == 0
        connection.execute(insert(returned), [{"key": k, "delivery_id": one, **values} for k in "ab"])
        assert tallies.tally(connection, site.digest.id) == Tally(15, 0, 15, 1)
    assert "1 of 15 were reported as spam" in check(site)
