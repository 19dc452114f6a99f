"""The SMTP transport, against a real server for the bytes and a scripted one for everything that goes wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.deliver.smtp import SmtpTransport
from pipeline.deliver.transport import Envelope
from pipeline.errors import TransportError

DROP = "DROP"
CANARY = "correct-horse-canary"
BODY = [b"Subject: x\r\n\r\n", b".leading dot\r\n", b"..two\r\n", b"\r\n.\r\n", b"after a line of one dot\r\n"]
ENVELOPE = Envelope("news@lantern.example", "ada@example.org", "<1@lantern.example>")


def send(transport: SmtpTransport, envelope: Envelope = ENVELOPE, chunks=BODY):
    """(outcome of the offer, outcome of the commit)"""
    connection = transport.open()
    try:
        refused = connection.offer(envelope, chunks)
        return refused, None if refused else connection.commit()
    finally:
        connection.close()


def test_what_arrives_is_what_was_offered(real_server, relay) -> None:
    port, sink = real_server
    refused, outcome = send(SmtpTransport(relay(port)))
    assert refused is None
    assert (outcome.state, outcome.code) == ("sent", 250)
    ((sender, recipient, body, options),) = sink.taken
    assert (sender, recipient) == (ENVELOPE.sender, ENVELOPE.recipient)
    assert body == b"".join(BODY), "dots are stuffed and unstuffed"
    assert f"SIZE={len(body)}" in [o.upper() for o in options]


def test_a_body_that_begins_with_a_dot(real_server, relay) -> None:
    port, sink = real_server
    send(SmtpTransport(relay(port)), chunks=[b".x\r\n"])
    assert sink.taken[0][2] == b".x\r\n"


def test_addresses_beyond_ascii(real_server, make_server, relay) -> None:
    port, sink = real_server
    envelope = Envelope("news@lantern.example", "åsa@exämple.org", "<1@x>")
    assert send(SmtpTransport(relay(port)), envelope)[1].state == "sent"
    assert sink.taken[0][1] == "åsa@exämple.org"
    without = make_server()
    refused, _ = send(SmtpTransport(relay(without.port)), envelope)
    assert (refused.state, "SMTPUTF8" in refused.reason) == ("failed", True)
    assert not any(word.startswith("MAIL") for word in without.said)


def test_one_session_takes_many_messages_and_survives_a_refusal(make_server, relay) -> None:
    server = make_server(RCPT=["250 ok", "550 5.1.1 no such user", "250 ok"])
    connection = SmtpTransport(relay(server.port)).open()
    states = []
    for _ in range(3):
        refused = connection.offer(ENVELOPE, BODY)
        states.append((refused or connection.commit()).state)
    connection.close()
    assert states == ["sent", "bounced", "sent"]
    assert server.connections == 1
    assert len(server.messages) == 2
    assert [said.upper() for said in server.said].count("RSET") == 1
    assert server.said[-1].upper() == "QUIT"


@pytest.mark.parametrize(("replies", "state", "stop"), [
    ({"RCPT": "450 4.2.1 busy"}, "deferred", False),
    ({"RCPT": "550 5.1.1 no such user"}, "bounced", False),
    ({"RCPT": "550 5.7.1 policy"}, "failed", True),
    ({"RCPT": DROP}, "deferred", False),
    ({"MAIL": "550 5.1.8 bad sender"}, "deferred", True),
    ({"MAIL": "421 4.3.2 closing"}, "deferred", False),
    ({"MAIL": DROP}, "deferred", False),
    ({"DATA": "451 4.3.0 later"}, "deferred", False),
    ({"DATA": "554 5.5.1 no valid recipients"}, "failed", False),
    ({"DATA": "250 which is no answer to DATA"}, "deferred", False),
    ({"DATA": DROP}, "deferred", False),
])
def test_before_the_dot_nothing_is_delivered(make_server, relay, replies: dict, state: str, stop: bool) -> None:
    server = make_server(**replies)
    refused, _ = send(SmtpTransport(relay(server.port)))
    assert (refused.state, refused.stop) == (state, stop)
    assert server.messages == []


def test_a_forwarding_recipient_gets_its_data(make_server, relay) -> None:
    """252 is a yes too (RFC 5321 §3.5.3), and the message has to follow it."""
    server = make_server(RCPT="252 cannot verify, will try")
    assert send(SmtpTransport(relay(server.port)))[1].state == "sent"
    assert server.messages[0][1] == b"".join(BODY)


@pytest.mark.parametrize(("dot", "state"), [
    ("250 2.0.0 queued", "sent"),
    ("451 4.3.0 try later", "deferred"),
    ("421 4.3.2 closing", "deferred"),
    ("550 looks like spam", "failed"),
    ("554 5.7.1 policy", "failed"),
    (DROP, "uncertain"),
    ("what is this", "uncertain"),
    ("354 still going on", "uncertain"),
])
def test_after_the_dot(make_server, relay, dot: str, state: str) -> None:
    server = make_server(dot=dot)
    _, outcome = send(SmtpTransport(relay(server.port)))
    assert outcome.state == state
    assert len(server.messages) == 1


def test_silence_after_the_dot_is_uncertain(make_server, relay) -> None:
    server = make_server(dot="250-and")  # the beginning of an answer, and then nothing for longer than we wait
    _, outcome = send(SmtpTransport(relay(server.port, answer_timeout_s=0.2)))
    assert (outcome.state, "too long" in outcome.reason) == ("uncertain", True)


def test_abandoning_leaves_without_the_dot_and_the_next_offer_connects_anew(make_server, relay) -> None:
    server = make_server()
    connection = SmtpTransport(relay(server.port)).open()
    assert connection.offer(ENVELOPE, BODY) is None
    connection.abandon()
    assert connection.offer(ENVELOPE, BODY) is None
    assert connection.commit().state == "sent"
    connection.close()
    assert len(server.messages) == 1
    assert server.connections == 2


def test_a_relay_that_goes_away_between_messages(make_server, relay) -> None:
    server = make_server(RSET=DROP, RCPT=["550 5.1.1 x"])
    connection = SmtpTransport(relay(server.port)).open()
    assert connection.offer(ENVELOPE, BODY).state == "bounced"
    server.close()
    with pytest.raises(TransportError, match="can't be reached"):
        connection.offer(ENVELOPE, BODY)
    connection.close()


def only_line(error: BaseException) -> str:
    """What is printed of an error, and of every error that is chained to it: one line, and no password."""
    line = str(error)
    seen: list[str] = []
    at: BaseException | None = error
    while at is not None:
        seen += [str(at), repr(at), repr(getattr(at, "args", ""))]
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    assert not [s for s in seen if CANARY in s]
    assert "\n" not in line
    return line


@pytest.mark.parametrize(("replies", "said"), [
    ({"AUTH": "535 5.7.8 wrong"}, "refused user 'lantern' and its password (535)"),
    ({"AUTH": f"535 5.7.8 wrong: {CANARY}"}, "refused user"),
    ({"AUTH": DROP}, "Connection unexpectedly closed"),
    ({"CONNECT": "554 no service"}, "554"),
    ({"CONNECT": DROP}, "Connection unexpectedly closed"),
    ({"EHLO": "250 scripted"}, "SMTP AUTH extension not supported"),
])
def test_a_way_out_that_is_none_says_so_in_one_line(make_server, relay, replies: dict, said: str) -> None:
    server = make_server(**{"EHLO": "250-scripted\r\n250 AUTH PLAIN", **replies})
    transport = SmtpTransport(relay(server.port, user="lantern", password=CANARY))
    with pytest.raises(TransportError) as caught:
        transport.open()
    line = only_line(caught.value)
    assert line.startswith(f"mail server 127.0.0.1:{server.port}: ")
    assert said in line
    assert not caught.value.permanent


def test_logging_in(make_server, relay) -> None:
    server = make_server(EHLO="250-scripted\r\n250 AUTH PLAIN", AUTH="235 2.7.0 welcome")
    assert send(SmtpTransport(relay(server.port, user="lantern", password=CANARY)))[1].state == "sent"


def test_a_password_that_smtp_can_not_say(make_server, relay) -> None:
    server = make_server(EHLO="250-scripted\r\n250 AUTH PLAIN")
    with pytest.raises(TransportError, match="ASCII only") as caught:
        SmtpTransport(relay(server.port, user="lantern", password=CANARY + "ö")).open()
    only_line(caught.value)


def test_nobody_listens(closed_port: int, relay) -> None:
    with pytest.raises(TransportError, match=r"can't be reached: Connection refused \(check mail.smtp.host and port\)"):
        SmtpTransport(relay(closed_port)).open()


def test_a_server_that_never_answers(make_server, relay) -> None:
    server = make_server(CONNECT="220-wait")
    with pytest.raises(TransportError, match="too long"):
        SmtpTransport(relay(server.port, timeout_s=0.2)).open()


def test_starttls_is_never_skipped(make_server, relay) -> None:
    plain = make_server()
    transport = SmtpTransport(relay(plain.port, tls="starttls", user="lantern", password=CANARY))
    with pytest.raises(TransportError, match="STARTTLS extension not supported") as caught:
        transport.open()
    only_line(caught.value)
    refusing = make_server(EHLO="250-scripted\r\n250 STARTTLS", STARTTLS="454 4.7.0 not now")
    with pytest.raises(TransportError):
        SmtpTransport(relay(refusing.port, tls="starttls")).open()
    assert not any(w.upper().startswith(("AUTH", "MAIL")) for w in plain.said + refusing.said)


def test_no_tls_where_tls_was_asked_for(make_server, relay) -> None:
    server = make_server()
    with pytest.raises(TransportError, match=r'no safe connection|took too long|can\'t be reached'):
        SmtpTransport(relay(server.port, tls="implicit", timeout_s=0.5)).open()


def test_the_relay_is_never_printed(relay) -> None:
    assert CANARY not in repr(relay(25, user="u", password=CANARY))


def test_nobody_can_know_what_arrived(relay) -> None:
    assert SmtpTransport(relay(25)).arrived(ENVELOPE) is None


def test_certificates_are_verified(relay, root: Path) -> None:
    """A server with a certificate of its own making is refused."""
    import socket
    import ssl
    import threading

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(root / "tests" / "net" / "loopback.pem")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        sock, _ = listener.accept()
        sock.settimeout(3)
        try:
            context.wrap_socket(sock, server_side=True).close()
        except OSError:
            sock.close()

    thread = threading.Thread(target=serve)
    thread.start()
    with pytest.raises(TransportError, match="no safe connection: CERTIFICATE_VERIFY_FAILED"):
        SmtpTransport(relay(listener.getsockname()[1], tls="implicit")).open()
    thread.join()
    listener.close()
