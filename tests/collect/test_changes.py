"""What changed in an article, in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.collect.changes import MAX_QUOTED, describe_change
from pipeline.collect.identify import make_draft
from pipeline.model.articles import Draft, Enclosure, Found

TEXT = "The council met on Monday and decided, after a long night, that the old bridge over the river stays open."
Make = Callable[..., Draft]


@pytest.fixture
def text(draft: Make) -> Callable[[str], Draft]:
    return lambda words: draft("One", html=f"<p>{words}</p>", guid="g", url="https://example.org/1")


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (TEXT, ""),
        (f"<b>{TEXT}</b>", ""),
        (TEXT + " It was close.", "text 3 words longer"),
        (TEXT + " Indeed.", "text 1 word longer"),
        (TEXT.replace(" after a long night,", ""), "text 4 words shorter"),
        (TEXT.replace("Monday", "Tuesday"), "text 1 word replaced"),
        (TEXT.replace("Monday", "Tuesday") + " So it was.", "text 3 words longer and 1 word replaced"),
        (TEXT.replace("decided, after", "decided after"), "text: only signs between words changed"),
        (TEXT.replace("on Monday and decided", "and decided on Monday"), "text in another order"),
        ("Nothing of this was ever printed here before; somebody wrote it anew from scratch today",
         "text rewritten, 15 words instead of 20"),
        ("", "text gone, which had 20 words"),
    ],
)
def test_a_text_changed(text: Callable[[str], Draft], new: str, said: str) -> None:
    assert describe_change(text(TEXT), text(new)) == said


def test_a_text_came(text: Callable[[str], Draft]) -> None:
    assert describe_change(text(""), text(TEXT)) == "text added, 20 words"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"title": "Two"}, 'title changed from "One"'),
        ({"url": "https://example.org/2"}, "address moved"),
        ({"url": ""}, ""),                                      # a lost address is no move: the old one stays
        ({"author": ""}, "author gone"),
        ({"author": "Bo"}, 'author changed from "Ann"'),
        ({"topics": ("b", "c")}, "topics gone: a; topics added: c"),
        ({"enclosures": (Enclosure("https://example.org/a.mp3", "audio/mpeg"),)}, "media files changed"),
        ({"image": "https://example.org/i.png"}, "picture changed"),
        ({"rights": "CC BY"}, "licence changed"),
        ({"title": "Two", "url": "https://example.org/2"}, 'title changed from "One"; address moved'),
    ],
)
def test_what_is_around_it_changed(draft: Make, changes: dict[str, object], said: str) -> None:
    old = draft("One", html=f"<p>{TEXT}</p>", url="https://example.org/1", author="Ann", topics=("a", "b"))
    assert describe_change(old, replace(old, **changes)) == said


def test_an_author_came(draft: Make) -> None:
    assert describe_change(draft("One"), replace(draft("One"), author="Ann")) == "author added"


def test_a_long_title_is_shortened(draft: Make) -> None:
    assert len(describe_change(draft("word " * 50), draft("Other"))) < MAX_QUOTED + 40


def test_without_spaces_characters_are_counted(draft: Make) -> None:
    assert describe_change(draft("一", html="<p>東京の新しい駅が開いた</p>"),
                           draft("一", html="<p>大阪の新しい駅が開いた</p>")) == "text 2 words replaced"


@given(st.text(max_size=200), st.text(max_size=200))
def test_something_is_said_where_the_words_differ_and_only_there(a: str, b: str) -> None:
    old, new = (make_draft(Found("One", html=html), source_url="", now=datetime(2026, 11, 22, tzinfo=UTC))
                for html in (a, b))
    assert bool(describe_change(old, new)) == (old.content_hash != new.content_hash)
