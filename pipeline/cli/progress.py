"""How far it is: a display that moves where somebody watches, a plain line for each step where nobody does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from pipeline.cli.terminal import Terminal
from pipeline.jobs.report import Watch
from pipeline.model.deliveries import DeliveryState
from pipeline.model.newsletters import Digest

if TYPE_CHECKING:
    from rich.progress import Progress

    from pipeline.collect.accept import Poll


@contextmanager
def watching(terminal: Terminal, *, sources: int = 0) -> Iterator[Watch]:
    """A Watch for one cycle; `sources` is how many may be asked."""
    console = terminal.watched
    if console is None:
        yield Watch(step=lambda words: terminal.note(f"· {words}"))
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    with Progress(SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(bar_width=30),
                  MofNCompleteColumn(), console=console, transient=True) as progress:
        display = _Display(progress, sources)
        yield Watch(polled=display.polled, composed=display.composed, sent=display.sent, step=display.step)


class _Display:
    """One bar, which becomes that of the next step. Called from several threads."""

    def __init__(self, progress: Progress, sources: int) -> None:
        self._progress = progress
        self._sources = sources
        self._selected = 0
        self._task = progress.add_task("starting", total=None)
        self._lock = Lock()

    def step(self, words: str) -> None:
        with self._lock:
            total = {"collecting": self._sources, "delivering": self._selected}.get(words) or None
            self._progress.reset(self._task, description=words, total=total)

    def polled(self, poll: Poll) -> None:
        self._progress.update(self._task, advance=1, description=f"collecting {poll.source}")

    def composed(self, digest: Digest) -> None:
        with self._lock:
            self._selected += digest.selected
        self._progress.update(self._task, description=f"composed {digest.newsletter} {digest.name}")

    def sent(self, state: DeliveryState) -> None:
        self._progress.update(self._task, advance=1)
