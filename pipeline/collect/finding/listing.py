"""A page that lists articles, to pointers: by the operator's CSS selector, or by what such pages have in common.

    tree | links that could be articles | which group of them is the list | its address, title, date and teaser

Without a selector it is a guess, and it errs on the side of fewer: links in navigation, footers, sidebars, rows of
tags and pagination never count, nor do links to other sites, and what remains must look like headlines. Pure:
nothing is fetched, and what is found is as untrusted as any Found.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urldefrag, urlsplit

from pipeline.collect.finding import teaser
from pipeline.collect.finding.findings import Listing
from pipeline.collect.finding.selector import select
from pipeline.collect.finding.sites import same_site
from pipeline.collect.finding.teaser import HEADINGS, slug_like
from pipeline.collect.pages.pagetree import base_of, page_language, page_text, page_title, page_tree
from pipeline.errors import ParseError
from pipeline.model.articles import Found
from pipeline.text.legal import one_line
from pipeline.text.urls import absolute, strip_tracking, url_key

MAX_ARTICLES = 200
MAX_LINKS = 5_000      # looked at on one page
LEAST_IN_LIST = 3      # links of one kind, for them to be a list
LEAST_HEADLINE = 12    # characters on average, for links that nothing else marks as headlines

_STRONG = 1.5          # what a link in a heading, or alone in its <article>, counts more than a bare one

# lxml's elements publish no types that would help here
Element = Any


@dataclass(frozen=True, slots=True)
class _Link:
    place: int       # in the order of the page
    anchor: Element
    url: str
    key: str
    text: str
    strong: bool     # it is in a heading, or holds one, or is in an <article>
    shape: str       # the names of the elements around it: links of one list have it in common


def read_listing(body: bytes, *, url: str, content_type: str = "", selector: str = "") -> Listing:
    """Read the articles that the page `body` at `url` lists, at most MAX_ARTICLES.

    With a `selector`, each element it means is one article: the link of its heading, else its first link (or it is
    the link, or within it), wherever that leads. Raises ParseError, and nothing else, where the page can't be read,
    the selector is no CSS or means nothing with a link, or no list is found; each with a hint.
    """
    root = page_tree(page_text(body, content_type), url)
    base = base_of(root, url)
    notes: list[str] = []
    if selector:
        places = _selected(root, selector, base, url, notes)
    else:
        listed = list_of(root, base=base, url=url)
        if not listed:
            raise ParseError(url, "is a page on which no list of articles is found",
                             hint='name the elements that hold one article each: selector = "…" in CSS')
        places = [(link.anchor, link.url, link.text) for link in listed]
    unique = list({url_key(url): (element, url, text) for element, url, text in reversed(places)}.values())[::-1]
    if len(unique) > MAX_ARTICLES:
        notes.append(f"{len(unique) - MAX_ARTICLES} of {len(unique)} articles were left out: "
                     f"only the first {MAX_ARTICLES} of a page are read")
    articles = _articles(unique[:MAX_ARTICLES], base, by_selector=bool(selector))
    return Listing(page_title(root), page_language(root), tuple(articles), tuple(notes))


def list_of(root: Element, *, base: str, url: str) -> list[_Link]:
    """Return the links of the page's list of articles in the order of the page, one for each; [] where it has none."""
    groups: defaultdict[str, list[_Link]] = defaultdict(list)
    for link in _links(root, base, url):
        groups[link.shape].append(link)
    strong = [link for group in groups.values() for link in group if link.strong]
    weak = max((g for g in groups.values() if not g[0].strong and _is_list(g)), key=_weight, default=[])
    chosen = strong if len({link.key for link in strong}) >= LEAST_IN_LIST else []
    if _weight(weak) > _weight(chosen):
        chosen = weak
    keys = {link.key for link in chosen}
    return _without_strays(_once_each(link for group in groups.values() for link in group if link.key in keys))


def _selected(
    root: Element, selector: str, base: str, url: str, notes: list[str]
) -> list[tuple[Element, str, str]]:
    elements = select(root, selector, subject=url)
    if not elements:
        raise ParseError(url, f"the selector {selector!r} means nothing on this page",
                         hint="the page may have changed, or makes its list with JavaScript, which is not run")
    places = []
    for element in elements[:MAX_LINKS]:
        anchor = _anchor_of(element, base)
        if anchor is not None:
            places.append((element, strip_tracking(absolute(anchor.get("href"), base)), ""))
    if not places:
        raise ParseError(url, f"the selector {selector!r} means {len(elements)} elements without a link",
                         hint="name the elements that hold an article's headline and link, or the link itself")
    if len(places) < len(elements):
        notes.append(f"{len(elements) - len(places)} of the {len(elements)} selected elements have no link "
                     "and were left out")
    return places


