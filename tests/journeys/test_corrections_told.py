"""A correction reaches whoever was told the article, once, and nobody else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from pipeline.desk import corrections
from pipeline.desk.preview import preview
from pipeline.model.deliveries import DeliveryState
from pipeline.store import digests, ledger, meta, subscribers
from pipeline.store.schema import deliveries

ANN, BOB, LATE = "ann@here.example", "bob@here.example", "late@here.example"
MAY = "The bridge opens in May, not in March."


def told_three(site: Any) -> None:
    """Ann and Bob were told three articles; Late came after that; a fourth came in."""
    site.now = site.now.replace(hour=5)
    site.subscribe(ANN)
    site.subscribe(BOB)
    site.accept(["Article one", "Article two", "Article three"])
    next_morning(site, days=0)
    site.subscribe(LATE)
    site.accept(["Article four"])


def next_morning(site: Any, days: int = 1) -> None:
    site.now = site.now.replace(hour=8) + timedelta(days=days)
    site.send()
    site.advance(hours=1)


@pytest.fixture
def site(copy_site: Callable, lantern_config: Callable[..., str]) -> Any:
    return copy_site(told_three, lantern_config("contents = 0"))


def correct(site: Any, number: int, words: str = MAY) -> None:
    corrections.correct(site.app, number, words)


def corrected(site: Any, address: str) -> list[str]:
    """Of each of their mails what stands under "Corrections"."""
    found = []
    for mail in site.mails():
        if mail["To"] == address:
            text = mail.get_body(("plain",)).get_content()
            html = mail.get_body(("html",)).get_content()
            part = text.partition("\nCorrections\n")[2].partition("-" * 72)[0]
            assert (">Corrections<" in html) == bool(part), "in both halves, or in none"
            assert (MAY in html) == (MAY in " ".join(text.split()))
            found.append(" ".join(part.split()))
    return found


def test_it_is_told_once_to_whoever_was_told(site) -> None:
    correct(site, 1)
    next_morning(site)
    for address in (ANN, BOB):
        first, second = corrected(site, address)
        assert first == ""
        assert "Article one" in second
        assert MAY in second
        assert "https://lantern.example/" in second
    assert corrected(site, LATE) == [""], "they never heard of it"
    site.accept(["Article five"])
    next_morning(site)
    assert [bool(one) for one in corrected(site, ANN)] == [False, True, False]
    assert site.told(ANN).count("Article one") == 1, "as a correction, not as an article again"


def test_the_order_and_the_number_of_articles_are_as_ever(site) -> None:
    correct(site, 1)
    next_morning(site)
    with site.app.store.read() as connection:
        rows = digests.selection_rows(connection, site.digests()[0].id).values()
    assert sorted((tuple(r.article_ids), tuple(r.corrections), r.subject) for r in rows) == [
        ((4,), (), "Article four"), ((4,), (1,), "Article four")]


def test_a_second_correction_of_the_same_article_is_told_too(site) -> None:
    correct(site, 1)
    next_morning(site)
    correct(site, 1, "In June, and not in May.")
    site.accept(["Article five"])
    next_morning(site)
    assert "In June, and not in May." in corrected(site, ANN)[-1]
    assert MAY not in corrected(site, ANN)[-1]


def test_it_waits_where_there_is_nothing_new(site) -> None:
    next_morning(site)
    correct(site, 2)
    next_morning(site)
    assert len(corrected(site, ANN)) == 2, "no digest for a correction alone"
    site.accept(["Article five"])
    next_morning(site)
    assert "Article two" in corrected(site, ANN)[-1]


def test_whoever_had_the_article_bounced_is_told_it_as_it_is_now(site) -> None:
    lose(site, BOB)
    correct(site, 1)
    next_morning(site)
    assert site.told(BOB)[3:] == ["Article four", "Article three", "Article two", "Article one"]
    assert corrected(site, BOB)[-1] == ""
    assert MAY in corrected(site, ANN)[-1]


def test_a_correction_whose_mail_bounced_comes_again(site) -> None:
    correct(site, 1)
    next_morning(site)
    lose(site, BOB)
    site.accept(["Article five"])
    next_morning(site)
    assert MAY in corrected(site, BOB)[-1]
    assert corrected(site, ANN)[-1] == ""


def test_whoever_switches_schedule_hears_of_it_once(site) -> None:
    correct(site, 1)
    with site.app.store.write() as connection:
        found = subscribers.by_address(connection, ANN)[0]
        subscribers.switch_schedule(connection, found.id, "weekly", site.now)
    next_morning(site)
    assert [bool(one) for one in corrected(site, ANN)] == [False]
    next_morning(site, days=5)  # Sunday
    assert [bool(one) for one in corrected(site, ANN)] == [False, True]


def test_taken_away_before_it_was_told_nobody_hears_of_it(site) -> None:
    correct(site, 1)
    corrections.clear(site.app, 1)
    next_morning(site)
    assert corrected(site, ANN)[-1] == ""


@pytest.mark.parametrize("then", ["clear", "another"])
def test_a_retry_gives_the_same_bytes_whatever_was_corrected_since(site, then: str) -> None:
    correct(site, 1)
    with site.app.store.write() as connection:
        meta.put(connection, meta.OUTGOING_STOPPED, "a test")
    slot = site.now.replace(hour=8) + timedelta(days=1)
    next_morning(site)
    assert len(site.mails()) == 2
    before = bytes_of(site, ANN, slot)
    assert MAY.encode()[:20] in before
    if then == "clear":
        corrections.clear(site.app, 1)
    else:
        correct(site, 1, "In June.")
    with site.app.store.write() as connection:
        meta.put(connection, meta.OUTGOING_STOPPED, "")
    site.send()
    assert bytes_of(site, ANN, slot) == before
    files = [path.read_bytes().split(b"\n", 2)[2] for path in (site.folder / "mailbox" / "new").iterdir()]
    assert before.replace(b"\r\n", b"\n") in files, "but for the two lines that a Maildir adds"


def test_what_its_source_changed_is_told_where_the_operator_allows_it(copy_site, lantern_config) -> None:
    from pipeline.collect.identify import make_drafts
    from pipeline.model.articles import Found, Show
    from pipeline.store import articles

    for kind in ("noted", "changed"):
        site = copy_site(told_three, lantern_config(f'contents = 0\ncorrections = "{kind}"'))
        found = Found(title="The bridge, in other words", html="<p>Other words.</p>", guid="Article one",
                      published_at=site.now)
        with site.app.store.write() as connection:
            articles.revise(connection, 1, make_drafts([found], source_url="", now=site.now, show=Show.FULL)[0],
                            site.now, changed="title changed")
        next_morning(site)
        assert ("The bridge, in other words" in corrected(site, ANN)[-1]) is (kind == "changed")
        assert corrected(site, LATE) == [""]
        site.accept(["Article five"])
        next_morning(site)
        assert corrected(site, ANN)[-1] == ""


def lose(site: Any, address: str) -> None:
    """Their newest mail bounced after all."""
    with site.app.store.write() as connection:
        who = subscribers.by_address(connection, address)[0].id
        newest = ledger.of_subscription(connection, who)[-1]
        connection.execute(deliveries.update().where(deliveries.c.id == newest.id).values(
            state=DeliveryState.BOUNCED, covered=False))


def bytes_of(site: Any, address: str, at: datetime) -> bytes:
    sheet = preview(site.app, site.app.config.newsletter("lantern"), address=address, at=at).sheet
    assert sheet is not None
    return sheet.eml
