"""What is wrong with a config, in words: each problem with its line, its key path and what would be right.

    line 14: sources[1].evry: unknown key, did you mean "every"?
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic import BaseModel

from pipeline.config.lines import KeyPath, line_of
from pipeline.config.secrets import kind_of, shown
from pipeline.config.shape import Document
from pipeline.config.values import as_slug, nearest

LONGEST_KEY = 60  # characters of a key that a message repeats

SYNTAX = (  # what tomllib says (it may repeat what was written, so never show it), and what we say
    ("Illegal character '\\n'", "the quotes are not closed on this line"),
    ("Unterminated string", "the quotes are not closed"),
    ('Expected "', "the quotes are not closed"),
    ("Unescaped", 'a backslash in "…" must be doubled; in \'…\' it may stand alone'),
    ("Invalid hex", 'a backslash in "…" must be doubled; in \'…\' it may stand alone'),
    ("Expected '='", "a key must be followed by = and a value"),
    ("Invalid value", "here should be a value; text needs quotes around it"),
    ("Expected newline", "something stands after the value; each key needs a line of its own"),
    ("Cannot overwrite", "this key was given before"),
    ("Cannot declare", "this table was given before"),
    ("Duplicate inline", "this key stands twice between the same { }"),
    ("Cannot mutate", "this table is already complete and can't be added to"),
    ("Cannot namespace", "this table is already complete and can't be added to"),
    ("Expected ']", "a table's name must end with ] (or ]] for one of several)"),
    ("Unclosed array", "a [ is not closed"),
    ("Unclosed inline", "a { is not closed; it must end on the line where it began"),
    ("Invalid initial", "no key can begin here; a key is letters, digits, - and _"),
    ("Invalid statement", "no key can begin here; a key is letters, digits, - and _"),
    ("Illegal character", "an invisible control character"),
)

SHAPES = {  # the names are pydantic's, and so are ge and le
    "missing": "is missing",
    "string_type": "must be text in quotes, not {kind}",
    "int_type": "must be a whole number without quotes, not {kind}",
    "bool_type": "must be true or false without quotes, not {kind}",
    "tuple_type": 'must be a list like ["…"], not {kind}',
    "model_type": "must be a table, not {kind}",
    "float_type": "must be a number without quotes, not {kind}",
    "date_type": "must be a date without quotes, such as 2026-12-01, not {kind}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}


class Problems:
    """Collects problems and warnings, and prints them in the order of the file."""

    def __init__(self, lines: Mapping[KeyPath, int], written: Mapping[str, Any]) -> None:
        self.lines, self.written = lines, written
        self.found: list[tuple[KeyPath, str]] = []
        self.warned: list[tuple[KeyPath, str]] = []

    def add(self, path: KeyPath, text: str) -> None:
        self.found.append((path, text))

    def warn(self, path: KeyPath, text: str) -> None:
        self.warned.append((path, text))

    def shown(self, path: KeyPath) -> str:
        return shown(path, value_at(self.written, path))

    def add_shape(self, errors: Iterable[Mapping[str, Any]]) -> None:
        """Take over what pydantic found, but for keys that already have a problem of their own."""
        told = {path for path, _ in self.found}
        for error in errors:
            path: KeyPath = tuple(error["loc"])
            if path not in told:
                self.add(path, self._in_words(path, error))

    def texts(self) -> list[str]:
        return self._print(self.found)

    def warnings(self) -> tuple[str, ...]:
        return tuple(self._print(self.warned))

    def _print(self, told: list[tuple[KeyPath, str]]) -> list[str]:
        numbered = sorted({(line_of(self.lines, path), spell(path), text) for path, text in told})
        return [f"line {line}: {path}: {text}" for line, path, text in numbered]

    def _in_words(self, path: KeyPath, error: Mapping[str, Any]) -> str:
        context = error.get("ctx", {})
        match error["type"]:
            case "own":
                slug = as_slug(str(value_at(self.written, path)))
                return str(context["cause"]).replace("{slug}", f'"{slug}"').replace("{value}", self.shown(path))
            case "extra_forbidden":
                return f"unknown key, {_suggest(path)}"
            case "missing" if _table(path):
                return f"is missing; add a table [{spell(path)}]"
            case "tuple_type" if _table((*path, 0)):
                return f"write [[{spell(path)}]] with two brackets, one for each"
            case "enum" | "literal_error":
                return f"must be {str(context['expected']).replace(chr(39), chr(34))}"
            case kind:
                said = SHAPES.get(kind, f"is not right ({kind})")
                return said.format(kind=kind_of(value_at(self.written, path)), **context)


def syntax_problem(error: tomllib.TOMLDecodeError, text: str) -> str:
    """Where a text stops being TOML, and why, without repeating any of it."""
    said = str(error)
    why = next((ours for theirs, ours in SYNTAX if said.startswith(theirs)), "this is not valid TOML")
    place = re.search(r"\(at (line \d+, column \d+)\)$", said)
    if place:
        return f"{place[1]}: {why}"
    # tomllib says "end of document": the last line, unless something that was opened earlier never ended
    return f"end of the file: {why}" if "closed" in why else f"line {text.rstrip().count(chr(10)) + 1}: {why}"


def value_at(document: Any, path: KeyPath) -> Any:
    """What a document holds at a path; an empty table where it holds nothing."""
    for part in path:
        try:
            document = document[part]
        except (KeyError, IndexError, TypeError):
            return {}
    return document


def spell(path: KeyPath) -> str:
    """A key path as people write it: sources[1].select.limit."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            plain = re.fullmatch(r"[A-Za-z0-9_-]+", part) is not None
            name = part if plain else json.dumps(part)
            text += ("." if text else "") + (name if len(name) <= LONGEST_KEY else f"{name[:LONGEST_KEY]}…")
    return text


def _suggest(path: KeyPath) -> str:
    """The known key most like an unknown one, in its own table or elsewhere; else all that the table knows."""
    table = _table(path[:-1])
    here = tuple(table.model_fields) if table else ()
    word = str(path[-1])
    elsewhere = [place for place, other in _tables(Document, ()) if word in other.model_fields and other is not table]
    close = nearest(word, here, cutoff=0.8) or ("" if elsewhere else nearest(word, here))
    if close:
        return f'did you mean "{close}"?'
    if elsewhere:
        return "it belongs in " + " or ".join(f"[{place}]" if place else "the top of the file" for place in elsewhere)
    return "known here: " + ", ".join(here)


def _table(path: KeyPath) -> type[BaseModel] | None:
    """The model of the table at a path, if there is one."""
    here: type[BaseModel] | None = Document
    for part in path:
        if isinstance(part, int):
            continue
        field = here.model_fields.get(part) if here else None
        here = _model_in(field.annotation) if field else None
    return here


def _tables(model: type[BaseModel], path: KeyPath) -> Iterable[tuple[str, type[BaseModel]]]:
    yield spell(path), model
    for name, field in model.model_fields.items():
        inner = _model_in(field.annotation)
        if inner:
            yield from _tables(inner, (*path, name))


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for arg in get_args(annotation) if (model := _model_in(arg))), None)
