"""How much a template may do before it counts as broken. It is an operator's own and no enemy, but a slip of the pen in
one must not keep the others waiting: what goes on and on is held like any other broken template, with its line."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

MOST_STEPS = 100_000       # of loops over `range`, in one rendering of a block
MOST_LINES = 5_000_000     # of compiled template that one rendering runs
MOST_OUTPUT = 30_000_000   # characters of one block: an article may be long, and isolated later
MOST_SECONDS = 20.0        # of one block
MOST_REPEATED = 1_000_000  # characters that "-" * 72 makes
MOST_DIGITS = 4            # of a width in "%72s"
LOOK_EVERY = 256           # pieces of output, or lines
TEMPLATES = (".j2", "<template>")   # how the names of their files end


class TooMuch(jinja2.TemplateRuntimeError):
    """A template that goes beyond a limit."""


class Counted:
    """A `range` whose steps count against what one rendering may do."""

    __slots__ = ("_range",)

    def __init__(self, *bounds: int) -> None:
        self._range = range(*bounds)

    def __len__(self) -> int:
        return len(self._range)

    def __getitem__(self, place: int) -> int:
        return self._range[place]

    def __contains__(self, number: object) -> bool:
        return number in self._range

    def __iter__(self) -> Iterator[int]:
        left = _left.get()
        for number in self._range:
            left[0] -= 1
            if left[0] < 0:
                raise TooMuch(f"loops more than {MOST_STEPS:,} times")
            yield number


class Bounded(ImmutableSandboxedEnvironment):
    """A sandbox in which an operator makes nothing endless."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: jinja2.runtime.Context, operator: str, left: Any, right: Any) -> Any:
        many = [(len(one), other) for one, other in ((left, right), (right, left))
                if isinstance(one, str | list | tuple) and isinstance(other, int)]
        if operator == "*" and any(length * times > MOST_REPEATED for length, times in many):
            raise TooMuch(f"makes more than {MOST_REPEATED:,} characters at once")
        if operator == "**" and isinstance(right, int | float) and abs(right) > 64:
            raise TooMuch("raises a number to a power above 64")
        if operator == "%" and isinstance(left, str) and _WIDE.search(left):
            raise TooMuch(f"fills up to more than {10 ** MOST_DIGITS - 1:,} characters")
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return not (isinstance(obj, str) and attr in _WIDENING) and super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        text = getattr(value, "__self__", None)
        if isinstance(text, str) and value.__name__ in _FORMATTING and _WIDE_FORMAT.search(text):
            raise TooMuch(f"fills up to more than {10 ** MOST_DIGITS - 1:,} characters")
        return super().wrap_str_format(value)


@contextmanager
def limited() -> Iterator[None]:
    """One rendering. A watch counts the lines of templates as they run, for loops and macros that give nothing and so
    are seen by nobody else; it sees no other code."""
    token, before = _left.set([MOST_STEPS]), sys.gettrace()
    sys.settrace(_Watch())
    try:
        yield
    finally:
        sys.settrace(before)
        _left.reset(token)


class _Watch:
    """A trace function (sys.settrace) for frames of templates."""

    def __init__(self) -> None:
        self._lines = 0
        self._until = time.monotonic() + MOST_SECONDS

    def __call__(self, frame: FrameType, _event: str, _value: object) -> Callable[..., Any] | None:
        return self._line if frame.f_code.co_filename.endswith(TEMPLATES) else None

    def _line(self, _frame: FrameType, event: str, _value: object) -> Callable[..., Any]:
        if event == "line":
            self._lines += 1
            if self._lines > MOST_LINES or (not self._lines % LOOK_EVERY and time.monotonic() > self._until):
                raise TooMuch(f"takes more than {MOST_LINES:,} steps, or {MOST_SECONDS:.0f} seconds")
        return self._line


def joined(pieces: Iterable[str]) -> str:
    """What a block gives, unless that is too much or takes too long. Raises TooMuch."""
    out: list[str] = []
    size, until = 0, time.monotonic() + MOST_SECONDS
    for number, piece in enumerate(pieces):
        out.append(piece)
        size += len(piece)
        if size > MOST_OUTPUT:
            raise TooMuch(f"gives more than {MOST_OUTPUT:,} characters")
        if not number % LOOK_EVERY and time.monotonic() > until:
            raise TooMuch(f"takes more than {MOST_SECONDS:.0f} seconds")
    return "".join(out)


_left: ContextVar[list[int]] = ContextVar("steps", default=[MOST_STEPS])  # noqa: B039 - a rendering sets its own
_WIDENING = frozenset({"center", "ljust", "rjust", "zfill", "expandtabs"})   # of strings, to any width
_FORMATTING = frozenset({"format", "format_map"})
_WIDE_FORMAT = re.compile(rf"\{{[^}}]*(?:\d{{{MOST_DIGITS + 1},}}|\{{)")
_WIDE = re.compile(rf"%[^a-zA-Z%]*(?:\d{{{MOST_DIGITS + 1},}}|\*)")
