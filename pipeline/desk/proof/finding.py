"""What is looked at, and what is found in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from pipeline.config import Preflight

MOST_NAMED = 10  # findings of one check, where each place in a letter may be one


@dataclass(frozen=True, slots=True)
class Letter:
    """One delivered copy."""

    html: str                          # decoded
    text: str                          # decoded; "" where there is none
    eml: bytes                         # the whole message, as it goes out
    subject: str
    language: str
    public_url: str                    # the site's, without a slash at the end
    postal_address: str | None = None  # as in the config: "" where the operator has none, None where nothing was said


class Severity(StrEnum):
    ERROR = "error"      # holds the digest, where the operator lets this check hold
    WARNING = "warning"  # is shown
    NOTE = "note"        # is shown, and nothing is wrong


@dataclass(frozen=True, slots=True)
class Finding:
    check: str           # one of config.preflight.CHECKS
    severity: Severity
    text: str            # what, which thing, and what to do
    place: str = ""      # where in the letter: an address, words, a header's name

    def to_json(self) -> dict[str, str]:
        return {name: str(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Finding:
        return cls(str(stored["check"]), Severity(stored["severity"]), str(stored["text"]),
                   str(stored.get("place", "")))


def holding(findings: Iterable[Finding], settings: Preflight) -> list[Finding]:
    """Those for which the digest does not go: errors, and with `strict` warnings, of the checks in `hold`."""
    enough = {Severity.ERROR, Severity.WARNING} if settings.strict else {Severity.ERROR}
    return [one for one in findings if one.check in settings.hold and one.severity in enough]


def shown(text: str, most: int = 60) -> str:
    """Words of a letter or an address for a finding: one line, without control characters, not endless."""
    line = "".join(c if c.isprintable() else " " for c in " ".join(text[:most * 8].split()))
    return line if len(line) <= most else f"{line[:most - 1].rstrip()}…"
