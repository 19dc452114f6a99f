"""Where in a TOML text each key stands. tomllib knows, but does not tell.

    [[sources]]          -> ("sources", 0): line 1
    slug = "desk"        -> ("sources", 0, "slug"): line 2, its value from character 19 to 25

Reads only text that tomllib has accepted, so it need not check anything and only has to skip values rightly.
Source of the grammar: https://toml.io/en/v1.0.0
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field

KeyPath = tuple[str | int, ...]

BLANKS = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
KEY_PART = re.compile(r"""[ \t]*([A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')[ \t]*""")
# The longest first. A closing run of quotes may be up to five long: two of them belong to the text.
STRING = re.compile(r'''"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?'{3,5}|"(?:[^"\\]|\\.)*"|'[^']*\'''', re.DOTALL)
PLAIN = re.compile(r"[^,\]}#\r\n]+")


@dataclass(frozen=True, slots=True)
class Spans:
    """(first character, one past the last) of each value by its key path, and of each header by its table's."""

    values: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    headers: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)


def key_lines(text: str) -> dict[KeyPath, int]:
    """Map each key path, with indexes of arrays and of arrays of tables, to its line, counted from 1."""
    return _Scan(text).lines


def key_spans(text: str) -> Spans:
    """Return where the values and the headers of a text stand, in characters of this very text."""
    return _Scan(text).spans


def line_of(lines: Mapping[KeyPath, int], path: KeyPath) -> int:
    """The line of `path`, or of the nearest table around it that has one."""
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return 1


class _Scan:
    """One pass from the first character to the last."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[KeyPath, int] = {}
        self.spans = Spans()
        self.counted = (0, 1)  # up to which character lines were counted, and the line there
        self.counts: dict[KeyPath, int] = {}  # how many tables each array of tables has so far
        table: KeyPath = ()
        while self._skip():
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> KeyPath:
        double = self.text.startswith("[[", self.at)
        start, line = self.at, self._line()
        self.at += 2 if double else 1
        parts = self._key()
        self.at += 2 if double else 1
        path: KeyPath = (*self._inside(parts[:-1], ()), parts[-1])
        if double:
            number = self.counts.get(path, 0)
            self.counts[path] = number + 1
            self.lines.setdefault(path, line)
            path += (number,)
        self.lines.setdefault(path, line)
        self.spans.headers[path] = (start, self.at)
        return path

    def _inside(self, parts: tuple[str, ...], path: KeyPath) -> KeyPath:
        """Where the parts of a key lead: into the last table so far of each array of tables on the way."""
        for part in parts:
            path += (part,)
            self.lines.setdefault(path, self._line())
            if path in self.counts:
                path += (self.counts[path] - 1,)
        return path

    def _pair(self, table: KeyPath) -> None:
        line = self._line()
        path = table
        for part in self._key():
            path += (part,)
            self.lines.setdefault(path, line)
        self.at += 1  # the equals sign
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        self._skip()
        start, first = self.at, self.text[self.at]
        if first in "\"'":
            found = STRING.match(self.text, self.at)
            self.at = found.end() if found else len(self.text)
        elif first == "[":
            self._array(path)
        elif first == "{":
            self._inline_table(path)
        else:
            found = PLAIN.match(self.text, self.at)
            self.at = self.at + len(found[0].rstrip()) if found else len(self.text)
        self.spans.values[path] = (start, self.at)

    def _array(self, path: KeyPath) -> None:
        self.at += 1
        number = 0
        while self._skip() and self.text[self.at] != "]":
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self.lines.setdefault((*path, number), self._line())
            self._value((*path, number))
            number += 1
        self.at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self.at += 1
        while self._skip() and self.text[self.at] != "}":
            if self.text[self.at] == ",":
                self.at += 1
            else:
                self._pair(path)
        self.at += 1

    def _key(self) -> tuple[str, ...]:
        parts: list[str] = []
        while found := KEY_PART.match(self.text, self.at):
            self.at = found.end()
            written = found[1]
            parts.append(next(iter(tomllib.loads(f"{written} = 0"))) if written[0] in "\"'" else written)
            if not self.text.startswith(".", self.at):
                break
            self.at += 1
        return tuple(parts)

    def _skip(self) -> bool:
        """Step over blanks, line ends and comments; say whether anything is left."""
        found = BLANKS.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.at < len(self.text)

    def _line(self) -> int:
        at, line = self.counted
        self.counted = (self.at, line + self.text.count("\n", at, self.at))
        return self.counted[1]
