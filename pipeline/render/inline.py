"""CSS into style attributes: the only premailer, in a corner where it can reach nothing and break nothing.

What premailer 3.10 does by itself, and what is done about it here:

- `allow_network=False` does not stop `@import`: cssutils still opens http: and file: addresses. Its fetcher is
  replaced by one that answers with an empty sheet.
- one cache with keys that do not name the function: the text `head` as a style answers a question about the
  selector `head`, which crashes this transform or, worse, later ones. Each function gets a cache of its own.
- that cache holds 128 entries, fewer than one sheet's rules: every transform would start cold.
- `!important` and rules that match nothing are dropped: `<style data-premailer="ignore">` is kept as it is.
- it writes width, height, align, valign and bgcolor attributes, which HTML no longer allows: switched off.
- cssutils logs every property it does not know on standard error: silenced.
"""

from __future__ import annotations

import functools
import logging
import re
import threading
from collections.abc import Callable
from typing import Any, cast

import cssutils
import cssutils.util
from cssselect import SelectorError
from lxml import etree
from lxml.cssselect import CSSSelector
from premailer import merge_style, premailer

from pipeline.errors import TemplateError

CACHED_RULES = 5_000   # selectors and declarations; a rich sheet has about 200 rules
CACHED_SHEETS = 32


def inline(html: str, css: str) -> str:
    """Move the rules of `css`, and of every `<style>` that does not say data-premailer="ignore", into style attributes.

    `html` is a whole document. Whitespace and comments stay as they are. Raises TemplateError, whatever it is
    that premailer or a parser trips over.
    """
    try:
        with _one_at_a_time:
            out: str = _Premailer(
                _Present(html),
                css_text=css,
                allow_network=False,
                disable_validation=True,
                disable_basic_attributes=["width", "height", "align", "valign", "bgcolor"],
            ).transform(html, pretty_print=False)
    except Exception as error:
        raise TemplateError("CSS inlining", f"{type(error).__name__}: {error}") from error
    return out


def comment_parents(html: str) -> list[tuple[str, int]]:
    """Every comment's text in document order, with a number that is the same for comments under one parent.

    Between two comments under one parent there are whole elements only, so that taking the run out, or putting
    another one in, can't change what anything around it means.
    """
    numbers: dict[Any, int] = {}
    return [
        (comment.text or "", numbers.setdefault(comment.getparent(), len(numbers)))
        for comment in etree.fromstring(html, etree.HTMLParser()).iter(etree.Comment)
    ]


def mark_matches(html: str, selectors: list[str]) -> str:
    """The document with `data-bs="0 3"` on each element that selectors 0 and 3 match; to find what depends on order.

    Selectors that can't be understood match nothing.
    """
    root = etree.fromstring(html, etree.HTMLParser())
    for number, selector in enumerate(selectors):
        try:
            elements = cast("list[Any]", CSSSelector(selector, translator="html")(root))
        except (SelectorError, etree.XPathError):
            continue
        for element in elements:
            element.set("data-bs", f"{element.get('data-bs', '')} {number}".strip())
    return etree.tostring(root.getroottree(), method="html", encoding="unicode")


class _Present:
    """Which of a sheet's rules may match in a document: each one costs premailer a walk through all of it."""

    def __init__(self, html: str) -> None:
        self._html = html
        self._lower = html.lower()
        self._sure = not _ENCODED_CLASS.search(html)

    def may_match(self, selector: str) -> bool:
        """False only where an element or a class that the selector names stands nowhere in the document."""
        if not self._sure or not _PLAIN_SELECTOR.fullmatch(selector):
            return True
        return all(name in self._html if dot else f"<{name.lower()}" in self._lower or name.lower() in _IMPLIED
                   for dot, name in _SELECTED.findall(selector))


class _Premailer(premailer.Premailer):  # type: ignore[misc]  # premailer has no types
    """Remembers a sheet's rules: writing them out anew each time is half the cost of a transform. Those that can't
    match are left out."""

    def __init__(self, present: _Present, **settings: Any) -> None:
        super().__init__(**settings)
        self._present = present

    def _parse_style_rules(self, css_body: str, ruleset_index: int) -> tuple[list[Any], list[Any]]:
        rules, leftover = _style_rules(self, css_body, ruleset_index)
        return [rule for rule in rules if self._present.may_match(rule[1])], list(leftover)

    def _style_to_basic_html_attributes(self, *_element_and_style: Any, **_how: Any) -> None:
        """All that it would write are switched off; it would take each style apart to find that out."""


_PLAIN_SELECTOR = re.compile(r"[A-Za-z0-9_. >+~-]+")       # no escapes, attributes, ids or pseudo-classes
_SELECTED = re.compile(r"(\.?)([A-Za-z0-9_-]+)")
_ENCODED_CLASS = re.compile(r"""class\s*=\s*(?:"[^"]*&|'[^']*&|[^\s"'>]*&)""", re.IGNORECASE)
_IMPLIED = frozenset({"html", "head", "body", "p", "tbody", "colgroup"})   # a parser adds them where they are missing


_rules: dict[tuple[str, int], tuple[list[Any], list[Any]]] = {}


def _style_rules(transform: _Premailer, css_body: str, ruleset_index: int) -> tuple[list[Any], list[Any]]:
    """The settings are the same in every transform here, so a sheet and its place are the whole key."""
    key = (css_body, ruleset_index)
    if key not in _rules:
        if len(_rules) >= CACHED_SHEETS:
            _rules.clear()
        _rules[key] = premailer.Premailer._parse_style_rules(transform, css_body, ruleset_index)  # noqa: SLF001
    return _rules[key]


def _merged(inline_style: str, styles: list[Any], classes: list[str], **how: Any) -> str:
    """What premailer's `merge_styles` gives. Few elements of a letter are styled as no other is."""
    key = (inline_style, tuple(map(id, styles)), tuple(classes), *sorted(how.items()))
    known = _merges.get(key)
    if known is None:
        if len(_merges) >= CACHED_RULES:
            _merges.clear()
        # the styles are kept, so that no other can come to have one's id
        known = _merges[key] = list(styles), merge_style.merge_styles(inline_style, styles, classes, **how)
    return known[1]


_merges: dict[tuple[Any, ...], tuple[list[Any], str]] = {}


def _fetch_nothing(_url: str) -> tuple[str, str]:
    return "utf-8", ""


def _own_cache(function: Any, size: int) -> Callable[..., Any]:
    """The bare function behind premailer's shared cache, behind one of its own."""
    bare = function
    while hasattr(bare, "__wrapped__"):
        bare = bare.__wrapped__
    return functools.lru_cache(size)(bare)


def _tame() -> None:
    cssutils.util._defaultFetcher = _fetch_nothing  # noqa: SLF001 - there is no public way for a default
    cssutils.log.setLevel(logging.CRITICAL + 1)
    cssutils.log.raiseExceptions = False
    pairs = _own_cache(merge_style.csstext_to_pairs, CACHED_RULES)
    pairs._lock = merge_style.csstext_to_pairs._lock  # type: ignore[attr-defined]  # noqa: SLF001 - it looks there
    merge_style.csstext_to_pairs = premailer.csstext_to_pairs = pairs
    premailer.merge_styles = _merged
    premailer._create_cssselector = _own_cache(premailer._create_cssselector, CACHED_RULES)  # noqa: SLF001
    premailer._cache_parse_css_string = _own_cache(  # noqa: SLF001
        premailer._cache_parse_css_string, CACHED_SHEETS  # noqa: SLF001
    )


_one_at_a_time = threading.Lock()  # cssutils keeps state while it parses
_tame()
