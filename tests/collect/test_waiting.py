"""What waits for its page: into a row and back, also from rows of other versions, and when its page is asked again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.collect.waiting import AGAIN, AGAIN_WITH_TEXT, LONGEST_WAIT, Waiting, as_json, from_json, has_page
from pipeline.collect.waiting import retry_after as wait_after
from pipeline.model.articles import Draft, Enclosure, Extra
from pipeline.model.sources import PassedState
from pipeline.store.passed import PassedOver

SEEN = datetime(2026, 6, 1, 6, tzinfo=UTC)
ROW = PassedOver("key", PassedState.WAITING, "", "https://paper.example/row", "The row's title", at=SEEN)

texts = st.text(max_size=30)
times = st.datetimes(timezones=st.just(UTC))
some = st.lists(texts, max_size=3).map(tuple)
drafts = st.builds(
    Draft, guid=texts, url=texts, url_key=texts, content_hash=texts, title=texts, author=texts, summary=texts,
    html=texts, published_at=times, dated=st.booleans(), updated_at=st.none() | times, topics=some, language=texts,
    rights=texts, enclosures=st.lists(st.builds(Enclosure, texts, texts, st.integers(0, 2**40)), max_size=2).map(tuple),
    licence=texts, image=texts, pointer=st.booleans(), text_note=texts, telling=st.booleans(),
    extras=st.lists(st.builds(Extra, texts, texts, st.lists(st.tuples(texts, texts), max_size=2).map(tuple)),
                    max_size=2).map(tuple),
)
waitings = st.builds(Waiting, drafts, texts, texts, st.booleans(), st.none() | times)


def through_json(waiting: Waiting) -> Any:
    return json.loads(json.dumps(as_json(waiting)))


@given(waitings)
def test_it_comes_back_as_it_went(waiting: Waiting) -> None:
    assert from_json(through_json(waiting), ROW) == waiting


@given(waitings, st.data())
def test_a_row_of_another_version_is_read_as_far_as_it_goes(waiting: Waiting, data: st.DataObject) -> None:
    written = through_json(waiting)
    written["came_later"] = written["draft"]["came_later"] = 1
    for part in (written, written["draft"]):
        for name in data.draw(st.sets(st.sampled_from(sorted(part.keys() - {"draft", "content_hash"})), max_size=9)):
            del part[name]
    read = from_json(written, ROW)
    assert read is not None
    assert read.draft.content_hash == waiting.draft.content_hash
    if "title" not in written["draft"]:
        assert read.draft.title == ROW.title
    if "url" not in written["draft"]:
        assert read.draft.url == ROW.url
    if "published_at" not in written["draft"]:
        assert read.draft.published_at == SEEN
    if "topics" in written["draft"]:
        assert read.draft.topics == waiting.draft.topics


BROKEN: list[Any] = [
    None, {}, [], {"draft": None}, {"draft": []}, {"draft": {}}, {"draft": "text"},
    {"draft": {"content_hash": 5}}, {"draft": {"content_hash": "x", "title": None}},
    {"draft": {"content_hash": "x", "topics": 3}}, {"draft": {"content_hash": "x", "topics": [3]}},
    {"draft": {"content_hash": "x", "published_at": "soon"}},
    {"draft": {"content_hash": "x", "published_at": "2026-06-01T06:00:00"}},
    {"draft": {"content_hash": "x", "enclosures": [{"href": "y"}]}}, {"draft": {"content_hash": "x", "extras": [1]}},
    {"draft": {"content_hash": "x"}, "seen_at": 5},
]


@pytest.mark.parametrize("written", BROKEN, ids=repr)
def test_what_is_no_draft_is_none(written: Any) -> None:
    assert from_json(written, ROW) is None


def test_the_least_that_is_understood() -> None:
    read = from_json({"draft": {"content_hash": "x"}}, ROW)
    assert read is not None
    assert (read.draft.url, read.draft.title, read.draft.published_at, read.draft.dated) == (
        ROW.url, ROW.title, SEEN, False)


def test_a_page_is_asked_again_as_long_as_it_is_worth_it(draft: Callable[..., Draft]) -> None:
    words, pointer = Waiting(draft()), Waiting(replace(draft(), pointer=True))
    assert [wait_after(words, n) for n in range(1, 5)] == [*AGAIN_WITH_TEXT, None, None]
    assert [wait_after(pointer, n) for n in range(1, 7)] == [*AGAIN, None]
    assert sum(AGAIN_WITH_TEXT, timedelta()) < timedelta(hours=2), "better a shorter article than a late one"
    assert wait_after(words, 1, timedelta(hours=3)) == timedelta(hours=3), "the server's own wish"
    assert wait_after(words, 1, timedelta(seconds=3)) == AGAIN[0]
    assert wait_after(words, 1, timedelta(days=300)) == LONGEST_WAIT
    assert wait_after(words, 3, timedelta(hours=3)) is None


def test_films_and_papers_are_not_fetched_for_a_text(draft: Callable[..., Draft]) -> None:
    pages = ["/a", "/a.html", "/pdf", "/a.pdf/", "/a?file=x.pdf", "/v1.0"]
    files = ["/a.pdf", "/A.PDF", "/a.mp3?x=1", "/a.tar.gz", "/a.jpeg#x"]
    assert [p for p in pages if not has_page(draft(url=f"https://paper.example{p}"))] == []
    assert [f for f in files if has_page(draft(url=f"https://paper.example{f}"))] == []
    assert not has_page(replace(draft(), url=""))
