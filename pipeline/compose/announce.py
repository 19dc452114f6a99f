"""announce: the operator's own words | render and inline once | freeze, for whom it is, in one transaction.

An announcement is a digest without articles: the same letter and the same ledger, with a delivery for each person, that
is audited, paused, cancelled and settled like any other. It is there frozen or not at all, so a crash leaves no half of
it. What it says stands in the shell, where a digest has its introduction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipeline.compose.filling import BATCH
from pipeline.compose.freeze import Content, freeze
from pipeline.compose.press import put
from pipeline.compose.settings import feedback_id, letterhead, page_for, with_mailto
from pipeline.compose.stage import Parts
from pipeline.compose.warming import ends_at
from pipeline.config import Config, Newsletter
from pipeline.errors import TemplateError, UsageError
from pipeline.model.fragments import fragments
from pipeline.model.frozen import Arrangement, DigestPage, Frozen
from pipeline.model.letterhead import Letterhead
from pipeline.model.newsletters import ANNOUNCEMENT, MANUAL, Digest, DigestStatus
from pipeline.render.templates import FALLBACK, DigestTemplate, Templates
from pipeline.render.views import one_line
from pipeline.store import announcements, declared, digests

LASTS = timedelta(days=7)
"""How long after it was made (or after the last day of a warm-up) what has not gone of it may still go."""

FEEDBACK_KIND = "Announcement"

MOST_PREHEADER = 140   # characters

NOTHING = Content((), {})


@dataclass(frozen=True, slots=True)
class Words:
    """What an announcement says. `html` need not be clean."""

    title: str
    subject: str
    html: str
    source: str = ""      # the text as the operator wrote it: the same is not sent twice by mistake


@dataclass(frozen=True, slots=True)
class Announced:
    """An announcement ready to be stored, or to be looked at."""

    head: Letterhead
    frozen: Mapping[str, Frozen]
    preheader: str
    notes: tuple[str, ...]

    @property
    def subject(self) -> str:
        return self.head.subject


def made_up(newsletter: Newsletter, now: datetime) -> Digest:
    """An announcement of this second, without a row. A digest that is made by hand in the same second has a slot of its
    own."""
    nominal = f"{now:%Y-%m-%dT%H:%M:%S}-{ANNOUNCEMENT}"
    return Digest(0, newsletter.slug, MANUAL, nominal, DigestStatus.DRAFT, now, 0, now, kind=ANNOUNCEMENT)


def press_announcement(
    templates: Templates, config: Config, newsletter: Newsletter, digest: Digest, words: Words, *, nonce: str
) -> Announced:
    """Freeze an announcement in the newsletter's own letter; in the default one, with a note, where that shows no
    introduction. Raises TemplateError where it can't be rendered, UsageError where there is nothing to say."""
    page = page_for(config, newsletter, digest)
    html, text = put(words.html, page.public_url, newsletter.images, first_heading=3)
    if not html.strip() or not text.strip():
        raise UsageError("the announcement", "says nothing that a mail could show", hint="write text below its title")
    page = replace(page, digest_url=page.archive_url, announcement=one_line(words.title))
    told = replace(page, introduction=html, introduction_text=text)
    notes: list[str] = []
    made = _shown(templates.digest(newsletter.template), page, told, nonce)
    if made is None:
        notes.append(f'template "{newsletter.template}" shows no introduction: this goes in the default letter')
        made = _shown(templates.digest(FALLBACK), page, told, nonce)
    if made is None:
        raise TemplateError(f"template {FALLBACK!r}", "shows no introduction, which is where an announcement stands",
                            hint="keep `page.introduction` and `page.introduction_text` in it")
    head = replace(letterhead(config, newsletter, digest), subject=one_line(words.subject), page=page,
                   feedback_id=feedback_id(config, newsletter.slug, digest.name, FEEDBACK_KIND),
                   on_uncertain="leave")  # sent again by the operator's word alone: `covered` says nothing here
    line = one_line(text)
    if len(line) > MOST_PREHEADER:
        line = line[:MOST_PREHEADER - 2].rpartition(" ")[0] + " …"
    return Announced(head, {"": made}, line, tuple(notes))


def announce(
    parts: Parts, newsletter: Newsletter, digest: Digest, words: Words, announced: Announced, *, now: datetime,
    received: Digest | None = None, again: bool = False,
) -> Digest:
    """Store an announcement, frozen, for everyone of the newsletter or for those whom `received` reached.

    Raises UsageError where it is for nobody, or where the same words went out before and `again` is not
    said.
    """
    expires_at = ends_at(parts.config, now) + LASTS
    with parts.store.write() as connection:
        newsletter_id = declared.newsletter_id(connection, newsletter.slug)
        digest_id = announcements.add(connection, newsletter_id, digest, subject=words.subject, words=words.source,
                                      received=received, again=again, now=now)
        digests.store_content(connection, digest_id, (), {
            language: fragments(one) for language, one in announced.frozen.items()})
        digests.ensure_selection(connection, digest_id, Arrangement(()), more=0, subject=announced.subject,
                                 preheader=announced.preheader)
        announcements.freeze(
            connection, digest_id, batch=BATCH, now=now, expires_at=expires_at,
            settings=with_mailto(connection, announced.head, now).to_json(), nonce=announced.frozen[""].nonce,
            notes=_notes(announced, received))
        return digests.get(connection, digest_id)


def _notes(announced: Announced, received: Digest | None) -> list[str]:
    whom = [f"for those whom {received.newsletter}/{received.name} reached"] if received is not None else []
    return [*whom, *announced.notes]


def _shown(template: DigestTemplate, page: DigestPage, told: DigestPage, nonce: str) -> Frozen | None:
    """The letter, or None where it would look the same without the words, be it in HTML or in plain text."""
    made, without = (freeze(template, one, NOTHING, nonce=nonce) for one in (told, page))
    return made if made.html != without.html and made.text != without.text else None
