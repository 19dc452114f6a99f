"""What publishing did. Apart from the stage, so that whoever only tells of it loads nothing that builds a feed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath


@dataclass(slots=True)
class Published:
    """What one call did. `failed`: feed slug -> what is wrong with it; the other feeds were built all the same."""

    written: list[PurePosixPath] = field(default_factory=list)   # below `where`
    removed: list[PurePosixPath] = field(default_factory=list)
    unchanged: int = 0
    notes: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    where: str = ""              # a folder, or "s3://bucket/prefix"
