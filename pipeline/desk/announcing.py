"""announce: a Markdown file to everybody of a newsletter, or to those whom a digest reached; looked at before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from pipeline.app import App
from pipeline.collect.folders.extract import MAX_DOCUMENT, Skipped, decode, extract_document
from pipeline.compose.announce import Announced, Words, announce, made_up, press_announcement
from pipeline.compose.settings import with_mailto
from pipeline.compose.stage import Parts
from pipeline.config import Newsletter
from pipeline.deliver.letters import Letter
from pipeline.desk.proof.finding import Finding
from pipeline.desk.proving import look_at, reason
from pipeline.desk.sheet import MADE_UP, Sheet
from pipeline.errors import UsageError
from pipeline.model.frozen import Arrangement
from pipeline.model.newsletters import Digest
from pipeline.store import announcements, declared, digests
from pipeline.text.legal import one_line

LATEST = "latest"


@dataclass(frozen=True, slots=True)
class Prepared:
    """An announcement before it is stored. `holds` says why it should not go ("": it may)."""

    newsletter: Newsletter
    digest: Digest
    words: Words
    announced: Announced
    people: int
    received: Digest | None      # for those whom this one reached; None: for everyone
    waiting: int                 # people whom that one may still reach: they are not among those
    sheet: Sheet
    findings: tuple[Finding, ...]
    holds: str


def prepare(app: App, newsletter: Newsletter, file: Path, *, subject: str = "", received: str = "") -> Prepared:
    """Read the file and make the mail of it. Stores nothing; follows the mail's links where `[preflight]` lets it.

    `received`: the name of a digest, "latest" for the newest one that told articles. Raises UsageError, ParseError or
    TemplateError.
    """
    words = read_words(app, file, subject)
    digest = made_up(newsletter, app.now())
    with app.store.read() as connection:
        newsletter_id = declared.newsletter_id(connection, newsletter.slug)
        before, waiting = None, 0
        if received:
            before = announcements.latest_told(connection, newsletter.slug) if received == LATEST else None
            before = before or digests.require(connection, received, newsletter.slug)
            if before.frozen_at is None:
                raise UsageError(f"digest {before.newsletter}/{before.name}", "was never sent, so nobody received it")
            waiting = announcements.still_waiting(connection, before.id)
        theirs = (announcements.reached(connection, before) if before is not None
                  else announcements.everyone(connection, newsletter_id))
    made = press_announcement(app.templates(), app.config, newsletter, digest, words, nonce=token_hex(8))
    sheet = _sheet(app, made)
    found = look_at(app, sheet, made.head.page.language)
    return Prepared(newsletter, digest, words, made, len(theirs), before, waiting, sheet, tuple(found),
                    reason(found, app.config.preflight))


def send(app: App, parts: Parts, prepared: Prepared, *, again: bool = False) -> Digest:
    """Store it, frozen: it leaves with the next `deliver`."""
    return announce(parts, prepared.newsletter, prepared.digest, prepared.words, prepared.announced, now=app.now(),
                    received=prepared.received, again=again)


def read_words(app: App, file: Path, subject: str) -> Words:
    """What a Markdown file says: its title is that of its front matter, or its first heading, or else the subject."""
    if file.suffix.lower() not in (".md", ".markdown"):
        raise UsageError(str(file), "is no Markdown file", hint="an announcement is a .md file with a heading and text")
    try:
        with file.open("rb") as source:
            data = source.read(MAX_DOCUMENT + 1)
    except OSError as error:
        raise UsageError(str(file), f"can't be read: {(error.strerror or '').lower()}") from error
    found = extract_document(file.name, data, now=app.now())
    if isinstance(found, Skipped):
        raise UsageError(str(file), found.reason, hint="an announcement goes out at once")
    title = one_line(found.title or subject)
    if not title:
        raise UsageError(str(file), "has no subject", hint='begin it with a heading, "# Sorry", or say --subject')
    return Words(title, one_line(subject) or title, found.html, decode(file.name, data))


def _sheet(app: App, made: Announced) -> Sheet:
    with app.store.read() as connection:
        head = with_mailto(connection, made.head, app.now())
    letter = Letter(token_hex(16), head, made.frozen, app.now(), {}, app.signers())
    envelope, chunks = letter.personal(
        app.keyring, 0, MADE_UP, app.now(), subject=made.subject, shown=Arrangement(()), preheader=made.preheader,
        more=0)
    return Sheet(envelope, b"".join(chunks), made.subject, (), 0, made.notes)
