"""The only HTTP client: one GET, HEAD or POST, under caps and a deadline, through the guard on every hop.

    Request | check_url | resolve | check_address | connect to the checked address | headers | (redirect: again) | body

It sends no cookies, reads no proxies from the environment, runs nothing, and keeps no connection.
"""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from http import HTTPStatus
from types import MappingProxyType
from typing import Literal
from urllib.parse import urljoin

from pipeline.errors import FetchError, Refused
from pipeline.net.decode import ACCEPT_ENCODING, Decoder
from pipeline.net.guard import Target, check_url, printable
from pipeline.net.http1 import Exchange, Head
from pipeline.net.moves import moved
from pipeline.net.names import Lookups, Resolve, by_system
from pipeline.net.wire import Deadline, Line, dial, tls_context

ACCEPT = (
    "application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.9, "
    "text/xml;q=0.9, application/json;q=0.8, text/html;q=0.7, */*;q=0.1"
)
LARGE_AT_ONCE = 2  # bodies of more than decode.LARGE_BYTES: many bombs at once need no more memory than two
MAX_RETRY_AFTER_S = 7 * 24 * 3600.0

_IM_USED = 226
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ABOUT_WHAT_WE_HAVE = ("If-None-Match", "If-Modified-Since", "A-IM")
_PASSING_4XX = frozenset({408, 421, 423, 425, 429})


@dataclass(frozen=True, slots=True)
class Limits:
    """What one fetch may cost, all its redirects included."""

    connect_s: float = 10.0  # for one address to take the connection
    total_s: float = 30.0    # from the call to the last byte: DNS, connecting, TLS, headers and body
    wire_bytes: int = 15 * 1024 * 1024
    decoded_bytes: int = 25 * 1024 * 1024
    redirects: int = 5
    header_bytes: int = 64 * 1024  # of one answer, interim answers included


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask for. `etag` and `last_modified` are the last answer's, sent back as they came, never understood.

    `allow_networks` names the private networks that this one source may live in, like "192.168.1.0/24". An address
    inside them may be asked on any port; one outside them only on the ports of the public web (guard.PORTS).
    """

    url: str
    etag: str = ""
    last_modified: str = ""
    allow_networks: tuple[str, ...] = ()
    accept: str = ACCEPT
    deltas: bool = True  # with an ETag: the entries that are new since then will do (RFC 3229, A-IM: feed)
    method: Literal["GET", "HEAD", "POST"] = "GET"
    whole: bool = True   # False: whether it answers is all that matters; the body is not read, as with HEAD
    body: bytes = b""  # of a POST; its answer is never redirected, never conditional
    content_type: str = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Response:
    """What came: any 2xx, or a 304 to a conditional request (then `body` is empty).

    Header values are Latin-1: encoded again, they are the bytes that came, without the blanks around them; a control
    character, which no header may hold and a database may not take, became a blank. `etag` and `last_modified` are
    what this very answer said, be it a 304, and "" where it was silent.
    """

    url: str                      # where it came from in the end
    status: int
    body: bytes                   # decoded
    content_type: str             # the header as sent, with its parameters
    etag: str
    last_modified: str
    headers: Mapping[str, str]    # lower case names; repeated ones joined by ", "
    delta: bool = False           # `body` holds only what is new since the request's ETag (RFC 3229)
    moved_to: str = ""            # = url when it was reached by permanent redirects only (301, 308), else ""
    moved_status: int = 0         # the first of them
    moved_to_https: bool = False  # and all they changed is the scheme: the same host, path and query over TLS

    @property
    def retry_after_s(self) -> float | None:
        """The server's own wish when to come again, None where it has none. Allowed on any answer."""
        return _retry_after(self.headers)


