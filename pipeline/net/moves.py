"""What a chain of redirects says about where a source lives from now on. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.net.guard import Target

PERMANENT = frozenset({301, 308})
"""RFC 9110 sections 15.4.2 and 15.4.9. 302, 303 and 307 are for this one request, and so is all that follows them."""


def moved(first: Target, last: Target, redirects: Sequence[int]) -> tuple[str, int, bool]:
    """(new address, status of the first redirect, whether only the scheme is new), or ("", 0, False).

    `redirects` are the statuses between `first` and `last`; a single passing one makes the whole way passing.
    Only the scheme is new where host, path and query are the same, and the port too, or 80 became 443.
    """
    if not redirects or not PERMANENT.issuperset(redirects) or first.url == last.url:
        return "", 0, False
    same_place = (first.host, first.path) == (last.host, last.path) and (
        first.port == last.port or (first.port, last.port) == (80, 443))
    return last.url, redirects[0], same_place and (first.scheme, last.scheme) == ("http", "https")
