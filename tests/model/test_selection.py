"""One person's articles: window, rules, one telling of a story, limits last."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.newsletters import Window
from pipeline.model.selection import (
    Candidate,
    Group,
    Order,
    Rules,
    arrangement,
    for_everyone,
    group_of,
    newest_first,
    one_per_story,
    ranked,
    select,
    told_between,
)

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


# --- orders and pins ---


def test_by_source_as_the_operator_names_them_then_by_name_then_by_date() -> None:
    mixed = [article(1, source="zebra"), article(2, source="blog"), article(3, source="desk"),
             article(4, source="blog"), article(5, source="apple")]
    assert ids(mixed, rules=replace(EVERY, order=Order.SOURCE)) == [5, 4, 2, 3, 1]
    named = replace(EVERY, order=Order.SOURCE, sources=("desk", "blog", "apple", "zebra"))
    assert ids(mixed, rules=named) == [3, 4, 2, 5, 1]


def test_by_score_the_most_points_first_and_ties_by_date() -> None:
    scored = [article(1, points=90), article(2, points=10), article(3, points=90), article(4)]
    assert ids(scored, rules=replace(EVERY, order=Order.SCORE)) == [3, 1, 2, 4]
    assert ids(scored, rules=EVERY) == [4, 3, 2, 1], "points count for nothing in the order by date"


@pytest.mark.parametrize("order", list(Order))
def test_what_the_operator_put_at_the_top_comes_first_in_any_order(order: Order) -> None:
    listed = [article(1, rank=2), article(2, points=500), article(3, source="a"), article(4, rank=1), article(5)]
    assert ids(listed, rules=replace(EVERY, order=order))[:2] == [4, 1]


def test_limits_never_take_away_what_is_pinned() -> None:
    listed = [article(1, rank=1), *(article(n) for n in range(2, 9))]
    assert ids(listed, rules=Rules(limit=2)) == [1, 8]
    assert ids(listed, rules=Rules(limit=9, per_source=1)) == [1]


# --- groups ---

BY_TOPIC = replace(EVERY, group=Group.TOPIC)


def grouped(candidates: list[Candidate], rules: Rules, topics: tuple[str, ...] = ()) -> list[tuple[str, list[int]]]:
    found = select(candidates, ALL, rules, topics=topics)
    assert len(found.groups) in (0, len(found.articles))
    out: list[tuple[str, list[int]]] = []
    for name, one in zip(found.groups, found.articles, strict=True):
        if not out or out[-1][0] != name:
            out.append((name, []))
        out[-1][1].append(one.id)
    return out


TOPICAL = [article(1, topics=("sport",)), article(2, topics=("city", "sport")), article(3, topics=()),
           article(4, topics=("arts",)), article(5, topics=("sport", "city"))]


def test_groups_stand_in_the_order_of_the_operators_topics() -> None:
    declared = replace(BY_TOPIC, topics=("arts", "city", "sport"))
    assert grouped(TOPICAL, declared) == [("arts", [4]), ("city", [5, 2]), ("sport", [1])]


def test_where_any_topic_is_taken_groups_stand_as_they_first_appear_under_the_articles_own_first_topic() -> None:
    assert grouped(TOPICAL, BY_TOPIC) == [("sport", [5, 1]), ("arts", [4]), ("city", [2]), ("", [3])]


def test_a_pin_takes_its_group_to_the_top() -> None:
    pinned = [*TOPICAL[:3], replace(TOPICAL[3], rank=1), TOPICAL[4]]
    assert grouped(pinned, replace(BY_TOPIC, topics=("sport", "city", "arts")))[0] == ("arts", [4])
    bare = [*TOPICAL[:2], replace(TOPICAL[2], rank=1)]
    assert grouped(bare, BY_TOPIC)[0] == ("", [3]), "also that of those without a topic"


def test_an_article_stands_under_a_topic_that_its_reader_picked() -> None:
    rules = replace(BY_TOPIC, topics=("city", "sport"))
    assert grouped(TOPICAL, rules, ("sport",)) == [("sport", [5, 2, 1])]
    assert grouped(TOPICAL, BY_TOPIC, ("city",)) == [("city", [5, 2])]
    assert group_of(TOPICAL[4], rules) == "city"
    assert group_of(TOPICAL[4], rules, ("sport",)) == "sport"


def test_by_source_as_named_and_else_as_they_appear() -> None:
    mixed = [article(1, source="a"), article(2, source="b"), article(3, source="a"), article(4, source="c")]
    rules = replace(EVERY, group=Group.SOURCE)
    assert grouped(mixed, rules) == [("c", [4]), ("a", [3, 1]), ("b", [2])]
    assert grouped(mixed, replace(rules, sources=("b", "a", "c"))) == [("b", [2]), ("a", [3, 1]), ("c", [4])]


def test_one_group_without_a_name_is_none() -> None:
    found = select([article(1, topics=()), article(2, topics=())], ALL, BY_TOPIC)
    assert (found.ids, found.groups) == ((2, 1), ())
    assert select(TOPICAL, ALL, EVERY).groups == ()


def test_what_limits_leave_out_ranks_last_and_does_not_stand_last() -> None:
    rules = replace(BY_TOPIC, topics=("city", "sport"), limit=2)
    listed = [article(1, topics=("city",)), article(2, topics=("sport",)), article(3, topics=("sport",))]
    found = select(listed, ALL, rules)
    assert (found.ids, found.groups, found.more) == ((3, 2), ("sport", "sport"), 1)


def test_an_arrangement_numbers_groups_by_the_digests_list() -> None:
    shown = arrangement(select(TOPICAL, ALL, BY_TOPIC), ("arts", "city", "sport"))
    assert (shown.articles, shown.groups) == ((5, 1, 4, 2, 3), (3, 3, 1, 2, 0))


# --- a person's topics, and room ---


def test_limits_come_after_the_persons_topics() -> None:
    listed = [article(n, topics=("city",) if n % 3 == 0 else ("sport",)) for n in range(1, 10)]
    found = select(listed, ALL, Rules(limit=2), topics=("city",))
    assert (found.ids, found.more) == ((9, 6), 1)
    assert select(listed, ALL, Rules(), topics=("arts",)).ids == ()
    assert select([article(1, topics=())], ALL, Rules(), topics=("city",)).ids == ()


def test_of_a_story_the_first_telling_that_the_person_asked_for() -> None:
    told_first, again = article(1, 1, topics=("sport",)), article(2, 1, topics=("city",))
    assert select([told_first, again], ALL, EVERY).ids == (1,)
    assert select([told_first, again], ALL, EVERY, topics=("city",)).ids == (2,)


def test_what_does_not_fit_is_left_to_the_web_whole() -> None:
    listed = [article(3, size=60), article(2, size=60), article(1, size=30)]
    found = select(listed, ALL, EVERY, room=100)
    assert (found.ids, found.more) == ((3, 1), 1), "a smaller one further down still fits"
    assert select(listed, ALL, EVERY, room=150).ids == (3, 2, 1), "to the last byte"
    assert select(listed, ALL, EVERY, room=149).ids == (3, 2)
    assert select(listed, ALL, EVERY).ids == (3, 2, 1), "0: there is no end to it"


def test_the_first_stays_however_large_it_is() -> None:
    found = select([article(2, size=900), article(1, size=1)], ALL, EVERY, room=100)
    assert (found.ids, found.more) == ((2,), 1)


def test_the_web_shows_all_of_it() -> None:
    listed = [article(n, size=90) for n in range(1, 6)]
    assert len(for_everyone(listed, ALL, Rules(limit=2, per_source=1)).articles) == 5


MIXED = st.lists(
    st.builds(article, st.integers(1, 40), st.integers(0, 6), told=st.booleans(), fresh=st.booleans(),
              source=st.sampled_from("abc"), rank=st.sampled_from([0, 0, 0, 1, 2, 3]), points=st.integers(0, 3),
              size=st.integers(0, 60), topics=st.sampled_from([(), ("x",), ("y",), ("x", "y"), ("z", "x")])),
    unique_by=lambda a: a.id, max_size=12)
ANY_RULES = st.builds(
    Rules, limit=st.integers(1, 6), per_source=st.integers(0, 3), order=st.sampled_from(list(Order)),
    group=st.sampled_from(list(Group)), topics=st.sampled_from([("*",), ("x", "y"), ("y", "x", "z")]),
    sources=st.sampled_from([(), ("b", "a", "c")]))


@given(MIXED, ANY_RULES, st.integers(0, 40), st.integers(0, 40), st.sampled_from([(), ("x",), ("y", "z")]),
       st.integers(0, 150), st.randoms(use_true_random=False))
def test_whatever_the_rules(
    candidates: list[Candidate], rules: Rules, a: int, b: int, topics: tuple[str, ...], room: int, random
) -> None:
    window = Window(min(a, b), max(a, b))
    found = select(candidates, window, rules, topics=topics, room=room)
    chosen = list(found.articles)
    assert set(chosen) <= {c for c in candidates if c.fresh and c.accepted_seq in window and rules.match(c)}
    assert all(not topics or set(topics) & set(c.topics) for c in chosen)
    assert len({c.story for c in chosen}) == len(chosen) <= rules.limit
    assert not rules.per_source or all(
        sum(c.source == source for c in chosen) <= rules.per_source for source in "abc")
    assert not room or len(chosen) < 2 or sum(c.size for c in ranked(chosen, rules)) <= max(
        room, ranked(chosen, rules)[0].size)
    everything = select(candidates, window, replace(rules, limit=99, per_source=0), topics=topics)
    assert bool(chosen) == bool(everything.articles), "limits and room leave at least one"
    assert len(chosen) + found.more == len(everything.articles)
    # what ranks first stands in it, and within a group the rank is kept
    if chosen:
        assert ranked(everything.articles, rules)[0] in chosen
    names = found.groups or ("",) * len(chosen)
    runs = [name for place, name in enumerate(names) if place == 0 or names[place - 1] != name]
    assert len(runs) == len(set(runs)), "each heading stands once"
    for name in runs:
        inside = [c for c, group in zip(chosen, names, strict=True) if group == name]
        assert inside == ranked(inside, rules)
        assert all(group_of(c, rules, topics) == name for c in inside) or not found.groups
    if "" in runs and not any(c.rank for c in chosen):
        assert runs[-1] == "", "those without a group come last"
    shuffled = list(candidates)
    random.shuffle(shuffled)
    assert select(shuffled, window, rules, topics=topics, room=room) == found, "the order of rows does not matter"
