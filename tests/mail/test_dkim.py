"""Signatures as a judge that is not ours sees them: dkimpy, with a DNS that is a dictionary."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.errors import BroadsheetError
from pipeline.mail.dkim import ONCE_MORE, Signer, signed
from pipeline.mail.keys import load_key, signer

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EDWARDS = ed25519.Ed25519PrivateKey.generate()
SIGNERS = (signer("lantern.example", "2026a", RSA), signer("lantern.example", "2026b", EDWARDS))
HEAD = (b"From: The Lantern <news@lantern.example>\r\nTo: ada@example.org\r\n"
        b"Subject: =?utf-8?b?TGlnaHQ=?=\r\n =?utf-8?b?TGlnaHQ=?=\r\nDate: Sun, 22 Nov 2026 08:00:00 +0000\r\n"
        b"Message-ID: <a@lantern.example>\r\nMIME-Version: 1.0\r\nList-Unsubscribe: <https://lantern.example/u/1>,\r\n"
        b" <mailto:leave@lantern.example?subject=unsubscribe>\r\n"
        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nX-Ours:  not signed \r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n")


def verdicts(message: bytes, signers: tuple[Signer, ...] = SIGNERS) -> list[bool]:
    """dkimpy's word on each of the first signatures, as many as there are signers."""
    records = {f"{one.name}.".encode(): one.record.encode() for one in signers}

    def look_up(name: bytes, timeout: float = 5) -> bytes | None:
        return records.get(name)

    def verdict(number: int) -> bool:
        try:
            return bool(dkim.DKIM(message).verify(number, dnsfunc=look_up))
        except dkim.DKIMException:  # a body that is another, two From fields
            return False

    return [verdict(number) for number in range(len(signers))]


def message(*body: bytes, head: bytes = HEAD, signers: tuple[Signer, ...] = SIGNERS) -> bytes:
    return b"".join(signed(signers, [head, b"\r\n", *body]))


def test_both_kinds_of_key_verify() -> None:
    made = message(b"Hello\r\n", b"World\r\n")
    assert verdicts(made) == [True, True]
    assert b"a=rsa-sha256; c=relaxed/simple; d=lantern.example;" in made
    assert b"a=ed25519-sha256" in made
    assert verdicts(message(b"Hello\r\n", signers=SIGNERS[1:]), SIGNERS[1:]) == [True]
    assert message(b"Hello\r\n", signers=()) == HEAD + b"\r\nHello\r\n"


def test_a_try_again_has_the_same_bytes() -> None:
    assert message(b"Hello\r\n") == message(b"Hello\r\n")
    assert b"".join(signed(SIGNERS, [message(b"Hello\r\n")])) == message(b"Hello\r\n"), "and is signed once"


@given(st.lists(st.sampled_from([b"", b"a", b"\r\n", b"\r\n\r\n", b" \r\n", b".", b"b\r\n\r\n\r\n", b"\r", b"\n"])))
@example([])
@example([b"", b"\r\n", b"\r\n"])
@example([b"a\r", b"\n", b"\r\n"])
def test_any_cut_of_any_body_verifies(chunks: list[bytes]) -> None:
    whole = b"".join(chunks).replace(b"\r\n", b"\n").replace(b"\r", b"").replace(b"\n", b"\r\n")
    size = max(1, len(whole) // max(1, len(chunks)))
    pieces = [whole[i:i + size] for i in range(0, len(whole), size)]
    made = message(*pieces, signers=SIGNERS[1:])
    assert verdicts(made, SIGNERS[1:]) == [True]
    assert made == message(whole, signers=SIGNERS[1:])


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.replace(b"Subject: ", b"Subject: Re: "),
        lambda m: m.replace(b"To: ada@", b"To: eve@"),
        lambda m: m.replace(b"https://lantern.example/u/1", b"https://lantern.example/u/2"),
        lambda m: m.replace(b"One-Click", b"Two-Click"),
        lambda m: m.replace(b"Hello", b"Hallo"),
        lambda m: m + b"more\r\n",
        *(lambda m, name=name: name.encode() + b": x\r\n" + m for name in ONCE_MORE),
    ],
)
def test_a_changed_message_does_not_verify(change: Callable[[bytes], bytes]) -> None:
    made = message(b"Hello\r\n")
    assert change(made) != made
    assert verdicts(change(made)) == [False, False]


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.replace(b"Subject: ", b"SUBJECT:   "),
        lambda m: m.replace(b",\r\n <mailto", b", <mailto"),
        lambda m: m.replace(b"\r\n =?utf-8", b"\r\n\t =?utf-8"),
        lambda m: m.replace(b"X-Ours", b"X-Others"),
        lambda m: b"Received: by x\r\n" + m,
        lambda m: b"Feedback-ID: theirs\r\nSender: relay@x.example\r\n" + m,
        lambda m: m + b"\r\n\r\n",
    ],
)
def test_what_servers_do_to_a_message_breaks_nothing(change: Callable[[bytes], bytes]) -> None:
    made = message(b"Hello\r\n")
    assert change(made) != made
    assert verdicts(change(made)) == [True, True]


