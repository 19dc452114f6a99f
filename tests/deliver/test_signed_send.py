"""A send through the whole chain, signed: what arrives verifies, digests and notices alike; nothing goes unsigned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pipeline.deliver.notices import tell_operator
from pipeline.desk.trial import send_test

MORE = """
[mail.returns]
address = "bounces@lantern.example"
maildir = "returned"
[[mail.dkim]]
selector = "2026a"
key = "rsa.pem"
[[mail.dkim]]
selector = "2026b"
key = "edwards.pem"
[operator]
email = "desk@lantern.example"
"""


@pytest.fixture
def site(make_site: Any, basic_config: str) -> Any:
    site = make_site(basic_config.replace("[preflight]", f"{MORE}[preflight]"))
    for name, key in (("rsa", rsa.generate_private_key(public_exponent=65537, key_size=2048)),
                      ("edwards", ed25519.Ed25519PrivateKey.generate())):
        (site.folder / f"{name}.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    site.now = site.now.replace(hour=5)
    for name in ("ada", "bo", "cy"):
        site.subscribe(f"{name}@example.org")
    site.accept(["Article one", "Article two"])
    return site


def arrived(site: Any) -> list[Path]:
    folder = site.folder / "mailbox" / "new"
    return sorted(folder.iterdir()) if folder.exists() else []


def believed(site: Any, data: bytes) -> list[bool]:
    data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    records = {f"{one.name}.".encode(): one.record.encode() for one in site.app.signers()}

    def look_up(name: bytes, timeout: float = 5) -> bytes | None:
        return records.get(name)

    assert data.count(b"DKIM-Signature:") == 2
    return [dkim.DKIM(data).verify(number, dnsfunc=look_up) for number in (0, 1)]


def test_digests_notices_and_tests_are_signed(site: Any) -> None:
    with site.app.store.write() as connection:
        tell_operator(connection, site.app.config, "Light", "Something waits", site.now, dedupe="x")
    assert send_test(site.app, site.app.config.newsletters[0], "eve@example.org").sent
    site.now = site.now.replace(hour=8)
    site.send()
    assert len(arrived(site)) == 5
    for path in arrived(site):
        assert believed(site, path.read_bytes()) == [True, True]


def test_without_its_key_nothing_goes_and_all_goes_once_it_is_back(site: Any) -> None:
    key = site.folder / "rsa.pem"
    kept = key.read_bytes()
    key.unlink()
    site.now = site.now.replace(hour=8)
    report = site.send()
    assert "nothing goes out unsigned" in report.delivered.stopped
    assert "mail.dkim[0].key" in report.delivered.stopped
    assert arrived(site) == []
    key.write_bytes(kept)
    site.send()
    assert len(arrived(site)) == 3
