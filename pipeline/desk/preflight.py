"""check: everything that would go wrong later, said now and all at once. It sends nothing.

The config itself has been read by then; what it names is looked at here: templates, database, folders, the way out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path

from pipeline.app import App, assemble, shipped
from pipeline.collect.finding.selector import check_selector
from pipeline.config import Config, Newsletter
from pipeline.deliver.choice import transport_for
from pipeline.desk.preview import preview
from pipeline.desk.proof.finding import Severity, holding
from pipeline.desk.proving import look_at
from pipeline.desk.standing import Mood, standings
from pipeline.desk.warming import warm_up_line
from pipeline.errors import BroadsheetError, ConfigError, StoreError
from pipeline.mail.keys import load_signers, sender_domain
from pipeline.model.feeds import INDEX_FILE
from pipeline.model.subscribers import SubscriptionStatus
from pipeline.net.guard import check_address, check_url
from pipeline.publish.places import open_place
from pipeline.publish.websub import waiting_for
from pipeline.render.contract import SAMPLE_PAGE, sample_article
from pipeline.render.templates import Templates
from pipeline.store import Connection, declared, meta, subscribers
from pipeline.store.engine import Store

MOST_NAMED = 10  # sources in trouble


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    area: str
    text: str
    verdict: Verdict = Verdict.OK


def preflight(config: Config) -> list[Finding]:
    """Every finding, good ones included, in the order in which a start would meet them. Never raises for what is
    wrong; makes the Maildir's folders and brings an existing database up to date, as a start would."""
    return [
        *(Finding("config", text, Verdict.WARNING) for text in config.warnings),
        Finding("config", f"{config.path} is in order"),
        *_folders(config), *_addresses(config), *_templates(config), *_database(config),
    ]


def vanished(store: Store, config: Config) -> None:
    """Raise StoreError where this config would forget people; changes nothing, so it can be asked of a new config
    while the old one is at work."""
    with store.read() as connection:
        declared.refuse_vanished(connection, [name for n in config.newsletters for name in (n.slug, *n.former)])
        for newsletter in config.newsletters:
            newsletter_id = _id(connection, newsletter)
            slugs = [name for s in newsletter.schedules for name in (s.slug, *s.former)]
            orphans = declared.orphaned_schedules(connection, newsletter_id, slugs) if newsletter_id else {}
            for slug, people in orphans.items():
                raise StoreError(
                    f"schedule {slug!r} of newsletter {newsletter.slug!r}",
                    f"is no longer in config.toml, but {people} people are on it",
                    hint=f'put it back, or name it in the one that takes its place: former = ["{slug}"]')


def _letters(app: App) -> Iterator[Finding]:
    """What the preflight of a digest finds in the next one of each newsletter, where there is something to send."""
    config = app.config
    for newsletter in config.newsletters:
        area = f"next digest of {newsletter.slug}"
        try:
            shown = preview(app, newsletter)
        except BroadsheetError:
            continue  # nothing was collected for it yet, or its template is broken, which is told above
        if shown.sheet is None:
            yield Finding(area, f"there is nothing to look at yet: {shown.nothing}")
            continue
        found = look_at(app, shown.sheet, newsletter.language or config.site.language)
        holds = holding(found, config.preflight)
        for one in found:
            seen = Verdict.OK if one.severity is Severity.NOTE else Verdict.WARNING
            yield Finding(area, f"{one.check}: {one.text}", Verdict.PROBLEM if one in holds else seen)


def _folders(config: Config) -> Iterator[Finding]:
    for source in config.sources:
        area = f"source {source.slug}"
        if source.folder is None:
            continue
        if not source.folder.is_dir():
            yield Finding(area, f"there is no folder {source.folder}; make it, or change `folder`", Verdict.PROBLEM)
        elif not os.access(source.folder, os.R_OK | os.X_OK):
            yield Finding(area, f"{source.folder} can't be read by this account", Verdict.PROBLEM)
        else:
            yield Finding(area, f"{source.folder} can be read")
    if config.feed_folders and isinstance(config.paths.feeds, Path):
        yield _writable("feeds", config.paths.feeds)
    elif config.feed_folders:
        yield _bucket(config)
    if config.publish.hub:
        yield _hub(config)


