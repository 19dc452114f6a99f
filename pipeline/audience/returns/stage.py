"""Read what came back: open the mailbox, take each letter in a transaction of its own, and only then say that it was
dealt with. Killed anywhere, nothing is lost, and nothing counts twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from pipeline.audience.returns.counted import Ingested
from pipeline.audience.returns.imap import ImapMailbox
from pipeline.audience.returns.mailbox import Mailbox
from pipeline.audience.returns.maildir import MaildirMailbox
from pipeline.audience.returns.parse import parse
from pipeline.audience.returns.take import Parts, Taken, take
from pipeline.config.mail import Returns
from pipeline.errors import StoreError
from pipeline.mail import marks
from pipeline.mail.tokens import Keyring
from pipeline.store import meta

MOST_KEPT = 1000    # of mails from a pipe that nobody understood: whoever floods us fills no disk


def mailbox_of(returns: Returns) -> Mailbox | None:
    """The mailbox that `[mail.returns]` names, None where it names none."""
    if returns.maildir is not None:
        return MaildirMailbox(returns.maildir)
    if returns.imap is not None:
        return ImapMailbox(returns.imap, returns.user, returns.password.get_secret_value())
    return None


def ingest(
    parts: Parts, mailbox: Mailbox, now: Callable[[], datetime], done: Ingested,
    going: Callable[[], bool] = lambda: True,
) -> None:
    """Read all of a mailbox, counting in `done`, or until it is no longer `going`. Raises TransportError or StoreError
    where it can't be read to its end; what was taken until then stays taken."""
    with mailbox.open() as session:
        for letter in session.letters():
            if not going():
                return
            taken = take_mail(parts, letter.raw, now())
            count(done, taken)
            session.done(letter, unread=taken.unread)
    with parts.store.write() as connection:
        meta.put(connection, meta.RETURNS_READ_AT, now().isoformat())


def count(done: Ingested, taken: Taken) -> None:
    if taken.known:
        done.known += 1
        return
    done.kinds[taken.report.kind] += 1
    done.suppressed += bool(taken.verdict.suppress)
    done.unsubscribed += taken.verdict.unsubscribe
    done.unread += taken.unread
    done.hint(taken.verdict.hint)


def take_mail(parts: Parts, raw: bytes, now: datetime, recipient: str = "") -> Taken:
    """One mail, wherever it came from. `recipient` is the address it was for, where that is known."""
    return take(parts, parse(raw, recipient, leaves=lambda text: asks_to_leave(parts.keyring, text)), now)


def take_piped(parts: Parts, raw: bytes, now: datetime, recipient: str, folder: Path) -> Taken:
    """One mail that a mail server pipes, and keeps no copy of: what a person should read is put into `folder`. Raises
    StoreError; the server tries again then."""
    taken = take_mail(parts, raw, now, recipient)
    if taken.unread and not taken.known:
        try:
            _keep(folder, taken.report.key, raw)
        except OSError as error:
            raise StoreError(str(folder), f"can't be written: {error.strerror}", permanent=False) from error
    with parts.store.write() as connection:
        meta.put(connection, meta.RETURNS_READ_AT, now.isoformat())
    return taken


def _keep(folder: Path, key: str, raw: bytes) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    if sum(1 for _ in folder.iterdir()) < MOST_KEPT:
        path = folder / f"{key.rpartition(':')[2][:40]}.eml"
        with open(path, "wb", opener=partial(os.open, mode=0o600)) as file:
            file.write(raw)


def asks_to_leave(keyring: Keyring, text: str) -> bool:
    found = marks.find(keyring, text)
    return found is not None and found[0] == marks.LEAVE
