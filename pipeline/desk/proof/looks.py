"""How each element of a letter looks: colours, size, and whether it is seen at all, by its styles.

The cascade as far as mail needs it: attributes of old, style sheets by specificity, style attributes, !important; in
light, or with the rules for dark screens. Rules for other screens (`max-width`) are left out. A background that a
picture or a gradient makes is unknown, and so is what stands on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from pipeline.desk.proof.matching import Index, Specificity, selectors
from pipeline.desk.proof.sheets import (
    CURRENT,
    RGBA,
    UNKNOWN,
    Declaration,
    Rule,
    Sheet,
    color,
    declarations,
    first_color,
)

RGB = tuple[float, float, float]

LARGER = {"h1": 2.0, "h2": 1.5, "h3": 1.17, "h5": 0.83, "h6": 0.67, "small": 0.83, "big": 1.17}
BOLD = frozenset({"b", "strong", "th", "h1", "h2", "h3", "h4", "h5", "h6"})
NEVER_SEEN = frozenset({"head", "title", "style", "script", "template", "noscript"})
SIZES = {"xx-small": 9.0, "x-small": 10.0, "small": 13.0, "medium": 16.0, "large": 18.0, "x-large": 24.0,
         "xx-large": 32.0}
_OF_INTEREST = frozenset({"color", "background-color", "background", "background-image", "font-size", "font-weight",
                          "font", "display", "visibility", "opacity", "max-height"})
_DARK = re.compile(r"^media (?:(?:only )?(?:screen|all) and )?\(\s*prefers-color-scheme\s*:\s*dark\s*\)$")
_ALWAYS = re.compile(r"^(?:media (?:only )?(?:screen|all))?$")


class Scheme(StrEnum):
    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, slots=True)
class Look:
    """Of one element. A colour is None where it can't be known."""

    color: RGBA | None
    background: RGB | None
    size_px: float = 16.0
    bold: bool = False
    shown: bool = True


_PAPER = {Scheme.LIGHT: Look((0, 0, 0, 1), (1, 1, 1)), Scheme.DARK: Look((1, 1, 1, 1), (0.07, 0.07, 0.07))}
_LINK: dict[Scheme, RGBA] = {Scheme.LIGHT: (0, 0, 0.93, 1), Scheme.DARK: (0.62, 0.62, 1, 1)}


def looks(elements: Sequence[Any], sheet: Sheet, scheme: Scheme) -> dict[Any, Look]:
    """The look of each element; a parent comes before its children."""
    known: dict[Any, Look] = {}
    matched = _matched(elements, sheet, scheme)
    paper_scheme = scheme if scheme is Scheme.LIGHT or knows_dark(elements, sheet) else Scheme.LIGHT
    for element in elements:
        parent = known.get(element.getparent(), _PAPER[paper_scheme])
        known[element] = _look(element, parent, _cascade(element, matched.get(element, ())), paper_scheme)
    return known


def effort(sheet: Sheet, elements: int) -> int:
    """How many elements the selectors look at in one scheme, at most."""
    return elements * sum(len(rule.selector.split()) for rule in sheet.rules if _wanted(rule))


def has_dark_rules(sheet: Sheet) -> bool:
    return any(_DARK.match(rule.media) for rule in sheet.rules)


def knows_dark(elements: Iterable[Any], sheet: Sheet) -> bool:
    """Whether the letter says that it has colours for dark screens: then its paper is dark where it names none."""
    said = [element.get("content", "") for element in elements
            if element.tag == "meta" and element.get("name", "").lower() == "color-scheme"]
    said += [one.value for rule in sheet.rules for one in rule.declarations if one.name == "color-scheme"]
    return any("dark" in value for value in said)


_Found = tuple[Specificity, Declaration]


def _matched(elements: Sequence[Any], sheet: Sheet, scheme: Scheme) -> Mapping[Any, list[_Found]]:
    """The declarations of the sheet for each element, in the sheet's order."""
    found: dict[Any, list[_Found]] = {}
    index = Index(elements)
    for rule in sheet.rules:
        wanted = _wanted(rule)
        if not wanted or not _applies(rule.media, scheme):
            continue
        for selector, specificity in selectors(rule.selector):
            for element in index.found(selector):
                found.setdefault(element, []).extend((specificity, one) for one in wanted)
    return found


def _wanted(rule: Rule) -> list[Declaration]:
    return [one for one in rule.declarations if one.name in _OF_INTEREST]


def _applies(media: str, scheme: Scheme) -> bool:
    return bool(_ALWAYS.match(media) or (scheme is Scheme.DARK and _DARK.match(media)))


