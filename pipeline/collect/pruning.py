"""What still stands in the chosen part of a page and is none of the article: around the title, at the end, in between.

In the middle of an article nearly everything belongs to it; above its first and below its last paragraph little does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml.html import HtmlElement

from pipeline.collect import furniture
from pipeline.collect.boilerplate import names
from pipeline.collect.mainpart import HEADINGS, Mass, measure
from pipeline.collect.opening import folded

MAX_LINE = 140  # characters; furniture is short

_BLOCKS = ("div", "section", "ul", "ol", "dl", "table", "header", "footer", "aside", "form", "fieldset", "article", "p",
           "h1", "h2", "h3", "h4", "h5", "h6", "figure", "center", "details", "address", "span")
_BOXES = frozenset("div section ul ol dl table header footer aside form fieldset article center".split())
_SOURCES = re.compile(
    r"(?:further reading|references|sources|notes|footnotes|bibliography|links|resources|see also|literatur|quellen"
    r"|sources et liens|fuentes|referencias|källor|bronnen|fonti|примечания|источники|参考文献|resources?.{0,20})\W*",
    re.IGNORECASE)
_NOTICE = re.compile(
    r"(?:anzeige|werbung|publicité|publicidad|pubblicità|reklame?|reklama|annons|advertentie|реклама|広告|광고|广告)\W*"
    r"|(?:lire aussi|à lire aussi|mehr zum thema|lesen sie auch|lees ook|läs också|läs mer|leggi anche|leia também"
    r"|lea también|leer también|читайте также|read also|see also|also read|read more|relacionadas?|関連記事"
    r"|à lire également)\b\s*:.{0,120}",
    re.IGNORECASE)
_META_NAMES = frozenset(
    "byline author authors date dateline meta metadata timestamp published pubdate time updated category categories "
    "kicker eyebrow readtime reading avatar tags views".split())


def prune(article: HtmlElement, *, title: str, author: str, site: str) -> None:
    """Remove furniture from `article` in place."""
    masses = measure(article)
    _drop_boxes(article, masses)
    _drop_above(article, masses, title, author, site)
    _drop_below(article, masses)
    _drop_lines(article, masses)


def _drop_boxes(article: HtmlElement, masses: dict[HtmlElement, Mass]) -> None:
    """Forms, and boxes of links without prose. Lists stay: they are judged by where they stand."""
    for element in list(article.iter(*_BOXES)):
        mass = masses.get(element)
        if mass is None or element is article or not _attached(element, article):
            continue
        if element.tag in ("form", "fieldset"):
            if mass.prose * 2 > masses[article].prose:
                element.drop_tag()
            else:
                element.drop_tree()
        elif element.tag in ("div", "section", "aside", "center") and mass.link_share > 0.66 and not (
                mass.paragraphs or _links(element) < 2 or _is_in_text(element)):
            element.drop_tree()


def _drop_above(article: HtmlElement, masses: dict[HtmlElement, Mass], title: str, author: str, site: str) -> None:
    """The page's title, what stands over it, and the short lines of byline and date under it."""
    wanted = folded(title)
    heading = next((h for h in article.iter("h1", "h2", "h3") if _same(folded(h.text_content()), wanted, h.tag)), None)
    if heading is not None and not _prose_before(heading, article, masses):
        for before in _everything_before(heading, article):
            if masses.get(before) is not None and not _has_picture(before):
                _drop(before)
        _drop(heading)
    elif heading is not None and heading.tag == "h1":
        _drop(heading)
    for element in list(article.iter(*_BLOCKS)):
        mass = masses.get(element)
        if mass is None or not _attached(element, article) or element is article:
            continue
        if mass.paragraphs and element.tag in ("p", "span"):
            break
        is_short = mass.chars <= MAX_LINE and not _has_picture(element) and not _is_in_text(element)
        if is_short and _is_byline(element, author, site):
            _drop(element)


def _is_byline(element: HtmlElement, author: str, site: str) -> bool:
    text = " ".join(element.text_content().split())
    if not text:
        return False
    words = names(element)
    bare = re.sub(r"^(?:by|von|par|por|di|door|av)\s+", "", text, flags=re.IGNORECASE).strip(" ,|·•").casefold()
    if bare and bare in (author.casefold(), site.casefold()):
        return True
    return not _META_NAMES.isdisjoint(words) or furniture.at_the_edge(text)


