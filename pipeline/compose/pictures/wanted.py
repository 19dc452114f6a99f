"""Which pictures a digest's articles name, and how each article's may be shown. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.config import Config, Newsletter
from pipeline.model.articles import Article, Images, Show
from pipeline.model.pictures import TALLEST, TINY, WIDEST
from pipeline.render.pictures import named_pictures

PER_ARTICLE = 20
"""Pictures of one article; what comes after these stands in words."""

LEADS = 2
"""Pictures of an article of which only the summary is told, where it names none of its own: one has to be large."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A picture that somebody's article names."""

    source: str                     # the source's slug
    url: str
    networks: tuple[str, ...]       # the private networks that this source may name
    article: int = field(compare=False)   # the first that names it

    @property
    def key(self) -> str:
        """What one source may not see is another picture than the same address seen by a source that may."""
        size = f"{WIDEST}x{TALLEST}"
        return hashlib.sha256("\n".join((size, self.url, *sorted(self.networks))).encode()).hexdigest()


def settings(config: Config) -> Mapping[str, Images]:
    """The sources that say themselves how their pictures are shown."""
    return {source.slug: source.images for source in config.sources if source.images is not None}


def wanted(config: Config, newsletter: Newsletter, articles: Iterable[Article]) -> list[Wanted]:
    """What is to be made our own, in the order in which it is shown, each once."""
    networks = {source.slug: source.allow_networks for source in config.sources}
    modes = settings(config)
    found: dict[Wanted, Wanted] = {}
    for article in articles:
        if modes.get(article.source, newsletter.images) is Images.OWN:
            for url in of_article(article, config.site.public_url):
                one = Wanted(article.source, url, tuple(networks.get(article.source, ())), article.id)
                found.setdefault(one, one)
    return list(found)


def of_article(article: Article, public_url: str) -> Sequence[str]:
    """The addresses that its view may ask for (render/pictures.py)."""
    named = [one.url for one in named_pictures(article.html)
             if min(one.width or WIDEST, one.height or WIDEST) > TINY]
    if article.show is not Show.FULL:
        named = [article.image] if article.image else named[:LEADS]
    elif article.image:
        named.insert(0, article.image)
    away = (url for url in named if url.startswith(("http://", "https://")) and not url.startswith(f"{public_url}/"))
    return list(dict.fromkeys(away))[:PER_ARTICLE]
