"""Lines to units: which line breaks a writer meant, and which only came from a 72-column editor.

A break is soft if the next word would not have fitted on the line any more, in a text whose lines all fit in
some 100 columns. Everything else is a hard break: a paragraph, an item, a heading.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

WRAP_COLUMNS = 100  # a text with longer lines was not wrapped
SOFT_SHARE = 0.6    # this many of the breaks within blocks must be soft for a text to count as wrapped
SLACK = 4           # columns by which editors differ: some count the line end, some never break after a dash

_BULLET = re.compile(r"\s{0,8}[-*•◦‣]\s+(?=\S)(?!\s*[-*]\s*$)(.*)")
_NUMBER = re.compile(r"\s{0,8}(\d{1,3})[.)]\s+(?=\S)(.*)")
_QUOTE = re.compile(r"\s{0,3}>\s?(.*)")
_UNDERLINE = re.compile(r"={3,}|-{3,}")
_STARS = re.compile(r"\s*(?:[*_-]\s*){3,}")


@dataclass(frozen=True, slots=True)
class Unit:
    """A paragraph, a heading or an item, on one line ("\n" where a break within it was meant)."""

    text: str
    kind: str = "line"         # line, ul, ol, quote
    number: int = 0            # of an item in a numbered list
    starts_list: bool = False
    same_block: bool = False   # no blank line before it, in a text that parts its blocks by blank lines
    underlined: bool = False   # a heading with a row of === or --- below it


def read_units(text: str) -> list[Unit]:
    """Return the units of `text`, which has "\n" as its only line end."""
    blocks = _blocks(text)
    width = _wrap_width(blocks)
    spaced = len(blocks) > 1
    units: list[Unit] = []
    for block in blocks:
        lines = _joined(block, width)
        for position, unit in enumerate(_units(lines)):
            within = spaced and position > 0 and unit.kind == "line"
            units.append(Unit(unit.text, unit.kind, unit.number, unit.kind in ("ul", "ol") and position == 0
                              and not _continues(units, unit), within, unit.underlined))
    return _with_verse(units)


def _blocks(text: str) -> list[list[str]]:
    blocks: list[list[str]] = [[]]
    for line in text.expandtabs(4).split("\n"):
        if line.strip():
            blocks[-1].append(line.rstrip())
        elif blocks[-1]:
            blocks.append([])
    return [block for block in blocks if block]


def _wrap_width(blocks: list[list[str]]) -> int:
    """Return the column at which the text was wrapped, 0 if it was not."""
    lines = [line for block in blocks for line in block]
    inner = [(a, b) for block in blocks for a, b in pairwise(block) if not _starts_unit(b)]
    width = max((len(line) for line in lines if len(line.split()) > 2), default=0)
    if not inner or width > WRAP_COLUMNS:
        return 0
    soft = sum(_is_soft(a, b, width) for a, b in inner)
    return width if soft >= SOFT_SHARE * len(inner) else 0


def _is_soft(line: str, following: str, width: int) -> bool:
    return len(line) + 1 + len(following.split(maxsplit=1)[0]) > width - SLACK


def _starts_unit(line: str) -> bool:
    return bool(_BULLET.fullmatch(line) or _NUMBER.fullmatch(line) or _QUOTE.fullmatch(line)
                or _UNDERLINE.fullmatch(line.strip()))


def _joined(block: list[str], width: int) -> list[str]:
    """Join what soft breaks parted, and an item's indented second line to its first."""
    lines = [block[0]]
    last = block[0]  # as it stands in the text: its length decides on the next break
    for line in block[1:]:
        hangs = line.startswith("  ") and bool(_BULLET.fullmatch(lines[-1]) or _NUMBER.fullmatch(lines[-1]))
        if not _starts_unit(line) and (hangs or (width and _is_soft(last, line, width))):
            lines[-1] = f"{lines[-1]} {line.strip()}"
        elif (quote := _QUOTE.fullmatch(line)) and _QUOTE.fullmatch(last):
            lines[-1] = f"{lines[-1]} {quote[1].strip()}"
        else:
            lines.append(line)
        last = line
    return lines


def _units(lines: list[str]) -> list[Unit]:
    units: list[Unit] = []
    for line in lines:
        text = line.strip()
        if units and units[-1].kind == "line" and _UNDERLINE.fullmatch(text):
            units[-1] = Unit(units[-1].text, underlined=True)
        elif _STARS.fullmatch(line):
            units.append(Unit(text))
        elif bullet := _BULLET.fullmatch(line):
            units.append(Unit(bullet[1].strip(), "ul"))
        elif number := _NUMBER.fullmatch(line):
            units.append(Unit(number[2].strip(), "ol", int(number[1])))
        elif quote := _QUOTE.fullmatch(line):
            units.append(Unit(quote[1].strip(), "quote"))
        else:
            units.append(Unit(text))
    return [unit for unit in units if unit.text]


def _continues(units: list[Unit], unit: Unit) -> bool:
    """Items with blank lines between them are one list; a numbered one as long as it counts on."""
    before = units[-1] if units else None
    return before is not None and before.kind == unit.kind and (unit.kind == "ul" or unit.number == before.number + 1)


def _with_verse(units: list[Unit]) -> list[Unit]:
    """Join three or more short hard lines of one block into one unit: an address, a verse, a signature."""
    out: list[Unit] = []
    position = 0
    while position < len(units):
        end = position + 1
        while end < len(units) and units[end].same_block and units[end].kind == "line":
            end += 1
        run = units[position:end]
        verse = len(run) >= 3 and all(u.kind == "line" and not u.underlined and len(u.text.split()) <= 12 for u in run)
        if verse and position > 0:
            out.append(Unit("\n".join(u.text for u in run)))
        else:
            out += run
        position = end
    return out
