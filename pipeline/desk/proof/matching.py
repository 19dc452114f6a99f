"""Which elements a selector means: types, classes, ids and attributes, below or right in one another.

Own, because XPath, which lxml makes of selectors, takes cubic time over elements that are nested deeply. Each part of
a selector is looked for once among all elements. A selector that asks for more (an element's place among others, the
mouse) finds nothing; few mail programs know those.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from cssselect import Selector, SelectorError
from cssselect import parser as css

Specificity = tuple[int, int, int]


class Index:
    """A document's elements, to be asked for many times."""

    def __init__(self, elements: Sequence[Any]) -> None:
        self._all = elements
        self._by_class: dict[str, list[Any]] = {}
        self._by_tag: dict[str, list[Any]] = {}
        for element in elements:
            self._by_tag.setdefault(element.tag, []).append(element)
            for name in set((element.get("class") or "").split()):
                self._by_class.setdefault(name, []).append(element)

    def found(self, selector: Selector) -> Iterable[Any]:
        """The elements that it means, in document order."""
        if selector.pseudo_element is not None:
            return ()
        return self._hits(selector.parsed_tree)

    def _hits(self, tree: Any) -> list[Any]:
        if not isinstance(tree, css.CombinedSelector):
            return [element for element in self._candidates(tree) if _fits(tree, element)]
        if tree.combinator not in (" ", ">"):
            return []
        above = self._hits(tree.selector)
        right = [element for element in self._candidates(tree.subselector) if _fits(tree.subselector, element)]
        if tree.combinator == ">":
            parents = set(above)
            return [element for element in right if element.getparent() in parents]
        below: set[Any] = set()
        for element in above if right else ():
            if element not in below:
                below.update(element.iterdescendants())
        return [element for element in right if element in below]

    def _candidates(self, tree: Any) -> Sequence[Any]:
        while not isinstance(tree, css.Element):
            if isinstance(tree, css.Class):
                return self._by_class.get(tree.class_name, ())
            if not isinstance(tree, css.Hash | css.Attrib | css.Pseudo):
                return ()
            tree = tree.selector
        return self._by_tag.get(tree.element.lower(), ()) if tree.element else self._all


@lru_cache(4_096)
def selectors(group: str) -> tuple[tuple[Selector, Specificity], ...]:
    """Each selector of a group with its specificity; none where one can't be understood (Selectors 4, 4.1)."""
    try:
        return tuple((one, one.specificity()) for one in css.parse(group))
    except SelectorError:
        return ()


def _fits(tree: Any, element: Any) -> bool:
    """Whether an element is what one part of a selector says, without what stands above it."""
    while not isinstance(tree, css.Element):
        if isinstance(tree, css.Class):
            fits = tree.class_name in (element.get("class") or "").split()
        elif isinstance(tree, css.Hash):
            fits = element.get("id") == tree.id
        elif isinstance(tree, css.Attrib):
            fits = _has(element.get(tree.attrib.lower()), tree.operator, str(tree.value.value) if tree.value else "")
        elif isinstance(tree, css.Pseudo):
            fits = ((tree.ident == "root" and element.getparent() is None)
                    or (tree.ident in ("link", "any-link") and element.tag == "a" and element.get("href") is not None))
        else:
            fits = False
        if not fits:
            return False
        tree = tree.selector
    return tree.element is None or tree.element.lower() == element.tag


def _has(value: str | None, operator: str, wanted: str) -> bool:
    """An attribute as `[name operator wanted]` says; Selectors 4, 6."""
    if value is None:
        return False
    return {
        "exists": True, "=": value == wanted, "~=": wanted in value.split(),
        "|=": value == wanted or value.startswith(f"{wanted}-"),
        "^=": bool(wanted) and value.startswith(wanted), "$=": bool(wanted) and value.endswith(wanted),
        "*=": bool(wanted) and wanted in value,
    }.get(operator, False)
