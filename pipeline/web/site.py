"""What every page needs: the app, the templates, the style sheet, and addresses that never come from a Host header."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from starlette.responses import HTMLResponse, Response

from pipeline.app import App
from pipeline.model.articles import Article, Show
from pipeline.model.frozen import direction
from pipeline.render.dates import format_date, format_weekday
from pipeline.render.pages import Pages
from pipeline.web.answers import Content, content
from pipeline.web.shell import PLAIN, POLICY

FOLDER = Path(__file__).parent
WORDS = "en"  # the language that pages speak; what the site itself says is marked with its own


@dataclass(frozen=True, slots=True)
class Card:
    """One article in a list."""

    title: str
    url: str
    source: str
    author: str
    date: datetime
    summary: str
    language: str
    elsewhere: bool        # the link leads to another site
    also: tuple[tuple[str, str], ...] = ()   # other sources that tell it: (title, address or "")

    @property
    def direction(self) -> str:
        return direction(self.language)


@dataclass(frozen=True, slots=True)
class Site:
    """Made once by `open_site`; everything in it may be used from any thread."""

    app: App
    pages: Pages
    style: Content
    icon: Content
    prefix: str                        # the path of the public address, "" where it has none
    zone: ZoneInfo = field(repr=False)

    @property
    def home(self) -> str:
        return f"{self.prefix}/"

    def to(self, *parts: str, end: str = "") -> str:
        """The address of a page of ours, to be used within a page: to("n", "lantern", end="/") is "/n/lantern/"."""
        return "/".join([self.prefix, *(quote(part, safe="") for part in parts)]) + end

    def public(self, *parts: str, end: str = "") -> str:
        """The same in full, for whoever reads it elsewhere; without parts the public address itself."""
        return "/".join([self.app.config.site.public_url, *(quote(part, safe="") for part in parts)]) + end

    def text(self, name: str, **values: Any) -> str:
        """A page as HTML."""
        config = self.app.config
        return self.pages.render(
            name, site=config.site, words=WORDS, own_direction=direction(config.site.language), home=self.home,
            to=self.to, public=self.public, day=self.day, moment=self.moment, **values,
            style_url=self._version("style.css", self.style), icon_url=self._version("favicon.svg", self.icon),
        )

    def page(
        self, name: str, *, status: int = 200, policy: str = PLAIN, cache: str = "no-cache", **values: Any
    ) -> Response:
        """A page as an answer. `policy` is one of the shell's."""
        return HTMLResponse(self.text(name, **values), status, {POLICY: policy, "cache-control": cache})

    def local(self, moment: datetime) -> datetime:
        return moment.astimezone(self.zone) if moment.tzinfo else moment

    def day(self, moment: datetime, *, weekday: bool = False) -> str:
        """ "22 November 2026" on the site's own calendar; a naive time counts as local already."""
        return (format_weekday if weekday else format_date)(self.local(moment), WORDS)

    def moment(self, moment: datetime) -> str:
        return f"{self.day(moment)}, {self.local(moment):%H:%M}"

    def cards(self, articles: Sequence[Article]) -> list[Card]:
        return [self._card(article) for article in articles]

    def also(self, article: Article) -> tuple[tuple[str, str], ...]:
        """The other sources that tell an article's story: (title, address or "" where it is the article's own)."""
        public_url = self.app.config.site.public_url
        return tuple((other.source, other.link(article.url, public_url)) for other in article.also)

    def _card(self, article: Article) -> Card:
        elsewhere = bool(article.url) and article.show is not Show.FULL
        return Card(
            title=article.title, url=article.url if elsewhere else self.to("a", str(article.id)), elsewhere=elsewhere,
            source=article.source_title, author=article.author, date=article.published_at, summary=article.summary,
            language=article.language or self.app.config.site.language, also=self.also(article),
        )

    def _version(self, name: str, what: Content) -> str:
        return f"{self.to(name)}?{what.etag[1:9]}"


def open_site(app: App) -> Site:
    return Site(
        app=app, pages=_pages(),
        style=content((FOLDER / "style.css").read_bytes(), "text/css; charset=utf-8"),
        icon=content((FOLDER / "favicon.svg").read_bytes(), "image/svg+xml"),
        prefix=urlsplit(app.config.site.public_url).path.rstrip("/"), zone=ZoneInfo(app.config.site.timezone),
    )


@lru_cache(1)
def _pages() -> Pages:
    """Compiled once in a process, however often a changed config has the site opened anew."""
    return Pages([FOLDER / "templates"])
