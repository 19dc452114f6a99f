"""What templates see of an article, and the small filters they may use. Pure.

The HTML of an article is sanitised before it is stored; here it is only fitted into a letter: its headings go
below the letter's own, styles go out, and pictures are ours or in words (PROMISES 18: opening a mail tells nobody).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from unicodedata import combining, east_asian_width

from markupsafe import Markup

from pipeline.model.articles import Article, Images, Show
from pipeline.model.frozen import direction
from pipeline.model.pictures import Picture
from pipeline.render.pictures import ATTRIBUTES, OURS, PictureView, Showing, lead_picture, picture_tag

FIRST_HEADING = 3  # h1 is the newsletter's name, h2 an article's title

NO_PICTURES: Mapping[str, Picture] = MappingProxyType({})

TextOf = Callable[[str], tuple[str, list[str]]]
"""HTML -> plain text with "[1]" after each linked phrase, and the links' addresses in order."""


@dataclass(frozen=True, slots=True)
class AlsoIn:
    """Another source that tells an article's story."""

    source: str                    # its title
    url: str                       # "" where it leads to the very page that the article does


@dataclass(frozen=True, slots=True)
class ArticleView:
    """One article, as blocks and subjects see it."""

    id: int
    title: str
    url: str                       # the original page, or `web_url` where there is none
    web_url: str                   # our own page of it
    author: str
    source: str                    # the source's title
    published_at: datetime         # aware UTC
    summary: str                   # plain text
    html: Markup                   # "" where only the summary is shown
    text: str                      # the plain text of what is shown
    links: tuple[str, ...]         # what "[1]", "[2]" … in `text` stand for
    topics: tuple[str, ...]
    language: str
    revision: int
    also: tuple[AlsoIn, ...] = ()  # other sources that tell the same story
    note: Markup | str = ""        # the operator's own words on it; "" where there are none
    note_text: str = ""            # the same in plain text
    picture: PictureView | None = None  # what stands for it; it may be one of those in `html`

    @property
    def direction(self) -> str:
        return direction(self.language)

    @property
    def full(self) -> bool:
        return bool(self.html)


@dataclass(frozen=True, slots=True)
class GroupView:
    """A heading that articles stand under."""

    number: int
    name: str                      # the topic, or the source's slug; "" for what belongs to none
    title: str


@dataclass(frozen=True, slots=True)
class CorrectionView:
    """An article that was sent before and has been put right since."""

    id: int
    title: str
    url: str
    web_url: str
    source: str
    note: str                      # the operator's words on what was wrong, one line; "" where the source changed it
    corrected_at: datetime         # aware UTC


def article_view(
    article: Article, *, public_url: str, text_of: TextOf, pictures: Mapping[str, Picture] = NO_PICTURES,
    images: Images = Images.NONE,
) -> ArticleView:
    """The view of a stored article: everything where `show` allows it, else its summary.

    `images` says how its pictures are shown, `pictures` which of them are ours, by the address that it names.
    """
    html, text, links = "", article.summary, list[str]()
    if article.show is Show.FULL and article.html.strip():
        html = fit_html(article.html, public_url=public_url, pictures=pictures, images=images)
        text, links = text_of(html)
    lead = lead_picture(article, Showing(public_url, images, pictures))
    return replace(_view(article, public_url, html, text, links), picture=lead)


def plain_view(article: Article, *, public_url: str) -> ArticleView:
    """The view of an article whose HTML can't be used: its summary only."""
    return _view(article, public_url, "", article.summary, [])


def with_note(view: ArticleView, html: str, text: str) -> ArticleView:
    """The same with the operator's words on it; `html` is sanitised."""
    return replace(view, note=Markup(html), note_text=text)  # noqa: S704 - cleaned by whoever made it of Markdown


def correction_view(article: Article, *, public_url: str) -> CorrectionView:
    web_url = f"{public_url}/a/{article.id}"
    return CorrectionView(
        id=article.id, title=one_line(article.title), url=article.url or web_url, web_url=web_url,
        source=one_line(article.source_title), note=one_line(article.correction),
        corrected_at=article.corrected_at or article.updated_at)


def fit_html(
    html: str, *, public_url: str, pictures: Mapping[str, Picture] = NO_PICTURES, images: Images = Images.NONE,
    first_heading: int = FIRST_HEADING,
) -> str:
    """Fit sanitised HTML into a letter: headings from `first_heading` down, no style, class or id, pictures as `images`
    says, which is of others' servers none but with "remote".

    Sanitised HTML has no comments, style sheets or raw text; should one get here all the same, it goes as well.
    """
    levels = [int(level) for level in _HEADING.findall(html)]
    shift = max(0, first_heading - min(levels, default=first_heading))
    showing = Showing(public_url, images, pictures)
    return _MARKUP.sub(lambda m: _fit_tag(m, shift, showing) if m["name"] else "", html)


