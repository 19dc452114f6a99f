"""Which articles are found to say nearly the same, and which are not; and the step that goes through new ones."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.collect import suggest as step
from pipeline.collect.identify import make_draft, make_drafts
from pipeline.collect.reading.parse import parse_feed
from pipeline.collect.similar import APART, THRESHOLD, Telling, furniture_of, likeness, signature, tokens
from pipeline.collect.suggest import suggest
from pipeline.errors import ParseError
from pipeline.model.articles import Draft, Found, Show
from pipeline.store import articles, meta, similar, sources
from pipeline.store.articles import Acceptance
from pipeline.store.engine import Store

SHARED = Path(__file__).parents[3] / "shared"
FEEDS = sorted((SHARED / "corpora" / "feeds").glob("*.xml"))
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SYLLABLES = [a + b for a in "bdfgklmnprst" for b in "aeiou"]


def made_up(seed: object, words: int) -> list[str]:
    """Words of a language that nobody speaks, its common words as common as in those that people do."""
    dice = random.Random(str(seed))
    common = ["ba", "de", "fi", "go", "ku", "la", "me", "ni", "po", "ru"]
    return [dice.choice(common) if dice.random() < 0.4 else "".join(dice.choices(SYLLABLES, k=dice.choice((2, 3))))
            for _ in range(words)]


def telling(number: int, title: str, text: list[str] | str, *, source: int = 0, at: datetime = NOW) -> Telling:
    words = text if isinstance(text, str) else " ".join(text)
    return Telling(number, source or number, number, title, words, at)


def found(a: Telling, b: Telling) -> bool:
    """Whether the two would meet, and be suggested."""
    return bool(signature(a).items() & signature(b).items()) and likeness(a, b) >= THRESHOLD


def corrected(words: list[str], share: float) -> list[str]:
    dice = random.Random(len(words))
    new = dict.fromkeys(dice.sample(range(len(words)), max(1, int(len(words) * share))), "")
    return [f"anders{n}" if n in new else word for n, word in enumerate(words)]


VARIATIONS: dict[str, tuple[Callable[[list[str]], list[str]], float]] = {  # and the share that must be found
    "with a dateline": (lambda w: ["LONDON", "-", *w], 1.0),
    "as a summary": (lambda w: w[:60], 1.0),
    "a short summary": (lambda w: w[:30], 0.8),
    "one word corrected": (lambda w: corrected(w, 0.0), 1.0),
    "two in a hundred corrected": (lambda w: corrected(w, 0.02), 1.0),
    "one in twenty corrected": (lambda w: corrected(w, 0.05), 0.98),
    "another lead, and shorter": (lambda w: made_up(len(w), 30) + w[: len(w) * 7 // 10], 0.98),
    "with a signature": (lambda w: w + made_up(len(w), 25), 1.0),
}


@pytest.mark.parametrize("how", VARIATIONS)
def test_a_variation_under_another_headline_is_found(how: str) -> None:
    change, least = VARIATIONS[how]
    sizes = [80, 150, 300, 600, 1200]
    pairs = [(telling(1, " ".join(made_up((n, "a"), 8)), words := made_up(n, sizes[n % 5])),
              telling(2, " ".join(made_up((n, "b"), 8)), change(words))) for n in range(50)]
    assert sum(found(a, b) for a, b in pairs) >= least * len(pairs)


def test_different_articles_are_not_alike() -> None:
    several = [telling(n, " ".join(made_up((n, "t"), 8)), made_up(n, 200)) for n in range(1, 60)]
    assert [(a.id, b.id) for a in several for b in several if a.id < b.id and (found(a, b) or likeness(a, b))] == []


def test_the_title_alone_is_enough_where_it_says_enough() -> None:
    title = "Seven people found alive after a week in the mountains"
    assert likeness(telling(1, title, ""), telling(2, title, "")) == 100
    assert found(telling(1, title, ""), telling(2, title, made_up(1, 200)))
    assert not found(telling(1, "Open thread", ""), telling(2, "Open thread", ""))


def test_a_few_words_in_common_are_no_likeness() -> None:
    assert likeness(telling(1, "Off", "read more on our web site today"),
                    telling(2, "On", ["read", "more", "on", "our", "web", "site", "today", *made_up(1, 50)])) == 0


def test_within_a_source_series_are_left_alone() -> None:
    text = made_up(1, 200)
    week = telling(1, "The week in review: 31", text, source=7)
    assert likeness(week, telling(2, "The week in review: 32", [*text, "x"], source=7)) == 0
    assert likeness(week, telling(2, "Something else at all", text, source=7)) == 0
    assert likeness(week, telling(2, "The week in review: 31", text[:50], source=7)) > 90
    assert likeness(week, telling(2, "The whole week in review: 31", text, source=7)) >= 90
    assert likeness(week, telling(2, "The week in review: 32", text, source=8)) >= 90, "another source's is suggested"


def test_what_returns_later_is_another_article() -> None:
    text = made_up(1, 200)
    assert likeness(telling(1, "A", text), telling(2, "B", text, at=NOW + APART)) > 90
    assert likeness(telling(1, "A", text), telling(2, "B", text, at=NOW + APART + timedelta(minutes=1))) == 0


def test_what_tells_one_story_already_is_not_asked_about() -> None:
    text = made_up(1, 200)
    assert likeness(replace(telling(1, "A", text), story=5), replace(telling(2, "B", text), story=5)) == 0


def test_a_sources_furniture_does_not_count() -> None:
    footer = made_up("footer", 120)
    others = [telling(n, f"T{n}", made_up(n, 60) + footer, source=9) for n in range(3, 7)]
    a, b = (telling(n, f"T{n}", made_up(n, 60) + footer, source=s) for n, s in ((1, 8), (2, 9)))
    assert likeness(a, b) == 0 or likeness(a, b, {9: furniture_of(others)}) == 0
    short = telling(1, "T1", footer[:100] + made_up(1, 5), source=8)
    assert likeness(short, b) >= THRESHOLD
    assert likeness(short, b, {9: furniture_of(others)}) == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [("It's a Test, a  test!", ["it", "s", "a", "test", "a", "test"]), ("Straße", ["strasse"]),
     ("東京タワー in Tokyo", ["東", "京", "タ", "ワ", "ー", "in", "tokyo"]), ("क्रिकेट है", ["क्रिकेट", "है"]),
     ("e\u0301cole", ["école"]), ("ข่าว", ["ข", "่", "า", "ว"]), ("", []), ("—…", [])])
def test_words(text: str, words: list[str]) -> None:
    assert tokens(text) == words


@given(st.text(max_size=400), st.text(max_size=400))
def test_a_likeness_is_the_same_both_ways_and_whole_for_equals(a: str, b: str) -> None:
    one, other = telling(1, "Title of one", a), telling(2, "Title of one", b)
    assert likeness(one, other) == likeness(other, one)
    assert 0 <= likeness(one, other) <= 100
    assert signature(one) == signature(telling(3, "Title of one", a))
    same = telling(2, "Title of one", a)
    assert likeness(one, same) in ((100,) if len(one.title_words) > 3 or len(one.runs) > 0 else (0,))


def test_a_signature_is_the_same_in_every_process() -> None:
    """Stored ones are compared with those of later days, and Python salts its own hashes."""
    code = ("from datetime import datetime\nfrom pipeline.collect.similar import *\n"
            "print(sorted(signature(Telling(1, 1, 1, 'A title of four words', 'one two three four five six seven' * 20,"
            " datetime.min)).items()))")
    said = {subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, cwd=Path(__file__).parents[2],
                           capture_output=True, text=True, check=True).stdout for seed in ("1", "2")}
    assert len(said) == 1
    assert "(0, " in said.pop()


def test_a_long_text_costs_no_more_than_its_beginning() -> None:
    many = telling(1, "A", "word " * 1_000_000)
    assert len(many.text_words) == 1_000
    assert len(signature(many)) <= 9


# --- the step ---


class Shelf:
    """A site's store with any number of sources in it."""

    def __init__(self, site: Any, store: Store) -> None:
        self.site, self.store = site, store
        self.sources: dict[str, int] = {}

    def add(self, source: str, *drafts: Draft) -> list[int]:
        with self.store.write() as connection:
            return articles.add(connection, self.sources[source],
                                [(draft, Acceptance(Show.SUMMARY, mailable=True)) for draft in drafts], self.site.now)

    def pairs(self) -> set[tuple[int, int, int]]:
        with self.store.read() as connection:
            return {(x.later.id, x.earlier.id, x.percent) for x in similar.suggested(connection, 10_000)}

    def suggest(self, limit: int = 2_000) -> step.Suggestions:
        return suggest(self.store, self.site.now, limit)


