"""bounces and suppressions on the command line, and the status that a mail server is told."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.mail import marks
from pipeline.store import engine, returned

CONFIG = """
[mail.returns]
address = "bounces@lantern.example"
maildir = "returns"
"""
REPORT = """Return-Path: <>
From: MAILER-DAEMON@mx.example
To: {path}
Subject: Undelivered
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; ann@quay.example
Action: failed
Status: {status}
Diagnostic-Code: smtp; 550 no

--b--
"""


@pytest.fixture
def site(copy_site: Callable, basic_config: str) -> Any:
    return copy_site(mailed, basic_config + CONFIG)


def mailed(site: Any) -> None:
    site.subscribe("ann@quay.example")
    site.accept(["Article A"])
    site.advance(hours=2)
    site.send()
    for part in ("tmp", "new", "cur"):
        (site.folder / "returns" / part).mkdir(parents=True)


def report(site: Any, status: str = "5.1.1") -> str:
    with site.app.store.read() as connection:
        (subscription,) = returned.subscription_ids(connection, "ann@quay.example")
        delivery = returned.sent_to(connection, [subscription], 1)[0][0]
    path = marks.return_path("bounces@lantern.example", marks.mark(site.app.keyring, "d", delivery))
    return REPORT.format(path=path, status=status)


def pipe(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))


def test_ingest_reads_the_mailbox_and_list_tells_of_it(site: Any, broadsheet: Callable) -> None:
    (site.folder / "returns" / "new" / "1.host").write_text(report(site))
    said = broadsheet(site, "bounces", "ingest")
    assert said.status == 0
    assert "1 mail read" in said.out
    assert "1 suppressed, 0 unsubscribed" in said.out
    said = broadsheet(site, "bounces", "list", "--kind", "bounce", "--address", "Ann@Quay.example")
    assert "ann@quay.example" in said.out
    assert "not delivered; the address is suppressed" in said.out
    (one,) = broadsheet(site, "bounces", "list", "--json").json["returned"]
    assert (one["kind"], one["status"]) == ("bounce", "5.1.1")
    assert one["digest"].startswith("lantern/2026-06-01-0800-")
    assert broadsheet(site, "bounces", "list", "--kind", "complaint").out.startswith("Nothing came back.")
    assert broadsheet(site, "bounces", "list", "--kind", "nonsense").status == 2


def test_the_audit_shows_what_came_back_beside_its_delivery(site: Any, broadsheet: Callable) -> None:
    late = report(site, "4.4.1").replace("Action: failed", "Action: delayed")
    (site.folder / "returns" / "new" / "1.host").write_text(late)
    broadsheet(site, "bounces", "ingest")
    digest = broadsheet(site, "bounces", "list", "--json").json["returned"][0]["digest"].partition("/")[2]
    assert "(came back: delay 4.4.1)" in broadsheet(site, "audit", digest, "--people").out
    (site.folder / "returns" / "new" / "2.host").write_text(report(site))
    broadsheet(site, "bounces", "ingest")
    (one,) = broadsheet(site, "audit", digest, "--people", "--json").json["people"]
    assert (one["state"], one["code"], one["came_back"]) == ("bounced", 0, ["delay 4.4.1", "bounce 5.1.1"])
    shown = broadsheet(site, "audit", digest, "--people").out
    assert "came back: 5.1.1 550 no (came back: delay 4.4.1)" in shown


def test_ingest_takes_another_maildir_and_names_what_it_can_not_read(
    site: Any, broadsheet: Callable, tmp_path: Path
) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "1").write_text(report(site, "5.7.1"))
    said = broadsheet(site, "bounces", "ingest", "--maildir", str(tmp_path))
    assert said.status == 0
    assert "refused for our mail's sake" in said.err
    said = broadsheet(site, "bounces", "ingest", "--maildir", str(tmp_path / "nowhere"), "--json")
    assert said.status == 1
    assert "is no Maildir" in said.json["problem"]
    assert broadsheet(site, "bounces", "ingest", "-", "--maildir", "x").status == 2
    assert broadsheet(site, "bounces", "ingest", "file.eml").status == 2
    assert broadsheet(site, "bounces", "ingest", "--imap", "imaps://imap.example/INBOX").status == 2


def test_once_tells_what_came_back(site: Any, broadsheet: Callable) -> None:
    (site.folder / "returns" / "new" / "1.host").write_text(report(site, "5.2.2"))
    (site.folder / "articles").mkdir(exist_ok=True)
    said = broadsheet(site, "once")
    assert "Came back" in said.out
    assert "1 bounce" in said.out


def test_a_pipe_ends_well_whatever_the_mail_is(
    site: Any, broadsheet: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in (report(site), "", "\x00\x01", "Subject: hello\n\nWho are you?\n"):
        pipe(monkeypatch, text)
        assert broadsheet(site, "bounces", "ingest", "-").status == 0
    with site.app.store.read() as connection:
        assert [r.kind for r in returned.listed(connection)] == ["unknown", "unknown", "unknown", "bounce"]


def test_a_pipe_reads_whom_the_mail_server_says_a_mail_was_for(
    site: Any, broadsheet: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site.app.store.read() as connection:
        (subscription,) = returned.subscription_ids(connection, "ann@quay.example")
    to = marks.return_path("bounces@lantern.example", marks.mark(site.app.keyring, "u", subscription))
    monkeypatch.setenv("ORIGINAL_RECIPIENT", to)
    pipe(monkeypatch, "From: x@y.example\nTo: undisclosed-recipients:;\n\n")
    assert broadsheet(site, "bounces", "ingest", "-", "--json").json["kind"] == "unsubscribe"


def test_a_busy_database_makes_the_mail_server_try_again(
    site: Any, broadsheet: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = report(site)
    site.close()
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 50)
    pipe(monkeypatch, text)
    writer = sqlite3.connect(site.folder / "broadsheet.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    try:
        assert broadsheet(site, "bounces", "ingest", "-").status == 75
    finally:
        writer.close()
    pipe(monkeypatch, text)
    assert broadsheet(site, "bounces", "ingest", "-").status == 0
    with site.app.store.read() as connection:
        assert len(returned.listed(connection)) == 1


def test_a_broken_config_makes_the_mail_server_try_again_too(
    site: Any, broadsheet: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site.folder / "config.toml").write_text("nonsense")
    pipe(monkeypatch, "Subject: x\n\n")
    assert broadsheet(site, "bounces", "ingest", "-").status == 75


def test_an_address_is_suppressed_and_mailed_again(site: Any, broadsheet: Callable) -> None:
    said = broadsheet(site, "subscribers", "suppress", "Ann@Quay.example", "--reason", "wrote to us")
    assert said.status == 0
    assert "is suppressed" in said.out
    assert "already" in broadsheet(site, "subscribers", "suppress", "ann@quay.example").out
    assert "wrote to us" in broadsheet(site, "subscribers", "suppressed").out
    site.advance(days=1)
    site.accept(["Article B"])
    site.send()
    assert site.told("ann@quay.example") == ["Article A"]
    assert broadsheet(site, "subscribers", "unsuppress", "ann@quay.example", "--json").json == {
        "address": "ann@quay.example", "was": "wrote to us"}
    assert "was not suppressed" in broadsheet(site, "subscribers", "unsuppress", "ann@quay.example").out
    site.advance(days=1)
    site.accept(["Article C"])
    site.send()
    assert sorted(site.told("ann@quay.example")) == ["Article A", "Article B", "Article C"]
