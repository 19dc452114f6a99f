"""A warm-up: never more than the plan on a day, whoever waited longest first, nothing lost for those who wait."""

from __future__ import annotations

import multiprocessing
from collections import Counter, deque
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from pipeline import config
from pipeline.app import assemble
from pipeline.audience.subscriptions import unsubscribe
from pipeline.compose import filling as compose_filling
from pipeline.compose.stage import fill_batches
from pipeline.compose.warming import Places
from pipeline.jobs.sends import compose_now, parts
from pipeline.store import allowances, digests, filling, ledger, subscribers, suppressions
from pipeline.store.schema_deliver import allowances as table
from tests.compose.test_announce import say, send

FIRST = date(2026, 6, 1)


def warming(days: list[int]) -> str:
    return f"[mail.warm_up]\nsince = {FIRST}\ndays = {days}\n"


def with_plan(basic_config: str, days: list[int]) -> str:
    return basic_config.replace("[preflight]", warming(days) + "[preflight]")


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few people, and yet many batches."""
    monkeypatch.setattr("pipeline.compose.stage.BATCH", 3)
    monkeypatch.setattr("pipeline.compose.announce.BATCH", 3)


@pytest.fixture
def make(make_site: Callable, basic_config: str) -> Callable[..., Any]:
    """`make([2, 3], 7)`: a site with this plan, and so many people."""

    def make(days: list[int], people: int, name: str = "site") -> Any:
        site = make_site(with_plan(basic_config, days), name)
        for number in range(people):
            site.subscribe(f"p{number:02}@example.org")
        return site

    return make


def digest(site: Any, title: str) -> int:
    """Tell one more article to everybody; the digest's number."""
    site.advance(seconds=1)
    site.accept([title])
    made = compose_now(site.app, site.app.config.newsletters[0])
    send(site)
    return made.id


def next_day(site: Any) -> None:
    site.now = datetime.combine(site.now.date() + timedelta(days=1), datetime.min.time(), UTC).replace(hour=6)


def got(site: Any) -> list[str]:
    """Who has got mail, in order: the local parts of their addresses."""
    return [str(mail["To"]).partition("@")[0] for mail in site.mails()]


def given_away(site: Any) -> dict[str, int]:
    with site.app.store.read() as connection:
        return {row.day: row.given for row in connection.execute(select(table)) if row.given}


def test_so_many_on_the_first_day_and_others_on_the_second(make: Callable) -> None:
    site = make([2, 3], 7)
    first = digest(site, "Article 1")
    assert got(site) == ["p00", "p01"]
    counts = site.counts(first)
    assert (counts.sent, counts.excluded, counts.holds) == (2, 5, True)
    with site.app.store.read() as connection:
        (reason,) = [r.reason for r in ledger.reasons(connection, first) if r.state == "excluded"]
    assert reason == ("warm_up: the 2 places of 2026-06-01 went to others; these articles are in this person's next "
                      "digest")
    digest(site, "Article 2")
    assert got(site) == ["p00", "p01"], "the day is over for everybody"
    next_day(site)
    digest(site, "Article 3")
    assert got(site)[2:] == ["p02", "p03", "p04"], "those who waited longest"
    assert given_away(site) == {"2026-06-01": 2, "2026-06-02": 3}
    next_day(site)
    last = digest(site, "Article 4")
    assert site.counts(last).sent == 7, "there is no limit any more"
    for number in range(7):
        assert Counter(site.told(f"p{number:02}@example.org")) == Counter(f"Article {n}" for n in range(1, 5))


def test_places_of_those_who_get_nothing_go_to_others(make: Callable) -> None:
    site = make([3], 9)
    people = {s.address: s.id for s in site_people(site)}
    site.advance(seconds=1)
    site.accept(["Article 1"])
    made = compose_now(site.app, site.app.config.newsletters[0])
    unsubscribe(site.app.store, people["p00@example.org"], site.now, "by a link")
    with site.app.store.write() as connection:
        suppressions.suppress(connection, "p01@example.org", "complained", site.now)
    send(site)
    assert got(site) == ["p02", "p03", "p04"]
    assert site.counts(made.id).excluded == 6


def test_whoever_was_in_turn_and_wants_nothing_of_it_gives_their_place_on(
    make_site: Callable, basic_config: str
) -> None:
    site = make_site(with_plan(basic_config, [2]).replace("select = { limit = 500 }", "select = { limit = 9 }"))
    for number in range(7):
        site.subscribe(f"p{number:02}@example.org")
    with site.app.store.write() as connection:
        for first in sorted(s.id for s in subscribers.listed(connection))[:3]:   # all of the first batch
            subscribers.choose_topics(connection, first, ["none such"], site.now)
    digest(site, "Article 1")
    assert got(site) == ["p03", "p04"]


def site_people(site: Any) -> list[Any]:
    with site.app.store.read() as connection:
        return subscribers.listed(connection)


def test_no_place_supersedes_nothing(make: Callable) -> None:
    """Whoever has an older digest waiting and no place for the newer one still gets the older one."""
    site = make([1], 1)
    site.advance(seconds=1)
    site.accept(["Article 1"])
    first = compose_now(site.app, site.app.config.newsletters[0])
    fill_batches(parts(site.app), site.now)
    site.advance(seconds=1)
    site.accept(["Article 2"])
    second = compose_now(site.app, site.app.config.newsletters[0])
    send(site)
    assert (site.counts(first.id).sent, site.counts(second.id).excluded) == (1, 1)
    next_day(site)
    digest(site, "Article 3")
    assert site.told("p00@example.org") == ["Article 1", "Article 3", "Article 2"]


