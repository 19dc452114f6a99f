"""Errors of templates in our own words, with file and line."""

from __future__ import annotations

import re
import traceback

import jinja2

from pipeline.errors import TemplateError


class translated:  # noqa: N801 - reads as a statement: with _translated(...)
    """Jinja2's errors, and those that rise out of a template, as TemplateError with file and line."""

    def __init__(self, environment: jinja2.Environment, file: str) -> None:
        self._environment = environment
        self._file = file

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, TemplateError):
            raise self._translate(error) from error

    def _translate(self, error: Exception) -> TemplateError:
        if isinstance(error, jinja2.TemplateSyntaxError):
            return TemplateError(f"{error.filename or self._file}:{error.lineno}", error.message or "syntax error")
        if isinstance(error, jinja2.TemplateNotFound):
            return TemplateError(self._file, f"names the template {error.name!r}, which is not there")
        if isinstance(error, RecursionError):
            return TemplateError(self._file, "extends, includes or calls itself without end",
                                 hint="a template of your own has a name of its own, and a macro ends some time")
        try:
            self._environment.handle_exception()  # points the traceback at template lines, and raises it again
        except Exception as rewritten:  # noqa: BLE001 - whatever rises out of a template
            frames = [f for f in traceback.extract_tb(rewritten.__traceback__) if f.filename.endswith(_ENDINGS)]
            where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else self._file
            return TemplateError(where, cause_of(error))
        return TemplateError(self._file, cause_of(error))


def cause_of(error: Exception) -> str:
    """What is wrong, without the names that things have inside of the program."""
    text = str(error) or type(error).__name__
    if isinstance(error, AttributeError | jinja2.UndefinedError) and (found := _NO_ATTRIBUTE.search(text)):
        return f"{_named(found[1])} has no {found[2]!r}"
    return text if isinstance(error, jinja2.TemplateError) else f"{type(error).__name__}: {text}"


def line_of(error: Exception) -> int:
    """The line of a template that has no file of its own, 0 where it is not known."""
    if isinstance(error, jinja2.TemplateSyntaxError):
        return int(error.lineno)
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename in ("<template>", "<unknown>")]
    return lines[-1] or 0 if lines else 0


def _named(kind: str) -> str:
    """ "pipeline.render.views.ArticleView object" is an `article` where templates are written."""
    name = kind.removesuffix(" object").rpartition(".")[2]
    known = {"DigestPage": "page", "SimpleNamespace": "it"}
    return known.get(name, name.removesuffix("View").lower())


_NO_ATTRIBUTE = re.compile(r"'([\w. ]+)' (?:object )?has no attribute '(\w+)'")
_ENDINGS = (".j2", ".css")
