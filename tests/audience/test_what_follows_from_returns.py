"""What follows from what came back: in the ledger, for the address, for the next digest; and what never follows."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from pipeline.audience.returns.decide import History, Limits, decide
from pipeline.jobs.outgoing import deliver_due
from pipeline.jobs.report import Report as Cycle
from pipeline.jobs.sends import compose_due
from pipeline.jobs.worker import working
from pipeline.mail import marks
from pipeline.mail.tokens import UNSUBSCRIBE
from pipeline.model.deliveries import MOVES, DeliveryState
from pipeline.model.returns import Fault, Report, ReturnKind, Sent, Via, Whom
from pipeline.store import deliveries, returned, subscribers, suppressions
from pipeline.store.schema import notices

ANN, BEN, EVE = "ann@quay.example", "ben@quay.example", "eve@elsewhere.example"
ADDRESS = "bounces@lantern.example"
S = DeliveryState


def test_who_is_not_there_is_never_mailed_again(post: Any) -> None:
    taken = post.take(post.sample("postfix"))
    assert post.delivery().state == S.BOUNCED
    assert post.delivery().reason.startswith("came back: 5.1.1")
    assert post.suppressed().startswith("bounced: 5.1.1")
    assert post.status() == "confirmed", "they never asked to leave"
    assert taken.verdict.outcome == "not delivered; the address is suppressed"
    (record,) = post.records()
    assert (record.delivery_id, record.address, record.status) == (post.delivery().id, ANN, "5.1.1")
    later = post.another("Article B")
    assert post.delivery().state == S.EXCLUDED
    assert post.counts(later).holds
    assert post.counts(post.digests()[1].id).holds
    assert post.told(BEN) == ["Article A", "Article B"]


def test_what_is_late_changes_nothing_and_is_written_down(post: Any) -> None:
    before = post.delivery()
    post.take(post.sample("postfix-delayed"))
    assert post.delivery() == before
    assert not post.suppressed()
    assert post.records()[0].outcome == "nothing: it is still being tried"


def test_what_was_refused_for_our_sake_leaves_the_address_alone(post: Any) -> None:
    taken = post.take(post.sample("gmail-policy"))
    assert post.delivery().state == S.BOUNCED, "the only way on from sent"
    assert not post.suppressed()
    assert "5.7.26" in taken.verdict.hint


def test_a_full_mailbox_is_counted_and_only_many_in_a_row_suppress(post: Any) -> None:
    outcomes = []
    for number in range(3):
        if number:
            post.another(f"Article {number}")
        outcomes.append(post.take(post.sample("exchange-onprem-full")).verdict.outcome)
        assert bool(post.suppressed()) is (number == 2)
    assert outcomes == ["soft: not delivered, number 1 of 3 in a row", "soft: not delivered, number 2 of 3 in a row",
                        "soft: not delivered, number 3 in a row; the address is suppressed"]
    assert post.suppressed().startswith("bounced 3 times in a row, last: 5.2.2")


def test_one_that_arrived_in_between_begins_the_count_anew(post: Any) -> None:
    for number in range(6):
        if number:
            post.another(f"Article {number}")
        if number % 2 == 0:
            post.take(post.sample("zimbra-full"))
    assert not post.suppressed()
    assert post.records()[0].outcome == "soft: not delivered, number 1 of 3 in a row"


def test_two_reports_of_one_mail_count_once(post: Any) -> None:
    for text in (b"one", b"two", b"three", b"four"):
        post.take(post.sample("zimbra-full").replace(b"Hello.", text))
    assert len(post.records()) == 4
    assert not post.suppressed()


def test_what_bounced_long_ago_no_longer_counts(post: Any) -> None:
    for number in range(4):
        if number:
            post.another(f"Article {number}")
        post.take(post.sample("zimbra-full"))
        post.site.advance(days=31)
    assert not post.suppressed()


def test_a_bounce_that_comes_back_leaves_its_window_read(post: Any) -> None:
    """As tests/store/test_ledger_windows.py has it: who forwards may have read it elsewhere."""
    post.take(post.sample("zimbra-full"))
    assert post.delivery().covered
    post.another("Article B")
    assert post.told(ANN) == post.told(BEN) == ["Article A", "Article B"]


def test_a_bounce_that_comes_after_the_next_digest_tells_nothing_twice(post: Any) -> None:
    first = post.delivery().digest_id
    post.another("Article B")
    post.take(post.sample("zimbra-full", path=post.path(digest_id=first)))
    post.another("Article C")
    assert post.told(ANN) == ["Article A", "Article B", "Article C"]


def test_who_forwards_is_counted_and_may_have_read_it(post: Any) -> None:
    """The delivery is known by its mark; the address that refused is another one's."""
    taken = post.take(post.sample("postfix", to=EVE))
    assert taken.whom.address_key == ANN
    assert not post.suppressed()
    assert not post.suppressed(EVE), "an address that a report only names is never touched"
    assert post.delivery().state == S.BOUNCED
    assert post.records()[0].detail.startswith(f"names {EVE}: ")
    assert "forwarded to eve@elsewhere.example" in post.delivery().reason


