"""What `[preflight]` may say. A part of `shape`."""

from __future__ import annotations

from typing import Annotated, Literal

from pipeline.config.table import Table
from pipeline.config.values import Flag, one_of

CHECKS = ("size", "text", "headers", "links", "alt", "pictures", "contrast", "css", "spam", "template")
"""What is looked at in a digest, in this order; "template" is what its freeze trips over."""

CLIENTS = (
    "aol", "apple-mail", "fastmail", "gmail", "gmx", "hey", "ionos-1and1", "laposte", "mail-ru", "orange",
    "outlook-android", "outlook-com", "outlook-ios", "outlook-macos", "outlook-windows", "outlook-windows-mail",
    "protonmail", "samsung-email", "sfr", "thunderbird", "web-de", "yahoo",
)
"""Mail programs that caniemail.com knows enough of."""


class Preflight(Table):
    """`[preflight]`: what is looked at in a digest before it may go."""

    clients: tuple[Annotated[str, one_of(*CLIENTS)], ...] = (
        "apple-mail", "gmail", "outlook-com", "outlook-windows", "outlook-macos", "outlook-ios", "outlook-android",
        "yahoo", "samsung-email", "thunderbird")
    links: Flag = True                     # whether links are followed
    spam: Annotated[Literal["auto", "spamassassin", "rspamd", "off"],
                    one_of("auto", "spamassassin", "rspamd", "off")] = "auto"
    hold: tuple[Annotated[str, one_of(*CHECKS)], ...] = ("size", "text", "headers", "template")   # whose errors hold
    strict: Flag = False                   # their warnings, too
