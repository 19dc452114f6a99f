"""The Maildir: whole files under their own names, and by looking one knows what arrived."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.deliver.maildir import STALE_S, MaildirTransport, file_name, temporary_path
from pipeline.deliver.transport import Envelope
from pipeline.errors import TransportError

ENVELOPE = Envelope("news@lantern.example", "ada@example.org", "<1@lantern.example>", "w1.a")
BODY = [b"Subject: x\r\n", b"\r\n", b".dot\r\nwords\r\n"]


@pytest.fixture
def box(quick_folder: Path) -> MaildirTransport:
    return MaildirTransport(quick_folder / "mail" / "box")


def files(box: MaildirTransport) -> dict[str, list[str]]:
    return {part: sorted(p.name for p in (box.folder / part).iterdir()) for part in ("tmp", "new", "cur")}


def test_a_message_is_whole_or_not_there(box: MaildirTransport) -> None:
    connection = box.open()
    assert connection.offer(ENVELOPE, BODY) is None
    assert (len(files(box)["tmp"]), files(box)["new"]) == (1, [])
    assert connection.commit().state == "sent"
    assert files(box) == {"tmp": [], "new": [file_name(ENVELOPE)], "cur": []}
    text = (box.folder / "new" / file_name(ENVELOPE)).read_bytes()
    assert text == (b"Return-Path: <news@lantern.example>\nDelivered-To: ada@example.org\n"
                    b"Subject: x\n\n.dot\nwords\n")
    connection.close()


def test_abandoning_and_closing_leave_nothing(box: MaildirTransport) -> None:
    for leave in ("abandon", "close"):
        connection = box.open()
        connection.offer(ENVELOPE, BODY)
        getattr(connection, leave)()
        assert files(box) == {"tmp": [], "new": [], "cur": []}
        with pytest.raises(ValueError, match="nothing was offered"):
            connection.commit()


def test_arrived_says_what_it_finds(box: MaildirTransport) -> None:
    assert box.arrived(ENVELOPE) is None, "no folder at all"
    connection = box.open()
    assert box.arrived(ENVELOPE) is None, "neither here nor there: perhaps read and deleted"
    connection.offer(ENVELOPE, BODY)
    assert box.arrived(ENVELOPE) is False, "it was never renamed"
    assert files(box)["tmp"] == [], "and now it never will be"
    assert connection.commit().state == "deferred"
    connection.offer(ENVELOPE, BODY)
    connection.commit()
    assert box.arrived(ENVELOPE) is True
    name = file_name(ENVELOPE)
    (box.folder / "new" / name).rename(box.folder / "cur" / f"{name}:2,RS")
    assert box.arrived(ENVELOPE) is True, "a mail program has moved it and set flags"
    assert box.arrived(replace(ENVELOPE, recipient="bo@example.org")) is None
    assert box.arrived(replace(ENVELOPE, message_id="<2@lantern.example>")) is None


def test_another_workers_unfinished_file_is_not_touched(box: MaildirTransport) -> None:
    mine, theirs = box.open(), box.open()
    mine.offer(ENVELOPE, BODY)
    theirs.offer(replace(ENVELOPE, lease="w2.b"), BODY)
    assert box.arrived(ENVELOPE) is False
    assert theirs.commit().state == "sent"
    assert box.arrived(ENVELOPE) is True


def test_two_workers_at_once(box: MaildirTransport) -> None:
    """Both write as fast as they can, and sweep; every message is there once and whole."""
    def work(lease: str) -> None:
        for number in range(20):
            connection = box.open()
            one = Envelope("n@x.example", f"{lease}-{number}@example.org", "<1@x>", lease)
            assert connection.offer(one, BODY * 50) is None
            assert connection.commit().state == "sent"

    threads = [threading.Thread(target=work, args=(f"w{n}.a",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = list((box.folder / "new").iterdir())
    assert len(found) == 60
    assert len({p.stat().st_size - len(p.read_bytes().split(b"\n")[1]) for p in found}) == 1
    assert files(box)["tmp"] == []


def test_old_leftovers_are_swept_and_young_ones_and_others_are_not(box: MaildirTransport) -> None:
    box.open()
    old, young = (temporary_path(box.folder, replace(ENVELOPE, lease=f"w{n}.a")) for n in range(2))
    foreign = box.folder / "tmp" / "1234.somebody.else"
    long_ago = time.time() - STALE_S - 60
    for path in (old, young, foreign):
        path.write_bytes(b"x")
    for path in (old, foreign):
        os.utime(path, (long_ago, long_ago))
    box.open()
    assert files(box)["tmp"] == sorted([young.name, foreign.name])


def test_where_no_maildir_can_be(quick_folder: Path) -> None:
    (quick_folder / "box").write_text("a file")
    with pytest.raises(TransportError, match=r"box: the Maildir can't be made: .*mail\.maildir"):
        MaildirTransport(quick_folder / "box").open()


@pytest.mark.parametrize("damage", ["gone", "a file in its place"])
def test_a_maildir_that_breaks_on_the_way_defers(box: MaildirTransport, damage: str) -> None:
    """Also between offer and commit, and where it is looked for what arrived: no way of breaking comes out raw."""
    import shutil

    connection = box.open()
    assert connection.offer(ENVELOPE, BODY) is None
    shutil.rmtree(box.folder)
    if damage != "gone":
        box.folder.write_text("a file")
    outcome = connection.commit()
    assert (outcome.state, outcome.reason[:27]) == ("deferred", "the Maildir can't be writte")
    assert connection.offer(ENVELOPE, BODY).state == "deferred"
    assert box.arrived(ENVELOPE) is None
    connection.close()
