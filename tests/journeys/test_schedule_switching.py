"""A month of a clock, people who change their minds, and every article exactly once for each of them.

Composing by slot and delivering are the real ones, into a Maildir that works on some days only. In the second half
there is an operator as well, who looks at drafts and holds, approves, cancels and changes them, and people pick topics.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline.compose.stage import Proofed
from pipeline.desk import review
from pipeline.errors import UsageError
from pipeline.model.deliveries import DeliveryState
from pipeline.model.newsletters import DigestStatus
from pipeline.store import subscribers
from pipeline.store.schema import article_topics, deliveries
from pipeline.store.schema import articles as rows

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
@settings(max_examples=25, phases=PHASES, suppress_health_check=CHECKS)
@given(month=days)
def test_the_same_over_many_months(make_site: Callable, month: list[Day]) -> None:
    site = make_site(name=f"site{next(NUMBERS)}")
    check(site, live_a_month(site, month))


def test_the_check_sees_a_window_that_is_counted_twice(make_site: Callable) -> None:
    """Positive control: forget what one delivery covered, and the same articles come again."""
    site = make_site()
    for address in PEOPLE:
        site.subscribe(address)
    site.write("a.md", "Article a")
    site.now = site.now.replace(hour=8, minute=1)
    site.run()
    with site.app.store.write() as connection:
        connection.execute(deliveries.update().where(deliveries.c.state == DeliveryState.SENT).values(covered=False))
    site.write("b.md", "Article b")
    site.advance(days=1)
    site.run()
    assert site.told(PEOPLE[0]).count("Article a") == 2


# --- with an operator ---

CITY, SPORT = "city", "sport"
KEYS = 'review = { before = "2h", silence = "SILENCE" }\norder = "score"\ngroup = "topic"\ncorrections = "changed"'


WAITING = (DigestStatus.DRAFT, DigestStatus.HELD, DigestStatus.PAUSED)
"""Digests that wait for the operator's word."""


@dataclass(frozen=True)
class Busy:
    """One day with an operator. At six drafts are made, at seven the operator looks at what is open, at eight the slots
    are due, at nine the operator looks again. Each act is (what, which of those that are open)."""

    topics: tuple[str, ...]                            # of each article that comes in
    switches: frozenset[str]
    picks: frozenset[tuple[str, tuple[str, ...]]]      # person -> topics, none: all
    early: tuple[tuple[str, int], ...]
    late: tuple[tuple[str, int], ...]
    runs: bool
    mail_works: bool


ACTS = st.lists(st.tuples(st.sampled_from(("hold", "approve", "cancel", "drop", "pin", "keep")), st.integers(0, 3)),
                max_size=2).map(tuple)
busy_days = st.builds(
    Busy, topics=st.lists(st.sampled_from((CITY, SPORT)), max_size=3).map(tuple),
    switches=st.frozensets(st.sampled_from(PEOPLE), max_size=1),
    picks=st.frozensets(st.tuples(st.sampled_from(PEOPLE[1:]), st.sampled_from(((), (CITY,)))), max_size=1),
    early=ACTS, late=ACTS, runs=st.integers(0, 9).map(bool), mail_works=st.integers(0, 5).map(bool))
QUIET = Busy((), frozenset(), frozenset(), (), (), runs=True, mail_works=True)
LAST = Busy((CITY, SPORT, CITY), frozenset(), frozenset(), (), (), runs=True, mail_works=True)


def live_with_an_operator(site, month: list[Busy]) -> tuple[dict[str, str], set[str]]:
    """Play it, then a day with enough new for a digest and two quiet weeks. Title -> its topic; and those dropped."""
    for address in PEOPLE:
        site.subscribe(address)
    written: dict[str, str] = {}
    dropped: set[str] = set()
    mailbox = site.folder / "mailbox"
    for number, day in enumerate([*month, LAST, *[QUIET] * 15]):
        site.now = site.now.replace(hour=5, minute=0)
        written |= accept(site, number, day.topics)
        for address in day.switches:
            switch(site, address)
        for address, topics in day.picks:
            with site.app.store.write() as connection:
                found = subscribers.by_address(connection, address)[0]
                subscribers.choose_topics(connection, found.id, topics, site.now)
        if not day.mail_works:
            mailbox.rename(site.folder / "away") if mailbox.exists() else None
            mailbox.write_text("a file where the Maildir should be")
        if day.runs:
            site.now = site.now.replace(hour=6)
            site.send()
            dropped |= operate(site, 7, day.early)
            site.now = site.now.replace(hour=8, minute=1)
            site.send()
            dropped |= operate(site, 9, day.late)
            site.send()
        if not day.mail_works:
            mailbox.unlink()
            (site.folder / "away").rename(mailbox) if (site.folder / "away").exists() else None
        if number >= len(month):
            for one in site.digests():  # nobody is left waiting for a word
                if one.status in WAITING:
                    review.approve(site.app, one)
        site.now = site.now.replace(hour=5, minute=0) + timedelta(days=1)
    return written, dropped


