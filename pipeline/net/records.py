"""What the DNS says: TXT, MX, addresses and names, through the resolver of this machine. The only home of dnspython.

Nothing here hangs: all questions together have one deadline.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import dns.exception
import dns.resolver
import dns.reversename

from pipeline.errors import FetchError

QUESTION_S = 5.0    # seconds for one question, all servers together
NOBODY = "nobody could be asked"


class Resolver:
    """Asks for `seconds` in all; after that everything is "could not be asked"."""

    def __init__(self, seconds: float, nameserver: str = "", port: int = 53) -> None:
        """`nameserver`: an IP address, "" for those of this machine."""
        self._until = time.monotonic() + seconds
        self._resolver: dns.resolver.Resolver | None = None
        with suppress(dns.exception.DNSException, OSError):  # no resolv.conf: then every question says so
            self._resolver = dns.resolver.Resolver(configure=not nameserver)
            if nameserver:
                self._resolver.nameservers, self._resolver.port = [nameserver], port

    def txt(self, name: str) -> tuple[str, ...]:
        """Every TXT record, its strings joined; () where there is none. Raises FetchError where nobody answers."""
        return tuple(b"".join(one.strings).decode("utf-8", "replace") for one in self._ask(name, "TXT"))

    def mx(self, name: str) -> tuple[str, ...]:
        """Mail servers, the preferred first; ("",) where the domain says that it takes no mail (RFC 7505)."""
        found = sorted((one.preference, str(one.exchange).rstrip(".").lower()) for one in self._ask(name, "MX"))
        return tuple(host for _, host in found)

    def addresses(self, name: str) -> tuple[str, ...]:
        return tuple(str(one.address) for kind in ("A", "AAAA") for one in self._ask(name, kind))

    def names(self, address: str) -> tuple[str, ...]:
        """What an IP address is called (PTR)."""
        try:
            reverse = str(dns.reversename.from_address(address))
        except (dns.exception.DNSException, ValueError) as error:
            raise FetchError(address, "is no IP address") from error
        return tuple(str(one.target).rstrip(".").lower() for one in self._ask(reverse, "PTR"))

    def _ask(self, name: str, kind: str) -> Sequence[Any]:
        left = self._until - time.monotonic()
        if self._resolver is None:
            raise FetchError(name, f"{NOBODY}: this machine has no name server")
        if left <= 0:
            raise FetchError(name, f"{NOBODY}: the time for all questions is over")
        try:
            answer = self._resolver.resolve(f"{name.rstrip('.')}.", kind, lifetime=min(QUESTION_S, left), search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return ()
        except dns.resolver.LifetimeTimeout as error:
            raise FetchError(name, f"{NOBODY}: the name servers do not answer") from error
        except dns.resolver.NoNameservers as error:
            raise FetchError(name, f"{NOBODY}: the name servers answer with an error") from error
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise FetchError(name, f"{NOBODY}: {type(error).__name__}") from error
        return list(answer)
