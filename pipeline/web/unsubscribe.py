"""The way out of a newsletter, from a link that works for ever.

GET shows a button and changes nothing: mail scanners follow every link. POST leaves at once, with no cookie, no
question and no sign-in (RFC 8058 §3.2), whatever its body says; mail programs send `List-Unsubscribe=One-Click`.
A token is never logged, and a wrong one costs no look into the database.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from pipeline.audience import subscriptions
from pipeline.mail.tokens import UNSUBSCRIBE
from pipeline.model.subscribers import Subscription, SubscriptionStatus
from pipeline.store import subscribers
from pipeline.web.answers import NEVER, Missing
from pipeline.web.newsletters import write_to
from pipeline.web.site import Site

MAX_ID_DIGITS = 18

TEST = "test"
"""The token in test mails."""


def answer(site: Site, request: Request) -> Response:
    """`/u/{token}`: GET and HEAD ask, POST leaves, once or a hundred times."""
    found = _subscription(site, request)
    if request.method != "POST":
        return _page(site, found, left=False)
    if found is not None and found.status is not SubscriptionStatus.UNSUBSCRIBED:  # repeats need no writer's lock
        subscriptions.unsubscribe(site.app.store, found.id, site.app.now(), "by their own link")
    return _page(site, found, left=True)


def masked(address: str) -> str:
    """ "j•••@example.org": enough for its owner to know it, for whoever else got hold of the link nothing to use."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"


def _page(site: Site, found: Subscription | None, *, left: bool) -> Response:
    """`found` is None for a person whose data was erased: the link is good, and there is nothing left to leave."""
    slug = found.newsletter if found else ""
    newsletter = next((n for n in site.app.config.newsletters if slug in (n.slug, *n.former)), None)
    return site.page(
        "unsubscribe", cache=NEVER, masked=masked(found.address) if found else "", newsletter=newsletter,
        title=newsletter.title if newsletter else slug or "this newsletter", write_to=write_to(site),
        gone=left or found is None or found.status is SubscriptionStatus.UNSUBSCRIBED,
    )


def _subscription(site: Site, request: Request) -> Subscription | None:
    said = site.app.keyring.read(UNSUBSCRIBE, request.path_params["token"])
    if request.path_params["token"] == TEST:
        raise Missing("This was a test", "Test mails carry a link that leads nowhere, so that nobody is unsubscribed "
                      "by trying it. In a real mail it opens a page with one button.")
    if said is None or not said.isascii() or not said.isdigit() or len(said) > MAX_ID_DIGITS:
        raise Missing(
            "This link is not complete",
            "It may have been cut in two by a mail program. Nothing was changed. Open it again from your mail, or copy "
            "all of it into the address bar. Every one of our mails carries such a link at its end."
            + (f" You can also write to {write_to(site)}." if write_to(site) else ""),
        )
    with site.app.store.read() as connection:
        return subscribers.subscription(connection, int(said))
