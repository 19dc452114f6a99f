"""run, as a process of its own: it serves, refuses a taken port in one line, follows its config, and stops."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import service
from pipeline.jobs.report import Report

PATIENCE_S = 30


def test_it_serves_follows_its_config_and_stops(make_site: Any) -> None:
    site = make_site()
    site.write("one.md", "Article one")
    site.subscribe("ann@here.example", "daily")
    site.close()
    port = _free_port()
    config = site.folder / "config.toml"
    config.write_text(f'{config.read_text()}\n[web]\nlisten = "127.0.0.1:{port}"\n')
    with _running(site.folder) as (process, said):
        _wait(said, f"Open http://127.0.0.1:{port}")
        assert "1 new, from 1 source" in said()
        assert b"Everything" in _get(port)
        second = subprocess.run(_command(site.folder), capture_output=True, text=True, check=False)
        assert second.returncode == 1
        assert second.stderr.count("\n") == 1
        assert "another program listens there" in second.stderr
        good = config.read_text()
        config.write_text(good.replace('"daily"', '"dawn"'))
        _wait(said, "the old one stays in force")
        assert "schedule 'daily'" in said()
        assert "starting anew" not in said(), "one that would forget people is refused before the old one ends"
        assert b"Everything" in _get(port)
        config.write_text(good.replace('title = "Everything"', 'title = "Every single one"'))
        _wait(said, "starting anew")
        _wait(said, f"Open http://127.0.0.1:{port}", times=2)
        assert b"Every single one" in _get(port)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
        assert said().rstrip().endswith("A start goes on where this one ended.")
        assert "Traceback" not in said()


def test_a_failure_is_told_once_and_again_after_an_hour(
    make_site: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from pipeline.cli.terminal import Terminal

    site = make_site()
    teller = service._Teller(Terminal(tmp_path), site.app)
    told = []
    for minutes in (0, 5, 40, 30):
        site.advance(minutes=minutes)
        teller.hear(Report(problems=["the relay is down"]))
        told.append(capsys.readouterr().err.count("the relay is down"))
    assert told == [1, 0, 0, 1]


@pytest.mark.parametrize(
    ("listen", "shown"),
    [
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("0.0.0.0:80", "http://127.0.0.1:80"),
        ("[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_the_address_to_open_is_one_that_a_browser_takes(make_site: Any, listen: str, shown: str) -> None:
    from pipeline import config

    site = make_site()
    path = site.folder / "config.toml"
    path.write_text(f'{path.read_text()}\n[web]\nlisten = "{listen}"\n')
    assert service.address(config.load(path, env={})) == shown


@contextmanager
def _running(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[], str]]]:
    """(the process, everything it has said so far)."""
    log = folder / "said.txt"
    with log.open("wb") as out, subprocess.Popen(_command(folder), stdout=out, stderr=subprocess.STDOUT) as process:
        try:
            yield process, log.read_text
        finally:
            if process.poll() is None:
                process.kill()


def _command(folder: Path) -> list[str]:
    return [sys.executable, "-u", "-m", "pipeline", "--config", str(folder / "config.toml"), "run"]


def _wait(said: Callable[[], str], words: str, times: int = 1) -> None:
    until = time.monotonic() + PATIENCE_S
    while said().count(words) < times:
        assert time.monotonic() < until, f"never said {words!r}: {said()}"
        time.sleep(0.05)


def _get(port: int) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE_S) as answer:
        body: bytes = answer.read()
    return body


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
