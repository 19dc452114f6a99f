"""doctor against a name server and relays of a test's own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pipeline import config
from pipeline.desk.doctor import Report, examine
from pipeline.desk.preflight import Verdict
from pipeline.desk.published import Standing
from pipeline.mail.keys import load_signers
from pipeline.net.records import Resolver
from pipeline.store import meta

MORE = """
[[mail.dkim]]
selector = "2026a"
key = "dkim.pem"
[mail.returns]
address = "bounces@lantern.example"
maildir = "returned"
[operator]
email = "desk@lantern.example"
"""


@pytest.fixture
def relay() -> Iterator[Callable[..., int]]:
    """`relay("PIPELINING", …)` is the port of a mail server that says hello, offers this, and takes QUIT."""
    listeners: list[socket.socket] = []

    def start(*offers: str) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threading.Thread(target=_greet, args=(listener, offers), daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for listener in listeners:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _greet(listener: socket.socket, offers: tuple[str, ...]) -> None:
    with suppress(OSError):
        while True:
            sock, _ = listener.accept()
            with sock, sock.makefile("rwb") as lines, suppress(OSError):
                lines.write(b"220 hello\r\n")
                lines.flush()
                while line := lines.readline():
                    said = "".join(["250-hello\r\n", *(f"250-{offer}\r\n" for offer in offers), "250 ok\r\n"])
                    lines.write(b"221 bye\r\n" if line.upper().startswith(b"QUIT") else said.encode())
                    lines.flush()


@pytest.fixture
def patient(make_site: Any, name_server: Callable[..., int]) -> Callable[..., Report]:
    """`patient(zone, smtp=port)` examines a site whose records are in the zone; without one all of `right()`."""
    site = make_site()
    path = site.folder / "config.toml"
    path.write_text(path.read_text().replace("[preflight]", f"{MORE}[preflight]"))
    (site.folder / "dkim.pem").write_bytes(
        ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (site.folder / "dkim.pem").chmod(0o600)

    def run(zone: dict[Any, Any] | None = None, *, smtp: int = 0, change: tuple[str, str] = ("", "")) -> Report:
        text = path.read_text()
        if smtp:
            text = text.replace("[mail]\n", '[mail]\ntransport = "smtp"\n')
            text = text.replace("public_url", "postal_address = false\npublic_url")
            text += f'[mail.smtp]\nhost = "127.0.0.1"\nport = {smtp}\ntls = "none"\n'
        loaded = config.load_text(text.replace(*change), path, {})
        port = name_server(run.right(loaded) if zone is None else zone)  # type: ignore[attr-defined]
        return examine(loaded, Resolver(5, "127.0.0.1", port), site.now)

    def right(loaded: Any = None) -> dict[Any, Any]:
        (signer,) = load_signers(loaded or config.load(path, {}))
        return {("lantern.example.", "TXT"): ['"v=spf1 a mx ~all"'], ("lantern.example.", "MX"): ["10 mx.example."],
                (f"{signer.name}.", "TXT"): [f'"{signer.record}"'],
                ("_dmarc.lantern.example.", "TXT"): ['"v=DMARC1; p=reject; rua=mailto:desk@lantern.example"']}

    run.right, run.site = right, site  # type: ignore[attr-defined]
    return run


def standings(report: Report) -> dict[str, Standing]:
    return {one.wanted.kind: one.judged.standing for one in report.records if not one.wanted.optional}


def found(report: Report, area: str) -> list[tuple[Verdict, str]]:
    return [(one.verdict, one.text) for one in report.findings if one.area.startswith(area)]


def test_a_site_in_order(patient: Any, relay: Callable[..., int]) -> None:
    site = patient.site
    for name in ("new", "cur", "tmp"):
        (site.folder / "returned" / name).mkdir(parents=True)
    with site.app.store.write() as connection:
        meta.put(connection, meta.RETURNS_READ_AT, site.now.isoformat())
    report = patient(smtp=relay("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 10240000"))
    assert standings(report) == dict.fromkeys(("SPF", "DKIM 2026a", "DMARC"), Standing.MATCH)
    assert [one for one in report.findings if one.verdict is not Verdict.OK] == []
    assert report.wrong == report.unasked == 0
    assert "offers PIPELINING, 8BITMIME, SMTPUTF8, SIZE" in found(report, "relay")[0][1]


def test_nothing_is_published(patient: Any) -> None:
    report = patient({("elsewhere.example.", "TXT"): ['"x"']})
    assert set(standings(report).values()) == {Standing.MISSING}
    assert found(report, "mx")[0][0] is Verdict.PROBLEM
    assert report.wrong == 5, "three records, no mail server, and no Maildir"


def test_what_is_different_is_told_with_what_is_there(patient: Any) -> None:
    zone = patient.right() | {("lantern.example.", "TXT"): ['"v=spf1 -all"'],
                              ("2026a._domainkey.lantern.example.", "TXT"): ['"v=DKIM1; k=ed25519; p=AAAA"']}
    report = patient(zone)
    assert standings(report)["SPF"] is standings(report)["DKIM 2026a"] is Standing.DIFFERENT
    dkim = next(one for one in report.records if one.wanted.kind.startswith("DKIM"))
    assert dkim.found == ("v=DKIM1; k=ed25519; p=AAAA",)


def test_who_can_not_be_asked_is_not_missing(patient: Any) -> None:
    failing = {(name, "TXT"): "SERVFAIL" for name, _ in patient.right()} | {("lantern.example.", "MX"): "SERVFAIL"}
    report = patient(failing)
    assert set(standings(report).values()) == {Standing.NOT_ASKED}
    assert report.unasked == 3
    said = "lantern.example: nobody could be asked: the name servers answer with an error"
    assert found(report, "mx")[0] == (Verdict.WARNING, said)


def test_dmarc_above_the_sender_s_domain_counts_and_may_ask_for_the_very_same(patient: Any) -> None:
    zone = patient.right() | {("_dmarc.lantern.example.", "TXT"): ['"v=DMARC1; p=reject; adkim=s; aspf=s"'],
                              ("news.lantern.example.", "A"): ["192.0.2.7"]}
    report = patient(zone, change=('selector = "2026a"', 'selector = "2026a"\ndomain = "lantern.example"'))
    assert found(report, "dmarc") == []
    below = patient(zone, change=("news@lantern.example>", "news@news.lantern.example>"))
    dmarc = next(one for one in below.records if one.wanted.kind == "DMARC")
    assert (dmarc.judged.standing, dmarc.at) == (Standing.MATCH, "_dmarc.lantern.example")
    apart = patient(zone, change=('selector = "2026a"\n', 'selector = "2026a"\ndomain = "mail.lantern.example"\n'))
    assert "(adkim=s), and the key 2026a signs for mail.lantern.example" in found(apart, "dmarc")[0][1]


@pytest.mark.parametrize(("mx", "verdict", "said"), [
    (["0 ."], Verdict.PROBLEM, "takes no mail (a null MX)"),
    (["5 a.example.", "1 b.example."], Verdict.OK, "b.example, a"), (None, Verdict.PROBLEM, "has no mail server"),
])
def test_mail_must_come_back_somewhere(patient: Any, mx: list[str] | None, verdict: Verdict, said: str) -> None:
    zone = patient.right()
    del zone["lantern.example.", "MX"]
    ((seen, text),) = found(patient(zone | ({("lantern.example.", "MX"): mx} if mx else {})), "mx")
    assert seen is verdict
    assert said in text


def test_relays_that_offer_too_little(patient: Any, relay: Callable[..., int]) -> None:
    told = found(patient(smtp=relay("SIZE 100000")), "relay")
    assert [verdict for verdict, _ in told] == [Verdict.OK, Verdict.WARNING, Verdict.OK, Verdict.PROBLEM]
    assert "no PIPELINING" in told[1][1]
    assert "no SMTPUTF8" in told[2][1]
    assert "up to 100,000 bytes only" in told[3][1]
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        ((verdict, text),) = found(patient(smtp=nobody.getsockname()[1]), "relay")
    assert verdict is Verdict.PROBLEM
    assert "can't be reached" in text
    assert found(patient(), "relay")[0][1] == 'no mail leaves this machine yet: transport = "maildir"'


def test_links_that_lead_nowhere_or_are_not_safe(patient: Any) -> None:
    for url, verdict in (("http://lantern.example", Verdict.PROBLEM), ("http://127.0.0.1:8000", Verdict.WARNING),
                         ("https://lantern.example", Verdict.OK)):
        assert found(patient(change=('"https://lantern.example"', f'"{url}"')), "web")[0][0] is verdict


def test_the_mailbox_of_returns_is_opened(patient: Any) -> None:
    assert "is no Maildir: there is no folder new/ in it" in found(patient(), "returns")[0][1]
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        imap = f'imap = "imap://127.0.0.1:{nobody.getsockname()[1]}/INBOX"\nuser = "b"\npassword = "${{file:secret}}"\n'
        (patient.site.folder / "secret").write_text("secret-canary")
        ((verdict, text), *_) = found(patient(change=('maildir = "returned"\n', imap)), "returns")
    assert verdict is Verdict.PROBLEM
    assert text.startswith("imap://127.0.0.1:")
    assert "canary" not in text
    ((verdict, text), *_) = found(patient(change=('maildir = "returned"\n', "")), "returns")
    assert (verdict, "must be piped into" in text) == (Verdict.OK, True)


def test_a_mailbox_that_is_not_read_any_more(patient: Any) -> None:
    site = patient.site
    assert not (site.folder / "broadsheet.db").exists()
    assert "never read yet" in found(patient(), "returns")[-1][1]
    assert not (site.folder / "broadsheet.db").exists(), "looking makes no database"
    with site.app.store.write() as connection:
        meta.put(connection, meta.RETURNS_READ_AT, (site.now - timedelta(hours=49)).isoformat())
    assert found(patient(), "returns")[-1] == (
        Verdict.WARNING, "that mailbox was last read 49h ago: meanwhile mails offer no way to leave by mail")


def test_a_key_that_can_not_be_read_is_one_of_the_findings(patient: Any) -> None:
    (patient.site.folder / "dkim.pem").write_text("nonsense")
    zone = {("lantern.example.", "TXT"): ['"v=spf1 a mx ~all"']}
    assert "is no private key" in found(patient(zone), "dkim")[0][1]
