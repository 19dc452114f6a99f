"""A process that reads the documents of sources: see pipeline/children/child.py."""

from __future__ import annotations

from pipeline.children.child import serve
from pipeline.collect.children.answers import ANSWERS
from pipeline.collect.children.work import WORK


def main() -> None:
    serve(ANSWERS, WORK)
