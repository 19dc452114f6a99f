"""What a page says of itself: JSON-LD, OpenGraph, Dublin Core and other <meta>, <link>, <time>, rel and itemprop.

Everything here is a claim, and text as it came: the door (`identify`) makes it legal, and clamps dates.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lxml.html import HtmlElement

from pipeline.collect.pages.boilerplate import names
from pipeline.collect.reading.dates import parse_date
from pipeline.text.legal import one_line
from pipeline.text.urls import absolute

MAX_BLOCKS, MAX_BLOCK = 20, 300_000  # JSON-LD scripts of a page that are read, and characters of one
MAX_OBJECTS = 500                    # of all JSON-LD
MAX_METAS = 500
MAX_AUTHORS, MAX_TOPICS = 8, 20
MAX_TITLE = 500                      # characters that are compared and cut
LEAST_TITLE = 10                     # characters of a heading below the first, for it to say where the title ends

_JSON_LD = re.compile(r"<script\b[^>]{0,300}?application/ld\+json[^>]{0,300}>", re.IGNORECASE)
_WRAPPING = re.compile(
    r"^\s*(?:<!--|(?://\s*|/\*\s*)?<!\[CDATA\[(?:\s*\*/)?)|(?:(?://\s*|/\*\s*)?\]\]>(?:\s*\*/)?|-->)\s*;?\s*$")
_PERMALINK = " #¶§🔗"
_PUBLISHED = (
    "article:published_time og:published_time og:article:published_time datepublished dc.date.issued dcterms.issued "
    "dc.date dc:date dcterms.created dc.date.created dcterms.date parsely-pub-date sailthru.date "
    "citation_publication_date citation_date pubdate publish-date publish_date publication_date date date.created "
    "displaydate").split()
_INNER = ("@graph", "mainEntity", "mainEntityOfPage", "author", "publisher", "image")
_ARTICLE = re.compile(r"(?:Article|BlogPosting|Posting|Report|Recipe|HowTo|Review|ClaimReview|Essay|PodcastEpisode)$")
_PAGE = re.compile(r"(?:WebPage|ItemPage|MedicalWebPage|FAQPage)$")
_ADDRESS = re.compile(r"https?:|//|@", re.IGNORECASE)
_BY = re.compile(r"^\s*(?:by|von|par|por|di|door|av|af|text)\b:?\s+", re.IGNORECASE)
_SEPARATOR = re.compile(r"\s+(?:[|\-–—/»·•]|::|\\)\s+|\s*[|»]\s*")
_DATED_PATH = re.compile(r"/((?:19|20)\d\d)[/-](\d\d?)[/-](\d\d?)(?:[/-]|$)")


@dataclass(slots=True)
class Said:
    """What the page says: `meta` by lower-case name, the article's JSON-LD object, its page's, and the site's."""

    meta: dict[str, list[str]] = field(default_factory=dict)
    article: dict[str, Any] = field(default_factory=dict)
    page: dict[str, Any] = field(default_factory=dict)
    by_id: dict[str, dict[str, Any]] = field(default_factory=dict)

    def first(self, *keys: str) -> str:
        return next((self.meta[key][0] for key in keys if self.meta.get(key)), "")


def read_said(root: HtmlElement, source: str) -> Said:
    """Read <meta> from the tree, and JSON-LD from `source`, the page's text with its scripts."""
    said = Said()
    for element, _ in zip(root.iter("meta"), range(MAX_METAS), strict=False):
        value = (element.get("content") or "").strip()
        keys = " ".join(element.get(attribute) or "" for attribute in ("property", "name", "itemprop")).lower()
        for key in keys.split() if value else ():
            said.meta.setdefault(key, []).append(value)
    for thing in _objects(source):
        kinds = [k for k in _list(thing.get("@type")) if isinstance(k, str)]
        if isinstance(thing.get("@id"), str):
            said.by_id.setdefault(thing["@id"], thing)
        if not said.article and any(_ARTICLE.search(kind) for kind in kinds):
            said.article = thing
        elif not said.page and any(_PAGE.search(kind) for kind in kinds):
            said.page = thing
    return said


def title(said: Said, root: HtmlElement) -> str:
    """Return the article's title: what is said to be it, else the page's title without the site's name."""
    given = _text(said.article.get("headline")) or _text(said.article.get("name")) or said.first(
        "dc:title", "dcterm:title", "dc.title", "dcterms.title", "og:title", "citation_title", "parsely-title",
        "twitter:title", "sailthru.title")
    element = root.find(".//title")
    whole = one_line(element.text_content(), MAX_TITLE) if element is not None else ""
    given = one_line(given, MAX_TITLE) or whole
    if not given:
        return next((one_line(h.text_content(), MAX_TITLE) for h in root.iter("h1")), "")
    return _without_site(given, said, root) if _SEPARATOR.search(given) else given


