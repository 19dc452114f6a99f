"""Sources that rewrite, drop, exchange or repeat what articles are known by: what may become new, and what is held."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.collect.decide import (
    FLOOD_FLOOR,
    FLOOD_LIMIT,
    Known,
    KnownIndex,
    Verdict,
    decide_article,
    decide_flood,
    match_all,
)
from pipeline.collect.identify import make_drafts
from pipeline.model.articles import Draft, Found

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SOURCE = "https://example.org/feed"
GUIDS = ["keep", "rewrite", "drop", "one for all", "exchange"]
URLS = ["keep", "track", "https", "slash", "rewrite", "drop", "one for all", "front page"]
TEXTS = ["keep", "other markup", "rewrite", "other title"]
SAME_URL = {"keep", "track", "https", "slash"}
SAME_TEXT = {"keep", "other markup"}


@dataclass(frozen=True)
class Change:
    """What happens to one article between two polls; `again` is how often it stands in the document besides."""

    url: str
    text: str
    again: int = 0

    @property
    def recognisable(self) -> bool:
        return self.url in SAME_URL or self.text in SAME_TEXT


CHANGE = st.builds(Change, st.sampled_from(URLS), st.sampled_from(TEXTS), st.integers(0, 1))
CHANGES = st.lists(CHANGE, min_size=2, max_size=16)


def article(n: int) -> Found:
    html = f"<p>Article {n} has words of its own, and with {n * 7919} lamps enough of them to be told from others.</p>"
    when = NOW - timedelta(days=n)
    return Found(f"Title {n}", html, guid=f"guid-{n}", url=f"http://example.org/{n}", published_at=when)


def changed(found: Found, change: Change) -> Found:
    url, html, title = found.url, found.html, found.title
    urls = {"keep": url, "track": f"{url}?utm_source=rss", "https": url.replace("http:", "https:"), "slash": f"{url}/",
            "rewrite": f"{url}-moved", "drop": "", "one for all": "http://example.org/all",
            "front page": "http://example.org/"}
    texts = {"keep": html, "other markup": html.replace("p>", "div>"), "rewrite": html.replace("lamps", "lights"),
             "other title": html}
    return replace(found, url=urls[change.url], html=texts[change.text],
                   title=f"{title}, revised" if change.text == "other title" else title)


def with_guids(founds: list[Found], mode: str) -> list[Found]:
    guids = [found.guid for found in founds]
    wanted = {"keep": guids, "rewrite": [f"new-{g}" for g in guids], "drop": [""] * len(guids),
              "one for all": ["same"] * len(guids), "exchange": [*guids[1:], *guids[:1]]}[mode]
    return [replace(found, guid=guid) for found, guid in zip(founds, wanted, strict=True)]


def drafts(founds: list[Found]) -> list[Draft]:
    return make_drafts(founds, source_url=SOURCE, now=NOW)


def index(made: list[Draft]) -> KnownIndex:
    return KnownIndex.of(Known(n, d.guid, d.url_key, d.content_hash, d.title) for n, d in enumerate(made))


def poll(before: list[Found], after: list[Found]) -> list[tuple[Draft, Known | None]]:
    return match_all(drafts(after), index(drafts(before)))


@given(CHANGES, st.sampled_from(["rewrite", "drop", "one for all"]), st.randoms(use_true_random=False))
@example([Change("one for all", "keep")] * 12, "one for all", None)
def test_a_guid_storm_makes_new_only_what_lost_its_address_and_its_words(
    changes: list[Change], mode: str, random: Random | None
) -> None:
    before = [article(n) for n in range(len(changes))]
    after = with_guids([changed(f, c) for f, c in zip(before, changes, strict=True)], mode)
    lost = sum(1 for change in changes if not change.recognisable)
    document = [found for found, c in zip(after, changes, strict=True) for _ in range(1 + c.again)]
    if random:
        random.shuffle(document)
    pairs = poll(before, document)
    new = [draft for draft, known in pairs if decide_article(draft, known) is Verdict.NEW]
    assert len(new) == lost
    held = decide_flood(len(new), len(pairs), len(before), first_poll=False)
    assert bool(held) == (lost > FLOOD_FLOOR and lost * 2 > len(pairs))


@given(CHANGES, st.sampled_from(["keep", "exchange"]))
def test_while_guids_stay_nothing_is_new_whatever_else_changes(changes: list[Change], mode: str) -> None:
    before = [article(n) for n in range(len(changes))]
    pairs = poll(before, with_guids([changed(f, c) for f, c in zip(before, changes, strict=True)], mode))
    assert len(pairs) == len(before)
    assert all(known for _, known in pairs)
    assert all(known.guid == draft.guid for draft, known in pairs if known)


@given(CHANGES, st.sampled_from(GUIDS))
def test_no_article_is_taken_twice_and_each_for_a_reason(changes: list[Change], mode: str) -> None:
    before = [article(n) for n in range(len(changes))]
    pairs = poll(before, with_guids([changed(f, c) for f, c in zip(before, changes, strict=True)], mode))
    taken = [known.id for _, known in pairs if known]
    assert len(set(taken)) == len(taken)
    for draft, known in pairs:
        assert known is None or draft.guid == known.guid or draft.url_key == known.url_key \
            or draft.content_hash == known.content_hash


@given(st.integers(1, 3 * FLOOD_LIMIT), st.integers(0, 100), st.integers(1, 500), st.booleans())
def test_what_is_not_held_is_bounded(new: int, others: int, known: int, delta: bool) -> None:
    """The most that one poll can bring into a digest: FLOOD_FLOOR, or half a document, or in a delta FLOOD_LIMIT."""
    if not decide_flood(new, new + others, known, first_poll=False, delta=delta):
        assert new <= FLOOD_LIMIT
        assert delta or new <= max(FLOOD_FLOOR, (new + others) / 2)


@pytest.mark.parametrize("count", [FLOOD_FLOOR, FLOOD_FLOOR + 1, FLOOD_LIMIT, FLOOD_LIMIT + 1])
def test_everything_rewritten_is_held(count: int) -> None:
    before = [article(n) for n in range(count)]
    after = with_guids([changed(found, Change("rewrite", "rewrite")) for found in before], "rewrite")
    new = sum(1 for _, known in poll(before, after) if known is None)
    assert new == count
    assert bool(decide_flood(new, count, count, first_poll=False)) == (count > FLOOD_FLOOR)
    assert bool(decide_flood(new, count, count, first_poll=False, delta=True)) == (count > FLOOD_LIMIT)


def test_the_control_without_address_and_words_a_storm_would_be_new() -> None:
    before = [article(n) for n in range(30)]
    known = drafts(before)
    by_guid = KnownIndex({d.guid: Known(n, d.guid, "", "") for n, d in enumerate(known)})
    after = drafts(with_guids(before, "rewrite"))
    new = sum(1 for _, match in match_all(after, by_guid) if match is None)
    print(f"control: {new} of 30 would be new if guids were all there is")
    assert new == 30
