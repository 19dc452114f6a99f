"""feeds that were built anew -> their hub is told (WebSub, https://www.w3.org/TR/websub/, section 6).

That it has to be told is written down together with the build, so a crash, or a hub that is down, costs no news: it is
told later, and later still, until it answers. How a publisher tells a hub is left open there; hubs in use take a POST
with hub.mode=publish and the topic's address, in hub.url or in hub.topic.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlencode

from pipeline.config import Config
from pipeline.errors import BroadsheetError
from pipeline.model.feeds import ATOM_FILE, JSON_FILE, RSS_FILE
from pipeline.net.fetch import Fetcher, Request
from pipeline.store import feeds
from pipeline.store.engine import Store
from pipeline.store.feeds import FeedState

FIRST_RETRY, LAST_RETRY = timedelta(minutes=1), timedelta(hours=6)
AT_ONCE = 50            # feeds that one call tells of
MAX_ERROR = 200         # characters of a hub's trouble that are kept


@dataclass(slots=True)
class Told:
    """What one call did. A hub that fails once is asked for no other feed in the same call."""

    feeds: list[str] = field(default_factory=list)
    problem: str = ""
    waiting: str = ""    # in words, where feeds wait for a hub that did not answer earlier


def tell_hub(store: Store, config: Config, fetcher: Fetcher, now: datetime) -> Told:
    """Tell the configured hub of the feeds whose news it does not know yet."""
    told = Told()
    hub = config.publish.hub
    _forget_other_hubs(store, hub, now)
    with store.read() as connection:
        due = feeds.to_ping(connection, now, now + LAST_RETRY, AT_ONCE)
    for state in due if hub else ():
        try:
            for name in (RSS_FILE, ATOM_FILE, JSON_FILE):
                _ask(config, fetcher, f"{config.feeds_url}/{state.slug}/{name}")
        except BroadsheetError as error:
            told.problem = f"{_named(hub)}{error.cause}"
            _put_off(store, due, state, told.problem, now)
            break
        with store.write() as connection:
            feeds.pinged(connection, state)
        told.feeds.append(state.slug)
    if hub and not told.problem:
        told.waiting = waiting_for(store, hub)
    return told


def waiting_for(store: Store, hub: str) -> str:
    """In words, the feeds whose news a hub could not be told; "" where there are none."""
    with store.read() as connection:
        waiting = [state for state in feeds.waiting_for_hub(connection) if _failed_at(hub, state)]
    if not waiting:
        return ""
    until = min(state.ping_due_at for state in waiting if state.ping_due_at is not None) + timedelta(seconds=59)
    who = "1 feed waits for its" if len(waiting) == 1 else f"{len(waiting)} feeds wait for their"
    return f"{who} hub to be told, again from {until:%d %b %H:%M} UTC ({waiting[0].ping_error})"


def backoff(failures: int) -> timedelta:
    """How long to wait after so many failures in a row."""
    doubled: timedelta = FIRST_RETRY * 2 ** min(failures, 16)
    return min(LAST_RETRY, doubled)


def _named(hub: str) -> str:
    return f"hub {hub}: "


def _failed_at(hub: str, state: FeedState) -> bool:
    return state.ping_error.startswith(_named(hub)[:MAX_ERROR])


def _forget_other_hubs(store: Store, hub: str, now: datetime) -> None:
    """A hub that takes the place of one which did not answer need not wait for that one's sake."""
    with store.read() as connection:
        others = [state for state in feeds.waiting_for_hub(connection) if not _failed_at(hub, state)]
    if hub and others:
        with store.write() as connection:
            for state in others:
                feeds.record(connection, state.id, ping_due_at=now, ping_failures=0, ping_error="")


def _ask(config: Config, fetcher: Fetcher, topic: str) -> None:
    body = urlencode({"hub.mode": "publish", "hub.url": topic, "hub.topic": topic}).encode()
    fetcher.fetch(Request(config.publish.hub, allow_networks=config.publish.hub_networks, method="POST", body=body,
                          accept="*/*"))


def _put_off(store: Store, due: Iterable[FeedState], failed: FeedState, problem: str, now: datetime) -> None:
    """The feed that failed, and those behind it, which would have to wait for the same hub."""
    with store.write() as connection:
        for state in due:
            if state.id >= failed.id:
                feeds.record(connection, state.id, ping_due_at=now + backoff(state.ping_failures),
                             ping_failures=state.ping_failures + 1, ping_error=problem[:MAX_ERROR])