def _bucket(config: Config) -> Finding:
    """Whether the object store lets us look into the bucket."""
    try:
        place = open_place(config)
        place.read(INDEX_FILE)
    except BroadsheetError as error:
        return Finding("feeds", str(error), Verdict.PROBLEM)
    return Finding("feeds", f"{place.where} can be reached")


def _hub(config: Config) -> Finding:
    """Whether the hub is one that we would ask. It is not asked."""
    hub, networks = config.publish.hub, config.publish.hub_networks
    try:
        target = check_url(hub, networks)
        with suppress(ValueError):  # a name; where that leads is seen when it is told
            check_address(str(ip_address(target.host)), networks, port=target.port, subject=hub)
    except BroadsheetError as error:
        return Finding("hub", f"{hub}: {error.cause}; hub_networks in [publish] can name its network", Verdict.PROBLEM)
    return Finding("hub", f"{hub} will be told of changes; it was not asked now")


def _addresses(config: Config) -> Iterator[Finding]:
    """Sources that can't work, whatever their servers do. Nobody is asked."""
    bad = 0
    mine = [source for source in config.sources if source.url and not source.blocked]
    for source in mine:
        try:
            networks = source.allow_networks
            target = check_url(source.url, networks)
            with suppress(ValueError):  # a name; where that leads is seen when it is asked
                check_address(str(ip_address(target.host)), networks, port=target.port, subject=source.url)
            if source.selector:
                check_selector(source.selector, subject=source.url)
        except BroadsheetError as error:
            bad += 1
            yield Finding(f"source {source.slug}", str(error), Verdict.PROBLEM)
    if mine and not bad:
        number = len(mine)
        yield Finding("sources", f"{number} {'address' if number == 1 else 'addresses'} that may be asked; `broadsheet "
                                 "sources` says how they are doing")


def _in_trouble(app: App) -> Iterator[Finding]:
    """Sources that are not asked any more, or have failed for long: what a start would go on with."""
    found = [one for one in standings(app) if one.mood in (Mood.GONE, Mood.QUARANTINED)]
    for one in found[:MOST_NAMED]:
        yield Finding(f"source {one.slug}", f"{one.trouble}; what to do: {one.advice}", Verdict.WARNING)
    if len(found) > MOST_NAMED:
        yield Finding("sources", f"{len(found) - MOST_NAMED} more are like that: `broadsheet sources list --trouble`",
                      Verdict.WARNING)


def _writable(area: str, folder: Path) -> Finding:
    """Whether files can be written under a folder that is made when it is first needed."""
    standing = next(path for path in (folder, *folder.parents) if path.exists())
    if not standing.is_dir():
        return Finding(area, f"{standing} is no folder", Verdict.PROBLEM)
    if not os.access(standing, os.W_OK | os.X_OK):
        return Finding(area, f"{standing} can't be written by this account", Verdict.PROBLEM)
    return Finding(area, f"{folder} can be written")


def _templates(config: Config) -> Iterator[Finding]:
    if not config.newsletters:
        return
    templates = Templates([config.paths.templates, shipped("templates")])
    for name in dict.fromkeys(n.template for n in config.newsletters):
        problems = list(dict.fromkeys(templates.check(name)))
        yield from (Finding(f"template {name}", problem, Verdict.PROBLEM) for problem in problems)
        if not problems:
            yield Finding(f"template {name}", "can be rendered, inlined and cut")
    yield from (Finding("words", problem, Verdict.PROBLEM) for problem in dict.fromkeys(templates.check_words()))
    for newsletter in config.newsletters:
        area = f"newsletter {newsletter.slug}"
        try:
            one, two = sample_article(1), sample_article(2)
            source = newsletter.subject or templates.digest(newsletter.template).subject_source
            templates.subject(source, page=SAMPLE_PAGE, articles=[one])
            subject = templates.subject(source, page=SAMPLE_PAGE, articles=[one, two])
            yield Finding(area, f'its subject reads "{subject}" for two articles')
        except BroadsheetError as error:
            yield Finding(area, str(error), Verdict.PROBLEM)


