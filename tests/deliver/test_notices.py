"""Notices: each goes once, waits while it can't go, is tried again when it was refused for now, and none is lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pipeline.deliver.notices import ABANDONED, Noticed, recover_notices, send_notices, send_now
from pipeline.deliver.stage import Outbox
from pipeline.errors import TransportError
from pipeline.model.deliveries import DeliveryState, Outcome
from pipeline.store import meta, notices
from pipeline.store.notices import ALERT, CONFIRMATION, TEST, Draft
from pipeline.store.schema import notices as table
from pipeline.store.schema import suppressions

S = DeliveryState
ANN, BEN = "ann@here.example", "ben@here.example"


@pytest.fixture
def site(copy_site: Callable[..., Any], basic_config: str) -> Any:
    return copy_site(nothing_yet, basic_config)


def nothing_yet(site: Any) -> None:
    assert site.app.config.mail is not None


def outbox(site: Any, wire: Any, lease: str = "w1.a") -> Outbox:
    return Outbox(site.app.store, site.app.keyring, wire, lease, site.app.now)


def send(site: Any, wire: Any, lease: str = "w1.a") -> Noticed:
    return send_notices(outbox(site, wire, lease))


def queue(site: Any, address: str = ANN, kind: str = ALERT, **values: Any) -> int | None:
    message = b"Subject: Look\r\n\r\nHere.\r\n"
    draft = Draft(kind, address, "news@here.example", f"<{address}>", "Look", message, **values)
    with site.app.store.write() as connection:
        return notices.queue(connection, draft, site.now)


def rows(site: Any) -> list[tuple[str, str, bytes]]:
    """(address, state, its bytes), the oldest first."""
    with site.app.store.read() as connection:
        return [(r.address, r.state, r.message) for r in connection.execute(table.select().order_by(table.c.id))]


def states(site: Any) -> list[str]:
    return [state for _, state, _ in rows(site)]


def row(site: Any) -> Any:
    with site.app.store.read() as connection:
        return connection.execute(table.select()).one()


def test_each_goes_once_and_its_bytes_are_forgotten(site, wire) -> None:
    assert queue(site, dedupe="k")
    assert queue(site, dedupe="k") is None, "the same key is mailed once"
    assert queue(site, BEN)
    assert send(site, wire).numbers == {S.SENT: 2}
    assert wire.committed == [ANN, BEN]
    assert wire.bodies[ANN] == [b"Subject: Look\r\n\r\nHere.\r\n"]
    assert rows(site) == [(ANN, "sent", b""), (BEN, "sent", b"")]
    assert send(site, wire).numbers == {}
    assert queue(site, dedupe="k") is None, "also after it has gone"


def test_it_is_marked_durably_before_the_last_step(site, wire) -> None:
    queue(site)
    seen: list[str] = []
    wire.on_commit = lambda _recipient: seen.extend(states(site))
    send(site, wire)
    assert seen == ["handed"]


def test_refused_for_now_is_tried_again_until_it_is_too_old(site, wire) -> None:
    queue(site)
    wire.refusals = {ANN: [S.DEFERRED] * 200}
    send(site, wire)
    assert (row(site).state, row(site).attempts, bool(row(site).message)) == ("deferred", 1, True)
    send(site, wire)
    assert len(wire.offered) == 1, "not before its time"
    for _ in range(48 * 12):
        site.advance(minutes=5)
        send(site, wire)
    assert states(site) == ["failed"]
    assert row(site).message == b""
    assert 20 < len(wire.offered) < 40


@pytest.mark.parametrize(("answer", "ends"), [(S.BOUNCED, "bounced"), (S.FAILED, "failed"), (S.UNCERTAIN, "uncertain")])
def test_what_ends_stays_listed_and_does_not_go_again(site, wire, answer: S, ends: str) -> None:
    queue(site)
    wire.answers = {ANN: [answer]}
    send(site, wire)
    site.advance(days=1)
    send(site, wire)
    assert (wire.committed, rows(site)) == ([ANN], [(ANN, ends, b"")])


def test_nothing_leaves_while_mail_is_stopped_not_even_what_was_offered(site, wire) -> None:
    queue(site)
    queue(site, BEN)

    def stop(recipient: str) -> None:
        if recipient == BEN:
            with site.app.store.write() as connection:
                meta.put(connection, meta.OUTGOING_STOPPED, "a test")

    wire.before_commit = stop
    send(site, wire)
    assert (wire.committed, wire.abandoned, states(site)) == ([ANN], [BEN], ["sent", "queued"])
    send(site, wire)
    assert wire.offered == [ANN, BEN]
    with site.app.store.write() as connection:
        meta.remove(connection, meta.OUTGOING_STOPPED)
    wire.before_commit = lambda _recipient: None
    send(site, wire)
    assert wire.committed == [ANN, BEN]


def test_no_way_out_costs_no_try(site, wire) -> None:
    queue(site)

    def away() -> Any:
        raise TransportError("mail server x:25", "can't be reached")

    wire.open, usual = away, wire.open
    assert send(site, wire).stopped == "mail server x:25: can't be reached"
    assert (row(site).state, row(site).attempts, row(site).lease) == ("queued", 0, "")
    wire.open = usual
    send(site, wire)
    assert states(site) == ["sent"]


def test_policy_stops_after_the_first(site, wire) -> None:
    queue(site)
    queue(site, BEN)
    wire.commit = lambda *_: Outcome(S.FAILED, "554 5.7.1 no", 554, stop=True)
    assert send(site, wire).stopped == "554 5.7.1 no"
    assert states(site) == ["failed", "queued"]


def test_a_suppressed_address_gets_only_what_the_operator_sends_it(site, wire) -> None:
    with site.app.store.write() as connection:
        connection.execute(suppressions.insert().values(address_key=ANN, reason="x", at=site.now))
    for kind in (CONFIRMATION, ALERT, TEST):
        queue(site, ANN.upper(), kind)
    send(site, wire)
    assert [state for _, state, _ in rows(site)] == ["excluded", "sent", "sent"]


def test_it_expires(site, wire) -> None:
    queue(site, expires_at=site.now + timedelta(hours=1))
    site.advance(hours=1)
    send(site, wire)
    assert (wire.offered, rows(site)) == ([], [(ANN, "failed", b"")])


# --- now or never ---


@pytest.mark.parametrize(("answer", "state"), [(S.SENT, "sent"), (S.DEFERRED, "failed"), (S.UNCERTAIN, "uncertain")])
def test_a_test_goes_at_once_or_never(site, wire, answer: S, state: str) -> None:
    other, mine = queue(site), queue(site, BEN, TEST)
    wire.answers = {BEN: [answer]}
    assert send_now(outbox(site, wire), mine).state is answer
    assert (wire.committed, states(site)) == ([BEN], ["queued", state]), "and nobody else's goes along"
    site.advance(days=1)
    send(site, wire)
    assert wire.committed == [BEN, ANN]
    assert other


def test_a_test_that_could_not_leave_goes_no_more(site, wire) -> None:
    mine = queue(site, BEN, TEST)

    def away() -> Any:
        raise TransportError("mail server x:25", "can't be reached")

    wire.open, usual = away, wire.open
    with pytest.raises(TransportError):
        send_now(outbox(site, wire), mine)
    wire.open = usual
    send(site, wire)
    assert (wire.committed, row(site).state, row(site).reason) == ([], "failed", "mail server x:25: can't be reached")


# --- what dead hands held ---


def left(site: Any, lease: str, *, handed: bool) -> None:
    with site.app.store.write() as connection:
        (one,) = notices.claim(connection, lease, site.now, 1)
        if handed:
            assert notices.hand_over(connection, one.id, lease, site.now)


@pytest.mark.parametrize(
    ("handed", "here", "state"),
    [(False, None, "queued"), (True, None, "uncertain"), (True, True, "sent"), (True, False, "queued")])
def test_what_a_dead_worker_held(site, wire, handed: bool, here: bool | None, state: str) -> None:
    queue(site)
    left(site, "dead.1", handed=handed)
    wire.here = here
    site.now += ABANDONED
    assert recover_notices(outbox(site, wire), {"dead"}) == {}, "somebody who lives goes on with it"
    assert recover_notices(outbox(site, wire), {"w1"}) == {state: 1}
    assert states(site) == [state]
    send(site, wire)
    assert wire.committed == ([ANN] if state == "queued" else [])


def test_a_command_that_is_no_worker_is_given_its_time(site, wire) -> None:
    queue(site)
    left(site, "test.1", handed=True)
    assert recover_notices(outbox(site, wire), set()) == {}
    with site.app.store.write() as connection:
        assert notices.record(connection, 1, "test.1", Outcome(S.SENT), site.now)
    assert states(site) == ["sent"]


def test_a_late_answer_still_counts_and_a_second_worker_s_does_not(site, wire) -> None:
    queue(site)
    left(site, "dead.1", handed=True)
    site.now += ABANDONED
    recover_notices(outbox(site, wire), set())
    with site.app.store.write() as connection:
        assert not notices.record(connection, 1, "w2.b", Outcome(S.BOUNCED), site.now)
        assert notices.record(connection, 1, "dead.1", Outcome(S.SENT), site.now)
    assert states(site) == ["sent"]


def test_whatever_breaks_leaves_nothing_in_hand(site, wire) -> None:
    queue(site)
    queue(site, BEN)

    def broken(_recipient: str) -> None:
        raise ZeroDivisionError

    wire.on_commit = broken
    with pytest.raises(ZeroDivisionError):
        send(site, wire)
    assert states(site) == ["uncertain", "queued"]


def test_a_notice_is_signed_and_says_which_it_is_when_it_comes_back(site: Any, wire: Any, tmp_path: Any) -> None:
    from dataclasses import replace

    from cryptography.hazmat.primitives.asymmetric import ed25519

    from pipeline.mail.dkim import Signer
    from pipeline.mail.marks import NOTICE, find

    key = ed25519.Ed25519PrivateKey.generate()
    number = queue(site)
    seen: list[str] = []
    offer = wire.offer
    wire.offer = lambda envelope, chunks: (seen.append(envelope.sender), offer(envelope, chunks))[1]
    signer = Signer("here.example", "s1", "ed25519-sha256", "", key.sign)
    send_notices(replace(outbox(site, wire), signers=(signer,), return_path="back@here.example"))
    assert find(site.app.keyring, seen[0]) == (NOTICE, number)
    assert wire.bodies[ANN][0].startswith(b"DKIM-Signature: ")
