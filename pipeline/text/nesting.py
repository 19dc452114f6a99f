"""How the tags of an article nest: flattened before a parser can choke on it, and judged once it is clean.

    shallow(foreign)   without what nests too deep, in one linear pass, before any parser sees it
    deepest(cleaned)   how deep it nests
    settled(cleaned)   whether every parser reads it as the tree that it was written from
"""

from __future__ import annotations

import re
from collections import Counter

MAX_DEPTH = 100       # elements; libxml2 drops all after what nests 255 deep, and 20,000 deep cost nh3 1.5 s
MANY_TAGS = 200       # so many can't cost a parser more than a few milliseconds, however they nest
SETTLED_DEPTH = 30    # elements; `settled` leaves deeper ones to the parser

_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)")
_TAG_NAMES = re.compile(r"<(/?[A-Za-z][A-Za-z0-9]*)")
_NO_TAGS = re.compile(  # where what looks like a tag is none: comments, scripts, styles
    r"<!--(?:>|->|.*?(?:--!?>|\Z))|<(script|style)(?![a-z0-9]).*?(?:</\1[^>]*>?|\Z)", re.DOTALL | re.IGNORECASE)
_VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())
_CLOSED_BY_ITS_OWN = frozenset("p li dt dd tr td th option".split())


def shallow(source: str, limit: int = MAX_DEPTH) -> str:
    """Return `source` with comments, scripts and styles out, and without the tags that nest deeper than `limit`.

    It counts in one linear pass, before any parser sees the text. It is a cap on cost, not a sanitiser: what is short
    comes back as it is.
    """
    if source.count("<") <= limit and "<!--" not in source:
        return source
    source = _NO_TAGS.sub("", source)
    return _flattened(source, limit) if _may_nest_deeper(source, limit) else source


def _may_nest_deeper(source: str, limit: int) -> bool:
    """Count quickly and never too little: as if each tag closed nothing but one of its own name."""
    open_names: Counter[str] = Counter()
    depth = 0
    for name in _TAG_NAMES.findall(source.lower()):
        if name[0] == "/":
            if open_names[name[1:]]:
                open_names[name[1:]] -= 1
                depth -= 1
        elif name not in _VOID:
            open_names[name] += 1
            depth += 1
            if depth > limit:
                return True
    return False


def _flattened(source: str, limit: int) -> str:
    out: list[str] = []
    stack: list[tuple[str, bool]] = []  # name, kept
    open_names: Counter[str] = Counter()
    depth = copied = position = 0
    while token := _TAG.search(source, position):
        start, position = token.start(), token.end()
        name = token[2].lower()
        if name in _VOID:
            continue
        kept = True
        if token[1]:
            if not open_names[name]:
                continue
            while stack:
                top, kept = stack.pop()
                open_names[top] -= 1
                depth -= kept
                if top == name:
                    break
        else:
            if name in _CLOSED_BY_ITS_OWN and stack and stack[-1][0] == name:
                depth -= stack.pop()[1]
                open_names[name] -= 1
            kept = depth < limit
            stack.append((name, kept))
            open_names[name] += 1
            depth += kept
        if not kept:
            out.append(source[copied:start])
            end = source.find(">", position)
            copied = position = end + 1 if end >= 0 else len(source)
    out.append(source[copied:])
    return "".join(out)


def deepest(cleaned: str) -> int:
    """Return how deep nh3's output nests, or 0 where it can't be too deep."""
    if cleaned.count("<") <= MAX_DEPTH:
        return 0
    found = depth = 0
    for name in _TAG_NAMES.findall(cleaned):
        if name not in _VOID:
            depth += -1 if name[0] == "/" else 1
            found = max(found, depth)
    return found


_INLINE = frozenset("a abbr b cite code del em i ins kbd mark q s samp small strong sub sup u var br img wbr".split())
_FLOW = _INLINE | frozenset("blockquote div dl figure h2 h3 h4 h5 h6 hr ol p pre ul".split())
_WITHIN: dict[str, frozenset[str]] = {
    "": _FLOW,
    **dict.fromkeys("blockquote dd div dt figcaption li".split(), _FLOW),
    **dict.fromkeys("p pre h2 h3 h4 h5 h6".split(), _INLINE),
    **dict.fromkeys(_INLINE - {"a"}, _INLINE),
    "a": _INLINE - {"a"},
    "figure": _FLOW | {"figcaption"},
    "ul": frozenset({"li"}),
    "ol": frozenset({"li"}),
    "dl": frozenset({"dt", "dd"}),
}
"""What may stand directly in what, so that HTML's parser (13.2.6 "Tree construction") opens and closes exactly what is
written: no block in a paragraph, which would end there; no link in a link; no list item in a list item."""
_EATEN_LINE = re.compile(r"<pre[^>]*>\n")  # a parser drops the line break with which a <pre> begins


def settled(cleaned: str) -> bool:
    """Say whether `cleaned`, as nh3 wrote it, is certain to be read as the same tree by every HTML parser.

    True for the plain structure that nearly all articles have. False means no more than: ask a parser.
    """
    stack: list[str] = []
    allowed = _WITHIN[""]
    for name in _TAG_NAMES.findall(cleaned):
        if name in allowed:
            if name not in _VOID:
                if (name == "a" and "/a" in stack) or len(stack) == SETTLED_DEPTH:
                    return False
                stack.append("/" + name)
                allowed = _WITHIN[name]
        elif stack and name == stack.pop():
            allowed = _WITHIN[stack[-1][1:] if stack else ""]
        else:
            return False
    return not stack and not ("<pre" in cleaned and _EATEN_LINE.search(cleaned))
