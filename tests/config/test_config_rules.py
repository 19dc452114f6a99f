"""A source's rules are checked when the config is: each wrong one by its place, with the reason."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Problems = Callable[[str], list[str]]
SITE = '[site]\ntitle = "A"\npublic_url = "https://a.example"\n[[sources]]\nslug = "s"\nurl = "https://s.example/"\n'


def test_good_rules_are_taken(problems: Problems) -> None:
    assert problems(SITE + "include = ['casino', 'premier league', '/a+/i', 'title: gambl*']\n") == []


@pytest.mark.parametrize("key", ["include", "exclude", "hold"])
def test_a_wrong_rule_is_named(key: str, problems: Problems) -> None:
    found = problems(SITE + f"{key} = ['fine', '/(?=x)y/', 'topics: x', '']\n")
    assert [line.removeprefix(f"line 7: sources[0].{key}") for line in found] == [
        '[1]: "/(?=x)y/" is no rule: it has a look-ahead, a look-behind or another (?…) that is not linear in time',
        '[2]: "topics: x" is no rule: it begins with a field that is none; the nearest is topic:',
        "[3]: must not be empty",
    ]
