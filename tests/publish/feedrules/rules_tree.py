"""Holds an XML document against a table of rules: which elements stand where, how often, with what in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urljoin

from lxml import etree

from .rules_values import Check, Found, Spot, anything, bad_characters, iri_reference, language

MAX_BYTES = 5_000_000
XML = "http://www.w3.org/XML/1998/namespace"
XHTML = "http://www.w3.org/1999/xhtml"
PODCAST = "https://podcastindex.org/namespace/1.0"
TOMBSTONES = "http://purl.org/atompub/tombstones/1.0"
TOLERATED = frozenset({PODCAST, TOMBSTONES})
"""What the validator warns about only because it doesn't know it. Ask with `tolerate=frozenset()` to hear it all."""

NAMESPACES = {  # the prefixes that the validator keeps for these addresses, as far as a feed of ours could use them
    "app": "http://www.w3.org/2007/app",
    "at": TOMBSTONES,
    "atom": "http://www.w3.org/2005/Atom",
    "cc": "http://web.resource.org/cc/",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "creativeCommons": "http://backend.userland.com/creativeCommonsRssModule",
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcterms": "http://purl.org/dc/terms/",
    "fh": "http://purl.org/syndication/history/1.0",
    "geo": "http://www.w3.org/2003/01/geo/wgs84_pos#",
    "georss": "http://www.georss.org/georss",
    "itunes": "http://www.itunes.com/dtds/podcast-1.0.dtd",
    "media": "http://search.yahoo.com/mrss/",
    "opensearch": "http://a9.com/-/spec/opensearch/1.1/",
    "podcast": PODCAST,
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "slash": "http://purl.org/rss/1.0/modules/slash/",
    "sy": "http://purl.org/rss/1.0/modules/syndication/",
    "thr": "http://purl.org/syndication/thread/1.0",
    "wfw": "http://wellformedweb.org/CommentAPI/",
    "xhtml": XHTML,
    "xml": XML,
}
_PREFIXES = {address: prefix for prefix, address in NAMESPACES.items()}
_FOREIGN = {PODCAST: "UnsupportedNamespace", TOMBSTONES: "UnknownNamespace"}

_WARNINGS = set(
    "ArchiveIncomplete AtomLinkNotEmpty AttrNotBlank AvoidNamespacePrefix BadCharacters CharacterData ContainsEmail "
    "ContainsHTML ContainsRelRef ContainsUndeclaredHTML DangerousStyleAttr DeprecatedMediaAdult DuplicateEnclosure "
    "DuplicateDescriptionSemantics DuplicateEntries DuplicateItemSemantics DuplicateSemantics DuplicateUpdated "
    "EmailFormat FeedHistoryRelInEntry HtmlFragment ImageLinkDoesntMatch ImageTitleDoesntMatch ImageUrlFormat "
    "ImplausibleDate InvalidKeywords MisplacedItem MisplacedXHTMLContent MissingAtomSelfLink MissingCurrentInArchive "
    "MissingGuid MissingItunesElement MissingItunesEmail MissingRealName MissingSelf MissingSourceElement "
    "MissingTextualContent MissingTypeAttr NeedDescriptionBeforeContent NonCanonicalURI NotBlank NotHtml NotInline "
    "NotSufficientlyUnique ObscureEncoding ProblematicalRFC822Date RelativeSelf ReservedPrefix SameDocumentReference "
    "SchemeNotIANARegistered SecurityRisk SecurityRiskAttr SelfNotAtom UnknownNamespace UnregisteredAtomLinkRel "
    "UnsupportedItunesFormat UnsupportedNamespace UseOfExtensionAttr".split())

Element = etree._Element
Whole = Callable[[Element, Spot], Iterator[Found]]


