"""Changing config.toml for its operator: some lines in, some lines out, and every other character as it was.

    text | where does it stand? | another text | does it read as meant? | does it load? | the file, replaced whole

A change is made to the text, at places that `lines` found, and then read again by tomllib: what does not read as the
old document with this one change in it is refused. A document model that keeps comments (tomlkit) was tried: it moves
tables that stand apart together, deletes comments with what they follow, puts new lines behind a comment about the next
table, and writes what nobody can read where a file's last line has no end.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config import Config, load_text
from pipeline.config.lines import BLANKS, KeyPath, Spans, key_spans
from pipeline.errors import ConfigError, UsageError

Value = str | bool | Sequence[str]
Table = Mapping[str, Value]

KIND = "sources"
MARK = b"\xef\xbb\xbf"  # of UTF-8; editors on Windows like to write it

_EDIT = tuple[int, int, str]  # from, to, what stands there instead
_COMMENTED_OUT = re.compile(r"^[ \t]*#[ \t]*\[\[[ \t]*sources[ \t]*\]\]", re.MULTILINE)
_COMMENTS = re.compile(r"(?:[ \t]*#[^\n]*(?:\n|\Z))+")
_EMPTY_LINES = re.compile(r"(?:[ \t]*\r?\n)+")


@dataclass(frozen=True, slots=True)
class Written:
    """A config.toml as it was when it was read."""

    path: Path
    data: bytes

    @property
    def text(self) -> str:
        return self.data.decode("utf-8-sig")


def read_written(path: Path) -> Written:
    """Read a file that `config.load` has accepted. Raises UsageError where it can't be read (any more)."""
    path = Path.cwd() / path
    try:
        data = path.read_bytes()
        data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(str(path), f"can't be read: {error}") from error
    return Written(path, data)


def with_sources(text: str, tables: Sequence[Table]) -> str:
    """Return the text with further [[sources]], after those that it has."""
    tables = [_escaped(table) for table in tables]
    wanted = _document(text)
    wanted[KIND] = [*wanted.get(KIND, []), *tables]
    return _as_meant(text, wanted, _additions(text, tables), "\n".join(map(as_lines, tables)))


def without_source(text: str, slug: str) -> tuple[str, str]:
    """Return the text without a source, and the lines that went. Comments around it stay."""
    wanted, spans = _document(text), key_spans(text)
    number = _number(wanted, slug)
    del wanted[KIND][number]
    if (KIND,) not in spans.values and not wanted[KIND]:
        del wanted[KIND]
    start, end = _extent(text, spans, number)
    return _as_meant(text, wanted, [_removal(text, spans, number)], "the other sources"), text[start:end]


def with_key(text: str, slug: str, key: str, value: Value) -> str:
    """Return the text with a key of a source set, in its place where it is there already."""
    wanted, spans, value = _document(text), key_spans(text), _plain(value)
    number = _number(wanted, slug)
    wanted[KIND][number][key] = value
    pair = f"{key} = {spelled(value)}"
    return _as_meant(text, wanted, [_setting(text, spans, number, key, value)], pair)


def as_lines(table: Table) -> str:
    """A source as it is written into the file."""
    return "[[sources]]\n" + "".join(f"{key} = {spelled(value)}\n" for key, value in table.items())


def spelled(value: Value) -> str:
    """A value in TOML. Its JSON is that (https://toml.io/en/v1.0.0#string), but for DEL."""
    if isinstance(value, str | bool):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return f"[{', '.join(map(spelled, value))}]"


def replace_config(written: Written, text: str, env: Mapping[str, str] | None = None) -> Config:
    """Put a changed text in the file's place, all at once, and return what it says.

    Raises ConfigError where the new text would not load, UsageError where the file was changed since it was read or
    can't be written; the file is as it was then.
    """
    try:
        loaded = load_text(text, written.path, env)
        data = text.encode()
    except ConfigError as error:
        raise ConfigError(f"{written.path} with this change", error.problems) from error
    except UnicodeEncodeError as error:
        raise UsageError(str(written.path), "what was to be written is no text", hint="use UTF-8") from error
    place = written.path.resolve()  # a link stays one
    try:
        _replace(place, written.data, (MARK if written.data.startswith(MARK) else b"") + data)
    except OSError as error:
        raise UsageError(str(place), f"can't be written: {(error.strerror or str(error)).lower()}",
                         hint="nothing was changed") from error
    return loaded


