"""What stands around every answer: security headers, one place for what goes wrong, the path below which we live."""

from __future__ import annotations

import logging
from collections.abc import Callable

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "content-security-policy"

PLAIN = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""Our own pages: one style sheet of ours, no script from anywhere."""

LETTER = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; sandbox allow-popups allow-popups-to-escape-sandbox"
)
"""A frozen digest: its styles are inline, because mail needs them so. The sandbox gives it an origin of its own."""

FEED_PAGE = f"{LETTER} allow-downloads"
"""The page of a feed: the same, and a click on a feed's file may be one that a browser saves instead of showing it."""

ARTICLE = (
    "default-src 'none'; style-src 'self'; img-src 'self' data: http: https:; media-src http: https:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox allow-downloads"
)
"""A page with an article's own HTML. Its pictures may stand on other servers, which learn no address of ours."""

MAIL = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-src 'self'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""A page that shows a mail in a frame, which inherits this policy: opening a mail tells nobody."""

HEADERS = {
    POLICY: PLAIN,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",  # addresses with tokens stay here
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), browsing-topics=()",
}
"""Given to each response that does not set its own."""

_RAW = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

log = logging.getLogger("pipeline.web")
access = logging.getLogger("pipeline.web.access")
_CONDITIONS = frozenset({"if-none-match", "if-modified-since", "a-im"})


class Shell:
    """ASGI middleware: `prefix` is the path of the public address ("" where it has none).

    A reverse proxy may cut the prefix off or leave it; both work. An exception becomes the page that `failed` makes;
    it is logged with the first part of the path only, for what follows may be a token.
    """

    def __init__(self, app: ASGIApp, *, prefix: str, failed: Callable[[], Response]) -> None:
        self._app = app
        self._prefix = prefix
        self._failed = failed
        self._notes = access.isEnabledFor(logging.INFO)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = _with_ours(message["headers"])
                if self._notes:
                    _note(scope, message["status"])
            await send(message)

        try:
            await self._app(_below(scope, self._prefix), receive, guarded)
        except Exception:  # whatever it is, the reader gets a page and the operator a line
            log.exception("%s %s failed", scope["method"], area(scope["path"]))
            if started:
                raise
            await self._failed()(scope, receive, guarded)


def area(path: str) -> str:
    """The part of a path that may be logged: "/u/…" for an address that carries a token."""
    first, slash, rest = path.lstrip("/").partition("/")
    return f"/{first}{slash}{'…' if rest else ''}"[:80]


def _note(scope: Scope, status: int) -> None:
    """One line for a request, for the operator who asks (`broadsheet --debug run`). Feeds' paths hold no secret."""
    path: str = scope["path"]
    asked = {name.decode("latin-1") for name, _ in scope["headers"]} & _CONDITIONS
    access.info("%s %s %d%s", scope["method"], path if "/feeds/" in path else area(path), status,
                f" ({', '.join(sorted(asked))})" if asked else "")


def _with_ours(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """A new list: a response may use its own again."""
    set_already = {name for name, _ in headers}
    return [*headers, *(pair for pair in _RAW if pair[0] not in set_already)]


def _below(scope: Scope, prefix: str) -> Scope:
    path: str = scope["path"]
    if prefix and (path == prefix or path.startswith(f"{prefix}/")):
        return {**scope, "path": path.removeprefix(prefix) or "/"}
    return scope
