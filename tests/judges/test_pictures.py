"""docs/ shows every design: `make pictures` writes the pictures, and they are kept small."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def script(root: Path) -> ModuleType:
    """docs/pictures.py."""
    spec = importlib.util.spec_from_file_location("pictures_of_designs", root / "docs" / "pictures.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # where its dataclass looks for itself
    spec.loader.exec_module(module)
    return module


def test_each_design_is_shown_in_each_view(root: Path, script: ModuleType) -> None:
    """Red after a new design: `make pictures`, look at them, and show them in docs/templates.md."""
    page = (root / "docs" / "templates.md").read_text()
    for body in root.glob("templates/*/body.html.j2"):
        for shot in script.SHOTS:
            name = f"pictures/{body.parent.name}-{shot.name}.png"
            assert (root / "docs" / name).is_file(), f"no docs/{name}: make pictures"
            assert (root / "docs" / name).stat().st_size <= script.MOST_KB * 1000
            assert re.search(rf"!\[[^\]]+\]\({name}\)", page), f"docs/templates.md does not show {name}"


def test_a_drawing_is_a_picture_and_nothing_else_is_answered(script: ModuleType) -> None:
    drawn = script.drawing(f"{script.SITE}/drawn/3.png")
    assert drawn is not None
    assert drawn.startswith(b"\x89PNG")
    assert drawn != script.drawing(f"{script.SITE}/drawn/1.png")
    for other in (f"{script.SITE}/drawn/", f"{script.SITE}/i/3.png", "https://elsewhere.example/drawn/3.png"):
        assert script.drawing(other) is None


@pytest.mark.browser
@pytest.mark.usefixtures("chromium")
def test_the_command_makes_them(root: Path, script: ModuleType, tmp_path: Path) -> None:
    designs = [body.parent.name for body in root.glob("templates/*/body.html.j2")]
    made = [path for design in designs for path in script.draw(design, tmp_path)]
    assert len(made) == 3 * len(designs)
    assert all(10_000 < path.stat().st_size < script.MOST_KB * 1000 for path in made)
