"""The fast client: one packet for the end of one message and the envelope of the next, and the phase always known."""

from __future__ import annotations

import smtplib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from pipeline.deliver.pipelined import PipelinedConnection
from pipeline.deliver.plain import PlainConnection
from pipeline.deliver.smtp import SmtpTransport
from pipeline.deliver.transport import Connection, Envelope, Parcel

HELLO = b"250-raw\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 300000\r\n"
ENVELOPE_OK = b"250 ok\r\n250 ok\r\n354 go on\r\n"
BODY = (b"Subject: x\r\n\r\n", b"one line\r\n")


def parcel(number: int, recipient: str = "") -> Parcel:
    return Parcel(Envelope("news@lantern.example", recipient or f"r{number}@example.org", f"<{number}@x>"), BODY)


class Script:
    """A server that waits for so many bytes, then says something: [(until these bytes came, then this), …]."""

    def __init__(self, *turns: tuple[bytes, bytes]) -> None:
        self.turns = turns
        self.packets: list[bytes] = []       # what came between two answers
        self.over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            sock, _ = self._listener.accept()
            with sock:
                sock.settimeout(5)
                sock.sendall(b"220 raw\r\n")
                waiting = b""
                for until, answer in ((b"\r\n", HELLO), *self.turns):
                    while until not in waiting and (more := sock.recv(65536)):
                        waiting += more
                    end = waiting.find(until) + len(until) if until in waiting else len(waiting)
                    self.packets.append(waiting[:end])
                    waiting = waiting[end:]
                    sock.sendall(answer)
        self.over.set()

    def close(self) -> None:
        self._listener.close()
        self._thread.join(3)


@pytest.fixture
def script() -> Iterator[Callable[..., Script]]:
    made: list[Script] = []

    def make(*turns: tuple[bytes, bytes]) -> Script:
        made.append(Script(*turns))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def dial(relay) -> Iterator[Callable[[int], Connection]]:
    """`dial(port)` is an open connection; hung up afterwards, as one hangs up on a server that is away."""
    made: list[Connection] = []

    def open_(port: int) -> Connection:
        made.append(SmtpTransport(relay(port)).open())
        return made[-1]

    yield open_
    for one in made:
        one.abandon()


def test_the_greeting_decides_which_client(make_server, dial) -> None:
    server = make_server()
    connection = dial(server.port)
    assert isinstance(connection, PipelinedConnection if "PIPELINING" in server.hello else PlainConnection)
    connection.close()


def test_the_dot_and_the_next_envelope_leave_together(script, dial) -> None:
    server = script((b"DATA\r\n", ENVELOPE_OK), (b"one line\r\n", b""), (b"DATA\r\n", b"250 queued\r\n" + ENVELOPE_OK),
                    (b"\r\n.\r\n", b"250 queued too\r\n"))
    connection = dial(server.port)
    first, second = parcel(1), parcel(2)
    assert connection.offer(first.envelope, first.chunks) is None
    assert connection.commit(second).reason == "250 queued"
    assert connection.offer(second.envelope, second.chunks) is None
    assert connection.commit().reason == "250 queued too"
    connection.close()
    server.over.wait(3)
    assert server.packets[1] == (b"MAIL FROM:<news@lantern.example> SIZE=24\r\nRCPT TO:<r1@example.org>\r\nDATA\r\n")
    assert server.packets[3] == (b".\r\nMAIL FROM:<news@lantern.example> SIZE=24\r\n"
                                 b"RCPT TO:<r2@example.org>\r\nDATA\r\n")


def test_a_refusal_is_cleared_in_the_same_packet_as_the_next_envelope(script, dial) -> None:
    server = script((b"DATA\r\n", b"250 ok\r\n550 5.1.1 no\r\n503 nobody\r\n"),
                    (b"DATA\r\n", b"250 reset\r\n" + ENVELOPE_OK), (b"\r\n.\r\n", b"250 queued\r\n"))
    connection = dial(server.port)
    refused = connection.offer(parcel(1).envelope, BODY)
    assert (refused.state, refused.no_such_address) == ("bounced", True)
    assert connection.offer(parcel(2).envelope, BODY) is None
    assert connection.commit().state == "sent"
    assert server.packets[2].startswith(b"RSET\r\nMAIL FROM")


