"""run and once: everything that is due, for ever or one time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import typer

from pipeline.cli.terminal import DIM, GOOD, HEADING, PARTLY, Terminal, end_as_if_interrupted, here, leave, local
from pipeline.errors import BroadsheetError

if TYPE_CHECKING:
    from pipeline.app import App
    from pipeline.config import Config
    from pipeline.jobs.report import Report

AGAIN = timedelta(hours=1)
"""How long a failure is not told again."""

KEPT = "The config was changed and can't be used; the old one stays in force."

LOOK_S = 0.5
"""Seconds between two looks at whether config.toml was changed."""


@dataclass(frozen=True, slots=True)
class Life:
    """What the service lives by until the config changes."""

    config: Config
    listener: socket.socket
    stamp: tuple[int, int]       # the config file's, from before it was read


class Stoppable(Protocol):
    """The web server, as far as a changed config needs it."""

    should_exit: bool


def register(app: typer.Typer) -> None:
    app.command()(run)
    app.command()(once)


def once(context: typer.Context) -> None:
    """Do everything that is due, and stop. Collects, publishes, composes and delivers."""
    from pipeline.cli.telling import stopped_reason, tell_report, values
    from pipeline.jobs.worker import working

    end_as_if_interrupted()
    terminal = here(context)
    with terminal.app() as app:
        for warning in app.config.warnings:
            terminal.warn(warning)
        with working(app.store, app.data_folder, app.now) as worker:
            report = first_cycle(terminal, app, worker.id)
        well = tell_report(terminal, app, report)
        terminal.result(values(report, stopped_reason(app)))
        terminal.next(_after_once(app, report))
    if not well:
        leave(PARTLY)


def run(context: typer.Context) -> None:
    """Do everything that is due, for ever, and serve the pages. Clock, stages and web in one process, until Ctrl-C."""
    from pipeline import config as configuration
    from pipeline.web.app import bind

    terminal = here(context)
    stamp = file_stamp(terminal.config)
    config = configuration.load(terminal.config)
    life: Life | None = Life(config, bind(config.web), stamp)
    before: Life | None = None
    while life is not None:
        try:
            following = _serve(terminal, life, first=before is None)
        except BroadsheetError as error:
            life.listener.close()
            if before is None:
                raise
            terminal.error(error)
            terminal.note(KEPT, "")
            life = Life(before.config, bind(before.config.web), life.stamp)
            continue
        before = life
        life.listener.close()
        life = following
    terminal.note("Stopped. A start goes on where this one ended.", "")


def first_cycle(terminal: Terminal, app: App, worker: str) -> Report:
    from pipeline.cli.progress import watching
    from pipeline.jobs.steps import cycle
    from pipeline.jobs.worker import Worker

    with watching(terminal, sources=len(app.config.sources)) as watch:
        return cycle(app, Worker(worker), watch=watch)


def _serve(terminal: Terminal, life: Life, *, first: bool) -> Life | None:
    """Serve under one config, until it changes or the operator ends it; the life to go on with, or None to end."""
    from pipeline.app import assemble, utc_now
    from pipeline.cli.logs import write_logs
    from pipeline.cli.telling import stopped_reason, tell_report, values
    from pipeline.jobs.clock import Clock
    from pipeline.jobs.declare import declare
    from pipeline.jobs.worker import working
    from pipeline.web.app import server

    write_logs(requests=terminal.debug)
    config = life.config
    app = assemble(config, now=terminal.now or utc_now)
    try:
        declare(app.store, config, app.now())
        with working(app.store, app.data_folder, app.now) as worker:
            if first:
                _greet(terminal, config)
            report = first_cycle(terminal, app, worker.id)
            tell_report(terminal, app, report)
            if first:
                terminal.result(values(report, stopped_reason(app)))
            clock = Clock(app, worker, _Teller(terminal, app).hear)
            web = server(app, on_ready=lambda: _ready(terminal, app, first=first))
            clock.start()
            try:
                with _reloading(terminal, app, life, web) as changed:
                    web.run(sockets=[life.listener.dup()])
            finally:
                clock.stop()
            return changed[0] if changed else None
    finally:
        app.close()


@contextmanager
def _reloading(terminal: Terminal, app: App, life: Life, web: Stoppable) -> Iterator[list[Life]]:
    """Watch config.toml: a changed valid file ends the server so that it starts anew with it, a bad one is refused
    and the old kept. The list holds the next life where there is one."""
    changed: list[Life] = []
    ended = threading.Event()
    watcher = threading.Thread(
        target=_watch_file, args=(terminal, app, life, web, changed, ended), name="config", daemon=True)
    watcher.start()
    try:
        yield changed
    finally:
        ended.set()
        watcher.join()


def _watch_file(
    terminal: Terminal, app: App, life: Life, web: Stoppable, changed: list[Life], ended: threading.Event
) -> None:
    from pipeline import config as configuration
    from pipeline.desk.preflight import vanished
    from pipeline.web.app import bind

    path, seen = app.config.path, life.stamp
    while not ended.wait(LOOK_S):
        stamp = file_stamp(path)
        if stamp == seen:
            continue
        seen = stamp
        try:
            config = configuration.load(path)
            vanished(app.store, config)
            moves = config.web.listen != app.config.web.listen
            listener = bind(config.web) if moves else life.listener.dup()
        except BroadsheetError as error:
            terminal.error(error)
            terminal.note(KEPT, "")
            continue
        terminal.note("The config was changed; starting anew with it.", "")
        changed.append(Life(config, listener, stamp))
        web.should_exit = True
        return


def file_stamp(path: Path) -> tuple[int, int]:
    """Changes whenever a file does; (0, 0) where there is none."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