CONFIG = """
[site]
title = "A"
public_url = "https://a.example"
"""


@pytest.fixture
def shelf(make_site: Callable[..., Any]) -> Shelf:
    slugs = ["north", "south", "east", "west", *(f"s{n}" for n in range(70))]
    site = make_site(CONFIG + "".join(
        f'[[sources]]\nslug = "{slug}"\nurl = "https://{slug}.example/feed"\n' for slug in slugs))
    shelf = Shelf(site, site.app.store)
    with shelf.store.read() as connection:
        shelf.sources = {slug: sources.state(connection, slug).id for slug in slugs}
    return shelf


def piece(title: str, words: list[str] | str, **found: object) -> Draft:
    text = words if isinstance(words, str) else " ".join(words)
    return make_draft(Found(title, html=f"<p>{text}</p>", guid=title, published_at=NOW, **found),  # type: ignore[arg-type]
                      source_url="https://a.example/", now=NOW)


def test_new_articles_are_suggested_with_what_came_before(shelf: Shelf) -> None:
    text = made_up(1, 200)
    [first] = shelf.add("north", piece("Bridge closed for the whole winter", text))
    shelf.add("north", piece("Something else", made_up(2, 200)))
    assert shelf.suggest() == step.Suggestions(looked_at=2, suggested=0)
    [second] = shelf.add("south", piece("No way over the river now", text[:80]))
    assert shelf.suggest() == step.Suggestions(looked_at=1, suggested=1)
    [(later, earlier, percent)] = shelf.pairs()
    assert (later, earlier) == (second, first)
    assert percent >= 80
    assert shelf.suggest() == step.Suggestions()


