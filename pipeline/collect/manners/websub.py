"""Let hubs tell us of news (WebSub, W3C Recommendation 2018: https://www.w3.org/TR/websub/), as their subscriber.

    which sources name a hub? | ask it, again in time, or to stop | it verifies, by GET | it pushes -> poll soon

A push never brings anything in: it only makes its source due, and the poll that follows is one like any other. So
what a hub can do by lying is make us ask a source, every few minutes at most; and what it fails to do, polling does.

That a hub verified us is not written down, since no GET of ours changes anything: that it really tells us is known
from its first signed push, and until then it is asked anew each day. So is one that kept silent about news.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_urlsafe
from typing import Any, Literal
from urllib.parse import urlencode

from pipeline.config import Config
from pipeline.errors import BroadsheetError, Refused
from pipeline.model.sources import SourceStanding
from pipeline.net.fetch import Fetcher, HttpStatusError, Request
from pipeline.net.guard import check_address, check_url
from pipeline.store import sources
from pipeline.store import websub as rows
from pipeline.store.engine import Store
from pipeline.store.sources import SourceState
from pipeline.store.websub import HubState, HubSubscription

LEASE = timedelta(days=10)            # what is asked for; a hub may give less and tells so in a GET only
UNPROVEN = timedelta(days=1)          # a hub of which nothing was heard, or which kept silent, is asked so often
DENIED_FOR = timedelta(days=7)
FIRST_RETRY = timedelta(minutes=15)   # doubled for each failure in a row
LAST_RETRY = timedelta(days=1)
CONFIRMABLE = timedelta(hours=1)      # for so long a hub can make sure that we want to leave
TOKEN_BYTES = 24
SECRET_BYTES = 32                     # 43 characters; the Recommendation allows up to 199
MOST_AT_ONCE = 200                    # requests of one turn
FAILURES_A_TURN = 3                   # hubs that may make a turn wait in vain; the others have their turn in the next
MAX_ERROR = 500                       # characters of an error that are kept
POLLED_ANYWAY = timedelta(minutes=1)  # what has been due for longer is asked by the clock's own rounds

TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")

_HASHES = ("sha1", "sha256", "sha384", "sha512")  # section 7.1; a forger can't use what is weak about SHA-1 in an HMAC
_NOBODYS = ("localhost", "local", "internal", "intranet", "lan", "home.arpa", "test", "example", "invalid", "onion")

Mode = Literal["subscribe", "unsubscribe"]


def why_no_callback(public_url: str) -> str:
    """Why no hub could reach us under this address; "" where one could."""
    try:
        target = check_url(public_url, ("::/0",))  # on any port
        if target.literal:
            check_address(target.host)
    except Refused:
        return f"no hub can reach public_url, {public_url}"
    labels = target.host.split(".")
    if not target.literal and (len(labels) < 2 or any(target.host.endswith(f".{name}") for name in _NOBODYS)):
        return f"no hub can reach public_url, {public_url}"
    return ""


def why_no_hubs(config: Config) -> str:
    """Why no hub is asked for any source; "" where they are."""
    if config.site.demo:
        return "it is a demo"
    if not config.collect.websub:
        return "websub = false in [collect]"
    return why_no_callback(config.site.public_url)


def why_not(config: Config, state: SourceState) -> str:
    """Why no hub is asked to tell us of this source's news; "" where one is."""
    if not state.declared or state.standing is not SourceStanding.ACTIVE:
        return state.standing_reason or "it is not in config.toml"
    if not state.hints.hub:
        return "it names no hub"
    if not state.hints.self_url:
        return "it names a hub, but not the address by which the hub knows it (rel=\"self\")"
    return why_no_hubs(config)


def describe(subscription: HubSubscription, now: datetime) -> str:
    """How things are with a hub, in words for the operator."""
    if subscription.state is HubState.DENIED:
        return f"its hub refused: {subscription.error}; asked again after {subscription.renew_at:%d %b %H:%M} UTC"
    if subscription.state is HubState.LEAVING:
        return "its hub was asked to stop"
    if subscription.error:
        return f"its hub could not be asked: {subscription.error}; again after {subscription.renew_at:%d %b %H:%M} UTC"
    if subscription.last_push_at is None:
        return "its hub was asked, and has not told us of anything yet"
    told = f"its hub last told us of news on {subscription.last_push_at:%d %b %H:%M} UTC"
    return f"{told}, and not of what came since" if subscription.untold(now) else told


# --- the clock's part: asking hubs ---


@dataclass(frozen=True, slots=True)
class Asker:
    """What asking hubs needs of the world. `going` says whether to go on; it is asked between two requests."""

    store: Store
    config: Config
    fetcher: Fetcher
    now: Callable[[], datetime]
    going: Callable[[], bool] = lambda: True


