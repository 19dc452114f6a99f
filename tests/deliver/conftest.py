"""A mail server that says what a test tells it to say, one that is real, and a transport without any network."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from pipeline.compose.stage import fill_batches
from pipeline.deliver.relay import Relay
from pipeline.deliver.stage import Delivered, Outbox, deliver, new_lease
from pipeline.deliver.transport import Envelope, Parcel, Way
from pipeline.jobs.sends import compose_now, parts
from pipeline.model.deliveries import DeliveryState, Outcome

HELLO = "250-scripted\r\n250-SIZE 10000000\r\n250 ENHANCEDSTATUSCODES"
PIPELINING = "250-scripted\r\n250-PIPELINING\r\n250-SIZE 10000000\r\n250 ENHANCEDSTATUSCODES"
DROP = "DROP"  # close the connection instead of an answer


@dataclass
class Server:
    """A mail server of which each answer is scripted: command -> reply, or a list of them, one after the other.

    A reply is DROP, or text with its code. "." is the answer to the final dot. What was said is in `said`, what
    arrived whole (with its dot, whatever the answer) in `messages`.
    """

    replies: dict[str, Any] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    messages: list[tuple[str, bytes]] = field(default_factory=list)
    connections: int = 0
    hello: str = HELLO

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def answer(self, command: str, usual: str) -> str:
        reply = self.replies.get(command, usual)
        if isinstance(reply, list):
            reply = reply.pop(0) if reply else usual
        return reply

    def close(self) -> None:
        """Take no more connections; twice is once."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(3)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(5)
        with sock, sock.makefile("rb") as lines, suppress(OSError):  # the client hung up
            self._talk(sock, lines)

    def _talk(self, sock: socket.socket, lines: Any) -> None:
        def say(command: str, usual: str) -> str:
            reply = self.answer(command, usual)
            if reply != DROP:
                sock.sendall(reply.encode() + b"\r\n")
            return reply

        if say("CONNECT", "220 scripted") == DROP:
            return
        recipient = ""
        while line := lines.readline():
            words = line.decode("utf-8", "replace").strip()
            self.said.append(words)
            command = words.partition(" ")[0].upper()
            go_on = "354 go on" if recipient else "503 5.5.1 nobody to deliver to"
            usual = {"EHLO": self.hello, "HELO": "250 scripted", "DATA": go_on, "QUIT": "221 bye"}
            reply = say(command, usual.get(command, "250 2.0.0 ok"))
            if command == "RCPT" and reply.startswith("2"):
                recipient = words.partition("<")[2].partition(">")[0]
            elif command in ("MAIL", "RSET"):
                recipient = ""
            if reply == DROP or command == "QUIT":
                return
            if command == "DATA" and reply.startswith("354"):
                body = b""
                while (part := lines.readline()) not in (b".\r\n", b""):
                    body += part[1:] if part.startswith(b".") else part
                if not part:
                    return  # it left before the dot
                self.messages.append((recipient, body))
                if say(".", "250 2.0.0 queued") == DROP:
                    return


@pytest.fixture(params=[HELLO, PIPELINING], ids=["plain", "pipelined"])
def make_server(request: pytest.FixtureRequest) -> Iterator[Callable[..., Server]]:
    """Whatever is tested with it is tested with both clients: a server decides by its greeting which one it gets."""
    made: list[Server] = []

    def make(**replies: Any) -> Server:
        dot = replies.pop("dot", None)
        hello = replies.pop("hello", request.param)
        made.append(Server({**replies, **({"." : dot} if dot is not None else {})}, hello=hello))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def relay() -> Callable[..., Relay]:
    """`relay(port)` with further values as they are wanted."""
    def make(port: int, **values: Any) -> Relay:
        return Relay(**{"host": "127.0.0.1", "port": port, "tls": "none", "user": "", "password": "", "timeout_s": 3.0,
                        "hello": "lantern.example", **values})

    return make


