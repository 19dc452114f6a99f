"""The whole way of a digest to 200 people, into a Maildir and to an SMTP server, against a mail made for each alone.

    vs_naive      messages a second, freeze and ledger included, over what render + premailer + EmailMessage + smtplib
                  for each person reach with the same letter, the same server and one open connection
    smtp_per_s    from the first claim to the last recorded outcome, two durable marks on the way of each message
    maildir_per_s the same into a Maildir, where each message is synced to the disk as well
"""

from __future__ import annotations

import multiprocessing
import smtplib
import socket
import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from secrets import token_hex
from statistics import median
from typing import Any

from measure import NOW, Options, Result, accept, folder, found_articles, main, seconds, site, subscribe

from pipeline.app import App
from pipeline.compose.freeze import content_of, render_directly
from pipeline.compose.settings import page_for
from pipeline.compose.stage import compose, fill_batches
from pipeline.deliver.stage import Outbox, deliver, new_lease
from pipeline.jobs.sends import parts
from pipeline.model.articles import Article
from pipeline.model.deliveries import DeliveryState
from pipeline.model.frozen import Arrangement
from pipeline.model.newsletters import MANUAL, Digest, DigestStatus
from pipeline.model.runs import Slot
from pipeline.store import articles, ledger

PEOPLE, NAIVE_PEOPLE = 200, 40
ARTICLES, WORDS_EACH = 20, 270   # about 124 KB a message

CONFIG = """
config_version = 1
[site]
title = "The Lantern"
public_url = "https://lantern.example"
postal_address = "Lantern, Main Street 1, Stockholm"
[[sources]]
slug = "desk"
folder = "articles"
[[newsletters]]
slug = "lantern"
title = "The Lantern"
description = "Letters from the quay"
  [[newsletters.schedules]]
  slug = "daily"
  at = "08:00"
[mail]
sender = "The Lantern <news@lantern.example>"
"""
TO_SMTP = CONFIG + """
transport = "smtp"
  [mail.smtp]
  host = "127.0.0.1"
  port = {port}
  tls = "none"
"""


@dataclass(frozen=True, slots=True)
class Trip:
    """Seconds of one digest's way."""

    freeze_s: float
    fill_s: float
    deliver_s: float

    @property
    def whole_s(self) -> float:
        return self.freeze_s + self.fill_s + self.deliver_s


def measure(options: Options) -> Result:
    people, alone = options.size(PEOPLE, 5), options.size(NAIVE_PEOPLE, 2)
    runs = options.size(3, 1)
    smtp, maildir, naive = [], [], []
    with _sink() as (port, counted):
        for _ in range(runs):
            with folder() as place:
                with site(TO_SMTP.format(port=port), place / "smtp") as app:
                    _prepare(app, people, options)
                    before = counted.value
                    smtp.append(_send(app, people))
                    if counted.value - before != people:
                        raise AssertionError(f"the server took {counted.value - before} messages, not {people}")
                    naive.append(_naive_s(app, port, alone) / alone)
                with site(CONFIG, place / "maildir") as app:
                    _prepare(app, people, options)
                    maildir.append(_send(app, people))
                    sizes = [path.stat().st_size for path in (place / "maildir" / "mailbox" / "new").iterdir()]
    whole_s = median(t.whole_s for t in smtp) / people
    naive_s = median(naive)
    return Result(
        figures={
            "vs_naive": naive_s / whole_s,
            "smtp_per_s": people / median(t.deliver_s for t in smtp),
            "maildir_per_s": people / median(t.deliver_s for t in maildir),
            "freeze_ms": median(t.freeze_s for t in smtp) * 1e3,
            "fill_ms": median(t.fill_s for t in smtp) * 1e3,
            "whole_ms_a_message": whole_s * 1e3, "message_kb": median(sizes) / 1e3, "deliveries": people,
        },
        peers={"naive_per_s": 1 / naive_s, "naive_ms_a_message": naive_s * 1e3, "naive_messages": alone},
        runs=runs,
        limits="one connection and one message at a time: a durable transaction before each final dot (SQL, then the "
               "disk's sync), then the round trips of MAIL, RCPT, DATA and the dot; the sink shares two cores with us",
    )


def _prepare(app: App, people: int, options: Options) -> None:
    accept(app, "desk", found_articles(options.size(ARTICLES, 3), WORDS_EACH))
    subscribe(app, "lantern", "daily", people)


