"""The outbox: durable before the dot, nobody twice, and everybody accounted for whatever breaks on the way."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipeline.audience.subscriptions import unsubscribe
from pipeline.deliver.lane import decide_resend
from pipeline.deliver.retry import HORIZON
from pipeline.deliver.smtp import SmtpTransport
from pipeline.deliver.stage import Outbox, decide_interrupted, recover
from pipeline.deliver.transport import Way
from pipeline.errors import StoreError, TransportError
from pipeline.model.deliveries import DeliveryState
from pipeline.model.newsletters import DigestStatus
from pipeline.store import deliveries, digests, ledger, meta, subscribers

S = DeliveryState
ADA, BO, CY = (f"{name}@example.org" for name in ("ada", "bo", "cy"))


def states(site) -> dict[str, str]:
    with site.app.store.read() as connection:
        return {row.address: row.state for row in ledger.each(connection, site.digest.id)}


def reasons(site) -> dict[str, str]:
    with site.app.store.read() as connection:
        return {row.address: row.reason for row in ledger.each(connection, site.digest.id)}


def leave(site, address: str) -> None:
    with site.app.store.read() as connection:
        (one,) = subscribers.by_address(connection, address)
    unsubscribe(site.app.store, one.id, site.now, "a test")


def digest(site):
    with site.app.store.read() as connection:
        return digests.get(connection, site.digest.id)


def test_everybody_once(composed, wire, send) -> None:
    done = send(composed, wire)
    assert wire.committed == [ADA, BO, CY]
    assert (done.numbers, done.total, done.stopped, done.finished) == ({S.SENT: 3}, 3, "", [composed.digest.id])
    assert digest(composed).status is DigestStatus.DONE
    assert send(composed, wire).total == 0
    assert wire.committed == [ADA, BO, CY]
    assert (wire.opened, wire.closed) == (1, 1)
    assert composed.counts(composed.digest.id).holds


def test_handed_is_durable_before_the_step_that_counts(composed, wire, send) -> None:
    seen: dict[str, dict[str, str]] = {}
    wire.on_commit = lambda recipient: seen.update({recipient: states(composed)})
    send(composed, wire)
    assert seen[ADA] == {ADA: "handed", BO: "claimed", CY: "claimed"}
    assert seen[BO] == {ADA: "sent", BO: "handed", CY: "claimed"}, "the one before is recorded in the same step"


@pytest.mark.parametrize("who", [ADA, BO, CY])
def test_whoever_leaves_at_the_last_moment_gets_no_dot(composed, wire, send, who: str) -> None:
    wire.before_commit = lambda recipient: leave(composed, who) if recipient == who else None
    send(composed, wire)
    assert who in wire.offered
    assert who not in wire.committed
    assert wire.abandoned == [who]
    assert (states(composed)[who], reasons(composed)[who]) == ("excluded", "unsubscribed")
    assert composed.counts(composed.digest.id).holds
    assert digest(composed).status is DigestStatus.DONE


def test_whoever_leaves_while_claimed_is_not_even_asked_for(composed, wire, send) -> None:
    wire.on_commit = lambda recipient: leave(composed, CY) if recipient == ADA else None
    send(composed, wire)
    assert wire.committed == [ADA, BO]
    assert states(composed)[CY] == "excluded"


def test_whoever_leaves_while_handed_was_sent(composed, wire, send) -> None:
    wire.on_commit = lambda recipient: leave(composed, recipient)
    send(composed, wire)
    assert set(states(composed).values()) == {"sent"}
    assert composed.counts(composed.digest.id).holds


@pytest.mark.parametrize("how", ["stop", "pause", "cancel"])
def test_stopping_in_the_middle(composed, wire, send, how: str) -> None:
    def stop(recipient: str) -> None:
        if recipient == ADA:
            with composed.app.store.write() as connection:
                if how == "stop":
                    meta.put(connection, meta.OUTGOING_STOPPED, "by hand")
                elif how == "pause":
                    digests.change(connection, composed.digest.id, DigestStatus.PAUSED)
                else:
                    digests.change(connection, composed.digest.id, DigestStatus.CANCELLED)
                    deliveries.exclude_digest(connection, composed.digest.id, "cancelled", composed.now)

    wire.on_commit = stop
    send(composed, wire)
    assert wire.committed == [ADA]
    rest = "excluded" if how == "cancel" else "queued"
    assert states(composed) == {ADA: "sent", BO: rest, CY: rest}
    assert composed.counts(composed.digest.id).holds
    with composed.app.store.write() as connection:
        meta.remove(connection, meta.OUTGOING_STOPPED)
        if how == "pause":
            digests.change(connection, composed.digest.id, DigestStatus.SENDING)
    wire.on_commit = lambda _recipient: None
    send(composed, wire)
    assert wire.committed == ([ADA] if how == "cancel" else [ADA, BO, CY])


def test_a_refusal_for_now_is_tried_again_with_the_same_bytes(composed, wire, send) -> None:
    wire.refusals = {BO: [S.DEFERRED, S.DEFERRED]}
    assert send(composed, wire).numbers == {S.SENT: 2, S.DEFERRED: 1}
    composed.advance(minutes=4)
    assert send(composed, wire).total == 0, "not before five minutes"
    composed.advance(minutes=1)
    assert send(composed, wire).numbers == {S.DEFERRED: 1}
    composed.advance(minutes=14)
    assert send(composed, wire).total == 0, "then fifteen"
    composed.advance(minutes=1)
    assert send(composed, wire).numbers == {S.SENT: 1}
    assert len(wire.bodies[BO]) == 3
    assert len(set(wire.bodies[BO])) == 1
    assert len(set(wire.ids)) == 3, "one Message-ID each, whatever the tries"
    assert wire.committed == [ADA, CY, BO]


def test_given_up_after_48_hours_of_trying(composed, wire, send) -> None:
    wire.refusals = {BO: [S.DEFERRED] * 100}
    for _ in range(30):
        send(composed, wire)
        composed.advance(hours=2)
    assert states(composed)[BO] == "failed"
    assert 20 < len(wire.bodies[BO]) < 40
    assert digest(composed).status is DigestStatus.DONE
    with composed.app.store.read() as connection:
        (bo,) = subscribers.by_address(connection, BO)
        assert ledger.window_start(connection, bo.id) == 0, "the articles are given back to the next digest"


def test_the_first_try_of_what_it_took_over_counts(composed, wire, send) -> None:
    """Digest after digest takes over an address that never answers: after 48 hours it is given up all the same."""
    with composed.app.store.write() as connection:
        connection.execute(deliveries.deliveries.update().values(
            attempts=9, first_tried_at=composed.now - HORIZON + timedelta(hours=1)))
    wire.refusals = {BO: [S.DEFERRED]}
    send(composed, wire)
    assert states(composed)[BO] == "failed"
    assert reasons(composed)[BO] == "given up after 48 h: refused"


@pytest.mark.parametrize(("state", "covered"), [(S.BOUNCED, False), (S.FAILED, False), (S.UNCERTAIN, True)])
def test_what_ends_and_whether_it_was_read(composed, wire, send, state: DeliveryState, covered: bool) -> None:
    wire.answers = {BO: [state]}
    send(composed, wire)
    assert states(composed) == {ADA: "sent", BO: state, CY: "sent"}
    with composed.app.store.read() as connection:
        (bo,) = subscribers.by_address(connection, BO)
        assert (ledger.window_start(connection, bo.id) > 0) is covered
    assert composed.counts(composed.digest.id).holds


def test_uncertain_stays_as_it_is_by_default(composed, wire, send) -> None:
    wire.answers = {BO: [S.UNCERTAIN]}
    send(composed, wire)
    composed.advance(days=1)
    send(composed, wire)
    assert wire.committed.count(BO) == 1
    assert digest(composed).status is DigestStatus.DONE


@pytest.mark.parametrize("second", [S.SENT, S.UNCERTAIN])
def test_uncertain_is_sent_once_more_where_asked_for(
    resending, wire, send, second: DeliveryState
) -> None:
    site = resending
    wire.answers = {BO: [S.UNCERTAIN, second]}
    send(site, wire)
    send(site, wire)
    site.advance(days=1)
    send(site, wire)
    assert wire.committed.count(BO) == 2, "once, and not again"
    assert len(set(wire.bodies[BO])) == 1
    assert states(site)[BO] == second
    assert site.counts(site.digest.id).holds
    assert digest(site).status is DigestStatus.DONE


def test_uncertain_is_not_sent_again_to_someone_who_left(resending, wire, send) -> None:
    site = resending
    wire.answers = {BO: [S.UNCERTAIN]}
    wire.on_commit = lambda recipient: leave(site, BO) if recipient == BO else None
    send(site, wire)
    assert wire.committed.count(BO) == 1
    assert states(site)[BO] == "uncertain"


def test_a_transport_that_is_not_there_costs_nobody_a_try(composed, wire, send) -> None:
    class Away:
        name = "away"

        @property
        def ways(self):
            return [Way("away", self.open)]

        def open(self):
            raise TransportError("mail server x:25", "can't be reached")

        def arrived(self, envelope):
            return None

    done = send(composed, Away())
    assert (done.total, done.stopped) == (0, "mail server x:25: can't be reached")
    with composed.app.store.read() as connection:
        assert {(r.state, r.attempts) for r in ledger.each(connection, composed.digest.id)} == {("queued", 0)}
    send(composed, wire)
    assert wire.committed == [ADA, BO, CY]


def test_a_transport_that_goes_away_in_the_middle(composed, wire, send) -> None:
    offer = wire.offer

    def broken(envelope, chunks):
        if envelope.recipient == BO:
            raise TransportError("mail server x:25", "can't be reached")
        return offer(envelope, chunks)

    wire.offer = broken
    done = send(composed, wire)
    assert done.stopped
    assert states(composed) == {ADA: "sent", BO: "queued", CY: "queued"}
    assert wire.closed == 1


def test_policy_stops_after_the_first(composed, wire, send) -> None:
    from pipeline.model.deliveries import Outcome

    wire.commit = lambda _following: Outcome(S.FAILED, "554 5.7.1 no", 554, stop=True)
    done = send(composed, wire)
    assert done.stopped == "554 5.7.1 no"
    assert states(composed) == {ADA: "failed", BO: "queued", CY: "queued"}


def test_one_message_that_can_not_be_made_stops_no_other(composed, wire, send) -> None:
    offer = wire.offer

    def broken(envelope, chunks):
        if envelope.recipient == BO:
            raise ValueError("a heading that can't be said")
        return offer(envelope, chunks)

    wire.offer = broken
    assert send(composed, wire).numbers == {S.SENT: 2, S.FAILED: 1}
    assert reasons(composed)[BO] == "its message can't be made: a heading that can't be said"


def test_a_database_that_is_busy_fails_nobody(composed, wire, send) -> None:
    """Reading a digest may fail for a moment: that is no fault of the message."""
    offer = wire.offer
    busy = [1]

    def broken(envelope, chunks):
        if envelope.recipient == BO and busy:
            busy.pop()
            raise StoreError("site.db", "database is locked", permanent=False)
        return offer(envelope, chunks)

    wire.offer = broken
    done = send(composed, wire)
    assert "locked" in done.stopped
    assert states(composed)[BO] == "queued"
    send(composed, wire)
    assert wire.committed == [ADA, BO, CY]


def test_a_bug_in_the_middle_leaves_nothing_in_nobodys_hands(composed, wire, send) -> None:
    def broken(recipient: str) -> None:
        if recipient == BO:
            raise ZeroDivisionError

    wire.on_commit = broken
    with pytest.raises(ZeroDivisionError):
        send(composed, wire)
    assert states(composed) == {ADA: "sent", BO: "uncertain", CY: "queued"}
    assert composed.counts(composed.digest.id).holds


# --- a worker that died ---


def left_by_a_dead_worker(site, handed: str) -> None:
    with site.app.store.write() as connection:
        claimed = deliveries.claim(connection, "dead.1", site.now, 2)
        deliveries.hand_over(connection, [c.id for c in claimed if c.address == handed], "dead.1", site.now)


def settle(site, wire) -> dict[DeliveryState, int]:
    return recover(Outbox(site.app.store, site.app.keyring, wire, "w2.x", site.app.now), "dead")


@pytest.mark.parametrize(("here", "state"), [(True, "sent"), (False, "queued"), (None, "uncertain")])
def test_what_a_dead_worker_left(composed, wire, here: bool | None, state: str) -> None:
    left_by_a_dead_worker(composed, ADA)
    wire.here = here
    settle(composed, wire)
    assert states(composed) == {ADA: state, BO: "queued", CY: "queued"}
    assert composed.counts(composed.digest.id).holds
    assert settle(composed, wire) == {}


def test_what_a_dead_worker_left_is_sent_again_once_where_asked_for(resending, wire, send) -> None:
    site = resending
    left_by_a_dead_worker(site, ADA)
    settle(site, wire)
    assert states(site)[ADA] == "queued"
    with site.app.store.write() as connection:
        claimed = deliveries.claim(connection, "dead.2", site.now, 9)
        deliveries.hand_over(connection, [c.id for c in claimed if c.address == ADA], "dead.2", site.now)
    settle(site, wire)
    assert states(site)[ADA] == "uncertain", "a second time it stays listed"
    send(site, wire)
    assert ADA not in wire.committed


def test_another_workers_rows_are_left_alone(composed, wire) -> None:
    left_by_a_dead_worker(composed, ADA)
    recover(Outbox(composed.app.store, composed.app.keyring, wire, "w2.x", composed.app.now), "dea")
    assert states(composed) == {ADA: "handed", BO: "claimed", CY: "queued"}


def test_decisions() -> None:
    assert [decide_interrupted(arrived=a)[0] for a in (True, False, None)] == [S.SENT, S.QUEUED, S.UNCERTAIN]
    assert decide_resend(S.UNCERTAIN, "resend", covered=False)
    assert not decide_resend(S.UNCERTAIN, "leave", covered=False)
    assert not decide_resend(S.UNCERTAIN, "resend", covered=True)
    assert not decide_resend(S.FAILED, "resend", covered=False)


# --- over SMTP, from end to end ---


def test_a_drop_after_the_dot_is_never_sent_again(composed, make_server, relay, send) -> None:
    server = make_server(dot=["250 2.0.0 ok", "DROP", "250 2.0.0 ok"])
    done = send(composed, SmtpTransport(relay(server.port)))
    composed.advance(days=1)
    send(composed, SmtpTransport(relay(server.port)))
    assert done.numbers == {S.SENT: 2, S.UNCERTAIN: 1}
    assert [to for to, _ in server.messages] == [ADA, BO, CY]
    assert server.connections == 2


def test_a_drop_after_the_dot_is_sent_once_more_where_asked_for(resending, make_server, relay, send) -> None:
    site = resending
    server = make_server(dot=["250 2.0.0 ok", "DROP", "250 2.0.0 ok", "DROP"])
    for _ in range(3):
        send(site, SmtpTransport(relay(server.port)))
        site.advance(hours=1)
    assert sorted(to for to, _ in server.messages) == [ADA, BO, BO, CY]
    assert states(site)[BO] == "uncertain"


def test_greylisting(composed, make_server, relay, send) -> None:
    server = make_server(RCPT=["451 4.7.1 greylisted"] * 3)
    assert send(composed, SmtpTransport(relay(server.port))).numbers == {S.DEFERRED: 3}
    composed.advance(minutes=5)
    assert send(composed, SmtpTransport(relay(server.port))).numbers == {S.SENT: 3}
    assert sorted(to for to, _ in server.messages) == [ADA, BO, CY]


def test_the_bytes_on_the_wire_are_a_whole_message(composed, real_server, relay, send) -> None:
    import email
    from email import policy

    port, sink = real_server
    send(composed, SmtpTransport(relay(port)))
    by_recipient = {to: email.message_from_bytes(body, policy=policy.default) for _, to, body, _ in sink.taken}
    assert sorted(by_recipient) == [ADA, BO, CY]
    for to, message in by_recipient.items():
        assert message["To"] == to
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert "Article one" in message.get_body(("plain",)).get_content()
        assert not message.defects
    assert len({m["Message-ID"] for m in by_recipient.values()}) == 3
    assert len({m["List-Unsubscribe"] for m in by_recipient.values()}) == 3


def test_what_was_made_by_hand_and_is_a_week_late_is_not_sent(composed, wire, send) -> None:
    composed.advance(days=7)
    assert send(composed, wire).total == 0
    assert set(states(composed).values()) == {"failed"}


def test_whom_a_domain_said_no_to_waits_and_goes_once_it_may(composed, wire, send) -> None:
    """The others of the domain are put off with the reason; `go` makes them due at once."""
    from pipeline.model.deliveries import Outcome
    from pipeline.store import destinations

    commit = wire.commit

    def no(_following=None):
        wire.committed.append(wire.current)
        return Outcome(S.FAILED, "554 5.7.1 not from you", 554, stop=True, about="domain")

    wire.commit = no
    heard = []
    done = send(composed, wire, stopped=heard.append)
    assert wire.committed == [ADA]
    assert [stop.name for stop in heard] == ["example.org"]
    assert "example.org takes nothing from us until" in done.troubles[0]
    assert states(composed) == {ADA: "failed", BO: "queued", CY: "queued"}
    assert "waits for example.org: it takes nothing from us until 01 Jun 07:00 UTC" in reasons(composed)[CY]
    wire.commit = commit
    assert send(composed, wire).total == 0
    with composed.app.store.write() as connection:
        destinations.release(connection, "example.org")
        assert deliveries.wait_no_more(connection, "other.example", composed.now) == 0
        assert deliveries.wait_no_more(connection, "example.org", composed.now) in (1, 2)
    assert send(composed, wire).numbers == {S.SENT: 2}
