"""Which articles a newsletter takes by their words and their age."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.compose.wanted import unwanted
from pipeline.model.articles import Article, ArticleStatus
from pipeline.model.selection import Rules

NOW = datetime(2026, 6, 1, 6, 0, tzinfo=UTC)
DAY = 86_400


def article(**values: Any) -> Article:
    made = Article(
        id=7, source="desk", source_title="The desk", guid="", url="https://desk.example/quay", title="At the quay",
        author="Ann Lind", summary="Boats are late.", html="<p>The <b>ferry</b> waits.</p>", published_at=NOW,
        first_seen_at=NOW, updated_at=NOW, accepted_seq=7, accepted_at=NOW, status=ArticleStatus.ACCEPTED, story=7,
        revision=1, topics=("city",))
    return replace(made, **values)


def test_without_rules_everything_is_wanted() -> None:
    assert unwanted(article(), Rules()) == ""


@pytest.mark.parametrize("rule", ["quay", "QUAY", "boats", "ferry", "/f[ae]rry/"])
def test_words_of_title_summary_and_text(rule: str) -> None:
    assert unwanted(article(), Rules(include=(rule,))) == ""
    assert unwanted(article(), Rules(exclude=(rule,))).startswith("excluded by ")
    assert rule.strip("/").lower() in unwanted(article(), Rules(exclude=(rule,))).lower()


def test_markup_is_no_words() -> None:
    marked = article(html='<p class="advert"><b>Words</b></p>')
    assert unwanted(marked, Rules(exclude=("advert",))) == ""


def test_not_one_of_the_words_and_which_they_were() -> None:
    reason = unwanted(article(), Rules(include=("tram", "bus")))
    assert reason.startswith("not included: ")
    assert "tram" in reason


def test_what_is_excluded_stays_out_whatever_includes_it() -> None:
    assert unwanted(article(), Rules(include=("quay",), exclude=("ferry",))).startswith("excluded by ")


@pytest.mark.parametrize(("days", "hours", "reason"), [
    (13, 23, ""), (14, 0, ""), (14, 1, "it was 14 days old when it came in, and max_age is 14 days"),
    (400, 0, "it was 400 days old when it came in, and max_age is 14 days"), (-3, 0, "")])
def test_age(days: int, hours: int, reason: str) -> None:
    published = NOW - timedelta(days=days, hours=hours)
    assert unwanted(article(published_at=published), Rules(max_age_s=14 * DAY)) == reason


def test_it_does_not_grow_too_old_while_it_waits() -> None:
    """Its age is what it was at its acceptance, and nobody is asked for the time of now."""
    old = article(published_at=NOW - timedelta(days=13), accepted_at=NOW, updated_at=NOW + timedelta(days=90))
    assert unwanted(old, Rules(max_age_s=14 * DAY)) == ""
    assert unwanted(article(accepted_at=None, published_at=NOW - timedelta(days=99)), Rules(max_age_s=DAY)) == ""


def test_a_span_of_hours_is_said_in_hours() -> None:
    old = article(published_at=NOW - timedelta(hours=30))
    assert unwanted(old, Rules(max_age_s=6 * 3600)).endswith("max_age is 6 hours")
    assert unwanted(old, Rules(max_age_s=0)) == ""
