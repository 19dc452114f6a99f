"""Where hubs find us: `/websub/{token}`, an address for each subscription that nobody can guess.

GET is a hub that makes sure that it was really us, and changes nothing. POST is a push: what it brings is never read,
only weighed against its signature. One that does not fit is answered like one that does (WebSub section 7.1), so that
nobody learns here whether a forgery was a good one.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from pipeline.collect.manners import websub
from pipeline.collect.manners.websub import Signature
from pipeline.store.websub import HubState
from pipeline.web.answers import NEVER, Missing
from pipeline.web.site import Site

MAX_BODY = 10 * 1024 * 1024
BODY_S = 30.0    # seconds for a push to arrive


async def answer(site: Site, request: Request) -> Response:
    store = site.app.store
    found = await run_in_threadpool(websub.find, store, request.path_params["token"])
    if found is None:
        raise _missing()
    if request.method != "POST":
        said = websub.decide_verification(found, request.query_params)
        if said is None:
            raise _missing()
        return PlainTextResponse(said, headers={"cache-control": NEVER})
    if not found.wanted or found.state is HubState.LEAVING:
        return _plain(HTTPStatus.GONE)  # a hub that did not hear that we left stops now
    signature = Signature(found.secret, request.headers.get("x-hub-signature", ""))
    status = await _read(request, signature)
    if status is HTTPStatus.NO_CONTENT and signature.fits:
        await run_in_threadpool(websub.take_push, store, found, site.app.now())
    return _plain(status)


async def _read(request: Request, signature: Signature) -> HTTPStatus:
    """Weigh the body as it comes, keeping nothing of it."""
    size = 0
    try:
        async with asyncio.timeout(BODY_S):
            async for piece in request.stream():
                size += len(piece)
                if size > MAX_BODY:
                    return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
                signature.feed(piece)
    except TimeoutError:
        return HTTPStatus.REQUEST_TIMEOUT
    except ClientDisconnect:  # nobody hears this
        return HTTPStatus.BAD_REQUEST
    return HTTPStatus.NO_CONTENT


def _plain(status: HTTPStatus) -> Response:
    return Response(status_code=status, headers={"cache-control": NEVER})


def _missing() -> Missing:
    return Missing("Nothing here", "Only hubs that we asked to tell us of news come here, and this is none of theirs.")
