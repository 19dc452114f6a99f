"""announce: an apology or a notice, to everybody of a newsletter or to those whom a digest reached."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.terminal import DIM, GOOD, Terminal, here, leave, plural
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.desk.announcing import Prepared
    from pipeline.desk.audit import Audit


def register(app: typer.Typer) -> None:
    app.command()(announce)


def announce(
    context: typer.Context,
    newsletter: Annotated[str, typer.Argument(metavar="NEWSLETTER")],
    file: Annotated[Path, typer.Argument(metavar="FILE.md", help="Its first heading is the subject.")],
    received: Annotated[str, typer.Option(
        "--received", metavar="DIGEST", help="Only to those whom this digest reached, or may have; or latest.")] = "",
    subject: Annotated[str, typer.Option("--subject", metavar="TEXT", help="Another subject than the heading.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show it in files, and send nothing.")] = False,
    yes: Annotated[bool, typer.Option(
        "--yes", "-y", help="Do not ask before; without a terminal it has to be said.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also where the same words went out before.")] = False,
    anyway: Annotated[bool, typer.Option("--anyway", help="Whatever the preflight finds.")] = False,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where a dry run's files go.")] = Path("preview"),
) -> None:
    """Mail an apology or a notice. To everyone of a newsletter, once each and ahead of what waits; it is mail only.

    It has a ledger as a digest has: `audit`, `digests cancel` and all the others know it by its name.
    """
    from pipeline.cli.sending import show_findings
    from pipeline.desk.announcing import prepare, send
    from pipeline.desk.proving import parts
    from pipeline.desk.warming import warm_up_line

    terminal = here(context)
    with terminal.app() as app:
        prepared = prepare(app, app.config.newsletter(newsletter), file, subject=subject, received=received)
        terminal.table(("", ""), _rows(prepared))
        show_findings(terminal, prepared.findings)
        for text in prepared.announced.notes:
            terminal.warn(text)
        if line := warm_up_line(app):
            terminal.note(f"  {line} What has no place today goes on the days after.")
        if dry_run:
            _dry(terminal, prepared, out)
            return
        if not prepared.people:
            raise UsageError("announce", "it is for nobody", hint="that digest reached nobody" if received else
                             "nobody is subscribed")
        if prepared.holds and not anyway:
            raise UsageError("announce", f"the preflight holds it: {prepared.holds}", hint="--anyway sends it")
        _ask(terminal, prepared, yes=yes)
        digest = send(app, parts(app), prepared, again=again)
    terminal.line(f"{digest.newsletter}/{digest.name}: for {plural(digest.selected, 'person', 'people')}.", GOOD)
    terminal.result({"digest": digest, "name": digest.name, "people": digest.selected,
                     "subject": prepared.words.subject, "received": _received(prepared)})
    terminal.next(f"`broadsheet deliver` sends it; a running service does so by itself within seconds. "
                  f"`broadsheet audit {digest.name}` says who has it.")


def left_out(found: Audit) -> list[str]:
    """What to do about those whom a warm-up left out of a digest."""
    number = sum(one.number for one in found.reasons if one.reason.startswith("warm_up:"))
    if not number:
        return []
    command = f"subscribers export --newsletter {found.digest.newsletter} --excluded {found.digest.name}"
    people = plural(number, "person has", "people have")
    return [f"{people} no place in the warm-up that day: `broadsheet {command}` writes them down"]


def _rows(prepared: Prepared) -> list[tuple[str, str]]:
    one = prepared.received
    whom = f"whom {one.newsletter}/{one.name} reached" if one is not None else f"everyone of {prepared.newsletter.slug}"
    rows = [("Subject", prepared.words.subject), ("For", f"{plural(prepared.people, 'person', 'people')}, {whom}")]
    if prepared.waiting and one is not None:
        still = plural(prepared.waiting, "person", "people")
        rows += [("But", f"{still} may still get {one.name}, and would not hear of this"),
                 ("", f"`broadsheet digests cancel {one.name}` stops it")]
    return rows


def _received(prepared: Prepared) -> str:
    return prepared.received.name if prepared.received is not None else ""


def _dry(terminal: Terminal, prepared: Prepared, out: Path) -> None:
    from pipeline.cli.sending import HTML, write_files
    from pipeline.cli.telling import shown

    files = write_files(prepared.sheet, out)
    terminal.table(("", ""), [(shown(out.resolve() / name), f"{len(data):,} bytes") for name, data in files.items()])
    if prepared.holds:
        terminal.warn(f"The preflight would hold it: {prepared.holds}")
    terminal.line("Nothing was sent.", DIM)
    terminal.result({"dry_run": True, "people": prepared.people, "subject": prepared.words.subject,
                     "received": _received(prepared), "waiting": prepared.waiting,
                     "files": [out / name for name in files], "holds": prepared.holds,
                     "findings": [one.to_json() for one in prepared.findings]})
    terminal.next(f"open {shown(out.resolve() / HTML)}; without --dry-run it is sent.")


def _ask(terminal: Terminal, prepared: Prepared, *, yes: bool) -> None:
    if yes:
        return
    if terminal.as_json or not sys.stdin.isatty():
        raise UsageError("announce", "asks before it mails anybody, and nobody is there to answer",
                         hint="--dry-run shows it; --yes sends it")
    if not typer.confirm(f"Send it to {plural(prepared.people, 'person', 'people')}?", default=False):
        terminal.line("Nothing was sent.")
        leave(0)
