"""Encodings undone: what comes out is what went in, however it is cut; bombs stay small; a short stream is an error."""

from __future__ import annotations

import gzip
import random
import subprocess
import sys
import time
import zlib
from functools import partial
from pathlib import Path

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import FetchError, Refused
from pipeline.net.decode import MAX_PARTS, MAX_ZSTD_WINDOW_LOG, PIECE_BYTES, Decoder, size, zstd
from pipeline.net.fetch import Fetcher, Limits, Request

LOOPBACK = ("127.0.0.1/32",)
CAP = 300_000


def raw_deflate(text: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(text) + packer.flush()


PACKERS = {
    "gzip": gzip.compress, "x-gzip": gzip.compress, "GZIP": gzip.compress, "deflate": zlib.compress,
    "br": partial(brotli.compress, quality=4), "zstd": zstd.compress, "identity": bytes, "": bytes, "UTF-8": bytes,
    "none": bytes, "\tgzip ": gzip.compress,
}
ENDING = ("gzip", "deflate", "br", "zstd")  # the formats that know their own end


def unpack(encoding: str, *pieces: bytes, cap: int = CAP) -> bytes:
    decoder = Decoder("https://a.example/", encoding, cap)
    for piece in pieces:
        decoder.feed(piece)
    return decoder.finish()


def get(server, body: bytes, encoding: str) -> bytes:
    server.says("/feed", body, Content_Encoding=encoding)
    fetcher = Fetcher("t", Limits(total_s=3, wire_bytes=100_000, decoded_bytes=CAP))
    return fetcher.fetch(Request(server.url("/feed"), allow_networks=LOOPBACK)).body


def window_of(log: int) -> bytes:
    """A zstd frame that says it needs a window of 2**log bytes."""
    packer = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: log})
    return packer.compress(b"x" * 100, packer.FLUSH_BLOCK) + packer.flush()


@pytest.mark.parametrize("encoding", PACKERS)
def test_each_encoding_comes_out_as_it_went_in(server, encoding: str) -> None:
    text = b"<feed>" * 15_000
    body = PACKERS[encoding](text)
    assert get(server, body, encoding) == text
    assert server.head()["accept-encoding"] == "gzip, br, zstd"


