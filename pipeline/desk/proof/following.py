"""Whether links answer: HEAD, else GET, through the guard; few at once, one after the other on each host, and all of
it within a fixed time. What was learnt is remembered for a while (store/link_checks)."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from urllib.parse import urlsplit

from pipeline.desk.proof.links import NO_SUCH_HOST, Answer, judge
from pipeline.errors import FetchError, StoreError
from pipeline.net.fetch import Fetcher, HttpStatusError, Limits, Request
from pipeline.net.names import NoSuchHost
from pipeline.store import link_checks, meta
from pipeline.store.engine import Store
from pipeline.store.link_checks import LinkCheck

LIMITS = Limits(connect_s=5.0, total_s=10.0, wire_bytes=64 * 1024, decoded_bytes=64 * 1024)
MAX_LINKS = 200
ALL_S = 30.0
AT_ONCE = 8          # hosts
PAUSE_S = 0.2        # between two requests to one host
GOOD_FOR = timedelta(days=1)
BAD_FOR = timedelta(hours=1)
KEPT = timedelta(days=7)


def follow(
    urls: Iterable[str], fetcher: Callable[[], Fetcher], store: Store | None, now: datetime, *, all_s: float = ALL_S
) -> dict[str, LinkCheck]:
    """What each address answers; those for which there was no time are missing. Takes `all_s` seconds at most and a
    little. Opens short transactions of its own, so it is called outside of any."""
    wanted = list(urls)[:MAX_LINKS]
    known, taken_down = _remembered(store, wanted, now)
    asked = _ask([url for url in wanted if url not in known], fetcher, now, all_s)
    if store is not None and asked:
        with suppress(StoreError), store.write() as connection:  # it is only a cache; the answers hold all the same
            if meta.counter(connection, meta.TAKEN_DOWN) != taken_down:  # maybe what names these addresses
                return known | asked
            link_checks.forget(connection, now - KEPT)
            link_checks.record(connection, asked.values())
    return known | asked


def still_holds(check: LinkCheck, now: datetime) -> bool:
    """Whether an old answer need not be asked for again."""
    age = now - check.checked_at
    return timedelta(0) <= age < (GOOD_FOR if judge(check) is Answer.GOOD else BAD_FOR)


def _remembered(store: Store | None, urls: list[str], now: datetime) -> tuple[dict[str, LinkCheck], int]:
    """What holds, and how often something was taken down until now."""
    if store is None or not urls:
        return {}, 0
    with store.read() as connection:
        known = link_checks.known(connection, urls)
        taken_down = meta.counter(connection, meta.TAKEN_DOWN)
    return {url: check for url, check in known.items() if still_holds(check, now)}, taken_down


def _ask(urls: list[str], make: Callable[[], Fetcher], now: datetime, all_s: float) -> dict[str, LinkCheck]:
    hosts: dict[str, deque[str]] = {}
    for url in urls:
        hosts.setdefault(urlsplit(url).netloc.lower(), deque()).append(url)
    if not hosts:
        return {}
    waiting: SimpleQueue[deque[str]] = SimpleQueue()
    for queue in hosts.values():
        waiting.put(queue)
    fetcher, found, stop = make(), {}, threading.Event()  # type: ignore[var-annotated]
    threads = [threading.Thread(target=_work, args=(waiting, fetcher, now, found, stop), name="links", daemon=True)
               for _ in range(min(AT_ONCE, len(hosts)))]
    end = time.monotonic() + all_s
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
    finally:
        stop.set()
        fetcher.close()  # breaks off what is under way
    for thread in threads:
        thread.join(1.0)
    return dict(found)


def _work(
    waiting: SimpleQueue[deque[str]], fetcher: Fetcher, now: datetime, found: dict[str, LinkCheck],
    stop: threading.Event,
) -> None:
    while not stop.is_set():
        try:
            urls = waiting.get_nowait()
        except Empty:
            return
        while urls and not stop.is_set():
            url = urls.popleft()
            check = _one(fetcher, url, now)
            if stop.is_set():  # it may have been broken off by us
                return
            found[url] = check
            if check.status == 429:  # it does not want to be asked: neither for the rest
                found.update({left: LinkCheck(left, 429, check.reason, now) for left in urls})
                break
            if urls:
                stop.wait(PAUSE_S)


def _one(fetcher: Fetcher, url: str, now: datetime) -> LinkCheck:
    try:
        try:
            answer = fetcher.fetch(Request(url, accept="*/*", method="HEAD", deltas=False))
        except HttpStatusError as error:
            if error.status == 429:
                raise
            answer = fetcher.fetch(Request(url, accept="*/*", deltas=False, whole=False))
        return LinkCheck(url, answer.status, "", now)
    except HttpStatusError as error:
        return LinkCheck(url, error.status, error.cause.removeprefix("the address "), now)
    except NoSuchHost:
        return LinkCheck(url, 0, NO_SUCH_HOST, now)
    except FetchError as error:
        return LinkCheck(url, 0, error.cause, now)
