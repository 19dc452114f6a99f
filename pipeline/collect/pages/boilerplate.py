"""What on a page is no part of its article, told by what elements are and how they are called.

Names are read as words: class="post__share-bar" is "post", "share" and "bar". A name alone removes nothing that
holds most of the page's text, or the article itself by another sign: a theme may call its whole page "sidebar-left".
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise

from lxml.html import HtmlElement

NEVER_TEXT = frozenset(
    "script style template link meta base object embed applet svg canvas map input select textarea button option "
    "datalist progress meter dialog frame frameset noframes marquee".split()
)
"""Elements that hold no text of an article, wherever they stand."""

FURNITURE_TAGS = frozenset("nav footer aside menu".split())

_FURNITURE = frozenset(
    "share shares sharing sharethis sharebar sharedaddy addthis addtoany social socials socialmedia "
    "related relatedposts recommended recommendations recirc recirculation outbrain taboola yarpp zergnet "
    "newsletter newsletters subscribe subscription signup mailinglist optin "
    "cookie cookies cookiebar consent gdpr ccpa paywall regwall agegate "
    "sidebar breadcrumb breadcrumbs crumb crumbs pagination paging pager paginator nav navbar navigation navigations "
    "menu menus submenu toolbar masthead colophon skiplink skyscraper leaderboard "
    "ad ads advert adverts advertisement advertising advertorial adsense adslot adunit sponsor sponsors sponsored "
    "promo promos promotion promotions promoted popup popups modal lightbox overlay tooltip offcanvas drawer "
    "trending popular mostread mostpopular shoutbox tagcloud screenreader visuallyhidden noprint "
    "footer banner rss login signin authorbio aboutauthor".split()
)
_COMMENTS = frozenset(
    "comment comments commentlist commentary disqus livefyre respond replies reply pingback pingbacks trackback "
    "trackbacks responses shoutbox".split()
)
_AD = re.compile(
    r"adv?s?(?:bottom|top|box|left|right|unit|slot|banner|container|wrap|wrapper|space|zone|bar|block|area|label)|bcadv")
_PAIRS = frozenset({
    ("read", "next"), ("read", "more"), ("more", "stories"), ("more", "posts"), ("more", "articles"), ("more", "news"),
    ("most", "read"), ("most", "popular"), ("you", "may"), ("up", "next"), ("also", "like"), ("author", "bio"),
    ("about", "author"), ("author", "box"), ("author", "card"), ("post", "tags"), ("entry", "tags"), ("tag", "list"),
    ("entry", "footer"), ("post", "footer"), ("article", "footer"), ("skip", "link"), ("sr", "only"),
    ("mailing", "list"),
    ("sign", "up"), ("opt", "in"), ("screen", "reader"), ("follow", "us"), ("call", "to"), ("site", "header"),
    ("page", "header"), ("global", "header"), ("post", "navigation"), ("print", "only"), ("visually", "hidden"),
    ("widget", "area"), ("jump", "to"), ("edit", "link"), ("post", "nav"),
})
_ROLES = frozenset(
    "navigation banner complementary contentinfo search menu menubar dialog alertdialog toolbar tablist".split()
)
_STATE = ("has-", "is-", "no-", "with-", "without-", "js-", "category-", "tag-", "cat-", "hide-", "show-", "status-",
          "type-", "format-", "postid-", "page-id-", "single-", "wp-theme", "layout-")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
MAX_NAMES = 300  # characters of class and id that are read


def names(element: HtmlElement) -> tuple[str, ...]:
    """Return the words that an element's class and id are made of, in lower case, in order."""
    classes, own_id = element.get("class"), element.get("id")
    if not classes and not own_id:
        return ()
    return _words((classes or "")[:MAX_NAMES], (own_id or "")[:MAX_NAMES])


@lru_cache(maxsize=4_096)  # a page says the same few names all over again
def _words(classes: str, own_id: str) -> tuple[str, ...]:
    words: list[str] = []
    for name in (*classes.split(), *own_id.split()):
        if not name.lower().startswith(_STATE):
            words += [word.lower() for word in _WORD.findall(name)]
            words.append("")  # two names are no pair
    return tuple(words)


def suspicion(element: HtmlElement) -> str:
    """Return why it may be furniture: "hidden", "comments" (prose, but others'), "links" (the rest), or ""."""
    if is_hidden(element):
        return "hidden"
    if element.tag in FURNITURE_TAGS:
        inside = element.getparent()
        return "" if inside is not None and inside.tag in ("blockquote", "figure") else "links"
    words = names(element)
    named = _suspicion_of(words) if words else ""
    if named != "comments" and (element.get("role") or "").lower() in _ROLES:
        return "links"
    return named


@lru_cache(maxsize=4_096)
def _suspicion_of(words: tuple[str, ...]) -> str:
    if not _COMMENTS.isdisjoint(words):
        return "comments"
    is_named = not _FURNITURE.isdisjoint(words) or not _PAIRS.isdisjoint(pairwise(words))
    return "links" if is_named or any(_AD.fullmatch(word) for word in words) else ""


def is_named_article(element: HtmlElement) -> bool:
    """Does it say of itself that it is the article's text (schema.org articleBody, microformats e-content)?"""
    if (element.get("itemprop") or "").lower() == "articlebody":
        return True
    classes = (element.get("class") or "").lower().split()
    return "e-content" in classes or "entry-content" in classes or "articlebody" in classes


def is_hidden(element: HtmlElement) -> bool:
    """Would a browser not show it? aria-hidden alone is no sign: pictures carry it."""
    if element.get("hidden") is not None and element.get("hidden") != "until-found":
        return True
    style = element.get("style")
    return bool(style) and bool(_HIDDEN.search(style))