def test_a_server_that_writes_the_domain_in_its_own_way_means_the_same_person(post: Any) -> None:
    post.take(post.sample("exchange-online", to="ann@quaygroup.onmicrosoft.example"))
    assert post.suppressed().startswith("bounced: 5.1.10")


@pytest.mark.parametrize("name", ["arf", "arf-redacted", "outlook-com-jmrp"])
def test_who_complains_is_taken_off_and_never_mailed_again(post: Any, name: str) -> None:
    post.take(post.sample(name))
    assert post.status() == "unsubscribed"
    assert post.suppressed() == "complaint: reported as abuse"
    assert post.delivery().state == S.SENT, "it arrived"
    assert post.delivery().covered
    assert post.records(kind="complaint")[0].delivery_id == post.delivery().id
    assert post.status(BEN) == "confirmed"


def test_not_spam_is_no_complaint(post: Any) -> None:
    taken = post.take(post.sample("not-spam"))
    assert taken.unread
    assert post.status() == "confirmed"


@pytest.mark.parametrize("name", ["vacation", "out-of-office-exchange", "read-receipt"])
def test_nothing_follows_from_an_automatic_answer(post: Any, name: str) -> None:
    taken = post.take(post.sample(name))
    assert not taken.unread
    assert post.delivery().state == S.SENT
    assert not post.suppressed()


# --- leaving by mail --------------------------------------------------------------------------------------


def leave(post: Any, address: str = ANN) -> str:
    with post.app.store.read() as connection:
        number = subscribers.by_address(connection, address)[0].id
    return marks.return_path(ADDRESS, marks.mark(post.app.keyring, marks.LEAVE, number))


@pytest.mark.parametrize("sender", [ANN, EVE, "MAILER-DAEMON@quay.example", ""])
def test_a_mail_to_the_address_that_asks_to_leave_leaves_whoever_sends_it(post: Any, sender: str) -> None:
    raw = f"From: {sender}\nTo: <{leave(post)}>\nSubject: unsubscribe\n\n".encode()
    assert post.take(raw).verdict.outcome == "unsubscribed"
    assert post.status() == "unsubscribed"
    assert post.status(BEN) == "confirmed"
    assert not post.suppressed(), "they may come back one day"


def test_the_address_may_be_known_only_by_the_mail_server(post: Any) -> None:
    raw = b"From: ann@quay.example\nTo: undisclosed-recipients:;\nSubject: \n\n"
    assert post.take(raw).report.kind is ReturnKind.UNKNOWN
    assert post.take(raw + b"once more", recipient=leave(post).upper()).report.kind is ReturnKind.UNSUBSCRIBE
    assert post.status() == "unsubscribed"


def test_another_ones_mark_or_a_made_up_one_leaves_nobody(post: Any) -> None:
    forged = leave(post)[:-20] + "aaaa" + leave(post)[-16:]
    for to in (forged, post.path(), ADDRESS):
        post.take(f"From: ann@quay.example\nTo: {to}\nSubject: unsubscribe\n\n".encode())
    assert post.status() == "confirmed"


def test_who_asked_to_leave_while_a_digest_waits_gets_nothing_of_it(post: Any) -> None:
    post.site.advance(days=1)
    post.accept(["Article B"])
    with working(post.app.store, post.app.data_folder, post.app.now) as worker:
        compose_due(post.app, worker, Cycle())
        post.take(f"To: {leave(post)}\n\n".encode())
        deliver_due(post.app, worker)
    assert post.told(ANN) == ["Article A"]
    assert post.told(BEN) == ["Article A", "Article B"]


