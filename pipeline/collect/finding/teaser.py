"""One article's place on a listing page: what in it is headline, date, teaser, author and picture, and what is none."""

from __future__ import annotations

import re
from datetime import datetime
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from pipeline.collect.pages import furniture
from pipeline.collect.pages.pagetree import words
from pipeline.collect.reading.dates import parse_date
from pipeline.text.legal import one_line
from pipeline.text.urls import MAX_URL

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
MAX_HEADLINE = 300    # characters
LEAST_TEASER = 40     # characters of a paragraph
MAX_TEASER = 2_000    # characters
MAX_LOOKED_AT = 300   # elements of one place that are asked for a date
MAX_READ = 100_000    # characters of them

_FURNITURE_TAGS = frozenset("nav footer aside form button select dialog".split())
_FURNITURE_ROLES = frozenset("navigation contentinfo complementary search menu menubar banner dialog".split())
_FURNITURE_CLASS = re.compile(
    r"(?:(?:site|main|page|primary|secondary|global|top|sub|post|posts|entry|article|mobile|header|footer|blog|left|right)"
    r"[-_]*)?(?:nav|navbar|navigation|menu|footer|sidebar|sidebars|breadcrumbs?|pagination|pager|tags?|tag[-_]?list|tag[-_]?cloud"
    r"|tags[-_]links|cat[-_]links|categories|category[-_]list|widgets?|widget[-_]area|related(?:[-_]\w+)?|comments?"
    r"|comment[-_]list|share|sharing|social|social[-_]links|cookie[-_]?\w*|newsletter|promo|advert\w*|masthead|toc"
    r"|skip[-_]link|most[-_](?:read|popular)|popular|trending)",
    re.IGNORECASE,
)
_FURNITURE_HOLDERS = frozenset("div section ul ol aside header p span table td dl".split())

_NO_ARTICLE = re.compile(
    r"/(?:tags?|category|categories|topics?|authors?|users?|people|profile|page|search|login|log-in|signin|sign-in|signup"
    r"|sign-up|register|account|cart|wp-admin|wp-login\.php|feeds?|rss|comments?|share|print)(?:/|$)"
    r"|^/(?:[a-z]{2}/)?(?:about|about-us|imprint|impressum|privacy|privacy-policy|datenschutz|terms|terms-of-service|jobs"
    r"|careers|help|faq|archives?|newsletter|subscribe|advertise|sitemap|support|pricing|[a-z]{2}(?:-[a-z]{2})?)/?$"
    r"|^(?:/[\w-]{1,20})?/\d{4}(?:/\d{1,2}){0,2}/?$"
    r"|/index\.(?:html?|php)$"
    r"|\.(?:jpe?g|png|gif|webp|avif|svg|mp3|mp4|m4a|webm|ogg|zip|gz|tgz|exe|dmg|css|js|json|xml|rss|atom|ics)$"
    r"|^/?$",
    re.IGNORECASE,
)
_PAGED = re.compile(r"(?:^|&)(?:page|paged|p?offset|start|replytocom|share|sort|order|tag|cat|author)=", re.IGNORECASE)
_NO_HEADLINE = re.compile(
    r"(?:read|learn|see|show|view|find out|load) (?:more|all|full \w+|the .{1,30})|continue(?: reading)?.{0,120}|more"
    r"|weiterlesen.{0,80}|mehr(?: lesen)?|l[äa]s mer.{0,60}|lire (?:la suite|plus).{0,60}|leer m[áa]s.{0,60}"
    r"|(?:older|newer|next|previous) (?:\w+)?|permalink|link|here|source|reply"
    r"|\d+ (?:comments?|replies|likes|views|shares)"
    r"|no comments|leave a comment|home|back|top|\W*|[\d\s.,:/-]+",
    re.IGNORECASE,
)
_DATE_CLASS = re.compile(r"date|time|publish|posted|meta|byline|day", re.IGNORECASE)
_DATE_IN_TEXT = re.compile(
    r"\b\d{4}-\d\d-\d\d\b|\b[A-Za-z]{3,9}\.? \d{1,2}(?:st|nd|rd|th)?,? \d{4}\b"
    r"|\b\d{1,2}(?:st|nd|rd|th|\.)? [A-Za-z]{3,9}\.?,? \d{4}\b"
)
_SLUG = re.compile(r"[^/]*[^/\d-][^/]*(?:[-_][^/]+){2,}|[^/]*\d{4,}[^/]*|[^/]{20,}")
_DATED_PATH = re.compile(r"/\d{4}/\d{1,2}/")

# lxml's elements publish no types that would help here
Element = Any


def furniture_of(root: Element) -> set[Element]:
    """Return the elements of a page that hold its navigation and such; what is within them is no article's.

    The page's own <header> counts, a <header> within an article does not. Classes count only where they are a
    whole name of their own: <body class="has-sidebar"> is no sidebar.
    """
    found = set()
    for element in root.iter():
        tag = element.tag
        if tag in _FURNITURE_TAGS or (element.get("role") or "").lower() in _FURNITURE_ROLES or (
            tag == "header" and not any(e.tag in ("article", "main", "li", "section") for e in element.iterancestors())
            and next(element.iter("h2", "h3", "article"), None) is None
        ):
            found.add(element)
        elif tag in _FURNITURE_HOLDERS:
            names = f"{element.get('class') or ''} {element.get('id') or ''}"[:500].split()
            if any(_FURNITURE_CLASS.fullmatch(name) for name in names):
                found.add(element)
    return found


