"""What a reading of the mailbox found, in numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from pipeline.model.returns import ReturnKind

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
    problem: str = ""          # why the mailbox could not be read to its end

    @property
    def total(self) -> int:
        return sum(self.kinds.values())

    def hint(self, text: str) -> None:
        if text and len(self.hints) < MOST_HINTS:
            self.hints.append(text)
