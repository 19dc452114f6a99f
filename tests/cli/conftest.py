"""Run commands in this process against a site in a temporary folder, with its clock."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.cli.main import app
from pipeline.cli.terminal import Setting


@dataclass(frozen=True)
class Said:
    """What a command said and how it ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        assert self.out.count("\n") == 1, f"not one line: {self.out}"
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value

    @property
    def all(self) -> str:
        return self.out + self.err


@pytest.fixture
def broadsheet() -> Callable[..., Said]:
    """`broadsheet(site, "audit", "--people")`: `site` is a Site with a clock, or a folder."""

    def run(site: Any, *args: str) -> Said:
        folder = getattr(site, "folder", site)
        setting = Setting(now=(lambda: site.now) if hasattr(site, "now") else None)
        result = CliRunner().invoke(app, ["--config", str(folder / "config.toml"), *args], obj=setting)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Said(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """(folder, its address) of a web server on this machine."""
    folder = tmp_path / "www"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
