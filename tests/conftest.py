"""What every test may ask for: the shared corpus, programs of the machine, and hypothesis set up once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.database import DirectoryBasedExampleDatabase

ROOT = Path(__file__).resolve().parent.parent

# No deadline: the machines that run this are slow and shared, and speed is measured in benchmarks/.
# In CI the examples are the same each time: a red run is about the change, not about luck.
settings.register_profile(
    "default",
    deadline=None,
    max_examples=50,
    database=DirectoryBasedExampleDatabase(ROOT / ".hypothesis" / "examples"),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("ci", settings.get_profile("default"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "default")

Need = Callable[[object, str], None]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's top level."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real articles and feeds beside the repository; the test is skipped where it is absent."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"real input is not on this machine: no {folder}")
    return folder


@pytest.fixture(scope="session")
def need() -> Need:
    """`need(found, "what is missing, how to get it")`: skip without it, but fail where CI_REQUIRE is set."""

    def need(found: object, missing: str) -> None:
        if not found:
            (pytest.fail if os.environ.get("CI_REQUIRE") else pytest.skip)(missing)

    return need


@pytest.fixture(scope="session")
def program(need: Need) -> Callable[..., str]:
    """`program("strace")` is the path of an installed program."""

    def program(*names: str) -> str:
        found = next((path for name in names if (path := shutil.which(name))), "")
        need(found, f"{names[0]} is not installed: apt-get install {names[0]}")
        return found

    return program


@pytest.fixture(scope="session")
def chromium(program: Callable[..., str]) -> str:
    """The path of a Chromium that Playwright can start."""
    return program("chromium", "chromium-browser", "google-chrome")