def wrap(text: str, width: int = 72, indent: str = "") -> str:
    """Wrap each line of a text; a line's own indent, bullet or quote mark is kept; addresses are never broken."""
    return "\n".join(_wrap_line(line, width, indent) for line in text.split("\n"))


def underline(text: str, mark: str = "=", width: int = 72) -> str:
    """A heading, wrapped, with a line of `mark` below as long as its longest line."""
    wrapped = wrap(text, width)
    return f"{wrapped}\n{mark * max(map(_columns, wrapped.splitlines() or ['']))}"


def one_line(text: str) -> str:
    """Any text in one line without control characters: a subject, a title."""
    if text.isprintable():
        return " ".join(text.split())
    return " ".join("".join(c if c.isprintable() or c in _JOINERS else " " for c in text).split())


def preheader(views: Sequence[ArticleView], limit: int = 140) -> str:
    """What mail programs show beside a subject that names the first article: the other titles, else the summary."""
    words = " · ".join(v.title for v in views[1:]) or (views[0].summary if views else "")
    line = one_line(words)
    return line if len(line) <= limit else line[: limit - 2].rpartition(" ")[0] + " …"


def _view(article: Article, public_url: str, html: str, text: str, links: list[str]) -> ArticleView:
    web_url = f"{public_url}/a/{article.id}"
    return ArticleView(
        id=article.id, title=one_line(article.title), url=article.url or web_url, web_url=web_url,
        author=one_line(article.author), source=one_line(article.source_title), published_at=article.published_at,
        summary=article.summary, html=Markup(html),  # noqa: S704 - the store holds sanitised HTML only
        text=text.strip("\n"), links=tuple(links), topics=article.topics, language=article.language,
        revision=article.revision,
        also=tuple(AlsoIn(one_line(a.source), a.link(article.url, public_url)) for a in article.also),
    )


def _fit_tag(tag: re.Match[str], shift: int, showing: Showing) -> str:
    slash, name, attributes, end = tag["slash"], tag["name"].lower(), tag["attributes"], tag["end"]
    if name in _FETCHING:
        return picture_tag(attributes, showing) if name == "img" and not slash else ""
    if len(name) == 2 and name[0] == "h" and name[1].isdigit():
        name = f"h{min(6, int(name[1]) + shift)}"
    return f"<{slash}{name}{OURS.sub('', attributes)}{end}>"


def _columns(text: str) -> int:
    """How wide a terminal shows it: East Asian characters take two columns, marks over others none."""
    return sum(2 if east_asian_width(c) in "WF" else not combining(c) for c in text)


def _wrap_line(line: str, width: int, indent: str) -> str:
    if len(indent) + len(line) <= width:
        return (indent + line).rstrip()
    lead = _LEAD.match(line)
    mark = lead[0] if lead else ""
    hang = indent + "".join(c if c in "> " else " " for c in mark)
    rest = " ".join(line[len(mark) :].split())
    room = max(1, width - len(hang))
    lines = []
    start = 0
    while len(rest) - start > room:
        end = rest.rfind(" ", start, start + room + 1)
        end = end if end > start else rest.find(" ", start + room)  # a word that is longer than a line
        if end < 0:
            break
        lines.append(rest[start:end])
        start = end + 1
    lines.append(rest[start:])
    return (indent + mark + f"\n{hang}".join(lines)).rstrip()


_JOINERS = "\u200c\u200d"  # they join emoji and letters, and count as not printable
_MARKUP = re.compile(
    r"<!--.*?(?:-->|$)"
    r"|<(style|script|title|textarea|xmp|plaintext|noscript|template|noembed|noframes)\b.*?(?:</\1\s*>|$)"
    rf"|<(?P<slash>/?)(?P<name>[a-z][a-z0-9]*)(?P<attributes>{ATTRIBUTES})(?P<end>\s*/?)>",
    re.DOTALL | re.IGNORECASE,
)
_HEADING = re.compile(r"<h([1-6])\b", re.IGNORECASE)
_FETCHING = frozenset({"img", "picture", "source", "video", "audio", "track", "iframe", "object", "embed", "link"})
_LEAD = re.compile(r"^(?:\s*>)*\s*(?:(?:[-*•]|\d{1,3}[.)])\s+)?")