@given(st.sampled_from(ENDING), st.binary(max_size=300), st.integers(0, 3 * PIECE_BYTES), st.integers(1, 5_000))
def test_however_it_is_cut_it_is_the_same(encoding: str, seed: bytes, length: int, step: int) -> None:
    text = (seed * (length // max(1, len(seed)) + 1))[:length]
    for body in (PACKERS[encoding](text), *([raw_deflate(text)] if encoding == "deflate" else [])):
        assert unpack(encoding, *(body[at:at + step] for at in range(0, len(body), step))) == text


@pytest.mark.parametrize("length", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES])
@pytest.mark.parametrize("encoding", ENDING)
def test_a_stream_that_breaks_off_is_an_error_wherever(encoding: str, length: int) -> None:
    for text in (b"\0" * length, random.Random(length).randbytes(length)):
        body = PACKERS[encoding](text)
        for end in {*range(1, min(len(body), 40)), len(body) // 2 or 1, *range(max(1, len(body) - 12), len(body))}:
            if 0 < end < len(body):
                with pytest.raises(FetchError, match="broke off"):
                    unpack(encoding, body[:end])
        assert unpack(encoding, body) == text


def test_raw_deflate_whose_last_output_fills_a_piece() -> None:
    for length in range(PIECE_BYTES - 300, PIECE_BYTES + 300, 7):
        for text in (b"\0" * length, b"ab" * (length // 2)):
            assert unpack("deflate", raw_deflate(text)) == text


def test_members_and_frames_follow_each_other_and_padding_is_ignored() -> None:
    for encoding, pack in (("gzip", gzip.compress), ("zstd", zstd.compress)):
        body = pack(b"one ") + pack(b"") + pack(b"two")
        assert unpack(encoding, body) == b"one two"
        assert unpack(encoding, body + b"\0\0\0") == b"one two"
        assert unpack(encoding, *(bytes([byte]) for byte in body + b"\0")) == b"one two"
    skippable = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"
    assert unpack("zstd", skippable + zstd.compress(b"x") + skippable) == b"x"


@pytest.mark.parametrize("encoding", ENDING)
def test_an_empty_body_may_call_itself_encoded(server, encoding: str) -> None:
    assert get(server, b"", encoding) == b""


@pytest.mark.parametrize(("body", "header", "words"), [
    (b"<rss>plain</rss>", "gzip", "isn't"), (b"<rss>plain</rss>", "br", "isn't"),
    (b"<rss>plain</rss>", "zstd", "isn't"), (b"\x1f\x8b\x08" + b"\xff" * 50, "gzip", "isn't"),
    (gzip.compress(b"x", mtime=0) + b"\x1f\x8bgarbage", "gzip", "isn't"),
    (brotli.compress(b"x") + b"junk", "br", "isn't"), (zstd.compress(b"x") + b"\x28junk", "zstd", "isn't"),
    (gzip.compress(b"x", mtime=0), "gzip, gzip", "nobody asked"), (b"x", "compress", "nobody asked"),
    (gzip.compress(b"x" * 9000, mtime=0)[:-12], "gzip", "broke off"),
    (brotli.compress(b"x" * 9000)[:-1], "br", "broke off"), (zstd.compress(b"x" * 9000)[:-1], "zstd", "broke off"),
    (zlib.compress(b"y" * 9000)[:-6], "deflate", "broke off"),
])
def test_broken_encodings_are_errors(server, body: bytes, header: str, words: str) -> None:
    with pytest.raises(FetchError, match=words) as caught:
        get(server, body, header)
    assert str(caught.value).startswith(server.url("/feed")), "the error names the address"
    assert not isinstance(caught.value, Refused)


@pytest.mark.parametrize("encoding", ENDING)
def test_a_bomb_is_defused_and_the_cap_is_exact(server, encoding: str) -> None:
    pack = PACKERS[encoding]
    bomb = pack(b"\0" * 10_000_000)
    assert len(bomb) < 11_000
    with pytest.raises(Refused, match="unpacks to more than 293 KiB"):
        get(server, bomb, encoding)
    assert len(get(server, pack(b"\0" * CAP), encoding)) == CAP
    with pytest.raises(Refused, match="unpacks to more than"):
        get(server, pack(b"\0" * (CAP + 1)), encoding)


def test_a_zstd_frame_that_wants_a_large_window_is_refused() -> None:
    assert unpack("zstd", window_of(MAX_ZSTD_WINDOW_LOG)) == b"x" * 100
    for log in range(MAX_ZSTD_WINDOW_LOG + 1, 28):
        with pytest.raises(Refused, match="more than 8 MiB of memory"):
            unpack("zstd", window_of(log))


def test_endless_members_are_refused_soon() -> None:
    for encoding, body in (("gzip", gzip.compress(b"")), ("zstd", zstd.compress(b"")),
                           ("zstd", b"\x50\x2a\x4d\x18\x00\x00\x00\x00")):
        assert unpack(encoding, body * (MAX_PARTS - 1)) == b""
        began = time.process_time()
        with pytest.raises(Refused, match="more than 2,000 pieces"):
            unpack(encoding, *[body * 1_000] * 1_000)
        assert time.process_time() - began < 2


def zeros(packer, mebibytes: int) -> bytes:
    """That many MiB of zeros, packed without ever being held."""
    pack, end = getattr(packer, "process", None) or packer.compress, getattr(packer, "finish", None) or packer.flush
    return b"".join([*(pack(bytes(1 << 20)) for _ in range(mebibytes)), end()])


UNPACKING = """
import re, sys
from pipeline.errors import Refused
from pipeline.net.decode import Decoder
def peak():  # not ru_maxrss: it starts with what the parent once had
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
body = open(sys.argv[2], "rb").read()
before = peak()
try:
    decoder = Decoder("a", sys.argv[1], 2 << 20)
    for at in range(0, len(body), 32768):
        decoder.feed(body[at:at + 32768])
except Refused:
    print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell a process its peak")
@pytest.mark.parametrize("encoding", ENDING)
def test_a_bomb_is_refused_in_bounded_memory(encoding: str, tmp_path: Path) -> None:
    """A fresh process, since the peak of this one is long past; it prints what the bomb took."""
    packer = {"gzip": zlib.compressobj(wbits=31), "deflate": zlib.compressobj(),
              "br": brotli.Compressor(quality=1, lgwin=24),
              "zstd": zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 23})}[encoding]
    bomb = tmp_path / "bomb"
    bomb.write_bytes(zeros(packer, 48))
    done = subprocess.run([sys.executable, "-c", UNPACKING, encoding, str(bomb)],
                          capture_output=True, text=True, check=True)
    taken = int(done.stdout) * 1024
    print(f"{encoding}: {size(bomb.stat().st_size)} that would be 48 MiB took {size(taken)}")
    assert taken < 24 << 20