# --- what is not proven -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["postfix", "exim", "qmail", "gmail", "arf", "outlook-com-jmrp", "domino"])
def test_a_forged_report_touches_nobody(post: Any, name: str) -> None:
    """Everything is right in it but the mark and the token, which nobody without the key can make."""
    mark = marks.mark(post.app.keyring, marks.DELIVERY, post.delivery().id)
    forged = f"{ADDRESS.partition('@')[0]}+{mark[:-16]}{'a' * 16}@lantern.example"
    head = "From: news@lantern.example\nTo: ann@quay.example\nMessage-ID: <0123@lantern.example>"
    taken = post.take(post.sample(name, path=forged, head=head))
    assert taken.whom.nobody
    assert taken.unread
    assert not post.suppressed()
    assert post.status() == "confirmed"
    assert post.delivery().state == S.SENT
    assert post.records()[0].outcome == "nothing: no mark or link of ours is in it that holds"


def test_what_is_returned_proves_itself_without_a_return_path(post: Any) -> None:
    """Where mail goes out without our own return path: the token and the Message-ID that belongs to it."""
    post.take(post.sample("exim", path="news@lantern.example"))
    assert post.delivery().state == S.BOUNCED


def test_a_token_without_its_message_id_bounces_nobody(post: Any) -> None:
    head = post.head()
    ben = next(line for line in post.head(BEN).split("\n") if line.startswith("Message-ID"))
    ann = next(line for line in head.split("\n") if line.startswith("Message-ID"))
    taken = post.take(post.sample("exim", path="news@lantern.example", head=head.replace(ann, ben)))
    assert taken.whom.nobody
    assert not post.suppressed()
    assert not post.suppressed(BEN)


def test_a_token_in_a_complaint_is_enough_to_leave(post: Any) -> None:
    """Whoever holds the link may leave by it; which mail it was stays unknown."""
    with post.app.store.read() as connection:
        number = subscribers.by_address(connection, ANN)[0].id
    token = post.app.keyring.sign(UNSUBSCRIBE, str(number))
    head = f"Subject: x\nList-Unsubscribe: <https://lantern.example/u/{token}>"
    post.take(post.sample("arf", path="news@lantern.example", head=head))
    assert post.status() == "unsubscribed"
    assert post.records()[0].delivery_id is None


def test_a_person_that_was_erased_is_nobody(post: Any) -> None:
    gone = marks.return_path(ADDRESS, marks.mark(post.app.keyring, marks.LEAVE, 9_999))
    never = marks.return_path(ADDRESS, marks.mark(post.app.keyring, marks.DELIVERY, 9_999))
    assert post.take(f"To: {gone}\n\n".encode()).whom.nobody
    assert post.take(post.sample("postfix", path=never, head="Subject: x")).whom.nobody


# --- twice ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(path.stem for path in (Path(__file__).parent / "returned").glob("*.eml")))
def test_what_is_read_twice_changes_nothing(post: Any, name: str) -> None:
    raw = post.sample(name)
    first = post.take(raw)
    before = everything(post)
    again = post.take(raw.replace(b"\n", b"\r\n"))
    assert again.known
    assert again.unread is first.unread
    assert everything(post) == before


def everything(post: Any) -> list[str]:
    """Every row of every table."""
    connection = sqlite3.connect(post.app.store.path)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


# --- notices ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "suppressed"), [("confirmation", True), ("test", True), ("alert", False)])
def test_a_notice_that_comes_back_is_bounced_and_an_operators_address_kept(
    post: Any, kind: str, suppressed: bool
) -> None:
    who = "someone@quay.example"
    with post.app.store.write() as connection:
        number = connection.execute(insert(notices).values(
            kind=kind, address=who, state="sent", message_id=f"<{kind}@lantern.example>", due_at=post.now,
            created_at=post.now, changed_at=post.now).returning(notices.c.id)).scalar_one()
    path = marks.return_path(ADDRESS, marks.mark(post.app.keyring, marks.NOTICE, number))
    taken = post.take(post.sample("postfix", to=who, path=path, head="Subject: x"))
    assert (taken.whom.notice_id, taken.whom.sent) == (number, None)
    assert bool(post.suppressed(who)) is suppressed
    with post.app.store.read() as connection:
        row = connection.execute(select(notices).where(notices.c.id == number)).one()
    assert row.state == "bounced"
    assert row.reason.startswith("came back: 5.1.1")


# --- the decision, alone ----------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("state", DeliveryState)
def test_only_moves_that_the_ledger_knows_and_only_of_what_has_left(state: DeliveryState, fault: Fault) -> None:
    sent = Sent(1, 1, 1, state, ANN, ANN)
    report = Report("k", ReturnKind.BOUNCE, Via.DSN, status="5.1.1", fault=fault)
    verdict = decide(report, Whom(sent, subscription_id=1, address_key=ANN), History(), Limits())
    if state in (S.SENT, S.HANDED, S.UNCERTAIN):
        assert verdict.move in MOVES[state]
    else:
        assert verdict.move is None, "what waits is left out by the suppression, or goes on"
    assert bool(verdict.suppress) is (fault is Fault.ADDRESS)


