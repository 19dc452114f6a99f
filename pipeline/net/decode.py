"""Content-Encoding undone piece by piece: gzip, brotli, zstd and deflate, under a cap on what comes out.

    Decoder(subject, "br", cap)  ->  feed(bytes of the wire) …  ->  finish(): the whole body

At no time does it hold more than the cap, one piece, and the window of the format: 32 KiB for gzip, 16 MiB for
brotli (RFC 7932 section 9.1), 8 MiB for zstd (the least that RFC 8878 section 3.1.1.1.2 asks of a decoder, and the
most that RFC 9659 lets a server use). A stream that breaks off is an error, never a short body.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Protocol

import brotli

from pipeline.errors import FetchError, Refused

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ACCEPT_ENCODING = "gzip, br, zstd"

PIECE_BYTES = 64 * 1024
"""Unpacked at once. brotli's output_buffer_limit counts whole blocks: its pieces are up to 96 KiB."""

MAX_PARTS = 2_000
"""Of one body: a gzip member or zstd frame costs a few bytes on the wire and a new decoder here."""

MAX_ZSTD_WINDOW_LOG = 23  # 8 MiB

LARGE_BYTES = 4 * 1024 * 1024
"""What a body may hold before it has to ask for more. Of ten thousand feeds a handful is larger."""


class Decoder:
    """One body being unpacked. `subject` is the address that errors name, `cap` the most bytes that may come out.

    `when_large` is called once, before more than LARGE_BYTES are held; what it raises ends the body.
    """

    def __init__(
        self, subject: str, encoding: str, cap: int, *, when_large: Callable[[], None] | None = None
    ) -> None:
        self.subject = subject
        self.encoding = encoding.strip(" \t").lower()
        self.cap = cap
        self._when_large = when_large
        self._out = BytesIO()  # its getvalue() hands the buffer over without a second copy
        self._fed = False
        self._format = _format(self.encoding, subject)

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the wire. Raises FetchError for broken data, Refused past the cap."""
        if self._format is None:
            self._keep(data)
            return
        self._fed = self._fed or bool(data)
        try:
            for piece in self._format.pieces(data):
                self._keep(piece)
        except (zlib.error, brotli.error, zstd.ZstdError) as error:
            if "too much memory" in str(error):
                raise Refused(
                    self.subject, f"the answer needs more than {size(1 << MAX_ZSTD_WINDOW_LOG)} of memory to unpack"
                ) from error
            raise FetchError(
                self.subject, f"the answer says it is {self.encoding}, but it isn't: {error}", permanent=False
            ) from error
        except _TooManyPartsError as error:
            raise Refused(self.subject, f"the answer is packed in more than {MAX_PARTS:,} pieces") from error

    def finish(self) -> bytes:
        """Everything decoded. Raises FetchError when the encoded stream broke off."""
        if self._format is not None and self._fed and not self._format.ended:
            raise FetchError(self.subject, f"the {self.encoding} answer broke off before its end")
        return self._out.getvalue()

    def _keep(self, piece: bytes) -> None:
        held = self._out.tell() + len(piece)
        if held > self.cap:
            raise Refused(self.subject, f"the answer unpacks to more than {size(self.cap)}")
        if held > LARGE_BYTES and self._when_large is not None:
            self._when_large()
            self._when_large = None
        self._out.write(piece)


def size(count: int) -> str:
    """Bytes for people: "64 KiB", "15 MiB"."""
    for unit, factor in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count} bytes"


class _TooManyPartsError(Exception):
    pass


class _Format(Protocol):
    """A format being unpacked: `pieces` of what the next wire bytes hold, `ended` once the stream is complete."""

    @property
    def ended(self) -> bool: ...

    def pieces(self, data: bytes) -> Iterator[bytes]: ...


def _format(encoding: str, subject: str) -> _Format | None:
    if encoding in _NO_ENCODINGS:
        return None
    if encoding in ("gzip", "x-gzip"):
        return _Gzip()
    if encoding == "br":
        return _Brotli()
    if encoding == "zstd":
        return _Zstd()
    if encoding == "deflate":
        return _Deflate()
    raise FetchError(subject, f"the answer is encoded as {encoding[:40]!r}, which nobody asked for", permanent=True)


class _Gzip:
    def __init__(self) -> None:
        self._part = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._parts = 1

    @property
    def ended(self) -> bool:
        return self._part.eof

    def pieces(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._part.eof:
                if not data.startswith(b"\x1f"):
                    return  # padding after the end, which every client ignores
                self._parts = _one_more(self._parts)  # RFC 1952 section 2.2: a file may have several members
                self._part = zlib.decompressobj(zlib.MAX_WBITS | 16)
            yield self._part.decompress(data, PIECE_BYTES)
            data = self._part.unused_data if self._part.eof else self._part.unconsumed_tail


class _Deflate:
    def __init__(self) -> None:
        self._stream: zlib._Decompress | None = None

    @property
    def ended(self) -> bool:
        return self._stream is not None and self._stream.eof

    def pieces(self, data: bytes) -> Iterator[bytes]:
        if self._stream is None and data:  # some servers leave out the zlib header
            self._stream = zlib.decompressobj(zlib.MAX_WBITS if data[0] & 0x0F == 8 else -zlib.MAX_WBITS)
        full = False
        while (data or full) and self._stream is not None and not self._stream.eof:
            piece = self._stream.decompress(data, PIECE_BYTES)
            yield piece
            data = self._stream.unconsumed_tail
            full = len(piece) == PIECE_BYTES  # with no checksum after it, output may wait when all input is in


class _Brotli:
    def __init__(self) -> None:
        self._stream = brotli.Decompressor()

    @property
    def ended(self) -> bool:
        return bool(self._stream.is_finished())

    def pieces(self, data: bytes) -> Iterator[bytes]:
        # `can_accept_more_data` is True while the window still holds output: only an empty piece says that all is out
        while piece := self._stream.process(data, output_buffer_limit=PIECE_BYTES):
            yield piece
            data = b""


class _Zstd:
    def __init__(self) -> None:
        self._frame = self._new()
        self._parts = 1

    @property
    def ended(self) -> bool:
        return self._frame.eof

    def pieces(self, data: bytes) -> Iterator[bytes]:
        while True:
            if self._frame.eof:
                if data[:1] not in _ZSTD_FIRST_BYTES:
                    return  # padding after the end
                self._parts = _one_more(self._parts)  # RFC 8878 section 3: content is one or more frames
                self._frame = self._new()
            yield self._frame.decompress(data, PIECE_BYTES)
            if self._frame.eof:
                data = self._frame.unused_data
            elif self._frame.needs_input:
                return
            else:
                data = b""

    @staticmethod
    def _new() -> zstd.ZstdDecompressor:
        return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: MAX_ZSTD_WINDOW_LOG})


def _one_more(parts: int) -> int:
    if parts >= MAX_PARTS:
        raise _TooManyPartsError
    return parts + 1


# the empty ones, and what servers write who take the header for the character set
_NO_ENCODINGS = frozenset({"", "identity", "none", "utf-8", "utf8", "iso-8859-1", "us-ascii", "8bit", "binary"})
# a frame's magic number is 28 B5 2F FD, a skippable frame's [50-5F] 2A 4D 18
_ZSTD_FIRST_BYTES = frozenset({b"\x28", *(bytes([first]) for first in range(0x50, 0x60))})
