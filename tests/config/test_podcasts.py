"""What directories of podcasts may turn a feed down for is said when config.toml is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import config
from pipeline.config.podcasts import CATEGORIES

FEED = """config_version = 1
[site]
title = "The Lantern"
public_url = "https://lantern.example"
[[feeds]]
slug = "talk"
title = "Talk"
image = "https://lantern.example/talk.png"
[feeds.podcast]
owner_email = "desk@lantern.example"
"""


@pytest.fixture
def warnings(tmp_path: Path) -> Callable[[str], list[str]]:
    def load(more: str, feed: str = FEED) -> list[str]:
        path = tmp_path / "config.toml"
        path.write_text(feed + more, encoding="utf-8")
        return [text for text in config.load(path, env={}).warnings if "podcast" in text]

    return load


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('category = "Tecnology"', 'did you mean "Technology"?'),
        ('category = "Zzzz"', "is none of Apple's: Arts, Business"),
        ('category = "Society & Culture"\nsubcategory = "Documentry"',
         'below "Society & Culture", did you mean "Documentary"?'),
        ('category = "Comedy"\nsubcategory = "Politics"', 'below "Comedy": Comedy Interviews, Improv, Stand-Up'),
        ('category = "History"\nsubcategory = "Rome"', 'below "History": there are none'),
    ],
)
def test_names_that_apple_does_not_have(warnings: Callable, more: str, said: str) -> None:
    (warning,) = warnings(more)
    assert said in warning


def test_names_that_it_has(warnings: Callable) -> None:
    for category, below in CATEGORIES.items():
        assert warnings(f'category = "{category}"') == []
        for name in below:
            assert warnings(f'category = "{category}"\nsubcategory = "{name}"') == []


def test_an_owner_and_a_picture_are_wanted(warnings: Callable) -> None:
    bare = FEED.replace('image = "https://lantern.example/talk.png"\n', "")
    assert "want a picture" in warnings('category = "Arts"', bare)[0]
    assert "owner_email" in warnings('category = "Arts"', FEED.replace('owner_email = "desk@lantern.example"\n', ""))[0]
