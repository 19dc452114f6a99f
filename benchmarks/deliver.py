"""A digest on its way: claimed, personalised, marked durably, sent, recorded; one person's and a million people's.

    vs_smtp_source, vs_smtp_source_dkim   messages a second against Postfix's smtp-source, which sends the same bytes
                  again and again and remembers nothing; the same server, as many connections, in turns
    vs_naive      against render + premailer + EmailMessage + smtplib for each person
    rate_1 … rate_200   the same with a server that waits 75 ms before each reply, over so many connections
    time_per_message_1m_vs_10k   one message's time where a million wait, against ten thousand
"""

from __future__ import annotations

import shutil
import smtplib
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from secrets import token_hex
from statistics import median

import crowd
import sinks
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from measure import NOW, Options, Result, accept, folder, found_articles, main, seconds, site

from pipeline.app import App
from pipeline.compose.freeze import content_of, render_directly
from pipeline.compose.settings import page_for
from pipeline.compose.stage import compose, fill_batches
from pipeline.deliver.letters import Letters
from pipeline.deliver.stage import deliver
from pipeline.jobs.outgoing import outbox
from pipeline.jobs.sends import parts
from pipeline.jobs.worker import Worker
from pipeline.model.articles import Article
from pipeline.model.deliveries import DeliveryState
from pipeline.model.frozen import Arrangement
from pipeline.model.newsletters import MANUAL, Digest, DigestStatus
from pipeline.model.runs import Slot
from pipeline.store import articles, deliveries, digests, ledger

PEOPLE, NAIVE_PEOPLE, SMTPLIB_PEOPLE = 2_000, 20, 200
CONNECTIONS = 20
ARTICLES, WORDS_EACH = 20, 230   # about 121 KB a message
REPLY_S = 0.075
FAR = (1, 10, 50, 200)           # connections to a server that waits
EACH_FAR = 8                     # messages for each of them
MANY, MILLION = 10_000, 1_000_000
SAMPLE = 5_000                   # messages sent where a million wait

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
[preflight]
links = false
spam = "off"
[mail]
sender = "The Lantern <news@lantern.example>"
"""
TO_SMTP = CONFIG + """
transport = "smtp"
  [mail.smtp]
  host = "127.0.0.1"
  port = {port}
  tls = "none"
  connections = {connections}
"""
SIGNED = """
  [[mail.dkim]]
  selector = "bench"
  key = "bench.pem"
