"""The keys of DKIM: private ones from PEM files, and what the DNS has to say of them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from pipeline.config import Config
from pipeline.config.lines import key_lines, line_of
from pipeline.errors import BroadsheetError, ConfigError
from pipeline.mail.dkim import Signer
from pipeline.mail.signing import Penmen

RSA_BITS = range(2048, 4097)
"""What a key may have: RFC 8301 §3.2 asks signers for 2048, and more than 4096 few servers check."""

HOW_TO_MAKE = "`openssl genrsa -out KEY 2048` or `openssl genpkey -algorithm ed25519 -out KEY` makes one; chmod 600 KEY"


def load_signers(config: Config) -> tuple[Signer, ...]:
    """One for each [[mail.dkim]], in the order of the config. Raises ConfigError with every key that can't be used,
    each with its line."""
    made, wrong = [], []
    mail = config.mail
    for number, wanted in enumerate(mail.dkim if mail is not None else ()):
        domain = wanted.domain or sender_domain(config)
        try:
            made.append(signer(domain, wanted.selector, load_key(wanted.key), beside=True))
        except BroadsheetError as error:
            wrong.append(f"line {_line(config, number)}: mail.dkim[{number}].key: {error}")
    if wrong:
        raise ConfigError(str(config.path), wrong)
    return tuple(made)


def sender_domain(config: Config) -> str:
    return config.mail.sender_address.rpartition("@")[2].lower() if config.mail is not None else ""


def signer(domain: str, selector: str, key: RSAPrivateKey | Ed25519PrivateKey, *, beside: bool = False) -> Signer:
    """`beside`: whether other processes may help where there is much to sign. Ed25519 needs none: 40 µs."""
    if isinstance(key, Ed25519PrivateKey):
        # it signs the digest as if that were the message (RFC 8463 §3)
        return Signer(domain, selector, "ed25519-sha256", _text(key.public_key().public_bytes_raw()), key.sign)
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    sign = _rsa(key)
    if beside:
        secret = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8,
                                   serialization.NoEncryption())
        sign = Penmen(sign, secret, key.key_size // 8)
    return Signer(domain, selector, "rsa-sha256", _text(public), sign)


def load_key(path: Path) -> RSAPrivateKey | Ed25519PrivateKey:
    """The private key in a PEM file. Raises BroadsheetError, which never holds anything of the file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BroadsheetError(str(path), f"the DKIM key can't be read: {(error.strerror or '').lower()}",
                              hint=HOW_TO_MAKE) from None
    try:
        key = serialization.load_pem_private_key(data, None)
    except TypeError:
        raise BroadsheetError(str(path), "is a key with a password, which nobody is there to type",
                              hint="`openssl pkey -in KEY -out NEW` writes it without one; chmod 600 both") from None
    except (ValueError, UnsupportedAlgorithm):
        raise BroadsheetError(str(path), f"is no private key in PEM{_what_it_is(data)}", hint=HOW_TO_MAKE) from None
    if isinstance(key, Ed25519PrivateKey):
        return key
    if not isinstance(key, RSAPrivateKey):
        kind = type(key).__name__.removesuffix("PrivateKey").strip("_")
        raise BroadsheetError(str(path), f"is a key of the kind {kind}; DKIM knows RSA and Ed25519", hint=HOW_TO_MAKE)
    if key.key_size not in RSA_BITS:
        much = "too few" if key.key_size < RSA_BITS.start else "too many"
        raise BroadsheetError(str(path), f"is an RSA key of {key.key_size} bits, {much}: 2048 are asked for",
                              hint=HOW_TO_MAKE)
    return key


def _rsa(key: RSAPrivateKey) -> Callable[[bytes], bytes]:
    padding, prehashed = PKCS1v15(), Prehashed(hashes.SHA256())
    return lambda digest: key.sign(digest, padding, prehashed)


def _text(public: bytes) -> str:
    return b64encode(public).decode()


def _line(config: Config, number: int) -> int:
    """Where the key is named. The file may have changed since it was read; then it is the table's old place, or 1."""
    try:
        return line_of(key_lines(config.path.read_text(encoding="utf-8-sig")), ("mail", "dkim", number, "key"))
    except (OSError, ValueError, IndexError):
        return 1


def _what_it_is(data: bytes) -> str:
    """A guess that helps, of the first line alone."""
    first = data.lstrip()[:64]
    if b"PUBLIC KEY" in first:
        return ", but the public half of one"
    if b"OPENSSH PRIVATE KEY" in first:
        return ", but one for SSH"
    return ", but a certificate" if b"CERTIFICATE" in first else ""
