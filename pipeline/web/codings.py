"""Content codings: which one a reader wants, and bytes in it (RFC 9110 §12.5.3, §8.4)."""

from __future__ import annotations

import re
from functools import lru_cache

from pipeline.errors import BroadsheetError
from pipeline.net.decode import Decoder
from pipeline.net.encode import PACKERS

PLAIN = ""
GZIP = "gzip"
BR = "br"

MIN_BYTES = 500           # below this a coding saves no packet
MAX_REMEMBERED = 200      # characters of a header; browsers need about 30

_WEIGHT = re.compile(r"\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*", re.IGNORECASE)
_SUFFIX = re.compile(r'-(?:gzip|br)"$')


def choose(accept_encoding: str | None, size: int) -> str:
    """The coding for a body of this size. A reader that says nothing gets none, and so does one that wants only what
    we don't have: an answer it may not be able to use is better than none."""
    if accept_encoding is None:
        return PLAIN
    remembered = len(accept_encoding) <= MAX_REMEMBERED
    wanted = _wanted(accept_encoding) if remembered else _wanted.__wrapped__(accept_encoding)
    if size <= MIN_BYTES and PLAIN in wanted:
        return PLAIN
    return wanted[0] if wanted else PLAIN


def tagged(etag: str, coding: str) -> str:
    """The ETag of a representation: each coding has its own (RFC 9110 §8.8.3.3)."""
    return f'{etag[:-1]}-{coding}"' if coding else etag


def untagged(etag: str) -> str:
    """The ETag of the bytes that it is a representation of."""
    return _SUFFIX.sub('"', etag)


def compress(body: bytes, coding: str) -> bytes:
    """As the files' twins are made: the same bytes each time, so that an ETag says what it should."""
    return PACKERS[coding](body)


def holds(twin: bytes, coding: str, body: bytes) -> bool:
    """Whether a twin holds exactly these bytes."""
    decoder = Decoder("", coding, len(body))
    try:
        decoder.feed(twin)
        return decoder.finish() == body
    except BroadsheetError:
        return False


@lru_cache(256)
def _wanted(accept_encoding: str) -> tuple[str, ...]:
    """Our codings that a reader takes, best first; of what it likes the same, the smallest."""
    weights: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        name, _, rest = part.partition(";")
        weight = _WEIGHT.fullmatch(rest.split(";")[0]) if rest else None
        # a weight that can't be read is taken for a no: the reader meant to say something
        weights[name.strip()] = 1.0 if not rest.strip() else float(weight[1]) if weight else 0.0
    others = weights.get("*", 0.0)
    liked = {BR: weights.get("br", others), GZIP: weights.get("gzip", weights.get("x-gzip", others)),
             PLAIN: weights.get("identity", others if "*" in weights else _UNSAID)}
    return tuple(sorted((coding for coding in liked if liked[coding] > 0), key=lambda coding: -liked[coding]))


_UNSAID = 0.0005
"""identity is taken though nobody names it, and after whatever was named: less than any weight that can be said."""