def _send(app: App, people: int) -> Trip:
    """One digest, from the slot to the last outcome; checked against the ledger."""
    made: list[Digest] = []
    freeze_s = seconds(lambda: made.append(compose(
        parts(app), app.config.newsletter("lantern"), Slot(MANUAL, "benchmark", NOW), audience="", now=NOW)))
    fill_s = seconds(lambda: fill_batches(parts(app), NOW))
    outbox = Outbox(app.store, app.keyring, app.transport(), new_lease("benchmark"), app.now)
    deliver_s = seconds(lambda: deliver(outbox))
    with app.store.read() as connection:
        states = ledger.states(connection, made[0].id)
    if states != {DeliveryState.SENT: people}:
        raise AssertionError(f"the ledger says {states}")
    return Trip(freeze_s, fill_s, deliver_s)


# --- the peer ---------------------------------------------------------------------------------------------


def _naive_s(app: App, port: int, people: int) -> float:
    """Seconds to render, inline, build and send so many messages, each for itself; nothing is recorded anywhere."""
    newsletter = app.config.newsletter("lantern")
    digest = Digest(1, "lantern", "daily", "2026-06-01T08:00", DigestStatus.DRAFT, NOW, 0, NOW)
    page = page_for(app.config, newsletter, digest)
    template = app.templates().digest("digest")
    with app.store.read() as connection:
        told: list[Article] = articles.newest(connection, newsletter.rules, ARTICLES)

    def each() -> None:
        with smtplib.SMTP("127.0.0.1", port, "bench") as session:
            for number in range(people):
                address = f"reader-{number}@people.example"
                values = {"unsubscribe_url": f"https://lantern.example/u/{number}", "address": address,
                          "preferences_url": f"https://lantern.example/p/{number}",
                          "since": "1 June 2026", "preheader": "What else is in it"}
                all_of_it = Arrangement(tuple(a.id for a in told))
                html, text = render_directly(
                    template, page, content_of(told, page), all_of_it, values | all_of_it.values(), nonce=token_hex(8))
                message = EmailMessage(policy=SMTP)
                message["From"], message["To"] = "The Lantern <news@lantern.example>", address
                message["Subject"] = "The ferry that came back and 19 more"
                message["List-Unsubscribe"] = f"<https://lantern.example/u/{number}>"
                message.set_content(text)
                message.add_alternative(html, subtype="html")
                session.send_message(message)

    return seconds(each)


# --- the server -------------------------------------------------------------------------------------------


@contextmanager
def _sink() -> Iterator[tuple[int, Any]]:
    """An SMTP server that counts what it takes and keeps nothing, in a process of its own: (port, counter)."""
    context = multiprocessing.get_context("spawn")
    ready, told = context.Pipe(duplex=False)
    counted = context.Value("q", 0)
    process = context.Process(target=_serve, args=(told, counted), daemon=True)
    process.start()
    try:
        if not ready.poll(20):
            raise AssertionError("the server did not start")
        yield ready.recv(), counted
    finally:
        process.terminate()
        process.join(10)


def _serve(told: Any, counted: Any) -> None:
    class Session(socketserver.StreamRequestHandler):
        """As much of RFC 5321 as one well-behaved client needs."""

        disable_nagle_algorithm = True
        rbufsize = 1 << 18

        def handle(self) -> None:
            self.wfile.write(b"220 sink.example ESMTP\r\n")
            while line := self.rfile.readline(2_000):
                verb = line[:4].upper()
                if verb == b"EHLO":
                    self.wfile.write(b"250-sink.example\r\n250-8BITMIME\r\n250 SIZE 50000000\r\n")
                elif verb == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    while (part := self.rfile.readline()) not in (b".\r\n", b""):
                        pass
                    if not part:
                        return
                    with counted.get_lock():
                        counted.value += 1
                    self.wfile.write(b"250 2.0.0 taken\r\n")
                elif verb == b"QUIT":
                    self.wfile.write(b"221 bye\r\n")
                    return
                else:
                    self.wfile.write(b"250 2.0.0 ok\r\n")

    class Server(socketserver.ThreadingTCPServer):
        address_family = socket.AF_INET
        daemon_threads = True

    with Server(("127.0.0.1", 0), Session) as server:
        told.send(server.server_address[1])
        server.serve_forever()


if __name__ == "__main__":
    main("deliver", (__doc__ or "").splitlines()[0], measure)
