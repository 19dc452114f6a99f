"""What came since a reader last looked: RFC 3229 with the instance manipulation "feed", as Bob Wyman described it.

A reader names the version it has (If-None-Match) and that it can put entries to those it has (A-IM: feed). If that
version is still known and something but not everything is new since, it gets the document with those entries only, as
226 IM Used. In all other cases there is no delta, and the whole document is a right answer to the same request.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from starlette.concurrency import run_in_threadpool

from pipeline.errors import BroadsheetError
from pipeline.model.feeds import ATOM_FILE, JSON_FILE, RSS_FILE
from pipeline.publish import delta
from pipeline.store import feed_versions
from pipeline.store.engine import Store
from pipeline.web.answers import Content
from pipeline.web.codings import PLAIN, compress, untagged
from pipeline.web.memory import Memory

KINDS = (RSS_FILE, ATOM_FILE, JSON_FILE)
CACHE_BYTES = 8_000_000
MAX_NAMED = 10   # ETags of one request that are looked up

log = logging.getLogger("pipeline.web")


@dataclass(frozen=True, slots=True)
class Delta:
    """A document with the entries that are new or changed since the version `base`."""

    body: bytes
    base: str        # that version's ETag, as the reader named it


def wants_feed(a_im: str) -> bool:
    """Whether a reader takes deltas of feeds. The header is a list of names with weights (RFC 3229 §10.5.3)."""
    for part in a_im.lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() == "feed":
            return weight.replace(" ", "").rstrip("0").rstrip(".") not in ("q=", "q=0")
    return False


class Deltas:
    """Makes deltas and keeps some. Nothing that goes wrong here may cost a reader its feed."""

    def __init__(self, store: Store, cache_bytes: int = CACHE_BYTES) -> None:
        self._store = store
        self._memory: Memory[bytes] = Memory(cache_bytes)

    async def since(self, path: str, named: Sequence[str], now: Content, coding: str) -> Delta | None:
        """What came since one of the versions that a reader named; None where the whole document is the answer."""
        folder, _, kind = path.rpartition("/")
        if kind not in KINDS or not named:
            return None
        of_plain = {untagged(etag): etag for etag in reversed(named[:MAX_NAMED])}
        for old, etag in reversed(of_plain.items()):
            if (kept := self._memory.get((path, old, now.etag, coding))) is not None:
                return Delta(kept, etag) if kept else None
        try:
            found = await run_in_threadpool(partial(self._make, path, folder, kind, list(of_plain), now, coding))
        except BroadsheetError as error:
            log.warning("/feeds/%s: no delta: %s", path, error)
            return None
        return Delta(found[1], of_plain[found[0]]) if found is not None else None

    def _make(
        self, path: str, folder: str, kind: str, named: Sequence[str], now: Content, coding: str
    ) -> tuple[str, bytes] | None:
        """(the ETag of the version it is from, the delta); None where there is none."""
        with self._store.read() as connection:
            version = feed_versions.find(connection, folder, kind, named)
        if version is None:
            return None
        try:
            there = delta.article_ids(now.body, kind)
        except ValueError as error:  # a file that somebody else put there
            raise BroadsheetError(path, f"can't be read: {error}") from error
        known = [i for i in there if i in version.article_ids]
        with self._store.read() as connection:
            new = set(there).difference(known) | feed_versions.changed_since(connection, known, version.seq)
        # nothing: an entry went, or what stands around them changed. Everything: no shorter than the document
        body = delta.only(now.body, kind, new) if 0 < len(new) < len(there) else b""
        if body and coding != PLAIN:
            body = compress(body, coding)
        self._memory.put((path, version.etag, now.etag, coding), body, len(body))
        return (version.etag, body) if body else None