@dataclass(frozen=True)
class Rule:
    """One element. No `value`: it has no text of its own. No `children`: it holds text only."""

    value: Check | None = None
    children: Mapping[str, Rule] = field(default_factory=dict)
    attributes: Mapping[str, Check] = field(default_factory=dict)
    needs: tuple[str, ...] = ()       # attributes
    many: bool = False                # may stand more than once
    again: str = "DuplicateElement"   # what a second one is called
    exact: bool = False               # white space around the value counts
    open: bool = False                # whatever stands inside is none of the validator's business
    also: tuple[Whole, ...] = ()      # rules about the element as a whole


def name(prefixed: str) -> str:
    """`media:title` -> lxml's name for it."""
    prefix, _, local = prefixed.rpartition(":")
    return f"{{{NAMESPACES[prefix]}}}{local}" if prefix else local


def table(**rules: Rule) -> dict[str, Rule]:
    """Keys as in `media__title`, a prefix and a local name; `_` within a local name stands for "-"."""
    return {name(":".join(part.replace("_", "-") for part in key.split("__"))): rule for key, rule in rules.items()}


def prefixed(tag: str) -> str:
    if not tag.startswith("{"):
        return tag
    address, _, local = tag[1:].partition("}")
    prefix = _PREFIXES.get(address, "?")
    return f"{prefix}:{local}"


def text_of(element: Element | None) -> str:
    return "" if element is None else (element.text or "").strip()


def one(parent: Element, prefixed_name: str) -> str:
    """The text of the first child of that name."""
    return text_of(parent.find(name(prefixed_name)))


def say(where: str, found: Iterable[Found]) -> Iterator[str]:
    for what, rule in found:
        yield f"{'warning: ' if rule in _WARNINGS or rule.endswith(' SHOULD') else ''}{where}: {what} ({rule})"


def document_problems(data: bytes, feed: str, root_name: str, root: Rule, tolerate: frozenset[str]) -> list[str]:
    """Every problem of a feed in XML, in document order."""
    if len(data) > MAX_BYTES:
        return list(say("document", [(f"{len(data)} bytes are more than {MAX_BYTES}", "ValidatorLimit")]))
    declared = re.match(rb"<\?xml\s+version\s*=\s*['\"]([^'\"]*)['\"](?:\s+encoding\s*=\s*['\"]([^'\"]*)['\"])?", data)
    problems: list[Found] = []
    if declared and declared[1] != b"1.0":
        problems.append((f"is XML {declared[1].decode()}", "BadXmlVersion"))
    if declared and (declared[2] or b"utf-8").lower() not in {b"utf-8", b"us-ascii"}:
        problems.append((f"is in {declared[2].decode()}", "ObscureEncoding"))
    try:
        tree = etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
    except etree.XMLSyntaxError as error:
        return list(say("document", [*problems, (str(error), "SAXError")]))
    if tree.tag != root_name:
        is_old = tree.tag.startswith("{http://purl.org/atom/ns#}")
        problems.append((f"is <{tree.tag}>", "ObsoleteNamespace" if is_old else "InvalidNamespace"))
        return list(say("document", problems))
    walk = _Walk(feed, data.split(b"\n"), tolerate)
    return [*say("document", problems), *walk.element(tree, root, Spot(prefixed(tree.tag), feed, tolerate=tolerate))]


