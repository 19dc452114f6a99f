"""Archives: everything is in one of a feed's documents, and what is archived stays as it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from pipeline.model.feeds import Volume
from pipeline.publish import volumes

A = "{http://www.w3.org/2005/Atom}"
FH = "{http://purl.org/syndication/history/1.0}"
LIMITS, COUNTS = st.integers(1, 500), st.integers(0, 2000)


def numbers(entries: int, size: int) -> range:
    return range(1, volumes.archived(entries, size) // size + 1)


def positions(number: int, size: int) -> set[int]:
    first, last = volumes.run(number, size)
    return set(range(first, last + 1))


@given(LIMITS)
def test_a_size_fits_the_feed(limit: int) -> None:
    size = volumes.size_for(limit)
    assert 10 <= size <= 50
    assert size <= max(limit, 10), "what waits for its archive must have room in the feed"
    assert size == limit or not 10 <= limit <= 50


@given(COUNTS, LIMITS.map(volumes.size_for))
def test_archives_and_the_tail_are_everything_once(entries: int, size: int) -> None:
    runs = [positions(number, size) for number in numbers(entries, size)]
    tail = set(range(volumes.archived(entries, size) + 1, entries + 1))
    assert set().union(*runs, tail) == set(range(1, entries + 1))
    assert sum(map(len, runs)) + len(tail) == entries, "none overlaps another"
    assert len(tail) < size
    assert {len(one) for one in runs} <= {size}


@given(COUNTS, COUNTS, LIMITS.map(volumes.size_for))
def test_a_run_never_changes_as_entries_come(before: int, more: int, size: int) -> None:
    for number in numbers(before, size):
        assert number in numbers(before + more, size)
        old, new = (volumes.archive(number, size, entries) for entries in (before, before + more))
        assert (old.folder, old.previous) == (new.folder, new.previous)
        assert old.following in ("", new.following)
        first, last = volumes.run(number, size)
        assert old.folder == f"archive/{first}-{last}/"


@given(COUNTS, LIMITS.map(volumes.size_for))
def test_the_chain_goes_through_all_of_them_and_back(entries: int, size: int) -> None:
    made = [volumes.archive(number, size, entries) for number in numbers(entries, size)]
    newest = volumes.subscription(size, entries)
    assert (newest.folder, newest.archive, newest.following) == ("", False, "")
    assert [v.previous for v in (*made, newest)] == ["", *(v.folder for v in made)]
    assert [v.following for v in made] == [*(v.folder for v in made[1:]), *[""][: len(made)]]
    assert all(v.archive for v in made)
    assert len({v.folder for v in made}) == len(made)


@given(COUNTS, COUNTS, LIMITS.map(volumes.size_for), st.sets(st.integers(1, 4200)))
def test_exactly_what_could_have_changed_is_written(before: int, more: int, size: int, changed: set[int]) -> None:
    """A document's bytes come of which neighbours it has, and of the articles on its positions."""
    now = before + more
    had, have = volumes.archived(before, size), volumes.archived(now, size)
    want = [
        number for number in numbers(now, size)
        if number not in numbers(before, size) or changed & positions(number, size)
        or volumes.archive(number, size, before) != volumes.archive(number, size, now)]
    assert volumes.to_write(had, have, size, changed) == want[::-1], "none names one that is not there yet"


@pytest.mark.parametrize(("before", "now", "changed", "written"), [
    (0, 0, [], []), (0, 0, [3], []), (0, 10, [], [1]), (10, 10, [], []), (10, 20, [], [1, 2]), (20, 30, [], [2, 3]),
    (20, 40, [], [2, 3, 4]), (30, 30, [10, 11], [1, 2]), (30, 30, [31], []),
    (30, 30, [30], [3]), (30, 30, [20, 1], [1, 2]), (20, 30, [1], [1, 2, 3]), (20, 10, [], []),
])
def test_what_is_written(before: int, now: int, changed: list[int], written: list[int]) -> None:
    assert volumes.to_write(before, now, 10, changed) == written[::-1]


FIRST, MIDDLE, LAST = (volumes.archive(number, 10, 35) for number in (1, 2, 3))


@pytest.mark.parametrize(("volume", "links"), [
    (volumes.subscription(10, 35), {"prev-archive": "archive/21-30/"}),
    (FIRST, {"current": "", "next-archive": "archive/11-20/"}),
    (MIDDLE, {"current": "", "prev-archive": "archive/1-10/", "next-archive": "archive/21-30/"}),
    (LAST, {"current": "", "prev-archive": "archive/11-20/"}),
    (volumes.archive(1, 10, 12), {"current": ""}),
    (volumes.subscription(10, 9), {}),
])
def test_documents_name_their_neighbours(page, article, built: Callable, broken_rules, volume: Volume,
                                         links: dict[str, str]) -> None:
    """RFC 5005 section 4. The only document of an archive has no neighbour, and so may not call itself one."""
    made = built(page(), [article(1)], volume)
    assert broken_rules(made) == []
    base = "https://lantern.example/feeds/all/"
    for data, root, file in ((made.rss, etree.fromstring(made.rss)[0], "rss.xml"),
                             (made.atom, etree.fromstring(made.atom), "atom.xml")):
        found = {k.get("rel"): k.get("href") for k in root.findall(f"{A}link") if k.get("rel") != "alternate"}
        assert found == {"self": f"{base}{volume.folder}{file}"} | {
            rel: f"{base}{folder}{file}" for rel, folder in links.items()}
        assert (root.find(f"{FH}archive") is not None) == (volume.archive and len(links) > 1)
        assert b"<fh:complete" not in data
    assert etree.fromstring(made.rss)[0].findtext("link") == base, "its page is the feed's"
