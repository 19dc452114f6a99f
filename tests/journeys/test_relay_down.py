"""A mail server that is away for days: nobody gets several digests at once when it is back, or misses anything."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pipeline.model.newsletters import DigestStatus

PEOPLE = ("ada@example.org", "bo@example.org", "cy@example.org")


@pytest.fixture
def site(copy_site: Callable[..., Any], basic_config: str) -> Any:
    made = copy_site(subscribed, basic_config)
    made.now += timedelta(hours=1)
    return made


def subscribed(site: Any) -> None:
    for address in PEOPLE:
        site.subscribe(address)
    site.send()


def days(site: Any, number: int, *, silent: tuple[int, ...] = ()) -> None:
    """A cycle each hour, and an article each morning but on the silent days."""
    for day in range(number):
        for hour in range(24):
            if hour == 0 and day not in silent:
                site.articles = getattr(site, "articles", 0) + 1
                site.accept([f"Article {site.articles}"])
            site.send()
            site.advance(hours=1)


@pytest.mark.parametrize("silent", [(), (1, 2)])
def test_three_days_without_a_mail_server(site: Any, silent: tuple[int, ...]) -> None:
    days(site, 1)
    assert len(site.mails()) == 3
    mailbox = site.folder / "mailbox"
    mailbox.rename(site.folder / "kept")
    mailbox.write_text("in the way: nothing can be delivered here")
    days(site, 3, silent=silent)
    mailbox.unlink()
    (site.folder / "kept").rename(mailbox)
    site.send()
    assert len(site.mails()) <= 6, "three dailies at once"
    days(site, 2)
    told = [f"Article {n}" for n in range(1, site.articles + 1)]
    for address in PEOPLE:
        assert sorted(site.told(address)) == told, "each article once"
    assert all(site.counts(digest.id).holds for digest in site.digests())
    assert {digest.status for digest in site.digests()} <= {DigestStatus.DONE, DigestStatus.SKIPPED}


def test_what_expired_with_nothing_new_after_it_is_still_told(site: Any) -> None:
    """The next slot comes, takes back what the last one could not send, and tells it itself."""
    site.accept(["Article one"])
    mailbox = site.folder / "mailbox"
    mailbox.rename(site.folder / "kept") if mailbox.exists() else None
    mailbox.write_text("in the way")
    days(site, 2, silent=(0, 1))
    mailbox.unlink()
    days(site, 1, silent=(0,))
    assert [site.told(address) for address in PEOPLE] == [["Article one"]] * 3
