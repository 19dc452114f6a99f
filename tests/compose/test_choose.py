"""What a digest would tell as of a moment: what is dropped stays out, kept comes back, and too much is left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pipeline.collect.identify import make_drafts
from pipeline.compose import choose as choosing
from pipeline.compose.choose import Plan, choose
from pipeline.desk import review
from pipeline.desk.takedown import named_articles, withdraw
from pipeline.model.articles import Found, Show
from pipeline.model.newsletters import Digest, DigestStatus
from pipeline.store import articles, corrections, declared, digests, drafts
from pipeline.store.schema import article_topics, subscriptions
from pipeline.store.schema import articles as rows

ANN, BOB = "ann@here.example", "bob@here.example"


def three(site: Any) -> None:
    site.now = site.now.replace(hour=5)
    site.subscribe(ANN)
    site.accept(["Article one", "Article two", "Article three"])


def slot_of(site: Any, **values: Any) -> Digest:
    made = Digest(0, "lantern", "daily", "2026-06-01T08:00", DigestStatus.DRAFT, site.now.replace(hour=8), 0, site.now)
    return replace(made, **values)


def plan(site: Any, digest: Digest | None = None) -> Plan:
    newsletter = site.app.config.newsletter("lantern")
    with site.app.store.read() as connection:
        newsletter_id = declared.newsletter_id(connection, "lantern")
        return choose(connection, newsletter_id, newsletter, "daily", digest or slot_of(site), site.now)


def fresh(found: Plan) -> list[int]:
    return [article.id for article in found.fresh]


def drafted(site: Any) -> Digest:
    return review.begin(site.app, site.app.config.newsletter("lantern"), "daily")


def edit(site: Any, digest: Digest, name: str, ids: Sequence[int]) -> Digest:
    with site.app.store.write() as connection:
        return drafts.edit(connection, digest.id, lambda edits: getattr(edits, name)(ids))


def same_story(site: Any, article_id: int, story: int) -> None:
    with site.app.store.write() as connection:
        connection.execute(rows.update().where(rows.c.id == article_id).values(story_id=story))


@pytest.fixture
def site(copy_site: Callable, lantern_config: Callable[..., str]) -> Any:
    return copy_site(three, lantern_config())


# --- the cut of a draft ---


def test_a_draft_ends_where_it_was_made_and_a_slot_where_the_counter_is(site) -> None:
    digest = drafted(site)
    site.accept(["Article four"])
    assert (fresh(plan(site, digest)), plan(site, digest).reach.cut_seq) == ([3, 2, 1], 3)
    assert (fresh(plan(site)), plan(site).reach.cut_seq) == ([4, 3, 2, 1], 4)
    early = replace(digest, drafted_at=None)
    assert plan(site, early).reach.cut_seq == 4, "a row that is no draft yet has no cut"


# --- dropped stories ---


def test_a_dropped_article_takes_its_story_along(site) -> None:
    same_story(site, 3, 1)
    digest = edit(site, drafted(site), "dropping", [1])
    found = plan(site, digest)
    assert fresh(found) == [2]
    assert found.notes == tuple(f"article {n} is left out: dropped in 2026-06-01-0800-daily" for n in (1, 3))


def test_a_dropped_story_stays_out_of_later_digests_also_when_it_is_told_anew(site) -> None:
    edit(site, drafted(site), "dropping", [1])
    site.now = site.now.replace(hour=8)
    site.send()
    site.advance(hours=1)
    site.accept(["Article four", "Article five"])
    same_story(site, 4, 1)
    later = slot_of(site, due_at=site.now + timedelta(days=1), nominal="2026-06-02T08:00")
    assert fresh(plan(site, later)) == [5]
    assert site.told(ANN) == ["Article three", "Article two"]


@pytest.mark.parametrize(("days", "told"), [(29, [5]), (31, [5, 4])])
def test_for_thirty_days(site, days: int, told: list[int]) -> None:
    edit(site, drafted(site), "dropping", [1])
    site.now = site.now.replace(hour=8)
    site.send()
    site.advance(days=days)
    site.accept(["Article four", "Article five"])
    same_story(site, 4, 1)
    assert fresh(plan(site, slot_of(site, due_at=site.now))) == told


def test_a_drop_from_a_later_draft_counts_in_one_by_hand_before_it(site) -> None:
    first = drafted(site)
    second = slot_of(site)
    with site.app.store.write() as connection:
        newsletter_id = declared.newsletter_id(connection, "lantern")
        number, _ = digests.take_slot(
            connection, newsletter_id, schedule="daily", nominal="2026-06-02T08:00",
            due_at=first.due_at + timedelta(days=1), audience="daily", now=site.now)
        second = digests.get(connection, number)
    edit(site, second, "dropping", [1])
    assert fresh(plan(site, first)) == [3, 2]
    assert fresh(plan(site, second)) == [3, 2]
    assert fresh(plan(site, edit(site, first, "keeping", [1]))) == [3, 2, 1], "but where it is kept"


def test_kept_it_is_told_and_stays_so(site) -> None:
    first = edit(site, drafted(site), "dropping", [1])
    with site.app.store.write() as connection:
        digests.change(connection, first.id, DigestStatus.CANCELLED)
    site.now = site.now.replace(hour=9)
    second = edit(site, drafted(site), "keeping", [1])
    assert fresh(plan(site, second)) == [3, 2, 1]
    third = slot_of(site, due_at=second.due_at + timedelta(days=1))
    assert fresh(plan(site, third)) == [3, 2, 1], "for those whose copy of the second bounced"
    assert fresh(plan(site, slot_of(site, due_at=second.due_at - timedelta(hours=1)))) == [3, 2, 1]


def test_a_drop_in_another_newsletter_is_none_here(copy_site: Callable, lantern_config: Callable[..., str]) -> None:
    other = '''
[[newsletters]]
slug = "beacon"
title = "The Beacon"
  [[newsletters.schedules]]
  slug = "daily"
  at = "08:00"
[mail]'''
    site = copy_site(three, lantern_config().replace("\n[mail]", other))
    digest = drafted(site)
    edit(site, digest, "dropping", [1])
    with site.app.store.read() as connection:
        beacon = declared.newsletter_id(connection, "beacon")
        assert drafts.dropped_stories(connection, beacon, None, site.now - timedelta(days=9)) == {}
        lantern = declared.newsletter_id(connection, "lantern")
        assert drafts.dropped_stories(connection, lantern, None, site.now - timedelta(days=9)) == {1: digest.name}


# --- who counts, and what is enough ---


def picks(site: Any, *topics: str) -> None:
    with site.app.store.write() as connection:
        connection.execute(subscriptions.update().values(topics=list(topics)))


def test_enough_is_judged_before_topics(copy_site: Callable, lantern_config: Callable[..., str]) -> None:
    site = copy_site(three, lantern_config(select="limit = 500, min_articles = 3"))
    with site.app.store.write() as connection:
        connection.execute(rows.update().where(rows.c.id == 1).values(topics=["city"]))
        connection.execute(article_topics.insert().values(article_id=1, topic="city"))
    picks(site, "city")
    assert plan(site).empty == ""
    site.now = site.now.replace(hour=8)
    site.send()
    assert site.told(ANN) == ["Article one"]


def test_too_few_stay_for_the_next(copy_site: Callable, lantern_config: Callable[..., str]) -> None:
    site = copy_site(three, lantern_config(select="limit = 500, min_articles = 4"))
    assert plan(site).empty == "only 3 new articles, and min_articles is 4; they stay for the next one"


def test_nothing_for_anyone(site) -> None:
    picks(site, "sport")
    assert plan(site).empty == "nothing new for anyone subscribed"
    assert fresh(plan(site)) == [3, 2, 1]


def test_words_and_age_of_the_newsletter(copy_site: Callable, lantern_config: Callable[..., str]) -> None:
    site = copy_site(three, lantern_config(select='exclude = ["two"], include = ["article"], max_age = "3d"'))
    assert fresh(plan(site)) == [3, 1]
    with site.app.store.write() as connection:
        connection.execute(rows.update().where(rows.c.id == 3).values(published_at=site.now - timedelta(days=4)))
    assert fresh(plan(site)) == [1]


def test_what_operators_put_first_and_scores(copy_site: Callable, lantern_config: Callable[..., str]) -> None:
    site = copy_site(three, lantern_config('order = "score"'))
    with site.app.store.write() as connection:
        connection.execute(rows.update().where(rows.c.id == 3).values(
            published_at=site.now.replace(hour=8) - timedelta(days=1)))
    digest = drafted(site)
    assert fresh(plan(site, digest)) == [2, 1, 3]
    found = plan(site, edit(site, digest, "pinning", [3]))
    assert fresh(found) == [3, 2, 1]
    assert found.scores[3] == {"freshness": 50, "sources": 0, "pin": 1000}
    assert found.scores[1]["freshness"] == 92, "three hours before its slot, whenever that is asked"
    site.advance(hours=2)
    assert plan(site, digest).scores[1]["freshness"] == 92


def test_capped_it_says_how_many_it_left_out(site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "MOST_CANDIDATES", 2)
    found = plan(site)
    assert (fresh(found), found.capped, found.reach.from_seq) == ([3, 2], True, 1)
    assert found.notes == ("1 older articles left out: a digest renders 2 at the most",)
    assert found.selection(found.most).ids == (3, 2)


# --- corrections ---


def sent(site: Any) -> None:
    """Ann and Bob were told three articles, and a fourth came in since."""
    three(site)
    site.subscribe(BOB, start_seq=0)
    site.now = site.now.replace(hour=8)
    site.send()
    site.advance(hours=1)
    site.accept(["Article four"])


def note(site: Any, article_id: int, words: str = "In May, not in March.") -> None:
    with site.app.store.write() as connection:
        if words:
            corrections.correct(connection, article_id, words, site.now)
        else:
            corrections.clear(connection, article_id, site.now)


def changed(site: Any, *ids: int) -> None:
    """Their source tells them in other words."""
    for number in ids:
        found = Found(title=f"Article in other words {number}", html="<p>Other words.</p>", guid=str(number),
                      published_at=site.now)
        with site.app.store.write() as connection:
            articles.revise(connection, number, make_drafts([found], source_url="", now=site.now, show=Show.FULL)[0],
                            site.now, changed="title changed")


def told_again(site: Any) -> list[tuple[int, int]]:
    """(article, revision) of each correction that tomorrow's digest would carry."""
    due = site.now + timedelta(days=1)
    return [(c.article_id, c.revision) for _, c in plan(site, slot_of(site, due_at=due)).corrections]


