"""Two people, one digest: their topics, their headings, their language."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from pipeline.compose import press
from pipeline.render.dates import format_date
from pipeline.store import digests, subscribers
from pipeline.store.schema import article_topics, selections
from pipeline.store.schema import articles as rows

ANN, BOB = "ann@here.example", "bob@here.example"
TOPICS = {"Article one": ["sport"], "Article two": ["city", "sport"], "Article three": [], "Article four": ["arts"]}


def two(site: Any) -> None:
    site.now = site.now.replace(hour=5)
    site.subscribe(ANN)
    site.subscribe(BOB)
    site.accept(list(TOPICS))
    with site.app.store.write() as connection:
        for number, topics in enumerate(TOPICS.values(), 1):
            connection.execute(rows.update().where(rows.c.id == number).values(topics=topics))
            for topic in topics:
                connection.execute(article_topics.insert().values(article_id=number, topic=topic))


def wants(site: Any, address: str, *topics: str, language: str = "") -> None:
    with site.app.store.write() as connection:
        who = subscribers.by_address(connection, address)[0].id
        subscribers.choose_topics(connection, who, topics, site.now)
        subscribers.choose_language(connection, who, language, site.now)


def sent(site: Any) -> dict[str, tuple[str, str]]:
    """Address -> HTML and plain text of the mail."""
    site.now = site.now.replace(hour=8)
    site.send()
    return {str(mail["To"]): tuple(mail.get_body((kind,)).get_content() for kind in ("html", "plain"))
            for mail in site.mails()}


def stands(half: str, *names: str) -> list[str]:
    """These in the order in which they stand for the last time before the footer."""
    found = {name: half.rfind(name) for name in names}
    return sorted((name for name, at in found.items() if at >= 0), key=found.__getitem__)


def test_each_gets_their_topics_under_their_headings(copy_site: Callable, lantern_config: Callable[..., str]) -> None:
    site = copy_site(two, lantern_config('group = "topic"', 'topics = ["city", "sport", "arts"]'))
    wants(site, BOB, "sport", "arts")
    mails = sent(site)
    for half in mails[ANN]:
        assert stands(half, *TOPICS) == ["Article two", "Article one", "Article four"]
    html, text = mails[BOB]
    for half in (html, text):
        assert stands(half, *TOPICS) == ["Article two", "Article one", "Article four"]
    with site.app.store.read() as connection:
        digest = site.digests()[0]
        stored = [(tuple(r.article_ids), tuple(r.groups)) for r in
                  digests.selection_rows(connection, digest.id).values()]
        names = digests.settings(connection, digest.id)["groups"]
    numbers = {name: number for number, name in enumerate(names, 1)}
    assert sorted(stored) == sorted([
        ((2, 1, 4), (numbers["city"], numbers["sport"], numbers["arts"])),
        ((2, 1, 4), (numbers["sport"], numbers["sport"], numbers["arts"]))])
    assert "City" in mails[ANN][0]
    assert "City" not in mails[BOB][0], "for Bob it is about sport"
    assert "City" not in mails[BOB][1]


def test_what_has_no_topic_comes_last_and_without_a_group_there_is_no_heading(copy_site, lantern_config) -> None:
    site = copy_site(two, lantern_config('group = "topic"'))
    html, text = sent(site)[ANN]
    for half in (html, text):
        assert stands(half, *TOPICS)[-1] == "Article three"
    plain = copy_site(two, lantern_config())
    assert "Sport" not in sent(plain)[ANN][0]


def test_contents_stand_from_so_many_articles_on_for_each_person(copy_site, lantern_config) -> None:
    site = copy_site(two, lantern_config("contents = 3"))
    wants(site, BOB, "sport")
    mails = sent(site)
    assert [mails[ANN][0].count("#a4"), mails[BOB][0].count("#a2")] == [1, 0]
    assert mails[ANN][1].count("Article four") == 3, "in the contents, above it and in its text"
    assert mails[BOB][1].count("Article two") == 2


# --- languages ---


@pytest.fixture
def spoken(copy_site: Callable, lantern_config: Callable[..., str]) -> Any:
    site = copy_site(two, lantern_config('languages = ["sv", "ar"]'))
    wants(site, BOB, language="sv")
    return site


def test_two_languages_two_shells_and_the_same_articles(spoken) -> None:
    mails = sent(spoken)
    english, swedish = mails[ANN], mails[BOB]
    assert '<html lang="en" dir="ltr"' in english[0]
    assert '<html lang="sv" dir="ltr"' in swedish[0]
    for place in (0, 1):
        assert "1 June 2026" in english[place]
        assert format_date(date(2026, 6, 1), "sv") in swedish[place]
        assert "1 June" not in swedish[place]
    for half in (*english, *swedish):
        assert stands(half, *TOPICS) == ["Article four", "Article three", "Article two", "Article one"]
    assert {m["Content-Language"] for m in spoken.mails()} == {"en", "sv"}
    digest = spoken.digests()[0]
    with spoken.app.store.read() as connection:
        assert digests.languages(connection, digest.id) == {"", "sv"}, "nobody reads Arabic"
        stored = connection.execute(selections.select()).all()
    assert sorted(row.language for row in stored) == ["", "sv"]
    assert len({tuple(row.article_ids) for row in stored}) == 1


def test_an_introduction_and_notes_are_in_each(spoken) -> None:
    from dataclasses import replace

    from pipeline.desk import review

    draft = review.begin(spoken.app, spoken.app.config.newsletter("lantern"), "daily")
    review.change(spoken.app, draft, (1,), lambda edits: replace(edits.annotating(1, "A note"), introduction="Hello"))
    for halves in sent(spoken).values():
        assert all("A note" in half and "Hello" in half for half in halves)


def test_from_right_to_left(spoken) -> None:
    wants(spoken, BOB, language="ar")
    assert '<html lang="ar" dir="rtl"' in sent(spoken)[BOB][0]


def test_a_language_that_went_away_is_the_newsletters_own(spoken) -> None:
    wants(spoken, BOB, language="fi")
    assert '<html lang="en"' in sent(spoken)[BOB][0]


def test_one_language_is_frozen_once(spoken, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    real = press.freeze

    def counted(template: Any, page: Any, *args: Any, **values: Any) -> Any:
        seen.append(page.language)
        return real(template, page, *args, **values)

    monkeypatch.setattr(press, "freeze", counted)
    wants(spoken, BOB)
    sent(spoken)
    assert seen == ["en"]