class HttpStatusError(FetchError):
    """The server answered, but not with what was asked for. `url` is where in the end, after redirects;
    `retry_after_s` the server's own wish, None where it has none; `moved_…` as in Response."""

    def __init__(
        self, subject: str, status: int, reason: str, *, url: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(
            subject, f"the address answers {status} {_phrase(status, reason)}", hint=_status_hint(status),
            permanent=400 <= status < 500 and status not in _PASSING_4XX,
        )
        self.status = status
        self.url = url
        self.retry_after_s = retry_after_s
        self.moved_to = ""
        self.moved_status = 0
        self.moved_to_https = False


class Fetcher:
    """Fetches from any thread. `tls` replaces the system's certificate authorities; `resolve` the system's DNS."""

    def __init__(
        self, user_agent: str, limits: Limits | None = None, *, resolve: Resolve = by_system,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._user_agent = _header_value(user_agent) or "broadsheet"
        self._limits = limits or Limits()
        self._lookups = Lookups(resolve)
        self._given_tls = tls
        self._lock = threading.Lock()
        self._under_way: set[Line] = set()
        self._large = threading.BoundedSemaphore(LARGE_AT_ONCE)
        self._closed = False

    def fetch(self, request: Request) -> Response:
        """Ask one address, following redirects but those of a POST. Blocks for `limits.total_s` at most.

        Raises Refused (guard, caps), HttpStatusError (4xx, 5xx) or FetchError (network); each names the address.
        """
        limits = self._limits
        deadline = Deadline(printable(request.url), limits.total_s)
        first = target = check_url(request.url, request.allow_networks)
        headers = self._headers(request)
        redirects: list[int] = []
        while True:
            try:
                answer = self._one_hop(target, request, headers, deadline)
            except HttpStatusError as error:
                error.moved_to, error.moved_status, error.moved_to_https = moved(first, target, redirects)
                raise
            if isinstance(answer, Response):
                if not redirects:
                    return answer
                moved_to, moved_status, moved_to_https = moved(first, target, redirects)
                return replace(answer, moved_to=moved_to, moved_status=moved_status, moved_to_https=moved_to_https)
            if len(redirects) == limits.redirects:
                raise Refused(deadline.subject, f"redirects more than {limits.redirects} times")
            redirects.append(answer.status)
            following = _follow(target, answer.location, request, deadline.subject)
            if following.host != target.host:
                for name in _ABOUT_WHAT_WE_HAVE:  # another server's: they mean nothing there, and name us
                    headers.pop(name, None)
            target = following

    def close(self) -> None:
        """Refuse further fetches and break off those under way; they raise FetchError. Twice is once."""
        with self._lock:
            self._closed = True
            for line in self._under_way:
                line.shut()

    def _headers(self, request: Request) -> dict[str, str]:
        headers = {"User-Agent": self._user_agent, "Accept": request.accept, "Accept-Encoding": ACCEPT_ENCODING,
                   "Connection": "close"}
        if request.method == "POST":
            headers["Content-Type"] = _header_value(request.content_type)
            return headers
        if etag := _header_value(request.etag):
            headers["If-None-Match"] = etag
            if request.deltas:
                headers["A-IM"] = "feed"
        if last_modified := _header_value(request.last_modified):
            headers["If-Modified-Since"] = last_modified
        return headers

    def _one_hop(
        self, target: Target, request: Request, headers: Mapping[str, str], deadline: Deadline
    ) -> Response | _Redirect:
        line = Line(target.host, deadline)
        with self._lock:
            if self._closed:
                raise _stopped(deadline)
            self._under_way.add(line)
        try:
            answer = self._exchange(line, target, request, headers)
        except FetchError as error:
            if self._closed:
                raise _stopped(deadline) from error
            raise
        finally:
            line.close()
            with self._lock:
                self._under_way.discard(line)
        if self._closed:  # a broken-off body that ends with the connection looks complete
            raise _stopped(deadline)
        return answer

    def _exchange(
        self, line: Line, target: Target, request: Request, headers: Mapping[str, str]
    ) -> Response | _Redirect:
        limits = self._limits
        dial(line, target, allow_networks=request.allow_networks, connect_s=limits.connect_s, lookups=self._lookups)
        if target.scheme == "https":
            line.secure(self._tls)
        exchange = Exchange(line)
        exchange.ask(request.method, target, headers, request.body)
        head = exchange.head(limits.header_bytes)
        if head.status in _REDIRECTS and (location := head.headers.get("location")):
            return _Redirect(head.status, location)
        delta = "A-IM" in headers and head.headers.get("im", "").lower() == "feed"
        if not _was_asked_for(head.status, headers, delta=delta):
            raise HttpStatusError(line.subject, head.status, head.reason, url=target.url,
                                  retry_after_s=_retry_after(head.headers))
        body = self._body(line, exchange, head) if request.whole and request.method != "HEAD" else b""
        return _response(target, head, body, delta=delta and head.status != HTTPStatus.NOT_MODIFIED)

    def _body(self, line: Line, exchange: Exchange, head: Head) -> bytes:
        """The body unpacked. Only LARGE_AT_ONCE large ones grow at a time; the next waits, and the small ones don't."""
        limits = self._limits
        with ExitStack() as cleanup:

            def when_large() -> None:
                if not self._large.acquire(timeout=line.deadline.left()):
                    raise FetchError(line.subject, "other large answers took all the time that it had")
                cleanup.callback(self._large.release)

            decoder = Decoder(line.subject, head.headers.get("content-encoding", ""), limits.decoded_bytes,
                              when_large=when_large)
            for piece in exchange.body(head, limits.wire_bytes):
                decoder.feed(piece)
            return decoder.finish()

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Made at the first https address: reading the system's authorities takes about 20 ms."""
        with self._lock:
            return self._given_tls or tls_context()


@dataclass(frozen=True, slots=True)
class _Redirect:
    status: int
    location: str


def _follow(target: Target, location: str, request: Request, subject: str) -> Target:
    """Where a redirect leads, checked like any address; the error names the first address and the hop."""
    # header bytes arrive as Latin-1; a name or path outside ASCII was meant as UTF-8 (RFC 3986 has no other form)
    with suppress(UnicodeError):
        location = location.encode("latin-1").decode("utf-8")
    if request.method == "POST":
        raise Refused(subject, f"redirects what was sent to {printable(location)!r}, and that is not followed")
    try:
        following = check_url(urljoin(target.url, location.strip().replace(" ", "%20")), request.allow_networks)
    except ValueError as error:
        raise Refused(subject, f"redirects to {printable(location)!r}, which is no address") from error
    except Refused as error:
        raise Refused(subject, f"redirects to {error.subject}: {error.cause}", hint=error.hint) from error
    if target.scheme == "https" and following.scheme == "http":
        raise Refused(subject, f"redirects from https to {following.url}, which anyone on the way could change",
                      hint="name the http address in the source if you accept that")
    return following


def _was_asked_for(status: int, headers: Mapping[str, str], *, delta: bool) -> bool:
    """Whether a status is an answer to this request, or something that nobody asked for."""
    if status == HTTPStatus.NOT_MODIFIED:
        return "If-None-Match" in headers or "If-Modified-Since" in headers
    if status == _IM_USED:
        return delta
    return 200 <= status < 300 and status != HTTPStatus.PARTIAL_CONTENT


def _response(target: Target, head: Head, body: bytes, *, delta: bool) -> Response:
    headers = MappingProxyType(head.headers)
    return Response(
        url=target.url, status=head.status, body=body, content_type=headers.get("content-type", ""),
        etag=headers.get("etag", ""), last_modified=headers.get("last-modified", ""), headers=headers, delta=delta,
    )


def _stopped(deadline: Deadline) -> FetchError:
    return FetchError(deadline.subject, "fetching has been stopped")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait (RFC 9110 section 10.2.3), a date measured from the server's own clock; None where unreadable."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        return min(float(value), MAX_RETRY_AFTER_S)
    try:
        until = parsedate_to_datetime(value)
        said = headers.get("date", "")
        start = parsedate_to_datetime(said) if said else datetime.now(UTC)
        return min(max((until - start).total_seconds(), 0.0), MAX_RETRY_AFTER_S)
    except (ValueError, TypeError, OverflowError):
        return None


def _phrase(status: int, reason: str) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return printable(reason)[:60] or "an unknown status"


def _status_hint(status: int) -> str:
    return {
        206: "a part, though the whole was asked for",
        226: "a part of a kind that was not asked for",
        304: "though nothing was asked conditionally",
        401: "it asks for a login, which feeds must not",
        403: "it does not want to be read by programs",
        404: "check the address; the feed may have moved",
        410: "it is gone for good; remove the source",
        429: "asked too often; it is tried again later",
    }.get(status, "it is tried again later" if status >= 500 else "")


def _header_value(text: str) -> str:
    """Text that can stand in a header, without blanks around it, or "" when it can't (then it was never a header's)."""
    return text.strip(" \t") if re.fullmatch(r"[\t\x20-\x7e\x80-\xff]+", text) else ""
