"""Keys of a source that need or exclude each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import load

SITE = '[site]\ntitle = "A"\npublic_url = "https://a.example"\n'
FOLDER = SITE + '[[sources]]\nslug = "s"\nfolder = "f"\n'
URL = SITE + '[[sources]]\nslug = "s"\nurl = "https://s.example/"\n'


@pytest.mark.parametrize(("text", "problem"), [
    (FOLDER + "full_text = true", "line 7: sources[0].full_text: is for sources with an address; a folder has no use"),
    (FOLDER + 'selector = "main"', "sources[0].selector: is for sources with an address"),
    (FOLDER + 'allow_networks = ["10.0.0.0/8"]', "sources[0].allow_networks: is for sources with an address"),
    (FOLDER + 'kind = "page"', 'sources[0].kind: a folder is of the kind "folder"; leave kind out'),
    (URL + 'kind = "folder"', 'sources[0].kind: is for a source with a folder = "…", not with a url'),
    (URL + 'kind = "feed"\nselector = "main"',
     'line 8: sources[0].selector: is for pages that list articles: kind = "page", not "feed"'),
    (URL + 'licence = "CC-BY"', 'sources[0].licence: "CC-BY" is no web address'),
])
def test_what_can_t_work_is_a_problem(problems: Callable[[str], list[str]], text: str, problem: str) -> None:
    [found] = problems(text)
    assert problem in found


@pytest.mark.parametrize("text", [
    FOLDER + 'kind = "folder"\nfull_text = false\nselector = ""', FOLDER + 'kind = "auto"',
    URL + 'selector = "main"', URL + 'kind = "page"\nselector = "main"\nfull_text = true',
])
def test_what_can_is_none(problems: Callable[[str], list[str]], text: str) -> None:
    assert problems(text) == []


def test_what_is_probably_not_meant_is_a_warning(write: Callable[[str], Path]) -> None:
    text = URL + 'include = ["a", "b"]\nexclude = ["b"]\n[[sources]]\nslug = "t"\nurl = "http://S.example"\n'
    assert load(write(text), {}).warnings == (
        'line 7: sources[0].include[1]: stands in exclude too, which wins: "b" is never taken',
        "line 11: sources[1].url: is the address of sources[0] on line 6 too",
    )