def keep_hubs(asker: Asker, heard: Collection[str] | None = None) -> int:
    """Take up and give up subscriptions, and ask the hubs whose time has come. Returns how many were asked.

    `heard` are the slugs of the sources that were polled since the last call, None for all: only their hubs can have
    changed. What goes wrong is in the rows, and is no failure: polling goes on. Raises StoreError.
    """
    if asker.config.site.demo:
        return 0
    _take_up(asker, heard)
    with asker.store.read() as connection:
        due = rows.due(connection, asker.now(), UNPROVEN, MOST_AT_ONCE)
    asked, failing = 0, set[str]()
    for subscription in due:
        if len(failing) == FAILURES_A_TURN or not asker.going():
            break
        unreached = subscription.hub in failing
        if subscription.state is HubState.LEAVING:
            well = _leave(asker, subscription, ask=not unreached)
        elif unreached:
            continue  # all of its subscriptions were put off
        else:
            well = _subscribe(asker, subscription)
        asked += not unreached
        if not well:
            failing.add(subscription.hub)
    return asked


def _take_up(asker: Asker, heard: Collection[str] | None) -> None:
    """Bring the rows in line with what sources say now: new ones to be asked for, others to be left."""
    now, config = asker.now(), asker.config
    no_hubs = bool(why_no_hubs(config))
    with asker.store.read() as connection:
        states = {} if no_hubs else sources.states(connection, heard)
        known = rows.of_sources(connection, None if no_hubs else states)
        leaving = {row.token: row for row in rows.unwanted(connection)}
    own = {source.slug for source in config.sources}
    wanted = {slug: state for slug, state in states.items() if slug in own and not why_not(config, state)}
    for slug, row in known.items():
        hints = states[slug].hints if slug in states else None
        if row.state is not HubState.LEAVING and (hints is None or (row.hub, row.topic) != (hints.hub, hints.self_url)):
            leaving[row.token] = row
    new = [state for slug, state in wanted.items() if slug not in known]
    if not new and not leaving:
        return
    with asker.store.write() as connection:
        there = rows.of_sources(connection, [state.slug for state in new])  # another process may have been quicker
        for state in new:
            if state.slug not in there:
                rows.add(connection, state.id, state.hints.hub, state.hints.self_url, token_urlsafe(TOKEN_BYTES),
                         token_urlsafe(SECRET_BYTES), now)
        for row in leaving.values():
            if row.state is HubState.DENIED and row.expires_at is None:
                rows.remove(connection, row.token)  # there is nothing to stop
            else:
                rows.change(connection, row.token, state=HubState.LEAVING, attempts=0, renew_at=now)


def _subscribe(asker: Asker, subscription: HubSubscription) -> bool:
    """Ask for it, or for it to go on. False where the hub could not be reached."""
    if subscription.state is HubState.DENIED:  # so that the hub finds us willing when it verifies, at once perhaps
        with asker.store.write() as connection:
            rows.change(connection, subscription.token, state=HubState.ASKED)
    error = _request(asker, subscription, "subscribe")
    with asker.store.write() as connection:
        now_there = rows.find(connection, subscription.token)  # a push may have come meanwhile
        if now_there is not None and now_there.state is not HubState.LEAVING:
            values = after_asking(now_there, error, asker.now())
            rows.change(connection, subscription.token, **values)
            if error is not None and not error.permanent:
                rows.put_off(connection, subscription.hub, values["attempts"], values["error"], values["renew_at"])
    return error is None or error.permanent


def _leave(asker: Asker, subscription: HubSubscription, *, ask: bool) -> bool:
    """Ask the hub to stop, once; the row goes when it had time to make sure. False where it could not be reached."""
    if subscription.attempts or why_no_callback(asker.config.site.public_url):
        with asker.store.write() as connection:
            rows.remove(connection, subscription.token)
        return True
    with asker.store.write() as connection:  # before: a hub that breaks us off is not asked twice
        rows.change(connection, subscription.token, attempts=1, renew_at=asker.now() + CONFIRMABLE)
    error = _request(asker, subscription, "unsubscribe") if ask else None
    return error is None or error.permanent


def _request(asker: Asker, subscription: HubSubscription, mode: Mode) -> BroadsheetError | None:
    source = next((s for s in asker.config.sources if s.slug == subscription.slug), None)
    networks = source.allow_networks if source else ()
    body = request_body(subscription, mode, asker.config.site.public_url)
    try:
        asker.fetcher.fetch(Request(subscription.hub, allow_networks=networks, method="POST", body=body, accept="*/*"))
    except BroadsheetError as error:
        return error
    return None


