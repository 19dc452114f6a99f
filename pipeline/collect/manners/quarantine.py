"""Which failures are offences, and when a source has committed enough of them to be left alone: pure decisions.

An offence is a poll in which a source went beyond a limit: it cost us something that only it had the benefit of. A
server that is down, slow to be reached or says no is none. The first offences are failures like any other, with the
same back-off; the third in a row is a quarantine of a day, and each one after that doubles it. One poll that gives
what was asked for clears everything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.collect.children.pool import TooCostly
from pipeline.collect.manners.intervals import say, say_times
from pipeline.errors import BroadsheetError, Refused
from pipeline.model.sources import SourceStanding

PATIENCE = 3                     # offences in a row; before that they are failures only
SHORTEST = timedelta(days=1)
LONGEST = timedelta(days=30)

# What `net` refuses because of how much it is, not of where it is: a wrong address is no offence.
_TOO_MUCH = re.compile(
    r"the answer(?:'s headers)? (?:is|are) (?:larger|slower|too many)"
    r"|the answer (?:unpacks to|needs|is packed in) more than"
    r"|redirects more than"
)


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Not asked before `until`. `reason` is for the operator."""

    until: datetime
    reason: str
    standing: SourceStanding = SourceStanding.QUARANTINED


def is_offence(error: BroadsheetError) -> bool:
    """Whether a poll that ended so went beyond a limit."""
    return isinstance(error, TooCostly) or (isinstance(error, Refused) and bool(_TOO_MUCH.match(error.cause)))


def count_offences(before: int, error: BroadsheetError | None) -> int:
    """How many offences in a row there are after a poll that ended with `error` (None: well). A failure that is no
    offence neither adds to them nor clears them."""
    if error is None:
        return 0
    return before + 1 if is_offence(error) else before


def decide_quarantine(before: int, error: BroadsheetError, now: datetime) -> Quarantine | None:
    """Say whether a poll that ended with `error`, after `before` offences in a row, puts its source in quarantine."""
    count = count_offences(before, error)
    if not is_offence(error) or count < PATIENCE:
        return None
    span = min(SHORTEST * (1 << min(count - PATIENCE, 10)), LONGEST)
    return Quarantine(
        now + span,
        f"it went beyond what a source may cost {say_times(count)}, the last time because it {_clause(error.cause)}; "
        f"it is left alone for {say(span)}",
    )


def _clause(cause: str) -> str:
    """A cause so that it fits after "because it": "the answer is larger …" is about the answer."""
    return f"failed with: {cause}" if cause.startswith("the answer") else cause
