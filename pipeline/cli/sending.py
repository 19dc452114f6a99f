"""preview and send-test: the next send, before it goes out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from pipeline.cli.terminal import BAD, DIM, FAILED, GOOD, WARN, here, leave, local, plural
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.app import App
    from pipeline.cli.terminal import Terminal
    from pipeline.desk.proof.finding import Finding
    from pipeline.desk.sheet import Sheet

EML, HTML, TEXT = "message.eml", "digest.html", "digest.txt"


def register(app: typer.Typer) -> None:
    app.command()(preview)
    app.command("send-test")(send_test)


def preview(
    context: typer.Context,
    newsletter: Annotated[str, typer.Argument(metavar="NEWSLETTER")],
    schedule: Annotated[str, typer.Option("--schedule", help="Else the reader's, or the default.")] = "",
    to: Annotated[str, typer.Option("--to", metavar="ADDRESS", help="For this subscriber; else a made-up one.")] = "",
    at: Annotated[str, typer.Option("--at", metavar="TIME", help='The digest of that time: "2026-12-24 08:00".')] = "",
    digest: Annotated[str, typer.Option("--digest", metavar="NAME", help="This one, whenever it was.")] = "",
    check: Annotated[bool, typer.Option("--check/--no-check", help="Look at it as the preflight does.")] = True,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the files go.")] = Path("preview"),
    screenshots: Annotated[bool, typer.Option("--screenshots", help="And pictures, by a Chromium.")] = False,
) -> None:
    """Write the next mail to files, byte for byte. Changes nothing in the database."""
    from pipeline.app import open_app, utc_now
    from pipeline.cli.telling import shown as path_shown
    from pipeline.desk.preview import preview as make
    from pipeline.desk.proving import look_at
    from pipeline.errors import StoreError
    from pipeline.store import declared

    terminal = here(context)
    if screenshots:
        from pipeline.desk import chromium

        chromium.find()  # before anything is written
    app = open_app(terminal.config, now=terminal.now or utc_now)
    try:
        chosen = app.config.newsletter(newsletter)
        with app.store.read() as connection:
            try:
                declared.newsletter_id(connection, newsletter)
            except StoreError as error:
                raise UsageError(f'newsletter "{newsletter}"', "has nothing collected for it yet",
                                 hint="`broadsheet once` collects") from error
        moment = when_of(at, app.config.schedule(newsletter, schedule).timezone) if at else None
        shown = make(app, chosen, schedule=schedule, address=to, at=moment, digest_name=digest)
        declared_ones = {one.slug: one.timezone for one in chosen.schedules}
        zone = declared_ones.get(shown.digest.schedule, app.config.site.timezone)
        language = shown.reader.language or chosen.language or app.config.site.language
        findings = look_at(app, shown.sheet, language) if shown.sheet is not None and check else []
    finally:
        app.close()
    when = f"{local(shown.digest.due_at, zone)} ({shown.digest.schedule})"
    values = {"newsletter": newsletter, "schedule": shown.digest.schedule, "due_at": shown.digest.due_at,
              "people": shown.people, "nothing": shown.nothing}
    if shown.sheet is None:
        whom = f" to {shown.reader.address}" if to else ""
        terminal.line(f"Nothing would be sent{whom} on {when}: {shown.nothing}.")
        terminal.result(values)
        terminal.next("`broadsheet articles list` shows what there is; `broadsheet send-test` sends the latest anyway.")
        return
    files = write_files(shown.sheet, out)
    if screenshots:
        files |= _pictures(app, shown.sheet, out)
    made_up = " (made up, with the window that most people have)" if not to else ""
    more = f", and {shown.sheet.more} more on the web" if shown.sheet.more else ""
    terminal.table(("", ""), [
        ("Due", when), ("Selected", plural(shown.people, "person", "people")),
        ("For", shown.reader.address + made_up), ("Subject", shown.sheet.subject),
        ("Articles", f"{len(shown.sheet.articles)}{more}"),
        *((path_shown(out.resolve() / name), f"{len(data):,} bytes") for name, data in files.items()),
    ])
    for text in shown.sheet.notes:
        terminal.warn(text)
    show_findings(terminal, findings)
    terminal.result(values | {
        "findings": [one.to_json() for one in findings],
        "to": shown.reader.address, "subject": shown.sheet.subject, "articles": [a.id for a in shown.sheet.articles],
        "more": shown.sheet.more, "files": [out / name for name in files], "notes": shown.sheet.notes})
    terminal.next(f"open {path_shown(out.resolve() / HTML)}; "
                  f"`broadsheet send-test {newsletter} you@your.address` shows it in a mail program.")


def write_files(sheet: Sheet, out: Path) -> dict[str, bytes]:
    """The message and its two parts as files; name -> what is in it."""
    files = {EML: sheet.eml, HTML: sheet.html.encode(), TEXT: sheet.text.encode()}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (out / name).write_bytes(data)
    except OSError as error:
        raise UsageError(str(out), f"can't be written: {(error.strerror or '').lower()}",
                         hint="--out names another folder") from error
    return files


def _pictures(app: App, sheet: Sheet, out: Path) -> dict[str, bytes]:
    """Pictures of it, as files."""
    from pipeline.desk.screenshots import take
    from pipeline.desk.sheet import own_picture

    pictures = take(sheet.html, out, answers=partial(own_picture, app))
    return {picture.name: picture.read_bytes() for picture in pictures}


def show_findings(terminal: Terminal, findings: Sequence[Finding]) -> None:
    """What the preflight found, a line each."""
    for one in findings:
        mark, style = {"error": ("✗ ", BAD), "warning": ("! ", WARN)}.get(str(one.severity), ("  ", DIM))
        place = f" ({one.place})" if one.place and one.place not in one.text else ""
        terminal.line(f"{mark}{one.check}: {one.text}{place}", style)


def when_of(written: str, zone: str) -> datetime:
    """A moment as an operator writes it: "2026-12-24 08:00" on the schedule's clock, or with an offset of its own."""
    try:
        moment = datetime.fromisoformat(written)
    except ValueError as error:
        raise UsageError(f'"{written}"', "is no time", hint='write it as "2026-12-24 08:00"') from error
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))


