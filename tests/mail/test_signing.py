"""Signatures made by other processes are the very same, and none is missing whatever becomes of those."""

from __future__ import annotations

import gc
import hashlib
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pipeline.mail import signing
from pipeline.mail.keys import signer
from pipeline.mail.signing import Penmen

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SECRET = KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
RIGHT = signer("lantern.example", "2026a", KEY).sign
DIGESTS = [hashlib.sha256(b"%d" % number).digest() for number in range(60)]


class Here:
    """Counts what was signed in this process."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, digest: bytes) -> bytes:
        self.made += 1
        return RIGHT(digest)


@pytest.fixture
def penmen() -> Iterator[Callable[..., tuple[Penmen, Here]]]:
    """`penmen(2)`: with so many processes, all ready."""
    made: list[Penmen] = []

    def make(at_once: int) -> tuple[Penmen, Here]:
        here = Here()
        made.append(Penmen(here, SECRET, 256, at_once=at_once, after=0))
        assert made[-1](DIGESTS[0]) == RIGHT(DIGESTS[0])
        until = time.monotonic() + 60
        while made[-1]._free.qsize() < at_once:
            assert time.monotonic() < until
            time.sleep(0.01)
        here.made = 0
        return made[-1], here

    yield make
    for one in made:
        signing._end(one._all)


def test_they_sign_as_this_process_does(penmen: Callable[..., tuple[Penmen, Here]]) -> None:
    sign, here = penmen(2)
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(sign, DIGESTS)) == [RIGHT(digest) for digest in DIGESTS]
    assert here.made == 0, "two at most asked at a time"
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(sign, DIGESTS)) == [RIGHT(digest) for digest in DIGESTS]


def test_who_is_killed_or_stopped_is_done_without(
    penmen: Callable[..., tuple[Penmen, Here]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing, "PATIENCE_MS", 200)
    sign, here = penmen(2)
    killed, stopped = sign._all
    killed.kill()
    killed.wait()
    stopped.send_signal(signal.SIGSTOP)
    assert [sign(digest) for digest in DIGESTS] == [RIGHT(digest) for digest in DIGESTS]
    assert here.made == len(DIGESTS)
    assert sign._free.empty()


def test_a_few_letters_start_no_process() -> None:
    here = Here()
    sign = Penmen(here, SECRET, 256, at_once=1)
    assert [sign(digest) for digest in DIGESTS] == [RIGHT(digest) for digest in DIGESTS]
    assert sign._all == []
    alone = Penmen(here, SECRET, 256, at_once=0, after=0)
    assert alone(DIGESTS[0]) == RIGHT(DIGESTS[0])
    assert not alone._started


def test_they_end_with_whom_they_sign_for(penmen: Callable[..., tuple[Penmen, Here]]) -> None:
    here = Here()
    sign = Penmen(here, SECRET, 256, at_once=1, after=0)
    sign(DIGESTS[0])
    until = time.monotonic() + 60
    while sign._free.empty():
        assert time.monotonic() < until
        time.sleep(0.01)
    (process,) = sign._all
    assert process.poll() is None
    del sign
    gc.collect()
    assert process.poll() == 0, "it went by itself"


def test_a_key_never_stands_on_a_command_line(penmen: Callable[..., tuple[Penmen, Here]]) -> None:
    sign, _ = penmen(1)
    assert SECRET.hex() not in str(sign._all[0].args)
    assert "penman" in str(sign._all[0].args)
