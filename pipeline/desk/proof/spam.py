"""What a spam filter that is installed here says: its points, and the rules that gave them.

    SpamAssassin   `spamassassin --local`, the message on standard input; it asks nobody else
    rspamd         `rspamc`, which asks the rspamd of this machine; that one may ask lists on the network
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy

from pipeline.desk.proof.finding import Finding, Severity, shown
from pipeline.errors import BroadsheetError

MAX_MESSAGE = 2_000_000
"""Bytes; filters pass over what is larger, which no letter is."""

TIME_S = 60.0
NOTICED = 2.0        # points from which on it is worth a look
MOST_RULES = 30

PROGRAMS = {"spamassassin": "spamassassin", "rspamd": "rspamc"}
# A header of our own, whose form does not depend on how this machine's SpamAssassin is set up.
_HEADER = "X-Spam-Broadsheet"
_ADDED = "Broadsheet score=_SCORE_ required=_REQD_ version=_VERSION_ tests=_TESTSSCORES(,)_"
_ARGUMENTS = {
    "spamassassin": ["--local", "--test-mode", "--nocreate-prefs",
                     "--cf=clear_headers", f"--cf=add_header all {_ADDED}", "--cf=use_bayes 0", "--cf=use_txrep 0"],
    "rspamd": ["--json", "symbols"],
}


class SpamError(BroadsheetError):
    """A spam filter that could not be asked."""


@dataclass(frozen=True, slots=True)
class Score:
    program: str                       # "SpamAssassin 4.0.1"
    points: float
    needed: float                      # to count as spam
    rules: tuple[tuple[str, float], ...]


def check(score: Score) -> Iterator[Finding]:
    """How many points are too many is the filter's own setting. `+ 0` makes 0 of -0."""
    rules = ", ".join(f"{name} {points:g}" for name, points in score.rules[:MOST_RULES])
    told = f"{score.program} gives it {score.points + 0:g} points of {score.needed:g}: {rules or 'no rule'}"
    if score.points >= score.needed:
        yield Finding("spam", Severity.ERROR, f"{told}; it would count as spam")
    elif score.points >= NOTICED:
        yield Finding("spam", Severity.WARNING, f"{told}; look at the rules with most points")
    else:
        yield Finding("spam", Severity.NOTE, told)


def measure(eml: bytes, which: str, *, time_s: float = TIME_S) -> Score | None:
    """The score by `which`: "spamassassin", "rspamd", or "auto": the first that is installed, None where none is.

    Raises SpamError where it can't be had.
    """
    names = list(PROGRAMS) if which == "auto" else [which]
    name, path = next(((name, path) for name in names if (path := shutil.which(PROGRAMS[name]))), ("", ""))
    if not path:
        if which == "auto":
            return None
        raise SpamError(which, f"{PROGRAMS[which]} is not installed here", hint='spam = "auto" in [preflight]')
    if len(eml) > MAX_MESSAGE:
        raise SpamError(name, f"the message has {len(eml):,} bytes, too many to ask about")
    return _READ[name](_run(name, [path, *_ARGUMENTS[name]], eml, time_s))


def read_spamassassin(output: bytes) -> Score:
    """From the header that we had it add."""
    head = message_from_bytes(output.partition(b"\n\n")[0], policy=policy.compat32)
    said = re.sub(r"\s+", "", str(head.get(_HEADER, "")))  # folded anywhere
    found = re.fullmatch(r"score=(-?[\d.]+)required=(-?[\d.]+)version=([\d.]+)tests=(.*)", said)
    if found is None:
        raise SpamError("SpamAssassin", f"its answer can't be read: {shown(said or repr(output[:80]))}")
    rules = [(name, float(points)) for name, points in re.findall(r"([A-Z0-9_]+)=(-?[\d.]+)", found[4])]
    return Score(f"SpamAssassin {found[3]}", float(found[1]), float(found[2]), _heaviest(rules))


def read_rspamd(output: bytes) -> Score:
    """From rspamc's JSON."""
    try:
        said = json.loads(output)
        rules = [(str(name), float(one.get("score", 0))) for name, one in said["symbols"].items()]
        return Score("rspamd", float(said["score"]), float(said["required_score"]), _heaviest(rules))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SpamError("rspamd", f"its answer can't be read: {shown(repr(output[:80]))}") from error


def _heaviest(rules: list[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    return tuple(sorted(rules, key=lambda rule: (-abs(rule[1]), rule[0])))


def _run(name: str, command: list[str], eml: bytes, time_s: float) -> bytes:
    try:
        done = subprocess.run(command, input=eml, capture_output=True, timeout=time_s, check=False)  # noqa: S603 - ours
    except subprocess.TimeoutExpired as error:
        raise SpamError(name, f"it gave no answer in {time_s:g} s", permanent=False) from error
    except OSError as error:
        raise SpamError(name, f"it could not be started: {error.strerror}") from error
    if done.returncode != 0:
        words = done.stderr.decode("utf-8", "replace") or done.stdout.decode("utf-8", "replace")
        raise SpamError(name, f"it ended with {done.returncode}: {shown(words, 200)}", permanent=False)
    return done.stdout


_READ = {"spamassassin": read_spamassassin, "rspamd": read_rspamd}