@pytest.fixture
def after(copy_site: Callable, lantern_config: Callable[..., str]) -> Callable[..., Any]:
    return lambda kind: copy_site(sent, lantern_config(f'corrections = "{kind}"'))


@pytest.mark.parametrize(("kind", "told"), [("none", []), ("noted", [(1, 2)]), ("changed", [(2, 2), (1, 2)])])
def test_which_corrections_are_told(after, kind: str, told: list[tuple[int, int]]) -> None:
    site = after(kind)
    note(site, 1)
    site.advance(minutes=1)
    changed(site, 2)
    assert told_again(site) == told


def test_only_of_what_this_newsletter_told_before_it_was_put_right(after) -> None:
    site = after("changed")
    note(site, 4)
    assert told_again(site) == [], "it is told as it is now"
    site.now = site.now.replace(hour=8) + timedelta(days=1)
    site.send()
    assert told_again(site) == []
    site.advance(minutes=1)
    note(site, 4, "In June, not in May.")
    assert told_again(site) == [(4, 3)]


@pytest.mark.parametrize("kind", ["noted", "changed"])
def test_a_note_that_was_taken_away_is_nothing_to_tell(after, kind: str) -> None:
    site = after(kind)
    note(site, 1)
    site.advance(minutes=1)
    note(site, 1, "")
    assert told_again(site) == []
    changed(site, 1)
    assert told_again(site) == ([(1, 4)] if kind == "changed" else [])


