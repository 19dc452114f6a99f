"""Where providers report what came back: `/hooks/ses`, `/hooks/postmark`, `/hooks/mailgun`, `/hooks/sendgrid`.

A provider that is not configured has no address here. What is not proven to be its own is refused with 403 before
anything in it is looked at, and nothing is recorded. Reports are kept under the provider's own number, so one that is
told again counts once; where the database can't take them the answer is 503, and the provider tries again.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from pipeline.app import App, fetcher_for
from pipeline.audience.returns.providers import mailgun, postmark, sendgrid, ses
from pipeline.audience.returns.providers.values import load, table
from pipeline.audience.returns.take import Parts, take
from pipeline.config.mail import Hooks
from pipeline.errors import FetchError
from pipeline.jobs.returning import parts
from pipeline.model.returns import Report
from pipeline.net.fetch import Limits
from pipeline.net.fetch import Request as Asked
from pipeline.web.answers import NEVER

MAX_BODY = 2 * 1024 * 1024
BODY_S = 30.0
MOST_CERTIFICATES = 8
FETCH = Limits(connect_s=5.0, total_s=15.0, wire_bytes=256 * 1024, decoded_bytes=256 * 1024, redirects=0)

Fetch = Callable[[str], bytes]

log = logging.getLogger("pipeline.web")


@dataclass(frozen=True, slots=True)
class Listening:
    """What the hooks need. `fetch` brings Amazon's certificates, and confirms its subscriptions."""

    hooks: Hooks
    parts: Parts
    now: Callable[[], datetime]
    fetch: Fetch
    certificates: dict[str, bytes] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


def listen(app: App, fetch: Fetch | None = None) -> Listening:
    hooks = app.config.mail.hooks if app.config.mail is not None else Hooks()
    return Listening(hooks, parts(app), app.now, fetch or (lambda url: _fetched(app, url)))


async def answer(listening: Listening, request: Request) -> Response:
    provider = request.path_params["provider"]
    if not getattr(listening.hooks, provider, None) or provider not in _HEARD:
        return _plain(HTTPStatus.NOT_FOUND)
    body, status = await _read(request)
    if status is not HTTPStatus.OK:
        return _plain(status)
    headers = {name.lower(): value for name, value in request.headers.items()}
    return _plain(await run_in_threadpool(_hear, listening, provider, body, headers))


def _hear(listening: Listening, provider: str, body: bytes, headers: Mapping[str, str]) -> HTTPStatus:
    """Raises StoreError where it can't be kept: then nothing of that report is, and it comes again."""
    said = _HEARD[provider](listening, body, headers)
    if isinstance(said, HTTPStatus):
        return said
    for report in said:
        taken = take(listening.parts, report, listening.now())
        if taken.verdict.hint:
            log.warning("%s reports: %s", provider, taken.verdict.hint)
    return HTTPStatus.OK


def _ses(listening: Listening, body: bytes, _headers: Mapping[str, str]) -> list[Report] | HTTPStatus:
    envelope = table(load(body))
    url = ses.certificate_url(envelope)
    if envelope.get("TopicArn") not in listening.hooks.ses or not url:
        return HTTPStatus.FORBIDDEN
    try:
        pem = _certificate(listening, url)
    except FetchError as error:
        log.warning("Amazon's certificate can't be fetched: %s", error)
        return HTTPStatus.SERVICE_UNAVAILABLE
    if not ses.is_signed(envelope, pem, listening.now()):
        return HTTPStatus.FORBIDDEN
    if envelope.get("Type") == ses.CONFIRMATION:
        return _confirm(listening, ses.confirm_url(envelope))
    return ses.reports(envelope) if envelope.get("Type") == ses.NOTIFICATION else []


def _confirm(listening: Listening, url: str) -> HTTPStatus:
    if not url:
        return HTTPStatus.FORBIDDEN
    try:
        listening.fetch(url)
    except FetchError as error:
        log.warning("the subscription to Amazon's reports can't be confirmed: %s", error)
        return HTTPStatus.SERVICE_UNAVAILABLE
    log.info("the subscription to Amazon's reports is confirmed")
    return HTTPStatus.OK


def _postmark(listening: Listening, body: bytes, headers: Mapping[str, str]) -> list[Report] | HTTPStatus:
    if not postmark.is_theirs(headers.get("authorization", ""), listening.hooks.postmark.get_secret_value()):
        return HTTPStatus.FORBIDDEN
    event = load(body)
    return postmark.reports(event) if isinstance(event, dict) else HTTPStatus.BAD_REQUEST


def _mailgun(listening: Listening, body: bytes, _headers: Mapping[str, str]) -> list[Report] | HTTPStatus:
    said = table(load(body))
    if not mailgun.is_signed(said, listening.hooks.mailgun.get_secret_value(), listening.now()):
        return HTTPStatus.FORBIDDEN
    return mailgun.reports(said)


def _sendgrid(listening: Listening, body: bytes, headers: Mapping[str, str]) -> list[Report] | HTTPStatus:
    if not sendgrid.is_signed(body, headers, listening.hooks.sendgrid, listening.now()):
        return HTTPStatus.FORBIDDEN
    events = load(body)
    return sendgrid.reports(events) if isinstance(events, list) else HTTPStatus.BAD_REQUEST


_HEARD: dict[str, Callable[[Listening, bytes, Mapping[str, str]], list[Report] | HTTPStatus]] = {
    "ses": _ses, "postmark": _postmark, "mailgun": _mailgun, "sendgrid": _sendgrid}


def _certificate(listening: Listening, url: str) -> bytes:
    """Amazon's, fetched once."""
    with listening.lock:
        known = listening.certificates.get(url)
    if known is None:
        known = listening.fetch(url)
        with listening.lock:
            if len(listening.certificates) >= MOST_CERTIFICATES:
                listening.certificates.clear()
            listening.certificates[url] = known
    return known


def _fetched(app: App, url: str) -> bytes:
    fetcher = fetcher_for(app.config, FETCH)
    try:
        return fetcher.fetch(Asked(url, accept="*/*", deltas=False)).body
    finally:
        fetcher.close()


async def _read(request: Request) -> tuple[bytes, HTTPStatus]:
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_S):
            async for piece in request.stream():
                size += len(piece)
                if size > MAX_BODY:
                    return b"", HTTPStatus.REQUEST_ENTITY_TOO_LARGE
                pieces.append(piece)
    except TimeoutError:
        return b"", HTTPStatus.REQUEST_TIMEOUT
    except ClientDisconnect:  # nobody hears this
        return b"", HTTPStatus.BAD_REQUEST
    return b"".join(pieces), HTTPStatus.OK


def _plain(status: HTTPStatus) -> Response:
    return Response(status_code=status, headers={"cache-control": NEVER})