def _drop_below(article: HtmlElement, masses: dict[HtmlElement, Mass]) -> None:
    """What follows the last paragraph: lists of links, boxes of pictures with links, headings over nothing."""
    last = None
    order = list(article.iter())
    for element in order:
        mass = masses.get(element)
        if mass is not None and mass.worth:
            last = element
    if last is None:
        return
    after = order[order.index(last) + 1 :]
    inside = set(last.iter())
    for element in after:
        mass = masses.get(element)
        if element in inside or mass is None or not isinstance(element.tag, str) or not _attached(element, article):
            continue
        if element.tag in HEADINGS:
            goes = furniture.ends_article(" ".join(element.text_content().split()))
        else:
            is_links = element.tag in (*_BOXES, "p") and mass.link_share > 0.5 and not mass.paragraphs
            goes = is_links and not _has_sources_heading(element)
        if goes:
            _drop(element)
    for heading in reversed(list(article.iter(*HEADINGS))):
        if _nothing_after(heading, article):
            _drop(heading)
        else:
            break


def _drop_lines(article: HtmlElement, masses: dict[HtmlElement, Mass]) -> None:
    """Lines that are furniture wherever they stand: "Advertisement", "Share this", "Lire aussi : …"."""
    for element in list(article.iter("p", "div", "li", "span", "h2", "h3", "h4", "h5", "h6", "strong", "a", "section")):
        mass = masses.get(element)
        if mass is None or not 0 < mass.chars <= MAX_LINE or not _attached(element, article) or element is article:
            continue
        if next(element.iterancestors("pre"), None) is not None:
            continue
        if element.tag in ("span", "strong", "a") and not _stands_alone(element):
            continue
        text = " ".join(element.text_content().split())
        if (furniture.anywhere(text) or _NOTICE.fullmatch(text)) and not _has_picture(element):
            _drop(element)


def _stands_alone(element: HtmlElement) -> bool:
    parent = element.getparent()
    return (parent is not None and parent.tag not in ("p", "li", "td", "a", "span", "h1", "h2", "h3", "h4")
            and not (element.tail or "").strip() and not (parent.text or "").strip())


def _is_in_text(element: HtmlElement) -> bool:
    return next(element.iterancestors("blockquote", "table", "figure", "li", "pre", "dd"), None) is not None


def _links(element: HtmlElement) -> int:
    return sum(1 for _, _ in zip(element.iter("a"), range(3), strict=False))


def _has_picture(element: HtmlElement) -> bool:
    return next(element.iter("img", "video", "iframe", "audio", "pre"), None) is not None


def _has_sources_heading(element: HtmlElement) -> bool:
    """Is it a list of sources: does the heading inside or before it say so, or is it footnotes?"""
    if not {"footnotes", "footnote", "references", "endnotes", "bibliography"}.isdisjoint(names(element)):
        return True
    before = element.getprevious()
    heading = next(element.iter(*HEADINGS), None)
    if heading is None and before is not None and before.tag in (*HEADINGS, "p"):
        heading = before
    return heading is not None and bool(_SOURCES.fullmatch(" ".join(heading.text_content().split())))


def _same(heading: str, title: str, tag: str) -> bool:
    if not heading or not title:
        return False
    shorter, longer = sorted((heading, title), key=len)
    least = 0.6 if tag == "h1" else 0.8
    return heading == title or (longer.startswith(shorter) and len(shorter) > least * len(longer))


def _prose_before(heading: HtmlElement, article: HtmlElement, masses: dict[HtmlElement, Mass]) -> bool:
    around = {article, *heading.iterancestors()}
    for element in article.iter():
        if element is heading:
            return False
        mass = masses.get(element)
        if mass is not None and mass.worth and element not in around:
            return True
    return False


def _everything_before(element: HtmlElement, article: HtmlElement) -> Iterator[HtmlElement]:
    """The elements that end before `element` begins."""
    here = element
    while here is not None and here is not article:
        yield from list(here.itersiblings(preceding=True))
        here = here.getparent()


def _nothing_after(heading: HtmlElement, article: HtmlElement) -> bool:
    here = heading
    while here is not None and here is not article:
        if (here.tail or "").strip():
            return False
        for later in here.itersiblings():
            if isinstance(later.tag, str) and (_has_picture(later) or later.text_content().strip()):
                return False
        here = here.getparent()
    return True


def _attached(element: HtmlElement, article: HtmlElement) -> bool:
    """Is it still in the article? A parent may have gone."""
    return element is article or any(around is article for around in element.iterancestors())


def _drop(element: HtmlElement) -> None:
    if element.getparent() is not None and isinstance(element.tag, str):
        element.drop_tree()
