"""`/feeds/…`: feed files as they lie there, in what coding the reader likes best, whole or what is new in them.

    path -> plain names? -> former slug: 308 | a file: 304, 226, 200 | not built: 503 | ended: 410 | 404

No address is made from a Host header, and nothing here writes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from pipeline.config import Feed
from pipeline.model.feeds import ATOM_FILE, INDEX_FILE, JSON_FILE, MEDIA_TYPES, NEWSLETTERS, RSS_FILE
from pipeline.model.newsletters import Window
from pipeline.model.selection import candidate, select
from pipeline.store import articles, feed_versions, stories
from pipeline.web.answers import (
    A_DAY,
    FIVE_MINUTES,
    Content,
    Missing,
    RawHeaders,
    Ready,
    http_date,
    moved,
    named,
    unchanged,
)
from pipeline.web.codings import PLAIN as AS_IT_IS
from pipeline.web.codings import choose, tagged, untagged
from pipeline.web.deltas import Deltas, wants_feed
from pipeline.web.feedfiles import Files, are_plain
from pipeline.web.shell import FEED_PAGE, PLAIN, POLICY
from pipeline.web.site import Card, Site

CARDS = 20
SPARE = 4            # times as many are read, so that stories told twice leave enough
NOT_KEPT = "no-store, im"   # RFC 3229 §10.8.1: only caches that know what a delta is may keep one

FORMATS = (("RSS", RSS_FILE), ("Atom", ATOM_FILE), ("JSON", JSON_FILE))
_DOCUMENTS = {name for _, name in FORMATS}
_ARCHIVE = re.compile(r".+/archive/[0-9]+(-[0-9]+)?/[^/]+")   # full: no new article ever changes it
_ASKED = frozenset((b"if-none-match", b"if-modified-since", b"accept-encoding", b"a-im"))
_ANYBODY = {"access-control-allow-origin": "*",
            "access-control-expose-headers": "ETag, Last-Modified, Link, IM, Delta-Base"}


@dataclass(frozen=True, slots=True)
class Subscribe:
    """One built document of a feed."""

    label: str
    url: str               # within the site
    public_url: str        # for a feed reader
    media_type: str


@dataclass(frozen=True, slots=True)
class FeedLinks:
    """A feed as pages list it."""

    slug: str
    title: str
    description: str
    url: str
    files: tuple[Subscribe, ...]   # empty until the feed is built


@dataclass(frozen=True, slots=True)
class Shelf:
    """What feed files are answered from. Made once by `open_shelf`."""

    site: Site
    files: Files
    deltas: Deltas
    feeds: Mapping[str, Feed]      # slug -> feed
    letters: Mapping[str, str]     # folder of a newsletter's feed -> the newsletter's title
    former: Mapping[str, str]      # former folder of a feed, a newsletter's too -> its folder
    hub: str = field(default="")   # as it stands in a header


def open_shelf(site: Site, files: Files) -> Shelf:
    config = site.app.config
    return Shelf(
        site, files, Deltas(site.app.store), {feed.slug: feed for feed in config.feeds},
        {n.feed_folders[0]: n.title for n in config.newsletters if n.feed},
        {old: folder for folder, former in config.feed_folders for old in former},
        quote(config.publish.hub, safe="!#$%&'()*+,-./:;=?@[]_~"),
    )


async def file(shelf: Shelf, request: Request) -> Response:
    """`/feeds/{path}`."""
    path: str = request.path_params.get("path", "")
    if request.method == "OPTIONS":  # a reader in a browser asks before it sends If-None-Match
        return Response(status_code=204, headers={
            "access-control-allow-origin": "*", "access-control-allow-methods": "GET, HEAD",
            "access-control-allow-headers": "If-None-Match, If-Modified-Since, A-IM",
            "access-control-max-age": "86400"})
    if not path:
        return await _front(shelf, request)
    slug, _, rest = path.partition("/")
    if slug == NEWSLETTERS:
        name, _, rest = rest.partition("/")
        slug = f"{slug}/{name}"
    if slug not in shelf.former and (found := await shelf.files.content(path)):
        return await _answer(shelf, request, path, found)
    names = path.removesuffix("/").split("/")
    if not are_plain(names):
        raise _no_such(shelf.site)
    if slug in shelf.former:
        return moved(f"{shelf.site.to('feeds', *shelf.former[slug].split('/'))}/{rest}")
    index = "/".join((*names, INDEX_FILE))
    found = await shelf.files.content(index)
    feed = shelf.feeds.get(path.removesuffix("/"))
    if found is None and feed is None:
        raise await _missing(shelf, names, "" if path.endswith("/") else names[-1])
    if not path.endswith("/"):
        return moved(shelf.site.to("feeds", *names, end="/"))
    if found is not None:
        return await _answer(shelf, request, index, found)
    return await run_in_threadpool(_page, shelf.site, shelf.files, shelf.feeds[slug])


async def root_file(shelf: Shelf, request: Request, path: str) -> Response | None:
    """A file of the feeds folder under an address at the site's root; None where it is not built."""
    found = await shelf.files.content(path)
    return await _answer(shelf, request, path, found) if found is not None else None


