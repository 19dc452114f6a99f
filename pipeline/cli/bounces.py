"""bounces: what came back, read from a mailbox or from a mail server's pipe, and listed."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.terminal import FAILED, GOOD, Terminal, here, leave, local, plural
from pipeline.errors import BroadsheetError, UsageError

if TYPE_CHECKING:
    from pipeline.app import App
    from pipeline.audience.returns.counted import Ingested
    from pipeline.audience.returns.mailbox import Mailbox

TRY_AGAIN = 75    # EX_TEMPFAIL of sysexits.h: the mail server keeps the mail and tries again
_RECIPIENT = ("ORIGINAL_RECIPIENT", "RECIPIENT")   # Postfix, Exim and Courier tell a pipe whom a mail was for


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="What came back: bounces, complaints, requests to leave.", rich_markup_mode=None)
    group.callback(invoke_without_command=True)(bounces_default)
    group.command("ingest")(ingest)
    group.command("list")(bounces_list)
    app.add_typer(group, name="bounces")


def bounces_default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        bounces_list(context)


def ingest(
    context: typer.Context,
    pipe: Annotated[str, typer.Argument(metavar="[-]", help='"-": one mail on standard input, as mail servers pipe '
                                                            "it.")] = "",
    maildir: Annotated[Path | None, typer.Option("--maildir", metavar="DIR", help="This Maildir.")] = None,
    imap: Annotated[str, typer.Option("--imap", metavar="URL", help="This mailbox, with user and password of "
                                                                    "[mail.returns].")] = "",
) -> None:
    """Read what came back, now. Without anything named, the mailbox of [mail.returns]."""
    terminal = here(context)
    if pipe not in ("", "-"):
        raise UsageError(pipe, "is nothing that can be read", hint='write "-" for standard input, or --maildir DIR')
    if len([one for one in (pipe, maildir, imap) if one]) > 1:
        raise UsageError("bounces ingest", "reads one mailbox at a time", hint="name only one")
    if pipe:
        _ingest_pipe(terminal)
        return
    from pipeline.jobs.returning import read_mailbox

    with terminal.app() as app:
        mailbox = _mailbox(app, maildir, imap)
        done = read_mailbox(app, mailbox)
    for text in done.hints:
        terminal.warn(text)
    terminal.table(("", ""), [(number, str(kind).replace("_", " ")) for kind, number in sorted(done.kinds.items())])
    if done.problem:
        terminal.problem(done.problem)
    else:
        terminal.line(f"{plural(done.total, 'mail')} read in {mailbox.name}"
                      f"{f', {done.known:,} of before' if done.known else ''}; {done.suppressed:,} suppressed, "
                      f"{done.unsubscribed:,} unsubscribed.", GOOD)
    terminal.result(_values(done))
    if done.problem:
        terminal.next("what was read is done; the next reading goes on with the rest.")
        leave(FAILED)
    terminal.next(f"a flag stands on {plural(done.unread, 'mail')} in it, for a person to read." if done.unread
                  else "`broadsheet bounces list` says what came back, and what followed.")


def bounces_list(
    context: typer.Context,
    kind: Annotated[str, typer.Option("--kind", metavar="KIND", help="Only bounce, delay, complaint, unsubscribe, "
                                                                     "auto_reply or unknown.")] = "",
    address: Annotated[str, typer.Option("--address", metavar="ADDRESS", help="Only of this address.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many.")] = 50,
) -> None:
    """What came back and what followed, the newest first."""
    from pipeline.model.returns import ReturnKind
    from pipeline.store import digests, meta, returned

    terminal = here(context)
    if kind and kind not in set(ReturnKind):
        raise UsageError(kind, "is nothing that comes back", hint="one of " + ", ".join(ReturnKind))
    with terminal.app() as app, app.store.read() as connection:
        found = returned.listed(connection, kind=kind, address_key=address.strip().lower(), limit=limit)
        names = {one: digests.get(connection, one) for one in {r.digest_id for r in found if r.digest_id}}
        zone = app.config.site.timezone
        read_at = meta.get(connection, meta.RETURNS_READ_AT)
    shown = [(r, f"{names[r.digest_id].newsletter}/{names[r.digest_id].name}" if r.digest_id else "") for r in found]
    terminal.table(("when", "kind", "address", "digest", "status", "outcome"), [
        (local(r.at, zone), r.kind, r.address, digest, r.status, r.outcome) for r, digest in shown])
    if not found:
        terminal.line("Nothing came back.")
    terminal.result({"returned": [_as_json(r, digest) for r, digest in shown], "read_at": read_at or None})
    terminal.next("`broadsheet audit DIGEST --people` shows it beside each delivery." if found
                  else "`broadsheet bounces ingest` reads the mailbox of [mail.returns].")


def _ingest_pipe(terminal: Terminal) -> None:
    """Whatever is wrong here, the mail server is told to keep the mail: a refusal would be one more bounce."""
    from pipeline.audience.returns.opened import MOST_BYTES
    from pipeline.audience.returns.stage import take_piped
    from pipeline.jobs.returning import parts

    raw = sys.stdin.buffer.read(MOST_BYTES)
    while sys.stdin.buffer.read(MOST_BYTES):   # who stops reading breaks the server's pipe
        pass
    recipient = next((value for name in _RECIPIENT if (value := os.environ.get(name, ""))), "")
    try:
        with terminal.app(declared=False) as app:
            taken = take_piped(parts(app), raw, app.now(), recipient, app.data_folder / "returned")
    except BroadsheetError as error:
        terminal.error(error)
        leave(TRY_AGAIN)
    terminal.result({"kind": taken.report.kind, "address": taken.whom.address_key, "outcome": taken.verdict.outcome})
    terminal.note(f"{taken.report.kind}: {taken.verdict.outcome}")


def _mailbox(app: App, maildir: Path | None, imap: str) -> Mailbox:
    from pipeline.audience.returns.imap import ImapMailbox
    from pipeline.audience.returns.maildir import MaildirMailbox
    from pipeline.audience.returns.stage import mailbox_of

    returns = app.config.mail.returns if app.config.mail is not None else None
    if maildir is not None:
        return MaildirMailbox(maildir)
    if imap:
        if not imap.startswith(("imaps://", "imap://")):
            raise UsageError(imap, "is no address of a mailbox", hint='write "imaps://imap.example.org/INBOX"')
        if returns is None or not returns.user:
            raise UsageError(imap, "needs a user and a password", hint="name them in [mail.returns] of config.toml")
        return ImapMailbox(imap, returns.user, returns.password.get_secret_value())
    found = mailbox_of(returns) if returns is not None else None
    if found is None:
        raise UsageError("bounces ingest", "config.toml names no mailbox to read",
                         hint='say which: --maildir DIR, or maildir or imap in [mail.returns]')
    return found


def _values(done: Ingested) -> dict[str, Any]:
    return {"kinds": {str(kind): number for kind, number in sorted(done.kinds.items())}, "known": done.known,
            "suppressed": done.suppressed, "unsubscribed": done.unsubscribed, "unread": done.unread,
            "hints": done.hints, "problem": done.problem}


def _as_json(record: Any, digest: str) -> dict[str, Any]:
    return {"at": record.at, "kind": record.kind, "via": record.via, "address": record.address, "digest": digest,
            "status": record.status, "detail": record.detail, "outcome": record.outcome}
