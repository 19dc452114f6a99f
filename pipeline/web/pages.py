"""The front page, an article of ours, and the small files that browsers and robots ask for."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from pipeline.config import Newsletter
from pipeline.errors import BroadsheetError
from pipeline.model.articles import Article, ArticleStatus, Show
from pipeline.model.frozen import direction
from pipeline.model.newsletters import Window
from pipeline.model.selection import Rules, candidate, select
from pipeline.store import Connection, articles, meta, stories
from pipeline.web import mailbox, newsletters
from pipeline.web.answers import FIVE_MINUTES, FOR_EVER, Missing, keep
from pipeline.web.feedfiles import Files
from pipeline.web.feeds import Shelf, feed_links, root_file
from pipeline.web.newsletters import DigestLink
from pipeline.web.shell import ARTICLE
from pipeline.web.site import Site

CARDS = 12
SPARE = 3            # times as many are read, so that stories told twice leave enough
DIGESTS = 3
MAILS = 20
MAX_ID_DIGITS = 18   # what a database takes for a number
NEVER_FOR_ROBOTS = ("u", "p", "mail")


@dataclass(frozen=True, slots=True)
class Offer:
    """A newsletter on the front page."""

    newsletter: Newsletter
    url: str
    digests: tuple[DigestLink, ...]


def home(site: Site, files: Files, _request: Request) -> Response:
    """`/`."""
    config = site.app.config
    with site.app.store.read() as connection:
        cards = site.cards(_newest(connection))
    mails = mailbox.newest(mailbox.folder(config), MAILS) if config.site.demo and config.mail else []
    return site.page(
        "home", feeds=feed_links(site, files), articles=cards, mails=mails, today=site.app.now(),
        offers=[Offer(n, site.to("n", n.slug, end="/"), tuple(newsletters.digest_links(site, n, DIGESTS)))
                for n in config.newsletters],
    )


def article(site: Site, request: Request) -> Response:
    """`/a/{id}`: an accepted article, whole where it may be shown so."""
    written = request.path_params["id"]
    number = int(written) if written.isascii() and written.isdigit() and len(written) <= MAX_ID_DIGITS else 0
    with site.app.store.read() as connection:
        found = next(iter(stories.with_also(connection, articles.by_ids(connection, [number]).values())), None)
    if found is not None and found.status is ArticleStatus.WITHDRAWN:
        raise Missing("This article was taken back", "It is not available any more.", status=410)
    if found is None or found.status is not ArticleStatus.ACCEPTED:
        raise Missing("No such article", "There is no article under this address.")
    full = found.show is Show.FULL and bool(found.html.strip())
    language = found.language or site.app.config.site.language
    return site.page(
        "article", policy=ARTICLE, cache=FIVE_MINUTES, article=found, language=language,
        also=site.also(found), direction=direction(language), canonical=found.url or site.public("a", str(found.id)),
        html=Markup(found.html) if full else "",  # noqa: S704 - the store holds sanitised HTML only
    )


def _newest(connection: Connection) -> list[Article]:
    """The newest articles, each story once."""
    found = {a.id: a for a in articles.newest(connection, Rules(), CARDS * SPARE)}
    everything = Window(0, max((a.accepted_seq for a in found.values()), default=0))
    chosen = select([candidate(a) for a in found.values()], everything, Rules(limit=CARDS)).ids
    return stories.with_also(connection, [found[i] for i in chosen])


def style(site: Site, request: Request) -> Response:
    return keep(request, site.style, cache=FOR_EVER)


def icon(site: Site, request: Request) -> Response:
    return keep(request, site.icon, cache=FOR_EVER)


async def robots(shelf: Shelf, request: Request) -> Response:
    """`/robots.txt`: the one that was built beside the feeds, and until then what matters most."""
    built = await root_file(shelf, request, "robots.txt")
    if built is not None:
        return built
    rules = [f"Disallow: {shelf.site.to(part, end='/')}" for part in NEVER_FOR_ROBOTS]
    return PlainTextResponse("\n".join(["User-agent: *", *rules, ""]), headers={"cache-control": FIVE_MINUTES})


def health(site: Site, _request: Request) -> Response:
    """`/healthz`: "ok" once the database has answered."""
    try:
        with site.app.store.read() as connection:
            meta.counter(connection, meta.ACCEPTED)
    except BroadsheetError:
        return PlainTextResponse("the database does not answer\n", 503, {"cache-control": "no-store"})
    return PlainTextResponse("ok\n", headers={"cache-control": "no-store"})
