"""Makes the rules importable: test folders are no packages, and `--import-mode=importlib` puts none on the path.

    spec = importlib.util.spec_from_file_location("load_feedrules", Path(__file__).parent / "feedrules" / "load.py")

and then `module.load()`, whose attributes are the public functions.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

PACKAGE = "feedrules"


class FeedRules(NamedTuple):
    rss_problems: Callable[..., list[str]]
    atom_problems: Callable[..., list[str]]
    json_problems: Callable[..., list[str]]
    tolerated: frozenset[str]
    good: ModuleType   # a good document of each format


def load() -> FeedRules:
    if PACKAGE not in sys.modules:
        package = ModuleType(PACKAGE)
        package.__path__ = [str(Path(__file__).parent)]
        sys.modules[PACKAGE] = package
    rss, atom, json = (importlib.import_module(f"{PACKAGE}.rules_{name}") for name in ("rss", "atom", "json"))
    return FeedRules(rss.rss_problems, atom.atom_problems, json.json_problems, rss.TOLERATED,
                     importlib.import_module(f"{PACKAGE}.good"))