def test_its_lines_are_short_and_ascii() -> None:
    many = HEAD + b"".join(b"%b: x\r\n" % name for name in (b"Reply-To", b"List-Id", b"List-Archive", b"Feedback-ID"))
    signers = (signer(f"{'l' * 60}.lantern.example", "s" * 40, RSA), *SIGNERS)
    made = message(b"x\r\n", head=many, signers=signers)
    block = made[:made.index(b"From: ")]
    assert block.isascii()
    assert max(map(len, block.split(b"\r\n"))) <= 78 + 15, "only a long domain can't be folded"
    assert max(len(line) for line in block.split(b"\r\n") if b"lllll" not in line) <= 78
    assert verdicts(made, signers) == [True, True, True]


def test_a_header_beyond_ascii_is_signed_as_it_is() -> None:
    made = message(b"x\r\n", head=HEAD.replace(b"To: ada", "To: åda".encode()))
    assert verdicts(made) == [True, True]


@given(st.lists(st.sampled_from(["Subject: a", "To: b", "Subject:", "Comments: c", "Subject: d\r\n\te", "from: f"])))
def test_fields_that_stand_there_more_than_once(lines: list[str]) -> None:
    head = b"From: a@b.example\r\n" + "".join(f"{line}\r\n" for line in lines if line != "from: f").encode()
    assert verdicts(message(b"x\r\n", head=head)) == [True, True]


def test_a_message_without_a_body_has_to_have_its_blank_line() -> None:
    with pytest.raises(BroadsheetError, match="no blank line"):
        signed(SIGNERS, [HEAD])
    assert verdicts(b"".join(signed(SIGNERS, [HEAD[:50], HEAD[50:], b"\r", b"\n"]))) == [True, True]


# --- keys -------------------------------------------------------------------------------------------------


def pem(key: Any, password: bytes = b"", form: Any = serialization.PrivateFormat.PKCS8) -> bytes:
    lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return bytes(key.private_bytes(serialization.Encoding.PEM, form, lock))


def test_keys_as_programs_write_them_are_read(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    for key, form in ((RSA, serialization.PrivateFormat.PKCS8), (EDWARDS, serialization.PrivateFormat.PKCS8),
                      (RSA, serialization.PrivateFormat.TraditionalOpenSSL)):
        path.write_bytes(b"\n# a remark\n" + pem(key, form=form) if key is RSA else pem(key))
        found = load_key(path)
        assert pem(found) == pem(key)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "can't be read: no such file"),
        (b"", "is no private key in PEM"),
        (b"-----BEGIN PRIVATE KEY-----\ngarbage-canary\n-----END PRIVATE KEY-----\n", "is no private key in PEM"),
        (pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)), "1024 bits, too few"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "the kind EC; DKIM knows RSA and Ed25519"),
        (pem(RSA, b"secret"), "with a password"),
        (RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
         "but the public half of one"),
        (pem(EDWARDS, form=serialization.PrivateFormat.OpenSSH), "but one for SSH"),
        (b"-----BEGIN CERTIFICATE-----\n", "but a certificate"),
    ],
)
def test_what_is_no_key_for_dkim_is_told_with_what_to_do(tmp_path: Path, data: bytes | None, said: str) -> None:
    path = tmp_path / "key.pem"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(BroadsheetError) as refused:
        load_key(path)
    assert said in str(refused.value)
    assert str(path) in str(refused.value)
    assert "canary" not in str(refused.value)
    assert "openssl" in refused.value.hint


def test_a_signer_never_prints_its_key() -> None:
    assert "object at" in repr(SIGNERS[0]), "no dataclass repr"
    assert SIGNERS[1].record.startswith("v=DKIM1; k=ed25519; p=")
    assert len(SIGNERS[1].record) == len("v=DKIM1; k=ed25519; p=") + 44
