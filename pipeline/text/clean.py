"""Foreign HTML to HTML that is safe to show, mail and parse again.

    legal characters | caps on length and nesting | nh3 with a short allow-list | own rules | until nothing changes

nh3 is the last word: the result is a fixed point of it, so cleaning twice changes nothing, and nothing that a
second parser could read differently is left. There is no style, class or id: an article can't reach the page
around it (`.unsubscribe{display:none}`), and premailer's shared cache never sees a style of a source's.
"""

from __future__ import annotations

import html
import re
from functools import lru_cache, partial

import nh3

from pipeline.text import urls
from pipeline.text.legal import legal_text
from pipeline.text.nesting import MANY_TAGS, MAX_DEPTH, deepest, settled, shallow
from pipeline.text.words import Words, lead_text, read_words, summarise, text_with_links, visible_text

__all__ = ["MAX_DEPTH", "MAX_HTML", "clean_html", "lead_text", "read_words", "shallow", "summarise", "text_with_links",
           "visible_text", "words_of"]

MAX_HTML = 1_000_000  # characters; a text node of 10 MB makes libxml2 drop everything after it, silently

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

_BAD_IMG = re.compile(r"""<img\b(?:(?![^>]* src=")|[^>]*(?: (?:width|height)="0*[01]?"| style=))[^>]*>""")
_BOX = re.compile(rf"(</?)(?:{'|'.join(_BOXES)})(?=[ >])")
_HEADING = re.compile(r"(</?h)([1-6])(?=[ >])")
_NOSCRIPT = re.compile(r"</?noscript\b[^<>]*>", re.IGNORECASE)  # holds the picture that a script would load
LONG_TAG = 20_000     # characters; 100,000 attributes cost nh3 2 s
_LONG_TAG = re.compile(rf"<([A-Za-z][A-Za-z0-9]*)\s[^<>]{{{LONG_TAG},}}>")
_MARKUP = re.compile("([<>=])")
_OVERLAY = "\u0338"  # NFC composes it with a "<", "=" or ">" before it: markup would turn into text

# Attributes as nh3 writes them that are right as they are: nearly all, so that only others are looked at in Python.
_WORD = r"""(?:[^"\s&]|&(?!nbsp;))++"""
_FINE = "|".join((
    rf' (?:href|src)="{urls.ESCAPED}"',
    rf' (?:alt|title)="(?:{_WORD}(?: {_WORD})*+)?"',
    r' (?:width|height|start)="[0-9]{1,4}"',
    r' (?:colspan|rowspan)="[0-9]{1,2}"',
    r' dir="(?:ltr|rtl|auto)"',
    rf' lang="{_LANG.pattern}"',
))
_ODD_TAG = re.compile(rf"<([a-z0-9]++)(?!(?:{_FINE})*+>)([^>]*)>")
_ATTRIBUTE = re.compile(r' ([a-z]+)="([^"]*)"')


def clean_html(source: str, *, base_url: str = "") -> str:
    """Return `source` sanitised; relative addresses are joined to `base_url`, and go where there is none.

    Links are absolute http(s) or a bare mailto:, images absolute http(s); images of one pixel (tracking) are
    dropped. Comments go. Where there is an <h1>, all headings move down by one: the page or mail around the
    article has its own. What is longer than MAX_HTML is cut, what nests deeper than MAX_DEPTH is flattened.
    `clean_html(clean_html(x)) == clean_html(x)`.
    """
    text = _admitted(source)
    if "<" not in text and "&" not in text:
        return _escaped_text(text)
    clean = _cleaner().clean
    for _ in range(_PASSES):
        text = _own_rules(_with_attributes(clean(text), base_url))
        if settled(text):
            return text
        if deepest(text) > MAX_DEPTH:
            text = shallow(text)
        elif _own_rules(clean(text)) == text:
            return text
    return _as_plain_text(text)  # it reads differently each time it is read: nobody gets to see its markup


def words_of(source: str) -> Words:
    """Return what can be read in foreign HTML, for less than cleaning it costs: nobody will see its markup."""
    text = _admitted(source)
    if "<" not in text and "&" not in text:
        return read_words(_escaped_text(text))
    return read_words(_own_rules(_tags_only().clean(text)))


def _escaped_text(text: str) -> str:
    return _legal_html(html.escape(text, quote=False).strip())


def _admitted(source: str) -> str:
    text = _legal_html(source[:MAX_HTML])
    if "<" in text:
        if len(text) > LONG_TAG:
            text = _LONG_TAG.sub(r"<\1>", text)
        text = _NOSCRIPT.sub("", text)
        if text.count("<") > MANY_TAGS:
            text = shallow(text)
    return text


def _legal_html(source: str) -> str:
    if _OVERLAY not in source:
        return legal_text(source)
    parts = _MARKUP.split(source)
    return "".join(p if i % 2 else _without_leading_overlay(legal_text(p)) for i, p in enumerate(parts))


def _without_leading_overlay(part: str) -> str:
    marks = re.match(r"[^\x00-\x7f\w\s]*", part)
    end = marks.end() if marks else 0
    return part[:end].replace(_OVERLAY, "") + part[end:]


@lru_cache(maxsize=1)
def _cleaner() -> nh3.Cleaner:
    """It knows nothing of the addresses' base, so that there is one for all: making one costs as much as cleaning."""
    return nh3.Cleaner(
        tags=_TAGS,
        clean_content_tags=_DROP_WITH_CONTENT,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel=None,
        strip_comments=True,
    )


@lru_cache(maxsize=1)
def _tags_only() -> nh3.Cleaner:
    return nh3.Cleaner(tags=_TAGS, clean_content_tags=_DROP_WITH_CONTENT, attributes={}, link_rel=None)


def _with_attributes(cleaned: str, base_url: str) -> str:
    """Judge the attributes that nh3 let through. It writes one form of each tag and escapes "<" and ">" everywhere
    else, so that patterns see tags and nothing but tags, here and in _own_rules."""
    return _ODD_TAG.sub(partial(_mended_tag, base_url), cleaned)


def _mended_tag(base_url: str, tag: re.Match[str]) -> str:
    kept = ((name, _attribute(name, html.unescape(value), base_url)) for name, value in _ATTRIBUTE.findall(tag[2]))
    return "<" + tag[1] + "".join(f' {name}="{_escaped(value)}"' for name, value in kept if value is not None) + ">"


def _escaped(value: str) -> str:
    """As nh3 does it."""
    return html.escape(value, quote=False).replace('"', "&quot;").replace("\u00a0", "&nbsp;")


def _attribute(name: str, value: str, base_url: str) -> str | None:
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


def _own_rules(cleaned: str) -> str:
    """What nh3 can't say."""
    text = _legal_html(cleaned)  # "&#8238;" and "&#11;" have become characters only now
    text = _BOX.sub(r"\1div", _BAD_IMG.sub("", text))
    if "<h1" in text:
        text = _HEADING.sub(lambda m: f"{m[1]}{min(6, int(m[2]) + 1)}", text)
    text = text.strip()
    return _legal_html(text) if _OVERLAY in text else text


def _as_plain_text(cleaned: str) -> str:
    words = html.unescape(re.sub(r"<[^>]*>", " ", cleaned))
    paragraphs = [" ".join(p.split()) for p in legal_text(words).split("\n\n")]
    return "".join(f"<p>{html.escape(p, quote=False)}</p>" for p in paragraphs if p)
