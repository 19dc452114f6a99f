"""CSS read: rules, declarations, colours. The only tinycss2.

It reads as CSS Syntax Module Level 3 says, so that what is broken in a sheet is skipped here as in a mail program, and
it knows every way to write a colour. cssutils, which premailer uses, does neither, and takes fifty times as long.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import tinycss2
from tinycss2.color4 import parse_color

MAX_RULES = 500
MAX_STYLE = 10_000   # characters of a style attribute
REMEMBERED = 4_096   # a letter repeats a few style attributes in every article

RGBA = tuple[float, float, float, float]
"""Each from 0 to 1."""

CURRENT, UNKNOWN = "currentcolor", "unknown"


@dataclass(frozen=True, slots=True)
class Declaration:
    name: str                        # lower case
    value: str                       # lower case, trimmed, without !important
    important: bool
    keywords: frozenset[str]         # identifiers in it
    functions: frozenset[str]        # names of functions in it, at any depth
    units: frozenset[str]            # of its numbers; "percent" for %


@dataclass(frozen=True, slots=True)
class Rule:
    selector: str                    # the whole group, "h1, h2"
    declarations: tuple[Declaration, ...]
    media: str = ""                  # the condition of the @media that it stands in, lower case; "" outside of any


@dataclass(frozen=True, slots=True)
class Sheet:
    rules: tuple[Rule, ...] = ()
    at_rules: tuple[tuple[str, str], ...] = ()   # (name, prelude) of each: ("media", "(max-width: 620px)")


def read_sheet(css: str) -> Sheet:
    """A style sheet; what is broken in it is left out, and so is what comes after MAX_RULES rules."""
    rules: list[Rule] = []
    at_rules: list[tuple[str, str]] = []
    _read(tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True), "", rules, at_rules)
    return Sheet(tuple(rules[:MAX_RULES]), tuple(at_rules))


@lru_cache(REMEMBERED)
def declarations(style: str) -> tuple[Declaration, ...]:
    """What a style attribute says; nothing where it is longer than any that means something."""
    if len(style) > MAX_STYLE:
        return ()
    return _declared(tinycss2.parse_blocks_contents(style, skip_comments=True, skip_whitespace=True))


@lru_cache(REMEMBERED)
def color(value: str) -> RGBA | str | None:
    """A colour; CURRENT; UNKNOWN for one that depends on more than is known here; None for what is none."""
    if "var(" in value:
        return UNKNOWN
    try:
        found = parse_color(value)
        if found is None or isinstance(found, str):
            return CURRENT if found else None
        red, green, blue = found.to("srgb").coordinates
    except NotImplementedError:  # lab() and its kin
        return UNKNOWN
    return (_within(red), _within(green), _within(blue), _within(found.alpha))


def first_color(value: str) -> RGBA | str | None:
    """The colour in a value that may say more: `background: #fff url(…)`."""
    for token in tinycss2.parse_component_value_list(value, skip_comments=True):
        if token.type in ("ident", "hash", "function") and (found := color(tinycss2.serialize([token]))) is not None:
            return found
    return None


def _read(nodes: Iterable[Any], media: str, rules: list[Rule], at_rules: list[tuple[str, str]]) -> None:
    for node in nodes:
        if len(rules) > MAX_RULES:
            return
        if node.type == "qualified-rule":
            content = tinycss2.parse_blocks_contents(node.content, skip_comments=True, skip_whitespace=True)
            rules.append(Rule(tinycss2.serialize(node.prelude).strip(), _declared(content), media))
        elif node.type == "at-rule":
            prelude = tinycss2.serialize(node.prelude).strip().lower()
            at_rules.append((node.lower_at_keyword, prelude))
            if node.content is not None and node.lower_at_keyword in ("media", "supports") and not media:
                inner = tinycss2.parse_rule_list(node.content, skip_comments=True, skip_whitespace=True)
                _read(inner, f"{node.lower_at_keyword} {prelude}", rules, at_rules)


def _declared(nodes: Iterable[Any]) -> tuple[Declaration, ...]:
    return tuple(one for node in nodes if node.type == "declaration" and (one := _declaration(node)))


def _declaration(node: Any) -> Declaration | None:
    """None for brackets in brackets in brackets: nothing shows those."""
    try:
        value = tinycss2.serialize(node.value).strip().lower()
    except RecursionError:
        return None
    keywords, functions, units = set(), set(), set()
    for token in _tokens(node.value):
        if token.type == "ident":
            keywords.add(token.lower_value)
        elif token.type == "function":
            functions.add(token.lower_name)
        elif token.type == "url":
            functions.add("url")
        elif token.type == "dimension":
            units.add(token.lower_unit)
        elif token.type == "percentage":
            units.add("percent")
    return Declaration(node.lower_name, value, node.important,
                       frozenset(keywords), frozenset(functions), frozenset(units))


def _tokens(values: Iterable[Any]) -> Iterator[Any]:
    """All of them, also those in functions and brackets, without recursion."""
    waiting = list(values)
    while waiting:
        token = waiting.pop()
        yield token
        waiting += getattr(token, "arguments", None) or getattr(token, "content", None) or []


def _within(value: float) -> float:
    return min(1.0, max(0.0, float(value)))
