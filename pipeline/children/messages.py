"""What parent and child say to each other, whatever the work is. The parent loads this and no parser."""

from __future__ import annotations

import struct
from dataclasses import dataclass

JOB = struct.Struct("=QQdQ")
"""A job: bytes of its pickled (kind, arguments) and of its body, which both follow; what it may cost: seconds of CPU
time, bytes of memory."""

ANSWER = struct.Struct("=BBQ")
"""An answer: what it is, whether it is this child's last, bytes that follow (an encoded answer or Failure, or none)."""

READY = b"+"
RESULT, FAILED, UNEXPECTED, NO_MEMORY = range(4)

OUT_OF_MEMORY = 77
"""A child's exit status where it could not even say so."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error of the work's, on its way to the parent. `name` is its class; of an unexpected one no more is told."""

    name: str
    subject: str = ""
    cause: str = ""
    hint: str = ""
    permanent: bool = True
