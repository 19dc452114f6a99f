"""Permanent redirects: believed after a week to the same place, given up when that place fails."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.collect.manners.moves import (
    BELIEVED_AFTER,
    Move,
    MoveVerdict,
    Whereabouts,
    decide_move,
    decide_move_back,
    only_safer,
    same_address,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HOME, NEW, OTHER = "https://old.example/feed.xml", "https://new.example/feed.xml", "https://third.example/feed.xml"
AT_HOME = Whereabouts(HOME)
FOLLOWING = Whereabouts(HOME, followed_url=NEW)


def after(before: Whereabouts, *seen: tuple[float, str]) -> list[Move]:
    """What is decided when permanent redirects lead to these places, on these days."""
    moves = []
    for day, target in seen:
        moves.append(decide_move(before, target, NOW + day * DAY))
        before = moves[-1].after
    return moves


def verdicts(before: Whereabouts, *seen: tuple[float, str]) -> list[str]:
    return [move.verdict.value for move in after(before, *seen)]


def test_a_redirect_is_believed_after_a_week_to_the_same_place() -> None:
    moves = after(AT_HOME, (0, NEW), (3, NEW), (6.99, NEW), (7, NEW), (8, ""))
    assert [m.verdict for m in moves] == ["wait", "wait", "wait", "follow", "stay"]
    assert "believed from 2026-11-29 on" in moves[0].reason
    assert "since 2026-11-22" in moves[3].reason
    assert NEW in moves[3].reason
    assert [m.after.asked for m in moves] == [HOME, HOME, HOME, NEW, NEW]
    assert moves[4].after == FOLLOWING


def test_a_source_that_is_asked_weekly_needs_two_looks() -> None:
    assert verdicts(AT_HOME, (0, NEW), (7, NEW)) == ["wait", "follow"]
    assert verdicts(AT_HOME, (30, NEW)) == ["wait"]


@pytest.mark.parametrize("between", ["", OTHER])  # an answer from the old place, or another redirect
def test_another_target_or_none_begins_the_week_anew(between: str) -> None:
    moves = after(AT_HOME, (0, NEW), (5, between), (6, NEW), (8, NEW), (12.9, NEW), (13, NEW))
    assert [m.verdict for m in moves[2:]] == ["wait", "wait", "wait", "follow"]


def test_no_redirect_forgets_one_that_was_pending() -> None:
    assert after(AT_HOME, (0, NEW), (1, ""))[-1].after == AT_HOME


def test_https_of_the_same_address_is_believed_at_once() -> None:
    plain = Whereabouts("http://old.example/feed.xml?a=1")
    move = decide_move(plain, "https://old.example/feed.xml?a=1", NOW)
    assert (move.verdict, move.after.asked) == (MoveVerdict.FOLLOW, "https://old.example/feed.xml?a=1")
    assert move.after.location == plain.location


@pytest.mark.parametrize(
    ("old", "new", "safer"),
    [
        ("http://a.example/f", "https://a.example/f", True),
        ("http://A.example:80/f", "https://a.example:443/f#top", True),
        ("http://a.example", "https://a.example/", True),
        ("http://a.example/f", "https://www.a.example/f", False),
        ("http://a.example/f", "https://a.example/g", False),
        ("http://a.example/f?a=1", "https://a.example/f?a=2", False),
        ("http://a.example:8080/f", "https://a.example:8080/f", True),   # one that speaks both
        ("http://a.example:8080/f", "https://a.example/f", False),
        ("http://a.example/f", "https://a.example:8443/f", False),
        ("https://a.example/f", "http://a.example/f", False),
        ("https://a.example/f", "https://a.example/f", False),
        ("http://[bad/f", "https://[bad/f", False),
    ],
)
def test_what_counts_as_the_same_by_https(old: str, new: str, safer: bool) -> None:
    assert only_safer(old, new) is safer


def test_a_followed_address_may_move_on_or_lead_back() -> None:
    assert verdicts(FOLLOWING, (0, OTHER), (7, OTHER)) == ["wait", "follow"]
    assert after(FOLLOWING, (0, OTHER), (7, OTHER))[-1].after == Whereabouts(HOME, followed_url=OTHER)
    back = decide_move(FOLLOWING, HOME, NOW)
    assert (back.verdict, back.after) == (MoveVerdict.BACK, AT_HOME)


@pytest.mark.parametrize(
    "target",
    ["https://new.example/", "https://new.example", "https://old.example/", "https://old.example/login?next=/feed.xml",
     "https://sso.example/sign-in", "https://old.example/wp-login.php", "https://old.example/404.html",
     "https://old.example/not-found"],
)
def test_a_front_page_or_a_door_is_never_its_new_address(target: str) -> None:
    moves = after(AT_HOME, (0, target), (7, target), (400, target))
    assert {m.verdict for m in moves} == {MoveVerdict.REFUSE}
    assert {m.after.asked for m in moves} == {HOME}
    assert target in moves[0].reason


@pytest.mark.parametrize(
    ("home", "target"),
    [
        ("https://old.example/", "https://new.example/"),
        ("https://old.example/feed", "https://new.example/?feed=rss2"),
        ("https://old.example/feed", "https://new.example/errors-and-corrections/feed"),
        ("https://old.example/login/feed", "https://new.example/login/feed"),
        ("https://old.example/feed", "https://new.example/blogin/feed"),
    ],
)
def test_what_only_looks_like_one_is_believed(home: str, target: str) -> None:
    assert verdicts(Whereabouts(home), (0, target), (7, target)) == ["wait", "follow"]


# --- failures ---


@pytest.mark.parametrize(
    ("status", "failures", "back"),
    [
        (404, 1, True), (410, 1, True),
        (0, 1, False), (0, 2, False), (0, 3, True), (500, 2, False), (500, 3, True), (403, 3, True),
        (429, 9, False), (503, 9, False),
    ],
)
def test_an_address_that_is_followed_and_fails_is_given_up(status: int, failures: int, back: bool) -> None:
    move = decide_move_back(FOLLOWING, status, failures)
    assert move.verdict == ("back" if back else "stay")
    assert move.after == (AT_HOME if back else FOLLOWING)
    assert bool(move.reason) is back


def test_a_failure_of_its_own_address_moves_nothing() -> None:
    pending = Whereabouts(HOME, moved_to=NEW, moved_since=NOW)
    for status in (0, 404, 410, 500):
        assert decide_move_back(pending, status, 9) == Move(MoveVerdict.STAY, pending)


# --- whatever happens ---

places = st.sampled_from(["", HOME, NEW, OTHER, "https://new.example/", "http://old.example/feed.xml"])


@given(st.lists(st.tuples(st.floats(0.01, 4), places, st.sampled_from([0, 200, 200, 200, 404])), max_size=30))
def test_nothing_is_followed_that_did_not_last_a_week(seen: list[tuple[float, str, int]]) -> None:
    before, now = AT_HOME, NOW
    since: dict[str, datetime] = {}
    for days, target, status in seen:
        now += days * DAY
        if status != 200:
            before = decide_move_back(before, status, 1).after
            if not before.followed_url:
                since = {k: v for k, v in since.items() if k == before.moved_to}
            continue
        since = {target: since.get(target, now)} if target and not same_address(target, before.asked) else {}
        move = decide_move(before, target, now)
        assert move.after.location == HOME
        if move.verdict is MoveVerdict.FOLLOW and not only_safer(before.asked, target):
            assert now - since[target] >= BELIEVED_AFTER
            assert move.after.asked == target != "https://new.example/"
        if move.after.asked != before.asked:
            assert move.verdict in (MoveVerdict.FOLLOW, MoveVerdict.BACK)
            assert move.reason
        before = move.after
