"""Foreign HTML to HTML that is safe to show, mail and parse again.

    legal characters | caps on length and nesting | nh3 with a short allow-list | own rules | until nothing changes

nh3 is the last word: the result is a fixed point of it, so cleaning twice changes nothing, and nothing that a
second parser could read differently is left. There is no style, class or id: an article can't reach the page
around it (`.unsubscribe{display:none}`), and premailer's shared cache never sees a style of a source's.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache

import nh3

from pipeline.text import urls
from pipeline.text.legal import legal_text
from pipeline.text.words import lead_text, read_words, summarise, text_with_links, visible_text

__all__ = ["MAX_DEPTH", "MAX_HTML", "clean_html", "lead_text", "read_words", "shallow", "summarise", "text_with_links",
           "visible_text"]

MAX_HTML = 1_000_000  # characters; a text node of 10 MB makes libxml2 drop everything after it, silently
MAX_DEPTH = 100       # elements; the same happens to what is nested 255 deep, and 20,000 deep cost nh3 1.5 s

_BOXES = "section article main header footer aside nav address details summary center fieldset".split()
"""They become a plain <div>: dropping them outright would glue the words of two blocks together."""

_TAGS = {
    *"p br hr div h1 h2 h3 h4 h5 h6 ul ol li dl dt dd blockquote pre code kbd samp var em strong b i u s del ins "
    "q cite sub sup small mark abbr a img figure figcaption table caption thead tbody tfoot tr th td ruby rt rp "
    "wbr".split(),
    *_BOXES,
}
_DROP_WITH_CONTENT = set(
    "script style template iframe frame frameset object embed applet svg math title textarea select button "
    "option noembed noframes audio video canvas map dialog".split()
)
_ATTRIBUTES = {
    "*": {"dir", "lang"},
    "a": {"href", "title"},
    "img": {"src", "alt", "title", "width", "height", "style"},  # `style` only marks what _own_rules drops
    "abbr": {"title"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
}
_NUMBERS = {"width": 4, "height": 4, "colspan": 2, "rowspan": 2, "start": 5}  # most digits each
_LANG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,4}")
_HIDDEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|(?:^|[;\s])(?:max-)?(?:width|height)\s*:\s*[01](?:\.\d+)?\s*(?:px)?\s*(?:;|!|$)",
    re.IGNORECASE,
)
_PASSES = 5

_IMG = re.compile(r"<img\b[^>]*>")
_PIXEL = re.compile(r' (?:width|height)="0*[01]?"| style=')
_BOX = re.compile(rf"(</?)(?:{'|'.join(_BOXES)})(?=[ >])")
_HEADING = re.compile(r"(</?h)([1-6])(?=[ >])")
_NOSCRIPT = re.compile(r"</?noscript\b[^<>]*>", re.IGNORECASE)  # holds the picture that a script would load
_LONG_TAG = re.compile(r"<([A-Za-z][A-Za-z0-9]*)\s[^<>]{20000,}>")  # 100,000 attributes cost nh3 2 s
_MARKUP = re.compile("([<>=])")
_OVERLAY = "\u0338"  # NFC composes it with a "<", "=" or ">" before it: markup would turn into text

_TOKEN = re.compile(r"<!--|<(/?)([A-Za-z][A-Za-z0-9]*)")
_VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())
_CLOSED_BY_ITS_OWN = frozenset("p li dt dd tr td th option".split())
_RAW_END = {name: re.compile(rf"</{name}[^>]*>?", re.IGNORECASE) for name in ("script", "style")}


def clean_html(source: str, *, base_url: str = "") -> str:
    """Return `source` sanitised; relative addresses are joined to `base_url`, and go where there is none.

    Links are absolute http(s) or a bare mailto:, images absolute http(s); images of one pixel (tracking) are
    dropped. Comments go. Where there is an <h1>, all headings move down by one: the page or mail around the
    article has its own. What is longer than MAX_HTML is cut, what nests deeper than MAX_DEPTH is flattened.
    `clean_html(clean_html(x)) == clean_html(x)`.
    """
    text = _NOSCRIPT.sub("", _LONG_TAG.sub(r"<\1>", _legal_html(source[:MAX_HTML])))
    if "<" not in text and "&" not in text:
        return html.escape(text, quote=False).strip()
    text = shallow(text)
    cleaner = _cleaner(base_url)
    for _ in range(_PASSES):
        text = _own_rules(cleaner.clean(text))
        if _depth(text) > MAX_DEPTH:
            text = shallow(text)
        elif _own_rules(_structure().clean(text)) == text:
            return text
    return _as_plain_text(text)  # it reads differently each time it is read: nobody gets to see its markup


def shallow(source: str, limit: int = MAX_DEPTH) -> str:
    """Return `source` with comments, scripts and styles out, and without the tags that nest deeper than `limit`.

    It counts in one linear pass, before any parser sees the text. It is a cap on cost, not a sanitiser.
    """
    if source.count("<") <= limit and "<!--" not in source:
        return source
    out: list[str] = []
    stack: list[tuple[str, bool]] = []  # name, kept
    open_names: Counter[str] = Counter()
    depth = copied = position = 0
    while token := _TOKEN.search(source, position):
        start, position = token.start(), token.end()
        name = (token[2] or "").lower()
        if not name or (name in _RAW_END and not token[1]):
            out.append(source[copied:start])
            copied = position = _skip(source, position, name)
            continue
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


def _skip(source: str, position: int, name: str) -> int:
    """Return where a comment ("" for its name), a script or a style ends."""
    if not name:
        end = source.find("-->", position)
        return end + 3 if end >= 0 else len(source)
    closing = _RAW_END[name].search(source, position)
    return closing.end() if closing else len(source)


def _legal_html(source: str) -> str:
    if _OVERLAY not in source:
        return legal_text(source)
    parts = _MARKUP.split(source)
    return "".join(p if i % 2 else _without_leading_overlay(legal_text(p)) for i, p in enumerate(parts))


def _without_leading_overlay(part: str) -> str:
    marks = re.match(r"[^\x00-\x7f\w\s]*", part)
    end = marks.end() if marks else 0
    return part[:end].replace(_OVERLAY, "") + part[end:]


@lru_cache(maxsize=64)
def _cleaner(base_url: str) -> nh3.Cleaner:
    def attribute(_tag: str, name: str, value: str) -> str | None:
        if name == "href":
            return urls.link(value, base_url) or None
        if name == "src":
            return urls.absolute(value, base_url) or None
        if name == "style":
            return "hidden" if _HIDDEN.search(value) else None
        if name == "dir":
            return value.lower() if value.lower() in ("ltr", "rtl", "auto") else None
        if name == "lang":
            return value if _LANG.fullmatch(value) else None
        if name in _NUMBERS:
            digits = re.fullmatch(r"\s*(\d+)(?:\.\d+)?\s*(?:px)?\s*", value, re.ASCII)
            return digits[1] if digits and len(digits[1]) <= _NUMBERS[name] else None
        return " ".join(legal_text(value).split())

    return _new_cleaner(attribute)


@lru_cache(maxsize=1)
def _structure() -> nh3.Cleaner:
    """Reads once more what was cleaned. What `attribute` returned it would return again, so it is not asked."""
    return _new_cleaner(None)


def _new_cleaner(attribute: Callable[[str, str, str], str | None] | None) -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=_TAGS,
        clean_content_tags=_DROP_WITH_CONTENT,
        attributes=_ATTRIBUTES,
        attribute_filter=attribute,
        url_schemes={"http", "https", "mailto"},
        link_rel=None,
        strip_comments=True,
    )


def _own_rules(cleaned: str) -> str:
    """What nh3 can't say. It writes one form of each tag and escapes "<" and ">" everywhere else, so these
    patterns see tags and nothing but tags."""
    text = _legal_html(cleaned)  # "&#8238;" and "&#11;" have become characters only now
    text = _IMG.sub(lambda m: "" if ' src="' not in m[0] or _PIXEL.search(m[0]) else m[0], text)
    text = _BOX.sub(r"\1div", text)
    if "<h1" in text:
        text = _HEADING.sub(lambda m: f"{m[1]}{min(6, int(m[2]) + 1)}", text)
    return text.strip()


def _depth(cleaned: str) -> int:
    """Return how deep nh3's output nests, or 0 where it can't be too deep."""
    if cleaned.count("<") <= MAX_DEPTH:
        return 0
    deepest = depth = 0
    for token in _TOKEN.finditer(cleaned):
        if token[2] not in _VOID:
            depth += -1 if token[1] else 1
            deepest = max(deepest, depth)
    return deepest


def _as_plain_text(cleaned: str) -> str:
    words = html.unescape(re.sub(r"<[^>]*>", " ", cleaned))
    paragraphs = [" ".join(p.split()) for p in legal_text(words).split("\n\n")]
    return "".join(f"<p>{html.escape(p, quote=False)}</p>" for p in paragraphs if p)
