"""doctor: what stands between a mail and its reader, outside of this machine: the DNS, the relays, the way back.

    config + keys | which records to publish (desk/published) | ask the DNS | judge
    relays        | a session with each, up to the log-in: nothing is sent

It changes nothing, and is done after TIME_S at the latest, but for a relay that is slow to say hello.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from pipeline.audience.returns.imap import ImapMailbox
from pipeline.audience.returns.stage import mailbox_of
from pipeline.config import Config, Smtp, say_span
from pipeline.config.mail import Returns
from pipeline.config.values import is_loopback
from pipeline.deliver.choice import relay_of
from pipeline.deliver.relay import connect
from pipeline.desk.preflight import Finding, Verdict, signing
from pipeline.desk.published import (
    PROVIDERS,
    Judged,
    Standing,
    Wanted,
    below,
    dmarc_places,
    strict,
    wanted,
)
from pipeline.errors import BroadsheetError, ConfigError, FetchError, StoreError, UsageError
from pipeline.mail.dkim import Signer
from pipeline.mail.keys import load_signers, sender_domain
from pipeline.net.records import Resolver
from pipeline.store import meta
from pipeline.store.engine import Store

TIME_S = 20.0     # seconds for all questions to the DNS
HELLO_S = 10.0    # seconds that a relay may take for any answer; a send is more patient
LARGEST = 200_000  # bytes of a message: more than a digest ever has


@dataclass(frozen=True, slots=True)
class Seen:
    """A record, and what is there. `found`: every TXT record at the place that was looked at."""

    wanted: Wanted
    judged: Judged
    found: tuple[str, ...] = ()
    at: str = ""          # where it was found, if not at its own name


@dataclass(frozen=True, slots=True)
class Report:
    records: tuple[Seen, ...]
    findings: tuple[Finding, ...]

    @property
    def wrong(self) -> int:
        return sum(one.judged.standing in (Standing.MISSING, Standing.DIFFERENT) and not one.wanted.optional
                   for one in self.records) + sum(one.verdict is Verdict.PROBLEM for one in self.findings)

    @property
    def unasked(self) -> int:
        return sum(one.judged.standing is Standing.NOT_ASKED and not one.wanted.optional for one in self.records)


def examine(config: Config, resolver: Resolver, now: datetime) -> Report:
    """Everything, good findings included. Raises UsageError without [mail]; else never for what is wrong."""
    if config.mail is None:
        raise UsageError("config.toml", "has no [mail], so no mail goes out", hint="say who sends: [mail] sender = …")
    findings = [*_public(config), *signing(config)]
    try:
        signers = load_signers(config)
    except ConfigError:  # told by `signing`
        signers = ()
    if not config.mail.dkim:
        findings.append(Finding("dkim", "no [[mail.dkim]]: mails are not signed by us. Large mailbox providers take "
                                        "only signed ones from whoever sends to many; your relay may sign",
                                Verdict.WARNING))
    sender, envelope = sender_domain(config), _envelope_domain(config)
    records = wanted(
        sender=sender, envelope=envelope, relays=[relay.host for relay in config.mail.servers], signers=signers,
        operator=config.operator.email if config.operator is not None else "", public_url=config.site.public_url)
    seen = tuple(_look(resolver, one) for one in records)
    findings += [*_alignment(seen, sender, envelope, signers), *_mail_servers(resolver, sender, envelope),
                 *_relays(config, resolver), *_returns(config, now)]
    return Report(seen, tuple(findings))


def _envelope_domain(config: Config) -> str:
    mail = config.mail
    if mail is not None and mail.returns is not None:
        return mail.returns.address.rpartition("@")[2].lower()
    return sender_domain(config)


# --- the DNS ----------------------------------------------------------------------------------------------


def _look(resolver: Resolver, record: Wanted) -> Seen:
    """What is published of one record."""
    places = dmarc_places(record.name.removeprefix("_dmarc.")) if record.kind == "DMARC" else [record.name]
    seen = Seen(record, Judged(Standing.NOT_ASKED, ""))
    for place in places:
        try:
            found = resolver.txt(place)
        except FetchError as error:
            return Seen(record, Judged(Standing.NOT_ASKED, error.cause))
        judged = record.judge(found)
        if place == record.name or judged.standing is not Standing.MISSING:
            seen = Seen(record, judged, found, place if place != record.name else "")
        if judged.standing is not Standing.MISSING:
            break
    return seen


def _alignment(seen: Iterable[Seen], sender: str, envelope: str, signers: Iterable[Signer]) -> Iterator[Finding]:
    """DMARC takes SPF and DKIM only of the sender's own domain, and of the very same one where it says so."""
    dmarc = next((one for one in seen if one.wanted.kind == "DMARC"), None)
    found = dmarc.found if dmarc is not None else ()
    if envelope != sender and (strict(found, "aspf") or not (below(envelope, sender) or below(sender, envelope))):
        yield Finding("dmarc", f"the return path is of {envelope}, which DMARC does not take for {sender}: only "
                               "DKIM counts", Verdict.WARNING)
    for signer in signers:
        if signer.domain != sender and strict(found, "adkim"):
            yield Finding("dmarc", f"your DMARC record wants signatures of {sender} itself (adkim=s), and the key "
                                   f"{signer.selector} signs for {signer.domain}", Verdict.PROBLEM)


