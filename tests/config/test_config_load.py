"""A right config is what was written, with its defaults, and never changes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.config import FOREVER, STARTER, Config, load
from pipeline.config.preflight import Preflight
from pipeline.config.shape import Collect, Source, Table
from pipeline.errors import UsageError
from pipeline.model.articles import Show
from pipeline.model.runs import CatchUp
from pipeline.model.selection import Group, Order, Rules
from pipeline.model.sources import SourceKind

FULL = Path(__file__).with_name("full.toml").read_text()
SMALL = '[site]\ntitle = "A"\npublic_url = "https://a.example"\n'
NEWSLETTER = SMALL + """[mail]
sender = "a@a.example"
[[newsletters]]
slug = "n"
title = "N"
"""
Write = Callable[[str], Path]


@pytest.fixture
def full(write: Write, env: dict[str, str]) -> Config:
    return load(write(FULL), env)


def test_a_full_config_is_what_was_written(full: Config, tmp_path: Path) -> None:
    assert full.path == tmp_path / "config.toml"
    assert full.site.public_url == "https://lantern.example"
    assert full.store.url.get_secret_value() == f"sqlite:///{tmp_path}/data/broadsheet.db"
    assert full.paths.feeds == tmp_path / "out"
    source = full.source("neighbour")
    assert (source.kind, source.show, source.every, source.backlog, source.flood) == (
        SourceKind.AUTO, Show.FULL, timedelta(minutes=30), timedelta(days=14), 20)
    assert full.feed("all").rules == Rules(("*",), ("desk",), 50, 3)
    newsletter = full.newsletter("lantern")
    assert newsletter.rules == Rules(
        ("health", "python"), ("desk", "neighbour"), 9, 5, 2, include=("lamp",), exclude=("/ad(vert)?/",),
        max_age_s=14 * 86400, order=Order.SCORE, group=Group.TOPIC, contents=3)
    assert newsletter.default_schedule.slug == "weekly"
    assert full.schedule("lantern", "daily").catch_up is CatchUp.ALL
    assert full.schedule("lantern", "daily").lateness == timedelta(hours=3)
    assert full.schedule("lantern").lateness == timedelta(days=3, hours=12)
    assert full.schedule("lantern").times.describe() == "at 08:00 on Monday, America/New_York"
    assert full.schedule("lantern", "daily").timezone == "Europe/Stockholm"
    assert full.mail is not None
    assert (full.mail.sender_name, full.mail.sender_address) == ("The Lantern", "news@lantern.example")
    assert full.mail.smtp is not None
    assert full.mail.smtp.password.get_secret_value() == "hunter-canary-2"
    assert (full.web.host, full.web.port) == ("127.0.0.1", 8000)
    assert full.preflight == Preflight(clients=("gmail", "outlook-windows"), links=False, spam="spamassassin",
                                       hold=("size", "template", "spam"), strict=True)
    assert full.warnings == ()


def test_defaults(write: Write, tmp_path: Path) -> None:
    text = SMALL + '[[sources]]\nslug = "f"\nfolder = "x"\n[[sources]]\nslug = "u"\nurl = "http://b.example"\n'
    config = load(write(text), {})
    folder, url = config.sources
    assert (folder.show, folder.backlog, folder.folder) == (Show.FULL, FOREVER, tmp_path / "x")
    assert (url.show, url.backlog, url.every) == (Show.SUMMARY, timedelta(days=7), None)
    assert config.store.url.get_secret_value() == f"sqlite:///{tmp_path}/broadsheet.db"
    assert (config.paths.feeds, config.mail, config.site.postal_address) == (tmp_path / "feeds", None, None)


@pytest.mark.parametrize("shipped", ["config.toml", STARTER])
def test_what_we_ship_is_right(shipped: str | Path, root: Path) -> None:
    config = load(root / shipped, {})
    assert config.warnings == ()
    assert config.mail is not None
    assert config.mail.transport == "maildir"


def test_the_demo_is_one(root: Path) -> None:
    config = load(root / "config.toml", {})
    assert config.site.demo
    assert config.store.shown.endswith("/.broadsheet/demo.db")
    assert config.schedule("lantern").slug == "weekly"


def test_each_commented_key_of_the_starter_is_a_real_one(write: Write, env: dict[str, str]) -> None:
    # take the # away before each commented key: all of them together must be a config
    text = re.sub(r"^(\s*)# (?=(\w+ = |\[))", r"\1", STARTER.read_text(), flags=re.MULTILINE)
    text = text.replace('transport = "maildir" ', 'transport = "smtp" ').replace("demo = true", "demo = false")
    config = load(write(text), {**env, "S3_ACCESS_KEY": "a", "S3_SECRET_KEY": "b"})
    assert len(config.sources) == 2
    assert config.mail is not None
    assert config.mail.smtp is not None
    assert config.operator is not None


@pytest.mark.parametrize(("table", "heading"), [(Source, r"\[\[sources\]\]"), (Collect, r"\[collect\]")])
def test_every_key_of_what_is_collected_stands_in_the_starter(table: type[Table], heading: str) -> None:
    parts = re.split(r"^#? ?(?=\[)", STARTER.read_text(), flags=re.MULTILINE)
    told = "".join(part for part in parts if re.match(heading, part))
    assert set(table.model_fields) <= set(re.findall(r"^#? ?(\w+) = ", told, flags=re.MULTILINE))


@pytest.mark.parametrize("port", [('tls = "none"', 25), ('tls = "implicit"', 465), ("", 587)])
def test_the_port_follows_tls(write: Write, port: tuple[str, int]) -> None:
    config = load(write(NEWSLETTER.replace("[[news", f'[mail.smtp]\nhost = "h"\n{port[0]}\n[[news', 1)
                        + '[[newsletters.schedules]]\nslug = "d"\nat = "08:00"\n'), {})
    assert config.mail is not None
    assert config.mail.smtp is not None
    assert config.mail.smtp.port == port[1]


def test_nothing_of_a_config_changes(full: Config) -> None:
    with pytest.raises(FrozenInstanceError):
        full.site = full.site  # type: ignore[misc]
    with pytest.raises(ValidationError):
        full.site.title = "x"


@pytest.mark.parametrize(("kind", "near"), [("source", "desk"), ("feed", "all"), ("newsletter", "lantern")])
def test_an_unknown_name_is_told_the_nearest(full: Config, kind: str, near: str) -> None:
    with pytest.raises(UsageError, match=f'no such {kind} \\(did you mean "{near}"'):
        getattr(full, kind)(near[:-1] + "x" if near != "all" else "al")


def test_a_path_is_relative_to_the_config_not_to_the_shell(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(SMALL)
    monkeypatch.chdir(path.parent.parent)
    assert load(Path(path.parent.name) / "config.toml", {}).paths.feeds == path.parent / "feeds"


def test_topics_are_found_however_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(re.sub(r"select = \{[^}]*\}", 'select = { topics = ["Python", "STRASSE", "Straße"] }', FULL))
    config = load(path, env={"SMTP_PASSWORD": "x", "PG_PASSWORD": "x"})
    assert {feed.rules.topics for feed in config.feeds} == {("python", "strasse")}