def test_of_a_story_the_likest_is_suggested(shelf: Shelf) -> None:
    text = made_up(1, 200)
    page = "https://north.example/bridge"
    a, b, c = (shelf.add(source, piece(f"Title {n}", words, url=url))[0] for n, (source, words, url) in enumerate(
        [("north", corrected(text, 0.05), page), ("south", text, page), ("east", text, "")]))
    shelf.suggest()
    assert {(later, earlier) for later, earlier, _ in shelf.pairs()} == {(c, b)}, f"{a} and {b} are one story"


def test_what_the_operator_parted_is_not_suggested_again(shelf: Shelf) -> None:
    text = made_up(1, 200)
    page = "https://north.example/bridge"
    a, b = (shelf.add(source, piece(source, text, url=page))[0] for source in ("north", "south"))
    shelf.suggest()
    assert shelf.pairs() == set()
    with shelf.store.write() as connection:
        similar.split(connection, b, NOW)
        meta.put(connection, similar.LOOKED_AT, "0")
    assert shelf.suggest().suggested == 0
    assert shelf.pairs() == set()
    [c] = shelf.add("east", piece("Another", text[:150]))
    shelf.suggest()
    assert {x[:2] for x in shelf.pairs()} == {(c, a), (c, b)}, "the third may belong to either"


def test_what_joined_a_story_is_parted_from_what_the_story_was(shelf: Shelf) -> None:
    text = made_up(1, 200)
    a, b = (shelf.add(source, piece(source, text, url="https://north.example/x"))[0] for source in ("north", "south"))
    [c] = shelf.add("east", piece("Another", text[:150]))
    with shelf.store.write() as connection:
        similar.split(connection, b, NOW)
        similar.merge(connection, a, c, NOW)
    assert shelf.suggest() == step.Suggestions(looked_at=3)


