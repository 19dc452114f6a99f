"""sources import, export: lists of sources from and for other programs, as OPML."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.terminal import DIM, FAILED, GOOD, PARTLY, here, leave, plural
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.config import Config


def register(group: typer.Typer) -> None:
    """Add the commands to the group `sources`."""
    group.command("import")(sources_import)
    group.command("export")(sources_export)


def sources_import(
    context: typer.Context,
    opml: Annotated[str, typer.Argument(metavar="OPML", help="A file, an address, or - for standard input.")],
    topic: Annotated[list[str] | None, typer.Option(
        "--topic", metavar="TOPIC", help="Given to each of them, beside the names of their folders.")] = None,
    allow_network: Annotated[list[str] | None, typer.Option(
        "--allow-network", metavar="NET", help="A private network that the list may be fetched from.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be added, and write nothing.")] = False,
) -> None:
    """Add the sources of a list that another program exported. A bad one is named, and the others are taken."""
    from pipeline import config as configuration
    from pipeline.collect.finding.look import said
    from pipeline.collect.opml import read_opml
    from pipeline.config.edit import read_written, replace_config, with_sources
    from pipeline.desk.adding import what_there_is
    from pipeline.desk.listing import take_from_list

    terminal = here(context)
    config = configuration.load(terminal.config)
    found = read_opml(_read(config, opml, tuple(allow_network or ())), said(opml))
    taken = take_from_list(found.outlines, tuple(topic or ()), what_there_is(config))
    taken.problems += [f"{name}: has no address of a feed (xmlUrl)" for name in found.unusable]
    if found.broken:
        taken.problems.append(f"{said(opml)}: is {found.broken}; what could be read of it was read")
    terminal.table(("source", "address", "topics"), [
        (table["slug"], table["url"], _listed(table.get("topics", ()))) for table in taken.tables])
    for text in taken.skipped:
        terminal.note(f"  left out: {text}")
    for url in found.lists:
        terminal.note(f"  not read: {said(url)}, which is a list too; import it by itself")
    for text in taken.problems:
        terminal.problem(text)
    if taken.tables:
        written = read_written(config.path)
        text = with_sources(written.text, taken.tables)
        if dry_run:
            configuration.load_text(text, written.path)
        else:
            replace_config(written, text)
    number = plural(len(taken.tables), "source")
    terminal.line(f"{number} would be added." if dry_run else f"{number} added.", GOOD if taken.tables else "")
    terminal.result({"added": [] if dry_run else taken.tables, "would_add": taken.tables if dry_run else [],
                     "skipped": taken.skipped, "problems": taken.problems, "lists": found.lists})
    if dry_run:
        terminal.next("the same without --dry-run writes them.")
    elif taken.tables:
        terminal.next("`broadsheet collect` reads them now, `broadsheet sources` says how they are doing.")
    else:
        terminal.next("`broadsheet sources` shows those there are.")
    if taken.problems:
        leave(PARTLY if taken.tables else FAILED)


def sources_export(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Where to; else standard output.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Also those on private networks.")] = False,
) -> None:
    """Write the addresses of all sources as OPML 2.0, for other programs. None that holds a secret is in it."""
    from pipeline.collect.opml import write_opml
    from pipeline.desk.listing import list_for_others

    terminal = here(context)
    with terminal.app() as app:
        outlines, left_out = list_for_others(app, private=every)
        data, notes = write_opml(app.config.site.title, outlines)
    if file is not None:
        try:
            with file.open("xb") as target:
                target.write(data)
        except FileExistsError:
            raise UsageError(str(file), "is there already, and nothing is overwritten",
                             hint="name another file, or move it away") from None
        except OSError as error:
            raise UsageError(str(file), f"can't be written: {(error.strerror or '').lower()}") from error
    elif not terminal.as_json:
        sys.stdout.write(data.decode())
    for text in (*left_out, *notes):
        terminal.note(f"  left out: {text}")
    where = f" in {file}" if file else ""
    terminal.note(f"{plural(len(outlines), 'source')}{where}.", DIM)
    terminal.result({"sources": len(outlines), "file": file, "opml": data.decode() if file is None else None,
                     "left_out": [*left_out, *notes]})


def _read(config: Config, opml: str, networks: tuple[str, ...]) -> bytes:
    """What was named, as far as it is no larger than a list may be (`read_opml` says so)."""
    from pipeline.collect.finding.look import said, with_scheme
    from pipeline.collect.opml import MAX_BYTES

    if not opml.strip():
        raise UsageError("sources import", "needs a file or an address", hint="- is standard input")
    if opml == "-":
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    if opml.lower().startswith(("http://", "https://")):
        from pipeline.desk.adding import fetch

        with_scheme(opml)
        return fetch(config, opml, networks)
    try:
        with Path(opml).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(said(opml), f"can't be read: {(error.strerror or '').lower()}",
                         hint="name an OPML file, its address, or - for standard input") from error


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, Sequence) else ""
