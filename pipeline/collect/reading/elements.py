"""The elements of an XML feed, by name: what reads them says "dc:date" and need not know about namespaces."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urljoin

from lxml import etree

MAX_FIELD = 2_000     # characters of a title, a name, an address or a category

Fields = dict[str, list[etree._Element]]  # noqa: SLF001 - lxml gives its elements no public type

# Without scheme and closing slash, in lower case: all three vary in the wild.
_PREFIX = {
    "purl.org/dc/elements/1.1": "dc",
    "purl.org/dc/terms": "dcterms",
    "purl.org/rss/1.0/modules/content": "content",
    "purl.org/rss/1.0/modules/syndication": "sy",
    "purl.org/rss/modules/syndication": "sy",
    "search.yahoo.com/mrss": "media",
    "www.itunes.com/dtds/podcast-1.0.dtd": "itunes",
    "podcastindex.org/namespace/1.0": "podcast",
    "github.com/podcastindex-org/podcast-namespace/blob/main/docs/1.0.md": "podcast",
    "rssnamespace.org/feedburner/ext/1.0": "feedburner",
    "backend.userland.com/creativecommonsrssmodule": "creativeCommons",
    "cyber.law.harvard.edu/rss/creativecommonsrssmodule.html": "creativeCommons",
    "creativecommons.org/ns": "cc",
    "web.resource.org/cc": "cc",
    "www.w3.org/1999/xhtml": "xhtml",
    "www.w3.org/1999/02/22-rdf-syntax-ns": "rdf",
    "www.w3.org/2005/atom": "atom",
    "purl.org/atom/ns": "atom",
    # RSS's own namespaces, where it has one, mean RSS's own elements
    "purl.org/rss/1.0": "",
    "my.netscape.com/rdf/simple/0.9": "",
    "channel.netscape.com/rdf/simple/0.9": "",
    "backend.userland.com/rss2": "",
    "blogs.law.harvard.edu/tech/rss": "",
}


def name_of(element: etree._Element) -> str:
    """Return "item", "dc:date", "atom:link"; "?:x" for a namespace unknown here; "" for a comment."""
    tag: object = element.tag  # a function for a comment or a processing instruction
    return _name(tag) if isinstance(tag, str) else ""


@lru_cache(maxsize=512)
def _name(tag: str) -> str:
    namespace, _, local = tag[1:].rpartition("}") if tag.startswith("{") else ("", "", tag)
    address = namespace.lower().removeprefix("https://").removeprefix("http://").rstrip("/#")
    prefix = _PREFIX.get(address, "?") if namespace else ""
    return f"{prefix}:{local}" if prefix else local


def fields_of(element: etree._Element) -> Fields:
    """Return the children of `element` by name, those of a media:group among them."""
    fields: Fields = {}
    for child in element:
        tag: object = child.tag
        if isinstance(tag, str):
            name = _name(tag)
            if name in fields:
                fields[name].append(child)
            else:
                fields[name] = [child]
            if name == "media:group":
                for grandchild in child:
                    fields.setdefault(name_of(grandchild), []).append(grandchild)
    return fields


def text_of(element: etree._Element) -> str:
    if len(element):
        return "".join(str(part) for part in element.itertext()).strip()
    return (element.text or "").strip()


def first_text(fields: Fields, *names: str) -> str:
    """Return the first text that is there, in the order of `names`."""
    for name in names:
        for element in fields.get(name, ()):
            if text := text_of(element):
                return text
    return ""


def href_of(element: etree._Element) -> str:
    """Return the address in `href`, joined to xml:base where the source sets an absolute one."""
    href = (element.get("href") or "").strip()
    base = (element.base or "") if href else ""
    if not base.startswith(("http://", "https://")):
        return href
    try:
        return urljoin(base, href)
    except ValueError:
        return href