def _database(config: Config) -> Iterator[Finding]:
    store = Store(config.store.url.get_secret_value())
    if store.path is not None and not store.path.exists():
        found = _writable("database", store.path.parent)
        yield found if found.verdict is not Verdict.OK else Finding(
            "database", f"{store.name} is made at the first start")
        store.close()
        yield from _transport(config)
        return
    store.close()
    try:
        app = assemble(config)
    except BroadsheetError as error:
        yield Finding("database", str(error), Verdict.PROBLEM)
        yield from _transport(config)
        return
    try:
        yield from _people(app)
        yield from _letters(app)
    finally:
        app.close()
    yield from _transport(config)


def _people(app: App) -> Iterator[Finding]:
    try:
        with app.store.read() as connection:
            people = sum(s.status is SubscriptionStatus.CONFIRMED for s in subscribers.listed(connection))
            stopped = meta.get(connection, meta.OUTGOING_STOPPED)
        vanished(app.store, app.config)
    except BroadsheetError as error:
        yield Finding("database", str(error), Verdict.PROBLEM)
        return
    yield from _in_trouble(app)
    if waiting := waiting_for(app.store, app.config.publish.hub) if app.config.publish.hub else "":
        yield Finding("hub", waiting, Verdict.WARNING)
    yield Finding("database", f"{app.store.name} is up to date and has its key; {people:,} confirmed subscriptions")
    if warming := warm_up_line(app):
        yield Finding("mail", warming)
    if stopped:
        yield Finding("mail", f"outgoing mail is stopped: {stopped}; `broadsheet go` lets it out again",
                      Verdict.WARNING)


def _transport(config: Config) -> Iterator[Finding]:
    if config.mail is None:
        return
    if config.mail.dkim:
        yield from signing(config)
    for way in transport_for(config).ways:
        try:
            way.open().close()
        except BroadsheetError as error:
            yield Finding("mail", str(error), Verdict.PROBLEM)
            continue
        if config.mail.transport == "smtp":
            users = {f"{one.host}:{one.port}": one.user for one in config.mail.servers}
            as_user = f" as {users[way.name]}" if users.get(way.name) else ""
            yield Finding("mail", f"{way.name} answers and takes mail{as_user}")
    if config.mail.transport == "maildir":
        yield _writable("mail", config.mail.maildir / "new")
    if config.mail.transport == "dry-run":
        yield Finding("mail", 'transport = "dry-run" counts everybody as sent to and sends nothing', Verdict.WARNING)


def signing(config: Config) -> Iterator[Finding]:
    """Whether the keys of DKIM can be used, and by whom else."""
    if config.mail is None:
        return
    try:
        signers = load_signers(config)
    except ConfigError as error:
        yield from (Finding("dkim", problem, Verdict.PROBLEM) for problem in error.problems)
        return
    for wanted, signer in zip(config.mail.dkim, signers, strict=True):
        area = f"dkim {signer.selector}"
        mode = wanted.key.stat().st_mode & 0o777
        if mode & 0o077:
            yield Finding(area, f"{wanted.key} can be read by others (mode {mode:04o}), who could sign in your name: "
                                f"chmod 600 {wanted.key}", Verdict.WARNING)
        if not aligned(signer.domain, sender_domain(config)):
            yield Finding(area, f"signs for {signer.domain}, which is not the sender's domain {sender_domain(config)} "
                                "nor above or below it, so it proves nothing about the sender (DMARC)", Verdict.WARNING)
        yield Finding(area, f"signs as {signer.name} ({signer.algorithm})")


def aligned(one: str, other: str) -> bool:
    """Whether DMARC takes two domains for one, as far as that can be known without the list of public suffixes
    (RFC 7489 §3.1): they are the same, or one stands below the other."""
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


def _id(connection: Connection, newsletter: Newsletter) -> int:
    """The newsletter's row, under any of its names; 0 where it has none yet."""
    for slug in (newsletter.slug, *newsletter.former):
        try:
            return declared.newsletter_id(connection, slug)
        except StoreError:
            continue
    return 0
