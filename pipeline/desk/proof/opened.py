"""A letter taken apart once, for all checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from pipeline.desk.proof.finding import Letter
from pipeline.desk.proof.looks import Look, Scheme, effort, looks
from pipeline.desk.proof.sheets import Sheet, read_sheet

MAX_HTML = 1_000_000
"""Bytes of HTML that are looked into; Gmail cuts a letter at a tenth of it."""

MAX_ELEMENTS = 20_000
MAX_DEPTH = 500
MAX_CSS = 200_000
MAX_EFFORT = 10_000_000   # elements that selectors look at; a few seconds
NO_SHEET = Sheet()


@dataclass(frozen=True, slots=True)
class Opened:
    """`too_large` says why there is nothing to look at; all else is then empty."""

    letter: Letter
    elements: tuple[Any, ...] = ()      # lxml's, in document order, without comments
    sheet: Sheet = NO_SHEET             # all <style> elements together
    light: Mapping[Any, Look] = field(default_factory=dict)
    too_large: str = ""

    def dark(self) -> Mapping[Any, Look]:
        return looks(self.elements, self.sheet, Scheme.DARK)

    def named(self, *names: str) -> list[Any]:
        return [element for element in self.elements if element.tag in names]

    def seen(self, element: Any) -> bool:
        return self.light[element].shown


def open_letter(letter: Letter) -> Opened:
    data = letter.html.encode("utf-8", "replace")
    if len(data) > MAX_HTML:
        return Opened(letter, too_large=f"its HTML has {len(data):,} bytes")
    if not data.strip():
        return Opened(letter)
    root = etree.fromstring(data, etree.HTMLParser(encoding="utf-8", huge_tree=True))
    elements = tuple(element for element in root.iter() if isinstance(element.tag, str)) if root is not None else ()
    if len(elements) > MAX_ELEMENTS:
        return Opened(letter, too_large=f"its HTML has {len(elements):,} elements")
    depth = _depth(elements)
    if depth > MAX_DEPTH:  # the parser leaves out what is still deeper, and mail programs have such limits too
        return Opened(letter, too_large=f"its HTML is nested {depth:,} deep")
    css = "\n".join(element.text or "" for element in elements if element.tag == "style")
    if len(css) > MAX_CSS:
        return Opened(letter, too_large=f"its style sheet has {len(css):,} characters")
    sheet = read_sheet(css)
    if effort(sheet, len(elements)) > MAX_EFFORT:
        many = f"{len(sheet.rules):,} rules for {len(elements):,} elements"
        return Opened(letter, too_large=f"its style sheet has {many}")
    return Opened(letter, elements, sheet, looks(elements, sheet, Scheme.LIGHT))


def _depth(elements: Iterable[Any]) -> int:
    depths: dict[Any, int] = {}
    for element in elements:
        depths[element] = depths.get(element.getparent(), 0) + 1
    return max(depths.values(), default=0)


def own_text(element: Any) -> str:
    """What stands in an element itself, and not in one that it holds."""
    parts = [element.text or ""]
    parts += [child.tail or "" for child in element]  # comments have tails, too
    return " ".join(" ".join(parts).split())


def shown_text(opened: Opened) -> str:
    """All words that are seen."""
    return " ".join(words for element in opened.elements if opened.seen(element) and (words := own_text(element)))


def is_address(href: str) -> bool:
    return href[:8].lower().startswith(("http://", "https://"))
