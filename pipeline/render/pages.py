"""Web pages from templates that come with the program. Pages are HTML always, so everything is escaped always."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pipeline.errors import BroadsheetError, TemplateError


class Pages:
    """The templates of pages under `folders`, the first folder first; each is compiled once."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._environment = ImmutableSandboxedEnvironment(
            loader=jinja2.FileSystemLoader(list(folders)), autoescape=True, undefined=jinja2.StrictUndefined,
            trim_blocks=True, lstrip_blocks=True, auto_reload=False,
        )

    def names(self) -> list[str]:
        return self._environment.list_templates(filter_func=lambda name: name.endswith(".html.j2"))

    def render(self, name: str, **values: Any) -> str:
        """The page `name`.html.j2 with these values; a name may have folders in it: "feeds/feed".

        Raises TemplateError with the file and, where known, the line, for whatever a template does wrong.
        """
        file = f"{name}.html.j2"
        try:
            return self._environment.get_template(file).render(values)
        except jinja2.TemplateSyntaxError as error:
            raise TemplateError(f"{error.filename or file}:{error.lineno}", error.message or "syntax error") from error
        except BroadsheetError:  # out of a function that the page was given: no fault of the template
            raise
        except Exception as error:  # an operator may write anything: 1 / 0, or a template that includes itself
            raise TemplateError(_where(error, file), _cause(error)) from error


def _where(error: Exception, file: str) -> str:
    """The innermost line of a template in the traceback, which Jinja2 has made to name them."""
    lines = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.endswith(".j2")]
    return f"{lines[-1].filename}:{lines[-1].lineno}" if lines else file


def _cause(error: Exception) -> str:
    if isinstance(error, jinja2.TemplateNotFound):
        return f"there is no template {error.name!r}"
    text = str(error) or type(error).__name__
    return text if isinstance(error, jinja2.TemplateError) else f"{type(error).__name__}: {text}"
