"""Asking before something is taken back, and saying what became of its copies: a source's, or single articles'."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pipeline.cli.terminal import Terminal, leave, plural
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.config import Config
    from pipeline.desk.takedown import Takedown
    from pipeline.store.redaction import Extent

MOST_NAMED = 5            # digests


def ask(terminal: Terminal, command: str, question: str, *, yes: bool) -> None:
    """Return where it may be done; what it will do was said before."""
    if yes:
        return
    if terminal.as_json or not sys.stdin.isatty():
        raise UsageError(command, "asks before it takes something down, and nobody is there to answer",
                         hint="say --yes")
    if not typer.confirm(question, default=False):
        terminal.line("Nothing was changed.")
        leave(0)


def mailbox(config: Config, extent: Extent) -> Path | None:
    """The folder that mails with it were delivered into, where they are files of ours."""
    return config.mail.maildir if config.mail and config.mail.transport == "maildir" and extent.sent else None


def tell(terminal: Terminal, done: Takedown, mailbox: Path | None, it: str = "it") -> None:
    """What became of the copies; `it` is what was taken back, "it" or "them"."""
    from pipeline.cli.telling import named_feed

    extent = done.extent
    if done.digests:
        terminal.line(f"Digests that held some of {it} say so instead: {_some(done.digests)}.")
    if extent.waiting:
        terminal.line(f"{plural(extent.waiting, 'mail')} with them {'is' if extent.waiting == 1 else 'are'} still to "
                      f"go out, without {it}.")
    if done.spoken:
        terminal.warn(f"{_some(done.spoken)}: look whether your introduction or subject speaks of {it}. `broadsheet "
                      "digests introduce` and `subject` change those of an open digest; a frozen one can only be "
                      "cancelled")
    terminal.line(f"{plural(len(done.published.written), 'feed file')} built anew.")
    for name, text in done.published.failed.items():
        terminal.problem(f"{named_feed(name, text)}; `broadsheet publish` tries again")
    for path in done.strays:
        terminal.warn(f"{path} belongs to no feed of config.toml and was left as it is: look whether it holds a copy")
    if mailbox is not None:
        terminal.warn(f"{mailbox} holds the mails that were delivered into it: they are yours to keep or delete")


def as_json(done: Takedown) -> dict[str, Any]:
    return {"digests": done.digests, "sent": done.extent.sent, "waiting": done.extent.waiting,
            "written": [str(path) for path in done.published.written], "failed": done.published.failed,
            "strays": done.strays, "spoken": done.spoken}


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_NAMED]) + (" …" if len(names) > MOST_NAMED else "")
