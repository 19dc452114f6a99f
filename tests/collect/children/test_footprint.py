"""What stays of memory that was used once, by threads that have ended."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Blocks that grow in one thread each, as bodies do, beside small ones that stay.
PROGRAM = """
import sys, threading
from io import BytesIO
from pipeline.children.footprint import give_large_blocks_back

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

kept, piece = [], bytes(65_536)
def work():
    for _ in range(2):
        out = BytesIO()
        for _ in range(300):
            out.write(piece)
            kept.append(bytes(600))
        out.getvalue()
        kept.append(bytes(100_000))

if "with" in sys.argv:
    give_large_blocks_back()
before = resident()
for _ in range(2):
    threads = [threading.Thread(target=work) for _ in range(6)]
    [t.start() for t in threads]
    [t.join() for t in threads]
print(resident() - before - sum(map(len, kept)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="this is about glibc")
def test_large_blocks_go_back_to_the_system() -> None:
    left = {how: int(subprocess.run([sys.executable, "-c", PROGRAM, how], check=True, capture_output=True).stdout)
            for how in ("with", "without")}
    print(f"control: {left['without'] / 1e6:.0f} MB of what was freed stay behind, {left['with'] / 1e6:.0f} with it")
    assert left["with"] < 15_000_000