def _replace(place: Path, old: bytes, new: bytes) -> None:
    status = place.stat()
    descriptor, name = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - the file is open already
            file.write(new)
            os.fchmod(descriptor, status.st_mode & 0o7777)
            if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
                with suppress(PermissionError):  # root must not take the file away from the account that runs the site
                    os.fchown(descriptor, status.st_uid, status.st_gid)
            file.flush()
            os.fsync(descriptor)
        if place.read_bytes() != old:
            raise UsageError(str(place), "was changed by somebody else meanwhile, and is left as it is",
                             hint="try again")
        Path(name).replace(place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _as_meant(text: str, wanted: Mapping[str, Any], candidates: Sequence[list[_EDIT]], shown: str) -> str:
    for edits in candidates:
        changed = _applied(text, edits)
        with suppress(tomllib.TOMLDecodeError):
            if tomllib.loads(changed) == wanted:
                return changed
    raise UsageError("config.toml", "is written in a way that can't be changed by a program",
                     hint=f"write into it yourself: {shown}")


def _applied(text: str, edits: Sequence[_EDIT]) -> str:
    for start, end, instead in sorted(edits, reverse=True):
        text = text[:start] + instead + text[end:]
    return text


def _additions(text: str, tables: Sequence[Table]) -> list[list[_EDIT]]:
    """Where new sources may go, the best place first: behind the last one, where one is commented out, at the end."""
    spans = key_spans(text)
    if (KIND,) in spans.values:
        return [_into_array(text, spans, tables)]
    indent = ""
    if numbers := _numbers(spans.headers):
        places = [_end_of_paragraph(text, _extent(text, spans, numbers[-1])[1])]
        indent = _indent(text, spans.headers[KIND, numbers[-1]][0])
    else:
        places = [_end_of_comments(text, found.start()) for found in reversed([*_COMMENTED_OUT.finditer(text)])]
    return [[_block(text, at, indent, tables)] for at in (*places, len(text))]


def _block(text: str, at: int, indent: str, tables: Sequence[Table]) -> _EDIT:
    """New tables, parted by an empty line from what stands before and after them."""
    newline, before, after = _newline(text), text[:at], text[at:]
    lines = "\n".join(as_lines(table) for table in tables).splitlines()
    block = "".join((indent + line if line else "") + newline for line in lines)
    gap = newline if before.endswith("\n") else newline * 2
    if not before.strip() or before.endswith(("\n\n", "\n\r\n")):
        gap = ""
    return at, at, gap + block + (newline if after and not _EMPTY_LINES.match(after) else "")


def _into_array(text: str, spans: Spans, tables: Sequence[Table]) -> list[_EDIT]:
    """sources = [{ … }, { … }]: one more of them, on a line of its own where the others have one."""
    start, end = spans.values[(KIND,)]
    close, newline = end - 1, _newline(text)
    inner = [f"{{ {', '.join(f'{key} = {spelled(value)}' for key, value in table.items())} }}" for table in tables]
    last, indent, comma = start + 1, "  ", ""
    if numbers := _numbers(spans.values):
        first, last = spans.values[KIND, numbers[-1]]
        indent = _indent(text, first)
        comma, last = ("", behind) if (behind := _comma(text, last)) else (",", last)
    line = text.rfind("\n", 0, close) + 1
    if line > last and not text[line:close].strip():
        return [(line, line, "".join(f"{indent}{one},{newline}" for one in inner)), (last, last, comma)]
    return [(last, last, comma + (" " if numbers else "") + ", ".join(inner))]


def _removal(text: str, spans: Spans, number: int) -> list[_EDIT]:
    start, end = _extent(text, spans, number)
    if (KIND,) in spans.values:
        end = _comma(text, end) or end
        line, line_end = text.rfind("\n", 0, start) + 1, _line_end(text, end)
        if not text[line:start].strip() and not text[end:line_end].strip():
            return [(line, line_end, "")]
        return [(start, end + (text[end : end + 1] == " "), "")]
    before, after = text[:start], text[end:]
    if not before.strip() or before.endswith(("\n\n", "\n\r\n")):  # of two gaps one is enough
        end += len(found[0]) if (found := _EMPTY_LINES.match(after)) else 0
    return [(start, end, "")]


def _setting(text: str, spans: Spans, number: int, key: str, value: Value) -> list[_EDIT]:
    if there := spans.values.get((KIND, number, key)):
        return [(*there, spelled(value))]
    inside = [span for path, span in spans.values.items() if path[:2] == (KIND, number) and len(path) > 2]
    first, last = max(inside, key=lambda span: span[1])
    if (KIND,) in spans.values:
        return [(last, last, f", {key} = {spelled(value)}")]
    at = _line_end(text, last)
    newline = _newline(text)
    line = f"{_indent(text, first)}{key} = {spelled(value)}{newline}"
    return [(at, at, line if text[:at].endswith("\n") else newline + line)]


def _extent(text: str, spans: Spans, number: int) -> tuple[int, int]:
    """From where to where a source stands: whole lines, or what is between its braces."""
    if (KIND,) in spans.values:
        return spans.values[KIND, number]
    start, end = spans.headers[KIND, number]
    ends = [span[1] for path, span in spans.values.items() if path[:2] == (KIND, number)]
    return text.rfind("\n", 0, start) + 1, _line_end(text, max([end, *ends]))


def _end_of_paragraph(text: str, at: int) -> int:
    """Behind comments that follow a source at once, unless they stand at once before something else."""
    end = _end_of_comments(text, at)
    return end if end == len(text) or _EMPTY_LINES.match(text, end) else at


def _end_of_comments(text: str, at: int) -> int:
    found = _COMMENTS.match(text, at)
    return found.end() if found else at


def _comma(text: str, at: int) -> int:
    """One past the comma that follows, 0 where none does."""
    found = BLANKS.match(text, at)
    end = found.end() if found else at
    return end + 1 if text[end : end + 1] == "," else 0


def _line_end(text: str, at: int) -> int:
    return text.find("\n", at) + 1 or len(text)


def _indent(text: str, at: int) -> str:
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip())]


def _newline(text: str) -> str:
    return "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"


def _numbers(spans: Mapping[KeyPath, tuple[int, int]]) -> list[int]:
    return sorted(path[1] for path in spans if len(path) == 2 and path[0] == KIND and isinstance(path[1], int))


def _number(document: Mapping[str, Any], slug: str) -> int:
    for number, source in enumerate(document.get(KIND, [])):
        if source.get("slug") == slug:
            return number
    raise UsageError(f'"{slug}"', "no source in config.toml is called so", hint="`broadsheet sources` lists them")


def _document(text: str) -> dict[str, Any]:
    return tomllib.loads(text)


def _escaped(table: Table) -> Table:
    """What others wrote asks for no secret of ours: a "${" of theirs is that and no more."""
    return {key: _plain(value) for key, value in table.items()}


def _plain(value: Value) -> Value:
    if isinstance(value, bool):
        return value
    return value.replace("${", "$${") if isinstance(value, str) else [one.replace("${", "$${") for one in value]
