"""When a redirect changes the address that is asked: pure decisions over what was seen, and since when.

A permanent redirect (301, 308: RFC 9110 sections 15.4.2 and 15.4.9) is believed after a week to the very same place, as
a server in trouble, or a hotel's network, redirects "for good" too. What config.toml says is never changed by it: the
address followed stands beside it, and is given up when it fails.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlsplit

BELIEVED_AFTER = timedelta(days=7)
PATIENCE = 3  # failures in a row of an address followed, before its source's own address is asked again

_DEFAULT_PORT = {"http": 80, "https": 443}
_A_DOOR = re.compile(
    r"/(?:(?:log|sign)[-_]?in|sso|oauth2?|wp-login\.php|consent|captcha|40[134]|not-?found|error)(?:[/.]|$)",
    re.IGNORECASE)


class MoveVerdict(StrEnum):
    STAY = "stay"        # nothing moves
    WAIT = "wait"        # a permanent redirect, not yet believed
    FOLLOW = "follow"    # from now on the new address is asked
    BACK = "back"        # from now on the configured one is, as the one followed is gone or leads back
    REFUSE = "refuse"    # a permanent redirect that will not be believed, however long it lasts


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """A source's addresses, as its row has them."""

    location: str                        # config.toml's
    followed_url: str = ""               # asked instead, "" for none
    moved_to: str = ""                   # where a permanent redirect leads, without being believed yet
    moved_since: datetime | None = None  # since when to this very place

    @property
    def asked(self) -> str:
        return self.followed_url or self.location


@dataclass(frozen=True, slots=True)
class Move:
    """`after` is what to store. After BACK the validators are of another address: forget them with the body's hash."""

    verdict: MoveVerdict
    after: Whereabouts
    reason: str = ""


def decide_move(before: Whereabouts, moved_to: str, now: datetime) -> Move:
    """What an answer (200 or 304) says about where the source lives.

    `moved_to` is where permanent redirects, and these only, led from `before.asked`; "" where there was none, or a
    temporary one came first.
    """
    settled = replace(before, moved_to="", moved_since=None)
    if not moved_to or same_address(moved_to, before.asked):
        return Move(MoveVerdict.STAY, settled)
    if before.followed_url and same_address(moved_to, before.location):
        return Move(MoveVerdict.BACK, Whereabouts(before.location),
                    f"{before.followed_url} redirects back to the address in config.toml")
    follow = Whereabouts(before.location, followed_url=moved_to)
    if only_safer(before.asked, moved_to):
        return Move(MoveVerdict.FOLLOW, follow, f"the same address by https: {moved_to} is asked from now on")
    since = before.moved_since if before.moved_since and same_address(moved_to, before.moved_to) else now
    waiting = replace(before, moved_to=moved_to, moved_since=since)
    if refusal := _refusal(before, moved_to):
        return Move(MoveVerdict.REFUSE, waiting, refusal)
    if now - since >= BELIEVED_AFTER:
        return Move(MoveVerdict.FOLLOW, follow, f"redirected for good since {since:%Y-%m-%d}: {moved_to} is asked from "
                                                "now on; config.toml should say so too")
    return Move(MoveVerdict.WAIT, waiting, f"redirects for good to {moved_to} since {since:%Y-%m-%d}; that is believed "
                                           f"from {since + BELIEVED_AFTER:%Y-%m-%d} on")


def decide_move_back(before: Whereabouts, status: int, failures: int) -> Move:
    """What a failure says about an address that is followed. `status` is 0 where no answer came; `failures` counts
    those in a row, with this one.

    Gone (404, 410) sends us back to config.toml's address at once, anything else after PATIENCE failures: a name that
    died looks from here like a network that is down. Who is only asked too often, or rests, is not evaded.
    """
    if not before.followed_url or status in (429, 503):
        return Move(MoveVerdict.STAY, before)
    if status in (404, 410) or failures >= PATIENCE:
        told = f"answers {status}" if status else "can't be reached"
        return Move(MoveVerdict.BACK, Whereabouts(before.location),
                    f"{before.followed_url}, where it had moved, {told}; the address in config.toml is asked again")
    return Move(MoveVerdict.STAY, before)


def same_address(one: str, other: str) -> bool:
    """Whether two addresses ask the same server for the same thing; fragments and a written default port aside."""
    return _parts(one) == _parts(other)


def only_safer(old: str, new: str) -> bool:
    """Whether `new` is `old` by https: the same host, path and query, and the same port or each scheme's own."""
    (scheme, host, port, *rest), (to_scheme, to_host, to_port, *to_rest) = _parts(old), _parts(new)
    ports = port == to_port or (port, to_port) == (80, 443)
    return (scheme, to_scheme, ports) == ("http", "https", True) and (host, rest) == (to_host, to_rest)


def _refusal(before: Whereabouts, moved_to: str) -> str:
    """Sites that closed, or that ask who is there, redirect every page to one and the same."""
    had, new = urlsplit(before.asked), urlsplit(moved_to)
    if new.path in ("", "/") and not new.query and had.path not in ("", "/"):
        return f"redirects to a front page, {moved_to}; that is not taken for its new address"
    if _A_DOOR.search(new.path) and not _A_DOOR.search(had.path):
        return f"redirects to what looks like a log-in or an error, {moved_to}; that is not taken for its new address"
    return ""


def _parts(url: str) -> tuple[str, str, int, str, str]:
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        return ("", url, 0, "", "")
    scheme = parts.scheme.lower()
    host = (parts.hostname or "").removesuffix(".")
    return (scheme, host, port or _DEFAULT_PORT.get(scheme, 0), parts.path or "/", parts.query)
