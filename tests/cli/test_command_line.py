"""What holds for every command: where it is listed, where its options stand, how it fails."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline import __version__
from pipeline.cli import main as cli
from pipeline.cli.main import SECTIONS, app, hoist
from pipeline.cli.terminal import Terminal, plain

HEAVY = "premailer sqlalchemy pydantic lxml uvicorn starlette jinja2 alembic apscheduler urllib3".split()


def test_the_help_lists_every_command() -> None:
    names = {info.name or info.callback.__name__ for info in app.registered_commands}
    names |= {str(info.name) for info in app.registered_groups}
    assert names == {name for section in SECTIONS.values() for name in section}
    said = CliRunner().invoke(app, ["--help"]).stdout
    assert all(f"  {name}  " in said for name in names)


def test_starting_loads_nothing_heavy() -> None:
    code = f"import sys, pipeline.cli.main; print([m for m in {HEAVY} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_options_of_all_commands_may_stand_anywhere() -> None:
    wanted = ["--json", "--config", "x.toml", "audit", "latest"]
    for line in ("--json --config x.toml audit latest", "audit --json --config x.toml latest"):
        assert hoist(line.split()) == wanted
    assert hoist("audit latest --config=x.toml".split()) == ["--config=x.toml", "audit", "latest"]
    assert hoist(["stop", "--", "--json"]) == ["stop", "--", "--json"], "what stands after -- is no option"


def test_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"broadsheet {__version__}\n")


def test_a_missing_config_is_said_with_the_way_out(broadsheet: Callable[..., Any], tmp_path: Path) -> None:
    said = broadsheet(tmp_path, "once")
    assert said.status == 2
    assert "broadsheet init" in said.err
    assert said.out == ""


def test_every_problem_of_a_config_is_said_at_once(broadsheet: Callable[..., Any], make_site: Any) -> None:
    site = make_site()
    path = site.folder / "config.toml"
    path.write_text(path.read_text().replace("[mail]", "[mail]\nsendr = 1").replace('"08:00"', '"8 Uhr"'))
    said = broadsheet(site, "check", "--json")
    assert said.status == 2
    assert len(said.json["error"]["problems"]) == 2
    assert "sendr" in said.err
    assert "8 Uhr" in said.err


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (["preview", "lantrn"], 'did you mean "lantern"'),
        (["compose", "lantern", "--schedule", "dayly"], 'did you mean "daily"'),
        (["collect", "dsk"], 'did you mean "desk"'),
        (["publish", "al"], 'did you mean "all"'),
        (["templates", "copy", "digst"], 'did you mean "digest"'),
        (["audit", "2026-01-01"], "none yet"),
        (["runs", "send:lantern:dayly"], 'did you mean "send:lantern:daily"'),
        (["why", "99"], "articles list"),
        (["articles", "release", "99"], "articles list"),
        (["subscribers", "remove", "nobody@here.example"], "subscribers list"),
    ],
)
def test_a_name_that_is_none_gets_the_nearest(
    broadsheet: Callable[..., Any], make_site: Any, args: list[str], hint: str
) -> None:
    said = broadsheet(make_site(), *args)
    assert (said.status, said.out) == (2, "")
    assert hint in said.err


def test_an_unknown_command_or_option_is_wrong_usage(broadsheet: Callable[..., Any], tmp_path: Path) -> None:
    assert broadsheet(tmp_path, "ones").status == 2
    assert broadsheet(tmp_path, "once", "--frob").status == 2


def test_what_nobody_foresaw_is_called_a_bug_and_its_traceback_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def broken(**_: object) -> None:
        raise LookupError("between the lines")

    monkeypatch.setattr(cli, "app", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv(cli.DEBUG_ENV, raising=False)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr().err
    (kept,) = tmp_path.iterdir()
    assert ended.value.code == 1
    assert "bug" in said
    assert str(kept) in said
    assert "Traceback" not in said
    assert "between the lines" in kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0


def test_ctrl_c_is_one_line(
    monkeypatch: pytest.MonkeyPatch, broadsheet: Callable[..., Any], make_site: Any
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.jobs.steps.cycle", interrupted)
    said = broadsheet(make_site(), "once")
    assert said.status == 130
    assert said.err.strip().count("\n") == 0


def test_a_title_can_not_move_the_cursor(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert plain("a\x1b[2Jb\u202ec\r\n\U0001f468\u200d\U0001f469") == "a�[2Jb�c�\n\U0001f468\u200d\U0001f469"
    terminal = Terminal(tmp_path)
    terminal.table(("title",), [["a\x1b[2J"]])
    terminal.line("[red]b\x07[/red]")
    terminal.problem("c\x9b")
    said = capsys.readouterr()
    assert said.out == "title\na�[2J\n[red]b�[/red]\n"
    assert said.err == "✗ c�\n"


def test_the_config_is_found_by_option_then_environment_then_name(
    make_site: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    site, other = make_site(), make_site(name="other")
    monkeypatch.chdir(site.folder)
    seen = []
    monkeypatch.setattr("pipeline.app.open_app", lambda path, **_: seen.append(Path.cwd() / path))
    for env, args in (("", []), (str(other.folder / "config.toml"), []), (str(other.folder), ["--config", "c.toml"])):
        monkeypatch.setitem(os.environ, cli.ENV, env)
        CliRunner().invoke(app, ["next", *args])
    assert seen == [site.folder / "config.toml", other.folder / "config.toml", site.folder / "c.toml"]