def _greet(terminal: Terminal, config: Config) -> None:
    from pipeline import __version__

    terminal.line(f"Broadsheet {__version__}  ·  {config.site.title}", HEADING)
    if config.site.demo:
        terminal.line("The demo: one made-up reader, a digest at once, and nothing leaves this machine.", DIM)
    for warning in config.warnings:
        terminal.warn(warning)


def _ready(terminal: Terminal, app: App, *, first: bool) -> None:
    from pipeline.cli.telling import shown

    config = app.config
    rows = [("Feeds", shown(config.paths.feeds))]
    if config.mail is not None and config.mail.transport == "maildir":
        rows.append(("Mailbox", shown(config.mail.maildir)))
    coming = [(s.times.next_after(app.now()).due_at, s.timezone, f"{n.slug} {s.slug}")
              for n in config.newsletters for s in n.schedules]
    if coming:
        due_at, zone, name = min(coming)
        rows.append(("Next send", f"{local(due_at, zone)} ({name})"))
    if first:
        terminal.table(("", ""), rows)
    terminal.line(f"Open {address(config)}   (Ctrl-C stops)", GOOD)


def address(config: Config) -> str:
    """Where the pages are on this machine: what the service listens on, as a browser takes it."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(config.web.host)  # noqa: S104 - shown, not bound
    if host is None:
        host = f"[{config.web.host}]" if ":" in config.web.host else config.web.host
    return f"http://{host}:{config.web.port}"


class _Teller:
    """A line for whatever the clock did; nothing where nothing happened, and no failure again each minute."""

    def __init__(self, terminal: Terminal, app: App) -> None:
        self._terminal = terminal
        self._app = app
        self._told: dict[str, datetime] = {}
        self._lock = threading.Lock()  # several jobs report at once

    def hear(self, report: Report) -> None:
        from pipeline.cli.telling import failures, stopped_reason, summary

        now = self._app.now()
        with self._lock:
            for stage, text in summary(self._app, report):
                self._terminal.line(f"{now:%H:%M:%S}Z  {stage.lower()}: {text}")
            self._told = {text: at for text, at in self._told.items() if now - at < AGAIN}
            for text in failures(report, stopped_reason(self._app)):
                if text not in self._told:
                    self._told[text] = now
                    self._terminal.problem(f"{now:%H:%M:%S}Z  {text}")


def _after_once(app: App, report: Report) -> str:
    mail = app.config.mail
    if report.problems:
        return "put right what is named above (✗). Nothing of it was sent; its articles wait for the next digest."
    if report.digests and mail is not None and mail.transport == "maildir" and report.delivered.total:
        return f"look into {mail.maildir}, or `broadsheet audit`; `broadsheet run` serves the pages."
    if report.delivered.total:
        return "`broadsheet audit` says who got it, who did not, and why."
    return "`broadsheet next` says what is to come; `broadsheet run` does it by itself."
