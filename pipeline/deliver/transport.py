"""What a transport is: something that takes one message at a time away, in two steps.

    offer    everything that can still be taken back (SMTP: up to the last byte before the final dot;
             Maildir: the file under tmp/, synced)
    commit   the one step after which the message may have arrived (the dot and its reply; the rename)

Between the two the ledger says `handed`, durably. Whoever dies before the commit has sent nothing, whoever dies
after it left a row that says "handed": that is why nobody is mailed twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message with its envelope. The chunks joined are its bytes; the last one ends in CRLF."""

    envelope: Envelope
    chunks: Sequence[bytes]

    @property
    def size(self) -> int:
        return sum(map(len, self.chunks))


class Connection(Protocol):
    """An open way out. Used by one thread."""

    def offer(self, envelope: Envelope, chunks: Sequence[bytes]) -> Outcome | None:
        """Bring the message up to its last revocable step. None: ready to commit; else what became of it."""

    def commit(self, following: Parcel | None = None) -> Outcome:
        """Take the step that counts, for the message offered last. `following` is what will be offered next: a
        transport may say so in the same breath, to save a journey."""

    def abandon(self) -> None:
        """Take the offered message back; it must not arrive."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Way:
    """One of a transport's ways out, and how much may go there at a time."""

    name: str                          # "mail.example:587"; a transport's own name where there is one way only
    open: Callable[[], Connection]     # raises TransportError when there is none right now
    connections: int = 1
    per_connection: int = 0            # messages, after which a new one is opened; 0: no limit
    rate: float | None = None          # messages a second
    weight: int = 1


class Transport(Protocol):
    """A kind of way out."""

    name: str

    @property
    def ways(self) -> Sequence[Way]:
        """One at least."""

    def open(self) -> Connection:
        """A connection by the first way that is open, for single messages. Raises TransportError where none is."""

    def arrived(self, envelope: Envelope) -> bool | None:
        """Whether a message that was handed over under a dead lease did arrive; None where nobody can know.

        False also means that it can't arrive any more: whatever was left of it has been taken away.
        """
