"""OPML, the lists of sources that feed readers exchange: read from anything that calls itself so, written as 2.0 has it
(http://opml.org/spec2.opml). The only file that knows listparser.

It opens no file and asks no network: listparser would fetch an address that it is given as text, so it gets bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import listparser
from lxml import etree

from pipeline.collect.pages.charset import decode_page
from pipeline.errors import ParseError
from pipeline.text.legal import legal_text, one_line

SNIFF = 100_000        # characters at the start in which a document type stands
MAX_BYTES = 5_000_000
MAX_SOURCES = 10_000   # the time for one address that stands in as many folders grows with their square
MAX_NAME = 100         # characters of a folder's or a topic's name
MAX_TOPICS = 20

_OUTLINE = re.compile(r"<outline\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Outline:
    """One source of a list. Nothing in it was checked but that it is text."""

    url: str
    title: str = ""
    topics: tuple[str, ...] = ()   # its folders' names and its categories, in small letters like all topics
    page: str = ""                 # where people read it; only written
    is_feed: bool = True           # else a page, which other programs look through for a feed; only written


@dataclass(frozen=True, slots=True)
class SourceList:
    title: str
    outlines: tuple[Outline, ...]
    lists: tuple[str, ...] = ()    # addresses of further lists, which it only names
    unusable: tuple[str, ...] = ()  # names of outlines that are no folder and have no address of a feed
    broken: str = ""               # "not well-formed XML (line 3)", where it is


def read_opml(data: bytes, subject: str) -> SourceList:
    """Read a list. An address that stands in it several times comes once, with the topics of all places.

    Raises ParseError where it is too large, no list, or declares entities of its own.
    """
    if len(data) > MAX_BYTES:
        raise ParseError(subject, f"is larger than the {MAX_BYTES // 1_000_000} MB that are read")
    text = decode_page(data)
    if "<!entity" in text[:SNIFF].lower():
        raise ParseError(subject, "declares entities in a document type, which a list of sources has no need of")
    if (number := len(_OUTLINE.findall(text))) > MAX_SOURCES:
        raise ParseError(subject, f"holds {number:,} outlines, and {MAX_SOURCES:,} are read",
                         hint="part it into several files")
    try:
        # as ASCII nothing is left to guess about its encoding
        found: dict[str, Any] = dict(listparser.parse(text.encode("ascii", "xmlcharrefreplace")))
    except (etree.LxmlError, ValueError, LookupError, TypeError) as error:
        raise ParseError(subject, "can't be read as a list of sources (OPML)", hint=str(error)[:200]) from error
    outlines = tuple(_outline(feed) for feed in found["feeds"])
    lists = tuple(str(one["url"]) for one in found["lists"])
    if not outlines and not lists and not found["version"]:
        raise ParseError(subject, "is no list of sources (OPML)", hint="feed readers export one as .opml or .xml")
    unusable, broken = _left_over(text)
    if broken and not outlines and not lists:
        raise ParseError(subject, f"is {broken}, and no source could be read of it",
                         hint="it may be cut off: export it again")
    return SourceList(one_line(str(found["meta"].get("title", ""))), outlines, lists, unusable, broken)


def write_opml(title: str, outlines: Iterable[Outline]) -> tuple[bytes, list[str]]:
    """Return a document with these sources, and what could not be written into it, in words. The same sources make
    the same bytes."""
    notes: list[str] = []
    root = etree.Element("opml", version="2.0")
    etree.SubElement(etree.SubElement(root, "head"), "title").text = legal_text(title)
    body = etree.SubElement(root, "body")
    for one in outlines:
        topics, odd = _categories(one.topics)
        notes += [f'{one.title or one.url}: the topic "{name}" can\'t be written there: a category of OPML holds no '
                  "comma and no slash" for name in odd]
        outline = {"text": legal_text(one.title or one.url), "type": "rss" if one.is_feed else "",
                   "xmlUrl": one.url, "htmlUrl": one.page, "category": ",".join(topics)}
        etree.SubElement(body, "outline", {key: value for key, value in outline.items() if value})
    etree.indent(root)
    return etree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n", notes


def _left_over(text: str) -> tuple[tuple[str, ...], str]:
    """What listparser passes over in silence: outlines that name nothing to ask, and where the document breaks."""
    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, recover=True)
    root = etree.fromstring(text.encode("ascii", "xmlcharrefreplace"), parser)
    names = []
    for element in root.iter("{*}outline") if root is not None else ():
        has = {str(key).lower(): str(value).strip() for key, value in element.attrib.items()}
        if "xmlurl" not in has and not has.get("url") and element.find("{*}outline") is None:
            names.append(one_line(has.get("text") or has.get("title") or has.get("htmlurl") or "", MAX_NAME)
                         or f"the outline in line {element.sourceline}")
    first = next((entry for entry in parser.error_log if entry.level >= etree.ErrorLevels.ERROR), None)
    return tuple(names), f"not well-formed XML (line {first.line})" if first else ""


def _outline(feed: dict[str, Any]) -> Outline:
    names = (one_line(str(name), MAX_NAME).casefold() for path in feed.get("categories", ()) for name in path)
    topics = tuple(dict.fromkeys(name for name in names if name))[:MAX_TOPICS]
    return Outline(str(feed["url"]).strip(), one_line(str(feed.get("title") or "")), topics)


def _categories(topics: Sequence[str]) -> tuple[list[str], list[str]]:
    odd = [name for name in topics if "," in name or "/" in name]
    return [legal_text(name) for name in topics if name not in odd], odd
