"""The words of templates' own, by language: `templates/words/LANG.toml`.

    en.toml     read_on = "Read on"                all keys there are, and the last resort
    pt.toml     read_on = "Continuar a ler"        for pt-BR, too, where there is no pt-br.toml

The operator's folder comes before the shipped one, key by key, so a file may hold one line. A phrase has room for
what templates fill in, by name: "{count} more on the web".
"""

from __future__ import annotations

import re
import time
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from jinja2 import UndefinedError
from markupsafe import Markup, escape

from pipeline.errors import TemplateError

FOLDER = "words"
LAST_RESORT = "en"
MAX_PHRASE = 200       # characters
MAX_FILE = 100_000     # bytes
SETTLED_NS = 1_000_000_000
"""What was changed longer ago can't be changed again without getting another time: file systems' clocks are coarse."""


class Words:
    """`words.KEY` of one language, in templates. A key that is not there is an error, not an empty place."""

    __slots__ = ("_said", "language")

    def __init__(self, language: str, said: Mapping[str, str]) -> None:
        self.language = language
        self._said = said

    def __getattr__(self, key: str) -> str:
        if key.startswith("_"):
            raise AttributeError(key)
        try:
            return self._said[key]
        except KeyError:
            raise UndefinedError(f"there is no `words.{key}`{_nearest(key, self._said)}") from None


@dataclass(frozen=True, slots=True)
class _File:
    """What one file says, and what is wrong with it."""

    said: Mapping[str, str]
    problems: Sequence[TemplateError]