def test_one_whose_answer_was_lost_has_failed_where_it_was_our_fault() -> None:
    whom = Whom(Sent(1, 1, 1, S.UNCERTAIN, ANN, ANN), subscription_id=1, address_key=ANN)
    report = Report("k", ReturnKind.BOUNCE, Via.DSN, status="5.7.1")
    assert decide(report, whom, History(), Limits()).move is S.FAILED


@pytest.mark.parametrize("kind", [kind for kind in ReturnKind if kind is not ReturnKind.AUTO_REPLY])
def test_whom_nothing_proves_is_left_alone(kind: ReturnKind) -> None:
    verdict = decide(Report("k", kind, Via.DSN, status="5.1.1"), Whom(), History(), Limits())
    assert (verdict.move, verdict.suppress, verdict.unsubscribe) == (None, "", False)


# --- while a digest goes out ------------------------------------------------------------------------------


def test_a_bounce_that_is_quicker_than_the_record_of_the_sending(post: Any) -> None:
    """Handed over, bounced, and only then does the worker come with its "sent": the bounce stays."""
    delivery = post.delivery()
    with post.app.store.write() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET state = 'handed', lease = 'w1.a', covered = 0 WHERE id = "
                                   f"{delivery.id}")
        connection.exec_driver_sql("UPDATE batches SET sent = sent - 1, handed = handed + 1")
    post.take(post.sample("zimbra-full"))
    with post.app.store.write() as connection:
        sent = deliveries.Outcome(S.SENT, "250 ok", 250)
        assert not deliveries.record(connection, delivery.id, "w1.a", sent, post.now)
    assert post.delivery().state == S.BOUNCED
    assert post.delivery().covered, "it had left: told twice is worse"
    assert post.counts(delivery.digest_id).holds


def test_suppressing_leaves_out_what_waits_in_every_newsletter(post: Any) -> None:
    post.site.advance(days=1)
    post.accept(["Article B"])
    first = post.path()
    with working(post.app.store, post.app.data_folder, post.app.now) as worker:
        compose_due(post.app, worker, Cycle())
        post.take(post.sample("postfix", path=first))
        deliver_due(post.app, worker)
    assert post.told(ANN) == ["Article A"]
    assert post.delivery().state == S.EXCLUDED
    assert "suppressed" in post.delivery().reason
    assert post.counts(post.delivery().digest_id).holds


def test_a_claimed_one_is_not_handed_over_once_its_address_is_suppressed(post: Any) -> None:
    delivery = post.delivery()
    with post.app.store.write() as connection:
        connection.exec_driver_sql(f"UPDATE deliveries SET state = 'claimed', lease = 'w1.a' WHERE id = {delivery.id}")
        connection.exec_driver_sql("UPDATE batches SET sent = sent - 1, claimed = claimed + 1")
        connection.exec_driver_sql("UPDATE digests SET status = 'sending'")
        suppressions.suppress(connection, ANN, "a test", post.now)
        assert deliveries.hand_over(connection, [delivery.id], "w1.a", post.now) == set()
    assert post.delivery().state == S.EXCLUDED


def test_suppressing_twice_keeps_the_first_reason_and_can_be_taken_back(post: Any) -> None:
    with post.app.store.write() as connection:
        assert suppressions.suppress(connection, ANN, "first", post.now)
        assert not suppressions.suppress(connection, ANN, "second", post.now)
        assert [one.reason for one in suppressions.listed(connection, 10)] == ["first"]
        assert suppressions.unsuppress(connection, ANN) == "first"
        assert suppressions.unsuppress(connection, ANN) == ""


def test_what_came_back_stands_beside_its_delivery(post: Any) -> None:
    post.take(post.sample("postfix-delayed"))
    post.take(post.sample("postfix"))
    post.take(post.sample("vacation", BEN))
    ann, ben = post.delivery(ANN), post.delivery(BEN)
    with post.app.store.read() as connection:
        of_them = returned.of_deliveries(connection, [ann.id, ben.id, 999])
        assert of_them == returned.of_digest(connection, ann.digest_id)
    assert {key: [r.kind for r in records] for key, records in of_them.items()} == {
        ann.id: ["delay", "bounce"], ben.id: ["auto_reply"]}