def request_body(subscription: HubSubscription, mode: Mode, public_url: str) -> bytes:
    """The form that a hub is sent (section 5.1). The secret goes to hubs without TLS as well: who reads it on the way
    can make us poll, and that is all."""
    fields = {"hub.mode": mode, "hub.topic": subscription.topic,
              "hub.callback": f"{public_url}/websub/{subscription.token}"}
    if mode == "subscribe":
        fields |= {"hub.lease_seconds": str(int(LEASE.total_seconds())), "hub.secret": subscription.secret}
    return urlencode(fields).encode("ascii")


def after_asking(subscription: HubSubscription, error: BroadsheetError | None, now: datetime) -> dict[str, Any]:
    """The columns that a request for a subscription changes. A no is one for a week; anything else is tried again,
    a day later at most or when the hub wishes (Retry-After)."""
    if error is None:
        proven = subscription.verified_at is not None
        return {"state": HubState.ACTIVE if proven else HubState.ASKED, "error": "", "attempts": 0,
                "requested_at": now, "expires_at": now + LEASE, "renew_at": now + (LEASE / 2 if proven else UNPROVEN)}
    said = str(error)[:MAX_ERROR]
    attempts = subscription.attempts + 1
    if error.permanent:
        return {"state": HubState.DENIED, "error": said, "attempts": attempts, "renew_at": now + DENIED_FOR}
    wish = error.retry_after_s if isinstance(error, HttpStatusError) else None
    waiting = max(min(FIRST_RETRY * 2 ** min(attempts - 1, 10), LAST_RETRY), timedelta(seconds=wish or 0))
    return {"error": said, "attempts": attempts, "renew_at": now + waiting}


# --- the web's part: hubs that verify and push ---


def find(store: Store, token: str) -> HubSubscription | None:
    """Whom a callback's address belongs to."""
    if not TOKEN.fullmatch(token):
        return None
    with store.read() as connection:
        return rows.find(connection, token)


def decide_verification(subscription: HubSubscription, query: Mapping[str, str]) -> str | None:
    """What to answer to a hub that asks whether it was really us (section 5.3): its challenge, "" where there is
    nothing to say but that it was heard, None where we want no such thing. Writes nothing."""
    mode = query.get("hub.mode", "")
    if mode == "denied":
        return ""
    meant = {HubState.LEAVING: "unsubscribe"}
    if subscription.wanted:
        meant |= {HubState.ASKED: "subscribe", HubState.ACTIVE: "subscribe"}
    if mode != meant.get(subscription.state) or query.get("hub.topic") != subscription.topic:
        return None
    return query.get("hub.challenge") or None


class Signature:
    """An X-Hub-Signature ("sha256=…", section 7.1), and the body that it is to fit, fed in pieces and not kept."""

    def __init__(self, secret: str, header: str) -> None:
        method, _, self._given = header.strip().partition("=")
        method = method.strip().lower()
        self._mac = hmac.new(secret.encode(), digestmod=method) if method in _HASHES else None

    def feed(self, piece: bytes) -> None:
        if self._mac is not None:
            self._mac.update(piece)

    @property
    def fits(self) -> bool:
        return self._mac is not None and hmac.compare_digest(
            self._mac.hexdigest().encode(), self._given.strip().lower().encode("utf-8", "replace"))


def take_push(store: Store, subscription: HubSubscription, now: datetime) -> None:
    """A push whose signature fits: its source is asked soon. Nothing else of it is used.

    It is kept by the end of its second, so that a hub that floods us costs one write a second.
    """
    moment = now.replace(microsecond=0) + timedelta(seconds=1)
    if subscription.last_push_at is not None and subscription.last_push_at >= moment:
        return
    with store.write() as connection:
        current = rows.find(connection, subscription.token)
        if current is None or current.state is HubState.LEAVING:
            return
        values: dict[str, Any] = {"last_push_at": moment, "state": HubState.ACTIVE}
        if current.verified_at is None:
            values["verified_at"] = now
            if current.expires_at is not None and not current.attempts:
                values["renew_at"] = current.requested_at + LEASE / 2
        rows.change(connection, current.token, **values)
        sources.wake(connection, current.source_id, now)


def wake_pushed(store: Store, now: datetime) -> bool:
    """Whether a source waits to be asked because of a push. Wakes those that could not be woken when theirs came:
    they had been asked too recently, or were being asked at that very moment and what was new came too late for it."""
    with store.read() as connection:
        waiting = rows.unanswered(connection)
    later = [w for w in waiting if w.next_poll_at > now and w.last_polled_at <= now - sources.WAKE_EVERY]
    if later:
        with store.write() as connection:
            for one in later:
                sources.wake(connection, one.source_id, now)
    return bool(later) or any(now - POLLED_ANYWAY < w.next_poll_at <= now for w in waiting)
