"""A process that signs for another: a key in, then digests in and signatures out, until its input ends.

    standard input    4 bytes: length of the key (PKCS #8, DER); the key; then 32 bytes for each signature wanted
    standard output   one byte once it is ready; then each signature, of the key's length

It is started by `signing` and lives no longer than the pipe. It opens no file and no socket.
"""

from __future__ import annotations

import os
import signal
from typing import BinaryIO

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

DIGEST = 32    # bytes of a SHA-256
READY = b"+"


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the sender, which lets us go when it is done
    with os.fdopen(0, "rb") as asked, os.fdopen(1, "wb", buffering=0) as answers:
        serve(asked, answers)


def serve(asked: BinaryIO, answers: BinaryIO) -> None:
    key = serialization.load_der_private_key(asked.read(int.from_bytes(asked.read(4), "big")), None)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError("only RSA is worth a process")
    padding, prehashed = PKCS1v15(), Prehashed(hashes.SHA256())
    answers.write(READY)
    while len(digest := asked.read(DIGEST)) == DIGEST:
        answers.write(key.sign(digest, padding, prehashed))
