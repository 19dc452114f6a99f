"""The fast client over TLS, and logging in: against aiosmtpd, with certificates that are checked."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from pipeline.deliver import relay as relays
from pipeline.deliver.pipelined import PipelinedConnection
from pipeline.deliver.relay import Relay, connect
from pipeline.deliver.transport import Envelope, Parcel
from pipeline.errors import TransportError

BODY = (b"Subject: x\r\n\r\n", b"one line\r\n" * 5000)


class Sink:
    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.logins: list[tuple[str, bytes, bytes]] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.taken.append((envelope.rcpt_tos[0], envelope.original_content))
        return "250 2.0.0 taken"

    def check(self, _server: Any, _session: Any, _envelope: Any, mechanism: str, data: Any) -> AuthResult:
        self.logins.append((mechanism, data.login, data.password))
        return AuthResult(success=data.password == b"right", handled=False)


Serve = Callable[..., tuple[int, Sink]]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For 127.0.0.1, its own issuer."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    now = datetime.now(UTC)
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
            .sign(key, hashes.SHA256()))
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(made.public_bytes(Encoding.PEM) + key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """This process trusts it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    relays._context.cache_clear()
    yield certificate
    relays._context.cache_clear()


@pytest.fixture
def serve(trusted: Path) -> Iterator[Callable[..., tuple[int, Sink]]]:
    """`serve("implicit")` or `serve("starttls")` -> (port, sink)."""
    made: list[Controller] = []

    def start(tls: str, **values: Any) -> tuple[int, Sink]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(trusted)
        sink = Sink()
        how = {"ssl_context": context} if tls == "implicit" else {"tls_context": context, "require_starttls": True}
        made.append(Controller(sink, hostname="127.0.0.1", port=0, authenticator=sink.check, **how, **values))
        made[-1].port = _free_port()
        made[-1].start()
        return made[-1].port, sink

    yield start
    for one in made:
        one.stop()


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_messages_one_after_the_other(serve: Serve, relay: Callable[..., Relay], tls: str) -> None:
    port, sink = serve(tls)
    mine = relay(port, tls=tls)
    connection = PipelinedConnection(mine, connect(mine))
    parcels = [Parcel(Envelope("news@lantern.example", f"r{n}@example.org", f"<{n}@x>"), BODY) for n in range(5)]
    for one, following in zip(parcels, [*parcels[1:], None], strict=True):
        assert connection.offer(one.envelope, one.chunks) is None
        assert connection.commit(following).state == "sent"
    connection.close()
    assert sink.taken == [(one.envelope.recipient, b"".join(BODY)) for one in parcels]


@pytest.mark.parametrize(("auth", "mechanism"), [("plain", "PLAIN"), ("login", "LOGIN"), ("auto", "LOGIN")])
def test_logging_in(serve: Serve, relay: Callable[..., Relay], auth: str, mechanism: str) -> None:
    port, sink = serve("implicit", auth_require_tls=False)
    connect(relay(port, tls="implicit", user="me", password="right", auth=auth)).close()
    assert sink.logins[-1][1:] == (b"me", b"right")
    assert auth == "auto" or sink.logins[-1][0] == mechanism
    with pytest.raises(TransportError, match="refused user 'me'") as failed:
        connect(relay(port, tls="implicit", user="me", password="wrong-canary", auth=auth))
    assert "canary" not in str(failed.value)


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_a_certificate_that_nobody_vouches_for_is_refused(
    serve: Serve, relay: Callable[..., Relay], monkeypatch: pytest.MonkeyPatch, tls: str
) -> None:
    port, sink = serve(tls)
    monkeypatch.delenv("SSL_CERT_FILE")
    relays._context.cache_clear()
    with pytest.raises(TransportError, match="no safe connection"):
        connect(relay(port, tls=tls))
    assert sink.taken == []


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])
