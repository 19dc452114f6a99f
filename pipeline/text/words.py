"""The words of an article's HTML: what a person reads, without the markup.

Give it what `text.clean` returned: patterns read it, and libxml2, which is only safe with shallow, capped HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from typing import NamedTuple

from lxml import html as lxml_html

SUMMARY_WORDS = 60
LONGEST_WORD = 12    # characters, on average: 60 words of German are 420, and 60 of Chinese are fewer still
LEAD_WORDS = 25  # a first paragraph shorter than this takes the next one along into a summary

_BLOCKS = frozenset(
    "p div h1 h2 h3 h4 h5 h6 ul ol li dl dt dd blockquote pre hr figure figcaption table caption thead tbody "
    "tfoot tr".split()
)
_BREAK = "\0"  # a forced line break within a run; the text itself can't hold it
_INDENT = "    "
_NO_LEAD = frozenset("h1 h2 h3 h4 h5 h6 pre table figure figcaption dl".split())
_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’»)\]]*$")
_FULL_STOP = re.compile(r"[。！？…][\"'”’»）」』]*|[.!?][\"'”’»)\]]*(?= )")
_ABBREVIATION = re.compile(
    r"(?:^|\W)(?:[A-Za-z]|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|No|Fig|approx|e\.g|i\.e|a\.m|p\.m|U\.S)\.$"
)


class Words(NamedTuple):
    text: str   # all of it, blocks parted by blank lines; <pre> keeps its lines
    lead: str   # the running text only: no headings, code, tables or captions
    line: str   # all of it, with one blank between two words


def visible_text(html: str) -> str:
    """Return the text of `html` with blank lines between its blocks; <pre> keeps its lines."""
    return read_words(html).text


def lead_text(html: str) -> str:
    """Return the running text only: no headings, code, tables or captions. It is what a summary is made of."""
    return read_words(html).lead


def read_words(html: str) -> Words:
    """Return all that can be read in `html`, for the price of one."""
    paragraphs = list(_paragraphs(html))
    return Words(
        "\n\n".join([text for text, _, _ in paragraphs]),
        "\n\n".join([text for text, leads, _ in paragraphs if leads]),
        " ".join([" ".join(text.split()) if keeps_lines else text for text, _, keeps_lines in paragraphs]),
    )


def summarise(text: str, words: int = SUMMARY_WORDS) -> str:
    """Return the beginning of `text`, at most `words` words on one line.

    It is the first paragraph (and the next, where that is short), cut after a sentence where one ends in the
    second half, else after a word, with an ellipsis. Where words are not parted by blanks, or are none, it is cut after
    LONGEST_WORD times as many characters.
    """
    taken: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text.strip(), maxsplit=LEAD_WORDS):
        taken += paragraph.split(maxsplit=words)  # what comes after that many words is not looked at
        if len(taken) >= LEAD_WORDS:
            break
    if len(taken) <= words:
        return _no_longer(" ".join(taken), words * LONGEST_WORD)
    head = taken[:words]
    for end in range(words, words // 2, -1):
        last = head[end - 1]
        if _SENTENCE_END.search(last) and not _ABBREVIATION.search(last):
            return _no_longer(" ".join(head[:end]), words * LONGEST_WORD)
    return _no_longer(" ".join(head).rstrip(" ,;:–—-") + "…", words * LONGEST_WORD)


def _no_longer(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    ends = [match.end() for match in _FULL_STOP.finditer(text[:limit])]
    return text[: ends[-1]] if ends and ends[-1] > limit // 2 else text[: limit - 1].rstrip() + "…"


def text_with_links(html: str) -> tuple[str, list[str]]:
    """Return `html` as readable plain text, and the addresses its "[1]", "[2]" … stand for, in order.

    Blocks are parted by blank lines and not wrapped: that is for whoever sends them. Headings stand alone,
    list items begin with "- " or "1. ", quotes with "> ", code keeps its lines (indented by four), images
    become "[their alt text]", cells of a table are parted by " | ". One address has one number.
    """
    writer = _Writer()
    root = _tree(html)
    if root is not None:
        writer.children(root)
        writer.flush()
    return "\n".join(writer.lines).strip("\n"), list(writer.numbers)


def _tree(html: str) -> lxml_html.HtmlElement | None:
    if not html.strip():
        return None
    return lxml_html.fragment_fromstring(html, create_parent="div", parser=lxml_html.HTMLParser(encoding="utf-8"))


_EDGES = "|".join((*sorted(_BLOCKS), "br", "td", "th"))
_EDGE = re.compile(rf"<(/?(?:{_EDGES}))(?: [^>]*)?>")
_OTHER_TAG = re.compile(rf"<(?!/?(?:{_EDGES})[ >])[^>]*>")
_RARE_BLANK = re.compile(r"\s")  # sought in what is not ASCII
_ASCII = bytes(range(128))
_BLANKS = {"br": "\n", "td": " ", "/td": " ", "th": " ", "/th": " "}


def _paragraphs(html: str) -> Iterator[tuple[str, bool, bool]]:
    """Yield each block's text, whether it is running text, and whether it keeps its lines. Clean HTML has one form of
    each tag and no "<" or ">" beside them, so that a pattern takes it apart, for a tenth of what a tree costs."""
    parts = _EDGE.split(_OTHER_TAG.sub("", html))
    rare = not html.isascii() and bool(_RARE_BLANK.search(html.encode().translate(None, _ASCII).decode()))
    run = ""
    in_pre = no_lead = 0
    for text, tag in zip(parts[::2], [*parts[1::2], "div"], strict=True):
        run += text
        if blank := _BLANKS.get(tag):
            run += blank
            continue
        if run and (folded := _folded(run, rare=rare, keep_lines=in_pre > 0)):
            yield folded, not no_lead, in_pre > 0
        run = ""
        name = tag.removeprefix("/")
        if name in _NO_LEAD:
            step = 1 if tag == name else -1
            no_lead += step
            in_pre += step * (name == "pre")


def _folded(text: str, *, rare: bool, keep_lines: bool) -> str:
    """Return a block's text with its blanks folded. Most have none to fold, and to see that is much quicker."""
    if "&" in text:
        text = unescape(text)
        rare = rare or "\u00a0" in text
    if keep_lines:
        return text.strip("\n") if text.strip() else ""
    if rare or "\n" in text or "  " in text or "\t" in text:
        return " ".join(text.split())
    return text.strip(" ")


