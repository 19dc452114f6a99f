"""What mail programs lack of a letter's HTML and CSS, by the data of caniemail.com.

Only what a program does not know at all is told; "partly" would be told of nearly everything. What stands inside an
@media or @supports is not looked at: a program that can't read the block leaves it out, as it is meant to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.desk.proof.finding import Finding, Severity, shown
from pipeline.desk.proof.opened import Opened
from pipeline.desk.proof.sheets import Declaration, declarations

DATA = Path(__file__).with_name("caniemail.json")

HARMLESS = {
    # what a program does without, and the letter says and shows the same
    "css-at-media": "a letter for all screens stands outside of it",
    "css-at-media-prefers-color-scheme": "light colours stand outside of it",
    "css-at-media-prefers-reduced-motion": "the same",
    "css-at-media-hover": "the same", "css-at-media-orientation": "the same",
    "css-at-media-device-pixel-ratio": "the same", "css-at-supports": "the same",
    "css-border-radius": "corners are square then", "css-box-shadow": "it is an ornament",
    "css-text-shadow": "it is an ornament", "css-letter-spacing": "words are as wide as their letters",
    "css-color-scheme": "light colours are shown", "html-meta-color-scheme": "light colours are shown",
    "css-pseudo-class-hover": "there is no mouse over a letter on paper either",
    "css-pseudo-class-active": "the same", "css-pseudo-class-focus": "the program has its own",
    "css-pseudo-class-visited": "the same", "css-pseudo-class-link": "the same",
    "css-important": "what it is stronger than is shown",
    "css-overflow-wrap": "a long word is wider than the column", "css-word-break": "the same",
    "css-word-wrap": "the same", "css-hyphens": "lines break between words",
    "css-overflow": "it is for screens that are too narrow",
    "css-max-width": "Outlook has a table of a fixed width around it, in a conditional comment",
    "css-max-height": "of the preheader, which mso-hide hides in Outlook",
    "css-table-layout": "columns are as wide as what is in them",
    "css-orphans": "it is for paper", "css-widows": "it is for paper",
    "css-text-decoration-color": "a line has the colour of its words",
    "html-bdi": "a name in another script stands by itself between signs all the same",
    "css-text-decoration-thickness": "a line has the usual thickness",
    "css-text-underline-offset": "a line is where it usually is", "css-text-wrap": "lines break where they do",
    "css-text-decoration-skip-ink": "a line goes through letters",
    "css-selector-attribute": "in letters it is for Outlook's own dark colours, which only Outlook sets",
    "html-anchor-links": "a line of the table of contents leads nowhere, and says all the same what there is",
    "html-aria-hidden": "it is for those who listen, who hear more then", "html-aria-label": "they hear the text",
    "html-aria-labelledby": "they hear the text", "html-aria-describedby": "they hear the text",
    "html-lang": "the program guesses the language", "html-role": "a table is read aloud as one",
    "html-loading-attribute": "pictures come at once",
    "html-style": "a freeze writes its rules into the elements; what stays is for screens that can do more",
}
"""Features that nobody misses where they are unknown, each with the reason."""

USUAL = frozenset({("height", "0"), ("height", "auto"), ("width", "auto"), ("display", "block"), ("display", "inline")})
"""Values that an element has, or nearly, where nobody says so."""


@dataclass(frozen=True, slots=True)
class Feature:
    slug: str
    title: str
    find: tuple[str, ...]              # as `uses` names things
    unknown_to: frozenset[int]         # numbers of programs


@dataclass(frozen=True, slots=True)
class Knowledge:
    date: str                          # of the data, "2025-09-09"
    programs: tuple[tuple[str, str, str], ...]   # (family, platform, name)
    features: tuple[Feature, ...]

    def meant(self, client: str) -> frozenset[int]:
        """The programs that a name in the config means: a family, or one of it with its platform."""
        return frozenset(number for number, (family, platform, _) in enumerate(self.programs)
                         if client in (family, f"{family}-{platform}", f"{family}-{_SHORT.get(platform, platform)}"))


_SHORT = {"outlook-com": "com"}


@cache
def knowledge() -> Knowledge:
    data = json.loads(DATA.read_text(encoding="utf-8"))
    return Knowledge(
        data["date"], tuple((family, platform, name) for family, platform, name in data["programs"]),
        tuple(Feature(slug, one["title"], tuple(one["find"]),
                      frozenset(number for number, how in enumerate(one["by"]) if how == "n"))
              for slug, one in data["features"].items()))


def check(opened: Opened, clients: Iterable[str]) -> Iterator[Finding]:
    known, found = knowledge(), uses(opened)
    wanted = frozenset[int]().union(*map(known.meant, clients))
    for feature in known.features:
        place = next((found[use] for use in feature.find if use in found), None)
        lacking = sorted(feature.unknown_to & wanted)
        if place is None or not lacking or feature.slug in HARMLESS:
            continue
        names = ", ".join(known.programs[number][2] for number in lacking)
        yield Finding("css", Severity.WARNING,
                      f"{feature.title} is unknown to {names} (caniemail.com, {known.date}); see "
                      f"https://www.caniemail.com/features/{feature.slug}/", place)


def uses(opened: Opened) -> dict[str, str]:
    """What a letter makes use of, as the data's `find` names it, each with the first place."""
    found: dict[str, str] = {}
    for element in opened.elements:
        for use in _of_element(element):
            if use not in found:
                found[use] = _place(element)
        for use in _of_declarations(_missed(element.tag, declarations(element.get("style") or ""))):
            if use not in found:
                found[use] = _place(element)
    for rule in opened.sheet.rules:
        if not rule.media:
            for use in [*_of_selector(rule.selector), *_of_declarations(rule.declarations)]:
                found.setdefault(use, shown(rule.selector))
    for name, prelude in opened.sheet.at_rules:
        place = shown(f"@{name} {prelude}")
        found.setdefault(f"at {name}", place)
        for feature in re.findall(r"[a-z-]{3,40}", prelude) if name == "media" else []:
            found.setdefault(f"media {feature}", place)
    return found


