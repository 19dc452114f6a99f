"""What this process keeps of memory that it no longer needs.

glibc gives each thread an arena of its own and, after the first large block was freed, cuts even blocks of 32 MB out
of these: so each round of new threads leaves some tens of megabytes behind that nobody can use (measured: 90 MB before
three rounds beside a hostile server, 265 MB after them; with this 90 and 89).
"""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

BLOCK_BYTES = 1_000_000
"""A block from here on is the system's own page by page, and goes back to it when it is freed."""

_M_MMAP_THRESHOLD = -3  # mallopt(3)


def give_large_blocks_back() -> None:
    """Set this for the whole process, for good. Nothing happens where the C library is not glibc."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library has no mallopt, or one that does nothing
            ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, BLOCK_BYTES)
