"""An operator's rules: what they take, leave out and hold, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.collect.identify import make_draft
from pipeline.collect.rules import Take, decide_rules
from pipeline.model.articles import Draft, Found

TAKE, EXCLUDE, HOLD = Take.TAKE, Take.EXCLUDE, Take.HOLD
Make = Callable[..., Draft]


@pytest.fixture
def article(draft: Make) -> Draft:
    return draft("The casino opens", html="<p>With <b>rou</b>lette &amp; cards.</p><p>Second</p>",
                 topics=("Leisure", "Money"), author="Ann Larsen", url="https://example.org/sport/7")


@pytest.mark.parametrize(
    ("include", "exclude", "hold", "verdict", "reason"),
    [
        ((), (), (), TAKE, ""),
        (("casino",), (), (), TAKE, ""),
        (("football",), (), (), EXCLUDE, 'not included: none of the rules "football" is found in it'),
        (("a", "b", "c", "d"), (), (), EXCLUDE, 'not included: none of the rules "a", "b", "c", … is found in it'),
        (("football", "leisure"), (), (), TAKE, ""),
        ((), ("casino",), (), EXCLUDE, 'excluded by the rule "casino", found in its title'),
        ((), ("roulette",), (), EXCLUDE, 'excluded by the rule "roulette", found in its text'),
        ((), ("money",), (), EXCLUDE, 'excluded by the rule "money", found among its topics'),
        ((), ("author: larsen",), (), EXCLUDE, 'excluded by the rule "author: larsen", found in its author'),
        ((), ("url: /sport/",), (), EXCLUDE, 'excluded by the rule "url: /sport/", found in its address'),
        ((), ("poker",), (), TAKE, ""),
        ((), (), ("second",), HOLD, 'held by the rule "second", found in its text'),
        (("casino",), ("casino",), ("casino",), EXCLUDE, 'excluded by the rule "casino", found in its title'),
        (("casino",), (), ("casino",), HOLD, 'held by the rule "casino", found in its title'),
        (("football",), (), ("casino",), EXCLUDE, 'not included: none of the rules "football" is found in it'),
        ((), ("p7", "/ROU.ETTE/i"), (), EXCLUDE, 'excluded by the rule "/ROU.ETTE/i", found in its text'),
    ],
)
def test_exclude_before_hold_before_include(
    article: Draft, include: tuple[str, ...], exclude: tuple[str, ...], hold: tuple[str, ...], verdict: Take,
    reason: str,
) -> None:
    ruling = decide_rules(article, include, exclude, hold)
    assert (ruling.verdict, ruling.reason) == (verdict, reason)


def test_markup_is_no_text(draft: Make) -> None:
    linked = draft("One", html='<p><a href="https://casino.example/">here</a></p>')
    assert decide_rules(linked, (), ("casino",), ()).verdict is TAKE


def test_a_summary_without_a_text_counts(draft: Make) -> None:
    assert decide_rules(draft("One", summary="At the casino"), (), ("casino",), ()).verdict is EXCLUDE


def test_of_a_pointer_only_what_is_known_is_judged(draft: Make) -> None:
    url = "https://example.org/sport/7"
    pointer = replace(draft(url, url=url), pointer=True)
    assert decide_rules(pointer, ("football",), (), ("x7",)).verdict is TAKE, "its page may say so"
    assert decide_rules(pointer, ("url: news",), (), ()).verdict is EXCLUDE
    assert decide_rules(pointer, ("url: sport",), (), ()).verdict is TAKE
    assert decide_rules(pointer, (), ("url: sport",), ()).verdict is EXCLUDE
    assert decide_rules(pointer, (), ("sport",), ()).verdict is TAKE, "an address is no title"


@given(st.text(max_size=300), st.text(max_size=300), st.sampled_from(["casino", "/(a+)+b/", "/(.*)*x/i", "東京", "é*"]))
def test_whatever_an_article_says_there_is_one_verdict(title: str, html: str, rule: str) -> None:
    made = make_draft(Found(title, html=html), source_url="", now=datetime(2026, 11, 22, tzinfo=UTC))
    found = decide_rules(made, (), (rule,), ()).verdict is EXCLUDE
    assert (decide_rules(made, (), (), (rule,)).verdict is HOLD) is found
    assert (decide_rules(made, (rule,), (), ()).verdict is TAKE) is found
