"""stop_at: a digest that too many refuse, or report as spam, is paused before it reaches everybody."""

from __future__ import annotations

from datetime import datetime

from pipeline.config import Config
from pipeline.config.mail import StopAt
from pipeline.deliver.notices import tell_operator
from pipeline.model.deliveries import Tally
from pipeline.model.newsletters import DigestStatus
from pipeline.store import digests, tallies
from pipeline.store.engine import Store


def decide_stop(tally: Tally, limits: StopAt) -> str:
    """Why a digest must not go on, "" where it may. Nothing is concluded from a few messages."""
    if tally.tried >= limits.after and tally.refused > limits.failures * tally.tried:
        return (f"{tally.refused:,} of {tally.tried:,} messages were refused for good "
                f"({tally.refused / tally.tried:.1%}; stop_at.failures is {limits.failures:.1%})")
    if tally.sent >= limits.after and tally.complaints > limits.complaints * tally.sent:
        return (f"{tally.complaints:,} of {tally.sent:,} were reported as spam "
                f"({tally.complaints / tally.sent:.2%}; stop_at.complaints is {limits.complaints:.2%})")
    return ""


def check_threshold(store: Store, config: Config, digest_id: int, now: datetime) -> str:
    """Pause a digest that is being sent where its numbers pass `[mail] stop_at`, and tell the operator; why, or "". Of
    a digest that the operator let go on after that nothing is concluded any more."""
    limits = config.mail.stop_at if config.mail is not None else StopAt()
    with store.read() as database:
        reason = decide_stop(tallies.tally(database, digest_id, rough=True), limits)
        reason = reason and decide_stop(tallies.tally(database, digest_id), limits)
    if not reason:
        return ""
    with store.write() as database:
        digest = digests.get(database, digest_id)
        said = digest.approved_at is not None and digest.frozen_at is not None and digest.approved_at > digest.frozen_at
        if said or digest.status not in (DigestStatus.FROZEN, DigestStatus.SENDING):
            return ""
        digests.change(database, digest_id, DigestStatus.PAUSED, reason=reason)
        name = f"{digest.newsletter}/{digest.name}"
        tell_operator(database, config, f"{name} is paused", "\n".join([
            f"{name} is paused: {reason}.", "",
            "Nothing more of it goes out. To see who got it, and what was answered:",
            f"  broadsheet audit {digest.name}", "To let it go on, or end it:",
            f"  broadsheet digests approve {digest.name}", f"  broadsheet digests cancel {digest.name}"]),
            now, dedupe=f"stop_at:{digest_id}")
    return reason