class Sink:
    """An aiosmtpd handler that keeps what it takes."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str, bytes, list[str]]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.taken.append((envelope.mail_from, envelope.rcpt_tos[0], envelope.original_content,
                           list(envelope.mail_options)))
        return "250 2.0.0 taken"


@pytest.fixture
def real_server() -> Iterator[tuple[int, Sink]]:
    """(port, sink) of aiosmtpd, which has SIZE and SMTPUTF8."""
    sink = Sink()
    controller = Controller(sink, hostname="127.0.0.1", port=free_port(), enable_SMTPUTF8=True)
    controller.start()
    yield controller.port, sink
    controller.stop()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


@pytest.fixture
def closed_port() -> int:
    return free_port()


@dataclass
class Wire:
    """A transport that keeps a protocol of offers, commits and abandonments, and answers as told.

    `answers`: recipient -> outcomes of the commits, one after the other. `before_commit` is called between the offer
    and the hand-over with the recipient.
    """

    name: str = "wire"
    answers: dict[str, list[DeliveryState]] = field(default_factory=dict)
    refusals: dict[str, list[DeliveryState]] = field(default_factory=dict)
    before_commit: Callable[[str], None] = lambda _recipient: None
    on_commit: Callable[[str], None] = lambda _recipient: None
    offered: list[str] = field(default_factory=list)
    committed: list[str] = field(default_factory=list)
    abandoned: list[str] = field(default_factory=list)
    bodies: dict[str, list[bytes]] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)
    here: bool | None = None     # what `arrived` says
    opened: int = 0
    closed: int = 0

    @property
    def ways(self) -> list[Way]:
        return [Way(self.name, self.open)]

    def open(self) -> Wire:
        self.opened += 1
        return self

    def arrived(self, envelope: Envelope) -> bool | None:
        return self.here

    def offer(self, envelope: Envelope, chunks: Any) -> Outcome | None:
        self.current = envelope.recipient
        self.offered.append(envelope.recipient)
        self.ids.append(envelope.message_id)
        self.bodies.setdefault(envelope.recipient, []).append(b"".join(chunks))
        refusals = self.refusals.get(envelope.recipient)
        if refusals:
            return Outcome(refusals.pop(0), "refused")
        self.before_commit(envelope.recipient)
        return None

    def commit(self, following: Parcel | None = None) -> Outcome:
        self.committed.append(self.current)
        self.on_commit(self.current)
        answers = self.answers.get(self.current)
        return Outcome(answers.pop(0) if answers else DeliveryState.SENT, "answered")

    def abandon(self) -> None:
        self.abandoned.append(self.current)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def send() -> Callable[..., Delivered]:
    """`send(site, transport)` delivers what is due; `worker` is who does it."""
    def run(site: Any, transport: Any, worker: str = "w1", **values: Any) -> Delivered:
        values = {"jitter": lambda: 0.0, **values}
        return deliver(Outbox(site.app.store, site.app.keyring, transport, new_lease(worker), site.app.now, **values))

    return run


@pytest.fixture
def composed(copy_site: Callable) -> Any:
    """A site whose first digest is frozen and filled for ada, bo and cy, and not sent."""
    return with_digest(copy_site(compose_for_three))


@pytest.fixture
def resending(copy_site: Callable, basic_config: str) -> Any:
    """The same, with on_uncertain = "resend"."""
    text = basic_config.replace('slug = "lantern"', 'slug = "lantern"\non_uncertain = "resend"')
    return with_digest(copy_site(compose_for_three, text))


def compose_for_three(site: Any) -> None:
    for name in ("ada", "bo", "cy"):
        site.subscribe(f"{name}@example.org")
    site.accept(["Article one", "Article two"])
    assert compose_now(site.app, site.app.config.newsletters[0]).status == "frozen"
    fill_batches(parts(site.app), site.now)


def with_digest(site: Any) -> Any:
    (site.digest,) = site.digests()
    return site
