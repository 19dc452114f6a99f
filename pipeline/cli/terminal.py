"""What a command says, and where: results on standard output, everything else on standard error.

With `--json` standard output gets one JSON object and nothing else. What comes from sources, servers and people is
shown without control characters: a title can't move the cursor.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from datetime import datetime
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NoReturn, cast
from zoneinfo import ZoneInfo

import typer

from pipeline.errors import BroadsheetError, ConfigError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.app import App

DONE, FAILED, WRONG, PARTLY = 0, 1, 2, 3
"""Exit statuses: done; failed; wrong usage or config; done, but some sources, feeds or people failed."""

HEADING, DIM, GOOD, WARN, BAD = "bold", "dim", "green", "yellow", "red"

WIDEST = 200  # columns of a cell where nobody looks at it on a screen


@dataclass(frozen=True, slots=True)
class Setting:
    """What tests bring along: another clock. Passed to the root command as its object."""

    now: Callable[[], datetime] | None = None


class Terminal:
    """One command's voice."""

    def __init__(self, config: Path, *, as_json: bool = False, debug: bool = False,
                 now: Callable[[], datetime] | None = None) -> None:
        self.config = config
        self.as_json = as_json
        self.debug = debug
        self.now = now
        self._consoles: dict[bool, Console] = {}

    # --- results ---

    def line(self, text: str = "", style: str = "") -> None:
        """A line for people on standard output; nothing with --json."""
        if not self.as_json:
            self._print(text, style)

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[object]], *, indent: int = 0) -> None:
        """Aligned columns, numbers (int) to the right. The last one takes what room there is."""
        if not self.as_json and rows:
            shown = [[plain(f"{cell:,}" if isinstance(cell, int) else str(cell)) for cell in row] for row in rows]
            right = [all(isinstance(row[i], int) for row in rows) for i in range(len(headings))]
            if self._console(errors=False).is_terminal:
                self._screen_table(headings, shown, right, indent)
            else:
                _plain_table(headings, shown, right, indent)

    def result(self, values: dict[str, Any], name: str = "", many: Iterable[object] = ()) -> None:
        """The JSON object of --json; nothing without. `many` are written one by one, as a list called `name`."""
        if not self.as_json:
            return
        written = json.dumps(values, default=_jsonable, ensure_ascii=False)
        if name:
            sys.stdout.write(f"{written[:-1]}{', ' if values else ''}{json.dumps(name)}: [")
            for number, one in enumerate(many):
                sys.stdout.write((", " if number else "") + json.dumps(one, default=_jsonable, ensure_ascii=False))
            written = "]}"
        sys.stdout.write(written + "\n")

    # --- everything else ---

    def note(self, text: str, style: str = DIM) -> None:
        self._print(text, style, errors=True)

    def warn(self, text: str) -> None:
        self._print(f"! {text}", WARN, errors=True)

    def problem(self, text: str) -> None:
        self._print(f"✗ {text}", BAD, errors=True)

    def next(self, text: str) -> None:
        """What to do next: how every command ends."""
        self._print(f"Next: {text}", DIM, errors=self.as_json)

    def error(self, error: BroadsheetError) -> int:
        """Say in words what went wrong; the exit status that goes with it."""
        if isinstance(error, ConfigError):
            number = len(error.problems)
            self.problem(f"{error.subject}: {number} problem{'s' if number != 1 else ''}")
            for each in error.problems:
                self._print(f"  {each}", "", errors=True)
        else:
            self.problem(str(error))
        self.result({"error": {"subject": error.subject, "cause": error.cause, "hint": error.hint}
                     | ({"problems": error.problems} if isinstance(error, ConfigError) else {})})
        return WRONG if isinstance(error, ConfigError | UsageError) else FAILED

    @property
    def watched(self) -> Console | None:
        """The console for a progress display, or None where nobody watches."""
        console = self._console(errors=True)
        return console if console.is_terminal else None

    @contextmanager
    def app(self, *, declared: bool = True) -> Iterator[App]:
        """The app of this command's config, its rows in line with the config."""
        from pipeline.app import open_app, utc_now

        app = open_app(self.config, now=self.now or utc_now)
        try:
            if declared:
                from pipeline.jobs.declare import declare

                declare(app.store, app.config, app.now())
            yield app
        finally:
            app.close()

    def _print(self, text: str, style: str, *, errors: bool = False) -> None:
        from rich.text import Text

        self._console(errors=errors).print(Text(plain(text), style=style), soft_wrap=True)

    def _console(self, *, errors: bool) -> Console:
        if errors not in self._consoles:
            from rich.console import Console

            self._consoles[errors] = Console(stderr=errors, highlight=False, markup=False, emoji=False)
        return self._consoles[errors]

    def _screen_table(
        self, headings: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool], indent: int
    ) -> None:
        from rich.padding import Padding
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=DIM, show_header=any(headings))
        for number, heading in enumerate(headings):
            table.add_column(Text(heading), no_wrap=number < len(headings) - 1, overflow="fold",
                             justify="right" if right[number] else "left")
        for row in rows:
            table.add_row(*map(Text, row))
        self._console(errors=False).print(Padding(table, (0, 0, 0, indent)))


def here(context: typer.Context) -> Terminal:
    """The terminal of a running command."""
    return cast("Terminal", context.obj)


def leave(status: int) -> NoReturn:
    raise typer.Exit(status)


def plain(text: str) -> str:
    """Text without control characters other than line ends, and without what turns the direction of writing."""
    return "".join(c if c == "\n" or c.isprintable() or c in _JOINERS else "�" for c in text)


def plural(number: int, one: str, many: str = "") -> str:
    """ "1 article", "2 articles"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def local(moment: datetime | None, zone: str) -> str:
    """ "Mon 23 Nov 2026 08:00" on a zone's clock."""
    return f"{moment.astimezone(ZoneInfo(zone)):%a %d %b %Y %H:%M}" if moment else "–"


def _plain_table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool], indent: int
) -> None:
    from rich.cells import cell_len

    lines = [headings, *rows] if any(headings) else rows
    widths = [min(WIDEST, max(cell_len(line[i]) for line in lines)) for i in range(len(headings))]
    for line in lines:
        cells = []
        for width, cell, to_right in zip(widths, line, right, strict=True):
            room = " " * max(0, width - cell_len(cell))
            cells.append(room + cell if to_right else cell + room)
        sys.stdout.write((" " * indent + "  ".join(cells)).rstrip() + "\n")


def _jsonable(value: object) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


_JOINERS = "\u200c\u200d"  # they join emoji and letters, and count as not printable


def end_as_if_interrupted() -> None:
    """Let SIGTERM (a service manager, a container) end a send as Ctrl-C does: what is under way is written down."""
    if threading.current_thread() is threading.main_thread():  # elsewhere nobody may
        signal.signal(signal.SIGTERM, signal.default_int_handler)
