"""An article's elements as mail and feed readers show them: paragraphs, code with its lines, captions, links that lead.

Works in place, on what is left of the page when furniture has gone.
"""

from __future__ import annotations

import re
from urllib.parse import urldefrag, urlsplit

from lxml import etree
from lxml.html import HtmlElement

from pipeline.collect.pages.mainpart import INLINE
from pipeline.text.urls import absolute, link

_PLAYERS = re.compile(
    r"(?:^|\.)(?:youtube(?:-nocookie)?\.com|youtu\.be|vimeo\.com|dailymotion\.com|twitch\.tv|soundcloud\.com|spotify\.com"
    r"|bandcamp\.com|archive\.org|peertube\.[a-z]+|ted\.com|arte\.tv|mixcloud\.com|codepen\.io|bilibili\.com|rutube\.ru)$")
_YOUTUBE = re.compile(r"/(?:embed|v)/([\w-]{6,20})")
_AROUND = " \t\r\n\u200b\u200c\u200d\u2060\ufeff\xa0"  # what editors paste around an address, unseen
_LINE_ENDS = frozenset("div p li tr section".split())
_PERMALINK = re.compile(r"[#¶§🔗∞⚓\s\u200b]*")
_NUMBERS = frozenset("linenos linenumber linenumbers lineno gutter linenodiv rouge-gutter line-numbers lnt blob-num "
                     "hljs-ln-numbers".split())
_LISTINGS = frozenset("highlighttable code blob-code rouge-table lntable hljs-ln hljs-ln-code crayon-table".split())
_HOLDERS = ("p", "div", "td", "section", "article", "blockquote")
_PAIR = "br2"  # stands for two or more <br>, where one paragraph ends and the next begins
_EMPTY_GOES = ("p", "div", "section", "li", "ul", "ol", "dl", "blockquote", "figure", "figcaption", "h1", "h2", "h3",
               "h4", "h5", "h6", "table", "span", "a", "article", "header", "em", "strong", "b", "i", "pre", "code")


def shape(article: HtmlElement, base_url: str, page_url: str) -> None:
    """Make `article` self-contained. `base_url` is what its links are relative to, `page_url` where it stands."""
    _show_players(article, base_url)
    _keep_code(article)
    _keep_captions(article)
    _join_links(article, base_url, page_url)
    _drop_empty(article)
    _make_paragraphs(article)


def _show_players(article: HtmlElement, base_url: str) -> None:
    """A film can't be mailed, but a link to it can."""
    for frame in list(article.iter("iframe", "video", "audio")):
        source = frame.get("src") or frame.get("data-src") or next(
            (s.get("src") or "" for s in frame.iter("source") if s.get("src")), "")
        address = absolute(source, base_url)
        host = urlsplit(address).hostname or ""
        if not address or (frame.tag == "iframe" and not _PLAYERS.search(host)):
            frame.drop_tree()
            continue
        if "youtube" in host and (video := _YOUTUBE.search(address)):
            address = f"https://www.youtube.com/watch?v={video[1]}"
        paragraph = etree.Element("p")
        anchor = etree.SubElement(paragraph, "a", href=address)
        anchor.text = frame.get("title") or host.removeprefix("www.")
        paragraph.tail, frame.tail = frame.tail, None
        frame.getparent().replace(frame, paragraph)


def _keep_code(article: HtmlElement) -> None:
    """Each listing becomes one <pre><code> whose lines end where the page's did; line numbers go."""
    for table in list(article.iter("table")):
        listing = _listing_of(table)
        if listing is not None:
            listing.tail = table.tail
            table.getparent().replace(table, listing)
    for pre in list(article.iter("pre")):
        if pre.getparent() is None or next(pre.iterancestors("pre"), None) is not None:
            continue
        for number in [e for e in pre.iterdescendants() if _is_a_number(e)]:
            if number.getparent() is not None:
                number.drop_tree()
        is_code = next(pre.iter("code", "span", "tt", "samp", "kbd"), None) is not None
        text = _lines_of(pre)
        tail = pre.tail
        for child in list(pre):
            pre.remove(child)
        pre.text, pre.tail = None, tail
        if is_code:
            etree.SubElement(pre, "code").text = text
        else:
            pre.text = text


def _listing_of(table: HtmlElement) -> HtmlElement | None:
    """A <pre> for a table that only puts numbers beside lines of code."""
    named = {word for e in table.iter("table", "td", "tr") for word in (e.get("class") or "").lower().split()}
    if named.isdisjoint(_LISTINGS):
        return None
    for cell in list(table.iter("td")):
        if _is_a_number(cell):
            cell.drop_tree()
    pre = etree.Element("pre")
    etree.SubElement(pre, "code").text = _lines_of(table)
    return pre