"""
DRY_RUN = CONFIG + 'transport = "dry-run"\n'


@dataclass(frozen=True, slots=True)
class Near:
    """Seconds a message over one way, and how large messages are."""

    sent: float
    signed: float
    source: float             # 0: smtp-source is not here
    naive: float
    smtplib: float
    size: int
    first: float              # seconds before anything was sent: the freeze, and the rows of all


@dataclass(frozen=True, slots=True)
class Large:
    """What a ledger of so many costs."""

    built: dict[str, float]
    sent: dict[str, float]


def measure(options: Options) -> Result:
    with folder() as place, sinks.sink() as port:
        runs = [_near(place / f"run-{number}", port, options) for number in range(options.size(3, 1))]
    far = _far(options)
    few = _large(options.size(MANY, 20), options)
    many = few if options.smoke else _large(MILLION, options)
    near = {name: median(getattr(run, name) for run in runs) for name in Near.__slots__}
    figures = {
        "vs_naive": near["naive"] / (near["sent"] + near["first"] / options.size(PEOPLE, 20)),
        "per_s": 1 / near["sent"], "signed_per_s": 1 / near["signed"], "message_kb": near["size"] / 1e3,
        "rate_1": far[0], "rate_10": far[1], "rate_50": far[2], "rate_200": far[3],
        "peak_mb_10k": few.sent["peak_mb"], "peak_mb_1m": many.sent["peak_mb"],
        "memory_1m_vs_10k": many.sent["peak_mb"] / few.sent["peak_mb"],
        "time_per_message_1m_vs_10k": few.sent["per_s"] / many.sent["per_s"],
        "ledger_1m_s": many.built["fill_s"], "freeze_1m_s": many.built["freeze_s"],
        "sending_modules": many.sent["modules"], "build_peak_mb_1m": many.built["peak_mb"],
        "longest_writer_wait_ms": many.built["longest_wait_ms"],
    }
    peers = {"naive_per_s": 1 / near["naive"], "smtplib_per_s": 1 / near["smtplib"]}
    limits = ("the interpreter: one thread at a time personalises, asks and records, and the sink shares two cores "
              "with it; then a durable transaction for each group of connections")
    if near["source"]:
        figures |= {
            "vs_smtp_source": median(run.source / run.sent for run in runs),
            "vs_smtp_source_dkim": median(run.source / run.signed for run in runs),
        }
        peers |= {"smtp_source_per_s": 1 / near["source"]}
    else:
        limits += "; smtp-source is not here (sh .ci/postfix-tools), and the sink is a slow one in Python"
    return Result(figures=figures, peers=peers, runs=len(runs), limits=limits)


def _near(place: Path, port: int, options: Options) -> Near:
    """One run of everything that goes to the server next door."""
    count = options.size(PEOPLE, 20)
    config = TO_SMTP.format(port=port, connections=CONNECTIONS)
    with site(config, place / "made") as app:
        first = _prepare(app, count, options)
        size = _size(app)
    _key(place / "made" / "bench.pem")
    source = sinks.source_s(port, count, size, CONNECTIONS) / count if sinks.tool("smtp-source") else 0.0
    sent = _sent_s(config, place, count) / count
    signed = _sent_s(config + SIGNED, place, count) / count
    if source:  # before and after, for the machine changes under us
        source = (source + sinks.source_s(port, count, size, CONNECTIONS) / count) / 2
    with site(config, place / "made") as app:
        naive, plain = options.size(NAIVE_PEOPLE, 2), options.size(SMTPLIB_PEOPLE, 5)
        return Near(sent, signed, source, _naive_s(app, port, naive) / naive, _smtplib_s(app, port, plain) / plain,
                    size, first)


def _far(options: Options) -> list[float]:
    """Messages a second to a server that waits, by connections."""
    rates = []
    with folder() as place, sinks.python_sink(options.size(75, 1) / 1_000) as port:
        for connections in FAR:
            count = options.size(connections * EACH_FAR, 4)
            config = TO_SMTP.format(port=port, connections=connections)
            here = place / str(count)
            if not here.exists():
                with site(config, here / "made") as app:
                    _prepare(app, count, options)
            rates.append(count / _sent_s(config, here, count))
    return rates


def _large(count: int, options: Options) -> Large:
    with folder() as place, sinks.sink() as port:
        config = TO_SMTP.format(port=port, connections=CONNECTIONS)
        built = crowd.build(config, place, count, options.size(ARTICLES, 3), WORDS_EACH)
        most = options.size(SAMPLE, 20)
        sent = crowd.send(config, place, most)
        if options.full:
            everybody = crowd.send(DRY_RUN, place, 0)
            sent["peak_mb"] = max(sent["peak_mb"], everybody["peak_mb"])
        return Large(built, sent)


def _prepare(app: App, count: int, options: Options) -> float:
    """Readers and a digest for them, frozen and filled; seconds of the last two."""
    accept(app, "desk", found_articles(options.size(ARTICLES, 3), WORDS_EACH))
    crowd.people(app, count)

    def make() -> None:
        compose(parts(app), app.config.newsletter("lantern"), Slot(MANUAL, "benchmark", NOW), audience="", now=NOW)
        fill_batches(parts(app), NOW)

    return seconds(make)


def _sent_s(config: str, place: Path, count: int) -> float:
    """Seconds from the first claim to the last outcome, checked against the ledger; on a copy, so that it can be done
    again."""
    copy = Path(shutil.copytree(place / "made", place / token_hex(4)))
    with site(config, copy) as app:
        took = seconds(lambda: deliver(outbox(app, Worker("benchmark"))))
        with app.store.read() as connection:
            (digest,) = digests.listed(connection)
            states = ledger.states(connection, digest.id)
    if states != {DeliveryState.SENT: count}:
        raise AssertionError(f"the ledger says {states}")
    shutil.rmtree(copy)
    return took


def _key(path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


# --- the peers ----------------------------------------------------------------------------------------------


def _messages(app: App, count: int) -> Sequence[tuple[str, bytes]]:
    """The very messages that so many people get, joined; the claim is undone."""
    class Undo(Exception): ...

    made: list[tuple[str, bytes]] = []
    letters = Letters(app.store)
    try:
        with app.store.write() as connection:
            claimed = deliveries.claim(connection, "benchmark.0", NOW, count)
            raise Undo
    except Undo:
        for one in claimed:
            envelope, chunks = letters.get(one.digest_id, one.selection_id).message(app.keyring, one)
            made.append((envelope.recipient, b"".join(chunks)))
    return made


def _size(app: App) -> int:
    return len(_messages(app, 1)[0][1])


def _smtplib_s(app: App, port: int, count: int) -> float:
    """Seconds to send so many messages that are ready in memory, over one connection; nothing is recorded."""
    ready = _messages(app, count)

    def each() -> None:
        with smtplib.SMTP("127.0.0.1", port, "bench") as session:
            for recipient, message in ready:
                session.sendmail("news@lantern.example", [recipient], message)

    return seconds(each) * count / len(ready)


def _naive_s(app: App, port: int, count: int) -> float:
    """Seconds to render, inline, build and send so many messages, each for itself; nothing is recorded anywhere."""
    newsletter = app.config.newsletter("lantern")
    digest = Digest(1, "lantern", "daily", "2026-06-01T08:00", DigestStatus.DRAFT, NOW, 0, NOW)
    page = page_for(app.config, newsletter, digest)
    template = app.templates().digest("digest")
    with app.store.read() as connection:
        told: list[Article] = articles.newest(connection, newsletter.rules, ARTICLES)

    def each() -> None:
        with smtplib.SMTP("127.0.0.1", port, "bench") as session:
            for number in range(count):
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


if __name__ == "__main__":
    main("deliver", (__doc__ or "").splitlines()[0], measure)
