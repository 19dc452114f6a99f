"""What still stands in the chosen part of a page and is none of the article: around the title, at the end, in between.

In the middle of an article nearly everything belongs to it; above its first and below its last paragraph little does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml.html import HtmlElement

from pipeline.collect.finding.sites import same_site
from pipeline.collect.pages import furniture
from pipeline.collect.pages.boilerplate import names
from pipeline.collect.pages.mainpart import HEADINGS, Mass, measure
from pipeline.collect.pages.opening import folded
from pipeline.collect.reading.dates import parse_date

MAX_LINE = 140       # characters; furniture is short
MAX_NOTICE = 400     # the same, of "The post … appeared first on …"
BEFORE_MORE = 0.4    # of the prose stands before a heading like "More stories", for what follows it to be furniture
MOSTLY_LINKS = 0.66  # of a box's text
ALL_LINKS = 0.9

_BOXES = frozenset("div section ul ol dl table header footer aside form fieldset article center".split())
_LISTS = ("ul", "ol", "dl", "table")
_BLOCKS = (*_BOXES, "p", *HEADINGS, "figure", "details", "address", "span", "b", "strong", "font", "time", "small")
_SOURCES = re.compile(
    r"(?:further reading|references|sources|notes|footnotes|bibliography|links|resources|see also|literatur|quellen"
    r"|sources et liens|fuentes|referencias|källor|bronnen|fonti|примечания|источники|参考文献|resources?.{0,20})\W*",
    re.IGNORECASE)
_NOTICE = re.compile(
    r"(?:anzeige|werbung|publicité|publicidad|pubblicità|reklame?|reklama|annons|advertentie|реклама|広告|광고|广告)\W*"
    r"|(?:lire aussi|à lire aussi|mehr zum thema|lesen sie auch|lees ook|läs också|läs mer|leggi anche|leia também"
    r"|lea también|leer también|читайте также|read also|see also|also read|read more|relacionadas?|関連記事"
    r"|à lire également)\b\s*:.{0,120}"
    r"|the post .{1,300} (?:first appeared|appeared first) on .{1,80}", re.IGNORECASE)
_MORE = re.compile(
    r"(?:more (?:from|on|in|stories|news|articles|by|like)\b.{0,60}|recommended\b.{0,40}|read (?:next|this next|more)"
    r"|(?:you (?:may|might) also|we think you).{0,40}|related\b.{0,30}|keep reading|up next|what to read next"
    r"|(?:most|also) (?:read|popular|viewed)|latest (?:news|stories|posts|articles)|popular (?:posts|stories|now)"
    r"|recent (?:posts|articles|stories)|other (?:posts|stories)|don.t miss|trending(?: now)?|from our partners"
    r"|mehr zum thema|das könnte sie auch interessieren|auch interessant|weitere artikel|à lire aussi|sur le même sujet"
    r"|lire aussi|te puede interesar|más noticias|relacionad[oa]s|leggi anche|lees ook|läs också|mer läsning"
    r"|читайте также|関連記事|leave a (?:comment|reply)|(?:\d{1,5} )?(?:comments?|responses|replies)|about the author"
    r"|join the (?:conversation|discussion))\W*", re.IGNORECASE)
_META_NAMES = frozenset(
    "byline author authors date dateline meta metadata timestamp published pubdate time updated category categories "
    "kicker eyebrow readtime reading avatar tags views".split())
_END_NAMES = frozenset("tags tag topics topic categories category filed metadata keywords".split())
_BY = re.compile(r"(?:(?:written|posted|published|updated|submitted) )?(?:by|on|von|par|por|di|door|av)\b:?\s+",
                 re.IGNORECASE)


def prune(article: HtmlElement, *, title: str, author: str, site: str, url: str) -> None:
    """Remove furniture from `article` in place. `url` is where the page stands."""
    masses = measure(article)
    _drop_boxes(article, masses)
    _drop_above(article, masses, title, author, site)
    _drop_more(article, masses)
    _drop_below(article, masses, url)
    _drop_lines(article, masses)


def _drop_boxes(article: HtmlElement, masses: dict[HtmlElement, Mass]) -> None:
    """Forms, and boxes of links without prose. Lists stay: they are judged by where they stand."""
    for element in list(article.iter(*_BOXES)):
        if element is article or not _attached(element, article):
            continue
        mass = masses[element]
        if element.tag in ("form", "fieldset"):
            if mass.prose * 2 > masses[article].prose:
                element.drop_tag()
            else:
                element.drop_tree()
        elif element.tag not in _LISTS and mass.link_share > MOSTLY_LINKS and not (
                mass.paragraphs or _links(element) < 2 or _is_in_text(element) or _is_gallery(element)):
            element.drop_tree()


def _drop_above(article: HtmlElement, masses: dict[HtmlElement, Mass], title: str, author: str, site: str) -> None:
    """The page's title, what stands over it, and the short lines of byline and date under it."""
    heading = _title_in(article, masses, folded(title))
    if heading is not None:
        if not _prose_before(heading, article, masses):
            for before in _everything_before(heading, article):
                if not _has_picture(before):
                    _drop(before)
        _drop(heading)
    for element in list(article.iter(*_BLOCKS)):
        if element is article or not _attached(element, article):
            continue
        mass = masses[element]
        if mass.paragraphs and element.tag in ("p", "span"):
            break
        is_short = mass.chars <= MAX_LINE and not _has_picture(element) and not _is_in_text(element)
        if is_short and _is_byline(element, author, site):
            _drop(element)


