"""The pictures of a page as a reader without scripts should get them: with the address that a script would fill in."""

from __future__ import annotations

import re

from lxml.html import HtmlElement

from pipeline.text.urls import absolute

WIDEST = 1600        # pixels; of several sizes the largest up to this one is taken
MAX_SRCSET = 20_000  # characters of one srcset that are read

_LAZY = (
    "data-src", "data-original", "data-lazy-src", "data-original-src", "data-orig-file", "data-large-file",
    "data-image", "data-hi-res-src", "data-full-src", "data-url", "data-lazy", "data-actualsrc", "data-echo",
    "data-image-src", "data-delayed-url", "data-native-src", "data-runner-src", "data-img-src", "data-li-src",
)
_LAZY_SETS = ("data-srcset", "data-lazy-srcset", "srcset", "data-src-retina")
_STAND_IN = re.compile(
    r"^\s*(?:data:|about:|#)|(?:^|[/_.-])(?:blank|spacer|placeholder|transparent|pixel|grey|gray|loading|loader|lazy"
    r"|1x1|clear|empty|trans)(?:[_.-][^/]*)?\.(?:gif|png|svg|jpe?g|webp)(?:$|\?)", re.IGNORECASE)
_PICTURE = re.compile(r"^\s*(?:https?:)?[^\s<>{}]+\.(?:jpe?g|png|webp|gif|avif)(?:[?#]\S*)?\s*$", re.IGNORECASE)
_CANDIDATE = re.compile(r"\s*([^\s,]\S*[^\s,]|[^\s,])(?:\s+([\d.]+)([wx]))?\s*(?:,|$)")
_SMALL_SIGNS = frozenset("emoji wp-smiley smiley emoticon twemoji".split())


def show_pictures(root: HtmlElement, base_url: str) -> None:
    """Give each <img> in `root` its true, absolute address, from lazy attributes, <picture> or <noscript>.

    Those that have none go. Emoji that are pictures become the characters of their alt text.
    """
    for element in list(root.iter("amp-img", "amp-anim", "image")):
        element.tag = "img"
    for noscript in list(root.iter("noscript")):
        _without_noscript(noscript)
    for picture in list(root.iter("picture")):
        _without_picture(picture)
    for image in list(root.iter("img")):
        if not _SMALL_SIGNS.isdisjoint((image.get("class") or "").lower().split()):
            _as_text(image)
            continue
        address = absolute(source_of(image), base_url)
        if not address or {image.get("width"), image.get("height")} & {"0", "1"}:
            image.drop_tree()
            continue
        image.set("src", address)
        image.attrib.pop("srcset", None)


def source_of(image: HtmlElement) -> str:
    """Return the address of the picture itself, "" where nothing says it."""
    source = (image.get("src") or "").strip()
    if source and not _STAND_IN.search(source):
        return source
    for name in _LAZY:
        value = (image.get(name) or "").strip()
        if value and not _STAND_IN.search(value):
            return value
    for name in _LAZY_SETS:
        if chosen := _of_set(image.get(name) or ""):
            return chosen
    for name, value in image.attrib.items():
        if str(name).startswith("data-") and _PICTURE.match(str(value)):
            return str(value).strip()
    return "" if source[:5].lower() in ("data:", "about") else source


def _of_set(srcset: str) -> str:
    """The largest candidate up to WIDEST, else the smallest (HTML, section 4.8.4.2.1, read leniently)."""
    found = []
    for match in _CANDIDATE.finditer(srcset[:MAX_SRCSET]):
        address, number, unit = match.groups()
        if address.startswith("data:"):
            continue
        size = float(number) if number and number.count(".") < 2 and number != "." else 1.0
        found.append((size * (1 if unit == "w" else 800), address))
    if not found:
        return ""
    fitting = [pair for pair in found if pair[0] <= WIDEST]
    return max(fitting)[1] if fitting else min(found)[1]


def _without_noscript(noscript: HtmlElement) -> None:
    """It repeats a picture that a script would load; whatever else is in it is for those without scripts."""
    fallback = next(noscript.iter("img"), None)
    if fallback is None or (noscript.text_content() or "").strip():
        noscript.drop_tree()
        return
    before = noscript.getprevious()
    shown = next(before.iter("img"), None) if before is not None else None
    if shown is None:
        noscript.drop_tag()
        return
    true = source_of(fallback)
    if true and (_STAND_IN.search(shown.get("src") or "data:") or not source_of(shown) or _is_thumbnail(shown)):
        shown.set("src", true)
        if fallback.get("alt") and not shown.get("alt"):
            shown.set("alt", fallback.get("alt") or "")
    noscript.drop_tree()


def _is_thumbnail(image: HtmlElement) -> bool:
    named = (image.get("class") or "").lower()
    return "thumbnail" in named or "placeholder" in named or "blur" in named


def _without_picture(picture: HtmlElement) -> None:
    image = next(picture.iter("img"), None)
    if image is not None and not source_of(image):
        for source in picture.iter("source"):
            chosen = next((c for n in ("srcset", "data-srcset") if (c := _of_set(source.get(n) or ""))), "")
            if chosen:
                image.set("src", chosen)
                break
    for source in list(picture.iter("source")):
        source.drop_tag()  # to libxml2 it is no empty element: the <img> after it stands in it
    picture.drop_tag()


def _as_text(image: HtmlElement) -> None:
    image.tail = (image.get("alt") or "") + (image.tail or "")
    image.drop_tree()