def _cascade(element: Any, matched: Iterable[_Found]) -> list[Declaration]:
    """What is declared, the strongest last."""
    style = element.get("style")
    own = [one for one in declarations(style) if one.name in _OF_INTEREST] if style else []
    rules = [one for _, one in sorted(matched, key=lambda found: found[0])]
    return [*_attributes(element), *sorted([*rules, *own], key=lambda one: one.important)]


def _attributes(element: Any) -> Iterator[Declaration]:
    """Attributes of old that say how something looks: weaker than any style."""
    for attribute, name in (("bgcolor", "background-color"), ("color", "color"), ("background", "background-image")):
        if (value := element.get(attribute)) and (attribute != "color" or element.tag == "font"):
            word = f"url({value})" if attribute == "background" else value.strip().lower()
            yield Declaration(name, word, important=False, keywords=frozenset(), functions=frozenset(),
                              units=frozenset())


def _look(element: Any, parent: Look, declared: Sequence[Declaration], scheme: Scheme) -> Look:
    last = {one.name: one.value for one in declared}
    link = element.tag == "a" and element.get("href") is not None
    look = replace(
        parent,
        shown=parent.shown and element.tag not in NEVER_SEEN and element.get("hidden") is None and not _hidden(last),
        size_px=_size(element.tag, parent.size_px, declared),
        bold=_bold(parent.bold or element.tag in BOLD, declared),
        color=_LINK[scheme] if link else parent.color,
    )
    for one in declared:
        if one.name == "color":
            look = replace(look, color=_color(one.value, look.color, parent.color))
        elif one.name.startswith("background"):
            look = replace(look, background=_background(one, look, parent.background))
    return look if look.size_px > 0 else replace(look, shown=False)


def _hidden(last: Mapping[str, str]) -> bool:
    return (last.get("display") == "none" or last.get("visibility") in ("hidden", "collapse")
            or last.get("max-height") in ("0", "0px") or _number(last.get("opacity", "1")) == 0)


def _color(value: str, now: RGBA | None, inherited: RGBA | None) -> RGBA | None:
    if value in ("inherit", "unset", CURRENT):
        return inherited
    found = color(value)
    if isinstance(found, tuple):
        return found
    return None if found == UNKNOWN else now  # a broken declaration is passed over


def _background(one: Declaration, look: Look, behind: RGB | None) -> RGB | None:
    """The colour behind an element's text after one more declaration."""
    if "url(" in one.value or "gradient(" in one.value:
        return None
    if one.name == "background-image" or one.value in ("none", "inherit", "initial", "unset"):
        return look.background if one.name == "background-image" else behind
    found = first_color(one.value)
    if found is None:
        return look.background
    if found == CURRENT:
        found = look.color
    return over(found, behind) if isinstance(found, tuple) else None


def over(top: RGBA, below: RGB | None) -> RGB | None:
    """A colour laid over another one."""
    red, green, blue, alpha = top
    if alpha == 1:
        return (red, green, blue)
    if below is None:
        return None
    mixed = [part * alpha + under * (1 - alpha) for part, under in zip((red, green, blue), below, strict=True)]
    return (mixed[0], mixed[1], mixed[2])


def _size(tag: str, inherited: float, declared: Iterable[Declaration]) -> float:
    size = inherited * LARGER.get(tag, 1.0)
    for one in declared:
        if one.name == "font-size":
            size = _length(one.value, inherited, size)
        elif one.name == "font" and (found := _IN_FONT.search(one.value)):
            size = _length(found[0], inherited, size)
    return size


def _length(value: str, inherited: float, otherwise: float) -> float:
    if value in SIZES:
        return SIZES[value]
    found = _LENGTH.fullmatch(value)
    if found is None:
        return otherwise
    factor = {"px": 1, "pt": 4 / 3, "em": inherited, "rem": 16, "%": inherited / 100, "": 0}[found[2]]
    return float(found[1]) * factor


def _bold(now: bool, declared: Iterable[Declaration]) -> bool:  # noqa: FBT001 - what it is so far
    for one in declared:
        if one.name == "font-weight":
            number = _number(one.value)
            now = one.value in ("bold", "bolder") if number is None else number >= 700
        elif one.name == "font":
            now = bool(re.search(r"\b(?:bold|bolder|[789]00)\b", one.value))
    return now


def _number(value: str) -> float | None:
    return float(value) if re.fullmatch(r"[0-9]{0,9}\.?[0-9]{1,9}", value) else None


_LENGTH = re.compile(r"([0-9]{0,9}\.?[0-9]{1,9})(px|pt|em|rem|%|)")
_IN_FONT = re.compile(r"(?<![\w.])[0-9]{0,9}\.?[0-9]{1,9}(?:px|pt|em|rem|%)")
