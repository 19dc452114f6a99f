"""Secrets: how a config names them, and how nothing of them is ever shown.

    password = "${SMTP_PASSWORD}"               from the environment
    password = "${file:smtp.password}"          from a file beside the config; its last line end is dropped
    url = "postgresql://me:${PG_PASSWORD}@db/x" in the middle of an address, encoded for it
    subject = "$${PRICE}"                       not a secret: the text "${PRICE}"

Problems speak of the name that was asked for, never of what it holds. `shown` is the only way in which any other
module puts a written value into a message.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote as quote_path

from pipeline.config.lines import KeyPath

MASK = "••••"
SHOWN_LENGTH = 60     # characters of a written value that a message repeats
MAX_SECRET = 65_536   # bytes: a longer file is not a secret but a mistake

PLACE = re.compile(r"\$\$\{|\$\{(?!\{)([^}]*)(\}?)")  # "${{" is a dollar before a template's own braces
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
USERINFO = re.compile(r"(?<=//).*@")  # greedy: an odd password may hold a / or an @ itself
QUERY_SECRET = re.compile(r"(?i)([?&][^=&#]*(?:pass|token|secret|key|sig)[^=&#]*=)[^&#]*")
QUERY_PASSWORD = re.compile(r"(?i)[?&](?:ssl)?password=[^&#]")

SECRET_PATHS: frozenset[KeyPath] = frozenset({
    ("store", "url"), ("mail", "smtp", "password"), ("mail", "relays", "password"), ("mail", "returns", "password"),
    ("mail", "hooks", "postmark"), ("mail", "hooks", "mailgun"),
    ("publish", "s3", "access_key"), ("publish", "s3", "secret_key")})
"""Where a value is a secret even when it was written out: messages never repeat it. Without numbers of tables."""

RELAYS = (("mail", "smtp"), ("mail", "relays"))
OPEN_OF_RELAYS = {"host", "port", "tls", "timeout", "auth", "answer_timeout", "connections", "per_connection", "rate",
                  "weight"}

Report = Callable[[KeyPath, str], None]


def expand(document: Mapping[str, Any], folder: Path, env: Mapping[str, str], problem: Report, warn: Report) -> Any:
    """Return the document with every `${…}` replaced. What can't be replaced stays as written and is reported."""
    return _Expander(folder, env, problem, warn).value((), document)


def has_place(written: object) -> bool:
    """Whether a written value asks for something from outside."""
    return isinstance(written, str) and any(found[1] is not None for found in PLACE.finditer(written))


def literal_password(written: object) -> bool:
    """Whether an address carries a password that was written out in it."""
    if not isinstance(written, str):
        return False
    bare = PLACE.sub("", written)
    user = USERINFO.search(bare)
    return bool(user and user[0].partition(":")[2].rstrip("@")) or bool(QUERY_PASSWORD.search(bare))


def shown(path: KeyPath, written: object) -> str:
    """A written value as a message may repeat it: short, in quotes, masked where it is or may hold a secret."""
    keys = tuple(key for key in path if isinstance(key, str))
    if keys[:2] in RELAYS and (len(keys) != 3 or keys[2] not in OPEN_OF_RELAYS):
        return MASK
    if keys in SECRET_PATHS:
        return MASK
    if isinstance(written, str):
        visible = "".join(c if c.isprintable() else "�" for c in written)
        text = QUERY_SECRET.sub(rf"\1{MASK}", USERINFO.sub(f"{MASK}@", visible))
        return f'"{text}"' if len(text) <= SHOWN_LENGTH else f'"{text[:SHOWN_LENGTH]}…"'
    if isinstance(written, bool):
        return str(written).lower()
    return str(written) if isinstance(written, int | float) else kind_of(written)


def kind_of(written: object) -> str:
    """What sort of value was written, in words."""
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "true or false"), (int, "a whole number"), (float, "a number"), (str, "text"), (list, "a list"),
        (Mapping, "a table"))
    return next((words for kind, words in kinds if isinstance(written, kind)), "a date or time")


def quote(secret: str) -> str:
    """A secret as a part of an address (RFC 3986 section 2.1)."""
    return quote_path(secret, safe="")


class _Expander:
    def __init__(self, folder: Path, env: Mapping[str, str], problem: Report, warn: Report) -> None:
        self.folder, self.env, self.problem, self.warn = folder, env, problem, warn

    def value(self, path: KeyPath, written: Any) -> Any:
        if isinstance(written, Mapping):
            return {key: self.value((*path, key), inner) for key, inner in written.items()}
        if isinstance(written, list):
            return [self.value((*path, number), inner) for number, inner in enumerate(written)]
        return self.text(path, written) if isinstance(written, str) else written

    def text(self, path: KeyPath, written: str) -> str:
        # in the middle of an address a password must not be taken for a host or a path
        escape = path in SECRET_PATHS and written.startswith("postgresql")
        return PLACE.sub(lambda found: self.place(path, found, quote if escape else str), written)

    def place(self, path: KeyPath, found: re.Match[str], escape: Callable[[str], str]) -> str:
        name, closed = found[1], found[2]
        if name is None:
            return "${"
        if not closed:
            self.problem(path, "a ${ without its } (write $${ for a plain ${)")
        elif name.startswith("file:"):
            secret = self.file(path, name.removeprefix("file:").strip())
            return escape(secret) if secret else found[0]
        elif not NAME.fullmatch(name):
            self.problem(path, 'what stands in ${…} is no name (write "${NAME}" or "${file:path}")')
        elif not self.env.get(name):
            state = "is empty" if name in self.env else "is not set"
            self.problem(path, f"the environment variable {name} {state} (set it before Broadsheet starts)")
        else:
            return escape(self.env[name])
        return found[0]

    def file(self, path: KeyPath, name: str) -> str:
        """What a file holds, "" where that is a problem."""
        place = self.folder / name
        try:
            if place.stat().st_size > MAX_SECRET:
                self.problem(path, f"the file {name} is longer than {MAX_SECRET} bytes, that is no secret")
                return ""
            if place.stat().st_mode & stat.S_IROTH:
                self.warn(path, f"everybody on this machine can read the file {name} (chmod 600 {name})")
            secret = place.read_bytes().decode().removesuffix("\n").removesuffix("\r")
        except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a NUL in the name
            why = error.strerror if isinstance(error, OSError) and error.strerror else "is not text"
            self.problem(path, f"can't read the file {name}: {why.lower()}")
            return ""
        if not secret:
            self.problem(path, f"the file {name} is empty")
        return secret
