"""Where a request may go: pure rules over addresses and URLs; nothing here opens a socket or asks DNS.

    check_url      a URL as somebody wrote it -> its parts, or Refused
    check_address  an IP address about to be connected to -> nothing, or Refused

A name is never enough: `fetch` resolves it, passes each candidate to `check_address`, and connects to the very
address that was checked, on every hop of a redirect.

Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and its updates), RFC 6052 (NAT64),
RFC 3056 (6to4), RFC 4380 (Teredo), RFC 5214 (ISATAP); for hosts that end in a number
https://url.spec.whatwg.org/#host-parsing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import quote, urlsplit

import idna

from pipeline.config.secrets import MASK, QUERY_SECRET
from pipeline.errors import Refused

PORTS = frozenset({80, 443, 8000, 8008, 8080, 8443, 8888})
"""Where public web servers listen. Any other port is free only on an address in the request's own allow_networks."""

MAX_URL_CHARS = 8_192

_SHOWN_CHARS = 200
_DEFAULT_PORT = {"http": 80, "https": 443}
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_FORBIDDEN_CHARS = re.compile(r"[\x00-\x20\x7f\\]")
_AUTHORITY = re.compile(r"(?:\[[^\[\]]*\]|[^\[\]:]*)(?::[0-9]*)?")


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart once, so that nobody downstream reads it in another way than the guard did."""

    url: str     # normalised, without fragment
    scheme: str  # "http" or "https"
    host: str    # lower case ASCII name, or a literal address without brackets
    port: int
    path: str    # path and query, what goes into the request line

    @property
    def authority(self) -> str:
        """Host and port as the Host header has them: an IPv6 address in brackets, a default port left out."""
        return self.url.split("/", 3)[2]

    @property
    def literal(self) -> bool:
        """Whether the host is an address already, so that nobody need be asked for one."""
        return ":" in self.host or self.host.replace(".", "").isdigit()


def check_url(url: str, allow_networks: tuple[str, ...] = ()) -> Target:
    """Take a URL apart; raise Refused unless it is http(s), without user-info, on a host and port we may ask.

    Ports outside PORTS pass here only when the request names networks of its own, and then `check_address`
    still holds them to those networks: whoever names a network frees all ports in it. Does not resolve the name.
    """
    shown = printable(url)
    if len(url) > MAX_URL_CHARS:
        raise Refused(shown, f"the address is longer than {MAX_URL_CHARS} characters")
    if _FORBIDDEN_CHARS.search(url.strip()):
        raise Refused(shown, "the address holds a space, a backslash or a control character")
    try:
        parts = urlsplit(url.strip())
        written_port = parts.port
    except ValueError as error:
        raise Refused(shown, f"this is not an address: {error}") from error
    scheme = parts.scheme.lower()
    if scheme not in _DEFAULT_PORT:
        raise Refused(shown, f"only http and https are fetched, not {scheme or 'an address without a scheme'!r}")
    if "@" in parts.netloc:
        raise Refused(shown, "the address holds a user name or password", hint="leave out the part before the @")
    if not _AUTHORITY.fullmatch(parts.netloc):
        raise Refused(shown, f"{parts.netloc!r} is not a host, or a host and a port")
    host = _host(parts.hostname or "", shown)
    if parts.netloc.startswith("[") != (":" in host):
        raise Refused(shown, "only an IPv6 address stands in brackets")
    port = _DEFAULT_PORT[scheme] if written_port is None else written_port
    if port not in PORTS and not (allow_networks and port):
        raise Refused(shown, f"port {port} is not one that web servers use", hint=_ALLOW_HINT)
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    if parts.query:
        path += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?[]{}|^`")
    netloc = f"[{host}]" if ":" in host else host
    if port != _DEFAULT_PORT[scheme]:
        netloc += f":{port}"
    return Target(f"{scheme}://{netloc}{path}", scheme, host, port, path)


def check_address(ip: str, allow_networks: tuple[str, ...] = (), *, port: int = 443, subject: str = "") -> None:
    """Raise Refused unless `ip`, about to be connected to, is public, or in a network this request names.

    A named network frees every port of its addresses: home servers listen anywhere. It does not free the inside behind
    an address in disguise: one that carries an IPv4 address (NAT64, 6to4 and their kin) counts as named only where
    that one is public or named too. Elsewhere `port` is held to PORTS. `subject` is what the error names.
    """
    subject = subject or ip
    try:
        address = ip_address(ip)
    except ValueError as error:
        raise Refused(subject, f"{ip!r} is not an IP address") from error
    if isinstance(address, IPv6Address) and address.scope_id:
        _refuse_zone(subject)
    if allow_networks and _named(address, allow_networks, subject):
        return
    reason = _special(address)
    if reason:
        raise Refused(subject, f"{ip} is {reason}, and only public addresses are fetched", hint=_ALLOW_HINT)
    if port not in PORTS:
        raise Refused(subject, f"port {port} is not one that web servers use", hint=_ALLOW_HINT)


def printable(url: str) -> str:
    """A URL as it may stand in an error or a log: no user-info, no query that looks like a secret, no control
    characters, not endless."""
    if "@" not in url and "?" not in url and len(url) <= _SHOWN_CHARS and url.isprintable():
        return url
    url = QUERY_SECRET.sub(rf"\1{MASK}", url)
    shown = re.sub(r"(?i)^(\s*[a-z][a-z0-9+.-]*:)?(//)[^/?#]*@", r"\1\2…@", url)
    shown = "".join(char if char.isprintable() else "�" for char in shown)
    return shown if len(shown) <= _SHOWN_CHARS else f"{shown[:_SHOWN_CHARS - 1]}…"


def _host(written: str, shown: str) -> str:
    """Lower case ASCII form of a host. Raises Refused for what only a lenient parser would take for an address."""
    host = written
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError) as error:
            raise Refused(shown, f"{written!r} is not a host name: {error}") from error
    host = host.lower()
    if ":" in host:
        try:
            return str(IPv6Address(host)) if "%" not in host else _refuse_zone(shown)
        except ValueError as error:
            raise Refused(shown, f"{written!r} is not an IPv6 address") from error
    host = host.removesuffix(".")
    labels = host.split(".")
    if not host or len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise Refused(shown, f"{written!r} is not a host name")
    if _NUMBER.fullmatch(labels[-1]):
        # inet_aton, and so getaddrinfo, reads 2130706433, 0x7f000001, 0177.0.0.1 and 127.1 all as 127.0.0.1
        try:
            return str(IPv4Address(host))
        except ValueError as error:
            raise Refused(shown, f"{written!r} is not a plainly written IPv4 address") from error
    return host


def _refuse_zone(shown: str) -> str:
    raise Refused(shown, "an IPv6 address with a zone points into this machine's own networks")


def _named(address: IPv4Address | IPv6Address, allow_networks: tuple[str, ...], subject: str) -> bool:
    """Whether the request names a network that holds the address, and the one it carries in disguise."""
    try:
        networks = [_network(name) for name in allow_networks]
    except ValueError as error:
        raise Refused(subject, f"allow_networks holds what is not a network: {error}",
                      hint='write it like "192.168.1.0/24"') from error
    if not any(address in network for network in networks):
        return False
    carried = _carried(int(address)) if isinstance(address, IPv6Address) else None
    return carried is None or not _special(carried) or any(carried in network for network in networks)


@lru_cache(maxsize=1024)
def _network(name: str) -> IPv4Network | IPv6Network:
    return ip_network(name.strip(), strict=False)


def _special(address: IPv4Address | IPv6Address) -> str:
    """What is special about an address, in words; "" for a public one. Own tables, because `is_global` of the
    standard library calls 192.0.0.192, 224.0.0.1, ::127.0.0.1, 64:ff9b::7f00:1 and 2002:7f00:1:: global
    (CVE-2024-4032 and beyond)."""
    number = int(address)
    if isinstance(address, IPv4Address):
        return next((words for first, last, words in _SPECIAL_V4 if first <= number <= last), "")
    for first, last, words in _SPECIAL_V6:
        if first <= number <= last:
            return words
    if _is_isatap(number):
        return "an IPv4 address in disguise (ISATAP)"
    return "" if number >> 125 == _GLOBAL_UNICAST else "outside the global unicast space"


def _carried(number: int) -> IPv4Address | None:
    """The IPv4 address to which a translator or tunnel would forward what is sent to this IPv6 one."""
    if number >> 32 in _CARRYING_96 and number > 1:  # :: and ::1 are no one's disguise
        return IPv4Address(number & _LOW_32)
    if number >> 80 == _LOCAL_NAT64 or _is_isatap(number):
        return IPv4Address(number & _LOW_32)
    if number >> 112 == _SIX_TO_FOUR:
        return IPv4Address(number >> 80 & _LOW_32)
    if number >> 96 == _TEREDO:
        return IPv4Address(~number & _LOW_32)
    return None


def _is_isatap(number: int) -> bool:
    """RFC 5214 section 6.1: an interface identifier of 0000:5efe or 0200:5efe, then the IPv4 address."""
    return number >> 32 & _LOW_32 in (0x0000_5EFE, 0x0200_5EFE)


_ALLOW_HINT = "allow_networks of this one source can name a network of your own"

_LOW_32 = 0xFFFF_FFFF
_GLOBAL_UNICAST = 0b001  # 2000::/3
_SIX_TO_FOUR = 0x2002    # 2002::/16
_TEREDO = 0x2001_0000    # 2001::/32
_LOCAL_NAT64 = 0x0064_FF9B_0001  # 64:ff9b:1::/48
# compatible ::/96, mapped ::ffff:0:0/96, translated ::ffff:0:0:0/96, NAT64 64:ff9b::/96
_CARRYING_96 = frozenset({0, 0xFFFF, 0xFFFF_0000, 0x0064_FF9B << 64})


def _ranges(*networks: tuple[str, str]) -> tuple[tuple[int, int, str], ...]:
    """(first, last, words) of each network, as numbers: asked for every connection, and the first that fits counts."""
    spans = ((ip_network(network), words) for network, words in networks)
    return tuple((int(span.network_address), int(span.broadcast_address), words) for span, words in spans)


_SPECIAL_V4 = _ranges(
    ("0.0.0.0/8", 'a "this network" address'),
    ("10.0.0.0/8", "a private address"),
    ("100.64.0.0/10", "a shared address of a provider's inside"),
    ("127.0.0.0/8", "this machine itself"),
    ("168.63.129.16/32", "a cloud platform's own service"),
    ("169.254.0.0/16", "a link-local address"),
    ("172.16.0.0/12", "a private address"),
    ("192.0.0.0/24", "a protocol assignment"),
    ("192.0.2.0/24", "a documentation address"),
    ("192.31.196.0/24", "an AS112 address"),
    ("192.52.193.0/24", "an AMT relay address"),
    ("192.88.99.0/24", "a 6to4 relay address"),
    ("192.168.0.0/16", "a private address"),
    ("192.175.48.0/24", "an AS112 address"),
    ("198.18.0.0/15", "a benchmarking address"),
    ("198.51.100.0/24", "a documentation address"),
    ("203.0.113.0/24", "a documentation address"),
    ("224.0.0.0/4", "a multicast address"),
    ("255.255.255.255/32", "the broadcast address"),
    ("240.0.0.0/4", "a reserved address"),
)

_SPECIAL_V6 = _ranges(
    ("::/128", "the unspecified address"),
    ("::1/128", "this machine itself"),
    ("::ffff:0:0/96", "an IPv4 address in disguise (mapped)"),
    ("::ffff:0:0:0/96", "an IPv4 address in disguise (translated)"),
    ("::/96", "an IPv4 address in disguise (compatible)"),
    ("64:ff9b::/96", "an IPv4 address in disguise (NAT64)"),
    ("64:ff9b:1::/48", "an IPv4 address in disguise (local NAT64)"),
    ("100::/64", "a discard-only address"),
    ("100:0:0:1::/64", "a dummy address"),
    ("2001::/32", "a Teredo tunnel"),
    ("2001::/23", "a protocol assignment"),
    ("2001:db8::/32", "a documentation address"),
    ("2002::/16", "a 6to4 tunnel"),
    ("2620:4f:8000::/48", "an AS112 address"),
    ("3fff::/20", "a documentation address"),
    ("5f00::/16", "a segment routing address"),
    ("fc00::/7", "a private address"),
    ("fe80::/10", "a link-local address"),
    ("fec0::/10", "a site-local address"),
    ("ff00::/8", "a multicast address"),
)