def test_an_announcement_goes_on_until_everybody_has_it(make: Callable) -> None:
    site = make([2, 3, 4], 11)
    notice = say(site)
    site.accept(["Article 1"])
    send(site)
    assert got(site) == ["p00", "p01"]
    assert given_away(site) == {"2026-06-01": 2, "2026-06-02": 3, "2026-06-03": 4}
    blocked = compose_now(site.app, site.app.config.newsletters[0])
    send(site)
    assert site.counts(blocked.id).excluded == 11, "its places are taken"
    for sent in (5, 9, 11):
        next_day(site)
        send(site)
        assert site.counts(notice.id).sent == sent
        assert site.counts(notice.id).holds
    assert Counter(got(site)) == Counter(f"p{n:02}" for n in range(11))
    assert [str(d.status) for d in site.digests() if d.id == notice.id] == ["done"]


def test_before_it_begins_and_after_it_there_is_no_limit(make: Callable) -> None:
    site = make([1], 4)
    site.now = datetime(2026, 5, 31, 6, tzinfo=UTC)
    digest(site, "Article 1")
    assert len(got(site)) == 4
    site.now = datetime(2026, 6, 2, 6, tzinfo=UTC)
    digest(site, "Article 2")
    assert len(got(site)) == 8
    assert given_away(site) == {}


def fill_in_another_process(folder: Path, now: datetime, start: Any) -> None:
    app = assemble(config.load(folder / "config.toml", env={}), now=lambda: now)
    try:
        start.wait(30)
        fill_batches(parts(app), now)
    finally:
        app.close()


@pytest.mark.slow
def test_two_processes_never_give_away_more_than_there_is(make: Callable) -> None:
    site = make([7], 40)
    site.advance(seconds=1)
    site.accept(["Article 1"])
    made = compose_now(site.app, site.app.config.newsletters[0])
    now = site.now
    site.close()
    context = multiprocessing.get_context("spawn")
    start = context.Event()
    two = [context.Process(target=fill_in_another_process, args=(site.folder, now, start)) for _ in range(2)]
    for one in two:
        one.start()
    start.set()
    for one in two:
        one.join(60)
        assert one.exitcode == 0
    counts = site.counts(made.id)
    assert (counts.waiting, counts.excluded, counts.holds) == (7, 33, True)
    assert given_away(site) == {"2026-06-01": 7}


def test_the_order_is_only_a_wish_and_the_lock_is_the_law(make: Callable) -> None:
    """Two that looked at the same moment, each at a digest of its own: both saw four places."""
    site = make([4], 9)
    made = []
    for number in range(2):
        site.advance(seconds=1)
        site.accept([f"Article {number}"])
        made.append(compose_now(site.app, site.app.config.newsletters[0]).id)
    with site.app.store.read() as connection:
        due = filling.unfilled(connection, site.now)
    ours, places = parts(site.app), {number: Places(site.app.config, site.now) for number in made}
    for batch in due:
        places[batch.digest_id].look(site.app.store, batch)
    for batch in sorted(due, key=lambda one: (one.first_id, one.id)):  # by turns
        with site.app.store.write() as connection:
            sheet = compose_filling._read(connection, batch.digest_id, None)
            assert compose_filling._fill_some(
                connection, lambda: ours.templates, sheet, deque([batch]), places[batch.digest_id], site.now) == 1
    assert given_away(site) == {"2026-06-01": 4}
    send(site)
    assert len(got(site)) <= 4
    assert all(site.counts(number).holds for number in made)


def test_who_is_last_in_turn(make: Callable) -> None:
    site = make([2], 5)
    site.advance(seconds=1)
    site.accept(["Article 1"])
    made = compose_now(site.app, site.app.config.newsletters[0])
    numbers = sorted(s.id for s in site_people(site))
    with site.app.store.read() as connection:
        audience = digests.audience(digests.facts(connection, made.id))
        found = [allowances.last_in_turn(connection, audience, made.id, places) for places in (0, 1, 3, 5, 6)]
    assert found == [(-1, 0), (0, numbers[0]), (0, numbers[2]), (0, numbers[4]), None]


@settings(max_examples=4, phases=[Phase.explicit, Phase.reuse, Phase.generate],
          suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(days=st.lists(st.integers(1, 4), min_size=1, max_size=2), people=st.integers(1, 7),
       notices=st.sets(st.integers(0, 2), max_size=1), numbers=st.lists(st.integers(1, 2), min_size=3, max_size=3))
def test_whatever_the_plan_no_day_has_more_and_in_the_end_all_have_all(
    make: Callable, days: list[int], people: int, notices: set[int], numbers: list[int]
) -> None:
    make.count = getattr(make, "count", 0) + 1  # type: ignore[attr-defined]
    site = make(days, people, f"site{make.count}")  # type: ignore[attr-defined]
    articles = 0
    for day in range(len(days) + 1):
        before = len(got(site))
        if day in notices:
            say(site, f"Notice {day}")
        for _ in range(numbers[day % len(numbers)] if day < len(days) else 1):
            articles += 1
            digest(site, f"Article {articles}")
        if day < len(days):
            assert len(got(site)) - before <= days[day], "no day has more than the plan gives it"
        next_day(site)
    send(site)
    for one in site.digests():
        assert site.counts(one.id).holds
        assert site.counts(one.id).waiting == 0
    for number in range(people):
        address = f"p{number:02}@example.org"
        assert Counter(site.told(address)) == Counter(f"Article {n}" for n in range(1, articles + 1))
        heard = [str(m["Subject"]) for m in site.mails() if m["To"] == address and "Notice" in str(m["Subject"])]
        assert sorted(heard) == sorted(f"Notice {n}" for n in notices if n <= len(days))
