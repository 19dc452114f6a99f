"""Where on a page the article is: the element that holds the most running text and little else.

    each paragraph's worth | shared out to the elements around it | the best one | up, while that brings more text

All in two passes over the tree, so that a page of 100,000 elements costs 100,000 steps.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lxml.html import HtmlElement

from pipeline.collect.pages.boilerplate import is_named_article, names

INLINE = frozenset(
    "a abbr b bdi bdo big cite code data del dfn em font i ins kbd label mark nobr q ruby rb rt rp s samp small span "
    "strike strong sub sup time tt u var wbr img picture source br acronym".split()
)
HEADINGS = frozenset("h1 h2 h3 h4 h5 h6".split())
_PARAGRAPHS = frozenset("p pre blockquote li td dd dt".split())
_CALLED = frozenset("article content post entry body text story".split())
_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")  # a character of these is half a word
_COMMAS = re.compile("[,،、，；;]")

LEAST_RUN = 25      # characters; shorter ones are labels
WORTH_IT = 0.2       # of the prose that is there already, for it to be worth going up
MOSTLY_PROSE = 0.7   # of what comes in by going up
TEASERS = 3          # headlines that are links, every second paragraph or more often: a list of other articles
LONG_RUN = 400       # characters; a table's cell with so much is no cell of data
NAMED = 0.2          # of the page's prose: what calls itself the article holds at least so much
ALONE = 0.3          # the same, of the page's only <article>
MOST = 0.8           # of a table's prose, in one of its cells
SHARED = (1.0, 0.5, 0.2, 0.1, 0.05)  # of a paragraph's worth, to the elements around it, from the inside out


@dataclass(slots=True)
class Mass:
    """What an element weighs, all that is in it included; `run` is the text that flows in it as one paragraph."""

    run: int = 0
    run_linked: int = 0
    commas: int = 0
    chars: int = 0
    linked: int = 0
    own_prose: int = 0  # of `prose`, what flows in it and not in an element inside
    prose: int = 0      # characters of paragraphs that are no labels and no links
    worth: float = 0.0
    headings: int = 0
    teasers: int = 0    # headings that are links
    paragraphs: int = 0

    @property
    def link_share(self) -> float:
        return self.linked / self.chars if self.chars else 0.0


def measure(root: HtmlElement) -> dict[HtmlElement, Mass]:
    """Weigh `root` and everything in it."""
    elements = list(root.iter())
    masses = {element: Mass() for element in elements}
    for element in reversed(elements):
        mass = masses[element]
        tag = element.tag
        if isinstance(tag, str):
            _add(mass, element.text)
            if tag == "a" and element.get("href") is not None:
                mass.run_linked, mass.linked = mass.run, mass.chars
                mass.prose = mass.paragraphs = 0
                mass.teasers = mass.headings
            elif tag in HEADINGS:
                mass.headings += 1
                mass.teasers += mass.linked * 5 > mass.chars * 4
            elif tag not in INLINE:
                _finish(mass, tag)
        if element is root:
            break
        parent = element.getparent()
        around = masses[parent]
        if isinstance(tag, str):
            around.chars += mass.chars
            around.linked += mass.linked
            around.prose += mass.prose
            around.paragraphs += mass.paragraphs
            around.headings += mass.headings
            around.teasers += mass.teasers
            if tag in INLINE:
                around.run += mass.run
                around.run_linked += mass.run_linked
                around.commas += mass.commas
        _add(around, element.tail)
    return masses


def _add(mass: Mass, text: str | None) -> None:
    if not text or text.isspace():
        return
    text = " ".join(text.split())
    size = len(text) if text.isascii() else len(text) + len(_WIDE.findall(text))
    mass.run += size
    mass.chars += size
    mass.commas += len(_COMMAS.findall(text))


def _finish(mass: Mass, tag: str) -> None:
    own = mass.run - mass.run_linked
    if mass.run >= LEAST_RUN and own * 2 >= mass.run:
        mass.own_prose = own
        mass.prose += own
        mass.paragraphs += 1
        mass.worth = 1 + min(mass.commas, own / 40) + min(own / 100, 3)
        if tag in ("li", "dd", "dt"):
            mass.worth /= 2


def find(body: HtmlElement, masses: dict[HtmlElement, Mass]) -> HtmlElement:
    """Return the element that holds the article, `body` itself where nothing better is found."""
    named = max((e for e in masses if isinstance(e.tag, str) and is_named_article(e)), default=None,
                key=lambda e: masses[e].prose)
    whole = masses[body].prose
    if named is not None and masses[named].prose > NAMED * whole:
        return named
    large = [e for e in masses if e.tag == "article" and masses[e].prose > ALONE * whole]
    alone = large[0] if len(large) == 1 else body
    shares = _shares(alone, masses)
    if not shares:
        return body
    best = max(shares, key=lambda e: shares[e] * (1 - masses[e].link_share) * _factor(e))
    return _out_of_layout(_widened(best, alone, masses), masses)


def _shares(body: HtmlElement, masses: dict[HtmlElement, Mass]) -> dict[HtmlElement, float]:
    """What the paragraphs around which an element stands are worth to it; less, the further inside they are."""
    shares: dict[HtmlElement, float] = {}
    for element in body.iter():
        mass = masses[element]
        if not mass.worth:
            continue
        is_holder = element.tag not in _PARAGRAPHS or (element.tag in ("td", "blockquote") and mass.run > LONG_RUN)
        around = element if is_holder else element.getparent()
        for share in SHARED:
            if around is None:
                break
            shares[around] = shares.get(around, 0.0) + mass.worth * share
            if around is body:
                break
            around = around.getparent()
    return shares


def _factor(element: HtmlElement) -> float:
    return 1.2 if element.tag in ("article", "main") or not _CALLED.isdisjoint(names(element)) else 1.0


def _widened(best: HtmlElement, body: HtmlElement, masses: dict[HtmlElement, Mass]) -> HtmlElement:
    """Go up while what comes in is mostly running text; never out of an <article> or <main>."""
    here = best
    while here is not body and here.tag not in ("article", "main", "td"):
        around = here.getparent()
        if around is None:
            break
        got = masses[around].prose - masses[best].prose
        more = masses[around].chars - masses[best].chars
        teasers = masses[around].teasers - masses[best].teasers
        paragraphs = masses[around].paragraphs - masses[best].paragraphs
        is_list = teasers >= TEASERS and teasers * 2 >= paragraphs
        if got > WORTH_IT * masses[best].prose and got > MOSTLY_PROSE * more and not is_list:
            best = around
        here = around
    return best


def _out_of_layout(best: HtmlElement, masses: dict[HtmlElement, Mass]) -> HtmlElement:
    """Of a table that only places things side by side, the cell that holds the text."""
    while best.tag in ("table", "tbody", "tr"):
        inner = max(best, key=lambda e: masses[e].prose, default=None)
        if inner is None or masses[inner].prose < MOST * masses[best].prose:
            break
        best = inner
    return best
