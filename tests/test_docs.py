"""What the pages say is there is there: files, tests, keys, floors, moves, and benchmarks that run."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from pipeline import __version__, config
from pipeline.config import mail, shape
from pipeline.model.deliveries import MOVES
from pipeline.model.frozen import TOKENS, DigestPage
from pipeline.render.templates import Templates
from pipeline.render.views import ArticleView

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(p.relative_to(ROOT).as_posix() for p in [
    *ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "feeds" / "README.md", ROOT / "benchmarks" / "README.md"])
BENCHMARKS = ["collect", "compose", "deliver", "fulltext", "publish", "scale"]

FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
TICKED = re.compile(r"`([^`\n]+)`")
A_FILE = re.compile(r"[\w.-]+(?:/[\w.-]+)*/(?:[\w-]+\.[a-z0-9.]+)?")
A_TEST = re.compile(r"tests/[\w/]+\.py::\w+")

TABLES: dict[str, type[shape.Table]] = {
    "[site]": shape.Site, "[store]": shape.Store, "[paths]": shape.Paths, "[[sources]]": shape.Source,
    "[[feeds]]": shape.Feed, "[feeds.podcast]": shape.FeedPodcast, "select of a feed": shape.FeedSelect,
    "[publish]": shape.Publish, "[publish.s3]": shape.PublishS3, "[[newsletters]]": shape.Newsletter,
    "select of a newsletter": shape.NewsletterSelect, "review of a newsletter": shape.Review,
    "[[newsletters.schedules]]": shape.NewsletterSchedule,
    "[mail]": shape.Mail, "[mail.smtp]": shape.Smtp, "[[mail.domains]]": mail.DomainPace, "[[mail.dkim]]": mail.Dkim,
    "[mail.returns]": mail.Returns, "[mail.hooks]": mail.Hooks, "stop_at of [mail]": mail.StopAt,
    "[mail.warm_up]": mail.WarmUp, "[web]": shape.Web, "[collect]": shape.Collect,
    "[preflight]": shape.Preflight,
    "[operator]": shape.Operator,
}
DEFAULTS_OF_ADDRESSES = {"port": "by `tls`"}  # a default that follows from another key

# --- pages ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_links_to_is_there(page: str) -> None:
    assert list(dead_links(page, read(page))) == []


@pytest.mark.parametrize("page", PAGES)
def test_a_file_that_a_page_names_is_there(page: str) -> None:
    assert list(missing_files(read(page))) == []


@pytest.mark.parametrize("page", PAGES)
def test_a_test_that_a_page_names_is_there(page: str) -> None:
    assert list(missing_tests(read(page))) == []


def test_what_is_not_there_is_found() -> None:
    page = ("[one](nowhere.md) [two](#no-such-heading) [three](glossary.md#no) `compose/nothing.py` "
            "`tests/test_docs.py::test_no` `feeds/SLUG/rss.xml`\n\n# A heading\n[four](#a-heading)")
    assert list(dead_links("docs/x.md", page)) == ["nowhere.md", "#no-such-heading", "glossary.md#no"]
    assert list(missing_files(page)) == ["compose/nothing.py"]
    assert list(missing_tests(page)) == ["tests/test_docs.py::test_no"]


def test_each_promise_is_proved_or_said_not_to_be() -> None:
    rows = [row for table in tables(read("docs/promises.md")) for row in table]
    assert len(rows) >= 20
    for promise, proof, _control, open_ in rows:
        assert A_TEST.search(proof) or open_.startswith("not yet: "), promise


def test_the_changelog_has_its_form() -> None:
    text = read("CHANGELOG.md")
    heads = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert heads[0] == "[Unreleased]"
    released = [re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)", head) for head in heads[1:]]
    assert released
    assert all(released), heads
    found = [(match[1], match[2]) for match in released if match]
    assert found[0][0] == __version__
    assert found == sorted(found, key=lambda r: [int(n) for n in r[0].split(".")], reverse=True)
    assert [day for _, day in found] == sorted((day for _, day in found), reverse=True)
    kinds = set(re.findall(r"^### (.*)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


# --- architecture -----------------------------------------------------------------------------------------


def test_the_floors_are_those_that_are_held() -> None:
    block = read("docs/architecture.md").partition("\n## Floors")[2].partition("\n\n    ")[2].partition("\n\n")[0]
    assert [set(line.split()) for line in block.splitlines()] == module("tests/test_architecture.py").FLOORS[:-1]


def test_each_library_stands_where_it_lives() -> None:
    text = read("docs/architecture.md").partition("\n## Libraries")[2].partition("\n## ")[0]
    told = {home for row in next(tables(text)) for home in TICKED.findall(row[2])}
    rules = module("tests/test_architecture.py")
    house = "\n".join(rules.HOUSE.values())
    used = {home for library, home in rules.HOMES.items()  # some homes are kept for libraries to come
            if re.search(rf"^\s*(?:from|import) {library}\b", house, re.MULTILINE)}
    assert [home for home in sorted(used) if not any(one.startswith(home) for one in told)] == []


def test_the_table_of_moves_is_the_ledger_s_own() -> None:
    found = next(t for t in tables(read("docs/architecture.md")) if t[0][0] == "queued")
    assert {row[0]: set(row[1].split(", ")) - {"–"} for row in found} == {
        str(source): {str(target) for target in targets} for source, targets in MOVES.items()}


# --- glossary ---------------------------------------------------------------------------------------------


def test_no_name_in_the_code_is_a_word_we_do_not_use() -> None:
    """Only the words that can't mean anything else here; an SMTP user or an RSS item is one."""
    unused = {"admin", "blocklist", "campaign", "contact", "edition", "issue", "member", "post", "variant"}
    listed = {word for row in next(tables(read("docs/glossary.md"))) for word in re.findall(r"[a-z]+", row[2])}
    assert unused <= listed
    for path, source in module("tests/test_architecture.py").HOUSE.items():
        for name in names_made(source):
            words = {word.lower().removesuffix("s") for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}
            assert not words & unused, f"{path}: {name}"