def _anchor_of(element: Element, base: str) -> Element | None:
    """The link of the element's heading, else its first link, else the link that it stands in."""
    headed = [a for heading in element.iter(*HEADINGS) for a in heading.iter("a")]
    around = (a for a in element.iterancestors("a"))
    for anchor in (*headed, *element.iter("a"), *around):
        if absolute(anchor.get("href") or "", base):
            return anchor
    return None


def _links(root: Element, base: str, url: str) -> Iterator[_Link]:
    """Yield what could be an article's link: headline-like, on the same site, outside of the page's furniture."""
    own = url_key(url)
    furniture = teaser.furniture_of(root)
    seen = 0
    for anchor in root.iter("a"):
        href = anchor.get("href")
        if not href or href.startswith("#"):
            continue
        seen += 1
        if seen > MAX_LINKS:
            return
        address = urldefrag(strip_tracking(absolute(href, base)))[0]
        if not address or not same_site(address, url) or not teaser.could_be_article(address):
            continue
        key = url_key(address)
        around = list(anchor.iterancestors())
        if key == own or any(element in furniture for element in around) or anchor in furniture:
            continue
        headed = any(element.tag in HEADINGS for element in around)
        text = teaser.headline(anchor, headed=headed)
        if not text:
            continue
        strong = headed or next(anchor.iter(*HEADINGS), None) is not None or any(
            element.tag == "article" or teaser.is_entry(element) for element in around)
        yield _Link(seen, anchor, address, key, text, strong, "/".join([str(e.tag) for e in around] + _classes(anchor)))


def _classes(anchor: Element) -> list[str]:
    """The class of a link and of what holds it: two lists of the same elements differ in it, two items of one don't."""
    parent = anchor.getparent()
    return [(anchor.get("class") or "").partition(" ")[0], (parent.get("class") or "").partition(" ")[0]]


def _is_list(group: list[_Link]) -> bool:
    by_key = {link.key: link for link in group}
    average = sum(len(link.text) for link in by_key.values()) / len(by_key)
    telling = sum(slug_like(link.url) for link in by_key.values())
    return len(by_key) >= LEAST_IN_LIST and average >= LEAST_HEADLINE and telling * 2 >= len(by_key)


def _weight(group: Iterable[_Link]) -> float:
    longest: dict[str, float] = {}
    for link in group:
        weight = min(len(link.text), 80) * (_STRONG if link.strong else 1.0)
        longest[link.key] = max(weight, longest.get(link.key, 0.0))
    return sum(longest.values())


def _once_each(links: Iterable[_Link]) -> list[_Link]:
    """One link for each address, in the order of the page: that in a heading, else that with the longest text."""
    best: dict[str, _Link] = {}
    for link in links:
        known = best.get(link.key)
        if known is None or _rank(link) > _rank(known):
            best[link.key] = link
    return sorted(best.values(), key=lambda link: link.place)


def _rank(link: _Link) -> tuple[bool, int]:
    headed = any(e.tag in HEADINGS for e in link.anchor.iterancestors())
    return headed, len(link.text)


def _without_strays(links: list[_Link]) -> list[_Link]:
    """Where most addresses look like an article's ("/2026/11/a-long-slug"), those that don't ("/services") are none."""
    telling = [link for link in links if slug_like(link.url)]
    if len(telling) >= LEAST_IN_LIST and len(telling) * 10 >= len(links) * 6:
        return telling
    return links


def _articles(places: list[tuple[Element, str, str]], base: str, *, by_selector: bool) -> Iterator[Found]:
    """Make a Found of each place. Around a guessed link, what belongs to the article is what holds no other's link."""
    owners: defaultdict[Element, set[str]] = defaultdict(set)
    for element, url, _ in places:
        for around in (element, *element.iterancestors()):
            owners[around].add(url)
    for element, url, text in places:
        home = element
        if not by_selector:
            while (parent := home.getparent()) is not None and len(owners[parent]) == 1 and parent.tag != "body":
                home = parent
        title = text or teaser.title_in(home)
        published = teaser.date_in(home) or _date_of_address(url)
        yield Found(
            one_line(title), summary=teaser.summary_in(home, title), url=url, author=teaser.author_in(home),
            published_at=published, image=absolute(teaser.image_in(home), base), pointer=True,
        )


def _date_of_address(url: str) -> datetime | None:
    """Many an address holds its day: /2026/11/22/a-slug."""
    parts = [part for part in urlsplit(url).path.split("/") if part]
    for year, month, day in zip(parts, parts[1:], parts[2:], strict=False):
        if len(year) == 4 and all(p.isascii() and p.isdigit() and len(p) <= 4 for p in (year, month, day)):
            try:
                return datetime(int(year), int(month), int(day), tzinfo=UTC)
            except ValueError:
                continue
    return None


