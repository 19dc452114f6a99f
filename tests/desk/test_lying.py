"""Documents that wait in a folder can be asked for."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.desk.evidence import find
from pipeline.desk.why import next_after, tell_passed
from pipeline.errors import UsageError
from pipeline.model.articles import Article

PLAIN = "Some words of an article that nobody has read yet."


@pytest.fixture
def site(make_site: Any, basic_config: str) -> Any:
    site = make_site(basic_config)
    folder = site.folder / "articles"
    folder.mkdir(exist_ok=True)
    (folder / "own.md").write_text(f"---\nguid: urn:own\n---\n# The bell rings\n\n{PLAIN}")
    site.run()
    (folder / "plans.md").write_text(f"---\ntitle: The new pool\ndraft: true\n---\n{PLAIN}")
    (folder / "later.md").write_text(f"---\ndate: 2031-01-01\n---\n# A look ahead\n\n{PLAIN}")
    (folder / "torn.md").write_text("---\ntitle: [\n---\n")
    (folder / "fresh.md").write_text(f"# Just written\n\n{PLAIN}")
    (folder / "led.md").symlink_to(folder / "own.md")
    return site


@pytest.mark.parametrize(("words", "heading", "name", "reason"), [
    ("new pool", "The new pool", "plans.md", ": it is marked as a draft (draft: true)."),
    ("PLANS.MD", "The new pool", "plans.md", ": it is marked as a draft (draft: true)."),
    ("look ahead", "A look ahead", "later.md", ": not before 2031-01-01 00:00 UTC, its date."),
    ("torn.md", "[", "torn.md", ": it has front matter that can't be"),
    ("led.md", "led.md", "led.md", ": can't be read: it is a link, and links are not followed."),
    ("fresh.md", "Just written", "fresh.md", "no article yet."),
])
def test_a_document_that_waits_says_why(site: Any, words: str, heading: str, name: str, reason: str) -> None:
    found = find(site.app, words)
    assert isinstance(found, list)
    [chapter] = tell_passed(found, "UTC")
    assert chapter.heading == heading
    [said] = chapter.sentences
    assert said.startswith(f'It is the document {name} of the source "desk", and no article yet')
    assert reason in said
    assert "broadsheet collect" in next_after(found)


def test_an_article_is_found_by_its_file_even_where_it_names_another_guid(site: Any) -> None:
    found = find(site.app, "own.md")
    assert isinstance(found, Article)
    assert found.title == "The bell rings"
    with pytest.raises(UsageError, match="no article has"):
        find(site.app, "nowhere.md")
