"""Whether words can be told from what is behind them, in light and in dark: WCAG 2.2, 1.4.3 (Minimum), level AA."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import floor
from typing import Any

from pipeline.desk.proof.finding import MOST_NAMED, Finding, Severity, shown
from pipeline.desk.proof.looks import RGB, Look, Scheme, has_dark_rules, over
from pipeline.desk.proof.opened import Opened, own_text

ENOUGH, ENOUGH_LARGE = 4.5, 3.0
LARGE_PX, LARGE_BOLD_PX = 24.0, 18.66   # 18 and 14 points


@dataclass(frozen=True, slots=True)
class Pale:
    """Words that are hard to read."""

    words: str
    color: RGB
    background: RGB
    needed: float

    @property
    def ratio(self) -> float:
        return ratio(self.color, self.background)


def check(opened: Opened) -> Iterator[Finding]:
    """One finding for each pair of colours, with the first words in them."""
    yield from _findings(opened, opened.light, Scheme.LIGHT)
    if has_dark_rules(opened.sheet):  # else mail programs choose dark colours by themselves
        yield from _findings(opened, opened.dark(), Scheme.DARK)


def ratio(one: RGB, other: RGB) -> float:
    """From 1 to 21; https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _findings(opened: Opened, looks: Mapping[Any, Look], scheme: Scheme) -> Iterator[Finding]:
    found: dict[tuple[RGB, RGB, float], list[Pale]] = {}
    for element in opened.elements:
        if pale := _pale(element, looks[element]):
            found.setdefault((pale.color, pale.background, pale.needed), []).append(pale)
    for pales in list(found.values())[:MOST_NAMED]:
        first, more = pales[0], len(pales) - 1
        yield Finding(
            "contrast", Severity.WARNING,
            f'"{first.words}" is {_hex(first.color)} on {_hex(first.background)} in {scheme}: a contrast of '
            f"{floor(first.ratio * 100) / 100:.2f}, and it takes {first.needed:g} to be read"
            f"{f'; {more} more pieces have these colours' if more else ''}", first.words)
    if len(found) > MOST_NAMED:
        yield Finding("contrast", Severity.WARNING,
                      f"{len(found) - MOST_NAMED} more pairs of colours are too much alike in {scheme}")


def _pale(element: Any, look: Look) -> Pale | None:
    if not look.shown or look.color is None or look.background is None:
        return None
    words = own_text(element)
    color = over(look.color, look.background)
    if color is None or not any(char.isalnum() for char in words):
        return None
    large = look.size_px >= LARGE_PX or (look.bold and look.size_px >= LARGE_BOLD_PX)
    pale = Pale(shown(words, 40), color, look.background, ENOUGH_LARGE if large else ENOUGH)
    return pale if pale.ratio < pale.needed else None


def _luminance(color: RGB) -> float:
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _hex(color: RGB) -> str:
    return "#" + "".join(f"{round(part * 255):02x}" for part in color)
