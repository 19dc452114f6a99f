"""The process that sends: what it loads, for that is its memory, and what it must be able to do without."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pipeline.model.newsletters import DigestStatus

NOT_NEEDED = {
    "jinja2", "premailer", "cssutils", "lxml", "nh3", "babel", "feedgen", "feedparser", "fastfeedparser", "trafilatura",
    "readability", "apscheduler", "starlette", "uvicorn", "alembic", "requests", "urllib3", "tomlkit", "flufl", "PIL",
    "boto3", "procrastinate",
}

DELIVER = """
import json, runpy, sys
sys.argv = ["broadsheet", "--config", sys.argv[1], "--json", "deliver"]
try:
    runpy.run_module("pipeline", run_name="__main__")
except SystemExit as ended:
    print(json.dumps([ended.code or 0, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def test_sending_loads_no_templates_no_parsers_and_no_web_server(
    make_site: Callable[..., Any], broadsheet: Callable[..., Any]
) -> None:
    site = make_site()
    site.now = datetime.now(UTC)  # the process that is started has a clock of its own
    site.subscribe("ann@here.example")
    site.accept(["The ferry is late"])
    broadsheet(site, "compose", "lantern")
    (digest,) = site.digests()
    assert digest.status is DigestStatus.FROZEN
    site.close()

    ran = subprocess.run([sys.executable, "-c", DELIVER, str(site.folder / "config.toml")], capture_output=True,
                         text=True, check=False, timeout=120)
    *said, last = ran.stdout.splitlines()
    status, loaded = json.loads(last)
    assert (status, json.loads(said[0])["delivered"]) == (0, {"sent": 1}), ran.stderr
    assert not NOT_NEEDED & set(loaded)
