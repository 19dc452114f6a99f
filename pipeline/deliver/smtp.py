"""SMTP (RFC 5321): one or several relays, each by the fast client where it offers PIPELINING, else by smtplib."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pipeline.deliver.pipelined import PipelinedConnection
from pipeline.deliver.plain import PlainConnection
from pipeline.deliver.relay import Relay, connect
from pipeline.deliver.transport import Connection, Envelope, Way
from pipeline.errors import TransportError


class SmtpTransport:
    name = "smtp"

    def __init__(self, *relays: Relay) -> None:
        self.relays = relays

    @property
    def ways(self) -> Sequence[Way]:
        return [Way(relay.name, partial(open_session, relay), relay.connections, relay.per_connection, relay.rate,
                    relay.weight) for relay in self.relays]

    def open(self) -> Connection:
        problems = []
        for relay in self.relays:
            try:
                return open_session(relay)
            except TransportError as error:
                problems.append(error)
        raise problems[0]

    def arrived(self, envelope: Envelope) -> bool | None:
        return None  # only the relay's log knows


def open_session(relay: Relay) -> Connection:
    session = connect(relay)
    if session.has_extn("pipelining"):
        return PipelinedConnection(relay, session)
    return PlainConnection(relay, session)