class _Walk:
    def __init__(self, feed: str, lines: list[bytes], tolerate: frozenset[str]) -> None:
        self.feed = feed
        self.lines = lines
        self.tolerate = tolerate

    def element(self, element: Element, rule: Rule, spot: Spot) -> Iterator[str]:
        spot = replace(spot, escaped=self._escaped(element), base=urljoin(spot.base, element.get(f"{{{XML}}}base", "")))
        yield from say(spot.where, self._namespaces(element))
        yield from self._attributes(element, rule, spot)
        yield from say(spot.where, self._text(element, rule, spot))
        for check in rule.also:
            yield from say(spot.where, check(element, spot))
        if not rule.open:
            yield from self._children(element, rule, spot)

    def _escaped(self, element: Element) -> bool:
        line = element.sourceline or 0
        return 0 < line <= len(self.lines) and b"&#x" in self.lines[line - 1]

    def _namespaces(self, element: Element) -> Iterator[Found]:
        parent = element.getparent()
        for prefix, address in element.nsmap.items():
            if parent is not None and parent.nsmap.get(prefix) == address:
                continue
            if address == "http://search.yahoo.com/mrss":
                yield "the namespace of media ends with a slash", "MediaRssNamespace"
            elif address in _FOREIGN or address not in _PREFIXES:
                if address not in self.tolerate:
                    yield f"namespace {address}", _FOREIGN.get(address, "UnknownNamespace")
            elif self.feed == "atom" and prefix and _PREFIXES[address] in {"atom", "xhtml"}:
                yield f"{prefix} stands for a namespace that is better the default", "AvoidNamespacePrefix"
            if prefix in NAMESPACES and prefix not in {"podcast", "at"} and NAMESPACES[prefix] != address:
                yield f"{prefix} stands for {address}", "ReservedPrefix"

    def _attributes(self, element: Element, rule: Rule, spot: Spot) -> Iterator[str]:
        for key, value in element.attrib.items():
            where = f"{spot.where}@{prefixed(key)}"
            yield from say(where, bad_characters(value))
            if key == f"{{{XML}}}lang":
                yield from say(where, language(value, spot) if value else ())
            elif key == f"{{{XML}}}base":
                yield from say(where, iri_reference(value, spot))
            elif key in rule.attributes:
                yield from say(where, rule.attributes[key](value, spot))
            elif not rule.open and not key.startswith(f"{{{XML}}}"):
                yield from say(where, self._unexpected(element, key))
        for key in rule.needs:
            if key not in element.attrib:
                yield from say(spot.where, [(f"has no {key}", "MissingAttribute")])

    def _unexpected(self, element: Element, key: str) -> Iterator[Found]:
        address = etree.QName(key).namespace
        if not address or address in _PREFIXES:
            yield "does not belong there", "UnexpectedAttribute"
        elif self.feed == "rss" and not etree.QName(element).namespace:
            docs = element.getroottree().findtext("channel/docs")
            if docs != "http://www.rssboard.org/rss-specification":
                yield "is an extension", "UseOfExtensionAttr"

    def _text(self, element: Element, rule: Rule, spot: Spot) -> Iterator[Found]:
        text = "".join(element.itertext()) if rule.open else "".join(element.xpath("text()"))
        yield from bad_characters(text)
        if rule.value is None:
            if text.strip() and not rule.open:
                yield f"has text in it: {text.strip()[:30]!r}", "UnexpectedText"
            return
        if rule.exact and text != text.strip():
            yield "has white space around it", "UnexpectedWhitespace"
        yield from rule.value(text.strip(), spot)

    def _children(self, element: Element, rule: Rule, spot: Spot) -> Iterator[str]:
        total = Counter(child.tag for child in element.iterchildren("*"))
        seen: Counter[str] = Counter()
        for child in element.iterchildren("*"):
            seen[child.tag] += 1
            number = f"[{seen[child.tag]}]" if total[child.tag] > 1 else ""
            below = replace(spot, where=f"{spot.where}/{prefixed(child.tag)}{number}")
            own = rule.children.get(child.tag)
            if own is None:
                yield from say(below.where, self._stranger(child, rule))
                continue
            if seen[child.tag] > 1 and not own.many:
                yield from say(below.where, [("stands here again", own.again)])
            yield from self.element(child, own, below)

    def _stranger(self, child: Element, rule: Rule) -> Iterator[Found]:
        yield from self._namespaces(child)
        address = etree.QName(child).namespace
        if address == XHTML:
            yield "stands outside of any content", "MisplacedXHTMLContent"
        elif not address or address in _PREFIXES or rule.value:
            yield "does not belong there", "UndefinedElement"
        elif self.feed == "rss" and any(not etree.QName(inner).namespace for inner in child.iterdescendants("*")):
            yield "has an element without a namespace in it", "NotInANamespace"


def free(many: bool = False) -> Rule:
    """An element with any text in it."""
    return Rule(anything, many=many)