@dataclass(slots=True)
class _Writer:
    """Writes one article's lines. `prefix` begins every line of the block at hand, `first` its next line only."""

    lines: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)  # address -> its number
    prefix: str = ""
    first: str = ""   # a list item's bullet
    tight: int = 0    # how many lists and tables we are within: no blank lines there
    run: list[str] = field(default_factory=list)

    def children(self, element: lxml_html.HtmlElement) -> None:
        self.run.append(element.text or "")
        for child in element:
            self.element(child)
            self.run.append(child.tail or "")

    def element(self, element: lxml_html.HtmlElement) -> None:
        tag = element.tag if isinstance(element.tag, str) else ""
        if tag == "br":
            self.run.append(_BREAK)
        elif tag == "img":
            alt = " ".join((element.get("alt") or "").split())
            self.run.append(f"[{alt}]" if alt else "")
        elif tag == "a":
            self.children(element)
            self.run.append(self.number(element.get("href") or ""))
        elif tag == "q":
            self.run.append("“")
            self.children(element)
            self.run.append("”")
        elif tag in ("td", "th"):
            self.children(element)
            self.run.append(" | " if element.getnext() is not None else "")
        elif tag in _BLOCKS:
            self.flush()
            self.block(tag, element)
            self.flush()
        elif tag:
            self.children(element)

    def block(self, tag: str, element: lxml_html.HtmlElement) -> None:
        if tag == "pre":
            for row in element.text_content().strip("\n").split("\n"):
                self.run.append(_BREAK + _INDENT + row)
            self.flush(fold=False)
        elif tag == "hr":
            self.run.append("* * *")
        elif tag == "blockquote":
            self.gap()
            outer, self.prefix, self.tight = (self.prefix, self.tight), self.prefix + "> ", 0
            start = len(self.lines)
            self.children(element)
            self.flush()
            if self.lines[start : start + 1] == [self.prefix.rstrip()]:
                del self.lines[start]
            self.prefix, self.tight = outer
        elif tag in ("ul", "ol", "dl", "table"):
            self.gap()
            self.tight += 1
            if tag in ("ul", "ol"):
                self.items(tag, element)
            else:
                self.children(element)
                self.flush()
            self.tight -= 1
        else:
            self.children(element)

    def items(self, tag: str, element: lxml_html.HtmlElement) -> None:
        start = element.get("start") or "1"
        number = int(start) if start.isdecimal() else 1
        self.run.append(element.text or "")
        for child in element:
            if child.tag == "li":
                self.flush()
                outer, self.first = self.prefix, self.first + ("- " if tag == "ul" else f"{number}. ")
                number += 1
                self.children(child)
                self.flush()
                self.prefix, self.first = outer, ""
            else:
                self.element(child)
            self.run.append(child.tail or "")
        self.flush()

    def flush(self, *, fold: bool = True) -> None:
        rows = "".join(self.run).split(_BREAK)
        self.run = []
        rows = [" ".join(row.split()) if fold else row.rstrip() for row in rows]
        while rows and not rows[-1]:
            rows.pop()
        while rows and not rows[0]:
            rows.pop(0)
        if not rows:
            return
        self.gap()
        for row in rows:
            self.lines.append(f"{self.prefix}{self.first}{row}".rstrip())
            if self.first:  # what follows in the same item stands under its text, not under its bullet
                self.prefix, self.first = self.prefix + " " * len(self.first), ""

    def gap(self) -> None:
        if self.lines and not self.tight:
            self.lines.append(self.prefix.rstrip())

    def number(self, url: str) -> str:
        if not url:
            return ""
        return f" [{self.numbers.setdefault(url, len(self.numbers) + 1)}]"
