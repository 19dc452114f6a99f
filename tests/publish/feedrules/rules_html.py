"""What HTML inside a feed may hold: well-formed as a strict HTML5 parser sees it, without risks, without relative
addresses.

The validator asks html5lib in its strict mode, which is no dependency of ours; this reads tags and nesting only. What
a cleaner writes passes both; of malformed HTML the common forms are found, not each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from html.entities import html5

from .rules_values import HTML_TAGS, RISKY_TAGS, Found, Spot

_TOKEN = re.compile(r"""<!--.*?-->|</?[A-Za-z](?:[^<>"']|"[^"]*"|'[^']*')*>""", re.DOTALL)
_TAG = re.compile(r"<(/?)([A-Za-z][^\s/>]*)(.*?)(/?)>", re.DOTALL)
_ATTRIBUTE = re.compile(r"""\s+([^\s"'<>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]+)))?""")
_REFERENCE = re.compile(r"&(?:#([0-9]+|[xX][0-9A-Fa-f]+)(;?)|(#)|([A-Za-z][A-Za-z0-9]*;?))")
_VOID = set("area base br col embed hr img input link meta param source track wbr".split())
_RAW = set("iframe noembed noframes plaintext script style textarea title xmp".split())
_HEADINGS = {f"h{n}" for n in range(1, 7)}
_CLOSES_P = _HEADINGS | set(
    "address article aside blockquote center details dialog dir div dl fieldset figcaption figure footer form header "
    "hgroup hr li dd dt main menu nav ol p pre section summary ul".split())
_MAY_STAY_OPEN = set("dd dt li p tbody td tfoot th thead tr".split())
# A new tag of the first kind ends an open one of the second, unless a tag of the third stands between.
_SCOPE = set("table td th caption button object template applet marquee".split())
_ITEMS = {"li": {"li"}, "dd": {"dd", "dt"}, "dt": {"dd", "dt"}}
_SPECIAL = _SCOPE | _HEADINGS | (_CLOSES_P - {"address", "div", "p", *_ITEMS}) | {"select", "tr", "tbody"}
_ENDS = {"option": ({"option"}, {"select", "optgroup"}),
         "tr": ({"td", "th", "tr", "caption", "colgroup"}, {"table"}), "td": ({"td", "th"}, {"table"}),
         "th": ({"td", "th"}, {"table"})}
_ENDS |= {part: ({"td", "th", "tr", "tbody", "thead", "tfoot", "caption", "colgroup"}, {"table"})
          for part in ("tbody", "thead", "tfoot")}
_PARENTS = {"tr": {"tbody", "thead", "tfoot", "table"}, "td": {"tr"}, "th": {"tr"}, "caption": {"table"},
            "col": {"colgroup", "table"}, "colgroup": {"table"},
            "tbody": {"table"}, "thead": {"table"}, "tfoot": {"table"}}
_TABLE_PARTS = {"table", "tbody", "thead", "tfoot", "tr", "colgroup"}
_ODD = set("html head body frame frameset image isindex nextid".split())

_ATTRIBUTES = set(  # harmless to the validator. aria-*, role and controls are in HTML, and not on its list
    "abbr accept accept-charset accesskey action align allow allowfullscreen alt as autocapitalize autocomplete "
    "autofocus autoplay axis background bgcolor border cellpadding cellspacing char charoff charset checked cite class "
    "clear color cols colspan compact contenteditable coords crossorigin data datetime decoding default dir dirname "
    "disabled download draggable enctype enterkeyhint face for form formenctype frame headers height hidden high href "
    "hreflang hspace id inputmode is ismap itemid itemprop itemref itemscope itemtype kind label lang list loading "
    "longdesc loop low lowsrc max maxlength media method min minlength multiple muted name nohref nonce noshade nowrap "
    "open optimum pattern ping placeholder playsinline poster preload readonly referrerpolicy rel required rev "
    "reversed rows rowspan rules scope selected shape size sizes span spellcheck src srclang srcset start summary "
    "tabindex target template title translate type usemap valign value vspace width wrap xml:lang xmlns".split())
_SAFE_STYLES = set(
    "background-color border border-collapse border-color border-spacing border-style border-width clear color "
    "direction display float font font-family font-size font-style font-variant font-weight height letter-spacing "
    "line-height list-style-type margin margin-bottom margin-left margin-right margin-top overflow padding "
    "padding-bottom padding-left padding-right padding-top text-align text-decoration text-indent unicode-bidi "
    "vertical-align white-space width".split())


def html(value: str, _spot: Spot) -> Iterator[Found]:
    """Any HTML in a feed."""
    yield from _nesting(value)
    for _, name, attributes in _start_tags(value):
        if name not in HTML_TAGS:
            yield f"<{name}> is no tag of HTML", "NotHtml"
        elif name in RISKY_TAGS:
            yield f"<{name}> is a risk", "SecurityRisk"
        else:
            yield from _risky_attributes(name, attributes)
    if "<?import " in value.lower():
        yield "<?import is a risk", "SecurityRisk"


def absolute_html(value: str, spot: Spot) -> Iterator[Found]:
    """HTML where a relative address leads nowhere: RSS and JSON Feed have no base."""
    yield from html(value, spot)
    for _, name, attributes in _start_tags(value):
        for key, address in attributes:
            links = (name, key) in {("a", "href"), ("area", "href"), ("video", "poster")} or key == "src"
            if links and not re.match(r"\w+:", address.strip()):
                yield f"{key}={address!r} is relative", "ContainsRelRef"


def _risky_attributes(name: str, attributes: list[tuple[str, str]]) -> Iterator[Found]:
    for key, text in attributes:
        if key == "style":
            named = set(re.findall(r"(?:^|;)\s*([-\w]+)", text.lower()))
            if named - _SAFE_STYLES or not re.fullmatch(r"(?:\s*[-\w]+\s*:[^:;()\\<>{}]*(?:;|$))*\s*", text):
                yield f"<{name} style={text!r}>", "DangerousStyleAttr"
        elif key not in _ATTRIBUTES and not key.startswith("data-"):
            yield f"<{name} {key}> is a risk", "SecurityRiskAttr"


def _start_tags(value: str) -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    for token in _TOKEN.finditer(value):
        tag = _TAG.fullmatch(token[0])
        if tag and not tag[1]:
            found = [(m[1].lower(), unescape(m[2] or m[3] or m[4] or "")) for m in _ATTRIBUTE.finditer(tag[3])]
            yield token[0], tag[2].lower(), found


def _nesting(value: str) -> Iterator[Found]:
    """As far as the first error, like a strict parser."""
    for message in _errors(value):
        yield message, "NotHtml"
        return


def _errors(value: str) -> Iterator[str]:
    stack: list[str] = []
    at = 0
    while at <= len(value):
        token = _TOKEN.search(value, at)
        yield from _text_errors(value[at:token.start() if token else len(value)], stack)
        if not token:
            break
        at = token.end()
        if tag := _TAG.fullmatch(token[0]):
            name = tag[2].lower()
            yield from _end_errors(name, stack) if tag[1] else _start_errors(name, tag, stack)
            if not tag[1] and name in _RAW:
                close = re.compile(f"</{name}\\s*>", re.IGNORECASE).search(value, at)
                at = close.start() if close else len(value)
        elif "--" in token[0][4:-3] or token[0][4:5] in {">", "-"}:
            yield f"{token[0][:40]!r} is no comment"
    for name in stack:
        if name not in _MAY_STAY_OPEN:
            yield f"<{name}> is never closed"


def _text_errors(text: str, stack: list[str]) -> Iterator[str]:
    if match := re.search(r"<(?=.)|[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]", text):
        yield f"{text[match.start():][:20]!r} is no markup"
    if text.endswith("<"):
        yield "ends with <"
    yield from _reference_errors(text)
    if unescape(text).strip() and stack and stack[-1] in _TABLE_PARTS:
        yield f"{text.strip()[:20]!r} stands in <{stack[-1]}> outside any cell"


def _reference_errors(text: str) -> Iterator[str]:
    for match in _REFERENCE.finditer(text):
        digits, semicolon, hash_sign, name = match.groups()
        if digits:
            code = int(digits[1:], 16) if digits[0] in "xX" else int(digits)
            control = (code < 32 and code not in {9, 10, 12}) or 0x7F <= code <= 0x9F
            beyond = 0xD800 <= code <= 0xDFFF or 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE or code > 0x10FFFF
            if control or beyond or not semicolon:
                yield f"{match[0]!r} is no character"
        elif hash_sign or name not in html5 or not name.endswith(";"):
            yield f"{match[0]!r} is no entity"


def _start_errors(name: str, tag: re.Match[str], stack: list[str]) -> Iterator[str]:
    rest = _ATTRIBUTE.sub("", tag[3])
    keys = [m[1].lower() for m in _ATTRIBUTE.finditer(tag[3])]
    if rest.strip():
        yield f"{tag[0][:60]!r} has {rest.strip()!r} in it"
    if len(keys) > len(set(keys)):
        yield f"{tag[0][:60]!r} has an attribute twice"
    yield from _reference_errors(tag[3])
    if tag[4] and name not in _VOID:
        yield f"{tag[0][:60]!r} can't close itself"
    yield from _close(name, stack)
    if name in _ODD:
        yield f"<{name}> stands inside"
    elif name in _PARENTS and (not stack or stack[-1] not in _PARENTS[name]):
        yield f"<{name}> stands in <{stack[-1] if stack else 'nothing'}>"
    elif stack and stack[-1] in _TABLE_PARTS and name not in {*_PARENTS, "script", "style", "template"}:
        yield f"<{name}> stands in <{stack[-1]}> outside any cell"
    elif name in {"a", "button", "form", "nobr"} and name in _since(stack, _SCOPE if name == "a" else set()):
        yield f"<{name}> stands in <{name}>"
    elif name in _HEADINGS and stack and stack[-1] in _HEADINGS:
        yield f"<{name}> stands in <{stack[-1]}>"
    if name not in _VOID:
        stack.append(name)


def _since(stack: list[str], border: set[str]) -> list[str]:
    """The open tags behind the last one of `border`."""
    for at in range(len(stack) - 1, -1, -1):
        if stack[at] in border:
            return stack[at + 1:]
    return stack


def _close(name: str, stack: list[str]) -> Iterator[str]:
    """A start tag ends what may go without an end tag."""
    if name in _ITEMS and (open_items := _ITEMS[name] & set(_since(stack, _SPECIAL | (set(_ITEMS) - _ITEMS[name])))):
        while stack[-1] not in open_items:
            if stack[-1] not in _MAY_STAY_OPEN:
                yield f"<{name}> stands in <{stack[-1]}>"
            stack.pop()
        stack.pop()
    if name in _CLOSES_P and "p" in _since(stack, _SCOPE) and stack[-1] == "p":
        stack.pop()
    ends, border = _ENDS.get(name, (set(), set()))
    while stack and ends & set(_since(stack, border)) and (stack[-1] in ends or stack[-1] in _MAY_STAY_OPEN):
        stack.pop()
    if name in {"rp", "rt"} and "ruby" in _since(stack, _SCOPE):
        while stack[-1] in _MAY_STAY_OPEN | {"rp", "rt"}:
            stack.pop()
        if stack[-1] != "ruby":
            yield f"<{name}> stands in <{stack[-1]}>"


def _end_errors(name: str, stack: list[str]) -> Iterator[str]:
    while stack and stack[-1] != name and stack[-1] in _MAY_STAY_OPEN and name in stack:
        stack.pop()
    if stack and stack[-1] == name:
        stack.pop()
    else:
        yield f"</{name}> closes {f'<{stack[-1]}>' if stack else 'nothing'}"
