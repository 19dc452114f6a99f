"""Every key path of a TOML text has the line on which it stands."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.lines import KeyPath, key_lines, line_of

TEXT = '''\
# a comment with [brackets] and = signs
top = "a # no comment"
dotted.inner."quoted key" = 'C:\\literal'

[plain]   # header comment
long = """
first = 1
\\""" [not.a.table] ""\"""
after = [
  "x",  # "]"
  { a = 1, b.c = [1, 2] },
]
literal = \'\'\'
[nor = this\'\'\'
date = 2026-11-22T08:00:00Z

[[many]]
name = "first"
  [[many.inner]]
  x = 1
  [[many.inner]]
  x = 2
[many.sub]
y = 3

[[many]]
name = "second"
  [[many.inner]]
  x = 3
'''


def paths(document: Any, path: KeyPath = ()) -> list[KeyPath]:
    """Every key path of a parsed document."""
    children: list[tuple[str | int, Any]] = []
    if isinstance(document, dict):
        children = list(document.items())
    elif isinstance(document, list):
        children = list(enumerate(document))
    return [p for key, value in children for p in [(*path, key), *paths(value, (*path, key))]]


def test_each_path_has_its_line() -> None:
    lines = key_lines(TEXT)
    rows = TEXT.split("\n")
    assert set(lines) == set(paths(tomllib.loads(TEXT)))
    for path, row in {
        ("top",): 'top = "a # no comment"', ("dotted", "inner", "quoted key"): "dotted.inner",
        ("plain",): "[plain]", ("plain", "long"): "long =", ("plain", "after", 0): '  "x"',
        ("plain", "after", 1, "b", "c", 1): "  { a = 1", ("plain", "literal"): "literal", ("plain", "date"): "date",
        ("many", 0): "[[many]]", ("many", 0, "sub", "y"): "y = 3", ("many", 1, "name"): 'name = "second"',
    }.items():
        assert rows[lines[path] - 1].startswith(row), path
    assert lines["many", 0, "inner", 1, "x"] == lines["many", 0, "inner", 0, "x"] + 2
    assert rows[lines["many", 1, "inner", 0, "x"] - 1] == "  x = 3"


def test_windows_line_ends_count_once() -> None:
    assert key_lines(TEXT.replace("\n", "\r\n")) == key_lines(TEXT)


def test_what_has_no_line_gets_its_tables() -> None:
    lines = key_lines(TEXT)
    assert line_of(lines, ("many", 1, "missing")) == lines["many", 1]
    assert line_of(lines, ("nothing", "at", "all")) == 1


KEYS = st.sampled_from(["a", "b-1", '"q k"', "'l.k'", "x.y"])
VALUES = st.sampled_from(
    ["1", "true", '"t"', "'''m\nn'''", '"""\n[x]\n"""', "[]", "[\n1,\n[2, 3], # c\n]", "{ }", '{ k = "}", m.n = [1] }',
     '"\\""', "'#'", "2026-01-01", "-1.5e3", '""'])
TABLES = st.lists(st.tuples(st.sampled_from(["[t{}]", "[[m]]", "[[m.n]]", "[m.o{}]"]), st.dictionaries(KEYS, VALUES)))


@given(TABLES)
def test_whatever_tomllib_reads_is_mapped_whole(tables: list[tuple[str, dict[str, str]]]) -> None:
    rows = ["[[m]]"]
    for number, (header, pairs) in enumerate(tables):
        rows += [header.format(number), *(f"{key} = {value}" for key, value in pairs.items())]
    text = "\n".join(rows)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return  # names that exclude each other
    assert set(key_lines(text)) == set(paths(document))