def test_what_was_withdrawn_is_not_corrected(after) -> None:
    site = after("changed")
    note(site, 1)
    withdraw(site.app, named_articles(site.app, [1]), "")
    assert told_again(site) == []


@pytest.mark.parametrize(("days", "told"), [(29, [(1, 2)]), (31, [])])
def test_a_correction_is_told_for_thirty_days(after, days: int, told: list[tuple[int, int]]) -> None:
    site = after("noted")
    note(site, 1)
    site.advance(days=days)
    assert told_again(site) == told


def test_a_flood_of_changes_is_another_layout_and_no_correction(after, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "MOST_CORRECTIONS", 1)
    site = after("changed")
    note(site, 1)
    site.advance(minutes=1)
    changed(site, 2, 3)
    found = plan(site, slot_of(site, due_at=site.now + timedelta(days=1)))
    assert [a.id for a, _ in found.corrections] == [1], "however long before the flood it was noted"
    assert found.notes == ("more than 1 sent articles changed since; only those that you noted are told",)


def test_what_earlier_digests_carried_is_no_part_of_a_flood(after, monkeypatch: pytest.MonkeyPatch) -> None:
    """One change a day is none, however many there are in a month."""
    monkeypatch.setattr(choosing, "MOST_CORRECTIONS", 1)
    site = after("changed")
    for number in (1, 2, 3):
        changed(site, number)
        assert (number, 2) in told_again(site)
        site.now = site.now.replace(hour=8) + timedelta(days=1)
        site.send()
        site.advance(hours=1)
        site.accept([f"Article of day {number}"])
    assert set(told_again(site)) == {(1, 2), (2, 2), (3, 2)}, "for whoever's copy bounced"


def test_corrections_alone_make_no_digest(after) -> None:
    site = after("noted")
    site.now = site.now.replace(hour=8) + timedelta(days=1)
    site.send()
    note(site, 1)
    site.advance(hours=1)
    assert plan(site, slot_of(site, due_at=site.now + timedelta(days=1))).empty == "nothing new"
