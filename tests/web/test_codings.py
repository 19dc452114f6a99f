"""Which coding a reader gets, and whether a twin belongs to its file."""

from __future__ import annotations

import gzip
import zlib

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.web.codings import BR, GZIP, PLAIN, choose, compress, holds, tagged, untagged

LARGE = 10_000


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        (None, PLAIN),                     # it said nothing: curl, and scripts
        ("", PLAIN),
        ("gzip", GZIP),
        ("GZip", GZIP),
        ("x-gzip", GZIP),                  # RFC 9110 §8.4.1.3
        ("br", BR),
        ("gzip, deflate, br, zstd", BR),   # browsers: as dear to them, and smaller
        ("gzip;q=1.0, br;q=0.9", GZIP),
        ("br;q=0.5, gzip;q=0.4", BR),
        ("gzip;q=0", PLAIN),
        ("gzip;q=0.000, br", BR),
        ("gzip; q=0.5 , identity;q=0.8", PLAIN),
        ("gzip;q=0.001", GZIP),            # little, and more than what it does not name
        ("*", BR),
        ("*;q=0.5, gzip", GZIP),
        ("br;q=0, *", GZIP),
        ("gzip;q=0, br;q=0, *", PLAIN),
        ("*;q=0", PLAIN),                  # nothing at all: the bytes as they are
        ("identity;q=0", PLAIN),
        ("identity;q=0, gzip", GZIP),
        ("identity;q=0, *;q=0.1", BR),
        ("identity", PLAIN),
        ("deflate, zstd", PLAIN),
        ("gzip;level=9", PLAIN),           # no weight that can be read
        ("gzip;q=", PLAIN),
        ("gzip;q=2", PLAIN),
        ("gzip;q=1e9", PLAIN),
        ("gzip;", GZIP),
        (",, ,gzip,", GZIP),
        ("gzip" + " " * 5000, GZIP),       # too long to be remembered
    ],
)
def test_the_best_that_a_reader_takes(accept: str | None, coding: str) -> None:
    assert choose(accept, LARGE) == coding


@pytest.mark.parametrize(("accept", "coding"), [("gzip, br", PLAIN), ("gzip, identity;q=0", GZIP), ("*;q=0", PLAIN)])
def test_what_fits_into_one_packet_is_not_packed(accept: str, coding: str) -> None:
    assert choose(accept, 500) == coding
    assert choose("gzip", 501) == GZIP


@given(st.text(max_size=60), st.integers(0, 2000))
def test_nothing_a_reader_sends_raises(accept: str, size: int) -> None:
    assert choose(accept, size) in (PLAIN, GZIP, BR)


@given(st.binary(min_size=1, max_size=2000))
def test_what_is_packed_can_be_unpacked_and_is_the_same_each_time(body: bytes) -> None:
    for coding, unpack in ((GZIP, gzip.decompress), (BR, brotli.decompress)):
        packed = compress(body, coding)
        assert unpack(packed) == body
        assert packed == compress(body, coding)
        assert holds(packed, coding, body)
        assert not holds(packed, coding, body + b"x")
        assert not holds(packed[:-1], coding, body)


def test_a_twin_that_is_a_bomb_or_nonsense_is_none() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    assert not holds(bomb, GZIP, b"\0" * 1000)
    for twin in (b"", b"nonsense", zlib.compress(b"x"), b"\x1f\x8b"):
        assert not holds(twin, GZIP, b"x")
        assert not holds(twin, BR, b"x")
    assert holds(gzip.compress(b"a") + gzip.compress(b"b"), GZIP, b"ab")   # a file may have several members


@pytest.mark.parametrize("coding", [PLAIN, GZIP, BR])
def test_each_representation_has_an_etag_of_its_own(coding: str) -> None:
    tag = tagged('"abc"', coding)
    assert (tag == '"abc"') == (coding == PLAIN)
    assert tag.startswith('"')
    assert tag.endswith('"')
    assert untagged(tag) == '"abc"'