def test_a_name_is_found_wherever_it_is_made() -> None:
    source = "class SendCampaign:\n    edition: str\ndef f(contact_id): ...\nasync def admins(): ...\nmembers = 1"
    assert set(names_made(source)) == {"SendCampaign", "edition", "f", "contact_id", "admins"}


# --- config -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("heading", TABLES)
def test_every_key_is_told_with_its_default_and_no_other(heading: str) -> None:
    rows = {row[0].strip("`"): row[1] for row in table_under(heading)}
    fields = TABLES[heading].model_fields
    assert list(rows) == unordered(rows, fields)
    for name, field in fields.items():
        assert rows[name] == DEFAULTS_OF_ADDRESSES.get(name, written(field)), name


def test_every_table_is_told() -> None:
    named = {name for row in table_under("Top level") for name in TICKED.findall(row[0])}
    assert named == set(shape.Document.model_fields)
    inner = {t for table in (shape.Document, *TABLES.values()) for t in tables_within(table)}
    assert inner <= set(TABLES.values())


def test_the_smallest_config_is_one(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```toml\n(.*?)^```", read("docs/config.md"), re.MULTILINE | re.DOTALL)
    path = tmp_path / "config.toml"
    path.write_text(example)
    assert config.load(path, {}).warnings == ()


# --- templates --------------------------------------------------------------------------------------------


def test_the_ten_lines_are_a_template_that_keeps_the_contract(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```jinja\n(.*?)^```", read("docs/templates.md"), re.MULTILINE | re.DOTALL)
    assert len(example.splitlines()) <= 10
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "body.html.j2").write_text(example)
    assert Templates([tmp_path, ROOT / "templates"]).check("mine") == []


def test_every_name_that_a_template_may_use_is_told_and_no_other() -> None:
    told = set(re.findall(r"`((?:page|article|tokens)\.\w+)`", read("docs/templates.md")))
    known = {f"page.{name}" for name in members(DigestPage)} | {f"article.{name}" for name in members(ArticleView)}
    assert told - known == {f"tokens.{name}" for name in TOKENS}
    assert known - told == set()


# --- benchmarks -------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_runs_and_prints_one_object(name: str) -> None:
    done = subprocess.run([sys.executable, f"benchmarks/{name}.py", "--json", "--smoke"], cwd=ROOT, timeout=60,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["benchmark"] == name
    assert {"figures", "peers", "runs", "load", "limits"} <= record.keys()
    assert all(isinstance(value, int | float) and value > 0 for value in (*record["figures"].values(),
                                                                          *record["peers"].values()))


@pytest.mark.parametrize("name", BENCHMARKS)
def test_each_figure_of_a_benchmark_is_explained(name: str) -> None:
    source = read(f"benchmarks/{name}.py")
    section = read("benchmarks/README.md").partition(f"## {name}")[2].partition("\n## ")[0]
    figures = re.findall(r"figures (?:\|= |= )?\{(.*?)\}\n|figures=\{(.*?)\},\n", source, re.DOTALL)
    assert figures
    for key in re.findall(r'"(\w+)":', " ".join(map("".join, figures))):
        assert f"`{key}`" in section, f"{name}: {key}"


# --- reading pages ----------------------------------------------------------------------------------------


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def dead_links(page: str, text: str) -> Iterator[str]:
    for target in LINK.findall(FENCED.sub("", text)):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        file = (ROOT / page).parent / path if path else None
        dead = file is not None and not file.exists()
        if dead or (anchor and anchor not in anchors(file.read_text(encoding="utf-8") if file else text)):
            yield target


def anchors(text: str) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head).strip().lower().replace(" ", "-") for head in heads}