def send_test(
    context: typer.Context,
    newsletter: Annotated[str, typer.Argument(metavar="NEWSLETTER")],
    address: Annotated[str, typer.Argument(metavar="ADDRESS")],
    schedule: Annotated[str, typer.Option("--schedule", help="Which schedule's next digest; else the default.")] = "",
) -> None:
    """Mail the next digest to one address. Marked [Test]; nobody's window moves, its unsubscribe link does nothing."""
    from pipeline.desk.trial import send_test as send

    terminal = here(context)
    with terminal.app() as app:
        trial = send(app, app.config.newsletter(newsletter), address, schedule=schedule)
        mail = app.config.mail
    terminal.result({"sent": trial.sent, "state": str(trial.outcome.state), "reason": trial.outcome.reason,
                     "code": trial.outcome.code, "to": trial.sheet.envelope.recipient, "subject": trial.sheet.subject,
                     "articles": [a.id for a in trial.sheet.articles], "again": trial.again})
    if not trial.sent:
        terminal.problem(f"{trial.sheet.envelope.recipient}: {trial.outcome.state}, {trial.outcome.reason}")
        terminal.next("`broadsheet check` tries the way out.")
        leave(FAILED)
    terminal.line(f"Sent to {trial.sheet.envelope.recipient}: {trial.sheet.subject}", GOOD)
    if trial.again:
        terminal.line("Nothing is new at the moment, so it tells the latest articles again.", DIM)
    if mail is not None and mail.transport == "maildir":
        terminal.next(f"it lies in {mail.maildir / 'new'}; with `broadsheet run` the front page shows it too."
                      if app.config.site.demo else f"it lies in {mail.maildir / 'new'}; any mail program opens it.")
    else:
        terminal.next("look at it in your mail program, also on a phone; then `broadsheet subscribers add`.")
