from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from pipeline.collect.identify import make_draft
from pipeline.model.articles import Draft, Found


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def draft(now: datetime) -> Callable[..., Draft]:
    """draft(title="…", html="…", guid="…", url="…") as it comes through the door."""

    def make(title: str = "A title", **found: object) -> Draft:
        return make_draft(Found(title, **found), source_url="https://example.org/feed", now=now)  # type: ignore[arg-type]

    return make