def author(said: Said, root: HtmlElement) -> str:
    """Return the authors' names, with commas between, "" where none is named."""
    named = [_text(_resolved(a, said)) for a in _list(said.article.get("author") or said.page.get("author"))]
    if not any(named):
        keys = ("dc:creator", "dcterm:creator", "dc.creator", "author", "article:author", "byl", "parsely-author",
                "sailthru.author", "citation_author", "og:article:author")
        told = ([v for v in said.meta.get(key, ()) if not _ADDRESS.match(v)] for key in keys)
        named = next((values for values in told if values), [])
    if not any(named):
        named = list(_bylines(root))
    clean = dict.fromkeys(name for n in named if (name := one_line(_BY.sub("", n), 200)))
    return ", ".join(list(clean)[:MAX_AUTHORS])


def published(said: Said, root: HtmlElement, url: str) -> datetime | None:
    """Return when it was published: JSON-LD, <meta>, itemprop, <time>, or the day in its address."""
    values = [_text(said.article.get("datePublished")), *(said.first(key) for key in _PUBLISHED),
              _text(said.article.get("dateCreated"))]
    values += _times(root, "datepublished", ("published", "pubdate", "entry", "dt"))
    found = next((when for value in values if (when := parse_date(value))), None)
    if found is None and (match := _DATED_PATH.search(url)):
        found = parse_date(f"{match[1]}-{int(match[2]):02}-{int(match[3]):02}")
    return found


def updated(said: Said, root: HtmlElement) -> datetime | None:
    values = [_text(said.article.get("dateModified")), *(said.first(key) for key in (
        "article:modified_time", "og:updated_time", "og:modified_time", "datemodified", "dcterms.modified",
        "dc.date.modified", "last-modified", "lastmod"))]
    values += [e.get("datetime") or e.get("content") or "" for e in _with_itemprop(root, "datemodified")]
    return next((when for value in values if (when := parse_date(value))), None)


def image(said: Said, base_url: str) -> str:
    """Return the address of the article's own picture."""
    pictures = [_address(_resolved(i, said)) for i in _list(said.article.get("image"))]
    told = said.first("og:image", "og:image:url", "og:image:secure_url", "twitter:image", "twitter:image:src",
                      "parsely-image-url")
    given = next((p for p in pictures if p), told)
    return absolute(given, base_url) if given else ""


def language(said: Said, root: HtmlElement) -> str:
    html = next(root.iter("html"), root)
    return (html.get("lang") or html.get("xml:lang") or _text(said.article.get("inLanguage"))
            or said.first("og:locale", "content-language", "dc.language", "language"))


def site_name(said: Said) -> str:
    return one_line(said.first("og:site_name", "application-name", "al:ios:app_name")
                    or _text(_resolved(said.article.get("publisher"), said)), 200)


def licence(said: Said, root: HtmlElement, base_url: str) -> str:
    """Return the address of the licence that the page is under (rel="license", schema.org, Dublin Core)."""
    said_so = _address(said.article.get("license") or said.page.get("license")) or said.first(
        "dcterms.license", "dc.rights.license")
    linked = (e.get("href") or "" for e in root.iter("link", "a") if "license" in (e.get("rel") or "").lower().split())
    return next((address for value in (said_so, *linked) if value and (address := absolute(value, base_url))), "")


def rights(said: Said) -> str:
    notice = _text(said.article.get("copyrightNotice"))
    holder, year = _text(_resolved(said.article.get("copyrightHolder"), said)), _text(said.article.get("copyrightYear"))
    made = f"© {year} {holder}".replace("  ", " ").strip() if holder else ""
    return one_line(notice or said.first("dcterms.rights", "dc.rights", "copyright", "rights") or made)


def canonical(said: Said, root: HtmlElement, base_url: str) -> str:
    linked = (e.get("href") or "" for e in root.iter("link") if "canonical" in (e.get("rel") or "").lower().split())
    given = next(linked, "") or said.first("og:url")
    return absolute(given, base_url) if given else ""


def topics(said: Said, root: HtmlElement) -> tuple[str, ...]:
    """Return what the page is filed under; long rows of keywords are for search engines and are left out."""
    linked = (e for e in root.iter("a") if "tag" in (e.get("rel") or "").lower().split())
    found = [*said.meta.get("article:tag", ()), *(e.text_content() for e, _ in zip(linked, range(200), strict=False))]
    if not found:
        words = said.article.get("keywords") or said.first("news_keywords", "parsely-tags", "keywords")
        found = [part for w in _list(words) if isinstance(w, str) for part in w.split(",")]
        found = found if len(found) <= MAX_TOPICS else []
    clean = dict.fromkeys(text for name in found if (text := one_line(name, 60)))
    return tuple(list(clean)[:MAX_TOPICS])


def description(said: Said) -> str:
    return _text(said.article.get("description")) or said.first(
        "og:description", "description", "dc.description", "dcterms.abstract", "twitter:description")


def article_body(said: Said) -> str:
    """Return the article's plain text where the page's JSON-LD repeats it."""
    return _text(said.article.get("articleBody"))


