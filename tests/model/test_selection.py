"""One person's articles: window, rules, one telling of a story, limits last."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.newsletters import Window
from pipeline.model.selection import Candidate, Rules, newest_first, one_per_story, select, told_between

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
ALL = Window(0, 1000)
EVERY = Rules(limit=1000)


def article(seq: int, story: int = 0, **values: object) -> Candidate:
    made = Candidate(seq, "desk", ("city",), story or seq, seq, NOW + timedelta(minutes=seq))
    return replace(made, **values)


def ids(candidates: list[Candidate], window: Window = ALL, rules: Rules = EVERY, start_seq: int = 0) -> list[int]:
    told = told_between(candidates, start_seq, window.from_seq)
    return list(select(candidates, window, rules, told=told).ids)


def test_the_window_is_half_open() -> None:
    assert ids([article(n) for n in range(1, 6)], Window(1, 4)) == [4, 3, 2]


def test_newest_first_and_ties_by_acceptance() -> None:
    same = [article(n, published_at=NOW) for n in (2, 1, 3)]
    assert [a.id for a in newest_first(same)] == [3, 2, 1]
    assert ids([article(1, published_at=NOW + timedelta(days=1)), article(2)]) == [1, 2]


@pytest.mark.parametrize(("rules", "expected"), [
    (Rules(), True), (Rules(topics=()), True), (Rules(topics=("city",)), True), (Rules(topics=("x", "city")), True),
    (Rules(topics=("x",)), False), (Rules(topics=("x", "*")), True), (Rules(sources=("desk",)), True),
    (Rules(sources=("other",)), False), (Rules(sources=("other",), topics=("city",)), False),
])
def test_rules(rules: Rules, expected: bool) -> None:
    assert rules.match(article(1)) is expected


def test_a_story_is_told_once_by_whoever_told_it_first() -> None:
    assert ids([article(3, 1), article(1, 1), article(2, 2)]) == [2, 1]


def test_in_a_window_the_first_telling_in_it() -> None:
    assert ids([article(1, 1), article(3, 1), article(5, 1)], Window(2, 9)) == [3]


def test_what_was_told_in_an_earlier_window_is_not_repeated() -> None:
    assert ids([article(1, 1, fresh=False, told=True), article(5, 1), article(6)], Window(4, 9)) == [6]


def test_one_that_was_never_in_a_digest_has_not_been_told() -> None:
    assert ids([article(1, 1, fresh=False, told=False), article(5, 1)], Window(4, 9)) == [5]


def test_whoever_came_after_the_first_telling_gets_the_repetition() -> None:
    earlier, again = article(2, 2, fresh=False, told=True), article(5, 2)
    assert ids([earlier, again], Window(4, 9), start_seq=1) == []
    assert ids([earlier, again], Window(4, 9), start_seq=2) == [5], "the start itself is before their first window"
    assert ids([earlier, again], Window(4, 9), start_seq=3) == [5]


def test_a_candidate_that_an_earlier_digest_told_counts_for_those_whose_window_held_it() -> None:
    """Some people's windows reach back to it (theirs bounced), for others it lies before: they have been told."""
    told, again = article(3, 3, told=True), article(6, 3)
    assert ids([told, again], Window(2, 9)) == [3], "it is in their window, so it is told now"
    assert ids([told, again], Window(3, 9)) == []


def test_an_earlier_telling_is_itself_never_chosen() -> None:
    assert ids([article(5, fresh=False, told=True)], Window(4, 9)) == []


def test_a_told_article_of_another_topic_still_counts_as_told() -> None:
    earlier = article(1, 1, fresh=False, told=True, topics=("sport",))
    assert ids([earlier, article(5, 1)], Window(4, 9), Rules(topics=("city",))) == []


def test_limits_come_last() -> None:
    found = select([article(n, topics=("city" if n % 2 else "sport",)) for n in range(1, 11)], ALL,
                   Rules(topics=("city",), limit=3))
    assert found.ids == (9, 7, 5)
    assert found.more == 2


def test_per_source() -> None:
    mixed = [article(n, source="a" if n > 2 else "b") for n in range(1, 7)]
    found = select(mixed, ALL, Rules(limit=4, per_source=2))
    assert found.ids == (6, 5, 2, 1)
    assert found.more == 2


@given(st.lists(st.builds(article, st.integers(1, 40), st.integers(0, 6), told=st.booleans(), fresh=st.booleans()),
                unique_by=lambda a: a.id), st.integers(0, 40), st.integers(0, 40), st.integers(0, 20),
       st.integers(1, 6), st.integers(0, 3))
def test_whatever_the_candidates(candidates: list[Candidate], a: int, b: int, start: int, limit: int, per: int) -> None:
    window, rules = Window(min(a, b), max(a, b)), Rules(limit=limit, per_source=per)
    told = told_between(candidates, start, window.from_seq)
    found = select(candidates, window, rules, told=told)
    chosen = list(found.articles)
    assert all(c.fresh and c.accepted_seq in window for c in chosen)
    assert len({c.story for c in chosen}) == len(chosen) <= limit
    assert chosen == newest_first(chosen)
    assert found == select(list(reversed(candidates)), window, rules, told=told), "order of rows does not matter"
    everything = select(candidates, window, EVERY, told=told)
    assert len(chosen) + found.more == len(everything.articles)
    assert not per or len(chosen) <= per
    # wherever a window is cut in two, the parts tell together what the whole told, and nothing twice
    middle = (window.from_seq + window.cut_seq) // 2
    first = select(candidates, Window(window.from_seq, middle), EVERY, told=told)
    read = {c.id for c in first.articles}
    second = select(candidates, Window(middle, window.cut_seq), EVERY, told=told | read)
    assert {c.story for c in first.articles} | {c.story for c in second.articles} <= {
        c.story for c in everything.articles} | {c.story for c in candidates if c.fresh}
    assert not {c.story for c in first.articles} & {c.story for c in second.articles}


def test_one_per_story_keeps_the_given_order() -> None:
    assert [a.id for a in one_per_story([article(9), article(3, 1), article(1, 1), article(4)])] == [9, 1, 4]
