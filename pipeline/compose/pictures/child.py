"""A process that reads pictures of strangers: see pipeline/children/child.py."""

from __future__ import annotations

from pipeline.children.child import serve
from pipeline.compose.pictures.answers import ANSWERS, KIND
from pipeline.compose.pictures.remake import remake


def main() -> None:
    serve(ANSWERS, {KIND: remake})
