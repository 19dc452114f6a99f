"""Web pages from templates that come with the program. Pages are HTML always, so everything is escaped always."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pipeline.errors import TemplateError


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
        """The page `name`.html.j2 with these values. Raises TemplateError with the file and, where known, the line."""
        file = f"{name}.html.j2"
        try:
            return self._environment.get_template(file).render(values)
        except jinja2.TemplateSyntaxError as error:
            raise TemplateError(f"{error.filename or file}:{error.lineno}", error.message or "syntax error") from error
        except jinja2.TemplateError as error:
            raise TemplateError(file, error.message or type(error).__name__) from error
