"""The web server's parts put together: routes, what goes wrong, and the port it listens on."""

from __future__ import annotations

import errno
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline.app import App
from pipeline.config import Web
from pipeline.errors import BroadsheetError
from pipeline.web import (
    feedfiles,
    feeds,
    hooks,
    mailbox,
    newsletters,
    pages,
    pictures,
    preferences,
    unsubscribe,
    websub,
)
from pipeline.web.answers import NEVER, Missing
from pipeline.web.shell import Shell, area
from pipeline.web.site import Site, open_site

BACKLOG = 128
GRACE_S = 5        # seconds that open requests have to end when the server is asked to stop
KEEP_ALIVE_S = 30

log = logging.getLogger("pipeline.web")


def build(app: App) -> Starlette:
    """The whole site as an ASGI application."""
    site = open_site(app)
    files = feedfiles.open_files(app)
    shelf = feeds.open_shelf(site, files)
    routes = [
        # first, because it is asked for most, and routes are tried one after the other
        Route("/feeds/{path:path}", partial(feeds.file, shelf), methods=["GET", "OPTIONS"]),
        Route("/feeds", partial(feeds.file, shelf)),
        Route("/", partial(pages.home, site, files)),
        Route("/n/{newsletter}", partial(newsletters.bare, site)),
        Route("/n/{newsletter}/", partial(newsletters.page, site)),
        Route("/n/{newsletter}/{name}", partial(newsletters.digest, site)),
        Route("/a/{id}", partial(pages.article, site)),
        Route("/i/{name}", partial(pictures.picture, site)),
        Route("/u/{token}", partial(unsubscribe.answer, site), methods=["GET", "POST"]),
        Route("/p/{token}", partial(preferences.answer, site), methods=["GET", "POST"]),
        Route("/hooks/{provider}", partial(hooks.answer, hooks.listen(app)), methods=["POST"]),
        Route("/websub/{token}", partial(websub.answer, site), methods=["GET", "POST"]),
        Route("/mail/{name}", partial(mailbox.show, site)),
        Route("/mail/{name}/text", partial(mailbox.show, site)),
        Route("/mail/{name}/raw", partial(mailbox.raw, site)),
        Route("/style.css", partial(pages.style, site)),
        Route("/favicon.svg", partial(pages.icon, site)),
        Route("/favicon.ico", partial(pages.icon, site)),
        Route("/robots.txt", partial(pages.robots, shelf)),
        Route("/sitemap.xml", partial(feeds.sitemap, shelf)),
        Route("/sitemaps/{path:path}", partial(feeds.sitemap, shelf)),
        Route("/healthz", partial(pages.health, site)),
    ]
    built = Starlette(
        routes=routes,
        middleware=[Middleware(Shell, prefix=site.prefix, failed=partial(_failed, site))],
        exception_handlers={HTTPException: partial(_refused, site), BroadsheetError: partial(_unable, site)},
    )
    built.router.redirect_slashes = False  # it makes addresses from the Host header
    return built


def bind(web: Web) -> socket.socket:
    """Take the port, before any work begins. The socket listens already: who asks early waits instead of failing.

    Raises BroadsheetError in one line when it can't be had.
    """
    where = web.listen
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            web.host, web.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError as error:
        raise BroadsheetError(where, "is no address of this machine", hint=_LISTEN) from error
    # with the protocol that getaddrinfo gave: asyncio sets TCP_NODELAY only where it reads TCP there, and without it
    # an answer whose head and body are two packets waits 40 ms for the reader's delayed ACK
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        cause, hint = _BIND_ERRORS.get(error.errno or 0, (error.strerror or "can't be listened on", _LISTEN))
        raise BroadsheetError(where, cause, hint=hint) from error
    return listener


def serve(app: App, *, on_ready: Callable[[], None], listener: socket.socket | None = None) -> None:
    """Serve until SIGINT or SIGTERM, then let open requests end. Blocks; call it in the main thread.

    `listener` is what `bind` gave; without one the port is taken here. `on_ready` is called once requests are
    answered. A second SIGINT does not wait.
    """
    taken = listener if listener is not None else bind(app.config.web)
    with taken:
        server(app, on_ready=on_ready).run(sockets=[taken])


def server(app: App, *, on_ready: Callable[[], None]) -> uvicorn.Server:
    """A server to be run on a socket; set its `should_exit` to stop it from another thread."""
    config = uvicorn.Config(
        build(app), lifespan="off", ws="none", log_config=None, log_level=logging.ERROR, access_log=False,
        proxy_headers=False, server_header=False, backlog=BACKLOG, timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    return _Server(config, on_ready)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's, but a signal that was obeyed is not raised a second time at the end: that would end the
        process before the clock and the workers could stop."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _refused(site: Site, _request: Request, error: Exception) -> Response:
    """404, 405 and whatever else has a status."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if isinstance(error, Missing):
        title, text, links = error.title, error.detail, error.links
    else:
        title, text = _WORDS.get(status, ("This can't be done", "The address does not take this kind of request."))
        links = ()
    response = site.page("error", status=status, cache=NEVER, title=title, text=text, links=links)
    response.headers.update(headers)
    return response


def _unable(site: Site, request: Request, error: Exception) -> Response:
    """A trouble we have words for: the operator reads them in the log, the reader hears that it passes."""
    log.error("%s %s: %s", request.method, area(request.scope["path"]), error)
    return _sorry(site, 503)


def _failed(site: Site) -> Response:
    return _sorry(site, 500)


def _sorry(site: Site, status: int) -> Response:
    title, text = _WORDS[status]
    response = site.page("error", status=status, cache=NEVER, title=title, text=text, links=())
    response.headers["retry-after"] = "30"
    return response


_WORDS = {
    404: ("Nothing here", "There is no page under this address. It may have moved, or the link may be incomplete."),
    405: ("Not like this", "This address exists, but does not take this kind of request."),
    500: ("Something went wrong", "The fault is ours, and it is noted. Nothing was changed. Try again in a moment."),
    503: ("One moment", "The site can't answer right now. Nothing was changed. Try again in a moment."),
}
_LISTEN = "say where to listen in config.toml: [web] listen"
_BIND_ERRORS = {
    errno.EADDRINUSE: ("another program listens there",
                       "stop it, or choose another port: [web] listen in config.toml"),
    errno.EACCES: ("this account may not listen there", "ports below 1024 need rights; choose one above"),
    errno.EADDRNOTAVAIL: ("is no address of this machine", _LISTEN),
}
