"""The one family of errors.

Each error says what happened (`cause`), to which thing (`subject`), and, where there is one, what to do
about it (`hint`). Library errors are translated into these at the edge where they arise; nothing above the
edge catches a library's own exception.
"""

from __future__ import annotations


class BroadsheetError(Exception):
    """Something went wrong with one named thing.

    `permanent` is True where trying the same again can't help (an address that does not exist), False where
    it may (a time-out). Retry decisions read it; nothing else does.
    """

    permanent: bool = True

    def __init__(self, subject: str, cause: str, *, hint: str = "", permanent: bool | None = None) -> None:
        super().__init__(subject, cause)
        self.subject = subject
        self.cause = cause
        self.hint = hint
        if permanent is not None:
            self.permanent = permanent

    def __str__(self) -> str:
        line = f"{self.subject}: {self.cause}" if self.subject else self.cause
        return f"{line} ({self.hint})" if self.hint else line


class ConfigError(BroadsheetError):
    """config.toml, or what it names, can't be used. `problems` holds every one of them, not just the first."""

    def __init__(self, subject: str, problems: list[str]) -> None:
        super().__init__(subject, "; ".join(problems))
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join([f"{self.subject}: {len(self.problems)} problem(s)", *(f"  {p}" for p in self.problems)])


class FetchError(BroadsheetError):
    """The network did not give us a source's bytes."""

    permanent = False


class Refused(FetchError):
    """The guard would not let a request go out (scheme, port, address, size, time, redirects)."""

    permanent = True


class ParseError(BroadsheetError):
    """Bytes that are not what the source claims to be."""


class TemplateError(BroadsheetError):
    """A template that can't be compiled, rendered, inlined or cut; names the file and, where known, the line."""


class StoreError(BroadsheetError):
    """The database refused, is missing, or belongs to another key."""


class TransportError(BroadsheetError):
    """A transport can't be reached or refuses to take mail at all (not one message's own failure)."""

    permanent = False


class UsageError(BroadsheetError):
    """The operator named something that does not exist, or asked for what can't be."""