def _title_in(article: HtmlElement, masses: dict[HtmlElement, Mass], title: str) -> HtmlElement | None:
    """The heading that repeats the title; a line that is no heading only where it stands first and says just that."""
    if not title:
        return None
    for element in article.iter("h1", "h2", "h3"):
        if _same(folded(element.text_content()), title, element.tag) and (
                element.tag == "h1" or not _prose_before(element, article, masses)):
            return element
    for element in article.iter("p", "div", "b", "strong", "font", "span"):
        if element is article:
            continue
        if masses[element].paragraphs or masses[element].worth:
            return None
        if masses[element].chars <= MAX_LINE and folded(element.text_content()) == title:
            return element
    return None


def _is_byline(element: HtmlElement, author: str, site: str) -> bool:
    text = " ".join(element.text_content().split())
    if not text:
        return False
    bare = _BY.sub("", text).strip(" ,|·•—-")
    if bare and (bare.casefold() in (author.casefold(), site.casefold()) or parse_date(bare)):
        return True
    if not _META_NAMES.isdisjoint(names(element)) or furniture.at_the_edge(text):
        return True
    lines = [" ".join(e.text_content().split()) for e in element]  # name, date and reading time in one box
    return any(parse_date(_BY.sub("", line)) or furniture.anywhere(line) for line in lines if line)


def _drop_more(article: HtmlElement, masses: dict[HtmlElement, Mass]) -> None:
    """From a heading like "More stories" on, where the article is mostly over."""
    whole, seen = masses[article].prose, 0
    for element in article.iter():
        mass = masses.get(element)
        if mass is None:
            continue
        if element.tag in HEADINGS and mass.chars <= MAX_LINE and seen >= BEFORE_MORE * whole and (
                _MORE.fullmatch(" ".join(element.text_content().split()))):
            _drop_from(element, article, masses)
            return
        seen += mass.own_prose


def _drop_from(heading: HtmlElement, article: HtmlElement, masses: dict[HtmlElement, Mass]) -> None:
    """The box that the heading opens; without a box, what follows it, where that is links more than words."""
    box = heading
    while (around := box.getparent()) is not None and around is not article and not _words_before(box, around):
        box = around
    following = [e for e in box.itersiblings() if isinstance(e.tag, str)]
    if box is heading or box.tag == "header":
        linked = sum(masses[e].linked for e in following if e in masses)
        if linked * 4 < sum(masses[e].chars for e in following if e in masses):
            return
        for element in following:
            _drop(element)
    else:
        for element in following:  # the next boxes are of the same kind, unless they hold text of their own
            if element in masses and (masses[element].link_share > 0.2 or not masses[element].paragraphs):
                _drop(element)
    _drop(box)


