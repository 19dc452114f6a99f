"""audit, digests, why, articles: the questions afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

Run = Callable[..., Any]


@pytest.fixture
def sent(make_site: Any) -> Any:
    """A site whose first digest went to two people; a third left before it was filled."""
    site = make_site()
    for name in ("ann", "bob", "cid"):
        site.subscribe(f"{name}@here.example")
    site.accept(["Article one", "Article two"])
    site.advance(hours=3)
    return site


def test_the_audit_accounts_for_everybody(broadsheet: Run, sent: Any) -> None:
    broadsheet(sent, "compose", "lantern")
    assert "waiting 3  ✓ holds" in broadsheet(sent, "audit").out
    broadsheet(sent, "subscribers", "remove", "cid@here.example")
    broadsheet(sent, "deliver")
    said = broadsheet(sent, "audit", "--people")
    assert said.status == 0
    assert "selected 3 = sent 2 + bounced 0 + failed 0 + uncertain 0 + excluded 1 + waiting 0  ✓ holds" in said.out
    assert [line.split()[:2] for line in said.out.splitlines() if "@" in line] == [
        ["ann@here.example", "sent"], ["bob@here.example", "sent"], ["cid@here.example", "excluded"]]
    assert "  excluded  1  unsubscribed" in said.out
    assert broadsheet(sent, "audit", "--json").json["counts"]["sent"] == 2


@pytest.mark.parametrize(
    ("damage", "shown"),
    [
        ("DELETE FROM deliveries WHERE id = 2", "✗ 1 missing"),
        ("UPDATE batches SET sent = 7", "counts 7 sent, has 3 rows"),
    ],
)
def test_a_ledger_that_does_not_add_up_is_a_failure(broadsheet: Run, sent: Any, damage: str, shown: str) -> None:
    broadsheet(sent, "compose", "lantern")
    broadsheet(sent, "deliver")
    with sent.app.store.write() as connection:
        connection.execute(text(damage))
    said = broadsheet(sent, "audit")
    assert said.status == 1
    assert shown in said.all


def test_digests_are_listed_and_shown(broadsheet: Run, sent: Any) -> None:
    assert "no digest yet" in broadsheet(sent, "digests").out
    broadsheet(sent, "once")
    listed = broadsheet(sent, "digests", "--json").json["digests"]
    assert {d["nominal"] for d in listed} == {"2026-06-01T08:00"}
    assert {d["status"] for d in listed} == {"done", "skipped"}
    audited = broadsheet(sent, "audit", "--json").json
    assert audited["digest"]["schedule"] == "daily", "the latest that went out, not one that was skipped after it"
    shown = broadsheet(sent, "digests", "show", "2026-06-01-0800-daily")
    assert "3 people on \"daily\"" in shown.out
    assert "https://lantern.example/n/lantern/2026-06-01-0800-daily" in shown.out
    assert "Article two" in shown.out
    skipped = broadsheet(sent, "digests", "show", "2026-06-01-0800-weekly")
    assert "nobody is subscribed" in skipped.out


def test_why_tells_the_whole_story(broadsheet: Run, sent: Any) -> None:
    broadsheet(sent, "once")
    sent.subscribe("late@here.example")
    said = broadsheet(sent, "why", "article", "one", "--subscriber", "ann@here.example")
    assert said.status == 0, said.all
    for part in ("Accepted on 1 June 2026", "as number 1", "all: yes, number 2 of 2",
                 "stood in the digest 2026-06-01-0800-daily, which is done", "the article is in it"):
        assert part in said.out, said.out
    late = broadsheet(sent, "why", "1", "--subscriber", "late@here.example", "--json").json
    assert "never get it by mail" in late["story"][-1]["sentences"][-1]
    assert broadsheet(sent, "why", "https://lantern.example/a/2").status == 0
    sent.accept(["Article one and a half"])
    assert broadsheet(sent, "why", "Article one", "--json").json["article"]["id"] == 1, "a whole title is exact"
    unclear = broadsheet(sent, "why", "Article")
    assert unclear.status == 2
    assert '3 articles fit: 3 "Article one and a half"; 2 "Article two"; 1 "Article one"' in unclear.err


def test_held_articles_are_shown_and_let_in(broadsheet: Run, sent: Any) -> None:
    with sent.app.store.write() as connection:
        connection.execute(text("UPDATE articles SET status = 'held', accepted_seq = NULL, accepted_at = NULL, "
                                "reason = '90 new at once' WHERE id = 2"))
    listed = broadsheet(sent, "articles", "list", "--held")
    assert "Article two" in listed.out
    assert "Article one" not in listed.out
    assert "90 new at once" in listed.err
    assert "articles release 2" in broadsheet(sent, "why", "2").out
    assert broadsheet(sent, "articles", "release").status == 2
    assert broadsheet(sent, "articles", "release", "--source", "desk", "--json").json == {"released": 1, "asked": 1}
    assert "as number 3" in broadsheet(sent, "why", "2").out
    assert broadsheet(sent, "articles", "release", "1", "--json").json == {"released": 0, "asked": 1}