def _mail_servers(resolver: Resolver, sender: str, envelope: str) -> Iterator[Finding]:
    """Answers and bounces must arrive somewhere; some servers take no mail from domains that take none."""
    what = {sender: "answers to your mail"}
    what[envelope] = "what comes back" if envelope != sender else "answers and what comes back"
    for domain, mail in what.items():
        try:
            servers = resolver.mx(domain)
            arrives = servers or resolver.addresses(domain)
        except FetchError as error:
            yield Finding("mx", f"{domain}: {error.cause}", Verdict.WARNING)
            continue
        if servers == ("",):
            yield Finding("mx", f"{domain} says that it takes no mail (a null MX), so {mail} can't arrive",
                          Verdict.PROBLEM)
        elif servers:
            yield Finding("mx", f"{mail}: {domain} has its mail at {', '.join(servers[:3])}")
        elif arrives:
            yield Finding("mx", f"{domain} has no MX record; {mail} goes to {arrives[0]}, if a mail server runs there",
                          Verdict.WARNING)
        else:
            yield Finding("mx", f"{domain} has no mail server in the DNS (MX), so {mail} can't arrive", Verdict.PROBLEM)


def _reverse(resolver: Resolver, host: str) -> Iterator[Finding]:
    """A server that sends by itself needs a name that leads back to its address; Gmail and others refuse it else."""
    try:
        for address in resolver.addresses(host)[:4]:
            names = resolver.names(address)
            if not names:
                yield Finding("ptr", f"{host} has the address {address}, which has no name (PTR): if mail goes out "
                                     "from there, large providers refuse it", Verdict.WARNING)
            elif address not in [one for name in names[:2] for one in resolver.addresses(name)]:
                yield Finding("ptr", f"{address} is called {names[0]}, which does not lead back to it", Verdict.WARNING)
            else:
                yield Finding("ptr", f"{address} is called {names[0]}, which leads back to it")
    except FetchError as error:
        yield Finding("ptr", f"{host}: {error.cause}", Verdict.WARNING)


# --- this side --------------------------------------------------------------------------------------------


def _public(config: Config) -> Iterator[Finding]:
    parts = urlsplit(config.site.public_url)
    if parts.scheme == "https":
        yield Finding("web", f"links in mails start with {config.site.public_url}")
    elif is_loopback(parts.hostname or ""):
        yield Finding("web", f"{config.site.public_url} leads nowhere for anybody else: set public_url",
                      Verdict.WARNING)
    else:
        yield Finding("web", f"{config.site.public_url} is not https: mail programs show no button to unsubscribe "
                             "(RFC 8058), which Gmail and Yahoo ask for", Verdict.PROBLEM)


def _relays(config: Config, resolver: Resolver) -> Iterator[Finding]:
    mail = config.mail
    if mail is None or mail.transport != "smtp":
        kind = mail.transport if mail is not None else ""
        yield Finding("relay", f'no mail leaves this machine yet: transport = "{kind}"', Verdict.WARNING)
        return
    hello = urlsplit(config.site.public_url).hostname or "localhost"
    for server in mail.servers:
        yield from _relay(server, hello)
        if not is_loopback(server.host) and not any(below(server.host.lower(), end) for end in PROVIDERS):
            yield from _reverse(resolver, server.host)


