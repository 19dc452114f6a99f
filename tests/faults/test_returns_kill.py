"""Reading what came back, killed at any moment with SIGKILL: each mail counts once, and none is lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.mail import marks
from pipeline.store import returned

MAILS = 60
ROUNDS = 30

REPORT = """Return-Path: <>
From: MAILER-DAEMON@mx.example
To: {path}
Subject: Undelivered Mail Returned to Sender
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; reader{number}@quay.example
Action: failed
Status: {status}

--b--
"""


@pytest.mark.faults
def test_killed_at_any_moment(make_site: Callable, basic_config: str, root: Path) -> None:
    site = make_site(f'{basic_config}\n[mail.returns]\naddress = "bounces@lantern.example"\nmaildir = "returns"\n')
    for number in range(MAILS):
        site.subscribe(f"reader{number}@quay.example")
    site.accept(["Article A"])
    site.advance(hours=2)
    site.send()
    statuses = ["5.1.1", "4.2.2", "5.7.1"]
    folder = site.folder / "returns"
    for part in ("tmp", "new", "cur"):
        (folder / part).mkdir(parents=True)
    with site.app.store.read() as connection:
        sent = {number: returned.sent_to(connection, returned.subscription_ids(
            connection, f"reader{number}@quay.example"), 1)[0][0] for number in range(MAILS)}
    for number, delivery in sent.items():
        path = marks.return_path("bounces@lantern.example", marks.mark(site.app.keyring, "d", delivery))
        (folder / "new" / f"{number:03}.host").write_text(
            REPORT.format(path=path, number=number, status=statuses[number % 3]))
    site.close()
    pick = random.Random(7)
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-m", "pipeline", "--config", str(site.folder / "config.toml"), "bounces", "ingest"]
    killed = 0
    for _ in range(ROUNDS):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # it takes a moment to start: then the reading itself is what is cut
        before = len(list((folder / "cur").iterdir()))
        until = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < until \
                and len(list((folder / "cur").iterdir())) - before < pick.randrange(1, 4):
            time.sleep(0.001)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.wait()
        if not list((folder / "new").iterdir()):
            break
    assert subprocess.run(command, env=environment, check=False, capture_output=True).returncode == 0
    assert killed > 10
    check(site, sent, statuses)


def check(site: Any, sent: dict[int, int], statuses: list[str]) -> None:
    assert len(list((site.folder / "returns" / "cur").iterdir())) == len(sent)
    with site.app.store.read() as connection:
        found = returned.listed(connection, limit=10_000)
    assert sorted(r.delivery_id for r in found) == sorted(sent.values()), "each once"
    assert all(r.outcome for r in found), "none was begun and not finished"
    for number, delivery in sent.items():
        (one,) = (r for r in found if r.delivery_id == delivery)
        assert one.status == statuses[number % 3]
    counts = site.counts(next(one.id for one in site.digests() if one.selected))
    assert counts.holds
    assert counts.bounced == len(sent)
    with site.app.store.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM suppressions").scalar_one() == len(sent) / 3
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