async def sitemap(shelf: Shelf, request: Request) -> Response:
    """`/sitemap.xml` and `/sitemaps/{path}`: a site map may only tell of what is below its own address."""
    path: str = request.path_params.get("path", "")
    built = None
    if "/" not in path and (path or request.scope["path"] == "/sitemap.xml"):
        built = await root_file(shelf, request, f"sitemaps/{path}" if path else "sitemap.xml")
    if built is None:
        raise Missing("No such file", "There is no site map under this address.")
    return built


def feed_links(site: Site, files: Files) -> list[FeedLinks]:
    return [_links(site, files, feed) for feed in site.app.config.feeds]


async def _front(shelf: Shelf, request: Request) -> Response:
    """`/feeds` and `/feeds/`: the page of all feeds, or where the front page lists them."""
    found = await shelf.files.content(INDEX_FILE)
    if found is None:
        return moved(f"{shelf.site.home}#feeds")
    if not request.scope["path"].endswith("/"):
        return moved(shelf.site.to("feeds", end="/"))  # its links are relative
    return await _answer(shelf, request, INDEX_FILE, found)


async def _answer(shelf: Shelf, request: Request, path: str, found: Content) -> Response:
    """What the reader does not have yet of a file: nothing (304), what is new (226), all (200)."""
    asked = _asked(request)
    coding = choose(asked.get(b"accept-encoding"), len(found.body))
    head = found.heads.get(coding)
    if head is None:
        head = found.heads[coding] = _head(path, found, coding)
    etags = asked.get(b"if-none-match")
    if etags is None:
        if unchanged(found, None, asked.get(b"if-modified-since")):
            return Ready(304, head)
    else:
        best = tagged(found.etag, coding)
        etag = _copy(etags, found, best)
        if etag is not None:
            return Ready(304, head if etag == best else _with(head, {"etag": etag}))
        if wants_feed(asked.get(b"a-im", "")) and not _ARCHIVE.fullmatch(path):
            new = await shelf.deltas.since(path, named(etags), found, coding)
            if new is not None:
                special = {"im": "feed", "delta-base": new.base, "cache-control": NOT_KEPT,
                           "vary": "Accept-Encoding, A-IM, If-None-Match"}
                return Ready(226, _with(_whole(shelf, path, found, coding, head, new.body), special), new.body)
    body = found.body if coding == AS_IT_IS else await shelf.files.coded(path, found, coding)
    return Ready(200, _whole(shelf, path, found, coding, head, body), body)


def _asked(request: Request) -> dict[bytes, str]:
    """The headers that decide. One that came in several lines is a list (RFC 9110 §5.3)."""
    found: dict[bytes, str] = {}
    for name, value in request.scope["headers"]:
        if name in _ASKED:
            text = value.decode("latin-1")
            found[name] = f"{found[name]}, {text}" if name in found else text
    return found


def _copy(etags: str, found: Content, best: str) -> str | None:
    """The ETag by which a reader has the file already, in whatever coding; None where it does not."""
    if etags in (best, "*"):
        return best
    ours = [etag for etag in named(etags) if untagged(etag) == found.etag]
    if not ours:
        return None
    return best if best in ours else ours[0]


