"""A month of a clock, people who change their minds, and every article exactly once for each of them.

Composing by slot and delivering are the real ones, into a Maildir that works on some days only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline.model.deliveries import DeliveryState
from pipeline.store import subscribers

DAYS = 30
PEOPLE = ("ada@example.org", "bo@example.org", "cy@example.org")


@dataclass(frozen=True)
class Day:
    """What happens on one day, in this order: articles come in, people switch, the program runs or is off."""

    articles: int
    switches: frozenset[str]
    runs: bool
    mail_works: bool


NUMBERS = count(1)  # a site for each example

PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""No shrinking: a month costs a second."""

CHECKS = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)

days = st.lists(
    st.builds(Day, articles=st.integers(0, 2), switches=st.frozensets(st.sampled_from(PEOPLE)),
              runs=st.integers(0, 9).map(bool), mail_works=st.integers(0, 5).map(bool)),
    min_size=DAYS, max_size=DAYS,
)


def live_a_month(site, month: list[Day]) -> set[str]:
    """Play the month, and then two quiet weeks in which everything that is still owed goes out; the titles written."""
    for address in PEOPLE:
        site.subscribe(address)
    written: set[str] = set()
    mailbox = site.folder / "mailbox"
    for number, day in enumerate([*month, *[Day(0, frozenset(), runs=True, mail_works=True)] * 15]):
        titles = [f"Article {number}-{extra}" for extra in range(day.articles)]
        site.accept(titles)
        written.update(titles)
        for address in day.switches:
            switch(site, address)
        site.now = site.now.replace(hour=8, minute=1)
        if not day.mail_works:
            mailbox.rename(site.folder / "away") if mailbox.exists() else None
            mailbox.write_text("a file where the Maildir should be")
        if day.runs:
            site.send()
        if not day.mail_works:
            mailbox.unlink()
            (site.folder / "away").rename(mailbox) if (site.folder / "away").exists() else None
        site.now = site.now.replace(hour=6, minute=0) + timedelta(days=1)
    return written


def switch(site, address: str) -> None:
    with site.app.store.write() as connection:
        found = subscribers.by_address(connection, address)[0]
        other = "weekly" if found.schedule == "daily" else "daily"
        subscribers.switch_schedule(connection, found.id, other, site.now)


def check(site, written: set[str]) -> None:
    for address in PEOPLE:
        told = site.told(address)
        assert sorted(told) == sorted(written), f"{address}: twice or never: {sorted(set(told) ^ written)}"
    for digest in site.digests():
        assert site.counts(digest.id).holds, digest


@settings(max_examples=1, phases=PHASES, suppress_health_check=CHECKS)
@given(month=days)
def test_nobody_gets_an_article_twice_and_nobody_misses_one(make_site: Callable, month: list[Day]) -> None:
    site = make_site(name=f"site{next(NUMBERS)}")
    check(site, live_a_month(site, month))


@pytest.mark.slow
@settings(max_examples=60, phases=PHASES, suppress_health_check=CHECKS)
@given(month=days)
def test_the_same_over_many_months(make_site: Callable, month: list[Day]) -> None:
    site = make_site(name=f"site{next(NUMBERS)}")
    check(site, live_a_month(site, month))


def test_the_check_sees_a_window_that_is_counted_twice(make_site: Callable) -> None:
    """Positive control: forget what one delivery covered, and the same articles come again."""
    from sqlalchemy import update

    from pipeline.store.schema import deliveries

    site = make_site()
    for address in PEOPLE:
        site.subscribe(address)
    site.write("a.md", "Article a")
    site.now = site.now.replace(hour=8, minute=1)
    site.run()
    with site.app.store.write() as connection:
        connection.execute(update(deliveries).where(deliveries.c.state == DeliveryState.SENT).values(covered=False))
    site.write("b.md", "Article b")
    site.advance(days=1)
    site.run()
    assert site.told(PEOPLE[0]).count("Article a") == 2
