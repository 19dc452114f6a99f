"""Signatures of others that are verified: Amazon's notifications (RSA, by a certificate), SendGrid's (ECDSA)."""

from __future__ import annotations

import binascii
from base64 import b64decode
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

_HASHES = {"1": hashes.SHA1, "2": hashes.SHA256}    # SNS's signature versions; Amazon still makes new topics with 1


def signed_by_certificate(pem: bytes, version: str, signature: str, said: bytes, now: datetime) -> bool:
    """Whether the key of this certificate, which holds `now`, signed `said`; `signature` is base64. What makes the
    certificate Amazon's is where it was fetched from."""
    algorithm = _HASHES.get(version)
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key = certificate.public_key()
        if algorithm is None or not isinstance(key, RSAPublicKey):
            return False
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            return False
        key.verify(b64decode(signature, validate=True), said, PKCS1v15(), algorithm())
    except (ValueError, InvalidSignature, UnsupportedAlgorithm, binascii.Error):
        return False
    return True


def signed_by_key(public_key: str, signature: str, said: bytes) -> bool:
    """Whether the owner of this key signed `said` (ECDSA, SHA-256); both in base64, the key as DER."""
    try:
        key = serialization.load_der_public_key(b64decode(public_key, validate=True))
        if not isinstance(key, EllipticCurvePublicKey):
            return False
        key.verify(b64decode(signature, validate=True), said, ECDSA(hashes.SHA256()))
    except (ValueError, InvalidSignature, UnsupportedAlgorithm, binascii.Error):
        return False
    return True
