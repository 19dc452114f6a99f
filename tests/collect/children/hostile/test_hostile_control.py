"""The positive control: what the same bytes cost a reader without limits. Nothing of ours runs here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

GB = 1_000_000_000
MOST_S = 8  # of CPU time; enough to see it

UNGUARDED = {
    "gzip-bomb": "import gzip; len(gzip.decompress(body))",
    "external": """from lxml import etree
root = etree.fromstring(body, etree.XMLParser(resolve_entities=True))
assert 'root:' in root.findtext('.//item/title'), 'no file was read'""",
    "nested-html": "import nh3; nh3.clean(body.decode())",
    "million-items": "import feedparser; feedparser.parse(body)",
    "author": "import feedparser; feedparser.parse(body)",
    "attributes": "from lxml import html; html.document_fromstring(body)",
}
LEAST_S = {"nested-html": 2, "million-items": 2, "author": 2, "attributes": 2}  # ours are given half a second


@pytest.mark.slow
@pytest.mark.parametrize("trick", UNGUARDED)
def test_what_it_would_cost(payloads: dict[str, bytes], tmp_path: Path, trick: str) -> None:
    """In a process of its own, which is stopped at 8 s or 2 GB."""
    (tmp_path / "body").write_bytes(payloads[trick])
    program = (f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({2 * GB}, {2 * GB}))\n"
               f"resource.setrlimit(resource.RLIMIT_CPU, ({MOST_S}, {MOST_S}))\n"
               f"body = open('body', 'rb').read()\n{UNGUARDED[trick]}")
    process = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stderr=subprocess.PIPE)
    assert process.stderr
    said = process.stderr.read().decode()
    process.stderr.close()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds, end = used.ru_utime + used.ru_stime, _end(process.returncode, said)
    memory = used.ru_maxrss // 1024  # beginning with that of this very process
    print(f"control: {trick}: {len(payloads[trick]):,} bytes cost {seconds:.1f} s of CPU time"
          f"{f', {memory:,} MB of memory' if memory > 500 else ''}; {end}")
    assert seconds >= LEAST_S.get(trick, 0), "the control is none any more: a library has learnt to protect itself"
    assert end in ("read", "stopped") or (trick == "gzip-bomb" and "MemoryError" in said), said


def _end(code: int, said: str) -> str:
    return "read" if code == 0 else "stopped" if code < 0 else said.strip().rpartition("\n")[2][:100]
