"""What every mailbox gives, whatever it is: letters, one after the other, and a way to say that one was dealt with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Letter:
    name: str        # what the mailbox knows it by
    raw: bytes       # its first `opened.MOST_BYTES`


class Session(Protocol):
    """A mailbox that is open. Raises ReturnsError where it can't be read any more."""

    def letters(self) -> Iterator[Letter]:
        """Those that were not dealt with, oldest first."""

    def done(self, letter: Letter, *, unread: bool) -> None:
        """What it says is committed: it need not be read again. `unread` leaves a flag on it for a person's eyes; no
        letter is ever deleted."""


class Mailbox(Protocol):
    @property
    def name(self) -> str:
        """For people."""

    def open(self) -> AbstractContextManager[Session]: ...
