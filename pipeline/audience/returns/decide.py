"""What follows from what came back. Pure: a report, whom it is about, and what came of that address before, give a
verdict; the table of whose fault a bounce is stands here and nowhere else.

Codes: RFC 3463 and the IANA registry of enhanced status codes (RFC 5248). Classes 4 and 5 alike: a report says that
the mail was given up, so "4.4.7" is as final for this mail as "5.1.1", and says less of the address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from pipeline.model.deliveries import MOVES, DeliveryState
from pipeline.model.returns import SOFT, Fault, Report, ReturnKind, Whom

_TABLE: dict[str, Fault] = {
    # addressing: there is no such mailbox or domain …
    "1.0": Fault.ADDRESS, "1.1": Fault.ADDRESS, "1.2": Fault.ADDRESS, "1.3": Fault.ADDRESS, "1.4": Fault.PASSING,
    "1.6": Fault.ADDRESS, "1.10": Fault.ADDRESS,
    "1.7": Fault.OURS, "1.8": Fault.OURS,                       # … and the sender's own address is refused
    # the mailbox: disabled for good; full; too small for us
    "2.1": Fault.ADDRESS, "2.2": Fault.PASSING, "2.3": Fault.OURS, "2.4": Fault.PASSING,
    # the mail system behind it
    "3.4": Fault.OURS,                                          # the message is too big
    # protocol and content are what we send
    "5.3": Fault.PASSING,                                       # too many recipients: another time
    # security and policy: this mail, or we, are not wanted …
    "7.13": Fault.ADDRESS, "7.17": Fault.ADDRESS, "7.18": Fault.ADDRESS,   # … but: disabled, or another's by now
}
_SUBJECTS = {"1": Fault.PASSING, "2": Fault.PASSING, "3": Fault.PASSING, "4": Fault.PASSING, "5": Fault.OURS,
             "6": Fault.OURS, "7": Fault.OURS}
_VAGUE = frozenset({"", "0.0", "1.0", "2.0", "3.0", "4.0", "4.1", "5.0", "7.0"})
"""Codes that say so little that the words beside them are looked at; 5.4.1 is what Microsoft 365 says of addresses
that it does not know, 5.5.0 what Outlook.com does."""

_FULL = re.compile(r"quota|storage|too much mail|(box|folder)\b.{0,20}\bfull\b", re.IGNORECASE)
_PASSING = re.compile(
    r"try again|tempora|tim(ed|e)[ -]?out|attempts|command (died|output)|unreachable|no route"
    r"|(un|not )able to (connect|establish)|connection .{0,20}(refused|failed|lost|closed)|can.?not connect",
    re.IGNORECASE)
_TOO_BIG = re.compile(r"message (size|is too|too) ?(big|large)?|size limit|maximum .{0,20}size", re.IGNORECASE)
_GONE = re.compile(
    r"(user|mailbox|account|address|recipient|alias)\b.{0,60}\b(unknown|not exist|doesn.t exist|does not exist"
    r"|not found|no longer|disabled|inactive|unavailable|invalid|not have|rejected: access|suspended|not listed"
    r"|isn.t known|not known|unrouteable|no valid)"
    r"|(no such|unknown|invalid|nonexistent|non-existent|bad|not a valid|doesn.t have an?|no) "
    r"(user|mailbox|account|address|recipient|person)|recipnotfound|unrouteable address|not listed in domino"
    r"|does(n.t| not) have an? .{0,40}\baccount", re.IGNORECASE)
_REFUSED = re.compile(
    r"spam|black ?list|block ?list|blocked|policy|reputation|dnsbl|rbl\b|dmarc|spf\b|dkim|authenticat|unsolicited"
    r"|\bTSS\d\d|not authorized|rate limit|too many", re.IGNORECASE)
_CODE = re.compile(r"(?<![\d.#-])(5\d\d)(?![\d.])")
_MISSING_CODES = frozenset({"550", "551", "553"})


@dataclass(frozen=True, slots=True)
class History:
    """What came of an address before this report."""

    soft: int = 0     # deliveries in a row that bounced for now, within the time that counts, without this one


@dataclass(frozen=True, slots=True)
class Limits:
    """`[mail.returns]`."""

    soft_limit: int = 5
    soft_within: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done, in one transaction, and the words that are kept."""

    outcome: str                             # for people
    move: DeliveryState | None = None        # the delivery's new state
    reason: str = ""                         # stored with it
    suppress: str = ""                       # the reason, where the address is never to be mailed again
    unsubscribe: bool = False
    hint: str = ""                           # what the operator should look at


