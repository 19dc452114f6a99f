"""An article's pictures in a letter: ours with their size, those of others in words, or theirs where that is allowed.

Pure: what there is of ours was gathered before (compose/pictures), and is handed over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape, unescape
from types import MappingProxyType

from pipeline.model.articles import Article, Images
from pipeline.model.pictures import COLUMN, LEAD, Picture, shown_size

ATTRIBUTES = r"""(?:[^<>"']|"[^"]*"|'[^']*')*?"""
"""A pattern of what stands in a tag after its name."""

OURS = re.compile(r"""\s+(?:style|class|id)\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'>]+)""", re.IGNORECASE)
"""Attributes by which the letter is styled, and no article."""

_IMG = re.compile(rf"<img\b({ATTRIBUTES})\s*/?>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([a-zA-Z-]+)\s*=\s*"([^"]*)\"""")


@dataclass(frozen=True, slots=True)
class PictureView:
    """A picture as templates see it. Its size is in CSS pixels, and 0 where nobody knows it (images = "remote")."""

    src: str
    width: int
    height: int
    alt: str       # "" where the source gave none


@dataclass(frozen=True, slots=True)
class Named:
    """A picture as an article's HTML names it."""

    url: str
    alt: str = ""
    width: int = 0     # 0: it does not say
    height: int = 0


@dataclass(frozen=True, slots=True)
class Showing:
    """How one article's pictures are shown."""

    public_url: str
    images: Images = Images.NONE
    pictures: Mapping[str, Picture] = field(default_factory=lambda: MappingProxyType({}))   # address -> ours

    def view(self, named: Named) -> PictureView | None:
        """None where it stands in words."""
        if self.is_on_our_site(named.url) or (self.images is Images.REMOTE and _is_remote(named.url)):
            return PictureView(named.url, *_declared(named), named.alt)
        picture = self.pictures.get(named.url) if self.images is Images.OWN else None
        if picture is None:
            return None
        width, height = shown_size(picture.width, picture.height, named.width, named.height)
        return PictureView(f"{self.public_url}/i/{picture.name}", width, height, named.alt)

    def is_on_our_site(self, url: str) -> bool:
        return url.startswith(f"{self.public_url}/")


def named_pictures(html: str) -> list[Named]:
    """The pictures of sanitised HTML, in their order."""
    return [_named(tag[1]) for tag in _IMG.finditer(html)]


def picture_tag(attributes: str, showing: Showing) -> str:
    """What stands for an <img> with these attributes: one that calls on nobody, or what it shows in words."""
    named = _named(attributes)
    if showing.is_on_our_site(named.url):
        bare = OURS.sub("", attributes)
        return f"<img{bare}>" if "alt" in _values(attributes) else f'<img{bare} alt="">'
    view = showing.view(named)
    if view is not None:
        size = f' width="{view.width}"' if view.width else ""
        size += f' height="{view.height}"' if view.height else ""
        return f'<img src="{escape(view.src)}"{size} alt="{escape(view.alt)}">'
    alt = _values(attributes).get("alt", "").strip()
    return f"<em>[{alt}]</em>" if alt else ""


def lead_picture(article: Article, showing: Showing) -> PictureView | None:
    """The picture that stands for an article: its own, else the first in its HTML that is large enough."""
    named = named_pictures(article.html)
    if article.image:
        named.insert(0, next((Named(one.url, one.alt) for one in named if one.url == article.image),
                             Named(article.image)))
    views = (showing.view(one) for one in named)
    return next((view for view in views if view and (view.width >= LEAD or not view.width)), None)


def _named(attributes: str) -> Named:
    values = _values(attributes)
    return Named(unescape(values.get("src", "")), unescape(values.get("alt", "")).strip(),
                 _number(values.get("width", "")), _number(values.get("height", "")))


def _values(attributes: str) -> dict[str, str]:
    return {m[1].lower(): m[2] for m in _ATTRIBUTE.finditer(attributes)}


def _number(value: str) -> int:
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 5 else 0


def _declared(named: Named) -> tuple[int, int]:
    """The size that an article says, brought down to the column; what it does not say stays unknown."""
    width, height = named.width, named.height
    if width > COLUMN:
        return COLUMN, max(1, round(height * COLUMN / width)) if height else 0
    return width, height


def _is_remote(url: str) -> bool:
    return url.startswith(("http://", "https://"))