class Wording:
    """The words under `folders`, the first folder first. A changed file is seen."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = list(dict.fromkeys(folder.resolve() / FOLDER for folder in folders))
        self._read: dict[Path, tuple[tuple[int, int], _File]] = {}
        self._known: dict[str, tuple[Mapping[Path, int], Words]] = {}

    def words(self, language: str) -> Words:
        """The words of a language: those of its longest tag first, then of shorter ones, then English.

        Raises TemplateError with file and line for the first thing wrong in a file that they are taken from.
        """
        known = self._known.get(language)
        if known is not None and known[0] == _changed(known[0]):
            return known[1]
        said: dict[str, str] = {}
        paths = list(self._paths(_tags(language)))
        stamps = _changed((*self._folders, *paths))
        for path in reversed(paths):
            file = self._file(path)
            for problem in file.problems:
                raise problem
            said |= file.said
        words = Words(language, said)
        if max(stamps.values(), default=0) < time.time_ns() - SETTLED_NS:
            self._known[language] = stamps, words
        return words

    def problems(self) -> list[TemplateError]:
        """Everything that is wrong in any of the files."""
        found: list[TemplateError] = []
        for path in (path for folder in self._folders for path in _files(folder)):
            if _TAG.fullmatch(path.stem):
                found += self._file(path).problems
            else:
                found.append(TemplateError(str(path), "is not named by a language", hint='such as "pt.toml"'))
        return found

    def languages(self) -> list[str]:
        """Those that there are files of, in lower case."""
        return sorted({path.stem.lower() for folder in self._folders for path in _files(folder)})

    def _paths(self, tags: Iterable[str]) -> Iterable[Path]:
        for tag in tags:
            for folder in self._folders:
                yield from (path for path in _files(folder) if path.stem.lower() == tag)

    def _file(self, path: Path) -> _File:
        stat = path.stat()
        stamp = (stat.st_mtime_ns, stat.st_size)
        known = self._read.get(path)
        if known is None or known[0] != stamp:
            apart = path == self._english or not self._english.is_file()
            english = {} if apart else self._file(self._english).said
            known = self._read[path] = stamp, _read(path, english)
        return known[1]

    @property
    def _english(self) -> Path:
        """The file that says which keys there are: the shipped one, which comes last."""
        return self._folders[-1] / f"{LAST_RESORT}.toml"


def filled(phrase: str, values: Mapping[str, Any]) -> str:
    """A phrase with its places filled. ValueError where names are missing or too many."""
    return "".join(str(part) for part in _parts(phrase, values))


def filled_html(phrase: str, values: Mapping[str, Any]) -> Markup:
    """The same as HTML: the phrase and what is plain are escaped, markup stays."""
    return Markup("").join(escape(part) for part in _parts(phrase, values))


def places(phrase: str) -> list[str]:
    """The names of what is filled in, sorted."""
    return sorted(_PLACE.findall(phrase))


def _parts(phrase: str, values: Mapping[str, Any]) -> list[Any]:
    if places(phrase) != sorted(values):
        wanted = ", ".join(places(phrase)) or "nothing"
        raise ValueError(f"the words {phrase!r} are to be filled with: {wanted}")
    pieces: list[Any] = _PLACE.split(phrase)  # text, name, text, name, text
    pieces[1::2] = [values[name] for name in pieces[1::2]]
    return pieces


def _changed(paths: Iterable[Path]) -> dict[Path, int]:
    """When each of the files and folders was changed last; 0 for one that is not there. A folder is changed when a file
    comes into it or goes."""
    found = {}
    for path in paths:
        try:
            found[path] = path.stat().st_mtime_ns
        except OSError:
            found[path] = 0
    return found


def _files(folder: Path) -> list[Path]:
    """Those in the folder itself, and none that a link leads out of it for."""
    return sorted(path for path in folder.glob("*.toml") if path.is_file() and path.resolve().parent == folder)


def _read(path: Path, english: Mapping[str, str]) -> _File:
    """`english` is empty for the file that the others are held against."""
    try:
        data = path.read_bytes()
    except OSError as error:
        return _File({}, [TemplateError(str(path), f"can't be read: {error.strerror}")])
    if len(data) > MAX_FILE:
        return _File({}, [TemplateError(str(path), f"is larger than {MAX_FILE:,} bytes")])
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        return _File({}, [TemplateError(f"{path}:{line}", "is not UTF-8")])
    try:
        told = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        told_line = re.search(r"line (\d+)", str(error))  # else it is the end of the file
        at = told_line[1] if told_line else len(text.splitlines())
        return _File({}, [TemplateError(f"{path}:{at}", str(error))])
    problems = [TemplateError(f"{path}:{_line(text, key)}", cause)
                for key, phrase in told.items() if (cause := _problem(key, phrase, english))]
    return _File(told, problems)


def _problem(key: str, phrase: object, english: Mapping[str, str]) -> str:
    """What is wrong with one line, "" where nothing is."""
    if english and key not in english:
        return f"{key!r} is not one of the words{_nearest(key, english)}"
    if not isinstance(phrase, str):
        return f"{key} is not a text in quotes"
    if not phrase.strip() or len(phrase) > MAX_PHRASE or not _ONE_LINE.fullmatch(phrase):
        return f"{key} is not one line of 1 to {MAX_PHRASE} characters"
    wanted = places(english[key]) if english else places(phrase)
    if places(phrase) != wanted:
        needs = " and ".join(f"{{{name}}}" for name in wanted) or "nothing to be filled in"
        return f"{key} has to hold {needs}, each once, as in English: {english[key]!r}"
    if re.search(r"[{}]", _PLACE.sub("", phrase)):
        return f"{key} has a brace that begins or ends nothing"
    return ""


def _line(text: str, key: str) -> int:
    found = re.search(rf"""^\s*\[*\s*["']?{re.escape(key)}["']?\s*[=.\]]""", text, re.MULTILINE)
    return text.count("\n", 0, found.end()) + 1 if found else 1


def _tags(language: str) -> list[str]:
    """ "pt-BR" -> pt-br, pt, en."""
    parts = language.lower().replace("_", "-").split("-")
    tags = ["-".join(parts[:length]) for length in range(len(parts), 0, -1)]
    tags += [_ALIASES[tag] for tag in tags if tag in _ALIASES]
    return [tag for tag in dict.fromkeys([*tags, LAST_RESORT]) if tag]


def _nearest(key: str, known: Iterable[str]) -> str:
    near = get_close_matches(key, known, 1)
    return f"; did you mean {near[0]!r}?" if near else ""


_PLACE = re.compile(r"\{([a-z_]+)\}")
_ONE_LINE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_TAG = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*")
_ALIASES = {"no": "nb", "iw": "he"}
