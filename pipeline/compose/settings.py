"""From the configuration to what a digest keeps of it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pipeline.config import Config, Newsletter
from pipeline.errors import UsageError
from pipeline.model.frozen import DigestPage
from pipeline.model.letterhead import Letterhead
from pipeline.model.newsletters import MANUAL, Digest
from pipeline.store import Connection, meta

READ_WITHIN = timedelta(hours=24)
"""How lately the mailbox of what comes back must have been read, for mails to offer leaving by mail."""

DIGEST = "digest"
"""The kind of mail in a Feedback-ID, unless it has another."""


def page_for(config: Config, newsletter: Newsletter, digest: Digest, language: str = "") -> DigestPage:
    """What the template may know, the operator's introduction apart. `language`: "" is the newsletter's."""
    public_url = config.site.public_url
    archive_url = f"{public_url}/n/{newsletter.slug}/"
    return DigestPage(
        site_title=config.site.title, public_url=public_url,
        language=language or newsletter.language or config.site.language,
        newsletter_slug=newsletter.slug, newsletter_title=newsletter.title, description=newsletter.description,
        digest_name=digest.name, digest_url=f"{archive_url}{digest.name}", archive_url=archive_url,
        date=local_date(config, digest), postal_address=config.site.postal_address or "",
        feed_url=config.feed_url(newsletter),
    )


def letterhead(config: Config, newsletter: Newsletter, digest: Digest) -> Letterhead:
    if config.mail is None:
        raise UsageError(f"newsletter {newsletter.slug!r}", "there is no [mail] in config.toml",
                         hint="say who sends: [mail] sender = …")
    return Letterhead(
        sender_name=config.mail.sender_name, sender_address=config.mail.sender_address,
        reply_to=config.mail.reply_to or "", subject=digest.edits.subject or newsletter.subject,
        on_uncertain=newsletter.on_uncertain, page=page_for(config, newsletter, digest), rules=newsletter.rules,
        return_path=config.mail.return_address,
        feedback_id=feedback_id(config, newsletter.slug, digest.name, digest.kind or DIGEST),
        precedence=config.mail.precedence,
    )


def with_mailto(connection: Connection, head: Letterhead, now: datetime) -> Letterhead:
    """With a way to leave by mail, where such mails have lately been read: whoever writes there must not be ignored."""
    read_at = meta.get(connection, meta.RETURNS_READ_AT)
    if not head.return_path or not read_at or now - datetime.fromisoformat(read_at) > READ_WITHIN:
        return head
    return replace(head, unsubscribe_mailto=head.return_path)


def feedback_id(config: Config, newsletter: str, digest: str, kind: str) -> str:
    """ "2026-11-22-0800-daily:lantern:Digest:lantern.example": the finest first, then coarser, and last who sends, in 5
    to 15 characters and always the same (Gmail's feedback loop, support.google.com/mail/answer/6254652). Gmail adds up
    what is equal in whichever place it stands, so the kind has a capital, which no slug has. No person stands in it."""
    host = urlsplit(config.site.public_url).hostname or "localhost"
    sender = host if 5 <= len(host) <= 15 else hashlib.sha256(host.encode()).hexdigest()[:15]
    return f"{digest}:{newsletter}:{kind.capitalize()}:{sender}"


def local_date(config: Config, digest: Digest) -> datetime:
    """The slot's own local date; for a digest made by hand, when that was where the site is."""
    if digest.schedule == MANUAL:
        return digest.due_at.astimezone(ZoneInfo(config.site.timezone)).replace(tzinfo=None)
    return datetime.fromisoformat(digest.nominal)