def _of_element(element: Any) -> Iterator[str]:
    yield f"element {element.tag}"
    attributes: Mapping[str, str] = element.attrib
    for name in attributes:
        yield f"attribute {name}"
    if element.tag == "a":
        href = attributes.get("href", "").strip().lower()
        if href.startswith("#") and len(href) > 1:
            yield "link #"
        elif href.startswith("mailto:"):
            yield "link mailto"
    elif element.tag == "meta":
        yield f"meta {attributes.get('name', '').lower()}"
    elif element.tag == "img":
        yield f"image {_kind(attributes.get('src', ''))}"


def _kind(source: str) -> str:
    if source[:5].lower() == "data:":
        return "data"
    try:
        return urlsplit(source).path.rpartition(".")[2].lower()[:10]
    except ValueError:
        return ""


def _missed(tag: str, declared: Iterable[Declaration]) -> Iterator[Declaration]:
    """Without what nobody misses on this very element."""
    by_name = {one.name: one.value for one in declared}
    hidden_twice = by_name.get("max-height") in ("0", "0px") and by_name.get("overflow") == "hidden"
    for one in declared:
        usual = (one.name, one.value) in USUAL or (tag, one.name, one.value) == ("pre", "white-space", "pre-wrap")
        if not usual and not (hidden_twice and (one.name, one.value) == ("display", "none")):
            yield one


def _of_declarations(declared: Iterable[Declaration]) -> Iterator[str]:
    for one in declared:
        yield f"property {one.name}"
        if one.important:
            yield "important"
        for keyword in one.keywords:
            yield f"value {one.name} {keyword}"
        for function in one.functions:
            yield f"function {function}"
        for unit in one.units:
            yield f"unit {unit}"


def _of_selector(selector: str) -> Iterator[str]:
    bare = _IN_BRACKETS.sub("[]", selector)
    if "[]" in bare:
        yield "selector attribute"
    for combinator in re.findall(r"[>+~]", re.sub(r"\([^()]*\)", "", bare)):
        yield f"combinator {combinator}"
    for pseudo in re.findall(r"::?([a-z-]+)", bare.lower()):
        yield f"pseudo {pseudo}"


def _place(element: Any) -> str:
    name = element.get("class") or element.get("id") or ""
    return f"<{element.tag}{f' {shown(name, 30)}' if name else ''}>"


_IN_BRACKETS = re.compile(r"\[[^\]]*\]")
