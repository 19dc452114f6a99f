"""A Maildir that a mail server delivers into (cr.yp.to/proto/maildir.html).

A letter moves from new/ to cur/ only after what it says is committed, with the flag S (seen); with F as well (flagged)
where a person should look at it. Whatever a mail program moved to cur/ is taken for read by a person.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.audience.returns.mailbox import Letter
from pipeline.audience.returns.opened import MOST_BYTES
from pipeline.errors import TransportError

MOST_LETTERS = 20_000
"""In one reading; the next one goes on."""


class MaildirMailbox:
    def __init__(self, folder: Path) -> None:
        self.name = str(folder)
        self._folder = folder

    @contextmanager
    def open(self) -> Iterator[MaildirSession]:
        if not (self._folder / "new").is_dir():
            raise TransportError(self.name, "is no Maildir: there is no folder new/ in it",
                                 hint="see mail.returns.maildir in config.toml")
        yield MaildirSession(self._folder)


class MaildirSession:
    def __init__(self, folder: Path) -> None:
        self._new, self._cur = folder / "new", folder / "cur"

    def letters(self) -> Iterator[Letter]:
        try:
            names = sorted((path.stat().st_mtime_ns, path.name) for path in self._new.iterdir()
                           if path.is_file() and not path.name.startswith("."))
        except OSError as error:
            raise TransportError(str(self._new), f"can't be read: {error.strerror}") from error
        for _, name in names[:MOST_LETTERS]:
            try:
                with (self._new / name).open("rb") as file:
                    raw = file.read(MOST_BYTES)
            except FileNotFoundError:      # another process, or a mail program, was first
                continue
            except OSError as error:
                raise TransportError(str(self._new / name), f"can't be read: {error.strerror}") from error
            yield Letter(name, raw)

    def done(self, letter: Letter, *, unread: bool) -> None:
        flags = ":2,FS" if unread else ":2,S"
        try:
            self._cur.mkdir(mode=0o700, exist_ok=True)
            with suppress(FileNotFoundError):
                (self._new / letter.name).rename(self._cur / (letter.name.partition(":")[0] + flags))
        except OSError as error:
            raise TransportError(str(self._cur), f"can't be written: {error.strerror}") from error