def could_be_article(url: str) -> bool:
    """Say whether an address could be an article's, by itself: no tag, no page 2, no picture, no front page."""
    parts = urlsplit(url)
    if parts.path in ("", "/"):
        return bool(parts.query) and not _PAGED.search(parts.query)
    return not _NO_ARTICLE.search(parts.path) and not _PAGED.search(parts.query)


def slug_like(url: str) -> bool:
    """Say whether an address looks like an article's: a slug of several words, a number, a day."""
    parts = urlsplit(url)
    last = parts.path.rstrip("/").rpartition("/")[2]
    if _DATED_PATH.search(parts.path) or _SLUG.fullmatch(last):
        return True
    return any(character.isdigit() for character in parts.query) or any(c.isdigit() for c in last)


def is_entry(element: Element) -> bool:
    """Microformats mark an article's place: https://microformats.org/wiki/h-entry."""
    classes = (element.get("class") or "").split()
    return "h-entry" in classes or "hentry" in classes


def headline(anchor: Element, *, headed: bool = False) -> str:
    """Return a link's text where it may be a headline, else ""; of a link around a whole teaser its heading.

    A link that is `headed`, in a heading, may be short; of others one word is a topic, or an author.
    """
    heading = next(anchor.iter(*HEADINGS), None)
    headed = headed or heading is not None
    text = one_line(words(heading if heading is not None else anchor), MAX_HEADLINE * 4)
    if heading is None and len(text) > MAX_HEADLINE:
        text = one_line(next((w for e in anchor.iter() if e is not anchor and (w := words(e))), ""), MAX_HEADLINE)
    wide = any(ord(character) > 0x2E80 for character in text)
    if len(text) < (2 if headed else 4 if wide else 8) or _NO_HEADLINE.fullmatch(text) or furniture.anywhere(text):
        return ""
    if parse_date(text) is not None or (not wide and not headed and " " not in text and len(text) < 16):
        return ""
    return text


def title_in(place: Element) -> str:
    """Return the headline of a selected element: its heading's text, else that of its first link that has any."""
    for element in place.iter(*HEADINGS):
        if text := words(element):
            return text
    if place.tag != "a":
        texts = [words(anchor) for anchor in place.iter("a")]
        telling = [t for t in texts if t and not _NO_HEADLINE.fullmatch(t)]
        if text := next(iter(telling or texts), ""):
            return text
    return words(place)[:MAX_HEADLINE]


def date_in(place: Element) -> datetime | None:
    """Return when a place says its article was published: <time>, a `datetime` or `content` of a date, or a date in
    words in an element whose class says so, or that is nothing but a date."""
    for element in place.iter("time"):
        for text in (element.get("datetime") or "", words(element)):
            if when := parse_date(text):
                return when
    elements = list(islice(place.iter(), MAX_LOOKED_AT))
    for element in elements:
        stamp = element.get("datetime")
        if element.get("itemprop") in ("datePublished", "dateCreated"):
            stamp = element.get("content") or stamp or words(element)
        if stamp and (when := parse_date(stamp)):
            return when
    return _date_in_words(elements)


def _date_in_words(elements: list[Element]) -> datetime | None:
    read = 0
    for element in elements:
        if len(element) > 4:
            continue
        whole = words(element)
        read += len(whole)
        if read > MAX_READ:
            return None
        text = whole[:200]
        if when := parse_date(text):
            return when
        if _DATE_CLASS.search(element.get("class") or "") and (match := _DATE_IN_TEXT.search(text)):
            return parse_date(match[0])
    return None


def summary_in(place: Element, title: str) -> str:
    """Return the first paragraph of a place that is a teaser and not the headline, as text; "" where there is none."""
    for element in place.iter("p"):
        text = words(element)
        if len(text) >= LEAST_TEASER and text != title and not furniture.anywhere(text):
            return text[:MAX_TEASER]
    return ""


def author_in(place: Element) -> str:
    for element in place.iter():
        if "author" in (element.get("rel") or "").lower().split() or element.get("itemprop") == "author" or (
            "p-author" in (element.get("class") or "").split()
        ):
            name = words(element)
            return name.removeprefix("By ").removeprefix("by ")[:200]
    return ""


def image_in(place: Element) -> str:
    """Return the address of the first picture as it stands there, maybe relative; lazy ones keep it elsewhere."""
    for element in place.iter("img"):
        if (element.get("width") or "") in ("0", "1"):
            continue
        for name in ("data-src", "data-original", "data-lazy-src", "src"):
            source = (element.get(name) or "").strip()
            if source and not source.startswith("data:") and len(source) <= MAX_URL:
                return source
    return ""
