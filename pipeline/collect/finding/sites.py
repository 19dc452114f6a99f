"""Whether two addresses belong together: on one host, or on one site."""

from __future__ import annotations

from urllib.parse import urlsplit


def host_of(url: str) -> str:
    """Return the host of an absolute address in lower case, with a port that is not the usual one and without
    "www.": a site that moves between http and https, with or without "www.", is still the same. "" for no address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    host = (parts.hostname or "").lower().removeprefix("www.")
    return host if port in (None, 80, 443) or not host else f"{host}:{port}"


def same_site(one: str, other: str) -> bool:
    """Say whether one address's host is the other's, or lies within it: blog.example.org and example.org."""
    a, b = host_of(one), host_of(other)
    return a == b != "" or ("." in b and a.endswith(f".{b}")) or ("." in a and b.endswith(f".{a}"))