def _head(path: str, found: Content, coding: str) -> RawHeaders:
    """What a 304 says, and any other answer too. It has the policy of the page that it renews."""
    fields = {"etag": tagged(found.etag, coding), "vary": "Accept-Encoding",
              "cache-control": A_DAY if _ARCHIVE.fullmatch(path) else FIVE_MINUTES, **_ANYBODY,
              POLICY: FEED_PAGE if found.media_type.startswith("text/html") else PLAIN}
    if found.modified_at is not None:
        fields["last-modified"] = http_date(found.modified_at)
    return _with([], fields)


def _whole(shelf: Shelf, path: str, found: Content, coding: str, head: RawHeaders, body: bytes) -> RawHeaders:
    fields = {"content-type": found.media_type, "content-length": str(len(body))}
    if coding != AS_IT_IS:
        fields["content-encoding"] = coding
    if shelf.hub and path.rpartition("/")[2] in _DOCUMENTS and not _ARCHIVE.fullmatch(path):
        # WebSub §4: hubs are told of a feed by this address
        fields["link"] = f'<{shelf.site.app.config.feeds_url}/{path}>; rel="self", <{shelf.hub}>; rel="hub"'
    return _with(head, fields)


def _with(headers: RawHeaders, fields: Mapping[str, str]) -> RawHeaders:
    raw = {name.encode(): value.encode("latin-1") for name, value in fields.items()}
    return [*(pair for pair in headers if pair[0] not in raw), *raw.items()]


def _page(site: Site, files: Files, feed: Feed) -> Response:
    """A feed's page as long as none is built."""
    return site.page("feed", feed=_links(site, files, feed), articles=_cards(site, feed), cache=FIVE_MINUTES)


def _cards(site: Site, feed: Feed) -> list[Card]:
    """Its newest articles, each story once."""
    rules = feed.rules
    with site.app.store.read() as connection:
        found = {a.id: a for a in articles.newest(connection, rules, rules.limit * SPARE)}
        everything = Window(0, max((a.accepted_seq for a in found.values()), default=0))
        chosen = select([candidate(a) for a in found.values()], everything, rules).ids[:CARDS]
        return site.cards(stories.with_also(connection, [found[i] for i in chosen]))


def _links(site: Site, files: Files, feed: Feed) -> FeedLinks:
    built = tuple(
        Subscribe(label, site.to("feeds", feed.slug, name), f"{site.app.config.feeds_url}/{feed.slug}/{name}",
                  MEDIA_TYPES[name])
        for label, name in FORMATS if files.has(f"{feed.slug}/{name}")
    )
    return FeedLinks(feed.slug, feed.title, feed.description, site.to("feeds", feed.slug, end="/"), built)


async def _missing(shelf: Shelf, names: list[str], name: str) -> Missing:
    """What to say of a path that leads nowhere. 404 would make feed readers forget a feed that is only not built yet;
    of one that ended they should hear that it did."""
    site, feed = shelf.site, shelf.feeds.get(names[0])
    folder = names[: 2 if names[0] == NEWSLETTERS else 3 if names[1:2] == ["topic"] else 1]
    is_main = name in _DOCUMENTS and names == [*folder, name]
    if feed is not None and len(folder) == 1:
        return _not_built(site, feed.title) if is_main else _no_such(site)
    if title := shelf.letters.get("/".join(folder)):
        return _not_built(site, title) if is_main or names == folder else _no_such(site)
    ended = await run_in_threadpool(_ended, site, {names[0], "/".join(folder)})
    if ended.get("/".join(folder)) or (feed is None and ended.get(names[0])):
        return Missing("This feed has ended", "It is not published any more: nothing new will come here.", status=410,
                       links=_others(site))
    return _not_built(site, folder[-1]) if is_main and "/".join(folder) in ended else _no_such(site)


def _ended(site: Site, folders: set[str]) -> dict[str, bool]:
    with site.app.store.read() as connection:
        return feed_versions.ended(connection, folders)


def _not_built(site: Site, title: str) -> Missing:
    return Missing("Not built yet", f"“{title}” is about to be built. Try again in a minute.", status=503,
                   links=_others(site), headers={"retry-after": "60"})


def _no_such(site: Site) -> Missing:
    return Missing("No such feed", "There is no feed file under this address.", links=_others(site))


def _others(site: Site) -> tuple[tuple[str, str], ...]:
    return tuple((site.to("feeds", f.slug, end="/"), f.title) for f in site.app.config.feeds)
