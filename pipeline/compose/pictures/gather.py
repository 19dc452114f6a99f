"""Gather the pictures that a digest's articles name, before it is frozen and outside of any transaction.

    which (wanted.py) | what is known of them | fetch the others | remake in a child | keep the file, then the row

A picture that can't be had is remembered with its reason and stands in words: it never holds a digest. What all of
them together may cost is bounded; what is beyond that stands in words in this digest, and is tried in the next.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.children.pool import Children, Stopped, TooCostly
from pipeline.compose.pictures.answers import ANSWERS, KIND, LIMITS, PICTURES, Remade
from pipeline.compose.pictures.folder import DAY_S, Folder
from pipeline.compose.pictures.wanted import Wanted, settings, wanted
from pipeline.config import Config, Newsletter
from pipeline.errors import BroadsheetError, ParseError, StoreError
from pipeline.model.articles import Article, Images
from pipeline.model.pictures import TALLEST, WIDEST, KeptPicture, Picture, Pictures, retry_after
from pipeline.net.fetch import Fetcher, HttpStatusError, Limits, Request
from pipeline.store import meta, pictures
from pipeline.store.engine import Store

FETCH = Limits(connect_s=5, total_s=12, wire_bytes=10 * 1024 * 1024, decoded_bytes=10 * 1024 * 1024)
"""What one picture may cost on the wire."""

ACCEPT = "image/webp,image/jpeg,image/png,image/gif,image/avif;q=0.9,image/*;q=0.5,*/*;q=0.1"
TOTAL_S = 60.0       # for all pictures of a digest
MOST_FETCHES = 200   # in a digest
AT_ONCE = 8          # under way
SLOW_S = 5.0         # a picture that took longer and was not had is a strike against its source
STRIKES = 3          # and after so many the source's others are left for the next digest
NOTES = 10           # pictures that are named one by one

log = logging.getLogger("pipeline.compose")

_NO_TIME = "there was no time left"
_ENOUGH = "its source's pictures cost too much time"
_STARTS = {"jpg": b"\xff\xd8\xff", "png": b"\x89PNG\r\n\x1a\n", "gif": b"GIF8"}


@dataclass(frozen=True, slots=True)
class Darkroom:
    """What making pictures our own needs. `fetcher` is asked for one only where there is something to fetch."""

    store: Store
    config: Config
    folder: Path                         # where the files lie; it need not be there yet
    fetcher: Callable[[], Fetcher]
    total_s: float = TOTAL_S
    most: int = MOST_FETCHES


def gather_pictures(room: Darkroom, newsletter: Newsletter, articles: Iterable[Article], now: datetime) -> Pictures:
    """What a digest of these articles, in the order in which they are shown, may show of their pictures.

    Blocks for `room.total_s`, and at the most for one more fetch. Raises StoreError where the database can't be used,
    and nothing because of a picture.
    """
    needed = wanted(room.config, newsletter, articles)
    modes = settings(room.config)
    if not needed:
        return Pictures(newsletter.images, modes)
    with room.store.read() as connection:
        known = pictures.by_keys(connection, (one.key for one in needed))
    folder = Folder(room.folder)
    lost = {key for key, row in known.items() if row.picture and not folder.use(row.picture.name)}
    due = {one.key: one for one in needed if one.key in lost or _is_due(known.get(one.key), now)}
    for key in lost:
        del known[key]
    left: dict[str, str] = dict.fromkeys(list(due)[room.most :], f"more than {room.most} are fetched for one digest")
    if due:
        work = _Round(room, folder, known, now)
        made = work.make(list(due.values())[: room.most])
        left |= work.left
        with room.store.write() as connection:
            pictures.save(connection, list(made.values()))
        known |= made
    return _pictures(newsletter, modes, needed, known, left)


def are_there(room: Darkroom, gathered: Pictures) -> bool:
    """Whether all that was gathered can still be shown. Asked in the freezing transaction, in which nobody clears."""
    folder = Folder(room.folder)
    return all(folder.has(one.name) for found in gathered.found.values() for one in found.values())


def clear_pictures(store: Store, path: Path, *, unused_s: float = DAY_S) -> set[str]:
    """Delete the files that no frozen digest shows and nobody has asked for in so many seconds; return their names.

    What a digest shows stays, however old it is: the mail lies in somebody's mailbox. So it has to be the folder's own
    database that is asked, and not an older copy of it.
    """
    folder = Folder(path)
    with store.read() as connection:
        shown = pictures.in_digests(connection)
        told = pictures.names(connection)
        newest = pictures.newest_freeze(connection)
    unneeded = (folder.names() | told) - shown
    if not unneeded:
        return set()
    with store.write() as connection:
        meta.take(connection, meta.ACCEPTED, 0)  # a freeze waits; one that came first is seen
        unneeded -= pictures.in_digests(connection, newest - timedelta(days=1) if newest else None)
        removed = folder.remove(unneeded, unused_s=unused_s)
        pictures.forget(connection, removed)
    return removed


def _is_due(row: KeptPicture | None, now: datetime) -> bool:
    return row is None or (row.picture is None and row.retry_at is not None and row.retry_at <= now)


def _pictures(
    newsletter: Newsletter, modes: Mapping[str, Images], needed: Sequence[Wanted], known: Mapping[str, KeptPicture],
    left: Mapping[str, str],
) -> Pictures:
    found: dict[str, dict[str, Picture]] = {}
    lacking: list[str] = []
    for one in needed:
        row = known.get(one.key)
        if row is not None and row.picture is not None and one.key not in left:
            found.setdefault(one.source, {})[one.url] = row.picture
        else:
            why = left.get(one.key) or (row.reason if row else _NO_TIME)
            lacking.append(f"article {one.article}: a picture from {urlsplit(one.url).hostname} stands in words: {why}")
    return Pictures(newsletter.images, modes, found, _shortened(lacking))


def _shortened(notes: Sequence[str]) -> tuple[str, ...]:
    more = len(notes) - NOTES
    return (*notes[:NOTES], *([f"{more} more pictures stand in words"] if more > 0 else []))


class _Round:
    """One gathering: threads that fetch, one child that remakes, and the time by which all of it ends.

    After `make`, `left` says of those that it could not get to, why; nothing of them is remembered.
    """

    def __init__(self, room: Darkroom, folder: Folder, known: Mapping[str, KeptPicture], now: datetime) -> None:
        self.left: dict[str, str] = {}
        self._room = room
        self._folder = folder
        self._known = known
        self._now = now
        self._strikes: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._over = False

    def make(self, missing: Sequence[Wanted]) -> dict[str, KeptPicture]:
        """What became of each, by its key."""
        ends = time.monotonic() + self._room.total_s
        fetcher = self._room.fetcher()
        with Children(1, LIMITS, answers=ANSWERS, program=PICTURES) as children:
            threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="pictures")
            try:
                tasks = {one.key: threads.submit(self._one, fetcher, children, one) for one in missing}
                wait(tasks.values(), timeout=max(0.0, ends - time.monotonic()))
            finally:
                self._over = True
                threads.shutdown(wait=False, cancel_futures=True)
                fetcher.close()   # those under way are broken off
                children.close()
                threads.shutdown()
        made = {key: self._result(key, task) for key, task in tasks.items()}
        return {key: row for key, row in made.items() if row is not None}

    def _one(self, fetcher: Fetcher, children: Children, one: Wanted) -> KeptPicture | None:
        if self._strikes[one.source] >= STRIKES:
            self.left[one.key] = _ENOUGH
            return None
        began = time.monotonic()
        try:
            answer = fetcher.fetch(Request(one.url, allow_networks=one.networks, accept=ACCEPT, deltas=False))
            remade = children.work(KIND, one.url, answer.body, url=one.url, widest=WIDEST, tallest=TALLEST)
            _check(remade, one.url)
            name = self._folder.save(remade.data, remade.ending)
        except StoreError as error:  # our folder's trouble says nothing about the picture
            self.left[one.key] = str(error)
            return None
        except BroadsheetError as error:
            if self._over or isinstance(error, Stopped):
                return None
            if isinstance(error, TooCostly) or time.monotonic() - began > SLOW_S:
                with self._lock:
                    self._strikes[one.source] += 1
            wish_s = error.retry_after_s if isinstance(error, HttpStatusError) else None
            at = retry_after(self._known.get(one.key), self._now, permanent=error.permanent, wish_s=wish_s)
            return KeptPicture(one.key, one.url, None, self._now, reason=error.cause, retry_at=at)
        picture = Picture(name, remade.width, remade.height)
        return KeptPicture(one.key, one.url, picture, self._now, size=len(remade.data))

    def _result(self, key: str, task: Future[KeptPicture | None]) -> KeptPicture | None:
        if task.cancelled():
            row = None
        else:
            try:
                row = task.result()
            except Exception as error:  # a fault of ours costs a picture, and no digest
                log.exception("a picture could not be made ours")
                row, self.left[key] = None, f"a fault of this program: {type(error).__name__}"
        if row is None:
            self.left.setdefault(key, _NO_TIME)
        return row


def _check(remade: Remade, url: str) -> None:
    """The child may have been taken over by what it read: what it says is a picture has to begin like one."""
    start = _STARTS.get(remade.ending, b"?")
    if not remade.data.startswith(start) or not (0 < remade.width <= WIDEST and 0 < remade.height <= TALLEST):
        raise ParseError(url, "broke the process that read it: what that answered is no picture")
