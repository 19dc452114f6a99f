"""Run commands in this process against a site in a temporary folder, with its clock."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from pipeline.cli.main import app
from pipeline.cli.terminal import Setting

COMMAND = get_command(app)  # built once: that is half of a quick command's time


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
        with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err, pytest.raises(SystemExit) as ended:
            COMMAND.main(["--config", str(folder / "config.toml"), *args], prog_name="broadsheet", obj=setting)
        return Said(int(ended.value.code or 0), out.getvalue(), err.getvalue())

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