def test_a_footer_under_everything_suggests_nothing(shelf: Shelf) -> None:
    footer = made_up("footer", 150)
    shelf.add("north", *(piece(f"One thing {n}", made_up(n, 40) + footer) for n in range(10)))
    shelf.add("south", *(piece(f"Another thing {n}", made_up(-n, 40) + footer) for n in range(1, 11)))
    assert shelf.suggest().suggested == 0


def test_slices_are_bounded_and_go_on_where_they_ended(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "SLICE", 4)
    text = made_up(1, 100)
    shelf.add("north", *(piece(f"Title of {n}", made_up(n, 50)) for n in range(2, 11)), piece("Some thing", text))
    assert shelf.suggest(limit=6) == step.Suggestions(looked_at=6, more=True)
    assert shelf.suggest(limit=6) == step.Suggestions(looked_at=4, more=False)
    shelf.add("south", piece("The same thing", text))
    assert shelf.suggest() == step.Suggestions(looked_at=1, suggested=1)


def test_of_two_at_once_one_stands_back(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    text = made_up(1, 100)
    shelf.add("north", piece("One of both", text))
    shelf.add("south", piece("Other of both", text))
    honest = step._pairs

    def meanwhile(*args: Any) -> Any:
        monkeypatch.setattr(step, "_pairs", honest)
        assert shelf.suggest().suggested == 1
        return honest(*args)

    monkeypatch.setattr(step, "_pairs", meanwhile)
    assert shelf.suggest() == step.Suggestions()
    assert len(shelf.pairs()) == 1


def test_signatures_are_kept_for_a_month(shelf: Shelf) -> None:
    text = made_up(1, 100)
    shelf.add("north", piece("One of both", text))
    shelf.suggest()
    shelf.site.advance(days=31)
    shelf.suggest()
    [b] = shelf.add("south", piece("Other of both", text))
    shelf.suggest()
    assert shelf.pairs() == set()
    [c] = shelf.add("east", piece("A third one of it", text))
    shelf.suggest()
    assert {x[:2] for x in shelf.pairs()} == {(c, b)}, "the control: what is younger is found"


def test_a_held_article_waits_until_it_is_released(shelf: Shelf) -> None:
    text = made_up(1, 100)
    shelf.add("north", piece("One of both", text))
    waits = Acceptance(Show.SUMMARY, mailable=True, held="a rule")
    with shelf.store.write() as connection:
        [held] = articles.add(connection, shelf.sources["south"], [(piece("Other of both", text), waits)], NOW)
    assert shelf.suggest() == step.Suggestions(looked_at=1)
    with shelf.store.write() as connection:
        articles.release(connection, [held], NOW)
    assert shelf.suggest().suggested == 1


@pytest.mark.skipif(not FEEDS, reason="the real feeds (../shared/corpora/feeds) are not here")
def test_among_the_articles_of_real_feeds_only_true_pairs_are_suggested(shelf: Shelf) -> None:
    """Three pairs of 1,200 articles are true: an agency's news in two papers, and twice a title that its author used
    again for the same thing in short."""
    total = 0
    for number, path in enumerate(FEEDS):
        try:
            document = parse_feed(path.read_bytes(), url=path.name)
        except ParseError:
            continue
        drafts = make_drafts(document.articles, source_url="https://f.example/x", now=NOW, language=document.language)
        shelf.add(f"s{number}", *drafts)
        total += len(drafts)
    shelf.suggest()
    with shelf.store.read() as connection:
        titles = [(x.later.title[:31], x.earlier.title[:31]) for x in similar.suggested(connection, 1_000)]
    print(f"{total} articles, {len(titles)} pairs: {titles}")
    assert sorted(titles) == [
        ("A Rock Is Trapped Light", "A Rock Is Trapped Light"),
        ("Man arrested after running towa", "18-Year-Old Man Arrested After "),
        ("Remembering the bash if stateme", "Remembering the bash if stateme"),
    ]
