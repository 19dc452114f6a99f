"""A newsletter on the web: how to get it, its digests, and each digest from its frozen fragments.

The web copy holds nothing personal: it is joined with no token's value and without what stands between
`begin.mail` and `end.mail`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from pipeline.compose.settings import local_date
from pipeline.config import Newsletter
from pipeline.model.fragments import thaw
from pipeline.model.frozen import web_html
from pipeline.model.letterhead import Letterhead
from pipeline.model.newsletters import PUBLIC, Digest, DigestStatus
from pipeline.store import articles, digests, public_digests
from pipeline.store.engine import Store
from pipeline.web.answers import FIVE_MINUTES, Missing, content, keep, moved
from pipeline.web.shell import LETTER, POLICY
from pipeline.web.site import Site

READABLE = (*PUBLIC, DigestStatus.PAUSED)
"""A paused digest has reached people already, and the links in their mail must work; it is only not advertised."""

EARLIER = 200   # digests listed on a newsletter's page
WITH_TITLES = 12  # of them, those with their articles' titles

_NAME = re.compile(r"(\d{4}-\d\d-\d\d)-(\d\d)(\d\d)-([a-z0-9-]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class DigestLink:
    """A digest in a list."""

    url: str
    date: datetime
    titles: tuple[str, ...] = ()
    time: str = ""               # where another one of that day stands in the list


def page(site: Site, request: Request) -> Response:
    """`/n/{newsletter}/`."""
    slug = request.path_params["newsletter"]
    newsletter = _newsletter(site, slug)
    if newsletter.slug != slug:
        return moved(site.to("n", newsletter.slug, end="/"))
    return site.page("newsletter", newsletter=newsletter, digests=digest_links(site, newsletter, EARLIER),
                     schedules=[(s.times.describe(), s is newsletter.default_schedule) for s in newsletter.schedules],
                     write_to=write_to(site), feed_url=site.app.config.feed_url(newsletter), cache=FIVE_MINUTES)


def bare(site: Site, request: Request) -> Response:
    """`/n/{newsletter}`: the same without its slash."""
    return moved(site.to("n", _newsletter(site, request.path_params["newsletter"]).slug, end="/"))


def digest(site: Site, request: Request) -> Response:
    """`/n/{newsletter}/{digest.name}`."""
    slug, name = request.path_params["newsletter"], request.path_params["name"]
    newsletter = _newsletter(site, slug)
    if newsletter.slug != slug:
        return moved(site.to("n", newsletter.slug, name))
    found = _find(site.app.store, newsletter.slug, name)
    if found is not None and found.status in READABLE:
        made = content(_html(site, newsletter, found).encode(), "text/html; charset=utf-8")
        return keep(request, made, cache=FIVE_MINUTES, **{POLICY: LETTER})
    links = [(link.url, f"{newsletter.title}, {site.day(link.date)}") for link in digest_links(site, newsletter, 5)]
    archive = (site.to("n", newsletter.slug, end="/"), f"All letters of {newsletter.title}")
    if found is not None and found.status is DigestStatus.CANCELLED:
        raise Missing("This letter was taken back", "It is not available any more.", status=410,
                      links=(*links, archive))
    raise Missing("No such letter", f"{newsletter.title} has no letter under this address.", links=(*links, archive))


def digest_links(site: Site, newsletter: Newsletter, limit: int) -> list[DigestLink]:
    """The newest digests that readers may see; the first few with the titles of their articles."""
    with site.app.store.read() as connection:
        found = public_digests.newest(connection, newsletter.slug, limit)
        titles = {}
        for one in found[:WITH_TITLES]:
            ids = public_digests.copy(connection, one.id).articles
            known = articles.by_ids(connection, ids)
            titles[one.id] = tuple(known[i].title for i in ids)
    dates = [local_date(site.app.config, one) for one in found]
    days = [date.date() for date in dates]
    return [
        DigestLink(site.to("n", newsletter.slug, one.name), date, titles.get(one.id, ()),
                   f"{date:%H:%M}" if days.count(date.date()) > 1 else "")
        for one, date in zip(found, dates, strict=True)
    ]


def write_to(site: Site) -> str:
    """The address that a reader may write to, or ""."""
    mail = site.app.config.mail
    return (mail.reply_to or mail.sender_address) if mail else ""


def _newsletter(site: Site, slug: str) -> Newsletter:
    """By its slug, or by one it had."""
    known = site.app.config.newsletters
    for newsletter in known:
        if slug == newsletter.slug or slug in newsletter.former:
            return newsletter
    raise Missing("No such newsletter", "There is no newsletter under this address.",
                  links=tuple((site.to("n", n.slug, end="/"), n.title) for n in known))


def _find(store: Store, newsletter: str, name: str) -> Digest | None:
    written = _NAME.fullmatch(name)
    with store.read() as connection:
        if written:
            day, hour, minute, schedule = written.groups()
            known = digests.find(connection, newsletter, schedule, f"{day}T{hour}:{minute}")
            if known is not None:
                return known
        # made by hand, under a name of the operator's choice; announcements are mail only
        listed = digests.listed(connection, newsletter=newsletter)
        return next((d for d in listed if d.name == name and not d.announces), None)


def _html(site: Site, newsletter: Newsletter, digest: Digest) -> str:
    """The web copy. What comes before and after it is looked up each time: the next one was not there at the freeze."""
    with site.app.store.read() as connection:
        rows = digests.fragment_rows(connection, digest.id)
        facts = digests.facts(connection, digest.id)
        shown = public_digests.copy(connection, digest.id)
        previous, following = public_digests.neighbours(connection, digest)
    values = {name: site.public("n", newsletter.slug, other.name)
              for name, other in (("previous_url", previous), ("next_url", following)) if other is not None}
    values |= Letterhead.from_json(facts.settings).values(shown, 0)
    return web_html(thaw(rows, facts.nonce), shown, values)
