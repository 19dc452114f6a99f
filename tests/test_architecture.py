"""The house rules of docs/architecture.md, read from the source itself.

Imports under TYPE_CHECKING and inside functions count like all others. Every rule is a function of source text,
so that it is also shown a house that breaks it.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HOUSE = {path.relative_to(ROOT).as_posix(): path.read_text() for path in sorted(ROOT.glob("pipeline/**/*.py"))}
TESTS = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("tests/**/*.py"))

MAX_LINES = 400
STAGES = {"collect", "publish", "compose", "deliver", "audience"}
# Top floor first. A room imports from its own floor or from below; a stage not from another stage.
FLOORS = [
    {"__main__"},
    {"cli"},
    {"jobs", "web"},
    {"desk"},
    {"app"},
    STAGES,
    {"net", "text", "render", "mail", "store", "children"},
    {"config"},
    {"schedules", "patterns"},  # pure; config asks them whether "Mon 08:00" is a time and "/a+/" a rule
    {"model", "errors"},
    {"__init__"},
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(reversed(FLOORS)) for room in rooms}
STDLIB_ONLY = {"model", "errors", "__init__"}
HOMES = {
    "alembic": "store/",
    "apscheduler": "jobs/clock",
    "babel": "render/dates",
    "backports.zstd": "net/decode",
    "boto3": "publish/objects",
    "botocore": "publish/objects",
    "brotli": "net/",
    "compression": "net/decode",
    "cronsim": "schedules",
    "cryptography": "mail/",
    "cssutils": "render/inline",
    "dns": "net/records",
    "fastfeedparser": "collect/reading/parse",
    "feedgen": "publish/build",
    "feedparser": "collect/reading/repair",
    "flufl": "audience/returns/dialects",
    "h11": "net/http1",
    "http.client": "net/",
    "httpx": "net/",
    "imaplib": "audience/returns/imap",
    "itsdangerous": "mail/tokens",
    "listparser": "collect/opml",
    "jinja2": "render/",
    "markdown_it": "text/markdown",
    "PIL": "compose/pictures/remake",
    "nh3": "text/clean",
    "orjson": "publish/jsonfeed",
    "premailer": "render/inline",
    "procrastinate": "jobs/queue",
    "publicsuffixlist": "collect/manners/pace",
    "re2": "patterns",
    "protego": "collect/pages/robots",
    "requests": "net/",
    "smtplib": "deliver/",
    "sqlalchemy": "store/",
    "sqlite3": "store/",
    "starlette": "web/",
    "tinycss2": "desk/proof/sheets",
    "typer": "cli/",
    "urllib.request": "net/",
    "urllib3": "net/",
    "uvicorn": "web/",
}
NAMELESS = {"utils", "util", "helpers", "helper", "common", "misc", "base"}


@pytest.mark.parametrize("path", HOUSE)
def test_a_file_keeps_the_house_rules(path: str) -> None:
    assert list(broken_rules(path, HOUSE[path], HOUSE)) == []


def test_imports_make_no_circle() -> None:
    assert circle(HOUSE) == ""


@pytest.mark.parametrize("path", TESTS)
def test_a_test_file_says_what_it_is_about(path: str) -> None:
    assert Path(path).stem.removeprefix("test_") not in NAMELESS
    assert "__init__" not in path, "test folders are no packages"


@pytest.mark.parametrize(
    ("path", "source", "complaint"),
    [
        ("store/rows.py", "from pipeline.collect import decide", "store is below collect"),
        ("store/rows.py", "from ..collect.decide import verdict", "store is below collect"),
        ("store/rows.py", "from .. import app", "store is below app"),
        ("store/rows.py", "if TYPE_CHECKING:\n    import pipeline.web.app", "store is below web"),
        ("store/rows.py", "def f():\n    from pipeline import app", "store is below app"),
        ("store/rows.py", "import importlib\nimportlib.import_module('pipeline.app')", "store is below app"),
        ("store/rows.py", "import importlib\nimportlib.import_module(name)", "an import that can't be read"),
        ("collect/stage.py", "from pipeline.publish.build import rss", "collect imports publish: stages never do"),
        ("attic/box.py", "", "attic has no floor"),
        ("model/articles.py", "import pydantic", "model imports pydantic: the standard library only"),
        ("publish/stage.py", "from feedgen.feed import FeedGenerator", "feedgen lives in publish/build"),
        ("publish/builders.py", "import feedgen", "feedgen lives in publish/build"),
        ("web/app.py", "def f():\n    import jinja2.sandbox", "jinja2 lives in render/"),
        ("collect/stage.py", "from http import client", "http.client lives in net/"),
        ("collect/stage.py", "from urllib import request", "urllib.request lives in net/"),
        ("jobs/runner.py", "from apscheduler.triggers.base import BaseTrigger", "apscheduler lives in jobs/clock"),
        ("collect/stage.py", "pass\n" * 401, "401 lines"),
        ("collect/helpers.py", "", "a name that says nothing"),
        ("misc/rows.py", "", "a name that says nothing"),
    ],
)
def test_a_broken_rule_is_found(path: str, source: str, complaint: str) -> None:
    path = f"pipeline/{path}"
    assert complaint in "\n".join(broken_rules(path, source, HOUSE | {path: source}))


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("collect/stage.py", "from pipeline.store import articles\nfrom . import decide\nimport pipeline.errors"),
        ("collect/stage.py", "from urllib.parse import urljoin\nfrom http import HTTPStatus\nimport json"),
        ("publish/build/rss.py", "import feedgen.feed"),
        ("store/rows.py", "import sqlalchemy as sa\nfrom pipeline import __version__"),
    ],
)
def test_what_is_allowed_is_not_complained_about(path: str, source: str) -> None:
    path = f"pipeline/{path}"
    assert list(broken_rules(path, source, HOUSE | {path: source, "pipeline/store/articles.py": ""})) == []


def test_circles_are_found_between_files_and_between_rooms() -> None:
    files = {"pipeline/text/a.py": "from pipeline.text import b", "pipeline/text/b.py": "from . import a"}
    assert "pipeline.text.a" in circle(files)
    rooms = {
        "pipeline/text/a.py": "import pipeline.mail.c",
        "pipeline/mail/c.py": "",
        "pipeline/mail/d.py": "def f():\n    from pipeline.text import e",
        "pipeline/text/e.py": "",
    }
    assert "mail" in circle(rooms)
    assert circle(rooms | {"pipeline/mail/d.py": ""}) == ""


def broken_rules(path: str, source: str, house: Mapping[str, str]) -> Iterator[str]:
    room, inside = _room(_module(path)), path.removeprefix("pipeline/")
    if (lines := len(source.splitlines())) > MAX_LINES:
        yield f"{path}: {lines} lines; a file past {MAX_LINES} is two files"
    if NAMELESS & set(inside.removesuffix(".py").split("/")):
        yield f"{path}: a name that says nothing"
    if room not in FLOOR_OF:
        yield f"{path}: {room} has no floor; give it one in FLOORS and in docs/architecture.md"
        return
    for name in _imports(path, source, house):
        yield from (f"{path}: {complaint}" for complaint in _complaints(room, inside, name))


def _complaints(room: str, inside: str, name: str) -> Iterator[str]:
    if name == "?":
        yield "an import that can't be read from the source; name the module in a string"
    elif name.partition(".")[0] == "pipeline":
        other = _room(name)
        if FLOOR_OF.get(other, 0) > FLOOR_OF[room]:
            yield f"imports {name}: {room} is below {other}"
        if {room, other} <= STAGES and room != other:
            yield f"{room} imports {other}: stages never do, they hand over through rows"
    else:
        if room in STDLIB_ONLY and name.partition(".")[0] not in sys.stdlib_module_names:
            yield f"{room} imports {name}: the standard library only"
        for library, home in HOMES.items():
            if f"{name}.".startswith(f"{library}.") and not re.match(rf"{home}(?<=/)|{home}(/|\.py$)", inside):
                yield f"{library} lives in {home}"


def circle(house: Mapping[str, str]) -> str:
    """The first circle among files, or among rooms; "" where there is none."""
    files: dict[str, set[str]] = {}
    rooms: dict[str, set[str]] = {}
    for path, source in house.items():
        module = _module(path)
        names = {name for name in _imports(path, source, house) if name.startswith("pipeline.")} - {module}
        files[module] = names
        rooms.setdefault(_room(module), set()).update({_room(name) for name in names} - {_room(module)})
    for graph in (files, rooms):
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            return " <- ".join(error.args[1])
    return ""


def _imports(path: str, source: str, house: Mapping[str, str]) -> Iterator[str]:
    """Every module that the source imports, in full; "?" for one whose name is computed."""
    modules = {_module(other) for other in house}
    package = path.split("/")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            base = ".".join(part for part in (start, node.module) if part)
            for alias in node.names:
                name = f"{base}.{alias.name}"
                # `from pipeline import app` names a module, `from pipeline import __version__` does not.
                own = base.partition(".")[0] == "pipeline"
                yield name if name in modules or not own or _is_room(name) else base
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in {"import_module", "__import__"}:
            first = node.args[0] if node.args else None
            yield first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else "?"


def _is_room(name: str) -> bool:
    return name.count(".") == 1 and name.split(".")[1] in FLOOR_OF


def _module(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def _room(module: str) -> str:
    """The folder or file right under pipeline/; the package itself is "__init__"."""
    return module.split(".")[1] if "." in module else "__init__"
