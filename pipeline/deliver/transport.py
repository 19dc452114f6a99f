"""What a transport is: something that takes one message at a time away, in two steps.

    offer    everything that can still be taken back (SMTP: up to the last byte before the final dot;
             Maildir: the file under tmp/, synced)
    commit   the one step after which the message may have arrived (the dot and its reply; the rename)

Between the two the ledger says `handed`, durably. Whoever dies before the commit has sent nothing, whoever dies
after it left a row that says "handed": that is why nobody is mailed twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.model.deliveries import Outcome


@dataclass(frozen=True, slots=True)
class Envelope:
    """Where a message goes, and the name under which a transport may recognise it again."""

    sender: str       # the return path (RFC 5321 MAIL FROM)
    recipient: str
    message_id: str
    lease: str = ""   # whose hands it is in; a transport marks unfinished work with it


class Connection(Protocol):
    """An open way out. Used by one thread."""

    def offer(self, envelope: Envelope, chunks: Sequence[bytes]) -> Outcome | None:
        """Bring the message up to its last revocable step. None: ready to commit; else what became of it."""

    def commit(self) -> Outcome:
        """Take the step that counts, for the message offered last."""

    def abandon(self) -> None:
        """Take the offered message back; it must not arrive."""

    def close(self) -> None: ...


class Transport(Protocol):
    """A kind of way out. `open` raises TransportError when there is none right now."""

    name: str

    def open(self) -> Connection: ...

    def arrived(self, envelope: Envelope) -> bool | None:
        """Whether a message that was handed over under a dead lease did arrive; None where nobody can know.

        False also means that it can't arrive any more: whatever was left of it has been taken away.
        """