def fault_of(report: Report) -> Fault:
    """Whose fault a bounce is."""
    if report.fault is not None:
        return report.fault
    subject_detail = report.status[2:]
    if report.status[:1] == "4" and subject_detail not in ("", "0.0"):
        return Fault.OURS if subject_detail.startswith("7.") else Fault.PASSING
    if subject_detail in _VAGUE:
        return _by_words(report, subject_detail)
    return _TABLE.get(subject_detail, _SUBJECTS.get(subject_detail.partition(".")[0], Fault.PASSING))


def decide(report: Report, whom: Whom, history: History, limits: Limits) -> Verdict:
    """Pure. Whom nothing proves is left alone."""
    if report.kind is ReturnKind.UNKNOWN:
        return Verdict("nobody knows what this is: somebody should read it")
    if report.kind is ReturnKind.AUTO_REPLY:
        return Verdict("nothing: a machine wrote it")
    if whom.nobody:
        return Verdict("nothing: no mark or link of ours is in it that holds")
    if report.kind is ReturnKind.DELAY:
        return Verdict("nothing: it is still being tried")
    if report.kind is ReturnKind.UNSUBSCRIBE:
        if whom.subscription_id is None:
            return Verdict("suppressed", suppress=f"asked {report.via} to get no more mail")
        return Verdict("unsubscribed", unsubscribe=True)
    if report.kind is ReturnKind.COMPLAINT:
        left = "unsubscribed and suppressed" if whom.subscription_id is not None else "suppressed"
        return Verdict(left, suppress=f"complaint: {report.detail or 'reported as spam'}", unsubscribe=True)
    return _bounce(report, whom, history, limits)


def elsewhere(report: Report, whom: Whom) -> str:
    """The address that a bounce names, where that is none of this person's: somebody forwards, and that one refused.
    A server that only writes the domain in its own way means the same person."""
    theirs = whom.address_key
    local = theirs.partition("@")[0]
    if not report.addresses or any(one == theirs or one.partition("@")[0] == local for one in report.addresses):
        return ""
    return report.addresses[0]


def _bounce(report: Report, whom: Whom, history: History, limits: Limits) -> Verdict:
    fault = fault_of(report)
    said = " ".join(filter(None, [report.status, report.detail]))[:300] or "no reason was given"
    other = elsewhere(report, whom)
    if other and fault is Fault.ADDRESS:
        fault, said = Fault.PASSING, f"forwarded to {other}, which refused: {said}"
    state = whom.sent.state if whom.sent is not None else None
    bounced = _move(state, DeliveryState.BOUNCED)
    if fault is Fault.OURS:
        return Verdict("not delivered; refused for what we sent, so the address stays",
                       move=_move(state, DeliveryState.FAILED) or bounced, reason=f"came back: {said}",
                       hint=f"{whom.address_key} was refused for our mail's sake, not theirs: {said}")
    if fault is Fault.ADDRESS:
        return Verdict("not delivered; the address is suppressed", move=bounced, reason=f"came back: {said}",
                       suppress=f"bounced: {said}")
    number = history.soft + 1
    if number >= limits.soft_limit:
        return Verdict(f"{SOFT}: not delivered, number {number} in a row; the address is suppressed", move=bounced,
                       reason=f"came back: {said}",
                       suppress=f"bounced {number} times in a row, last: {said}")
    return Verdict(f"{SOFT}: not delivered, number {number} of {limits.soft_limit} in a row", move=bounced,
                   reason=f"came back: {said}")


def _move(state: DeliveryState | None, target: DeliveryState) -> DeliveryState | None:
    """Only what has left can come back; what still waits is left out by the suppression, if there is one."""
    left = (DeliveryState.SENT, DeliveryState.UNCERTAIN, DeliveryState.HANDED)
    return target if state in left and target in MOVES[state] else None


def _by_words(report: Report, code: str) -> Fault:
    words = report.detail
    if _GONE.search(words) and not _FULL.search(words):
        return Fault.ADDRESS
    if _FULL.search(words):
        return Fault.PASSING
    if _REFUSED.search(words) or _TOO_BIG.search(words):
        return Fault.OURS
    if _PASSING.search(words):
        return Fault.PASSING
    if code == "1.0":
        return Fault.ADDRESS
    if code in ("", "0.0") and not report.status.startswith("4"):
        said = _CODE.search(words)
        # a bounce that gives no code at all is final by whatever said it; one with a code is by that
        return Fault.ADDRESS if not said or said[1] in _MISSING_CODES else Fault.PASSING
    return _SUBJECTS.get(code.partition(".")[0], Fault.PASSING)
