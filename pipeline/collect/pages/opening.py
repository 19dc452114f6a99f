"""What belongs to an article and stands before its text, in a box of its own: the standfirst and the lead picture."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy

from lxml import etree
from lxml.html import HtmlElement

from pipeline.collect.pages.boilerplate import names

LEAST, MOST = 40, 600  # characters of a standfirst
SMALL = 200            # pixels; a lead picture is wider

_STANDFIRST = frozenset(
    "standfirst dek deck subtitle subheading subhead subheadline lede chapo teaser bajada summary".split())
_SMALL_NAMES = frozenset("avatar gravatar logo icon author byline thumb thumbnail badge".split())


def add_opening(article: HtmlElement, body: HtmlElement, *, title: str, description: str) -> None:
    """Put standfirst and lead picture at the top of `article`, where they stand between its title and its text.

    A standfirst is what is called one, or says what the page's description says.
    """
    own = folded(article.text_content()[: MOST * 4])
    wanted = folded(description)[:MOST]
    standfirst = picture = None
    after_title = False
    for element in _before(article, body):
        if element.tag in ("h1", "h2") and (said := folded(element.text_content())):
            after_title = after_title or said == folded(title) or element.tag == "h1"
        if standfirst is None and element.tag in ("p", "h2", "h3", "div") and len(element) < 6:
            text = folded(element.text_content()[: MOST * 2])
            named = after_title and not _STANDFIRST.isdisjoint(names(element))
            if LEAST <= len(text) <= MOST and text not in own and (
                    named or (wanted and (text == wanted or (len(text) > 80 and wanted.startswith(text[:80]))))):
                standfirst = element
        if after_title and picture is None and element.tag == "img" and _is_large(element):
            picture = element
    if picture is not None and next(article.iter("img"), None) is None:
        figure = next(picture.iterancestors("figure"), picture)
        copy = deepcopy(figure)
        copy.tail = None
        _put_first(article, copy)
    if standfirst is not None:
        paragraph = etree.Element("p")
        paragraph.text = " ".join(standfirst.text_content().split())
        _put_first(article, paragraph)


def folded(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def _before(article: HtmlElement, body: HtmlElement) -> Iterator[HtmlElement]:
    for element in body.iter():
        if element is article:
            return
        if isinstance(element.tag, str):
            yield element


def _is_large(image: HtmlElement) -> bool:
    width = re.match(r"\d{1,5}", image.get("width") or "")
    if width and int(width[0]) < SMALL:
        return False
    around = [image, *(e for e, _ in zip(image.iterancestors(), range(3), strict=False))]
    return all(_SMALL_NAMES.isdisjoint(names(e)) for e in around)


def _put_first(article: HtmlElement, element: etree._Element) -> None:
    element.tail = article.text
    article.text = None
    article.insert(0, element)
