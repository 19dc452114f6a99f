"""Addresses: only absolute http(s) ones leave here, and one canonical form for comparing them."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_to_bytes, urljoin, urlsplit

MAX_URL = 4_096  # characters; longer ones are data, not addresses

DEFAULT_PORTS = {"http": 80, "https": 443}

TRACKING = frozenset(
    "fbclid gclid gclsrc dclid gbraid wbraid msclkid yclid twclid ttclid igshid igsh li_fat_id mc_cid mc_eid "
    "mkt_tok _hsenc _hsmi __hssc __hstc __hsfp hsctatracking vero_id vero_conv oly_enc_id oly_anon_id "
    "wickedid srsltid ref_src ref_url cmpid ocid ito ns_mchannel ns_source ns_campaign ns_linkname ns_fee "
    "at_medium at_campaign at_custom1 at_custom2 at_custom3 at_custom4 wt_mc rss_id".split()
)
"""Query parameters that say where a click came from and nothing about the page."""
TRACKING_PREFIXES = ("utm_", "mtm_", "pk_", "hsa_", "spm_")

_SAFE = "/:@!$&'()*+,;=~-._%"      # RFC 3986 pchar, and "%" because what is encoded stays as it is
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPE = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_HEAD = r"https?://[a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?\.[a-z]{2,24}/"
_PATH = r"(?:[A-Za-z0-9/:@!$&'()*+,;=~._-]++|%[0-9A-Fa-f]{2})*+"
_QUERY = r"(?:[A-Za-z0-9/:@!$&'()*+,;=~._?-]++|%[0-9A-Fa-f]{2})++"
_ALREADY = re.compile(rf"{_HEAD}{_PATH}(?:\?{_QUERY})?(?:#{_QUERY})?")
"""Most addresses: nothing to mend, no port, no credentials."""
ESCAPED = rf"""(?=[^"]{{0,{MAX_URL}}}"){_ALREADY.pattern}""".replace("$&'", "$'").replace("++|", "++|&amp;|")
"""A pattern of the same as they stand in an attribute."""
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_.])?|\[[0-9a-f:.]+\]")
_MAILTO = re.compile(r"mailto:([^\s<>\"'?&,;:@%\\]{1,64}@[a-z0-9.-]{1,253})(?:\?.*)?", re.IGNORECASE | re.DOTALL)


def absolute(url: str, base: str = "") -> str:
    """Join `url` to `base` and return it in ASCII (RFC 3986), or "" unless that is an http(s) address.

    What a browser forgives is forgiven: blanks around it, line breaks within it, backslashes, characters
    that should have been escaped, a name in Unicode. Credentials ("https://bank.example@evil.example/") go.
    """
    if len(url) <= MAX_URL and _ALREADY.fullmatch(url):
        return url
    url = re.sub(r"[\x00-\x1f\x7f]", "", url.strip())
    if not url or len(url) > MAX_URL:
        return ""
    try:
        parts = urlsplit(urljoin(base, url.replace("\\", "/")))
        port = parts.port
        host = _ascii_host(parts.hostname or "")
    except (ValueError, UnicodeError):  # a bad IPv6 literal, a port that is no number, a label of 64 characters
        return ""
    scheme = parts.scheme.lower()
    if scheme not in DEFAULT_PORTS or not host:
        return ""
    netloc = host if port is None or port == DEFAULT_PORTS[scheme] else f"{host}:{port}"
    query = f"?{_escaped(parts.query, '?/')}" if parts.query else ""
    fragment = f"#{_escaped(parts.fragment, '?/')}" if parts.fragment else ""
    return f"{scheme}://{netloc}{_escaped(parts.path) or '/'}{query}{fragment}"


def link(url: str, base: str = "") -> str:
    """Return what may stand in an article's `href`: absolute http(s), or a bare `mailto:` address; else ""."""
    mail = _MAILTO.fullmatch(url.strip())
    if mail:
        return f"mailto:{mail[1]}"  # without "?bcc=…&body=…": a link offers an address, it doesn't fill in a letter
    return absolute(url, base)


def strip_tracking(url: str) -> str:
    """Return `url` without the parameters that only say where a click came from; order and rest unchanged."""
    address, hash_mark, fragment = url.partition("#")
    head, mark, query = address.partition("?")
    if not mark:
        return url
    kept = [p for p in query.split("&") if p and not _tracks(p)]
    return head + ("?" + "&".join(kept) if kept else "") + hash_mark + fragment


def normal(url: str) -> str:
    """The same address, as an id: nothing is escaped that need not be (RFC 3986 section 6.2.2.2)."""
    return _ESCAPE.sub(_unreserved, url) if "%" in url else url


def url_key(url: str) -> str:
    """Return the form under which two addresses count as one page, or "" where `url` is no http(s) address.

    The scheme, a default port, the fragment (but not "#!"), tracking parameters and a trailing slash make no
    difference; case in the host does not either. The order of parameters and "www." do.
    """
    rest, _, fragment = strip_tracking(absolute(url)).partition("://")[2].partition("#")
    if not rest:
        return ""
    place, mark, query = rest.partition("?")
    host, _, path = place.partition("/")  # of an absolute address, which always has this slash
    if "%" in path:
        path = _ESCAPE.sub(_unreserved, path)
    path = f"/{path}".rstrip("/")
    return f"//{host}{path}{mark}{query}" + (f"#{fragment}" if fragment.startswith("!") else "")


def _ascii_host(host: str) -> str:
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    host = host.lower()
    if ":" in host:
        host = f"[{host}]"
    return host if _HOST.fullmatch(host) else ""


def _escaped(part: str, more: str = "") -> str:
    return quote(_STRAY_PERCENT.sub("%25", part), safe=_SAFE + more, errors="replace")


def _tracks(parameter: str) -> bool:
    name = parameter.partition("=")[0].lower()
    return name in TRACKING or name.startswith(TRACKING_PREFIXES)


def _unreserved(match: re.Match[str]) -> str:
    """"%7Euser" and "~user" are one page (RFC 3986 section 6.2.2.2); other escapes only agree on their case."""
    return "".join(chr(b) if b in _UNRESERVED else f"%{b:02X}" for b in unquote_to_bytes(match[0]))