def _objects(source: str) -> Iterator[dict[str, Any]]:
    """Every object in the page's JSON-LD, outer before inner, at most MAX_OBJECTS."""
    left = MAX_OBJECTS
    for match, _ in zip(_JSON_LD.finditer(source), range(MAX_BLOCKS), strict=False):
        # by hand: a pattern would look for the end of each one up to the end of the page
        end = source.find("</", match.end(), match.end() + MAX_BLOCK)
        while end >= 0 and source[end : end + 8].lower() != "</script":
            end = source.find("</", end + 2, match.end() + MAX_BLOCK)
        if end < 0:
            continue
        try:
            waiting: list[Any] = [json.loads(_WRAPPING.sub("", source[match.end() : end]), strict=False)]
        except (ValueError, RecursionError):
            continue
        while waiting and left:
            thing = waiting.pop(0)
            if isinstance(thing, list):
                waiting += thing[:MAX_OBJECTS]
            elif isinstance(thing, dict):
                left -= 1
                yield thing
                waiting += [value for key in _INNER if isinstance(value := thing.get(key), dict | list)]


def _resolved(thing: Any, said: Said) -> Any:
    """JSON-LD may name an object by its @id only."""
    if isinstance(thing, list) and thing:
        thing = thing[0]
    if isinstance(thing, dict) and isinstance(thing.get("@id"), str) and len(thing) <= 2:
        return said.by_id.get(thing["@id"], thing)
    return thing


def _list(value: Any) -> list[Any]:
    return value[:MAX_OBJECTS] if isinstance(value, list) else [] if value is None else [value]


def _text(value: Any) -> str:
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, dict):
        value = value.get("name") or value.get("@value") or ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) else ""


def _address(value: Any) -> str:
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, dict):
        value = value.get("url") or value.get("contentUrl") or value.get("@id") or ""
    return value.strip() if isinstance(value, str) else ""


def _without_site(whole: str, said: Said, root: HtmlElement) -> str:
    """"Angry media | Herald Sun" without the site's name: where the page shows what is before it, or says its name."""
    site = said.first("og:site_name").casefold()
    for heading in root.iter("h1", "h2", "h3", "b", "strong", "font"):
        shown = one_line(heading.text_content()[: MAX_TITLE * 2], MAX_TITLE).rstrip(_PERMALINK)
        cut = _SEPARATOR.match(whole[len(shown) :]) if shown and whole.startswith(shown) else None
        if cut and (len(shown) >= LEAST_TITLE or (
                heading.tag == "h1" and not _is_banner(shown, cut, whole, site, root))):
            return shown
    parts = list(_SEPARATOR.finditer(whole))
    if site and parts:
        if whole[parts[-1].end() :].strip().casefold() == site:
            return whole[: parts[-1].start()].strip()
        if whole[: parts[0].start()].strip().casefold() == site:
            return whole[parts[0].end() :].strip()
    return whole


def _is_banner(shown: str, cut: re.Match[str], whole: str, site: str, root: HtmlElement) -> bool:
    """Whether a short <h1> before the separator is the site's name, and the article's title is what comes after it."""
    rest = whole[len(shown) + cut.end() :]
    headings = (one_line(h.text_content()[: MAX_TITLE * 2], MAX_TITLE) for h in root.iter("h1", "h2"))
    return shown.casefold() == site or any(heading.rstrip(_PERMALINK) == rest for heading in headings)


def _bylines(root: HtmlElement) -> Iterator[str]:
    """Names that stand beside the article: rel="author", itemprop, microformats, class="byline"."""
    for element in _with_itemprop(root, "author"):
        inner = next((e for e in element.iter() if (e.get("itemprop") or "").lower() == "name"), element)
        if text := _short(inner):
            yield text
            return
    for element in root.iter("a", "span"):
        if "author" in (element.get("rel") or "").lower().split() and (text := _short(element)):
            yield text
            return
    for element in root.iter("p", "span", "div", "a", "address", "cite", "li"):
        words = names(element)
        if words and not {"byline", "author"}.isdisjoint(words) and (text := _short(element)):
            yield text
            return


def _short(element: HtmlElement) -> str:
    text = " ".join(element.text_content().split())
    return text if 2 <= len(text) <= 100 else ""


def _times(root: HtmlElement, itemprop: str, named: tuple[str, ...]) -> list[str]:
    marked = [e.get("datetime") or e.get("content") or e.text_content()[:100] for e in _with_itemprop(root, itemprop)]
    times = [e for e in root.iter("time") if e.get("datetime")]
    told = [e for e in times if e.get("pubdate") is not None or not set(named).isdisjoint(names(e))]
    return [*marked, *(e.get("datetime") or "" for e in (*told, *times[:1]))]


def _with_itemprop(root: HtmlElement, name: str) -> list[HtmlElement]:
    return [e for e in root.xpath("descendant::*[@itemprop]") if (e.get("itemprop") or "").lower() == name]
