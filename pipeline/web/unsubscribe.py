"""The way out of a newsletter, from a link that works for ever.

GET shows a button and changes nothing: mail scanners follow every link. POST leaves at once, with no cookie, no
question and no sign-in (RFC 8058 §3.2), whatever its body says; mail programs send `List-Unsubscribe=One-Click`.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from pipeline.audience import subscriptions
from pipeline.mail.tokens import UNSUBSCRIBE
from pipeline.model.subscribers import Subscription, SubscriptionStatus
from pipeline.web.answers import NEVER
from pipeline.web.newsletters import write_to
from pipeline.web.personal import find, masked
from pipeline.web.site import Site

_TEST = ("Test mails carry a link that leads nowhere, so that nobody is unsubscribed by trying it. In a real mail it "
         "opens a page with one button.")


def answer(site: Site, request: Request) -> Response:
    """`/u/{token}`: GET and HEAD ask, POST leaves, once or a hundred times."""
    found = find(site, request, UNSUBSCRIBE, test=_TEST)
    if request.method != "POST":
        return page(site, found, left=False)
    if found is not None and found.status is not SubscriptionStatus.UNSUBSCRIBED:  # repeats need no writer's lock
        subscriptions.unsubscribe(site.app.store, found.id, site.app.now(), "by their own link")
    return page(site, found, left=True)


def page(site: Site, found: Subscription | None, *, left: bool) -> Response:
    """`found` is None for a person whose data was erased: the link is good, and there is nothing left to leave."""
    slug = found.newsletter if found else ""
    newsletter = next((n for n in site.app.config.newsletters if slug in (n.slug, *n.former)), None)
    return site.page(
        "unsubscribe", cache=NEVER, masked=masked(found.address) if found else "", newsletter=newsletter,
        title=newsletter.title if newsletter else slug or "this newsletter", write_to=write_to(site),
        gone=left or found is None or found.status is SubscriptionStatus.UNSUBSCRIBED,
    )