def _drop_below(article: HtmlElement, masses: dict[HtmlElement, Mass], url: str) -> None:
    """What follows the last paragraph: rows of tags, boxes of pictures with links, headings over nothing."""
    order = list(article.iter())
    last = next((n for n in range(len(order) - 1, -1, -1) if (m := masses.get(order[n])) and m.worth), None)
    if last is None:
        return
    inside = set(order[last].iter())
    for element in order[last + 1 :]:
        if element not in masses or element in inside or not isinstance(element.tag, str):
            continue
        if _attached(element, article) and _is_tail(element, masses[element], url):
            _drop(element)
    for heading in reversed(list(article.iter(*HEADINGS))):
        if not _nothing_after(heading, article):
            break
        _drop(heading)


def _is_tail(element: HtmlElement, mass: Mass, url: str) -> bool:
    """Is it none of the article, where it stands below its last paragraph?"""
    if element.tag in HEADINGS:
        text = " ".join(element.text_content().split())
        return furniture.ends_article(text) or bool(_MORE.fullmatch(text))
    if element.tag not in _BOXES or mass.paragraphs or _has_sources_heading(element):
        return False
    if mass.linked and mass.chars <= MAX_NOTICE and not _END_NAMES.isdisjoint(names(element)):
        return True
    if element.tag in _LISTS:
        return mass.link_share > ALL_LINKS and not _has_heading_before(element) and _leads_on(element, url)
    return mass.link_share > 0.5 and not _is_gallery(element)


def _drop_lines(article: HtmlElement, masses: dict[HtmlElement, Mass]) -> None:
    """Lines that are furniture wherever they stand: "Advertisement", "Share this", "Lire aussi : …"."""
    for element in list(article.iter("p", "div", "li", "span", "h2", "h3", "h4", "h5", "h6", "strong", "a", "section")):
        mass = masses.get(element)
        if mass is None or not 0 < mass.chars <= MAX_NOTICE or element is article or not _attached(element, article):
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
    return (parent is not None and parent.tag not in ("p", "li", "td", "a", "span", *HEADINGS)
            and not (element.tail or "").strip() and not (parent.text or "").strip())


def _is_in_text(element: HtmlElement) -> bool:
    return next(element.iterancestors("blockquote", "table", "figure", "li", "pre", "dd"), None) is not None


def _is_gallery(element: HtmlElement) -> bool:
    """Pictures with captions that are links, and no headlines: a gallery, no row of teasers."""
    return next(element.iter("img"), None) is not None and next(element.iter(*HEADINGS), None) is None and (
        next(element.iter("figcaption", "figure"), None) is not None)


def _links(element: HtmlElement) -> int:
    return sum(1 for _, _ in zip(element.iter("a"), range(3), strict=False))


def _leads_on(element: HtmlElement, url: str) -> bool:
    """Are most of its links, of which there are a few, to pages of the same site?"""
    addresses = [a.get("href") or "" for a, _ in zip(element.iter("a"), range(20), strict=False)]
    own = [a for a in addresses if "://" not in a or same_site(a, url)]
    return len(addresses) > 2 and len(own) * 2 > len(addresses)


def _has_picture(element: HtmlElement) -> bool:
    return next(element.iter("img", "video", "iframe", "audio", "pre"), None) is not None


def _has_heading_before(element: HtmlElement) -> bool:
    """Does a heading, or a line that ends in a colon, lead to it?"""
    before = element.getprevious()
    if before is None:
        return False
    return before.tag in HEADINGS or (before.text_content().rstrip()[-1:] in (":", "："))


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
    if not heading:
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


def _words_before(element: HtmlElement, around: HtmlElement) -> bool:
    """Does `around` say, or show, anything before `element`?"""
    if (around.text or "").strip():
        return True
    return any((e.tail or "").strip() or _has_picture(e) or e.text_content().strip()
               for e in element.itersiblings(preceding=True))


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
