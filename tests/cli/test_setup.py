"""init, check, templates, migrate: a site from nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def test_a_new_site_works_from_the_first_minute(broadsheet: Run, quick_folder: Path) -> None:
    site = quick_folder / "mine"
    made = broadsheet(site, "init", str(site))
    assert made.status == 0
    assert "cd " in made.out
    assert sorted(p.name for p in site.iterdir()) == ["articles", "config.toml", "feeds"]
    checked = broadsheet(site, "check", "--json")
    assert checked.status == 0, checked.err
    assert not [f for f in checked.json["findings"] if f["verdict"] == "problem"]
    assert broadsheet(site, "subscribers", "add", "me@here.example", "--newsletter", "news", "--consent", "I am I",
                      ).status == 0
    once = broadsheet(site, "once")
    assert once.status == 0, once.all
    assert "1 new, from 1 source" in once.out
    assert "The first article" in (site / "feeds" / "all" / "atom.xml").read_text()


def test_init_overwrites_nothing(broadsheet: Run, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("mine")
    said = broadsheet(tmp_path, "init", str(tmp_path))
    assert said.status == 2
    assert "never overwrites" in said.err
    assert [p.name for p in tmp_path.iterdir()] == ["config.toml"]
    other = tmp_path / "other"
    (other / "articles").mkdir(parents=True)
    (other / "articles" / "own.md").write_text("own")
    assert broadsheet(other, "init", str(other), "--json").json["made"] == [str(other / "config.toml")]
    assert [p.name for p in (other / "articles").iterdir()] == ["own.md"]


def test_init_where_nothing_can_be_written(broadsheet: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = broadsheet(tmp_path, "init", str(tmp_path / "file" / "site"))
    assert said.status == 2
    assert "can't be written" in said.err


def test_a_template_is_copied_whole_and_once(broadsheet: Run, make_site: Any, root: Path) -> None:
    site = make_site()
    listed = broadsheet(site, "templates").out
    assert [line.split()[:2] for line in listed.splitlines() if "shipped" in line] == [
        ["digest", "shipped"], ["gallery", "shipped"], ["headlines", "shipped"]]
    assert broadsheet(site, "templates", "copy", "digest").status == 0
    own, shipped = site.folder / "templates" / "digest", root / "templates" / "digest"
    assert {p.name: p.read_bytes() for p in own.iterdir()} == {p.name: p.read_bytes() for p in shipped.iterdir()}
    assert "yours" in broadsheet(site, "templates", "list").out
    assert broadsheet(site, "check").status == 0
    (own / "digest.css").write_text("/* mine */")
    assert broadsheet(site, "templates", "copy", "digest").status == 2
    assert (own / "digest.css").read_text() == "/* mine */"


def test_migrate_says_the_revision(broadsheet: Run, make_site: Any) -> None:
    said = broadsheet(make_site(), "migrate", "--json")
    assert said.json["revision"]
    assert said.status == 0


def test_no_secret_is_printed(broadsheet: Run, make_site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", "canary-7f3a")
    site = make_site()
    site.accept(["Article one"])
    site.subscribe("ann@here.example", start_seq=0)
    site.close()
    path = site.folder / "config.toml"
    path.write_text(path.read_text().replace('public_url', 'postal_address = false\npublic_url').replace(
        "[mail]", '[mail]\ntransport = "smtp"') + (
        '[mail.smtp]\nhost = "127.0.0.1"\nport = 9\ntls = "none"\nuser = "me"\npassword = "${CANARY}"\n'))
    for args, status in ((["check"], 1), (["compose", "lantern"], 0), (["deliver"], 1), (["once"], 3),
                         (["send-test", "lantern", "me@here.example"], 1), (["send-test", "lantern", "x"], 2)):
        for extra in ([], ["--json", "--debug"]):
            said = broadsheet(site, *args, *extra)
            assert "canary-7f3a" not in said.all
            if args[0] != "compose":
                assert said.status == status, (args, said.all)
