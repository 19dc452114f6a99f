"""A Chromium of this machine, driven over a pipe, that reaches nothing and leaves nothing behind.

    find | start: a private profile, a process group of its own | send, call, until | end the group, remove the profile

The protocol is DevTools' (https://chromedevtools.github.io/devtools-protocol/): JSON objects that end in NUL, ours on
its descriptor 3, its own on 4. Chromium ends by itself when that pipe closes, so even a `kill -9` of us leaves none
running (a profile in the temporary folder then stays).
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.errors import BroadsheetError, UsageError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
PLACES = ("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
          "/Applications/Chromium.app/Contents/MacOS/Chromium")
FLAGS = (
    "--headless=new", "--remote-debugging-pipe", "--no-first-run", "--no-default-browser-check", "--hide-scrollbars",
    "--disable-gpu", "--disable-dev-shm-usage", "--force-color-profile=srgb", "--mute-audio", "--password-store=basic",
    "--use-mock-keychain",
    # No name and no address leads anywhere, whatever asks: a page, a prefetch, or the browser for itself.
    "--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking", "--disable-component-update",
    "--disable-domain-reliability", "--disable-sync", "--disable-default-apps", "--disable-extensions",
    "--disable-breakpad", "--disable-crash-reporter", "--metrics-recording-only", "--no-pings",
    "--disable-features=HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,OptimizationHints,MediaRouter,Translate",
)
LONGEST_PLACE = 50
"""Characters of the temporary folder's path: the socket that Chromium makes in it has some 100 for all of its name."""

READ_BYTES = 1 << 20
CLEAR_OF = 10  # our ends of the pipe are moved above the descriptors that Chromium wants


def find() -> str:
    """The path of a Chromium. UsageError, with what to install, where there is none."""
    found = next(filter(None, map(shutil.which, (*NAMES, *PLACES))), None)
    if found is None:
        raise UsageError("pictures", "need Chromium or Google Chrome, and neither was found", hint=(
            "`apt-get install chromium` on Debian, `brew install --cask chromium` on macOS, "
            "or Google Chrome from its maker"))
    return found


class Tab:
    """One page of a running Chromium. Everything has to be done by `until`, on time.monotonic's clock."""

    def __init__(self, reader: int, writer: int, until: float, seconds: float) -> None:
        self.on: dict[str, Callable[[dict[str, Any]], None]] = {}
        """What to do at an event, by its name. It may `send`, not `call`."""
        self._reader, self._writer = reader, writer
        self._until, self._seconds = until, seconds
        self._session: dict[str, str] = {}
        self._number = 0
        self._rest = b""
        self._answers: dict[int, dict[str, Any]] = {}

    def attach(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._session = {"sessionId": session}

    def send(self, method: str, **values: Any) -> int:
        """Say it, and wait for nothing."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": values, **self._session}
        data = memoryview(json.dumps(message).encode() + b"\0")
        while data:
            self._wait(writing=True)
            data = data[os.write(self._writer, data):]
        return self._number

    def call(self, method: str, **values: Any) -> dict[str, Any]:
        """Say it, and wait for the answer. Raises BroadsheetError where Chromium refuses, ends or takes too long."""
        number = self.send(method, **values)
        self.until(lambda: number in self._answers)
        answer = self._answers.pop(number)
        if "error" in answer:
            raise BroadsheetError("Chromium", f"{method}: {answer['error'].get('message', 'refused')}")
        result: dict[str, Any] = answer["result"]
        return result

    def until(self, true: Callable[[], bool]) -> None:
        """Take in what Chromium says until it is so."""
        while not true():
            for message in self._messages():
                self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        method = message.get("method", "")
        if method == "Inspector.targetCrashed":
            raise BroadsheetError("Chromium", "the page crashed")
        if method in self.on:
            self.on[method](message["params"])
        elif "id" in message:
            self._answers[message["id"]] = message

    def _messages(self) -> Iterator[dict[str, Any]]:
        """At least one piece of what comes; whole messages only."""
        self._wait()
        piece = os.read(self._reader, READ_BYTES)
        if not piece:
            raise BroadsheetError("Chromium", "ended by itself")
        pieces = [self._rest + piece] if b"\0" not in piece else (self._rest + piece).split(b"\0")
        self._rest = pieces.pop()
        for whole in pieces:
            yield json.loads(whole)

    def _wait(self, *, writing: bool = False) -> None:
        left = self._until - time.monotonic()
        readers, writers = ([], [self._writer]) if writing else ([self._reader], [])
        if left <= 0 or not any(select.select(readers, writers, [], left)):
            raise BroadsheetError("Chromium", f"was not done within {self._seconds:.0f} seconds", permanent=False)


@contextmanager
def opened(path: str, *, seconds: float) -> Iterator[Tab]:
    """An empty page of a Chromium that was started for it. It is ended, with its whole group, however this is left."""
    until = time.monotonic() + seconds
    place = tempfile.gettempdir()
    place = place if len(place) <= LONGEST_PLACE else "/tmp"  # noqa: S108 - a folder of our own in it, with a random name
    with tempfile.TemporaryDirectory(prefix="broadsheet-", dir=place, ignore_cleanup_errors=True) as name:
        profile = Path(name)
        theirs_in, writer = _pipe()
        reader, theirs_out = _pipe()
        process = 0
        try:
            process = _start(path, profile, theirs_in, theirs_out)
            os.close(theirs_in)
            os.close(theirs_out)
            os.set_blocking(writer, False)
            tab = Tab(reader, writer, until, seconds)
            try:
                tab.attach()
                yield tab
            except BrokenPipeError as error:
                raise BroadsheetError("Chromium", "ended by itself", hint=_last_words(profile)) from error
            except BroadsheetError as error:
                if error.cause == "ended by itself":
                    error.hint = _last_words(profile)
                raise
        finally:
            _end(process)
            for descriptor in (reader, writer):
                os.close(descriptor)


def _pipe() -> tuple[int, int]:
    """(to read from, to write to), both above the numbers that are given to Chromium, and closed in any program."""
    ends = []
    for low in os.pipe():
        ends.append(fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, CLEAR_OF))
        os.close(low)
    return ends[0], ends[1]


def _start(path: str, profile: Path, theirs_in: int, theirs_out: int) -> int:
    """Its process id, which is its group's too."""
    flags = [*FLAGS, f"--user-data-dir={profile / 'profile'}", "about:blank"]
    if os.geteuid() == 0:
        flags.insert(0, "--no-sandbox")  # root can't have it: https://crbug.com/638180
    # What it keeps elsewhere (a socket, certificates, caches) goes the way of the profile.
    kept = {f"XDG_{what}_HOME": str(profile / what.lower()) for what in ("CONFIG", "CACHE", "DATA")}
    said = str(profile / "said")
    return os.posix_spawn(
        path, [path, *flags], {**os.environ, **kept, "TMPDIR": str(profile)}, setpgroup=0,
        setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGPIPE],
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, said, os.O_WRONLY | os.O_CREAT, 0o600),
            (os.POSIX_SPAWN_DUP2, theirs_in, 3),
            (os.POSIX_SPAWN_DUP2, theirs_out, 4),
        ])


def _end(process: int) -> None:
    """The whole group at once: with a profile that nobody needs there is nothing to put in order."""
    if process:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(process, 0)


def _last_words(profile: Path) -> str:
    """Why it ended: what it called fatal, else what it said last."""
    with suppress(OSError):
        lines = (profile / "said").read_text(errors="replace").strip().splitlines()
        return next((line for line in lines if ":FATAL:" in line), lines[-1] if lines else "")[:300]
    return ""
