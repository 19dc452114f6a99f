"""Collecting a folder: one bad document stops no other, and a change keeps who it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.jobs.collecting import collect_due
from pipeline.store import articles, sources

WORDS = "This is told at some length, so that nobody could take it for any other article in the folder, ever again."


def opened(site: Any) -> None:
    assert site.app


@pytest.fixture
def site(copy_site: Callable) -> Any:
    return copy_site(opened)


def collect(site: Any):
    (poll,) = collect_due(site.app)
    return poll


def stored(site: Any) -> dict[str, Any]:
    with site.app.store.read() as connection:
        return {a.title: a for a in articles.search(connection)}


def test_a_document_that_changes_is_the_same_article(site) -> None:
    site.write("a.md", "Article a", WORDS)
    assert collect(site).new == 1
    first = stored(site)["Article a"]
    assert collect(site).same == 1
    site.advance(hours=1)
    site.write("a.md", "Article a, corrected", WORDS + " And one thing more.")
    poll = collect(site)
    assert (poll.new, poll.updated) == (0, 1)
    second = stored(site)["Article a, corrected"]
    assert (second.id, second.revision, second.accepted_seq) == (first.id, 2, first.accepted_seq)
    assert (second.first_seen_at, second.updated_at) == (first.first_seen_at, site.now)


def test_a_document_that_is_renamed_is_the_same_article(site) -> None:
    site.write("a.md", "Article a", WORDS)
    collect(site)
    (site.folder / "articles" / "a.md").rename(site.folder / "articles" / "2026-a.md")
    poll = collect(site)
    assert (poll.new, poll.moved) == (0, 1)
    assert collect(site).same == 1


def test_one_that_goes_away_stays_told(site) -> None:
    site.write("a.md", "Article a", WORDS)
    collect(site)
    (site.folder / "articles" / "a.md").unlink()
    assert collect(site).failed is False
    assert "Article a" in stored(site)


def test_bad_documents_are_named_and_stop_no_other(site) -> None:
    site.write("good.md", "Article good", WORDS)
    folder: Path = site.folder / "articles"
    (folder / "binary.txt").write_bytes(bytes(range(256)) * 20)
    (folder / "broken.md").write_text("---\ntitle: [unclosed\n---\n\nwords\n")
    (folder / "empty.md").write_text("")
    (folder / "link.md").symlink_to("/etc/hostname")
    poll = collect(site)
    assert poll.new >= 1
    assert "Article good" in stored(site)
    told = "\n".join(poll.problems + poll.skipped)
    assert all(name in told for name in ("broken.md", "empty.md", "link.md"))
    with site.app.store.read() as connection:
        state = sources.state(connection, "desk")
    assert "link.md" in state.last_error
    assert state.failures == 0


def test_drafts_stay_out_and_are_said(site) -> None:
    path = site.folder / "articles" / "draft.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"---\ntitle: Not yet\ndraft: true\n---\n\n{WORDS}\n")
    poll = collect(site)
    assert (poll.new, poll.failed) == (0, False)
    assert poll.skipped[0].startswith("draft.md: ")


def test_a_folder_that_is_gone_is_the_sources_failure(site) -> None:
    (site.folder / "articles").rmdir()
    poll = collect(site)
    assert "there is no such folder" in poll.error
    assert poll.failed
    site.write("a.md", "Article a", WORDS)
    assert collect(site).new == 1, "a folder is looked at each time, however often it failed"


def test_the_operators_own_folder_is_never_a_flood(site) -> None:
    site.write("a.md", "Article a", WORDS)
    collect(site)
    for number in range(60):
        site.write(f"{number}.md", f"Article {number}", f"{WORDS} Number {number}.")
    poll = collect(site)
    assert (poll.new, poll.held, poll.unmailable) == (60, 0, 0)


def test_a_name_that_is_no_text_stops_nothing(site) -> None:
    site.write("good.md", "Article good", WORDS)
    try:
        Path(os.fsdecode(os.fsencode(site.folder / "articles") + b"/caf\xe9.md")).write_text(f"# Caf\n\n{WORDS} Cafe.")
    except OSError:
        pytest.skip("this file system takes no such names")
    poll = collect(site)
    assert poll.error == ""
    assert "Article good" in stored(site)
