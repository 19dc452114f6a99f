"""Which pages of a listing or a sitemap are read, and that every address gets a verdict with a reason."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.children.frames import decode, encode
from pipeline.collect.finding.findings import Pointer, PointersRead
from pipeline.collect.finding.pointing import listing_pointers, sitemap_pointers
from pipeline.collect.finding.wanted import FEW, WAITING_POLLS, Judged, Want, wanted
from pipeline.model.sources import SourceKind

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
PAGE, SITEMAP = SourceKind.PAGE, SourceKind.SITEMAP


def pointer(number: int, days_ago: float | None = None) -> Pointer:
    loc = f"<loc>https://paper.example/{number}</loc>"
    body = f"<urlset><url>{loc}</url></urlset>".encode()
    (made,) = sitemap_pointers(body, url="https://paper.example/s.xml", now=NOW).pointers
    return Pointer(made.draft, None if days_ago is None else NOW - timedelta(days=days_ago))


def judge(pointers, known=(), **values) -> tuple[Judged, ...]:
    given_values = {"kind": SITEMAP, "first_poll": True, "backlog": WEEK, "now": NOW, "limit": 20} | values
    return wanted(pointers, known, **given_values)


def numbers(judged, want: Want) -> list[int]:
    return [int(j.pointer.draft.url.rpartition("/")[2]) for j in judged if j.want is want]


def test_a_first_poll_reads_what_is_dated_within_the_backlog_the_newest_first() -> None:
    judged = judge([pointer(n, n / 2) for n in range(30)], limit=5)
    assert numbers(judged, Want.READ) == [0, 1, 2, 3, 4]
    assert numbers(judged, Want.WAIT) == list(range(5, 15)), "up to seven days"
    assert numbers(judged, Want.PASS) == list(range(15, 30))
    assert {j.reason for j in judged if j.want is Want.PASS} == {
        "older than the backlog when the source was first read"}


@pytest.mark.parametrize("backlog", [WEEK, timedelta()])
def test_a_feed_does_not_begin_empty(backlog: timedelta) -> None:
    judged = judge([pointer(n, 30 + n) for n in range(50)], backlog=backlog)
    assert numbers(judged, Want.READ) == list(range(FEW))
    assert len(numbers(judged, Want.PASS)) == 50 - FEW
    assert numbers(judge([pointer(n, 30 + n) for n in range(50)], backlog=backlog, limit=3), Want.READ) == [0, 1, 2]


def test_with_a_backlog_of_none_nothing_is_recent() -> None:
    judged = judge([pointer(1, -0.5), pointer(2, 0)], backlog=timedelta())
    assert {j.reason for j in judged} == {"is among the newest of the first poll; for feeds only"}


def test_a_backlog_of_all_wants_all_a_few_at_a_time() -> None:
    judged = judge([pointer(n, n * 100) for n in range(990)], backlog=None)
    assert numbers(judged, Want.READ) == list(range(20))
    assert numbers(judged, Want.WAIT) == list(range(20, 990))


def test_an_undated_sitemap_is_a_baseline() -> None:
    judged = judge([pointer(n) for n in range(30)])
    assert Counter(j.want for j in judged) == {Want.PASS: 30}
    later = judge([pointer(n) for n in range(33)], {p.draft.url_key for p in map(pointer, range(30))}, first_poll=False)
    assert numbers(later, Want.READ) == [32, 31, 30], "the last is the newest"


def test_an_undated_listing_is_taken_from_the_top_and_nothing_waits_to_be_taken_for_news() -> None:
    judged = judge([pointer(n) for n in range(30)], kind=PAGE)
    assert numbers(judged, Want.READ) == list(range(20))
    assert numbers(judged, Want.PASS) == list(range(20, 30))


def test_a_later_poll_wants_what_is_new_even_if_its_date_is_old_on_a_listing() -> None:
    pointers = [pointer(1, 400), pointer(2, 1), pointer(3)]
    for kind, passed in ((PAGE, []), (SITEMAP, [1])):
        judged = judge(pointers, first_poll=False, kind=kind, since=NOW - timedelta(days=30))
        assert sorted(numbers(judged, Want.READ)) == sorted({1, 2, 3} - set(passed))
        assert numbers(judged, Want.PASS) == passed
    everything = judge(pointers, first_poll=False, backlog=None, since=NOW - timedelta(days=30))
    assert len(numbers(everything, Want.READ)) == 3


def test_very_many_new_ones_wait_for_some_polls_and_no_longer() -> None:
    judged = judge([pointer(n) for n in range(100)], first_poll=False, limit=3)
    assert numbers(judged, Want.READ) == [99, 98, 97]
    assert len(numbers(judged, Want.WAIT)) == 3 * WAITING_POLLS - 3
    assert numbers(judged, Want.PASS) == list(reversed(range(100 - 3 * WAITING_POLLS)))


def test_what_is_known_or_there_twice_is_not_wanted_again() -> None:
    judged = judge([pointer(1, 1), pointer(2, 1), pointer(2, 1)], {pointer(1).draft.url_key})
    assert numbers(judged, Want.READ) == [2]
    assert sorted(numbers(judged, Want.KNOWN)) == [1, 2]


@given(
    st.lists(st.tuples(st.integers(0, 30), st.none() | st.floats(-2, 400)), max_size=40),
    st.sets(st.integers(0, 30)), st.sampled_from([PAGE, SITEMAP]), st.booleans(),
    st.sampled_from([None, timedelta(), WEEK]), st.integers(1, 25),
)
def test_nothing_is_lost(ones, known, kind, first_poll, backlog, limit) -> None:
    pointers = [Pointer(MADE[n], None if d is None else NOW - timedelta(days=d)) for n, d in ones]
    judged = judge(pointers, {MADE[n].url_key for n in known}, kind=kind, first_poll=first_poll, backlog=backlog,
                   limit=limit, since=NOW - WEEK)
    assert Counter(id(j.pointer) for j in judged) == Counter(map(id, pointers)), "each address has one verdict"
    assert all(j.reason for j in judged)
    read = numbers(judged, Want.READ)
    assert len(read) <= limit
    assert len(set(read)) == len(read)
    assert not set(read) & known
    whens = {id(p): p.when for p in pointers}
    waiting = [whens[id(j.pointer)] for j in judged if j.want is Want.WAIT]
    chosen = [whens[id(j.pointer)] for j in judged if j.want is Want.READ]
    assert all(w is None or any(c is not None and c >= w for c in chosen) for w in waiting), "the newest first"
    if first_poll and backlog is not None:
        assert all(w is not None and NOW - w <= backlog for w in waiting), "only what is new may wait to be news"


MADE = [pointer(n).draft for n in range(31)]


def test_pointers_come_through_the_door_and_through_the_pipe() -> None:
    body = (b"<urlset xmlns:n='x'><url><loc>https://paper.example/a-slug?utm_source=x</loc><lastmod>2026-11-20</lastmod>"
            b"</url><url><loc>https://paper.example/b</loc><n:news><n:publication_date>2026-11-21</n:publication_date>"
            b"<n:title>Snow\xc2\xad &amp; ice</n:title></n:news></url></urlset>")
    read = sitemap_pointers(body, url="https://paper.example/s.xml", now=NOW, topics=("city",), language="sv")
    first, second = read.pointers
    assert (first.draft.url, first.draft.title) == ("https://paper.example/a-slug", "a slug")
    assert (first.when, first.draft.dated) == (datetime(2026, 11, 20, tzinfo=UTC), False), "a lastmod dates no article"
    assert (second.when, second.draft.published_at) == (datetime(2026, 11, 21, tzinfo=UTC),) * 2
    assert first.draft.pointer
    assert (first.draft.topics, first.draft.language) == (("city",), "sv")
    page = "".join(f"<article><h2><a href='/a-long-slug-{n}'>The article of number {n}</a></h2></article>"
                   for n in range(4))
    listed = listing_pointers(page.encode(), url="https://paper.example/", now=NOW, selector="article")
    assert [p.draft.title for p in listed.pointers] == [f"The article of number {n}" for n in range(4)]
    for one in (read, listed):
        assert decode(PointersRead, encode(PointersRead, one)) == one