def test_a_server_that_wants_data_for_nobody_gets_a_dot_and_no_word(script, dial) -> None:
    server = script((b"DATA\r\n", b"250 ok\r\n550 5.1.1 no\r\n354 go on\r\n"), (b".\r\n", b"554 no recipients\r\n"),
                    (b"DATA\r\n", b"250 reset\r\n" + ENVELOPE_OK), (b"\r\n.\r\n", b"250 queued\r\n"))
    connection = dial(server.port)
    assert connection.offer(parcel(1).envelope, BODY).state == "bounced"
    assert server.packets[2:] in ([b".\r\n"], [])
    assert connection.offer(parcel(2).envelope, BODY) is None
    assert connection.commit().state == "sent"
    assert server.packets[2] == b".\r\n"


def test_a_server_that_wants_data_of_a_sender_that_it_refused_gets_nothing(script, dial) -> None:
    server = script((b"DATA\r\n", b"550 5.7.1 no\r\n250 ok\r\n354 go on\r\n"), (b"never", b""))
    connection = dial(server.port)
    refused = connection.offer(parcel(1).envelope, BODY)
    assert (refused.state, refused.stop, refused.about) == ("deferred", True, "relay")
    connection.close()
    server.over.wait(3)
    assert server.packets[2] == b""


@pytest.mark.parametrize("answered", [b"", b"250 ok\r\n", b"250 ok\r\n250 ok\r\n"])
def test_a_drop_before_the_dot_is_no_delivery(script, dial, answered: bytes) -> None:
    server = script((b"DATA\r\n", answered))
    connection = dial(server.port)
    outcome = connection.offer(parcel(1).envelope, BODY)
    assert (outcome.state, outcome.slow_down) == ("deferred", True)


def test_a_connection_that_was_closed_while_we_were_away_is_opened_anew(make_server, dial) -> None:
    """Nobody's failure: the server has the right to hang up between two messages."""
    server = make_server(hello="250-x\r\n250 PIPELINING", MAIL=["250 ok", "DROP"])
    connection = dial(server.port)
    for number in (1, 2):
        assert connection.offer(parcel(number).envelope, BODY) is None
        assert connection.commit().state == "sent"
    connection.close()
    assert (len(server.messages), server.connections) == (2, 2)


def test_after_421_the_announced_message_goes_by_a_new_connection(make_server, dial) -> None:
    server = make_server(hello="250-x\r\n250 PIPELINING", dot=["421 4.3.2 closing"])
    connection = dial(server.port)
    first, second = parcel(1), parcel(2)
    assert connection.offer(first.envelope, BODY) is None
    outcome = connection.commit(second)
    assert (outcome.state, outcome.slow_down, outcome.about) == ("deferred", True, "relay")
    assert connection.offer(second.envelope, BODY) is None
    assert connection.commit().state == "sent"
    assert server.connections == 2


def test_a_message_that_is_too_large_is_not_even_announced(script, dial) -> None:
    server = script((b"never", b""))
    connection = dial(server.port)
    outcome = connection.offer(parcel(1).envelope, [b"x" * 400_000, b"\r\n"])
    assert outcome.state == "failed"
    assert "300,000" in outcome.reason
    connection.close()


def test_addresses_of_other_letters(script, dial) -> None:
    server = script((b"DATA\r\n", ENVELOPE_OK), (b"\r\n.\r\n", b"250 queued\r\n"))
    connection = dial(server.port)
    assert connection.offer(parcel(1, "åsa@example.org").envelope, BODY) is None
    assert connection.commit().state == "sent"
    assert "BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<åsa@".encode() in server.packets[1]


def test_a_message_larger_than_all_buffers_arrives_whole(real_server, relay) -> None:
    port, sink = real_server
    lines = [b"%06d %s\r\n" % (n, b"x" * 60) for n in range(120_000)]   # 8 MB in many chunks
    connection = PipelinedConnection(relay(port), _session(port))
    assert connection.offer(parcel(1).envelope, [BODY[0], *lines]) is None
    assert connection.commit().state == "sent"
    connection.close()
    assert sink.taken[0][2] == BODY[0] + b"".join(lines)


@pytest.mark.parametrize("answer", [b"250-and no end\r\n" * 300, b"hello\r\n", b"25\r\n", b"x" * 20_000])
def test_answers_that_are_none(script, dial, answer: bytes) -> None:
    server = script((b"DATA\r\n", ENVELOPE_OK), (b"\r\n.\r\n", answer))
    connection = dial(server.port)
    assert connection.offer(parcel(1).envelope, BODY) is None
    assert connection.commit().state == "uncertain"


def _session(port: int) -> smtplib.SMTP:
    session = smtplib.SMTP("127.0.0.1", port, "x", 5)
    session.ehlo()
    return session
