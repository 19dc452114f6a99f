"""What a child process that remakes pictures answers. The parent loads this, and not the library that reads them."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.children.pool import MB, PROGRAM, ChildLimits

KIND = "picture"
PICTURES = PROGRAM.format(module="pipeline.compose.pictures.child")
LIMITS = ChildLimits(
    cpu_s=6.0, cpu_s_per_mb=0.5, most_cpu_s=10.0, wall_s=15.0, memory_bytes=320 * MB, large_memory_bytes=320 * MB,
    body_bytes=12 * MB, answer_bytes=6 * MB, jobs=200,
)
"""For one picture: the largest that `remake` decodes need about 250 MB."""


@dataclass(frozen=True, slots=True)
class Remade:
    """A picture as it is to be kept: upright, in sRGB, without any metadata."""

    ending: str    # "jpg", "png" or "gif"
    data: bytes
    width: int
    height: int


ANSWERS: dict[str, object] = {KIND: Remade}
