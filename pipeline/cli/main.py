"""The `broadsheet` command: its groups, its errors, its exit statuses.

Starting must be quick: nothing heavy is imported before a command runs that needs it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pipeline import __version__
from pipeline.cli import (
    announcing,
    articles,
    auditing,
    bounces,
    doctor,
    ledger,
    people,
    sending,
    service,
    setup,
    sources,
    stages,
)
from pipeline.cli.terminal import FAILED, Setting, Terminal, leave
from pipeline.errors import BroadsheetError

ENV = "BROADSHEET_CONFIG"
DEBUG_ENV = "BROADSHEET_DEBUG"
DEFAULT = "config.toml"

SECTIONS = {
    "To begin": ("init", "check", "doctor", "run", "once"),
    "Before it goes out": ("next", "preview", "send-test", "templates"),
    "Where articles come from": ("sources",),
    "By hand": ("collect", "publish", "compose", "deliver", "announce", "stop", "go"),
    "What happened": ("audit", "resolve", "digests", "runs", "why", "articles", "bounces"),
    "People and the database": ("subscribers", "migrate"),
}


class Root(TyperGroup):
    """Takes --config, --json and --debug anywhere on the line, groups the help, and turns our errors into words."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, hoist(args))

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BroadsheetError as error:
            if _debug(ctx.obj):
                traceback.print_exc()
            terminal = ctx.obj if isinstance(ctx.obj, Terminal) else Terminal(Path(DEFAULT))
            leave(terminal.error(error))
        except KeyboardInterrupt:
            sys.stderr.write("\nStopped. What was under way is taken up again at the next start.\n")
            leave(130)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for title, names in SECTIONS.items():
            rows = []
            for name in names:
                command = self.get_command(ctx, name)
                if command is not None:
                    rows.append((name, command.get_short_help_str(limit=60)))
            with formatter.section(title):
                formatter.write_dl(rows)


def hoist(args: list[str]) -> list[str]:
    """The arguments with the options of every command in front, wherever they stood before a "--"."""
    front: list[str] = []
    rest: list[str] = []
    remaining = iter(args)
    for arg in remaining:
        if arg == "--":
            rest += [arg, *remaining]
        elif arg in ("--json", "--debug") or arg.startswith("--config="):
            front.append(arg)
        elif arg == "--config":
            front += [arg, *[value for value in [next(remaining, None)] if value is not None]]
        else:
            rest.append(arg)
    return front + rest


app = typer.Typer(
    cls=Root, add_completion=False, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    help="Collect once, publish to feed readers and inboxes.",
    epilog="The options above work after any command too. Exit status: 0 done, 1 failed, 2 wrong usage or config, "
           "3 done but some sources, feeds or people failed.",
)

for group in (
    setup, doctor, service, sources, stages, sending, announcing, auditing, ledger, articles, people, bounces,
):
    group.register(app)


def print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"broadsheet {__version__}")
        leave(0)


@app.callback()
def root(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option(
        "--config", metavar="PATH", help=f"The config file; else ${ENV}, else {DEFAULT}.")] = None,
    as_json: Annotated[bool, typer.Option(
        "--json", help="One JSON object on standard output, all else on standard error.")] = False,
    debug: Annotated[bool, typer.Option(
        "--debug", help=f"Show where an error arose, and what the pages are asked for; also ${DEBUG_ENV}=1.")] = False,
    _version: Annotated[bool, typer.Option(
        "--version", help="Print the version.", is_eager=True, callback=print_version)] = False,
) -> None:
    setting = context.obj if isinstance(context.obj, Setting) else Setting()
    path = config or Path(os.environ.get(ENV) or DEFAULT)
    context.obj = Terminal(path, as_json=as_json, debug=debug, now=setting.now)


def main() -> None:
    """Run the command line. What nobody foresaw is called a bug, and its traceback kept."""
    try:
        app(prog_name="broadsheet")
    except Exception as error:
        if _debug(None):
            raise
        sys.stderr.write(f"✗ This is a bug in Broadsheet: {type(error).__name__}. "
                         f"Where it arose stands in {_keep_traceback()}; please report it with that file.\n")
        sys.exit(FAILED)


def _debug(terminal: object) -> bool:
    asked = isinstance(terminal, Terminal) and terminal.debug
    return asked or "--debug" in sys.argv or os.environ.get(DEBUG_ENV, "") not in ("", "0")


def _keep_traceback() -> str:
    """A file that only this account can read."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="broadsheet-", suffix=".txt", delete=False, encoding="utf-8", errors="replace"
    ) as file:
        file.write(f"Broadsheet {__version__}, Python {sys.version}\n\n{traceback.format_exc()}")
    return file.name
