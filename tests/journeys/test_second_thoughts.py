"""What operators do after the first day: rename, mend, look again."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.errors import UsageError
from pipeline.model.newsletters import Digest, DigestStatus
from pipeline.store import digests


def due(site: Any) -> None:
    site.send()  # the schedule begins
    site.now = site.now.replace(hour=8, minute=1)


def daily(site: Any) -> list[Digest]:
    """The first day is a Monday, so that the weekly schedule has a slot too, for nobody."""
    return [digest for digest in site.digests() if digest.schedule == "daily"]


def test_a_source_under_a_new_name_brings_nothing_twice(make_site: Any) -> None:
    site = make_site()
    site.subscribe("ada@example.org")
    site.write("a.md", "Article a", "Short.")
    due(site)
    site.run()
    site.close()
    config = site.folder / "config.toml"
    config.write_text(config.read_text().replace('slug = "desk"', 'slug = "newsroom"'))
    site.advance(days=1)
    assert [(p.new, p.same) for p in site.run().polls] == [(0, 1)]
    assert site.told("ada@example.org") == ["Article a"]


def test_another_folder_is_another_source(make_site: Any) -> None:
    """The control: what is new must not be taken for what was there."""
    site = make_site()
    site.write("a.md", "Article a")
    site.run()
    site.close()
    (site.folder / "more").mkdir()
    (site.folder / "more" / "b.md").write_text("# Article b\n\nOther words.\n")
    config = site.folder / "config.toml"
    before, after = 'slug = "desk"\nfolder = "articles"', 'slug = "more"\nfolder = "more"'
    config.write_text(config.read_text().replace(before, after))
    assert [(p.source, p.new) for p in site.run().polls] == [("more", 1)]


def test_a_mended_template_sends_what_was_held(make_site: Any) -> None:
    site = make_site()
    site.subscribe("ada@example.org")
    site.write("a.md", "Article a")
    due(site)
    broken = site.folder / "templates" / "digest" / "body.html.j2"
    broken.parent.mkdir(parents=True)
    broken.write_text("{% if %}")
    assert site.run().partly_failed
    assert [d.status for d in daily(site)] == [DigestStatus.HELD]
    broken.unlink()
    site.advance(minutes=5)
    assert not site.run().partly_failed
    assert site.told("ada@example.org") == ["Article a"]


def test_a_held_digest_that_is_too_late_gives_its_articles_to_the_next(make_site: Any) -> None:
    site = make_site()
    site.subscribe("ada@example.org")
    site.write("a.md", "Article a")
    due(site)
    broken = site.folder / "templates" / "digest" / "body.html.j2"
    broken.parent.mkdir(parents=True)
    broken.write_text("{% if %}")
    site.run()
    broken.unlink()
    site.advance(days=1)
    site.run()
    assert [d.status for d in daily(site)] == [DigestStatus.DONE, DigestStatus.SKIPPED]
    assert "missed" in daily(site)[1].reason
    assert site.told("ada@example.org") == ["Article a"]


def test_a_source_that_fails_is_named_until_it_works(make_site: Any) -> None:
    closed = """
[[sources]]
slug = "gone"
url = "http://127.0.0.1:9/feed.xml"
allow_networks = ["127.0.0.0/8"]
[[feeds]]"""
    site = make_site()
    config = site.folder / "config.toml"
    config.write_text(config.read_text().replace("\n[[feeds]]", closed, 1))
    assert site.run().partly_failed
    again = site.run()
    assert again.partly_failed
    assert "source gone still fails" in again.problems[0]


def test_a_digest_answers_to_every_name_that_is_printed(make_site: Any) -> None:
    site = make_site()
    site.subscribe("ada@example.org")
    site.write("a.md", "Article a")
    due(site)
    site.run()
    (digest,) = daily(site)
    with site.app.store.read() as connection:
        for name in (digest.name, f"lantern/{digest.name}", str(digest.id), digest.slot):
            assert digests.require(connection, name).id == digest.id
        with pytest.raises(UsageError, match="no such digest"):
            digests.require(connection, "other/" + digest.name)
