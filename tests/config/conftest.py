"""A config with every key, and short ways to load a changed one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.errors import ConfigError

Write = Callable[[str], Path]
Problems = Callable[[str], list[str]]


@pytest.fixture(scope="session")
def env() -> dict[str, str]:
    """What full.toml needs from outside."""
    return {"SMTP_PASSWORD": "hunter-canary-2"}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a text as a config; its path."""

    def write(text: str) -> Path:
        path = tmp_path / "config.toml"
        path.write_text(text)
        return path

    return write


@pytest.fixture(scope="session")
def problems(tmp_path_factory: pytest.TempPathFactory, env: dict[str, str]) -> Problems:
    """The problems of a text, [] where it is right."""
    path = tmp_path_factory.mktemp("problems") / "config.toml"

    def problems(text: str) -> list[str]:
        path.write_text(text)
        try:
            load(path, env)
        except ConfigError as error:
            return error.problems
        return []

    return problems
