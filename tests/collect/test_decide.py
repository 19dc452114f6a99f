from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.collect.decide import (
    Known,
    KnownIndex,
    Verdict,
    decide_article,
    decide_backlog,
    decide_flood,
    match,
    match_all,
)
from pipeline.model.articles import Draft

Make = Callable[..., Draft]
TEXT = "<p>Long enough to be told from every other article, with some eighty characters of its own words.</p>"


def known(draft: Draft, number: int = 1) -> Known:
    return Known(number, draft.guid, draft.url_key, draft.content_hash, draft.title)


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, Verdict.SAME),
        ({"guid": "g2"}, Verdict.MOVED),
        ({"url": "/b"}, Verdict.MOVED),
        ({"guid": "g2", "url": "https://moved.example/a"}, Verdict.MOVED),
        ({"guid": ""}, Verdict.SAME),
        ({"url": "", "guid": ""}, Verdict.SAME),
        ({"html": TEXT + "<p>And more.</p>"}, Verdict.UPDATED),
        ({"title": "Another title"}, Verdict.UPDATED),
        ({"html": TEXT + "<p>More.</p>", "guid": "g2"}, Verdict.UPDATED),
        ({"html": TEXT + "<p>More.</p>", "guid": "g2", "url": "/b"}, Verdict.NEW),
        ({"html": TEXT.replace("<p>", "<div>")}, Verdict.SAME),
    ],
)
def test_what_becomes_of_a_changed_article(changed: dict[str, str], verdict: Verdict, draft: Make) -> None:
    before = {"title": "A title", "guid": "g1", "url": "/a", "html": TEXT}
    index = KnownIndex.of([known(draft(**before))])
    after = draft(**{**before, **changed})
    assert decide_article(after, match(after, index)) == verdict


def test_little_content_is_no_identity_where_there_is_another(draft: Make) -> None:
    thread = {"title": "Open thread", "html": "<p>Go.</p>"}
    index = KnownIndex.of([known(draft(guid="monday", url="/monday", **thread))])
    assert match(draft(guid="tuesday", url="/tuesday", **thread), index) is None
    assert match(draft(**thread), index) is not None


def test_a_known_article_is_given_once_and_to_its_guid_first(draft: Make) -> None:
    old = known(draft(guid="g1", url="/a", html=TEXT))
    by_content, by_guid = draft(guid="g9", url="/z", html=TEXT), draft("Other", guid="g1", url="/q")
    assert match_all([by_content, by_guid], KnownIndex.of([old])) == [(by_content, None), (by_guid, old)]


@given(st.permutations(range(8)), st.sampled_from(["guid", "url", "both"]))
def test_rewritten_guids_or_addresses_make_no_article_new(order: list[int], rewritten: str) -> None:
    """The storm: a source gives all its articles other guids, in another order."""
    made = [_draft(n) for n in range(8)]
    index = KnownIndex.of([known(d, n) for n, d in enumerate(made)])
    after = [_moved(made[n], rewritten) for n in order]
    pairs = match_all(after, index)
    assert [k.id for _, k in pairs if k] == order
    assert {decide_article(d, k) for d, k in pairs} == {Verdict.MOVED}


def _draft(n: int) -> Draft:
    when = datetime.fromisoformat("2026-11-22T12:00:00+00:00")
    return Draft(f"g{n}", f"https://example.org/{n}", f"//example.org/{n}", f"{n:064}", f"T{n}", "", "s" * 90, "", when,
                 True, None, (), "", "")


def _moved(draft: Draft, what: str) -> Draft:
    guid = draft.guid if what == "url" else f"new-{draft.guid}"
    key = draft.url_key if what == "guid" else f"//new.example/{draft.guid}"
    return replace(draft, guid=guid, url_key=key)


@pytest.mark.parametrize(
    ("new", "document", "stored", "first", "held"),
    [
        (500, 500, 0, True, False),
        (51, 200, 1000, False, True),
        (50, 200, 1000, False, False),
        (11, 20, 20, False, True),
        (10, 10, 20, False, False),
        (11, 22, 20, False, False),
        (20, 20, 0, False, False),
        (0, 10, 10, False, False),
    ],
)
def test_floods(new: int, document: int, stored: int, first: bool, held: bool) -> None:
    reason = decide_flood(new, document, stored, first_poll=first)
    assert bool(reason) == held
    assert not held or str(new) in reason


def test_a_delta_is_new_by_its_nature_and_still_has_a_limit() -> None:
    assert decide_flood(20, 20, 100, first_poll=False)
    assert not decide_flood(20, 20, 100, first_poll=False, delta=True)
    assert decide_flood(51, 51, 100, first_poll=False, delta=True)
    assert not decide_flood(51, 51, 100, first_poll=True, delta=True)


def test_backlog(draft: Make, now: datetime) -> None:
    week = timedelta(days=7)
    fresh, old, undated = draft(published_at=now - week), draft(published_at=now - week * 2), draft()

    def reason(of: Draft, backlog: timedelta | None = week, *, first_poll: bool = True) -> str:
        return decide_backlog(of, first_poll=first_poll, backlog=backlog, now=now)

    assert reason(fresh) == ""
    assert reason(old) == "older than the backlog of 7 days when the source was first read"
    assert "has no date" in reason(undated)
    assert reason(old, None) == reason(undated, None) == ""
    assert "none" in reason(fresh, timedelta())
    assert reason(old, first_poll=False) == reason(undated, first_poll=False) == ""


