"""Child processes that read the documents of sources: see pipeline/children/pool.py."""

from __future__ import annotations

from pipeline.children import pool
from pipeline.children.pool import ChildLimits, Stopped, TooCostly
from pipeline.collect.children.answers import ANSWERS

__all__ = ["PROGRAM", "ChildLimits", "Children", "Stopped", "TooCostly"]

PROGRAM = pool.PROGRAM.format(module="pipeline.collect.children.child")


class Children(pool.Children):
    """At most `at_once` of them (None: one for each CPU), started when they are first needed."""

    def __init__(
        self, at_once: int | None = None, limits: ChildLimits | None = None, *, program: str = PROGRAM
    ) -> None:
        super().__init__(at_once, limits, answers=ANSWERS, program=program)