def missing_files(text: str) -> Iterator[str]:
    """Names in `ticks` that look like a file of ours; those in capitals stand for something of the reader's, and
    what is not under version control is made when the program runs."""
    made = {line.split("/")[1] for line in read(".gitignore").splitlines() if line.startswith("/")}
    for name in TICKED.findall(FENCED.sub("", text)):
        path = name.partition("::")[0]
        ours = A_FILE.fullmatch(path) and not re.search(r"[A-Z]{3,}(?!\.md)|\bmine\b", name)
        if ours and path.split("/")[0] not in made and not any(
            (ROOT / folder / path).exists() for folder in ("", "pipeline", "templates")
        ):
            yield name


def missing_tests(text: str) -> Iterator[str]:
    for name in A_TEST.findall(text):
        path, _, function = name.partition("::")
        tree = ast.parse(read(path)) if (ROOT / path).is_file() else ast.Module([], [])
        if function not in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}:
            yield name


def tables(text: str) -> Iterator[list[list[str]]]:
    """The rows of each table of a page, without its head."""
    for block in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
        rows = [re.split(r"(?<!\\)\|", line.strip().strip("|")) for line in block.strip().splitlines()]
        yield [[cell.strip().replace(r"\|", "|") for cell in row] for row in rows[2:]]


def table_under(heading: str) -> list[list[str]]:
    for section in re.split(r"^#+ ", read("docs/config.md"), flags=re.MULTILINE):
        head, _, body = section.partition("\n")
        if head.replace("`", "") == heading:
            return next(tables(body))
    raise AssertionError(f"docs/config.md has no section {heading}")


# --- reading the code -------------------------------------------------------------------------------------


def module(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(path).stem + "_of_docs", ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def unordered(rows: dict[str, str], fields: dict[str, FieldInfo]) -> list[str]:
    """The fields in the page's own order, which may be another one; whatever is missing or too much shows."""
    return [name for name in rows if name in fields] + [name for name in fields if name not in rows]


def written(field: FieldInfo) -> str:
    """A default as an operator would write it."""
    if field.is_required():
        return "required"
    value: Any = field.get_default(call_default_factory=True)
    if value is None:
        return "none"
    if isinstance(value, shape.Table):
        return "`{}`"
    if isinstance(value, tuple):
        return f"`{json.dumps(list(value))}`"
    if isinstance(value, bool | int | float):
        return f"`{json.dumps(value)}`"
    if isinstance(value, timedelta):
        value = {"1m": "60s"}.get(config.say_span(value), config.say_span(value))
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return f'`"{value.value if isinstance(value, StrEnum) else value}"`'


def names_made(source: str) -> Iterator[str]:
    """Classes, functions, parameters and fields; what is called how within one function is its own business."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def tables_within(table: type[shape.Table]) -> Iterator[type[shape.Table]]:
    for field in table.model_fields.values():
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, shape.Table):
                yield kind


def members(kind: type) -> set[str]:
    properties = {name for name, value in vars(kind).items() if isinstance(value, property)}
    return set(kind.__dataclass_fields__) | properties  # type: ignore[attr-defined]
