"""Feed files as they lie in the feeds folder, byte for byte, and a page for each feed.

A path is read name by name: only plain names, no dots in front, no symbolic link on the way. What can't be spelled
so is not there.
"""

from __future__ import annotations

import os
import re
import stat
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from pipeline.config import Feed
from pipeline.publish.stage import articles_of
from pipeline.web.answers import FIVE_MINUTES, Content, Missing, content, keep, moved
from pipeline.web.shell import LETTER, PLAIN, POLICY
from pipeline.web.site import Card, Site

INDEX = "index.html"
CARDS = 20
MAX_PARTS = 4               # names in a path below feeds/
CACHE_BYTES = 32_000_000    # of file contents kept in memory

FORMATS = (("RSS", "rss.xml", "application/rss+xml"), ("Atom", "atom.xml", "application/atom+xml"),
           ("JSON", "feed.json", "application/feed+json"))

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_ANYBODY = {"access_control_allow_origin": "*", "access_control_expose_headers": "ETag, Last-Modified"}


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


class FeedFiles:
    """Reads files under one folder; contents are kept in memory while the file on disk stays the same one."""

    def __init__(self, folder: Path, cache_bytes: int = CACHE_BYTES) -> None:
        self._folder = folder
        self._room = cache_bytes
        self._kept: OrderedDict[str, tuple[tuple[int, int, int, int], Content]] = OrderedDict()

    async def content(self, path: str) -> Content | None:
        """The file at a path below the folder, or None. Known files cost an open and a stat; others are read aside.

        Called from the event loop only, so the memory of what is kept needs no lock.
        """
        media_type = media_type_of(path)
        descriptor = self._open(path) if media_type else None
        if descriptor is None:
            return None
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            stamp = (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)
            known = self._kept.get(path)
            if known is not None and known[0] == stamp:
                self._kept.move_to_end(path)
                return known[1]
            body = await run_in_threadpool(file.read)
        made = content(body, media_type, datetime.fromtimestamp(found.st_mtime, UTC))
        self._keep(path, stamp, made)
        return made

    def has(self, path: str) -> bool:
        descriptor = self._open(path) if media_type_of(path) else None
        if descriptor is not None:
            os.close(descriptor)
        return descriptor is not None

    def _keep(self, path: str, stamp: tuple[int, int, int, int], made: Content) -> None:
        old = self._kept.pop(path, None)
        self._room += len(old[1].body) if old else 0
        self._room -= len(made.body)
        self._kept[path] = (stamp, made)
        while self._room < 0:
            _, (_, dropped) = self._kept.popitem(last=False)
            self._room += len(dropped.body)

    def _open(self, path: str) -> int | None:
        """A descriptor of a regular file, every name of the path opened under the one before."""
        names = path.split("/")
        if len(names) > MAX_PARTS or not all(map(_NAME.fullmatch, names)):
            return None
        try:
            here = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return None
        for name in names:
            try:
                below = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=here)
            except OSError:
                return None
            finally:
                os.close(here)
            here = below
        if stat.S_ISREG(os.fstat(here).st_mode):
            return here
        os.close(here)
        return None


def media_type_of(path: str) -> str:
    """By name; "" for what is no feed file (a README, a temporary file)."""
    name = path.rpartition("/")[2]
    if name.endswith(".xml"):
        kind = next((kind for kind in ("rss", "atom") if kind in name), "")
        return f"application/{kind}+xml; charset=utf-8" if kind else "text/xml; charset=utf-8"
    types = {".opml": "text/xml; charset=utf-8", ".json": "application/feed+json",
             ".html": "text/html; charset=utf-8"}
    return types.get(name[name.rfind("."):], "")


async def file(site: Site, files: FeedFiles, request: Request) -> Response:
    """`/feeds/{path}`: the file, or the page of the feed."""
    path: str = request.path_params.get("path", "")
    if request.method == "OPTIONS":  # a reader in a browser asks before it sends If-None-Match
        return Response(status_code=204, headers={
            "access-control-allow-origin": "*", "access-control-allow-methods": "GET, HEAD",
            "access-control-allow-headers": "If-None-Match, If-Modified-Since", "access-control-max-age": "86400"})
    slug, slash, rest = path.partition("/")
    if not slug:
        return moved(f"{site.home}#feeds")
    for feed in site.app.config.feeds:
        if slug in feed.former:
            return moved(f"{site.to('feeds', feed.slug)}/{rest}")
    found = await files.content(path if rest else f"{slug}/{INDEX}")
    known = next((feed for feed in site.app.config.feeds if feed.slug == slug), None)
    if not rest and (found or known):
        if not slash:
            return moved(site.to("feeds", slug, end="/"))
        if found is None and known is not None:
            return await run_in_threadpool(_page, site, files, known)
    if found is None:
        raise _missing(site, known, rest)
    is_page = found.media_type.startswith("text/html")
    return keep(request, found, cache=FIVE_MINUTES, **_ANYBODY, **{POLICY: LETTER if is_page else PLAIN})


def feed_links(site: Site, files: FeedFiles) -> list[FeedLinks]:
    return [_links(site, files, feed) for feed in site.app.config.feeds]


def _page(site: Site, files: FeedFiles, feed: Feed) -> Response:
    return site.page("feed", feed=_links(site, files, feed), articles=_cards(site, feed), cache=FIVE_MINUTES)


def _cards(site: Site, feed: Feed) -> list[Card]:
    return site.cards(articles_of(site.app.store, feed)[:CARDS])


def _links(site: Site, files: FeedFiles, feed: Feed) -> FeedLinks:
    built = tuple(
        Subscribe(label, site.to("feeds", feed.slug, name), site.public("feeds", feed.slug, name), media_type)
        for label, name, media_type in FORMATS if files.has(f"{feed.slug}/{name}")
    )
    return FeedLinks(feed.slug, feed.title, feed.description, site.to("feeds", feed.slug, end="/"), built)


def _missing(site: Site, feed: Feed | None, name: str) -> Missing:
    links = tuple((site.to("feeds", f.slug, end="/"), f.title) for f in site.app.config.feeds)
    if feed is not None and name in {n for _, n, _ in FORMATS}:
        # 404 would make feed readers forget a feed that is only not built yet
        return Missing("Not built yet", f"“{feed.title}” is about to be built. Try again in a minute.", status=503,
                       links=links, headers={"retry-after": "60"})
    return Missing("No such feed", "There is no feed file under this address.", links=links)
