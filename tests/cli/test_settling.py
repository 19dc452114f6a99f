"""resolve, audit --state and --notices, hold and resume of one that is being sent, stop and go."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from pipeline.deliver.maildir import MaildirConnection
from pipeline.store import digests

Run = Callable[..., Any]


@pytest.fixture
def sent(make_site: Any, broadsheet: Run) -> Any:
    """A digest that ended: ann has it, bob maybe, cid's mailbox was full, dan's server failed."""
    site = make_site()
    for name in ("ann", "bob", "cid", "dan"):
        site.subscribe(f"{name}@here.example")
    site.accept(["Article one"])
    broadsheet(site, "compose", "lantern")
    broadsheet(site, "deliver")
    with site.app.store.write() as connection:
        for number, state, covered, lease, reason in (
                (2, "uncertain", True, "w.1", "no answer"), (3, "bounced", False, "", "552 5.2.2 full"),
                (4, "failed", False, "", "given up")):
            connection.execute(text("UPDATE deliveries SET state = :s, covered = :c, lease = :l, reason = :r "
                                    "WHERE id = :i"),
                               {"s": state, "c": covered, "l": lease, "r": reason, "i": number})
            connection.execute(text(f"UPDATE batches SET sent = sent - 1, {state} = {state} + 1"))
    for path in (site.folder / "mailbox" / "new").iterdir():
        path.unlink()
    return site


def told(site: Any) -> list[str]:
    return sorted(mail["To"] for mail in site.mails())


def test_nobody_is_asked_and_nothing_is_done_without_a_terminal(broadsheet: Run, sent: Any) -> None:
    said = broadsheet(sent, "resolve", "latest", "resend")
    assert said.status == 2
    assert "1 person would get it once more" in said.all
    assert "--yes" in said.all


@pytest.mark.parametrize(("state", "whom"), [("uncertain", "bob"), ("bounced-soft", "cid"), ("failed", "dan")])
def test_it_is_sent_again_to_those_in_one_state(broadsheet: Run, sent: Any, state: str, whom: str) -> None:
    said = broadsheet(sent, "resolve", "latest", "resend", "--state", state, "--yes")
    assert "1 person queued once more" in said.out, said.all
    broadsheet(sent, "deliver")
    broadsheet(sent, "deliver")
    assert told(sent) == [f"{whom}@here.example"]
    audited = broadsheet(sent, "audit", "--recount", "--json")
    assert (audited.status, audited.json["counts"]["sent"]) == (0, 2)


def test_left_as_it_is_it_is_no_open_question(broadsheet: Run, sent: Any) -> None:
    assert "resolve" in broadsheet(sent, "audit").all
    assert broadsheet(sent, "resolve", "latest", "leave", "--yes").status == 0
    said = broadsheet(sent, "audit")
    assert "maybe delivered; left so by the operator" in said.out
    assert "resolve" not in said.all
    again = broadsheet(sent, "resolve", "latest", "resend", "--yes", "--json")
    assert again.json["others"] == {"settled before": 1}
    named = broadsheet(sent, "resolve", "latest", "resend", "bob@here.example", "--yes", "--json")
    assert named.json["settled"] == 1, "who is named is asked about once more"


@pytest.mark.parametrize(
    ("words", "cause"),
    [(("leave", "--state", "failed"), "only uncertain"), (("resend", "--state", "sent"), "can't be settled"),
     (("forget",), "nothing that can be done")])
def test_what_can_not_be_settled(broadsheet: Run, sent: Any, words: tuple[str, ...], cause: str) -> None:
    said = broadsheet(sent, "resolve", "latest", *words, "--yes")
    assert said.status == 2
    assert cause in said.all


def test_the_people_in_one_state(broadsheet: Run, sent: Any) -> None:
    said = broadsheet(sent, "audit", "--state", "bounced", "--state", "failed")
    assert [line.split()[0] for line in said.out.splitlines() if "@" in line] == [
        "cid@here.example", "dan@here.example"]
    listed = broadsheet(sent, "audit", "--people", "--json").json
    assert [one["address"][:3] for one in listed["people"]] == ["ann", "cid", "dan", "bob"]
    assert broadsheet(sent, "audit", "--state", "bonced").status == 2


def test_a_digest_that_adds_up_as_a_whole_and_not_in_each_batch(broadsheet: Run, sent: Any) -> None:
    """What only a recount sees: two batches whose faults make up for each other."""
    with sent.app.store.write() as connection:
        connection.execute(text("INSERT INTO batches (digest_id, due_at, first_id, last_id, selected, filled_at, sent) "
                                "SELECT digest_id, due_at, 0, 0, 1, filled_at, 1 FROM batches"))
        connection.execute(text("UPDATE batches SET sent = sent - 1, selected = selected - 1 WHERE id = 1"))
    assert broadsheet(sent, "audit").status == 0
    assert broadsheet(sent, "audit", "--recount").status == 1


def test_notices_are_listed(broadsheet: Run, sent: Any) -> None:
    broadsheet(sent, "send-test", "lantern", "me@here.example")
    said = broadsheet(sent, "audit", "--notices")
    assert "me@here.example" in said.out
    assert broadsheet(sent, "audit", "--notices", "--json").json["notices"][0]["state"] == "sent"
    assert "no such notice" in broadsheet(sent, "audit", "--notices", "--state", "queued").out


@pytest.mark.parametrize(
    ("how", "back"), [(("digests", "hold", "latest"), ("digests", "approve", "latest")),
                      (("digests", "pause", "latest"), ("digests", "resume", "latest")),
                      (("digests", "cancel", "latest"), ()), (("stop",), ("go",))])
def test_what_is_being_sent_stops_within_one_message(
    broadsheet: Run, make_site: Any, monkeypatch: pytest.MonkeyPatch, how: tuple[str, ...], back: tuple[str, ...]
) -> None:
    """The word is given between two messages of a send that is under way."""
    site = make_site()
    for number in range(30):
        site.subscribe(f"reader{number:02}@here.example")
    site.accept(["Article one"])
    broadsheet(site, "compose", "lantern")
    usual, gone = MaildirConnection.commit, threading.Event()
    committed: list[int] = []

    def commit(self: Any, *args: Any) -> Any:
        outcome = usual(self, *args)
        committed.append(1)
        if len(committed) == 3 and not gone.is_set():
            gone.set()
            assert broadsheet(site, *how).status == 0
            committed.append(-1)
        return outcome

    monkeypatch.setattr(MaildirConnection, "commit", commit)
    broadsheet(site, "deliver")
    after = committed[committed.index(-1) + 1:]
    assert len(after) <= 1, "one connection, one message at most"
    assert len(site.mails()) == len(committed) - 1
    if back:
        assert broadsheet(site, *back).status == 0
        broadsheet(site, "deliver")
    with site.app.store.read() as connection:
        (digest,) = digests.listed(connection)
    counts = site.counts(digest.id)
    assert counts.holds
    assert (counts.sent, counts.excluded) == ((30, 0) if back else (len(committed) - 1, 31 - len(committed)))
    assert len({mail["To"] for mail in site.mails()}) == len(site.mails())
