"""JSON of others, read without trusting its shape: what is not there or of another kind is empty."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipeline.audience.returns.opened import one_line

MOST_EVENTS = 2_000    # of one request
MOST_TEXT = 300
MOST_ADDRESS = 320


def load(body: bytes) -> Any:
    """None where it is no JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def table(value: Any, *path: str) -> Mapping[str, Any]:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def rows(value: Any, *path: str) -> list[Mapping[str, Any]]:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if not isinstance(value, list):
        return []
    return [row for row in value[:MOST_EVENTS] if isinstance(row, dict)]


def text(value: Mapping[str, Any], *names: str) -> str:
    """The first of these that holds something, on one line."""
    for name in names:
        found = value.get(name)
        if isinstance(found, str | int) and not isinstance(found, bool) and found != "":
            return one_line(str(found), MOST_TEXT)
    return ""


def address(value: Mapping[str, Any], *names: str) -> tuple[str, ...]:
    """As `Report.addresses` has them."""
    found = text(value, *names).strip().strip("<>").lower()
    return (found,) if "@" in found and len(found) <= MOST_ADDRESS else ()


def message_id(value: str) -> tuple[str, ...]:
    """With its angle brackets, which some leave out."""
    bare = value.strip().strip("<>")
    return (f"<{bare}>",) if "@" in bare and " " not in bare else ()