def _relay(server: Smtp, hello: str) -> Iterator[Finding]:
    """What a relay offers. It is logged in to, and nothing is sent."""
    relay = relay_of(server, hello)
    area = f"relay {relay.name}"
    try:
        session = connect(replace(relay, timeout_s=min(relay.timeout_s, HELLO_S)))
    except BroadsheetError as error:
        yield Finding(area, str(error), Verdict.PROBLEM)
        return
    try:
        offers = [name for name in ("pipelining", "8bitmime", "smtputf8", "size") if session.has_extn(name)]
        safe = {"none": "without TLS"}.get(relay.tls, "with TLS and a certificate that is right")
        user = f", logged in as {relay.user}" if relay.user else ", without a user"
        yield Finding(area, f"answers {safe}{user}; offers {', '.join(offers).upper() or 'nothing more'}")
        if relay.tls == "none" and not is_loopback(relay.host):
            offered = ': it offers STARTTLS, so take tls = "starttls"' if session.has_extn("starttls") else ""
            yield Finding(area, f"mail goes there readable for everybody on the way{offered}", Verdict.WARNING)
        if not session.has_extn("pipelining"):
            yield Finding(area, "offers no PIPELINING: several waits for each mail instead of one", Verdict.WARNING)
        if not session.has_extn("smtputf8"):
            yield Finding(area, "offers no SMTPUTF8: people with letters like å before the @ can't be mailed")
        limit = session.esmtp_features.get("size", "").strip()
        if limit.isdigit() and 0 < int(limit) < LARGEST:
            yield Finding(area, f"takes mails up to {int(limit):,} bytes only; a digest may have {LARGEST:,}",
                          Verdict.PROBLEM)
    finally:
        with suppress(OSError):  # smtplib's are such
            session.quit()
        session.close()


def _returns(config: Config, now: datetime) -> Iterator[Finding]:
    returns = config.mail.returns if config.mail is not None else None
    if returns is None:
        yield Finding("returns", "no [mail.returns]: bounces go to the sender, and addresses that do not exist any "
                                 "more are mailed for ever", Verdict.WARNING)
        return
    yield from _mailbox(returns)
    local, _, domain = returns.address.partition("@")
    yield Finding("returns", f"each mail has a return path of its own, {local}+…@{domain}: the server of {domain} must "
                             f"put all of these into the mailbox of {returns.address} (sub-addressing; in Postfix "
                             "recipient_delimiter = +)")
    read_at = _read_at(config)
    ago = now - read_at if read_at is not None else None
    if ago is None:
        yield Finding("returns", "that mailbox was never read yet: `broadsheet run` does, or `broadsheet bounces "
                                 "ingest`", Verdict.WARNING)
    elif ago > max(timedelta(hours=24), 2 * returns.every):
        hours = timedelta(hours=ago // timedelta(hours=1))
        yield Finding("returns", f"that mailbox was last read {say_span(hours)} ago: meanwhile mails offer no way "
                                 "to leave by mail", Verdict.WARNING)
    else:
        yield Finding("returns", "that mailbox is being read")


def _mailbox(returns: Returns) -> Iterator[Finding]:
    """Whether it can be opened. No letter in it is read."""
    mailbox = mailbox_of(returns)
    if mailbox is None:
        yield Finding("returns", "no maildir and no imap in [mail.returns]: what comes back must be piped into "
                                 "`broadsheet bounces ingest -` by your mail server")
        return
    if isinstance(mailbox, ImapMailbox):
        mailbox = replace(mailbox, answer_s=HELLO_S, total_s=2 * HELLO_S)
    try:
        with mailbox.open():
            pass
    except BroadsheetError as error:
        yield Finding("returns", str(error), Verdict.PROBLEM)
        return
    if returns.maildir is not None and not os.access(returns.maildir / "new", os.R_OK | os.W_OK | os.X_OK):
        yield Finding("returns", f"{returns.maildir} can't be read and written by this account", Verdict.PROBLEM)
    else:
        yield Finding("returns", f"{mailbox.name} can be read")


def _read_at(config: Config) -> datetime | None:
    """When it was last read, as far as there is a database that knows; none is made here."""
    store = Store(config.store.url.get_secret_value())
    try:
        if store.path is not None and not store.path.exists():
            return None
        with store.read() as connection:
            said = meta.get(connection, meta.RETURNS_READ_AT)
        return datetime.fromisoformat(said) if said else None
    except StoreError:
        return None
    finally:
        store.close()