def accept(site, day: int, topics: tuple[str, ...]) -> dict[str, str]:
    written = {f"Article {day}-{extra}": topic for extra, topic in enumerate(topics)}
    site.accept(list(written))
    with site.app.store.write() as connection:
        for title, topic in written.items():
            number = connection.execute(
                rows.update().where(rows.c.title == title).values(topics=[topic]).returning(rows.c.id)).scalar_one()
            connection.execute(article_topics.insert().values(article_id=number, topic=topic))
    return written


def operate(site, hour: int, acts: tuple[tuple[str, int], ...]) -> set[str]:
    """What the operator does with the digests that can still be decided on; the titles dropped."""
    site.now = site.now.replace(hour=hour, minute=0)
    dropped: set[str] = set()
    for act, which in acts:
        over = (DigestStatus.DONE, DigestStatus.SKIPPED, DigestStatus.CANCELLED)
        going = [one for one in site.digests() if one.status not in over]
        if not going:
            continue
        one = going[which % len(going)]
        is_open = one.status in (DigestStatus.DRAFT, DigestStatus.APPROVED, DigestStatus.HELD)
        if act in ("hold", "approve", "cancel"):
            try:
                review.cancel(site.app, one, "") if act == "cancel" else (
                    review.hold(site.app, one, "") if act == "hold" else review.approve(site.app, one))
            except UsageError:
                assert not is_open, one
        elif is_open:
            lines = [line.article for line in review.look(site.app, one).lines]
            if not lines:
                continue
            article = lines[which % len(lines)]
            name = {"drop": "dropping", "pin": "pinning", "keep": "keeping"}[act]
            review.change(site.app, one, (article.id,), lambda e, n=name, i=article.id: getattr(e, n)((i,)))
            dropped |= {article.title} if act == "drop" else set()
    return dropped


def check_busy(site, written: dict[str, str], dropped: set[str], picked: set[str]) -> None:
    """Nothing twice. Nothing missed: but what was dropped, and what is not about a person's topics."""
    for address in PEOPLE:
        told = site.told(address)
        assert len(told) == len(set(told)), f"{address}: twice: {sorted(t for t in told if told.count(t) > 1)}"
        owed = {title for title, topic in written.items()
                if title not in dropped and (topic == CITY or address not in picked)}
        assert owed <= set(told) <= set(written), f"{address}: never: {sorted(owed - set(told))}"
    for digest in site.digests():
        assert site.counts(digest.id).holds, digest
        assert digest.status in (DigestStatus.DONE, DigestStatus.SKIPPED, DigestStatus.CANCELLED), digest


def busy_site(make_site: Callable, lantern_config: Callable[..., str], silence: str, least: int):
    return make_site(lantern_config(KEYS.replace("SILENCE", silence), f"limit = 500, min_articles = {least}"),
                     name=f"site{next(NUMBERS)}")


def try_month(site, month: list[Busy]) -> None:
    picked = {address for day in month for address, topics in day.picks if topics}
    written, dropped = live_with_an_operator(site, month)
    check_busy(site, written, dropped, picked)


@pytest.fixture
def quick_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """The preflight finds nothing; it has tests of its own, and takes as long as all the rest."""
    monkeypatch.setattr("pipeline.desk.proving.prove", lambda *_: Proofed())


@settings(max_examples=1, phases=PHASES, suppress_health_check=CHECKS)
@given(month=st.lists(busy_days, min_size=9, max_size=9), silence=st.sampled_from(("send", "hold")),
       least=st.integers(1, 3))
def test_whatever_the_operator_does_nothing_comes_twice_and_nothing_is_missed(
    make_site: Callable, lantern_config: Callable[..., str], quick_proof: None, month: list[Busy], silence: str,
    least: int,
) -> None:
    try_month(busy_site(make_site, lantern_config, silence, least), month)


@pytest.mark.slow
@settings(max_examples=15, phases=PHASES, suppress_health_check=CHECKS)
@given(month=st.lists(busy_days, min_size=26, max_size=26), silence=st.sampled_from(("send", "hold")),
       least=st.integers(1, 3))
def test_the_same_over_many_months_with_an_operator(
    make_site: Callable, lantern_config: Callable[..., str], quick_proof: None, month: list[Busy], silence: str,
    least: int,
) -> None:
    try_month(busy_site(make_site, lantern_config, silence, least), month)


@pytest.mark.parametrize("covered", [False, True])
def test_the_check_sees_what_a_cancelled_digest_takes_along(
    make_site: Callable, lantern_config: Callable[..., str], quick_proof: None, covered: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Positive control: were the deliveries of a cancelled digest counted as read, its articles would be missed."""
    real = review.cancel

    def cancelled(app, digest, reason):
        done = real(app, digest, reason)
        if covered:
            with app.store.write() as connection:
                connection.execute(deliveries.update().where(deliveries.c.digest_id == digest.id).values(covered=True))
        return done

    monkeypatch.setattr(review, "cancel", cancelled)
    lost = Busy((CITY, CITY), frozenset(), frozenset(), (), (("cancel", 0),), runs=True, mail_works=False)
    site = busy_site(make_site, lantern_config, "send", 1)
    if covered:
        with pytest.raises(AssertionError, match="never"):
            try_month(site, [lost])
    else:
        try_month(site, [lost])
