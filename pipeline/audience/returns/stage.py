"""Read what came back: open the mailbox, take each letter in a transaction of its own, and only then say that it was
dealt with. Killed anywhere, nothing is lost, and nothing counts twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.audience.returns.imap import ImapMailbox
from pipeline.audience.returns.mailbox import Mailbox
from pipeline.audience.returns.maildir import MaildirMailbox
from pipeline.audience.returns.parse import parse
from pipeline.audience.returns.take import Parts, Taken, take
from pipeline.config.mail import Returns
from pipeline.mail import marks
from pipeline.mail.tokens import Keyring
from pipeline.model.returns import ReturnKind
from pipeline.store import meta

MOST_HINTS = 20


@dataclass(slots=True)
class Ingested:
    """What a reading found."""

    kinds: Counter[ReturnKind] = field(default_factory=Counter)
    suppressed: int = 0
    unsubscribed: int = 0
    unread: int = 0            # that somebody should look at
    known: int = 0             # read before
    hints: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.kinds.values())

    def add(self, taken: Taken) -> None:
        if taken.known:
            self.known += 1
            return
        self.kinds[taken.report.kind] += 1
        self.suppressed += bool(taken.verdict.suppress)
        self.unsubscribed += taken.verdict.unsubscribe
        self.unread += taken.unread
        if taken.verdict.hint and len(self.hints) < MOST_HINTS:
            self.hints.append(taken.verdict.hint)


def mailbox_of(returns: Returns) -> Mailbox | None:
    """The mailbox that `[mail.returns]` names, None where it names none."""
    if returns.maildir is not None:
        return MaildirMailbox(returns.maildir)
    if returns.imap is not None:
        return ImapMailbox(returns.imap, returns.user, returns.password.get_secret_value())
    return None


def ingest(parts: Parts, mailbox: Mailbox, now: Callable[[], datetime]) -> Ingested:
    """Raises TransportError where the mailbox can't be read to its end; what was taken until then stays taken."""
    done = Ingested()
    with mailbox.open() as session:
        for letter in session.letters():
            taken = take_mail(parts, letter.raw, now())
            done.add(taken)
            session.done(letter, unread=taken.unread)
    with parts.store.write() as connection:
        meta.put(connection, meta.RETURNS_READ_AT, now().isoformat())
    return done


def take_mail(parts: Parts, raw: bytes, now: datetime, recipient: str = "") -> Taken:
    """One mail, wherever it came from. `recipient` is the address it was for, where that is known."""
    return take(parts, parse(raw, recipient, leaves=lambda text: asks_to_leave(parts.keyring, text)), now)


def asks_to_leave(keyring: Keyring, text: str) -> bool:
    found = marks.find(keyring, text)
    return found is not None and found[0] == marks.LEAVE
