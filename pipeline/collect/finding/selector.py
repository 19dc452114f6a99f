"""Which elements of a page a CSS selector means, in time that grows with the page and no faster.

A selector is the operator's, but the page is a stranger's: as XPath, "div div div div div div" on a page that nests
100 deep, or "* ~ *" on 20,000 siblings, takes minutes, and nothing can stop libxml2 in it. So each element is asked
from right to left, and what was found out about its ancestors and elder siblings is remembered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from cssselect import SelectorError
from cssselect.parser import parse, parse_series
from lxml import etree

from pipeline.errors import ParseError

MAX_SELECTOR = 500  # characters

_NTH = {
    "nth-child": (False, False), "nth-last-child": (True, False),
    "nth-of-type": (False, True), "nth-last-of-type": (True, True),
}
_PLACES = {
    "first-child": (("nth-child", 1),), "last-child": (("nth-last-child", 1),),
    "first-of-type": (("nth-of-type", 1),), "last-of-type": (("nth-last-of-type", 1),),
    "only-child": (("nth-child", 1), ("nth-last-child", 1)),
    "only-of-type": (("nth-of-type", 1), ("nth-last-of-type", 1)),
}
_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "=": lambda has, asked: has == asked,
    "!=": lambda has, asked: has != asked,
    "~=": lambda has, asked: asked in has.split(),
    "|=": lambda has, asked: has == asked or has.startswith(f"{asked}-"),
    "^=": lambda has, asked: asked != "" and has.startswith(asked),
    "$=": lambda has, asked: asked != "" and has.endswith(asked),
    "*=": lambda has, asked: asked != "" and asked in has,
}

# lxml's elements and cssselect's nodes publish no types that would help here
Element = Any
Node = Any
Test = Callable[[Element], bool]


def select(root: Element, selector: str, *, subject: str) -> list[Element]:
    """Return the elements below `root` (an lxml tree of HTML) that `selector` means, in document order.

    Understood is Selectors level 3 without namespaces and pseudo-elements (https://www.w3.org/TR/selectors-3/), and
    of level 4 :is(), :where() and a plain :has(). Raises ParseError, which names `subject`, for what is no selector
    or is not understood.
    """
    if len(selector) > MAX_SELECTOR:
        raise ParseError(subject, f"the selector is longer than {MAX_SELECTOR} characters")
    page = _Page(root)
    try:
        parsed = parse(selector)
        tests = [page.test(one.parsed_tree) for one in parsed if one.pseudo_element is None]
    except (SelectorError, ValueError, RecursionError) as error:
        raise ParseError(subject, f"the selector {selector!r} is no CSS that is understood here: {error}",
                         hint='for example "article h2" or ".news > li"') from error
    if len(tests) < len(parsed):
        raise ParseError(subject, f"the selector {selector!r} names a pseudo-element, which is no element of the page")
    return [element for element in page.elements if any(test(element) for test in tests)]


def check_selector(selector: str, *, subject: str) -> None:
    """Raise ParseError for what `select` would not understand, without a page."""
    select(etree.Element("html"), selector, subject=subject)


class _Page:
    """The page's elements, all held: lxml gives an element another face each time, unless one is kept."""

    def __init__(self, root: Element) -> None:
        self.elements: list[Element] = list(root.iter(etree.Element))
        self._places: dict[tuple[Element, str], dict[Element, int]] = {}

    def test(self, node: Node) -> Test:
        """Return the question that `node` of a parsed selector asks of an element."""
        make = getattr(self, f"_{type(node).__name__.lower()}", None)
        if make is None:
            raise ValueError(f"{type(node).__name__} is not understood")
        made: Test = make(node)
        return made

    def _element(self, node: Node) -> Test:
        if node.namespace not in (None, "*"):
            raise ValueError("namespaces are not understood")
        if node.element is None:
            return lambda _: True
        name = node.element.lower()
        return lambda element: bool(element.tag == name)

    def _class(self, node: Node) -> Test:
        rest, name = self.test(node.selector), node.class_name
        return lambda element: name in (element.get("class") or "").split() and rest(element)

    def _hash(self, node: Node) -> Test:
        rest, name = self.test(node.selector), node.id
        return lambda element: element.get("id") == name and rest(element)

    def _attrib(self, node: Node) -> Test:
        if node.namespace not in (None, "*"):
            raise ValueError("namespaces are not understood")
        rest, name = self.test(node.selector), node.attrib.lower()
        if node.operator == "exists":
            return lambda element: element.get(name) is not None and rest(element)
        compare, asked = _OPERATORS[node.operator], str(node.value.value)
        if (getattr(node, "flag", None) or "").lower() == "i":
            folded = asked.lower()
            return lambda element: compare((element.get(name) or "").lower(), folded) and rest(element)
        absent = "" if node.operator == "!=" else None
        return lambda element: (
            (has := element.get(name, absent)) is not None and compare(has, asked) and rest(element)
        )

    def _negation(self, node: Node) -> Test:
        rest, not_this = self.test(node.selector), self.test(node.subselector)
        return lambda element: rest(element) and not not_this(element)

    def _matching(self, node: Node) -> Test:
        rest, these = self.test(node.selector), [self.test(one) for one in node.selector_list]
        return lambda element: rest(element) and any(test(element) for test in these)

    _specificityadjustment = _matching  # :where() is :is() without weight, and weight plays no part here

    def _relation(self, node: Node) -> Test:
        """:has(…), within or right below."""
        rest = self.test(node.selector)
        having: set[Element] = set()
        for combinator, argument in node.arguments:
            if type(argument.parsed_tree).__name__ == "CombinedSelector":
                raise ValueError(":has() of several steps is not understood")
            test = self.test(argument.parsed_tree)
            for element in filter(test, self.elements):
                parent = element.getparent()
                if combinator.value == ">":
                    having.add(parent)
                elif combinator.value == " ":
                    while parent is not None and parent not in having:
                        having.add(parent)
                        parent = parent.getparent()
                else:
                    raise ValueError(f":has({combinator.value} …) is not understood")
        return lambda element: element in having and rest(element)

    def _combinedselector(self, node: Node) -> Test:
        before, this = self.test(node.selector), self.test(node.subselector)
        if node.combinator == ">":
            return lambda element: this(element) and _holds(before, element.getparent())
        if node.combinator == "+":
            return lambda element: this(element) and _holds(before, element.getprevious())
        step = _parent if node.combinator == " " else _previous
        known: dict[Element, bool] = {}

        def somewhere_before(element: Element) -> bool:
            """Does `before` hold for any of those that `step` leads to? Each is asked once."""
            way = []
            answer = known.get(element)
            while answer is None:
                way.append(element)
                element = step(element)
                if element is None:
                    answer = False
                elif before(element):
                    answer = True
                else:
                    answer = known.get(element)
            known.update(dict.fromkeys(way, answer))
            return answer

        return lambda element: this(element) and somewhere_before(element)

    def _pseudo(self, node: Node) -> Test:
        rest, name = self.test(node.selector), node.ident
        if name in _PLACES:
            tests = [self._nth(kind, 0, number) for kind, number in _PLACES[name]]
            return lambda element: rest(element) and all(test(element) for test in tests)
        if name == "root":
            return lambda element: element.getparent() is None and rest(element)
        if name == "empty":
            return lambda element: len(element) == 0 and not element.text and rest(element)
        if name in ("link", "any-link"):
            return lambda element: element.tag in ("a", "area") and element.get("href") is not None and rest(element)
        raise ValueError(f":{name} is not understood")

    def _function(self, node: Node) -> Test:
        rest = self.test(node.selector)
        if node.name not in _NTH:
            raise ValueError(f":{node.name}() is not understood")
        nth = self._nth(node.name, *parse_series(node.arguments))
        return lambda element: rest(element) and nth(element)

    def _nth(self, kind: str, step: int, offset: int) -> Test:
        def test(element: Element) -> bool:
            number = self._number(kind, element) - offset
            return number == 0 if step == 0 else number % step == 0 and number // step >= 0

        return test

    def _number(self, kind: str, element: Element) -> int:
        """The element's place among its siblings, from 1. All siblings are counted at once."""
        parent = element.getparent()
        if parent is None:
            return 1
        places = self._places.get((parent, kind))
        if places is None:
            places = self._places[parent, kind] = _places(parent.iterchildren(etree.Element), *_NTH[kind])
        return places[element]


def _places(children: Iterable[Element], from_the_end: bool, by_type: bool) -> dict[Element, int]:  # noqa: FBT001
    listed = list(children)
    counts: defaultdict[str, int] = defaultdict(int)
    places = {}
    for child in reversed(listed) if from_the_end else listed:
        kind = str(child.tag) if by_type else ""
        counts[kind] += 1
        places[child] = counts[kind]
    return places


def _holds(test: Test, element: Element) -> bool:
    return element is not None and test(element)


def _parent(element: Element) -> Element:
    return element.getparent()


def _previous(element: Element) -> Element:
    return element.getprevious()
