"""articles similar, merge, split; and what `why` says of likenesses, changes and what was not taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.collect.changes import describe_change
from pipeline.collect.identify import make_draft
from pipeline.collect.suggest import suggest
from pipeline.model.articles import Found
from pipeline.model.sources import PassedState
from pipeline.store import articles, passed, sources
from pipeline.store.passed import PassedOver

Run = Callable[..., Any]

WORDS = " ".join(f"word{n} of the" for n in range(60))
SOURCES = """
[[sources]]
slug = "north"
url = "http://127.0.0.1:9/feed.xml"
title = "The North"
[[feeds]]"""


@pytest.fixture
def site(make_site: Any, basic_config: str) -> Any:
    """Two articles of a folder that say the same, and one that does not."""
    site = make_site(basic_config.replace("[[feeds]]", SOURCES.lstrip(), 1))
    site.write("a.md", "Bridge closed until spring", WORDS)
    site.write("b.md", "Bridge closed until spring", WORDS + " And nothing more.")
    site.write("c.md", "Something else", "Entirely.")
    site.run()
    suggest(site.app.store, site.now)
    return site


def test_pairs_are_listed_with_both_titles(broadsheet: Run, site: Any) -> None:
    said = broadsheet(site, "articles", "similar")
    assert said.status == 0
    lines = [line.split() for line in said.out.splitlines() if "Bridge" in line]
    assert [line[-5:] for line in lines] == [["desk", "Bridge", "closed", "until", "spring"]] * 2
    assert lines[0][1] == "%"
    assert "articles merge 2 1" in said.all
    [pair] = broadsheet(site, "articles", "similar", "--json").json["pairs"]
    assert {pair["later"]["id"], pair["earlier"]["id"]} == {1, 2}
    assert pair["percent"] > 90
    assert pair["later"]["source"] == "desk"


def test_merging_and_parting(broadsheet: Run, site: Any) -> None:
    said = broadsheet(site, "articles", "merge", "1", "2")
    assert said.status == 0
    assert "2 articles tell one story now" in said.out
    assert "`broadsheet articles split 2` parts them again" in said.all
    assert "Nothing says nearly the same" in broadsheet(site, "articles", "similar").out
    assert "You made it one story with article 1" in broadsheet(site, "why", "2").out
    again = broadsheet(site, "articles", "merge", "1", "2")
    assert (again.status, "one story already" in again.err) == (2, True)
    said = broadsheet(site, "articles", "split", "1")
    assert "apart from 2 \"Bridge closed until spring\"" in said.out
    assert "You parted it from article 1" in broadsheet(site, "why", "2").out
    assert "Nothing says nearly the same" in broadsheet(site, "articles", "similar").out
    assert broadsheet(site, "articles", "split", "1").status == 2
    assert broadsheet(site, "articles", "merge", "1", "99").status == 2
    assert broadsheet(site, "articles", "merge", "1", "2", "--json").json == {"story": [1, 2]}
    assert broadsheet(site, "articles", "split", "2", "--json").json == {"article": 2, "left": [1]}


def test_more_than_asked_for_is_said(broadsheet: Run, site: Any) -> None:
    site.write("d.md", "Bridge closed until spring", WORDS + " Nothing else.")
    site.run()
    suggest(site.app.store, site.now)
    said = broadsheet(site, "articles", "similar", "--limit", "1")
    assert "and more: --limit 2" in said.all


def test_of_many_alike_each_is_listed_once(broadsheet: Run, site: Any) -> None:
    for n in range(4):
        site.write(f"d{n}.md", "Bridge closed until spring", WORDS + f" Nothing else {n}.")
    site.run()
    suggest(site.app.store, site.now)
    said = broadsheet(site, "articles", "similar").out
    lines = [line.split() for line in said.splitlines() if "Bridge" in line]
    assert len(lines) == 6, "six articles, where fifteen pairs are alike"
    assert [line[1:3] for line in lines[:5]] == [["%", "like"]] * 5
    assert "%" not in lines[-1]
    pairs = broadsheet(site, "articles", "similar", "--json").json["pairs"]
    assert len({pair["later"]["id"] for pair in pairs}) == len(pairs) == 5
    for pair in pairs:  # what is listed is enough to make one story of them all
        broadsheet(site, "articles", "merge", str(pair["later"]["id"]), str(pair["earlier"]["id"]))
    assert "Nothing says nearly the same" in broadsheet(site, "articles", "similar").out


def test_why_tells_what_changed(broadsheet: Run, site: Any) -> None:
    draft = make_draft(Found("Bridge closed for good", html=WORDS), source_url="", now=site.now)
    with site.app.store.write() as connection:
        before = articles.by_id(connection, 1)
        articles.revise(connection, 1, draft, site.now, changed=describe_change(before, draft))
    said = broadsheet(site, "why", "1").out
    assert 'Revision 2, 1 June 2026 at 06:00: title changed from "Bridge closed until spring"' in said


def test_why_tells_what_was_not_taken(broadsheet: Run, site: Any) -> None:
    out = PassedOver("key", PassedState.EXCLUDED, 'excluded by the rule "casino"', "https://north.example/win",
                     "Win at the casino")
    with site.app.store.write() as connection:
        passed.record(connection, sources.state(connection, "north").id, [out], site.now)
    for words in ("at the casino", "https://north.example/win"):
        said = broadsheet(site, "why", words)
        assert said.status == 0
        assert 'in the source "north", and not taken: excluded by the rule "casino".' in said.out
    told = broadsheet(site, "why", "casino", "--json").json
    assert (told["article"], told["passed"][0]["reason"]) == (None, out.reason)
    assert "`include`, `exclude` and `hold`" in said.all
    refused = PassedOver("other", PassedState.REFUSED, "its page asks not to be kept (noindex)",
                         "https://north.example/secret", "A secret page")
    with site.app.store.write() as connection:
        passed.record(connection, sources.state(connection, "north").id, [refused], site.now)
    said = broadsheet(site, "why", "secret page")
    assert "(noindex)" in said.out
    assert "`exclude`" not in said.all, "no rule of the operator's keeps it out"
    assert "did you mean" not in broadsheet(site, "why", "Bridges are many").all
    assert 'did you mean "Something else"' in broadsheet(site, "why", "Somethin else").all
    assert broadsheet(site, "why", "poker").status == 2
