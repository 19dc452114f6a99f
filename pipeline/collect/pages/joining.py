"""An article and its page: whether the page is wanted, and what of it comes into the draft. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from urllib.parse import urlsplit

from pipeline.collect.finding.sites import same_site
from pipeline.collect.identify import make_draft, title_of_address
from pipeline.collect.pages.pageread import PageRead
from pipeline.model.articles import Draft, Found, Show
from pipeline.text.clean import visible_text
from pipeline.text.urls import strip_tracking

FROM_PAGE = "the page's own text"
LESS = 0.8           # of the words that the source's document gives; a page that holds fewer is a teaser of its own
LEAST_WORDS = 15     # of a document's text, for it to say what the page should hold
CERTAIN_WORDS = 60   # the same, where it is enough by itself
SHARED = 0.1         # of these words, three in a row, that the page then has too
TITLE_WORDS = 2      # that make a link's text a title
LONGEST_TITLE = 200  # characters; a longer text of a link is a teaser

_ASKING = re.compile(
    r"(?:read|learn more|see more|view|find out more|continue|click|tap|more|full (?:story|article)|weiterlesen|mehr|"
    r"lire|en savoir|leer más|seguir|leggi|läs|læs|lees)\b(?:\W+\w+){0,4}\W*", re.IGNORECASE)
_SITE = re.compile(r"\s*[|\-–—/»·•:]\s")


def with_page(draft: Draft, page: PageRead, *, now: datetime, show: Show = Show.SUMMARY) -> Draft:
    """Return `draft` with the text of its page, and what it lacked of the page's title, author, dates and the like.

    An entry of a feed keeps guid, address, key and content hash: by them it is recognised in the feed's next document.
    A pointer gets its content hash from the page, and may get its address, but keeps its key, by which it stands in the
    next listing. It stays a pointer where the page gives no article. `text_note` says what happened. `now` (aware UTC)
    bounds the page's dates. Sanitising is done here, as for everything at the door: it belongs into a child process.
    """
    if why := page.refused or _leads_home(draft, page):
        return replace(draft, text_note=f"without its page: {why}")
    given = draft.pointer
    made = make_draft(
        Found(
            # by the page's own title it is the same article, whatever a second listing calls it
            title=(page.title if given and page.title else draft.title), html=page.html, summary=_description(page),
            url=page.url, author=page.author, published_at=page.published_at, updated_at=page.updated_at,
            topics=page.topics, language=page.language, rights=page.rights, licence=page.licence, image=page.image,
        ),
        source_url=page.url, now=now, show=show,
    )
    if why := _unlike(draft, made, page):
        return replace(draft, text_note=f"without its page: {why}")
    filled = replace(
        draft, html=made.html, pointer=False, text_note=FROM_PAGE,
        summary=draft.summary if _is_whole(draft.summary) and not given else made.summary,
        author=draft.author or made.author, image=draft.image or made.image, language=draft.language or made.language,
        licence=draft.licence or made.licence, rights=draft.rights or made.rights,
    )
    if made.dated and (given or not draft.dated):
        filled = replace(filled, published_at=made.published_at, dated=True, updated_at=made.updated_at)
    if not given:
        return filled
    return replace(
        filled, title=made.title if _title(draft, page) == page.title else draft.title,
        content_hash=made.content_hash, url=_address(draft, page),
        author=made.author or draft.author, image=made.image or draft.image, language=made.language or draft.language,
        topics=tuple(dict.fromkeys((*draft.topics, *made.topics))),
    )


def _title(draft: Draft, page: PageRead) -> str:
    """Whose title a pointer gets. What an editor wrote into the listing or the news sitemap is about this article; a
    page may name its site or its section, and wins only with the same words: whole again, or freed of what the link
    had around them."""
    if not draft.pointer or not page.title or (_is_title(draft) and not _one_in_other(draft.title, page.title)):
        return draft.title
    return page.title


def _is_title(draft: Draft) -> bool:
    text = draft.title
    return (len(_words(text)) >= TITLE_WORDS and len(text) <= LONGEST_TITLE and not text.endswith(("…", "..."))
            and text != title_of_address(draft.url, draft.guid) and not _ASKING.fullmatch(text))


def _one_in_other(known: str, said: str) -> bool:
    """Whether the page says the words of the known title and more (but for the site's name), or some of them."""
    ours, theirs = f" {' '.join(_words(known))} ", f" {' '.join(_words(said))} "
    if ours in theirs:
        start = said.casefold().find(known.casefold())
        return start != 0 or not _SITE.match(said[len(known) :])
    return theirs in ours and len(_words(said)) >= TITLE_WORDS


def _leads_home(draft: Draft, page: PageRead) -> str:
    """Articles that are gone often redirect to the front page, whose text is none of theirs."""
    wanted, came = urlsplit(draft.url), urlsplit(page.url)
    is_home = came.path in ("", "/") and not came.query
    return "its address leads to the site's front page" if is_home and wanted.path not in ("", "/") else ""


def _unlike(draft: Draft, made: Draft, page: PageRead) -> str:
    """Why the page is not what the document tells of: a log-in, a consent form, the page that a link blog links to."""
    theirs, ours = _words(visible_text(made.html)), _words(visible_text(draft.html) or draft.summary)
    if not theirs and "<img" not in made.html:
        return "the page holds no article"
    if draft.pointer or len(ours) < LEAST_WORDS:
        return ""
    runs = {tuple(ours[n : n + 3]) for n in range(len(ours) - 2)}
    on_page = {tuple(theirs[n : n + 3]) for n in range(len(theirs) - 2)}
    if len(runs & on_page) < SHARED * len(runs):
        titles = set(_words(draft.title)), set(_words(page.title))
        differ = len(titles[0] & titles[1]) * 2 < min(map(len, titles))
        if differ or len(ours) >= CERTAIN_WORDS:
            return "the page holds another text"
    if len(theirs) < LESS * len(ours):
        return "the page holds less than the source's document"
    return ""


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _description(page: PageRead) -> str:
    """The page's own words about itself, unless they were cut by a machine."""
    text = page.description.strip()
    return "" if len(text) < 40 or text.endswith(("...", "…")) else text


def _is_whole(summary: str) -> bool:
    return bool(summary) and not summary.endswith(("…", "...", ",", ";", ":", "–", "—", "-"))


def _address(draft: Draft, page: PageRead) -> str:
    """Where a pointer leads in the end: what the page calls its address counts on its own site only."""
    canonical = strip_tracking(page.canonical_url)
    path, own = urlsplit(canonical).path, urlsplit(page.url).path
    if canonical and same_site(canonical, page.url) and (path not in ("", "/") or own in ("", "/")):
        return canonical
    return strip_tracking(page.url) or draft.url
