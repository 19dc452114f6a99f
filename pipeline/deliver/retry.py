"""All rules for replies and retries, in one place: what each SMTP reply means for a delivery, and when to try again.

Codes: RFC 5321 §4.2; enhanced codes: RFC 3463.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from pipeline.model.deliveries import DeliveryState, Outcome

STEPS = (timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=30), timedelta(hours=1), timedelta(hours=2))
"""Waits after the 1st, 2nd, … refusal for now; the last one repeats."""

HORIZON = timedelta(hours=48)
"""How long a delivery is tried, from its first try on, unless the config says otherwise."""

SPREAD = 0.2
"""Share of a wait by which it is made longer at most."""

_ENHANCED = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")

_GREYLISTED = re.compile(r"gr[ae]y.?list", re.IGNORECASE)

NO_SUCH_ADDRESS = {(1, 1), (1, 2), (1, 3), (1, 6), (1, 10)}
"""RFC 3463 §3.2 and RFC 7505: the address itself is wrong or gone."""


def judge(code: int, text: str, *, command: str = "RCPT") -> Outcome:
    """What a reply to MAIL, RCPT, DATA or the final dot (".") means. `text` is its text, any enhanced code in it.

    Only what is said of the recipient makes an address bounce: a bare 550 to MAIL is about our own sender, and one to
    the final dot about the content. Where a refusal is no single person's affair, `about` says whose it is: what is
    said before or after anybody was named is the relay's, what is said of a recipient their domain's.
    """
    reason = f"{code} {' '.join(text.split())}"[:300]
    if 200 <= code < 300:
        return Outcome(DeliveryState.SENT, reason, code)
    enhanced = _enhanced(text)
    about = "domain" if command == "RCPT" else "relay"
    if 400 <= code < 500:
        # whoever greylists asks this one message to come again, and nobody to be slower (RFC 6647)
        slow = code == 421 or (enhanced[:1] == (7,) and not _GREYLISTED.search(text))
        return Outcome(DeliveryState.DEFERRED, reason, code, slow_down=slow, about=about)
    if 500 <= code < 600:
        if command == "MAIL":  # about our own sender: whoever was next is not at fault, and waits with the others
            return Outcome(DeliveryState.DEFERRED, reason, code, stop=True, about=about)
        if enhanced[:1] == (7,):  # policy; who it was said to may be meant, so the others are not held up by them again
            return Outcome(DeliveryState.FAILED, reason, code, stop=True, about=about)
        if enhanced == (2, 2):  # mailbox full
            return Outcome(DeliveryState.BOUNCED, reason, code)
        if enhanced in NO_SUCH_ADDRESS or (not enhanced and command == "RCPT" and code in (550, 551, 553)):
            return Outcome(DeliveryState.BOUNCED, reason, code, no_such_address=True)
        return Outcome(DeliveryState.FAILED, reason, code)
    return Outcome(DeliveryState.FAILED, f"a reply that makes no sense: {reason}", code)


def judge_dot(code: int, text: str) -> Outcome:
    """What the reply to the final dot means. One that makes no sense leaves in doubt whether the message was taken."""
    if 200 <= code < 300 or 400 <= code < 600:
        return judge(code, text, command=".")
    said = f"{code} {text}"[:100]
    return Outcome(DeliveryState.UNCERTAIN, f"an answer to the final dot that makes no sense: {said}", code)


def next_try(
    attempts: int, first_tried_at: datetime, now: datetime, *, retry_for: timedelta = HORIZON,
    expires_at: datetime | None = None, jitter: float = 0.0,
) -> datetime | None:
    """When to try again after the `attempts`-th refusal for now (1 or more), or None when it has been tried enough.

    `jitter` between 0 and 1 makes the wait longer by up to a fifth, so that those who were refused at one moment are
    not all tried at one moment again. `expires_at`: never later than this.
    """
    wait = STEPS[min(attempts, len(STEPS)) - 1]
    retry_at = now + wait * (1 + SPREAD * jitter)
    last = first_tried_at + retry_for
    return retry_at if retry_at <= (last if expires_at is None else min(last, expires_at)) else None


def is_soft(reason: str) -> bool:
    """Whether a bounce speaks of a mailbox that is there and could not take it: it may be tried again one day."""
    enhanced = _enhanced(reason)
    return bool(enhanced) and enhanced[0] != 1


def _enhanced(text: str) -> tuple[int, ...]:
    """(subject, detail) of the enhanced status code in a reply's text, () where there is none."""
    match = _ENHANCED.search(text)
    return (int(match[2]), int(match[3])) if match else ()
