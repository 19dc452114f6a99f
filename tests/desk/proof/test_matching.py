"""Selectors find what lxml's XPath finds, and take no time over elements in elements."""

from __future__ import annotations

from typing import Any

import pytest
from cssselect import HTMLTranslator
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from pipeline.desk.proof.matching import Index, selectors

tags = st.sampled_from(["div", "p", "a", "td"])
names = st.sampled_from(["x", "y", "x y", "z"])
attributes = st.dictionaries(st.sampled_from(["class", "id", "href", "lang"]), names, max_size=3)
compounds = st.builds(
    "".join, st.tuples(st.sampled_from(["", "div", "p", "a", "*"]), st.sampled_from(
        [".x", ".y", "#x", "[lang]", '[lang="x y"]', "[lang~=y]", "[lang^=x]", "[lang$=y]", "[lang*=z]", ":root",
         ":link"])))
groups = st.builds(lambda parts, between: "".join(f"{p}{b}" for p, b in zip(parts, [*between, ""], strict=False)),
                   st.lists(compounds, min_size=1, max_size=3), st.lists(st.sampled_from([" ", " > "]), min_size=2,
                                                                         max_size=2)).map(lambda s: s.rstrip("> "))
trees = st.recursive(
    st.tuples(tags, attributes, st.just(())),
    lambda inner: st.tuples(tags, attributes, st.lists(inner, max_size=3).map(tuple)), max_leaves=12)


def build(tree: tuple[str, dict[str, str], tuple[Any, ...]]) -> Any:
    element = etree.Element(tree[0], tree[1])
    element.extend(build(child) for child in tree[2])
    return element


@pytest.mark.parametrize("selector", [
    "div p", "div > p", "div > a p", "div a > p", "[lang|=en]", "[lang|=e]", "p[lang]:root", "a:link", "DIV P",
    ".x .x p", "#x p", "div div > p", "div > div p", "*", "div *", ".x.y", "[lang~=''] , [lang^='']",
])
def test_what_is_found_below_and_beside_is_what_xpath_finds(selector: str) -> None:
    root = etree.fromstring(
        '<div class="x"><a lang="en-GB"><b class="x y"><p lang="en"/></b></a><div id="x"><div><p class="x"/></div>'
        '<p lang="english"/></div><a href="#"><p/></a></div>')
    index = Index(list(root.iter()))
    for one, _ in selectors(selector):
        assert list(index.found(one)) == root.getroottree().xpath(HTMLTranslator().selector_to_xpath(one))


@given(trees, groups)
def test_what_is_found_is_what_xpath_finds(tree: Any, group: str) -> None:
    root = build(tree)
    elements = list(root.iter())
    ((selector, _),) = selectors(group)
    path = HTMLTranslator().selector_to_xpath(selector)
    assert list(Index(elements).found(selector)) == root.getroottree().xpath(path)


@pytest.mark.parametrize("selector", ["p:nth-child(1)", "p + p", "p ~ p", "p:hover", "p::before", "p:not(.x)"])
def test_what_asks_for_more_finds_nothing(selector: str) -> None:
    root = etree.fromstring("<div><p/><p/></div>")
    index = Index(list(root.iter()))
    assert [list(index.found(one)) for one, _ in selectors(selector)] == [[]]


def test_what_is_no_selector_is_none() -> None:
    assert selectors("p >") == selectors("") == selectors("@x") == ()