def _is_a_number(element: HtmlElement) -> bool:
    classes = (element.get("class") or "").lower().split()
    return bool(element.get("data-line-number")) or not _NUMBERS.isdisjoint(classes)


def _lines_of(element: HtmlElement) -> str:
    parts: list[str] = []
    for event, inner in etree.iterwalk(element, events=("start", "end")):
        opens = event == "start"
        if isinstance(inner.tag, str):
            ends_line = inner.tag in _LINE_ENDS and inner is not element
            ends_line = ends_line and not opens and bool(parts) and not parts[-1].endswith("\n")
            if ends_line or (opens and inner.tag == "br"):
                parts.append("\n")
            if opens:
                parts.append(inner.text or "")
        if not opens and inner is not element:
            tail = inner.tail or ""
            # between two <div> of one line each, the source's own line ends are layout
            parts.append("" if isinstance(inner.tag, str) and inner.tag in _LINE_ENDS and tail.isspace() else tail)
    return "".join(parts).strip("\n")


def _keep_captions(article: HtmlElement) -> None:
    for element in article.iter("div", "p", "span", "dl", "dd"):
        words = (element.get("class") or "").lower().split()
        if "wp-caption" in words and next(element.iter("img"), None) is not None:
            element.tag = "figure"
        elif "wp-caption-text" in words or "caption-text" in words:
            element.tag = "figcaption"


def _join_links(article: HtmlElement, base_url: str, page_url: str) -> None:
    for anchor in list(article.iter("a")):
        href = (anchor.get("href") or "").strip(_AROUND)
        own = urldefrag(absolute(href, base_url))
        in_page = href.startswith("#") or (own.fragment and own.url == urldefrag(page_url).url)
        empty = len(anchor) == 0 and _PERMALINK.fullmatch(anchor.text or "") is not None
        if empty and (in_page or not href):
            anchor.drop_tree()  # the "#" or "¶" beside a heading
            continue
        address = absolute(f"{page_url}{href}") if href.startswith("#") else link(href, base_url)
        if address:
            anchor.set("href", address)
        elif href or anchor.get("name") or anchor.get("id"):
            anchor.drop_tag()  # javascript:, tel:, a place to jump to: the words stay


def _drop_empty(article: HtmlElement) -> None:
    for element in reversed(list(article.iter(*_EMPTY_GOES))):
        if element is article or len(element) or (element.text or "").strip():
            continue
        if element.tag in INLINE and element.text:
            element.drop_tag()  # it holds the space between two words
        else:
            element.drop_tree()


def _make_paragraphs(article: HtmlElement) -> None:
    """Text that is parted by pairs of <br> is paragraphs; a <div> that holds only words is one."""
    for first in list(article.iter("br")):
        parent = first.getparent()
        if parent is not None and parent.tag in _HOLDERS:
            _collapse_breaks(first)
    for holder in [e for e in article.iter(*_HOLDERS) if e.find(_PAIR) is not None]:
        _split(holder)
    for mark in list(article.iter(_PAIR)):
        mark.tag = "br"
    flowing: set[HtmlElement] = set()  # elements that hold nothing but words
    for element in reversed(list(article.iter())):
        if all(child in flowing for child in element):
            if element.tag in INLINE:
                flowing.add(element)
            elif element.tag == "div" and element is not article and next(element.itertext(), None) is not None:
                element.tag = "p"


def _collapse_breaks(first: HtmlElement) -> None:
    """A run of two or more <br> becomes one mark."""
    if first.getparent() is None or (first.tail or "").strip():
        return
    following = first.getnext()
    while following is not None and following.tag == "br":
        first.tag = _PAIR
        blank = not (following.tail or "").strip()
        later = following.getnext()
        first.tail = following.tail
        first.getparent().remove(following)
        following = later if blank else None


def _split(holder: HtmlElement) -> None:
    """Wrap each run of inline content between marks into a <p>; a <p> becomes a <div> of them."""
    pieces: list[etree._Element] = []
    current: etree._Element | None = None

    def into() -> etree._Element:
        nonlocal current
        if current is None:
            current = etree.Element("p")
            pieces.append(current)
        return current

    if (holder.text or "").strip():
        into().text = holder.text
    for child in list(holder):
        tail, child.tail = child.tail, None
        if child.tag == _PAIR:
            current = None
        elif isinstance(child.tag, str) and child.tag in INLINE:
            into().append(child)
        else:
            pieces.append(child)
            current = None
        if tail and (tail.strip() or current is not None):
            paragraph = into()
            if len(paragraph):
                paragraph[-1].tail = (paragraph[-1].tail or "") + tail
            else:
                paragraph.text = (paragraph.text or "") + tail
    for child in list(holder):
        holder.remove(child)
    holder.text = None
    for piece in pieces:
        holder.append(piece)
    if holder.tag == "p":
        holder.tag = "div"

