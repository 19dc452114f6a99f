"""People change how often they get a newsletter on the page that their mails lead to, at the most awkward moments: and
every article reaches them exactly once.

The page is the real one, found by the link in their newest mail; composing and delivering are real, into a Maildir.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from datetime import timedelta
from itertools import count
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline.jobs.outgoing import deliver_due
from pipeline.jobs.report import Report
from pipeline.jobs.sends import compose_due
from pipeline.jobs.worker import working
from pipeline.store import subscribers
from pipeline.web.app import build

ADA, BO = "ada@example.org", "bo@example.org"
NUMBERS = count(1)  # a site for each example

MOMENTS = ("before", "between", "after")
"""When in a day somebody may change their mind: before the digests are made, before they are sent, afterwards."""

days = st.lists(
    st.fixed_dictionaries({
        "articles": st.integers(0, 2),
        "switches": st.frozensets(st.tuples(st.sampled_from((ADA, BO)), st.sampled_from(MOMENTS)), max_size=3)}),
    min_size=16, max_size=16,
)


def choose(site: Any, address: str, schedule: str) -> str:
    """Save a schedule on the page that the newest mail to this person leads to; what the page says."""
    newest = [mail for mail in site.mails() if mail["To"] == address][-1]
    part = newest.get_body(("plain",))
    assert part is not None
    (link,) = [line for line in part.get_content().splitlines() if "/p/" in line]
    body = urlencode({"shown": "schedule", "schedule": schedule}).encode()
    status, page = asyncio.run(ask(build(site.app), urlsplit(link).path, body))
    assert status == 200, page
    return page


async def ask(web: Any, path: str, body: bytes) -> tuple[int, str]:
    said: list[MutableMapping[str, Any]] = []
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "https",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": [(b"host", b"lantern.example"), (b"content-type", b"application/x-www-form-urlencoded")],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000),
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        said.append(message)

    await web(scope, receive, send)
    return said[0]["status"], b"".join(message.get("body", b"") for message in said[1:]).decode()


def on(site: Any, address: str) -> str:
    with site.app.store.read() as connection:
        return str(subscribers.by_address(connection, address)[0].schedule)


def send(site: Any, between: Callable[[], object] = lambda: None) -> None:
    """The digests of this moment: made, and after `between` sent."""
    with working(site.app.store, site.app.data_folder, site.app.now) as worker:
        compose_due(site.app, worker, Report())
        between()
        deliver_due(site.app, worker)


def begin(site: Any) -> None:
    """Everyone has had a mail, and with it their link."""
    for address in (ADA, BO):
        site.subscribe(address, "daily")
    site.accept(["Article first"])
    site.now = site.now.replace(hour=8, minute=1)
    send(site)


def next_day(site: Any, articles: list[str]) -> None:
    site.now = (site.now + timedelta(days=1)).replace(hour=6, minute=0)
    site.accept(articles)


def test_a_week_off_and_back_again(make_site: Callable[..., Any]) -> None:
    site = make_site()
    begin(site)  # a Monday
    next_day(site, ["Article Tuesday"])
    page = choose(site, ADA, "weekly")
    assert "every Monday at 08:00" in page
    assert "Monday, 8 June 2026" in page
    site.advance(hours=3)
    send(site)
    assert site.told(ADA) == ["Article first"]
    assert site.told(BO) == ["Article first", "Article Tuesday"]
    next_day(site, ["Article Wednesday"])
    site.advance(hours=3)
    send(site, between=lambda: choose(site, BO, "weekly"))
    assert site.told(BO)[-1] == "Article Wednesday", "what was on its way already comes"
    for day in ("Thursday", "Friday", "Saturday", "Sunday"):
        next_day(site, [f"Article {day}"])
        site.advance(hours=3)
        send(site)
    assert site.told(ADA) == ["Article first"]
    next_day(site, [])
    site.advance(hours=3)
    send(site)
    week = ["Thursday", "Friday", "Saturday", "Sunday"]
    assert sorted(site.told(ADA)) == sorted(f"Article {d}" for d in ["first", "Tuesday", "Wednesday", *week])
    assert sorted(site.told(BO)) == sorted(f"Article {d}" for d in ["first", "Tuesday", "Wednesday", *week])
    choose(site, ADA, "daily")
    next_day(site, ["Article last"])
    site.advance(hours=3)
    send(site)
    assert site.told(ADA)[-1] == "Article last"
    assert "Article last" not in site.told(BO)


def live(site: Any, script: list[dict[str, Any]]) -> set[str]:
    """Play the days, and then two quiet weeks in which everything that is still owed goes out; the titles written."""
    begin(site)
    written = {"Article first"}
    for number, day in enumerate([*script, *[{"articles": 0, "switches": frozenset()}] * 15]):
        titles = [f"Article {number}-{extra}" for extra in range(day["articles"])]
        written.update(titles)
        next_day(site, titles)
        switch(site, day["switches"], "before")
        site.now = site.now.replace(hour=8, minute=1)
        send(site, lambda day=day: switch(site, day["switches"], "between"))  # type: ignore[misc]
        switch(site, day["switches"], "after")
    return written


def switch(site: Any, switches: frozenset[tuple[str, str]], moment: str) -> None:
    for address in sorted(address for address, when in switches if when == moment):
        choose(site, address, "weekly" if on(site, address) == "daily" else "daily")


def check(site: Any, written: set[str]) -> None:
    for address in (ADA, BO):
        told = site.told(address)
        assert sorted(told) == sorted(written), f"{address}: twice or never: {sorted(set(told) ^ written)}"
    for digest in site.digests():
        assert site.counts(digest.id).holds, digest


CHECKS = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)


@settings(max_examples=3, phases=PHASES, suppress_health_check=CHECKS)
@given(script=days)
def test_nothing_twice_and_nothing_lost(make_site: Callable[..., Any], script: list[dict[str, Any]]) -> None:
    site = make_site(name=f"site{next(NUMBERS)}")
    check(site, live(site, script))


@pytest.mark.slow
@settings(max_examples=8, phases=PHASES, suppress_health_check=CHECKS)
@given(script=days)
def test_the_same_over_many_weeks(make_site: Callable[..., Any], script: list[dict[str, Any]]) -> None:
    site = make_site(name=f"site{next(NUMBERS)}")
    check(site, live(site, script))
