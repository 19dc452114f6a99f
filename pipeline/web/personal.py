"""What the pages of one subscription share: whom the token in an address speaks of, and what is said where it speaks
of nobody. A token is never logged, and a wrong one costs no look into the database.
"""

from __future__ import annotations

from starlette.requests import Request

from pipeline.model.subscribers import Subscription
from pipeline.store import subscribers
from pipeline.web.answers import Missing
from pipeline.web.newsletters import write_to
from pipeline.web.site import Site

MAX_ID_DIGITS = 18

TEST = "test"
"""The token in test mails."""


def find(site: Site, request: Request, purpose: str, *, test: str) -> Subscription | None:
    """Whose page `/…/{token}` is; None for a person whose data was erased.

    Raises Missing where the token is none for this purpose. `test` says what the link in a test mail would have done.
    """
    token = request.path_params["token"]
    said = site.app.keyring.read(purpose, token)
    if token == TEST:
        raise Missing("This was a test", test)
    if said is None or not said.isascii() or not said.isdigit() or len(said) > MAX_ID_DIGITS:
        raise Missing(
            "This link is not complete",
            "It may have been cut in two by a mail program. Nothing was changed. Open it again from your mail, or copy "
            "all of it into the address bar. Every one of our mails carries such a link at its end."
            + (f" You can also write to {write_to(site)}." if write_to(site) else ""),
        )
    with site.app.store.read() as connection:
        return subscribers.subscription(connection, int(said))


def masked(address: str) -> str:
    """ "j•••@example.org": enough for its owner to know it, for whoever else got hold of the link nothing to use."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"
